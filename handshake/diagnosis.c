#include "handshake/diagnosis.h"

#include "handshake/refused.h"

#include <assert.h>
#include <errno.h>

/* ---- findings ---- */

struct wye_finding *wye_finding_add(struct wye_diagnosis *diagnosis, enum wye_trouble trouble) {
    for (unsigned i = 0; i < diagnosis->count; i++)
        if (diagnosis->findings[i].trouble == trouble) return &diagnosis->findings[i];
    assert(diagnosis->count < WYE_FINDINGS_MAX);
    struct wye_finding *finding = &diagnosis->findings[diagnosis->count++];
    *finding = (struct wye_finding){.trouble = trouble};
    return finding;
}

struct wye_text wye_finding_evidence(struct wye_finding *finding) {
    return (struct wye_text){
        .to = finding->evidence, .room = sizeof finding->evidence - 1, .count = strlen(finding->evidence)};
}

void wye_finding_say(struct wye_finding *finding, struct wye_span said) {
    for (unsigned i = 0; i < sizeof finding->said / sizeof *finding->said; i++) {
        if (finding->said[i].count > 0) continue;
        finding->said[i] = said;
        return;
    }
}

/* Evidence in one sentence. The buffer has been zeroed, so it ends itself. */
#define TELL(finding, ...)                                                                                   \
    do {                                                                                                     \
        struct wye_text text_ = wye_finding_evidence(finding);                                               \
        wye_text_addf(&text_, __VA_ARGS__);                                                                  \
    } while (0)

static void tell_seen(struct wye_finding *finding, const char *before, struct wye_span seen,
                      const char *behind) {
    struct wye_text text = wye_finding_evidence(finding);
    wye_text_add_string(&text, before);
    wye_text_add_seen(&text, seen, 120);
    wye_text_add_string(&text, behind);
}

/* ---- up to TLS ---- */

static void diagnose_name(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    if (attempt->name.end == WYE_END_FINE) return;
    struct wye_finding *finding = wye_finding_add(
        diagnosis, attempt->name.unknown ? WYE_TROUBLE_NAME_UNKNOWN : WYE_TROUBLE_NAME_UNRESOLVED);
    tell_seen(finding, "The name is ", wye_span_of(attempt->host), "; ");
    if (attempt->name.end == WYE_END_TIMEOUT)
        TELL(finding, "there was no answer within %g s.", attempt->timeout_s);
    else TELL(finding, "the resolver says: %s.", attempt->name.said ? attempt->name.said : "nothing");
}

static enum wye_trouble tcp_trouble(const struct wye_attempt *attempt) {
    if (attempt->tcp.end == WYE_END_TIMEOUT) return WYE_TROUBLE_TCP_SILENT;
    switch (attempt->tcp.error) {
    case ETIMEDOUT:
    case EHOSTDOWN: return WYE_TROUBLE_TCP_SILENT;
    case ECONNREFUSED:
    case ECONNRESET: return WYE_TROUBLE_TCP_REFUSED;
    default: return WYE_TROUBLE_TCP_UNREACHABLE;
    }
}

static void diagnose_tcp(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    if (attempt->tcp.end == WYE_END_UNTRIED) return;
    if (attempt->tcp.end == WYE_END_FINE) {
        if (!*attempt->tcp.passed_by) return;
        TELL(wye_finding_add(diagnosis, WYE_TROUBLE_ADDRESS_PASSED_BY), "%s: %s; %s answered.",
             attempt->tcp.passed_by,
             attempt->tcp.passed_error ? strerror(attempt->tcp.passed_error) : "no answer",
             attempt->tcp.address);
        return;
    }
    struct wye_finding *finding = wye_finding_add(diagnosis, tcp_trouble(attempt));
    if (attempt->tcp.end == WYE_END_TIMEOUT)
        TELL(finding, "%s: nothing came within %g s.", attempt->tcp.address, attempt->timeout_s);
    else TELL(finding, "%s: %s.", attempt->tcp.address, strerror(attempt->tcp.error));
}

