/* Frame headers (RFC 6455 5.2): bytes in, facts out, and back. Pure. */
#ifndef WYE_FRAMES_FRAME_H
#define WYE_FRAMES_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wye_opcode {
    WYE_OPCODE_CONTINUATION = 0,
    WYE_OPCODE_TEXT = 1,
    WYE_OPCODE_BINARY = 2,
    WYE_OPCODE_CLOSE = 8,
    WYE_OPCODE_PING = 9,
    WYE_OPCODE_PONG = 10,
};

enum {
    WYE_FRAME_HEADER_MAX = 14,        /* 2, 8 of extended length, 4 of masking key */
    WYE_FRAME_SERVER_HEADER_MAX = 10, /* the same without the key: servers don't mask */
    WYE_FRAME_CONTROL_MAX = 125,      /* payload bytes of a control frame (RFC 6455 5.5) */
};

struct wye_frame {
    uint64_t payload_bytes; /* 0 .. 2^63-1 */
    uint32_t masking_key;   /* in memory order: byte i of the payload is XORed with byte i mod 4; 0 unless masked */
    uint8_t opcode;         /* enum wye_opcode */
    uint8_t reserved;       /* RSV1 = 4, RSV2 = 2, RSV3 = 1 */
    bool fin;
    bool masked;
};

/* Is it a control frame (RFC 6455 5.5)? */
static inline bool wye_opcode_is_control(uint8_t opcode) { return opcode & 8; }

/*
 * Reads one frame header (RFC 6455 5.2).
 * > 0: bytes used, 2 to 14. 0: show me more. -1002: it breaks a rule that needs no context, and *fault
 * (static memory; may be NULL) says which: unknown opcode, length not minimally encoded or with its top
 * bit set, control frame fragmented or longer than 125 bytes. Fails on the first byte that decides it.
 * Reserved bits and masking are the caller's to judge: they depend on what was agreed and on the role.
 */
ptrdiff_t wye_frame_read(struct wye_frame *frame, const uint8_t *bytes, size_t count, const char **fault);

/* How many bytes wye_frame_write() writes for a payload of this length. 2 to 14. */
static inline size_t wye_frame_header_bytes(uint64_t payload_bytes, bool masked) {
    return (payload_bytes < 126 ? 2u : payload_bytes < 65536 ? 4u : 10u) + (masked ? 4u : 0u);
}

/* Writes the header of `frame` to `to`, which has room for wye_frame_header_bytes() of it. Returns that number. */
size_t wye_frame_write(uint8_t *to, const struct wye_frame *frame);

#endif
