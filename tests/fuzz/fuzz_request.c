/* Request heads: however they are cut, the answer is the same; nothing outside them is read or pointed to. */
#include "tests/fuzz/fuzz.h"

#include "handshake/field.h"
#include "handshake/scan.h"

enum { BYTEWISE_MOST = 600 };

static struct wye_request request, again;

static bool is_inside(struct wye_span span, const uint8_t *bytes, size_t count) {
    const char *start = (const char *)bytes;
    return span.bytes >= start && span.bytes + span.count <= start + count;
}

/* The known field of this name, found the slow way. */
static enum wye_field_name known_of(struct wye_span name) {
    for (unsigned slot = 0; slot < WYE_FIELD_SLOTS; slot++) {
        const struct wye_field_row *row = &wye_field_rows[slot];
        char text[32 + 16];
        memcpy(text + 16, row->first, 16);
        memcpy(text + row->count, row->last, 16); /* of a short name: dots, and then that */
        if (row->known && wye_span_equal_nocase(name, (struct wye_span){text + 16, row->count}))
            return (enum wye_field_name)row->known;
    }
    return WYE_FIELD_OTHER;
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
    MUST(read->minor <= 1 && !wye_request_repeats(read, WYE_FIELD_HOST) && (read->minor == 0 || wye_request_has(read, WYE_FIELD_HOST)));
    MUST(!read->chunked || read->content_bytes == 0);
    MUST(read->field_count <= WYE_FIELDS_MAX);
    unsigned times[WYE_FIELD_NAME_COUNT] = {0};
    for (size_t i = 0; i < read->field_count; i++) {
        const struct wye_span field = wye_request_name(read, i), value = wye_request_value(read, i);
        const enum wye_field_name known = known_of(field);
        MUST(is_inside(field, bytes, head) && wye_span_is_token(field));
        MUST(is_inside(value, bytes, head));
        for (size_t j = 0; j < value.count; j++) {
            uint8_t byte = (uint8_t)value.bytes[j];
            MUST(byte != 0x7f && (byte >= ' ' || byte == '\t'));
            bool edge = j == 0 || j + 1 == value.count;
            MUST(!edge || byte > ' ');
        }
        if (known == WYE_FIELD_OTHER) continue;
        if (times[known]++ == 0) MUST(read->first[known] == i + 1);
    }
    for (unsigned name = 1; name < WYE_FIELD_NAME_COUNT; name++)
        MUST((times[name] > 0) == wye_request_has(read, name) && (times[name] > 1) == wye_request_repeats(read, name));
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

/* Reads the first `count` bytes of what came, going on from those that were shown before. */
static ptrdiff_t read_prefix(const uint8_t *bytes, size_t count, struct wye_request_progress *progress,
                             struct wye_refusal *refusal) {
    uint8_t *copy = exact_copy(bytes, count);
    ptrdiff_t used = wye_request_read(&again, refusal, copy, count, progress);
    MUST(progress->seen == (used == 0 ? count : 0));
    if (used > 0) look_at(&again, copy, (size_t)used);
    free(copy);
    return used;
}

/* Shows the bytes in steps, and demands the answer that all of them at once got. */
static void show_in_steps(const uint8_t *bytes, size_t count, size_t step, ptrdiff_t whole,
                          const struct wye_refusal *why) {
    size_t seen = 0;
    ptrdiff_t used = 0;
    struct wye_request_progress progress = {0};
    struct wye_refusal refusal = {0};
    while (used == 0 && seen < count) {
        size_t shown = count - seen < step ? count : seen + step;
        refusal = (struct wye_refusal){0};
        used = read_prefix(bytes, shown, &progress, &refusal);
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

/* Every variant of the scanner says what the portable one says, in each state. */
static void compare_scanners(const uint8_t *bytes, size_t count) {
    const struct wye_scan_variant *portable = wye_scan_variants;
    while (portable[1].name) portable++;
    uint8_t *copy = exact_copy(bytes, count);
    const size_t from = count / 3;
    static const enum wye_scan_state states[] = WYE_SCAN_STATES;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct wye_scan expected = {.state = states[i]};
        portable->run(&expected, copy, from, count);
        for (const struct wye_scan_variant *variant = wye_scan_variants; variant != portable; variant++) {
            struct wye_scan got = {.state = states[i]};
            if (!variant->runs_here()) continue;
            variant->run(&got, copy, from, count);
            MUST(got.ended == expected.ended && got.count == expected.count);
            MUST(memcmp(got.marks, expected.marks, got.count * sizeof *got.marks) == 0);
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count > 2 * WYE_HEAD_MAX) return 0;
    compare_scanners(bytes, count);
    uint8_t *copy = exact_copy(bytes, count);
    struct wye_refusal refusal = {0};
    ptrdiff_t used = wye_request_read(&request, &refusal, copy, count, &(struct wye_request_progress){0});
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
