#include "core/node.h"

#include "core/tls_context.h"
#include "handshake/token_key.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void wye_settings_init(struct wye_settings *settings) {
    *settings = (struct wye_settings){
        .max_message_bytes = 16u << 20,
        .outbox_bytes = 17u << 20,
        .shared_memory_bytes = 256u << 20,
        .memory_bytes = UINT64_MAX,
        .max_connections = UINT32_MAX,
        .deflate = WYE_DEFLATE_SHARED,
        .ping_ns = 25 * UINT64_C(1000000000),
        .head_timeout_ns = 10 * UINT64_C(1000000000),
        .close_timeout_ns = 5 * UINT64_C(1000000000),
        .tls_half_open_max = 4096,
        .mailbox_bytes = 32u << 20,
        .history = {.bytes = SIZE_MAX},
        .history_memory_bytes = 64u << 20,
        .topics_per_connection = 64,
    };
}

/* ---- settings ---- */

static struct wye_edition *edition_open(const struct wye_settings *settings, uint32_t number) {
    struct wye_edition *edition = malloc(sizeof *edition);
    if (edition) *edition = (struct wye_edition){.settings = *settings, .number = number, .holders = 1};
    return edition;
}

struct wye_edition *wye_node_hold_edition(struct wye_node *node) {
    pthread_mutex_lock(&node->lock);
    struct wye_edition *edition = node->edition;
    edition->holders++;
    pthread_mutex_unlock(&node->lock);
    return edition;
}

void wye_node_let_go(struct wye_node *node, struct wye_edition *edition) {
    pthread_mutex_lock(&node->lock);
    bool last = --edition->holders == 0;
    pthread_mutex_unlock(&node->lock);
    if (!last) return;
    if (edition->settings.end) edition->settings.end(edition->settings.owner);
    free(edition);
}

int wye_node_use_settings(struct wye_node *node, const struct wye_settings *settings) {
    pthread_mutex_lock(&node->lock);
    struct wye_edition *old = node->edition, *made = edition_open(settings, old->number + 1);
    if (made) {
        memcpy(made->settings.hash_key, old->settings.hash_key, sizeof old->settings.hash_key);
        node->edition = made;
    }
    pthread_mutex_unlock(&node->lock);
    if (!made) return -ENOMEM;
    wye_node_let_go(node, old);
    return 0;
}

/* ---- life ---- */

int wye_node_init(struct wye_node *node, const struct wye_settings *settings, uint64_t now_ns) {
    *node = (struct wye_node){.started_ns = now_ns};
    node->edition = edition_open(settings, 1);
    if (!node->edition) return -ENOMEM;
    wye_history_init(&node->history, settings);
    int trouble = wye_subjects_init(&node->subjects, settings->hash_key);
    if (trouble == 0) pthread_mutex_init(&node->lock, NULL);
    if (trouble == 0) wye_accounts_init(&node->accounts, settings->hash_key);
    else free(node->edition);
    return trouble;
}

void wye_node_fini(struct wye_node *node) {
    assert(atomic_load_explicit(&node->gathering_bytes, memory_order_relaxed) == 0);
    wye_node_let_go(node, node->edition);
    wye_history_fini(&node->history);
    wye_subjects_fini(&node->subjects);
    wye_accounts_fini(&node->accounts);
    wye_tls_context_release(node->tls);
    wye_token_keys_release(node->keys);
    pthread_mutex_destroy(&node->lock);
}

/* ---- TLS ---- */

struct wye_tls_context *wye_node_hold_tls(struct wye_node *node) {
    pthread_mutex_lock(&node->lock);
    struct wye_tls_context *context = node->tls ? wye_tls_context_hold(node->tls) : NULL;
    pthread_mutex_unlock(&node->lock);
    return context;
}

void wye_node_use_tls(struct wye_node *node, struct wye_tls_context *context) {
    pthread_mutex_lock(&node->lock);
    struct wye_tls_context *old = node->tls;
    bool same = wye_tls_context_equal(old, context); /* then the old one stays: its tickets are good for nobody else */
    if (!same) node->tls = context;
    pthread_mutex_unlock(&node->lock);
    wye_tls_context_release(same ? context : old);
}

/* ---- keys of tokens ---- */

struct wye_token_keys *wye_node_hold_keys(struct wye_node *node, unsigned *version) {
    pthread_mutex_lock(&node->lock);
    struct wye_token_keys *keys = node->keys ? wye_token_keys_hold(node->keys) : NULL;
    *version = atomic_load_explicit(&node->keys_version, memory_order_relaxed);
    pthread_mutex_unlock(&node->lock);
    return keys;
}

void wye_node_use_keys(struct wye_node *node, struct wye_token_keys *keys) {
    pthread_mutex_lock(&node->lock);
    struct wye_token_keys *old = node->keys;
    node->keys = keys;
    atomic_fetch_add_explicit(&node->keys_version, 1, memory_order_release);
    pthread_mutex_unlock(&node->lock);
    wye_token_keys_release(old);
}
