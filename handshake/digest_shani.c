#include "handshake/digest.h"

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define SHANI __attribute__((target("sha,ssse3,sse4.1")))

bool wye_digest_shani_runs_here(void) {
    unsigned a, b, c, d;
    return __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

/* 60 bytes and their padding are two blocks, and the second is the same for every key: its message schedule
 * (FIPS 180-4 6.1.2), four words a row, the first of them last. */
static const uint32_t second[20][4] __attribute__((aligned(16))) = {
    {0x00000000, 0x00000000, 0x00000000, 0x00000000}, {0x00000000, 0x00000000, 0x00000000, 0x00000000},
    {0x00000000, 0x00000000, 0x00000000, 0x00000000}, {0x000001e0, 0x00000000, 0x00000000, 0x00000000},
    {0x00000000, 0x000003c0, 0x00000000, 0x00000000}, {0x000003c0, 0x00000000, 0x00000780, 0x00000000},
    {0x00001e00, 0x00000000, 0x00000000, 0x00000f00}, {0x00000440, 0x00003c00, 0x00000cc0, 0x00000000},
    {0x00003300, 0x00000f00, 0x00007800, 0x00000000}, {0x0001ef00, 0x00000000, 0x00000f00, 0x0000f000},
    {0x00004380, 0x0003c000, 0x0000cc00, 0x00000000}, {0x00032680, 0x0000ff00, 0x00078f00, 0x00000000},
    {0x001eff00, 0x00003300, 0x0000f000, 0x000f0000}, {0x00040b00, 0x003c0000, 0x000cb800, 0x00000000},
    {0x00338700, 0x000ff000, 0x0078ff00, 0x0000f000}, {0x01efbb00, 0x0000f000, 0x000fc300, 0x00f00000},
    {0x00438000, 0x03c0f000, 0x00cc0000, 0x00000000}, {0x03269e00, 0x00ff0000, 0x078f0000, 0x00000000},
    {0x1eff8800, 0x00333c00, 0x00f0f000, 0x0f000000}, {0x040a4a00, 0x3c00f000, 0x0cb88800, 0x00000000},
};

struct state {
    __m128i abcd, e; /* A in the top lane; E in the top lane of e */
};

/* The eighty rounds, four at a time, over a schedule of twenty rows. */
SHANI static inline struct state rounds(struct state from, const __m128i *schedule) {
    __m128i abcd = from.abcd, before = from.abcd;
    __m128i next = _mm_add_epi32(from.e, schedule[0]);
#define FIVE(function, first)                                                                                \
    for (unsigned i = first; i < first + 5; i++) {                                                           \
        before = abcd;                                                                                       \
        abcd = _mm_sha1rnds4_epu32(abcd, next, function);                                                    \
        next = _mm_sha1nexte_epu32(before, i == 19 ? from.e : schedule[i + 1]);                              \
    }
    FIVE(0, 0)
    FIVE(1, 5)
    FIVE(2, 10)
    FIVE(3, 15)
#undef FIVE
    return (struct state){_mm_add_epi32(abcd, from.abcd), next};
}

SHANI void wye_digest_shani(uint8_t digest[WYE_DIGEST_BYTES], const char key[24]) {
    static const char behind[41] =
        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11\x80"; /* zeros, up to the block's end */
    const __m128i backwards = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    const struct state begin = {_mm_set_epi32(0x67452301, (int)0xefcdab89, (int)0x98badcfe, 0x10325476),
                                _mm_set_epi32((int)0xc3d2e1f0, 0, 0, 0)};
    __m128i schedule[20];
    schedule[0] = _mm_loadu_si128((const __m128i_u *)key);
    schedule[1] = _mm_unpacklo_epi64(_mm_loadu_si64(key + 16), _mm_loadu_si64(behind));
    schedule[2] = _mm_loadu_si128((const __m128i_u *)(behind + 8));
    schedule[3] = _mm_loadu_si128((const __m128i_u *)(behind + 24));
    for (unsigned i = 0; i < 4; i++) schedule[i] = _mm_shuffle_epi8(schedule[i], backwards);
    for (unsigned i = 4; i < 20; i++) {
        __m128i mixed = _mm_xor_si128(_mm_sha1msg1_epu32(schedule[i - 4], schedule[i - 3]), schedule[i - 2]);
        schedule[i] = _mm_sha1msg2_epu32(mixed, schedule[i - 1]);
    }
    struct state state = rounds(rounds(begin, schedule), (const __m128i *)second);
    _mm_storeu_si128((__m128i_u *)digest, _mm_shuffle_epi8(state.abcd, backwards));
    uint32_t e = __builtin_bswap32((uint32_t)_mm_extract_epi32(state.e, 3));
    memcpy(digest + 16, &e, sizeof e);
}

#endif