static enum wye_trouble tls_trouble(const struct wye_attempt *attempt) {
    bool refused = attempt->tls.fault == WYE_TLS_ALPN || attempt->tls.fault == WYE_TLS_ALERT ||
                   attempt->tls.fault == WYE_TLS_CUT;
    if (*attempt->tls.alpn_before && refused) return WYE_TROUBLE_HTTP2_ONLY; /* offered http/1.1 alone */
    switch (attempt->tls.fault) {
    case WYE_TLS_LEFT_OUT: return WYE_TROUBLE_TLS_LEFT_OUT;
    case WYE_TLS_NOT_TLS: return WYE_TROUBLE_TLS_TO_PLAIN;
    case WYE_TLS_VERSION: return *attempt->tls.old_version ? WYE_TROUBLE_TLS_OLD : WYE_TROUBLE_TLS_VERSION;
    case WYE_TLS_WANTS_CLIENT_CERTIFICATE: return WYE_TROUBLE_TLS_CLIENT_CERTIFICATE;
    case WYE_TLS_CUT: return WYE_TROUBLE_TLS_CUT;
    case WYE_TLS_TIMEOUT: return WYE_TROUBLE_TLS_SILENT;
    default: return WYE_TROUBLE_TLS_FAILED;
    }
}

static void diagnose_tls(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    struct wye_finding *finding = wye_finding_add(diagnosis, tls_trouble(attempt));
    if (attempt->tls.fault == WYE_TLS_NOT_TLS && attempt->tls.first_count > 0)
        tell_seen(finding, "Where TLS was expected, ",
                  (struct wye_span){(const char *)attempt->tls.first, attempt->tls.first_count}, " came.");
    else if (*attempt->tls.old_version)
        tell_seen(finding,
                  "It refused TLS 1.2 and 1.3; offered older versions on a second connection, it took ",
                  wye_span_of(attempt->tls.old_version), ".");
    else if (*attempt->tls.alpn_before)
        tell_seen(finding,
                  "Offered h2 and http/1.1 it took h2; offered http/1.1 alone on a second connection, the "
                  "handshake failed: ",
                  wye_span_of(attempt->tls.said), ".");
    else if (*attempt->tls.said)
        tell_seen(finding, "The TLS library says ", wye_span_of(attempt->tls.said), ".");
}

static void diagnose_certificate(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    unsigned faults = attempt->insecure ? 0 : attempt->tls.certificate;
    if (faults & WYE_CERTIFICATE_EXPIRED)
        TELL(wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_EXPIRED), "Its last day was %s.",
             attempt->tls.until);
    if (faults & WYE_CERTIFICATE_NOT_YET)
        TELL(wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_NOT_YET), "It begins on %s.",
             attempt->tls.from);
    if (faults & WYE_CERTIFICATE_NAME) {
        struct wye_finding *finding = wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_NAME);
        tell_seen(finding, "The URL says ", wye_span_of(attempt->host), "; ");
        if (*attempt->tls.names)
            tell_seen(finding, "the certificate is for ", wye_span_of(attempt->tls.names), ".");
        else TELL(finding, "the certificate has no subjectAltName, which is all that counts.");
    }
    if (faults & WYE_CERTIFICATE_SELF_SIGNED)
        tell_seen(wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_SELF_SIGNED),
                  "It was issued by itself, ", wye_span_of(attempt->tls.issuer), ".");
    else if (faults & WYE_CERTIFICATE_AUTHORITY) {
        struct wye_finding *finding = wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_AUTHORITY);
        tell_seen(finding, "It was issued by ", wye_span_of(attempt->tls.issuer), ". ");
        if (attempt->tls.no_authorities)
            tell_seen(finding, "No authority at all is known here: there is none in ",
                      wye_span_of(attempt->tls.authorities),
                      " (Debian's package ca-certificates brings it).");
    }
    if (faults & WYE_CERTIFICATE_OTHER)
        tell_seen(wye_finding_add(diagnosis, WYE_TROUBLE_CERTIFICATE_OTHER), "The TLS library says ",
                  wye_span_of(attempt->tls.other), ".");
    if (attempt->fields_withheld) wye_finding_add(diagnosis, WYE_TROUBLE_FIELDS_WITHHELD);
}

/* ---- what came isn't a whole response ---- */

