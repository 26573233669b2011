/* A worker: one thread, one loop, its share of the connections. */
#include "bench/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    LOOK_NS = 10 * 1000000, /* how soon what could not begin is tried again */
    SPARE_CONNS = 64,       /* connections that are closing while others open */
};

uint64_t wye_load_random(struct load_worker *worker) {
    uint64_t dice = worker->dice;
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return worker->dice = dice;
}

uint64_t wye_load_planned(const struct load_run *run, uint64_t k, uint32_t number, uint32_t all) {
    uint64_t start = atomic_load_explicit(&run->start_ns, memory_order_relaxed);
    uint64_t at = (uint64_t)((double)(k * all + number) * 1e9 / run->options->rate);
    if (run->grid_ns == 0) return start + at;
    return start + at / run->grid_ns * run->grid_ns +
           number % run->worker_count * (run->grid_ns / run->worker_count);
}

/* ---- opening ---- */

static uint32_t share_of(uint32_t all, unsigned number, unsigned of) {
    return all / of + (number < all % of);
}

static int make_conns(struct load_worker *worker) {
    struct load_run *run = worker->run;
    const struct load_options *options = run->options;
    bool fanout = wye_load_has_topics(options), echo = options->scenario == LOAD_ECHO,
         asks = echo || options->scenario == LOAD_PUBLISH;
    uint32_t publishers = fanout ? share_of(options->publishers, worker->number, run->worker_count) : 0;
    worker->publishers_at = share_of(options->connections, worker->number, run->worker_count);
    worker->conn_count = worker->publishers_at + publishers;
    worker->conns = calloc(worker->conn_count + 1, sizeof worker->conns[0]);
    worker->idle = calloc(worker->conn_count + 1, sizeof worker->idle[0]);
    if (!worker->conns || !worker->idle) return -ENOMEM;
    size_t ring = run->sent_at_mask + (size_t)1;
    uint64_t *sent_at =
        asks && options->rate <= 0 ? calloc(worker->conn_count * ring + 1, sizeof *sent_at) : NULL;
    if (asks && options->rate <= 0 && !sent_at) return -ENOMEM;
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct load_conn *lc = &worker->conns[i];
        bool publisher = i >= worker->publishers_at;
        lc->worker = worker;
        lc->role = publisher ? LOAD_PUBLISHER : fanout ? LOAD_SUBSCRIBER : LOAD_CALLER;
        lc->number = (publisher ? i - worker->publishers_at : i) * run->worker_count + worker->number;
        lc->topic = fanout ? lc->number % options->topics : 0;
        lc->skip = publisher ? 0 : options->skip;
        lc->streams = &lc->stream;
        if (echo) lc->messages = &run->messages;
        /* Neighbours begin at different messages, so that one's answer to another shows. */
        lc->first = echo ? lc->number * 7 : 0;
        lc->sent = lc->stream.next = lc->first;
        lc->sent_at = sent_at ? sent_at + i * ring : NULL;
        worker->idle[worker->conn_count - 1 - i] = i;
        if (lc->role != LOAD_SUBSCRIBER) continue;
        uint32_t heard = (options->publishers + options->topics - 1 - lc->topic) / options->topics;
        if (heard > 1) lc->streams = calloc(heard, sizeof lc->streams[0]);
        if (!lc->streams) return -ENOMEM;
    }
    worker->idle_count = worker->conn_count;
    return 0;
}

int wye_load_worker_open(struct load_worker *worker, struct load_run *run, unsigned number) {
    worker->run = run;
    worker->number = number;
    while (worker->dice == 0) {
        if (getrandom(&worker->dice, sizeof worker->dice, 0) != sizeof worker->dice) return -EIO;
    }
    worker->latency = calloc(1, sizeof *worker->latency);
    worker->lag = calloc(1, sizeof *worker->lag);
    if (!worker->latency || !worker->lag) return -ENOMEM;
    return make_conns(worker);
}

/* Fan-out: whose tables are whose is known only when all workers are there. */
static void find_messages(struct load_worker *worker) {
    struct load_run *run = worker->run;
    for (uint32_t i = 0; run->publishers && i < worker->conn_count; i++) {
        struct load_conn *lc = &worker->conns[i];
        uint32_t publisher = lc->role == LOAD_PUBLISHER ? lc->number : lc->topic;
        if (publisher < run->options->publishers) lc->messages = &run->publishers[publisher].messages;
    }
}

void wye_load_worker_shut(struct load_worker *worker) {
    for (uint32_t i = 0; worker->conns && i < worker->conn_count; i++) {
        if (worker->conns[i].streams != &worker->conns[i].stream) free(worker->conns[i].streams);
    }
    if (worker->conns) free(worker->conns[0].sent_at);
    free(worker->conns);
    free(worker->idle);
    free(worker->done);
    free(worker->topic_subscribers);
    wye_load_deflate_worker_shut(worker);
    free(worker->latency);
    free(worker->lag);
}

/* ---- dialling ---- */

