/* Replay: what history has for those who have just subscribed and asked for it (?last=N). */
#ifndef WYE_CORE_REPLAY_H
#define WYE_CORE_REPLAY_H

#include "core/conn.h"

enum {
    WYE_REPLAY_LOOKS_MAX = 16384,     /* topics that one connection's patterns are compared with, those published to last first */
    WYE_REPLAY_DEFLATE_BYTES = 262144, /* that are compressed for one connection; what follows goes as it is */
};

/*
 * Sends a connection, which has subscribed to all that it wants, the last `last` messages of each of its topics, in the order
 * in which they came: those that won't reach it live. Of them the newest that fit: WYE_HISTORY_MESSAGES_MAX, and half of
 * settings.outbox_bytes in all, so that what comes live has room behind them. 0; or -1013: the node has no memory for them.
 */
int wye_replay(struct wye_conn *conn, uint32_t last);

#endif
