/* What wye was told to do: its options, from the command line and a file, read by the table of ring/option_table.c. */
#ifndef WYE_RING_OPTIONS_H
#define WYE_RING_OPTIONS_H

#include "core/node.h"
#include "ring/certificates.h"
#include "ring/given.h"
#include "ring/listener.h"
#include "ring/log.h"

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
    struct wye_settings settings; /* its lists are those below */
    struct wye_address listeners[WYE_LISTENERS_MAX];
    unsigned listener_count;
    bool tls; /* one of them at least speaks TLS */
    bool open; /* listeners that others can reach are meant */
    struct wye_certificates certificates;
    unsigned threads; /* 0: as many as CPUs */
    enum wye_log_level log;
    struct wye_texts chains, keys, origins, hosts;
    struct wye_slow_rule slow_rules[WYE_TEXTS_MAX];
    char *config;    /* the file; NULL: none */
    bool check_only; /* read all that is to be read, and exit */
    bool print;      /* the options, as a file, and exit */
    struct wye_givens givens; /* what made all this of the standards: the file's, then the command line's */
    char why[512];      /* room for what a reader has to say */
    char trouble[1024]; /* what is wrong: "--outbox 3: expected ...", "wye.ini:12: outbox = 3: expected ..." */
};

/*
 * Reads the command line, and the file that it names. -1: go on with *options, which points into itself and is the caller's
 * to end with wye_options_fini(). Otherwise the exit status, after having printed what was asked for or what is wrong; then
 * *options is empty.
 */
int wye_options_read(struct wye_options *options, int argc, char **argv);
void wye_options_fini(struct wye_options *options);

#endif
