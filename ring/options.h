/* The command line of wye. */
#ifndef WYE_RING_OPTIONS_H
#define WYE_RING_OPTIONS_H

#include "core/node.h"
#include "ring/certificates.h"
#include "ring/listener.h"
#include "ring/log.h"

/* Exit statuses that scripts can use (DESIGN; 64 and 69 are sysexits.h's). */
enum wye_exit {
    WYE_EXIT_YES = 0,
    WYE_EXIT_NO = 1,
    WYE_EXIT_COULD_NOT_TRY = 2,
    WYE_EXIT_USAGE = 64,
    WYE_EXIT_NO_RING = 69,
};

struct wye_options {
    struct wye_settings settings;
    struct wye_address listeners[WYE_LISTENERS_MAX];
    unsigned listener_count;
    bool tls; /* one of them at least speaks TLS */
    struct wye_certificates certificates;
    const char *tls_asked; /* the option about TLS that came last; NULL: none did */
    unsigned threads; /* 0: as many as CPUs */
    const char *origins[64];
    const char *hosts[64];
    struct wye_slow_rule slow_rules[64];
    bool open; /* listeners that others can reach are meant */
    enum wye_log_level log;
};

/*
 * Reads the command line. -1: go on with *options (whose policy points into itself and argv). Otherwise the
 * exit status, after having printed what was asked for or what is wrong.
 */
int wye_options_read(struct wye_options *options, int argc, char **argv);

/* Reads a size: digits and an optional K, M or G (2^10, 2^20, 2^30). false: not one, or out of the range. */
bool wye_size_read(const char *text, uint64_t least, uint64_t most, uint64_t *size);

#endif
