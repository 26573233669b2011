#include "ring/threads.h"

#include "ring/log.h"
#include "ring/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    DESCRIPTORS_RESERVED = 64, /* of the process: listeners, rings, standard streams, what libraries open */
    BIND_TRIES = 10,
    BIND_PAUSE_US = 25000,
    TABLE_MAX = 1 << 20,       /* entries of a table of direct descriptors; tags have room for 2^24 */
};

struct thread {
    pthread_t id;
    struct wye_threads *threads;
    unsigned number;
    int cpu; /* -1: not pinned */
    int result;
    struct wye_loop_config config;
    struct wye_loop loop;
};

struct wye_threads {
    struct wye_node node;
    unsigned count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned opened, turned, ended; /* threads that have opened their loop (or failed), turned their last, ended all connections */
    bool failed; /* none may go on */
    struct thread at[];
};

/* ---- limits ---- */

static uint32_t descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
    }
    return limit.rlim_cur > TABLE_MAX ? TABLE_MAX : (uint32_t)limit.rlim_cur;
}

/* Slots that are kept for answering 503: one a listener at least, or some would have no accept armed before the node is full. */
static uint32_t reserve_of(uint32_t descriptors) {
    uint32_t reserve = descriptors / 32;
    if (reserve < WYE_LISTENERS_MAX) reserve = WYE_LISTENERS_MAX;
    if (reserve > descriptors / 2) reserve = descriptors / 2;
    return reserve > 1024 ? 1024 : reserve;
}

uint32_t wye_threads_connection_limit(bool direct, unsigned loops) {
    uint32_t descriptors = descriptor_limit();
    uint32_t each = descriptors - reserve_of(descriptors);
    if (direct) return each > UINT32_MAX / loops ? UINT32_MAX : each * loops;
    return each > DESCRIPTORS_RESERVED ? each - DESCRIPTORS_RESERVED : 1;
}

/* ---- a thread's life ---- */

/* Waits, with the lock held, until all have done what `counter` counts. */
static void meet(struct wye_threads *threads, unsigned *counter) {
    ++*counter;
    pthread_cond_broadcast(&threads->changed);
    while (*counter < threads->count) pthread_cond_wait(&threads->changed, &threads->lock);
}

static void pin(const struct thread *thread) {
    if (thread->cpu < 0) return;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)thread->cpu, &cpus);
    if (pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus) != 0)
        wye_log(WYE_LOG_WARN, "loop %u could not be pinned to CPU %d", thread->number, thread->cpu);
}

static void *thread_main(void *argument) {
    struct thread *thread = argument;
    struct wye_threads *threads = thread->threads;
    char name[16];
    snprintf(name, sizeof name, "wye/%u", thread->number);
    pthread_setname_np(pthread_self(), name);
    pin(thread);
    thread->result = wye_loop_open(&thread->loop, &threads->node, thread->number, &thread->config);
    pthread_mutex_lock(&threads->lock);
    if (thread->result < 0) threads->failed = true;
    meet(threads, &threads->opened);
    bool failed = threads->failed;
    pthread_mutex_unlock(&threads->lock);
    if (thread->result < 0) return NULL;
    if (!failed) {
        while (wye_loop_turn(&thread->loop)) {}
        for (unsigned i = 0; i < threads->count; i++) wye_loop_wake(&threads->at[i].loop); /* those that waited for it */
        /* Nobody shuts its ring while somebody else may still wake it. */
        pthread_mutex_lock(&threads->lock);
        meet(threads, &threads->turned);
        pthread_mutex_unlock(&threads->lock);
    }
    wye_loop_end(&thread->loop);
    if (!failed) {
        /* Nobody drops mail while another loop has connections that wait for what is in it. */
        pthread_mutex_lock(&threads->lock);
        meet(threads, &threads->ended);
        pthread_mutex_unlock(&threads->lock);
    }
    wye_loop_shut(&thread->loop);
    return NULL;
}

void wye_loop_wake_hub(struct wye_node *node, unsigned number) {
    struct wye_threads *threads = (struct wye_threads *)(void *)node; /* its first member */
    wye_loop_wake(&threads->at[number].loop);
}

/* ---- starting and ending ---- */

/* Opens each listener's socket of one loop; a Unix listener cannot be SO_REUSEPORT and is the first loop's. */
static int open_listeners(struct thread *thread, const struct wye_threads_config *config, const char **trouble) {
    for (unsigned i = 0; i < config->listener_count; i++) {
        struct wye_address *address = &config->listeners[i];
        if (wye_address_is_unix(address) && thread->number > 0) continue;
        int descriptor = wye_listener_open(address, thread->number == 0);
        /* A process that was killed holds its port for some milliseconds more, while the kernel takes its ring apart. */
        for (unsigned tries = 0; descriptor == -EADDRINUSE && tries < BIND_TRIES; tries++) {
            usleep(BIND_PAUSE_US);
            descriptor = wye_listener_open(address, thread->number == 0);
        }
        if (descriptor < 0) {
            *trouble = address->text;
            return descriptor;
        }
        thread->config.listener_tls[thread->config.listener_count] = address->tls;
        thread->config.listeners[thread->config.listener_count++] = descriptor;
    }
    return 0;
}

