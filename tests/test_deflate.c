#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "frames/deflate.h"

#include <stdlib.h>
#include <string.h>

enum { BROKEN = -1007, ROOM = 1 << 17 };

static uint32_t any_number(void) {
    static uint32_t number = 2463534242u; /* xorshift32, Marsaglia 2003 */
    number ^= number << 13;
    number ^= number >> 17;
    number ^= number << 5;
    return number;
}

/* Zeros, noise, and something like text with references far back. */
static void fill(uint8_t *bytes, size_t count, unsigned kind) {
    static const char *const words[] = {"{\"id\":", "12", "},", "\"name\":", "\"wye\"", "true", "[0,1]", " "};
    size_t at = 0;
    if (kind < 2)
        for (; at < count; at++) bytes[at] = kind ? (uint8_t)any_number() : 0;
    while (at < count) {
        const char *word = words[any_number() % 8];
        for (; *word && at < count; word++) bytes[at++] = (uint8_t)*word;
    }
}
enum { KINDS = 3 };

/*
 * Inflates a message in pieces of `step` bytes into rooms of `room`, all guarded; what came out goes to `to`.
 * Returns its length or the reason.
 */
static ptrdiff_t inflate_in_steps(struct wye_inflater *inflater, uint8_t *to, size_t most,
                                  const uint8_t *from, size_t count, size_t step, size_t room, bool reset) {
    size_t at = 0, all = 0;
    uint8_t *out = malloc(room + 1);
    assert_non_null(out);
    out[room] = 0xee;
    wye_inflate_begin(inflater, reset);
    for (bool last = false; !last;) {
        size_t piece = count - at < step ? count - at : step, used, taken = 0;
        uint8_t *exact = malloc(piece ? piece : 1); /* ends where its memory does */
        ptrdiff_t written;
        assert_non_null(exact);
        memcpy(exact, from + at, piece);
        last = at + piece == count;
        do {
            written = wye_inflate(inflater, out, room, exact + taken, piece - taken, &used, last);
            assert_int_equal(out[room], 0xee);
            assert_true(written <= (ptrdiff_t)room && used <= piece - taken);
            if (written < 0) break;
            assert_true(all + (size_t)written <= most);
            memcpy(to + all, out, (size_t)written);
            all += (size_t)written;
            taken += used;
        } while (taken < piece || (size_t)written == room);
        free(exact);
        if (written < 0) {
            free(out);
            return written;
        }
        at += piece;
    }
    free(out);
    return (ptrdiff_t)all;
}

struct sample {
    const char *name,
        *hex; /* messages of one connection with context, each ended by a space; '|': a fragment ends */
    const char *texts[5];
};

