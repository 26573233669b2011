/*
 * One attempt to upgrade a connection, as a record of facts: what was asked for and what was seen at each
 * step. Whoever has sockets fills it in (ring/probe_walk.c); checks.c, diagnosis.c and the reports only read
 * it. Pure.
 */
#ifndef WYE_HANDSHAKE_ATTEMPT_H
#define WYE_HANDSHAKE_ATTEMPT_H

#include "handshake/client.h"
#include "handshake/text.h"

enum {
    WYE_ATTEMPT_BODY_MAX =
        28 * 1024, /* bytes of a refusal's content that are read: more than a whole mirrored head */
    WYE_ATTEMPT_FIRST_MAX = 64, /* first bytes of an answer that isn't HTTP */
};

/* How a step ended. */
enum wye_end {
    WYE_END_UNTRIED,
    WYE_END_FINE,
    WYE_END_TIMEOUT, /* nothing happened in time */
    WYE_END_FIN,     /* the other side ended the connection */
    WYE_END_ERROR,   /* the system said errno */
    WYE_END_BROKEN,  /* what came breaks the rules of the protocol */
    WYE_END_CLOSED,  /* a close frame came */
    WYE_END_COUNT
};

/* What is wrong with a certificate; bits, since one may have several faults. */
enum wye_certificate_fault {
    WYE_CERTIFICATE_EXPIRED = 1,
    WYE_CERTIFICATE_NOT_YET = 2,
    WYE_CERTIFICATE_NAME = 4,
    WYE_CERTIFICATE_AUTHORITY = 8,
    WYE_CERTIFICATE_SELF_SIGNED = 16,
    WYE_CERTIFICATE_OTHER = 32,
};

/* How TLS failed. */
enum wye_tls_fault {
    WYE_TLS_FINE,
    WYE_TLS_LEFT_OUT, /* this program was built without TLS */
    WYE_TLS_NOT_TLS,  /* what came was no TLS record */
    WYE_TLS_VERSION,  /* no version in common */
    WYE_TLS_ALPN,     /* no application protocol in common */
    WYE_TLS_WANTS_CLIENT_CERTIFICATE,
    WYE_TLS_ALERT, /* another alert */
    WYE_TLS_CUT,   /* the connection ended in the middle */
    WYE_TLS_TIMEOUT,
    WYE_TLS_OTHER,
    WYE_TLS_FAULT_COUNT
};

struct wye_attempt {
    /* ---- asked ---- */
    const char *url;  /* as given, but for its token */
    const char *host; /* without port and brackets; for a name also the server name of TLS */
    unsigned port;
    bool secure;      /* TLS was asked for */
    bool insecure;    /* certificate faults don't count */
    double timeout_s; /* for each step */
    struct wye_client_request request;
    struct wye_span sent;   /* the request's bytes */
    struct wye_span origin; /* that was sent; count 0: none */
    bool fields_withheld;   /* --header fields weren't sent, since the certificate isn't trusted */

    /* ---- name resolution ---- */
    struct {
        enum wye_end end;
        bool literal;     /* the host is an address */
        bool unknown;     /* there is no such name, or it has no address */
        const char *said; /* the resolver's words, static; NULL: none */
        unsigned count;   /* addresses */
        double ms;
    } name;

    /* ---- TCP ---- */
    struct {
        enum wye_end end;
        int error;          /* errno, WYE_END_ERROR */
        char address[64];   /* that was connected to, or tried last: "127.0.0.1:80" */
        char passed_by[64]; /* the first that could not be connected to, when a later one could; "" */
        int passed_error;   /* its errno; 0: in time nothing happened */
        double ms;
    } tcp;

    /* ---- TLS ---- */
    struct {
        enum wye_end end;
        enum wye_tls_fault fault;
        char said[96];                        /* the library's word for it; "" */
        uint8_t first[WYE_ATTEMPT_FIRST_MAX]; /* the first bytes that came, WYE_TLS_NOT_TLS */
        size_t first_count;
        char version[16];     /* "TLSv1.3" */
        char alpn[16];        /* chosen on the connection that was used; "": none */
        char alpn_before[16]; /* chosen on the first connection, when that made a second one necessary; "" */
        char old_version[16]; /* a version that is spoken when older ones are offered; "" */
        unsigned certificate; /* bits of enum wye_certificate_fault */
        char names[512];      /* those in the certificate, separated by ", " */
        char issuer[160];
        char from[40], until[40]; /* its validity */
        char other[96];           /* the library's words, WYE_CERTIFICATE_OTHER */
        const char *authorities;  /* the file with the authorities */
        bool no_authorities;      /* that can't be read, or holds none */
        double ms;
    } tls;

