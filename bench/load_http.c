/* Publishing by HTTP: POST requests that are pipelined on kept connections, and their answers. */
#include "bench/load.h"
#include "handshake/chunked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 65536 };

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
    bool chunked, ends; /* ends: the server closes the connection */
    int64_t length;     /* < 0: not said */
    int64_t receivers;  /* likewise */
    const char *fault;  /* it can't be read; NULL: it can */
};

static bool is(struct wye_span span, const char *text) { return wye_span_equal_nocase(span, wye_span_of(text)); }

static void read_field(struct answer *answer, struct wye_span name, struct wye_span value) {
    if (is(name, "content-length")) {
        uint64_t length;
        bool fine = wye_span_number(value, INT64_MAX, &length) && (answer->length < 0 || answer->length == (int64_t)length);
        if (!fine) answer->fault = "an answer whose Content-Length is wrong";
        answer->length = fine ? (int64_t)length : -1;
    } else if (is(name, "transfer-encoding")) {
        answer->chunked = true;
        if (!is(value, "chunked")) answer->fault = "an answer in a coding that isn't understood";
    } else if (is(name, "connection")) {
        answer->ends |= is(value, "close");
    }
}

static void read_head(struct answer *answer, struct wye_span head) {
    const char *at = head.bytes, *end = at + head.count; /* each line ended by CRLF */
    if (head.count < 14 || memcmp(at, "HTTP/1.", 7) != 0 || at[8] != ' ') {
        answer->fault = "what came is no HTTP answer";
        return;
    }
    for (unsigned i = 9; i < 12; i++) {
        if (at[i] < '0' || at[i] > '9') answer->fault = "what came is no HTTP answer";
        answer->status = answer->status * 10 + (at[i] - '0');
    }
    answer->ends = at[7] == '0';
    for (at = memchr(at, '\n', head.count) + 1; at < end;) {
        const char *lf = memchr(at, '\n', (size_t)(end - at)), *colon = memchr(at, ':', (size_t)(lf - at));
        if (!colon) {
            answer->fault = "an answer with a field that has no colon";
            return;
        }
        const char *from = colon + 1, *to = lf;
        while (from < to && (*from == ' ' || *from == '\t')) from++;
        while (to > from && (unsigned char)to[-1] <= ' ') to--;
        read_field(answer, (struct wye_span){at, (size_t)(colon - at)}, (struct wye_span){from, (size_t)(to - from)});
        at = lf + 1;
    }
}

/* {"receivers": N}, however it is spaced; < 0: it isn't that. */
static int64_t receivers_of(struct wye_span body) {
    static const char name[] = "\"receivers\"";
    const char *end = body.bytes + body.count;
    const char *at = body.count && *body.bytes == '{' ? memmem(body.bytes, body.count, name, sizeof name - 1) : NULL;
    if (!at) return -1;
    at += sizeof name - 1;
    while (at < end && (*at == ' ' || *at == ':')) at++;
    int64_t number = at < end && *at >= '0' && *at <= '9' ? 0 : -1;
    for (; at < end && *at >= '0' && *at <= '9' && number < UINT32_MAX; at++) number = number * 10 + (*at - '0');
    return number;
}

/* The chunked body at `bytes`, its content put together where it lies. Bytes used, 0: not all is there, -1: it is none. */
static ptrdiff_t unchunk(uint8_t *bytes, size_t count, struct wye_span *body) {
    struct wye_chunked chunked = {0};
    size_t used = 0, kept = 0;
    while (used < count && !chunked.done) {
        struct wye_chunked_run run;
        ptrdiff_t n = wye_chunked_read(&chunked, bytes + used, count - used, &run);
        if (n < 0) return -1;
        if (run.count) memmove(bytes + kept, run.bytes, run.count);
        kept += run.count;
        used += (size_t)n;
    }
    *body = (struct wye_span){(const char *)bytes, kept};
    return chunked.done ? (ptrdiff_t)used : 0;
}

