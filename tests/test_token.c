/* Tokens and keys: what the RFCs show is good, and nothing near it is. The table of odd tokens is tests/tokens/. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/base64url.h"
#include "handshake/token.h"

#include <openssl/hmac.h>

#include <stdio.h>
#include <stdlib.h>

#define SECRET "0123456789abcdef0123456789abcdef"
/* RFC 7515 A.1 */
#define RFC7515_KEY "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"
#define RFC7515_TOKEN                                                                                                          \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."                                                                                \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."                          \
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
enum { RFC7515_EXP = 1300819380 };
/* RFC 8037 A.1, A.4 */
#define RFC8037_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC8037_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC8037_KEY "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X "\"}"
#define RFC8037_PRIVATE "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"" RFC8037_D "\",\"x\":\"" RFC8037_X "\"}"
#define RFC8037_TOKEN                                                                                                          \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                                                \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
/* The same key, written by others' hands: openssl pkey -in, -pubout. */
#define PRIVATE_PEM "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"
#define PUBLIC_PEM "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"

/* ---- what the tests do ---- */

static const char *add(struct wye_token_keys *keys, const char *file, const char *kid) {
    struct wye_token_key_notes notes;
    return wye_token_keys_add(keys, wye_span_of(file), kid, &notes);
}

static struct wye_token_keys *keys_of(const char *file, const char *kid) {
    struct wye_token_keys *keys = wye_token_keys_open(NULL);
    const char *fault = add(keys, file, kid);
    if (fault) fail_msg("%.30s: %s", file, fault);
    return keys;
}

/* The verdict; a token that is good is given back. */
static enum wye_cause judge(const char *text, size_t count, const struct wye_token_keys *keys, int64_t now_s) {
    struct wye_token token;
    char *copy = malloc(count + 1); /* ends where its memory does, but for one byte that is never to be read */
    memcpy(copy, text, count);
    enum wye_cause cause = wye_token_verify(&token, (struct wye_span){copy, count}, keys, now_s);
    if (cause == WYE_CAUSE_NONE) wye_token_fini(&token);
    else assert_null(token.claims);
    free(copy);
    return cause;
}

static enum wye_cause judge_text(const char *text, const struct wye_token_keys *keys, int64_t now_s) {
    return judge(text, strlen(text), keys, now_s);
}

/* A token signed with SECRET, by these JSON texts. */
static const char *sign(const char *header, const char *claims) {
    static char text[8192];
    uint8_t digest[32];
    unsigned digest_bytes;
    size_t count = wye_base64url_encode(text, header, strlen(header));
    text[count++] = '.';
    count += wye_base64url_encode(text + count, claims, strlen(claims));
    HMAC(EVP_sha256(), SECRET, strlen(SECRET), (uint8_t *)text, count, digest, &digest_bytes);
    text[count++] = '.';
    count += wye_base64url_encode(text + count, digest, sizeof digest);
    text[count] = 0;
    return text;
}

static const char *say(const char *claims) { return sign("{\"alg\":\"HS256\"}", claims); }

/* ---- base64url ---- */