    /* ---- the answer ---- */
    struct {
        enum wye_end end; /* FINE: a whole head was read. BROKEN: reading it gave a fault */
        int error;
        size_t count;                  /* bytes that came before it ended, when no whole head did */
        struct wye_span first;         /* the first of them */
        unsigned interim;              /* 1xx responses that came first */
        struct wye_client_answer head; /* END_FINE, and its fault with END_BROKEN */
        struct wye_span body;          /* at most WYE_ATTEMPT_BODY_MAX */
        bool deflate_wrong;            /* the parameters of permessage-deflate may not be (RFC 7692 7.1) */
        double ms;
    } answer;

    /* ---- after the 101 ---- */
    struct {
        enum wye_end ping, hold, again, close,
            fin;   /* again: the ping after the hold. fin: the connection ended after the closing handshake */
        int error; /* errno, of whichever is WYE_END_ERROR */
        const char *broken;    /* what WYE_END_BROKEN means, static */
        bool masked;           /* it is that a frame was masked */
        unsigned messages;     /* data messages that came meanwhile */
        unsigned pings;        /* pings that came, and were answered */
        double hold_s, held_s; /* how long to hold, and how long it was held */
        double quiet_s;        /* between the last byte either way and the end of the hold */
        bool code_given;       /* the close frame that ended it has a code, namely: */
        uint16_t code;         /* in WYE_END_CLOSED, or the answer to ours */
        const char *code_name; /* static */
        char reason[124];      /* text behind the code; may hold any byte but NUL */
        double ping_ms, close_ms;
        enum wye_end settings; /* h2c: the server's first frame is SETTINGS */
    } talk;

    /* ---- what further requests said ---- */
    struct {
        bool old_tls_tried;         /* whether tls.old_version was looked for */
        bool tls_tried, tls_spoken; /* does the port speak TLS, when plain HTTP failed */
        bool origin_tried;          /* the same request without Origin: */
        int origin_status;          /* its status; 0: no answer */
    } also;
};

/* Further connections that would decide what is wrong. */
enum wye_follow_up {
    WYE_FOLLOW_UP_NONE,
    WYE_FOLLOW_UP_OLD_TLS,        /* a TLS handshake with old versions allowed */
    WYE_FOLLOW_UP_TLS,            /* a TLS handshake on the port that was taken for plain */
    WYE_FOLLOW_UP_WITHOUT_ORIGIN, /* the same request without Origin */
};

/* The next one that isn't recorded in the attempt yet. */
enum wye_follow_up wye_attempt_follow_up(const struct wye_attempt *attempt);

/* Has the server switched to what was asked for, as far as its answer goes? */
static inline bool wye_attempt_switched(const struct wye_attempt *attempt) {
    return attempt->answer.end == WYE_END_FINE && attempt->answer.head.fault == WYE_ANSWER_FINE;
}

/* What the mirror's answers begin with (wye-probe --serve); behind it stands the head that arrived. */
#define WYE_MIRROR_FIRST_LINE "wye-probe mirror: this is what arrived\n"

/* ---- the list of checks ---- */

enum wye_check_id {
    WYE_CHECK_NAME,
    WYE_CHECK_TCP,
    WYE_CHECK_TLS,
    WYE_CHECK_CERTIFICATE,
    WYE_CHECK_ALPN,
    WYE_CHECK_SENT,
    WYE_CHECK_STATUS,
    WYE_CHECK_UPGRADE,
    WYE_CHECK_CONNECTION,
    WYE_CHECK_ACCEPT,
    WYE_CHECK_SUBPROTOCOL,
    WYE_CHECK_EXTENSIONS,
    WYE_CHECK_PING,
    WYE_CHECK_HOLD,
    WYE_CHECK_CLOSE,
    WYE_CHECK_SETTINGS,
    WYE_CHECK_COUNT
};

enum wye_mark {
    WYE_MARK_ABSENT, /* doesn't belong to this attempt */
    WYE_MARK_OK,
    WYE_MARK_NOTE, /* worth a look, and no fault */
    WYE_MARK_FAULT,
    WYE_MARK_UNTRIED, /* it didn't come to that */
};

struct wye_check {
    const char *id; /* "name", "tcp", ...: for JSON */
    const char *title;
    enum wye_mark mark;
    char detail[400]; /* printable ASCII */
};

/* Fills in all of them, in the order of the enum. */
void wye_attempt_checks(struct wye_check checks[WYE_CHECK_COUNT], const struct wye_attempt *attempt);

#endif
