/* wye: the node. */
#include "core/chunk.h"
#include "frames/mask.h"
#include "handshake/scan.h"
#include "ring/kernel.h"
#include "ring/log.h"
#include "ring/reload.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { HEAP_SPARE_BYTES = 8 << 20 }; /* that a loop's heap keeps at its end */

static int probe(struct wye_abilities *abilities) {
    const char *unknown = NULL;
    int trouble = wye_kernel_probe(abilities, getenv("WYE_WITHOUT"), &unknown);
    if (unknown) {
        fprintf(stderr, "wye: WYE_WITHOUT: %s: expected some of direct, inc, optlen, write_fixed\n", unknown);
        return WYE_EXIT_USAGE;
    }
    if (trouble == 0) return -1;
    char text[1024];
    wye_kernel_explain(text, sizeof text, trouble);
    fprintf(stderr, "wye: %s", text);
    return WYE_EXIT_NO_RING;
}

/* One line that says what is used. */
static void say_what_is_used(const struct wye_abilities *abilities, unsigned threads, bool pinned, uint32_t connections) {
    struct utsname system;
    const char *release = uname(&system) == 0 ? system.release : "?";
    wye_log(WYE_LOG_INFO, "Linux %s, io_uring: %s descriptors, %s buffers%s, 101s %s; %u loop%s%s; scan %s, mask %s; at most %u connections",
            release, abilities->direct ? "direct" : "ordinary", abilities->inc ? "incremental" : "plain",
            abilities->optlen ? ", bounded receives" : "", abilities->write_fixed ? "from registered memory" : "copied", threads,
            threads == 1 ? "" : "s", pinned ? ", pinned" : "", wye_scan_variant_name(), wye_mask_variant_name(), connections);
}

static void say_where(const struct wye_options *options) {
    for (unsigned i = 0; i < options->listener_count; i++) {
        char url[256];
        wye_address_url(url, sizeof url, &options->listeners[i]);
        printf("listening on %s\n", url);
    }
    fflush(stdout);
}

static void remove_unix_paths(const struct wye_options *options) {
    for (unsigned i = 0; i < options->listener_count; i++) wye_address_remove(&options->listeners[i]);
}

