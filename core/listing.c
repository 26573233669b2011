#include "core/listing.h"

#include "core/hub.h"
#include "frames/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIMIT_USUAL = 100,
    LIMIT_MAX = 1000,
    LOOKED_AT_MAX = 8192, /* topics for one answer: some milliseconds when none of them is in a cache */
};

/* ---- what is told of a topic ---- */

static bool is_utf8(const char *bytes, size_t count) {
    struct wye_utf8 utf8 = {0};
    return wye_utf8_feed(&utf8, (const uint8_t *)bytes, count) && wye_utf8_may_end(&utf8);
}

static void add_rate(struct wye_report *report, const char *name, double rate) {
    wye_report_add(report, rate < 10 ? "\"%s\":%.3f" : "\"%s\":%.1f", name, rate);
}

static void add_topic(struct wye_report *report, const struct wye_subject_view *view, bool first) {
    const struct wye_metered *metered = &view->metered;
    wye_report_add(report, "%s{\"name\":", first ? "" : ",");
    wye_report_add_json(report, view->name, view->name_bytes);
    if (!is_utf8(view->name, view->name_bytes)) { /* no JSON string is this name */
        wye_report_add(report, ",\"path\":\"/topic/");
        wye_report_add_encoded(report, view->name, view->name_bytes);
        wye_report_add(report, "\"");
    }
    wye_report_add(report, ",\"subscribers\":%u,\"messages\":%llu%s,\"per_second\":{", view->subscribers,
                   (unsigned long long)metered->messages, view->pattern ? ",\"pattern\":true" : "");
    add_rate(report, "messages", metered->messages_per_s);
    wye_report_add(report, ",");
    add_rate(report, "bytes", metered->bytes_per_s);
    if (!view->pattern) { /* deliveries are those of the topic that was published to */
        wye_report_add(report, ",");
        add_rate(report, "deliveries", metered->deliveries_per_s);
        wye_report_add(report, ",");
        add_rate(report, "delivered_bytes", metered->delivered_bytes_per_s);
    }
    wye_report_add(report, "}}");
}

static void add_head(struct wye_hub *hub, struct wye_report *report) {
    wye_report_add(report, "\"topics_total\":%zu,\"window_s\":%d,\"topics\":[", wye_subjects_count(&hub->node->subjects), WYE_METER_WINDOW_S);
}

/* ---- GET /topics ---- */

/* What is asked for; names decoded. */
struct question {
    unsigned limit;
    struct wye_span after, match; /* bytes NULL: not said */
    char after_room[WYE_TARGET_MAX], match_room[WYE_TARGET_MAX];
};

static const char *read_limit(struct wye_span value, unsigned *limit) {
    uint64_t number;
    if (!wye_span_number(value, LIMIT_MAX, &number) || number == 0) return "limit is a number from 1 to 1000";
    *limit = (unsigned)number;
    return NULL;
}

/* `after` is a place in the order, `match` what a subscription could have. */
static const char *read_name(struct wye_span value, char to[WYE_TARGET_MAX], struct wye_span *name, bool is_place) {
    ptrdiff_t count = wye_percent_decode(to, value);
    if (count < 0) return "a '%' without two hexadecimal digits";
    *name = (struct wye_span){to, (size_t)count};
    if (is_place) return count <= WYE_TOPIC_NAME_MAX ? NULL : "a name has at most 255 bytes";
    return wye_topic_name_fault(*name);
}

/* One `name=value` of the query. NULL: it is fine; or what is wrong (static). */
static const char *read_part(struct question *question, struct wye_span part) {
    const char *equals = memchr(part.bytes, '=', part.count);
    struct wye_span name = {part.bytes, equals ? (size_t)(equals - part.bytes) : part.count};
    struct wye_span value = {equals ? equals + 1 : "", equals ? part.count - name.count - 1 : 0};
    if (wye_span_equal(name, WYE_SPAN("token"))) return NULL; /* who asks: wye_bearer_find() reads it */
    bool limit = wye_span_equal(name, WYE_SPAN("limit"));
    bool after = wye_span_equal(name, WYE_SPAN("after")), match = wye_span_equal(name, WYE_SPAN("match"));
    if (!limit && !after && !match) return "there are limit, after and match";
    if ((limit && question->limit) || (after && question->after.bytes) || (match && question->match.bytes)) return "it is there twice";
    if (limit) return read_limit(value, &question->limit);
    if (after) return read_name(value, question->after_room, &question->after, true);
    return read_name(value, question->match_room, &question->match, false);
}

/* Reads the query. false: it is refused. */
static bool read_question(struct wye_hub *hub, struct question *question) {
    struct wye_span query = hub->request.query;
    question->limit = 0;
    question->after = question->match = (struct wye_span){0};
    while (query.count) {
        const char *end = memchr(query.bytes, '&', query.count);
        struct wye_span part = {query.bytes, end ? (size_t)(end - query.bytes) : query.count};
        size_t used = part.count + (end ? 1 : 0);
        query = (struct wye_span){query.bytes + used, query.count - used};
        const char *fault = part.count ? read_part(question, part) : NULL;
        if (!fault) continue;
        wye_refusal_add(&hub->refusal, WYE_RULE_QUERY, part);
        hub->refusal.note = fault;
        return false;
    }
    if (!question->limit) question->limit = LIMIT_USUAL;
    return true;
}