static const struct sample samples[] = {
    {"RFC 7692 7.2.3.1, one block", "f248cdc9c90700", {"Hello"}},
    {"RFC 7692 7.2.3.1, two fragments", "f248cd|c9c90700", {"Hello"}},
    {"RFC 7692 7.2.3.2, a shared window", "f248cdc9c90700 f200110000", {"Hello", "Hello"}},
    {"RFC 7692 7.2.3.3, no compression", "000500faff48656c6c6f00", {"Hello"}},
    {"RFC 7692 7.2.3.4, a final block", "f348cdc9c9070000", {"Hello"}},
    {"RFC 7692 7.2.3.5, two blocks", "f24805000000ffffcac9c90700", {"Hello"}},
    {"RFC 7692 7.2.3.6, an empty message", "00 00", {"", ""}},
    {"python3's zlib, sync flushes",
     "f248cdc9c90700 f200110000 00 00 02133a0ae1f94539298a0a283c0000",
     {"Hello", "Hello", "", "", "Hello, World! Hello, World!"}},
    {"python3's zlib, full flushes",
     "f248cdc9c90700 f248cdc9c90700 00 00 f248cdc9c9d75108cf2fca495154f040e60100",
     {"Hello", "Hello", "", "", "Hello, World! Hello, World!"}},
    {"python3's zlib, level 0",
     "000500faff48656c6c6f00 000500faff48656c6c6f00 00 "
     "001b00e4ff48656c6c6f2c20576f726c64212048656c6c6f2c20576f726c642100",
     {"Hello", "Hello", "", "Hello, World! Hello, World!"}},
    {"python3's zlib, a finished stream", "f348cdc9c90700", {"Hello"}},
    {"python3's websockets, fragments", "f248cd01000000ffff|000000ffff|cac90700", {"Hello"}},
    {"node's ws, takeover",
     "f248cdc9c90700 f200110000 00 00 aa564a54b28a36d431d2318ed5514a52b252020b2b20914ab50000",
     {"Hello", "Hello", "", "", "{\"a\":[1,2,3],\"b\":\"Hello Hello Hello\"}"}},
    {"node's ws, no context",
     "f248cdc9c90700 f248cdc9c90700 00 aa564a54b28a36d431d2318ed5514a52b252f248cdc9c9574022956a0100",
     {"Hello", "Hello", "", "{\"a\":[1,2,3],\"b\":\"Hello Hello Hello\"}"}},
    {"two streams in a message", "f348cdc9c90700f348cdc9c9070000", {"HelloHello"}},
    {"two streams, the last finished", "f348cdc9c90700f348cdc9c90700", {"HelloHello"}},
    {"a stream behind a finished one", "f348cdc9c90700f248cdc9c90700", {"HelloHello"}},
    {"a final block, and later messages with its window",
     "f348cdc9c9070000 f200110000 00",
     {"Hello", "Hello", ""}},
    {"ends in an empty final block, and later messages with its window",
     "f248cdc9c90704 f200110000 01 f200110000",
     {"Hello", "Hello", "", "Hello"}},
    {"nothing at all, as zlib yields for a second flush",
     " f248cdc9c90700  f200110000",
     {"", "Hello", "", "Hello"}},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

/* One message of a sample: its bytes, without the marks of fragments. Returns what follows, NULL at the end.
 */
static const char *read_hex(uint8_t *to, size_t *count, const char *hex) {
    *count = 0;
    for (; *hex && *hex != ' '; hex++) {
        if (*hex == '|') continue;
        char digits[3] = {hex[0], hex[1], 0};
        to[(*count)++] = (uint8_t)strtoul(digits, NULL, 16);
        hex++;
    }
    return *hex == ' ' ? hex + 1 : NULL;
}

static void test_what_is_short_or_compressed_already_is_not_worth_it(void **state) {
    (void)state;
    static const uint8_t gzip[100] = {0x1f, 0x8b, 0x08}, png[100] = {0x89, 'P', 'N', 'G'},
                         zip[100] = {'P', 'K', 3, 4}, mp4[100] = "\0\0\0 ftypisom",
                         webp[100] = "RIFFabcdWEBPVP8 ", wave[100] = "RIFFabcdWAVEfmt ",
                         plain[100] = "{\"a\":1}";
    assert_false(wye_deflate_is_worth(true, plain, WYE_DEFLATE_BYTES_MIN - 1));
    assert_true(wye_deflate_is_worth(true, plain, WYE_DEFLATE_BYTES_MIN));
    assert_false(wye_deflate_is_worth(false, plain, 0));
    assert_true(wye_deflate_is_worth(false, plain, sizeof plain));
    assert_true(wye_deflate_is_worth(false, wave, sizeof wave));
    const uint8_t *const compressed[] = {gzip, png, zip, mp4, webp};
    for (size_t i = 0; i < sizeof compressed / sizeof compressed[0]; i++) {
        assert_false(wye_deflate_is_worth(false, compressed[i], 100));
        assert_true(wye_deflate_is_worth(true, compressed[i], 100));
    }
}

static void test_what_others_compress_is_inflated_however_it_is_cut(void **state) {
    static const size_t steps[] = {1, 2, 3, 5, 1000}, rooms[] = {1, 2, 4, 5, 6, 1000};
    (void)state;
    for (unsigned i = 0; i < SAMPLES; i++)
        for (unsigned s = 0; s < sizeof steps / sizeof *steps; s++)
            for (unsigned r = 0; r < sizeof rooms / sizeof *rooms; r++) {
                struct wye_inflater *inflater = wye_inflater_open(15);
                const char *hex = samples[i].hex;
                assert_non_null(inflater);
                for (unsigned m = 0; hex; m++) {
                    uint8_t bytes[100], out[200];
                    size_t count;
                    hex = read_hex(bytes, &count, hex);
                    ptrdiff_t all =
                        inflate_in_steps(inflater, out, sizeof out, bytes, count, steps[s], rooms[r], false);
                    const char *text = samples[i].texts[m];
                    if (all != (ptrdiff_t)strlen(text) || memcmp(out, text, (size_t)all) != 0)
                        fail_msg("%s, message %u: %td", samples[i].name, m, all);
                }
                wye_inflater_shut(inflater);
            }
}

static void test_what_is_no_deflate_stream_is_1007_however_it_is_cut(void **state) {
    static const char *const broken[] = {
        "06",                       /* the fourth kind of block, which isn't */
        "ff",                       /* the same, and final */
        "f200110000",               /* refers to what isn't there */
        "000500faff48656c6c",       /* a stored block that is cut off */
        "000500fbff48656c6c6f00",   /* its length and the complement don't agree */
        "f248cdc9c9070006",         /* fine, then garbage */
        "f348cdc9c9070006",         /* garbage behind a final block */
        "f348cdc9c90700f200",       /* the start of something behind a final block */
        "f248cdc9c90700f248cdc9c9", /* cut off in the second block */
        "f248cdc9c907",             /* without the header of the flush's empty block */
        "ed",                       /* cut off in a dynamic block's header */
        "05c0810800000000209fdf03", /* a dynamic block, cut off and mangled */
        "0100",                     /* an empty final block whose length and complement don't agree */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof broken / sizeof *broken; i++)
        for (size_t step = 1; step < 20; step += 3)
            for (size_t room = 1; room < 20; room += 6) {
                struct wye_inflater *inflater = wye_inflater_open(15);
                uint8_t bytes[100], out[2000];
                size_t count;
                assert_non_null(inflater);
                read_hex(bytes, &count, broken[i]);
                ptrdiff_t all = inflate_in_steps(inflater, out, sizeof out, bytes, count, step, room, true);
                if (all != BROKEN) fail_msg("%s: %td", broken[i], all);
                /* And it is good for the next message that starts afresh. */
                read_hex(bytes, &count, "f248cdc9c90700");
                assert_int_equal(inflate_in_steps(inflater, out, sizeof out, bytes, count, step, room, true),
                                 5);
                wye_inflater_shut(inflater);
            }
}

static const size_t sizes[] = {0,   1,   2,   3,   4,   5,   8,    16,   31,   32,    64,    100,
                               125, 126, 127, 255, 256, 511, 1000, 1024, 4096, 16384, 40000, 70000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Messages of every size and kind, one after another, through a deflater and an inflater. */
static void check_round_trips(unsigned bits, int level, int memory_level, bool reset, unsigned size_step) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    struct wye_deflater *deflater = wye_deflater_open(bits, level, memory_level);
    struct wye_inflater *inflater = wye_inflater_open(bits);
    assert_non_null(deflater);
    assert_non_null(inflater);
    for (unsigned i = 0; i < SIZES; i += size_step)
        for (unsigned kind = 0; kind < KINDS; kind++) {
            size_t count = sizes[i] + any_number() % 3;
            fill(in, count, kind);
            size_t room = wye_deflate_bound(deflater, count);
            assert_true(room <= ROOM);
            size_t made = wye_deflate(deflater, compressed, room, in, count, reset);
            assert_true(made > 0 && made < room);
            wye_inflate_begin(inflater, reset);
            size_t used;
            assert_int_equal(wye_inflate(inflater, out, ROOM, compressed, made, &used, true), count);
            assert_int_equal(used, made);
            assert_memory_equal(out, in, count);
        }
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

static void test_round_trips_with_every_window_and_memory_level_with_and_without_context(void **state) {
    (void)state;
    for (unsigned bits = 9; bits <= 15; bits++)
        for (int memory_level = 1; memory_level <= 9; memory_level++)
            for (int reset = 0; reset < 2; reset++) check_round_trips(bits, 6, memory_level, reset, 2);
}

static void test_round_trips_at_every_level(void **state) {
    (void)state;
    for (int level = 1; level <= 9; level++)
        for (int reset = 0; reset < 2; reset++) check_round_trips(level % 2 ? 12 : 15, level, 8, reset, 1);
}

/* One side's context may outlive messages while the other's doesn't: a larger window inflates smaller ones.
 */
static void test_each_side_keeps_its_context_or_not_by_itself(void **state) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    (void)state;
    for (unsigned theirs = 9; theirs <= 15; theirs++)
        for (unsigned ours = theirs; ours <= 15; ours++)
            for (int reset = 0; reset < 2; reset++) {
                struct wye_deflater *deflater = wye_deflater_open(theirs, 6, 5);
                struct wye_inflater *inflater = wye_inflater_open(ours);
                assert_true(deflater && inflater);
                for (unsigned i = 0; i < 20; i++) {
                    size_t count = any_number() % 3000;
                    fill(in, count, 2);
                    size_t made = wye_deflate(deflater, compressed, ROOM, in, count, reset);
                    /* A window that is kept does no harm to a message that doesn't use it. */
                    ptrdiff_t all =
                        inflate_in_steps(inflater, out, ROOM, compressed, made, made, ROOM, reset && i % 2);
                    assert_int_equal(all, count);
                    assert_memory_equal(out, in, count);
                }
                wye_inflater_shut(inflater);
                wye_deflater_shut(deflater);
            }
}

static void test_messages_are_inflated_in_any_pieces_into_any_room(void **state) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    static const size_t counts[] = {0, 1, 5, 300, 2000};
    struct wye_deflater *deflater = wye_deflater_open(15, 6, 8);
    struct wye_inflater *inflater = wye_inflater_open(15);
    (void)state;
    assert_true(deflater && inflater);
    for (unsigned i = 0; i < 5; i++)
        for (unsigned kind = 0; kind < KINDS; kind++) {
            fill(in, counts[i], kind);
            size_t made = wye_deflate(deflater, compressed, ROOM, in, counts[i], true);
            for (size_t cut = 0; cut <= made; cut++) { /* the first piece ends everywhere */
                size_t used, more;
                wye_inflate_begin(inflater, true);
                ptrdiff_t first = wye_inflate(inflater, out, ROOM, compressed, cut, &used, false);
                assert_true(first >= 0 && used == cut);
                ptrdiff_t second =
                    wye_inflate(inflater, out + first, ROOM, compressed + cut, made - cut, &more, true);
                assert_true(second >= 0 && more == made - cut);
                assert_int_equal(first + second, counts[i]);
                assert_memory_equal(out, in, counts[i]);
            }
            for (size_t step = 1; step < 70; step += 1 + step / 3)
                for (size_t room = 1; room < 3000; room += 1 + room / 2) {
                    ptrdiff_t all = inflate_in_steps(inflater, out, ROOM, compressed, made, step, room, true);
                    assert_int_equal(all, counts[i]);
                    assert_memory_equal(out, in, counts[i]);
                }
        }
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

static void test_a_bomb_gets_no_more_than_the_room_it_is_given(void **state) {
    enum { BOMB = 16 << 20, LIMIT = 100000 };
    uint8_t *zeros = calloc(1, BOMB), out[1000 + 8];
    struct wye_deflater *deflater = wye_deflater_open(15, 9, 9);
    struct wye_inflater *inflater = wye_inflater_open(15);
    (void)state;
    assert_true(zeros && deflater && inflater);
    size_t room = wye_deflate_bound(deflater, BOMB), all = 0, taken = 0, used;
    uint8_t *compressed = malloc(room);
    assert_non_null(compressed);
    size_t made = wye_deflate(deflater, compressed, room, zeros, BOMB, true);
    assert_true(made > 0 && made < BOMB / 900);
    wye_inflate_begin(inflater, true);
    memset(out, 0xee, sizeof out);
    while (all <= LIMIT) { /* the caller's limit is the caller's to keep: he stops asking */
        ptrdiff_t written = wye_inflate(inflater, out, 1000, compressed + taken, made - taken, &used, true);
        assert_int_equal(written, 1000);
        for (unsigned i = 1000; i < sizeof out; i++) assert_int_equal(out[i], 0xee);
        taken += used;
        all += (size_t)written;
    }
    assert_true(taken < made / 10);
    /* Abandoned half-way, it serves the next message. */
    made = wye_deflate(deflater, compressed, room, (const uint8_t *)"Hello", 5, true);
    wye_inflate_begin(inflater, true);
    assert_int_equal(wye_inflate(inflater, out, 1000, compressed, made, &used, true), 5);
    assert_memory_equal(out, "Hello", 5);
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
    free(compressed);
    free(zeros);
}

static void test_references_beyond_the_agreed_window_are_1007(void **state) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    struct wye_deflater *deflater = wye_deflater_open(15, 9, 9);
    (void)state;
    assert_non_null(deflater);
    fill(in, 5000, 1); /* noise, and the same noise again: 5000 bytes back */
    memcpy(in + 5000, in, 5000);
    size_t made = wye_deflate(deflater, compressed, ROOM, in, 10000, true);
    for (unsigned bits = 9; bits <= 15; bits++) {
        struct wye_inflater *inflater = wye_inflater_open(bits);
        assert_non_null(inflater);
        /* In steps: what was handed over is gone, so that the window alone is left to refer to. */
        ptrdiff_t all = inflate_in_steps(inflater, out, ROOM, compressed, made, 100, 100, true);
        assert_int_equal(all, bits < 13 ? BROKEN : 10000);
        wye_inflater_shut(inflater);
    }
    wye_deflater_shut(deflater);
}

