/* The facts of an attempt as a list of checks. */
#include "handshake/attempt.h"

#include <errno.h>
#include <stdio.h>

/* Where details are written. */
struct line {
    struct wye_check *check;
    struct wye_text text;
};

static struct line begin(struct wye_check *check, enum wye_mark mark) {
    check->mark = mark;
    return (struct line){check, {.to = check->detail, .room = sizeof check->detail - 1}};
}

static void end(struct line *line) { line->check->detail[line->text.count] = '\0'; }

#define SAY(check, mark, ...)                                                                                \
    do {                                                                                                     \
        struct line line_ = begin(check, mark);                                                              \
        wye_text_addf(&line_.text, __VA_ARGS__);                                                             \
        end(&line_);                                                                                         \
    } while (0)

/* The same, for what has no sentence of its own. */
static const char *end_words(enum wye_end how) {
    switch (how) {
    case WYE_END_TIMEOUT: return "nothing came in time";
    case WYE_END_FIN: return "the connection was ended";
    case WYE_END_ERROR: return "the connection broke";
    case WYE_END_BROKEN: return "what came breaks the protocol";
    case WYE_END_CLOSED: return "a close frame came";
    default: return "";
    }
}

static void check_name(struct wye_check *check, const struct wye_attempt *attempt) {
    struct line line = begin(check, attempt->name.end == WYE_END_FINE ? WYE_MARK_OK : WYE_MARK_FAULT);
    wye_text_add_bare(&line.text, wye_span_of(attempt->host), 80);
    if (attempt->name.end == WYE_END_TIMEOUT)
        wye_text_addf(&line.text, ": no answer within %g s", attempt->timeout_s);
    else if (attempt->name.end != WYE_END_FINE)
        wye_text_addf(&line.text, ": %s", attempt->name.said ? attempt->name.said : "not resolved");
    else if (attempt->name.literal) wye_text_add_string(&line.text, " is an address");
    else
        wye_text_addf(&line.text, " has %u address%s (%.2f ms)", attempt->name.count,
                      attempt->name.count == 1 ? "" : "es", attempt->name.ms);
    end(&line);
}

static void check_tcp(struct wye_check *check, const struct wye_attempt *attempt) {
    if (attempt->tcp.end == WYE_END_UNTRIED) return;
    bool fine = attempt->tcp.end == WYE_END_FINE;
    struct line line = begin(check, !fine                     ? WYE_MARK_FAULT
                                    : *attempt->tcp.passed_by ? WYE_MARK_NOTE
                                                              : WYE_MARK_OK);
    wye_text_add_string(&line.text, attempt->tcp.address);
    if (fine) wye_text_addf(&line.text, " (%.2f ms)", attempt->tcp.ms);
    else if (attempt->tcp.end == WYE_END_TIMEOUT)
        wye_text_addf(&line.text, ": no answer within %g s", attempt->timeout_s);
    else wye_text_addf(&line.text, ": %s", strerror(attempt->tcp.error));
    if (fine && *attempt->tcp.passed_by)
        wye_text_addf(&line.text, "; %s before it: %s", attempt->tcp.passed_by,
                      attempt->tcp.passed_error ? strerror(attempt->tcp.passed_error) : "no answer");
    end(&line);
}

static void check_tls(struct wye_check *check, const struct wye_attempt *attempt) {
    static const char *const faults[WYE_TLS_FAULT_COUNT] = {
        [WYE_TLS_FINE] = "",
        [WYE_TLS_LEFT_OUT] = "this program was built without TLS",
        [WYE_TLS_NOT_TLS] = "what came is no TLS",
        [WYE_TLS_VERSION] = "no version in common",
        [WYE_TLS_ALPN] = "no application protocol in common",
        [WYE_TLS_WANTS_CLIENT_CERTIFICATE] = "a client certificate is required",
        [WYE_TLS_ALERT] = "refused by an alert",
        [WYE_TLS_CUT] = "the connection was ended in the middle",
        [WYE_TLS_TIMEOUT] = "no answer in time",
        [WYE_TLS_OTHER] = "it failed",
    };
    if (attempt->tls.end == WYE_END_UNTRIED) return;
    if (attempt->tls.end == WYE_END_FINE) {
        SAY(check, WYE_MARK_OK, "%s (%.2f ms)", attempt->tls.version, attempt->tls.ms);
        return;
    }
    struct line line = begin(check, WYE_MARK_FAULT);
    wye_text_add_string(&line.text, faults[attempt->tls.fault]);
    if (attempt->tls.fault == WYE_TLS_NOT_TLS && attempt->tls.first_count) {
        wye_text_add_string(&line.text, ": ");
        wye_text_add_bare(&line.text,
                          (struct wye_span){(const char *)attempt->tls.first, attempt->tls.first_count}, 40);
    } else if (*attempt->tls.said) {
        wye_text_addf(&line.text, " (%s)", attempt->tls.said);
    }
    if (*attempt->tls.old_version) wye_text_addf(&line.text, "; %s would do", attempt->tls.old_version);
    end(&line);
}

