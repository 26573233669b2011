#include "core/reason.h"

#include <errno.h>
#include <stdio.h>

enum { ERRNO_AT = 1, STATUS_AT = ERRNO_AT + 133, CODE_AT = STATUS_AT + 200, RANGE_AT = CODE_AT + 16 };

unsigned wye_reason_slot(int reason) {
    int why = -reason;
    if (why == 0) return 0;
    if (why >= 1 && why <= 133) return ERRNO_AT + (unsigned)why - 1;
    if (why >= 400 && why <= 599) return STATUS_AT + (unsigned)why - 400;
    if (why >= 1000 && why <= 1015) return CODE_AT + (unsigned)why - 1000;
    if (why >= 1016 && why <= 2999) return RANGE_AT;
    if (why >= 3000 && why <= 3999) return RANGE_AT + 1;
    if (why >= 4000 && why <= 4999) return RANGE_AT + 2;
    return ERRNO_AT + EPROTO - 1;
}

size_t wye_reason_slot_name(char *to, size_t room, unsigned slot) {
    int n;
    if (slot == 0) n = snprintf(to, room, "0");
    else if (slot < STATUS_AT) n = snprintf(to, room, "errno-%u", slot - ERRNO_AT + 1);
    else if (slot < CODE_AT) n = snprintf(to, room, "%u", slot - STATUS_AT + 400);
    else if (slot < RANGE_AT) n = snprintf(to, room, "%u", slot - CODE_AT + 1000);
    else n = snprintf(to, room, "%s", slot == RANGE_AT ? "1016-2999" : slot == RANGE_AT + 1 ? "3xxx" : "4xxx");
    return n > 0 && (size_t)n < room ? (size_t)n : 0;
}
