#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/close_code.h"
#include "frames/frame.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t opcodes[] = {WYE_OPCODE_CONTINUATION, WYE_OPCODE_TEXT, WYE_OPCODE_BINARY,
                                  WYE_OPCODE_CLOSE,        WYE_OPCODE_PING, WYE_OPCODE_PONG};
static const uint64_t lengths[] = {0,          1,          124,        125,        126,        127,
                                   128,        255,        256,        1000,       65534,      65535,
                                   65536,      65537,      1u << 20,   UINT32_MAX, 1ull << 32, 1ull << 40,
                                   1ull << 48, 1ull << 56, 1ull << 62, INT64_MAX};
enum { OPCODES = sizeof opcodes, LENGTHS = sizeof lengths / sizeof *lengths };

/* Reads from memory that holds just these bytes, so that ASan sees a byte too many being read. */
static ptrdiff_t read_exactly(struct wye_frame *frame, const uint8_t *bytes, size_t count,
                              const char **fault) {
    uint8_t *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    ptrdiff_t used = wye_frame_read(frame, copy, count, fault);
    free(copy);
    return used;
}

static void assert_same(const struct wye_frame *got, const struct wye_frame *expected) {
    assert_true(got->payload_bytes == expected->payload_bytes);
    assert_int_equal(got->masking_key, expected->masking_key);
    assert_int_equal(got->opcode, expected->opcode);
    assert_int_equal(got->reserved, expected->reserved);
    assert_int_equal(got->fin, expected->fin);
    assert_int_equal(got->masked, expected->masked);
}

/* What is written is read again, every truncation asks for more, and what follows is left alone. */
static void check_round_trip(const struct wye_frame *frame) {
    uint8_t bytes[WYE_FRAME_HEADER_MAX + 4];
    memset(bytes, 0xee, sizeof bytes);
    size_t size = wye_frame_write(bytes, frame);
    assert_int_equal(size, wye_frame_header_bytes(frame->payload_bytes, frame->masked));
    for (size_t i = size; i < sizeof bytes; i++) assert_int_equal(bytes[i], 0xee);

    const char *fault = NULL;
    struct wye_frame again;
    for (size_t count = 0; count < size; count++)
        assert_int_equal(read_exactly(&again, bytes, count, &fault), 0);
    for (size_t count = size; count <= sizeof bytes; count++) {
        memset(&again, 0xff, sizeof again);
        assert_int_equal(read_exactly(&again, bytes, count, &fault), size);
        assert_same(&again, frame);
    }
    assert_null(fault);
}

static void test_every_valid_header_is_read_as_written_and_every_truncation_asks_for_more(void **state) {
    (void)state;
    for (unsigned o = 0; o < OPCODES; o++)
        for (unsigned l = 0; l < LENGTHS; l++)
            for (unsigned reserved = 0; reserved < 8; reserved++)
                for (unsigned bits = 0; bits < 4; bits++) {
                    bool fin = bits & 1, masked = bits & 2;
                    if (wye_opcode_is_control(opcodes[o]) && (!fin || lengths[l] > WYE_FRAME_CONTROL_MAX))
                        continue;
                    check_round_trip(&(struct wye_frame){.payload_bytes = lengths[l],
                                                         .masking_key = masked ? 0x12345678u * (l + 1) : 0,
                                                         .opcode = opcodes[o],
                                                         .reserved = (uint8_t)reserved,
                                                         .fin = fin,
                                                         .masked = masked});
                }
}

static void test_the_rfcs_examples_are_read(void **state) {
    /* RFC 6455 5.7. */
    static const uint8_t masked_hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    static const uint8_t fragment[] = {0x01, 0x03, 0x48, 0x65, 0x6c};
    static const uint8_t ping[] = {0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
    static const uint8_t of_256[] = {0x82, 0x7e, 0x01, 0x00};
    static const uint8_t of_64k[] = {0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0};
    struct wye_frame frame;
    (void)state;

    assert_int_equal(wye_frame_read(&frame, masked_hello, sizeof masked_hello, NULL), 6);
    struct wye_frame hello = {.payload_bytes = 5, .opcode = WYE_OPCODE_TEXT, .fin = true, .masked = true};
    memcpy(&hello.masking_key, masked_hello + 2, 4);
    assert_same(&frame, &hello);
    uint8_t key[4];
    memcpy(key, &frame.masking_key, sizeof key);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(masked_hello[6 + i] ^ key[i % 4], "Hello"[i]);

    assert_int_equal(wye_frame_read(&frame, fragment, sizeof fragment, NULL), 2);
    assert_same(&frame, &(struct wye_frame){.payload_bytes = 3, .opcode = WYE_OPCODE_TEXT});
    assert_int_equal(wye_frame_read(&frame, ping, sizeof ping, NULL), 2);
    assert_same(&frame, &(struct wye_frame){.payload_bytes = 5, .opcode = WYE_OPCODE_PING, .fin = true});
    assert_int_equal(wye_frame_read(&frame, of_256, sizeof of_256, NULL), 4);
    assert_same(&frame, &(struct wye_frame){.payload_bytes = 256, .opcode = WYE_OPCODE_BINARY, .fin = true});
    assert_int_equal(wye_frame_read(&frame, of_64k, sizeof of_64k, NULL), 10);
    assert_same(&frame,
                &(struct wye_frame){.payload_bytes = 65536, .opcode = WYE_OPCODE_BINARY, .fin = true});
}

/* Undecided before the byte that decides, -1002 with a sentence from it on, whatever follows. */
static void check_broken(const uint8_t *bytes, size_t size, size_t decides_at) {
    struct wye_frame frame;
    for (size_t count = 0; count <= size; count++) {
        const char *fault = NULL;
        ptrdiff_t used = read_exactly(&frame, bytes, count, &fault);
        assert_int_equal(used, count < decides_at ? 0 : -WYE_CLOSE_PROTOCOL_ERROR);
        assert_true((fault != NULL) == (used < 0));
        if (fault) assert_non_null(strstr(fault, "RFC 6455"));
        assert_int_equal(read_exactly(&frame, bytes, count, NULL), used);
    }
}

static bool is_known(unsigned opcode) { return opcode <= 2 || (opcode >= 8 && opcode <= 10); }

static void test_the_first_byte_decides_unknown_opcodes_and_fragmented_control_frames(void **state) {
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t bytes[WYE_FRAME_HEADER_MAX] = {(uint8_t)first};
        unsigned opcode = first & 15;
        if (!is_known(opcode) || (wye_opcode_is_control((uint8_t)opcode) && first < 128))
            check_broken(bytes, sizeof bytes, 1);
        else assert_int_equal(read_exactly(&(struct wye_frame){0}, bytes, 1, NULL), 0);
    }
}

