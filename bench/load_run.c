/* The run: opens the workers, leads them through the phases, and watches. The main thread's part. */
#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/*
 * At high rates a timer for every message would cost more than the message. What is due within so many ns of
 * the plan is due together then, in the plan itself, so that latency stays what it is. The same for any
 * number of threads.
 */
enum { GRID_NS = 50000, GRID_MESSAGES_MIN = 2 };

enum { STEP_NS = 20 * 1000000, START_IN_NS = 5 * 1000000, FAILURES_MAX = 1000 };
#define SECOND_NS UINT64_C(1000000000)

/* ---- making ready ---- */

char *wye_load_fill_in(const char *from, uint32_t topic) {
    static const char mark[] = "{topic}";
    char number[16];
    size_t digits = (size_t)snprintf(number, sizeof number, "%u", topic), room = strlen(from) + 1;
    for (const char *at = from; (at = strstr(at, mark)); at++) room += digits;
    char *text = malloc(room), *to = text;
    if (!text) return NULL;
    while (*from) {
        if (strncmp(from, mark, sizeof mark - 1) == 0) {
            memcpy(to, number, digits);
            to += digits;
            from += sizeof mark - 1;
        } else {
            *to++ = *from++;
        }
    }
    *to = 0;
    return text;
}

/* Requests are written once, a topic each; every connection puts its key in. */
static int make_requests(struct load_run *run) {
    const struct load_options *options = run->options;
    uint32_t topics = wye_load_has_topics(options) ? options->topics : 1;
    run->request_count = 2 * topics;
    run->requests = calloc(run->request_count, sizeof run->requests[0]);
    run->request_bytes = calloc(run->request_count, sizeof run->request_bytes[0]);
    run->key_at = calloc(run->request_count, sizeof run->key_at[0]);
    if (!run->requests || !run->request_bytes || !run->key_at) return -ENOMEM;
    for (uint32_t i = 0; i < run->request_count; i++) {
        const char *from =
            i >= topics && options->publish_path ? options->publish_path : options->target.path;
        char *path = wye_load_fill_in(from, i % topics), text[16384];
        if (!path) return -ENOMEM;
        struct wye_client_request request = {
            .target = wye_span_of(path),
            .host = wye_span_of(options->target.host),
            .subprotocols = wye_span_of(options->subprotocols),
            .extensions = wye_span_of(options->extensions),
            .fields = wye_span_of(options->fields),
        };
        memset(request.key, '#', sizeof request.key);
        size_t count = wye_client_request_write(text, sizeof text, &request);
        free(path);
        if (count == 0) return -E2BIG;
        const char *key = memmem(text, count, "Sec-WebSocket-Key: ", 19);
        run->key_at[i] = (size_t)(key + 19 - text);
        run->requests[i] = malloc(count);
        if (!run->requests[i]) return -ENOMEM;
        memcpy(run->requests[i], text, count);
        run->request_bytes[i] = count;
    }
    return 0;
}

static int make_sources(struct load_run *run) {
    const struct load_options *options = run->options;
    if (options->source_count == 0) return 0;
    run->sources = calloc(options->source_count, sizeof run->sources[0]);
    if (!run->sources) return -ENOMEM;
    for (uint32_t i = 0; i < options->source_count; i++)
        run->sources[i] =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(options->source_first + i)};
    return 0;
}

static int make_ready(struct load_run *run) {
    const struct load_options *options = run->options;
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.outbox_bytes =
        SIZE_MAX / 4; /* reading never waits for writing: the server might wait for the reverse */
    settings.max_connections = UINT32_MAX;
    settings.close_timeout_ns = SECOND_NS;
    int trouble = wye_node_init(&run->node, &settings, wye_clock_now_ns());
    if (trouble < 0) return trouble;
    run->node.hub_count = run->worker_count;
    run->limit = wye_load_limit(options);
    pthread_mutex_init(&run->ahead_lock, NULL);
    if (options->rate * GRID_NS >= GRID_MESSAGES_MIN * 1e9 && options->scenario <= LOAD_FANOUT)
        run->grid_ns = (uint64_t)GRID_NS * run->worker_count;
    for (run->sent_at_mask = 1; run->sent_at_mask < run->limit; run->sent_at_mask *= 2) {}
    run->sent_at_mask--;
    run->latency = calloc(1, sizeof *run->latency);
    run->lag = calloc(1, sizeof *run->lag);
    run->earlier = calloc(1, sizeof *run->earlier);
    run->samples = calloc(LOAD_SAMPLES_MAX, sizeof run->samples[0]);
    run->workers = aligned_alloc(64, (run->worker_count * sizeof run->workers[0] + 63) & ~(size_t)63);
    if (!run->latency || !run->lag || !run->earlier || !run->samples || !run->workers) return -ENOMEM;
    memset(run->workers, 0, run->worker_count * sizeof run->workers[0]);
    trouble = make_requests(run);
    if (trouble == 0) trouble = make_sources(run);
    if (trouble == 0 && options->scenario == LOAD_ECHO)
        trouble = wye_load_messages_make(&run->messages, options, 0, (uint64_t)wye_clock_now_ns());
    for (unsigned i = 0; i < run->worker_count && trouble == 0; i++) {
        run->node.hubs[i] = &run->workers[i].loop.hub;
        trouble = wye_load_worker_open(&run->workers[i], run, i);
    }
    if (trouble == 0 && wye_load_has_topics(options)) trouble = wye_load_fanout_open(run);
    return trouble;
}

