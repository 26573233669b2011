#include "core/mailbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wye_parcel *wye_parcel_open(const char *name, size_t name_bytes, uint8_t opcode, const uint8_t *payload,
                                   size_t payload_bytes) {
    struct wye_parcel *parcel = malloc(sizeof *parcel + name_bytes + payload_bytes);
    if (!parcel) return NULL;
    atomic_init(&parcel->references, 1);
    atomic_init(&parcel->passed, UINT64_MAX);
    parcel->name_bytes = (uint16_t)name_bytes;
    parcel->opcode = opcode;
    parcel->payload_bytes = payload_bytes;
    memcpy(parcel->bytes, name, name_bytes);
    if (payload_bytes) memcpy(parcel->bytes + name_bytes, payload, payload_bytes);
    return parcel;
}

void wye_parcel_release(struct wye_parcel *parcel) {
    if (atomic_fetch_sub_explicit(&parcel->references, 1, memory_order_acq_rel) == 1) free(parcel);
}

static size_t letter_cost(const struct wye_letter *letter) {
    return sizeof *letter + sizeof *letter->parcel + letter->parcel->payload_bytes;
}

bool wye_mailbox_return(struct wye_mailbox *mailbox, struct wye_letter *letter) {
    letter->next = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    /* Sequentially consistent with the reader's "asleep, then look again": one of the two sees the other. */
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &letter->next, letter, memory_order_seq_cst,
                                                  memory_order_relaxed)) {}
    return atomic_exchange_explicit(&mailbox->asleep, false, memory_order_seq_cst);
}

int wye_mailbox_post(struct wye_mailbox *mailbox, struct wye_parcel *parcel, struct wye_receipt *receipt) {
    struct wye_letter *letter = malloc(sizeof *letter);
    if (!letter) return -ENOMEM;
    wye_parcel_hold(parcel);
    letter->parcel = parcel;
    letter->receipt = receipt;
    atomic_fetch_add_explicit(&mailbox->bytes, letter_cost(letter), memory_order_relaxed);
    return wye_mailbox_return(mailbox, letter);
}

struct wye_letter *wye_mailbox_take(struct wye_mailbox *mailbox) {
    if (!atomic_load_explicit(&mailbox->newest, memory_order_relaxed)) return NULL;
    struct wye_letter *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct wye_letter *oldest = NULL;
    while (newest) {
        struct wye_letter *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void wye_letter_discard(struct wye_mailbox *mailbox, struct wye_letter *letter) {
    atomic_fetch_sub_explicit(&mailbox->bytes, letter_cost(letter), memory_order_relaxed);
    wye_parcel_release(letter->parcel);
    free(letter);
}

bool wye_mailbox_may_sleep(struct wye_mailbox *mailbox) {
    atomic_store_explicit(&mailbox->asleep, true, memory_order_seq_cst);
    if (!atomic_load_explicit(&mailbox->newest, memory_order_seq_cst)) return true;
    wye_mailbox_awake(mailbox);
    return false;
}
