/*
 * From whatever a server sends to the probe's report: the response parser, the checks, the diagnosis, and
 * text and JSON in memory that is exactly as large as was promised. The input's first eight bytes choose the
 * other facts of the attempt.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/json.h"

#include "handshake/diagnosis.h"

enum { CHOICES = 8 };

static bool is_plain_text(const char *text, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((text[i] < 0x20 || text[i] > 0x7e) && text[i] != '\n') return false;
    return text[count] == '\0';
}

/* What came, as the walk reads it: interim heads are passed by, the rest is content. */
static void take_answer(struct wye_attempt *attempt, uint8_t *bytes, size_t count, enum wye_end end) {
    size_t start = 0;
    ptrdiff_t used;
    while ((used = wye_client_answer_read(&attempt->answer.head, &attempt->request, bytes + start,
                                          count - start, 0)) > 0) {
        start += (size_t)used;
        if (attempt->answer.head.status >= 200 || attempt->answer.head.status == 101) break;
    }
    attempt->answer.count = count;
    attempt->answer.first =
        (struct wye_span){(const char *)bytes, count < WYE_ATTEMPT_FIRST_MAX ? count : WYE_ATTEMPT_FIRST_MAX};
    attempt->answer.end = used > 0 ? WYE_END_FINE : used < 0 || end == WYE_END_FINE ? WYE_END_BROKEN : end;
    if (used == 0 && attempt->answer.end == WYE_END_BROKEN) attempt->answer.head.fault = WYE_ANSWER_HEAD_SIZE;
    if (used <= 0) return;
    size_t content = count - start < WYE_ATTEMPT_BODY_MAX ? count - start : WYE_ATTEMPT_BODY_MAX;
    if (attempt->answer.head.chunked) {
        size_t joined = wye_client_chunks_join((char *)bytes + start, content);
        MUST(joined <= content);
        content = joined;
    }
    attempt->answer.body = (struct wye_span){(const char *)bytes + start, content};
}

static enum wye_end an_end(unsigned choice) { return (enum wye_end)(choice % WYE_END_COUNT); }

/* Of a step that was tried. */
static enum wye_end a_tried_end(unsigned choice) { return (enum wye_end)(1 + choice % (WYE_END_COUNT - 1)); }

/* A C string of what came, for the texts that certificates and close frames bring. */
static void copy_string(char *to, size_t room, const uint8_t *from, size_t count) {
    size_t taken = count < room - 1 ? count : room - 1;
    for (size_t i = 0; i < taken; i++) to[i] = from[i] ? (char)from[i] : 'x';
    to[taken] = '\0';
}

