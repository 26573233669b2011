#include "ring/options.h"

#include "ring/option_file.h"
#include "ring/option_table.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- what is wrong ---- */

/* "--outbox 3: expected ..." or "wye.ini:12: outbox = 3: expected ...". Returns the exit status. */
static int wrong(struct wye_options *options, const struct wye_given *given, const char *why) {
    const char *name = given->option->name, *text = given->in_section ? given->value : given->text;
    if (given->line)
        snprintf(options->trouble, sizeof options->trouble, "%s:%u: %s = %s: %s", options->config, given->line, name, text, why);
    else
        snprintf(options->trouble, sizeof options->trouble, "--%s%s%s: %s", name, *text ? " " : "", text, why);
    return WYE_EXIT_USAGE;
}

static int no_memory(struct wye_options *options) {
    snprintf(options->trouble, sizeof options->trouble, "no memory");
    return WYE_EXIT_COULD_NOT_TRY;
}

static const struct wye_given *nth_given(const struct wye_options *options, const char *name, size_t number) {
    return wye_givens_nth(&options->givens, wye_option_find(name), number);
}

/* ---- taking values ---- */

/* Reads one value. -1, or the exit status. */
static int take(struct wye_options *options, const struct wye_given *given) {
    if (given->option->of_tls && !wye_tls_is_built()) return wrong(options, given, "this build has no TLS (it was built with -DWYE_TLS=OFF)");
    const char *fault = given->topic.bytes ? wye_topic_name_fault(given->topic) : NULL;
    if (!fault) fault = given->option->read(options, given);
    return fault ? wrong(options, given, fault) : -1;
}

/* What holds when nothing is given. */
static void take_standards(struct wye_options *options) {
    wye_settings_init(&options->settings);
    options->settings.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (!option->standard) continue;
        const struct wye_given given = {.option = option, .value = option->standard};
        const char *fault = option->read(options, &given);
        assert(!fault);
        (void)fault;
    }
}

/* ---- what only makes sense together ---- */

static void release(void *options) { wye_options_release(options); }

static int add_dev_listener(struct wye_options *options) {
    struct wye_address *address = &options->listeners[options->listener_count];
    if (options->listener_count == WYE_LISTENERS_MAX) return wrong(options, nth_given(options, "dev-cert", 0), "at most 16 listeners");
    wye_address_read(address, "127.0.0.1:8443");
    address->tls = options->tls = true;
    options->listener_count++;
    return -1;
}

/* It asks for what would be so without it. */
static bool says_nothing(const struct wye_given *given) {
    const struct wye_option *option = given->option;
    return strcmp(given->text, option->standard ? option->standard : "no") == 0;
}

/* What TLS needs, and what needs TLS. */
static int check_tls(struct wye_options *options) {
    struct wye_certificates *certificates = &options->certificates;
    size_t chains = options->chains.count, keys = options->keys.count;
    if (chains > keys) return wrong(options, nth_given(options, "cert", keys), "it needs the file with its private key: --key FILE");
    if (keys > chains) return wrong(options, nth_given(options, "key", chains), "it needs the file with its certificate: --cert FILE");
    certificates->chains = options->chains.at;
    certificates->keys = options->keys.at;
    certificates->pair_count = chains;
    if (certificates->throw_away && chains)
        return wrong(options, nth_given(options, "dev-cert", 0), "there is a --cert already: leave out one of the two");
    if (certificates->throw_away && !options->tls) return add_dev_listener(options);
    if (options->tls && !certificates->throw_away && chains == 0)
        return wrong(options, nth_given(options, "tls-listen", 0), "it needs --cert FILE and --key FILE, or --dev-cert to try it out");
    for (size_t i = options->givens.count; i-- > 0 && !options->tls;) {
        const struct wye_given *given = &options->givens.at[i];
        if (given->option->of_tls && !says_nothing(given))
            return wrong(options, given, "nothing listens with TLS; add --tls-listen ADDR:PORT");
    }
    return -1;
}

/* What is about tokens needs their keys. */
static int check_tokens(struct wye_options *options) {
    static const char *const wishes[] = {"publish", "subscribe", "expires", "subject"};
    options->token_files.files = options->token_keys.at;
    options->token_files.count = options->token_keys.count;
    options->token_wish.publish = options->publish.at;
    options->token_wish.publish_count = options->publish.count;
    options->token_wish.subscribe = options->subscribe.at;
    options->token_wish.subscribe_count = options->subscribe.count;
    if (options->token_files.audience && options->token_keys.count == 0 && !options->make_token)
        return wrong(options, nth_given(options, "token-audience", 0), "it needs the key that tokens are signed with: --token-key FILE");
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0] && !options->make_token; i++) {
        const struct wye_given *given = wye_givens_nth(&options->at_start, wye_option_find(wishes[i]), 0);
        if (given) return wrong(options, given, "it says what a token shall be like: it goes with --make-token");
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
        if (!options->open && options->token_keys.count == 0)
            return wrong(options, given, "other machines can reach this address, and anybody who reaches the node may read and "
                                         "publish everything. If that is meant, add --open; to say who may, --token-key FILE; "
                                         "to try it out alone, listen on 127.0.0.1.");
    }
    options->settings.policy.host_is_checked = local;
    return -1;
}

