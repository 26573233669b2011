/* WebSocket connections, from the bytes of the handshake to those of the echo. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/site.h"
#include "core/websocket.h"
#include "tests/fake_hands.h"

#include <string.h>

enum { TEXT = WYE_OPCODE_TEXT, BINARY = WYE_OPCODE_BINARY, PING = WYE_OPCODE_PING, PONG = WYE_OPCODE_PONG };
enum { STILL_OPEN = 1 };
#define KEY 0x9f3c01e7u

static const size_t sizes[] = {0, 1, 125, 126, 127, 1000, 65535, 65536, 65537, 250000};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* What is fed, and what must come of it. Both begin with the handshake. */
struct scene {
    struct wire script, expected;
};

static struct scene scene_at(const char *target) {
    struct scene scene = {0};
    wire_upgrade(&scene.script, target);
    wire_opening(&scene.expected);
    return scene;
}

static void scene_free(struct scene *scene) {
    wire_free(&scene->script);
    wire_free(&scene->expected);
}

static const uint8_t *payload_of(int opcode, size_t count, unsigned seed) {
    return opcode == TEXT ? wire_words(count, seed) : wire_noise(count, seed);
}

/* A message in one frame, and its echo. */
static void add_echo(struct scene *scene, int opcode, size_t count, unsigned seed) {
    const uint8_t *payload = payload_of(opcode, count, seed);
    wire_client_frame(&scene->script, WIRE_FIN, opcode, payload, count, KEY * (seed + 1));
    wire_server_frame(&scene->expected, opcode, payload, count);
}

static void add_ping(struct scene *scene, size_t count, unsigned seed) {
    const uint8_t *payload = wire_noise(count, seed);
    wire_client_frame(&scene->script, WIRE_FIN, PING, payload, count, ~KEY);
    wire_server_frame(&scene->expected, PONG, payload, count);
}

/* A message in fragments of `piece` bytes, a ping behind every `pings`-th of them, and what comes back. */
static void add_fragmented(struct scene *scene, int opcode, size_t count, size_t piece, size_t pings,
                           unsigned seed) {
    static uint8_t payload[250000];
    memcpy(payload, payload_of(opcode, count, seed), count);
    size_t fragments = 0;
    for (size_t at = 0; at < count; at += piece, fragments++) {
        if (piece > count - at) piece = count - at;
        wire_client_frame(&scene->script, at + piece == count ? WIRE_FIN : WIRE_MORE, at ? 0 : opcode,
                          payload + at, piece, KEY + (uint32_t)at);
        if (pings && fragments % pings == 0 && at + piece < count) add_ping(scene, fragments % 126, seed);
    }
    wire_server_frame(&scene->expected, opcode, payload, count);
}

/* ---- echo ---- */

static void bytes_behind_the_handshake_reach_the_new_protocol_wherever_they_are_split(void **state) {
    (void)state;
    struct scene scene = scene_at("/echo");
    add_echo(&scene, TEXT, 5, 1);
    add_echo(&scene, BINARY, 0, 2);
    add_ping(&scene, 3, 3);
    add_echo(&scene, BINARY, 126, 4);
    add_echo(&scene, TEXT, 1, 5);
    fake_script(&scene.script, &scene.expected, STILL_OPEN, NULL);
    scene_free(&scene);
}

static void every_truncation_of_a_handshake_and_a_message_waits_for_more(void **state) {
    (void)state;
    struct scene scene = scene_at("/echo");
    size_t opening = scene.expected.count, head = scene.script.count;
    add_echo(&scene, TEXT, 130, 1);
    for (size_t count = 1; count < scene.script.count; count++) {
        struct wire part = {scene.script.at, count, count}, output = {0};
        assert_int_equal(fake_output(&part, &output, NULL), STILL_OPEN);
        assert_int_equal(output.count, count < head ? 0 : opening);
        wire_free(&output);
    }
    scene_free(&scene);
}

