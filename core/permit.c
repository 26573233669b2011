#include "core/permit.h"

#include "core/hub.h"
#include "core/pubsub.h"
#include "core/site.h"
#include "handshake/bearer.h"

#include <assert.h>
#include <openssl/mem.h>
#include <stdlib.h>

/* The token that was good last: it comes again with every request of a publisher, and a signature costs more than a publish. */
struct wye_verified {
    struct wye_token token;
    size_t count;
    char text[WYE_TOKEN_MAX];
};

void wye_permit_forget(struct wye_hub *hub) {
    if (!hub->verified) return;
    wye_token_fini(&hub->verified->token);
    OPENSSL_cleanse(hub->verified->text, hub->verified->count);
    free(hub->verified);
    hub->verified = NULL;
}

/* The node's keys. What was replaced counts from the next request on, whenever the loop turned last. */
static const struct wye_token_keys *keys_of(struct wye_hub *hub) {
    if (atomic_load_explicit(&hub->node->keys_version, memory_order_acquire) != hub->keys_version) {
        wye_permit_forget(hub);
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

static void remember(struct wye_hub *hub, const struct wye_token *token, struct wye_span text) {
    wye_permit_forget(hub);
    hub->verified = malloc(sizeof *hub->verified);
    if (!hub->verified) return;
    hub->verified->token = wye_token_share(token);
    hub->verified->count = text.count;
    memcpy(hub->verified->text, text.bytes, text.count);
}

/* Nobody is to learn from the time it takes how much of a good token was guessed. */
static bool is_remembered(const struct wye_hub *hub, struct wye_span text) {
    const struct wye_verified *last = hub->verified;
    return last && last->count == text.count && CRYPTO_memcmp(last->text, text.bytes, text.count) == 0 &&
           (int64_t)hub->unix_s < last->token.expires_s;
}

static enum wye_cause verify(struct wye_token *token, struct wye_hub *hub, struct wye_span text) {
    if (is_remembered(hub, text)) {
        *token = wye_token_share(&hub->verified->token);
        return WYE_CAUSE_NONE;
    }
    enum wye_cause cause = wye_token_verify(token, text, hub->keys, (int64_t)hub->unix_s);
    if (cause == WYE_CAUSE_NONE && !lists_patterns(token)) {
        wye_token_fini(token);
        cause = WYE_CAUSE_TOKEN_PATTERNS;
    }
    if (cause == WYE_CAUSE_NONE) remember(hub, token, text);
    return cause;
}

/* Finds and verifies the request's token. 0, and *token is the caller's; or -status with a rule noted. */
static int read_token(struct wye_token *token, struct wye_hub *hub, const struct wye_request *request, struct wye_refusal *refusal) {
    struct wye_bearer bearer;
    struct wye_span origin = wye_request_field(request, WYE_FIELD_ORIGIN);
    bool is_friend = !wye_request_repeats(request, WYE_FIELD_ORIGIN) &&
                     wye_policy_origin_known(&hub->settings->policy, origin, request->host);
    if (!wye_bearer_find(&bearer, request, is_friend)) return wye_refusal_add(refusal, WYE_RULE_TOKEN_SINGLE, bearer.place);
    if (!bearer.token.bytes && bearer.other_scheme)
        return wye_refusal_add_cause(refusal, WYE_RULE_TOKEN, WYE_SPAN("Authorization"), WYE_CAUSE_TOKEN_SCHEME);
    if (!bearer.token.bytes) return wye_refusal_add(refusal, WYE_RULE_TOKEN, (struct wye_span){0});
    enum wye_cause cause = verify(token, hub, bearer.token);
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
