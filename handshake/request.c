#include "handshake/request.h"

#include "handshake/authority.h"
#include "handshake/authority_usual.h"
#include "handshake/field.h"
#include "handshake/framing.h"
#include "handshake/scan.h"
#include "handshake/target.h"

enum {
    EMPTY_LINES_MAX = 4, /* CRLFs skipped before a request line (RFC 9112 2.2) */
    VERSION_BYTES = 10,  /* "HTTP/1.1" CRLF */
};

#define COLD __attribute__((noinline, cold))

/* How a reading goes on. */
enum verdict { DECIDED, INCOMPLETE, REFUSED };

/* The parts of a head in which it may be cut. */
enum stage {
    STAGE_ANY, /* all that is so short that it is simply read again */
    STAGE_METHOD,
    STAGE_TARGET,
    STAGE_FIELDS,
};

/* Reads one head from its start. Positions are indexes into bytes. What is only done once something is wrong gets a
 * copy, so that nearly always it is in registers and nowhere else. */
struct reader {
    struct wye_request *request;
    struct wye_refusal *refusal;
    const uint8_t *bytes;
    size_t count; /* of bytes, at most WYE_HEAD_MAX */
    size_t start; /* of the request line, behind empty ones */
    size_t at;    /* how far it has read */
    enum stage stage;
    struct wye_span host; /* the value of Host, if there is one */
};

_Static_assert((int)WYE_HEAD_MAX <= (int)WYE_SCAN_BYTES_MAX, "marks reach the end of every head");
_Static_assert((int)WYE_FIELDS_MAX < 1 << (32 - (int)WYE_FIELD_NAME_COUNT), "a bit for each, and they can be added up");
_Static_assert(WYE_SCAN_MARKS_MAX > 2 * (WYE_FIELDS_MAX + 1), "marks reach the first line too many");

static struct wye_span span_at(const struct reader *reader, size_t from, size_t to) {
    return (struct wye_span){(const char *)reader->bytes + from, to - from};
}

/* The end of what was read, for eyes: at most its last 48 bytes, so that the byte that was wrong is among
 * them. Where there may be a secret it is the end of what stands before that. */
static COLD struct wye_span tail_at(struct reader reader, size_t from, size_t to) {
    struct wye_span read = span_at(&reader, from, to);
    to = from + wye_span_open_length(read);
    return span_at(&reader, to - from > 48 ? to - 48 : from, to);
}

static COLD enum verdict refuse(struct reader reader, enum wye_rule rule, struct wye_span seen,
                                enum wye_cause cause) {
    wye_refusal_begin(reader.refusal, reader.refusal->token, reader.refusal->allow);
    wye_refusal_add_cause(reader.refusal, rule, seen, cause);
    return REFUSED;
}

/* All that is there is in order, and ends in the midst of this. */
static inline enum verdict cut_in(struct reader *reader, enum stage stage) {
    reader->stage = stage;
    return INCOMPLETE;
}

/* What is wrong with a control byte, for a cause: `at` is where it stands. */
static enum wye_cause cause_of(const struct reader *reader, size_t at) {
    switch (reader->bytes[at]) {
    case '\n': return WYE_CAUSE_BARE_LF;
    case '\r': return WYE_CAUSE_BARE_CR;
    default: return WYE_CAUSE_CONTROL_BYTE;
    }
}

static enum verdict skip_empty_lines(struct reader *reader) {
    for (unsigned lines = 0; reader->at < reader->count && WYE_SELDOM(reader->bytes[reader->at] == '\r'); lines++) {
        size_t at = reader->at;
        if (at + 1 == reader->count) return INCOMPLETE;
        if (reader->bytes[at + 1] != '\n') {
            return refuse(*reader, WYE_RULE_REQUEST_LINE, span_at(reader, at, at + 2), WYE_CAUSE_BARE_CR);
        }
        if (lines == EMPTY_LINES_MAX) {
            return refuse(*reader, WYE_RULE_REQUEST_LINE, span_at(reader, at, at + 2), WYE_CAUSE_EMPTY_LINES);
        }
        reader->at += 2;
    }
    return reader->at < reader->count ? DECIDED : INCOMPLETE;
}

