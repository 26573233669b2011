/* How frames make messages (RFC 6455 5.4, 5.5): what may follow what, and how much. Pure. */
#ifndef WYE_FRAMES_MESSAGE_H
#define WYE_FRAMES_MESSAGE_H

#include "frames/frame.h"

enum wye_role { WYE_ROLE_SERVER, WYE_ROLE_CLIENT };

/* The message under way on one direction of a connection. All zero: none. */
struct wye_message {
    uint64_t bytes; /* payload bytes announced so far */
    uint8_t opcode; /* WYE_OPCODE_TEXT or _BINARY; 0: none under way */
};

/*
 * Takes the next frame header, read by `role`, into account.
 * 0: it may come here, and a data frame's length is added to the message. -1002: it may not (reserved
 * bit nobody agreed to, masked or unmasked against the role, continuation of nothing, a new message
 * inside an old one); -1009: the message would be longer than limit_bytes. *fault (static memory; may be
 * NULL) says which rule. Control frames leave the message alone.
 */
int wye_message_frame(struct wye_message *message, const struct wye_frame *frame, enum wye_role role,
                      uint64_t limit_bytes, const char **fault);

/* The message's last frame has been consumed: none is under way any more. */
static inline void wye_message_end(struct wye_message *message) { *message = (struct wye_message){0}; }

#endif
