#include "core/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct waiting {
    struct wye_slice slice;
    uint64_t key; /* what is newer with the same key may take its place; 0: it stays */
};

struct wye_outbox_rest {
    uint32_t head, count, capacity; /* at[head .. head + count) are in use */
    uint32_t kept;                  /* so many of them, the first ones, are known not to be borrowed */
    struct waiting at[];
};

enum { REST_START = 14, GATHER_MAX = 1 << 30 /* bytes; how many were sent comes back as an int */ };
_Static_assert(sizeof(struct waiting) == WYE_OUTBOX_SLICE_COST, "it is charged as what it takes");

static void slice_release(struct wye_chunk_pool *pool, const struct wye_slice *slice) {
    if (slice->chunk && slice->chunk != WYE_CHUNK_CONSTANT) wye_chunk_release(pool, slice->chunk);
}

static void slice_hold(const struct wye_slice *slice) {
    if (slice->chunk && slice->chunk != WYE_CHUNK_CONSTANT) wye_chunk_hold(slice->chunk);
}

/* The last slice, when it may grow. */
static struct wye_slice *outbox_last(struct wye_outbox *outbox) {
    struct wye_outbox_rest *rest = outbox->rest;
    if (!rest) return &outbox->first;
    struct waiting *last = &rest->at[rest->head + rest->count - 1];
    return last->key ? NULL : &last->slice;
}

static void rest_free(struct wye_outbox_rest *rest, struct wye_chunk_pool *pool) {
    if (rest) pool->held_bytes -= rest->capacity * sizeof rest->at[0];
    free(rest);
}

/* Makes room for one more slice behind the last. */
static int rest_extend(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    struct wye_outbox_rest *rest = outbox->rest;
    if (!rest) {
        rest = malloc(sizeof *rest + REST_START * sizeof rest->at[0]);
        if (!rest) return -ENOMEM;
        *rest = (struct wye_outbox_rest){.capacity = REST_START};
        pool->held_bytes += REST_START * sizeof rest->at[0];
    } else if (rest->head + rest->count == rest->capacity) {
        if (rest->head >= rest->capacity / 2) {
            memmove(rest->at, rest->at + rest->head, rest->count * sizeof rest->at[0]);
            rest->head = 0;
        } else {
            uint32_t capacity = rest->capacity * 2;
            struct wye_outbox_rest *grown = realloc(rest, sizeof *rest + capacity * sizeof rest->at[0]);
            if (!grown) return -ENOMEM;
            rest = grown;
            pool->held_bytes += (capacity - rest->capacity) * sizeof rest->at[0];
            rest->capacity = capacity;
        }
    }
    outbox->rest = rest;
    return 0;
}

/* Behind all others, as a slice of its own. 0, or -ENOMEM. */
static int outbox_push(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice,
                       uint64_t key) {
    if (rest_extend(outbox, pool) < 0) {
        slice_release(pool, &slice);
        return -ENOMEM;
    }
    struct wye_outbox_rest *rest = outbox->rest;
    rest->at[rest->head + rest->count++] = (struct waiting){slice, key};
    outbox->bytes += slice.count;
    return 0;
}

int wye_outbox_append(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice) {
    if (slice.count == 0) {
        slice_release(pool, &slice);
        return 0;
    }
    if (outbox->first.count == 0) {
        outbox->first = slice;
        outbox->bytes = slice.count;
        return 0;
    }
    struct wye_slice *last = outbox_last(outbox);
    if (!last || last->bytes + last->count != slice.bytes || last->chunk != slice.chunk)
        return outbox_push(outbox, pool, slice, 0);
    last->count += slice.count;
    outbox->bytes += slice.count;
    slice_release(pool, &slice);
    return 0;
}

struct wye_slice *wye_outbox_waiting(const struct wye_outbox *outbox, uint64_t key) {
    struct wye_outbox_rest *rest = outbox->rest;
    for (uint32_t i = 0; rest && i < rest->count; i++) {
        if (rest->at[rest->head + i].key == key) return &rest->at[rest->head + i].slice;
    }
    return NULL;
}

int wye_outbox_put(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice, uint64_t key, struct wye_slice *older) {
    if (!older && outbox->first.count == 0) return wye_outbox_append(outbox, pool, slice);
    if (!older) return outbox_push(outbox, pool, slice, key);
    outbox->bytes += slice.count - older->count;
    slice_release(pool, older);
    *older = slice;
    return 0;
}

uint32_t wye_outbox_slices(const struct wye_outbox *outbox) {
    return (outbox->first.count > 0) + (outbox->rest ? outbox->rest->count : 0);
}

size_t wye_outbox_cost(const struct wye_outbox *outbox) {
    return outbox->bytes + (outbox->rest ? outbox->rest->count * (size_t)WYE_OUTBOX_SLICE_COST : 0);
}

