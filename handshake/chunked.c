#include "handshake/chunked.h"

enum {
    SIZE,          /* hexadecimal digits of a chunk's size */
    SIZE_BLANK,    /* white space behind them, which only ';' or the line's end may follow (RFC 9112 7.1.1) */
    EXTENSION,     /* what follows them up to CR */
    SIZE_LF,       /* the LF behind it */
    DATA,
    DATA_CR, DATA_LF,
    TRAILER_START, /* of a line: a trailer field, or the empty line that ends it all */
    TRAILER, TRAILER_LF,
    END_LF,
};

static int digit_of(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte of a chunk's size. false: it can't be. */
static bool take_size(struct wye_chunked *chunked, uint8_t c) {
    int digit = digit_of(c);
    if (digit >= 0) {
        if (chunked->left >> 58) return false; /* more than anybody has */
        chunked->left = chunked->left << 4 | (unsigned)digit;
        chunked->digits = true;
        return true;
    }
    if (!chunked->digits) return false;
    if (c == '\r') chunked->state = SIZE_LF;
    else if (c == ';') chunked->state = EXTENSION;
    else if (c == ' ' || c == '\t') chunked->state = SIZE_BLANK;
    else return false;
    return true;
}

/* A byte behind a blank behind a size. */
static bool take_blank(struct wye_chunked *chunked, uint8_t c) {
    if (c == '\r') chunked->state = SIZE_LF;
    else if (c == ';') chunked->state = EXTENSION;
    return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

/* A byte of a line: no control byte but HTAB belongs there. */
static bool take_line(struct wye_chunked *chunked, uint8_t c, uint8_t at_cr) {
    if (c == '\r') chunked->state = at_cr;
    return c == '\r' || c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool take(struct wye_chunked *chunked, uint8_t c) {
    if (++chunked->idle > WYE_CHUNKED_LINES_MAX) return false;
    switch (chunked->state) {
    case SIZE: return take_size(chunked, c);
    case SIZE_BLANK: return take_blank(chunked, c);
    case EXTENSION: return take_line(chunked, c, SIZE_LF);
    case SIZE_LF:
        chunked->last = chunked->left == 0;
        chunked->state = chunked->last ? TRAILER_START : DATA;
        return c == '\n';
    case DATA_CR: chunked->state = DATA_LF; return c == '\r';
    case DATA_LF:
        chunked->state = SIZE;
        chunked->digits = false;
        return c == '\n';
    case TRAILER_START:
        chunked->state = TRAILER;
        return take_line(chunked, c, END_LF);
    case TRAILER: return take_line(chunked, c, TRAILER_LF);
    case TRAILER_LF: chunked->state = TRAILER_START; return c == '\n';
    default: chunked->done = true; return c == '\n'; /* END_LF */
    }
}

ptrdiff_t wye_chunked_read(struct wye_chunked *chunked, const uint8_t *bytes, size_t count, struct wye_chunked_run *run) {
    size_t used = 0;
    *run = (struct wye_chunked_run){bytes, 0};
    while (used < count && chunked->state != DATA && !chunked->done) {
        if (!take(chunked, bytes[used++])) return -400;
    }
    if (chunked->state != DATA || chunked->done) return (ptrdiff_t)used;
    run->bytes = bytes + used;
    run->count = chunked->left < count - used ? (size_t)chunked->left : count - used;
    chunked->left -= run->count;
    if (run->count) chunked->idle = 0;
    if (chunked->left == 0) chunked->state = DATA_CR;
    return (ptrdiff_t)(used + run->count);
}
