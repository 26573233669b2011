#include "handshake/forwarded.h"

/* Cuts the last element off a line; empty ones don't count (RFC 9110 5.6.1). false: there is none. */
static bool last_element(struct wye_span *line, struct wye_span *element) {
    while (line->count) {
        const char *comma = memrchr(line->bytes, ',', line->count);
        size_t start = comma ? (size_t)(comma + 1 - line->bytes) : 0;
        *element = wye_span_trim((struct wye_span){line->bytes + start, line->count - start});
        line->count = comma ? start - 1 : 0;
        if (element->count) return true;
    }
    return false;
}

bool wye_forwarded_for(const struct wye_request *request, const struct wye_cidr *trusted, size_t trusted_count, struct wye_ip *from,
                       struct wye_span *seen) {
    static const struct wye_span name = {"x-forwarded-for", 15};
    *from = (struct wye_ip){.kind = WYE_IP_NONE};
    if (!wye_request_has(request, WYE_FIELD_X_FORWARDED_FOR)) return true;
    for (size_t line = request->field_count; line-- > 0;) {
        if (!wye_span_equal_nocase(wye_request_name(request, line), name)) continue;
        struct wye_span value = wye_request_value(request, line), element;
        while (last_element(&value, &element)) {
            struct wye_ip hop;
            if (!wye_ip_read_hop(&hop, element)) {
                *seen = element;
                return false;
            }
            if (wye_cidrs_have(trusted, trusted_count, &hop)) continue;
            *from = hop;
            return true;
        }
    }
    return true;
}
