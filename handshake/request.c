#include "handshake/request.h"

#include "handshake/authority.h"
#include "handshake/field.h"
#include "handshake/framing.h"
#include "handshake/scan.h"

enum {
    EMPTY_LINES_MAX = 4, /* CRLFs skipped before a request line (RFC 9112 2.2) */
    SCAN_STEP =
        1024, /* bytes classified at once: what is glued behind a head isn't worth it. A multiple of 64 */
    VERSION_BYTES = 10, /* "HTTP/1.1" CRLF */
};

/* How a reading goes on. */
enum verdict { DECIDED, INCOMPLETE, REFUSED };

/* Reads one head from its start. Positions are indexes into bytes. */
struct reader {
    struct wye_request *request;
    struct wye_refusal *refusal;
    const uint8_t *bytes;
    size_t count;     /* of bytes, at most WYE_HEAD_MAX */
    size_t at;        /* how far it has read */
    size_t row_count; /* of rows that are classified */
    struct wye_scan_row rows[WYE_HEAD_MAX / 64];
};

static struct wye_span span_at(const struct reader *reader, size_t from, size_t to) {
    return (struct wye_span){(const char *)reader->bytes + from, to - from};
}

/* The end of what was read, for eyes: at most its last 48 bytes, so that the byte that was wrong is among
 * them. */
static struct wye_span tail_at(const struct reader *reader, size_t from, size_t to) {
    return span_at(reader, to - from > 48 ? to - 48 : from, to);
}

