/* Order: which of the messages sent has come, which were passed by, which came twice. */
#include "bench/load.h"

enum load_order wye_load_stream_take(struct load_stream *stream, uint32_t variant, uint32_t variants,
                                     uint32_t *sequence, uint32_t *lost) {
    uint32_t distance = (variant - stream->next) & (variants - 1);
    *lost = 0;
    if (distance > variants / 2) {
        *sequence = stream->next + distance - variants;
        return LOAD_DUPLICATE;
    }
    *sequence = stream->next + distance;
    if (distance == 0 && stream->ahead == 0) { /* nearly always */
        stream->next++;
        return LOAD_IN_ORDER;
    }
    while (distance >= wye_load_stream_window(variants)) {
        *lost += !(stream->ahead & 1);
        stream->ahead >>= 1;
        stream->next++;
        distance--;
    }
    if (stream->ahead >> distance & 1) return LOAD_DUPLICATE;
    enum load_order order = stream->ahead >> distance > 0 ? LOAD_LATE : LOAD_IN_ORDER;
    stream->ahead |= UINT64_C(1) << distance;
    while (stream->ahead & 1) {
        stream->ahead >>= 1;
        stream->next++;
    }
    return order;
}
