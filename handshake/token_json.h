/* JSON (RFC 8259) as tokens and keys have it: one object, each name once, not deep. For the folder's own use. */
#ifndef WYE_HANDSHAKE_TOKEN_JSON_H
#define WYE_HANDSHAKE_TOKEN_JSON_H

#include "handshake/span.h"

#include <jansson.h>

enum { WYE_JSON_DEPTH_MAX = 8 };

/*
 * Reads an object; to be given back by json_decref(). NULL: it isn't one, or has a name twice, a NUL, bytes that aren't
 * UTF-8, a number that doesn't fit, more than WYE_JSON_DEPTH_MAX levels, or something behind it; or there is no memory.
 */
json_t *wye_json_read(const void *bytes, size_t count);

/* A member that is a string; bytes NULL: it is absent or none. */
struct wye_span wye_json_string(const json_t *object, const char *member);

#endif
