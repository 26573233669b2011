#include "handshake/token.h"

#include "handshake/base64url.h"
#include "handshake/token_json.h"

#include <openssl/curve25519.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>

#include <stdlib.h>

enum { HMAC_BYTES = 32, ED25519_BYTES = 64 };

static const char *const right_names[] = {[WYE_TOKEN_PUBLISH] = "publish", [WYE_TOKEN_SUBSCRIBE] = "subscribe"};

/* ---- the three parts ---- */

struct parts {
    struct wye_span header, claims; /* base64url */
    struct wye_span input;          /* both, and the '.' between them: what is signed */
    uint8_t signature[ED25519_BYTES];
    size_t signature_bytes; /* 0: longer than any */
};

static bool split(struct parts *parts, struct wye_span text) {
    const char *first = memchr(text.bytes, '.', text.count), *end = text.bytes + text.count;
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second) return false;
    uint8_t bytes[WYE_TOKEN_MAX];
    struct wye_span signature = {second + 1, (size_t)(end - second - 1)};
    parts->header = (struct wye_span){text.bytes, (size_t)(first - text.bytes)};
    parts->claims = (struct wye_span){first + 1, (size_t)(second - first - 1)};
    parts->input = (struct wye_span){text.bytes, (size_t)(second - text.bytes)};
    ptrdiff_t count = wye_base64url_decode(bytes, signature);
    if (count < 0) return false;
    parts->signature_bytes = (size_t)count <= sizeof parts->signature ? (size_t)count : 0;
    memcpy(parts->signature, bytes, parts->signature_bytes);
    return true;
}

/* Decodes a part, and reads it as JSON. *form: it is base64url at least. */
static json_t *read_part(struct wye_span part, bool *form) {
    uint8_t bytes[WYE_TOKEN_MAX];
    ptrdiff_t count = wye_base64url_decode(bytes, part);
    *form = count >= 0;
    return count > 0 ? wye_json_read(bytes, (size_t)count) : NULL;
}

/* ---- header and signature ---- */

/*
 * What it is: absent, JWT, or an access token (RFC 9068 4), with or without "application/" in front (RFC 7515 4.1.9). Anything else was
 * signed for another purpose (RFC 8725 3.11).
 */
static bool is_of_type(const json_t *header) {
    const struct wye_span prefix = WYE_SPAN("application/");
    struct wye_span typ = wye_json_string(header, "typ");
    if (!json_object_get(header, "typ")) return true;
    if (typ.count > prefix.count && wye_span_equal_nocase((struct wye_span){typ.bytes, prefix.count}, prefix))
        typ = (struct wye_span){typ.bytes + prefix.count, typ.count - prefix.count};
    return wye_span_equal_nocase(typ, WYE_SPAN("JWT")) || wye_span_equal_nocase(typ, WYE_SPAN("at+jwt"));
}

static bool fits(const struct wye_token_key *key, struct wye_span alg) {
    if (key->algorithm == WYE_TOKEN_HS256) return wye_span_equal(alg, WYE_SPAN("HS256"));
    return wye_span_equal(alg, WYE_SPAN("EdDSA")) || wye_span_equal(alg, WYE_SPAN("Ed25519")); /* the latter by RFC 9864 */
}

static bool is_named(const struct wye_token_key *key, struct wye_span kid) {
    return key->kid && kid.bytes && wye_span_equal(wye_span_of(key->kid), kid);
}

static bool is_signed_by(const struct wye_token_key *key, const struct parts *parts) {
    const uint8_t *input = (const uint8_t *)parts->input.bytes;
    if (key->algorithm == WYE_TOKEN_EDDSA)
        return parts->signature_bytes == ED25519_BYTES &&
               ED25519_verify(input, parts->input.count, parts->signature, key->public_key);
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned count = 0;
    return parts->signature_bytes == HMAC_BYTES &&
           HMAC(EVP_sha256(), key->secret, key->secret_bytes, input, parts->input.count, digest, &count) &&
           CRYPTO_memcmp(digest, parts->signature, HMAC_BYTES) == 0;
}

static enum wye_cause check_signature(const json_t *header, const struct parts *parts, const struct wye_token_keys *keys) {
    struct wye_span alg = wye_json_string(header, "alg"), kid = wye_json_string(header, "kid");
    bool named = false, tried = false, fitted = false;
    for (size_t i = 0; i < keys->count; i++) named |= is_named(&keys->at[i], kid);
    for (size_t i = 0; i < keys->count; i++) {
        const struct wye_token_key *key = &keys->at[i];
        if (named ? !is_named(key, kid) : key->kid != NULL) continue;
        tried = true;
        if (!fits(key, alg)) continue;
        fitted = true;
        if (is_signed_by(key, parts)) return WYE_CAUSE_NONE;
    }
    return fitted ? WYE_CAUSE_TOKEN_SIGNATURE : tried ? WYE_CAUSE_TOKEN_ALGORITHM : kid.bytes ? WYE_CAUSE_TOKEN_KID : WYE_CAUSE_TOKEN_UNNAMED;
}