static unsigned cpu_count(void) {
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

/* Signals reach the main thread alone, which waits for them. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Waits until it shall end; returns the signal. SIGHUPs before may bring other options. */
static int await_end(const sigset_t *signals, struct wye_threads *threads, struct wye_options **options, uint32_t limit) {
    for (;;) {
        int number = 0;
        sigwait(signals, &number);
        if (number != SIGHUP) return number;
        *options = wye_reload(threads, *options, limit);
    }
}

/* Opens what files hold; a certificate is made on the spot only if `makes`. false: what is wrong has been told. */
static bool open_files(const struct wye_options *options, bool makes, struct wye_threads_config *config) {
    char why[512];
    const bool certified = options->tls && (makes || !options->certificates.throw_away), keyed = options->token_files.count > 0;
    bool fine = !certified || (config->tls = wye_certificates_open(&options->certificates, why, sizeof why));
    fine = fine && (!keyed || (config->keys = wye_token_files_open(&options->token_files, true, why, sizeof why)));
    if (fine) return true;
    fprintf(stderr, "wye: %s\n", why);
    wye_tls_context_release(config->tls);
    return false;
}

/* --check-config: the options are fine, or we would not be here. */
static int check_the_rest(const struct wye_options *options) {
    struct wye_threads_config opened = {0};
    if (!open_files(options, false, &opened)) return WYE_EXIT_COULD_NOT_TRY;
    wye_tls_context_release(opened.tls);
    wye_token_keys_release(opened.keys);
    puts("the options are fine");
    return WYE_EXIT_YES;
}

/* How many loops, and where. */
static struct wye_threads_config plan(struct wye_options *options, const struct wye_abilities *abilities) {
    unsigned cpus = cpu_count();
    struct wye_threads_config config = {
        .abilities = *abilities,
        .count = options->threads ? options->threads : cpus > WYE_LOOPS_MAX ? WYE_LOOPS_MAX : cpus,
        .listeners = options->listeners,
        .listener_count = options->listener_count,
    };
    config.pinned = config.count <= cpus;
    if (!config.pinned)
        wye_log(WYE_LOG_WARN, "%u loops on %u CPUs: not pinned, and slower than one a CPU", config.count, cpus);
    return config;
}

/* Why it could not start; where an address is the trouble, how to mend it. */
static void tell_why(const struct wye_options *options, const char *trouble, int result) {
    char mend[512] = "";
    for (unsigned i = 0; i < options->listener_count; i++) {
        const struct wye_address *address = &options->listeners[i];
        if (trouble == address->text)
            wye_listener_mend(mend, sizeof mend, address, address->tls ? "--tls-listen" : "--listen", result);
    }
    if (result == -ENOMEM && strcmp(trouble, "a loop") == 0)
        snprintf(mend, sizeof mend, "Its tables and its ring need memory: fewer --max-connections or --threads, or a higher ulimit -l");
    fprintf(stderr, "wye: %s: %s%s%s\n", trouble, strerror(-result), *mend ? ". " : "", mend);
}

/* Starts the node. -1: it runs; or the exit status. */
static int start(struct wye_options *options, struct wye_threads_config *config, struct wye_threads **threads) {
    if (getrandom(options->settings.hash_key, sizeof options->settings.hash_key, 0) < 0) return WYE_EXIT_COULD_NOT_TRY;
    if (!open_files(options, true, config)) return WYE_EXIT_COULD_NOT_TRY;
    wye_options_hold(options); /* the loops' reference */
    config->settings = options->settings;
    const char *trouble;
    int result = wye_threads_start(threads, config, &trouble);
    if (result == 0) return -1;
    tell_why(options, trouble, result);
    return WYE_EXIT_COULD_NOT_TRY;
}

static void say_who_may(const struct wye_options *options) {
    if (options->token_files.count > 0)
        wye_log(WYE_LOG_INFO, "tokens are needed, signed with the key of --token-key");
    else
        wye_log(options->open ? WYE_LOG_WARN : WYE_LOG_INFO, "open: whoever reaches this node may read and publish everything (no --token-key)");
}

/* Takes over the reference to the options. */
static int serve(struct wye_options *options, const struct wye_abilities *abilities) {
    struct wye_threads_config config = plan(options, abilities);
    uint32_t limit = wye_threads_connection_limit(abilities->direct, config.count);
    wye_options_limit(options, limit);
    sigset_t signals;
    block_signals(&signals);
    struct wye_threads *threads;
    int status = start(options, &config, &threads);
    if (status < 0) {
        say_what_is_used(abilities, config.count, config.pinned, options->settings.max_connections);
        say_who_may(options);
        say_where(options);
        int number = await_end(&signals, threads, &options, limit);
        wye_log(WYE_LOG_INFO, "%s: draining", number == SIGTERM ? "SIGTERM" : "SIGINT");
        wye_threads_drain(threads);
        signal(SIGHUP, SIG_IGN); /* there is nothing to be read again any more */
        pthread_sigmask(SIG_UNBLOCK, &signals, NULL); /* a second one ends it at once */
        wye_threads_join(threads);
        remove_unix_paths(options);
        wye_log(WYE_LOG_INFO, "ended");
        status = WYE_EXIT_YES;
    }
    wye_options_release(options);
    return status;
}

int main(int argc, char **argv) {
    struct wye_options *options;
    int status = wye_options_read(&options, argc, argv);
    if (status >= 0) return status;
    wye_log_set_level(options->log);
    if (options->make_token || options->check_only) {
        status = options->make_token ? wye_token_files_make(&options->token_files, &options->token_wish) : check_the_rest(options);
        wye_options_release(options);
        return status;
    }
    /*
     * Huge chunks come from mmap and go back to it, however many there were. What is smaller stays with a loop's heap up to
     * a bound: given back and taken again with every burst, it would cost more than all that is done with it.
     */
    mallopt(M_MMAP_THRESHOLD, WYE_CHUNK_HUGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, HEAP_SPARE_BYTES);
    struct wye_abilities abilities;
    status = probe(&abilities);
    if (status < 0) return serve(options, &abilities);
    wye_options_release(options);
    return status;
}