static void base64url_has_one_text_for_the_same_bytes(void **state) {
    (void)state;
    static const char *const good[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy", "-_-_"};
    static const char *const bad[] = {"Z", "Zg=", "Zg==", "Zh", "Zm9", "Zm9vZ", "Zm+v", "Zm/v", "Zm v", "Zm9v\n", "Zm.v", "\xc3\xa9zz"};
    uint8_t bytes[16];
    char text[16];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ptrdiff_t count = wye_base64url_decode(bytes, wye_span_of(good[i]));
        assert_int_equal(count, WYE_BASE64URL_BYTES(strlen(good[i])));
        if (i < 7) assert_memory_equal(bytes, "foobar", (size_t)count);
        assert_int_equal(wye_base64url_encode(text, bytes, (size_t)count), strlen(good[i]));
        assert_memory_equal(text, good[i], strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (wye_base64url_decode(bytes, wye_span_of(bad[i])) >= 0) fail_msg("'%s' was taken", bad[i]);
    }
}

/* ---- tokens ---- */

static void the_examples_of_the_rfcs_are_good(void **state) {
    (void)state;
    struct wye_token_keys *secret = keys_of(RFC7515_KEY, NULL), *curve = keys_of(RFC8037_KEY, NULL);
    assert_int_equal(judge_text(RFC7515_TOKEN, secret, RFC7515_EXP - 1), WYE_CAUSE_NONE);
    assert_int_equal(judge_text(RFC7515_TOKEN, secret, RFC7515_EXP), WYE_CAUSE_TOKEN_EXPIRED);
    assert_int_equal(judge_text(RFC8037_TOKEN, curve, 0), WYE_CAUSE_TOKEN_CLAIMS); /* well signed, and a sentence */
    assert_int_equal(judge_text(RFC8037_TOKEN, secret, 0), WYE_CAUSE_TOKEN_ALGORITHM);
    assert_int_equal(judge_text(RFC7515_TOKEN, curve, 0), WYE_CAUSE_TOKEN_ALGORITHM);
    wye_token_keys_release(secret);
    wye_token_keys_release(curve);
}

static void no_token_that_differs_in_a_character_or_is_cut_is_good(void **state) {
    (void)state;
    static const char others[] = "AZaz09-_.= \n";
    struct wye_token_keys *keys = keys_of(RFC7515_KEY, NULL);
    char text[] = RFC7515_TOKEN "x";
    const size_t count = sizeof text - 2;
    for (size_t cut = 0; cut < count; cut++) assert_int_not_equal(judge(text, cut, keys, 0), WYE_CAUSE_NONE);
    for (size_t i = 0; i < count; i++) {
        const char right = text[i];
        for (size_t other = 0; other < sizeof others; other++) { /* NUL, too */
            if (others[other] == right) continue;
            text[i] = others[other];
            if (judge(text, count, keys, 0) == WYE_CAUSE_NONE) fail_msg("another %zu. character was taken", i);
        }
        text[i] = right;
    }
    assert_int_equal(judge(text, count, keys, 0), WYE_CAUSE_NONE);
    assert_int_not_equal(judge(text, count + 1, keys, 0), WYE_CAUSE_NONE);
    wye_token_keys_release(keys);
}

static void times_are_kept_to_the_second(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        int64_t now_s;
        enum wye_cause cause;
    } rows[] = {
        {"{}", 0, WYE_CAUSE_NONE},
        {"{\"exp\":1000}", 999, WYE_CAUSE_NONE}, {"{\"exp\":1000}", 1000, WYE_CAUSE_TOKEN_EXPIRED},
        {"{\"exp\":1000.9}", 999, WYE_CAUSE_NONE}, {"{\"exp\":1000.9}", 1000, WYE_CAUSE_TOKEN_EXPIRED},
        {"{\"exp\":1e3}", 999, WYE_CAUSE_NONE}, {"{\"exp\":-1}", 0, WYE_CAUSE_TOKEN_EXPIRED}, {"{\"exp\":0}", 0, WYE_CAUSE_TOKEN_EXPIRED},
        {"{\"exp\":-0.5}", 0, WYE_CAUSE_TOKEN_EXPIRED}, {"{\"exp\":1e300}", INT32_MAX, WYE_CAUSE_NONE},
        {"{\"exp\":-1e300}", 0, WYE_CAUSE_TOKEN_EXPIRED}, {"{\"exp\":9223372036854775807}", INT32_MAX, WYE_CAUSE_NONE},
        {"{\"nbf\":1000}", 1000, WYE_CAUSE_NONE}, {"{\"nbf\":1000}", 1000 - WYE_TOKEN_LEEWAY_S, WYE_CAUSE_NONE},
        {"{\"nbf\":1000}", 999 - WYE_TOKEN_LEEWAY_S, WYE_CAUSE_TOKEN_EARLY},
        {"{\"nbf\":1000.1}", 1000 - WYE_TOKEN_LEEWAY_S, WYE_CAUSE_TOKEN_EARLY}, {"{\"nbf\":1e300}", 0, WYE_CAUSE_TOKEN_EARLY},
        {"{\"nbf\":-1e300}", 0, WYE_CAUSE_NONE}, {"{\"nbf\":9223372036854775807}", 0, WYE_CAUSE_TOKEN_EARLY},
        {"{\"exp\":\"1000\"}", 0, WYE_CAUSE_TOKEN_TIME}, {"{\"exp\":null}", 0, WYE_CAUSE_TOKEN_TIME}, {"{\"nbf\":true}", 0, WYE_CAUSE_TOKEN_TIME},
        {"{\"exp\":9223372036854775808}", 0, WYE_CAUSE_TOKEN_CLAIMS}, {"{\"exp\":1e400}", 0, WYE_CAUSE_TOKEN_CLAIMS},
    };
    struct wye_token_keys *keys = keys_of(SECRET, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum wye_cause cause = judge_text(say(rows[i].claims), keys, rows[i].now_s);
        if (cause != rows[i].cause) fail_msg("%s at %ld: '%s'", rows[i].claims, (long)rows[i].now_s, wye_causes[cause]);
    }
    wye_token_keys_release(keys);
}

