#include "handshake/refused.h"

#include <strings.h>

static bool has(struct wye_span in, const char *words) {
    size_t count = strlen(words);
    for (size_t i = 0; i + count <= in.count; i++)
        if (strncasecmp(in.bytes + i, words, count) == 0) return true;
    return false;
}

static bool begins(struct wye_span span, const char *words) {
    size_t count = strlen(words);
    return span.count >= count && strncasecmp(span.bytes, words, count) == 0;
}

static struct wye_span field(const struct wye_attempt *attempt, const char *name) {
    return wye_client_answer_field(&attempt->answer.head, wye_span_of(name));
}

int wye_proxy_of(const struct wye_client_answer *head) {
    static const struct {
        const char *word;
        int proxy;
    } rows[] = {{"nginx", 0}, {"openresty", 0}, {"tengine", 0}, {"haproxy", 1}, {"caddy", 2}, {"apache", 3}};
    static const char *const names[] = {"Server", "Via"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        struct wye_span value = wye_client_answer_field(head, wye_span_of(names[n]));
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            if (has(value, rows[i].word)) return rows[i].proxy;
    }
    return -1;
}

/* ---- refusals in the node's own words ---- */

/* The line that stands before "(id: source)"; count 0: the rule isn't named. */
static struct wye_span paragraph_of(struct wye_span body, unsigned rule) {
    char mark[128];
    struct wye_text text = {.to = mark, .room = sizeof mark - 1};
    wye_text_addf(&text, "\n(%s: %s)\n", wye_rules[rule].id, wye_rules[rule].source);
    const char *at = body.count ? memmem(body.bytes, body.count, mark, text.count) : NULL;
    if (!at) return (struct wye_span){0};
    const char *start = at;
    while (start > body.bytes && start[-1] != '\n') start--;
    return (struct wye_span){start, (size_t)(at - start)};
}

uint64_t wye_refused_by_rules(struct wye_span body) {
    uint64_t failed = 0;
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++)
        if (paragraph_of(body, rule).count > 0) failed |= UINT64_C(1) << rule;
    return failed;
}

static bool is_set(uint64_t failed, enum wye_rule rule) { return failed >> rule & 1; }

static enum wye_trouble trouble_of(enum wye_rule rule, uint64_t failed, const struct wye_attempt *attempt) {
    struct wye_span offered = field(attempt, "Upgrade");
    struct wye_span token = attempt->request.token.count ? attempt->request.token : WYE_SPAN("websocket");
    switch (rule) {
    case WYE_RULE_UPGRADE_VERSION: return WYE_TROUBLE_PROXY_HTTP10;
    case WYE_RULE_UPGRADE_TOKEN:
        if (!is_set(failed, WYE_RULE_CONNECTION_UPGRADE) && offered.count > 0 &&
            !wye_span_equal_nocase(offered, token))
            return WYE_TROUBLE_OTHER_TOKEN;
        return WYE_TROUBLE_PROXY_FIELDS_LOST;
    case WYE_RULE_CONNECTION_UPGRADE: return WYE_TROUBLE_PROXY_FIELDS_LOST;
    case WYE_RULE_KEY:
    case WYE_RULE_WEBSOCKET_VERSION:
    case WYE_RULE_SUBPROTOCOL:
    case WYE_RULE_EXTENSIONS: return WYE_TROUBLE_WEBSOCKET_FIELDS_LOST;
    case WYE_RULE_ORIGIN: return WYE_TROUBLE_ORIGIN;
    case WYE_RULE_HOST_NAMED: return WYE_TROUBLE_HOST_NAMED;
    case WYE_RULE_PATH: return WYE_TROUBLE_PATH;
    case WYE_RULE_METHOD: return WYE_TROUBLE_METHOD;
    case WYE_RULE_ADDRESS:
    case WYE_RULE_UPGRADE_RATE:
    case WYE_RULE_MESSAGE_RATE: return WYE_TROUBLE_TOO_MANY;
    case WYE_RULE_LOAD: return WYE_TROUBLE_OVERLOADED;
    case WYE_RULE_TLS: return WYE_TROUBLE_PLAIN_TO_TLS;
    case WYE_RULE_TOKEN_SINGLE:
    case WYE_RULE_TOKEN:
    case WYE_RULE_TOKEN_VALID: return WYE_TROUBLE_AUTHENTICATION;
    case WYE_RULE_TOKEN_SCOPE: return WYE_TROUBLE_FORBIDDEN;
    default: return WYE_TROUBLE_BAD_REQUEST;
    }
}