static void test_the_second_byte_decides_long_control_frames(void **state) {
    (void)state;
    for (unsigned opcode = 8; opcode <= 10; opcode++)
        for (unsigned second = 0; second < 256; second++) {
            uint8_t bytes[WYE_FRAME_HEADER_MAX] = {
                (uint8_t)(0x80 | opcode), (uint8_t)second, 1, 2, 3, 4, 5, 6};
            if ((second & 127) > WYE_FRAME_CONTROL_MAX) check_broken(bytes, sizeof bytes, 2);
            else
                assert_int_equal(read_exactly(&(struct wye_frame){0}, bytes, sizeof bytes, NULL),
                                 second < 128 ? 2 : 6);
        }
}

static void test_sixteen_bit_lengths_under_126_are_refused_by_their_last_byte(void **state) {
    (void)state;
    for (unsigned masked = 0; masked < 2; masked++)
        for (unsigned length = 0; length < 65536; length++) {
            uint8_t bytes[8] = {
                0x82, (uint8_t)(126 | masked << 7), (uint8_t)(length >> 8), (uint8_t)length, 0xff, 0xff};
            struct wye_frame frame;
            if (length < 126) {
                check_broken(bytes, sizeof bytes, 4);
            } else {
                assert_int_equal(wye_frame_read(&frame, bytes, sizeof bytes, NULL), masked ? 8 : 4);
                assert_int_equal(frame.payload_bytes, length);
            }
        }
}

static void check_sixty_four_bits(uint64_t length, bool masked) {
    uint8_t bytes[WYE_FRAME_HEADER_MAX] = {0x82, (uint8_t)(127 | masked << 7)};
    for (unsigned i = 0; i < 8; i++) bytes[2 + i] = (uint8_t)(length >> 8 * (7 - i));
    if (length >> 63) check_broken(bytes, sizeof bytes, 3);
    else if (length < 65536) check_broken(bytes, sizeof bytes, 8);
    else {
        struct wye_frame frame;
        assert_int_equal(wye_frame_read(&frame, bytes, sizeof bytes, NULL), masked ? 14 : 10);
        assert_true(frame.payload_bytes == length);
    }
}

static void test_sixty_four_bit_lengths_must_be_minimal_and_leave_the_top_bit_alone(void **state) {
    (void)state;
    for (unsigned masked = 0; masked < 2; masked++) {
        for (unsigned bit = 0; bit < 64; bit++)
            for (uint64_t around = 0; around <= 4; around++)
                check_sixty_four_bits((UINT64_C(1) << bit) + around - 2, masked);
        for (uint64_t length = 65000; length < 66000; length++) check_sixty_four_bits(length, masked);
        for (unsigned i = 0; i < LENGTHS; i++) check_sixty_four_bits(lengths[i], masked);
    }
}

static void test_header_sizes_change_at_126_and_65536(void **state) {
    (void)state;
    assert_int_equal(wye_frame_header_bytes(0, false), 2);
    assert_int_equal(wye_frame_header_bytes(125, false), 2);
    assert_int_equal(wye_frame_header_bytes(126, false), 4);
    assert_int_equal(wye_frame_header_bytes(65535, false), 4);
    assert_int_equal(wye_frame_header_bytes(65536, false), WYE_FRAME_SERVER_HEADER_MAX);
    assert_int_equal(wye_frame_header_bytes(INT64_MAX, true), WYE_FRAME_HEADER_MAX);
    assert_int_equal(wye_frame_header_bytes(0, true), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_valid_header_is_read_as_written_and_every_truncation_asks_for_more),
        cmocka_unit_test(test_the_rfcs_examples_are_read),
        cmocka_unit_test(test_the_first_byte_decides_unknown_opcodes_and_fragmented_control_frames),
        cmocka_unit_test(test_the_second_byte_decides_long_control_frames),
        cmocka_unit_test(test_sixteen_bit_lengths_under_126_are_refused_by_their_last_byte),
        cmocka_unit_test(test_sixty_four_bit_lengths_must_be_minimal_and_leave_the_top_bit_alone),
        cmocka_unit_test(test_header_sizes_change_at_126_and_65536),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
