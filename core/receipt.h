/*
 * A receipt: how many subscribers a message published by HTTP has reached, summed over all loops. Made by the loop that
 * was asked, counted on by each, and back with the first when all have. The counting is any thread's.
 */
#ifndef WYE_CORE_RECEIPT_H
#define WYE_CORE_RECEIPT_H

#include "core/mailbox.h"
#include "handshake/rule.h"

#include <stdbool.h>

struct wye_hub;

struct wye_receipt {
    struct wye_receipt *next;         /* of the same connection */
    struct wye_letter letter;         /* in which it comes back */
    unsigned hub;                     /* whose it is */
    uint32_t index, generation;       /* of the connection that waits for it */
    _Atomic uint32_t waiting;         /* parts of the node that still count */
    _Atomic uint32_t receivers;
    enum wye_rule rule; /* by which the message was refused; WYE_RULE_NONE: it was published */
    enum wye_cause cause; /* in which of its ways, when it was refused */
    bool problem; /* the refusal is told as problem details */
    bool done;  /* it is back */
    bool close; /* the answer is the connection's last */
    char fields[]; /* extra ones of the answer, each ended by CRLF */
};

/* Somebody has delivered: `receivers` more. The last one to say so sends it back. The hub of the calling thread. */
void wye_receipt_count(struct wye_hub *hub, struct wye_receipt *receipt, uint32_t receivers);

/* It is back with its own hub: the connection is answered, if it is still there. */
void wye_receipt_take(struct wye_hub *hub, struct wye_receipt *receipt);

/* A loop that ends will not deliver. Nobody waits for an answer any more. */
void wye_receipt_drop(struct wye_receipt *receipt);

#endif