/* ---- the evidence ---- */

static void tell_status(struct wye_finding *finding, const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    struct wye_text text = wye_finding_evidence(finding);
    if (text.count > 0) return;
    wye_text_addf(&text, "The answer's status is %d", head->status);
    if (head->reason.count > 0) {
        wye_text_add_string(&text, " ");
        wye_text_add_bare(&text, head->reason, 40);
    }
    struct wye_span server = field(attempt, "Server"), via = field(attempt, "Via");
    if (server.count > 0) {
        wye_text_add_string(&text, "; Server: ");
        wye_text_add_bare(&text, server, 40);
    }
    if (via.count > 0) {
        wye_text_add_string(&text, "; Via: ");
        wye_text_add_bare(&text, via, 40);
    }
    wye_text_add_string(&text, ".");
}

static void tell_field(struct wye_finding *finding, const struct wye_attempt *attempt, const char *name) {
    struct wye_span value = field(attempt, name);
    if (value.count == 0) return;
    struct wye_text text = wye_finding_evidence(finding);
    wye_text_addf(&text, " %s: ", name);
    wye_text_add_bare(&text, value, 120);
    wye_text_add_string(&text, ".");
}

static struct wye_span trim(struct wye_span span) {
    while (span.count > 0 && strchr(" \t\r\n", *span.bytes) && *span.bytes) span.bytes++, span.count--;
    while (span.count > 0 && strchr(" \t\r\n", span.bytes[span.count - 1]) && span.bytes[span.count - 1])
        span.count--;
    return span;
}

static bool is_html(const struct wye_attempt *attempt) {
    struct wye_span type = field(attempt, "Content-Type");
    return begins(type, "text/html") || begins(type, "application/xhtml") ||
           begins(trim(attempt->answer.body), "<!doctype html") ||
           begins(trim(attempt->answer.body), "<html");
}

/* The title of a page; count 0: none. */
static struct wye_span title_of(struct wye_span body) {
    for (size_t i = 0; i + 7 <= body.count; i++) {
        if (strncasecmp(body.bytes + i, "<title", 6) != 0) continue;
        const char *start = memchr(body.bytes + i, '>', body.count - i);
        if (!start) break;
        const char *stop = memchr(start, '<', body.count - (size_t)(start - body.bytes));
        if (!stop) break;
        return trim((struct wye_span){start + 1, (size_t)(stop - start) - 1});
    }
    return (struct wye_span){0};
}

/* What the content says: a page by its title, text by its beginning. */
static void tell_content(struct wye_finding *finding, const struct wye_attempt *attempt) {
    if (is_html(attempt)) {
        struct wye_span title = title_of(attempt->answer.body);
        if (title.count == 0) return;
        struct wye_text text = wye_finding_evidence(finding);
        wye_text_add_string(&text, " The page's title is ");
        wye_text_add_seen(&text, title, 80);
        wye_text_add_string(&text, ".");
    } else {
        wye_finding_say(finding, trim(attempt->answer.body));
    }
}

/* ---- other servers' refusals, by their status ---- */

static bool same_but_https(const struct wye_attempt *attempt, struct wye_span location) {
    return !attempt->secure && begins(location, "https://") &&
           has((struct wye_span){location.bytes + 8, location.count - 8}, attempt->host);
}

static enum wye_trouble of_400(const struct wye_attempt *attempt) {
    struct wye_span body = attempt->answer.body;
    if (has(body, "sent to HTTPS port") || has(body, "HTTP request to an HTTPS server") ||
        has(body, "speaking plain HTTP to an SSL"))
        return WYE_TROUBLE_PLAIN_TO_TLS;
    if (has(body, "No required SSL certificate")) return WYE_TROUBLE_TLS_CLIENT_CERTIFICATE;
    if (has(body, "HTTP/1.0") || has(body, "HTTP version")) return WYE_TROUBLE_PROXY_HTTP10;
    struct wye_span version = field(attempt, "Sec-WebSocket-Version");
    if (version.count > 0 &&
        !wye_client_answer_lists(&attempt->answer.head, WYE_SPAN("Sec-WebSocket-Version"), WYE_SPAN("13")))
        return WYE_TROUBLE_WEBSOCKET_VERSION;
    if (!is_html(attempt) &&
        (has(body, "upgrade") || has(body, "'connection'") || has(body, "connection header")))
        return WYE_TROUBLE_PROXY_FIELDS_LOST;
    return WYE_TROUBLE_BAD_REQUEST;
}