static void raise_limits(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Starts the threads. 0, or -errno with all of them ended. */
static int start(struct load_run *run) {
    pthread_barrier_init(&run->ready, NULL, run->worker_count + 1);
    for (unsigned i = 0; i < run->worker_count; i++) {
        if (pthread_create(&run->workers[i].thread, NULL, wye_load_worker_main, &run->workers[i]) != 0) {
            fputs("wye-load: a thread could not be started\n", stderr);
            exit(WYE_EXIT_COULD_NOT); /* those that were wait for it in vain */
        }
    }
    pthread_barrier_wait(&run->ready);
    int trouble = 0;
    for (unsigned i = 0; i < run->worker_count; i++)
        if (run->workers[i].trouble) trouble = run->workers[i].trouble;
    run->began_ns = wye_clock_now_ns();
    if (trouble) atomic_store(&run->phase, LOAD_OVER);
    pthread_barrier_wait(&run->ready);
    return trouble;
}

static void end(struct load_run *run) {
    atomic_store(&run->phase, LOAD_OVER);
    for (unsigned i = 0; i < run->worker_count; i++)
        if (!run->workers[i].trouble) wye_loop_wake(&run->workers[i].loop);
    pthread_barrier_wait(&run->ready);
    for (unsigned i = 0; i < run->worker_count; i++) pthread_join(run->workers[i].thread, NULL);
    pthread_barrier_destroy(&run->ready);
}

/* ---- watching ---- */

void wye_load_sum(const struct load_run *run, struct load_counts *sum) {
    memset(sum, 0, sizeof *sum);
    for (unsigned i = 0; i < run->worker_count; i++) {
        const struct load_counts *counts = &run->workers[i].counts;
#define LOAD_COUNT_SUM(name, help) wye_count(&sum->name, wye_counted(&counts->name));
        LOAD_COUNTS(LOAD_COUNT_SUM)
#undef LOAD_COUNT_SUM
    }
}

static void sum_histograms(struct load_run *run) {
    memset(run->latency, 0, sizeof *run->latency);
    memset(run->lag, 0, sizeof *run->lag);
    for (unsigned i = 0; i < run->worker_count; i++) {
        wye_histogram_add(run->latency, run->workers[i].latency);
        wye_histogram_add(run->lag, run->workers[i].lag);
    }
}

/* Waits a moment, or for ctrl-C. */
static void pause_for(struct load_run *run, uint64_t ns) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    struct timespec time = {(time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS)};
    if (sigtimedwait(&signals, NULL, &time) > 0) {
        if (run->interrupted) exit(WYE_EXIT_COULD_NOT); /* twice: at once */
        run->interrupted = true;
    }
}

static void set_phase(struct load_run *run, enum load_phase phase) {
    atomic_store_explicit(&run->phase, phase, memory_order_release);
    for (unsigned i = 0; i < run->worker_count; i++) wye_loop_wake(&run->workers[i].loop);
}

/* What the watching loop of a phase looks at. */
struct watch {
    struct load_counts counts;
    uint64_t progress, progress_ns; /* a sum that grows while anything goes on, and when it last did */
};

/* true: nothing has moved for too long. */
static bool look(struct load_run *run, struct watch *watch, enum load_phase phase) {
    uint64_t now_ns = wye_clock_now_ns();
    wye_load_sum(run, &watch->counts);
    const struct load_counts *counts = &watch->counts;
    uint64_t progress =
        counts->messages + counts->opened + counts->handshakes_failed + counts->settled + counts->deliveries + counts->ended;
    if (progress != watch->progress || watch->progress_ns == 0) {
        watch->progress = progress;
        watch->progress_ns = now_ns;
    }
    wye_load_display(run, phase, now_ns);
    return (double)(now_ns - watch->progress_ns) / 1e9 > run->options->stall;
}