static void a_token_for_somebody_is_for_nobody_else(void **state) {
    (void)state;
    struct wye_token_keys *any = keys_of(SECRET, NULL), *named = wye_token_keys_open("here");
    assert_null(add(named, SECRET, NULL));
    static const char *const ours[] = {"{\"aud\":\"here\"}", "{\"aud\":[\"there\",\"here\"]}"};
    static const char *const others[] = {"{\"aud\":\"there\"}", "{\"aud\":[]}", "{\"aud\":[7]}", "{\"aud\":null}", "{\"aud\":\"HERE\"}", "{\"aud\":{\"here\":1}}"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(judge_text(say(ours[i]), named, 0), WYE_CAUSE_NONE);
        assert_int_equal(judge_text(say(ours[i]), any, 0), WYE_CAUSE_TOKEN_AUDIENCE);
    }
    for (size_t i = 0; i < 6; i++) assert_int_equal(judge_text(say(others[i]), named, 0), WYE_CAUSE_TOKEN_AUDIENCE);
    assert_int_equal(judge_text(say("{}"), named, 0), WYE_CAUSE_TOKEN_AUDIENCE);
    wye_token_keys_release(any);
    wye_token_keys_release(named);
}

static void a_kid_says_which_key_and_nothing_else_does(void **state) {
    (void)state;
    struct wye_token_keys *keys = keys_of(SECRET, "a");
    assert_null(add(keys, "another secret of 32 bytes or more", "b"));
    static const char a[] = "{\"alg\":\"HS256\",\"kid\":\"a\"}", b[] = "{\"alg\":\"HS256\",\"kid\":\"b\"}", c[] = "{\"alg\":\"HS256\",\"kid\":\"A\"}";
    assert_int_equal(judge_text(sign(a, "{}"), keys, 0), WYE_CAUSE_NONE);
    assert_int_equal(judge_text(sign(b, "{}"), keys, 0), WYE_CAUSE_TOKEN_SIGNATURE);
    assert_int_equal(judge_text(sign(c, "{}"), keys, 0), WYE_CAUSE_TOKEN_KID);
    assert_int_equal(judge_text(say("{}"), keys, 0), WYE_CAUSE_TOKEN_UNNAMED);
    wye_token_keys_release(keys);
    keys = keys_of("another secret of 32 bytes or more", "a");
    assert_null(add(keys, SECRET, NULL)); /* without a name: for tokens whose kid no key has, and those without */
    assert_null(add(keys, RFC8037_KEY, NULL));
    assert_int_equal(judge_text(sign(a, "{}"), keys, 0), WYE_CAUSE_TOKEN_SIGNATURE);
    assert_int_equal(judge_text(sign(c, "{}"), keys, 0), WYE_CAUSE_NONE);
    assert_int_equal(judge_text(say("{}"), keys, 0), WYE_CAUSE_NONE);
    wye_token_keys_release(keys);
}

