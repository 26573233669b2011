/* How a refusal reads: the rows of the table in rule.c, put into words, JSON and fields. */
#include "handshake/rule.h"

#include "handshake/response.h"
#include "handshake/text.h"

enum {
    SEEN_MOST = 60,     /* bytes of what was seen that are shown */
    SEEN_ROOM = 128,    /* characters that they may take when escaped, NUL included */
    EXPANDED_MAX = 1024 /* characters of one sentence with everything put in */
};

static bool failed(const struct wye_refusal *refusal, unsigned rule) { return refusal->failed >> rule & 1; }

static bool takes(const char **at, const char *end, struct wye_span placeholder) {
    if ((size_t)(end - *at) < placeholder.count) return false;
    if (memcmp(*at, placeholder.bytes, placeholder.count) != 0) return false;
    *at += placeholder.count;
    return true;
}

/* Where a placeholder may begin; end: nowhere. */
static const char *next_placeholder(const char *at, const char *end) {
    const char *percent = memchr(at, '%', (size_t)(end - at));
    const char *brace = memchr(at, '{', (size_t)((percent ? percent : end) - at));
    return brace ? brace : percent ? percent : end;
}

/* Adds a text of the table with what its placeholders stand for. */
static void add_expanded(struct wye_text *text, struct wye_span from, const struct wye_refusal *refusal,
                         struct wye_span seen) {
    const char *at = from.bytes;
    const char *end = at + from.count;
    while (at < end) {
        const char *plain = at;
        at = next_placeholder(at, end);
        wye_text_add(text, (struct wye_span){plain, (size_t)(at - plain)});
        if (at == end) break;
        if (takes(&at, end, WYE_SPAN("%s"))) {
            char escaped[SEEN_ROOM];
            size_t count = wye_span_escape(escaped, sizeof escaped, seen, SEEN_MOST);
            wye_text_add(text, (struct wye_span){escaped, count});
        } else if (takes(&at, end, WYE_SPAN("{token}"))) {
            wye_text_add_string(text, refusal->token ? refusal->token : "websocket");
        } else if (takes(&at, end, WYE_SPAN("{allow}"))) {
            wye_text_add_string(text, refusal->allow ? refusal->allow : "GET");
        } else if (takes(&at, end, WYE_SPAN("{retry}"))) {
            wye_text_add_number(text, refusal->retry_s);
        } else {
            wye_text_add(text, (struct wye_span){at++, 1});
        }
    }
}

/* What a failed rule says: its sentence, and the cause if one is known. */
static void add_sentence(struct wye_text *text, const struct wye_refusal *refusal, unsigned rule) {
    const struct wye_rule_row *row = &wye_rules[rule];
    struct wye_span seen = refusal->seen[rule];
    add_expanded(text, wye_span_of(seen.bytes ? row->sentence : row->absent), refusal, seen);
    if (refusal->cause[rule] != WYE_CAUSE_NONE) {
        wye_text_add(text, WYE_SPAN(" "));
        wye_text_add_string(text, wye_causes[refusal->cause[rule]]);
    }
    if (refusal->note && rule == refusal->first) {
        wye_text_add(text, WYE_SPAN(" Namely: "));
        wye_text_add_string(text, refusal->note);
        wye_text_add(text, WYE_SPAN("."));
    }
}

size_t wye_refusal_text(char *to, size_t room, const struct wye_refusal *refusal) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    wye_text_add_number(&text, (uint64_t)refusal->status);
    wye_text_add(&text, WYE_SPAN(" "));
    wye_text_add_string(&text, wye_status_phrase(refusal->status));
    wye_text_add(&text, WYE_SPAN("\n"));
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!failed(refusal, rule)) continue;
        const struct wye_rule_row *row = &wye_rules[rule];
        wye_text_add(&text, WYE_SPAN("\n"));
        add_sentence(&text, refusal, rule);
        wye_text_add(&text, WYE_SPAN(" "));
        add_expanded(&text, wye_span_of(row->mend), refusal, refusal->seen[rule]);
        wye_text_add(&text, WYE_SPAN("\n("));
        wye_text_add_string(&text, row->id);
        wye_text_add(&text, WYE_SPAN(": "));
        wye_text_add_string(&text, row->source);
        wye_text_add(&text, WYE_SPAN(")\n"));
    }
    to[text.count] = '\0';
    return text.count;
}

size_t wye_refusal_line(char *to, size_t room, const struct wye_refusal *refusal) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    const char *between = " ";
    wye_text_add_number(&text, (uint64_t)refusal->status);
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!failed(refusal, rule)) continue;
        wye_text_add_string(&text, between);
        wye_text_add_string(&text, wye_rules[rule].id);
        between = ", ";
    }
    wye_text_add(&text, WYE_SPAN(":"));
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!failed(refusal, rule)) continue;
        wye_text_add(&text, WYE_SPAN(" "));
        add_sentence(&text, refusal, rule);
    }
    to[text.count] = '\0';
    return text.count;
}

