#include "core/site.h"

#include "core/hub.h"
#include "core/listing.h"
#include "core/stats.h"

/* What the page may do: its own files and its own node's sockets, nothing else. */
static const char page_fields[] =
    "Cache-Control: no-cache\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n";

static void answer_page(struct wye_answer *answer, unsigned file) {
    const struct wye_page_file *page = &wye_page_files[file];
    answer->content_type = page->content_type;
    answer->fields = page_fields;
    answer->body = (struct wye_slice){page->bytes, WYE_CHUNK_CONSTANT, page->count};
}

/* The order is that of core/embed.cmake. */
static void answer_index(struct wye_hub *hub, struct wye_answer *answer) { (void)hub, answer_page(answer, 0); }
static void answer_css(struct wye_hub *hub, struct wye_answer *answer) { (void)hub, answer_page(answer, 1); }
static void answer_chat_js(struct wye_hub *hub, struct wye_answer *answer) { (void)hub, answer_page(answer, 2); }
static void answer_node_js(struct wye_hub *hub, struct wye_answer *answer) { (void)hub, answer_page(answer, 3); }
static void answer_token_js(struct wye_hub *hub, struct wye_answer *answer) { (void)hub, answer_page(answer, 4); }

static void answer_health(struct wye_hub *hub, struct wye_answer *answer) {
    static const char serving[] = "serving\n", draining[] = "draining\n";
    bool drains = hub->draining;
    answer->status = drains ? 503 : 200;
    answer->content_type = "text/plain; charset=utf-8";
    answer->fields = drains ? "Cache-Control: no-store\r\nRetry-After: 1\r\n" : "Cache-Control: no-store\r\n";
    const char *body = drains ? draining : serving;
    answer->body = (struct wye_slice){(const uint8_t *)body, WYE_CHUNK_CONSTANT, strlen(body)};
}

static const struct wye_resource resources[] = {
    {{"/", 1}, false, NULL, answer_index, false, "the page: live chat and the node's counters", WYE_NEEDS_NOTHING},
    {{"/page.css", 9}, false, NULL, answer_css, false, "its style", WYE_NEEDS_NOTHING},
    {{"/chat.js", 8}, false, NULL, answer_chat_js, false, "its chat", WYE_NEEDS_NOTHING},
    {{"/node.js", 8}, false, NULL, answer_node_js, false, "its counters", WYE_NEEDS_NOTHING},
    {{"/token.js", 9}, false, NULL, answer_token_js, false, "its token", WYE_NEEDS_NOTHING},
    {{"/echo", 5}, false, &wye_echo, NULL, false, "WebSocket: every message comes back", WYE_NEEDS_TOKEN},
    {{"/chat", 5}, false, &wye_pubsub, NULL, true, "WebSocket, POST: short for /topic/chat", WYE_NEEDS_SUBSCRIBE},
    {{"/topic/", 7}, true, &wye_pubsub, NULL, true, "WebSocket, POST: a message reaches every connection on the topic",
     WYE_NEEDS_SUBSCRIBE},
    {{"/stream", 7}, false, &wye_stream, NULL, false, "Upgrade: wye-echo; bytes come back", WYE_NEEDS_TOKEN},
    {{"/topics", 7}, false, NULL, wye_listing_answer, false, "the topics with subscribers and rates (JSON, paged)", WYE_NEEDS_OWN},
    {{"/metrics", 8}, false, NULL, wye_stats_answer_metrics, false, "counters (Prometheus text)", WYE_NEEDS_OWN},
    {{"/healthz", 8}, false, NULL, answer_health, false, "200 while serving, 503 while draining", WYE_NEEDS_NOTHING},
};

const struct wye_resource *wye_site_find(struct wye_span path) {
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        const struct wye_resource *resource = &resources[i];
        if (resource->prefix ? path.count > resource->path.count &&
                                   memcmp(path.bytes, resource->path.bytes, resource->path.count) == 0
                             : wye_span_equal(path, resource->path))
            return resource;
    }
    return NULL;
}
