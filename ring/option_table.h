/*
 * The table of wye's options: the only place that knows them. The command line's grammar, the configuration file's, --help(-all),
 * --print-config, what is said about a wrong value, and what a SIGHUP changes all come from it.
 *
 * To add an option, add a row to ring/option_table.c, next to its kin: --help has the table's order.
 *   1. Put what it decides into struct wye_settings (core/node.h) if loops read it (as hub->settings->...), else into
 *      struct wye_options; there, too, what settings point to: it lasts as long as any loop reads them.
 *   2. Choose a reader. For one number, duration, word or flag: wye_read_size, wye_read_count, wye_read_seconds,
 *      wye_read_word or wye_read_flag with INTO(member), and what bounds it: .least and .most, or .words. For a
 *      list of texts: wye_read_text with INTO() a struct wye_texts, and .repeats. What needs more gets a reader
 *      of its own in ring/option_values.c. A row with .act is not a value but something done at once, as --help.
 *   3. Say what it is when nobody says anything: .standard is read like any other value, so *options holds it.
 *      Where it depends on the machine, .otherwise has words for --help, and `options` begins with zero.
 *   4. Choose its scope. WYE_SCOPE_TOPIC: TOPIC=VALUE says it for one topic or pattern; the reader then finds
 *      given->topic, checked, and given->value without it.
 *   5. .live: a SIGHUP can change it, so nothing may keep what it was any longer than a turn of a loop.
 *   6. .example: a value that is fine, unless .standard is one. The tests try every row with it.
 * What several options must fulfil together stands in check() of ring/options.c. Nothing else is to be done for the file.
 */
#ifndef WYE_RING_OPTION_TABLE_H
#define WYE_RING_OPTION_TABLE_H

#include "ring/options.h"

enum wye_option_scope {
    WYE_SCOPE_NODE,     /* the node as a whole */
    WYE_SCOPE_LISTENER, /* a listener */
    WYE_SCOPE_TOPIC,    /* the node, or by TOPIC=VALUE a topic or pattern of topics */
    WYE_SCOPE_COMMAND,  /* this start alone; only on the command line, and no part of what can be reloaded */
};

/* Takes a value into *options. NULL; or what is wrong with it: a constant, or options->why. */
typedef const char *wye_option_reader(struct wye_options *options, const struct wye_given *given);

struct wye_option {
    const char *name;      /* without -- */
    const char *argument;  /* what --help calls its value; NULL: a flag, or an act */
    const char *help;      /* NULL: it shares the line and the help of the next row */
    const char *standard;  /* its value unless another is given; NULL: see `otherwise` */
    const char *otherwise; /* words for what it is unless given; NULL: nothing, or `standard` */
    const char *example;   /* a value; NULL: `standard` is one */
    wye_option_reader *read;
    int (*act)(void);      /* instead of a reader: does it, and returns the exit status */
    uint16_t at, width;    /* where in struct wye_options the common readers write to */
    uint64_t least, most;  /* of a number */
    const char *const *words; /* of an enum, from 0 on; NULL-ended */
    enum wye_option_scope scope;
    bool repeats;          /* may be given again: the values add up. Otherwise the last one counts */
    bool live;             /* SIGHUP can change it */
    bool of_tls;           /* it means nothing without TLS */
    bool often;            /* --help has it: one of those that are wanted first, which fit a screen */
};

extern const struct wye_option wye_option_table[];
extern const size_t wye_option_count;

/* The row of this name; NULL: there is none. */
const struct wye_option *wye_option_find(const char *name);

/* Prints --help, or all rows of the table. 0 */
int wye_options_help(void);
int wye_options_help_all(void);

/* Prints what an option is about, in lines that begin with a mark. */
void wye_option_print_help(const struct wye_option *option, const char *mark);

#endif
