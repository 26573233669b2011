/* The scanner: every variant finds the marks that going byte by byte finds, and reads no other byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "handshake/scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, LENGTH_MAX = 330 };

static bool is_control(uint8_t byte) { return (byte < 0x20 && byte != '\t') || byte == 0x7f; }

static bool is_tchar(uint8_t byte) {
    return byte != 0 &&
           strchr("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", byte);
}

/* Byte by byte, what a scan does with its bitmaps. */
static void scan_slowly(struct wye_scan *scan, const uint8_t *bytes, size_t at, size_t count) {
    bool control = scan->state == WYE_SCAN_LINE || scan->state == WYE_SCAN_LF;
    bool lf = scan->state == WYE_SCAN_LINE, name = scan->state == WYE_SCAN_NAME;
    scan->ended = false;
    scan->count = 0;
    for (; at < count && scan->count < WYE_SCAN_MARKS_ROOM; at++) {
        bool is = is_control(bytes[at]), second = is && control;
        if (second && lf) {
            scan->marks[scan->count++] = (uint16_t)at;
            scan->ended = true;
            return;
        }
        bool in_name = lf || name;
        name = in_name && is_tchar(bytes[at]);
        if ((in_name && !name) || (is && !second)) scan->marks[scan->count++] = (uint16_t)at;
        control = is;
        lf = second;
    }
}

/* Compares a scan with the slow one, from each state, and that nothing behind the marks' room is written. */
static void compare(const struct wye_scan_variant *variant, const uint8_t *bytes, size_t at, size_t count) {
    static const enum wye_scan_state states[] = WYE_SCAN_STATES;
    for (size_t state = 0; state < sizeof states / sizeof *states; state++) {
        struct wye_scan expected = {.state = states[state]};
        struct {
            struct wye_scan scan;
            uint8_t behind[64];
        } got;
        memset(&got, 0xa5, sizeof got);
        got.scan.state = states[state];
        scan_slowly(&expected, bytes, at, count);
        variant->run(&got.scan, bytes, at, count);
        bool full = got.scan.count >= WYE_SCAN_MARKS_MAX; /* then it may stop */
        bool same = full ? got.scan.count <= WYE_SCAN_MARKS_ROOM
                         : got.scan.count == expected.count && got.scan.ended == expected.ended;
        if (!same || memcmp(got.scan.marks, expected.marks, got.scan.count * sizeof *expected.marks) != 0)
            fail_msg("%s: bytes %zu to %zu, state %d", variant->name, at, count, (int)states[state]);
        for (size_t i = 0; i < sizeof got.behind; i++) assert_int_equal(got.behind[i], 0xa5);
    }
}

/* A page that may be touched between two that may not. */
static uint8_t *guarded_page(void) {
    uint8_t *pages = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    return pages + PAGE;
}

static void fill(uint8_t *bytes, size_t count, uint32_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static int name_of_child(const char *forced, const char *expected) {
    pid_t child = fork();
    if (child == 0) {
        if (forced) {
            setenv("WYE_VARIANT", forced, 1);
        } else {
            unsetenv("WYE_VARIANT");
        }
        _exit(strcmp(wye_scan_variant_name(), expected) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static const char *best_name(void) {
    const struct wye_scan_variant *row = wye_scan_variants;
    while (!row->runs_here()) row++;
    return row->name;
}

/* First of all: in this process nothing has been chosen yet, and a child inherits that. */
static void the_environment_forces_a_variant_and_otherwise_the_best_runs(void **state) {
    (void)state;
    assert_int_equal(name_of_child("portable", "portable"), 0);
    assert_int_equal(name_of_child(NULL, best_name()), 0);
    assert_int_equal(name_of_child("no-such-variant", best_name()), 0);
}

static void the_last_variant_is_portable_and_runs_everywhere(void **state) {
    (void)state;
    size_t last = 0;
    while (wye_scan_variants[last + 1].name) last++;
    assert_string_equal(wye_scan_variants[last].name, "portable");
    assert_true(wye_scan_variants[last].runs_here());
}

static void every_variant_knows_each_of_the_256_bytes_at_each_place_in_names_and_values(void **state) {
    (void)state;
    static const char head[] =
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nA-rather-long-name-that-goes-on-into-the-"
        "next-64-bytes: x\ty\r\nEmpty:\r\n\r\nbehind";
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (unsigned byte = 0; byte < 256; byte++) {
            for (size_t place = 0; place < sizeof head; place++) {
                uint8_t bytes[sizeof head];
                memcpy(bytes, head, sizeof head);
                bytes[place] = (uint8_t)byte;
                compare(variant, bytes, 0, sizeof bytes);
            }
        }
    }
}

/* Bytes that mean something, mostly. */
static void spice(uint8_t *bytes, size_t count, uint32_t seed) {
    static const char spices[] = "\r\n\r\n\r\n::\t a-Z(\x7f\x80";
    fill(bytes, count, seed);
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] % 4) bytes[i] = (uint8_t)spices[bytes[i] / 4 % (sizeof spices - 1)];
        if (seed % 3 && bytes[i] == '\n' && i > 0) bytes[i - 1] = '\r';
    }
}