static void messages_of_every_size_come_back_however_they_are_split(void **state) {
    (void)state;
    for (unsigned i = 0; i < SIZES; i++) {
        struct scene scene = scene_at("/echo");
        add_echo(&scene, BINARY, sizes[i], i);
        add_echo(&scene, TEXT, 3, i + 100);
        fake_script(&scene.script, &scene.expected, STILL_OPEN, NULL);
        scene_free(&scene);
    }
}

static void fragmented_messages_come_back_whole_with_pongs_in_between(void **state) {
    (void)state;
    static const size_t pieces[] = {1, 2, 125, 126, 65535, 65536};
    for (unsigned i = 0; i < SIZES; i++) {
        for (unsigned j = 0; j < sizeof pieces / sizeof pieces[0]; j++) {
            if (sizes[i] <= pieces[j] || sizes[i] / pieces[j] > 5000) continue;
            struct scene scene = scene_at("/echo");
            add_echo(&scene, TEXT, 10, 9);
            add_fragmented(&scene, i & 1 ? TEXT : BINARY, sizes[i], pieces[j], 1 + i % 3, i);
            add_echo(&scene, TEXT, 10, 9);
            if (scene.script.count < 700) fake_script(&scene.script, &scene.expected, STILL_OPEN, NULL);
            else fake_script_at_random(&scene.script, &scene.expected, STILL_OPEN, NULL, i * 8 + j, 30);
            scene_free(&scene);
        }
    }
}

static void fragments_of_one_byte_make_a_long_message(void **state) {
    (void)state;
    struct scene scene = scene_at("/echo");
    add_fragmented(&scene, BINARY, 65537, 1, 1000, 3);
    fake_script_at_random(&scene.script, &scene.expected, STILL_OPEN, NULL, 1, 12);
    scene_free(&scene);
}

static void empty_fragments_are_fragments_too(void **state) {
    (void)state;
    struct scene scene = scene_at("/echo");
    wire_client_frame(&scene.script, WIRE_MORE, TEXT, "", 0, KEY);
    wire_client_frame(&scene.script, WIRE_MORE, 0, "", 0, 1);
    add_ping(&scene, 0, 1);
    wire_client_frame(&scene.script, WIRE_MORE, 0, "ab", 2, 2);
    wire_client_frame(&scene.script, WIRE_FIN, 0, "", 0, 0);
    wire_server_frame(&scene.expected, TEXT, "ab", 2);
    wire_client_frame(&scene.script, WIRE_MORE, BINARY, "", 0, KEY);
    wire_client_frame(&scene.script, WIRE_FIN, 0, "", 0, 0);
    wire_server_frame(&scene.expected, BINARY, "", 0);
    fake_script(&scene.script, &scene.expected, STILL_OPEN, NULL);
    scene_free(&scene);
}

static void random_bursts_come_back_byte_for_byte_in_random_pieces(void **state) {
    (void)state;
    for (uint32_t seed = 1; seed <= 60; seed++) {
        struct scene scene = scene_at("/echo");
        uint32_t random = seed * 2654435761u;
        for (unsigned i = 0; i < 40; i++) {
            random = random * 1664525 + 1013904223;
            unsigned dice = random >> 28, any = (random >> 8) & 0xfffff;
            if (dice < 6) add_echo(&scene, 1 + (int)(dice & 1), any % 140, i);
            else if (dice < 8) add_echo(&scene, BINARY, any % 3000, i);
            else if (dice < 9) add_echo(&scene, BINARY, 65530 + any % 12, i);
            else if (dice < 12) add_ping(&scene, any % 126, i);
            else if (dice < 13) wire_client_frame(&scene.script, WIRE_FIN, PONG, "unasked", 7, any);
            else add_fragmented(&scene, TEXT, 1 + any % 700, 1 + any % 90, any % 4, i);
        }
        fake_script_at_random(&scene.script, &scene.expected, STILL_OPEN, NULL, seed, 8);
        scene_free(&scene);
    }
}

