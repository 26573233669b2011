#include "ring/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: wye [option...]\n"
    "\n"
    "A node that switches HTTP/1.1 connections to WebSocket or a protocol of your own, over io_uring.\n"
    "Open its first listener in a browser for a live chat and the node's counters.\n"
    "\n"
    "  --listen ADDR:PORT     listen there; also [ADDR6]:PORT and unix:PATH; port 0 takes a free one;\n"
    "                         may be given again (127.0.0.1:8080)\n"
    "  --tls-listen ADDR:PORT the same with TLS (https, wss); without --listen there is no plain listener\n"
    "  --cert FILE --key FILE the certificate chain and its private key, PEM; may be given again: chosen by\n"
    "                         the name that the client asks for, else the first; SIGHUP reads them again\n"
    "  --dev-cert             make a throw-away certificate for localhost (--tls-listen 127.0.0.1:8443)\n"
    "  --tls-min VERSION      1.2 or 1.3 (1.2)\n"
    "  --open                 listeners that other machines can reach are meant\n"
    "  --threads N            loops, 1 to 64 (as many as the CPUs this process may run on)\n"
    "  --max-connections N    of the whole node; more are answered 503 (what the descriptor limit allows)\n"
    "  --max-message BYTES    a longer message closes its connection with 1009 (16M)\n"
    "  --memory BYTES         of the node, for messages; a message beyond it closes with 1013 (RAM / 4)\n"
    "  --deflate MODE         permessage-deflate: off, shared (no memory a connection) or takeover (shared)\n"
    "  --outbox BYTES         what may wait for a reader before a publish closes it with 1013 (17M)\n"
    "  --on-slow POLICY       when there is no room: close (with 1013), drop the message, or keep the latest of\n"
    "                         each topic; TOPIC=POLICY for one topic or pattern; may be given again (close)\n"
    "  --shared-memory BYTES  of a loop, that slow readers may pin before they must copy or leave (256M)\n"
    "  --idle-timeout SECONDS without a message: closed with 1001; 0: never (0)\n"
    "  --ping SECONDS         between pings; a peer not heard of since the last is dropped; 0: none (25)\n"
    "  --origin PATTERN       welcome browsers of this origin too: https://example.com,\n"
    "                         https://*.example.com or '*'; may be given again (the node's own host)\n"
    "  --host NAME            a name of this node, besides addresses and localhost; may be given again\n"
    "  --log LEVEL            error, warn, info or debug, to stderr (info)\n"
    "  --rules                print the rules of an upgrade as Markdown, and exit\n"
    "  --version, --help\n"
    "\n"
    "BYTES take K, M or G. Paths: / /echo /chat /topic/NAME /stream /topics /metrics /healthz\n"
    "WYE_WITHOUT=inc,direct,write_fixed,optlen,fd_install does without newer kernel features;\n"
    "WYE_VARIANT=portable without SIMD. Exit status: 0 ended as asked, 2 could not start, 64 usage,\n"
    "69 io_uring is not to be had.\n";

enum option_id {
    LISTEN = 256, TLS_LISTEN, CERT, KEY, DEV_CERT, TLS_MIN, OPEN, THREADS, MAX_CONNECTIONS, MAX_MESSAGE, MEMORY, DEFLATE, OUTBOX, ON_SLOW,
    SHARED_MEMORY, IDLE_TIMEOUT, PING, ORIGIN, HOST, LOG, RULES, VERSION, HELP,
};

static const struct option longs[] = {
    {"listen", required_argument, NULL, LISTEN},
    {"tls-listen", required_argument, NULL, TLS_LISTEN},
    {"cert", required_argument, NULL, CERT},
    {"key", required_argument, NULL, KEY},
    {"dev-cert", no_argument, NULL, DEV_CERT},
    {"tls-min", required_argument, NULL, TLS_MIN},
    {"open", no_argument, NULL, OPEN},
    {"threads", required_argument, NULL, THREADS},
    {"max-connections", required_argument, NULL, MAX_CONNECTIONS},
    {"max-message", required_argument, NULL, MAX_MESSAGE},
    {"memory", required_argument, NULL, MEMORY},
    {"deflate", required_argument, NULL, DEFLATE},
    {"outbox", required_argument, NULL, OUTBOX},
    {"on-slow", required_argument, NULL, ON_SLOW},
    {"shared-memory", required_argument, NULL, SHARED_MEMORY},
    {"idle-timeout", required_argument, NULL, IDLE_TIMEOUT},
    {"ping", required_argument, NULL, PING},
    {"origin", required_argument, NULL, ORIGIN},
    {"host", required_argument, NULL, HOST},
    {"log", required_argument, NULL, LOG},
    {"rules", no_argument, NULL, RULES},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {0},
};

bool wye_size_read(const char *text, uint64_t least, uint64_t most, uint64_t *size) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
    if (shift) end++;
    if (errno || *end || value > UINT64_MAX >> shift) return false;
    value <<= shift;
    *size = value;
    return value >= least && value <= most;
}