static enum wye_method method_of(const char *name, size_t count) {
#define IS(literal, id) (memcmp(name, literal, sizeof(literal) - 1) == 0 ? (id) : WYE_METHOD_OTHER)
    switch (count) {
    case 3: return name[0] == 'G' ? IS("GET", WYE_METHOD_GET) : IS("PUT", WYE_METHOD_PUT);
    case 4: return name[0] == 'P' ? IS("POST", WYE_METHOD_POST) : IS("HEAD", WYE_METHOD_HEAD);
    case 6: return IS("DELETE", WYE_METHOD_DELETE);
    case 7: return IS("OPTIONS", WYE_METHOD_OPTIONS);
    default: return WYE_METHOD_OTHER;
    }
#undef IS
}

static enum verdict read_method(struct reader *reader) {
    size_t from = reader->at;
    if (WYE_USUALLY(reader->count - from >= 4 && memcmp(reader->bytes + from, "GET ", 4) == 0)) {
        reader->request->method = span_at(reader, from, from + 3);
        reader->request->method_id = WYE_METHOD_GET;
        reader->at = from + 4;
        return DECIDED;
    }
    size_t end = from + wye_span_token_length(span_at(reader, from, reader->count));
    if (end == reader->count) return cut_in(reader, STAGE_METHOD);
    if (end == from || reader->bytes[end] != ' ') {
        enum wye_cause cause = reader->bytes[end] == 0x16 && end == 0 ? WYE_CAUSE_TLS
                               : reader->bytes[end] == '\n'           ? WYE_CAUSE_BARE_LF
                                                                      : WYE_CAUSE_NONE;
        return refuse(*reader, WYE_RULE_REQUEST_LINE, tail_at(*reader, from, end + 1), cause);
    }
    reader->request->method = span_at(reader, from, end);
    reader->request->method_id = method_of((const char *)reader->bytes + from, end - from);
    reader->at = end + 1;
    return DECIDED;
}

/* Says why the target at `from` doesn't go on with the byte at `end`. */
static COLD enum verdict refuse_target(struct reader reader, size_t from, size_t end) {
    uint8_t byte = reader.bytes[end];
    bool ended = byte == '\r' || byte == '\n';
    return refuse(reader, WYE_RULE_REQUEST_LINE, tail_at(reader, from, end + 1),
                  ended ? WYE_CAUSE_VERSION_MISSING : WYE_CAUSE_TARGET_BYTE);
}

/* Finds the target's end, which is what its length and its bytes can be judged by before the whole line is
 * there. */
static enum verdict read_target(struct reader *reader) {
    struct wye_request *request = reader->request;
    size_t from = reader->at;
    size_t left = reader->count - from;
    struct wye_target_run run = wye_target_run(reader->bytes + from, left);
    size_t end = from + run.end;
    if (WYE_SELDOM(run.end > WYE_TARGET_MAX)) {
        return refuse(*reader, WYE_RULE_TARGET_LENGTH, span_at(reader, from, from + WYE_TARGET_MAX + 1), WYE_CAUSE_NONE);
    }
    if (WYE_SELDOM(run.end == left)) return cut_in(reader, STAGE_TARGET);
    if (WYE_SELDOM(reader->bytes[end] != ' ')) return refuse_target(*reader, from, end);
    if (WYE_SELDOM(run.end == 0)) {
        return refuse(*reader, WYE_RULE_REQUEST_LINE, span_at(reader, from - 1, from + 1),
                      WYE_CAUSE_TARGET_FORM);
    }
    request->target = span_at(reader, from, end);
    request->path = span_at(reader, from, from + run.mark);
    if (run.mark < run.end) request->query = span_at(reader, from + run.mark + 1, end);
    reader->at = end + 1;
    return DECIDED;
}

