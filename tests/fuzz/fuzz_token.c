/*
 * Tokens, their keys, and where requests carry them. The first byte says what the rest is: 't' a token; 'j' a header and, behind
 * a newline, claims, which are signed here, so that what stands behind a good signature is reached, too; 'k' a file with keys;
 * 'r' a request head.
 */
#include "tests/fuzz/fuzz.h"

#include "handshake/base64url.h"
#include "handshake/bearer.h"
#include "handshake/token.h"

#include <openssl/hmac.h>

#define SECRET "0123456789abcdef0123456789abcdef"
enum { NOW = 1795584000 };

static struct wye_token_keys *keys_of(const char *file, size_t count, const char *kid) {
    struct wye_token_key_notes notes;
    struct wye_token_keys *keys = wye_token_keys_open(NULL);
    MUST(keys);
    const char *fault = wye_token_keys_add(keys, (struct wye_span){file, count}, kid, &notes);
    MUST(fault ? *fault && keys->count == 0 : keys->count == notes.keys && keys->count > 0 && keys->count <= WYE_TOKEN_KEYS_MAX);
    return keys;
}

/* What a good token must be like. */
static void look_at(const struct wye_token *token) {
    MUST(token->claims && token->expires_s > NOW);
    for (enum wye_token_right right = WYE_TOKEN_PUBLISH; right <= WYE_TOKEN_SUBSCRIBE; right++) {
        for (size_t i = 0; i < wye_token_count(token, right); i++) {
            struct wye_span each = wye_token_at(token, right, i);
            MUST(each.bytes && strlen(each.bytes) == each.count);
        }
    }
}

static enum wye_cause verify(const uint8_t *bytes, size_t count, const struct wye_token_keys *keys) {
    struct wye_token token;
    uint8_t *copy = exact_copy(bytes, count);
    enum wye_cause cause = wye_token_verify(&token, (struct wye_span){(char *)copy, count}, keys, NOW);
    MUST(cause == WYE_CAUSE_NONE || (cause >= WYE_CAUSE_TOKEN_LONG && cause <= WYE_CAUSE_TOKEN_PATTERNS && !token.claims));
    if (cause == WYE_CAUSE_NONE) {
        look_at(&token);
        wye_token_fini(&token);
    }
    free(copy);
    return cause;
}

static void try_token(const uint8_t *bytes, size_t count) {
    static struct wye_token_keys *keys;
    if (!keys) keys = keys_of(SECRET, strlen(SECRET), "a");
    verify(bytes, count, keys);
}

static void try_json(const uint8_t *bytes, size_t count) {
    static struct wye_token_keys *keys;
    static char text[3 * WYE_TOKEN_MAX];
    if (!keys) keys = keys_of(SECRET, strlen(SECRET), "a");
    const uint8_t *newline = count ? memchr(bytes, '\n', count) : NULL;
    if (!newline || count > WYE_TOKEN_MAX) return;
    size_t header = (size_t)(newline - bytes), at = wye_base64url_encode(text, bytes, header);
    text[at++] = '.';
    at += wye_base64url_encode(text + at, newline + 1, count - header - 1);
    uint8_t digest[32];
    unsigned digest_bytes;
    MUST(HMAC(EVP_sha256(), SECRET, strlen(SECRET), (uint8_t *)text, at, digest, &digest_bytes));
    text[at++] = '.';
    at += wye_base64url_encode(text + at, digest, sizeof digest);
    enum wye_cause cause = verify((uint8_t *)text, at, keys);
    MUST(cause != WYE_CAUSE_TOKEN_SIGNATURE && cause != WYE_CAUSE_TOKEN_FORM);
}

/* Whatever a file has for a key: what is made with it is good for it. */
static void try_keys(const uint8_t *bytes, size_t count) {
    static const char *const list[] = {"a/#"};
    uint8_t *copy = exact_copy(bytes, count);
    struct wye_token_keys *keys = keys_of((char *)copy, count, NULL);
    const struct wye_token_key *key = wye_token_keys_signing(keys);
    free(copy);
    if (key) {
        const struct wye_token_claims claims = {.lists = {list, list}, .counts = {1, 1}, .issued_s = NOW, .expires_s = NOW + 1};
        char *text;
        MUST(!wye_token_make(&text, key, &claims));
        MUST(verify((uint8_t *)text, strlen(text), keys) == WYE_CAUSE_NONE);
        free(text);
    }
    wye_token_keys_release(keys);
}

static void try_request(const uint8_t *bytes, size_t count) {
    static struct wye_request request;
    struct wye_refusal refusal = {0};
    uint8_t *copy = exact_copy(bytes, count);
    if (wye_request_read(&request, &refusal, copy, count, &(struct wye_request_progress){0}) > 0) {
        struct wye_bearer without, with;
        bool one = wye_bearer_find(&without, &request, false), still = wye_bearer_find(&with, &request, true);
        MUST(!without.token.bytes || (one == still && without.token.bytes == with.token.bytes)); /* a cookie counts alone */
        const char *at = with.token.bytes, *start = (char *)copy;
        MUST(!at || (at >= start && at + with.token.count <= start + count && with.place.count > 0));
        MUST(still || at);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count == 0) return 0;
    switch (bytes[0]) {
    case 't': try_token(bytes + 1, count - 1); break;
    case 'j': try_json(bytes + 1, count - 1); break;
    case 'k': try_keys(bytes + 1, count - 1); break;
    case 'r': try_request(bytes + 1, count - 1); break;
    default: break;
    }
    return 0;
}
