#include "handshake/client.h"

#include "handshake/text.h"

enum { NO_RESPONSE = -71 }; /* -EPROTO */

const char *const wye_answer_faults[WYE_ANSWER_FAULT_COUNT] = {
    [WYE_ANSWER_FINE] = "",
    [WYE_ANSWER_STATUS_LINE] =
        "the answer does not begin with the status line of an HTTP/1.x response (RFC 9112 4)",
    [WYE_ANSWER_FIELD_GRAMMAR] = "a field line of the answer breaks the grammar (RFC 9112 5)",
    [WYE_ANSWER_HEAD_SIZE] = "the answer's head is too large (over 16384 bytes, or 100 fields)",
    [WYE_ANSWER_STATUS] = "the server did not switch: its status is not 101 (RFC 6455 4.1)",
    [WYE_ANSWER_VERSION] = "a 101 of HTTP/1.0, which has no upgrades (RFC 9110 7.8)",
    [WYE_ANSWER_UPGRADE_MISSING] = "a 101 without an Upgrade field (RFC 6455 4.1)",
    [WYE_ANSWER_UPGRADE_OTHER] = "a 101 whose Upgrade is not the protocol that was asked for (RFC 9110 7.8)",
    [WYE_ANSWER_CONNECTION] = "a 101 whose Connection does not list \"Upgrade\" (RFC 6455 4.1)",
    [WYE_ANSWER_ACCEPT_MISSING] = "a 101 without Sec-WebSocket-Accept (RFC 6455 4.1)",
    [WYE_ANSWER_ACCEPT_DOUBLED] = "a 101 with more than one Sec-WebSocket-Accept (RFC 6455 11.3.3)",
    [WYE_ANSWER_ACCEPT_WRONG] = "Sec-WebSocket-Accept is not the one that belongs to the key (RFC 6455 4.1)",
    [WYE_ANSWER_SUBPROTOCOL_UNASKED] = "the server chose a subprotocol that was not offered (RFC 6455 4.1)",
    [WYE_ANSWER_SUBPROTOCOL_DOUBLED] = "the server chose more than one subprotocol (RFC 6455 11.3.4)",
    [WYE_ANSWER_EXTENSION_UNASKED] = "the server uses an extension that was not offered (RFC 6455 4.1)",
};

/* ---- the request ---- */

void wye_client_key(char key[WYE_KEY_BYTES], const uint8_t random[WYE_KEY_RANDOM_BYTES]) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned i = 0; i < WYE_KEY_RANDOM_BYTES; i += 3) {
        bool last = i + 1 == WYE_KEY_RANDOM_BYTES;
        uint32_t bits = (uint32_t)random[i] << 16;
        if (!last) bits |= (uint32_t)random[i + 1] << 8 | random[i + 2];
        *key++ = alphabet[bits >> 18];
        *key++ = alphabet[bits >> 12 & 63];
        *key++ = last ? '=' : alphabet[bits >> 6 & 63];
        *key++ = last ? '=' : alphabet[bits & 63];
    }
}

static void add_field(struct wye_text *text, struct wye_span name, struct wye_span value) {
    if (value.count == 0) return;
    wye_text_add(text, name);
    wye_text_add(text, value);
    wye_text_add(text, WYE_SPAN("\r\n"));
}

size_t wye_client_request_write(char *to, size_t room, const struct wye_client_request *request) {
    struct wye_text text = {.to = to, .room = room};
    bool websocket = wye_client_request_is_websocket(request);
    bool h2c = wye_span_equal_nocase(request->token, WYE_SPAN("h2c"));
    wye_text_add(&text, WYE_SPAN("GET "));
    wye_text_add(&text, request->target);
    wye_text_add(&text, WYE_SPAN(" HTTP/1.1\r\n"));
    add_field(&text, WYE_SPAN("Host: "), request->host);
    add_field(&text, WYE_SPAN("Upgrade: "), request->token.count ? request->token : WYE_SPAN("websocket"));
    add_field(&text, WYE_SPAN("Connection: "),
              h2c ? WYE_SPAN("Upgrade, HTTP2-Settings") : WYE_SPAN("Upgrade"));
    if (websocket) {
        add_field(&text, WYE_SPAN("Sec-WebSocket-Key: "), (struct wye_span){request->key, WYE_KEY_BYTES});
        wye_text_add(&text, WYE_SPAN("Sec-WebSocket-Version: 13\r\n"));
        add_field(&text, WYE_SPAN("Sec-WebSocket-Protocol: "), request->subprotocols);
        add_field(&text, WYE_SPAN("Sec-WebSocket-Extensions: "), request->extensions);
    }
    wye_text_add(&text, request->fields);
    wye_text_add(&text, WYE_SPAN("\r\n"));
    return text.cut ? 0 : text.count;
}

