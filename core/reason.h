/* One int tells why something ended: disjoint ranges of negative numbers, greppable against the RFCs. */
#ifndef WYE_CORE_REASON_H
#define WYE_CORE_REASON_H

#include "frames/close_code.h"

#include <stddef.h>

/*
 *      0            fine: both sides were done
 *   -133 ..   -1    -errno: the transport failed
 *   -599 .. -400    -status: an HTTP request was refused
 *  -4999 .. -1000   -close code: a WebSocket connection ended (RFC 6455 7.4)
 */

enum { WYE_REASON_SLOTS = 1 + 133 + 200 + 16 + 3 };

/* Every reason has a slot, 0 to WYE_REASON_SLOTS - 1, for counting. Close codes 1016-2999, 3000-3999 and
 * 4000-4999 share one slot each; an unknown reason counts as -EPROTO. */
unsigned wye_reason_slot(int reason);

/* A slot's name for a metric's label: "0", "errno-104", "400", "1002", "3xxx". Returns its length. */
size_t wye_reason_slot_name(char *to, size_t room, unsigned slot);

#endif