/* Reads "HTTP/1.1" CRLF, as far as it is there. */
static enum verdict read_version(struct reader *reader) {
    static const char shape[VERSION_BYTES + 1] = "HTTP/0.0\r\n";
    const uint8_t *start = reader->bytes + reader->at;
    size_t left = reader->count - reader->at;
    if (WYE_USUALLY(left >= VERSION_BYTES) && WYE_USUALLY(memcmp(start, "HTTP/1.1", 8) == 0) &&
        WYE_USUALLY(memcmp(start + 8, "\r\n", 2) == 0)) {
        reader->request->minor = 1;
        reader->at += VERSION_BYTES;
        return DECIDED;
    }
    for (size_t i = 0; i < VERSION_BYTES && i < left; i++) {
        bool fits = shape[i] == '0' ? start[i] >= '0' && start[i] <= '9' : start[i] == (uint8_t)shape[i];
        if (!fits) {
            return refuse(*reader, WYE_RULE_REQUEST_LINE, span_at(reader, reader->at, reader->at + i + 1),
                          i == 8 && start[i] == '\n' ? WYE_CAUSE_BARE_LF : WYE_CAUSE_VERSION_FORM);
        }
    }
    if (left < VERSION_BYTES) return INCOMPLETE;
    if (start[5] != '1') {
        bool preface = start[5] == '2' && wye_span_equal(reader->request->method, WYE_SPAN("PRI"));
        return refuse(*reader, WYE_RULE_VERSION, span_at(reader, reader->at, reader->at + 8),
                      preface ? WYE_CAUSE_HTTP2 : WYE_CAUSE_NONE);
    }
    reader->request->minor = start[7] != '0';
    reader->at += VERSION_BYTES;
    return DECIDED;
}

/* The length of "http://" and the like at the start of a target in absolute form, 0: it isn't one. */
static size_t scheme_length(struct wye_span target) {
    static const struct wye_span schemes[] = {{"http://", 7}, {"https://", 8}, {"ws://", 5}, {"wss://", 6}};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t count = schemes[i].count;
        if (target.count < count) continue;
        if (wye_span_equal_nocase((struct wye_span){target.bytes, count}, schemes[i])) return count;
    }
    return 0;
}

/* Takes a target apart that isn't a path (RFC 9112 3.2). Its query is found already. */
static __attribute__((noinline)) enum verdict split_target(struct reader reader) {
    struct wye_request *request = reader.request;
    struct wye_span target = request->target;
    if (wye_span_equal(target, WYE_SPAN("*")) && request->method_id == WYE_METHOD_OPTIONS) return DECIDED;
    size_t scheme = scheme_length(target);
    if (scheme == 0) return refuse(reader, WYE_RULE_REQUEST_LINE, target, WYE_CAUSE_TARGET_FORM);
    const char *start = target.bytes + scheme;
    const char *end = request->path.bytes + request->path.count;
    const char *slash = memchr(start, '/', (size_t)(end - start));
    const char *path = slash ? slash : end;
    request->host = (struct wye_span){start, (size_t)(path - start)};
    request->path = slash ? (struct wye_span){path, (size_t)(end - path)} : WYE_SPAN("/");
    return DECIDED;
}

/*
 * Scans the request line, as if it were a value, and all lines behind it. That comes first, and doesn't wait
 * for what the request line is found to be like, so that a processor has something to do until it has the
 * marks.
 */
static inline void scan_head(struct reader *reader) {
    struct wye_request *request = reader->request;
    reader->start = reader->at;
    request->bytes = (const char *)reader->bytes;
    request->scan.state = WYE_SCAN_VALUE;
    wye_scan(&request->scan, reader->bytes, reader->at, reader->count);
}

static enum verdict read_request_line(struct reader *reader) {
    enum verdict verdict = skip_empty_lines(reader);
    if (verdict == DECIDED) scan_head(reader);
    if (verdict == DECIDED) verdict = read_method(reader);
    if (verdict == DECIDED) verdict = read_target(reader);
    if (verdict == DECIDED) verdict = read_version(reader);
    if (verdict == DECIDED && WYE_SELDOM(reader->request->target.bytes[0] != '/')) verdict = split_target(*reader);
    return verdict;
}

