/* A diagnosis, for programs. */
#include "handshake/diagnosis.h"

enum { VALUE_MAX = 400, SAID_MAX = 4096 }; /* bytes that are shown; "cut" is said where more were there */

static void key(struct wye_text *text, const char *before, const char *name) {
    wye_text_addf(text, "%s\"%s\":", before, name);
}

static void add_string(struct wye_text *text, const char *before, const char *name, const char *value) {
    key(text, before, name);
    wye_text_add_json(text, wye_span_of(value));
}

static void add_span(struct wye_text *text, const char *before, const char *name, struct wye_span value,
                     size_t most) {
    key(text, before, name);
    if (value.count <= most) {
        wye_text_add_json(text, value);
        return;
    }
    wye_text_add_json(text, (struct wye_span){value.bytes, most});
    wye_text_addf(text, ",\"%s_cut\":true", name);
}

static void add_checks(struct wye_text *text, const struct wye_attempt *attempt) {
    static const char *const marks[] = {"absent", "ok", "note", "fault", "untried"};
    struct wye_check checks[WYE_CHECK_COUNT];
    wye_attempt_checks(checks, attempt);
    const char *comma = "";
    wye_text_add_string(text, ",\"checks\":[");
    for (unsigned i = 0; i < WYE_CHECK_COUNT; i++) {
        if (checks[i].mark == WYE_MARK_ABSENT) continue;
        wye_text_addf(text, "%s{\"id\":\"%s\",\"mark\":\"%s\"", comma, checks[i].id, marks[checks[i].mark]);
        add_string(text, ",", "detail", checks[i].detail);
        wye_text_add_string(text, "}");
        comma = ",";
    }
    wye_text_add_string(text, "]");
}

static void add_lines(struct wye_text *text, const struct wye_proxy_lines *lines) {
    const char *comma = "";
    wye_text_add_string(text, ",\"lines\":{");
    for (unsigned i = 0; i < WYE_PROXY_COUNT; i++) {
        const char *of = wye_proxy_lines_of(lines, i);
        if (!of) continue;
        add_string(text, comma, wye_proxy_names[i], of);
        comma = ",";
    }
    wye_text_add_string(text, "}");
}

static void add_finding(struct wye_text *text, const struct wye_finding *finding) {
    const struct wye_trouble_row *row = &wye_troubles[finding->trouble];
    add_string(text, "{", "id", row->id);
    add_string(text, ",", "weight", row->weight == WYE_WEIGHT_FAULT ? "fault" : "note");
    add_string(text, ",", "title", row->title);
    add_string(text, ",", "evidence", finding->evidence);
    add_string(text, ",", "means", row->means);
    add_string(text, ",", "mend", row->mend);
    add_string(text, ",", "source", wye_trouble_source(row));
    if (row->rule != WYE_RULE_NONE) {
        add_string(text, ",", "rule", wye_rules[row->rule].id);
        add_string(text, ",", "must", wye_rules[row->rule].must);
    }
    if (row->lines && !finding->no_lines) add_lines(text, row->lines);
    wye_text_add_string(text, ",\"said\":[");
    for (unsigned i = 0; i < 3 && finding->said[i].count > 0; i++) {
        if (i > 0) wye_text_add_string(text, ",");
        struct wye_span said = finding->said[i];
        wye_text_add_json(text, (struct wye_span){said.bytes, said.count > SAID_MAX ? SAID_MAX : said.count});
    }
    wye_text_add_string(text, "]}");
}

static void add_answer(struct wye_text *text, const struct wye_attempt *attempt) {
    const struct wye_client_answer *head = &attempt->answer.head;
    if (attempt->answer.end != WYE_END_FINE) return;
    wye_text_addf(text, ",\"answer\":{\"status\":%d", head->status);
    add_span(text, ",", "reason", head->reason, VALUE_MAX);
    wye_text_add_string(text, ",\"fields\":[");
    for (unsigned i = 0; i < head->field_count; i++) {
        add_span(text, i ? ",{" : "{", "name", head->fields[i].name, VALUE_MAX / 4);
        add_span(text, ",", "value", head->fields[i].value, VALUE_MAX);
        wye_text_add_string(text, "}");
    }
    wye_text_add_string(text, "]");
    add_span(text, ",", "body", attempt->answer.body, SAID_MAX);
    wye_text_add_string(text, "}");
}

/* What it took, in milliseconds; only of what was reached. */
static void add_times(struct wye_text *text, const struct wye_attempt *attempt) {
    const struct {
        const char *name;
        bool reached;
        double ms;
    } rows[] = {
        {"name", attempt->name.end == WYE_END_FINE, attempt->name.ms},
        {"tcp", attempt->tcp.end == WYE_END_FINE, attempt->tcp.ms},
        {"tls", attempt->tls.end == WYE_END_FINE, attempt->tls.ms},
        {"answer", attempt->answer.end == WYE_END_FINE, attempt->answer.ms},
        {"ping", attempt->talk.ping == WYE_END_FINE, attempt->talk.ping_ms},
        {"close", attempt->talk.close == WYE_END_CLOSED, attempt->talk.close_ms},
    };
    const char *comma = "";
    wye_text_add_string(text, ",\"milliseconds\":{");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].reached) continue;
        wye_text_addf(text, "%s\"%s\":%.3f", comma, rows[i].name, rows[i].ms);
        comma = ",";
    }
    wye_text_add_string(text, "}");
    if (attempt->talk.hold != WYE_END_UNTRIED)
        wye_text_addf(text, ",\"held_s\":%.3f,\"quiet_s\":%.3f", attempt->talk.held_s, attempt->talk.quiet_s);
}

size_t wye_diagnosis_json(char *to, size_t room, const struct wye_diagnosis *diagnosis,
                          const struct wye_attempt *attempt) {
    static const char *const results[] = {"upgraded", "refused", "no-connection"};
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    add_span(&text, "{", "url", wye_span_of(attempt->url), VALUE_MAX * 20);
    add_string(&text, ",", "result", results[diagnosis->result]);
    add_span(&text, ",", "address", wye_span_of(attempt->tcp.address), VALUE_MAX);
    add_checks(&text, attempt);
    wye_text_add_string(&text, ",\"findings\":[");
    for (unsigned i = 0; i < diagnosis->count; i++) {
        if (i > 0) wye_text_add_string(&text, ",");
        add_finding(&text, &diagnosis->findings[i]);
    }
    wye_text_add_string(&text, "]");
    add_times(&text, attempt);
    add_span(&text, ",", "request", attempt->sent, SAID_MAX * 4);
    add_answer(&text, attempt);
    wye_text_add_string(&text, "}\n");
    to[text.cut ? 0 : text.count] = '\0';
    return text.cut ? 0 : text.count;
}
