/* Who may come from where: Host and Origin. */
#include "handshake/upgrade.h"

#include "handshake/authority.h"

bool wye_policy_host_allowed(const struct wye_policy *policy, struct wye_span host) {
    struct wye_authority authority;
    if (!policy->host_is_checked || !host.bytes) return true;
    if (!wye_authority_read(&authority, host)) return false;
    struct wye_span name = authority.host;
    if (name.bytes[name.count - 1] == '.') name.count--; /* "localhost." is the same name, said absolutely */
    if (wye_host_is_address(name) || wye_span_equal_nocase(name, WYE_SPAN("localhost"))) return true;
    for (size_t i = 0; i < policy->host_count; i++) {
        if (wye_span_equal_nocase(name, wye_span_of(policy->hosts[i]))) return true;
    }
    return false;
}

/* An origin (RFC 6454 6.2), or a pattern for some: scheme "://" host [":" port]. */
struct origin {
    struct wye_span scheme;
    struct wye_authority authority;
};

static bool read_origin(struct origin *origin, struct wye_span text) {
    const char *mark = text.count > 0 ? memmem(text.bytes, text.count, "://", 3) : NULL;
    if (!mark) return false;
    size_t scheme = (size_t)(mark - text.bytes);
    origin->scheme = (struct wye_span){text.bytes, scheme};
    return wye_authority_read(&origin->authority, (struct wye_span){mark + 3, text.count - scheme - 3});
}

/* The port that an origin means; 0: it says none, and its scheme has no default here. */
static unsigned port_of(const struct origin *origin) {
    if (origin->authority.has_port) return origin->authority.port;
    if (wye_span_equal_nocase(origin->scheme, WYE_SPAN("http"))) return 80;
    if (wye_span_equal_nocase(origin->scheme, WYE_SPAN("https"))) return 443;
    return 0;
}

/* The port of an authority where 80, 443 and none are one: a TLS proxy in front changes no more than these.
 */
static unsigned port_apart_from_default(const struct wye_authority *authority) {
    bool is_default = !authority->has_port || authority->port == 80 || authority->port == 443;
    return is_default ? 0 : authority->port;
}

/* Does an http or https origin name this Host? */
static bool names_host(const struct origin *origin, struct wye_span host) {
    struct wye_authority authority;
    bool web = wye_span_equal_nocase(origin->scheme, WYE_SPAN("http")) ||
               wye_span_equal_nocase(origin->scheme, WYE_SPAN("https"));
    return web && wye_authority_read(&authority, host) &&
           wye_span_equal_nocase(origin->authority.host, authority.host) &&
           port_apart_from_default(&origin->authority) == port_apart_from_default(&authority);
}

/* Is it the host of a pattern? That of "*.example.com" is any that has a label or more in front of
 * ".example.com". */
static bool host_matches(struct wye_span host, struct wye_span pattern) {
    if (pattern.count < 2 || memcmp(pattern.bytes, "*.", 2) != 0) return wye_span_equal_nocase(host, pattern);
    struct wye_span suffix = {pattern.bytes + 1, pattern.count - 1};
    if (host.count <= suffix.count) return false;
    return wye_span_equal_nocase((struct wye_span){host.bytes + host.count - suffix.count, suffix.count},
                                 suffix);
}

static bool matches(struct wye_span text, const struct origin *origin, struct wye_span pattern_text) {
    struct origin pattern;
    if (wye_span_equal_nocase(text, pattern_text)) return true; /* also of schemes that have no authority */
    if (pattern_text.count > 0 && pattern_text.bytes[pattern_text.count - 1] == '/') pattern_text.count--;
    return origin && read_origin(&pattern, pattern_text) &&
           wye_span_equal_nocase(origin->scheme, pattern.scheme) && port_of(origin) == port_of(&pattern) &&
           host_matches(origin->authority.host, pattern.authority.host);
}

/* Is it http:// or https:// and then the very text of Host? So it is with every page of the node's own. */
static bool repeats_host(struct wye_span origin, struct wye_span host) {
    if (host.count == 0 || origin.count <= host.count) return false;
    size_t prefix = origin.count - host.count;
    bool web = (prefix == 7 && memcmp(origin.bytes, "http://", 7) == 0) ||
               (prefix == 8 && memcmp(origin.bytes, "https://", 8) == 0);
    return web && memcmp(origin.bytes + prefix, host.bytes, host.count) == 0;
}

static bool is_allowed(const struct wye_policy *policy, struct wye_span origin, struct wye_span host, bool anybody) {
    if (!origin.bytes || repeats_host(origin, host)) return true;
    bool null = wye_span_equal_nocase(origin, WYE_SPAN("null")); /* which every sandboxed page has */
    struct origin read;
    bool readable = !null && read_origin(&read, origin);
    if (readable && names_host(&read, host)) return true;
    for (size_t i = 0; i < policy->origin_count; i++) {
        struct wye_span pattern = wye_span_of(policy->origins[i]);
        bool any = wye_span_equal(pattern, WYE_SPAN("*"));
        if (any && anybody) return true;
        if (!any && !null && matches(origin, readable ? &read : NULL, pattern)) return true;
    }
    return false;
}

bool wye_policy_origin_allowed(const struct wye_policy *policy, struct wye_span origin, struct wye_span host) {
    return is_allowed(policy, origin, host, true);
}

bool wye_policy_origin_known(const struct wye_policy *policy, struct wye_span origin, struct wye_span host) {
    return is_allowed(policy, origin, host, false);
}