static void check_certificate(struct wye_check *check, const struct wye_attempt *attempt) {
    static const struct {
        unsigned fault;
        const char *words;
    } rows[] = {
        {WYE_CERTIFICATE_EXPIRED, "expired"},
        {WYE_CERTIFICATE_NOT_YET, "not valid yet"},
        {WYE_CERTIFICATE_NAME, "for other names"},
        {WYE_CERTIFICATE_SELF_SIGNED, "self-signed"},
        {WYE_CERTIFICATE_AUTHORITY, "of an unknown authority"},
        {WYE_CERTIFICATE_OTHER, "not good"},
    };
    if (attempt->tls.end != WYE_END_FINE) return;
    unsigned faults = attempt->tls.certificate;
    struct line line = begin(check, !faults             ? WYE_MARK_OK
                                    : attempt->insecure ? WYE_MARK_NOTE
                                                        : WYE_MARK_FAULT);
    const char *comma = "";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!(faults & rows[i].fault)) continue;
        wye_text_addf(&line.text, "%s%s", comma, rows[i].words);
        comma = ", ";
    }
    if (!faults) {
        wye_text_add_string(&line.text, "for ");
        wye_text_add_bare(&line.text, wye_span_of(attempt->tls.names), 80);
        wye_text_add_string(&line.text, ", until ");
        wye_text_add_string(&line.text, attempt->tls.until);
    }
    if (faults && attempt->insecure) wye_text_add_string(&line.text, " (--insecure)");
    end(&line);
}

static void check_alpn(struct wye_check *check, const struct wye_attempt *attempt) {
    if (*attempt->tls.alpn_before) {
        struct line line = begin(check, WYE_MARK_NOTE);
        wye_text_add_bare(&line.text, wye_span_of(attempt->tls.alpn_before), 15);
        wye_text_add_string(&line.text, " when offered h2 and http/1.1");
        if (attempt->tls.end == WYE_END_FINE) {
            wye_text_add_string(&line.text, "; connected again with http/1.1 alone: ");
            if (*attempt->tls.alpn) wye_text_add_bare(&line.text, wye_span_of(attempt->tls.alpn), 15);
            else wye_text_add_string(&line.text, "none chosen");
        } else {
            check->mark = WYE_MARK_FAULT;
            wye_text_add_string(&line.text, "; with http/1.1 alone the handshake fails");
        }
        end(&line);
        return;
    }
    if (attempt->tls.end != WYE_END_FINE) return;
    struct line line = begin(check, WYE_MARK_OK);
    if (*attempt->tls.alpn) wye_text_add_bare(&line.text, wye_span_of(attempt->tls.alpn), 15);
    else wye_text_add_string(&line.text, "none chosen, so HTTP/1.1");
    end(&line);
}

static void check_sent(struct wye_check *check, const struct wye_attempt *attempt) {
    if (attempt->sent.count == 0) return;
    const struct wye_client_request *request = &attempt->request;
    struct line line = begin(check, WYE_MARK_OK);
    wye_text_add_string(&line.text, "GET ");
    wye_text_add_bare(&line.text, request->target, 80);
    wye_text_add_string(&line.text, ", Host ");
    wye_text_add_bare(&line.text, request->host, 60);
    wye_text_add_string(&line.text, ", Upgrade ");
    wye_text_add_bare(&line.text, request->token.count ? request->token : WYE_SPAN("websocket"), 30);
    if (attempt->origin.count) {
        wye_text_add_string(&line.text, ", Origin ");
        wye_text_add_bare(&line.text, attempt->origin, 60);
    }
    end(&line);
}

