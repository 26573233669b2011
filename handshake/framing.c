#include "handshake/framing.h"

static __attribute__((noinline, cold)) bool refuse(struct wye_refusal *refusal, struct wye_span seen,
                                                   enum wye_cause cause) {
    wye_refusal_begin(refusal, refusal->token, refusal->allow);
    wye_refusal_add_cause(refusal, WYE_RULE_FRAMING, seen, cause);
    return false;
}

/* Transfer-Encoding (RFC 9112 6.1): chunked must be the last coding, and is the only one that is understood.
 */
static bool read_codings(struct wye_request *request, struct wye_refusal *refusal) {
    struct wye_span value = wye_request_field(request, WYE_FIELD_TRANSFER_ENCODING);
    size_t codings = 0, times_chunked = 0;
    bool last_chunked = false;
    if (request->minor == 0) return refuse(refusal, value, WYE_CAUSE_CODING_OLD);
    struct wye_elements walk = {.name = WYE_FIELD_TRANSFER_ENCODING};
    struct wye_span coding;
    while (wye_request_next_element(request, &walk, &coding)) {
        codings++;
        last_chunked = wye_span_equal_nocase(coding, WYE_SPAN("chunked"));
        times_chunked += last_chunked;
    }
    if (!last_chunked || times_chunked > 1) return refuse(refusal, value, WYE_CAUSE_CODING_LAST);
    if (codings > 1) {
        refuse(refusal, value, WYE_CAUSE_CODING_UNKNOWN);
        refusal->status = 501; /* RFC 9112 6.1 */
        return false;
    }
    request->chunked = true;
    return true;
}

/* What Connection says that anybody here asks for. */
struct options {
    bool close, keep_alive, upgrade;
};

/* Reads Connection (RFC 9110 7.6.1). What nearly everybody sends, with one space before it, is told by a comparison or two. */
static struct options read_connection(const struct wye_request *request) {
    struct options options = {0};
    struct wye_span value;
    if (!wye_request_has(request, WYE_FIELD_CONNECTION)) return options;
    if (!wye_request_repeats(request, WYE_FIELD_CONNECTION)) {
        value = wye_request_rest(request, request->first[WYE_FIELD_CONNECTION] - 1u);
        if (WYE_SPAN_IS(value, " upgrade")) return (struct options){.upgrade = true};
        if (WYE_SPAN_IS(value, " keep-alive")) return (struct options){.keep_alive = true};
        if (WYE_SPAN_IS(value, " keep-alive, upgrade"))
            return (struct options){.keep_alive = true, .upgrade = true};
    }
    struct wye_elements walk = {.name = WYE_FIELD_CONNECTION};
    while (wye_request_next_element(request, &walk, &value)) {
        options.close |= WYE_SPAN_IS(value, "close");
        options.keep_alive |= WYE_SPAN_IS(value, "keep-alive");
        options.upgrade |= WYE_SPAN_IS(value, "upgrade");
    }
    return options;
}

/* How the body is framed (RFC 9112 6.3), of which something is said. */
static __attribute__((noinline)) bool read_body(struct wye_request *request, struct wye_refusal *refusal) {
    if (!wye_request_has(request, WYE_FIELD_CONTENT_LENGTH)) return read_codings(request, refusal);
    struct wye_span value = wye_request_field(request, WYE_FIELD_CONTENT_LENGTH);
    if (wye_request_repeats(request, WYE_FIELD_CONTENT_LENGTH)) return refuse(refusal, value, WYE_CAUSE_DOUBLED);
    struct wye_span codings = wye_request_field(request, WYE_FIELD_TRANSFER_ENCODING);
    if (codings.bytes) return refuse(refusal, codings, WYE_CAUSE_TWO_LENGTHS);
    if (!wye_span_number(value, UINT64_MAX, &request->content_bytes)) return refuse(refusal, value, WYE_CAUSE_NUMBER);
    return true;
}

bool wye_framing_read(struct wye_request *request, struct wye_refusal *refusal) {
    const uint32_t body = UINT32_C(1) << WYE_FIELD_CONTENT_LENGTH | UINT32_C(1) << WYE_FIELD_TRANSFER_ENCODING;
    if (WYE_SELDOM(request->present & body) && !read_body(request, refusal)) return false;
    struct options connection = read_connection(request);
    request->keep_alive = !connection.close && (request->minor > 0 || connection.keep_alive);
    request->lists_upgrade = connection.upgrade;
    return true;
}