/* Puts a slice before the first. */
static int outbox_prepend(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_slice slice) {
    struct wye_outbox_rest *rest = outbox->rest;
    if (!rest || rest->head == 0) {
        if (rest_extend(outbox, pool) < 0) {
            slice_release(pool, &slice);
            return -ENOMEM;
        }
        /* All the room there is stands before the others, so that the next ones need not move them again. */
        rest = outbox->rest;
        uint32_t room = rest->capacity - rest->head - rest->count;
        memmove(rest->at + rest->head + room, rest->at + rest->head, rest->count * sizeof rest->at[0]);
        rest->head += room;
    }
    rest->at[--rest->head] = (struct waiting){outbox->first, 0};
    rest->count++;
    rest->kept = 0;
    outbox->first = slice;
    outbox->bytes += slice.count;
    return 0;
}

/* Moves the first `count` bytes of one outbox behind another's. What waits to be replaced still does. */
static int outbox_move(struct wye_outbox *to, struct wye_chunk_pool *pool, struct wye_outbox *from, size_t count) {
    uint64_t key = 0;
    for (int trouble; count > 0;) {
        struct wye_slice slice = from->first;
        uint64_t next = from->rest ? from->rest->at[from->rest->head].key : 0;
        if (slice.count > count) slice.count = count;
        slice_hold(&slice);
        trouble = key && to->first.count ? outbox_push(to, pool, slice, key) : wye_outbox_append(to, pool, slice);
        if (trouble < 0) return trouble;
        wye_outbox_consume(from, pool, slice.count);
        count -= slice.count;
        key = next;
    }
    return 0;
}

/* Puts all slices of `from` before the first. */
static int outbox_prepend_all(struct wye_outbox *outbox, struct wye_chunk_pool *pool, struct wye_outbox *from) {
    struct wye_outbox_rest *rest = from->rest;
    int trouble = 0;
    for (uint32_t i = rest ? rest->count : 0; i-- > 0;) {
        if (trouble == 0) trouble = outbox_prepend(outbox, pool, rest->at[rest->head + i].slice);
        else slice_release(pool, &rest->at[rest->head + i].slice);
    }
    if (trouble == 0) trouble = outbox_prepend(outbox, pool, from->first);
    else slice_release(pool, &from->first);
    rest_free(rest, pool);
    *from = (struct wye_outbox){0};
    return trouble;
}

int wye_outbox_insert(struct wye_outbox *outbox, struct wye_chunk_pool *pool, size_t at, struct wye_outbox *from) {
    assert(at <= outbox->bytes);
    if (at == 0 && outbox->bytes > 0) return outbox_prepend_all(outbox, pool, from);
    struct wye_outbox whole = *outbox;
    *outbox = (struct wye_outbox){0};
    int trouble = outbox_move(outbox, pool, &whole, at);
    if (trouble == 0) trouble = outbox_move(outbox, pool, from, from->bytes);
    if (trouble == 0) trouble = outbox_move(outbox, pool, &whole, whole.bytes);
    wye_outbox_clear(from, pool);
    wye_outbox_clear(&whole, pool);
    return trouble;
}

size_t wye_outbox_gather(const struct wye_outbox *outbox, struct iovec *to, size_t most, size_t *bytes) {
    *bytes = 0;
    if (outbox->first.count == 0 || most == 0) return 0;
    *bytes = outbox->first.count < GATHER_MAX ? outbox->first.count : GATHER_MAX;
    to[0] = (struct iovec){(void *)(uintptr_t)outbox->first.bytes, *bytes};
    size_t count = 1;
    const struct wye_outbox_rest *rest = outbox->rest;
    for (uint32_t i = 0; rest && i < rest->count && count < most; i++) {
        const struct wye_slice *slice = &rest->at[rest->head + i].slice;
        if (slice->count > GATHER_MAX - *bytes) break;
        to[count++] = (struct iovec){(void *)(uintptr_t)slice->bytes, slice->count};
        *bytes += slice->count;
    }
    return count;
}

/* The first slice is done with: the next one, if any, takes its place. */
static void outbox_shift(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    slice_release(pool, &outbox->first);
    struct wye_outbox_rest *rest = outbox->rest;
    if (!rest) {
        outbox->first = (struct wye_slice){0};
        return;
    }
    outbox->first = rest->at[rest->head++].slice;
    if (rest->kept > 0) rest->kept--;
    if (--rest->count == 0) {
        rest_free(rest, pool);
        outbox->rest = NULL;
    }
}

void wye_outbox_consume(struct wye_outbox *outbox, struct wye_chunk_pool *pool, size_t count) {
    assert(count <= outbox->bytes);
    outbox->bytes -= count;
    while (count > 0) {
        if (count < outbox->first.count) {
            outbox->first.bytes += count;
            outbox->first.count -= count;
            return;
        }
        count -= outbox->first.count;
        outbox_shift(outbox, pool);
    }
}

