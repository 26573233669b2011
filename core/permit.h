/*
 * Who may: what a request's token allows. Without keys (--token-key) everything is allowed to everybody, as far as Host and
 * Origin let them come.
 */
#ifndef WYE_CORE_PERMIT_H
#define WYE_CORE_PERMIT_H

#include "handshake/request.h"
#include "handshake/token.h"

struct wye_hub;
struct wye_resource;

/* What a request to a resource needs, where there are keys. */
enum wye_needs {
    WYE_NEEDS_NOTHING,
    WYE_NEEDS_TOKEN,     /* any good one */
    WYE_NEEDS_SUBSCRIBE, /* one that covers every topic and pattern in the target */
    WYE_NEEDS_OWN,       /* one that covers the node's own topic of the resource's name: "$wye/metrics" */
};

/* What a request that was let through may do. */
struct wye_permit {
    uint32_t expires_s; /* unix time at which the connection that it opens ends; 0: never */
    bool may_publish;   /* to the topic of its path */
};

/* May it do what it asks for (all but publishing)? 0, and *permit; or -status with rules noted, beside others that were. */
int wye_permit_request(struct wye_permit *permit, struct wye_hub *hub, const struct wye_request *request,
                       const struct wye_resource *resource, struct wye_refusal *refusal);

/* May it publish to a topic? 0, or -status with rules noted. Whether its Origin is allowed is to be judged before. */
int wye_permit_publish(struct wye_hub *hub, const struct wye_request *request, struct wye_span topic, struct wye_refusal *refusal);

/* Forgets the token that was good last: when keys change, and in the end. */
void wye_permit_forget(struct wye_hub *hub);

/* Does a token allow something for all that a name or pattern matches? */
bool wye_permit_covers(const struct wye_token *token, enum wye_token_right right, struct wye_span pattern);

#endif
