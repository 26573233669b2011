/* The result, for people. */
#include "bench/load.h"

#include <string.h>

static double busiest(const struct load_run *run) {
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9, most = 0;
    for (unsigned i = 0; i < run->worker_count && seconds > 0; i++) {
        double share = (run->until.threads[i] - run->from.threads[i]) / seconds;
        if (share > most) most = share;
    }
    return most;
}

double wye_load_held_up(const struct load_run *run) {
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9, most = 0;
    for (unsigned i = 0; i < run->worker_count && seconds > 0; i++) {
        double share = (run->until.waits[i] - run->from.waits[i]) / seconds;
        if (share > most) most = share;
    }
    return most;
}

bool wye_load_is_right(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    uint64_t faults = total->handshakes_failed + total->lost + total->duplicated + total->reordered +
                      total->corrupted + total->wrong_length + total->wrong_type + total->unexpected +
                      total->broken_frames + total->dropped + total->bad_closes + total->not_published + total->wrong_receivers;
    bool nothing = run->options->scenario != LOAD_IDLE && total->messages == 0 && !run->interrupted;
    return faults == 0 && !run->stalled && !run->could_not && !nothing;
}

const char *wye_load_doubt(const struct load_run *run) {
    static char text[320];
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9, busy = busiest(run);
    double server = run->options->pid && seconds > 0 ? (run->until.server - run->from.server) / seconds : -1;
    uint64_t planned = 0;
    if (seconds <= 0 || run->options->scenario == LOAD_IDLE) return NULL;
    if (run->options->rate > 0) planned = (uint64_t)(run->options->rate * seconds);
    uint64_t sent = LOAD_MEASURED(run, sent);
    if (busy >= 0.9) {
        snprintf(text, sizeof text,
                 "the generator was saturated: its busiest thread ran %.0f %% of the time%s; rates may be "
                 "too low, and latencies hold its own",
                 busy * 100, server >= 0.9 ? " (so did the server)" : "");
        return text;
    }
    if (wye_load_held_up(run) >= 0.1) {
        snprintf(
            text, sizeof text,
            "the generator was held up: a thread of it waited for a CPU %.0f %% of the time, while something "
            "else ran there (it ran itself %.0f %%)",
            wye_load_held_up(run) * 100, busy * 100);
        return text;
    }
    uint64_t lag = wye_histogram_percentile(run->lag, 99);
    if (planned && lag > 1000000 && run->total.sent) {
        snprintf(text, sizeof text,
                 "messages were sent late: 1 %% of them %.1f ms or more after their planned time (latency "
                 "counts from that time all the same)",
                 (double)lag / 1e6);
        return text;
    }
    if (planned > 100 && (double)sent < 0.98 * (double)planned) {
        snprintf(text, sizeof text,
                 "only %.1f %% of the planned rate was sent: too much was under way (--depth)",
                 100 * (double)sent / (double)planned);
        return text;
    }
    return NULL;
}

