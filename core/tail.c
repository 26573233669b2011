#include "core/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int wye_tail_keep(struct wye_tail **tail, const uint8_t *bytes, size_t count) {
    struct wye_tail *grown = *tail;
    size_t have = grown ? grown->count : 0;
    if (!grown || grown->capacity - have < count) {
        /* Half as much again, so that bytes that come one by one are moved but a few times each. */
        size_t capacity = (have + count + have / 2 + 255) & ~(size_t)255;
        grown = realloc(grown, sizeof *grown + capacity);
        if (!grown) return -ENOMEM;
        grown->capacity = capacity;
        grown->count = have;
        *tail = grown;
    }
    memcpy(grown->bytes + have, bytes, count);
    grown->count += count;
    return 0;
}

struct wye_tail *wye_tail_cut(struct wye_tail *tail, size_t left) {
    if (left == 0) {
        free(tail);
        return NULL;
    }
    if (left < tail->count) memmove(tail->bytes, tail->bytes + tail->count - left, left);
    tail->count = left;
    return tail;
}
