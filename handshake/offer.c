#include "handshake/offer.h"

static bool contains(const struct wye_span *spans, size_t count, struct wye_span span) {
    for (size_t i = 0; i < count; i++) {
        if (wye_span_equal(spans[i], span)) return true;
    }
    return false;
}

enum wye_cause wye_offer_subprotocols(const struct wye_request *request, const char *const *spoken,
                                      struct wye_span *agreed) {
    struct wye_span offered[WYE_SUBPROTOCOLS_MAX];
    size_t count = 0;
    struct wye_elements walk = {.name = WYE_FIELD_SEC_WEBSOCKET_PROTOCOL};
    struct wye_span name;
    *agreed = (struct wye_span){0};
    if (!wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_PROTOCOL)) return WYE_CAUSE_NONE;
    while (wye_request_next_element(request, &walk, &name)) {
        if (!wye_span_is_token(name)) return WYE_CAUSE_ELEMENT;
        if (count == WYE_SUBPROTOCOLS_MAX) return WYE_CAUSE_ELEMENTS;
        if (contains(offered, count, name)) return WYE_CAUSE_ELEMENT_TWICE;
        offered[count++] = name;
    }
    if (count == 0) return WYE_CAUSE_EMPTY;
    for (; spoken && *spoken; spoken++) {
        for (size_t i = 0; i < count; i++) {
            if (!wye_span_equal(offered[i], wye_span_of(*spoken))) continue;
            *agreed = offered[i];
            return WYE_CAUSE_NONE;
        }
    }
    return WYE_CAUSE_NONE;
}

/* What is left to read of an extension. */
struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t')) cursor->at++;
}

/* Is `c` what comes next, white space aside? Then it is taken. */
static bool take(struct cursor *cursor, char c) {
    skip_space(cursor);
    if (cursor->at == cursor->end || *cursor->at != c) return false;
    cursor->at++;
    return true;
}

static bool take_token(struct cursor *cursor) {
    skip_space(cursor);
    const char *start = cursor->at;
    while (cursor->at < cursor->end && wye_span_is_token((struct wye_span){cursor->at, 1})) cursor->at++;
    return cursor->at > start;
}

/* The rest of a quoted string, which must be a token once it isn't quoted any more (RFC 6455 9.1). */
static bool take_quoted(struct cursor *cursor) {
    size_t count = 0;
    for (; cursor->at < cursor->end && *cursor->at != '"'; cursor->at++, count++) {
        if (*cursor->at == '\\' && ++cursor->at == cursor->end) return false;
        if (!wye_span_is_token((struct wye_span){cursor->at, 1})) return false;
    }
    return count > 0 && take(cursor, '"');
}

/* token *( ";" token [ "=" ( token / quoted-string ) ] ) */
static bool is_extension(struct wye_span element) {
    struct cursor cursor = {element.bytes, element.bytes + element.count};
    if (!take_token(&cursor)) return false;
    while (take(&cursor, ';')) {
        if (!take_token(&cursor)) return false;
        if (!take(&cursor, '=')) continue;
        if (!(take(&cursor, '"') ? take_quoted(&cursor) : take_token(&cursor))) return false;
    }
    return cursor.at == cursor.end;
}

enum wye_cause wye_offer_extensions(const struct wye_request *request) {
    const enum wye_field_name name = WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS;
    struct wye_elements walk = {.name = name};
    struct wye_span element = wye_request_field(request, name);
    bool any = false;
    if (!wye_request_has(request, name)) return WYE_CAUSE_NONE;
    if (!wye_request_repeats(request, name)) { /* what browsers say */
        if (wye_span_equal(element, WYE_SPAN("permessage-deflate; client_max_window_bits")))
            return WYE_CAUSE_NONE;
        if (wye_span_equal(element, WYE_SPAN("permessage-deflate"))) return WYE_CAUSE_NONE;
    }
    while (wye_request_next_element(request, &walk, &element)) {
        if (!is_extension(element)) return WYE_CAUSE_ELEMENT;
        any = true;
    }
    return any ? WYE_CAUSE_NONE : WYE_CAUSE_EMPTY;
}