/* ---- where replies lie ---- */

/* A burst of messages and pings of many sizes. */
static struct scene burst(void) {
    static const size_t counts[] = {0, 1, 125, 126, 127, 7, 300, 65535, 2, 65536, 65537, 3, 0, 1000};
    struct scene scene = {0};
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        add_echo(&scene, BINARY, counts[i], i);
        if (i % 3 == 1) add_ping(&scene, i * 9, i);
    }
    return scene;
}

static void the_replies_to_a_burst_touch_and_leave_in_one_slice_uncopied(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, true, NULL);
    struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
    struct scene scene = burst();
    uint64_t copied = world.hands[0].hub.pool.copied_bytes;
    peer->sends = 0;
    fake_feed(peer, scene.script.at, scene.script.count);
    assert_null(peer->conn->outbox.rest);
    assert_int_equal(peer->conn->outbox.bytes, scene.expected.count);
    fake_settle(&world.hands[0]);
    assert_true(wire_equal(&peer->received, &scene.expected));
    assert_int_equal(peer->sends, 1);
    assert_int_equal(peer->slices, 1);
    assert_int_equal(world.hands[0].hub.pool.copied_bytes, copied);
    scene_free(&scene);
    fake_world_shut(&world);
}

static void replies_to_bytes_that_do_not_last_are_copied_and_small_ones_still_touch(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, true, NULL);
    struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
    struct scene scene = {0};
    for (unsigned i = 0; i < 30; i++) add_echo(&scene, TEXT, 60 + i * 5, i);
    world.hands[0].lasts = false;
    peer->sends = 0;
    fake_say(peer, &scene.script);
    assert_true(wire_equal(&peer->received, &scene.expected));
    assert_int_equal(peer->sends, 1);
    assert_int_equal(peer->slices, 1);
    scene_free(&scene);
    fake_world_shut(&world);
}

static void replies_that_cannot_leave_are_copied_before_their_buffer_goes_back(void **state) {
    (void)state;
    struct scene scene = burst();
    for (size_t taken = 0; taken < scene.expected.count; taken = taken * 2 + 1) {
        struct fake_world world;
        fake_world_open(&world, 1, true, NULL);
        struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
        uint64_t copied = world.hands[0].hub.pool.copied_bytes;
        peer->window = taken;
        fake_feed(peer, scene.script.at, scene.script.count);
        fake_turn(&world.hands[0]); /* overwrites and frees the buffer */
        assert_int_equal(peer->received.count, taken);
        assert_int_equal(world.hands[0].hub.pool.copied_bytes - copied, scene.expected.count - taken);
        peer->window = SIZE_MAX;
        fake_settle(&world.hands[0]);
        assert_true(wire_equal(&peer->received, &scene.expected));
        fake_world_shut(&world);
    }
    scene_free(&scene);
}

static void several_receives_in_one_turn_leave_in_order(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, false, NULL);
    struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
    struct scene scene = {0};
    for (unsigned i = 0; i < 60; i++) add_echo(&scene, BINARY, i * 77, i);
    peer->window = 10;
    for (size_t at = 0; at < scene.script.count; at += 5000) {
        size_t left = scene.script.count - at;
        fake_feed(peer, scene.script.at + at, left < 5000 ? left : 5000);
        if (at % 15000 == 0) peer->window = 999;
    }
    fake_turn(&world.hands[0]);
    peer->window = SIZE_MAX;
    fake_settle(&world.hands[0]);
    assert_true(wire_equal(&peer->received, &scene.expected));
    scene_free(&scene);
    fake_world_shut(&world);
}

