#include "core/node.h"

#include "core/tls_context.h"

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
    };
}

int wye_node_init(struct wye_node *node, const struct wye_settings *settings, uint64_t now_ns) {
    *node = (struct wye_node){.settings = *settings, .started_ns = now_ns};
    int trouble = wye_subjects_init(&node->subjects);
    if (trouble == 0) pthread_mutex_init(&node->tls_lock, NULL);
    return trouble;
}

void wye_node_fini(struct wye_node *node) {
    wye_subjects_fini(&node->subjects);
    wye_tls_context_release(node->tls);
    pthread_mutex_destroy(&node->tls_lock);
}

struct wye_tls_context *wye_node_hold_tls(struct wye_node *node) {
    pthread_mutex_lock(&node->tls_lock);
    struct wye_tls_context *context = node->tls ? wye_tls_context_hold(node->tls) : NULL;
    pthread_mutex_unlock(&node->tls_lock);
    return context;
}

void wye_node_use_tls(struct wye_node *node, struct wye_tls_context *context) {
    pthread_mutex_lock(&node->tls_lock);
    struct wye_tls_context *old = node->tls;
    node->tls = context;
    pthread_mutex_unlock(&node->tls_lock);
    wye_tls_context_release(old);
}