static int check(struct wye_options *options) {
    int status = check_tls(options);
    if (status >= 0) return status;
    if (options->listener_count == 0) wye_address_read(&options->listeners[options->listener_count++], "127.0.0.1:8080");
    status = check_tokens(options);
    if (status < 0) status = check_open(options);
    if (status >= 0) return status;
    options->settings.policy.origins = options->origins.at;
    options->settings.policy.origin_count = options->origins.count;
    options->settings.policy.hosts = options->hosts.at;
    options->settings.policy.host_count = options->hosts.count;
    options->settings.slow_rules = options->slow_rules;
    options->settings.history_rules = options->history_rules;
    options->settings.trusted = options->trusted;
    if (options->log == WYE_LOG_DEBUG) {
        options->settings.on_refusal = wye_log_refusal;
        options->settings.on_close = wye_log_close;
    }
    options->settings.owner = options;
    options->settings.end = release;
    return -1;
}

/* ---- all of it ---- */

/* Makes everything of what is given. -1, or the exit status. */
static int take_all(struct wye_options *options) {
    take_standards(options);
    for (size_t i = 0; i < options->givens.count; i++) {
        int status = take(options, &options->givens.at[i]);
        if (status >= 0) return status;
    }
    return check(options);
}

/* One option of the command line. -1, or the exit status. */
static int take_argument(struct wye_options *options, struct wye_givens *command, const struct wye_option *option, const char *text) {
    if (option->act) return option->act();
    bool at_once = option->scope == WYE_SCOPE_COMMAND;
    struct wye_givens *to = at_once ? &options->at_start : command;
    if (!wye_givens_add(to, option, text ? text : "", 0, false)) return no_memory(options);
    return at_once ? take(options, &to->at[to->count - 1]) : -1;
}

static int read_command_line(struct wye_options *options, struct wye_givens *command, int argc, char **argv) {
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
            snprintf(options->trouble, sizeof options->trouble, "see wye --help-all");
            return WYE_EXIT_USAGE;
        }
        int status = take_argument(options, command, &wye_option_table[id - FIRST], optarg);
        if (status >= 0) return status;
    }
    if (optind < argc) {
        snprintf(options->trouble, sizeof options->trouble, "%s: not an option; see wye --help-all", argv[optind]);
        return WYE_EXIT_USAGE;
    }
    return -1;
}

/* Appends copies of what was given on the command line. false: no memory. */
static bool copy_command(struct wye_options *options, const struct wye_givens *from) {
    for (size_t i = 0; i < from->count; i++) {
        if (from->at[i].line == 0 && !wye_givens_copy(&options->givens, &from->at[i])) return false;
    }
    return true;
}

/* Reads the file, and has what stood on the command line count more. -1, or the exit status. */
static int read_all(struct wye_options *options, const struct wye_givens *command) {
    int status = options->config ? wye_option_file_read(&options->givens, options->config, options->trouble, sizeof options->trouble) : -1;
    if (status >= 0) return status;
    return copy_command(options, command) ? take_all(options) : no_memory(options);
}

/* ---- life ---- */

/* Empty options, with the file that others have. NULL: no memory. */
static struct wye_options *options_open(const char *config) {
    struct wye_options *options = calloc(1, sizeof *options);
    if (options && config && !(options->config = strdup(config))) {
        free(options);
        options = NULL;
    }
    if (!options) return NULL;
    options->holders = 1;
    options->token_wish.lifetime_s = WYE_TOKEN_LIFETIME_S;
    return options;
}

int wye_options_read(struct wye_options **read, int argc, char **argv) {
    struct wye_givens command = {0};
    struct wye_options *options = *read = options_open(NULL);
    if (!options) return WYE_EXIT_COULD_NOT_TRY;
    int status = read_command_line(options, &command, argc, argv);
    if (status < 0) status = read_all(options, &command);
    wye_givens_fini(&command);
    if (*options->trouble) fprintf(stderr, "wye: %s\n", options->trouble);
    else if (status < 0 && options->print) status = wye_option_file_print(&options->givens);
    if (status < 0) return status;
    wye_options_release(options);
    *read = NULL;
    return status;
}

struct wye_options *wye_options_reread(const struct wye_options *now) {
    struct wye_options *options = options_open(now->config);
    if (options) read_all(options, &now->givens);
    return options;
}

struct wye_options *wye_options_merge(const struct wye_options *now, const struct wye_options *next) {
    struct wye_options *options = options_open(now->config);
    if (!options) return NULL;
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        const struct wye_givens *from = option->live ? &next->givens : &now->givens;
        const struct wye_given *given;
        for (size_t i = 0; (given = wye_givens_nth(from, option, i)); i++) {
            if (wye_givens_copy(&options->givens, given)) continue;
            no_memory(options);
            return options;
        }
    }
    take_all(options);
    return options;
}

struct wye_options *wye_options_hold(struct wye_options *options) {
    atomic_fetch_add_explicit(&options->holders, 1, memory_order_relaxed);
    return options;
}

void wye_options_release(struct wye_options *options) {
    if (!options || atomic_fetch_sub_explicit(&options->holders, 1, memory_order_acq_rel) != 1) return;
    wye_givens_fini(&options->givens);
    wye_givens_fini(&options->at_start);
    free(options->config);
    free(options);
}
