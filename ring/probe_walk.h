/* The probe's walk: one attempt to upgrade, step by step, and the further connections that decide what is
 * wrong. */
#ifndef WYE_RING_PROBE_WALK_H
#define WYE_RING_PROBE_WALK_H

#include "handshake/attempt.h"
#include "ring/probe_options.h"

/* Walks. *attempt is filled in; its spans lie in memory that lasts until the next walk, and in *options. */
void wye_probe_walk(struct wye_attempt *attempt, const struct wye_probe_options *options);

#endif
