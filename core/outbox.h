/* What a connection still has to send: slices of chunks, in order; neighbours in memory are one slice. One thread. */
#ifndef WYE_CORE_OUTBOX_H
#define WYE_CORE_OUTBOX_H

#include "core/chunk.h"

#include <stdbool.h>
#include <sys/uio.h>

/* A run of bytes and who keeps them alive. */
struct wye_slice {
    const uint8_t *bytes;
    struct wye_chunk *chunk; /* one reference; or NULL: borrowed until the flush; or WYE_CHUNK_CONSTANT */
    size_t count;
};

/* Stands for memory that lives as long as the program. Never dereferenced. */
#define WYE_CHUNK_CONSTANT ((struct wye_chunk *)1)

struct wye_outbox_rest; /* the slices behind the first; allocated while there are any */

/* All zero: empty. The usual case, one slice, needs no memory of its own. */
struct wye_outbox {
    struct wye_slice first; /* count 0: empty */
    struct wye_outbox_rest *rest;
    size_t bytes; /* of all slices */
};

/*
 * Appends a slice; its reference passes to the outbox, also when that fails. Merges with the last slice
 * when the two touch and have the same keeper. 0, or -ENOMEM.
 */
int wye_outbox_append(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice);

/* The slice that waits with this key (not 0) and of which nothing has been sent; NULL: none. Until the outbox changes. */
struct wye_slice *wye_outbox_waiting(const struct wye_outbox *outbox, uint64_t key);

/*
 * Puts a slice in the place of `older`, which wye_outbox_waiting() has just found; NULL: behind all others, unmerged, to be
 * found by its key. Its reference passes to the outbox, also when that fails. 0, or -ENOMEM.
 */
int wye_outbox_put(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice, uint64_t key, struct wye_slice *older);

/* How many slices it has. */
uint32_t wye_outbox_slices(const struct wye_outbox *outbox);

enum { WYE_OUTBOX_SLICE_COST = 32 }; /* bytes that keep account of a slice behind the first */

/* What it takes of a connection's limit: its bytes, and what keeps account of them. (Tiny messages of several
 * topics don't touch.) */
size_t wye_outbox_cost(const struct wye_outbox *outbox);

/*
 * Moves all slices of `from` into the outbox, behind its first `at` bytes. 0; or -ENOMEM, with what didn't move dropped
 * (the outbox is then to be cleared).
 */
int wye_outbox_insert(struct wye_outbox *outbox, struct wye_chunk_pool *pool, size_t at, struct wye_outbox *from);

/* Shows up to `most` slices from the front, without taking them. Returns how many, and their bytes in *bytes. */
size_t wye_outbox_gather(const struct wye_outbox *outbox, struct iovec *to, size_t most, size_t *bytes);

/* The first `count` bytes have been sent. */
void wye_outbox_consume(struct wye_outbox *outbox, struct wye_chunk_pool *pool, size_t count);

/* Copies what is only borrowed, before it goes away. 0, or -ENOMEM (the outbox is then to be cleared). */
int wye_outbox_keep(struct wye_outbox *outbox, struct wye_chunk_pool *pool);

/*
 * The memory of chunks that its slices keep, each that doesn't bear `mark` once; they bear it then; and that
 * of the list of slices. *own_bytes: what it needs of the ordinary ones among the chunks.
 */
size_t wye_outbox_pinned(const struct wye_outbox *outbox, uint64_t mark, size_t *own_bytes);

/* Copies what lies in ordinary chunks into a chunk that nobody else refers to, and merges what then touches.
 * 0, or -ENOMEM with all as it was. */
int wye_outbox_part(struct wye_outbox *outbox, struct wye_chunk_pool *pool);

/* Drops everything. */
void wye_outbox_clear(struct wye_outbox *outbox, struct wye_chunk_pool *pool);

#endif
