/* A hub over no hands: what is sent is counted and forgotten. For benchmarks of core, in C++ too. */
#ifndef WYE_BENCH_MICRO_HANDS_H
#define WYE_BENCH_MICRO_HANDS_H

#include <stddef.h>
#include <stdint.h>

struct micro_hands;

/* What would have been asked of the kernel. */
struct micro_sent {
    uint64_t sends, slices, bytes;
};

/* A hub with one publisher and so many subscribers of a topic, all upgraded. NULL: no memory. */
struct micro_hands *micro_hands_open(uint32_t subscribers);
void micro_hands_shut(struct micro_hands *hands);

/* The publisher's socket brings `bytes`, which are unmasked in place; turns are made until all has gone out.
 */
void micro_hands_feed(struct micro_hands *hands, uint8_t *bytes, size_t count);

/* Masked messages of a client, one behind another, ready to be fed. Returns their bytes; `to` NULL: only
 * counts. */
size_t micro_hands_messages(uint8_t *to, size_t messages, size_t payload_bytes);

/* All since the opening. */
struct micro_sent micro_hands_sent(const struct micro_hands *hands);

#endif