/* "Server: nginx/1.22.1", when there is one. */
static void add_server(struct line *line, const struct wye_client_answer *head) {
    static const struct wye_span names[] = {{"Server", 6}, {"Via", 3}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wye_span value = wye_client_answer_field(head, names[i]);
        if (!value.count) continue;
        wye_text_addf(&line->text, ", %s ", names[i].bytes);
        wye_text_add_bare(&line->text, value, 60);
    }
}

static void check_status(struct wye_check *check, const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    struct line line;
    switch (attempt->answer.end) {
    case WYE_END_UNTRIED: return;
    case WYE_END_FINE:
        line = begin(check,
                     head->status == 101 && head->fault != WYE_ANSWER_VERSION ? WYE_MARK_OK : WYE_MARK_FAULT);
        if (head->minor == 0) wye_text_add_string(&line.text, "HTTP/1.0 ");
        wye_text_addf(&line.text, "%d ", head->status);
        if (head->reason.count) wye_text_add_bare(&line.text, head->reason, 60);
        add_server(&line, head);
        wye_text_addf(&line.text, " (%.2f ms)", attempt->answer.ms);
        break;
    case WYE_END_BROKEN:
        line = begin(check, WYE_MARK_FAULT);
        wye_text_add_string(&line.text, wye_answer_faults[head->fault]);
        break;
    case WYE_END_TIMEOUT:
        line = begin(check, WYE_MARK_FAULT);
        wye_text_addf(&line.text, "no %sanswer within %g s", attempt->answer.count ? "whole " : "",
                      attempt->timeout_s);
        break;
    case WYE_END_ERROR:
        line = begin(check, WYE_MARK_FAULT);
        wye_text_addf(&line.text, "%s after %zu bytes", strerror(attempt->answer.error),
                      attempt->answer.count);
        break;
    default:
        line = begin(check, WYE_MARK_FAULT);
        wye_text_addf(&line.text, "the connection was ended after %zu bytes", attempt->answer.count);
        break;
    }
    end(&line);
}

/* A field of the 101: its value, or that it isn't there. */
static void say_field(struct wye_check *check, const struct wye_attempt *attempt, const char *name,
                      bool fine) {
    struct wye_span value = wye_client_answer_field(&attempt->answer.head, wye_span_of(name));
    unsigned times = wye_client_answer_times(&attempt->answer.head, wye_span_of(name));
    struct line line = begin(check, fine ? WYE_MARK_OK : WYE_MARK_FAULT);
    if (times == 0) wye_text_add_string(&line.text, "missing");
    else wye_text_add_bare(&line.text, value, 80);
    if (times > 1) wye_text_addf(&line.text, " and %u more", times - 1);
    end(&line);
}

static void check_accept(struct wye_check *check, const struct wye_attempt *attempt) {
    const struct wye_span name = WYE_SPAN("Sec-WebSocket-Accept");
    char right[WYE_ACCEPT_BYTES];
    wye_opening_accept(right, attempt->request.key);
    struct wye_span value = wye_client_answer_field(&attempt->answer.head, name);
    if (wye_client_answer_times(&attempt->answer.head, name) != 1) {
        say_field(check, attempt, "Sec-WebSocket-Accept", false);
    } else if (wye_span_equal(value, (struct wye_span){right, sizeof right})) {
        SAY(check, WYE_MARK_OK, "the one that belongs to the key");
    } else {
        struct line line = begin(check, WYE_MARK_FAULT);
        wye_text_add_bare(&line.text, value, 60);
        wye_text_add_string(&line.text, ", and should be ");
        wye_text_add_bare(&line.text, (struct wye_span){right, sizeof right}, 60);
        end(&line);
    }
}

/* What was chosen among what was offered. */
static void check_choice(struct wye_check *check, const struct wye_attempt *attempt, const char *name,
                         struct wye_span offered, enum wye_mark mark) {
    struct wye_span value = wye_client_answer_field(&attempt->answer.head, wye_span_of(name));
    struct line line = begin(check, mark);
    if (wye_client_answer_times(&attempt->answer.head, wye_span_of(name)) > 0)
        wye_text_add_bare(&line.text, value, 120);
    else wye_text_add_string(&line.text, "none chosen");
    if (offered.count == 0) wye_text_add_string(&line.text, ", none offered");
    else if (mark != WYE_MARK_OK) {
        wye_text_add_string(&line.text, "; offered: ");
        wye_text_add_bare(&line.text, offered, 80);
    }
    end(&line);
}