static const char *looks_like(struct wye_span first) {
    static const struct {
        struct wye_span begins;
        const char *what;
    } rows[] = {
        {{"SSH-", 4}, "SSH"},
        {{"220", 3}, "SMTP or FTP"},
        {{"+OK", 3}, "POP3"},
        {{"* OK", 4}, "IMAP"},
        {{"RFB ", 4}, "VNC"},
        {{"-ERR", 4}, "Redis"},
        {{"INFO {", 6}, "NATS"},
        {{"HTTP/0", 6}, "an old HTTP"},
        {{"ICY ", 4}, "a radio stream"},
        {{"HTTP/2", 6}, "HTTP/2 written as text"},
        {{"<", 1}, "HTML or XML without a head"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (first.count >= rows[i].begins.count &&
            memcmp(first.bytes, rows[i].begins.bytes, rows[i].begins.count) == 0)
            return rows[i].what;
    }
    return NULL;
}

/* A SETTINGS frame on stream 0 (RFC 9113 4.1, 6.5): a length that is a multiple of 6, type 4. */
static bool is_http2(struct wye_span first) {
    const uint8_t *bytes = (const uint8_t *)first.bytes;
    if (first.count < 9) return false;
    return bytes[0] == 0 && (bytes[1] << 8 | bytes[2]) % 6 == 0 && bytes[3] == 4 && bytes[4] <= 1 &&
           !bytes[5] && !bytes[6] && !bytes[7] && !bytes[8];
}

/* An alert or a handshake record (RFC 8446 5.1). */
static bool is_tls(struct wye_span first) {
    return first.count >= 2 && (first.bytes[0] == 0x15 || first.bytes[0] == 0x16) && first.bytes[1] == 3;
}

static void diagnose_broken(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    struct wye_span first = attempt->answer.first;
    const char *what = looks_like(first);
    struct wye_finding *finding;
    if (is_http2(first)) {
        finding =
            wye_finding_add(diagnosis, attempt->secure ? WYE_TROUBLE_HTTP2_ONLY : WYE_TROUBLE_HTTP2_PLAIN);
        TELL(finding, "The first %zu bytes that came hold an HTTP/2 SETTINGS frame.", first.count);
    } else if (is_tls(first) && !attempt->secure) {
        finding = wye_finding_add(diagnosis, WYE_TROUBLE_PLAIN_TO_TLS);
        TELL(finding, "It answered with a TLS %s.", first.bytes[0] == 0x15 ? "alert" : "handshake record");
    } else if (attempt->answer.head.fault == WYE_ANSWER_STATUS_LINE) {
        finding = wye_finding_add(diagnosis, WYE_TROUBLE_ANSWER_NOT_HTTP);
        tell_seen(finding, "It began with ",
                  (struct wye_span){first.bytes, first.count > 40 ? 40 : first.count}, ".");
        if (what) TELL(finding, " That looks like %s.", what);
    } else {
        finding = wye_finding_add(diagnosis, WYE_TROUBLE_ANSWER_BROKEN);
        TELL(finding, "Found: %s", wye_answer_faults[attempt->answer.head.fault]);
        if (attempt->answer.head.seen.count > 0) tell_seen(finding, ": ", attempt->answer.head.seen, ".");
        else TELL(finding, ".");
    }
}

static void diagnose_no_answer(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    if (attempt->answer.end == WYE_END_BROKEN) {
        diagnose_broken(diagnosis, attempt);
        return;
    }
    if (attempt->also.tls_spoken) {
        TELL(wye_finding_add(diagnosis, WYE_TROUBLE_PLAIN_TO_TLS),
             "The plain request got no answer; a TLS handshake on a second connection did.");
        return;
    }
    bool silent = attempt->answer.end == WYE_END_TIMEOUT;
    struct wye_finding *finding =
        wye_finding_add(diagnosis, silent ? WYE_TROUBLE_ANSWER_SILENT : WYE_TROUBLE_ANSWER_CUT);
    if (silent)
        TELL(finding, "Within %g s %s came.", attempt->timeout_s,
             attempt->answer.count ? "only a part of a head" : "nothing");
    else if (attempt->answer.end == WYE_END_ERROR)
        TELL(finding, "After %zu bytes: %s.", attempt->answer.count, strerror(attempt->answer.error));
    else TELL(finding, "It ended after %zu bytes.", attempt->answer.count);
    if (attempt->answer.count > 0) tell_seen(finding, " They begin with ", attempt->answer.first, ".");
}

/* ---- a 101 ---- */

/* What is missing isn't among these. */
static void tell_names(struct wye_finding *finding, const struct wye_client_answer *head) {
    struct wye_text text = wye_finding_evidence(finding);
    wye_text_add_string(&text, head->field_count ? "The fields that came: " : "No field came at all");
    for (unsigned i = 0; i < head->field_count && i < 12; i++) {
        if (i > 0) wye_text_add_string(&text, ", ");
        wye_text_add_bare(&text, head->fields[i].name, 30);
    }
    wye_text_add_string(&text, head->field_count > 12 ? ", ..." : ".");
}

static void diagnose_switch(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) {
        if (head->fault == WYE_ANSWER_FINE || wye_troubles[i].fault != head->fault) continue;
        struct wye_finding *finding = wye_finding_add(diagnosis, (enum wye_trouble)i);
        if (head->seen.count > 0) tell_seen(finding, "It came as ", head->seen, ".");
        else tell_names(finding, head);
    }
    if (head->fault != WYE_ANSWER_FINE) return;
    if (attempt->answer.deflate_wrong)
        tell_seen(wye_finding_add(diagnosis, WYE_TROUBLE_EXTENSION_PARAMETERS), "It answered ",
                  head->extensions, ".");
    if (attempt->request.subprotocols.count > 0 && wye_client_request_is_websocket(&attempt->request) &&
        head->subprotocol.count == 0)
        tell_seen(wye_finding_add(diagnosis, WYE_TROUBLE_SUBPROTOCOL_NONE),
                  "Offered: ", attempt->request.subprotocols, ".");
}

