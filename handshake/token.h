/*
 * Tokens: JSON Web Tokens (RFC 7519) signed as JWS in compact form (RFC 7515) by HS256 (RFC 7518) or EdDSA with Ed25519
 * (RFC 8037), held to RFC 8725: the key decides the algorithm. Pure: bytes and a time in, a verdict out.
 */
#ifndef WYE_HANDSHAKE_TOKEN_H
#define WYE_HANDSHAKE_TOKEN_H

#include "handshake/rule.h"
#include "handshake/token_key.h"

enum {
    WYE_TOKEN_MAX = 4096,   /* bytes of a token: as many as a cookie may have */
    WYE_TOKEN_LEEWAY_S = 5, /* how far the clock of whoever signs may run ahead of ours, for `nbf`; `exp` is taken exactly */
};

/* What may be allowed; the claims have these names, and list topics' names and patterns. */
enum wye_token_right { WYE_TOKEN_PUBLISH, WYE_TOKEN_SUBSCRIBE };

struct json_t;

/* What a token says that was verified. Its spans live until wye_token_fini(). */
struct wye_token {
    struct json_t *claims;
    int64_t expires_s; /* unix time from which on it isn't good any more; INT64_MAX: it always is */
};

/*
 * Verifies a token at a time (unix). Of what isn't found to be signed nothing is read but the header: alg, typ, kid and crit.
 * kid says which keys are tried: the one of this name, or those without a name when there is none of it. WYE_CAUSE_NONE, with
 * *token (the caller's, ended by wye_token_fini()); or what is wrong with it (of the token-valid rule).
 */
enum wye_cause wye_token_verify(struct wye_token *token, struct wye_span text, const struct wye_token_keys *keys, int64_t now_s);

/* The same once more, to be ended by itself. Both are one thread's. */
struct wye_token wye_token_share(const struct wye_token *token);

void wye_token_fini(struct wye_token *token);

/* How many names and patterns a claim lists, and each of them. Whether they are ones is not judged here. */
size_t wye_token_count(const struct wye_token *token, enum wye_token_right right);
struct wye_span wye_token_at(const struct wye_token *token, enum wye_token_right right, size_t at);

/* What a token that is to be made shall say. */
struct wye_token_claims {
    const char *const *lists[2]; /* by enum wye_token_right */
    size_t counts[2];
    const char *subject;  /* NULL: none */
    const char *audience; /* NULL: none */
    int64_t issued_s;
    int64_t expires_s; /* INT64_MAX: never */
};

/*
 * Makes a token with a key that may sign (wye_token_keys_signing()). NULL, with *text to be freed; or what is wrong (static).
 */
const char *wye_token_make(char **text, const struct wye_token_key *key, const struct wye_token_claims *claims);

#endif
