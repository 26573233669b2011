/*
 * Names of topics, and patterns of names: a level '+' stands for any one level, a last level '#' for any number of
 * them, none included (MQTT 5.0, 4.7). A name that begins with '$' is matched by no pattern that begins with a
 * wildcard. One thread, or a lock of the owner's.
 */
#ifndef WYE_CORE_PATTERN_H
#define WYE_CORE_PATTERN_H

#include "handshake/span.h"

#include <stdint.h>

enum { WYE_TOPIC_NAME_MAX = 255, WYE_TOPIC_LEVELS_MAX = 16 };

/*
 * Is it a name or a pattern: 1 to 255 bytes, at most 16 levels parted by '/', none empty, no NUL, a level '#' only as
 * the last? NULL: yes; or what is wrong (static).
 */
const char *wye_topic_name_fault(struct wye_span name);

/* Has it a level that is a wildcard? A '+' or '#' beside other characters is one like others. */
bool wye_pattern_is(struct wye_span name);

/* Does one pattern (or name) match a name? For few of them; a set of many is asked by wye_patterns_match(). */
bool wye_pattern_matches(struct wye_span pattern, struct wye_span name);

/*
 * Does a pattern (or name) match every name that another matches? "a/#" covers "a", "a/b" and "a/+"; "a/+" doesn't cover "a/#".
 * No leading wildcard covers what begins with '$'.
 */
bool wye_pattern_covers(struct wye_span pattern, struct wye_span other);

/* The hash of a name, or of a level. The key is secret: anybody may choose names, and nobody shall make long
 * chains of them. */
uint32_t wye_name_hash(const uint64_t key[2], struct wye_span name);

struct wye_pattern_node;

/* A set of patterns, each with something of the owner's: a trie by levels. All zero but for the key: empty.
 */
struct wye_patterns {
    uint64_t hash_key[2];
    struct wye_pattern_node *root;     /* NULL: no pattern */
    struct wye_pattern_node **buckets; /* of all nodes that are reached by a literal level */
    size_t bucket_count, node_count;
};

/* Adds a pattern that isn't in the set. 0, or -ENOMEM with the set as it was. */
int wye_patterns_add(struct wye_patterns *patterns, struct wye_span pattern, void *what);

/* Takes a pattern out that is in the set. */
void wye_patterns_remove(struct wye_patterns *patterns, struct wye_span pattern);

/*
 * Calls found(owner, what) for every pattern that matches a name. The cost grows with the levels of the name and the
 * prefixes that match, not with the number of patterns.
 */
void wye_patterns_match(const struct wye_patterns *patterns, struct wye_span name, void (*found)(void *owner, void *what),
                        void *owner);

/* No pattern may be left. */
void wye_patterns_fini(struct wye_patterns *patterns);

#endif
