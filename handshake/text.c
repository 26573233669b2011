#include "handshake/text.h"

#include <stdarg.h>
#include <stdio.h>

void wye_text_add_json(struct wye_text *text, struct wye_span span) {
    wye_text_add(text, WYE_SPAN("\""));
    for (size_t i = 0; i < span.count; i++) {
        unsigned char byte = (unsigned char)span.bytes[i];
        if (byte == '"' || byte == '\\') {
            wye_text_add(text, WYE_SPAN("\\"));
            wye_text_add(text, (struct wye_span){span.bytes + i, 1});
        } else if (byte < 0x20 || byte > 0x7e) {
            const char *hex = "0123456789abcdef";
            char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
            wye_text_add(text, (struct wye_span){escape, sizeof escape});
        } else {
            wye_text_add(text, (struct wye_span){span.bytes + i, 1});
        }
    }
    wye_text_add(text, WYE_SPAN("\""));
}

void wye_text_addf(struct wye_text *text, const char *format, ...) {
    char piece[1024];
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (count < 0) return;
    if ((size_t)count >= sizeof piece) text->cut = true;
    wye_text_add(text, wye_span_of(piece));
}

void wye_text_add_bare(struct wye_text *text, struct wye_span span, size_t most) {
    char escaped[1024]; /* 255 bytes of four characters each, and a NUL */
    size_t count = wye_span_escape(escaped, sizeof escaped, span, most);
    wye_text_add(text, (struct wye_span){escaped, count});
}

void wye_text_add_seen(struct wye_text *text, struct wye_span span, size_t most) {
    wye_text_add(text, WYE_SPAN("'"));
    wye_text_add_bare(text, span, most);
    wye_text_add(text, WYE_SPAN("'"));
}
