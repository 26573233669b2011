/*
 * Fan-out: when has a publication reached every subscriber? Each worker counts for itself; the last
 * subscriber of a worker tells the publication, and the last worker the publisher.
 */
#include "bench/load.h"

#include <errno.h>
#include <stdlib.h>

int wye_load_fanout_open(struct load_run *run) {
    const struct load_options *options = run->options;
    run->publishers = calloc(options->publishers, sizeof run->publishers[0]);
    if (!run->publishers) return -ENOMEM;
    for (uint32_t i = 0; i < options->publishers; i++) {
        struct load_publisher *publisher = &run->publishers[i];
        publisher->topic = i % options->topics;
        /* When nobody listens, nobody must tell publishers apart: fewer tables compete for the cache. */
        publisher->borrows = options->scenario == LOAD_PUBLISH && options->connections == 0 && i >= options->topics;
        if (publisher->borrows) publisher->messages = run->publishers[publisher->topic].messages;
        int trouble = publisher->borrows ? 0 : wye_load_messages_make(&publisher->messages, options, i, run->workers[0].dice + i);
        if (trouble < 0) return trouble;
        if (options->scenario == LOAD_PUBLISH) continue;
        publisher->worker = i % run->worker_count;
        publisher->remaining = calloc(publisher->messages.variants, sizeof publisher->remaining[0]);
        publisher->sent_at = calloc(publisher->messages.variants, sizeof publisher->sent_at[0]);
        if (!publisher->remaining || !publisher->sent_at) return -ENOMEM;
    }
    for (unsigned i = 0; i < run->worker_count && options->scenario == LOAD_FANOUT; i++) {
        struct load_worker *worker = &run->workers[i];
        size_t variants = run->publishers[0].messages.variants;
        worker->done = calloc(options->publishers * variants, sizeof worker->done[0]);
        worker->topic_subscribers = calloc(options->topics, sizeof worker->topic_subscribers[0]);
        if (!worker->done || !worker->topic_subscribers) return -ENOMEM;
        for (uint32_t at = 0; at < worker->publishers_at; at++)
            worker->topic_subscribers[worker->conns[at].topic]++;
        for (uint32_t at = 0; at < options->publishers; at++)
            run->publishers[at].heard_by += worker->topic_subscribers[run->publishers[at].topic] > 0;
    }
    return 0;
}

void wye_load_fanout_published(struct load_publisher *publisher, uint32_t sequence, uint64_t now_ns) {
    uint32_t slot = sequence & (publisher->messages.variants - 1);
    atomic_store_explicit(&publisher->sent_at[slot], now_ns, memory_order_relaxed);
    atomic_store_explicit(&publisher->remaining[slot], publisher->heard_by, memory_order_release);
}

void wye_load_fanout_delivered(struct load_worker *worker, uint32_t number, uint32_t sequence) {
    struct load_publisher *publisher = &worker->run->publishers[number];
    if (worker->run->options->scenario == LOAD_PUBLISH) return; /* it is the answers that let publishers go on */
    uint32_t slot = sequence & (publisher->messages.variants - 1);
    uint32_t *done = &worker->done[number * publisher->messages.variants + slot];
    if (++*done < worker->topic_subscribers[publisher->topic]) return;
    *done = 0;
    if (atomic_fetch_sub_explicit(&publisher->remaining[slot], 1, memory_order_acq_rel) != 1) return;
    atomic_fetch_add_explicit(&publisher->credits, 1, memory_order_release);
    worker->wake_workers |= UINT64_C(1) << publisher->worker;
}

void wye_load_fanout_turn(struct load_worker *worker, uint64_t now_ns) {
    struct load_run *run = worker->run;
    for (uint32_t i = worker->publishers_at; i < worker->conn_count; i++) {
        struct load_conn *lc = &worker->conns[i];
        struct load_publisher *publisher = &run->publishers[lc->number];
        if (atomic_load_explicit(&publisher->credits, memory_order_relaxed) == 0) continue;
        uint32_t credits = atomic_exchange_explicit(&publisher->credits, 0, memory_order_acquire);
        lc->settled += credits;
        wye_count(&worker->counts.settled, credits);
        wye_load_client_pump(lc, now_ns);
    }
    uint64_t wake = worker->wake_workers & ~(UINT64_C(1) << worker->number);
    worker->wake_workers = 0;
    for (; wake; wake &= wake - 1) wye_loop_wake(&run->workers[__builtin_ctzll(wake)].loop);
}
