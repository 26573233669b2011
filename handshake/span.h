/* A run of characters in somebody else's memory. */
#ifndef WYE_HANDSHAKE_SPAN_H
#define WYE_HANDSHAKE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What nearly every request does is to stand in one straight line: a jump costs more than what it jumps over. */
#define WYE_USUALLY(condition) __builtin_expect(!!(condition), 1)
#define WYE_SELDOM(condition) __builtin_expect(!!(condition), 0)

/* Borrows; not ended by NUL. bytes may be NULL when count is 0. */
struct wye_span {
    const char *bytes;
    size_t count;
};

#define WYE_SPAN(literal) ((struct wye_span){(literal), sizeof(literal) - 1})

static inline struct wye_span wye_span_of(const char *text) {
    return (struct wye_span){text, text ? strlen(text) : 0};
}

static inline bool wye_span_equal(struct wye_span a, struct wye_span b) {
    return a.count == b.count && (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

/* Equal but for the case of ASCII letters. */
bool wye_span_equal_nocase(struct wye_span a, struct wye_span b);

/* How many tchars it begins with (RFC 9110 5.6.2). */
size_t wye_span_token_length(struct wye_span span);

/* Is it a token (RFC 9110 5.6.2): one tchar or more? */
bool wye_span_is_token(struct wye_span span);

/*
 * Takes the next element off a comma-separated list (RFC 9110 5.6.1: empty elements are skipped, spaces
 * and tabs around elements are not part of them; commas inside quoted strings don't separate).
 * true: *element is the next one and *list what follows it. false: none left.
 */
bool wye_span_next_element(struct wye_span *list, struct wye_span *element);

/* It without the spaces and tabs around it (OWS, RFC 9110 5.6.3). */
struct wye_span wye_span_trim(struct wye_span span);

/* Is it a decimal number, one digit or more and nothing else (RFC 9110 8.6), of at most `most`? Then *number is that. */
bool wye_span_number(struct wye_span span, uint64_t most, uint64_t *number);

/* How many bytes stand before what may be a secret: behind "token=", "Authorization:", "Cookie:" or a token's beginning ("eyJ"). */
size_t wye_span_open_length(struct wye_span span);

/*
 * Copies what was given on a command line for somebody to read: what may be a secret in it (the value of
 * token= in a URL; all behind Authorization: or Cookie: in a field) is "***". Cut to the room; ends with NUL.
 */
void wye_span_hide(char *to, size_t room, const char *given);

/*
 * Writes a span for human eyes: printable ASCII as it is, quotes and everything else as \xNN, cut after
 * `most` source bytes, and where a secret may begin, with "..." behind. Always ends with NUL when room > 0; returns the
 * length written.
 */
size_t wye_span_escape(char *to, size_t room, struct wye_span span, size_t most);

#endif
