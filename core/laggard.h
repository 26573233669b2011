/*
 * Laggards: connections whose peers take what is sent to them more slowly than it comes. What waits for them lies in chunks
 * that many share, and a few bytes keep a whole chunk. One thread.
 */
#ifndef WYE_CORE_LAGGARD_H
#define WYE_CORE_LAGGARD_H

struct wye_hub;

/*
 * Keeps what outboxes pin below settings.shared_memory_bytes, looked at whenever chunks have grown by a sixteenth of that.
 * Beyond it those furthest behind copy what they still need, when that is little beside what they pin, or are closed
 * with 1013.
 */
void wye_laggards_relieve(struct wye_hub *hub);

#endif
