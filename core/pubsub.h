/* Topics by their paths. */
#ifndef WYE_CORE_PUBSUB_H
#define WYE_CORE_PUBSUB_H

#include "core/permit.h"

/*
 * The topic's name or pattern in the path of a request to /topic/NAME or /chat, decoded into `to`. NULL: it is fine; or what
 * is wrong (static).
 */
const char *wye_pubsub_name(const struct wye_request *request, char to[WYE_TARGET_MAX], struct wye_span *name);

/*
 * Does a token let the request subscribe to all that its target names (which is known to be fine)? 0, and whether it may
 * publish to the path's topic; or -status with the rule noted.
 */
int wye_pubsub_check(const struct wye_request *request, const struct wye_token *token, bool *may_publish, struct wye_refusal *refusal);

#endif