/* Says why the line at `from` has no name and colon: `end` is the first byte that is no tchar. */
static COLD enum verdict refuse_name(struct reader reader, size_t from, size_t end) {
    uint8_t byte = reader.bytes[end];
    bool space = byte == ' ' || byte == '\t';
    enum wye_cause cause = byte == ':'            ? WYE_CAUSE_NAME_EMPTY
                           : space && end == from ? WYE_CAUSE_FOLD
                           : space                ? WYE_CAUSE_NAME_SPACE
                           : byte == '\n'         ? WYE_CAUSE_BARE_LF
                                                  : WYE_CAUSE_NAME_BYTE;
    return refuse(reader, WYE_RULE_FIELD_GRAMMAR, tail_at(reader, from, end + 1), cause);
}

/*
 * Judges the line at `from`, the first that isn't a field line that is whole and in order, and has `before`
 * such lines before it: something in it is wrong, or it isn't all there.
 */
static COLD enum verdict judge_line(struct reader reader, size_t from, size_t before) {
    const uint8_t *bytes = reader.bytes;
    const size_t count = reader.count;
    size_t end = from;
    while (end < count && ((bytes[end] >= ' ' && bytes[end] != 0x7f) || bytes[end] == '\t')) end++;
    bool cut = end == count || (bytes[end] == '\r' && end + 1 == count);
    if (end == from && end < count && bytes[end] == '\r') {
        if (cut) return INCOMPLETE;
        return refuse(reader, WYE_RULE_FIELD_GRAMMAR, span_at(&reader, from, from + 2), WYE_CAUSE_BARE_CR);
    }
    size_t name_end = from + wye_span_token_length(span_at(&reader, from, count));
    if (name_end == count) return INCOMPLETE;
    if (bytes[name_end] != ':' || name_end == from) return refuse_name(reader, from, name_end);
    if (before >= WYE_FIELDS_MAX) {
        return refuse(reader, WYE_RULE_HEAD_SIZE, span_at(&reader, from, name_end), WYE_CAUSE_NONE);
    }
    if (cut) return INCOMPLETE;
    return refuse(reader, WYE_RULE_FIELD_GRAMMAR, tail_at(reader, from, end + 1), cause_of(&reader, end));
}

static inline bool is_crlf(const uint8_t *bytes, size_t count, size_t at) {
    return at + 1 < count && memcmp(bytes + at, "\r\n", 2) == 0;
}

/* Are these the marks of a field line that begins at `from` and is in order? */
static inline bool is_line(const uint8_t *bytes, size_t from, size_t colon, size_t end) {
    return WYE_USUALLY(colon != from) && WYE_USUALLY(bytes[colon] == ':') && WYE_USUALLY(memcmp(bytes + end, "\r\n", 2) == 0);
}

/* Goes to the first line that isn't whole and in order, and judges that. */
static COLD enum verdict judge_first(struct reader reader) {
    const struct wye_scan *scan = &reader.request->scan;
    size_t from = reader.at, lines = 0;
    /* The LF of a line may not be there yet. */
    while (lines < WYE_FIELDS_MAX && 2 * lines + 2 < scan->count &&
           scan->marks[2 * lines + 2] + 1u < reader.count) {
        const size_t end = scan->marks[2 * lines + 2];
        if (!is_line(reader.bytes, from, scan->marks[2 * lines + 1], end)) break;
        from = end + 2;
        lines++;
    }
    return judge_line(reader, from, lines);
}

static inline enum verdict judge_lines(struct reader *reader) {
    reader->stage = STAGE_FIELDS;
    return judge_first(*reader);
}

/* Notes which known names occur again, and where they occur first. */
static COLD void note_repeats(struct wye_request *request) {
    uint32_t seen = 0;
    for (size_t line = request->field_count; line > 0; line--) {
        const struct wye_span name = wye_request_name(request, line - 1);
        const struct wye_field_row *row = wye_field_find(name.bytes, name.count);
        if (!row) continue;
        request->repeated |= seen & row->bit;
        seen |= row->bit;
        request->first[row->known] = (uint8_t)line;
    }
}