/* Until so many connections are open, or failed. false: it can't go on. */
static bool await_open(struct load_run *run, enum load_phase phase, uint64_t wanted) {
    struct watch watch = {0};
    set_phase(run, phase);
    for (;;) {
        bool stalled = look(run, &watch, phase);
        const struct load_counts *counts = &watch.counts;
        if (counts->opened + counts->handshakes_failed >= wanted) break;
        if (counts->opened == 0 && counts->handshakes_failed >= FAILURES_MAX) break;
        if (stalled) {
            run->stalled = true;
            return false;
        }
        if (run->interrupted) return false;
        pause_for(run, STEP_NS);
    }
    return wye_counted(&watch.counts.opened) > 0;
}

/* Where the last sample ended, and when the next one is due. */
struct sampling {
    uint64_t last_ns, last_messages, due_ns;
};

static void sample(struct load_run *run, const struct load_counts *counts, uint64_t now_ns, bool warming,
                   struct sampling *sampling) {
    static struct wye_histogram interval;
    struct load_sample *to = &run->samples[run->sample_count];
    memset(&interval, 0, sizeof interval);
    if (!warming) { /* latencies that came in while it noticed that the warm-up was over are the next sample's
                     */
        sum_histograms(run);
        memcpy(&interval, run->latency, sizeof interval);
        wye_histogram_subtract(&interval, run->earlier);
        memcpy(run->earlier, run->latency, sizeof interval);
    }
    interval.max_ns = WYE_HISTOGRAM_MAX_NS;
    *to = (struct load_sample){
        .at_s = (double)(now_ns - run->start_ns) / 1e9,
        .per_s =
            (double)(counts->messages - sampling->last_messages) * 1e9 / (double)(now_ns - sampling->last_ns),
        .p50_us = (double)wye_histogram_percentile(&interval, 50) / 1e3,
        .p99_us = (double)wye_histogram_percentile(&interval, 99) / 1e3,
        .max_us = (double)wye_histogram_percentile(&interval, 100) / 1e3,
        .answers = interval.count,
        .warming = warming,
    };
    sampling->last_ns = now_ns;
    sampling->last_messages = counts->messages;
    sampling->due_ns += SECOND_NS;
    wye_load_display_sample(run, to);
    if (run->sample_count + 1 < LOAD_SAMPLES_MAX) run->sample_count++;
}

/* Can it not go on? A fan-out waits for every subscriber; the others for somebody. */
static bool has_failed(const struct load_run *run, const struct load_counts *counts) {
    const struct load_options *options = run->options;
    if (options->scenario == LOAD_FANOUT) return counts->dropped + counts->broken_frames > 0;
    if (options->scenario == LOAD_UPGRADE)
        return counts->handshakes_failed >= FAILURES_MAX && counts->handshakes_failed > counts->opened;
    if (options->scenario == LOAD_PUBLISH) return counts->ended >= options->publishers;
    return counts->ended >= options->connections;
}

/* Traffic, from the first message to the end of the measured time. */
static void measure(struct load_run *run) {
    const struct load_options *options = run->options;
    struct watch watch = {0};
    uint64_t start_ns = wye_clock_now_ns() + START_IN_NS,
             from_ns = start_ns + (uint64_t)(options->warmup * 1e9);
    uint64_t until_ns = from_ns + (uint64_t)(options->seconds * 1e9);
    struct sampling sampling = {.last_ns = start_ns, .due_ns = start_ns + SECOND_NS};
    bool begun = false;
    atomic_store(&run->start_ns, start_ns);
    atomic_store(&run->from_ns, from_ns);
    atomic_store(&run->until_ns, until_ns);
    set_phase(run, LOAD_RUNNING);
    for (;;) {
        uint64_t now_ns = wye_clock_now_ns();
        bool stalled =
            look(run, &watch, LOAD_RUNNING) && options->scenario != LOAD_IDLE && options->rate <= 0;
        bool begins = !begun && now_ns >= from_ns;
        /* A second is all warm-up or all measured: what is left of the warm-up is a sample of its own. */
        if (now_ns >= sampling.due_ns || (begins && now_ns > sampling.last_ns + STEP_NS))
            sample(run, &watch.counts, now_ns, !begun, &sampling);
        if (begins) {
            begun = true;
            sampling = (struct sampling){now_ns, watch.counts.messages, from_ns + SECOND_NS};
            wye_load_usage_read(run, &run->from);
            wye_load_sum(run, &run->counted_from);
        }
        run->stalled = stalled;
        if (now_ns >= until_ns || run->interrupted || stalled || has_failed(run, &watch.counts)) break;
        uint64_t next_ns = now_ns < from_ns ? from_ns : until_ns;
        pause_for(run, next_ns - now_ns < STEP_NS ? next_ns - now_ns : STEP_NS);
    }
    uint64_t now_ns = wye_clock_now_ns();
    if (now_ns < until_ns) atomic_store(&run->until_ns, now_ns);
    wye_load_usage_read(run, &run->until);
    if (!begun) run->from = run->until;
    wye_load_sum(run, &run->counted_until);
    if (!begun) wye_load_sum(run, &run->counted_from);
}

