/* Texts that are UTF-8 and texts that aren't, and a slow and obvious validator to judge others by. */
#ifndef WYE_TESTS_UTF8_SAMPLES_H
#define WYE_TESTS_UTF8_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct utf8_sample {
    const char *name, *bytes;
    size_t count;
    bool valid;
};

#define GOOD(name, text)                                                                                     \
    { name, text, sizeof(text) - 1, true }
#define BAD(name, text)                                                                                      \
    { name, text, sizeof(text) - 1, false }

/* clang-format off */
static const struct utf8_sample utf8_samples[] = {
    GOOD("nothing", ""),
    GOOD("one letter", "a"),
    GOOD("NUL", "\x00"),
    GOOD("DEL", "\x7f"),
    GOOD("ASCII", "Hello, World!"),
    GOOD("German", "\xc3\x9c" "bergr\xc3\xb6\xc3\x9f" "entr\xc3\xa4ger"),
    GOOD("Greek", "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5"),
    GOOD("Russian", "\xd0\xa1\xd1\x8a\xd0\xb5\xd1\x88\xd1\x8c \xd0\xb6\xd0\xb5 \xd0\xb5\xd1\x89\xd1\x91"),
    GOOD("Hebrew", "\xd7\x93\xd7\x92 \xd7\xa1\xd7\xa7\xd7\xa8\xd7\x9f"),
    GOOD("Arabic", "\xd9\x86\xd8\xb5 \xd8\xad\xd9\x83\xd9\x8a\xd9\x85"),
    GOOD("Hindi", "\xe0\xa4\x8b\xe0\xa4\xb7\xe0\xa4\xbf\xe0\xa4\xaf\xe0\xa5\x8b\xe0\xa4\x82 \xe0\xa4\x95\xe0\xa5\x8b"),
    GOOD("Thai", "\xe0\xb9\x80\xe0\xb8\x9b\xe0\xb9\x87\xe0\xb8\x99\xe0\xb8\xa1\xe0\xb8\x99\xe0\xb8\xb8\xe0\xb8\xa9\xe0\xb8\xa2\xe0\xb9\x8c"),
    GOOD("Georgian", "\xe1\x83\x92\xe1\x83\x97\xe1\x83\xae\xe1\x83\x9d\xe1\x83\x95\xe1\x83\x97"),
    GOOD("Japanese", "\xe3\x81\x84\xe3\x82\x8d\xe3\x81\xaf\xe3\x81\xab\xe3\x81\xbb\xe3\x81\xb8\xe3\x81\xa8"),
    GOOD("Chinese", "\xe8\xa6\x96\xe9\x87\x8e\xe7\x84\xa1\xe9\x99\x90\xe5\xbb\xa3"),
    GOOD("Korean", "\xed\x82\xa4\xec\x8a\xa4\xec\x9d\x98 \xea\xb3\xa0\xec\x9c\xa0"),
    GOOD("Runes", "\xe1\x9a\xa0\xe1\x9b\x87\xe1\x9a\xbb\xe1\x9b\xab\xe1\x9b\x92\xe1\x9b\xa6\xe1\x9a\xa6"),
    GOOD("Gothic", "\xf0\x90\x8c\xbc\xf0\x90\x8c\xb0\xf0\x90\x8c\xb2"),
    GOOD("emoji", "\xf0\x9f\x98\x80\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd"),
    GOOD("family of four, joined", "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\xe2\x80\x8d\xf0\x9f\x91\xa6"),
    GOOD("a flag", "\xf0\x9f\x87\xaa\xf0\x9f\x87\xba"),
    GOOD("combining marks", "e\xcc\x81" "a\xcc\x88\xcc\xa3"),
    GOOD("byte order mark", "\xef\xbb\xbf" "a"),
    GOOD("all four lengths", "$\xc2\xa3\xe2\x82\xac\xf0\x90\x8d\x88"),
    GOOD("U+0080", "\xc2\x80"),
    GOOD("U+07FF", "\xdf\xbf"),
    GOOD("U+0800", "\xe0\xa0\x80"),
    GOOD("U+0FFF", "\xe0\xbf\xbf"),
    GOOD("U+1000", "\xe1\x80\x80"),
    GOOD("U+CFFF", "\xec\xbf\xbf"),
    GOOD("U+D000", "\xed\x80\x80"),
    GOOD("U+D7FF", "\xed\x9f\xbf"),
    GOOD("U+E000", "\xee\x80\x80"),
    GOOD("U+FDD0", "\xef\xb7\x90"),
    GOOD("U+FDEF", "\xef\xb7\xaf"),
    GOOD("U+FFFD", "\xef\xbf\xbd"),
    GOOD("U+FFFE", "\xef\xbf\xbe"),
    GOOD("U+FFFF", "\xef\xbf\xbf"),
    GOOD("U+10000", "\xf0\x90\x80\x80"),
    GOOD("U+1FFFE", "\xf0\x9f\xbf\xbe"),
    GOOD("U+1FFFF", "\xf0\x9f\xbf\xbf"),
    GOOD("U+3FFFF", "\xf0\xbf\xbf\xbf"),
    GOOD("U+40000", "\xf1\x80\x80\x80"),
    GOOD("U+FFFFF", "\xf3\xbf\xbf\xbf"),
    GOOD("U+100000", "\xf4\x80\x80\x80"),
    GOOD("U+10FFFE", "\xf4\x8f\xbf\xbe"),
    GOOD("U+10FFFF", "\xf4\x8f\xbf\xbf"),
    GOOD("U+07FF thrice", "\xdf\xbf\xdf\xbf\xdf\xbf"),
    GOOD("U+FFFF thrice", "\xef\xbf\xbf\xef\xbf\xbf\xef\xbf\xbf"),
    GOOD("U+10FFFF thrice", "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"),
    BAD("U+0080 cut after 1", "\xc2"),
    BAD("U+0080 cut after 1, then a letter", "\xc2z"),
    BAD("U+07FF cut after 1", "\xdf"),
    BAD("U+07FF cut after 1, then a letter", "\xdfz"),
    BAD("U+0800 cut after 1", "\xe0"),
    BAD("U+0800 cut after 2", "\xe0\xa0"),
    BAD("U+0800 cut after 2, then a letter", "\xe0\xa0z"),
    BAD("U+D7FF cut after 1", "\xed"),
    BAD("U+D7FF cut after 2", "\xed\x9f"),
    BAD("U+D7FF cut after 2, then a letter", "\xed\x9fz"),
    BAD("U+E000 cut after 1", "\xee"),
    BAD("U+E000 cut after 2", "\xee\x80"),
    BAD("U+E000 cut after 2, then a letter", "\xee\x80z"),
    BAD("U+FFFF cut after 1", "\xef"),
    BAD("U+FFFF cut after 2", "\xef\xbf"),
    BAD("U+FFFF cut after 2, then a letter", "\xef\xbfz"),
    BAD("U+10000 cut after 1", "\xf0"),
    BAD("U+10000 cut after 2", "\xf0\x90"),
    BAD("U+10000 cut after 3", "\xf0\x90\x80"),
    BAD("U+10000 cut after 3, then a letter", "\xf0\x90\x80z"),
    BAD("U+40000 cut after 1", "\xf1"),
    BAD("U+40000 cut after 2", "\xf1\x80"),
    BAD("U+40000 cut after 3", "\xf1\x80\x80"),
    BAD("U+40000 cut after 3, then a letter", "\xf1\x80\x80z"),
    BAD("U+10FFFF cut after 1", "\xf4"),
    BAD("U+10FFFF cut after 2", "\xf4\x8f"),
    BAD("U+10FFFF cut after 3", "\xf4\x8f\xbf"),
    BAD("U+10FFFF cut after 3, then a letter", "\xf4\x8f\xbfz"),
    BAD("U+0080 cut, then U+0080", "\xc2\xc2\x80"),
    BAD("U+0800 cut, then U+0800", "\xe0\xa0\xe0\xa0\x80"),
    BAD("U+10000 cut, then U+10000", "\xf0\x90\x80\xf0\x90\x80\x80"),
    BAD("stray 80", "\x80"),
    BAD("stray 8F", "\x8f"),
    BAD("stray 90", "\x90"),
    BAD("stray BF", "\xbf"),
    BAD("stray behind a letter", "a\x80"),
    BAD("stray behind two bytes", "\xc3\xa9\x80"),
    BAD("stray behind three bytes", "\xe2\x82\xac\x80"),
    BAD("stray behind four bytes", "\xf0\x9f\x98\x80\xbf"),
    BAD("all strays", "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf"),
    BAD("impossible C0", "\xc0"),
    BAD("impossible C1", "\xc1"),
    BAD("impossible F5", "\xf5"),
    BAD("impossible F6", "\xf6"),
    BAD("impossible F7", "\xf7"),
    BAD("impossible F8", "\xf8"),
    BAD("impossible FB", "\xfb"),
    BAD("impossible FC", "\xfc"),
    BAD("impossible FD", "\xfd"),
    BAD("impossible FE", "\xfe"),
    BAD("impossible FF", "\xff"),
    BAD("FE FF", "\xfe\xff"),
    BAD("FF FE", "\xff\xfe" "a\x00"),
    BAD("five bytes", "\xf8\x88\x80\x80\x80"),
    BAD("six bytes", "\xfc\x84\x80\x80\x80\x80"),
    BAD("five bytes, largest", "\xfb\xbf\xbf\xbf\xbf"),
    BAD("six bytes, largest", "\xfd\xbf\xbf\xbf\xbf\xbf"),
    BAD("overlong slash in two", "\xc0\xaf"),
    BAD("overlong slash in three", "\xe0\x80\xaf"),
    BAD("overlong slash in four", "\xf0\x80\x80\xaf"),
    BAD("overlong NUL in two", "\xc0\x80"),
    BAD("overlong NUL in three", "\xe0\x80\x80"),
    BAD("overlong NUL in four", "\xf0\x80\x80\x80"),
    BAD("overlong DEL in two", "\xc1\xbf"),
    BAD("overlong DEL in three", "\xe0\x81\xbf"),
    BAD("overlong DEL in four", "\xf0\x80\x81\xbf"),
    BAD("overlong U+07FF in three", "\xe0\x9f\xbf"),
    BAD("overlong U+FFFF in four", "\xf0\x8f\xbf\xbf"),
    BAD("overlong C1 BF", "\xc1\xbf"),
    BAD("overlong slash in five", "\xf8\x80\x80\x80\xaf"),
    BAD("overlong slash in six", "\xfc\x80\x80\x80\x80\xaf"),
    BAD("surrogate U+D800", "\xed\xa0\x80"),
    BAD("surrogate U+DB7F", "\xed\xad\xbf"),
    BAD("surrogate U+DB80", "\xed\xae\x80"),
    BAD("surrogate U+DBFF", "\xed\xaf\xbf"),
    BAD("surrogate U+DC00", "\xed\xb0\x80"),
    BAD("surrogate U+DF80", "\xed\xbe\x80"),
    BAD("surrogate U+DFFF", "\xed\xbf\xbf"),
    BAD("a pair of surrogates", "\xed\xa0\x80\xed\xb0\x80"),
    BAD("last pair of surrogates", "\xed\xaf\xbf\xed\xbf\xbf"),
    BAD("start of a surrogate", "\xed\xa0"),
    BAD("U+110000", "\xf4\x90\x80\x80"),
    BAD("start of U+110000", "\xf4\x90"),
    BAD("U+140000", "\xf5\x80\x80\x80"),
    BAD("U+1FFFFF", "\xf7\xbf\xbf\xbf"),
    BAD("a word, then a surrogate, then a word", "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80" "edited"),
    BAD("a word, then too large, then a word", "\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80" "edited"),
    BAD("ISO 8859-1", "Gr\xfc\xdf" "e"),
    BAD("UTF-16", "\x00G\x00r\x00\xfc"),
    BAD("Windows-1252 quotes", "\x93so\x94"),
    BAD("three bytes, the second ASCII", "\xe2" "a\xac"),
    BAD("three bytes, the third a lead", "\xe2\x82\xe2"),
    BAD("four bytes, the third ASCII", "\xf0\x9f" "a\x80"),
    BAD("four bytes, the fourth a lead", "\xf0\x9f\x98\xc3\xa4"),
    BAD("lead behind lead", "\xc3\xc3\xa4"),
    BAD("two bytes, wrong way round", "\xa4\xc3"),
};
/* clang-format on */
enum { UTF8_SAMPLES = sizeof utf8_samples / sizeof *utf8_samples };

