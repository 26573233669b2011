/*
 * The subjects that have subscribers, in the order of their names (as bytes): a treap (Seidel and Aragon 1996), whose shape
 * hangs on dice alone and not on the names that somebody chooses. Adding, taking out and finding take about 2 log2(n) steps.
 * Under the registry's lock.
 */
#ifndef WYE_CORE_ORDER_H
#define WYE_CORE_ORDER_H

#include "handshake/span.h"

#include <stddef.h>
#include <stdint.h>

struct wye_subject;

struct wye_order {
    struct wye_subject *root;
    size_t count;
    uint64_t dice; /* not 0; secret */
};

void wye_order_add(struct wye_order *order, struct wye_subject *subject);
void wye_order_remove(struct wye_order *order, struct wye_subject *subject);

/* Calls visit(owner, subject) for each one whose name comes behind `from` (or is it: `inclusive`), until it returns false. */
void wye_order_walk(const struct wye_order *order, struct wye_span from, bool inclusive,
                    bool (*visit)(void *owner, struct wye_subject *subject), void *owner);

/* Less than, equal to or greater than 0, as the names compare. */
int wye_name_compare(struct wye_span a, struct wye_span b);

#endif