static void what_is_made_is_good_and_says_what_it_was_to_say(void **state) {
    (void)state;
    static const char *const publish[] = {"chat", "caf\xc3\xa9"}, *const subscribe[] = {"a/#"};
    static const char *const files[] = {SECRET, RFC8037_PRIVATE, PRIVATE_PEM};
    struct wye_token_claims claims = {.lists = {publish, subscribe}, .counts = {2, 1}, .subject = "ada", .issued_s = 1000, .expires_s = 2000};
    for (size_t i = 0; i < 3; i++) {
        struct wye_token_keys *keys = keys_of(files[i], "k");
        struct wye_token token;
        char *text;
        assert_null(wye_token_make(&text, wye_token_keys_signing(keys), &claims));
        assert_int_equal(wye_token_verify(&token, wye_span_of(text), keys, 1999), WYE_CAUSE_NONE);
        assert_int_equal(token.expires_s, 2000);
        assert_int_equal(wye_token_count(&token, WYE_TOKEN_PUBLISH), 2);
        assert_int_equal(wye_token_count(&token, WYE_TOKEN_SUBSCRIBE), 1);
        assert_true(wye_span_equal(wye_token_at(&token, WYE_TOKEN_PUBLISH, 1), wye_span_of(publish[1])));
        assert_true(wye_span_equal(wye_token_at(&token, WYE_TOKEN_SUBSCRIBE, 0), wye_span_of(subscribe[0])));
        wye_token_fini(&token);
        assert_int_equal(judge_text(text, keys, 2000), WYE_CAUSE_TOKEN_EXPIRED);
        free(text);
        wye_token_keys_release(keys);
    }
    static const char *const odd[] = {"\xff"};
    static char word[300];
    static const char *many[32];
    memset(word, 'a', sizeof word - 1);
    for (size_t i = 0; i < 32; i++) many[i] = word;
    struct wye_token_keys *keys = keys_of(SECRET, NULL), *without = keys_of(PUBLIC_PEM, NULL);
    char *text;
    claims = (struct wye_token_claims){.lists = {odd}, .counts = {1}, .expires_s = INT64_MAX};
    assert_non_null(wye_token_make(&text, wye_token_keys_signing(keys), &claims));
    claims = (struct wye_token_claims){.lists = {many}, .counts = {32}, .expires_s = INT64_MAX};
    assert_non_null(strstr(wye_token_make(&text, wye_token_keys_signing(keys), &claims), "4096"));
    assert_null(wye_token_keys_signing(without));
    wye_token_keys_release(keys);
    wye_token_keys_release(without);
}

static void as_long_a_token_as_may_be_is_taken_and_no_longer_one(void **state) {
    (void)state;
    struct wye_token_keys *keys = keys_of(SECRET, NULL);
    char claims[4096] = "{\"x\":\"";
    size_t count = strlen(claims);
    memset(claims + count, 'a', sizeof claims - count);
    size_t longest = 0, refused = 0;
    for (size_t more = 2900; more < 3100; more++) {
        memcpy(claims + count + more, "\"}", 3);
        const char *text = say(claims);
        enum wye_cause cause = judge_text(text, keys, 0);
        if (cause == WYE_CAUSE_NONE) longest = strlen(text);
        else assert_int_equal(cause, WYE_CAUSE_TOKEN_LONG), refused++;
        assert_true((cause == WYE_CAUSE_NONE) == (strlen(text) <= WYE_TOKEN_MAX));
        memset(claims + count + more, 'a', 3);
    }
    assert_true(longest + 2 >= WYE_TOKEN_MAX && refused > 0);
    wye_token_keys_release(keys);
}

/* ---- keys ---- */

