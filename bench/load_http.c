/* Publishing by HTTP: POST requests that are pipelined on kept connections, and their answers. */
#include "bench/load.h"
#include "handshake/chunked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES_MAX = 65536, /* of a body, and of a head */
    SEEN_MAX = 60,
    NOT_TOLD = -1, /* a body that doesn't name receivers: another server's may say anything */
    UNCLEAR = -2,  /* it names them, and no number */
};

static const char no_answer[] = "what came is no HTTP answer";
static const char untold[] = "an answer that doesn't say {\"receivers\": N}", where_others_do[] = ", where others do";
static const char too_long[] = "an answer of more than 64 KiB";

static bool has_field(const char *fields, const char *name) {
    size_t count = strlen(name);
    for (const char *at = fields; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : at) {
        if (strncasecmp(at, name, count) == 0 && at[count] == ':') return true;
    }
    return false;
}

size_t wye_load_post_head(char *to, size_t room, const struct load_options *options, uint32_t topic) {
    char *path = wye_load_fill_in(options->publish_path ? options->publish_path : options->target.path, topic);
    if (!path) return 0;
    const char *type = has_field(options->fields, "content-type") ? ""
                       : options->text                            ? "Content-Type: text/plain; charset=utf-8\r\n"
                                                                  : "Content-Type: application/octet-stream\r\n";
    int n = snprintf(to, room, "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n%s\r\n", path, options->target.host, type,
                     options->size, options->fields);
    free(path);
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* What an answer says. */
struct answer {
    int status;
    bool old;            /* HTTP/1.0 */
    bool sized, chunked; /* by Content-Length, by Transfer-Encoding */
    bool closes, keeps;  /* what Connection lists */
    int64_t length;
    int64_t receivers;    /* or NOT_TOLD, UNCLEAR */
    const char *fault;    /* it can't be read; NULL: it can */
    struct wye_span seen; /* what of it; count 0: nothing to show */
};

/* Is it the connection's last? (RFC 9112 9.3) */
static bool is_last(const struct answer *answer) { return answer->closes || (answer->old && !answer->keeps); }

static bool is(struct wye_span span, const char *text) { return wye_span_equal_nocase(span, wye_span_of(text)); }

static void refuse(struct answer *answer, const char *fault, struct wye_span seen) {
    if (answer->fault) return;
    answer->fault = fault;
    answer->seen = seen;
}

static void read_field(struct answer *answer, struct wye_span name, struct wye_span value) {
    if (is(name, "content-length")) {
        uint64_t length;
        if (!wye_span_number(value, INT64_MAX, &length) || (answer->sized && answer->length != (int64_t)length))
            refuse(answer, "an answer whose Content-Length is wrong", value);
        else answer->length = (int64_t)length;
        answer->sized = true;
    } else if (is(name, "transfer-encoding")) {
        answer->chunked = true;
        if (!is(value, "chunked")) refuse(answer, "an answer in a coding that isn't understood", value);
    } else if (is(name, "connection")) {
        for (struct wye_span element; wye_span_next_element(&value, &element);) {
            answer->closes |= is(element, "close");
            answer->keeps |= is(element, "keep-alive");
        }
    }
}

static void read_status(struct answer *answer, struct wye_span line) {
    const char *at = line.bytes;
    bool fine = line.count >= 12 && memcmp(at, "HTTP/1.", 7) == 0 && (at[7] == '0' || at[7] == '1') && at[8] == ' ' &&
                (line.count == 12 || at[12] == ' ');
    for (unsigned i = 9; fine && i < 12; i++) {
        fine = at[i] >= '0' && at[i] <= '9';
        answer->status = answer->status * 10 + (at[i] - '0');
    }
    if (!fine || answer->status < 100) refuse(answer, no_answer, line);
    else if (answer->status == 101) refuse(answer, "a 101 that was not asked for", line);
    answer->old = fine && at[7] == '0';
}

/* Whole lines, each ended by CRLF. */
static void read_head(struct answer *answer, struct wye_span head) {
    const char *end = head.bytes + head.count;
    bool first = true;
    for (const char *at = head.bytes, *lf; at < end && !answer->fault; at = lf + 1, first = false) {
        lf = memchr(at, '\n', (size_t)(end - at));
        const char *to = lf > at && lf[-1] == '\r' ? lf - 1 : lf, *colon = memchr(at, ':', (size_t)(to - at));
        struct wye_span line = {at, (size_t)(to - at)}, name = {at, 0};
        if (colon) name.count = (size_t)(colon - at);
        if (first) read_status(answer, line);
        else if (!colon) refuse(answer, "an answer with a field that has no colon", line);
        else read_field(answer, name, wye_span_trim((struct wye_span){colon + 1, (size_t)(to - colon - 1)}));
    }
    if (answer->chunked && answer->sized)
        refuse(answer, "an answer with both Content-Length and Transfer-Encoding (RFC 9112 6.2)", (struct wye_span){0});
}

static const char *pass_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) at++;
    return at;
}

