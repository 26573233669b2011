/* May this request switch, and to what (RFC 9110 7.8, RFC 6455 4.2)? */
#ifndef WYE_HANDSHAKE_UPGRADE_H
#define WYE_HANDSHAKE_UPGRADE_H

#include "handshake/request.h"

/* Who may come from where. Strings and arrays are the caller's and outlive it. */
struct wye_policy {
    const char *const *origins; /* patterns: an exact origin, "https://" "*.example.com", "*" */
    size_t origin_count;
    const char *const *hosts; /* names of this node beside addresses and localhost */
    size_t host_count;
    bool host_is_checked; /* on loopback listeners: any other Host is refused (DNS rebinding) */
};

/* What a path offers to those who ask to upgrade there. */
struct wye_upgrade_terms {
    const char *token; /* the upgrade token, e.g. "websocket" (compared without case) */
    bool websocket;    /* the WebSocket rules apply: key, version, subprotocol and extension grammar */
    const char *const *subprotocols; /* that are spoken here, best first; NULL-ended; NULL: none */
};

/* What was agreed; borrows from the request. */
struct wye_upgrade_agreement {
    char accept[28];             /* Sec-WebSocket-Accept, not ended by NUL; WebSocket only */
    struct wye_span subprotocol; /* count 0: none */
};

/* Is Origin there at most once, and allowed to come here? Notes it in *refusal when not. */
void wye_upgrade_check_origin(const struct wye_request *request, const struct wye_policy *policy, struct wye_refusal *refusal);

/*
 * Checks a request that came to a path with these terms, method included (an upgrade is a GET).
 * 101: *agreement is filled in. < 0: -status, and *refusal (zeroed by the caller) lists every upgrade rule
 * that fails.
 */
int wye_upgrade_check(const struct wye_request *request, const struct wye_upgrade_terms *terms,
                      const struct wye_policy *policy, struct wye_upgrade_agreement *agreement,
                      struct wye_refusal *refusal);

/* Is the request's Host one of this node's (an address, localhost, or named by the policy)? Port ignored. */
bool wye_policy_host_allowed(const struct wye_policy *policy, struct wye_span host);

/*
 * Is this Origin welcome at this Host? Absent (bytes NULL): yes, not a browser. Otherwise it must name the
 * host and port (default ports equal, scheme ignored) or match a pattern; "null" is refused unless "*" is a
 * pattern.
 */
bool wye_policy_origin_allowed(const struct wye_policy *policy, struct wye_span origin, struct wye_span host);

/*
 * Is it welcome by name? A browser adds cookies to what any page asks for: they prove something only where whose page it is was meant,
 * and "*" means nobody in particular.
 */
bool wye_policy_origin_known(const struct wye_policy *policy, struct wye_span origin, struct wye_span host);

#endif
