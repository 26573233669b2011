#include "core/pattern.h"

#include <assert.h>
#include <errno.h>
#include <openssl/siphash.h>
#include <stdlib.h>

/* What patterns have in common up to some level. */
struct wye_pattern_node {
    struct wye_pattern_node *parent;
    struct wye_pattern_node *next; /* in its bucket */
    struct wye_pattern_node *plus; /* its level behind this one is '+' */
    void *exact;                   /* of the pattern that ends here; NULL: none */
    void *rest;                    /* of the pattern that goes on with '#' */
    uint32_t children;             /* nodes below, plus included */
    uint32_t hash;
    uint8_t level_bytes;
    char level[];
};

enum { BUCKETS_START = 16 };

static const struct wye_span plus_level = {"+", 1}, rest_level = {"#", 1};

/* ---- levels ---- */

/* Takes the first level off a name. false: there is none left. */
static bool next_level(struct wye_span *left, struct wye_span *level) {
    if (!left->bytes) return false;
    const char *slash = memchr(left->bytes, '/', left->count);
    if (!slash) {
        *level = *left;
        *left = (struct wye_span){0};
        return true;
    }
    level->bytes = left->bytes;
    level->count = (size_t)(slash - left->bytes);
    left->bytes = slash + 1;
    left->count -= level->count + 1;
    return true;
}

const char *wye_topic_name_fault(struct wye_span name) {
    if (name.count == 0) return "a topic's name is empty";
    if (name.count > WYE_TOPIC_NAME_MAX) return "a topic's name is longer than 255 bytes";
    if (memchr(name.bytes, 0, name.count)) return "a topic's name holds a NUL";
    unsigned levels = 0;
    for (struct wye_span left = name, level; next_level(&left, &level); levels++) {
        if (level.count == 0) return "a topic's name has an empty level";
        if (left.bytes && wye_span_equal(level, rest_level)) return "'#' stands for all levels that follow: it is the last one";
    }
    return levels > WYE_TOPIC_LEVELS_MAX ? "a topic's name has more than 16 levels" : NULL;
}

bool wye_pattern_is(struct wye_span name) {
    for (struct wye_span level; next_level(&name, &level);) {
        if (wye_span_equal(level, plus_level) || wye_span_equal(level, rest_level)) return true;
    }
    return false;
}

bool wye_pattern_matches(struct wye_span pattern, struct wye_span name) {
    struct wye_span wanted, level;
    bool own = name.count > 0 && name.bytes[0] == '$', first = true;
    for (; next_level(&pattern, &wanted); first = false) {
        bool rest = wye_span_equal(wanted, rest_level), plus = wye_span_equal(wanted, plus_level);
        if (first && own && (rest || plus)) return false;
        if (rest) return true;
        if (!next_level(&name, &level)) return false;
        if (!plus && !wye_span_equal(wanted, level)) return false;
    }
    return !name.bytes;
}

bool wye_pattern_covers(struct wye_span pattern, struct wye_span other) {
    struct wye_span wanted, level;
    if (wye_span_equal(other, rest_level)) other = WYE_SPAN("+/#"); /* the same: every name has a level */
    bool own = other.count > 0 && other.bytes[0] == '$', first = true;
    for (; next_level(&pattern, &wanted); first = false) {
        bool rest = wye_span_equal(wanted, rest_level), plus = wye_span_equal(wanted, plus_level);
        if (first && own && (rest || plus)) return false;
        if (rest) return true;
        if (!next_level(&other, &level) || wye_span_equal(level, rest_level)) return false;
        if (!plus && !wye_span_equal(wanted, level)) return false;
    }
    return !other.bytes;
}

/* ---- nodes ---- */

uint32_t wye_name_hash(const uint64_t key[2], struct wye_span name) {
    return (uint32_t)SIPHASH_24(key, (const uint8_t *)name.bytes, name.count);
}

static uint32_t child_hash(const struct wye_patterns *patterns, const struct wye_pattern_node *parent,
                           struct wye_span level) {
    return wye_name_hash(patterns->hash_key, level) ^ (uint32_t)((uintptr_t)parent >> 4) * 2654435769u;
}

static struct wye_pattern_node **bucket_of(const struct wye_patterns *patterns, uint32_t hash) {
    return &patterns->buckets[hash & (patterns->bucket_count - 1)];
}

static struct wye_pattern_node *find_child(const struct wye_patterns *patterns, const struct wye_pattern_node *parent,
                                           struct wye_span level) {
    if (patterns->bucket_count == 0) return NULL;
    uint32_t hash = child_hash(patterns, parent, level);
    struct wye_pattern_node *node = *bucket_of(patterns, hash);
    while (node && !(node->hash == hash && node->parent == parent && node->level_bytes == level.count &&
                     memcmp(node->level, level.bytes, level.count) == 0))
        node = node->next;
    return node;
}