/* {"receivers": N}, however it is spaced and whatever else it says; or NOT_TOLD, UNCLEAR. */
static int64_t receivers_of(struct wye_span body) {
    static const char name[] = "\"receivers\"";
    const char *at = body.bytes, *end = at + body.count;
    at = pass_blanks(at, end);
    while (end > at && (unsigned char)end[-1] <= ' ') end--;
    if (at == end || *at != '{' || !(at = memmem(at, (size_t)(end - at), name, sizeof name - 1))) return NOT_TOLD;
    at = pass_blanks(at + sizeof name - 1, end);
    if (at == end || *at++ != ':' || end[-1] != '}') return UNCLEAR;
    at = pass_blanks(at, end);
    int64_t number = *at >= '0' && *at <= '9' ? 0 : UNCLEAR;
    for (; *at >= '0' && *at <= '9' && number < UINT32_MAX; at++) number = number * 10 + (*at - '0');
    at = pass_blanks(at, end);
    return number <= UINT32_MAX && (*at == ',' || at == end - 1) ? number : UNCLEAR;
}

/* The chunked body at `bytes`. Bytes used, 0: not all is there, or it can't be read. */
static size_t read_chunked(struct answer *answer, const uint8_t *bytes, size_t count) {
    uint8_t content[ANSWER_BYTES_MAX];
    struct wye_chunked chunked = {0};
    size_t used = 0, kept = 0;
    while (used < count && !chunked.done && !answer->fault) {
        struct wye_chunked_run run;
        ptrdiff_t n = wye_chunked_read(&chunked, bytes + used, count - used, &run);
        if (n < 0) refuse(answer, "an answer whose chunks are wrong", (struct wye_span){(const char *)bytes + used, count - used});
        else if (run.count > sizeof content - kept || used > ANSWER_BYTES_MAX) refuse(answer, too_long, (struct wye_span){0});
        if (answer->fault) return 0;
        if (run.count) memcpy(content + kept, run.bytes, run.count);
        kept += run.count;
        used += (size_t)n;
    }
    if (!chunked.done) return 0;
    answer->receivers = receivers_of((struct wye_span){(const char *)content, kept});
    return used;
}

/* The body behind a head. Its bytes; *whole: all of it is there. */
static size_t read_body(struct answer *answer, const uint8_t *bytes, size_t count, bool *whole) {
    *whole = answer->status < 200 || answer->status == 204 || answer->status == 304;
    if (*whole) return 0;
    if (answer->chunked) {
        size_t used = read_chunked(answer, bytes, count);
        *whole = used > 0;
        return used;
    }
    if (!answer->sized) refuse(answer, "an answer that doesn't say how long it is", (struct wye_span){0});
    else if (answer->length > ANSWER_BYTES_MAX) refuse(answer, too_long, (struct wye_span){0});
    if (answer->fault) return 0;
    size_t length = (size_t)answer->length;
    *whole = length <= count;
    if (*whole) answer->receivers = receivers_of((struct wye_span){(const char *)bytes, length});
    return length;
}

/* Reads one whole answer. Bytes used; 0: it isn't all there. With answer->fault set it can't be read. */
static size_t read_answer(struct answer *answer, const uint8_t *bytes, size_t count) {
    static const char begin[] = "HTTP/1.";
    *answer = (struct answer){.receivers = NOT_TOLD};
    size_t shown = count < sizeof begin - 1 ? count : sizeof begin - 1;
    if (memcmp(bytes, begin, shown) != 0) { /* at once: something else may never send an empty line */
        refuse(answer, no_answer, (struct wye_span){(const char *)bytes, count});
        return 0;
    }
    const uint8_t *end = memmem(bytes, count < ANSWER_BYTES_MAX ? count : ANSWER_BYTES_MAX, "\r\n\r\n", 4);
    if (!end) {
        if (count >= ANSWER_BYTES_MAX) refuse(answer, "an answer whose head doesn't end", (struct wye_span){0});
        return 0;
    }
    size_t head = (size_t)(end - bytes) + 4;
    bool whole = false;
    read_head(answer, (struct wye_span){(const char *)bytes, head - 2});
    size_t body = answer->fault ? 0 : read_body(answer, bytes + head, count - head, &whole);
    return whole && !answer->fault ? head + body : 0;
}

/* How many receivers an answer must tell of; < 0: any number. */
static int64_t expected_of(const struct load_conn *lc) {
    const struct load_options *options = lc->worker->run->options;
    if (options->receivers >= 0) return options->receivers;
    if (options->connections == 0) return -1;
    return options->connections / options->topics + (lc->topic < options->connections % options->topics);
}

static void settle(struct load_conn *lc, bool right, uint64_t now_ns) {
    struct load_counts *counts = &lc->worker->counts;
    wye_count(&counts->messages, right);
    if (right) wye_load_client_record(lc, lc->number, lc->first + lc->settled, now_ns);
    lc->settled++;
    wye_count(&counts->settled, 1);
}

/* Another server may tell no receivers at all: then nothing but --receivers asks for them. One that tells must tell always. */
static bool judge_untold(struct load_worker *worker) {
    bool must = worker->run->options->receivers >= 0;
    if (!must && !worker->said.tells) {
        wye_count(&worker->counts.untold, 1);
        return true;
    }
    wye_count(&worker->counts.wrong_receivers, 1);
    wye_load_group(worker, "%s%s", untold, must ? "" : where_others_do);
    return false;
}

