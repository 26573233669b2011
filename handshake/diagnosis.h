/* From the facts of an attempt to what they mean, and how that is told. Pure. */
#ifndef WYE_HANDSHAKE_DIAGNOSIS_H
#define WYE_HANDSHAKE_DIAGNOSIS_H

#include "handshake/attempt.h"
#include "handshake/trouble.h"

enum wye_result {
    WYE_RESULT_UPGRADED,      /* and nothing was wrong */
    WYE_RESULT_REFUSED,       /* or something was wrong */
    WYE_RESULT_NO_CONNECTION, /* no answer could be asked for */
};

/* One trouble, as it was met. */
struct wye_finding {
    enum wye_trouble trouble;
    char evidence[400];      /* what it was told by; printable ASCII, a sentence or more */
    struct wye_span said[3]; /* the server's own words, raw; count 0: none */
    bool by_rule;            /* these are the sentences of a node's rules */
    bool no_lines;           /* the proxies' lines of the table don't help here */
};

enum { WYE_FINDINGS_MAX = 24 }; /* more than can meet in one attempt */

/* Spans borrow from what the attempt's spans borrow from. */
struct wye_diagnosis {
    enum wye_result result;
    int proxy; /* which of wye_proxy_names answered, as far as it says so; -1: unknown */
    unsigned count;
    struct wye_finding findings[WYE_FINDINGS_MAX]; /* faults first, in the order of the table */
};

void wye_diagnose(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt);

/* How a report looks. */
struct wye_style {
    bool colour;      /* ANSI colours */
    bool symbols;     /* check marks in UTF-8 rather than words */
    unsigned columns; /* to wrap at, 40 to 200 */
};

/* At most room - 1 bytes and a NUL; WYE_DIAGNOSIS_TEXT_MAX is always enough. Nothing from outside is in it
 * but escaped and cut. Returns its length. */
enum { WYE_DIAGNOSIS_TEXT_MAX = 1024 * 1024 };
size_t wye_diagnosis_text(char *to, size_t room, const struct wye_diagnosis *diagnosis,
                          const struct wye_attempt *attempt, const struct wye_style *style);

/* The same as one JSON object and LF. 0: it doesn't fit into room. */
size_t wye_diagnosis_json(char *to, size_t room, const struct wye_diagnosis *diagnosis,
                          const struct wye_attempt *attempt);

#endif
