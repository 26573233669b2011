#include "core/stats.h"

#include "core/hub.h"
#include "core/listing.h"
#include "core/report.h"
#include "core/topic.h"

#include <string.h>

const struct wye_span wye_stats_topic = {"$wye/stats", 10};

#define STATS_EVERY_NS UINT64_C(1000000000)

static uint64_t node_sum(const struct wye_node *node, size_t member_at) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < node->hub_count; i++) {
        const char *counters = (const char *)&node->hubs[i]->counters;
        sum += wye_counted((const _Atomic uint64_t *)(const void *)(counters + member_at));
    }
    return sum;
}

void wye_stats_publish(struct wye_hub *hub) {
    struct wye_report report = {.pool = &hub->pool};
    wye_report_add(&report, "{\"version\":\"" WYE_VERSION "\",\"uptime_s\":%llu,\"loops\":%u,",
                 (unsigned long long)((hub->now_ns - hub->node->started_ns) / 1000000000), hub->node->hub_count);
#define ADD(name, kind, help)                                                                                \
    wye_report_add(&report, "\"" #name "\":%llu,",                                                               \
                 (unsigned long long)node_sum(hub->node, offsetof(struct wye_counters, name)));
    WYE_COUNTERS(ADD)
#undef ADD
    const struct wye_history *history = &hub->node->history;
    wye_report_add(&report, "\"history_messages\":%llu,\"history_bytes\":%llu,\"history_topics\":%llu,",
                   (unsigned long long)wye_counted(&history->messages), (unsigned long long)wye_counted(&history->bytes),
                   (unsigned long long)wye_counted(&history->topics));
    wye_listing_add_largest(hub, &report);
    wye_report_add(&report, "}");
    bool heard = report.chunk && wye_topic_deliver_local(hub, wye_stats_topic, (char *)report.chunk->bytes, report.count);
    if (report.chunk) wye_chunk_release(&hub->pool, report.chunk);
    hub->stats_due_ns = heard ? hub->now_ns + STATS_EVERY_NS : UINT64_MAX;
}

static void add_family(struct wye_report *report, const struct wye_node *node, const char *name, const char *kind,
                       const char *help, size_t member_at) {
    const char *total = strcmp(kind, "counter") == 0 && !strstr(name, "_total") ? "_total" : "";
    wye_report_add(report, "# HELP wye_%s%s %s\n# TYPE wye_%s%s %s\n", name, total, help, name, total, kind);
    for (unsigned i = 0; i < node->hub_count; i++) {
        const char *counters = (const char *)&node->hubs[i]->counters;
        wye_report_add(report, "wye_%s%s{loop=\"%u\"} %llu\n", name, total, i,
                     (unsigned long long)wye_counted((const _Atomic uint64_t *)(const void *)(counters + member_at)));
    }
}

/* A number that is the whole node's, not a loop's. */
static void add_gauge(struct wye_report *report, const char *name, const char *help, const _Atomic uint64_t *value) {
    wye_report_add(report, "# HELP wye_%s %s\n# TYPE wye_%s gauge\nwye_%s %llu\n", name, help, name, name,
                   (unsigned long long)wye_counted(value));
}

static void add_refusals(struct wye_report *report, const struct wye_node *node) {
    wye_report_add(report, "# HELP wye_refusals_by_rule_total requests refused, by the first rule that failed\n"
                       "# TYPE wye_refusals_by_rule_total counter\n");
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        for (unsigned i = 0; i < node->hub_count; i++)
            wye_report_add(report, "wye_refusals_by_rule_total{loop=\"%u\",rule=\"%s\",status=\"%d\"} %llu\n", i,
                         wye_rules[rule].id, wye_rules[rule].status,
                         (unsigned long long)wye_counted(&node->hubs[i]->counters.refusals_by_rule[rule]));
    }
}

static void add_closes(struct wye_report *report, const struct wye_node *node) {
    wye_report_add(report, "# HELP wye_closes_total connections ended, by reason: 0, errno, HTTP status or close code\n"
                       "# TYPE wye_closes_total counter\n");
    for (unsigned slot = 0; slot < WYE_REASON_SLOTS; slot++) {
        char name[32];
        wye_reason_slot_name(name, sizeof name, slot);
        for (unsigned i = 0; i < node->hub_count; i++) {
            uint64_t count = wye_counted(&node->hubs[i]->counters.closes[slot]);
            if (count)
                wye_report_add(report, "wye_closes_total{loop=\"%u\",reason=\"%s\"} %llu\n", i, name,
                             (unsigned long long)count);
        }
    }
}

void wye_stats_answer_metrics(struct wye_hub *hub, struct wye_answer *answer) {
    struct wye_report report = {.pool = &hub->pool};
    wye_report_add(&report,
                 "# HELP wye_build_info what runs\n# TYPE wye_build_info gauge\n"
                 "wye_build_info{version=\"" WYE_VERSION "\"} 1\n"
                 "# HELP wye_uptime_seconds since the start\n# TYPE wye_uptime_seconds gauge\n"
                 "wye_uptime_seconds %llu\n",
                 (unsigned long long)((hub->now_ns - hub->node->started_ns) / 1000000000));
#define ADD(name, kind, help) add_family(&report, hub->node, #name, #kind, help, offsetof(struct wye_counters, name));
    WYE_COUNTERS(ADD)
#undef ADD
    const struct wye_history *history = &hub->node->history;
    add_gauge(&report, "history_messages", "messages in history", &history->messages);
    add_gauge(&report, "history_bytes", "memory that history takes, bookkeeping included", &history->bytes);
    add_gauge(&report, "history_topics", "topics with messages in history", &history->topics);
    wye_report_add(&report, "# HELP wye_addresses addresses that limits are kept for\n# TYPE wye_addresses gauge\nwye_addresses %zu\n",
                   atomic_load_explicit(&hub->node->accounts.count, memory_order_relaxed));
    add_refusals(&report, hub->node);
    add_closes(&report, hub->node);
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    answer->fields = "Cache-Control: no-store\r\n";
    answer->body = wye_report_slice(&report);
}
