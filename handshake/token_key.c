#include "handshake/token_key.h"

#include "handshake/base64url.h"
#include "handshake/token_json.h"

#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>

#include <stdlib.h>

/* ---- life ---- */

static void key_fini(struct wye_token_key *key) {
    if (key->secret) OPENSSL_cleanse(key->secret, key->secret_bytes);
    free(key->secret);
    free(key->kid);
    OPENSSL_cleanse(key, sizeof *key);
}

struct wye_token_keys *wye_token_keys_open(const char *audience) {
    struct wye_token_keys *keys = calloc(1, sizeof *keys);
    if (!keys) return NULL;
    keys->references = 1;
    keys->audience = audience ? strdup(audience) : NULL;
    if (!audience || keys->audience) return keys;
    free(keys);
    return NULL;
}

struct wye_token_keys *wye_token_keys_hold(struct wye_token_keys *keys) {
    atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
    return keys;
}

void wye_token_keys_release(struct wye_token_keys *keys) {
    if (!keys || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) > 1) return;
    for (size_t i = 0; i < keys->count; i++) key_fini(&keys->at[i]);
    free(keys->audience);
    free(keys);
}

const struct wye_token_key *wye_token_keys_signing(const struct wye_token_keys *keys) {
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->at[i].algorithm == WYE_TOKEN_HS256 || keys->at[i].may_sign) return &keys->at[i];
    }
    return NULL;
}

/* Names a key and takes it into the set: what is in it passes on, or is wiped. NULL, or what is wrong. */
static const char *take_key(struct wye_token_keys *keys, struct wye_token_key *key, struct wye_span kid,
                            struct wye_token_key_notes *notes) {
    const char *fault = keys->count == WYE_TOKEN_KEYS_MAX ? "there are more than 32 keys" : NULL;
    if (kid.bytes && kid.count > WYE_TOKEN_KID_MAX) fault = "a key's name (kid) is longer than 255 bytes";
    for (size_t i = 0; !fault && kid.bytes && i < keys->count; i++) {
        if (keys->at[i].kid && wye_span_equal(wye_span_of(keys->at[i].kid), kid)) fault = "there are two keys of this name (kid)";
    }
    if (!fault && kid.bytes && !(key->kid = strndup(kid.bytes, kid.count))) fault = "no memory";
    if (fault) {
        key_fini(key);
        return fault;
    }
    notes->has_private |= key->may_sign;
    notes->keys++;
    keys->at[keys->count++] = *key;
    OPENSSL_cleanse(key, sizeof *key);
    return NULL;
}

/* ---- secrets ---- */

static const char *set_secret(struct wye_token_key *key, const void *bytes, size_t count) {
    if (count < WYE_TOKEN_SECRET_MIN) return "a secret has 32 bytes or more (RFC 7518 3.2)";
    if (count > WYE_TOKEN_SECRET_MAX) return "a secret has 4096 bytes or less";
    *key = (struct wye_token_key){.algorithm = WYE_TOKEN_HS256, .secret = malloc(count), .secret_bytes = count};
    if (!key->secret) return "no memory";
    memcpy(key->secret, bytes, count);
    return NULL;
}

static bool begins(struct wye_span file, const char *with, size_t count) {
    return file.count >= count && memcmp(file.bytes, with, count) == 0;
}

static size_t without_blanks(uint8_t *to, struct wye_span text) {
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (!strchr(" \t\r\n", text.bytes[i]) || !text.bytes[i]) to[count++] = (uint8_t)text.bytes[i];
    }
    return count;
}

/* One SEQUENCE and nothing else, which begins with an INTEGER or another: so does every key and certificate in DER. */
static bool is_der(const uint8_t *bytes, size_t count) {
    CBS all, inside;
    CBS_init(&all, bytes, count);
    if (!CBS_get_asn1(&all, &inside, CBS_ASN1_SEQUENCE) || CBS_len(&all) > 0) return false;
    return CBS_peek_asn1_tag(&inside, CBS_ASN1_SEQUENCE) || CBS_peek_asn1_tag(&inside, CBS_ASN1_INTEGER);
}