static void add_json_sentence(struct wye_text *text, const struct wye_refusal *refusal, unsigned rule) {
    char expanded[EXPANDED_MAX];
    struct wye_text sentence = {.to = expanded, .room = sizeof expanded};
    add_sentence(&sentence, refusal, rule);
    wye_text_add_json(text, (struct wye_span){expanded, sentence.count});
}

static void add_json_rule(struct wye_text *text, const struct wye_refusal *refusal, unsigned rule) {
    const struct wye_rule_row *row = &wye_rules[rule];
    char expanded[EXPANDED_MAX];
    struct wye_text mend = {.to = expanded, .room = sizeof expanded};
    add_expanded(&mend, wye_span_of(row->mend), refusal, refusal->seen[rule]);
    wye_text_add(text, WYE_SPAN("{\"id\":"));
    wye_text_add_json(text, wye_span_of(row->id));
    wye_text_add(text, WYE_SPAN(",\"source\":"));
    wye_text_add_json(text, wye_span_of(row->source));
    wye_text_add(text, WYE_SPAN(",\"detail\":"));
    add_json_sentence(text, refusal, rule);
    wye_text_add(text, WYE_SPAN(",\"mend\":"));
    wye_text_add_json(text, (struct wye_span){expanded, mend.count});
    wye_text_add(text, WYE_SPAN("}"));
}

size_t wye_refusal_problem_json(char *to, size_t room, const struct wye_refusal *refusal) {
    static const char end[] = "]}\n";
    if (room == 0) return 0;
    to[0] = '\0';
    if (room < sizeof end) return 0;
    struct wye_text text = {.to = to, .room = room - sizeof end};
    wye_text_add(&text, WYE_SPAN("{\"type\":\"urn:wye:rule:"));
    wye_text_add_string(&text, wye_rules[refusal->first].id);
    wye_text_add(&text, WYE_SPAN("\",\"title\":"));
    wye_text_add_json(&text, wye_span_of(wye_rules[refusal->first].must));
    wye_text_add(&text, WYE_SPAN(",\"status\":"));
    wye_text_add_number(&text, (uint64_t)refusal->status);
    wye_text_add(&text, WYE_SPAN(",\"detail\":"));
    add_json_sentence(&text, refusal, refusal->first);
    wye_text_add(&text, WYE_SPAN(",\"rules\":["));
    if (text.cut) {
        to[0] = '\0';
        return 0;
    }
    bool any = false;
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!failed(refusal, rule)) continue;
        size_t whole = text.count;
        if (any) wye_text_add(&text, WYE_SPAN(","));
        add_json_rule(&text, refusal, rule);
        if (text.cut) {
            text.count = whole;
            break;
        }
        any = true;
    }
    memcpy(to + text.count, end, sizeof end);
    return text.count + sizeof end - 1;
}

/* Does a block of lines have this one? */
static bool has_line(struct wye_span lines, struct wye_span line) {
    while (lines.count > 0) {
        const char *lf = memchr(lines.bytes, '\n', lines.count);
        size_t length = lf ? (size_t)(lf - lines.bytes) + 1 : lines.count;
        if (wye_span_equal((struct wye_span){lines.bytes, length}, line)) return true;
        lines = (struct wye_span){lines.bytes + length, lines.count - length};
    }
    return false;
}

size_t wye_refusal_fields(char *to, size_t room, const struct wye_refusal *refusal) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    for (unsigned rule = 1; rule < WYE_RULE_COUNT; rule++) {
        if (!failed(refusal, rule)) continue;
        /* Which versions there are is said whatever the status is (RFC 6455 4.2.2). */
        bool told = rule == refusal->first || rule == WYE_RULE_WEBSOCKET_VERSION ||
                    wye_rules[rule].status == refusal->status;
        if (!told) continue;
        for (const char *at = wye_rules[rule].fields; *at;) {
            size_t length = strcspn(at, "\n") + 1;
            char expanded[256];
            struct wye_text line = {.to = expanded, .room = sizeof expanded};
            add_expanded(&line, (struct wye_span){at, length}, refusal, (struct wye_span){0});
            at += length;
            struct wye_span whole = {expanded, line.count};
            if (line.cut || line.count > text.room - text.count)
                continue; /* half a field is worse than none */
            if (!has_line((struct wye_span){to, text.count}, whole)) wye_text_add(&text, whole);
        }
    }
    to[text.count] = '\0';
    return text.count;
}

size_t wye_rules_markdown(char *to, size_t room) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    wye_text_add_string(&text, "| rule | what must hold | status | source | how to mend it |\n| --- | --- | --- | --- | --- |\n");
    for (unsigned i = 1; i < WYE_RULE_COUNT; i++) {
        const struct wye_rule_row *row = &wye_rules[i];
        wye_text_addf(&text, "| `%s` | %s | %d | %s | %s |\n", row->id, row->must, row->status, row->source, row->mend);
    }
    to[text.count] = '\0';
    return text.count;
}