static void check_fields(struct wye_check *checks, const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    if (attempt->answer.end != WYE_END_FINE || head->status != 101) return;
    const struct wye_span upgrade = WYE_SPAN("Upgrade"), protocol = WYE_SPAN("Sec-WebSocket-Protocol");
    struct wye_span token = attempt->request.token.count ? attempt->request.token : WYE_SPAN("websocket");
    say_field(&checks[WYE_CHECK_UPGRADE], attempt, "Upgrade",
              wye_client_answer_times(head, upgrade) == 1 &&
                  wye_span_equal_nocase(wye_client_answer_field(head, upgrade), token));
    say_field(&checks[WYE_CHECK_CONNECTION], attempt, "Connection",
              wye_client_answer_lists(head, WYE_SPAN("Connection"), upgrade));
    if (!wye_client_request_is_websocket(&attempt->request)) return;
    check_accept(&checks[WYE_CHECK_ACCEPT], attempt);
    unsigned chosen = wye_client_answer_times(head, protocol);
    /* A choice is judged where everything before it was right; until then it hasn't come to that. */
    if (head->fault != WYE_ANSWER_FINE && head->fault < WYE_ANSWER_SUBPROTOCOL_UNASKED) return;
    bool unasked =
        head->fault == WYE_ANSWER_SUBPROTOCOL_UNASKED || head->fault == WYE_ANSWER_SUBPROTOCOL_DOUBLED;
    check_choice(&checks[WYE_CHECK_SUBPROTOCOL], attempt, "Sec-WebSocket-Protocol",
                 attempt->request.subprotocols,
                 unasked                                              ? WYE_MARK_FAULT
                 : attempt->request.subprotocols.count > 0 && !chosen ? WYE_MARK_NOTE
                                                                      : WYE_MARK_OK);
    if (unasked) return;
    check_choice(&checks[WYE_CHECK_EXTENSIONS], attempt, "Sec-WebSocket-Extensions",
                 attempt->request.extensions,
                 head->fault == WYE_ANSWER_EXTENSION_UNASKED || attempt->answer.deflate_wrong ? WYE_MARK_FAULT
                                                                                              : WYE_MARK_OK);
}

static void say_trouble(struct wye_check *check, const struct wye_attempt *attempt, enum wye_end how) {
    struct line line = begin(check, WYE_MARK_FAULT);
    if (how == WYE_END_BROKEN && attempt->talk.broken) wye_text_add_string(&line.text, attempt->talk.broken);
    else if (how == WYE_END_TIMEOUT) wye_text_addf(&line.text, "no answer within %g s", attempt->timeout_s);
    else if (how == WYE_END_ERROR) wye_text_add_string(&line.text, strerror(attempt->talk.error));
    else if (how == WYE_END_FIN)
        wye_text_add_string(&line.text, "the connection was ended without a close frame");
    else wye_text_add_string(&line.text, end_words(how));
    if (how == WYE_END_CLOSED && attempt->talk.code_given)
        wye_text_addf(&line.text, ": %u", attempt->talk.code);
    if (how == WYE_END_CLOSED && *attempt->talk.reason) {
        wye_text_add_string(&line.text, " ");
        wye_text_add_bare(&line.text, wye_span_of(attempt->talk.reason), 60);
    }
    end(&line);
}

static void check_hold(struct wye_check *check, const struct wye_attempt *attempt) {
    if (attempt->talk.hold_s <= 0) {
        check->mark = WYE_MARK_ABSENT;
        return;
    }
    if (attempt->talk.hold == WYE_END_UNTRIED) return;
    if (attempt->talk.hold == WYE_END_FINE && attempt->talk.again == WYE_END_FINE) {
        struct line line = begin(check, WYE_MARK_OK);
        wye_text_addf(&line.text, "alive after %.1f s", attempt->talk.held_s);
        if (attempt->talk.pings || attempt->talk.messages)
            wye_text_addf(&line.text, " (%u pings and %u messages came)", attempt->talk.pings,
                          attempt->talk.messages);
        end(&line);
        return;
    }
    if (attempt->talk.hold == WYE_END_FINE) {
        say_trouble(check, attempt, attempt->talk.again);
        return;
    }
    say_trouble(check, attempt, attempt->talk.hold);
    struct wye_text text = {
        .to = check->detail, .room = sizeof check->detail - 1, .count = strlen(check->detail)};
    wye_text_addf(&text, ", after %.2f s, %.2f s after the last byte", attempt->talk.held_s,
                  attempt->talk.quiet_s);
    check->detail[text.count] = '\0';
}