static enum verdict refuse(struct reader *reader, enum wye_rule rule, struct wye_span seen,
                           enum wye_cause cause) {
    *reader->refusal = (struct wye_refusal){.token = reader->refusal->token, .allow = reader->refusal->allow};
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

/* The first control byte at `from` or behind; count: none. */
static inline size_t next_control(struct reader *reader, size_t from) {
    uint64_t mask = ~UINT64_C(0) << (from % 64);
    for (size_t row = from / 64;; row++, mask = ~UINT64_C(0)) {
        if (row >= reader->row_count && !scan_step(reader)) return reader->count;
        uint64_t bits = reader->rows[row].control & mask;
        if (bits) return row * 64 + (size_t)__builtin_ctzll(bits);
    }
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

/* The first byte of `count` that is '#' or not ASCII; count: none. */
static size_t bad_target_byte(const uint8_t *bytes, size_t count) {
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t tops = 0x8080808080808080u;
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        uint64_t word, hash;
        memcpy(&word, bytes + at, sizeof word);
        hash = word ^ ones * '#';
        if (((hash - ones) | word) & tops) break;
    }
    for (; at < count; at++) {
        if (bytes[at] == '#' || bytes[at] >= 0x80) return at;
    }
    return count;
}

/* Finds the target's end, which is what its length and its bytes can be judged by before the whole line is
 * there. */
static enum verdict read_target(struct reader *reader) {
    size_t from = reader->at;
    const uint8_t *start = reader->bytes + from;
    size_t most = reader->count - from;
    if (most > WYE_TARGET_MAX + 1) most = WYE_TARGET_MAX + 1;
    const uint8_t *space = memchr(start, ' ', most);
    size_t length = space ? (size_t)(space - start) : most;
    size_t control = next_control(reader, from) - from;
    size_t bad = control < length ? bad_target_byte(start, control) : bad_target_byte(start, length);
    if (bad < length && bad != control) {
        return refuse(reader, WYE_RULE_REQUEST_LINE, tail_at(reader, from, from + bad + 1),
                      WYE_CAUSE_TARGET_BYTE);
    }
    if (control < length) {
        bool ended = start[control] == '\r' || start[control] == '\n';
        return refuse(reader, WYE_RULE_REQUEST_LINE, tail_at(reader, from, from + control + 1),
                      ended ? WYE_CAUSE_VERSION_MISSING : WYE_CAUSE_TARGET_BYTE);
    }
    if (length > WYE_TARGET_MAX) {
        return refuse(reader, WYE_RULE_TARGET_LENGTH, span_at(reader, from, from + length), WYE_CAUSE_NONE);
    }
    if (!space) return INCOMPLETE;
    if (length == 0) {
        return refuse(reader, WYE_RULE_REQUEST_LINE, span_at(reader, from - 1, from + 1),
                      WYE_CAUSE_TARGET_FORM);
    }
    reader->request->target = span_at(reader, from, from + length);
    reader->at = from + length + 1;
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

/* Takes the target apart by its form (RFC 9112 3.2). */
static enum verdict split_target(struct reader *reader) {
    struct wye_request *request = reader->request;
    struct wye_span target = request->target;
    struct wye_span rest = target; /* path and query */
    if (target.bytes[0] != '/') {
        if (wye_span_equal(target, WYE_SPAN("*")) && request->method_id == WYE_METHOD_OPTIONS) {
            request->path = target;
            return DECIDED;
        }
        size_t scheme = scheme_length(target);
        if (scheme == 0) return refuse(reader, WYE_RULE_REQUEST_LINE, target, WYE_CAUSE_TARGET_FORM);
        size_t end = scheme;
        while (end < target.count && target.bytes[end] != '/' && target.bytes[end] != '?') end++;
        request->host = (struct wye_span){target.bytes + scheme, end - scheme};
        rest = (struct wye_span){target.bytes + end, target.count - end};
    }
    request->path = rest;
    const char *mark = rest.count > 0 ? memchr(rest.bytes, '?', rest.count) : NULL;
    if (mark) {
        request->path.count = (size_t)(mark - rest.bytes);
        request->query = (struct wye_span){mark + 1, rest.count - request->path.count - 1};
    }
    if (request->path.count == 0) request->path = WYE_SPAN("/");
    return DECIDED;
}

static enum verdict read_request_line(struct reader *reader) {
    enum verdict verdict = skip_empty_lines(reader);
    if (verdict == DECIDED) verdict = read_method(reader);
    if (verdict == DECIDED) verdict = read_target(reader);
    if (verdict == DECIDED) verdict = read_version(reader);
    if (verdict == DECIDED) verdict = split_target(reader);
    return verdict;
}

/* Says why the line at `from` has no name and colon: `end` is the first byte that is no tchar. */
static enum verdict refuse_name(struct reader *reader, size_t from, size_t end) {
    uint8_t byte = reader->bytes[end];
    bool space = byte == ' ' || byte == '\t';
    enum wye_cause cause = byte == ':'            ? WYE_CAUSE_NAME_EMPTY
                           : space && end == from ? WYE_CAUSE_FOLD
                           : space                ? WYE_CAUSE_NAME_SPACE
                           : byte == '\n'         ? WYE_CAUSE_BARE_LF
                                                  : WYE_CAUSE_NAME_BYTE;
    return refuse(reader, WYE_RULE_FIELD_GRAMMAR, tail_at(reader, from, end + 1), cause);
}

/* Keeps a field line that is in order: `from`, its colon, its CRLF. */
static inline void keep_field(struct wye_field *field, const uint8_t *bytes, size_t from, size_t colon,
                              size_t end) {
    const char *name = (const char *)bytes + from;
    const char *start = (const char *)bytes + colon + 1;
    const char *stop = (const char *)bytes + end;
    /* In a line that is in order nothing between the two but SP and HTAB is that low, and the colon is not.
     */
    while ((uint8_t)stop[-1] <= ' ') stop--;
    while (start < stop && (uint8_t)*start <= ' ') start++;
    field->name = (struct wye_span){name, colon - from};
    field->value = (struct wye_span){start, (size_t)(stop - start)};
}

/* Finds out which of the fields are known ones. */
static void know_fields(struct wye_request *request) {
    const size_t count = request->field_count;
    for (size_t i = 0; i < count; i++) {
        struct wye_field *field = &request->fields[i];
        field->known = wye_field_known(field->name.bytes, field->name.count);
        if (field->known == WYE_FIELD_OTHER) continue;
        if (request->times[field->known]++ == 0) request->first[field->known] = (uint8_t)(i + 1);
    }
}

/*
 * Judges the line at `from`, which isn't a field line that is whole and in order: something in it is wrong,
 * or it isn't all there. `nontoken` is the first byte in it that is no tchar, `end` the first control byte
 * but HTAB.
 */
static enum verdict judge_line(struct reader *reader, size_t from, size_t nontoken, size_t end) {
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
    size_t base;   /* of the row */
    uint64_t bits; /* of the row: those not taken yet */
};

/* The next control byte, which is taken; count: none is left. */
static inline size_t take_control(struct reader *reader, struct controls *controls) {
    while (__builtin_expect(!controls->bits, 0)) {
        controls->base += 64;
        if (controls->base >= reader->row_count * 64 && !scan_step(reader)) return reader->count;
        controls->bits = reader->rows[controls->base / 64].control;
    }
    size_t at = controls->base + (size_t)__builtin_ctzll(controls->bits);
    controls->bits &= controls->bits - 1;
    return at;
}

/* The first byte at `from` or behind that is no tchar, where one is known to be among what is classified. */
static inline size_t known_nontoken(const struct reader *reader, size_t from) {
    const struct wye_scan_row *row = &reader->rows[from / 64];
    uint64_t bits = row->nontoken >> (from % 64);
    if (__builtin_expect(bits != 0, 1)) return from + (size_t)__builtin_ctzll(bits);
    do bits = (++row)->nontoken;
    while (!bits);
    return (size_t)(row - reader->rows) * 64 + (size_t)__builtin_ctzll(bits);
}

static inline bool is_crlf(const uint8_t *bytes, size_t count, size_t at) {
    return at + 1 < count && memcmp(bytes + at, "\r\n", 2) == 0;
}

/*
 * Reads field lines up to the empty line that ends the head. From line to line the walk goes over the bits of
 * control bytes alone, in a register: where a line ends doesn't wait for what is in it.
 */
static enum verdict read_fields(struct reader *reader) {
    const uint8_t *const bytes = reader->bytes;
    const size_t count = reader->count;
    size_t *const field_count = &reader->request->field_count;
    struct wye_field *const fields = reader->request->fields;
    size_t from = reader->at;
    if (from / 64 >= reader->row_count && !scan_step(reader)) return INCOMPLETE;
    struct controls controls = {from / 64 * 64, reader->rows[from / 64].control & ~UINT64_C(0)
                                                                                      << (from % 64)};
    for (;;) {
        size_t end = take_control(reader, &controls);
        while (!is_crlf(bytes, count, end)) {
            if (end == count || bytes[end] != '\t')
                return judge_line(reader, from, next_nontoken(reader, from), end);
            end = take_control(reader, &controls);
        }
        if (end == from) break;
        size_t colon = known_nontoken(reader, from);
        if (bytes[colon] != ':' || colon == from || *field_count >= WYE_FIELDS_MAX) {
            return judge_line(reader, from, colon, end);
        }
        keep_field(&fields[(*field_count)++], bytes, from, colon, end);
        take_control(reader, &controls); /* the LF */
        from = end + 2;
    }
    reader->at = from + 2;
    return DECIDED;
}

/* Sets everything but the fields themselves, of which there are none yet. */
static void begin(struct reader *reader, struct wye_request *request, const uint8_t *bytes, size_t count) {
    memset(request, 0, offsetof(struct wye_request, fields));
    memset(request->first, 0, sizeof request->first);
    memset(request->times, 0, sizeof request->times);
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
static bool goes_on(struct reader *reader, struct wye_request *request, const uint8_t *bytes, size_t count,
                    size_t seen) {
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
    know_fields(reader->request);
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