/* The same in base64, as PEM has it between its lines? */
static bool is_der_in_base64(struct wye_span file) {
    uint8_t *text = malloc(2 * file.count);
    size_t count = 0;
    bool is = false;
    if (text && EVP_DecodeBase64(text + file.count, &count, file.count, text, without_blanks(text, file)))
        is = is_der(text + file.count, count);
    if (text) OPENSSL_cleanse(text, 2 * file.count);
    free(text);
    return is;
}

static bool is_text(struct wye_span file) {
    for (size_t i = 0; i < file.count; i++) {
        uint8_t byte = (uint8_t)file.bytes[i];
        if ((byte < ' ' && !strchr("\t\r\n", byte)) || byte == 0 || byte == 0x7f) return false;
    }
    return true;
}

/* What everybody may know must never become a secret by being misread. NULL: it may be one. */
static const char *looks_public(struct wye_span file) {
    size_t at = 0;
    while (at < file.count && file.bytes[at] && strchr(" \t\r\n", file.bytes[at])) at++;
    if (begins(file, "ssh-", 4) || begins(file, "ecdsa-", 6)) return "this is a key of SSH's; a PEM one is needed (openssl genpkey -algorithm ed25519)";
    if (is_der((const uint8_t *)file.bytes, file.count)) return "this is a key or certificate in DER; a PEM key is needed (openssl pkey -pubin -inform DER)";
    if (is_der_in_base64(file)) return "this is a key or certificate in PEM without its -----BEGIN line; that is needed, too";
    if (at < file.count && file.bytes[at] == '[' && is_text(file)) return "this is a list in JSON; a set of keys is {\"keys\": [...]} (RFC 7517 5)";
    if (at < file.count && file.bytes[at] == '<' && is_text(file)) return "this is HTML or XML, and no key";
    return NULL;
}

static const char *add_raw(struct wye_token_keys *keys, struct wye_span file, struct wye_span kid,
                           struct wye_token_key_notes *notes) {
    const char *fault = looks_public(file);
    if (fault) return fault;
    size_t count = file.count;
    if (is_text(file)) { /* of random bytes, each 256th secret ends in what only looks like a newline */
        if (file.bytes[count - 1] == '\n') count--;
        if (count < file.count && count > 0 && file.bytes[count - 1] == '\r') count--;
    }
    struct wye_token_key key;
    fault = set_secret(&key, file.bytes, count);
    if (fault) return fault;
    notes->raw = true;
    notes->newline_stripped = count < file.count;
    return take_key(keys, &key, kid, notes);
}

/* ---- PEM (RFC 7468, RFC 8410) ---- */

/* Nobody can be asked for a password. */
static int no_password(char *to, int room, int writing, void *unused) {
    (void)to, (void)room, (void)writing, (void)unused;
    return -1;
}

static const char *set_pem(struct wye_token_key *key, struct wye_span file, bool is_private) {
    BIO *pem = BIO_new_mem_buf(file.bytes, (int)file.count);
    if (!pem) return "no memory";
    EVP_PKEY *read = is_private ? PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL)
                                : PEM_read_bio_PUBKEY(pem, NULL, no_password, NULL);
    BIO_free(pem);
    ERR_clear_error();
    if (!read) return "the PEM key in it cannot be read";
    uint8_t seed[32];
    size_t seed_bytes = sizeof seed, public_bytes = sizeof key->public_key;
    *key = (struct wye_token_key){.algorithm = WYE_TOKEN_EDDSA, .may_sign = is_private};
    bool fine = EVP_PKEY_id(read) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_public_key(read, key->public_key, &public_bytes);
    if (fine && is_private && (fine = EVP_PKEY_get_raw_private_key(read, seed, &seed_bytes)))
        ED25519_keypair_from_seed(key->public_key, key->private_key, seed);
    OPENSSL_cleanse(seed, sizeof seed);
    EVP_PKEY_free(read);
    return fine ? NULL : "the PEM key in it isn't an Ed25519 one (openssl genpkey -algorithm ed25519)";
}

