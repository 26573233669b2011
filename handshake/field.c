#include "handshake/field.h"

/* All bits but bit 5 of the last `count` bytes of a word, from none to all eight. */
#define FOLDED UINT64_C(0xdfdfdfdfdfdfdfdf)
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define MASK(count) ((count) <= 0 ? 0 : (count) >= 8 ? FOLDED : FOLDED >> (64 - 8 * (count)) % 64)
#else
#define MASK(count) ((count) <= 0 ? 0 : (count) >= 8 ? FOLDED : FOLDED << (64 - 8 * (count)) % 64)
#endif
/* A letter would not do as a subscript of its own string in a constant expression, so that it is named. */
#define LONG(bytes, first_16, last_16, letter, id)                                                           \
    [WYE_FIELD_SLOT(letter, bytes)] = {                                                                      \
        .first = first_16,                                                                                   \
        .last = last_16,                                                                                     \
        .mask = {MASK((bytes) - 8), MASK(bytes)},                                                            \
        .count = bytes,                                                                                      \
        .bit = UINT32_C(1) << id,                                                                            \
        .known = id,                                                                                         \
        .first_from = (bytes) < 16 ? (bytes) - 16 : 0,                                                       \
    }
/* A name of up to 16 bytes, with dots before it. */
#define SHORT(bytes, last_16, letter, id) LONG(bytes, last_16, last_16, letter, id)

const struct wye_field_row wye_field_rows[WYE_FIELD_SLOTS] = {
    SHORT(4, "............host", 'h', WYE_FIELD_HOST),
    SHORT(10, "......connection", 'c', WYE_FIELD_CONNECTION),
    SHORT(7, ".........upgrade", 'u', WYE_FIELD_UPGRADE),
    LONG(17, "sec-websocket-ke", "ec-websocket-key", 's', WYE_FIELD_SEC_WEBSOCKET_KEY),
    LONG(21, "sec-websocket-ve", "ebsocket-version", 's', WYE_FIELD_SEC_WEBSOCKET_VERSION),
    LONG(22, "sec-websocket-pr", "bsocket-protocol", 's', WYE_FIELD_SEC_WEBSOCKET_PROTOCOL),
    LONG(24, "sec-websocket-ex", "ocket-extensions", 's', WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS),
    SHORT(6, "..........origin", 'o', WYE_FIELD_ORIGIN),
    SHORT(14, "..content-length", 'c', WYE_FIELD_CONTENT_LENGTH),
    SHORT(12, "....content-type", 'c', WYE_FIELD_CONTENT_TYPE),
    SHORT(16, "content-encoding", 'c', WYE_FIELD_CONTENT_ENCODING),
    LONG(17, "transfer-encodin", "ransfer-encoding", 't', WYE_FIELD_TRANSFER_ENCODING),
    SHORT(6, "..........expect", 'e', WYE_FIELD_EXPECT),
    SHORT(6, "..........accept", 'a', WYE_FIELD_ACCEPT),
    SHORT(13, "...authorization", 'a', WYE_FIELD_AUTHORIZATION),
    SHORT(6, "..........cookie", 'c', WYE_FIELD_COOKIE),
    SHORT(15, ".x-forwarded-for", 'x', WYE_FIELD_X_FORWARDED_FOR),
    SHORT(14, "..http2-settings", 'h', WYE_FIELD_HTTP2_SETTINGS),
};