static int wrong(const char *option, const char *value, const char *allowed) {
    fprintf(stderr, "wye: --%s %s: %s\n", option, value, allowed);
    return WYE_EXIT_USAGE;
}

static int wrong_here(const char *option, const char *why) {
    fprintf(stderr, "wye: --%s: %s\n", option, why);
    return WYE_EXIT_USAGE;
}

/* A number with a unit the option knows; its limits go into the message. */
static int read_size(const char *option, uint64_t least, uint64_t most, uint64_t *value) {
    if (wye_size_read(optarg, least, most, value)) return -1;
    char allowed[128];
    snprintf(allowed, sizeof allowed, "expected a number from %" PRIu64 " to %" PRIu64 " (K, M and G are understood)", least,
             most);
    return wrong(option, optarg, allowed);
}

static int read_seconds(const char *option, uint64_t *ns) {
    char *end;
    double seconds = strtod(optarg, &end);
    if (end == optarg || *end || !(seconds >= 0) || seconds > 1e6)
        return wrong(option, optarg, "expected seconds, from 0 (off) to 1000000");
    *ns = (uint64_t)(seconds * 1e9);
    return -1;
}

static int read_deflate(enum wye_deflate_mode *mode) {
    static const char *const modes[] = {"off", "shared", "takeover"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(optarg, modes[i]) != 0) continue;
        *mode = (enum wye_deflate_mode)i;
        return -1;
    }
    return wrong("deflate", optarg, "expected off, shared or takeover");
}

/* POLICY, or TOPIC=POLICY. A topic may hold a '=': the last one parts. */
static int read_on_slow(struct wye_options *options) {
    static const char *const policies[] = {"close", "drop", "latest"};
    const char *equals = strrchr(optarg, '='), *word = equals ? equals + 1 : optarg;
    unsigned policy = 0;
    while (policy < 3 && strcmp(word, policies[policy]) != 0) policy++;
    if (policy == 3) return wrong("on-slow", optarg, "expected close, drop or latest, or TOPIC=close, TOPIC=drop, TOPIC=latest");
    if (!equals) {
        options->settings.on_slow = (enum wye_on_slow)policy;
        return -1;
    }
    struct wye_span pattern = {optarg, (size_t)(equals - optarg)};
    const char *fault = wye_topic_name_fault(pattern);
    if (fault) return wrong("on-slow", optarg, fault);
    size_t *count = &options->settings.slow_rule_count;
    if (*count == sizeof options->slow_rules / sizeof options->slow_rules[0]) return wrong("on-slow", optarg, "at most 64 of them");
    options->slow_rules[(*count)++] = (struct wye_slow_rule){pattern, (enum wye_on_slow)policy};
    return -1;
}

static int add_listener(struct wye_options *options, const char *option, bool tls) {
    if (options->listener_count == WYE_LISTENERS_MAX) return wrong(option, optarg, "at most 16 listeners");
    struct wye_address *address = &options->listeners[options->listener_count];
    const char *fault = wye_address_read(address, optarg);
    if (fault) return wrong(option, optarg, fault);
    address->tls = tls;
    options->tls |= tls;
    options->listener_count++;
    return -1;
}

static int add_name(const char *option, const char **list, size_t *count, size_t room) {
    if (*count == room) return wrong(option, optarg, "at most 64 of them");
    list[(*count)++] = optarg;
    return -1;
}

static int read_tls_min(bool *only_13) {
    *only_13 = strcmp(optarg, "1.3") == 0;
    return *only_13 || strcmp(optarg, "1.2") == 0 ? -1 : wrong("tls-min", optarg, "expected 1.2 or 1.3");
}

static int print_rules(void) {
    char *text = malloc(WYE_RULES_TEXT_MAX);
    if (!text) return WYE_EXIT_COULD_NOT_TRY;
    wye_rules_markdown(text, WYE_RULES_TEXT_MAX);
    fputs(text, stdout);
    free(text);
    return WYE_EXIT_YES;
}

/* The options about TLS. */
static int take_tls(struct wye_options *options, int id) {
    struct wye_certificates *certificates = &options->certificates;
    switch (id) {
    case TLS_LISTEN: return add_listener(options, "tls-listen", true);
    case CERT: return add_name("cert", certificates->chains, &certificates->chain_count, WYE_TLS_PAIRS_MAX);
    case KEY: return add_name("key", certificates->keys, &certificates->key_count, WYE_TLS_PAIRS_MAX);
    case DEV_CERT: certificates->throw_away = true; return -1;
    default: return read_tls_min(&certificates->only_13);
    }
}

