#include "ring/options.h"

#include "ring/option_table.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is wrong ---- */

/* "wye: --outbox 3: expected ..." */
static int wrong(const struct wye_given *given, const char *why) {
    fprintf(stderr, "wye: --%s%s%s: %s\n", given->option->name, *given->text ? " " : "", given->text, why);
    return WYE_EXIT_USAGE;
}

/* The number-th (from 0) of what was given of an option; NULL: there are not so many. */
static const struct wye_given *nth_given(const struct wye_options *options, const char *name, size_t number) {
    for (size_t i = 0; i < options->given_count; i++) {
        if (strcmp(options->given[i].option->name, name) == 0 && number-- == 0) return &options->given[i];
    }
    return NULL;
}

/* ---- taking a value ---- */

/* TOPIC=VALUE: a topic may hold a '=', so the last one parts. */
static const char *split_topic(struct wye_given *given) {
    const char *equals = strrchr(given->value, '=');
    if (!equals) return NULL;
    given->topic = (struct wye_span){given->value, (size_t)(equals - given->value)};
    given->value = equals + 1;
    return wye_topic_name_fault(given->topic);
}

/* Reads one value. NULL, or what is wrong with it. */
static const char *take(struct wye_options *options, struct wye_given *given) {
    if (given->option->of_tls && !wye_tls_is_built()) return "this build has no TLS (it was built with -DWYE_TLS=OFF)";
    const char *fault = given->option->scope == WYE_SCOPE_TOPIC ? split_topic(given) : NULL;
    return fault ? fault : given->option->read(options, given);
}

static bool remember(struct wye_options *options, const struct wye_given *given) {
    if (options->given_count == options->given_room) {
        size_t room = options->given_room * 2 + 16;
        struct wye_given *more = realloc(options->given, room * sizeof more[0]);
        if (!more) return false;
        options->given = more;
        options->given_room = room;
    }
    options->given[options->given_count++] = *given;
    return true;
}

/* What holds when nothing is given. */
static void take_standards(struct wye_options *options) {
    *options = (struct wye_options){0};
    wye_settings_init(&options->settings);
    options->settings.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (!option->standard) continue;
        const struct wye_given given = {option, option->standard, option->standard, {0}};
        const char *fault = option->read(options, &given);
        assert(!fault);
        (void)fault;
    }
}

/* ---- what only makes sense together ---- */

static int add_dev_listener(struct wye_options *options) {
    struct wye_address *address = &options->listeners[options->listener_count];
    if (options->listener_count == WYE_LISTENERS_MAX) return wrong(nth_given(options, "dev-cert", 0), "at most 16 listeners");
    wye_address_read(address, "127.0.0.1:8443");
    address->tls = options->tls = true;
    options->listener_count++;
    return -1;
}

/* What TLS needs, and what needs TLS. */
static int check_tls(struct wye_options *options) {
    struct wye_certificates *certificates = &options->certificates;
    size_t chains = options->chains.count, keys = options->keys.count;
    if (chains > keys) return wrong(nth_given(options, "cert", keys), "it needs the file with its private key: --key FILE");
    if (keys > chains) return wrong(nth_given(options, "key", chains), "it needs the file with its certificate: --cert FILE");
    certificates->chains = options->chains.at;
    certificates->keys = options->keys.at;
    certificates->pair_count = chains;
    if (certificates->throw_away && chains)
        return wrong(nth_given(options, "dev-cert", 0), "there is a --cert already: leave out one of the two");
    if (certificates->throw_away && !options->tls) return add_dev_listener(options);
    if (options->tls && !certificates->throw_away && chains == 0)
        return wrong(nth_given(options, "tls-listen", 0), "it needs --cert FILE and --key FILE, or --dev-cert to try it out");
    for (size_t i = options->given_count; i-- > 0 && !options->tls;) {
        if (options->given[i].option->of_tls) return wrong(&options->given[i], "nothing listens with TLS; add --tls-listen ADDR:PORT");
    }
    return -1;
}

/* Listeners that others can reach are to be meant. */
static int check_open(struct wye_options *options) {
    size_t plain = 0, tls = 0;
    bool local = true;
    for (unsigned i = 0; i < options->listener_count; i++) {
        struct wye_address *address = &options->listeners[i];
        const struct wye_given *given = address->tls ? nth_given(options, "tls-listen", tls++) : nth_given(options, "listen", plain++);
        if (wye_address_is_local(address)) continue;
        local = false;
        if (!options->open)
            return wrong(given, "other machines can reach this address, and anybody who reaches the node may read and\n"
                                "publish everything. If that is meant, add --open; to try it out alone, listen on 127.0.0.1.");
    }
    options->settings.policy.host_is_checked = local;
    return -1;
}

static int check(struct wye_options *options) {
    int status = check_tls(options);
    if (status >= 0) return status;
    if (options->listener_count == 0) wye_address_read(&options->listeners[options->listener_count++], "127.0.0.1:8080");
    status = check_open(options);
    if (status >= 0) return status;
    options->settings.policy.origins = options->origins.at;
    options->settings.policy.origin_count = options->origins.count;
    options->settings.policy.hosts = options->hosts.at;
    options->settings.policy.host_count = options->hosts.count;
    options->settings.slow_rules = options->slow_rules;
    return -1;
}

/* ---- the command line ---- */

/* One option of the command line. -1, or the exit status. */
static int take_argument(struct wye_options *options, const struct wye_option *option, const char *text) {
    if (option->act) return option->act();
    struct wye_given given = {.option = option, .text = text ? text : "", .value = text ? text : ""};
    const char *fault = take(options, &given);
    if (fault) return wrong(&given, fault);
    if (remember(options, &given)) return -1;
    fputs("wye: no memory\n", stderr);
    return WYE_EXIT_COULD_NOT_TRY;
}

static int read_command_line(struct wye_options *options, int argc, char **argv) {
    enum { FIRST = 256 }; /* beyond any character */
    struct option longs[wye_option_count + 1];
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        int has = option->argument ? required_argument : option->act ? no_argument : optional_argument;
        longs[i] = (struct option){option->name, has, NULL, FIRST + (int)i};
    }
    longs[wye_option_count] = (struct option){0};
    optind = 0; /* from the start, whoever has used getopt before */
    for (int id; (id = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (id < FIRST) {
            fputs("wye: see wye --help\n", stderr);
            return WYE_EXIT_USAGE;
        }
        int status = take_argument(options, &wye_option_table[id - FIRST], optarg);
        if (status >= 0) return status;
    }
    if (optind < argc) {
        fprintf(stderr, "wye: %s: not an option; see wye --help\n", argv[optind]);
        return WYE_EXIT_USAGE;
    }
    return -1;
}

int wye_options_read(struct wye_options *options, int argc, char **argv) {
    take_standards(options);
    int status = read_command_line(options, argc, argv);
    if (status < 0) status = check(options);
    if (status >= 0) wye_options_fini(options);
    return status;
}

void wye_options_fini(struct wye_options *options) {
    free(options->given);
    *options = (struct wye_options){0};
}
