/* The result, for programs. bench/load.md says what the names mean. */
#include "bench/load.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static void text(FILE *to, const char *name, const char *value) {
    fprintf(to, "  \"%s\": \"", name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c == '"' || c == '\\') fprintf(to, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f) fprintf(to, "\\u%04x", c);
        else fputc(c, to);
    }
    fputs("\",\n", to);
}

/* NAN: it isn't known. */
static void number(FILE *to, const char *name, double value) {
    if (isnan(value)) fprintf(to, "  \"%s\": null,\n", name);
    else fprintf(to, "  \"%s\": %.10g,\n", name, value);
}
static void truth(FILE *to, const char *name, bool value) {
    fprintf(to, "  \"%s\": %s,\n", name, value ? "true" : "false");
}

static void write_latency(FILE *to, const char *name, const struct wye_histogram *histogram) {
    static const struct {
        const char *name;
        double percent;
    } rows[] = {{"p50", 50},     {"p75", 75},       {"p90", 90}, {"p99", 99},
                {"p99_9", 99.9}, {"p99_99", 99.99}, {"max", 100}};
    fprintf(to, "  \"%s\": {\"count\": %llu, \"mean\": %.3f", name, (unsigned long long)histogram->count,
            wye_histogram_mean(histogram) / 1e3);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(to, ", \"%s\": %.3f", rows[i].name,
                (double)wye_histogram_percentile(histogram, rows[i].percent) / 1e3);
    fputs("},\n", to);
}

static void write_load(FILE *to, const struct load_run *run) {
    const struct load_options *options = run->options;
    text(to, "scenario", options->scenario_name);
    text(to, "url", options->shown_url);
    bool publish = options->scenario == LOAD_PUBLISH;
    number(to, "connections", publish ? options->publishers : options->connections);
    number(to, "publishers", options->scenario == LOAD_FANOUT ? options->publishers : 0);
    number(to, "subscribers", wye_load_has_topics(options) ? options->connections : 0);
    number(to, "topics", wye_load_has_topics(options) ? options->topics : 0);
    number(to, "size_bytes", (double)options->size);
    text(to, "payload", options->payload == LOAD_RECORDS ? "records" : "random");
    text(to, "deflate_offer", options->extensions);
    number(to, "depth", run->limit);
    number(to, "threads", options->threads);
    truth(to, "open_loop", options->rate > 0);
    number(to, "plan_grid_us", (double)run->grid_ns / 1e3);
}

static void write_rates(FILE *to, const struct load_run *run, double seconds, double messages) {
    number(to, "opening_s", (double)(run->opened_ns - run->began_ns) / 1e9);
    number(to, "measured_s", seconds);
    number(to, "measured_messages", messages);
    number(to, "messages_per_s", seconds > 0 ? messages / seconds : 0);
    number(to, "planned_per_s", run->options->rate);
    number(to, "bytes_sent_per_s", seconds > 0 ? (double)LOAD_MEASURED(run, bytes_sent) / seconds : 0);
    number(to, "bytes_received_per_s",
           seconds > 0 ? (double)LOAD_MEASURED(run, bytes_received) / seconds : 0);
    number(to, "sent_per_s", seconds > 0 ? (double)LOAD_MEASURED(run, sent) / seconds : 0);
}