/* A message that was gathered leaves from where it was gathered. */
static void a_gathered_message_is_not_copied_again(void **state) {
    (void)state;
    struct fake_world world;
    fake_world_open(&world, 1, false, NULL);
    struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
    struct scene scene = {0};
    add_echo(&scene, BINARY, 30000, 4);
    uint64_t copied = world.hands[0].hub.pool.copied_bytes;
    fake_feed(peer, scene.script.at, 10000);
    fake_turn(&world.hands[0]);
    fake_feed(peer, scene.script.at + 10000, scene.script.count - 10000);
    fake_settle(&world.hands[0]);
    assert_true(wire_equal(&peer->received, &scene.expected));
    assert_int_equal(world.hands[0].hub.pool.copied_bytes, copied);
    scene_free(&scene);
    fake_world_shut(&world);
}

/* ---- failures ---- */

/* Whatever breaks a rule: the messages before it are answered, then comes the close frame, then nothing. */
static void check_failure(struct scene *scene, unsigned code, const char *words,
                          const struct wye_settings *settings) {
    struct wire output = {0};
    add_echo(scene, TEXT, 4, 1); /* behind the fault: nobody answers it */
    scene->expected.count -= 6;
    int reason = fake_output(&scene->script, &output, settings);
    assert_int_equal(reason, -(int)code);
    size_t before = scene->expected.count;
    assert_true(output.count >= before + 4);
    assert_memory_equal(output.at, scene->expected.at, before);
    const uint8_t *frame = output.at + before;
    assert_int_equal(frame[0], 0x88);
    assert_int_equal(frame[1], output.count - before - 2);
    assert_int_equal(frame[2] << 8 | frame[3], code);
    assert_true(wire_find(&output, words, before) != SIZE_MAX);
    fake_script(&scene->script, &output, reason, settings);
    wire_free(&output);
    scene_free(scene);
}

static void what_breaks_the_protocol_is_closed_with_1002_and_the_rule(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *words;
    } rows[] = {
        {"\x81\x01x", 3, "mask"},
        {"\xc1\x80\0\0\0\0", 6, "reserved bit"},
        {"\x83\x80\0\0\0\0", 6, "opcode"},
        {"\x8b\x80\0\0\0\0", 6, "opcode"},
        {"\x09\x80\0\0\0\0", 6, "fragmented"},
        {"\x89\xfe\0\x7e\0\0\0\0", 8, "125"},
        {"\x80\x80\0\0\0\0", 6, "continu"},
        {"\x01\x80\0\0\0\0\x82\x80\0\0\0\0", 12, "new message"},
        {"\x81\xfe\0\x05\0\0\0\0", 8, "as few bytes"},
        {"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, "as few bytes"},
        {"\x82\xff\x80\0\0\0\0\1\0\0\0\0\0\0", 14, "top bit"},
        {"\x88\x81\0\0\0\0x", 7, "close frame"},
        {"\x88\x82\0\0\0\0\x03\xed", 8, "close code"}, /* 1005 */
        {"\x88\x82\0\0\0\0\x03\xe7", 8, "close code"}, /* 999 */
        {"\x88\x82\0\0\0\0\x13\x88", 8, "close code"}, /* 5000 */
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene scene = scene_at("/echo");
        add_echo(&scene, TEXT, 4, 7);
        wire_add(&scene.script, rows[i].bytes, rows[i].count);
        check_failure(&scene, 1002, rows[i].words, NULL);
    }
}

static void text_that_is_no_utf_8_is_1007_in_one_frame_or_many_and_so_is_a_close_frames(void **state) {
    (void)state;
    static const char *const bad[] = {"\xff", "ab\xc0\xaf", "\xed\xa0\x80", "cut \xe2\x82",
                                      "\xf4\x90\x80\x80"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t count = strlen(bad[i]), half = i > 0;
        struct scene scene = scene_at("/echo");
        wire_client_frame(&scene.script, WIRE_FIN, TEXT, bad[i], count, KEY);
        check_failure(&scene, 1007, "UTF-8", NULL);
        scene = scene_at("/echo");
        wire_client_frame(&scene.script, WIRE_MORE, TEXT, bad[i], half, KEY);
        add_ping(&scene, 3, i);
        wire_client_frame(&scene.script, WIRE_FIN, 0, bad[i] + half, count - half, KEY);
        check_failure(&scene, 1007, "UTF-8", NULL);
        scene = scene_at("/echo");
        wire_client_close(&scene.script, 1000, bad[i]);
        check_failure(&scene, 1007, "UTF-8", NULL);
    }
}

