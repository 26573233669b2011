/* Publishes on their way from one loop to another: many senders, one reader, in each sender's order. */
#ifndef WYE_CORE_MAILBOX_H
#define WYE_CORE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A published message, shared by the loops it goes to and by history; what it says is never changed once posted. */
struct wye_parcel {
    _Atomic uint32_t references;
    uint16_t name_bytes;
    uint8_t opcode; /* WYE_OPCODE_TEXT or _BINARY */
    size_t payload_bytes;
    _Atomic uint64_t passed; /* hubs that it won't come to any more, a bit each (core/history.h); all, when it isn't kept */
    struct wye_parcel *older, *newer; /* of the same topic; history's, under its lock */
    uint64_t number;                  /* of all that were kept; likewise */
    uint8_t bytes[]; /* the topic's name, then the payload */
};

struct wye_receipt;

/* One parcel in one mailbox. */
struct wye_letter {
    struct wye_letter *next;
    struct wye_parcel *parcel;   /* NULL: the receipt comes back, and the letter is part of it */
    struct wye_receipt *receipt; /* who is told how many it reached; NULL: nobody */
};

/* All zero: empty. */
struct wye_mailbox {
    _Alignas(64) _Atomic(struct wye_letter *) newest; /* a stack; the reader turns it round */
    _Atomic size_t bytes;                             /* payload bytes waiting, and a letter's cost each */
    _Atomic bool asleep;                              /* the reader waits and must be woken */
};

/* A parcel with one reference. Copies name and payload. NULL: no memory. */
struct wye_parcel *wye_parcel_open(const char *name, size_t name_bytes, uint8_t opcode, const uint8_t *payload,
                                   size_t payload_bytes);

static inline void wye_parcel_hold(struct wye_parcel *parcel) {
    atomic_fetch_add_explicit(&parcel->references, 1, memory_order_relaxed);
}

void wye_parcel_release(struct wye_parcel *parcel);

/*
 * Puts a parcel into a mailbox, which takes a reference of its own; and a receipt that is to be counted on, or NULL. Any thread.
 * 1: posted, and the reader sleeps: wake it. 0: posted. -ENOMEM: not posted.
 */
int wye_mailbox_post(struct wye_mailbox *mailbox, struct wye_parcel *parcel, struct wye_receipt *receipt);

/* Puts a letter without a parcel into a mailbox, as it is. Any thread. true: the reader sleeps: wake it. */
bool wye_mailbox_return(struct wye_mailbox *mailbox, struct wye_letter *letter);

/* Takes all letters, oldest first; NULL: none. The reader's thread. */
struct wye_letter *wye_mailbox_take(struct wye_mailbox *mailbox);

/* Frees a letter with a parcel that was taken, and its reference. */
void wye_letter_discard(struct wye_mailbox *mailbox, struct wye_letter *letter);

/* The reader is about to sleep. false: there are letters, don't. */
bool wye_mailbox_may_sleep(struct wye_mailbox *mailbox);

/* The reader is awake again. */
static inline void wye_mailbox_awake(struct wye_mailbox *mailbox) {
    atomic_store_explicit(&mailbox->asleep, false, memory_order_relaxed);
}

#endif
