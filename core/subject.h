/*
 * A topic, or a pattern of topics, as the whole node sees it: how many subscribers, on which loops. Each loop that has
 * subscribers holds its own wye_topic, and that holds the subject. Any thread.
 */
#ifndef WYE_CORE_SUBJECT_H
#define WYE_CORE_SUBJECT_H

#include "core/pattern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct wye_subject {
    struct wye_subject *next; /* in its bucket; the registry's */
    uint32_t references;      /* the registry's, under its lock */
    uint32_t hash;
    _Atomic uint32_t subscribers;
    _Atomic uint64_t loops; /* bit i: hub i has subscribers */
    _Atomic uint64_t messages;
    /* Hubs that have subscribers of patterns that match it; known since this version of the registry's patterns. */
    _Atomic uint64_t pattern_loops, patterns_version;
    uint16_t name_bytes;
    bool pattern;
    char name[];
};

/*
 * The registry. Its lock is taken when a loop's first subscriber comes or its last one goes, to list, and by the first
 * publish to a topic after the patterns have changed.
 */
struct wye_subjects {
    pthread_mutex_t lock;
    struct wye_subject **buckets;
    size_t bucket_count, count;
    struct wye_patterns patterns; /* the subjects that are patterns */
    _Atomic uint64_t patterns_version; /* grows when a loop gets or loses one */
};

int wye_subjects_init(struct wye_subjects *subjects);
void wye_subjects_fini(struct wye_subjects *subjects);

/* The subject of this name (whose wye_name_hash() is `hash`), made if need be, with one more reference. NULL: no memory. */
struct wye_subject *wye_subject_hold(struct wye_subjects *subjects, struct wye_span name, uint32_t hash);

void wye_subject_release(struct wye_subjects *subjects, struct wye_subject *subject);

/* Hub `number` has now a first subscriber, or none any more. */
void wye_subject_set_loop(struct wye_subjects *subjects, struct wye_subject *subject, unsigned number, bool subscribed);

/* The hubs that a publish to it is for, a bit each: those with subscribers of it, or of a pattern that matches it. */
uint64_t wye_subject_loops(struct wye_subjects *subjects, struct wye_subject *subject);

/* One line of a listing. */
struct wye_subject_view {
    char name[256];
    uint32_t subscribers;
    uint64_t messages;
    bool pattern;
};

/* Copies out up to `most` subjects, those with the most subscribers first. Returns how many; *count is how many there are. */
size_t wye_subjects_list(struct wye_subjects *subjects, struct wye_subject_view *to, size_t most, size_t *count);

#endif