static void the_same_key_in_any_form_takes_the_same_tokens(void **state) {
    (void)state;
    static const char *const files[] = {
        RFC8037_KEY, RFC8037_PRIVATE, PUBLIC_PEM, PRIVATE_PEM, " \n{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"},"
        "{\"kty\":\"EC\",\"crv\":\"P-256\"},{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"x\"},{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"\"},"
        "{\"kty\":\"OKP\",\"use\":\"enc\",\"crv\":\"Ed25519\"}," RFC8037_KEY "]}", "explained here:\n" PUBLIC_PEM,
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"EdDSA\",\"use\":\"sig\",\"x\":\"" RFC8037_X "\"}",
        "\xef\xbb\xbf{\"keys\":[" RFC8037_KEY "]}",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct wye_token_keys *keys = keys_of(files[i], NULL);
        assert_int_equal(keys->count, 1);
        assert_int_equal(keys->at[0].algorithm, WYE_TOKEN_EDDSA);
        assert_int_equal(judge_text(RFC8037_TOKEN, keys, 0), WYE_CAUSE_TOKEN_CLAIMS);
        wye_token_keys_release(keys);
    }
    static const char *const secrets[] = {SECRET, SECRET "\n", SECRET "\r\n", "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}"};
    for (size_t i = 0; i < 4; i++) {
        struct wye_token_keys *keys = keys_of(secrets[i], NULL);
        assert_int_equal(judge_text(say("{}"), keys, 0), WYE_CAUSE_NONE);
        wye_token_keys_release(keys);
    }
}

