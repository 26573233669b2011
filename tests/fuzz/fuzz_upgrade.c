/*
 * From a request to a 101 or a refusal: policy, rules, and everything that is written about them, in memory
 * that is exactly as large as was promised. The input's first two bytes choose the policy and the path's
 * terms.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json.h"

#include "handshake/opening.h"
#include "handshake/response.h"
#include "handshake/upgrade.h"

static struct wye_request request;

/* ---- what is written about a refusal ---- */

static bool is_plain_text(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if ((text[i] < 0x20 || text[i] > 0x7e) && text[i] != '\n') return false;
    }
    return text[count] == '\0';
}

/* Field lines, each ended by CRLF, with nothing else that a client could take for a line's end. */
static bool is_fields(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++) {
        bool ends = text[i] == '\r' && text[i + 1] == '\n';
        if (ends) i++;
        else if (text[i] < 0x20 || text[i] > 0x7e) return false;
    }
    return count == 0 || text[count - 1] == '\n';
}

static void write_in(size_t room, const struct wye_refusal *refusal) {
    char *to = malloc(room ? room : 1);
    MUST(to);
    size_t count = wye_refusal_text(to, room, refusal);
    MUST(room == 0 ? count == 0 : count < room && is_plain_text(to, count));
    count = wye_refusal_problem_json(to, room, refusal);
    MUST(count == 0 || (count < room && to[count] == '\0' && is_json(to)));
    if (room >= WYE_REFUSAL_TEXT_MAX) MUST(count > 0);
    count = wye_refusal_fields(to, room, refusal);
    MUST(room == 0 ? count == 0 : count < room && is_fields(to, count));
    free(to);
}

static void look_at(const struct wye_refusal *refusal, size_t chosen) {
    MUST(refusal->first > WYE_RULE_NONE && refusal->first < WYE_RULE_COUNT);
    MUST(refusal->failed >> refusal->first & 1 &&
         (refusal->failed & ((UINT64_C(1) << refusal->first) - 1)) == 0);
    write_in(WYE_REFUSAL_TEXT_MAX, refusal);
    write_in(chosen % 2048, refusal);
    write_in(chosen % 40, refusal);
    char text[WYE_REFUSAL_TEXT_MAX], head[WYE_RESPONSE_HEAD_MAX], fields[512];
    MUST(wye_refusal_text(text, sizeof text, refusal) < sizeof text - 1); /* not cut */
    wye_refusal_fields(fields, sizeof fields, refusal);
    const struct wye_response response = {.status = refusal->status,
                                          .content_type = "text/plain",
                                          .content_bytes = 1,
                                          .fields = fields,
                                          .close = true};
    size_t count = wye_response_write(head, sizeof head, &response);
    MUST(count > 0 && memcmp(head + count - 4, "\r\n\r\n", 4) == 0);
    size_t room = chosen % (count + 2);
    char *exact = malloc(room ? room : 1);
    MUST(exact && wye_response_write(exact, room, &response) == (room >= count ? count : 0));
    free(exact);
}

/* ---- what is agreed ---- */

static bool is_among(struct wye_span name, const char *const *names) {
    for (; *names; names++) {
        if (wye_span_equal(name, wye_span_of(*names))) return true;
    }
    return false;
}

static void look_at_agreement(const struct wye_upgrade_terms *terms,
                              const struct wye_upgrade_agreement *agreement) {
    MUST(request.minor == 1 && request.method_id == WYE_METHOD_GET && request.content_bytes == 0 &&
         !request.chunked);
    MUST(wye_request_lists(&request, WYE_FIELD_CONNECTION, WYE_SPAN("upgrade")));
    MUST(wye_request_offers(&request, wye_span_of(terms->token)));
    MUST(!wye_request_repeats(&request, WYE_FIELD_ORIGIN));
    if (!terms->websocket) return;
    MUST(wye_request_is_websocket(&request));
    MUST(wye_span_equal(wye_request_field(&request, WYE_FIELD_SEC_WEBSOCKET_VERSION), WYE_SPAN("13")));
    char accept[WYE_ACCEPT_BYTES];
    struct wye_span key = wye_request_field(&request, WYE_FIELD_SEC_WEBSOCKET_KEY);
    MUST(key.count == WYE_KEY_BYTES && !wye_request_repeats(&request, WYE_FIELD_SEC_WEBSOCKET_KEY));
    wye_opening_accept(accept, key.bytes);
    MUST(memcmp(accept, agreement->accept, sizeof accept) == 0);
    if (agreement->subprotocol.count == 0) return;
    MUST(is_among(agreement->subprotocol, terms->subprotocols));
    struct wye_elements walk = {.name = WYE_FIELD_SEC_WEBSOCKET_PROTOCOL};
    struct wye_span name;
    bool offered = false;
    while (wye_request_next_element(&request, &walk, &name))
        offered |= wye_span_equal(name, agreement->subprotocol);
    MUST(offered);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    static const char *const origins[] = {"https://*.example.com", "http://exact.example:8080",
                                          "chrome-extension://abc", "*"};
    static const char *const hosts[] = {"example.com", "node.example"};
    static const char *const spoken[] = {"mqtt", "chat", NULL};
    if (count < 2) return 0;
    unsigned choice = bytes[0];
    size_t chosen = bytes[1] | (size_t)(hash_of(bytes, count) & 0xff00);
    const struct wye_policy policy = {.origins = origins,
                                      .origin_count = choice % 5,
                                      .hosts = hosts,
                                      .host_count = choice >> 3 & 1,
                                      .host_is_checked = choice >> 4 & 1};
    const bool websocket = !(choice >> 5 & 1);
    const struct wye_upgrade_terms terms = {.token = websocket ? "websocket" : "wye-echo",
                                            .websocket = websocket,
                                            .subprotocols = choice >> 6 & 1 ? spoken : NULL};
    count -= 2;
    uint8_t *copy = exact_copy(bytes + 2, count);
    struct wye_refusal refusal = {.token = terms.token, .allow = "GET"};
    ptrdiff_t used = wye_request_read(&request, &refusal, copy, count, &(struct wye_request_progress){0});
    if (used < 0) look_at(&refusal, chosen);
    if (used > 0) {
        wye_policy_host_allowed(&policy, request.host);
        struct wye_upgrade_agreement agreement;
        int status = wye_upgrade_check(&request, &terms, &policy, &agreement, &refusal);
        MUST(status == 101 || (status <= -400 && status == -refusal.status));
        if (status == 101) look_at_agreement(&terms, &agreement);
        else look_at(&refusal, chosen);
    }
    free(copy);
    return 0;
}