static enum wye_cause check_header(const json_t *header, const struct parts *parts, const struct wye_token_keys *keys) {
    bool kid_is_odd = json_object_get(header, "kid") && !wye_json_string(header, "kid").bytes;
    if (!wye_json_string(header, "alg").bytes || kid_is_odd) return WYE_CAUSE_TOKEN_HEADER;
    if (!is_of_type(header)) return WYE_CAUSE_TOKEN_TYPE;
    if (json_object_get(header, "crit")) return WYE_CAUSE_TOKEN_CRITICAL; /* no extension is understood here (RFC 7515 4.1.11) */
    return check_signature(header, parts, keys);
}

/* ---- claims ---- */

/*
 * A NumericDate (RFC 7519 2), which may have a fraction: rounded down, or up. false: it is there, and no number. What is out of
 * all range is as good as never.
 */
static bool read_time(const json_t *claims, const char *name, bool up, int64_t *seconds) {
    const double most = 9e15;
    const json_t *value = json_object_get(claims, name);
    if (!value) return true;
    if (!json_is_number(value)) return false;
    const double exact = json_number_value(value);
    if (json_is_integer(value)) {
        *seconds = json_integer_value(value);
    } else if (exact > most || exact < -most) {
        *seconds = exact > 0 ? INT64_MAX : INT64_MIN;
    } else {
        *seconds = (int64_t)exact; /* towards 0 */
        if (up && (double)*seconds < exact) ++*seconds;
        if (!up && (double)*seconds > exact) --*seconds;
    }
    return true;
}

static enum wye_cause check_times(struct wye_token *token, int64_t now_s) {
    int64_t not_before_s = INT64_MIN;
    token->expires_s = INT64_MAX;
    if (!read_time(token->claims, "exp", false, &token->expires_s) || !read_time(token->claims, "nbf", true, &not_before_s))
        return WYE_CAUSE_TOKEN_TIME;
    if (now_s >= token->expires_s) return WYE_CAUSE_TOKEN_EXPIRED;
    return now_s + WYE_TOKEN_LEEWAY_S < not_before_s ? WYE_CAUSE_TOKEN_EARLY : WYE_CAUSE_NONE;
}

/* One that is for somebody is for nobody else (RFC 7519 4.1.3). */
static bool is_for(const json_t *claims, const char *audience) {
    const json_t *aud = json_object_get(claims, "aud");
    if (!audience) return !aud;
    if (json_is_string(aud)) return wye_span_equal(wye_json_string(claims, "aud"), wye_span_of(audience));
    for (size_t i = 0; i < json_array_size(aud); i++) {
        const json_t *each = json_array_get(aud, i);
        if (json_is_string(each) && strcmp(json_string_value(each), audience) == 0) return true;
    }
    return false;
}

/* A list of strings, or absent? */
static bool is_list(const json_t *list) {
    if (list && !json_is_array(list)) return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) return false;
    }
    return true;
}

static enum wye_cause check_claims(struct wye_token *token, const struct wye_token_keys *keys, int64_t now_s) {
    const json_t *sub = json_object_get(token->claims, "sub");
    enum wye_cause cause = check_times(token, now_s);
    if (cause != WYE_CAUSE_NONE) return cause;
    if (!is_for(token->claims, keys->audience)) return WYE_CAUSE_TOKEN_AUDIENCE;
    if (sub && !json_is_string(sub)) return WYE_CAUSE_TOKEN_SUBJECT;
    for (unsigned right = 0; right < 2; right++) {
        if (!is_list(json_object_get(token->claims, right_names[right]))) return WYE_CAUSE_TOKEN_PATTERNS;
    }
    return WYE_CAUSE_NONE;
}

/* ---- the whole ---- */

enum wye_cause wye_token_verify(struct wye_token *token, struct wye_span text, const struct wye_token_keys *keys, int64_t now_s) {
    struct parts parts;
    bool form;
    *token = (struct wye_token){0};
    if (text.count > WYE_TOKEN_MAX) return WYE_CAUSE_TOKEN_LONG;
    if (text.count == 0 || !split(&parts, text)) return WYE_CAUSE_TOKEN_FORM;
    json_t *header = read_part(parts.header, &form);
    if (!header) return form ? WYE_CAUSE_TOKEN_HEADER : WYE_CAUSE_TOKEN_FORM;
    enum wye_cause cause = check_header(header, &parts, keys);
    json_decref(header);
    if (cause != WYE_CAUSE_NONE) return cause;
    token->claims = read_part(parts.claims, &form);
    if (!token->claims) return form ? WYE_CAUSE_TOKEN_CLAIMS : WYE_CAUSE_TOKEN_FORM;
    cause = check_claims(token, keys, now_s);
    if (cause != WYE_CAUSE_NONE) wye_token_fini(token);
    return cause;
}

