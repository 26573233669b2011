/* A node's threads: one loop each, from start to the end of draining. */
#ifndef WYE_RING_THREADS_H
#define WYE_RING_THREADS_H

#include "core/node.h"
#include "core/tls_context.h"
#include "handshake/token_key.h"
#include "ring/kernel.h"
#include "ring/listener.h"

struct wye_threads;

struct wye_threads_config {
    struct wye_settings settings; /* its end() is called whether the start goes well or not */
    struct wye_abilities abilities;
    unsigned count; /* of loops, 1 to WYE_LOOPS_MAX */
    bool pinned;    /* one CPU each, of those this process may run on */
    struct wye_address *listeners; /* ports of 0 are replaced by the ones that were taken */
    unsigned listener_count;
    struct wye_tls_context *tls; /* for the listeners with TLS; the reference passes on. NULL: there are none */
    struct wye_token_keys *keys; /* of tokens; the reference passes on. NULL: no token is needed */
};

/*
 * Opens the listeners and starts the loops; returns when all are armed. 0; or -errno, and *trouble (static or
 * the listener's text) says what could not be had.
 */
int wye_threads_start(struct wye_threads **threads, const struct wye_threads_config *config, const char **trouble);

/* From now on TLS connections are accepted with this; the reference passes on. */
void wye_threads_use_tls(struct wye_threads *threads, struct wye_tls_context *context);

/* Other settings, for every loop from its next turn on (wye_node_use_settings()). 0; or -ENOMEM, and nothing has changed. */
int wye_threads_use_settings(struct wye_threads *threads, const struct wye_settings *settings);

/* From now on requests are judged with these keys of tokens; the reference passes on. NULL: no token is needed. */
void wye_threads_use_keys(struct wye_threads *threads, struct wye_token_keys *keys);

/* Begins to drain: health checks fail, WebSockets get 1001, at most 5 s. */
void wye_threads_drain(struct wye_threads *threads);

/* Waits until every loop has ended, and frees everything. */
void wye_threads_join(struct wye_threads *threads);

/* What the descriptor limit leaves for connections: per loop with direct descriptors, for the node without. */
uint32_t wye_threads_connection_limit(bool direct, unsigned loops);

#endif
