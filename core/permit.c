#include "core/permit.h"

#include "core/hub.h"
#include "core/pubsub.h"
#include "core/site.h"
#include "handshake/bearer.h"

#include <assert.h>

/* The node's keys. What was replaced counts from the next request on, whenever the loop turned last. */
static const struct wye_token_keys *keys_of(struct wye_hub *hub) {
    if (atomic_load_explicit(&hub->node->keys_version, memory_order_acquire) != hub->keys_version) {
        wye_token_keys_release(hub->keys);
        hub->keys = wye_node_hold_keys(hub->node, &hub->keys_version);
    }
    return hub->keys;
}

bool wye_permit_covers(const struct wye_token *token, enum wye_token_right right, struct wye_span pattern) {
    for (size_t i = 0; i < wye_token_count(token, right); i++) {
        if (wye_pattern_covers(wye_token_at(token, right, i), pattern)) return true;
    }
    return false;
}

/* Are they names and patterns, all of them? One that isn't might be taken for more than was meant. */
static bool lists_patterns(const struct wye_token *token) {
    for (enum wye_token_right right = WYE_TOKEN_PUBLISH; right <= WYE_TOKEN_SUBSCRIBE; right++) {
        for (size_t i = 0; i < wye_token_count(token, right); i++) {
            if (wye_topic_name_fault(wye_token_at(token, right, i))) return false;
        }
    }
    return true;
}

/* Finds and verifies the request's token. 0, and *token is the caller's; or -status with a rule noted. */
static int read_token(struct wye_token *token, struct wye_hub *hub, const struct wye_request *request, struct wye_refusal *refusal) {
    struct wye_bearer bearer;
    struct wye_span origin = wye_request_field(request, WYE_FIELD_ORIGIN);
    bool is_friend = request->times[WYE_FIELD_ORIGIN] <= 1 && wye_policy_origin_allowed(&hub->settings->policy, origin, request->host);
    if (!wye_bearer_find(&bearer, request, is_friend)) return wye_refusal_add(refusal, WYE_RULE_TOKEN_SINGLE, bearer.place);
    if (!bearer.token.bytes && bearer.other_scheme)
        return wye_refusal_add_cause(refusal, WYE_RULE_TOKEN, WYE_SPAN("Authorization"), WYE_CAUSE_TOKEN_SCHEME);
    if (!bearer.token.bytes) return wye_refusal_add(refusal, WYE_RULE_TOKEN, (struct wye_span){0});
    enum wye_cause cause = wye_token_verify(token, bearer.token, hub->keys, (int64_t)hub->unix_s);
    if (cause == WYE_CAUSE_NONE && !lists_patterns(token)) {
        wye_token_fini(token);
        cause = WYE_CAUSE_TOKEN_PATTERNS;
    }
    if (cause != WYE_CAUSE_NONE) return wye_refusal_add_cause(refusal, WYE_RULE_TOKEN_VALID, bearer.place, cause);
    wye_count(&hub->counters.tokens_valid, 1);
    return 0;
}

/* The node's own: "/metrics" is seen by whoever may subscribe to "$wye/metrics". */
static int check_own(const struct wye_token *token, const struct wye_resource *resource, struct wye_refusal *refusal) {
    static const char prefix[] = "$wye";
    char name[64];
    const struct wye_span path = resource->path, own = {name, sizeof prefix - 1 + path.count};
    assert(own.count <= sizeof name);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, path.bytes, path.count);
    if (wye_permit_covers(token, WYE_TOKEN_SUBSCRIBE, own)) return 0;
    return wye_refusal_add_cause(refusal, WYE_RULE_TOKEN_SCOPE, path, WYE_CAUSE_TOKEN_OWN);
}

int wye_permit_request(struct wye_permit *permit, struct wye_hub *hub, const struct wye_request *request,
                       const struct wye_resource *resource, struct wye_refusal *refusal) {
    struct wye_token token;
    *permit = (struct wye_permit){.may_publish = true};
    if (resource->needs == WYE_NEEDS_NOTHING || !keys_of(hub)) return 0;
    int status = read_token(&token, hub, request, refusal);
    if (status < 0) return status;
    permit->expires_s = token.expires_s <= UINT32_MAX ? (uint32_t)token.expires_s : 0;
    if (resource->needs == WYE_NEEDS_OWN) status = check_own(&token, resource, refusal);
    if (resource->needs == WYE_NEEDS_SUBSCRIBE) status = wye_pubsub_check(request, &token, &permit->may_publish, refusal);
    wye_token_fini(&token);
    return status;
}

int wye_permit_publish(struct wye_hub *hub, const struct wye_request *request, struct wye_span topic, struct wye_refusal *refusal) {
    struct wye_token token;
    if (!keys_of(hub)) return 0;
    int status = read_token(&token, hub, request, refusal);
    if (status < 0) return status;
    if (!wye_permit_covers(&token, WYE_TOKEN_PUBLISH, topic))
        status = wye_refusal_add_cause(refusal, WYE_RULE_TOKEN_SCOPE, request->path, WYE_CAUSE_TOKEN_PUBLISH);
    wye_token_fini(&token);
    return status;
}