static int take(struct wye_options *options, int id) {
    struct wye_settings *settings = &options->settings;
    struct wye_policy *policy = &settings->policy;
    uint64_t value = 0;
    int status = -1;
    switch (id) {
    case LISTEN: return add_listener(options, "listen", false);
    case TLS_LISTEN:
    case CERT:
    case KEY:
    case DEV_CERT:
    case TLS_MIN:
        if (!wye_tls_is_built()) return wrong_here(longs[id - LISTEN].name, "this build has no TLS (it was built with -DWYE_TLS=OFF)");
        options->tls_asked = longs[id - LISTEN].name;
        return take_tls(options, id);
    case OPEN: options->open = true; return -1;
    case THREADS:
        status = read_size("threads", 1, WYE_LOOPS_MAX, &value);
        options->threads = (unsigned)value;
        return status;
    case MAX_CONNECTIONS:
        status = read_size("max-connections", 1, UINT32_MAX - 1, &value);
        settings->max_connections = (uint32_t)value;
        return status;
    case MAX_MESSAGE: return read_size("max-message", 1, UINT32_MAX - 65536, &settings->max_message_bytes);
    case MEMORY: return read_size("memory", 1 << 20, UINT64_MAX, &settings->memory_bytes);
    case DEFLATE: return read_deflate(&settings->deflate);
    case OUTBOX:
        status = read_size("outbox", 1024, UINT32_MAX, &value);
        settings->outbox_bytes = (size_t)value;
        return status;
    case ON_SLOW: return read_on_slow(options);
    case SHARED_MEMORY:
        status = read_size("shared-memory", 1 << 20, UINT64_MAX / 2, &value);
        settings->shared_memory_bytes = (size_t)value;
        return status;
    case IDLE_TIMEOUT: return read_seconds("idle-timeout", &settings->idle_timeout_ns);
    case PING: return read_seconds("ping", &settings->ping_ns);
    case ORIGIN: return add_name("origin", options->origins, &policy->origin_count, 64);
    case HOST: return add_name("host", options->hosts, &policy->host_count, 64);
    case LOG: return wye_log_level_read(optarg, &options->log) ? -1 : wrong("log", optarg, "expected error, warn, info or debug");
    case RULES: return print_rules();
    case VERSION: printf("wye " WYE_VERSION "\n"); return WYE_EXIT_YES;
    case HELP: fputs(help, stdout); return WYE_EXIT_YES;
    default: fputs("wye: see wye --help\n", stderr); return WYE_EXIT_USAGE;
    }
}

/* What TLS needs, and what needs TLS. */
static int check_tls(struct wye_options *options) {
    const struct wye_certificates *certificates = &options->certificates;
    if (certificates->chain_count > certificates->key_count)
        return wrong("cert", certificates->chains[certificates->key_count], "it needs the file with its private key: --key FILE");
    if (certificates->key_count > certificates->chain_count)
        return wrong("key", certificates->keys[certificates->chain_count], "it needs the file with its certificate: --cert FILE");
    if (certificates->throw_away && certificates->chain_count)
        return wrong_here("dev-cert", "there is a --cert already: leave out one of the two");
    if (certificates->throw_away && !options->tls) {
        struct wye_address *address = &options->listeners[options->listener_count];
        if (options->listener_count == WYE_LISTENERS_MAX) return wrong_here("dev-cert", "at most 16 listeners");
        wye_address_read(address, "127.0.0.1:8443");
        address->tls = options->tls = true;
        options->listener_count++;
    }
    if (options->tls && !certificates->throw_away && certificates->chain_count == 0)
        return wrong_here("tls-listen", "it needs --cert FILE and --key FILE, or --dev-cert to try it out");
    if (!options->tls && options->tls_asked) return wrong_here(options->tls_asked, "nothing listens with TLS; add --tls-listen ADDR:PORT");
    return -1;
}

/* What only makes sense together. */
static int check(struct wye_options *options) {
    int status = check_tls(options);
    if (status >= 0) return status;
    if (options->listener_count == 0)
        wye_address_read(&options->listeners[options->listener_count++], "127.0.0.1:8080");
    bool local = true;
    for (unsigned i = 0; i < options->listener_count; i++) {
        if (wye_address_is_local(&options->listeners[i])) continue;
        local = false;
        if (options->open) continue;
        fprintf(stderr,
                "wye: --%slisten %s: other machines can reach this address, and anybody who reaches the node may read and\n"
                "publish everything. If that is meant, add --open; to try it out alone, listen on 127.0.0.1.\n",
                options->listeners[i].tls ? "tls-" : "", options->listeners[i].text);
        return WYE_EXIT_USAGE;
    }
    options->settings.policy.host_is_checked = local;
    options->settings.policy.origins = options->origins;
    options->settings.policy.hosts = options->hosts;
    options->settings.slow_rules = options->slow_rules;
    return -1;
}

int wye_options_read(struct wye_options *options, int argc, char **argv) {
    *options = (struct wye_options){.log = WYE_LOG_INFO};
    wye_settings_init(&options->settings);
    options->settings.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
    for (int id; (id = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        int status = take(options, id);
        if (status >= 0) return status;
    }
    if (optind < argc) {
        fprintf(stderr, "wye: %s: not an option; see wye --help\n", argv[optind]);
        return WYE_EXIT_USAGE;
    }
    return check(options);
}