/* What is under way is waited for: what is late is not lost. */
static void drain(struct load_run *run) {
    struct watch watch = {0};
    set_phase(run,
              run->options->rate > 0 ? LOAD_RUNNING : LOAD_DRAINING); /* what was planned is still sent */
    for (uint64_t sent = UINT64_MAX;;) {
        bool stalled = look(run, &watch, LOAD_DRAINING);
        /* Two looks: where the depth kept messages back that were planned, more have left in between. */
        bool quiet = watch.counts.settled >= watch.counts.sent && watch.counts.sent == sent;
        sent = watch.counts.sent;
        run->waited = stalled && run->options->scenario == LOAD_UPGRADE && !run->interrupted;
        bool delivered = run->options->scenario != LOAD_PUBLISH || run->options->connections == 0 ||
                         watch.counts.deliveries >= watch.counts.receivers;
        if ((quiet && delivered) || stalled || has_failed(run, &watch.counts)) break;
        pause_for(run, STEP_NS / 4);
    }
    if (run->options->rate > 0 && run->options->scenario == LOAD_FANOUT) pause_for(run, STEP_NS * 2);
    set_phase(run, LOAD_DRAINING);
    /* Nothing more should come. What does is a duplicate, or came unasked. */
    if (run->options->scenario <= LOAD_FANOUT) pause_for(run, STEP_NS * 5);
}

static void say_goodbye(struct load_run *run) {
    uint64_t longest_ns = run->options->scenario == LOAD_IDLE ? wye_load_goodbye_ns(run->options) + SECOND_NS / 2 : SECOND_NS;
    uint64_t until_ns = wye_clock_now_ns() + longest_ns;
    struct load_counts counts;
    wye_load_usage_read(run, &run->after);
    set_phase(run, LOAD_ENDING);
    do {
        pause_for(run, STEP_NS / 4);
        wye_load_sum(run, &counts);
    } while (counts.ended < counts.opened + counts.handshakes_failed && wye_clock_now_ns() < until_ns &&
             !run->interrupted);
}

/* Fan-out: what was published and didn't come to a subscriber, now that nothing more comes. */
static void find_lost(struct load_run *run) {
    const struct load_options *options = run->options;
    for (unsigned i = 0; i < run->worker_count; i++) {
        struct load_worker *worker = &run->workers[i];
        for (uint32_t at = 0; at < worker->publishers_at; at++) {
            const struct load_conn *lc = &worker->conns[at];
            for (uint32_t p = lc->topic; p < options->publishers; p += options->topics) {
                const struct load_worker *owner = &run->workers[p % run->worker_count];
                const struct load_conn *from = &owner->conns[owner->publishers_at + p / run->worker_count];
                const struct load_stream *stream = &lc->streams[p / options->topics];
                uint32_t missing = from->sent - stream->next - wye_load_stream_ahead(stream);
                if ((int32_t)missing > 0) wye_count(&worker->counts.lost, missing);
            }
        }
    }
}

static void gather_groups(struct load_run *run) {
    for (unsigned i = 0; i < run->worker_count; i++) {
        const struct load_worker *worker = &run->workers[i];
        for (unsigned at = 0; at < worker->group_count; at++) {
            unsigned to = 0;
            while (to < run->group_count && strcmp(run->groups[to].text, worker->groups[at].text) != 0) to++;
            if (to == LOAD_GROUPS_MAX) to--;
            if (to == run->group_count) {
                run->groups[run->group_count] = worker->groups[at];
                run->groups[run->group_count++].count = 0;
            }
            run->groups[to].count += worker->groups[at].count;
        }
    }
}