/* ---- the answer's grammar ---- */

static ptrdiff_t fail(struct wye_client_answer *answer, enum wye_answer_fault fault, struct wye_span seen) {
    answer->fault = fault;
    answer->seen = (struct wye_span){seen.bytes, seen.count > 80 ? 80 : seen.count};
    return NO_RESPONSE;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* As many of the first bytes as are there must be those of a status line. */
static bool may_begin(const uint8_t *bytes, size_t count) {
    static const char pattern[] = "HTTP/1.# ### "; /* '#': a digit */
    for (size_t i = 0; i < count && i < sizeof pattern - 1; i++) {
        char c = (char)bytes[i];
        if (i == sizeof pattern - 2 && c == '\r')
            return true; /* the space before an empty reason: often left out */
        if (pattern[i] == '#' ? !is_digit(c) : c != pattern[i]) return false;
    }
    return true;
}

/* Bytes that a value may hold: anything but control bytes, HTAB aside. */
static bool is_value(struct wye_span span) {
    for (size_t i = 0; i < span.count; i++) {
        unsigned char byte = (unsigned char)span.bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
    }
    return true;
}

/* The line at `at`, without its CRLF. count of *line is its length; false: no whole line is there. */
static bool take_line(const uint8_t *bytes, size_t count, size_t *at, struct wye_span *line) {
    const uint8_t *end = memchr(bytes + *at, '\n', count - *at);
    if (!end) return false;
    *line = (struct wye_span){(const char *)bytes + *at, (size_t)(end - bytes) - *at};
    *at = (size_t)(end - bytes) + 1;
    return true;
}

static bool read_status_line(struct wye_client_answer *answer, struct wye_span line) {
    const char *text = line.bytes;
    if (line.count < 12 || !may_begin((const uint8_t *)text, line.count)) return false;
    if (line.count > 12 && text[12] != ' ') return false;
    answer->minor = text[7] == '0' ? 0 : 1;
    answer->status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
    answer->reason = line.count > 13 ? (struct wye_span){text + 13, line.count - 13} : (struct wye_span){0};
    return answer->status >= 100 && is_value(answer->reason);
}

static bool read_field(struct wye_client_answer *answer, struct wye_span line) {
    const char *colon = memchr(line.bytes, ':', line.count);
    if (!colon) return false;
    struct wye_span name = {line.bytes, (size_t)(colon - line.bytes)};
    struct wye_span value = wye_span_trim((struct wye_span){colon + 1, line.count - name.count - 1});
    if (!wye_span_is_token(name) || !is_value(value)) return false;
    answer->fields[answer->field_count].name = name;
    answer->fields[answer->field_count++].value = value;
    return true;
}

/* ---- what it says ---- */

struct wye_span wye_client_answer_field(const struct wye_client_answer *answer, struct wye_span name) {
    for (unsigned i = 0; i < answer->field_count; i++) {
        if (wye_span_equal_nocase(answer->fields[i].name, name)) return answer->fields[i].value;
    }
    return (struct wye_span){0};
}

unsigned wye_client_answer_times(const struct wye_client_answer *answer, struct wye_span name) {
    unsigned count = 0;
    for (unsigned i = 0; i < answer->field_count; i++)
        count += wye_span_equal_nocase(answer->fields[i].name, name);
    return count;
}

bool wye_client_answer_lists(const struct wye_client_answer *answer, struct wye_span name,
                             struct wye_span element) {
    for (unsigned i = 0; i < answer->field_count; i++) {
        struct wye_span list = answer->fields[i].value, one;
        if (!wye_span_equal_nocase(answer->fields[i].name, name)) continue;
        while (wye_span_next_element(&list, &one)) {
            if (wye_span_equal_nocase(one, element)) return true;
        }
    }
    return false;
}

static struct wye_span before_semicolon(struct wye_span span) {
    const char *end = memchr(span.bytes, ';', span.count);
    return wye_span_trim((struct wye_span){span.bytes, end ? (size_t)(end - span.bytes) : span.count});
}

/* Is every extension of the answer, by its name, among those that were offered? */
static bool extensions_were_offered(struct wye_client_answer *answer, struct wye_span offered) {
    for (unsigned i = 0; i < answer->field_count; i++) {
        struct wye_span list = answer->fields[i].value, one;
        if (!wye_span_equal_nocase(answer->fields[i].name, WYE_SPAN("Sec-WebSocket-Extensions"))) continue;
        while (wye_span_next_element(&list, &one)) {
            struct wye_span offers = offered, offer;
            bool found = false;
            while (!found && wye_span_next_element(&offers, &offer))
                found = wye_span_equal(before_semicolon(offer), before_semicolon(one));
            answer->seen = one;
            if (!found) return false;
        }
    }
    answer->seen = (struct wye_span){0};
    return true;
}

static bool subprotocol_was_offered(struct wye_span chosen, struct wye_span offered) {
    struct wye_span one;
    while (wye_span_next_element(&offered, &one)) {
        if (wye_span_equal(one, chosen)) return true;
    }
    return false;
}

static enum wye_answer_fault judge_accept(struct wye_client_answer *answer,
                                          const struct wye_client_request *request) {
    const struct wye_span name = WYE_SPAN("Sec-WebSocket-Accept");
    char accept[WYE_ACCEPT_BYTES];
    switch (wye_client_answer_times(answer, name)) {
    case 0: return WYE_ANSWER_ACCEPT_MISSING;
    case 1: break;
    default: return WYE_ANSWER_ACCEPT_DOUBLED;
    }
    wye_opening_accept(accept, request->key);
    answer->seen = wye_client_answer_field(answer, name);
    if (!wye_span_equal(answer->seen, (struct wye_span){accept, sizeof accept}))
        return WYE_ANSWER_ACCEPT_WRONG;
    answer->seen = (struct wye_span){0};
    return WYE_ANSWER_FINE;
}

/* RFC 6455 4.1, in its order. */
static enum wye_answer_fault judge(struct wye_client_answer *answer,
                                   const struct wye_client_request *request) {
    const struct wye_span upgrade = WYE_SPAN("Upgrade"), protocol = WYE_SPAN("Sec-WebSocket-Protocol");
    if (answer->status != 101) return WYE_ANSWER_STATUS;
    if (answer->minor == 0) return WYE_ANSWER_VERSION;
    if (wye_client_answer_times(answer, upgrade) == 0) return WYE_ANSWER_UPGRADE_MISSING;
    answer->seen = wye_client_answer_field(answer, upgrade);
    struct wye_span token = request->token.count ? request->token : WYE_SPAN("websocket");
    if (wye_client_answer_times(answer, upgrade) > 1 || !wye_span_equal_nocase(answer->seen, token))
        return WYE_ANSWER_UPGRADE_OTHER;
    answer->seen = wye_client_answer_field(answer, WYE_SPAN("Connection"));
    if (!wye_client_answer_lists(answer, WYE_SPAN("Connection"), upgrade)) return WYE_ANSWER_CONNECTION;
    answer->seen = (struct wye_span){0};
    if (!wye_client_request_is_websocket(request)) return WYE_ANSWER_FINE;
    enum wye_answer_fault fault = judge_accept(answer, request);
    if (fault != WYE_ANSWER_FINE) return fault;
    if (wye_client_answer_times(answer, protocol) > 1) return WYE_ANSWER_SUBPROTOCOL_DOUBLED;
    answer->subprotocol = wye_client_answer_field(answer, protocol);
    if (wye_client_answer_times(answer, protocol) > 0 &&
        !subprotocol_was_offered(answer->subprotocol, request->subprotocols)) {
        answer->seen = answer->subprotocol;
        return WYE_ANSWER_SUBPROTOCOL_UNASKED;
    }
    if (!extensions_were_offered(answer, request->extensions)) return WYE_ANSWER_EXTENSION_UNASKED;
    return WYE_ANSWER_FINE;
}

static uint64_t number_of(struct wye_span span) {
    uint64_t number = 0;
    for (size_t i = 0; i < span.count; i++) {
        if (!is_digit(span.bytes[i]) || i == 18) return 0;
        number = number * 10 + (uint64_t)(span.bytes[i] - '0');
    }
    return number;
}

/* Is the empty line there? Looked for from a little before what was not seen yet. */
static bool head_ends(const uint8_t *bytes, size_t count, size_t seen) {
    size_t from = seen > 3 ? seen - 3 : 0;
    return memmem(bytes + from, count - from, "\r\n\r\n", 4) != NULL;
}

ptrdiff_t wye_client_answer_read(struct wye_client_answer *answer, const struct wye_client_request *request,
                                 const uint8_t *bytes, size_t count, size_t seen) {
    struct wye_span line, all = {(const char *)bytes, count};
    if (seen == 0) {
        answer->fault = WYE_ANSWER_FINE;
        answer->seen = (struct wye_span){0};
    }
    if (!may_begin(bytes, count)) return fail(answer, WYE_ANSWER_STATUS_LINE, all);
    size_t limited = count < WYE_ANSWER_HEAD_MAX ? count : WYE_ANSWER_HEAD_MAX;
    if (seen > limited) seen = limited;
    if (!head_ends(bytes, limited, seen)) {
        /* A line that ends without CR, or too much of it: more of the same won't mend that. */
        const uint8_t *lf = memchr(bytes + seen, '\n', limited - seen);
        for (; lf; lf = memchr(lf + 1, '\n', (size_t)(bytes + limited - lf - 1)))
            if (lf == bytes || lf[-1] != '\r') return fail(answer, WYE_ANSWER_FIELD_GRAMMAR, all);
        return limited < WYE_ANSWER_HEAD_MAX ? 0 : fail(answer, WYE_ANSWER_HEAD_SIZE, (struct wye_span){0});
    }
    memset(answer, 0, offsetof(struct wye_client_answer, fields));
    size_t at = 0;
    for (bool first = true; take_line(bytes, limited, &at, &line); first = false) {
        if (line.count == 0 || line.bytes[line.count - 1] != '\r')
            return fail(answer, first ? WYE_ANSWER_STATUS_LINE : WYE_ANSWER_FIELD_GRAMMAR, line);
        line.count--;
        if (first) {
            if (!read_status_line(answer, line)) return fail(answer, WYE_ANSWER_STATUS_LINE, line);
            continue;
        }
        if (line.count == 0) break;
        if (answer->field_count == WYE_ANSWER_FIELDS_MAX) return fail(answer, WYE_ANSWER_HEAD_SIZE, line);
        if (!read_field(answer, line)) return fail(answer, WYE_ANSWER_FIELD_GRAMMAR, line);
    }
    answer->head_bytes = at;
    answer->content_bytes = number_of(wye_client_answer_field(answer, WYE_SPAN("Content-Length")));
    answer->chunked = wye_client_answer_times(answer, WYE_SPAN("Transfer-Encoding")) > 0;
    answer->extensions = wye_client_answer_field(answer, WYE_SPAN("Sec-WebSocket-Extensions"));
    answer->fault = judge(answer, request);
    return (ptrdiff_t)at;
}

/* ---- content ---- */

/* The size of a chunk, in hexadecimal, at the start of a line without its LF. false: none, or more than there
 * could be. */
static bool read_chunk_size(const char *at, const char *end, size_t *size) {
    const char *start = at;
    *size = 0;
    for (; at < end; at++) {
        char c = *at;
        int digit = is_digit(c)            ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) break;
        if (*size > SIZE_MAX >> 5) return false;
        *size = *size << 4 | (size_t)digit;
    }
    return at > start;
}

size_t wye_client_chunks_join(char *bytes, size_t count) {
    const char *at = bytes, *end = bytes + count;
    char *to = bytes;
    while (at < end) {
        size_t size;
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        if (!lf || !read_chunk_size(at, lf, &size) || size == 0) break;
        at = lf + 1;
        if (size > (size_t)(end - at)) size = (size_t)(end - at);
        memmove(to, at, size);
        to += size;
        at += size;
        if (at < end && *at == '\r') at++;
        if (at < end && *at == '\n') at++;
    }
    return (size_t)(to - bytes);
}