static void a_character_may_be_split_between_fragments_and_binary_may_be_anything(void **state) {
    (void)state;
    struct scene scene = scene_at("/echo");
    add_fragmented(&scene, TEXT, 60, 1, 7, 1);
    add_fragmented(&scene, BINARY, 60, 1, 7, 2);
    fake_script(&scene.script, &scene.expected, STILL_OPEN, NULL);
    scene_free(&scene);
}

static struct wye_settings limited(uint64_t max_message_bytes) {
    struct wye_settings settings;
    wye_settings_init(&settings);
    settings.max_message_bytes = max_message_bytes;
    return settings;
}

static void a_message_as_long_as_the_limit_is_fine_in_one_frame_or_many(void **state) {
    (void)state;
    struct wye_settings settings = limited(100);
    struct scene scene = scene_at("/echo");
    add_echo(&scene, TEXT, 100, 1);
    add_fragmented(&scene, TEXT, 100, 33, 0, 2);
    add_fragmented(&scene, TEXT, 100, 99, 1, 3);
    fake_script(&scene.script, &scene.expected, STILL_OPEN, &settings);
    scene_free(&scene);
}

static void an_announced_length_above_the_limit_is_1009_before_its_bytes_come(void **state) {
    (void)state;
    struct wye_settings settings = limited(100);
    struct scene scene = scene_at("/echo");
    wire_client_header(&scene.script, WIRE_FIN, BINARY, 101, KEY);
    check_failure(&scene, 1009, "longer", &settings);
    scene = scene_at("/echo");
    wire_client_header(&scene.script, WIRE_FIN, BINARY, INT64_MAX, KEY);
    check_failure(&scene, 1009, "longer", &settings);
}

static void fragments_that_add_up_above_the_limit_are_1009(void **state) {
    (void)state;
    struct wye_settings settings = limited(100);
    struct scene scene = scene_at("/echo");
    wire_client_frame(&scene.script, WIRE_MORE, BINARY, wire_noise(60, 1), 60, KEY);
    wire_client_frame(&scene.script, WIRE_MORE, 0, wire_noise(40, 1), 40, KEY);
    wire_client_header(&scene.script, WIRE_MORE, 0, 1, KEY);
    check_failure(&scene, 1009, "longer", &settings);
}

/* A long message is not gathered when its handler takes it in pieces: an echo holds what it can't send, no
 * more. */
static void a_long_message_comes_back_while_it_comes(void **state) {
    (void)state;
    enum { PIECES = 200, PIECE = 20000 };
    struct fake_world world;
    struct wire message = {0}, expected = {0}, merged = {0}, payload = {0};
    fake_world_open(&world, 1, false, NULL);
    struct fake_peer *peer = fake_websocket(world.hands, "/echo");
    for (unsigned i = 0; i < PIECES; i++) wire_add(&payload, wire_words(PIECE, i), PIECE);
    wire_client_frame(&message, WIRE_FIN, TEXT, payload.at, payload.count, KEY);
    wire_opening(&expected);
    wire_server_frame(&expected, TEXT, payload.at, payload.count);
    wire_opening(&peer->received);
    for (size_t at = 0; at < message.count; at += PIECE) {
        size_t left = message.count - at;
        fake_feed(peer, message.at + at, left < PIECE ? left : PIECE);
        fake_turn(world.hands);
        assert_true(world.hands->hub.pool.held_bytes <= payload.count / 4);
    }
    assert_true(wire_merge(&merged, &peer->received));
    assert_true(wire_equal(&merged, &expected));
    wire_free(&payload);
    wire_free(&message);
    wire_free(&expected);
    wire_free(&merged);
    fake_world_shut(&world);
}

