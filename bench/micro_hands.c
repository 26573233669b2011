#include "bench/micro_hands.h"

#include "core/hub.h"
#include "frames/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES_MAX = 16, NOW_S = 77 };

struct micro_hands {
    struct wye_node node;
    struct wye_hub hub;
    struct wye_conn *conns, *publisher;
    struct micro_sent sent;
};

static const uint64_t now_ns = NOW_S * UINT64_C(1000000000);

/* As a socket that takes everything. */
static void send_outbox(struct micro_hands *hands, struct wye_conn *conn) {
    while (conn->outbox.bytes > 0 && conn->phase != WYE_CONN_SHUT) {
        struct iovec slices[SLICES_MAX];
        size_t total;
        hands->sent.slices += wye_outbox_gather(&conn->outbox, slices, SLICES_MAX, &total);
        hands->sent.bytes += total;
        hands->sent.sends++;
        wye_conn_sent(conn, total);
    }
    if (conn->phase != WYE_CONN_SHUT) return;
    wye_conn_gone(conn);
    wye_hub_reap(&hands->hub, conn);
}

static void turn(struct micro_hands *hands) {
    struct wye_hub *hub = &hands->hub;
    wye_hub_advance(hub, now_ns, NOW_S);
    do {
        for (struct wye_conn *conn; (conn = wye_hub_next_dirty(hub));) send_outbox(hands, conn);
    } while (wye_hub_move_waves(hub));
}

static void settle(struct micro_hands *hands) {
    do turn(hands);
    while (wye_hub_wait_ns(&hands->hub, now_ns) == 0);
}

static struct wye_conn *join(struct micro_hands *hands) {
    static const char request[] =
        "GET /topic/bench?noecho HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    uint8_t bytes[sizeof request];
    struct wye_conn *conn = wye_hub_accept(&hands->hub, false, NULL);
    if (!conn) return NULL;
    memcpy(bytes, request, sizeof bytes);
    wye_conn_input(conn, bytes, sizeof request - 1, false);
    settle(hands);
    return conn;
}

struct micro_hands *micro_hands_open(uint32_t subscribers) {
    struct wye_settings settings;
    struct micro_hands *hands = aligned_alloc(64, (sizeof *hands + 63) & ~(size_t)63);
    if (!hands) return NULL;
    memset(hands, 0, sizeof *hands);
    wye_settings_init(&settings);
    hands->conns = calloc(subscribers + 1, sizeof *hands->conns);
    int trouble = hands->conns ? wye_node_init(&hands->node, &settings, now_ns) : -1;
    hands->node.hub_count = 1;
    if (!trouble)
        trouble = wye_hub_init(&hands->hub, &hands->node, 0, hands->conns, subscribers + 1, now_ns, NOW_S);
    if (trouble) return NULL;
    hands->node.hubs[0] = &hands->hub;
    for (uint32_t i = 0; i < subscribers + 1; i++) {
        hands->publisher = join(hands);
        assert(hands->publisher && hands->sent.sends == i + 1); /* its 101 */
    }
    return hands;
}

void micro_hands_shut(struct micro_hands *hands) {
    for (uint32_t i = 0; i < hands->hub.used; i++)
        if (hands->conns[i].phase < WYE_CONN_SHUT) wye_conn_close(&hands->conns[i], -WYE_CLOSE_GOING_AWAY);
    settle(hands);
    assert(hands->hub.open == 0);
    wye_hub_fini(&hands->hub);
    wye_node_fini(&hands->node);
    free(hands->conns);
    free(hands);
}

void micro_hands_feed(struct micro_hands *hands, uint8_t *bytes, size_t count) {
    wye_conn_input(hands->publisher, bytes, count, true);
    settle(hands);
}

size_t micro_hands_messages(uint8_t *to, size_t messages, size_t payload_bytes) {
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    for (size_t i = 0; i < messages; i++) {
        uint8_t header[14] = {0x80 | WYE_OPCODE_BINARY};
        size_t count = 2;
        if (payload_bytes < 126) {
            header[1] = (uint8_t)(0x80 | payload_bytes);
        } else {
            bool is_short = payload_bytes <= UINT16_MAX;
            header[1] = is_short ? 0x80 | 126 : 0x80 | 127;
            for (unsigned bytes = is_short ? 2 : 8; bytes-- > 0;)
                header[count++] = (uint8_t)(payload_bytes >> 8 * bytes);
        }
        memcpy(header + count, key, sizeof key);
        count += sizeof key;
        if (to) {
            memcpy(to + at, header, count);
            for (size_t k = 0; k < payload_bytes; k++) to[at + count + k] = (uint8_t)((i + k) ^ key[k % 4]);
        }
        at += count + payload_bytes;
    }
    return at;
}

struct micro_sent micro_hands_sent(const struct micro_hands *hands) {
    return hands->sent;
}