/* The phases, one after the other. */
static void lead(struct load_run *run) {
    const struct load_options *options = run->options;
    bool open = true;
    wye_load_usage_read(run, &run->before);
    if (options->scenario != LOAD_UPGRADE && options->connections > 0) open = await_open(run, LOAD_OPENING, options->connections);
    if (open && wye_load_has_topics(options))
        open = await_open(run, LOAD_JOINING, (uint64_t)options->connections + options->publishers);
    if (wye_load_has_topics(options) &&
        open) { /* all of them, or deliveries would be waited for in vain */
        struct load_counts counts;
        wye_load_sum(run, &counts);
        open = counts.handshakes_failed == 0;
    }
    run->opened_ns = wye_clock_now_ns();
    if (open && options->scenario != LOAD_UPGRADE) {
        struct watch watch = {0};
        set_phase(run, LOAD_SETTLING);
        for (uint64_t until = run->opened_ns + (uint64_t)(options->settle * 1e9);
             wye_clock_now_ns() < until && !run->interrupted;) {
            pause_for(run, STEP_NS);
            look(run, &watch, LOAD_SETTLING);
        }
    }
    wye_load_usage_read(run, &run->opened);
    if (open && !run->interrupted) {
        measure(run);
        if (options->scenario != LOAD_IDLE) drain(run);
    } else {
        run->could_not = !open && !run->interrupted;
        run->from = run->until = run->opened;
    }
    say_goodbye(run);
}

static void free_all(struct load_run *run) {
    for (unsigned i = 0; run->workers && i < run->worker_count; i++) wye_load_worker_shut(&run->workers[i]);
    for (uint32_t i = 0; run->publishers && i < run->options->publishers; i++) {
        if (!run->publishers[i].borrows) wye_load_messages_free(&run->publishers[i].messages);
        free(run->publishers[i].remaining);
        free(run->publishers[i].sent_at);
    }
    for (uint32_t i = 0; run->requests && i < run->request_count; i++) free(run->requests[i]);
    free(run->publishers);
    wye_load_messages_free(&run->messages);
    free(run->requests);
    free(run->request_bytes);
    free(run->key_at);
    free(run->sources);
    free(run->workers);
    free(run->latency);
    free(run->lag);
    free(run->earlier);
    free(run->samples);
    wye_node_fini(&run->node);
}

static int exit_status(const struct load_run *run) {
    if (run->could_not && run->total.opened == 0 &&
        run->total.handshakes_failed == run->total.refused_connects)
        return WYE_EXIT_COULD_NOT;
    return wye_load_is_right(run) ? WYE_EXIT_RIGHT : WYE_EXIT_WRONG;
}

int wye_load_run(const struct load_options *options, const struct wye_abilities *abilities) {
    static struct load_run run;
    run.options = options;
    run.abilities = *abilities;
    run.abilities.write_fixed = false; /* 101s are for servers */
    run.worker_count = options->threads;
    raise_limits();
    int trouble = make_ready(&run);
    if (trouble == 0) trouble = start(&run);
    int status = WYE_EXIT_COULD_NOT;
    if (trouble < 0) {
        fprintf(stderr, "wye-load: %s\n",
                trouble == -EMFILE ? "more connections than descriptors (ulimit -n); each thread has a table "
                                     "of its own: --threads N"
                                   : strerror(-trouble));
        if (run.workers && run.workers[0].thread) end(&run);
    } else {
        lead(&run);
        end(&run);
        wye_load_display_end();
        if (wye_load_has_topics(options)) find_lost(&run);
        wye_load_sum(&run, &run.total);
        sum_histograms(&run);
        gather_groups(&run);
        for (unsigned i = 0; i < run.worker_count; i++) wye_load_tls_gather(run.tls, run.workers[i].tls);
        wye_load_report(&run);
        status = exit_status(&run);
        if (options->json && wye_load_json_write(&run) < 0) status = WYE_EXIT_COULD_NOT;
        FILE *hgrm = options->hgrm ? fopen(options->hgrm, "w") : NULL;
        if (hgrm) wye_histogram_write(run.latency, hgrm);
        if (options->hgrm && (!hgrm || fclose(hgrm) != 0)) {
            fprintf(stderr, "wye-load: %s: %s\n", options->hgrm, strerror(errno));
            status = WYE_EXIT_COULD_NOT;
        }
    }
    free_all(&run);
    return status;
}
