#include "core/receipt.h"

#include "core/http.h"
#include "core/hub.h"

#include <stdlib.h>

static bool is_last(struct wye_receipt *receipt) {
    /* Whoever comes last sees what the others have counted. */
    return atomic_fetch_sub_explicit(&receipt->waiting, 1, memory_order_acq_rel) == 1;
}

void wye_receipt_count(struct wye_hub *hub, struct wye_receipt *receipt, uint32_t receivers) {
    atomic_fetch_add_explicit(&receipt->receivers, receivers, memory_order_relaxed);
    if (!is_last(receipt)) return;
    const unsigned number = receipt->hub; /* once it is on its way back, it isn't ours any more */
    if (number == hub->number) {
        wye_receipt_take(hub, receipt);
        return;
    }
    receipt->letter = (struct wye_letter){.receipt = receipt};
    if (wye_mailbox_return(&hub->node->hubs[number]->mailbox, &receipt->letter)) hub->wake_hubs |= UINT64_C(1) << number;
}

void wye_receipt_take(struct wye_hub *hub, struct wye_receipt *receipt) {
    struct wye_conn *conn = wye_hub_find(hub, receipt->index, receipt->generation);
    if (conn && conn->phase < WYE_CONN_GONE) wye_http_receipt(conn, receipt);
    else free(receipt);
}

void wye_receipt_drop(struct wye_receipt *receipt) {
    if (is_last(receipt)) free(receipt);
}