static void dial_failed(struct load_worker *worker, struct load_conn *lc, int error) {
    lc->state = LOAD_ENDED;
    worker->shaking--;
    wye_count(&worker->counts.handshakes_failed, 1);
    wye_count(&worker->counts.refused_connects, 1);
    wye_load_group(worker, "connect: %s", strerror(-error));
    wye_load_worker_ended(worker, lc);
}

static void dialled(void *owner, uint32_t ticket, struct wye_conn *conn, int error) {
    struct load_worker *worker = owner;
    struct load_conn *lc = &worker->conns[ticket];
    if (conn) {
        wye_load_client_start(lc, conn);
    } else if (error == -ECANCELED) {
        if (worker->run->could_not || worker->run->waited) wye_load_group(worker, "connect: no answer");
        if (worker->run->waited) wye_count(&worker->counts.handshakes_failed, 1);
        lc->state = LOAD_ENDED;
        worker->shaking--;
        wye_load_worker_ended(worker, lc);
    } else {
        dial_failed(worker, lc, error);
    }
}

/* false: not now. */
static bool dial(struct load_worker *worker, struct load_conn *lc, uint64_t began_ns) {
    struct load_run *run = worker->run;
    const struct load_target *target = &run->options->target;
    uint32_t place = (uint32_t)(lc - worker->conns);
    struct wye_dial dial = {
        .to = &target->at.any,
        .to_bytes = target->at_bytes,
        .protocol = &wye_load_protocol,
        .tls = run->options->tls,
        .resets = run->options->scenario == LOAD_UPGRADE && !run->options->clean,
        .ticket = place,
    };
    if (run->sources) {
        dial.from = (const struct sockaddr *)(const void *)&run
                        ->sources[(lc->number + lc->role) % run->options->source_count];
        dial.from_bytes = sizeof run->sources[0];
    }
    int trouble = wye_connector_dial(&worker->loop.connector, &dial);
    if (trouble == -EAGAIN) return false;
    worker->shaking++;
    lc->state = LOAD_DIALLING;
    lc->began_ns = began_ns;
    if (trouble < 0) dial_failed(worker, lc, trouble);
    return true;
}

void wye_load_worker_ended(struct load_worker *worker, struct load_conn *lc) {
    struct load_counts *counts = &worker->counts;
    lc->conn = NULL;
    lc->state = LOAD_ENDED;
    wye_load_codec_shut(lc->codec);
    lc->codec = NULL;
    wye_count(&counts->ended, 1);
    if (worker->run->options->scenario == LOAD_UPGRADE) {
        wye_count(&counts->settled, 1);
        lc->in_frame = lc->in_message = false;
        wye_message_end(&lc->message);
        worker->idle[worker->idle_count++] = (uint32_t)(lc - worker->conns);
        worker->loop.due_ns = 1; /* connections end behind on_turn(): the next turn, which dials again, must not wait for others */
    } else if (wye_load_is_asker(worker->run->options, lc->role)) {
        uint32_t missing = lc->sent - lc->first - lc->settled;
        lc->settled += missing;
        wye_count(&counts->lost, missing);
        wye_count(&counts->settled, missing);
    }
}

/* Opens connections, so many at once, and no faster than asked for. */
static void open_more(struct load_worker *worker, uint64_t now_ns, bool publishers) {
    struct load_run *run = worker->run;
    const struct load_options *options = run->options;
    uint32_t until = publishers ? worker->conn_count : worker->publishers_at;
    unsigned at_once = (options->inflight + run->worker_count - 1) / run->worker_count;
    if (options->scenario == LOAD_IDLE && options->rate > 0) {
        double share = options->rate / run->worker_count,
               ramp = (double)(now_ns - run->began_ns) / 1e9 * share + 1;
        if (ramp < until) until = (uint32_t)ramp;
    }
    while (worker->next_dial < until && worker->shaking < at_once &&
           dial(worker, &worker->conns[worker->next_dial], now_ns))
        worker->next_dial++;
}

/* The storm: every free slot dials; in the open loop when its time has come. */
static uint64_t storm(struct load_worker *worker, uint64_t now_ns) {
    struct load_run *run = worker->run;
    uint64_t until = atomic_load_explicit(&run->until_ns, memory_order_relaxed), due = 0;
    while (worker->idle_count > 0) {
        uint64_t began = now_ns;
        if (run->options->rate > 0) {
            began = wye_load_planned(run, worker->cursor, worker->number, run->worker_count);
            if (began > now_ns) due = began;
        }
        if (began >= until || began > now_ns) break;
        struct load_conn *lc = &worker->conns[worker->idle[worker->idle_count - 1]];
        worker->idle_count--; /* first: it may come back at once */
        uint32_t left = worker->idle_count;
        if (!dial(worker, lc, began)) {
            worker->idle_count++;
            break;
        }
        worker->cursor++;
        wye_count(&worker->counts.sent, 1);
        if (run->options->rate > 0 && began >= atomic_load_explicit(&run->from_ns, memory_order_relaxed))
            wye_histogram_record(worker->lag, now_ns - began);
        if (worker->idle_count > left) break; /* it failed at once: no hurry */
    }
    return due;
}