static void write_costs(FILE *to, const struct load_run *run, double seconds, double messages) {
    const struct load_usage *from = &run->from, *until = &run->until;
    double own = until->own - from->own, per = messages > 0 ? 1e6 / messages : 0,
           share = seconds > 0 ? 1 / seconds : 0;
    number(to, "generator_cpu_share", own * share);
    number(to, "generator_cpu_us_per_message", own * per);
    number(to, "generator_turns_per_message",
           messages > 0 ? (double)(until->turns - from->turns) / messages : 0);
    number(to, "generator_enters_per_message",
           messages > 0 ? (double)(until->enters - from->enters) / messages : 0);
    number(to, "generator_held_up_share", wye_load_held_up(run));
    if (run->options->pid) {
        double cpu = until->server - from->server, user = until->server_user - from->server_user,
               sys = until->server_sys - from->server_sys;
        double split = user + sys > 0 ? user / (user + sys) : 0, connections = (double)run->total.opened;
        number(to, "server_cpu_share", cpu * share);
        number(to, "server_cpu_us_per_message", cpu * per);
        number(to, "server_user_us_per_message", cpu * split * per);
        number(to, "server_sys_us_per_message", cpu * (1 - split) * per);
        number(to, "server_rss_before_bytes", (double)run->before.rss_bytes);
        number(to, "server_rss_bytes", (double)until->rss_bytes);
        number(to, "server_rss_bytes_per_connection",
               wye_load_grown(run->before.rss_bytes, until->rss_bytes, 0, connections));
        number(to, "slab_bytes_per_connection_both_ends",
               wye_load_grown(run->before.slab_bytes, until->slab_bytes, LOAD_SLAB_NOISE_BYTES, connections));
        number(to, "memory_bytes_per_connection_both_ends",
               wye_load_grown(until->available_bytes, run->before.available_bytes, LOAD_MEMORY_NOISE_BYTES,
                              connections));
    }
    if (run->options->cpu < 0) return;
    number(to, "ksoftirqd_us_per_message", (until->ksoftirqd - from->ksoftirqd) * per);
    number(to, "core_busy_share", (until->core_busy - from->core_busy) * share);
    number(to, "core_softirq_share", (until->core_soft - from->core_soft) * share);
    number(to, "core_steal_share", (until->core_steal - from->core_steal) * share);
}

static void write_groups(FILE *to, const struct load_run *run) {
    fputs("  \"failures\": [", to);
    for (unsigned i = 0; i < run->group_count; i++) {
        fprintf(to, "%s\n    {\"count\": %llu, \"text\": \"", i ? "," : "",
                (unsigned long long)run->groups[i].count);
        for (const char *at = run->groups[i].text; *at; at++) {
            if (*at == '"' || *at == '\\') fputc('\\', to);
            fputc(*at < 0x20 || *at > 0x7e ? '?' : *at, to);
        }
        fputs("\"}", to);
    }
    fputs(run->group_count ? "\n  ],\n" : "],\n", to);
    fputs("  \"over_time\": [", to);
    for (uint32_t i = 0; i < run->sample_count; i++) {
        const struct load_sample *sample = &run->samples[i];
        fprintf(to, "%s\n    {\"at_s\": %.3f, \"phase\": \"%s\", \"messages_per_s\": %.1f, ", i ? "," : "",
                sample->at_s, wye_load_sample_phase(sample->warming), sample->per_s);
        if (sample->answers)
            fprintf(to, "\"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f}", sample->p50_us,
                    sample->p99_us, sample->max_us);
        else fputs("\"p50_us\": null, \"p99_us\": null, \"max_us\": null}", to);
    }
    fputs(run->sample_count ? "\n  ]\n" : "]\n", to);
}

int wye_load_json_write(const struct load_run *run) {
    bool standard = strcmp(run->options->json, "-") == 0;
    FILE *to = standard ? stdout : fopen(run->options->json, "w");
    if (!to) {
        fprintf(stderr, "wye-load: %s: %s\n", run->options->json, strerror(errno));
        return -errno;
    }
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9,
           messages = (double)LOAD_MEASURED(run, messages);
    fputs("{\n", to);
    text(to, "program", "wye-load " WYE_VERSION);
    write_load(to, run);
    text(to, "tls", run->tls);
    truth(to, "right", wye_load_is_right(run));
    truth(to, "ended_early", run->interrupted);
    truth(to, "stalled", run->stalled);
    text(to, "doubt", wye_load_doubt(run) ? wye_load_doubt(run) : "");
    text(to, "hint", wye_load_hint(run) ? wye_load_hint(run) : "");
    write_rates(to, run, seconds, messages);
    write_latency(to, "latency_us", run->latency);
    write_latency(to, "sent_late_us", run->lag);
    write_costs(to, run, seconds, messages);
#define LOAD_COUNT_WRITE(name, help) number(to, #name, (double)run->total.name);
    LOAD_COUNTS(LOAD_COUNT_WRITE)
#undef LOAD_COUNT_WRITE
    number(to, "deflate_sent_ratio",
           wye_load_ratio(run->total.deflate_sent_bytes, run->total.deflate_sent_plain_bytes));
    number(to, "deflate_received_ratio",
           wye_load_ratio(run->total.deflate_received_bytes, run->total.deflate_received_plain_bytes));
    write_groups(to, run);
    fputs("}\n", to);
    int trouble = ferror(to) ? -EIO : 0;
    if (!standard && fclose(to) != 0) trouble = -errno;
    return trouble;
}
