#include "handshake/span.h"

#include <stdio.h>

static unsigned char fold(char c) {
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

static bool same_nocase(const char *a, const char *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (fold(a[i]) != fold(b[i])) return false;
    }
    return true;
}

bool wye_span_equal_nocase(struct wye_span a, struct wye_span b) {
    const uint64_t case_bits = 0x2020202020202020u;
    if (a.count != b.count) return false;
    if (a.count == 0) return true;
    size_t at = 0;
    for (; at + 8 <= a.count; at += 8) {
        uint64_t in_a, in_b;
        memcpy(&in_a, a.bytes + at, sizeof in_a);
        memcpy(&in_b, b.bytes + at, sizeof in_b);
        if ((in_a ^ in_b) & ~case_bits) return false;
        /* What differs in case bits alone may still not be letters. */
        if (in_a != in_b && !same_nocase(a.bytes + at, b.bytes + at, 8)) return false;
    }
    return same_nocase(a.bytes + at, b.bytes + at, a.count - at);
}

size_t wye_span_token_length(struct wye_span span) {
    /* "!#$%&'*+-.", digits; letters, "^_`|~" */
    static const uint64_t tchars[4] = {
        UINT64_C(1) << '!' | UINT64_C(0x1f) << '#' | UINT64_C(3) << '*' | UINT64_C(3) << '-' |
            UINT64_C(0x3ff) << '0',
        UINT64_C(0x3ffffff) << ('A' - 64) | UINT64_C(0x1fffffff) << ('^' - 64) | UINT64_C(1) << ('|' - 64) |
            UINT64_C(1) << ('~' - 64),
    };
    for (size_t i = 0; i < span.count; i++) {
        unsigned char byte = (unsigned char)span.bytes[i];
        if (!(tchars[byte >> 6] >> (byte & 63) & 1)) return i;
    }
    return span.count;
}

bool wye_span_is_token(struct wye_span span) {
    return span.count > 0 && wye_span_token_length(span) == span.count;
}

static bool is_space(char c) { return c == ' ' || c == '\t'; }

bool wye_span_next_element(struct wye_span *list, struct wye_span *element) {
    if (list->count == 0) return false;
    const char *at = list->bytes;
    const char *end = at + list->count;
    while (at < end && (is_space(*at) || *at == ',')) at++;
    const char *start = at;
    bool quoted = false;
    for (; at < end && (quoted || *at != ','); at++) {
        if (*at == '"') {
            quoted = !quoted;
        } else if (quoted && *at == '\\' && at + 1 < end) {
            at++; /* a quoted pair: what it quotes ends nothing */
        }
    }
    const char *stop = at;
    while (stop > start && is_space(stop[-1])) stop--;
    *list = (struct wye_span){at, (size_t)(end - at)};
    *element = (struct wye_span){start, (size_t)(stop - start)};
    return stop > start;
}

struct wye_span wye_span_trim(struct wye_span span) {
    while (span.count && is_space(*span.bytes)) span.bytes++, span.count--;
    while (span.count && is_space(span.bytes[span.count - 1])) span.count--;
    return span;
}

bool wye_span_number(struct wye_span span, uint64_t most, uint64_t *number) {
    uint64_t sum = 0;
    for (size_t i = 0; i < span.count; i++) {
        const unsigned digit = (unsigned)(unsigned char)span.bytes[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum)) return false;
    }
    if (span.count == 0 || sum > most) return false;
    *number = sum;
    return true;
}

/* Writes what stands for one byte, returns how many characters that takes: 1 or 4. */
static size_t escape_byte(char to[4], unsigned char byte) {
    static const char hex[] = "0123456789ABCDEF";
    /* The backslash too, or else an escape could be mistaken for the text of one. */
    if (byte >= 0x20 && byte < 0x7f && byte != '\'' && byte != '"' && byte != '\\') {
        to[0] = (char)byte;
        return 1;
    }
    to[0] = '\\';
    to[1] = 'x';
    to[2] = hex[byte >> 4];
    to[3] = hex[byte & 15];
    return 4;
}

size_t wye_span_open_length(struct wye_span span) {
    static const struct wye_span signs[] = {{"token=", 6}, {"authorization:", 14}, {"cookie:", 7}};
    for (size_t i = 0; i < span.count; i++) {
        const char *at = span.bytes + i;
        const size_t left = span.count - i;
        if (left >= 3 && memcmp(at, "eyJ", 3) == 0) return i + 3;
        for (size_t sign = 0; sign < sizeof signs / sizeof signs[0]; sign++) {
            if (left >= signs[sign].count && same_nocase(at, signs[sign].bytes, signs[sign].count)) return i + signs[sign].count;
        }
    }
    return span.count;
}

void wye_span_hide(char *to, size_t room, const char *given) {
    size_t used = 0;
    *to = 0;
    while (*given && used + 1 < room) {
        const size_t all = strlen(given), open = wye_span_open_length((struct wye_span){given, all});
        used += (size_t)snprintf(to + used, room - used, "%.*s%s", (int)open, given, open < all ? "***" : "");
        given += open;
        /* A query's value ends where the next one begins; whatever else is secret, ends with the text. */
        given += given[-1] == '=' ? strcspn(given, "&#") : strlen(given);
    }
}

size_t wye_span_escape(char *to, size_t room, struct wye_span span, size_t most) {
    enum { DOTS = 3 };
    if (room == 0) return 0;
    size_t written = 0;
    size_t cut_at = 0; /* up to where "..." would still fit behind */
    size_t open = wye_span_open_length(span);
    bool cut = span.count > most || open < span.count;
    size_t count = open < most ? open : most;
    for (size_t i = 0; i < count; i++) {
        char piece[4];
        size_t pieces = escape_byte(piece, (unsigned char)span.bytes[i]);
        if (written + pieces > room - 1) {
            cut = true;
            break;
        }
        memcpy(to + written, piece, pieces);
        written += pieces;
        if (written + DOTS <= room - 1) cut_at = written;
    }
    if (cut) {
        written = cut_at;
        if (written + DOTS <= room - 1) {
            memcpy(to + written, "...", DOTS);
            written += DOTS;
        }
    }
    to[written] = '\0';
    return written;
}
