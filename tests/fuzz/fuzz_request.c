/* Request heads: however they are cut, the answer is the same; nothing outside them is read or pointed to. */
#include "tests/fuzz/fuzz.h"

#include "handshake/request.h"
#include "handshake/scan.h"

enum { BYTEWISE_MOST = 600 };

static struct wye_request request, again;

static bool is_inside(struct wye_span span, const uint8_t *bytes, size_t count) {
    const char *start = (const char *)bytes;
    return span.bytes >= start && span.bytes + span.count <= start + count;
}

/* What a head that was taken must be like. */
static void look_at(const struct wye_request *read, const uint8_t *bytes, size_t head) {
    static const struct wye_span end = {"\r\n\r\n", 4};
    MUST(head >= 4 && memcmp(bytes + head - 4, end.bytes, 4) == 0 && read->head_bytes == head);
    MUST(is_inside(read->method, bytes, head) && wye_span_is_token(read->method));
    MUST(is_inside(read->target, bytes, head) && read->target.count > 0 &&
         read->target.count <= WYE_TARGET_MAX);
    MUST(read->path.count > 0 && (read->path.bytes[0] == '/' || wye_span_equal(read->path, read->target)));
    MUST(is_inside(read->path, bytes, head) || read->path.count == 1);
    MUST(!read->query.bytes || is_inside(read->query, bytes, head));
    MUST(!read->host.bytes || (is_inside(read->host, bytes, head) && read->host.count > 0));
    MUST(read->minor <= 1 && (read->minor == 0 || read->times[WYE_FIELD_HOST] == 1));
    MUST(!read->chunked || read->content_bytes == 0);
    MUST(read->field_count <= WYE_FIELDS_MAX);
    unsigned times[WYE_FIELD_NAME_COUNT] = {0};
    for (size_t i = 0; i < read->field_count; i++) {
        const struct wye_field *field = &read->fields[i];
        MUST(is_inside(field->name, bytes, head) && wye_span_is_token(field->name));
        MUST(is_inside(field->value, bytes, head) && field->known < WYE_FIELD_NAME_COUNT);
        for (size_t j = 0; j < field->value.count; j++) {
            uint8_t byte = (uint8_t)field->value.bytes[j];
            MUST(byte != 0x7f && (byte >= ' ' || byte == '\t'));
            bool edge = j == 0 || j + 1 == field->value.count;
            MUST(!edge || byte > ' ');
        }
        if (field->known == WYE_FIELD_OTHER) continue;
        if (times[field->known]++ == 0) MUST(read->first[field->known] == i + 1);
    }
    for (unsigned name = 1; name < WYE_FIELD_NAME_COUNT; name++) MUST(times[name] == read->times[name]);
}

/* Asks for everything that can be asked of it: sanitizers watch. */
static void ask(const struct wye_request *read) {
    for (unsigned name = 1; name < WYE_FIELD_NAME_COUNT; name++) {
        struct wye_elements walk = {.name = (enum wye_field_name)name};
        struct wye_span element;
        while (wye_request_next_element(read, &walk, &element)) MUST(element.count > 0);
    }
    wye_request_is_websocket(read);
    wye_request_accepts(read, WYE_SPAN("application/problem+json"));
    wye_request_awaits_continue(read);
    char *decoded = malloc(read->path.count);
    MUST(decoded && wye_percent_decode(decoded, read->path) <= (ptrdiff_t)read->path.count);
    free(decoded);
    struct wye_span value;
    if (wye_query_value(read->query, WYE_SPAN("last"), &value)) {
        MUST(is_inside(value, (const uint8_t *)read->query.bytes, read->query.count));
    }
}

/* Reads the first `count` bytes of what came, of which `seen` were shown before. */
static ptrdiff_t read_prefix(const uint8_t *bytes, size_t count, size_t seen, struct wye_refusal *refusal) {
    uint8_t *copy = exact_copy(bytes, count);
    ptrdiff_t used = wye_request_read(&again, refusal, copy, count, seen);
    if (used > 0) look_at(&again, copy, (size_t)used);
    free(copy);
    return used;
}

/* Shows the bytes in steps, and demands the answer that all of them at once got. */
static void show_in_steps(const uint8_t *bytes, size_t count, size_t step, ptrdiff_t whole,
                          const struct wye_refusal *why) {
    size_t seen = 0;
    ptrdiff_t used = 0;
    struct wye_refusal refusal = {0};
    while (used == 0 && seen < count) {
        size_t shown = count - seen < step ? count : seen + step;
        refusal = (struct wye_refusal){0};
        used = read_prefix(bytes, shown, seen, &refusal);
        if (used > 0) MUST((size_t)used <= shown && (size_t)used > seen);
        seen = shown;
    }
    MUST(used == whole);
    if (whole > 0)
        MUST(again.field_count == request.field_count && again.keep_alive == request.keep_alive &&
             again.content_bytes == request.content_bytes && again.chunked == request.chunked);
    if (whole < 0)
        MUST(refusal.first == why->first && refusal.status == why->status &&
             refusal.cause[refusal.first] == why->cause[why->first]);
}

/* Every variant of the scanner says what the portable one says. */
static void compare_scanners(const uint8_t *bytes, size_t count) {
    size_t rows = (count + 63) / 64;
    if (rows == 0) return;
    const struct wye_scan_variant *portable = wye_scan_variants;
    while (portable[1].name) portable++;
    struct wye_scan_row *expected = malloc(rows * sizeof *expected), *got = malloc(rows * sizeof *got);
    uint8_t *copy = exact_copy(bytes, count);
    MUST(expected && got);
    portable->run(expected, copy, count);
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant != portable; variant++) {
        if (!variant->runs_here()) continue;
        variant->run(got, copy, count);
        MUST(memcmp(expected, got, rows * sizeof *got) == 0);
    }
    free(copy);
    free(got);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count > 2 * WYE_HEAD_MAX) return 0;
    compare_scanners(bytes, count);
    uint8_t *copy = exact_copy(bytes, count);
    struct wye_refusal refusal = {0};
    ptrdiff_t used = wye_request_read(&request, &refusal, copy, count, 0);
    MUST(used <= (ptrdiff_t)count && used <= WYE_HEAD_MAX);
    MUST(used > -600 && (used >= 0 || used <= -400));
    if (used < 0) MUST(refusal.status == -used && refusal.first != WYE_RULE_NONE);
    if (used == 0) MUST(count < WYE_HEAD_MAX);
    if (used > 0) {
        look_at(&request, copy, (size_t)used);
        ask(&request);
    }
    if (count > 0) {
        uint64_t hash = hash_of(bytes, count);
        show_in_steps(bytes, count, 1 + hash % count, used, &refusal);
        show_in_steps(bytes, count, 1 + (hash >> 32) % (count / 16 + 2) + count / 64, used, &refusal);
        if (count <= BYTEWISE_MOST) show_in_steps(bytes, count, 1, used, &refusal);
    }
    free(copy);
    return 0;
}