static void choose(struct wye_attempt *attempt, const uint8_t *choice, const uint8_t *bytes, size_t count) {
    static const char *const tokens[] = {"", "websocket", "wye-echo", "h2c"};
    attempt->url = "ws://example.com/chat";
    attempt->host = "example.com";
    attempt->secure = choice[0] & 1;
    attempt->insecure = choice[0] & 2;
    attempt->timeout_s = 10;
    attempt->request =
        (struct wye_client_request){.target = WYE_SPAN("/chat?x"),
                                    .host = WYE_SPAN("example.com"),
                                    .key = "dGhlIHNhbXBsZSBub25jZQ==",
                                    .extensions = WYE_SPAN("permessage-deflate; client_max_window_bits")};
    attempt->request.token = wye_span_of(tokens[choice[0] >> 2 & 3]);
    if (choice[0] & 16) attempt->request.subprotocols = WYE_SPAN("chat, superchat");
    if (choice[0] & 32) attempt->origin = WYE_SPAN("https://example.com");
    attempt->sent = WYE_SPAN("GET /chat HTTP/1.1\r\n\r\n");
    attempt->fields_withheld = choice[0] & 64;
    attempt->name.end = choice[1] & 7 ? WYE_END_FINE : a_tried_end(choice[1] >> 3);
    attempt->tcp.end = choice[2] & 7 ? WYE_END_FINE : a_tried_end(choice[2] >> 3);
    attempt->tcp.error = choice[2];
    strcpy(attempt->tcp.address, "127.0.0.1:80");
    if (choice[1] & 64) strcpy(attempt->tcp.passed_by, "[::1]:80");
    attempt->tls.end = choice[3] & 3 ? WYE_END_FINE : a_tried_end(choice[3] >> 2);
    attempt->tls.fault = (enum wye_tls_fault)(choice[3] % WYE_TLS_FAULT_COUNT);
    attempt->tls.certificate = choice[4] & 63;
    attempt->tls.authorities = "/etc/ssl/certs/ca-certificates.crt";
    attempt->tls.no_authorities = choice[4] & 64;
    if (choice[4] & 128) strcpy(attempt->tls.alpn_before, "h2");
    attempt->tls.first_count = count < sizeof attempt->tls.first ? count : sizeof attempt->tls.first;
    memcpy(attempt->tls.first, bytes, attempt->tls.first_count);
    copy_string(attempt->tls.names, sizeof attempt->tls.names, bytes, count);
    copy_string(attempt->tls.issuer, sizeof attempt->tls.issuer, bytes, count);
    copy_string(attempt->tls.alpn, sizeof attempt->tls.alpn, bytes, count);
    attempt->talk.ping = an_end(choice[5]);
    attempt->talk.hold = an_end(choice[5] >> 4);
    attempt->talk.hold_s = choice[5] >> 4;
    attempt->talk.again = an_end(choice[6]);
    attempt->talk.close = an_end(choice[6] >> 4);
    attempt->talk.fin = an_end(choice[7]);
    attempt->talk.settings = an_end(choice[7] >> 4);
    attempt->talk.code_given = choice[7] & 8;
    attempt->talk.code = choice[6];
    attempt->talk.masked = choice[7] & 128;
    copy_string(attempt->talk.reason, sizeof attempt->talk.reason, bytes, count);
    attempt->also.origin_tried = choice[5] & 128;
    attempt->also.tls_spoken = attempt->also.tls_tried = choice[7] & 64;
    attempt->answer.deflate_wrong = choice[6] & 128;
}

static void write_in(size_t room, const struct wye_diagnosis *diagnosis, const struct wye_attempt *attempt,
                     unsigned columns) {
    const struct wye_style style = {.columns = columns};
    char *to = malloc(room ? room : 1);
    MUST(to);
    size_t count = wye_diagnosis_text(to, room, diagnosis, attempt, &style);
    MUST(room == 0 ? count == 0 : count < room && is_plain_text(to, count));
    if (room == WYE_DIAGNOSIS_TEXT_MAX) MUST(count < room - 1); /* not cut */
    count = wye_diagnosis_json(to, room, diagnosis, attempt);
    MUST(count == 0 || (count < room && to[count] == '\0' && is_json(to)));
    if (room == WYE_DIAGNOSIS_TEXT_MAX) MUST(count > 0);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < CHOICES) return 0;
    struct wye_attempt *attempt = calloc(1, sizeof *attempt);
    struct wye_diagnosis *diagnosis = malloc(sizeof *diagnosis);
    MUST(attempt && diagnosis);
    uint8_t *copy = exact_copy(bytes + CHOICES, count - CHOICES);
    choose(attempt, bytes, copy, count - CHOICES);
    bool reached = attempt->name.end == WYE_END_FINE && attempt->tcp.end == WYE_END_FINE &&
                   (!attempt->secure || attempt->tls.end == WYE_END_FINE);
    if (reached) take_answer(attempt, copy, count - CHOICES, a_tried_end(bytes[7] >> 2));
    wye_attempt_follow_up(attempt);
    wye_diagnose(diagnosis, attempt);
    MUST(diagnosis->count < WYE_FINDINGS_MAX);
    MUST(diagnosis->result != WYE_RESULT_NO_CONNECTION || !reached);
    MUST(diagnosis->result != WYE_RESULT_UPGRADED || wye_attempt_switched(attempt));
    /* Whatever went wrong has a name. */
    MUST(diagnosis->result == WYE_RESULT_UPGRADED || diagnosis->count > 0);
    write_in(WYE_DIAGNOSIS_TEXT_MAX, diagnosis, attempt, 100);
    write_in(hash_of(bytes, count) % 4096, diagnosis, attempt, 40);
    free(copy);
    free(diagnosis);
    free(attempt);
    return 0;
}