static void every_variant_agrees_at_all_alignments_and_lengths_up_to_both_edges_of_a_page(void **state) {
    (void)state;
    uint8_t *page = guarded_page();
    spice(page, PAGE, 7);
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (size_t length = 0; length <= LENGTH_MAX; length += 1 + length / 130) {
            for (size_t shift = 0; shift < 64; shift += 3) {
                const size_t at = length * shift / 64;
                compare(variant, page + shift, 0, length);
                compare(variant, page + PAGE - shift - length, 0, length);
                compare(variant, page + PAGE - shift - length, at, length);
                compare(variant, page, at, length); /* and not a byte before it */
            }
        }
    }
    munmap(page - PAGE, 3 * PAGE);
}

static void every_variant_agrees_on_random_pages(void **state) {
    (void)state;
    uint8_t *page = guarded_page();
    for (uint32_t seed = 0; seed < 400; seed++) {
        if (seed % 2) fill(page, PAGE, seed);
        else spice(page, PAGE, seed);
        for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
            if (!variant->runs_here()) continue;
            for (size_t at = 0; at < PAGE; at += 97 + seed) compare(variant, page, at, PAGE);
        }
    }
    munmap(page - PAGE, 3 * PAGE);
}

static void every_variant_stops_when_there_are_marks_enough(void **state) {
    (void)state;
    uint8_t bytes[PAGE];
    for (const struct wye_scan_variant *variant = wye_scan_variants; variant->name; variant++) {
        if (!variant->runs_here()) continue;
        for (size_t i = 0; i < PAGE; i++) bytes[i] = i % 2 ? '\x01' : ':'; /* every other byte a mark */
        compare(variant, bytes, 0, PAGE);
        for (size_t i = 0; i < PAGE; i++) bytes[i] = (uint8_t) "a:\r\n"[i % 4];
        compare(variant, bytes, 0, PAGE);
    }
}

static void the_marks_of_a_head_are_its_colons_and_its_crs(void **state) {
    (void)state;
    static const char text[] = "GET /chat HTTP/1.1\r\nHost: a:1\r\nB:\tc\r\n\r\nbehind";
    struct wye_scan scan = {.state = WYE_SCAN_VALUE};
    wye_scan(&scan, (const uint8_t *)text, 0, sizeof text - 1);
    static const uint16_t marks[] = {18, 24, 29, 32, 35, 37};
    assert_true(scan.ended);
    assert_int_equal(scan.count, 6);
    assert_memory_equal(scan.marks, marks, sizeof marks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_forces_a_variant_and_otherwise_the_best_runs),
        cmocka_unit_test(the_last_variant_is_portable_and_runs_everywhere),
        cmocka_unit_test(every_variant_knows_each_of_the_256_bytes_at_each_place_in_names_and_values),
        cmocka_unit_test(every_variant_agrees_at_all_alignments_and_lengths_up_to_both_edges_of_a_page),
        cmocka_unit_test(every_variant_agrees_on_random_pages),
        cmocka_unit_test(every_variant_stops_when_there_are_marks_enough),
        cmocka_unit_test(the_marks_of_a_head_are_its_colons_and_its_crs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
