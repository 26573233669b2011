#include "frames/frame.h"
#include "frames/close_code.h"

#include <string.h>

enum {
    FIN = 0x80,
    MASKED = 0x80,
    LENGTH = 0x7f,
    LENGTH_16 = 126, /* the length follows in 2 bytes */
    LENGTH_64 = 127, /* ... in 8 */
};

static ptrdiff_t broken(const char **fault, const char *sentence) {
    if (fault) *fault = sentence;
    return -WYE_CLOSE_PROTOCOL_ERROR;
}

/* What is wrong with the first byte, or NULL. */
static const char *first_byte_fault(uint8_t first) {
    uint8_t opcode = first & 15;
    if (opcode > (wye_opcode_is_control(opcode) ? WYE_OPCODE_PONG : WYE_OPCODE_BINARY))
        return "The frame's opcode is not one that RFC 6455 section 5.2 defines.";
    if (wye_opcode_is_control(opcode) && !(first & FIN))
        return "A control frame must not be fragmented (RFC 6455 section 5.5).";
    return NULL;
}

/*
 * The extended length, most significant byte first, as far as it has come: the faults show before the
 * last byte does, so `count` may be less than `size`, and *length means something only when it isn't.
 */
static const char *read_length(uint64_t *length, const uint8_t *bytes, size_t count, size_t size) {
    static const char not_minimal[] =
        "The frame's length is not encoded in as few bytes as possible (RFC 6455 section 5.2).";
    uint64_t value = 0;

    if (count > size) count = size;
    if (size == 8 && count > 0 && (bytes[0] & 0x80))
        return "The top bit of the frame's 64-bit length must be 0 (RFC 6455 section 5.2).";
    for (size_t i = 0; i < count; i++) value = value << 8 | bytes[i];
    /* Too small for 64 bits: six zeros. Too small for 16: that takes both bytes. */
    if (size == 8 ? count >= 6 && value >> 8 * (count - 6) == 0 : count == 2 && value < LENGTH_16)
        return not_minimal;
    *length = value;
    return NULL;
}

ptrdiff_t wye_frame_read(struct wye_frame *frame, const uint8_t *bytes, size_t count, const char **fault) {
    const char *trouble;

    if (count == 0) return 0;
    if ((trouble = first_byte_fault(bytes[0]))) return broken(fault, trouble);
    if (count < 2) return 0;

    uint64_t length = bytes[1] & LENGTH;
    size_t used = 2;
    if (wye_opcode_is_control(bytes[0] & 15) && length > WYE_FRAME_CONTROL_MAX)
        return broken(fault,
                      "A control frame's payload must not be longer than 125 bytes (RFC 6455 section 5.5).");
    if (length >= LENGTH_16) {
        size_t size = length == LENGTH_16 ? 2 : 8;
        if ((trouble = read_length(&length, bytes + used, count - used, size))) return broken(fault, trouble);
        used += size;
    }

    bool masked = bytes[1] & MASKED;
    uint32_t masking_key = 0;
    if (count < used + (masked ? sizeof masking_key : 0)) return 0;
    if (masked) {
        memcpy(&masking_key, bytes + used, sizeof masking_key);
        used += sizeof masking_key;
    }

    *frame = (struct wye_frame){
        .payload_bytes = length,
        .masking_key = masking_key,
        .opcode = bytes[0] & 15,
        .reserved = bytes[0] >> 4 & 7,
        .fin = bytes[0] & FIN,
        .masked = masked,
    };
    return (ptrdiff_t)used;
}

size_t wye_frame_write(uint8_t *to, const struct wye_frame *frame) {
    uint64_t length = frame->payload_bytes;
    uint8_t masked = frame->masked ? MASKED : 0;
    size_t used = 2;

    to[0] = (uint8_t)((frame->fin ? FIN : 0) | (frame->reserved & 7) << 4 | (frame->opcode & 15));
    if (length < LENGTH_16) {
        to[1] = (uint8_t)(masked | length);
    } else {
        size_t size = length < 65536 ? 2 : 8;
        to[1] = masked | (size == 2 ? LENGTH_16 : LENGTH_64);
        for (size_t i = 0; i < size; i++) to[used + i] = (uint8_t)(length >> 8 * (size - 1 - i));
        used += size;
    }
    if (frame->masked) {
        memcpy(to + used, &frame->masking_key, sizeof frame->masking_key);
        used += sizeof frame->masking_key;
    }
    return used;
}