static enum wye_trouble of_426(const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    struct wye_span token = attempt->request.token.count ? attempt->request.token : WYE_SPAN("websocket");
    const struct wye_span version = WYE_SPAN("Sec-WebSocket-Version"), upgrade = WYE_SPAN("Upgrade");
    if (wye_client_answer_times(head, version) > 0 && !wye_client_answer_lists(head, version, WYE_SPAN("13")))
        return WYE_TROUBLE_WEBSOCKET_VERSION;
    if (wye_client_answer_times(head, upgrade) > 0 && !wye_client_answer_lists(head, upgrade, token))
        return WYE_TROUBLE_OTHER_TOKEN;
    if (has(attempt->answer.body, "HTTP/1.0") || has(field(attempt, "Server"), "envoy"))
        return WYE_TROUBLE_PROXY_HTTP10;
    return WYE_TROUBLE_PROXY_FIELDS_LOST;
}

static enum wye_trouble of_503(const struct wye_attempt *attempt) {
    struct wye_span body = attempt->answer.body;
    if (has(body, "No server is available") || has(body, "no healthy upstream"))
        return WYE_TROUBLE_BACKEND_DOWN;
    return field(attempt, "Retry-After").count > 0 ? WYE_TROUBLE_OVERLOADED : WYE_TROUBLE_BACKEND_DOWN;
}

static enum wye_trouble of_403(const struct wye_attempt *attempt) {
    if (attempt->origin.count == 0) return WYE_TROUBLE_FORBIDDEN;
    if (attempt->also.origin_tried)
        return attempt->also.origin_status == 101 ? WYE_TROUBLE_ORIGIN : WYE_TROUBLE_FORBIDDEN;
    return has(attempt->answer.body, "origin") ? WYE_TROUBLE_ORIGIN : WYE_TROUBLE_FORBIDDEN;
}

static enum wye_trouble of_status(const struct wye_attempt *attempt) {
    int status = attempt->answer.head.status;
    struct wye_span location = field(attempt, "Location");
    if (status >= 300 && status < 400 && location.count > 0)
        return same_but_https(attempt, location) ? WYE_TROUBLE_REDIRECT_HTTPS : WYE_TROUBLE_REDIRECT;
    if (status >= 200 && status < 300) {
        bool page = is_html(attempt) && wye_client_request_is_websocket(&attempt->request);
        return page ? WYE_TROUBLE_PAGE : WYE_TROUBLE_UPGRADE_IGNORED;
    }
    switch (status) {
    case 400: return of_400(attempt);
    case 401: return WYE_TROUBLE_AUTHENTICATION;
    case 403: return of_403(attempt);
    case 404:
    case 410: return WYE_TROUBLE_PATH;
    case 405: return WYE_TROUBLE_METHOD;
    case 407: return WYE_TROUBLE_PROXY_AUTHENTICATION;
    case 421: return WYE_TROUBLE_HOST_NAMED;
    case 426: return of_426(attempt);
    case 429: return WYE_TROUBLE_TOO_MANY;
    case 502:
    case 521: /* Cloudflare's: the web server is down, unreachable */
    case 523: return WYE_TROUBLE_BACKEND_DOWN;
    case 503: return of_503(attempt);
    case 504:
    case 522: /* Cloudflare's: connection, answer timed out */
    case 524: return WYE_TROUBLE_BACKEND_SLOW;
    case 505: return WYE_TROUBLE_PROXY_HTTP10;
    case 511: return WYE_TROUBLE_PAGE; /* a captive portal that says so (RFC 6585 6) */
    default: return status >= 500 && status < 600 ? WYE_TROUBLE_SERVER_ERROR : WYE_TROUBLE_STATUS_OTHER;
    }
}

static void diagnose_status(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    enum wye_trouble trouble = of_status(attempt);
    struct wye_finding *finding = wye_finding_add(diagnosis, trouble);
    tell_status(finding, attempt);
    if (trouble == WYE_TROUBLE_ORIGIN && attempt->also.origin_tried) {
        struct wye_text text = wye_finding_evidence(finding);
        wye_text_add_string(&text, " The same request without Origin, on a second connection, was let in.");
    }
    static const struct {
        enum wye_trouble trouble;
        const char *name;
    } fields[] = {
        {WYE_TROUBLE_REDIRECT_HTTPS, "Location"},
        {WYE_TROUBLE_REDIRECT, "Location"},
        {WYE_TROUBLE_AUTHENTICATION, "WWW-Authenticate"},
        {WYE_TROUBLE_PROXY_AUTHENTICATION, "Proxy-Authenticate"},
        {WYE_TROUBLE_METHOD, "Allow"},
        {WYE_TROUBLE_OTHER_TOKEN, "Upgrade"},
        {WYE_TROUBLE_WEBSOCKET_VERSION, "Sec-WebSocket-Version"},
        {WYE_TROUBLE_TOO_MANY, "Retry-After"},
        {WYE_TROUBLE_OVERLOADED, "Retry-After"},
        {WYE_TROUBLE_PAGE, "Content-Type"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].trouble == trouble) tell_field(finding, attempt, fields[i].name);
    tell_content(finding, attempt);
}

