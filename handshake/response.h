/* Response heads (RFC 9112 4 to 6). */
#ifndef WYE_HANDSHAKE_RESPONSE_H
#define WYE_HANDSHAKE_RESPONSE_H

#include "handshake/span.h"

#include <stdint.h>

enum { WYE_DATE_BYTES = 29, WYE_RESPONSE_HEAD_MAX = 2048 };

struct wye_response {
    int status;               /* 200 to 599 */
    const char *content_type; /* NULL: no content, and no such field */
    uint64_t content_bytes;
    const char *fields; /* extra ones, each ended by CRLF; NULL: none */
    const char *date;   /* WYE_DATE_BYTES of IMF-fixdate (RFC 9110 5.6.7); NULL: no Date */
    bool close;         /* Connection: close (unless fields already names Connection) */
    bool keeps; /* unless it closes, Connection: keep-alive, which HTTP/1.0 clients wait for (RFC 9112 C.2.2)
                 */
};

/* "Not Found"; "" for a status that nobody here uses. */
const char *wye_status_phrase(int status);

/* Writes the head with its empty line; returns its length, 0 when it doesn't fit into room. */
size_t wye_response_write(char *to, size_t room, const struct wye_response *response);

/* IMF-fixdate of a time in seconds since 1970, years up to 9999. Not ended by NUL. */
void wye_date_write(char to[WYE_DATE_BYTES], uint64_t unix_s);

#endif
