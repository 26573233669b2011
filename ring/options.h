/* What wye was told to do: its options, read from the command line by the table of ring/option_table.c. */
#ifndef WYE_RING_OPTIONS_H
#define WYE_RING_OPTIONS_H

#include "core/node.h"
#include "ring/certificates.h"
#include "ring/listener.h"
#include "ring/log.h"

struct wye_option;

enum { WYE_TEXTS_MAX = 64 }; /* values of an option that may be given again */

/* Exit statuses that scripts can use (DESIGN; 64 and 69 are sysexits.h's). */
enum wye_exit {
    WYE_EXIT_YES = 0,
    WYE_EXIT_NO = 1,
    WYE_EXIT_COULD_NOT_TRY = 2,
    WYE_EXIT_USAGE = 64,
    WYE_EXIT_NO_RING = 69,
};

/* An option as somebody gave it. */
struct wye_given {
    const struct wye_option *option;
    const char *text;      /* all of it, for messages; "" for a bare flag */
    const char *value;     /* what is to be read */
    struct wye_span topic; /* that it is for; bytes NULL: for all */
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
    struct wye_given *given; /* in the order in which they were read */
    size_t given_count, given_room;
    char why[512]; /* room for what a reader has to say */
};

/*
 * Reads the command line. -1: go on with *options, which points into itself and argv, and is the caller's to
 * end with wye_options_fini(). Otherwise the exit status, after having printed what was asked for or what is
 * wrong; then *options is empty.
 */
int wye_options_read(struct wye_options *options, int argc, char **argv);
void wye_options_fini(struct wye_options *options);

#endif
