#include "core/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REPORT_START = 8000 };

/* Room for `more` bytes and a NUL behind what is there. */
static bool report_reserve(struct wye_report *report, size_t more) {
    size_t need = report->count + more + 1;
    if (report->failed) return false;
    if (report->chunk && report->chunk->capacity >= need) return true;
    size_t capacity = report->chunk ? report->chunk->capacity * 2 : REPORT_START;
    if (capacity < need) capacity = need;
    struct wye_chunk *grown = wye_chunk_open(report->pool, capacity);
    if (grown && report->chunk) memcpy(grown->bytes, report->chunk->bytes, report->count);
    if (report->chunk) wye_chunk_release(report->pool, report->chunk);
    report->chunk = grown;
    report->failed = !grown;
    return grown;
}

void wye_report_add(struct wye_report *report, const char *format, ...) {
    for (size_t room = 128;;) {
        if (!report_reserve(report, room)) return;
        va_list arguments;
        va_start(arguments, format);
        int n = vsnprintf((char *)report->chunk->bytes + report->count, room + 1, format, arguments);
        va_end(arguments);
        if (n < 0) return;
        if ((size_t)n <= room) {
            report->count += (size_t)n;
            return;
        }
        room = (size_t)n;
    }
}

/* Bytes of the well-formed UTF-8 sequence (RFC 3629 4) that stands here; 0: none does. */
static size_t utf8_sequence(const unsigned char *bytes, size_t count) {
    unsigned char first = bytes[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    if (length > count) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    }
    /* Too long for what it says, a surrogate, or beyond U+10FFFF: the second byte tells. */
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f)) return 0;
    if ((first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f)) return 0;
    return length;
}

void wye_report_add_json(struct wye_report *report, const char *string, size_t count) {
    const unsigned char *bytes = (const unsigned char *)string;
    wye_report_add(report, "\"");
    for (size_t i = 0, length; i < count; i += length ? length : 1) {
        unsigned char c = bytes[i];
        length = utf8_sequence(bytes + i, count - i);
        if (length == 0) wye_report_add(report, "\\ufffd");
        else if (c == '"' || c == '\\') wye_report_add(report, "\\%c", c);
        else if (c < 0x20 || c == 0x7f) wye_report_add(report, "\\u%04x", c);
        else wye_report_add(report, "%.*s", (int)length, (const char *)bytes + i);
    }
    wye_report_add(report, "\"");
}

void wye_report_add_encoded(struct wye_report *report, const char *string, size_t count) {
    for (size_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)string[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~/", c));
        wye_report_add(report, plain ? "%c" : "%%%02X", c);
    }
}

struct wye_slice wye_report_slice(struct wye_report *report) {
    if (!report->chunk) return (struct wye_slice){NULL, NULL, 1};
    report->chunk->used = (uint32_t)report->count;
    return (struct wye_slice){report->chunk->bytes, report->chunk, report->count};
}