/* ---- behind the 101 ---- */

/* What may happen at any time. true: it was told. */
static bool diagnose_any_time(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt,
                              enum wye_end how) {
    struct wye_finding *finding;
    if (how == WYE_END_BROKEN) {
        finding = wye_finding_add(diagnosis,
                                  attempt->talk.masked ? WYE_TROUBLE_FRAME_MASKED : WYE_TROUBLE_FRAME_BROKEN);
        TELL(finding, "%s", attempt->talk.broken ? attempt->talk.broken : "");
        return true;
    }
    if (how != WYE_END_CLOSED) return false;
    finding = wye_finding_add(diagnosis, WYE_TROUBLE_CLOSED_BY_SERVER);
    if (attempt->talk.code_given)
        TELL(finding, "Its close frame says %u (%s)", attempt->talk.code,
             attempt->talk.code_name ? attempt->talk.code_name : "");
    else TELL(finding, "Its close frame has no code");
    if (*attempt->talk.reason) tell_seen(finding, ": ", wye_span_of(attempt->talk.reason), "");
    if (attempt->talk.hold == WYE_END_CLOSED) TELL(finding, ", after %.2f s", attempt->talk.held_s);
    TELL(finding, ".");
    return true;
}

static void diagnose_hold(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    if (attempt->talk.hold == WYE_END_UNTRIED || diagnose_any_time(diagnosis, attempt, attempt->talk.hold))
        return;
    if (attempt->talk.hold != WYE_END_FINE) {
        struct wye_finding *finding = wye_finding_add(diagnosis, WYE_TROUBLE_HOLD_CUT);
        TELL(finding, "It was cut after %.2f s, %.2f s after the last byte either way", attempt->talk.held_s,
             attempt->talk.quiet_s);
        if (attempt->talk.hold == WYE_END_ERROR) TELL(finding, ", by a reset");
        if (attempt->talk.pings) TELL(finding, "; the server had sent %u pings.", attempt->talk.pings);
        else TELL(finding, "; the server had sent no ping.");
        return;
    }
    if (attempt->talk.again == WYE_END_FINE || diagnose_any_time(diagnosis, attempt, attempt->talk.again))
        return;
    TELL(wye_finding_add(diagnosis, WYE_TROUBLE_HOLD_DEAD), "After %.1f s without a byte a ping %s.",
         attempt->talk.held_s,
         attempt->talk.again == WYE_END_TIMEOUT ? "got no answer" : "broke the connection");
}

static void diagnose_close(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    enum wye_end how = attempt->talk.close;
    if (how == WYE_END_UNTRIED) return;
    if (how == WYE_END_CLOSED) {
        if (attempt->talk.fin != WYE_END_FINE) wye_finding_add(diagnosis, WYE_TROUBLE_CLOSE_LINGERS);
        return;
    }
    if (diagnose_any_time(diagnosis, attempt, how)) return;
    struct wye_finding *finding = wye_finding_add(
        diagnosis, how == WYE_END_TIMEOUT ? WYE_TROUBLE_CLOSE_UNANSWERED : WYE_TROUBLE_CLOSE_CUT);
    if (how == WYE_END_TIMEOUT)
        TELL(finding, "The probe sent one with 1000 and waited for %g s.", attempt->timeout_s);
    else
        TELL(finding, "The probe sent one with 1000; then the connection %s.",
             how == WYE_END_FIN ? "ended" : "was reset");
}

