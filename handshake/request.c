#include "handshake/request.h"

#include "handshake/authority.h"
#include "handshake/field.h"
#include "handshake/framing.h"
#include "handshake/scan.h"
#include "handshake/target.h"

enum {
    EMPTY_LINES_MAX = 4, /* CRLFs skipped before a request line (RFC 9112 2.2) */
    SCAN_STEP =
        1024, /* bytes classified at once: what is glued behind a head isn't worth it. A multiple of 64 */
    VERSION_BYTES = 10, /* "HTTP/1.1" CRLF */
};

#define COLD __attribute__((noinline, cold))

/* How a reading goes on. */
enum verdict { DECIDED, INCOMPLETE, REFUSED };

/* Reads one head from its start. Positions are indexes into bytes. */
struct reader {
    struct wye_scan_row rows[WYE_HEAD_MAX / 64];
    struct wye_request *request;
    struct wye_refusal *refusal;
    const uint8_t *bytes;
    size_t count;     /* of bytes, at most WYE_HEAD_MAX */
    size_t at;        /* how far it has read */
    size_t row_count; /* of rows that are classified */
};

static struct wye_span span_at(const struct reader *reader, size_t from, size_t to) {
    return (struct wye_span){(const char *)reader->bytes + from, to - from};
}

/* The end of what was read, for eyes: at most its last 48 bytes, so that the byte that was wrong is among
 * them. */
static struct wye_span tail_at(const struct reader *reader, size_t from, size_t to) {
    return span_at(reader, to - from > 48 ? to - 48 : from, to);
}

/* Out of line, like all that is only done once something is wrong. */
static COLD enum verdict refuse(struct reader *reader, enum wye_rule rule, struct wye_span seen,
                                enum wye_cause cause) {
    wye_refusal_begin(reader->refusal, reader->refusal->token, reader->refusal->allow);
    wye_refusal_add_cause(reader->refusal, rule, seen, cause);
    return REFUSED;
}

/* Classifies the next step. false: everything is. Out of line, or else it takes the registers of every loop
 * below. */
static __attribute__((noinline)) bool scan_step(struct reader *reader) {
    size_t from = reader->row_count * 64;
    if (from >= reader->count) return false;
    size_t count = reader->count - from < SCAN_STEP ? reader->count - from : SCAN_STEP;
    wye_scan(reader->rows + reader->row_count, reader->bytes + from, count);
    reader->row_count += (count + 63) / 64;
    return true;
}