static void print_wrong(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    const struct {
        uint64_t count;
        const char *what;
    } rows[] = {
        {total->handshakes_failed, "connections did not switch"},
        {total->lost, "messages lost"},
        {total->duplicated, "messages came more than once"},
        {total->reordered, "messages out of order"},
        {total->corrupted, "messages with wrong bytes"},
        {total->wrong_length, "messages of wrong length"},
        {total->wrong_type, "messages of the wrong type (text for binary, or the reverse)"},
        {total->unexpected, "messages that nobody sent"},
        {total->broken_frames, "connections with broken frames"},
        {total->dropped, "connections ended by the server"},
        {total->bad_closes, "close frames not answered"},
        {total->not_published, "publishes refused"},
        {total->wrong_receivers, "answers with a wrong count of receivers"},
    };
    if (run->stalled) printf("WRONG       nothing moved for %g s: given up\n", run->options->stall);
    if (run->could_not) printf("WRONG       the connections could not be opened\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].count) printf("WRONG       %llu %s\n", (unsigned long long)rows[i].count, rows[i].what);
    for (unsigned i = 0; i < run->group_count; i++)
        printf("            %llu x %s\n", (unsigned long long)run->groups[i].count, run->groups[i].text);
    if (run->options->scenario != LOAD_IDLE && total->messages == 0)
        printf("WRONG       nothing right was received at all\n");
}

static void print_latency(const struct load_run *run) {
    static const double percents[] = {50, 90, 99, 99.9, 99.99};
    if (!run->latency->count) return;
    printf("latency     ");
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        printf("p%g %.1f  ", percents[i], (double)wye_histogram_percentile(run->latency, percents[i]) / 1e3);
    printf("max %.1f  mean %.1f us\n", (double)run->latency->max_ns / 1e3,
           wye_histogram_mean(run->latency) / 1e3);
    if (run->options->rate > 0)
        printf(
            "            from the planned time; sent later than planned: p50 %.1f  p99 %.1f  max %.1f us\n",
            (double)wye_histogram_percentile(run->lag, 50) / 1e3,
            (double)wye_histogram_percentile(run->lag, 99) / 1e3, (double)run->lag->max_ns / 1e3);
}

static void print_server(const struct load_run *run, double seconds, double messages) {
    const struct load_usage *from = &run->from, *until = &run->until;
    const struct load_options *options = run->options;
    if (options->pid) {
        double cpu = until->server - from->server, user = until->server_user - from->server_user,
               sys = until->server_sys - from->server_sys;
        double soft = until->ksoftirqd - from->ksoftirqd, split = user + sys > 0 ? user / (user + sys) : 0;
        printf("server      %.0f %% of a core (%.0f %% of it user)", 100 * cpu / seconds, 100 * split);
        if (options->cpu >= 0) printf(", ksoftirqd %.0f %%", 100 * soft / seconds);
        if (messages > 0) printf("; %.3f us a message", (cpu + soft) * 1e6 / messages);
        printf("; RSS %.1f MiB\n", (double)until->rss_bytes / 1048576);
    }
    if (options->cpu >= 0)
        printf("core %-6d busy %.0f %%, softirq %.0f %%, stolen %.0f %%\n", options->cpu,
               100 * (until->core_busy - from->core_busy) / seconds,
               100 * (until->core_soft - from->core_soft) / seconds,
               100 * (until->core_steal - from->core_steal) / seconds);
}

static void print_idle(const struct load_run *run) {
    double connections = (double)(run->total.opened),
           opened_s = (double)(run->opened_ns - run->began_ns) / 1e9;
    printf("opened      %.0f in %.2f s, %.0f a second\n", connections, opened_s, connections / opened_s);
    if (!run->options->pid || connections < 1) return;
    printf("memory      %.0f bytes a connection in the server's RSS (%.1f MiB); slab %.0f and all memory "
           "%.0f bytes, both ends together\n",
           ((double)run->until.rss_bytes - (double)run->before.rss_bytes) / connections,
           (double)run->until.rss_bytes / 1048576,
           ((double)run->until.slab_bytes - (double)run->before.slab_bytes) / connections,
           ((double)run->before.available_bytes - (double)run->until.available_bytes) / connections);
}

static void print_rate(const struct load_run *run, double seconds, double messages) {
    const struct load_options *options = run->options;
    printf("rate        %.0f %s a second (%.0f in %.2f s)\n", messages / seconds, wye_load_noun(options), messages, seconds);
    if (options->rate > 0)
        printf("            planned %.1f a second, sent %.1f\n", options->rate,
               (double)LOAD_MEASURED(run, sent) / seconds);
    else if (options->scenario == LOAD_FANOUT)
        printf("            %.0f publications a second\n", (double)LOAD_MEASURED(run, sent) / seconds);
}

static void print_bytes(const struct load_run *run, double seconds) {
    printf("wire        %.2f MB/s sent, %.2f MB/s received\n",
           (double)LOAD_MEASURED(run, bytes_sent) / seconds / 1e6,
           (double)LOAD_MEASURED(run, bytes_received) / seconds / 1e6);
}

double wye_load_ratio(uint64_t wire_bytes, uint64_t plain_bytes) {
    return plain_bytes > 0 ? (double)wire_bytes / (double)plain_bytes : 1;
}

static void print_deflate(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    printf("deflate     agreed on %llu of %llu connections", (unsigned long long)total->deflate_agreed,
           (unsigned long long)total->opened);
    if (total->deflate_agreed == 0) printf(": the server declined, and everything went plain");
    if (total->deflate_sent_plain_bytes)
        printf("; payloads sent shrank to %.3f",
               wye_load_ratio(total->deflate_sent_bytes, total->deflate_sent_plain_bytes));
    if (total->deflated)
        printf("; %llu messages came compressed, to %.3f", (unsigned long long)total->deflated,
               wye_load_ratio(total->deflate_received_bytes, total->deflate_received_plain_bytes));
    else if (total->deflate_agreed && total->messages && run->options->scenario <= LOAD_FANOUT)
        printf("; none came compressed");
    printf("\n");
}

/* "1 connection", "2 connections". */
static void print_count(uint64_t count, const char *what) { printf("%llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s"); }

static void print_receivers(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    if (run->options->scenario != LOAD_PUBLISH || total->messages == 0) return;
    printf("receivers   %.2f a publish, by the answers", (double)total->receivers / (double)total->messages);
    if (run->options->connections) printf("; %llu messages came to subscribers", (unsigned long long)total->deliveries);
    printf("\n");
}

void wye_load_report(const struct load_run *run) {
    const struct load_options *options = run->options;
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9,
           messages = (double)LOAD_MEASURED(run, messages);
    if (options->json && strcmp(options->json, "-") == 0) return;
    bool publish = options->scenario == LOAD_PUBLISH;
    printf("%s %s: ", options->scenario_name, options->url);
    print_count(publish ? options->publishers : options->connections, options->scenario == LOAD_FANOUT ? "subscriber" : "connection");
    printf(", ");
    print_count(options->threads, "thread");
    if (wye_load_has_topics(options)) {
        printf(", ");
        print_count(publish ? options->connections : options->publishers, publish ? "subscriber" : "publisher");
        printf(", ");
        print_count(options->topics, "topic");
    }
    if (options->scenario <= LOAD_FANOUT) {
        printf(", ");
        print_count(options->size, "byte");
        printf(" %s, %u under way", options->text ? "text" : "binary", run->limit);
    }
    printf("%s%s\n", options->rate > 0 ? ", open loop" : "", run->interrupted ? " (ended early)" : "");
    if (options->scenario == LOAD_IDLE) print_idle(run);
    if (seconds > 0 && options->scenario != LOAD_IDLE) print_rate(run, seconds, messages);
    if (seconds > 0 && options->scenario <= LOAD_FANOUT) print_bytes(run, seconds);
    if (*run->tls) printf("tls         %s\n", run->tls);
    if (*options->extensions) print_deflate(run);
    print_receivers(run);
    print_latency(run);
    if (seconds > 0) {
        print_server(run, seconds, messages);
        double own = run->until.own - run->from.own;
        printf("generator   %.0f %% of a core, busiest thread %.0f %%", 100 * own / seconds,
               100 * busiest(run));
        if (messages > 0) printf("; %.3f us a message", own * 1e6 / messages);
        printf("\n");
    }
    const char *doubt = wye_load_doubt(run);
    if (doubt) printf("DOUBTFUL    %s\n", doubt);
    if (wye_load_is_right(run))
        printf("right       every byte of %llu message%s on %llu connection%s\n", (unsigned long long)run->total.messages,
               run->total.messages == 1 ? "" : "s", (unsigned long long)run->total.opened, run->total.opened == 1 ? "" : "s");
    else print_wrong(run);
}
