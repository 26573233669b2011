/* Topics by their paths. */
#ifndef WYE_CORE_PUBSUB_H
#define WYE_CORE_PUBSUB_H

#include "handshake/request.h"

/*
 * The topic's name or pattern in the path of a request to /topic/NAME or /chat, decoded into `to`. NULL: it is fine; or what
 * is wrong (static).
 */
const char *wye_pubsub_name(const struct wye_request *request, char to[WYE_TARGET_MAX], struct wye_span *name);

#endif
