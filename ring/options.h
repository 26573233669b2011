/* What wye was told to do: its options, from the command line and a file, read by the table of ring/option_table.c. */
#ifndef WYE_RING_OPTIONS_H
#define WYE_RING_OPTIONS_H

#include "core/node.h"
#include "ring/certificates.h"
#include "ring/given.h"
#include "ring/listener.h"
#include "ring/log.h"
#include "ring/token_files.h"

enum { WYE_TEXTS_MAX = 64 }; /* values of an option that may be given again */

/* Exit statuses that scripts can use (DESIGN; 64 and 69 are sysexits.h's). */
enum wye_exit {
    WYE_EXIT_YES = 0,
    WYE_EXIT_NO = 1,
    WYE_EXIT_COULD_NOT_TRY = 2,
    WYE_EXIT_USAGE = 64,
    WYE_EXIT_NO_RING = 69,
};

/* The values of an option that is a list. */
struct wye_texts {
    const char *at[WYE_TEXTS_MAX];
    size_t count;
};

struct wye_options {
    struct wye_settings settings; /* its lists are those below, and last as long as its owner: these options */
    _Atomic unsigned holders;
    struct wye_address listeners[WYE_LISTENERS_MAX];
    unsigned listener_count;
    bool tls; /* one of them at least speaks TLS */
    struct wye_token_files token_files;
    struct wye_token_wish token_wish;
    bool make_token; /* with the wish, and exit */
    bool open; /* listeners that others can reach are meant */
    struct wye_certificates certificates;
    unsigned threads; /* 0: as many as CPUs */
    enum wye_log_level log;
    struct wye_texts chains, keys, origins, hosts, token_keys;
    struct wye_texts publish, subscribe; /* of the wish */
    struct wye_slow_rule slow_rules[WYE_TEXTS_MAX];
    struct wye_history_rule history_rules[WYE_TEXTS_MAX];
    struct wye_cidr trusted[WYE_TEXTS_MAX];
    char *config;    /* the file; NULL: none */
    bool check_only; /* read all that is to be read, and exit */
    bool print;      /* the options, as a file, and exit */
    struct wye_givens givens; /* what made all this of the standards: the file's, then the command line's */
    struct wye_givens at_start; /* what is about this start alone, from the command line */
    char why[512];      /* room for what a reader has to say */
    char trouble[1024]; /* what is wrong: "--outbox 3: expected ...", "wye.ini:12: outbox = 3: expected ..." */
};

/*
 * Reads the command line, and the file that it names. -1: go on with *options, one reference of the caller's. Otherwise the
 * exit status, after having printed what was asked for or what is wrong.
 */
int wye_options_read(struct wye_options **options, int argc, char **argv);

/*
 * Reads the file again, and counts what stood on the command line more, as it was. The caller's reference; with a trouble
 * that isn't "" only that counts. NULL: no memory.
 */
struct wye_options *wye_options_reread(const struct wye_options *now);

/*
 * What comes of reading `next` while the node runs: of options that SIGHUP can change what `next` says, of the others what
 * `now` says. As wye_options_reread().
 */
struct wye_options *wye_options_merge(const struct wye_options *now, const struct wye_options *next);

struct wye_options *wye_options_hold(struct wye_options *options);
void wye_options_release(struct wye_options *options);

#endif