static const char *add_pem(struct wye_token_keys *keys, struct wye_span file, const char *label, struct wye_span kid,
                           struct wye_token_key_notes *notes) {
    static const struct wye_span begin = {"-----BEGIN ", 11}, public_key = {"-----BEGIN PUBLIC KEY-----", 26},
                                 private_key = {"-----BEGIN PRIVATE KEY-----", 27};
    struct wye_span left = {label, file.count - (size_t)(label - file.bytes)};
    bool is_private = begins(left, private_key.bytes, private_key.count);
    if (!is_private && !begins(left, public_key.bytes, public_key.count))
        return "the PEM in it is neither a PUBLIC KEY nor a PRIVATE KEY (without a password)";
    if (memmem(label + 1, left.count - 1, begin.bytes, begin.count)) return "there is more than one PEM block in it";
    struct wye_token_key key = {0};
    const char *fault = set_pem(&key, left, is_private);
    if (!fault) return take_key(keys, &key, kid, notes);
    key_fini(&key);
    return fault;
}

/* ---- JWK (RFC 7517, RFC 7518 6.4, RFC 8037 2) ---- */

/* Decodes a member of exactly `count` bytes. */
static bool decode_exactly(const json_t *jwk, const char *member, uint8_t *to, size_t count) {
    struct wye_span text = wye_json_string(jwk, member);
    return text.bytes && text.count == WYE_BASE64URL_TEXT(count) && wye_base64url_decode(to, text) == (ptrdiff_t)count;
}

static const char *set_okp(struct wye_token_key *key, const json_t *jwk) {
    uint8_t seed[32], derived[32];
    *key = (struct wye_token_key){.algorithm = WYE_TOKEN_EDDSA};
    if (!decode_exactly(jwk, "x", key->public_key, 32)) return "its 'x' isn't 32 bytes in base64url";
    if (!json_object_get(jwk, "d")) return NULL;
    if (!decode_exactly(jwk, "d", seed, sizeof seed)) return "its 'd' isn't 32 bytes in base64url";
    ED25519_keypair_from_seed(derived, key->private_key, seed);
    OPENSSL_cleanse(seed, sizeof seed);
    key->may_sign = true;
    return memcmp(derived, key->public_key, sizeof derived) == 0 ? NULL : "its 'x' isn't the public key of its 'd'";
}

static const char *set_oct(struct wye_token_key *key, const json_t *jwk) {
    struct wye_span text = wye_json_string(jwk, "k");
    uint8_t *bytes = text.bytes ? malloc(WYE_BASE64URL_BYTES(text.count) + 1) : NULL;
    if (!text.bytes) return "its 'k' is missing or no string";
    if (!bytes) return "no memory";
    ptrdiff_t count = wye_base64url_decode(bytes, text);
    const char *fault = count < 0 ? "its 'k' isn't base64url without padding" : set_secret(key, bytes, (size_t)count);
    OPENSSL_cleanse(bytes, WYE_BASE64URL_BYTES(text.count));
    free(bytes);
    return fault;
}

/* Is a member absent, or this string? */
static bool absent_or(const json_t *jwk, const char *member, struct wye_span wanted) {
    return !json_object_get(jwk, member) || wye_span_equal(wye_json_string(jwk, member), wanted);
}