static void a_file_that_is_no_key_is_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *file, *words;
    } rows[] = {
        {"", "empty"},
        {"0123456789abcdef0123456789abcde", "32 bytes or more"},
        {"0123456789abcdef0123456789abcde\n", "32 bytes or more"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHxJxWl7MmkZcDusAxyuf2A someone@somewhere", "SSH"},
        {"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21_a public key in DER is no secret", "DER"},
        {"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n", "-----BEGIN"},
        {"MCowBQYDK2VwAyEA11qYAYKxCrfV\r\nS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\r\n", "-----BEGIN"},
        {" [" RFC8037_KEY "]", "list in JSON"},
        {"<!DOCTYPE html>\n<title>404 Not Found</title>\n", "HTML"},
        {"{", "no JSON object"}, {"{}", "an object with a 'kty'"}, {"{\"kty\":7}", "an object with a 'kty'"},
        {"{\"kty\":\"oct\",\"kty\":\"oct\"}", "no JSON object"},
        {"{\"kty\":\"RSA\"}", "kty must be oct or OKP"}, {"{\"kty\":\"OKP\",\"crv\":\"Ed448\"}", "Ed25519"},
        {"{\"kty\":\"oct\"}", "'k' is missing"}, {"{\"kty\":\"oct\",\"k\":\"AAAA\"}", "32 bytes or more"}, {"{\"kty\":\"oct\",\"k\":\"AAA=\"}", "base64url"},
        {"{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "alg must be HS256"},
        {"{\"kty\":\"oct\",\"alg\":\"none\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "alg must be HS256"},
        {"{\"kty\":\"oct\",\"use\":\"enc\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "use isn't sig"},
        {"{\"kty\":\"oct\",\"kid\":7,\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", "kid must be a string"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "'x' isn't 32 bytes"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_X "\",\"d\":\"AAAA\"}", "'d' isn't 32 bytes"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC8037_D "\",\"d\":\"" RFC8037_D "\"}", "isn't the public key"},
        {"{\"keys\":{}}", "no list"}, {"{\"keys\":[]}", "none of its keys"}, {"{\"keys\":[{\"kty\":\"RSA\"}]}", "none of its keys"},
        {"{\"keys\":[" RFC8037_KEY ",{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "32 bytes or more"}, {"{\"keys\":[7]}", "an object with a 'kty'"},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "neither a PUBLIC KEY"},
        {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "neither a PUBLIC KEY"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"},
        {PUBLIC_PEM PUBLIC_PEM, "more than one"},
        {"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1WwMoJdn6qaPkow2xU7mESJVuCD3\nHwXuGqzyE1we03atvIhRf4XE1r5/abGVTxH3L3Rn2GZClzDBQW4gMbVNNg==\n-----END PUBLIC KEY-----\n", "isn't an Ed25519"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wye_token_keys *keys = wye_token_keys_open(NULL);
        const char *fault = add(keys, rows[i].file, NULL);
        if (!fault || !strstr(fault, rows[i].words)) fail_msg("%.60s: %s", rows[i].file, fault ? fault : "taken");
        assert_int_equal(keys->count, 0);
        wye_token_keys_release(keys);
    }
}

static void names_are_given_once_and_what_is_wrong_leaves_the_set_as_it_was(void **state) {
    (void)state;
    struct wye_token_keys *keys = keys_of(SECRET, "a");
    char name[300];
    memset(name, 'k', sizeof name);
    name[256] = 0;
    assert_non_null(strstr(add(keys, SECRET, "a"), "two keys"));
    assert_non_null(strstr(add(keys, SECRET, ""), "empty"));
    assert_non_null(strstr(add(keys, SECRET, name), "longer than 255"));
    assert_non_null(strstr(add(keys, "{\"keys\":[" RFC8037_KEY "," RFC7515_KEY "]}", "b"), "set of keys"));
    assert_non_null(strstr(add(keys, "{\"keys\":[" RFC8037_KEY ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"a\",\"x\":\"" RFC8037_X "\"}]}", NULL), "two keys"));
    assert_int_equal(keys->count, 1);
    assert_null(add(keys, "{\"keys\":[" RFC8037_KEY "]}", "b"));
    assert_string_equal(keys->at[1].kid, "b");
    while (keys->count < WYE_TOKEN_KEYS_MAX) assert_null(add(keys, SECRET, NULL));
    assert_non_null(strstr(add(keys, SECRET, NULL), "more than 32"));
    struct wye_token_key_notes notes;
    struct wye_token_keys *more = wye_token_keys_open(NULL);
    assert_null(wye_token_keys_add(more, wye_span_of(SECRET "\n"), NULL, &notes));
    assert_true(notes.raw && notes.newline_stripped && !notes.has_private && notes.keys == 1);
    static const char binary[] = "\x01 bytes of a secret, thirty-two\n"; /* and what looks like a newline is one of them */
    assert_null(wye_token_keys_add(more, (struct wye_span){binary, 32}, NULL, &notes));
    assert_true(notes.raw && !notes.newline_stripped && more->at[1].secret_bytes == 32);
    assert_memory_equal(more->at[1].secret, binary, 32);
    assert_non_null(strstr(wye_token_keys_add(more, (struct wye_span){"{\x01", 2}, NULL, &notes), "raw bytes"));
    assert_null(wye_token_keys_add(more, wye_span_of("{\"keys\":[{\"kty\":\"RSA\"}," RFC8037_PRIVATE "]}"), NULL, &notes));
    assert_true(!notes.raw && notes.has_private && notes.keys == 1 && notes.skipped == 1);
    wye_token_keys_release(wye_token_keys_hold(more));
    wye_token_keys_release(more);
    wye_token_keys_release(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_has_one_text_for_the_same_bytes),
        cmocka_unit_test(the_examples_of_the_rfcs_are_good),
        cmocka_unit_test(no_token_that_differs_in_a_character_or_is_cut_is_good),
        cmocka_unit_test(times_are_kept_to_the_second),
        cmocka_unit_test(a_token_for_somebody_is_for_nobody_else),
        cmocka_unit_test(a_kid_says_which_key_and_nothing_else_does),
        cmocka_unit_test(what_is_made_is_good_and_says_what_it_was_to_say),
        cmocka_unit_test(as_long_a_token_as_may_be_is_taken_and_no_longer_one),
        cmocka_unit_test(the_same_key_in_any_form_takes_the_same_tokens),
        cmocka_unit_test(a_file_that_is_no_key_is_refused_with_the_reason),
        cmocka_unit_test(names_are_given_once_and_what_is_wrong_leaves_the_set_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
