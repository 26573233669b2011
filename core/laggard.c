#include "core/laggard.h"

#include "core/hub.h"

#include <errno.h>
#include <stdlib.h>

#define WANTED_NS UINT64_C(1000000000)
enum { WORTH_COPYING = 4 }; /* when it pins so many times what it needs */

struct laggard {
    struct wye_conn *conn;
    uint64_t behind; /* the number of the oldest chunk it needs */
};

static int compare(const void *a, const void *b) {
    const struct laggard *one = a, *other = b;
    return one->behind < other->behind ? -1 : one->behind > other->behind;
}

/* Fills *laggards, which is the caller's to free, and *pinned with the memory that all of them pin. Returns how many. */
static size_t find(struct wye_hub *hub, struct laggard **laggards, size_t *pinned) {
    size_t count = 0, own;
    uint64_t mark = ++hub->pool.marks;
    *pinned = 0;
    *laggards = malloc(hub->used * sizeof **laggards);
    if (!*laggards) return 0;
    for (uint32_t i = 0; i < hub->used; i++) {
        struct wye_conn *conn = &hub->conns[i];
        const struct wye_slice *first = &conn->outbox.first;
        if (conn->phase == WYE_CONN_FREE || first->count == 0) continue;
        *pinned += wye_outbox_pinned(&conn->outbox, mark, &own);
        bool counted = first->chunk && first->chunk != WYE_CHUNK_CONSTANT;
        (*laggards)[count++] = (struct laggard){conn, counted ? first->chunk->number : UINT64_MAX};
    }
    qsort(*laggards, count, sizeof **laggards, compare);
    return count;
}

static void relieve(struct wye_hub *hub, struct wye_conn *conn) {
    size_t own, pinned = wye_outbox_pinned(&conn->outbox, ++hub->pool.marks, &own);
    if (own > 0 && own <= pinned / WORTH_COPYING && wye_outbox_part(&conn->outbox, &hub->pool) == 0) return;
    wye_count(&hub->counters.slow_closed, 1);
    wye_conn_close(conn, -WYE_CLOSE_TRY_AGAIN_LATER);
}

void wye_laggards_relieve(struct wye_hub *hub) {
    const struct wye_chunk_pool *pool = &hub->pool;
    size_t limit = hub->settings->shared_memory_bytes;
    /* Publishers wait for memory: those who don't read must not hold so much of it that they wait for ever. */
    uint64_t wanted_ns = atomic_load_explicit(&hub->node->memory_wanted_ns, memory_order_relaxed);
    if (wanted_ns && wanted_ns + WANTED_NS > hub->now_ns) {
        uint64_t share = hub->settings->memory_bytes / hub->node->hub_count / 4 * 3;
        if (share < limit) limit = (size_t)share;
    }
    if (pool->held_bytes <= limit) {
        hub->relieved_bytes = 0;
        return;
    }
    size_t used = wye_chunk_pool_used_bytes(pool);
    if (used < hub->relieved_bytes) hub->relieved_bytes = used; /* a peak that is over hides nobody */
    if (used < hub->relieved_bytes + limit / 16) return;
    struct laggard *laggards;
    size_t pinned, count = find(hub, &laggards, &pinned);
    /* An eighth more than must be, so that it isn't looked at again at once. */
    for (size_t i = 0; pinned > limit - (i ? limit / 8 : 0) && i < count; i++) {
        size_t before = wye_chunk_pool_used_bytes(pool);
        relieve(hub, laggards[i].conn);
        pinned -= before - wye_chunk_pool_used_bytes(pool); /* modulo 2^64, when a copy took more than it gave */
    }
    free(laggards);
    hub->relieved_bytes = wye_chunk_pool_used_bytes(pool);
}