static void add_next(struct wye_report *report, const struct question *question, const struct wye_listing *listing) {
    wye_report_add(report, "/topics?limit=%u", question->limit);
    if (question->match.bytes) {
        wye_report_add(report, "&match=");
        wye_report_add_encoded(report, question->match.bytes, question->match.count);
    }
    wye_report_add(report, "&after=");
    wye_report_add_encoded(report, listing->at, listing->at_bytes);
}

/* The rest follows: its address, in the answer and as a field (RFC 8288). */
static void say_next(struct wye_report *report, const struct question *question, const struct wye_listing *listing,
                     struct wye_answer *answer) {
    wye_report_add(report, ",\"next\":\"");
    size_t from = report->count;
    add_next(report, question, listing);
    size_t count = report->count - from;
    wye_report_add(report, "\"");
    if (report->failed) return;
    const char *next = (const char *)report->chunk->bytes + from;
    int n = snprintf(answer->room, WYE_ANSWER_FIELDS_MAX, "%sLink: <%.*s>; rel=\"next\"\r\n", answer->fields, (int)count, next);
    if (n > 0 && n < WYE_ANSWER_FIELDS_MAX) answer->fields = answer->room;
}

void wye_listing_answer(struct wye_hub *hub, struct wye_answer *answer) {
    struct question question;
    struct wye_subject_view views[WYE_LISTING_STEP];
    struct wye_listing listing;
    struct wye_report report = {.pool = &hub->pool};
    if (!read_question(hub, &question)) return;
    answer->content_type = "application/json";
    answer->fields = "Cache-Control: no-store\r\n";
    wye_report_add(&report, "{");
    add_head(hub, &report);
    wye_listing_begin(&listing, question.after, question.match);
    unsigned told = 0;
    for (unsigned looked_at = 0; listing.more && told < question.limit && looked_at < LOOKED_AT_MAX; looked_at += WYE_LISTING_STEP) {
        unsigned most = question.limit - told < WYE_LISTING_STEP ? question.limit - told : WYE_LISTING_STEP;
        size_t filled = wye_listing_next(&listing, &hub->node->subjects, hub->now_ns, views, most);
        for (size_t i = 0; i < filled; i++) add_topic(&report, &views[i], told++ == 0);
    }
    wye_report_add(&report, "]");
    if (listing.more) say_next(&report, &question, &listing, answer);
    wye_report_add(&report, "}\n");
    answer->body = wye_report_slice(&report);
}

/* ---- the largest ---- */

static struct wye_span name_of(const struct wye_subject_view *view) { return (struct wye_span){view->name, view->name_bytes}; }

/* Puts one in its place, if it is large enough and isn't there. */
static void consider(struct wye_largest *largest, const struct wye_subject_view *view) {
    size_t at = largest->filled;
    for (size_t i = 0; i < largest->filled; i++) {
        if (wye_span_equal(name_of(&largest->views[i]), name_of(view))) return;
    }
    while (at > 0 && largest->views[at - 1].subscribers < view->subscribers) at--;
    if (at == WYE_LARGEST_MAX) return;
    if (largest->filled < WYE_LARGEST_MAX) largest->filled++;
    memmove(&largest->views[at + 1], &largest->views[at], (largest->filled - 1 - at) * sizeof *view);
    largest->views[at] = *view;
}

/* Those that were the largest are looked at again, then the next ones in the order of names. */
static void find_largest(struct wye_hub *hub, struct wye_largest *largest) {
    struct wye_subjects *subjects = &hub->node->subjects;
    struct wye_subject_view views[WYE_LISTING_STEP];
    size_t count = 0;
    for (size_t i = 0; i < largest->filled; i++) count += wye_subjects_view(subjects, name_of(&largest->views[i]), hub->now_ns, &views[count]);
    largest->filled = 0;
    for (size_t i = 0; i < count; i++) consider(largest, &views[i]);
    for (unsigned looked_at = 0; looked_at < LOOKED_AT_MAX; looked_at += WYE_LISTING_STEP) {
        bool begins = !largest->listing.more;
        if (begins && looked_at > 0) return; /* once round, with a step to spare */
        if (begins) wye_listing_begin(&largest->listing, (struct wye_span){0}, (struct wye_span){0});
        count = wye_listing_next(&largest->listing, subjects, hub->now_ns, views, WYE_LISTING_STEP);
        for (size_t i = 0; i < count; i++) consider(largest, &views[i]);
    }
}

void wye_listing_add_largest(struct wye_hub *hub, struct wye_report *report) {
    if (!hub->largest) hub->largest = calloc(1, sizeof *hub->largest);
    if (hub->largest) find_largest(hub, hub->largest);
    add_head(hub, report);
    for (size_t i = 0; hub->largest && i < hub->largest->filled; i++) add_topic(report, &hub->largest->views[i], i == 0);
    wye_report_add(report, "]");
}