/* The buckets are doubled when there is one node each. false: there are none at all. */
static bool reserve_bucket(struct wye_patterns *patterns) {
    if (patterns->node_count < patterns->bucket_count) return true;
    size_t count = patterns->bucket_count ? patterns->bucket_count * 2 : BUCKETS_START;
    struct wye_pattern_node **buckets = calloc(count, sizeof buckets[0]);
    if (!buckets) return patterns->bucket_count > 0; /* longer chains, nothing worse */
    for (size_t i = 0; i < patterns->bucket_count; i++) {
        for (struct wye_pattern_node *node = patterns->buckets[i], *next; node; node = next) {
            next = node->next;
            node->next = buckets[node->hash & (count - 1)];
            buckets[node->hash & (count - 1)] = node;
        }
    }
    free(patterns->buckets);
    patterns->buckets = buckets;
    patterns->bucket_count = count;
    return true;
}

static struct wye_pattern_node *add_child(struct wye_patterns *patterns, struct wye_pattern_node *parent,
                                          struct wye_span level) {
    bool plus = wye_span_equal(level, plus_level);
    if (!plus && !reserve_bucket(patterns)) return NULL;
    struct wye_pattern_node *node = calloc(1, sizeof *node + level.count);
    if (!node) return NULL;
    node->parent = parent;
    node->level_bytes = (uint8_t)level.count;
    memcpy(node->level, level.bytes, level.count);
    parent->children++;
    if (plus) {
        parent->plus = node;
        return node;
    }
    node->hash = child_hash(patterns, parent, level);
    struct wye_pattern_node **bucket = bucket_of(patterns, node->hash);
    node->next = *bucket;
    *bucket = node;
    patterns->node_count++;
    return node;
}

/* Frees a node that nothing is left in, and those above that are then empty, too. */
static void prune(struct wye_patterns *patterns, struct wye_pattern_node *node) {
    while (node && !node->exact && !node->rest && node->children == 0) {
        struct wye_pattern_node *parent = node->parent;
        if (!parent) {
            patterns->root = NULL;
        } else if (parent->plus == node) {
            parent->plus = NULL;
        } else {
            struct wye_pattern_node **link = bucket_of(patterns, node->hash);
            while (*link != node) link = &(*link)->next;
            *link = node->next;
            patterns->node_count--;
        }
        if (parent) parent->children--;
        free(node);
        node = parent;
    }
}

/* ---- the set ---- */

/* The node where a pattern ends, made as far as need be; *rest: it ends with '#'. NULL: no memory. */
static struct wye_pattern_node *reach(struct wye_patterns *patterns, struct wye_span pattern, bool *rest, bool make) {
    if (!patterns->root && make) patterns->root = calloc(1, sizeof *patterns->root);
    struct wye_pattern_node *node = patterns->root;
    *rest = false;
    for (struct wye_span level; node && next_level(&pattern, &level);) {
        if ((*rest = wye_span_equal(level, rest_level))) break;
        struct wye_pattern_node *child =
            wye_span_equal(level, plus_level) ? node->plus : find_child(patterns, node, level);
        if (!child && make) {
            child = add_child(patterns, node, level);
            if (!child) prune(patterns, node);
        }
        node = child;
    }
    return node;
}

int wye_patterns_add(struct wye_patterns *patterns, struct wye_span pattern, void *what) {
    bool rest;
    struct wye_pattern_node *node = reach(patterns, pattern, &rest, true);
    if (!node) return -ENOMEM;
    void **place = rest ? &node->rest : &node->exact;
    assert(!*place && what);
    *place = what;
    return 0;
}

void wye_patterns_remove(struct wye_patterns *patterns, struct wye_span pattern) {
    bool rest;
    struct wye_pattern_node *node = reach(patterns, pattern, &rest, false);
    void **place = rest ? &node->rest : &node->exact;
    assert(*place);
    *place = NULL;
    prune(patterns, node);
}

/* A walk over all that matches: who is told. */
struct walk {
    const struct wye_patterns *patterns;
    void (*found)(void *owner, void *what);
    void *owner;
};

/* As deep as the name has levels at most, and as wide as prefixes of patterns match. */
static void match(const struct walk *walk, const struct wye_pattern_node *node, struct wye_span left, bool wild) {
    if (node->rest && wild) walk->found(walk->owner, node->rest);
    struct wye_span level;
    if (!next_level(&left, &level)) {
        if (node->exact) walk->found(walk->owner, node->exact);
        return;
    }
    if (node->plus && wild) match(walk, node->plus, left, true);
    const struct wye_pattern_node *child = find_child(walk->patterns, node, level);
    if (child) match(walk, child, left, true);
}

void wye_patterns_match(const struct wye_patterns *patterns, struct wye_span name, void (*found)(void *, void *), void *owner) {
    if (!patterns->root || name.count == 0) return;
    const struct walk walk = {patterns, found, owner};
    match(&walk, patterns->root, name, name.bytes[0] != '$');
}

void wye_patterns_fini(struct wye_patterns *patterns) {
    assert(!patterns->root);
    free(patterns->buckets);
    *patterns = (struct wye_patterns){0};
}
