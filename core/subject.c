#include "core/subject.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_START = 64 };

int wye_subjects_init(struct wye_subjects *subjects, const uint64_t key[2]) {
    *subjects = (struct wye_subjects){.hash_key = {key[0], key[1]},
                                      .patterns = {.hash_key = {key[0], key[1]}},
                                      .bucket_count = BUCKETS_START,
                                      .order = {.dice = key[0] | 1},
                                      .patterns_version = 1};
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

static struct wye_subject *subject_add(struct wye_subjects *subjects, struct wye_span name, uint32_t hash, unsigned number,
                                       uint64_t now_ns) {
    struct wye_subject *subject = calloc(1, sizeof *subject + name.count);
    if (!subject) return NULL;
    subject->hash = hash;
    subject->born = wye_meter_tick(now_ns);
    subject->meter.hub = (uint16_t)number;
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

/* A hub's own meter: it keeps it while the subject is there, so that a rate outlives a loop's last subscriber. NULL: no memory. */
static struct wye_meter *meter_of(struct wye_subject *subject, unsigned number) {
    struct wye_meter *meter = &subject->meter;
    while (meter && meter->hub != number) meter = meter->next;
    if (meter) return meter;
    meter = calloc(1, sizeof *meter);
    if (!meter) return NULL;
    meter->hub = (uint16_t)number;
    meter->next = subject->meter.next;
    subject->meter.next = meter;
    return meter;
}

struct wye_subject *wye_subject_hold(struct wye_subjects *subjects, struct wye_span name, uint32_t hash, unsigned number,
                                     uint64_t now_ns, struct wye_meter **meter) {
    pthread_mutex_lock(&subjects->lock);
    struct wye_subject *subject = subject_find(subjects, name, hash);
    if (!subject) subject = subject_add(subjects, name, hash, number, now_ns);
    *meter = subject ? meter_of(subject, number) : NULL;
    if (!*meter) subject = NULL; /* one that was just made has a meter */
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
        for (struct wye_meter *meter = subject->meter.next, *next; meter; meter = next) {
            next = meter->next;
            free(meter);
        }
        free(subject);
    }
    pthread_mutex_unlock(&subjects->lock);
}

void wye_subject_set_loop(struct wye_subjects *subjects, struct wye_subject *subject, unsigned number, bool subscribed) {
    uint64_t bit = UINT64_C(1) << number;
    pthread_mutex_lock(&subjects->lock);
    uint64_t before = atomic_load_explicit(&subject->loops, memory_order_relaxed);
    uint64_t after = subscribed ? before | bit : before & ~bit;
    atomic_store_explicit(&subject->loops, after, memory_order_relaxed);
    if (after && !before) wye_order_add(&subjects->order, subject);
    if (before && !after) wye_order_remove(&subjects->order, subject);
    pthread_mutex_unlock(&subjects->lock);
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

/* ---- listing ---- */

static void view(const struct wye_subject *subject, uint64_t now_ns, struct wye_subject_view *to) {
    memcpy(to->name, subject->name, subject->name_bytes);
    to->name_bytes = (uint8_t)subject->name_bytes;
    to->pattern = subject->pattern;
    to->subscribers = atomic_load_explicit(&subject->subscribers, memory_order_relaxed);
    to->metered = wye_meters_read(&subject->meter, wye_meter_tick(now_ns), subject->born);
}

bool wye_subjects_view(struct wye_subjects *subjects, struct wye_span name, uint64_t now_ns, struct wye_subject_view *to) {
    pthread_mutex_lock(&subjects->lock);
    const struct wye_subject *subject = subject_find(subjects, name, wye_subject_hash(subjects, name));
    bool there = subject && atomic_load_explicit(&subject->loops, memory_order_relaxed);
    if (there) view(subject, now_ns, to);
    pthread_mutex_unlock(&subjects->lock);
    return there;
}

size_t wye_subjects_count(struct wye_subjects *subjects) {
    pthread_mutex_lock(&subjects->lock);
    size_t count = subjects->order.count;
    pthread_mutex_unlock(&subjects->lock);
    return count;
}

/* What stands before the first level that is a wildcard. */
static struct wye_span literal_levels(struct wye_span pattern) {
    for (size_t at = 0, end; at < pattern.count; at = end + 1) {
        const char *slash = memchr(pattern.bytes + at, '/', pattern.count - at);
        end = slash ? (size_t)(slash - pattern.bytes) : pattern.count;
        if (wye_pattern_is((struct wye_span){pattern.bytes + at, end - at})) return (struct wye_span){pattern.bytes, at};
    }
    return pattern;
}

static void go_to(struct wye_listing *listing, struct wye_span name, bool inclusive) {
    if (name.count) memcpy(listing->at, name.bytes, name.count);
    listing->at_bytes = (uint16_t)name.count;
    listing->inclusive = inclusive;
}

void wye_listing_begin(struct wye_listing *listing, struct wye_span after, struct wye_span match) {
    listing->match = match;
    listing->prefix = literal_levels(match);
    listing->more = true;
    struct wye_span first = listing->prefix; /* "a/#" matches "a", too */
    if (first.count && first.bytes[first.count - 1] == '/') first.count--;
    bool behind = wye_name_compare(after, first) >= 0;
    go_to(listing, behind ? after : first, !behind);
}

struct look {
    struct wye_listing *listing;
    uint64_t now_ns;
    struct wye_subject_view *to;
    size_t most, filled, seen;
};

static bool begins(struct wye_span name, struct wye_span with) {
    return name.count >= with.count && (with.count == 0 || memcmp(name.bytes, with.bytes, with.count) == 0);
}

static bool look(void *owner, struct wye_subject *subject) {
    struct look *at = owner;
    struct wye_listing *listing = at->listing;
    const struct wye_span name = {subject->name, subject->name_bytes};
    bool matches = !listing->match.bytes || wye_pattern_matches(listing->match, name);
    bool within = listing->prefix.count < listing->match.count && begins(name, listing->prefix);
    if (!matches && !within && wye_name_compare(name, listing->prefix) > 0) return false; /* none can follow */
    listing->more = at->filled == at->most || at->seen++ == WYE_LISTING_STEP;
    if (listing->more) return false;
    if (!matches && !within) { /* between "a" and "a/" */
        go_to(listing, listing->prefix, true);
        listing->more = true;
        return false;
    }
    go_to(listing, name, false);
    if (matches) view(subject, at->now_ns, &at->to[at->filled++]);
    return true;
}

size_t wye_listing_next(struct wye_listing *listing, struct wye_subjects *subjects, uint64_t now_ns, struct wye_subject_view *to,
                        size_t most) {
    struct look at = {listing, now_ns, to, most, 0, 0};
    const struct wye_listing from = *listing;
    listing->more = false;
    pthread_mutex_lock(&subjects->lock);
    wye_order_walk(&subjects->order, (struct wye_span){from.at, from.at_bytes}, from.inclusive, look, &at);
    pthread_mutex_unlock(&subjects->lock);
    return at.filled;
}