/* Reads one JWK. *other: what is wrong is no fault in a set, but that it is of a kind that isn't used here. */
static const char *read_jwk(struct wye_token_key *key, const json_t *jwk, bool *other) {
    struct wye_span kty = wye_json_string(jwk, "kty"), alg = wye_json_string(jwk, "alg");
    bool oct = wye_span_equal(kty, WYE_SPAN("oct"));
    *other = true;
    if (!json_is_object(jwk) || !kty.bytes) {
        *other = false;
        return "a JWK is an object with a 'kty'";
    }
    if (!oct && !wye_span_equal(kty, WYE_SPAN("OKP"))) return "a JWK's kty must be oct or OKP here";
    if (!oct && !wye_span_equal(wye_json_string(jwk, "crv"), WYE_SPAN("Ed25519"))) return "an OKP key's crv must be Ed25519 here";
    if (!absent_or(jwk, "use", WYE_SPAN("sig"))) return "the key's use isn't sig";
    if (oct ? !absent_or(jwk, "alg", WYE_SPAN("HS256"))
            : !absent_or(jwk, "alg", WYE_SPAN("EdDSA")) && !wye_span_equal(alg, WYE_SPAN("Ed25519")))
        return "the key's alg must be HS256 (oct) or EdDSA (OKP) here";
    *other = false;
    if (json_object_get(jwk, "kid") && !wye_json_string(jwk, "kid").bytes) return "a JWK's kid must be a string";
    return oct ? set_oct(key, jwk) : set_okp(key, jwk);
}

static const char *add_jwk(struct wye_token_keys *keys, const json_t *jwk, struct wye_span kid, bool in_set,
                           struct wye_token_key_notes *notes) {
    struct wye_token_key key = {0};
    bool other;
    const char *fault = read_jwk(&key, jwk, &other);
    if (!fault) return take_key(keys, &key, kid.bytes ? kid : wye_json_string(jwk, "kid"), notes);
    key_fini(&key);
    if (!other || !in_set) return fault;
    notes->skipped++;
    return NULL;
}

static const char *add_json(struct wye_token_keys *keys, struct wye_span file, struct wye_span kid,
                            struct wye_token_key_notes *notes) {
    json_t *json = wye_json_read(file.bytes, file.count);
    if (!json) return is_text(file) ? "it begins with '{' and is no JSON object"
                                    : "it begins with '{' and is no JSON object; a secret of raw bytes that happens to begin so can be made text with base64";
    const json_t *set = json_object_get(json, "keys");
    const char *fault = NULL;
    if (!set) {
        fault = add_jwk(keys, json, kid, false, notes);
    } else if (!json_is_array(set)) {
        fault = "its 'keys' is no list";
    } else if (kid.bytes && json_array_size(set) > 1) {
        fault = "one name (KID=) doesn't do for a set of keys";
    } else {
        for (size_t i = 0; !fault && i < json_array_size(set); i++) fault = add_jwk(keys, json_array_get(set, i), kid, true, notes);
        if (!fault && notes->keys == 0) fault = "none of its keys is of a kind that is used here (oct with HS256, OKP with Ed25519)";
    }
    json_decref(json);
    return fault;
}

/* ---- any file ---- */

const char *wye_token_keys_add(struct wye_token_keys *keys, struct wye_span file, const char *kid_text,
                               struct wye_token_key_notes *notes) {
    const size_t before = keys->count;
    const struct wye_span kid = wye_span_of(kid_text);
    *notes = (struct wye_token_key_notes){0};
    if (begins(file, "\xef\xbb\xbf", 3)) file = (struct wye_span){file.bytes + 3, file.count - 3}; /* a byte order mark */
    if (file.count == 0) return "it is empty";
    if (file.count > WYE_TOKEN_KEY_FILE_MAX) return "it is longer than 64 KiB";
    if (kid_text && kid.count == 0) return "the key's name (KID=) is empty";
    size_t at = 0;
    while (at < file.count && strchr(" \t\r\n", file.bytes[at]) && file.bytes[at]) at++;
    const char *label = memmem(file.bytes, file.count, "-----BEGIN ", 11);
    const char *fault = at < file.count && file.bytes[at] == '{' ? add_json(keys, file, kid, notes)
                        : label                                  ? add_pem(keys, file, label, kid, notes)
                                                                 : add_raw(keys, file, kid, notes);
    while (fault && keys->count > before) key_fini(&keys->at[--keys->count]);
    return fault;
}
