/*
 * A topic, or a pattern of topics, as the whole node sees it: how many subscribers, on which loops. Each loop that has
 * subscribers holds its own wye_topic, and that holds the subject. Any thread.
 */
#ifndef WYE_CORE_SUBJECT_H
#define WYE_CORE_SUBJECT_H

#include "core/meter.h"
#include "core/order.h"
#include "core/pattern.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct wye_subject {
    struct wye_subject *next; /* in its bucket; the registry's */
    uint32_t references;      /* the registry's, under its lock */
    uint32_t hash;
    _Atomic uint32_t subscribers;
    uint32_t born; /* in which tick of meters */
    struct wye_subject *order_left, *order_right; /* while it has subscribers */
    uint32_t order_dice;
    _Atomic uint64_t loops; /* bit i: hub i has subscribers */
    /* Hubs that have subscribers of patterns that match it; known since this version of the registry's patterns. */
    _Atomic uint64_t pattern_loops, patterns_version;
    uint16_t name_bytes;
    bool pattern;
    struct wye_meter meter; /* of the first loop that held it; the others' hang on it, until it goes */
    char name[];
};

/*
 * The registry. Its lock is taken when a loop's first subscriber comes or its last one goes, to list, and by the first
 * publish to a topic after the patterns have changed. Whoever lists takes it for a few subjects at a time.
 */
struct wye_subjects {
    pthread_mutex_t lock;
    uint64_t hash_key[2];
    struct wye_subject **buckets;
    size_t bucket_count, count;
    struct wye_order order; /* those with subscribers */
    struct wye_patterns patterns; /* the subjects that are patterns */
    _Atomic uint64_t patterns_version; /* grows when a loop gets or loses one */
};

/* The key is for hashes, and for the dice of the order: who chooses names shall not know them. 0, or -errno.
 */
int wye_subjects_init(struct wye_subjects *subjects, const uint64_t key[2]);
void wye_subjects_fini(struct wye_subjects *subjects);

/* Of a name, on every loop the same. */
static inline uint32_t wye_subject_hash(const struct wye_subjects *subjects, struct wye_span name) {
    return wye_name_hash(subjects->hash_key, name);
}

/*
 * The subject of this name (whose wye_subject_hash() is `hash`), made if need be, with one more reference;
 * *meter is the one that hub `number` counts on while it holds it. NULL: no memory.
 */
struct wye_subject *wye_subject_hold(struct wye_subjects *subjects, struct wye_span name, uint32_t hash, unsigned number,
                                     uint64_t now_ns, struct wye_meter **meter);

void wye_subject_release(struct wye_subjects *subjects, struct wye_subject *subject);

/* Hub `number` has now a first subscriber, or none any more. */
void wye_subject_set_loop(struct wye_subjects *subjects, struct wye_subject *subject, unsigned number, bool subscribed);

/* The hubs that a publish to it is for, a bit each: those with subscribers of it, or of a pattern that matches it. */
uint64_t wye_subject_loops(struct wye_subjects *subjects, struct wye_subject *subject);

/* What all of its loops see is counted by one of them: is it this one? */
static inline bool wye_subject_counts_on(const struct wye_subject *subject, unsigned number) {
    uint64_t loops = atomic_load_explicit(&subject->loops, memory_order_relaxed);
    return loops && (unsigned)__builtin_ctzll(loops) == number;
}

/* One line of a listing. */
struct wye_subject_view {
    char name[WYE_TOPIC_NAME_MAX];
    uint8_t name_bytes;
    bool pattern;
    uint32_t subscribers;
    struct wye_metered metered;
};

/* Copies out the subject of this name. false: there is none with subscribers. */
bool wye_subjects_view(struct wye_subjects *subjects, struct wye_span name, uint64_t now_ns, struct wye_subject_view *to);

/* How many have subscribers. */
size_t wye_subjects_count(struct wye_subjects *subjects);

/* A walk over the subjects that have subscribers, in the order of their names; made by wye_listing_begin(). */
struct wye_listing {
    struct wye_span match;  /* a pattern, or a name; bytes NULL: all match. The caller's memory */
    struct wye_span prefix; /* of match: how every name begins that matches it, but for one that lacks the last '/' */
    char at[WYE_TOPIC_NAME_MAX + 1];
    uint16_t at_bytes;
    bool inclusive; /* the next one may be `at` itself */
    bool more;      /* there may be a next one */
};

/* Begins behind the name `after` (empty: with the first). */
void wye_listing_begin(struct wye_listing *listing, struct wye_span after, struct wye_span match);

enum { WYE_LISTING_STEP = 64 };

/*
 * Copies out the next ones, at most `most`, after looking at up to WYE_LISTING_STEP: so long it holds the lock. Returns how
 * many; listing->more says whether to call again. What has subscribers all the time is found exactly once, whatever comes and goes.
 */
size_t wye_listing_next(struct wye_listing *listing, struct wye_subjects *subjects, uint64_t now_ns, struct wye_subject_view *to,
                        size_t most);

#endif
