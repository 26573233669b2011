/*
 * A wave: what was published to one name, on its way to everybody on this hub who subscribed before. What is published
 * one after another is one wave until somebody joins or it starts, so that a subscriber is touched once for all of it;
 * and waves move on by turns, a few subscribers at a time, so that a large one holds up neither small ones nor
 * the rest of the loop. One thread.
 */
#ifndef WYE_CORE_WAVE_H
#define WYE_CORE_WAVE_H

#include "core/codec.h"
#include "core/topic.h"

enum {
    WYE_WAVE_STEP = 64,    /* subscribers that are reached, then sent to, before it is another wave's turn */
    WYE_TURN_VISITS = 128, /* subscribers that all waves of a hub reach in a turn: about a millisecond of sends */
};

/* A message in the encodings that it leaves in. */
struct wye_publication {
    const struct wye_conn *except; /* its sender, who wants no echo; NULL: nobody is left out */
    struct wye_slice frame;        /* not compressed; its reference is the wave's */
    size_t payload_bytes;          /* at the frame's end */
    uint8_t opcode;
    struct wye_receipt *receipt;   /* who is told how many it reached; NULL: nobody */
    uint32_t receivers;            /* so far, those apart that got all of the wave */
};

/*
 * Publishes on this hub a message to `topic`: its frame, not compressed, whose reference passes to the wave. 0, or
 * -ENOMEM with the reference let go, and nothing counted on the receipt.
 */
int wye_wave_publish(struct wye_hub *hub, struct wye_topic *topic, const struct wye_publication *publication);

/*
 * Moves the next wave on, by at most `most` subscribers. Returns by how many, and adds to *bytes what each of them was given;
 * 0: there is no wave, or `most` is 0.
 */
uint32_t wye_waves_advance(struct wye_hub *hub, uint32_t most, size_t *bytes);

/* What waves have under way to a subscriber that leaves is put into its outbox. */
void wye_waves_catch_up(struct wye_hub *hub, const struct wye_subscription *subscription, struct wye_conn *conn);

/* A topic's members are about to close the gaps between them: its waves count without those. false: no memory, don't. */
bool wye_waves_close_gaps(struct wye_topic *topic);

/* Drops all waves. */
void wye_waves_fini(struct wye_hub *hub);

#endif
