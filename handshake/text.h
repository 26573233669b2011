/* A bounded place to write text into, for the folder's writers. */
#ifndef WYE_HANDSHAKE_TEXT_H
#define WYE_HANDSHAKE_TEXT_H

#include "handshake/span.h"

#include <stdint.h>

/* Borrows the caller's room. What doesn't fit is cut off, and cut says so. */
struct wye_text {
    char *to;
    size_t room, count;
    bool cut;
};

static inline void wye_text_add(struct wye_text *text, struct wye_span span) {
    size_t left = text->room - text->count;
    size_t count = span.count;
    if (count > left) {
        text->cut = true;
        count = left;
    }
    if (count > 0) memcpy(text->to + text->count, span.bytes, count);
    text->count += count;
}

static inline void wye_text_add_string(struct wye_text *text, const char *string) {
    wye_text_add(text, wye_span_of(string));
}

static inline void wye_text_add_number(struct wye_text *text, uint64_t number) {
    char digits[20]; /* 2^64 has that many */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    wye_text_add(text, (struct wye_span){digits + at, sizeof digits - at});
}

/* A JSON string (RFC 8259 7), in quotes; bytes from 0x80 on are taken as Latin-1. */
void wye_text_add_json(struct wye_text *text, struct wye_span span);

/* As printf has it, at most 1023 characters at once; more counts as cut. */
__attribute__((format(printf, 2, 3))) void wye_text_addf(struct wye_text *text, const char *format, ...);

/* What came from outside, for human eyes: wye_span_escape() of at most `most` bytes, in single quotes. most <= 255. */
void wye_text_add_seen(struct wye_text *text, struct wye_span span, size_t most);

/* The same without the quotes, where it stands alone. */
void wye_text_add_bare(struct wye_text *text, struct wye_span span, size_t most);

#endif
