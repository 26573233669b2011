#include "core/chunk.h"

#include <assert.h>
#include <stdlib.h>

enum { ORDINARY = WYE_CHUNK_BYTES - sizeof(struct wye_chunk) };

struct wye_chunk *wye_chunk_open(struct wye_chunk_pool *pool, size_t capacity) {
    struct wye_chunk *chunk;
    if (capacity == ORDINARY && pool->spare) {
        chunk = pool->spare;
        pool->spare = chunk->next_spare;
        pool->spare_count--;
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
    free(chunk);
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
    assert(pool->held_bytes == 0);
}
