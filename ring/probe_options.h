/* The command line of wye-probe. */
#ifndef WYE_RING_PROBE_OPTIONS_H
#define WYE_RING_PROBE_OPTIONS_H

#include "handshake/client.h"

#include <stdbool.h>

struct wye_probe_options {
    const char *url;
    char shown_url[9000]; /* the same, to be printed: without the token in it */
    bool secure;          /* wss, https */
    char host[256];       /* without port and brackets */
    char authority[272];  /* as Host says it: the port only where it isn't the scheme's */
    char port[8];
    char target[8001];       /* path and query, begins with '/' */
    const char *token;       /* --protocol; NULL: websocket */
    char subprotocols[1024]; /* joined by ", " */
    char fields[8192];       /* --header lines, each ended by CRLF */
    const char *origin;      /* NULL: none */
    const char *authorities; /* --ca */
    bool authorities_given;
    bool insecure, json;
    double timeout_s, hold_s;
    const char *serve; /* --serve ADDR:PORT; NULL: probe */
};

/* -1: go on with *options, which point into argv. Otherwise the exit status, after having printed what was
 * asked for or what is wrong. */
int wye_probe_options_read(struct wye_probe_options *options, int argc, char **argv);

#endif