static void test_truncated_and_mangled_messages_are_bounded_and_never_pass_for_whole(void **state) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    struct wye_deflater *deflater = wye_deflater_open(15, 6, 8);
    struct wye_inflater *inflater = wye_inflater_open(15);
    (void)state;
    assert_true(deflater && inflater);
    fill(in, 3000, 2);
    size_t made = wye_deflate(deflater, compressed, ROOM, in, 3000, true), used;
    for (size_t count = 1; count + 2 < made; count++) {
        wye_inflate_begin(inflater, true);
        ptrdiff_t all = wye_inflate(inflater, out, 4000, compressed, count, &used, true);
        assert_true(all < 3000);
    }
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t mangled[ROOM / 32];
        memcpy(mangled, compressed, made);
        mangled[any_number() % made] ^= (uint8_t)(1u << any_number() % 8);
        wye_inflate_begin(inflater, true);
        ptrdiff_t all = wye_inflate(inflater, out, 4000, mangled, made, &used, true);
        assert_true(all == BROKEN || (all >= 0 && all <= 4000 && used <= made));
    }
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

static void test_a_message_without_room_fails_and_the_next_starts_afresh(void **state) {
    static uint8_t in[ROOM], out[ROOM], compressed[ROOM];
    struct wye_deflater *deflater = wye_deflater_open(15, 6, 8);
    struct wye_inflater *inflater = wye_inflater_open(15);
    (void)state;
    assert_true(deflater && inflater);
    for (size_t room = 0; room < 1000; room++) {
        fill(in, 1000, 1);
        assert_int_equal(wye_deflate(deflater, compressed, room, in, 1000, false), 0);
        size_t made = wye_deflate(deflater, compressed, ROOM, in, 1000, false);
        assert_true(made > 0);
        assert_int_equal(inflate_in_steps(inflater, out, ROOM, compressed, made, made, ROOM, true), 1000);
        assert_memory_equal(out, in, 1000);
    }
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

static void test_what_cannot_be_opened_is_null(void **state) {
    (void)state;
    assert_null(wye_deflater_open(8, 6, 8));
    assert_null(wye_deflater_open(16, 6, 8));
    assert_null(wye_deflater_open(15, 6, 10));
    assert_null(wye_deflater_open(15, 6, 0));
    assert_null(wye_inflater_open(7));
    assert_null(wye_inflater_open(16));
    wye_deflater_shut(NULL);
    wye_inflater_shut(NULL);
    struct wye_inflater *inflater = wye_inflater_open(8);
    assert_non_null(inflater);
    wye_inflater_shut(inflater);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_short_or_compressed_already_is_not_worth_it),
        cmocka_unit_test(test_what_others_compress_is_inflated_however_it_is_cut),
        cmocka_unit_test(test_what_is_no_deflate_stream_is_1007_however_it_is_cut),
        cmocka_unit_test(test_round_trips_with_every_window_and_memory_level_with_and_without_context),
        cmocka_unit_test(test_round_trips_at_every_level),
        cmocka_unit_test(test_each_side_keeps_its_context_or_not_by_itself),
        cmocka_unit_test(test_messages_are_inflated_in_any_pieces_into_any_room),
        cmocka_unit_test(test_a_bomb_gets_no_more_than_the_room_it_is_given),
        cmocka_unit_test(test_references_beyond_the_agreed_window_are_1007),
        cmocka_unit_test(test_truncated_and_mangled_messages_are_bounded_and_never_pass_for_whole),
        cmocka_unit_test(test_a_message_without_room_fails_and_the_next_starts_afresh),
        cmocka_unit_test(test_what_cannot_be_opened_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
