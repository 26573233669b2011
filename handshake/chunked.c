#include "handshake/chunked.h"

#include "handshake/span.h"

enum {
    SIZE, /* hexadecimal digits of a chunk's size */
    SIZE_BLANK, /* white space behind them or an extension, which only ';' or the line's end may follow (RFC 9112 7.1.1) */
    EXTENSION_NAME_START, EXTENSION_NAME, EXTENSION_NAME_BLANK, /* behind ';' */
    EXTENSION_VALUE_START, EXTENSION_VALUE,                     /* behind '=' */
    QUOTED, QUOTED_PAIR,
    SIZE_LF, /* that of the line's end */
    DATA,
    DATA_CR, DATA_LF,
    TRAILER_START, /* of a line: a trailer field, or the empty line that ends it all */
    TRAILER_NAME, TRAILER_VALUE, TRAILER_LF,
    END_LF,
};

static int digit_of(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

static bool is_tchar(uint8_t c) {
    const char byte = (char)c;
    return wye_span_token_length((struct wye_span){&byte, 1}) == 1;
}

/* May it stand in a value, or in quotes? No control byte but HTAB may. */
static bool is_text(uint8_t c) { return c == '\t' || (c >= 0x20 && c != 0x7f); }

static enum wye_cause go(struct wye_chunked *chunked, uint8_t state) {
    chunked->state = state;
    return WYE_CAUSE_NONE;
}

/* Why c cannot stand in a line: by what it is, or else by where it stands. */
static enum wye_cause cause_of(uint8_t c, enum wye_cause otherwise) {
    if (c == '\n') return WYE_CAUSE_BARE_LF;
    if (c == '\r') return WYE_CAUSE_BARE_CR;
    return is_text(c) ? otherwise : WYE_CAUSE_CONTROL_BYTE;
}

/* A byte behind a part of a size line that may end there. */
static enum wye_cause take_behind(struct wye_chunked *chunked, uint8_t c, enum wye_cause otherwise) {
    if (c == '\r') return go(chunked, SIZE_LF);
    if (c == ';') return go(chunked, EXTENSION_NAME_START);
    const bool in_name = chunked->state == EXTENSION_NAME || chunked->state == EXTENSION_NAME_BLANK;
    if (is_blank(c)) return go(chunked, in_name ? EXTENSION_NAME_BLANK : SIZE_BLANK);
    return cause_of(c, otherwise);
}

/* A byte of a chunk's size. */
static enum wye_cause take_size(struct wye_chunked *chunked, uint8_t c) {
    int digit = digit_of(c);
    if (digit >= 0) {
        if (chunked->left >> 58) return WYE_CAUSE_CHUNK_LARGE;
        chunked->left = chunked->left << 4 | (unsigned)digit;
        chunked->digits = true;
        return WYE_CAUSE_NONE;
    }
    if (!chunked->digits) return WYE_CAUSE_CHUNK_SIZE;
    return take_behind(chunked, c, WYE_CAUSE_CHUNK_SIZE);
}

/* A byte of an extension (RFC 9112 7.1.1). Strict, since who takes a line's end in quotes for text sees another body than who doesn't. */
static enum wye_cause take_extension(struct wye_chunked *chunked, uint8_t c) {
    const uint8_t state = chunked->state;
    switch (state) {
    case QUOTED:
        if (c == '"') return go(chunked, SIZE_BLANK);
        if (c == '\\') return go(chunked, QUOTED_PAIR);
        if (c == '\r') return WYE_CAUSE_CHUNK_EXTENSION;
        return is_text(c) ? WYE_CAUSE_NONE : cause_of(c, WYE_CAUSE_CHUNK_EXTENSION);
    case QUOTED_PAIR: return is_text(c) ? go(chunked, QUOTED) : cause_of(c, WYE_CAUSE_CHUNK_EXTENSION);
    case EXTENSION_NAME_START:
    case EXTENSION_VALUE_START:
        if (is_blank(c)) return WYE_CAUSE_NONE;
        if (is_tchar(c)) return go(chunked, state + 1);
        if (c == '"' && state == EXTENSION_VALUE_START) return go(chunked, QUOTED);
        return c == '\r' ? WYE_CAUSE_CHUNK_EXTENSION : cause_of(c, WYE_CAUSE_CHUNK_EXTENSION);
    case EXTENSION_NAME:
    case EXTENSION_NAME_BLANK:
        if (c == '=') return go(chunked, EXTENSION_VALUE_START);
        if (is_tchar(c) && state == EXTENSION_NAME) return WYE_CAUSE_NONE;
        return take_behind(chunked, c, WYE_CAUSE_CHUNK_EXTENSION);
    default: /* EXTENSION_VALUE */
        return is_tchar(c) ? WYE_CAUSE_NONE : take_behind(chunked, c, WYE_CAUSE_CHUNK_EXTENSION);
    }
}

/* A byte of a trailer field's line, which is judged like one of a head's (RFC 9112 5.1 and 5.2), or of the empty one. */
static enum wye_cause take_trailer(struct wye_chunked *chunked, uint8_t c) {
    const bool starts = chunked->state == TRAILER_START;
    if (chunked->state == TRAILER_VALUE) {
        if (c == '\r') return go(chunked, TRAILER_LF);
        return is_text(c) ? WYE_CAUSE_NONE : cause_of(c, WYE_CAUSE_NONE);
    }
    if (is_tchar(c)) return go(chunked, TRAILER_NAME);
    if (c == '\r' && starts) return go(chunked, END_LF);
    if (c == ':' && !starts) return go(chunked, TRAILER_VALUE);
    if (c == ':') return WYE_CAUSE_NAME_EMPTY;
    if (is_blank(c)) return starts ? WYE_CAUSE_FOLD : WYE_CAUSE_NAME_SPACE;
    return c == '\n' ? WYE_CAUSE_BARE_LF : WYE_CAUSE_NAME_BYTE;
}

/* A byte that is no content. */
static enum wye_cause take(struct wye_chunked *chunked, uint8_t c) {
    if (++chunked->spare > WYE_CHUNKED_SPARE_MAX) return WYE_CAUSE_CHUNK_SPARE;
    switch (chunked->state) {
    case SIZE: return take_size(chunked, c);
    case SIZE_BLANK: return take_behind(chunked, c, WYE_CAUSE_CHUNK_SIZE);
    case SIZE_LF:
        chunked->last = chunked->left == 0;
        return c == '\n' ? go(chunked, chunked->last ? TRAILER_START : DATA) : WYE_CAUSE_BARE_CR;
    case DATA_CR: return c == '\r' ? go(chunked, DATA_LF) : WYE_CAUSE_CHUNK_DATA;
    case DATA_LF:
        chunked->digits = false;
        chunked->spare -= chunked->spare < WYE_CHUNKED_CHUNK_SPARE ? chunked->spare : WYE_CHUNKED_CHUNK_SPARE;
        return c == '\n' ? go(chunked, SIZE) : WYE_CAUSE_CHUNK_DATA;
    case TRAILER_START:
    case TRAILER_NAME:
    case TRAILER_VALUE: return take_trailer(chunked, c);
    case TRAILER_LF: return c == '\n' ? go(chunked, TRAILER_START) : WYE_CAUSE_BARE_CR;
    case END_LF: chunked->done = true; return c == '\n' ? WYE_CAUSE_NONE : WYE_CAUSE_BARE_CR;
    default: return take_extension(chunked, c);
    }
}

ptrdiff_t wye_chunked_read(struct wye_chunked *chunked, const uint8_t *bytes, size_t count, struct wye_chunked_run *run) {
    size_t used = 0;
    *run = (struct wye_chunked_run){bytes, 0};
    while (used < count && chunked->state != DATA && !chunked->done) {
        chunked->cause = (uint8_t)take(chunked, bytes[used++]);
        if (chunked->cause == WYE_CAUSE_NONE) continue;
        run->bytes = bytes + used - 1;
        return -400;
    }
    if (chunked->state != DATA || chunked->done) return (ptrdiff_t)used;
    run->bytes = bytes + used;
    run->count = chunked->left < count - used ? (size_t)chunked->left : count - used;
    chunked->left -= run->count;
    chunked->spare -= run->count < chunked->spare ? (uint32_t)run->count : chunked->spare;
    if (chunked->left == 0) chunked->state = DATA_CR;
    return (ptrdiff_t)(used + run->count);
}

uint64_t wye_chunked_announced(const struct wye_chunked *chunked) { return chunked->state == DATA ? chunked->left : 0; }
