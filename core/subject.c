#include "core/subject.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_START = 64 };

int wye_subjects_init(struct wye_subjects *subjects) {
    *subjects = (struct wye_subjects){.bucket_count = BUCKETS_START, .patterns_version = 1};
    subjects->buckets = calloc(BUCKETS_START, sizeof subjects->buckets[0]);
    if (!subjects->buckets) return -ENOMEM;
    return -pthread_mutex_init(&subjects->lock, NULL);
}

void wye_subjects_fini(struct wye_subjects *subjects) {
    assert(subjects->count == 0);
    wye_patterns_fini(&subjects->patterns);
    free(subjects->buckets);
    pthread_mutex_destroy(&subjects->lock);
}

static void subjects_grow(struct wye_subjects *subjects) {
    size_t count = subjects->bucket_count * 2;
    struct wye_subject **buckets = calloc(count, sizeof buckets[0]);
    if (!buckets) return; /* longer chains, nothing worse */
    for (size_t i = 0; i < subjects->bucket_count; i++) {
        for (struct wye_subject *subject = subjects->buckets[i], *next; subject; subject = next) {
            next = subject->next;
            subject->next = buckets[subject->hash & (count - 1)];
            buckets[subject->hash & (count - 1)] = subject;
        }
    }
    free(subjects->buckets);
    subjects->buckets = buckets;
    subjects->bucket_count = count;
}

static struct wye_subject *subject_find(const struct wye_subjects *subjects, struct wye_span name, uint32_t hash) {
    struct wye_subject *subject = subjects->buckets[hash & (subjects->bucket_count - 1)];
    while (subject && !(subject->hash == hash && subject->name_bytes == name.count &&
                        memcmp(subject->name, name.bytes, name.count) == 0))
        subject = subject->next;
    return subject;
}

static struct wye_subject *subject_add(struct wye_subjects *subjects, struct wye_span name, uint32_t hash) {
    struct wye_subject *subject = calloc(1, sizeof *subject + name.count);
    if (!subject) return NULL;
    subject->hash = hash;
    subject->name_bytes = (uint16_t)name.count;
    memcpy(subject->name, name.bytes, name.count);
    subject->pattern = wye_pattern_is(name);
    if (subject->pattern && wye_patterns_add(&subjects->patterns, name, subject) < 0) {
        free(subject);
        return NULL;
    }
    if (subjects->count >= subjects->bucket_count) subjects_grow(subjects);
    struct wye_subject **bucket = &subjects->buckets[hash & (subjects->bucket_count - 1)];
    subject->next = *bucket;
    *bucket = subject;
    subjects->count++;
    return subject;
}

struct wye_subject *wye_subject_hold(struct wye_subjects *subjects, struct wye_span name, uint32_t hash) {
    pthread_mutex_lock(&subjects->lock);
    struct wye_subject *subject = subject_find(subjects, name, hash);
    if (!subject) subject = subject_add(subjects, name, hash);
    if (subject) subject->references++;
    pthread_mutex_unlock(&subjects->lock);
    return subject;
}

void wye_subject_release(struct wye_subjects *subjects, struct wye_subject *subject) {
    pthread_mutex_lock(&subjects->lock);
    if (--subject->references == 0) {
        struct wye_subject **link = &subjects->buckets[subject->hash & (subjects->bucket_count - 1)];
        while (*link != subject) link = &(*link)->next;
        *link = subject->next;
        subjects->count--;
        if (subject->pattern)
            wye_patterns_remove(&subjects->patterns, (struct wye_span){subject->name, subject->name_bytes});
        free(subject);
    }
    pthread_mutex_unlock(&subjects->lock);
}

void wye_subject_set_loop(struct wye_subjects *subjects, struct wye_subject *subject, unsigned number, bool subscribed) {
    uint64_t bit = UINT64_C(1) << number;
    if (subscribed) atomic_fetch_or_explicit(&subject->loops, bit, memory_order_relaxed);
    else atomic_fetch_and_explicit(&subject->loops, ~bit, memory_order_relaxed);
    if (subject->pattern) atomic_fetch_add_explicit(&subjects->patterns_version, 1, memory_order_release);
}

static void add_loops(void *owner, void *what) {
    const struct wye_subject *pattern = what;
    *(uint64_t *)owner |= atomic_load_explicit(&pattern->loops, memory_order_relaxed);
}

/* The patterns have changed since this subject's were looked up. A change meanwhile is seen by the next publish. */
static uint64_t look_up_patterns(struct wye_subjects *subjects, struct wye_subject *subject, uint64_t version) {
    uint64_t loops = 0;
    pthread_mutex_lock(&subjects->lock);
    wye_patterns_match(&subjects->patterns, (struct wye_span){subject->name, subject->name_bytes}, add_loops, &loops);
    atomic_store_explicit(&subject->pattern_loops, loops, memory_order_relaxed);
    atomic_store_explicit(&subject->patterns_version, version, memory_order_release);
    pthread_mutex_unlock(&subjects->lock);
    return loops;
}

uint64_t wye_subject_loops(struct wye_subjects *subjects, struct wye_subject *subject) {
    uint64_t version = atomic_load_explicit(&subjects->patterns_version, memory_order_acquire);
    uint64_t known = atomic_load_explicit(&subject->patterns_version, memory_order_acquire);
    uint64_t loops = known == version ? atomic_load_explicit(&subject->pattern_loops, memory_order_relaxed)
                                      : look_up_patterns(subjects, subject, version);
    return loops | atomic_load_explicit(&subject->loops, memory_order_relaxed);
}

size_t wye_subjects_list(struct wye_subjects *subjects, struct wye_subject_view *to, size_t most, size_t *count) {
    size_t filled = 0;
    pthread_mutex_lock(&subjects->lock);
    *count = subjects->count;
    for (size_t i = 0; i < subjects->bucket_count; i++) {
        for (struct wye_subject *subject = subjects->buckets[i]; subject; subject = subject->next) {
            uint32_t subscribers = atomic_load_explicit(&subject->subscribers, memory_order_relaxed);
            size_t at = filled;
            while (at > 0 && to[at - 1].subscribers < subscribers) at--;
            if (at == most) continue;
            if (filled < most) filled++;
            memmove(to + at + 1, to + at, (filled - 1 - at) * sizeof to[0]);
            to[at].subscribers = subscribers;
            to[at].messages = atomic_load_explicit(&subject->messages, memory_order_relaxed);
            to[at].pattern = subject->pattern;
            memcpy(to[at].name, subject->name, subject->name_bytes);
            to[at].name[subject->name_bytes] = 0;
        }
    }
    pthread_mutex_unlock(&subjects->lock);
    return filled;
}