/* Reads field lines, which are scanned, up to the empty line that ends the head. */
static inline enum verdict read_fields(struct reader *reader) {
    const uint8_t *const bytes = reader->bytes;
    struct wye_request *const request = reader->request;
    const uint16_t *mark = request->scan.marks;
    if (WYE_SELDOM(!request->scan.ended || request->scan.count > 2 * WYE_FIELDS_MAX + 2)) return judge_lines(reader);
    const size_t lines = request->scan.count / 2 - 1;
    size_t from = mark[0] + 2u;
    size_t host_colon = 0, host_end = 0;
    uint32_t present = 0, sum = 0; /* of the bits of known names, which differs once one has come again */
    for (size_t line = 1; line <= lines; line++, mark += 2) {
        const size_t colon = mark[1], end = mark[2];
        if (WYE_SELDOM(!is_line(bytes, from, colon, end))) return judge_lines(reader);
        const struct wye_field_row *row = wye_field_find((const char *)bytes + from, colon - from);
        if (row) {
            present |= row->bit;
            sum += row->bit;
            request->first[row->known] = (uint8_t)line;
            /* At once: by way of `first` it would be waited for as long again as for a mark. */
            if (row->known == WYE_FIELD_HOST) {
                host_colon = colon, host_end = end;
                __asm__(""); /* or two moves of every line would stand for a jump that is seldom taken */
            }
        }
        from = end + 2;
    }
    request->field_count = lines;
    request->present = present;
    request->repeated = 0;
    if (WYE_SELDOM(sum != present)) note_repeats(request);
    if (WYE_USUALLY(host_end)) reader->host = wye_field_value((const char *)bytes + host_colon, (const char *)bytes + host_end);
    if (WYE_SELDOM(!is_crlf(bytes, reader->count, from))) return judge_line(*reader, from, lines);
    reader->at = from + 2;
    return DECIDED;
}

/* Sets what reading on begins with: no fields yet, and no facts. */
static void begin(struct reader *reader, struct wye_request *request, const uint8_t *bytes, size_t count) {
    const size_t facts = offsetof(struct wye_request, query);
    memset((char *)request + facts, 0, offsetof(struct wye_request, first) - facts);
    *reader = (struct reader){.request = request, .bytes = bytes, .count = count};
}

/* The state of the byte behind the last, after a scan from `at` that found no end of the head. */
static enum wye_scan_state state_behind(const struct wye_scan *scan, size_t at, size_t count) {
    const bool begins_in_value = scan->state == WYE_SCAN_VALUE;
    size_t cr = scan->state == WYE_SCAN_LINE ? at - 2 : at - 1; /* where one was last, if not in vain */
    if (scan->count == 0 && (begins_in_value || scan->state == WYE_SCAN_NAME)) return scan->state;
    if (scan->count > 0) {
        if ((scan->count % 2 == 1) != begins_in_value) return WYE_SCAN_VALUE;
        cr = scan->marks[scan->count - 1];
    }
    return count - cr == 1 ? WYE_SCAN_LF : count - cr == 2 ? WYE_SCAN_LINE : WYE_SCAN_NAME;
}

/* Notes how far an incomplete head was read. */
static COLD void keep_progress(struct wye_request_progress *progress, struct reader reader) {
    *progress = (struct wye_request_progress){
        .seen = (uint16_t)reader.count, .begin = (uint16_t)reader.at, .stage = (uint8_t)reader.stage};
    if (reader.stage != STAGE_FIELDS) return;
    progress->state = (uint8_t)state_behind(&reader.request->scan, reader.start, reader.count);
    progress->fields = (uint8_t)((reader.request->scan.count - 1) / 2);
}

/* Are the field lines from *progress on in order, as far as they go, and not too many? Then that is noted. */
static bool lines_go_on(struct wye_request_progress *progress, const uint8_t *bytes, size_t count) {
    struct wye_scan scan;
    const size_t seen = progress->seen;
    scan.state = (enum wye_scan_state)progress->state;
    wye_scan(&scan, bytes, seen, count);
    if (scan.ended || (scan.state == WYE_SCAN_LF && bytes[seen] != '\n')) return false;
    bool colon = scan.state != WYE_SCAN_VALUE;
    size_t fields = progress->fields;
    for (size_t i = 0; i < scan.count; i++, colon = !colon) {
        const size_t at = scan.marks[i];
        if (colon && (bytes[at] != ':' || bytes[at - 1] == '\n' || fields >= WYE_FIELDS_MAX)) return false;
        if (colon) continue;
        if (bytes[at] != '\r' || (at + 1 < count && bytes[at + 1] != '\n')) return false;
        fields++;
    }
    progress->state = (uint8_t)state_behind(&scan, seen, count);
    progress->fields = (uint8_t)fields;
    return true;
}