/* ---- the mirror ---- */

/* Host, as it arrived at the mirror; count 0: none did. */
static struct wye_span mirrored_host(struct wye_span body) {
    for (const char *at = body.bytes, *stop = body.bytes + body.count; at < stop;) {
        const char *lf = memchr(at, '\n', (size_t)(stop - at));
        size_t count = (size_t)((lf ? lf : stop) - at);
        if (count > 5 && strncasecmp(at, "Host:", 5) == 0) return trim((struct wye_span){at + 5, count - 5});
        if (!lf) break;
        at = lf + 1;
    }
    return (struct wye_span){0};
}

static void diagnose_mirror(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    struct wye_finding *mirror = wye_finding_add(diagnosis, WYE_TROUBLE_MIRROR);
    struct wye_span host = mirrored_host(attempt->answer.body);
    size_t first = sizeof WYE_MIRROR_FIRST_LINE - 1;
    wye_finding_say(
        mirror, (struct wye_span){attempt->answer.body.bytes + first, attempt->answer.body.count - first});
    if (wye_span_equal_nocase(host, attempt->request.host)) return;
    struct wye_text text = wye_finding_evidence(wye_finding_add(diagnosis, WYE_TROUBLE_HOST_CHANGED));
    wye_text_add_string(&text, "The probe sent ");
    wye_text_add_seen(&text, attempt->request.host, 80);
    wye_text_add_string(&text, ", and ");
    wye_text_add_seen(&text, host, 80);
    wye_text_add_string(&text, " arrived.");
}

/* A node's sentence; how to mend it is left out where the row's lines say the same, and more. */
static struct wye_span without_mend(struct wye_span said, unsigned rule, enum wye_trouble trouble) {
    struct wye_span mend = wye_span_of(wye_rules[rule].mend);
    bool told = trouble == WYE_TROUBLE_PROXY_HTTP10 || trouble == WYE_TROUBLE_PROXY_FIELDS_LOST ||
                trouble == WYE_TROUBLE_OTHER_TOKEN;
    if (told && said.count > mend.count &&
        memcmp(said.bytes + said.count - mend.count, mend.bytes, mend.count) == 0)
        said.count -= mend.count + 1;
    return said;
}

/* As the node writes it in a refusal, in quotes. */
static const char *path_sent(const struct wye_attempt *attempt, char *to, size_t room) {
    struct wye_text text = {.to = to, .room = room - 1};
    const char *query = memchr(attempt->request.target.bytes, '?', attempt->request.target.count);
    size_t count = query ? (size_t)(query - attempt->request.target.bytes) : attempt->request.target.count;
    wye_text_add_seen(&text, (struct wye_span){attempt->request.target.bytes, count}, 60);
    to[text.count] = '\0';
    return to;
}

void wye_refused_diagnose(struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt) {
    char path[300];
    struct wye_span body = attempt->answer.body;
    bool mirror = begins(body, WYE_MIRROR_FIRST_LINE);
    if (mirror) diagnose_mirror(diagnosis, attempt);
    uint64_t failed = wye_refused_by_rules(body);
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!is_set(failed, (enum wye_rule)rule)) continue;
        struct wye_finding *finding =
            wye_finding_add(diagnosis, trouble_of((enum wye_rule)rule, failed, attempt));
        tell_status(finding, attempt);
        wye_finding_say(finding, without_mend(paragraph_of(body, rule), rule, finding->trouble));
        finding->by_rule = true;
        /* A node that saw the path as it was sent needs no proxy mended, nor does one that read the query, or wants a token. */
        finding->no_lines |=
            (rule == WYE_RULE_PATH && has(paragraph_of(body, rule), path_sent(attempt, path, sizeof path))) ||
            rule == WYE_RULE_QUERY || (rule >= WYE_RULE_TOKEN_SINGLE && rule <= WYE_RULE_TOKEN_SCOPE);
    }
    if (!mirror && failed == 0) diagnose_status(diagnosis, attempt);
}