/* ---- traffic ---- */

/* Open loop: sends what is due. Returns when the next message is; 0: none is any more. */
static uint64_t pace(struct load_worker *worker, uint64_t now_ns) {
    struct load_run *run = worker->run;
    bool fanout = wye_load_has_topics(run->options);
    uint32_t from = fanout ? worker->publishers_at : 0,
             count = fanout ? worker->conn_count - from : worker->publishers_at;
    uint32_t all = fanout ? run->options->publishers : run->options->connections;
    uint64_t until = atomic_load_explicit(&run->until_ns, memory_order_relaxed);
    if (count == 0) return 0;
    for (;;) {
        struct load_conn *lc = &worker->conns[from + worker->cursor % count];
        uint64_t planned = wye_load_planned(run, worker->cursor / count, lc->number, all);
        if (planned >= until) return 0;
        if (planned > now_ns) return planned;
        worker->cursor++;
        lc->due++;
        wye_load_client_pump(lc, now_ns);
    }
}

static void start_all(struct load_worker *worker, uint64_t now_ns) {
    worker->started = true;
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct load_conn *lc = &worker->conns[i];
        if (lc->role == LOAD_SUBSCRIBER || !lc->messages) continue;
        wye_load_client_pump(lc, now_ns);
    }
}

static void end_all(struct load_worker *worker) {
    worker->ending = true;
    wye_connector_cancel(&worker->loop.connector);
    for (uint32_t i = 0; i < worker->conn_count; i++) {
        struct load_conn *lc = &worker->conns[i];
        if (lc->state == LOAD_OPEN && wye_load_is_poster(worker->run->options, lc->role)) {
            lc->state = LOAD_CLOSING;
            wye_conn_close(lc->conn, 0);
        } else if (lc->state == LOAD_OPEN) wye_load_client_close(lc);
        else if (lc->state == LOAD_SHAKING) wye_conn_close(lc->conn, 0);
    }
}

static void on_turn(void *owner, uint64_t now_ns) {
    struct load_worker *worker = owner;
    struct load_run *run = worker->run;
    enum load_phase phase = (enum load_phase)atomic_load_explicit(&run->phase, memory_order_acquire);
    uint64_t due = 0; /* without one it sleeps until something comes; a new phase wakes it */
    switch (phase) {
    case LOAD_OPENING:
        open_more(worker, now_ns, false);
        if (worker->next_dial < worker->publishers_at && worker->shaking == 0) due = now_ns + LOOK_NS;
        break;
    case LOAD_JOINING: open_more(worker, now_ns, true); break;
    case LOAD_RUNNING:
        if (run->options->scenario == LOAD_UPGRADE) due = storm(worker, now_ns);
        if (run->options->scenario == LOAD_UPGRADE && !due && worker->idle_count > 0) due = now_ns + LOOK_NS;
        if (!worker->started) start_all(worker, now_ns);
        if (run->options->rate > 0 && run->options->scenario <= LOAD_FANOUT) due = pace(worker, now_ns);
        break;
    case LOAD_ENDING:
        if (!worker->ending) end_all(worker);
        break;
    default: break;
    }
    if (run->options->scenario == LOAD_FANOUT) wye_load_fanout_turn(worker, now_ns);
    worker->loop.due_ns = due;
}

void wye_loop_wake_hub(struct wye_node *node, unsigned number) {
    (void)node;
    (void)number; /* hubs of a generator have no mail */
}

void *wye_load_worker_main(void *argument) {
    struct load_worker *worker = argument;
    struct load_run *run = worker->run;
    const struct wye_loop_config config = {
        .abilities = run->abilities,
        .connections = worker->conn_count * (run->options->scenario == LOAD_UPGRADE ? 2 : 1) + SPARE_CONNS +
                       WYE_DIALS_MAX,
        .on_turn = on_turn,
        .owner = worker,
    };
    atomic_store(&worker->tid, gettid());
    prctl(PR_SET_TIMERSLACK, 1UL); /* planned times are kept to the microsecond */
    worker->trouble = wye_loop_open(&worker->loop, &run->node, worker->number, &config);
    if (worker->trouble == 0) {
        find_messages(worker);
        wye_connector_tell(&worker->loop.connector, dialled, worker);
        worker->loop.due_ns = 1; /* the first turn does not wait */
    }
    pthread_barrier_wait(&run->ready); /* all loops are open, or one is not */
    pthread_barrier_wait(&run->ready);
    while (worker->trouble == 0 && atomic_load_explicit(&run->phase, memory_order_acquire) != LOAD_OVER)
        wye_loop_turn(&worker->loop);
    pthread_barrier_wait(&run->ready); /* nobody wakes anybody any more */
    if (worker->trouble == 0) {
        wye_loop_end(&worker->loop);
        wye_loop_shut(&worker->loop);
    }
    return NULL;
}
