#include "handshake/field.h"

#define LENGTH(name) (sizeof(name) - 1)
/* All bits but bit 5 of the first `count` bytes of a word. */
#define FOLDED UINT64_C(0xdfdfdfdfdfdfdfdf)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define MASK(count) ((count) < 8 ? FOLDED << (64 - 8 * (count)) % 64 : FOLDED)
#else
#define MASK(count) ((count) < 8 ? FOLDED >> (64 - 8 * (count)) % 64 : FOLDED)
#endif
/* A letter would not do as a subscript of its own string in a constant expression, so that it is named. */
#define ROW(first, name, id)                                                                                 \
    [WYE_FIELD_SLOT(first, LENGTH(name))] = {                                                                \
        .lower = name,                                                                                       \
        .count = LENGTH(name),                                                                               \
        .known = id,                                                                                         \
        .bit = UINT32_C(1) << id,                                                                            \
        .mask = MASK(LENGTH(name)),                                                                          \
        .middle_at = LENGTH(name) > 16 ? 8 : 0,                                                              \
        .last_at = (uint8_t)(LENGTH(name) > 8 ? LENGTH(name) - 8 : 0),                                       \
    }

const struct wye_field_row wye_field_rows[WYE_FIELD_SLOTS] = {
    ROW('h', "host", WYE_FIELD_HOST),
    ROW('c', "connection", WYE_FIELD_CONNECTION),
    ROW('u', "upgrade", WYE_FIELD_UPGRADE),
    ROW('s', "sec-websocket-key", WYE_FIELD_SEC_WEBSOCKET_KEY),
    ROW('s', "sec-websocket-version", WYE_FIELD_SEC_WEBSOCKET_VERSION),
    ROW('s', "sec-websocket-protocol", WYE_FIELD_SEC_WEBSOCKET_PROTOCOL),
    ROW('s', "sec-websocket-extensions", WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS),
    ROW('o', "origin", WYE_FIELD_ORIGIN),
    ROW('c', "content-length", WYE_FIELD_CONTENT_LENGTH),
    ROW('c', "content-type", WYE_FIELD_CONTENT_TYPE),
    ROW('c', "content-encoding", WYE_FIELD_CONTENT_ENCODING),
    ROW('t', "transfer-encoding", WYE_FIELD_TRANSFER_ENCODING),
    ROW('e', "expect", WYE_FIELD_EXPECT),
    ROW('a', "accept", WYE_FIELD_ACCEPT),
    ROW('a', "authorization", WYE_FIELD_AUTHORIZATION),
    ROW('c', "cookie", WYE_FIELD_COOKIE),
    ROW('x', "x-forwarded-for", WYE_FIELD_X_FORWARDED_FOR),
    ROW('h', "http2-settings", WYE_FIELD_HTTP2_SETTINGS),
};