/* RFC 3629 3 as it stands: the length of the character at the start, or 0 if there is no whole one. */
static inline size_t slow_character(const uint8_t *bytes, size_t count) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (count == 0) return 0;
    uint8_t first = bytes[0];
    if (first < 0x80) return 1;
    size_t size = (first & 0xe0) == 0xc0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : (first & 0xf8) == 0xf0 ? 4 : 0;
    if (size == 0 || size > count) return 0;
    uint32_t code = first & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    return size;
}

/* The longest prefix that is nothing but whole characters. */
static inline size_t slow_prefix(const uint8_t *bytes, size_t count) {
    size_t at = 0, size;
    while ((size = slow_character(bytes + at, count - at)) > 0) at += size;
    return at;
}

/* Could something follow that makes a text of it? What decides lies at the ends of these ranges. */
static inline bool slow_may_go_on(const uint8_t *bytes, size_t count) {
    static const uint8_t next[] = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};
    size_t at = slow_prefix(bytes, count), rest = count - at;
    uint8_t character[4] = {0};
    if (rest == 0) return true;
    if (rest > 3) return false;
    memcpy(character, bytes + at, rest);
    for (unsigned i = 0; i < 6 * 6 * 6; i++) {
        unsigned choice = i;
        for (size_t place = rest; place < 4; place++, choice /= 6) character[place] = next[choice % 6];
        if (slow_character(character, 4) > rest) return true;
    }
    return false;
}

#endif
