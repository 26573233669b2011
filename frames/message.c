#include "frames/message.h"
#include "frames/close_code.h"

static int refused(const char **fault, int code, const char *sentence) {
    if (fault) *fault = sentence;
    return -code;
}

int wye_message_frame(struct wye_message *message, const struct wye_frame *frame, enum wye_role role,
                      uint64_t limit_bytes, const char **fault) {
    const int protocol_error = WYE_CLOSE_PROTOCOL_ERROR;
    bool continues = frame->opcode == WYE_OPCODE_CONTINUATION, under_way = message->opcode != 0;

    if (frame->reserved)
        return refused(fault, protocol_error,
                       "A reserved bit is set that no agreed extension uses (RFC 6455 section 5.2).");
    if (role == WYE_ROLE_SERVER && !frame->masked)
        return refused(fault, protocol_error, "A client must mask its frames (RFC 6455 section 5.1).");
    if (role == WYE_ROLE_CLIENT && frame->masked)
        return refused(fault, protocol_error, "A server must not mask its frames (RFC 6455 section 5.1).");
    if (wye_opcode_is_control(frame->opcode)) return 0;
    if (continues && !under_way)
        return refused(fault, protocol_error,
                       "A continuation frame came with no message to continue (RFC 6455 section 5.4).");
    if (!continues && under_way)
        return refused(fault, protocol_error,
                       "A new message began before the last one had ended (RFC 6455 section 5.4).");
    if (message->bytes > limit_bytes || frame->payload_bytes > limit_bytes - message->bytes)
        return refused(fault, WYE_CLOSE_TOO_BIG, "The message is longer than this endpoint accepts.");

    if (!continues) message->opcode = frame->opcode;
    message->bytes += frame->payload_bytes;
    return 0;
}
