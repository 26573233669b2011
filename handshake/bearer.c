#include "handshake/bearer.h"

static const struct wye_span token_name = {"token", 5};

/* Takes a token that was found somewhere. false: another was found before. */
static bool take(struct wye_bearer *found, struct wye_span token, struct wye_span place) {
    if (found->token.bytes) return wye_span_equal(found->token, token);
    found->token = token;
    found->place = place;
    return true;
}

static bool find_in_authorization(struct wye_bearer *found, const struct wye_request *request) {
    static const struct wye_span scheme = {"Bearer", 6};
    struct wye_span value = wye_request_field(request, WYE_FIELD_AUTHORIZATION);
    if (!wye_request_has(request, WYE_FIELD_AUTHORIZATION)) return true;
    size_t word = 0;
    while (word < value.count && value.bytes[word] != ' ') word++;
    if (!wye_span_equal_nocase((struct wye_span){value.bytes, word}, scheme)) {
        found->other_scheme = true;
        return true;
    }
    while (word < value.count && value.bytes[word] == ' ') word++;
    bool one = take(found, (struct wye_span){value.bytes + word, value.count - word}, WYE_SPAN("Authorization"));
    return one && !wye_request_repeats(request, WYE_FIELD_AUTHORIZATION);
}

static bool find_in_query(struct wye_bearer *found, const struct wye_request *request) {
    struct wye_span query = request->query, value;
    bool one = true;
    while (one && wye_query_value(query, token_name, &value)) {
        one = take(found, value, WYE_SPAN("query"));
        query.count -= (size_t)(value.bytes + value.count - query.bytes);
        query.bytes = value.bytes + value.count;
    }
    return one;
}

static bool find_in_protocols(struct wye_bearer *found, const struct wye_request *request) {
    struct wye_elements walk = {.name = WYE_FIELD_SEC_WEBSOCKET_PROTOCOL};
    struct wye_span each;
    while (wye_request_next_element(request, &walk, &each)) {
        if (!wye_span_equal(each, WYE_SPAN(WYE_BEARER_SUBPROTOCOL))) continue;
        return !wye_request_next_element(request, &walk, &each) || take(found, each, WYE_SPAN("Sec-WebSocket-Protocol"));
    }
    return true;
}

/* Cookies are name=value, with "; " between two (RFC 6265 4.2.1); several lines are read as if they were one. */
static bool find_in_cookies(struct wye_bearer *found, const struct wye_request *request) {
    struct wye_elements walk = {.name = WYE_FIELD_COOKIE};
    struct wye_span line;
    bool one = true;
    while (wye_request_next_line(request, &walk, &line)) {
        for (size_t at = 0, end; one && at < line.count; at = end + 1) {
            while (at < line.count && line.bytes[at] == ' ') at++;
            const char *semicolon = memchr(line.bytes + at, ';', line.count - at);
            end = semicolon ? (size_t)(semicolon - line.bytes) : line.count;
            struct wye_span pair = {line.bytes + at, end - at};
            const char *equals = memchr(pair.bytes, '=', pair.count);
            if (!equals || !wye_span_equal((struct wye_span){pair.bytes, (size_t)(equals - pair.bytes)}, token_name)) continue;
            one = take(found, (struct wye_span){equals + 1, (size_t)(line.bytes + end - equals - 1)}, WYE_SPAN("cookie"));
        }
    }
    return one;
}

bool wye_bearer_find(struct wye_bearer *found, const struct wye_request *request, bool cookies) {
    *found = (struct wye_bearer){0};
    bool one = find_in_authorization(found, request) && find_in_query(found, request) && find_in_protocols(found, request);
    if (one && !found->token.bytes && cookies) one = find_in_cookies(found, request);
    return one;
}