/* Are the bytes behind those that were seen such that the head is still neither complete nor wrong? false:
 * read it all, which also says what is wrong. */
static COLD bool goes_on(struct wye_request_progress *progress, const uint8_t *bytes, size_t count) {
    const struct wye_span more = {(const char *)bytes + progress->seen, count - progress->seen};
    bool does = false;
    switch ((enum stage)progress->stage) {
    case STAGE_ANY: break;
    case STAGE_METHOD: does = wye_span_token_length(more) == more.count; break;
    case STAGE_TARGET:
        does = count - progress->begin <= WYE_TARGET_MAX &&
               wye_target_run((const uint8_t *)more.bytes, more.count).end == more.count;
        break;
    case STAGE_FIELDS: does = lines_go_on(progress, bytes, count); break;
    }
    progress->seen = (uint16_t)count;
    return does;
}

/* Host (RFC 9112 3.2): one of a request, unless it is of 1.0, and what it says must be an authority. */
static enum verdict check_host(struct reader *reader) {
    struct wye_request *request = reader->request;
    struct wye_span host = reader->host;
    struct wye_authority authority;
    if (WYE_SELDOM(!host.bytes && request->minor > 0)) return refuse(*reader, WYE_RULE_HOST, host, WYE_CAUSE_NONE);
    if (WYE_SELDOM(wye_request_repeats(request, WYE_FIELD_HOST)))
        return refuse(*reader, WYE_RULE_HOST, wye_request_field(request, WYE_FIELD_HOST), WYE_CAUSE_DOUBLED);
    if (host.bytes && WYE_SELDOM(!wye_authority_is_usual(host)) && !wye_authority_read(&authority, host)) {
        return refuse(*reader, WYE_RULE_HOST, host, host.count == 0 ? WYE_CAUSE_EMPTY : WYE_CAUSE_AUTHORITY);
    }
    if (WYE_USUALLY(!request->host.bytes)) { /* not of an absolute form, whose authority wins (RFC 9112 3.2.2) */
        request->host = host;
    } else if (!wye_authority_read(&authority, request->host)) {
        return refuse(*reader, WYE_RULE_HOST, request->host, WYE_CAUSE_AUTHORITY);
    }
    return DECIDED;
}

static enum verdict read_head(struct reader *reader) {
    enum verdict verdict = read_request_line(reader);
    if (verdict == DECIDED) verdict = read_fields(reader);
    if (verdict == INCOMPLETE && reader->count == WYE_HEAD_MAX) {
        return refuse(*reader, WYE_RULE_HEAD_SIZE, (struct wye_span){0}, WYE_CAUSE_NONE);
    }
    if (verdict != DECIDED) return verdict;
    reader->request->head_bytes = reader->at;
    verdict = check_host(reader);
    if (verdict != DECIDED) return verdict;
    return wye_framing_read(reader->request, reader->refusal) ? DECIDED : REFUSED;
}

ptrdiff_t wye_request_read(struct wye_request *request, struct wye_refusal *refusal, const uint8_t *bytes,
                           size_t count, struct wye_request_progress *progress) {
    struct reader reader;
    if (count > WYE_HEAD_MAX) count = WYE_HEAD_MAX;
    if (WYE_SELDOM(progress->seen > 0)) {
        if (count == progress->seen) return 0; /* nothing new */
        if (count < WYE_HEAD_MAX && goes_on(progress, bytes, count)) return 0;
        *progress = (struct wye_request_progress){0};
    }
    begin(&reader, request, bytes, count);
    reader.refusal = refusal;
    switch (read_head(&reader)) {
    case DECIDED: return (ptrdiff_t)request->head_bytes;
    case INCOMPLETE: keep_progress(progress, reader); return 0;
    default: return -refusal->status;
    }
}
