#include "ring/reload.h"

#include "ring/option_table.h"

#include <stdio.h>
#include <string.h>

enum { SAID_MAX = 300 }; /* bytes of a value in the log */

void wye_options_limit(struct wye_options *options, uint32_t limit) {
    uint32_t *most = &options->settings.max_connections;
    if (*most <= limit) return;
    if (*most != UINT32_MAX) wye_log(WYE_LOG_WARN, "--max-connections: the descriptor limit allows %u (see ulimit -n)", limit);
    *most = limit;
}

/* Do they say something else about an option? */
static bool differ(const struct wye_options *one, const struct wye_options *other, const struct wye_option *option) {
    return option->scope != WYE_SCOPE_COMMAND && !wye_givens_equal(&one->givens, &other->givens, option);
}

/* Logs what has changed, in the table's order: of what can, and of what can't be changed by a SIGHUP. */
static void say_changes(const struct wye_options *now, const struct wye_options *next, bool live) {
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        char from[SAID_MAX], to[SAID_MAX];
        if (option->live != live || !differ(now, next, option)) continue;
        wye_givens_say(&now->givens, option, from, sizeof from);
        wye_givens_say(&next->givens, option, to, sizeof to);
        if (strcmp(from, to) == 0) continue; /* it says what held anyway */
        if (live) wye_log(WYE_LOG_INFO, "SIGHUP: \"%s\" from %s to %s", option->name, from, to);
        else wye_log(WYE_LOG_WARN, "SIGHUP: restart to change \"%s\" from %s to %s", option->name, from, to);
    }
}

static bool needs_restart(const struct wye_options *now, const struct wye_options *next) {
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (!option->live && differ(now, next, option)) return true;
    }
    return false;
}

/* Opens the certificates again; one that was made on the spot stays, as long as it can. false: `why` says why not. */
static bool open_certificates(const struct wye_options *now, const struct wye_options *then, struct wye_tls_context **context, char *why,
                              size_t room) {
    *context = NULL;
    if (!then->tls || (then->certificates.throw_away && then->certificates.only_13 == now->certificates.only_13)) return true;
    *context = wye_certificates_open(&then->certificates, why, room);
    return *context != NULL;
}

/* Reads the keys of tokens again. NULL in *keys: there are none any more, or never were. false: `why` says what is wrong. */
static bool open_keys(const struct wye_options *then, struct wye_token_keys **keys, char *why, size_t room) {
    *keys = then->token_files.count ? wye_token_files_open(&then->token_files, true, why, room) : NULL;
    return *keys || then->token_files.count == 0;
}

static void use_keys(struct wye_threads *threads, const struct wye_options *now, struct wye_token_keys *keys) {
    const size_t count = keys ? keys->count : 0;
    if (!keys && now->token_files.count == 0) return;
    wye_threads_use_keys(threads, keys);
    if (count) wye_log(WYE_LOG_INFO, "SIGHUP: the keys of tokens have been read again: %zu", count);
    else wye_log(WYE_LOG_WARN, "SIGHUP: open: whoever reaches this node may read and publish everything (no --token-key)");
}

/* What files hold, opened again. */
struct opened {
    struct wye_tls_context *context; /* NULL: what is there stays */
    struct wye_token_keys *keys;
};

static bool open_all(const struct wye_options *now, const struct wye_options *then, struct opened *opened, char *why, size_t room) {
    if (!open_certificates(now, then, &opened->context, why, room)) return false;
    if (open_keys(then, &opened->keys, why, room)) return true;
    wye_tls_context_release(opened->context);
    return false;
}

/* From here on nothing goes wrong, but for memory. */
static bool apply(struct wye_threads *threads, const struct wye_options *now, struct wye_options *then, const struct opened *opened,
                  uint32_t limit) {
    wye_options_limit(then, limit);
    wye_options_hold(then);
    if (wye_threads_use_settings(threads, &then->settings) < 0) {
        wye_options_release(then);
        wye_tls_context_release(opened->context);
        wye_token_keys_release(opened->keys);
        return false;
    }
    use_keys(threads, now, opened->keys);
    if (opened->context) {
        wye_threads_use_tls(threads, opened->context);
        wye_log(WYE_LOG_INFO, "SIGHUP: the certificates have been read again");
    }
    wye_log_set_level(then->log);
    say_changes(now, then, true);
    return true;
}

struct wye_options *wye_reload(struct wye_threads *threads, struct wye_options *now, uint32_t limit) {
    char trouble[512];
    const char *why = NULL;
    if (!now->config && (!now->tls || now->certificates.throw_away) && now->token_files.count == 0) {
        wye_log(WYE_LOG_INFO, "SIGHUP: there is nothing to be read again: no --config, no certificates, and no --token-key");
        return now;
    }
    struct wye_options *next = wye_options_reread(now), *then = NULL;
    struct opened opened;
    if (!next || *next->trouble) {
        why = next ? next->trouble : "no memory";
    } else {
        say_changes(now, next, false);
        then = needs_restart(now, next) ? wye_options_merge(now, next) : wye_options_hold(next);
        if (!then || *then->trouble) why = then ? then->trouble : "no memory";
        else if (!open_all(now, then, &opened, trouble, sizeof trouble)) why = trouble;
        else if (!apply(threads, now, then, &opened, limit)) why = "no memory";
    }
    if (why) wye_log(WYE_LOG_ERROR, "SIGHUP: %s; everything stays as it was", why);
    else if (now->config) wye_log(WYE_LOG_INFO, "SIGHUP: %s has been read again", now->config);
    wye_options_release(next);
    wye_options_release(why ? then : now);
    return why ? now : then;
}
