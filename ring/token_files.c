#include "ring/token_files.h"

#include "ring/file.h"
#include "ring/log.h"
#include "ring/loop.h"
#include "ring/options.h"

#include <stdio.h>
#include <stdlib.h>

/* Parts KID=FILE. kid: NULL when there is none, and else to be freed. false: no memory. */
static bool part(const char *text, const char **path, char **kid) {
    size_t count = strcspn(text, "=/");
    *kid = NULL;
    *path = text;
    if (text[count] != '=') return true;
    *path = text + count + 1;
    return (*kid = strndup(text, count)) != NULL;
}

static void tell(const char *path, const struct wye_token_key_notes *notes, bool checks) {
    if (notes->raw && checks)
        wye_log(WYE_LOG_INFO, "--token-key %s: a secret as it stands%s, for HS256", path, notes->newline_stripped ? ", without the newline at its end" : "");
    if (notes->skipped)
        wye_log(WYE_LOG_WARN, "--token-key %s: %u of its keys used, and %u of other kinds left out", path, notes->keys, notes->skipped);
    if (notes->has_private && checks)
        wye_log(WYE_LOG_WARN, "--token-key %s: it holds the private key; a node that only checks tokens needs the public one alone (openssl pkey -pubout)", path);
}

/* Adds one file. false: `why` says what is wrong. */
static bool add_file(struct wye_token_keys *keys, const char *text, bool checks, char *why, size_t room) {
    const char *path;
    char *kid, *bytes = NULL;
    size_t count = 0;
    struct wye_token_key_notes notes = {0};
    if (!part(text, &path, &kid)) return false;
    int trouble = wye_file_read(path, WYE_TOKEN_KEY_FILE_MAX + 2, "token-key", &bytes, &count);
    const char *fault = trouble < 0 ? strerror(-trouble) : wye_token_keys_add(keys, (struct wye_span){bytes, count}, kid, &notes);
    if (fault) snprintf(why, room, "--token-key %s: %s", path, fault);
    else tell(path, &notes, checks);
    wye_file_wipe(bytes, count);
    free(kid);
    return !fault;
}

struct wye_token_keys *wye_token_files_open(const struct wye_token_files *files, bool checks, char *why, size_t room) {
    struct wye_token_keys *keys = wye_token_keys_open(files->audience);
    snprintf(why, room, "--token-key: no memory");
    for (size_t i = 0; keys && i < files->count; i++) {
        if (add_file(keys, files->files[i], checks, why, room)) continue;
        wye_token_keys_release(keys);
        return NULL;
    }
    return keys;
}

/* ---- making one ---- */

static int wrong(const char *what) {
    fprintf(stderr, "wye: --make-token: %s\n", what);
    return WYE_EXIT_COULD_NOT_TRY;
}

/* Names and patterns that no token should list. */
static bool all_fine(const char *option, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *fault = wye_topic_name_fault(wye_span_of(list[i]));
        if (!fault) continue;
        fprintf(stderr, "wye: --%s %s: %s\n", option, list[i], fault);
        return false;
    }
    return true;
}

int wye_token_files_make(const struct wye_token_files *files, const struct wye_token_wish *wish) {
    char why[512], *text;
    if (files->count == 0) {
        fputs("wye: --make-token: it needs the key: --token-key FILE. A new one is made by: head -c 32 /dev/urandom | base64 > key && chmod 600 key\n", stderr);
        return WYE_EXIT_USAGE;
    }
    if (!all_fine("publish", wish->publish, wish->publish_count) || !all_fine("subscribe", wish->subscribe, wish->subscribe_count))
        return WYE_EXIT_USAGE;
    struct wye_token_keys *keys = wye_token_files_open(files, false, why, sizeof why);
    if (!keys) {
        fprintf(stderr, "wye: %s\n", why);
        return WYE_EXIT_COULD_NOT_TRY;
    }
    const int64_t now_s = (int64_t)wye_clock_unix_s();
    const struct wye_token_claims claims = {
        .lists = {[WYE_TOKEN_PUBLISH] = wish->publish, [WYE_TOKEN_SUBSCRIBE] = wish->subscribe},
        .counts = {[WYE_TOKEN_PUBLISH] = wish->publish_count, [WYE_TOKEN_SUBSCRIBE] = wish->subscribe_count},
        .subject = wish->subject,
        .audience = files->audience,
        .issued_s = now_s,
        .expires_s = wish->lifetime_s ? now_s + (int64_t)wish->lifetime_s : INT64_MAX,
    };
    const struct wye_token_key *key = wye_token_keys_signing(keys);
    const char *fault = key ? wye_token_make(&text, key, &claims) : "a public key checks tokens; to make one, give the private key or the secret";
    wye_token_keys_release(keys);
    if (fault) return wrong(fault);
    puts(text);
    free(text);
    if (wish->publish_count + wish->subscribe_count == 0)
        fputs("wye: --make-token: this one opens /echo and /stream alone; --publish and --subscribe allow topics\n", stderr);
    return WYE_EXIT_YES;
}
