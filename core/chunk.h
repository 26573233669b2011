/* Memory that holds encoded bytes one after another, shared by all outboxes of a hub. One thread. */
#ifndef WYE_CORE_CHUNK_H
#define WYE_CORE_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WYE_CHUNK_BYTES = 65536,       /* of an ordinary chunk, its head included */
    WYE_CHUNK_LARGE_BYTES = 65536, /* so much at once, and more, gets a chunk of its own */
    WYE_CHUNK_SPARE_MAX = 16,      /* ordinary chunks kept for reuse */

    /*
     * Larger ones are kept as well: the kernel zeroes memory that it gives anew, page by page, which takes many times as
     * long as to fill it. From so many bytes on (below, malloc keeps them), so many of them, with so many bytes in all.
     */
    WYE_CHUNK_HUGE_BYTES = 128 << 10,
    WYE_CHUNK_HUGE_SPARE_MAX = 16,
    WYE_CHUNK_HUGE_SPARE_BYTES = 8 << 20,
};

/* Counted memory. Bytes before `used` are never moved or changed once a slice shows them. */
struct wye_chunk {
    struct wye_chunk *next_spare;
    uint32_t references;
    uint32_t used;
    size_t capacity;
    uint64_t number; /* grows from chunk to chunk: the smaller, the older */
    uint64_t mark;   /* of whoever counts chunks once (wye_outbox_pinned()) */
    uint8_t bytes[];
};

/* A hub's supply of chunks. All zero is a valid start. */
struct wye_chunk_pool {
    struct wye_chunk *current; /* where small things are appended; holds one reference */
    struct wye_chunk *spare;
    unsigned spare_count;
    struct wye_chunk *huge[WYE_CHUNK_HUGE_SPARE_MAX]; /* spare ones; the longest unused first */
    unsigned huge_count;
    bool huge_used;    /* one of those was taken or left since somebody set it to false */
    size_t huge_bytes; /* their capacity */
    size_t held_bytes; /* capacity of all chunks that somebody refers to, or that are spare and not huge; and
                          outboxes' lists of slices */
    uint64_t copied_bytes; /* ever copied into chunks, on their way out */
    uint64_t opened;       /* chunks, ever */
    uint64_t marks;        /* handed out, ever */
};

/*
 * A new chunk of its own with room for capacity bytes, or up to a quarter more; one reference, the caller's. NULL: no
 * memory.
 */
struct wye_chunk *wye_chunk_open(struct wye_chunk_pool *pool, size_t capacity);

/* Is it one of those that many things are appended to? */
bool wye_chunk_is_ordinary(const struct wye_chunk *chunk);

static inline void wye_chunk_hold(struct wye_chunk *chunk) { chunk->references++; }

/* Lets go of one reference; the last one gives the memory back. */
void wye_chunk_release(struct wye_chunk_pool *pool, struct wye_chunk *chunk);

/*
 * Room for count bytes behind what was appended last (so that consecutive pieces touch), or in a chunk of
 * its own when that is large. *chunk gets one reference that is the caller's. The caller fills all of it.
 * NULL: no memory.
 */
uint8_t *wye_chunk_append(struct wye_chunk_pool *pool, size_t count, struct wye_chunk **chunk);

/* The last `unused` bytes of what wye_chunk_append() just gave aren't needed. */
void wye_chunk_trim(struct wye_chunk *chunk, size_t unused);

/* Capacity of all chunks that somebody refers to, and of outboxes' lists of slices. */
size_t wye_chunk_pool_used_bytes(const struct wye_chunk_pool *pool);

/* Gives back the huge spare chunks. */
void wye_chunk_pool_sweep(struct wye_chunk_pool *pool);

/* Gives back everything; no reference but the pool's own may be left. */
void wye_chunk_pool_fini(struct wye_chunk_pool *pool);

#endif
