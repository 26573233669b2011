/* SIGHUP: the configuration file, the certificates and the keys of tokens are read again while the node runs. */
#ifndef WYE_RING_RELOAD_H
#define WYE_RING_RELOAD_H

#include "ring/options.h"
#include "ring/threads.h"

/*
 * Reads them, applies what can be changed, and logs each change; an option that only a restart changes is logged, too, and
 * stays as it is. What cannot be read leaves everything as it was. `limit`: of connections, for the node. Returns the
 * options that hold from now on; the reference passes in and out.
 */
struct wye_options *wye_reload(struct wye_threads *threads, struct wye_options *now, uint32_t limit);

/* Bounds max_connections by what the descriptor limit allows; logs when more was asked for. */
void wye_options_limit(struct wye_options *options, uint32_t limit);

#endif