static void check_close(struct wye_check *check, const struct wye_attempt *attempt) {
    if (attempt->talk.close == WYE_END_UNTRIED) return;
    if (attempt->talk.close != WYE_END_CLOSED) {
        say_trouble(check, attempt, attempt->talk.close);
        return;
    }
    bool ended = attempt->talk.fin == WYE_END_FINE;
    struct line line = begin(check, ended ? WYE_MARK_OK : WYE_MARK_NOTE);
    if (attempt->talk.code_given) wye_text_addf(&line.text, "answered with %u", attempt->talk.code);
    else wye_text_add_string(&line.text, "answered without a code");
    wye_text_addf(&line.text,
                  ended ? ", then the connection ended (%.2f ms)" : ", but the connection stays open",
                  attempt->talk.close_ms);
    end(&line);
}

static void check_talk(struct wye_check *checks, const struct wye_attempt *attempt) {
    if (attempt->talk.ping == WYE_END_FINE)
        SAY(&checks[WYE_CHECK_PING], WYE_MARK_OK, "answered (%.2f ms)", attempt->talk.ping_ms);
    else if (attempt->talk.ping != WYE_END_UNTRIED)
        say_trouble(&checks[WYE_CHECK_PING], attempt, attempt->talk.ping);
    check_hold(&checks[WYE_CHECK_HOLD], attempt);
    check_close(&checks[WYE_CHECK_CLOSE], attempt);
    if (attempt->talk.settings == WYE_END_FINE) SAY(&checks[WYE_CHECK_SETTINGS], WYE_MARK_OK, "came first");
    else if (attempt->talk.settings != WYE_END_UNTRIED)
        say_trouble(&checks[WYE_CHECK_SETTINGS], attempt, attempt->talk.settings);
}

void wye_attempt_checks(struct wye_check checks[WYE_CHECK_COUNT], const struct wye_attempt *attempt) {
    static const char *const ids[WYE_CHECK_COUNT][2] = {
        {"name", "name"},
        {"tcp", "TCP"},
        {"tls", "TLS"},
        {"certificate", "certificate"},
        {"alpn", "ALPN"},
        {"sent", "sent"},
        {"status", "status"},
        {"upgrade", "Upgrade"},
        {"connection", "Connection"},
        {"accept", "accept"},
        {"subprotocol", "subprotocol"},
        {"extensions", "extensions"},
        {"ping", "ping"},
        {"hold", "hold"},
        {"close", "close"},
        {"settings", "SETTINGS"},
    };
    const bool websocket = wye_client_request_is_websocket(&attempt->request);
    const bool h2c = wye_span_equal_nocase(attempt->request.token, WYE_SPAN("h2c"));
    for (unsigned i = 0; i < WYE_CHECK_COUNT; i++) {
        bool of_tls = i == WYE_CHECK_TLS || i == WYE_CHECK_CERTIFICATE || i == WYE_CHECK_ALPN;
        bool of_websocket = i >= WYE_CHECK_ACCEPT && i <= WYE_CHECK_CLOSE;
        bool belongs = of_tls                    ? attempt->secure
                       : of_websocket            ? websocket
                       : i == WYE_CHECK_SETTINGS ? h2c
                                                 : true;
        checks[i] = (struct wye_check){
            .id = ids[i][0], .title = ids[i][1], .mark = belongs ? WYE_MARK_UNTRIED : WYE_MARK_ABSENT};
    }
    check_name(&checks[WYE_CHECK_NAME], attempt);
    check_tcp(&checks[WYE_CHECK_TCP], attempt);
    if (attempt->secure) {
        check_tls(&checks[WYE_CHECK_TLS], attempt);
        check_certificate(&checks[WYE_CHECK_CERTIFICATE], attempt);
        check_alpn(&checks[WYE_CHECK_ALPN], attempt);
    }
    check_sent(&checks[WYE_CHECK_SENT], attempt);
    check_status(&checks[WYE_CHECK_STATUS], attempt);
    check_fields(checks, attempt);
    check_talk(checks, attempt);
    if (wye_client_request_is_websocket(&attempt->request)) return;
    checks[WYE_CHECK_HOLD].mark = WYE_MARK_ABSENT;
}
