/* What is asked of a request that was read. */
#include "handshake/field.h"

/* Has a line this known name? */
static bool is_named(const struct wye_request *request, size_t line, enum wye_field_name name) {
    struct wye_span span = wye_request_name(request, line);
    const struct wye_field_row *row = wye_field_find(span.bytes, span.count);
    return row && row->known == name;
}

bool wye_request_next_line(const struct wye_request *request, struct wye_elements *walk, struct wye_span *line) {
    if (walk->line == 0) {
        if (!wye_request_has(request, walk->name)) return false;
        walk->line = request->first[walk->name];
        *line = wye_request_value(request, walk->line - 1);
        return true;
    }
    if (!wye_request_repeats(request, walk->name)) return false;
    while (walk->line < request->field_count && !is_named(request, walk->line, walk->name)) walk->line++;
    if (walk->line >= request->field_count) return false;
    *line = wye_request_value(request, walk->line++);
    return true;
}

bool wye_request_next_element(const struct wye_request *request, struct wye_elements *walk,
                              struct wye_span *element) {
    while (!wye_span_next_element(&walk->list, element)) {
        if (!wye_request_next_line(request, walk, &walk->list)) return false;
    }
    return true;
}

bool wye_request_lists(const struct wye_request *request, enum wye_field_name name, struct wye_span element) {
    struct wye_elements walk = {.name = name};
    struct wye_span each;
    while (wye_request_next_element(request, &walk, &each)) {
        if (wye_span_equal_nocase(each, element)) return true;
    }
    return false;
}

bool wye_request_offers(const struct wye_request *request, struct wye_span token) {
    struct wye_elements walk = {.name = WYE_FIELD_UPGRADE};
    struct wye_span protocol;
    while (wye_request_next_element(request, &walk, &protocol)) {
        const char *slash = memchr(protocol.bytes, '/', protocol.count);
        if (slash) protocol.count = (size_t)(slash - protocol.bytes);
        if (wye_span_equal_nocase(protocol, token)) return true;
    }
    return false;
}

/* Does the name of a field begin with Sec-WebSocket-? */
static bool is_of_websocket(struct wye_span name) {
    struct wye_span prefix = WYE_SPAN("Sec-WebSocket-");
    if (name.count < prefix.count) return false;
    return wye_span_equal_nocase((struct wye_span){name.bytes, prefix.count}, prefix);
}

bool wye_request_is_websocket(const struct wye_request *request) {
    if (wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_KEY)) return true;
    if (wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_VERSION)) return true;
    if (wye_request_offers(request, WYE_SPAN("websocket"))) return true;
    for (size_t i = 0; i < request->field_count; i++) {
        if (is_of_websocket(wye_request_name(request, i))) return true;
    }
    return false;
}

/* Is what stands behind a media type, if anything, no weight of 0 (RFC 9110 12.4.2)? */
static bool is_welcome(struct wye_span parameters) {
    const char *at = parameters.bytes, *end = at + parameters.count;
    while (at < end && (*at == ';' || *at == ' ' || *at == '\t')) at++;
    if (end - at < 3 || (at[0] | 0x20) != 'q' || at[1] != '=' || at[2] != '0') return true;
    for (; at < end; at++) {
        if (*at >= '1' && *at <= '9') return true;
    }
    return false;
}

bool wye_request_accepts(const struct wye_request *request, struct wye_span media_type) {
    struct wye_elements walk = {.name = WYE_FIELD_ACCEPT};
    struct wye_span range;
    while (wye_request_next_element(request, &walk, &range)) {
        if (range.count < media_type.count) continue;
        struct wye_span type = {range.bytes, media_type.count};
        struct wye_span rest = {range.bytes + type.count, range.count - type.count};
        bool ends = rest.count == 0 || rest.bytes[0] == ';' || rest.bytes[0] == ' ' || rest.bytes[0] == '\t';
        if (ends && wye_span_equal_nocase(type, media_type) && is_welcome(rest)) return true;
    }
    return false;
}

bool wye_request_awaits_continue(const struct wye_request *request) {
    return wye_request_has(request, WYE_FIELD_EXPECT) && request->minor > 0 &&
           wye_request_lists(request, WYE_FIELD_EXPECT, WYE_SPAN("100-continue"));
}

/* The value of a hex digit, -1: it is none. */
static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

ptrdiff_t wye_percent_decode(char *to, struct wye_span in) {
    char *start = to;
    for (size_t i = 0; i < in.count; i++) {
        if (in.bytes[i] != '%') {
            *to++ = in.bytes[i];
            continue;
        }
        if (in.count - i < 3) return -1;
        int high = hex_value(in.bytes[i + 1]);
        int low = hex_value(in.bytes[i + 2]);
        if (high < 0 || low < 0) return -1;
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    return to - start;
}

bool wye_query_value(struct wye_span query, struct wye_span name, struct wye_span *value) {
    const char *at = query.bytes;
    size_t left = query.count;
    while (left > 0) {
        const char *end = memchr(at, '&', left);
        size_t count = end ? (size_t)(end - at) : left;
        const char *equals = memchr(at, '=', count);
        size_t name_count = equals ? (size_t)(equals - at) : count;
        if (wye_span_equal((struct wye_span){at, name_count}, name)) {
            size_t skipped = equals ? name_count + 1 : name_count;
            *value = (struct wye_span){at + skipped, count - skipped};
            return true;
        }
        if (!end) break;
        at = end + 1;
        left -= count + 1;
    }
    return false;
}