/* The first byte at `from` or behind that is no tchar; count: none. */
static inline size_t next_nontoken(struct reader *reader, size_t from) {
    uint64_t mask = ~UINT64_C(0) << (from % 64);
    for (size_t row = from / 64;; row++, mask = ~UINT64_C(0)) {
        if (row >= reader->row_count && !scan_step(reader)) return reader->count;
        uint64_t bits = reader->rows[row].nontoken & mask;
        if (bits) return row * 64 + (size_t)__builtin_ctzll(bits);
    }
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
    for (unsigned lines = 0; reader->at < reader->count && reader->bytes[reader->at] == '\r'; lines++) {
        size_t at = reader->at;
        if (at + 1 == reader->count) return INCOMPLETE;
        if (reader->bytes[at + 1] != '\n') {
            return refuse(reader, WYE_RULE_REQUEST_LINE, span_at(reader, at, at + 2), WYE_CAUSE_BARE_CR);
        }
        if (lines == EMPTY_LINES_MAX) {
            return refuse(reader, WYE_RULE_REQUEST_LINE, span_at(reader, at, at + 2), WYE_CAUSE_EMPTY_LINES);
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
    if (reader->count - from >= 4 && memcmp(reader->bytes + from, "GET ", 4) == 0) { /* nearly always */
        reader->request->method = span_at(reader, from, from + 3);
        reader->request->method_id = WYE_METHOD_GET;
        reader->at = from + 4;
        return DECIDED;
    }
    size_t end = next_nontoken(reader, from);
    if (end == reader->count) return INCOMPLETE;
    if (end == from || reader->bytes[end] != ' ') {
        enum wye_cause cause = reader->bytes[end] == 0x16 && end == 0 ? WYE_CAUSE_TLS
                               : reader->bytes[end] == '\n'           ? WYE_CAUSE_BARE_LF
                                                                      : WYE_CAUSE_NONE;
        return refuse(reader, WYE_RULE_REQUEST_LINE, tail_at(reader, from, end + 1), cause);
    }
    reader->request->method = span_at(reader, from, end);
    reader->request->method_id = method_of((const char *)reader->bytes + from, end - from);
    reader->at = end + 1;
    return DECIDED;
}

/* Says why the target at `from` doesn't go on with the byte at `end`. */
static COLD enum verdict refuse_target(struct reader *reader, size_t from, size_t end) {
    uint8_t byte = reader->bytes[end];
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
    struct wye_target_run run =
        wye_target_run(reader->bytes + from, left > WYE_TARGET_MAX ? WYE_TARGET_MAX + 1 : left);
    size_t end = from + run.end;
    if (run.end > WYE_TARGET_MAX) {
        return refuse(reader, WYE_RULE_TARGET_LENGTH, span_at(reader, from, end), WYE_CAUSE_NONE);
    }
    if (run.end == left) return INCOMPLETE;
    if (reader->bytes[end] != ' ') return refuse_target(reader, from, end);
    if (run.end == 0) {
        return refuse(reader, WYE_RULE_REQUEST_LINE, span_at(reader, from - 1, from + 1),
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
    if (left >= VERSION_BYTES && memcmp(start, "HTTP/1.1\r\n", VERSION_BYTES) == 0) {
        reader->request->minor = 1;
        reader->at += VERSION_BYTES;
        return DECIDED;
    }
    for (size_t i = 0; i < VERSION_BYTES && i < left; i++) {
        bool fits = shape[i] == '0' ? start[i] >= '0' && start[i] <= '9' : start[i] == (uint8_t)shape[i];
        if (!fits) {
            return refuse(reader, WYE_RULE_REQUEST_LINE, span_at(reader, reader->at, reader->at + i + 1),
                          i == 8 && start[i] == '\n' ? WYE_CAUSE_BARE_LF : WYE_CAUSE_VERSION_FORM);
        }
    }
    if (left < VERSION_BYTES) return INCOMPLETE;
    if (start[5] != '1') {
        bool preface = start[5] == '2' && wye_span_equal(reader->request->method, WYE_SPAN("PRI"));
        return refuse(reader, WYE_RULE_VERSION, span_at(reader, reader->at, reader->at + 8),
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
static __attribute__((noinline)) enum verdict split_target(struct reader *reader) {
    struct wye_request *request = reader->request;
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

static enum verdict read_request_line(struct reader *reader) {
    enum verdict verdict = skip_empty_lines(reader);
    if (verdict == DECIDED) verdict = read_method(reader);
    if (verdict == DECIDED) verdict = read_target(reader);
    if (verdict == DECIDED) verdict = read_version(reader);
    if (verdict == DECIDED && reader->request->target.bytes[0] != '/') verdict = split_target(reader);
    return verdict;
}

/* Says why the line at `from` has no name and colon: `end` is the first byte that is no tchar. */
static COLD enum verdict refuse_name(struct reader *reader, size_t from, size_t end) {
    uint8_t byte = reader->bytes[end];
    bool space = byte == ' ' || byte == '\t';
    enum wye_cause cause = byte == ':'            ? WYE_CAUSE_NAME_EMPTY
                           : space && end == from ? WYE_CAUSE_FOLD
                           : space                ? WYE_CAUSE_NAME_SPACE
                           : byte == '\n'         ? WYE_CAUSE_BARE_LF
                                                  : WYE_CAUSE_NAME_BYTE;
    return refuse(reader, WYE_RULE_FIELD_GRAMMAR, tail_at(reader, from, end + 1), cause);
}

/* Keeps a field line that is in order, the `at`-th: `from`, its colon, its CRLF. */
static inline void keep_field(struct wye_request *request, size_t at, const uint8_t *bytes, size_t count,
                              size_t from, size_t colon, size_t end) {
    struct wye_field *field = &request->fields[at];
    const char *name = (const char *)bytes + from;
    const char *start = (const char *)bytes + colon + 1;
    const char *stop = (const char *)bytes + end;
    /* In a line that is in order nothing between the two but SP and HTAB is that low, and the colon is not.
     */
    while ((uint8_t)stop[-1] <= ' ') stop--;
    if (*start == ' ') start++; /* nearly always, and alone */
    if (__builtin_expect((uint8_t)*start <= ' ', 0)) {
        while (start < stop && (uint8_t)*start <= ' ') start++;
        if (start > stop) start = stop;
    }
    field->name = (struct wye_span){name, colon - from};
    field->value = (struct wye_span){start, (size_t)(stop - start)};
    field->known = WYE_FIELD_OTHER;
    /* Where a name is too short for a word, and nothing stands behind it, no head can be whole: it will be
     * read again. */
    if (__builtin_expect(from + 8 > count, 0)) return;
    const struct wye_field_row *row = wye_field_find(name, colon - from);
    if (!row) return;
    enum wye_field_name known = row->known;
    field->known = known;
    if (request->times[known]++ == 0) request->first[known] = (uint8_t)(at + 1);
}

/*
 * Judges the line at `from`, which isn't a field line that is whole and in order: something in it is wrong,
 * or it isn't all there. `nontoken` is the first byte in it that is no tchar, `end` the first control byte
 * but HTAB.
 */
static COLD enum verdict judge_line(struct reader *reader, size_t from, size_t nontoken, size_t end) {
    const uint8_t *bytes = reader->bytes;
    const size_t count = reader->count;
    if (nontoken == count || (end == from && bytes[end] == '\r' && end + 1 == count)) return INCOMPLETE;
    if (end == from && bytes[end] == '\r') {
        return refuse(reader, WYE_RULE_FIELD_GRAMMAR, span_at(reader, from, from + 2), WYE_CAUSE_BARE_CR);
    }
    if (bytes[nontoken] != ':' || nontoken == from) return refuse_name(reader, from, nontoken);
    if (reader->request->field_count >= WYE_FIELDS_MAX) {
        return refuse(reader, WYE_RULE_HEAD_SIZE, span_at(reader, from, nontoken), WYE_CAUSE_NONE);
    }
    if (end == count || (bytes[end] == '\r' && end + 1 == count)) return INCOMPLETE;
    return refuse(reader, WYE_RULE_FIELD_GRAMMAR, tail_at(reader, from, end + 1), cause_of(reader, end));
}

/* A walk over the control bytes. */
struct controls {
    const struct wye_scan_row *row, *end; /* the row, and the end of those that are classified */
    size_t base;                          /* of the row */
    uint64_t bits;                        /* of the row: those not taken yet */
};

/* Classifies more, for a walk that has come to the end of what is classified. Out of line: a head is seldom
 * so long. */
static COLD const struct wye_scan_row *more_rows(struct reader *reader) {
    scan_step(reader);
    return reader->rows + reader->row_count;
}

/* The next control byte, which is taken; count: none is left. */
static inline size_t take_control(struct reader *reader, struct controls *controls) {
    if (__builtin_expect(!controls->bits, 0)) {
        const struct wye_scan_row *row = controls->row;
        do {
            if (__builtin_expect(++row == controls->end, 0)) {
                controls->end = more_rows(reader);
                if (row == controls->end) return reader->count;
            }
        } while (!row->control);
        controls->bits = row->control;
        controls->row = row;
        controls->base = (size_t)(row - reader->rows) * 64;
    }
    size_t at = controls->base + (unsigned)__builtin_ctzll(controls->bits);
    controls->bits &= controls->bits - 1;
    return at;
}

/* The first byte at `from` or behind that is no tchar, where one is known to be among what is classified. */
static inline size_t known_nontoken(const struct reader *reader, size_t from) {
    const struct wye_scan_row *row = &reader->rows[from / 64];
    uint64_t bits = row->nontoken >> (from % 64);
    if (__builtin_expect(bits != 0, 1)) return from + (unsigned)__builtin_ctzll(bits);
    do bits = (++row)->nontoken;
    while (!bits);
    return (size_t)(row - reader->rows) * 64 + (unsigned)__builtin_ctzll(bits);
}

static inline bool is_crlf(const uint8_t *bytes, size_t count, size_t at) {
    return at + 1 < count && memcmp(bytes + at, "\r\n", 2) == 0;
}

/*
 * Reads field lines up to the empty line that ends the head. From line to line the walk goes over the bits of
 * control bytes alone, in a register: where a line ends doesn't wait for what is in it.
 */
static inline __attribute__((always_inline)) enum verdict walk_fields(struct reader *reader) {
    const uint8_t *const bytes = reader->bytes;
    const size_t count = reader->count;
    struct wye_request *const request = reader->request;
    size_t from = reader->at;
    size_t field_count = request->field_count;
    while (from / 64 >= reader->row_count) {
        if (!scan_step(reader)) return INCOMPLETE;
    }
    const struct wye_scan_row *first = &reader->rows[from / 64];
    struct controls controls = {first, reader->rows + reader->row_count, from / 64 * 64,
                                first->control & ~UINT64_C(0) << (from % 64)};
    for (;;) {
        size_t end = take_control(reader, &controls);
        while (__builtin_expect(!is_crlf(bytes, count, end), 0)) {
            request->field_count = field_count;
            if (end == count || bytes[end] != '\t')
                return judge_line(reader, from, next_nontoken(reader, from), end);
            end = take_control(reader, &controls);
        }
        if (end == from) break;
        size_t colon = known_nontoken(reader, from);
        if (__builtin_expect(bytes[colon] != ':' || colon == from || field_count >= WYE_FIELDS_MAX, 0)) {
            request->field_count = field_count;
            return judge_line(reader, from, colon, end);
        }
        keep_field(request, field_count++, bytes, count, from, colon, end);
        take_control(reader, &controls); /* the LF */
        from = end + 2;
    }
    request->field_count = field_count;
    reader->at = from + 2;
    return DECIDED;
}

#ifdef __x86_64__
__attribute__((target("bmi,bmi2"))) static enum verdict read_fields_bmi2(struct reader *reader) {
    return walk_fields(reader);
}
#endif

static enum verdict read_fields(struct reader *reader) {
#ifdef __x86_64__
    if (__builtin_expect(__builtin_cpu_supports("bmi2"), 1)) return read_fields_bmi2(reader);
#endif
    return walk_fields(reader);
}

/* Sets what reading on begins with: no fields yet, and no facts. */
static void begin(struct reader *reader, struct wye_request *request, const uint8_t *bytes, size_t count) {
    /* One by one, and only what a line that is in order doesn't set: what a compiler makes of a memset of
     * this size, or of a copied span, takes longer than a field line. */
    request->query.bytes = request->host.bytes = NULL;
    request->query.count = request->host.count = 0;
    request->method_id = WYE_METHOD_OTHER;
    request->minor = 0;
    request->chunked = request->keep_alive = request->lists_upgrade = false;
    request->content_bytes = 0;
    memset(request->first, 0, sizeof request->first);
    memset(request->times, 0, sizeof request->times);
    request->field_count = 0;
    reader->request = request;
    reader->bytes = bytes;
    reader->count = count;
    reader->at = 0;
    reader->row_count = 0;
}

/*
 * Were the bytes behind `seen` to be judged from the start of the line they continue: is the head still
 * neither complete nor wrong? Everything before that line was found to be in order the last time. false: read
 * it all.
 */
static COLD bool goes_on(struct reader *reader, struct wye_request *request, const uint8_t *bytes,
                         size_t count, size_t seen) {
    size_t line = 0; /* of the request line */
    while (line + 1 < seen && bytes[line] == '\r' && bytes[line + 1] == '\n') line += 2;
    const uint8_t *lf = memrchr(bytes + line, '\n', seen - line);
    if (!lf) return false;
    size_t from = (size_t)(lf + 1 - bytes);
    size_t lines = 0;
    for (const uint8_t *at = bytes + line; (at = memchr(at, '\n', (size_t)(bytes + from - at))); at++)
        lines++;
    struct wye_refusal unread = {0};
    begin(reader, request, bytes + from, count - from);
    reader->refusal = &unread;
    request->field_count = lines - 1;
    return read_fields(reader) == INCOMPLETE;
}

/* Host (RFC 9112 3.2): one of a request, unless it is of 1.0, and what it says must be an authority. */
static enum verdict check_host(struct reader *reader) {
    struct wye_request *request = reader->request;
    struct wye_span host = wye_request_field(request, WYE_FIELD_HOST);
    struct wye_authority authority;
    if (!host.bytes && request->minor > 0) return refuse(reader, WYE_RULE_HOST, host, WYE_CAUSE_NONE);
    if (request->times[WYE_FIELD_HOST] > 1) return refuse(reader, WYE_RULE_HOST, host, WYE_CAUSE_DOUBLED);
    if (host.bytes && !wye_authority_read(&authority, host)) {
        return refuse(reader, WYE_RULE_HOST, host, host.count == 0 ? WYE_CAUSE_EMPTY : WYE_CAUSE_AUTHORITY);
    }
    if (!request->host.bytes) { /* not of an absolute form, whose authority wins (RFC 9112 3.2.2) */
        request->host = host;
    } else if (!wye_authority_read(&authority, request->host)) {
        return refuse(reader, WYE_RULE_HOST, request->host, WYE_CAUSE_AUTHORITY);
    }
    return DECIDED;
}

static enum verdict read_head(struct reader *reader) {
    enum verdict verdict = read_request_line(reader);
    if (verdict == DECIDED) verdict = read_fields(reader);
    if (verdict == INCOMPLETE && reader->count == WYE_HEAD_MAX) {
        return refuse(reader, WYE_RULE_HEAD_SIZE, (struct wye_span){0}, WYE_CAUSE_NONE);
    }
    if (verdict != DECIDED) return verdict;
    reader->request->head_bytes = reader->at;
    verdict = check_host(reader);
    if (verdict != DECIDED) return verdict;
    return wye_framing_read(reader->request, reader->refusal) ? DECIDED : REFUSED;
}

ptrdiff_t wye_request_read(struct wye_request *request, struct wye_refusal *refusal, const uint8_t *bytes,
                           size_t count, size_t seen) {
    struct reader reader;
    if (count > WYE_HEAD_MAX) count = WYE_HEAD_MAX;
    if (seen > 0 && seen <= count && count < WYE_HEAD_MAX && goes_on(&reader, request, bytes, count, seen))
        return 0;
    begin(&reader, request, bytes, count);
    reader.refusal = refusal;
    switch (read_head(&reader)) {
    case DECIDED: return (ptrdiff_t)request->head_bytes;
    case INCOMPLETE: return 0;
    default: return -refusal->status;
    }
}
