#include "handshake/upgrade.h"

#include "handshake/offer.h"
#include "handshake/opening.h"

/* Notes that a rule about a field failed: what is seen is the field's first line. */
static void fail(struct wye_refusal *refusal, enum wye_rule rule, const struct wye_request *request,
                 enum wye_field_name name, enum wye_cause cause) {
    wye_refusal_add_cause(refusal, rule, wye_request_field(request, name), cause);
}

/* Does nothing in it ask for a WebSocket? A proxy takes away no more than Upgrade and Connection's "upgrade". */
static bool is_plain(const struct wye_request *request, const struct wye_upgrade_terms *terms) {
    return terms->websocket && !wye_request_has(request, WYE_FIELD_UPGRADE) &&
           !wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_KEY) &&
           !wye_request_has(request, WYE_FIELD_SEC_WEBSOCKET_VERSION);
}

/* What every upgrade must keep, whatever it leads to (RFC 9110 7.8). */
static void check_request(const struct wye_request *request, const struct wye_upgrade_terms *terms,
                          struct wye_refusal *refusal) {
    if (request->method_id != WYE_METHOD_GET) wye_refusal_add(refusal, WYE_RULE_METHOD, request->method);
    if (request->minor == 0) wye_refusal_add(refusal, WYE_RULE_UPGRADE_VERSION, WYE_SPAN("HTTP/1.0"));
    if (request->chunked) {
        fail(refusal, WYE_RULE_UPGRADE_BODY, request, WYE_FIELD_TRANSFER_ENCODING, WYE_CAUSE_NONE);
    } else if (request->content_bytes > 0) {
        fail(refusal, WYE_RULE_UPGRADE_BODY, request, WYE_FIELD_CONTENT_LENGTH, WYE_CAUSE_NONE);
    }
    if (!request->lists_upgrade) {
        fail(refusal, WYE_RULE_CONNECTION_UPGRADE, request, WYE_FIELD_CONNECTION,
             is_plain(request, terms) ? WYE_CAUSE_NO_UPGRADE : WYE_CAUSE_NONE);
    }
    bool usual = terms->websocket && wye_request_has(request, WYE_FIELD_UPGRADE) && !wye_request_repeats(request, WYE_FIELD_UPGRADE) &&
                 WYE_SPAN_IS(wye_request_field(request, WYE_FIELD_UPGRADE), "websocket");
    if (!usual && !wye_request_offers(request, wye_span_of(terms->token))) {
        fail(refusal, WYE_RULE_UPGRADE_TOKEN, request, WYE_FIELD_UPGRADE, WYE_CAUSE_NONE);
    }
}

static const bool is_base64[256] = {
    ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['+'] = true, ['/'] = true,
};

/* How a key is not the canonical base64 of 16 bytes (RFC 6455 4.2.1, RFC 4648 3.5). */
static enum wye_cause key_trouble(struct wye_span key) {
    enum { DIGITS = 22 };
    if (key.count == 0) return WYE_CAUSE_EMPTY;
    if (key.count != WYE_KEY_BYTES) return WYE_CAUSE_KEY_LENGTH;
    bool all = true; /* not left early: a key is nearly always right */
    for (size_t i = 0; i < DIGITS; i++) all &= is_base64[(unsigned char)key.bytes[i]];
    if (!all || key.bytes[DIGITS] != '=' || key.bytes[DIGITS + 1] != '=') return WYE_CAUSE_KEY_BASE64;
    /* The last digit has 2 bits of the key and 4 of nothing, which must be 0. */
    char last = key.bytes[DIGITS - 1];
    return last == 'A' || last == 'Q' || last == 'g' || last == 'w' ? WYE_CAUSE_NONE : WYE_CAUSE_KEY_LOOSE;
}

static void check_key(const struct wye_request *request, struct wye_refusal *refusal) {
    const enum wye_field_name name = WYE_FIELD_SEC_WEBSOCKET_KEY;
    enum wye_cause cause = WYE_CAUSE_NONE;
    const bool there = wye_request_has(request, name);
    if (wye_request_repeats(request, name)) cause = WYE_CAUSE_DOUBLED;
    else if (there) cause = key_trouble(wye_request_field(request, name));
    if (!there || cause != WYE_CAUSE_NONE) fail(refusal, WYE_RULE_KEY, request, name, cause);
}

static void check_version(const struct wye_request *request, struct wye_refusal *refusal) {
    const enum wye_field_name name = WYE_FIELD_SEC_WEBSOCKET_VERSION;
    struct wye_span version = wye_request_field(request, name);
    const bool repeats = wye_request_repeats(request, name);
    if (!repeats && wye_span_equal(version, WYE_SPAN("13"))) return;
    fail(refusal, WYE_RULE_WEBSOCKET_VERSION, request, name, repeats ? WYE_CAUSE_DOUBLED : WYE_CAUSE_NONE);
}

void wye_upgrade_check_origin(const struct wye_request *request, const struct wye_policy *policy,
                              struct wye_refusal *refusal) {
    struct wye_span origin = wye_request_field(request, WYE_FIELD_ORIGIN);
    enum wye_cause cause = WYE_CAUSE_NONE;
    bool doubled = wye_request_repeats(request, WYE_FIELD_ORIGIN);
    if (!doubled && wye_policy_origin_allowed(policy, origin, request->host)) return;
    if (doubled) cause = WYE_CAUSE_DOUBLED;
    else if (wye_span_equal_nocase(origin, WYE_SPAN("null"))) cause = WYE_CAUSE_ORIGIN_NULL;
    else if (origin.count) cause = WYE_CAUSE_ORIGIN_OTHER;
    fail(refusal, WYE_RULE_ORIGIN, request, WYE_FIELD_ORIGIN, cause);
}

static void check_offer(const struct wye_request *request, const struct wye_upgrade_terms *terms,
                        struct wye_upgrade_agreement *agreement, struct wye_refusal *refusal) {
    enum wye_cause cause = wye_offer_subprotocols(request, terms->subprotocols, &agreement->subprotocol);
    if (cause != WYE_CAUSE_NONE) {
        fail(refusal, WYE_RULE_SUBPROTOCOL, request, WYE_FIELD_SEC_WEBSOCKET_PROTOCOL, cause);
    }
    cause = wye_offer_extensions(request);
    if (cause != WYE_CAUSE_NONE) {
        fail(refusal, WYE_RULE_EXTENSIONS, request, WYE_FIELD_SEC_WEBSOCKET_EXTENSIONS, cause);
    }
}

int wye_upgrade_check(const struct wye_request *request, const struct wye_upgrade_terms *terms,
                      const struct wye_policy *policy, struct wye_upgrade_agreement *agreement,
                      struct wye_refusal *refusal) {
    agreement->subprotocol = (struct wye_span){0};
    refusal->token = terms->token;
    check_request(request, terms, refusal);
    if (terms->websocket) {
        check_key(request, refusal);
        check_version(request, refusal);
    }
    wye_upgrade_check_origin(request, policy, refusal);
    if (terms->websocket) check_offer(request, terms, agreement, refusal);
    if (refusal->failed) return -refusal->status;
    if (terms->websocket) {
        wye_opening_accept(agreement->accept, wye_request_field(request, WYE_FIELD_SEC_WEBSOCKET_KEY).bytes);
    }
    return 101;
}