/* Reads one whole answer. Bytes used; 0: it isn't all there. With answer->fault set it can't be read. */
static size_t read_answer(struct answer *answer, const uint8_t *bytes, size_t count) {
    *answer = (struct answer){.length = -1, .receivers = -1};
    const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!end) {
        if (count > ANSWER_BYTES_MAX) answer->fault = "an answer whose head doesn't end";
        return 0;
    }
    size_t head = (size_t)(end - bytes) + 4;
    read_head(answer, (struct wye_span){(const char *)bytes, head - 2});
    if (answer->fault || answer->status < 200 || answer->status == 204 || answer->status == 304) return head;
    struct wye_span body = {(const char *)bytes + head, count - head};
    if (answer->chunked) {
        if (count > ANSWER_BYTES_MAX) answer->fault = "an answer of more than 64 KiB";
        uint8_t *copy = malloc(body.count + 1);
        if (!copy) {
            answer->fault = "no memory";
            return 0;
        }
        if (body.count) memcpy(copy, body.bytes, body.count);
        ptrdiff_t used = unchunk(copy, body.count, &body);
        if (used < 0) answer->fault = "an answer whose chunks are wrong";
        if (used > 0) answer->receivers = receivers_of(body);
        free(copy);
        return used > 0 ? head + (size_t)used : 0;
    }
    if (answer->length < 0) answer->fault = "an answer that doesn't say how long it is";
    else if (answer->length > ANSWER_BYTES_MAX) answer->fault = "an answer of more than 64 KiB";
    if (answer->fault || (size_t)answer->length > body.count) return 0;
    body.count = (size_t)answer->length;
    answer->receivers = receivers_of(body);
    return head + body.count;
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

/* Judges an answer. true: it was right. */
static bool judge(struct load_conn *lc, const struct answer *answer) {
    struct load_worker *worker = lc->worker;
    int64_t expected = expected_of(lc);
    if (answer->status > 299) {
        wye_count(&worker->counts.not_published, 1);
        wye_load_group(worker, "answered %d %s", answer->status, wye_status_phrase(answer->status));
        return false;
    }
    bool told = answer->receivers >= 0, must = worker->run->options->receivers >= 0;
    if (told) wye_count(&worker->counts.receivers, (uint64_t)answer->receivers);
    /* Another server may not tell at all: then nothing but --receivers asks for it. */
    if (expected < 0 || answer->receivers == expected || (!told && !must)) return true;
    wye_count(&worker->counts.wrong_receivers, 1);
    if (told) wye_load_group(worker, "%lld receivers instead of %lld", (long long)answer->receivers, (long long)expected);
    else wye_load_group(worker, "an answer that doesn't say {\"receivers\": N}");
    return false;
}

/* Remembers an answer that was right, to know it again. */
static void remember(struct load_conn *lc, const struct answer *answer, const uint8_t *bytes, size_t count) {
    struct load_said *said = &lc->worker->said;
    wye_load_tls_note(lc);
    if (answer->ends || count > sizeof said->bytes) return;
    memcpy(said->bytes, bytes, count);
    said->count = count;
    said->receivers = answer->receivers > 0 ? (uint32_t)answer->receivers : 0;
    said->expected = (uint32_t)expected_of(lc);
}

/* The same answer again: nearly all are, within a second. Bytes used. */
static size_t take_same(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    const struct load_said *said = &lc->worker->said;
    size_t used = 0;
    if (said->count == 0 || said->expected != (uint32_t)expected_of(lc)) return 0;
    while (lc->sent - lc->first != lc->settled && count - used >= said->count && memcmp(bytes + used, said->bytes, said->count) == 0) {
        wye_count(&lc->worker->counts.receivers, said->receivers);
        settle(lc, true, now_ns);
        used += said->count;
    }
    return used;
}

static ptrdiff_t give_up(struct load_conn *lc, const char *why) {
    wye_count(&lc->worker->counts.broken_frames, 1);
    wye_load_group(lc->worker, "%s", why);
    lc->state = LOAD_ENDED;
    return -EPROTO;
}

ptrdiff_t wye_load_answers_read(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns) {
    size_t used = 0;
    while (used < count) {
        used += take_same(lc, bytes + used, count - used, now_ns);
        if (used == count) break;
        struct answer answer;
        size_t step = read_answer(&answer, bytes + used, count - used);
        if (answer.fault) return give_up(lc, answer.fault);
        if (step == 0) break;
        bool final = answer.status >= 200;
        if (final && lc->sent - lc->first == lc->settled) {
            wye_count(&lc->worker->counts.unexpected, 1);
            return give_up(lc, "an answer to nothing");
        }
        if (final) {
            bool right = judge(lc, &answer);
            settle(lc, right, now_ns);
            if (right) remember(lc, &answer, bytes + used, step);
        }
        used += step;
    }
    wye_count(&lc->worker->counts.bytes_received, used);
    if (lc->conn->phase == WYE_CONN_OPEN) wye_load_client_pump(lc, now_ns);
    return (ptrdiff_t)used;
}