static int next_cpu(const cpu_set_t *cpus, int after) {
    for (int cpu = after + 1; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, cpus)) return cpu;
    }
    return -1;
}

static int prepare(struct wye_threads *threads, const struct wye_threads_config *config, const char **trouble) {
    cpu_set_t cpus;
    bool pinned = config->pinned && sched_getaffinity(0, sizeof cpus, &cpus) == 0;
    uint32_t descriptors = descriptor_limit();
    int cpu = -1;
    for (unsigned i = 0; i < config->count; i++) {
        struct thread *thread = &threads->at[i];
        thread->threads = threads;
        thread->number = i;
        thread->cpu = pinned ? (cpu = next_cpu(&cpus, cpu)) : -1;
        thread->config = (struct wye_loop_config){
            .abilities = config->abilities, .connections = descriptors, .reserve = reserve_of(descriptors)};
        threads->node.hubs[i] = &thread->loop.hub;
        int result = open_listeners(thread, config, trouble);
        if (result < 0) return result;
    }
    return 0;
}

static void close_listeners(struct thread *thread) {
    for (unsigned i = 0; i < thread->config.listener_count; i++) close(thread->config.listeners[i]);
}

/* Starts the threads that can be started. Returns how many. */
static unsigned create(struct wye_threads *threads) {
    for (unsigned i = 0; i < threads->count; i++) {
        struct thread *thread = &threads->at[i];
        if (pthread_create(&thread->id, NULL, thread_main, thread) != 0) return i;
    }
    return threads->count;
}

int wye_threads_start(struct wye_threads **started, const struct wye_threads_config *config, const char **trouble) {
    struct wye_threads *threads = aligned_alloc(64, (sizeof *threads + config->count * sizeof threads->at[0] + 63) & ~(size_t)63);
    *trouble = "memory";
    if (threads) memset(threads, 0, sizeof *threads + config->count * sizeof threads->at[0]);
    int result = threads ? wye_node_init(&threads->node, &config->settings, wye_clock_now_ns()) : -ENOMEM;
    if (result < 0) {
        if (config->settings.end) config->settings.end(config->settings.owner);
        wye_tls_context_release(config->tls);
        wye_token_keys_release(config->keys);
        free(threads);
        return result;
    }
    wye_node_use_tls(&threads->node, config->tls);
    wye_node_use_keys(&threads->node, config->keys);
    threads->node.hub_count = threads->count = config->count;
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->changed, NULL);
    result = prepare(threads, config, trouble);
    unsigned created = 0;
    if (result == 0) {
        *trouble = "a loop";
        created = create(threads);
        pthread_mutex_lock(&threads->lock);
        if (created < config->count) {
            threads->failed = true;
            threads->count = created;
            result = -EAGAIN;
            pthread_cond_broadcast(&threads->changed);
        }
        while (threads->opened < created) pthread_cond_wait(&threads->changed, &threads->lock);
        for (unsigned i = 0; i < created; i++)
            if (threads->at[i].result < 0) result = threads->at[i].result;
        pthread_mutex_unlock(&threads->lock);
    }
    *started = threads;
    if (result == 0) return 0;
    for (unsigned i = created; i < config->count; i++) close_listeners(&threads->at[i]);
    threads->count = created;
    wye_threads_join(threads);
    return result;
}

void wye_threads_use_tls(struct wye_threads *threads, struct wye_tls_context *context) {
    wye_node_use_tls(&threads->node, context);
}

void wye_threads_use_keys(struct wye_threads *threads, struct wye_token_keys *keys) {
    wye_node_use_keys(&threads->node, keys);
}

/* Wakes every loop. Under the lock no thread passes the meeting after which rings are shut. */
static void wake_all(struct wye_threads *threads) {
    for (unsigned i = 0; i < threads->count; i++) wye_loop_wake(&threads->at[i].loop);
}

int wye_threads_use_settings(struct wye_threads *threads, const struct wye_settings *settings) {
    int trouble = wye_node_use_settings(&threads->node, settings);
    if (trouble < 0) return trouble;
    pthread_mutex_lock(&threads->lock);
    wake_all(threads);
    pthread_mutex_unlock(&threads->lock);
    return 0;
}

void wye_threads_drain(struct wye_threads *threads) {
    pthread_mutex_lock(&threads->lock);
    atomic_store(&threads->node.draining, true);
    wake_all(threads);
    pthread_mutex_unlock(&threads->lock);
}

void wye_threads_join(struct wye_threads *threads) {
    for (unsigned i = 0; i < threads->count; i++) pthread_join(threads->at[i].id, NULL);
    for (unsigned i = 0; i < threads->count; i++) wye_hub_drop_mail(&threads->at[i].loop.hub); /* that others sent while they ended */
    wye_node_fini(&threads->node);
    pthread_cond_destroy(&threads->changed);
    pthread_mutex_destroy(&threads->lock);
    free(threads);
}
