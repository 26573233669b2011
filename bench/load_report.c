/* The result, for people. */
#include "bench/load.h"

#include <math.h>
#include <string.h>

enum { STRANGE_PART = 10 }; /* more than one in so many is no accident of the server's */

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
    bool publish = run->options->scenario == LOAD_PUBLISH;
    const struct {
        uint64_t count;
        const char *what;
    } rows[] = {
        {total->handshakes_failed, "connections did not switch"},
        {total->lost, publish ? "answers, or messages to subscribers, lost" : "messages lost"},
        {total->duplicated, "messages came more than once"},
        {total->reordered, "messages out of order"},
        {total->corrupted, "messages with wrong bytes"},
        {total->wrong_length, "messages of wrong length"},
        {total->wrong_type, "messages of the wrong type (text for binary, or the reverse)"},
        {total->unexpected, publish ? "answers to nothing" : "messages that nobody sent"},
        {total->broken_frames, publish ? "connections with answers (or frames) that can't be read" : "connections with broken frames"},
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

double wye_load_grown(uint64_t before, uint64_t now, uint64_t noise_bytes, double connections) {
    bool told = now >= before && now - before >= noise_bytes && connections > 0;
    return told ? (double)(now - before) / connections : NAN;
}

/* "123 bytes", or why there is no number. */
static const char *bytes_text(char *to, size_t room, double bytes) {
    if (isnan(bytes)) snprintf(to, room, "not measurable");
    else snprintf(to, room, "%.0f bytes", bytes);
    return to;
}

static void print_memory(const struct load_run *run, double connections) {
    const struct load_usage *before = &run->before, *until = &run->until;
    double own = wye_load_grown(before->rss_bytes, until->rss_bytes, 0, connections),
           slab = wye_load_grown(before->slab_bytes, until->slab_bytes, LOAD_SLAB_NOISE_BYTES, connections),
           all = wye_load_grown(until->available_bytes, before->available_bytes, LOAD_MEMORY_NOISE_BYTES,
                                connections);
    char texts[3][32];
    printf("memory      a connection: %s in the server's RSS (%.1f MiB now); both ends together: slab %s, "
           "all memory %s\n",
           bytes_text(texts[0], sizeof texts[0], own), (double)until->rss_bytes / 1048576,
           bytes_text(texts[1], sizeof texts[1], slab), bytes_text(texts[2], sizeof texts[2], all));
    if (isnan(own) || isnan(slab) || isnan(all))
        printf("            (not measurable: it shrank, or grew by less than the machine's memory moves by "
               "itself; "
               "open more connections)\n");
}

static void print_idle(const struct load_run *run) {
    double connections = (double)(run->total.opened),
           opened_s = (double)(run->opened_ns - run->began_ns) / 1e9;
    printf("opened      %.0f in %.2f s, %.0f a second\n", connections, opened_s, connections / opened_s);
    if (!run->options->pid || connections < 1) return;
    print_memory(run, connections);
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

/* What went one way where compression was agreed to: before it, and as it crossed the wire. */
static void print_shrunk(const char *what, uint64_t wire_bytes, uint64_t plain_bytes) {
    printf("            %s: payloads of %.2f MB as %.2f MB, to %.3f\n", what, (double)plain_bytes / 1e6,
           (double)wire_bytes / 1e6, wye_load_ratio(wire_bytes, plain_bytes));
}

static void print_deflate(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    printf("deflate     agreed on %llu of %llu connections", (unsigned long long)total->deflate_agreed,
           (unsigned long long)total->opened);
    if (total->deflate_agreed == 0) printf(": the server declined, and everything went plain");
    else if (run->options->scenario <= LOAD_FANOUT && total->deflated)
        printf("; %llu messages came compressed", (unsigned long long)total->deflated);
    else if (run->options->scenario <= LOAD_FANOUT && total->messages) printf("; no message came compressed");
    printf("\n");
    if (total->deflate_sent_plain_bytes)
        print_shrunk("sent", total->deflate_sent_bytes, total->deflate_sent_plain_bytes);
    if (total->deflated)
        print_shrunk("came compressed", total->deflate_received_bytes, total->deflate_received_plain_bytes);
}

/* ---- what may be meant otherwise ---- */

/* The path without its query, which may hold a token. */
static int path_bytes(const char *path) { return (int)strcspn(path, "?"); }

static const char *hint_echo(const struct load_run *run, char *text, size_t room) {
    const struct load_counts *total = &run->total;
    const char *path = run->options->target.path;
    uint64_t strange = total->unexpected + total->duplicated + total->reordered + total->corrupted +
                       total->wrong_length + total->wrong_type;
    if (strange > total->messages / STRANGE_PART) {
        snprintf(text, room,
                 "the answers are not what was sent: is %.*s an echo path? A topic sends everybody what one "
                 "of its "
                 "connections says (that is fanout); wye's echo path is /echo",
                 path_bytes(path), path);
        return text;
    }
    if (total->messages + strange > 0 || total->sent == 0) return NULL;
    snprintf(text, room, "nothing came back of what was sent: is %.*s an echo path? wye's is /echo",
             path_bytes(path), path);
    return text;
}

static const char *hint_fanout(const struct load_run *run, char *text, size_t room) {
    const struct load_options *options = run->options;
    const struct load_counts *total = &run->total;
    const char *path = options->target.path, *from = options->publish_path ? options->publish_path : path;
    bool silent = total->messages + total->corrupted + total->wrong_length + total->wrong_type == 0;
    if (!silent || total->sent == 0) return NULL;
    if (total->came_back > 0)
        snprintf(text, room,
                 "what was published came back to its publishers alone: is %.*s a topic? An echo path "
                 "answers nobody "
                 "but the sender; wye's topics are /topic/NAME and /chat",
                 path_bytes(from), from);
    else
        snprintf(text, room,
                 "nothing of what was published came to a subscriber: is %.*s the topic that %.*s publishes "
                 "to? wye's "
                 "topics are /topic/NAME and /chat",
                 path_bytes(path), path, path_bytes(from), from);
    return text;
}

static const char *hint_deflate(const struct load_run *run, char *text, size_t room) {
    const struct load_counts *total = &run->total;
    if (!total->deflate_agreed || !total->messages || total->deflated) return NULL;
    if (run->options->size < WYE_DEFLATE_BYTES_MIN)
        snprintf(
            text, room,
            "compression was agreed to, and no answer was compressed: a server sends what is so short plain "
            "(wye what has less than %d bytes); try --size 200",
            WYE_DEFLATE_BYTES_MIN);
    else
        snprintf(text, room,
                 "compression was agreed to, and no answer was compressed: the server sent all of it plain");
    return text;
}

const char *wye_load_hint(const struct load_run *run) {
    static char text[LOAD_SHOWN_MAX + 320];
    const char *hint = NULL;
    if (run->options->scenario == LOAD_ECHO) hint = hint_echo(run, text, sizeof text);
    if (run->options->scenario == LOAD_FANOUT) hint = hint_fanout(run, text, sizeof text);
    return hint || run->options->scenario > LOAD_FANOUT ? hint : hint_deflate(run, text, sizeof text);
}

/* "1 connection", "2 connections". */
static void print_count(uint64_t count, const char *what) { printf("%llu %s%s", (unsigned long long)count, what, count == 1 ? "" : "s"); }

static void print_receivers(const struct load_run *run) {
    const struct load_counts *total = &run->total;
    if (run->options->scenario != LOAD_PUBLISH || total->messages == 0) return;
    uint64_t told = total->messages > total->untold ? total->messages - total->untold : 0;
    if (told) printf("receivers   %.2f a publish, by the answers", (double)total->receivers / (double)told);
    else printf("receivers   not told by the answers");
    if (told && total->untold) printf(" (%llu told none)", (unsigned long long)total->untold);
    if (run->options->connections) printf("; %llu messages came to subscribers", (unsigned long long)total->deliveries);
    printf("\n");
}

static void print_right(const struct load_run *run) {
    printf("right       ");
    if (run->options->scenario == LOAD_IDLE) {
        print_count(run->total.opened, "connection");
        printf(" held to the end\n");
        return;
    }
    bool publish = run->options->scenario == LOAD_PUBLISH;
    printf("every %s of ", publish ? "answer" : "byte");
    print_count(run->total.messages, "message");
    if (publish && run->options->connections) printf(", and every byte of %llu deliveries", (unsigned long long)run->total.deliveries);
    printf(" on ");
    print_count(run->total.opened, "connection");
    printf("\n");
}

void wye_load_report(const struct load_run *run) {
    const struct load_options *options = run->options;
    double seconds = (double)(run->until.at_ns - run->from.at_ns) / 1e9,
           messages = (double)LOAD_MEASURED(run, messages);
    if (options->json && strcmp(options->json, "-") == 0) return;
    bool publish = options->scenario == LOAD_PUBLISH;
    printf("%s %s: ", options->scenario_name, options->shown_url);
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
    if (wye_load_is_right(run)) print_right(run);
    else print_wrong(run);
    const char *hint = wye_load_hint(run);
    if (hint) printf("HINT        %s\n", hint);
}
