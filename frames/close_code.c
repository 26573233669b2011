#include "frames/close_code.h"

bool wye_close_code_may_be_sent(uint16_t code) {
    /* 1004-1006 and 1015 are reserved for local use; 1016-2999 belong to future versions and extensions. */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

const char *wye_close_code_name(uint16_t code) {
    static const char *const names[] = {
        "Normal closure",   "Going away",         "Protocol error",      "Unsupported data",
        "Reserved",         "No status received", "Abnormal closure",    "Invalid frame payload data",
        "Policy violation", "Message too big",    "Mandatory extension", "Internal error",
        "Service restart",  "Try again later",    "Bad gateway",         "TLS handshake",
    };
    if (code < 1000) return "Not in use";
    if (code - 1000u < sizeof names / sizeof *names) return names[code - 1000];
    if (code < 3000) return "Unassigned";
    switch (code) {
    case 3000: return "Unauthorized";
    case 3003: return "Forbidden";
    case 3008: return "Timeout";
    }
    if (code < 4000) return "Registered use";
    if (code < 5000) return "Private use";
    return "Not in use";
}
