/* Close codes of the WebSocket protocol (RFC 6455 7.4, and the registry it founded). */
#ifndef WYE_FRAMES_CLOSE_CODE_H
#define WYE_FRAMES_CLOSE_CODE_H

#include <stdbool.h>
#include <stdint.h>

enum wye_close_code {
    WYE_CLOSE_NORMAL = 1000,
    WYE_CLOSE_GOING_AWAY = 1001,
    WYE_CLOSE_PROTOCOL_ERROR = 1002,
    WYE_CLOSE_UNSUPPORTED_DATA = 1003,
    WYE_CLOSE_NO_STATUS = 1005, /* never on the wire: a close frame without a code */
    WYE_CLOSE_ABNORMAL = 1006,  /* never on the wire: the connection ended without a close frame */
    WYE_CLOSE_INVALID_PAYLOAD = 1007,
    WYE_CLOSE_POLICY_VIOLATION = 1008,
    WYE_CLOSE_TOO_BIG = 1009,
    WYE_CLOSE_MANDATORY_EXTENSION = 1010,
    WYE_CLOSE_INTERNAL_ERROR = 1011,
    WYE_CLOSE_SERVICE_RESTART = 1012,
    WYE_CLOSE_TRY_AGAIN_LATER = 1013,
};

/* May a peer put this code into a close frame (RFC 6455 7.4.1, 7.4.2)? 1000-1003, 1007-1014, 3000-4999. */
bool wye_close_code_may_be_sent(uint16_t code);

/* The code's name in the registry ("Protocol error"), or a word for its range. Static memory. */
const char *wye_close_code_name(uint16_t code);

#endif
