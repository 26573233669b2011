#include "core/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ORDINARY = WYE_CHUNK_BYTES - sizeof(struct wye_chunk) };

/* ---- huge ones that are spare ---- */

/* Takes one out of the row. */
static struct wye_chunk *huge_take(struct wye_chunk_pool *pool, unsigned at) {
    struct wye_chunk *chunk = pool->huge[at];
    pool->huge_count--;
    pool->huge_bytes -= chunk->capacity;
    memmove(&pool->huge[at], &pool->huge[at + 1], (pool->huge_count - at) * sizeof pool->huge[0]);
    return chunk;
}

/* The one used last that has room for capacity bytes, and not much more: it is charged for as it is. NULL: none. */
static struct wye_chunk *huge_find(struct wye_chunk_pool *pool, size_t capacity) {
    for (unsigned at = pool->huge_count; at-- > 0;) {
        size_t has = pool->huge[at]->capacity;
        if (has < capacity || has - capacity > capacity / 4) continue;
        pool->huge_used = true;
        return huge_take(pool, at);
    }
    return NULL;
}

/* Keeps it, in the place of older ones if need be. */
static void huge_keep(struct wye_chunk_pool *pool, struct wye_chunk *chunk) {
    while (pool->huge_count == WYE_CHUNK_HUGE_SPARE_MAX || pool->huge_bytes + chunk->capacity > WYE_CHUNK_HUGE_SPARE_BYTES)
        free(huge_take(pool, 0));
    pool->huge[pool->huge_count++] = chunk;
    pool->huge_bytes += chunk->capacity;
    pool->huge_used = true;
}

void wye_chunk_pool_sweep(struct wye_chunk_pool *pool) {
    while (pool->huge_count) free(pool->huge[--pool->huge_count]);
    pool->huge_bytes = 0;
}

/* ---- all of them ---- */

struct wye_chunk *wye_chunk_open(struct wye_chunk_pool *pool, size_t capacity) {
    struct wye_chunk *chunk;
    if (capacity == ORDINARY && pool->spare) {
        chunk = pool->spare;
        pool->spare = chunk->next_spare;
        pool->spare_count--;
    } else if (capacity >= WYE_CHUNK_HUGE_BYTES && (chunk = huge_find(pool, capacity))) {
        pool->held_bytes += chunk->capacity;
    } else {
        if (capacity > UINT32_MAX) return NULL;
        chunk = malloc(sizeof *chunk + capacity);
        if (!chunk) return NULL;
        chunk->capacity = capacity;
        pool->held_bytes += capacity;
    }
    chunk->next_spare = NULL;
    chunk->references = 1;
    chunk->used = 0;
    chunk->number = ++pool->opened;
    chunk->mark = 0;
    return chunk;
}

bool wye_chunk_is_ordinary(const struct wye_chunk *chunk) { return chunk->capacity == ORDINARY; }

static void chunk_free(struct wye_chunk_pool *pool, struct wye_chunk *chunk) {
    pool->held_bytes -= chunk->capacity;
    if (chunk->capacity >= WYE_CHUNK_HUGE_BYTES && chunk->capacity <= WYE_CHUNK_HUGE_SPARE_BYTES) huge_keep(pool, chunk);
    else free(chunk);
}

void wye_chunk_release(struct wye_chunk_pool *pool, struct wye_chunk *chunk) {
    assert(chunk->references > 0);
    if (--chunk->references > 0) return;
    if (chunk->capacity == ORDINARY && pool->spare_count < WYE_CHUNK_SPARE_MAX) {
        chunk->next_spare = pool->spare;
        pool->spare = chunk;
        pool->spare_count++;
        return;
    }
    chunk_free(pool, chunk);
}

uint8_t *wye_chunk_append(struct wye_chunk_pool *pool, size_t count, struct wye_chunk **chunk) {
    pool->copied_bytes += count;
    if (count >= WYE_CHUNK_LARGE_BYTES - sizeof(struct wye_chunk)) {
        *chunk = wye_chunk_open(pool, count);
        if (!*chunk) return NULL;
        (*chunk)->used = (uint32_t)count;
        return (*chunk)->bytes;
    }
    struct wye_chunk *current = pool->current;
    /* Nobody refers to what was written: begin again where the cache is warm. */
    if (current && current->references == 1) current->used = 0;
    if (!current || current->capacity - current->used < count) {
        struct wye_chunk *fresh = wye_chunk_open(pool, ORDINARY);
        if (!fresh) return NULL;
        if (current) wye_chunk_release(pool, current);
        pool->current = current = fresh;
    }
    uint8_t *at = current->bytes + current->used;
    current->used += (uint32_t)count;
    wye_chunk_hold(current);
    *chunk = current;
    return at;
}

void wye_chunk_trim(struct wye_chunk *chunk, size_t unused) {
    assert(unused <= chunk->used);
    chunk->used -= (uint32_t)unused;
}

size_t wye_chunk_pool_used_bytes(const struct wye_chunk_pool *pool) {
    return pool->held_bytes - pool->spare_count * (size_t)ORDINARY;
}

void wye_chunk_pool_fini(struct wye_chunk_pool *pool) {
    if (pool->current) wye_chunk_release(pool, pool->current);
    pool->current = NULL;
    while (pool->spare) {
        struct wye_chunk *chunk = pool->spare;
        pool->spare = chunk->next_spare;
        chunk_free(pool, chunk);
    }
    pool->spare_count = 0;
    wye_chunk_pool_sweep(pool);
    assert(pool->held_bytes == 0);
}