static void diagnose_talk(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    enum wye_end ping = attempt->talk.ping;
    if (attempt->talk.settings != WYE_END_UNTRIED && attempt->talk.settings != WYE_END_FINE)
        wye_finding_add(diagnosis, WYE_TROUBLE_SETTINGS_MISSING);
    if (ping != WYE_END_UNTRIED && ping != WYE_END_FINE && !diagnose_any_time(diagnosis, attempt, ping)) {
        bool silent = ping == WYE_END_TIMEOUT;
        struct wye_finding *finding =
            wye_finding_add(diagnosis, silent ? WYE_TROUBLE_PING_UNANSWERED : WYE_TROUBLE_CUT_EARLY);
        if (silent) TELL(finding, "Within %g s none came.", attempt->timeout_s);
        else
            TELL(finding, "Instead of a pong, the connection %s.",
                 ping == WYE_END_FIN ? "ended" : "was reset");
    }
    diagnose_hold(diagnosis, attempt);
    diagnose_close(diagnosis, attempt);
}

/* ---- all of it ---- */

enum wye_follow_up wye_attempt_follow_up(const struct wye_attempt *attempt) {
    if (attempt->secure && attempt->tls.end != WYE_END_UNTRIED && attempt->tls.fault == WYE_TLS_VERSION &&
        !attempt->also.old_tls_tried)
        return WYE_FOLLOW_UP_OLD_TLS;
    bool nothing = attempt->answer.count == 0 &&
                   (attempt->answer.end == WYE_END_FIN || attempt->answer.end == WYE_END_ERROR ||
                    attempt->answer.end == WYE_END_TIMEOUT);
    if (!attempt->secure && nothing && !attempt->also.tls_tried) return WYE_FOLLOW_UP_TLS;
    if (attempt->answer.end == WYE_END_FINE && attempt->answer.head.status == 403 &&
        attempt->origin.count > 0 && !attempt->also.origin_tried &&
        !wye_refused_by_rules(attempt->answer.body))
        return WYE_FOLLOW_UP_WITHOUT_ORIGIN;
    return WYE_FOLLOW_UP_NONE;
}

static bool is_fault(const struct wye_finding *finding) {
    return wye_troubles[finding->trouble].weight == WYE_WEIGHT_FAULT;
}

/* Faults first, each kind in the order of the table. */
static void sort(struct wye_diagnosis *diagnosis) {
    struct wye_finding *findings = diagnosis->findings;
    for (unsigned i = 1; i < diagnosis->count; i++) {
        for (unsigned j = i; j > 0; j--) {
            bool later = is_fault(&findings[j]) != is_fault(&findings[j - 1])
                             ? is_fault(&findings[j])
                             : findings[j].trouble < findings[j - 1].trouble;
            if (!later) break;
            struct wye_finding swapped = findings[j];
            findings[j] = findings[j - 1];
            findings[j - 1] = swapped;
        }
    }
}

void wye_diagnose(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    memset(diagnosis, 0, sizeof *diagnosis);
    diagnosis->proxy = -1;
    diagnosis->result = WYE_RESULT_NO_CONNECTION;
    diagnose_name(diagnosis, attempt);
    diagnose_tcp(diagnosis, attempt);
    if (attempt->name.end != WYE_END_FINE || attempt->tcp.end != WYE_END_FINE) return;
    if (attempt->secure && attempt->tls.end != WYE_END_FINE) {
        diagnose_tls(diagnosis, attempt);
        sort(diagnosis);
        return;
    }
    if (attempt->secure) diagnose_certificate(diagnosis, attempt);
    diagnosis->result = WYE_RESULT_REFUSED;
    if (attempt->answer.end != WYE_END_FINE) {
        diagnose_no_answer(diagnosis, attempt);
    } else {
        diagnosis->proxy = wye_proxy_of(&attempt->answer.head);
        if (attempt->answer.head.status == 101) diagnose_switch(diagnosis, attempt);
        else wye_refused_diagnose(diagnosis, attempt);
        diagnose_talk(diagnosis, attempt);
    }
    if (*attempt->tls.alpn_before) {
        bool only = false;
        for (unsigned i = 0; i < diagnosis->count; i++)
            only |= diagnosis->findings[i].trouble == WYE_TROUBLE_HTTP2_ONLY;
        if (!only) wye_finding_add(diagnosis, WYE_TROUBLE_HTTP2_CHOSEN);
    }
    sort(diagnosis);
    if (wye_attempt_switched(attempt) && (diagnosis->count == 0 || !is_fault(&diagnosis->findings[0])))
        diagnosis->result = WYE_RESULT_UPGRADED;
}