struct wye_token wye_token_share(const struct wye_token *token) {
    json_incref(token->claims);
    return *token;
}

void wye_token_fini(struct wye_token *token) {
    json_decref(token->claims);
    token->claims = NULL;
}

size_t wye_token_count(const struct wye_token *token, enum wye_token_right right) {
    return json_array_size(json_object_get(token->claims, right_names[right]));
}

struct wye_span wye_token_at(const struct wye_token *token, enum wye_token_right right, size_t at) {
    const json_t *each = json_array_get(json_object_get(token->claims, right_names[right]), at);
    return (struct wye_span){json_string_value(each), json_string_length(each)};
}

/* ---- making one ---- */

/* Sets a member; the reference passes on. false: there was no value, or no memory. */
static bool set(json_t *object, const char *member, json_t *value) { return json_object_set_new(object, member, value) == 0; }

static json_t *write_claims(const struct wye_token_claims *claims) {
    json_t *object = json_object();
    bool fine = object && set(object, "iat", json_integer(claims->issued_s));
    if (claims->expires_s != INT64_MAX) fine = fine && set(object, "exp", json_integer(claims->expires_s));
    if (claims->subject) fine = fine && set(object, "sub", json_string(claims->subject));
    if (claims->audience) fine = fine && set(object, "aud", json_string(claims->audience));
    for (unsigned right = 0; right < 2 && fine; right++) {
        if (claims->counts[right] == 0) continue;
        json_t *list = json_array();
        for (size_t i = 0; i < claims->counts[right] && fine; i++)
            fine = json_array_append_new(list, json_string(claims->lists[right][i])) == 0;
        fine = set(object, right_names[right], list) && fine;
    }
    if (fine) return object;
    json_decref(object);
    return NULL;
}

/* Adds an object's base64url to what is at `at`. Returns where it ends; NULL: no memory, or more than `room` characters. Lets go of the object. */
static char *add_part(char *at, const char *end, json_t *object) {
    char *json = object ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    size_t count = json ? strlen(json) : 0;
    bool fits_in = json && WYE_BASE64URL_TEXT(count) < (size_t)(end - at);
    if (fits_in) at += wye_base64url_encode(at, json, count);
    free(json);
    json_decref(object);
    return fits_in ? at : NULL;
}

static json_t *write_header(const struct wye_token_key *key) {
    json_t *object = json_object();
    bool fine = object && set(object, "alg", json_string(key->algorithm == WYE_TOKEN_HS256 ? "HS256" : "EdDSA")) &&
                set(object, "typ", json_string("JWT")) && (!key->kid || set(object, "kid", json_string(key->kid)));
    if (fine) return object;
    json_decref(object);
    return NULL;
}

/* Signs what is there. Returns how many bytes the signature has; 0: it could not be made. */
static size_t sign(uint8_t signature[ED25519_BYTES], const struct wye_token_key *key, const char *input, size_t count) {
    unsigned digest_bytes = 0;
    if (key->algorithm == WYE_TOKEN_EDDSA)
        return ED25519_sign(signature, (const uint8_t *)input, count, key->private_key) ? ED25519_BYTES : 0;
    return HMAC(EVP_sha256(), key->secret, key->secret_bytes, (const uint8_t *)input, count, signature, &digest_bytes) ? digest_bytes : 0;
}

const char *wye_token_make(char **text, const struct wye_token_key *key, const struct wye_token_claims *claims) {
    uint8_t signature[ED25519_BYTES];
    json_t *object = write_claims(claims);
    if (!object) return "a topic, the subject, or the audience isn't UTF-8";
    char *made = malloc(WYE_TOKEN_MAX + 1);
    if (!made) {
        json_decref(object);
        return "no memory";
    }
    const char *end = made + WYE_TOKEN_MAX - 1 - WYE_BASE64URL_TEXT(ED25519_BYTES);
    char *at = add_part(made, end, write_header(key));
    if (at) *at++ = '.';
    if (at) at = add_part(at, end, object);
    else json_decref(object);
    size_t count = at ? sign(signature, key, made, (size_t)(at - made)) : 0;
    if (count == 0) {
        free(made);
        return at ? "it could not be signed" : "it would be longer than the 4096 bytes that a token may have";
    }
    *at++ = '.';
    at += wye_base64url_encode(at, signature, count);
    *at = 0;
    *text = made;
    return NULL;
}
