#include "handshake/field.h"

static inline uint64_t load8(const char *from) {
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static inline uint32_t load4(const char *from) {
    uint32_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

/*
 * Compares a name with one in lower case, words at a time; the last word overlaps the one before. Setting bit
 * 5 folds the letters, and makes no other two tchars equal that occur here: '-' and digits have it set
 * anyway.
 */
static inline bool is(const char *name, const char *lower, size_t count) {
    const uint64_t fold = 0x2020202020202020u;
    uint64_t differs = 0;
    if (count < 8) {
        differs |= (load4(name) | (uint32_t)fold) ^ load4(lower);
        differs |= (load4(name + count - 4) | (uint32_t)fold) ^ load4(lower + count - 4);
        return differs == 0;
    }
    for (size_t at = 0; at + 8 < count; at += 8) differs |= (load8(name + at) | fold) ^ load8(lower + at);
    differs |= (load8(name + count - 8) | fold) ^ load8(lower + count - 8);
    return differs == 0;
}

/* With the count known where it is compiled, each of these is a few loads and no loop. */
#define IS(literal, known) (is(name, literal, sizeof(literal) - 1) ? (known) : WYE_FIELD_OTHER)

static enum wye_field_name six_letters(const char *name) {
    switch (name[0] | 0x20) {
    case 'a': return IS("accept", WYE_FIELD_ACCEPT);
    case 'c': return IS("cookie", WYE_FIELD_COOKIE);
    case 'e': return IS("expect", WYE_FIELD_EXPECT);
    case 'o': return IS("origin", WYE_FIELD_ORIGIN);
    default: return WYE_FIELD_OTHER;
    }
}

enum wye_field_name wye_field_known(const char *name, size_t count) {
    switch (count) {
    case 4: return IS("host", WYE_FIELD_HOST);
    case 6: return six_letters(name);
    case 7: return IS("upgrade", WYE_FIELD_UPGRADE);
    case 10: return IS("connection", WYE_FIELD_CONNECTION);
    case 12: return IS("content-type", WYE_FIELD_CONTENT_TYPE);
    case 13: return IS("authorization", WYE_FIELD_AUTHORIZATION);
    case 14:
        if ((name[0] | 0x20) == 'h') return IS("http2-settings", WYE_FIELD_HTTP2_SETTINGS);
        return IS("content-length", WYE_FIELD_CONTENT_LENGTH);
    case 15: return IS("x-forwarded-for", WYE_FIELD_X_FORWARDED_FOR);
    case 17:
        if ((name[0] | 0x20) == 's') return IS("sec-websocket-key", WYE_FIELD_SEC_WEBSOCKET_KEY);
        return IS("transfer-encoding", WYE_FIELD_TRANSFER_ENCODING);
    case 21: return IS("sec-websocket-version", WYE_FIELD_SEC_WEBSOCKET_VERSION);
    case 22: return IS("sec-websocket-protocol", WYE_FIELD_SEC_WEBSOCKET_PROTOCOL);
    case 24: return IS("sec-websocket-extensions", WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS);
    default: return WYE_FIELD_OTHER;
    }
}
