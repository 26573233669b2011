/*
 * What goes wrong with upgrades: the one table that the probe's findings and its documentation read. Where
 * the node has a rule that says the same, or client.c a fault, the sentence is theirs.
 */
#ifndef WYE_HANDSHAKE_TROUBLE_H
#define WYE_HANDSHAKE_TROUBLE_H

#include "handshake/client.h"
#include "handshake/rule.h"

/* In the order in which an upgrade meets them. */
enum wye_trouble {
    WYE_TROUBLE_NONE,
    WYE_TROUBLE_NAME_UNKNOWN,
    WYE_TROUBLE_NAME_UNRESOLVED,
    WYE_TROUBLE_TCP_REFUSED,
    WYE_TROUBLE_TCP_SILENT,
    WYE_TROUBLE_TCP_UNREACHABLE,
    WYE_TROUBLE_ADDRESS_PASSED_BY,
    WYE_TROUBLE_TLS_LEFT_OUT,
    WYE_TROUBLE_TLS_TO_PLAIN,
    WYE_TROUBLE_TLS_OLD,
    WYE_TROUBLE_TLS_VERSION,
    WYE_TROUBLE_TLS_CLIENT_CERTIFICATE,
    WYE_TROUBLE_TLS_CUT,
    WYE_TROUBLE_TLS_SILENT,
    WYE_TROUBLE_TLS_FAILED,
    WYE_TROUBLE_CERTIFICATE_EXPIRED,
    WYE_TROUBLE_CERTIFICATE_NOT_YET,
    WYE_TROUBLE_CERTIFICATE_NAME,
    WYE_TROUBLE_CERTIFICATE_SELF_SIGNED,
    WYE_TROUBLE_CERTIFICATE_AUTHORITY,
    WYE_TROUBLE_CERTIFICATE_OTHER,
    WYE_TROUBLE_HTTP2_CHOSEN,
    WYE_TROUBLE_HTTP2_ONLY,
    WYE_TROUBLE_FIELDS_WITHHELD,
    WYE_TROUBLE_PLAIN_TO_TLS,
    WYE_TROUBLE_HTTP2_PLAIN,
    WYE_TROUBLE_ANSWER_SILENT,
    WYE_TROUBLE_ANSWER_CUT,
    WYE_TROUBLE_ANSWER_NOT_HTTP,
    WYE_TROUBLE_ANSWER_BROKEN,
    WYE_TROUBLE_REDIRECT_HTTPS,
    WYE_TROUBLE_REDIRECT,
    WYE_TROUBLE_AUTHENTICATION,
    WYE_TROUBLE_PROXY_AUTHENTICATION,
    WYE_TROUBLE_ORIGIN,
    WYE_TROUBLE_HOST_CHANGED,
    WYE_TROUBLE_FORBIDDEN,
    WYE_TROUBLE_PATH,
    WYE_TROUBLE_METHOD,
    WYE_TROUBLE_HOST_NAMED,
    WYE_TROUBLE_PROXY_HTTP10,
    WYE_TROUBLE_PROXY_FIELDS_LOST,
    WYE_TROUBLE_WEBSOCKET_FIELDS_LOST,
    WYE_TROUBLE_OTHER_TOKEN,
    WYE_TROUBLE_WEBSOCKET_VERSION,
    WYE_TROUBLE_BAD_REQUEST,
    WYE_TROUBLE_TOO_MANY,
    WYE_TROUBLE_BACKEND_DOWN,
    WYE_TROUBLE_BACKEND_SLOW,
    WYE_TROUBLE_OVERLOADED,
    WYE_TROUBLE_SERVER_ERROR,
    WYE_TROUBLE_PAGE,
    WYE_TROUBLE_UPGRADE_IGNORED,
    WYE_TROUBLE_STATUS_OTHER,
    WYE_TROUBLE_MIRROR,
    WYE_TROUBLE_SWITCH_VERSION,
    WYE_TROUBLE_SWITCH_UPGRADE_MISSING,
    WYE_TROUBLE_SWITCH_UPGRADE_OTHER,
    WYE_TROUBLE_SWITCH_CONNECTION,
    WYE_TROUBLE_ACCEPT_MISSING,
    WYE_TROUBLE_ACCEPT_DOUBLED,
    WYE_TROUBLE_ACCEPT_WRONG,
    WYE_TROUBLE_SUBPROTOCOL_UNASKED,
    WYE_TROUBLE_SUBPROTOCOL_DOUBLED,
    WYE_TROUBLE_SUBPROTOCOL_NONE,
    WYE_TROUBLE_EXTENSION_UNASKED,
    WYE_TROUBLE_EXTENSION_PARAMETERS,
    WYE_TROUBLE_FRAME_MASKED,
    WYE_TROUBLE_FRAME_BROKEN,
    WYE_TROUBLE_CUT_EARLY,
    WYE_TROUBLE_PING_UNANSWERED,
    WYE_TROUBLE_CLOSED_BY_SERVER,
    WYE_TROUBLE_HOLD_CUT,
    WYE_TROUBLE_HOLD_DEAD,
    WYE_TROUBLE_CLOSE_UNANSWERED,
    WYE_TROUBLE_CLOSE_CUT,
    WYE_TROUBLE_CLOSE_LINGERS,
    WYE_TROUBLE_SETTINGS_MISSING,
    WYE_TROUBLE_COUNT
};

enum wye_weight {
    WYE_WEIGHT_FAULT, /* a client has trouble with it */
    WYE_WEIGHT_NOTE,  /* worth knowing */
};

/* The lines that mend it, for each kind of proxy; NULL: nothing to write there. Lines are separated by LF. */
struct wye_proxy_lines {
    const char *nginx, *haproxy, *caddy, *apache;
};

/* One kind of trouble. All strings are static, printable ASCII. */
struct wye_trouble_row {
    const char *id;
    enum wye_weight weight;
    enum wye_rule rule;                  /* the node's rule that says the same; WYE_RULE_NONE: none */
    enum wye_answer_fault fault;         /* the fault of a 101 that says the same; WYE_ANSWER_FINE: none */
    const char *title;                   /* what is wrong, one short sentence */
    const char *means;                   /* what it means; "" where the title says it all */
    const char *mend;                    /* how to mend it */
    const char *source;                  /* "RFC 9110 7.8"; NULL: the rule's, or none */
    const struct wye_proxy_lines *lines; /* NULL: none */
};

/* Indexed by enum wye_trouble. */
extern const struct wye_trouble_row wye_troubles[WYE_TROUBLE_COUNT];

/* The names of the proxies and their lines, one after another: i is 0 to 3. NULL: that proxy needs none. */
enum { WYE_PROXY_COUNT = 4 };
extern const char *const wye_proxy_names[WYE_PROXY_COUNT];
const char *wye_proxy_lines_of(const struct wye_proxy_lines *lines, unsigned proxy);

/* Where it is written: the row's own source, or its rule's; "" for none. */
const char *wye_trouble_source(const struct wye_trouble_row *row);

/* The table as Markdown, a section each; at most room - 1 bytes and a NUL. Returns its length.
 * WYE_TROUBLES_TEXT_MAX is enough. */
enum { WYE_TROUBLES_TEXT_MAX = 128 * 1024 };
size_t wye_troubles_markdown(char *to, size_t room);

#endif