static int slice_keep(struct wye_slice *slice, struct wye_chunk_pool *pool) {
    if (slice->chunk || slice->count == 0) return 0;
    struct wye_chunk *chunk;
    uint8_t *copy = wye_chunk_append(pool, slice->count, &chunk);
    if (!copy) return -ENOMEM;
    memcpy(copy, slice->bytes, slice->count);
    slice->bytes = copy;
    slice->chunk = chunk;
    return 0;
}

int wye_outbox_keep(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    int trouble = slice_keep(&outbox->first, pool);
    struct wye_outbox_rest *rest = outbox->rest;
    /* Only what came since the last time can be borrowed: a long queue isn't walked for each answer to a
     * ping. */
    while (rest && rest->kept < rest->count && !trouble) {
        trouble = slice_keep(&rest->at[rest->head + rest->kept].slice, pool);
        if (!trouble) rest->kept++;
    }
    return trouble;
}

/* The slices one after another; NULL: no more. */
static struct wye_slice *slice_at(const struct wye_outbox *outbox, uint32_t i) {
    struct wye_outbox_rest *rest = outbox->rest;
    if (i == 0) return outbox->first.count ? (struct wye_slice *)(uintptr_t)&outbox->first : NULL;
    return rest && i <= rest->count ? &rest->at[rest->head + i - 1].slice : NULL;
}

static bool is_counted(const struct wye_slice *slice) { return slice->chunk && slice->chunk != WYE_CHUNK_CONSTANT; }

size_t wye_outbox_pinned(const struct wye_outbox *outbox, uint64_t mark, size_t *own_bytes) {
    size_t pinned = outbox->rest ? outbox->rest->capacity * sizeof outbox->rest->at[0] : 0;
    *own_bytes = 0;
    const struct wye_slice *slice;
    for (uint32_t i = 0; (slice = slice_at(outbox, i)); i++) {
        if (!is_counted(slice)) continue;
        if (wye_chunk_is_ordinary(slice->chunk)) *own_bytes += slice->count;
        if (slice->chunk->mark == mark) continue;
        slice->chunk->mark = mark;
        pinned += slice->chunk->capacity;
    }
    return pinned;
}

/* Makes one slice of those that touch, as after copying, and gives back the list's room that isn't needed
 * then. */
static void outbox_merge(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    struct wye_outbox_rest *rest = outbox->rest;
    if (!rest) return;
    struct wye_slice *last = &outbox->first;
    uint32_t count = 0;
    for (uint32_t i = 0; i < rest->count; i++) {
        const struct waiting next = rest->at[rest->head + i];
        bool grows = next.key == 0 && (count == 0 || rest->at[count - 1].key == 0);
        if (grows && last->chunk == next.slice.chunk && last->bytes + last->count == next.slice.bytes) {
            last->count += next.slice.count;
            slice_release(pool, &next.slice);
            continue;
        }
        rest->at[count] = next;
        last = &rest->at[count++].slice;
    }
    outbox->rest = NULL;
    rest->head = 0;
    rest->count = count;
    rest->kept = 0;
    if (count == 0) {
        rest_free(rest, pool);
        return;
    }
    uint32_t capacity = count + REST_START;
    struct wye_outbox_rest *shrunk =
        capacity < rest->capacity ? realloc(rest, sizeof *rest + capacity * sizeof rest->at[0]) : NULL;
    if (shrunk) {
        pool->held_bytes -= (shrunk->capacity - capacity) * sizeof shrunk->at[0];
        shrunk->capacity = capacity;
    }
    outbox->rest = shrunk ? shrunk : rest;
}

int wye_outbox_part(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    size_t bytes;
    wye_outbox_pinned(outbox, ++pool->marks, &bytes);
    struct wye_chunk *own = wye_chunk_open(pool, bytes);
    if (!own) return -ENOMEM;
    struct wye_slice *slice;
    for (uint32_t i = 0; (slice = slice_at(outbox, i)); i++) {
        if (!is_counted(slice) || !wye_chunk_is_ordinary(slice->chunk)) continue;
        uint8_t *copy = own->bytes + own->used;
        memcpy(copy, slice->bytes, slice->count);
        wye_chunk_release(pool, slice->chunk);
        own->used += (uint32_t)slice->count;
        *slice = (struct wye_slice){copy, own, slice->count};
        wye_chunk_hold(own);
    }
    pool->copied_bytes += bytes;
    wye_chunk_release(pool, own);
    outbox_merge(outbox, pool);
    return 0;
}

void wye_outbox_clear(struct wye_outbox *outbox, struct wye_chunk_pool *pool) {
    while (outbox->first.count > 0) outbox_shift(outbox, pool);
    outbox->bytes = 0;
}