/* Longer than what is assembled for an echo: pieces come back, in any fragments. */
static void a_message_too_long_to_be_held_comes_back_however_it_is_split(void **state) {
    (void)state;
    enum { PIECES = 7, PIECE = 200001 };
    for (int opcode = TEXT; opcode <= BINARY; opcode++) {
        struct scene scene = scene_at("/echo");
        struct wire payload = {0};
        add_echo(&scene, TEXT, 10, 1);
        for (unsigned i = 0; i < PIECES; i++) {
            int fin = i + 1 == PIECES ? WIRE_FIN : WIRE_MORE;
            wire_add(&payload, payload_of(opcode, PIECE, i), PIECE);
            wire_client_frame(&scene.script, fin, i ? 0 : opcode, payload.at + i * PIECE, PIECE, KEY + i);
            if (!fin) add_ping(&scene, i * 20, i);
        }
        wire_server_frame(&scene.expected, opcode, payload.at, payload.count);
        add_echo(&scene, TEXT, 10, 1);
        fake_script_at_random(&scene.script, &scene.expected, STILL_OPEN, NULL, (uint32_t)opcode, 12);
        wire_free(&payload);
        scene_free(&scene);
    }
}

static void what_is_only_announced_takes_no_memory(void **state) {
    (void)state;
    struct fake_world world;
    struct wire header = {0};
    fake_world_open(&world, 1, false, NULL);
    size_t held = world.hands[0].hub.pool.held_bytes;
    wire_client_header(&header, WIRE_FIN, BINARY, 16 << 20, KEY);
    wire_add(&header, wire_noise(10, 1), 10);
    for (unsigned i = 0; i < 20; i++) {
        struct fake_peer *peer = fake_websocket(&world.hands[0], "/echo");
        fake_say(peer, &header);
        assert_int_equal(peer->conn->phase, WYE_CONN_OPEN);
    }
    assert_true(world.hands[0].hub.pool.held_bytes - held <= 65536 + 20 * 8192);
    wire_free(&header);
    fake_world_shut(&world);
}

static void echoes_that_nobody_reads_stop_at_the_nodes_memory_and_go_on_when_they_are_read(void **state) {
    (void)state;
    enum { PEERS = 8, MESSAGES = 40, BYTES = 60000, MEMORY = 1 << 20, EACH = 65536 + BYTES + 2 * WYE_CHUNK_BYTES };
    struct wye_settings settings;
    struct fake_world world;
    wye_settings_init(&settings);
    settings.memory_bytes = MEMORY; /* the outboxes would take 8 times 2 MiB */
    fake_world_open(&world, 1, true, &settings);
    struct fake_hands *hands = world.hands;
    struct wye_chunk_pool *pool = &hands->hub.pool;
    struct fake_peer *peers[PEERS];
    struct wire message = {0}, expected = {0};
    unsigned sent[PEERS] = {0}, unread = 0;
    wire_client_frame(&message, WIRE_FIN, BINARY, wire_noise(BYTES, 1), BYTES, KEY);
    for (unsigned i = 0; i < MESSAGES; i++) wire_server_frame(&expected, BINARY, wire_noise(BYTES, 1), BYTES);
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = fake_websocket(hands, "/echo");
        peers[i]->window = 0;
    }
    for (unsigned round = 0; round < 2 * MESSAGES; round++) {
        for (unsigned i = 0; i < PEERS; i++) {
            if (round >= MESSAGES) peers[i]->window = SIZE_MAX;
            if (sent[i] == MESSAGES || !wye_conn_wants_input(peers[i]->conn)) continue;
            fake_feed(peers[i], message.at, message.count);
            sent[i]++;
        }
        fake_settle(hands);
        assert_true(pool->held_bytes <= MEMORY + PEERS * EACH);
        if (round + 1 == MESSAGES)
            for (unsigned i = 0; i < PEERS; i++) unread += sent[i];
    }
    assert_in_range(unread, MEMORY / BYTES, (MEMORY + PEERS * EACH) / BYTES); /* all of it was used, and not more */
    for (unsigned i = 0; i < PEERS; i++) assert_true(wire_equal(&peers[i]->received, &expected));
    wire_free(&message);
    wire_free(&expected);
    fake_world_shut(&world);
}