/* The first answer that tells receivers: those before it should have, too. */
static void begin_to_tell(struct load_worker *worker) {
    uint64_t before = wye_counted(&worker->counts.untold);
    worker->said.tells = true;
    worker->said.count = 0;
    if (before == 0) return;
    wye_count(&worker->counts.wrong_receivers, before);
    wye_load_group(worker, "%s%s", untold, where_others_do)->count += before - 1;
}

/* Judges an answer. true: it was right. */
static bool judge(struct load_conn *lc, const struct answer *answer) {
    struct load_worker *worker = lc->worker;
    int64_t expected = expected_of(lc);
    if (answer->status > 299) {
        wye_count(&worker->counts.not_published, 1);
        wye_load_group(worker, "answered %d %s", answer->status, wye_status_phrase(answer->status));
        return false;
    }
    if (answer->receivers == NOT_TOLD) return judge_untold(worker);
    if (!worker->said.tells) begin_to_tell(worker);
    if (answer->receivers >= 0) wye_count(&worker->counts.receivers, (uint64_t)answer->receivers);
    if (answer->receivers >= 0 && (expected < 0 || answer->receivers == expected)) return true;
    wye_count(&worker->counts.wrong_receivers, 1);
    if (answer->receivers == UNCLEAR) wye_load_group(worker, "an answer whose {\"receivers\": N} is none");
    else wye_load_group(worker, "%lld receivers instead of %lld", (long long)answer->receivers, (long long)expected);
    return false;
}

/* Remembers an answer that was right, to know it again. */
static void remember(struct load_conn *lc, const struct answer *answer, const uint8_t *bytes, size_t count) {
    struct load_said *said = &lc->worker->said;
    wye_load_tls_note(lc);
    if (count > sizeof said->bytes) return;
    memcpy(said->bytes, bytes, count);
    said->count = count;
    said->told = answer->receivers >= 0;
    said->receivers = said->told ? (uint32_t)answer->receivers : 0;
    said->expected = (uint32_t)expected_of(lc);
}

/* The same answer again: nearly all are, within a second. Bytes used. */
static size_t take_same(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    const struct load_said *said = &lc->worker->said;
    size_t used = 0;
    if (said->count == 0 || said->expected != (uint32_t)expected_of(lc)) return 0;
    while (lc->sent - lc->first != lc->settled && count - used >= said->count && memcmp(bytes + used, said->bytes, said->count) == 0) {
        wye_count(&lc->worker->counts.receivers, said->receivers);
        wye_count(&lc->worker->counts.untold, !said->told);
        settle(lc, true, now_ns);
        used += said->count;
    }
    return used;
}

/* What came can't be read, so that nothing behind it can. */
static ptrdiff_t give_up(struct load_conn *lc, const struct answer *answer) {
    char seen[2 * SEEN_MAX];
    wye_span_escape(seen, sizeof seen, answer->seen, SEEN_MAX);
    wye_count(&lc->worker->counts.broken_frames, 1);
    wye_load_group(lc->worker, "%s%s%s%s", answer->fault, *seen ? ": '" : "", seen, *seen ? "'" : "");
    lc->state = LOAD_ENDED;
    return -EPROTO;
}

/* An answer was the connection's last: what was asked behind it stays unanswered. */
static ptrdiff_t end_here(struct load_conn *lc) {
    wye_count(&lc->worker->counts.dropped, 1);
    wye_load_group(lc->worker, "the server ended the connection, as its answer said (Connection: close, or HTTP/1.0)");
    lc->state = LOAD_ENDED;
    return -ECONNRESET;
}

/* A final answer, whole. */
static void take(struct load_conn *lc, const struct answer *answer, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    if (lc->sent - lc->first == lc->settled) {
        wye_count(&lc->worker->counts.unexpected, 1);
        wye_load_group(lc->worker, "an answer to nothing: %d %s", answer->status, wye_status_phrase(answer->status));
        return;
    }
    bool right = judge(lc, answer);
    settle(lc, right, now_ns);
    if (right && !is_last(answer)) remember(lc, answer, bytes, count);
}

ptrdiff_t wye_load_answers_read(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    size_t used = 0;
    struct answer answer = {0};
    bool last = false;
    while (used < count && !last) {
        used += take_same(lc, bytes + used, count - used, now_ns);
        if (used == count) break;
        size_t step = read_answer(&answer, bytes + used, count - used);
        if (step == 0) break;
        bool final = answer.status >= 200;
        if (final) take(lc, &answer, bytes + used, step, now_ns);
        last = final && is_last(&answer);
        used += step;
    }
    wye_count(&lc->worker->counts.bytes_received, used);
    lc->part = used < count;
    if (answer.fault) return give_up(lc, &answer);
    if (last) return end_here(lc);
    if (lc->conn->phase == WYE_CONN_OPEN) wye_load_client_pump(lc, now_ns);
    return (ptrdiff_t)used;
}
