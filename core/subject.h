/*
 * A topic as the whole node sees it: how many subscribers, on which loops. Each loop that has subscribers
 * holds its own wye_topic, and that holds the subject. Any thread.
 */
#ifndef WYE_CORE_SUBJECT_H
#define WYE_CORE_SUBJECT_H

#include "handshake/span.h"

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
    uint16_t name_bytes;
    char name[];
};

/* The registry. Its lock is taken when a loop's first subscriber comes or its last one goes, and to list. */
struct wye_subjects {
    pthread_mutex_t lock;
    struct wye_subject **buckets;
    size_t bucket_count, count;
};

int wye_subjects_init(struct wye_subjects *subjects);
void wye_subjects_fini(struct wye_subjects *subjects);

/* FNV-1a, the hash of topic names. */
uint32_t wye_subject_hash(struct wye_span name);

/* The subject of this name, made if need be, with one more reference. NULL: no memory. */
struct wye_subject *wye_subject_hold(struct wye_subjects *subjects, struct wye_span name, uint32_t hash);

void wye_subject_release(struct wye_subjects *subjects, struct wye_subject *subject);

/* One line of a listing. */
struct wye_subject_view {
    char name[256];
    uint32_t subscribers;
    uint64_t messages;
};

/* Copies out up to `most` subjects, those with the most subscribers first. Returns how many; *count is how many there are. */
size_t wye_subjects_list(struct wye_subjects *subjects, struct wye_subject_view *to, size_t most, size_t *count);

#endif
