/*
 * How much a connection says, where --message-rate or --byte-rate limits it: two token buckets, looked at when something comes.
 * Who has used his up is not read until there is a token again, to the nanosecond; or is closed with 1008 (--on-rate).
 */
#ifndef WYE_CORE_ALLOWANCE_H
#define WYE_CORE_ALLOWANCE_H

#include "core/bucket.h"

#include <stdbool.h>
#include <stddef.h>

struct wye_conn;
struct wye_hub;

struct wye_allowance {
    struct wye_bucket messages, bytes;
    uint64_t due_ns; /* it is read again then */
    uint32_t place;  /* among those that wait, plus 1; 0: it doesn't */
};

/* Those of a hub that wait for their buckets, by index: a heap, the soonest first. */
struct wye_paced {
    uint32_t *heap;
    uint32_t count, capacity;
};

/* A new connection is metered from now on. 0, or -ENOMEM. */
int wye_allowance_open(struct wye_conn *conn);
void wye_allowance_shut(struct wye_conn *conn);

/* May it say one more message? Only without pausing may it not. */
bool wye_allowance_may_say(const struct wye_conn *conn);

/* It has said a message. 0; or -1008 with hub->fault, and it isn't to be handled. */
int wye_allowance_message(struct wye_conn *conn);

/* Bytes came from its socket. 0; or -1008 with hub->fault. */
int wye_allowance_bytes(struct wye_conn *conn, size_t count);

/* What came is handled: pauses its reading when there are no tokens left. */
void wye_allowance_pace(struct wye_conn *conn);

/* Lets those be read again whose time has come. */
void wye_allowances_advance(struct wye_hub *hub);

/* How long until the next one, in ns; UINT64_MAX: nobody waits. */
uint64_t wye_allowances_wait_ns(const struct wye_hub *hub, uint64_t now_ns);

#endif
