/* Bytes received and not used yet, kept in memory of their own. One thread. */
#ifndef WYE_CORE_TAIL_H
#define WYE_CORE_TAIL_H

#include <stddef.h>
#include <stdint.h>

/* NULL is an empty one. Freed by free(). */
struct wye_tail {
    size_t count, capacity;
    uint8_t bytes[];
};

/* Appends a copy to *tail, which may move. 0, or -ENOMEM with everything as it was. */
int wye_tail_keep(struct wye_tail **tail, const uint8_t *bytes, size_t count);

/* Makes the last `left` of its bytes all there is. 0: frees it. Returns what it is now. */
struct wye_tail *wye_tail_cut(struct wye_tail *tail, size_t left);

#endif
