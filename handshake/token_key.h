/*
 * Keys that tokens are signed with: secrets (HS256) and Ed25519 keys (EdDSA, RFC 8037), as files have them. A set of keys
 * is made once, shared by counting references, and never changed while it is shared; any thread.
 */
#ifndef WYE_HANDSHAKE_TOKEN_KEY_H
#define WYE_HANDSHAKE_TOKEN_KEY_H

#include "handshake/span.h"

#include <stdatomic.h>
#include <stdint.h>

enum {
    WYE_TOKEN_KEYS_MAX = 32,
    WYE_TOKEN_KEY_FILE_MAX = 65536, /* bytes of a file */
    WYE_TOKEN_SECRET_MIN = 32,      /* bytes: as many as its digest has (RFC 7518 3.2) */
    WYE_TOKEN_SECRET_MAX = 4096,
    WYE_TOKEN_KID_MAX = 255,        /* bytes of a key's name */
};

/* The one algorithm of a key: no token chooses it (RFC 8725 3.1). */
enum wye_token_algorithm { WYE_TOKEN_HS256, WYE_TOKEN_EDDSA };

struct wye_token_key {
    enum wye_token_algorithm algorithm;
    char *kid;              /* its name; NULL: none */
    uint8_t *secret;        /* HS256 */
    size_t secret_bytes;
    uint8_t public_key[32]; /* EdDSA */
    uint8_t private_key[64];
    bool may_sign;          /* EdDSA: the private key is there, too */
};

struct wye_token_keys {
    _Atomic unsigned references;
    char *audience; /* that tokens must name; NULL: tokens for named audiences are for others */
    size_t count;
    struct wye_token_key at[WYE_TOKEN_KEYS_MAX];
};

/* What is worth telling about a file that was read. */
struct wye_token_key_notes {
    unsigned keys;         /* that it gave */
    unsigned skipped;      /* of a set: of kinds that aren't used here, which is no fault (RFC 7517 5) */
    bool raw;              /* it is a secret as it stands */
    bool newline_stripped; /* from the end of a text */
    bool has_private;      /* whoever only checks tokens could do with less */
};

/* A set without keys; audience is copied, NULL: none. One reference, the caller's. NULL: no memory. */
struct wye_token_keys *wye_token_keys_open(const char *audience);

/*
 * Adds what a file holds: a JWK or a set of them (RFC 7517; kty oct, or OKP with Ed25519), a PEM key (Ed25519; SPKI, or PKCS
 * #8 when it is private), or else a secret as it stands, but for one newline at the end of a text. kid: the name of its
 * key, in the place of what the file says; NULL: that. NULL, and *notes: it is fine; or what is wrong (static), with the
 * set as it was.
 */
const char *wye_token_keys_add(struct wye_token_keys *keys, struct wye_span file, const char *kid,
                               struct wye_token_key_notes *notes);

/* The first key that tokens can be made with; NULL: there is none. */
const struct wye_token_key *wye_token_keys_signing(const struct wye_token_keys *keys);

struct wye_token_keys *wye_token_keys_hold(struct wye_token_keys *keys);
/* The last one to let go wipes the secrets. NULL: nothing. */
void wye_token_keys_release(struct wye_token_keys *keys);

#endif