static void a_message_that_will_never_be_whole_gives_its_memory_back_before_the_connection_ends(void **state) {
    (void)state;
    struct fake_world world;
    struct wire fragment = {0}, wrong = {0}, goodbye = {0};
    fake_world_open(&world, 1, false, NULL);
    struct fake_hands *hands = &world.hands[0];
    wire_client_frame(&fragment, WIRE_MORE, TEXT, wire_words(300000, 1), 300000, KEY);
    wire_client_frame(&wrong, WIRE_FIN, WYE_OPCODE_CONTINUATION, "\xff", 1, KEY);
    wire_client_close(&goodbye, 1001, "not now");
    for (unsigned round = 0; round < 2; round++) {
        struct fake_peer *peer = fake_websocket(hands, "/topic/t");
        size_t held = hands->hub.pool.held_bytes;
        fake_say(peer, &fragment);
        assert_true(hands->hub.pool.held_bytes >= held + 300000);
        peer->window = 0; /* it takes its time to hear our answer */
        fake_say(peer, round == 0 ? &wrong : &goodbye);
        assert_int_equal(peer->conn->phase, WYE_CONN_FINISHING);
        assert_true(hands->hub.pool.held_bytes <= held + WYE_CHUNK_BYTES);
    }
    wire_free(&fragment);
    wire_free(&wrong);
    wire_free(&goodbye);
    fake_world_shut(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_behind_the_handshake_reach_the_new_protocol_wherever_they_are_split),
        cmocka_unit_test(every_truncation_of_a_handshake_and_a_message_waits_for_more),
        cmocka_unit_test(messages_of_every_size_come_back_however_they_are_split),
        cmocka_unit_test(fragmented_messages_come_back_whole_with_pongs_in_between),
        cmocka_unit_test(fragments_of_one_byte_make_a_long_message),
        cmocka_unit_test(empty_fragments_are_fragments_too),
        cmocka_unit_test(random_bursts_come_back_byte_for_byte_in_random_pieces),
        cmocka_unit_test(the_replies_to_a_burst_touch_and_leave_in_one_slice_uncopied),
        cmocka_unit_test(replies_to_bytes_that_do_not_last_are_copied_and_small_ones_still_touch),
        cmocka_unit_test(replies_that_cannot_leave_are_copied_before_their_buffer_goes_back),
        cmocka_unit_test(several_receives_in_one_turn_leave_in_order),
        cmocka_unit_test(a_gathered_message_is_not_copied_again),
        cmocka_unit_test(what_breaks_the_protocol_is_closed_with_1002_and_the_rule),
        cmocka_unit_test(text_that_is_no_utf_8_is_1007_in_one_frame_or_many_and_so_is_a_close_frames),
        cmocka_unit_test(a_character_may_be_split_between_fragments_and_binary_may_be_anything),
        cmocka_unit_test(a_message_as_long_as_the_limit_is_fine_in_one_frame_or_many),
        cmocka_unit_test(an_announced_length_above_the_limit_is_1009_before_its_bytes_come),
        cmocka_unit_test(fragments_that_add_up_above_the_limit_are_1009),
        cmocka_unit_test(a_long_message_comes_back_while_it_comes),
        cmocka_unit_test(a_message_too_long_to_be_held_comes_back_however_it_is_split),
        cmocka_unit_test(what_is_only_announced_takes_no_memory),
        cmocka_unit_test(a_message_that_will_never_be_whole_gives_its_memory_back_before_the_connection_ends),
        cmocka_unit_test(echoes_that_nobody_reads_stop_at_the_nodes_memory_and_go_on_when_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
