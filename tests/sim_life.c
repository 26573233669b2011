/* How connections are refused, kept, timed out and drained, on a hostile kernel and in virtual time. */
#include "tests/sim/world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECONDS(n) ((n)*UINT64_C(1000000000))

/* Is what a client heard one whole response, its body included? */
static bool response_is_whole(const struct sim_client *client) {
    const char *text = (const char *)client->in.at;
    const char *end = client->in.count ? memmem(text, client->in.count, "\r\n\r\n", 4) : NULL;
    const char *length = client->in.count ? memmem(text, client->in.count, "Content-Length: ", 16) : NULL;
    if (!end || !length || length > end) return false;
    return client->in.count == (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10);
}

/* ---- refusals ---- */

static const struct {
    int status;
    const char *request;
} refusals[] = {
    {400, "GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: again\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n bad\r\n\r\n"},
    {400, "\x16\x03\x01\x02\x00\x01\x00\x01"},
    {404, "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
    {404, "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"},
    {405, "DELETE / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {426, "GET /echo HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 13\r\n\r\n"},
    {426, "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
          "Upgrade\r\nSec-WebSocket-Version: 8\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
    {400, "GET /topic/a//b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
          "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
    {505, "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"},
};

static void refuse(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->net.jump_ns = 0; /* those who linger do so for 2 s */
    world->net.chances.accept_fail = 0;
    sim_world_open(world);
    int want[32];
    for (size_t n = sim_between(dice, 1, 24), i = 0; i < n; i++) {
        struct sim_client *client = sim_world_client(world);
        size_t which = sim_below(dice, sizeof refusals / sizeof refusals[0]);
        want[i] = refusals[which].status;
        size_t length = strlen(refusals[which].request);
        if (which == 2) length = 8; /* it holds a NUL */
        sim_client_say(client, refusals[which].request, length);
        static const uint8_t more[1 << 16] = "this is said to nobody";
        size_t most = world->net.up_bytes < client->write_most ? world->net.up_bytes : client->write_most;
        if (world->net.coarse || most > sizeof more) most = sizeof more;
        sim_client_say(client, more, sim_below(dice, most / 2 + 1));
        client->read_chance = client->write_chance = (unsigned)sim_between(dice, 500, 1000);
        client->end_after_script = sim_chance(dice, 300);
    }
    sim_world_run(world, sim_nobody_connected);
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        assert(client->status == want[i] && response_is_whole(client) && !client->broken);
    }
    sim_world_end(world);
}

static void test_a_refusal_arrives_whole(void **state) {
    (void)state;
    sim_for_seeds("refuse", 100, refuse);
}

/* ---- closing handshakes that the server begins ---- */

static void fault(uint64_t seed) {
    static const struct {
        uint16_t code;
        const char *path;
        size_t count;
        const char *bytes;
    } faults[] = {
        {1002, "/echo", 6, "\x81\x04text"},             /* not masked */
        {1002, "/echo", 6, "\xc1\x80\0\0\0\0"},         /* a reserved bit */
        {1002, "/echo", 6, "\x83\x80\0\0\0\0"},         /* no such opcode */
        {1002, "/echo", 6, "\x80\x80\0\0\0\0"},         /* continues nothing */
        {1002, "/topic/a", 6, "\x09\x80\0\0\0\0"},      /* a ping in pieces */
        {1002, "/echo", 7, "\x88\x81\0\0\0\0x"},        /* half a close code */
        {1002, "/echo", 8, "\x88\x82\0\0\0\0\x03\xed"}, /* one that may not be sent: 1005 */
        {1009, "/chat", 14, "\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0"},
        {1008, "/topic/$wye/stats", 7, "\x81\x81\0\0\0\0x"},
    };
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->net.jump_ns = 0;
    world->net.chances.accept_fail = 0;
    world->settings.outbox_bytes = 1 << 20;
    sim_world_open(world);
    uint16_t want[32];
    for (size_t n = sim_between(dice, 1, 24), i = 0; i < n; i++) {
        struct sim_client *client = sim_world_client(world);
        size_t which = sim_below(dice, sizeof faults / sizeof faults[0]);
        want[i] = faults[which].code;
        client->waits_for_101 = sim_chance(dice, 500);
        client->read_chance = client->write_chance = (unsigned)sim_between(dice, 500, 1000);
        sim_client_upgrade(client, faults[which].path, "websocket");
        if (which < 8) sim_client_message(client, WYE_OPCODE_TEXT, (const uint8_t *)"good", 4, false);
        sim_client_say(client, faults[which].bytes, faults[which].count);
        client->close_sent = which < 8; /* what such a client says behind it makes no sense to anybody */
    }
    sim_world_run(world, sim_nobody_connected);
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        assert(client->close_received && client->close_code == want[i] && !client->broken);
    }
    sim_world_end(world);
}

static void test_the_reason_of_a_close_arrives(void **state) {
    (void)state;
    sim_for_seeds("fault", 100, fault);
}

/* ---- more than there is room for ---- */

static bool nobody_waits(struct sim_world *world) {
    for (unsigned i = 0; i < world->client_count; i++)
        if (!world->clients[i]->status && !world->clients[i]->over) return false;
    return true;
}

static void crowd(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->net.jump_ns = 0;
    world->net.up_bytes = world->net.down_bytes = 4096;
    world->settings.max_connections = (uint32_t)sim_between(dice, 1, 40);
    world->config.connections = (uint32_t)sim_between(dice, 12, 48);
    world->door_count = (unsigned)sim_between(dice, 1, SIM_DOORS_MAX);
    world->config.reserve = (uint32_t)sim_between(dice, world->door_count, 8);
    if (sim_chance(dice, 300)) world->settings.per_address = 1000; /* where they come from is asked for then, one by one */
    sim_world_open(world);
    for (size_t n = sim_between(dice, 30, 100); n > 0; n--) {
        struct sim_client *client = sim_world_client(world);
        client->start_ns += sim_below(dice, 20000000);
        client->read_chance = client->write_chance = (unsigned)sim_between(dice, 300, 1000);
        client->write_most = 1000;
        sim_client_upgrade(client, "/echo", "websocket");
    }
    sim_world_run(world, nobody_waits);
    uint32_t in = 0, room = world->config.connections - world->config.reserve;
    for (unsigned i = 0; i < world->client_count; i++) {
        struct sim_client *client = world->clients[i];
        if (!sim_client_is_healthy(client)) continue;
        in += client->status == 101;
        assert(client->status == 101 || client->status == 503);
        if (client->status == 101) sim_client_close(client, 1000);
    }
    /* Exactly as many as there is room for; unless some who were in were struck. */
    if (world->net.accept_faults == 0) {
        uint32_t most = world->settings.max_connections < room ? world->settings.max_connections : room;
        assert(in == (most < world->client_count ? most : world->client_count));
    }
    sim_world_run(world, sim_nobody_connected);
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (sim_client_is_healthy(client) && client->status == 503) assert(response_is_whole(client));
    }
    assert(world->net.lost_to_full_table == 0);
    sim_world_end(world);
}

static void test_a_crowd_is_answered(void **state) {
    (void)state;
    sim_for_seeds("crowd", 60, crowd);
}

/* ---- limits by address ---- */

/* Over all loops exactly so many of each address get in at once, and upgrade in a while. */
static void addresses(uint64_t seed) {
    enum { ADDRESSES = 4 };
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->net.jump_ns = 0;
    world->net.up_bytes = world->net.down_bytes = 4096;
    world->net.chances.accept_fail = 0;
    world->loop_count = (unsigned)sim_between(dice, 1, SIM_LOOPS_MAX);
    world->door_count = (unsigned)sim_between(dice, 1, SIM_DOORS_MAX);
    uint32_t most = (uint32_t)sim_between(dice, 1, 12);
    bool by_rate = sim_chance(dice, 500);
    if (by_rate) world->settings.upgrade_rate = (struct wye_rate){.tokens = most, .burst = most, .period_ns = SECONDS(3600)};
    else world->settings.per_address = most;
    sim_world_open(world);
    unsigned came[ADDRESSES] = {0}, in[ADDRESSES] = {0};
    for (size_t n = sim_between(dice, 10, 60); n > 0; n--) {
        struct sim_client *client = sim_world_client(world);
        client->address = (uint32_t)sim_below(dice, ADDRESSES);
        client->start_ns += sim_below(dice, 20000000);
        client->read_chance = client->write_chance = (unsigned)sim_between(dice, 300, 1000);
        client->write_most = 1000;
        came[client->address]++;
        sim_client_upgrade(client, "/echo", "websocket");
    }
    sim_world_run(world, nobody_waits);
    for (unsigned i = 0; i < world->client_count; i++) {
        struct sim_client *client = world->clients[i];
        assert(client->status == 101 || client->status == 429);
        in[client->address] += client->status == 101;
        if (client->status == 101) sim_client_close(client, 1000);
    }
    for (unsigned i = 0; i < ADDRESSES; i++) assert(in[i] == (came[i] < most ? came[i] : most));
    sim_world_run(world, sim_nobody_connected);
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (client->status == 429) assert(response_is_whole(client));
    }
    assert(by_rate || world->node.accounts.count == 0);
    sim_world_end(world);
}

static void test_an_address_gets_what_it_may_and_no_more(void **state) {
    (void)state;
    sim_for_seeds("addresses", 100, addresses);
}

/* ---- time ---- */

static struct sim_client *arrive(struct sim_world *world, const char *path) {
    struct sim_client *client = sim_world_client(world);
    sim_client_upgrade(client, path, "websocket");
    client->write_most = client->read_most = 1000;
    client->write_chance = client->read_chance = 1000;
    return client;
}

static struct sim_world *calm(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    world->net.up_bytes = world->net.down_bytes = 65536;
    world->net.chances.accept_fail = 0;
    world->net.chances.jump = 0;
    /* To a full socket that has room again, a peer that took something belongs: it lives. */
    world->net.chances.send_again = world->net.chances.send_short = 0;
    world->net.now_ns += SECONDS(sim_below(&world->net.dice, 100000));
    return world;
}

/* The node sleeps before anybody comes: nobody's time is counted from before that. */
static void sleep_first(struct sim_world *world) {
    uint64_t delay_ns = SECONDS(sim_below(&world->net.dice, 100));
    for (unsigned i = 0; i < world->client_count; i++) world->clients[i]->start_ns += delay_ns;
    sim_world_run_ns(world, delay_ns);
}

static void pings(uint64_t seed) {
    struct sim_world *world = calm(seed);
    world->settings.ping_ns = SECONDS(25);
    sim_world_open(world);
    struct sim_client *lively = arrive(world, "/echo");
    struct sim_client *silent = arrive(world, "/echo");
    struct sim_client *unread = arrive(world, "/echo");
    sleep_first(world);
    uint64_t start_ns = world->net.now_ns;
    silent->silent = true;
    unread->read_chance = 0;
    sim_world_run_ns(world, SECONDS(12));
    assert(lively->switched && !lively->over && silent->switched && !silent->over);
    while (!silent->over && world->net.now_ns < start_ns + SECONDS(100))
        sim_world_run_ns(world, SECONDS(1) / 4);
    /* The first ping comes after 12.5 to 25 s; what is silent by the next one is gone. */
    uint64_t after_ns = world->net.now_ns - start_ns;
    assert(silent->over && after_ns >= SECONDS(36) && after_ns <= SECONDS(52));
    sim_world_run_ns(world, SECONDS(100));
    assert(!lively->over);
    assert(unread->wire->server_closed);
    unread->leave_ns = 0;
    sim_client_close(lively, 1000);
    sim_world_run(world, sim_nobody_connected);
    assert(lively->close_code == 1000);
    sim_world_end(world);
}

static void idle(uint64_t seed) {
    struct sim_world *world = calm(seed);
    world->settings.idle_timeout_ns = SECONDS(10);
    world->settings.ping_ns = sim_chance(&world->net.dice, 500) ? SECONDS(3) : 0;
    sim_world_open(world);
    struct sim_client *busy = arrive(world, "/echo"), *quiet = arrive(world, "/topic/x"),
                      *deaf = arrive(world, "/echo");
    deaf->silent = true; /* doesn't even answer the close frame */
    sleep_first(world);
    for (unsigned second = 0; second < 30; second++) {
        if (second < 9) assert(!busy->over && !quiet->over && !deaf->close_received);
        sim_client_message(busy, WYE_OPCODE_BINARY, (const uint8_t *)"busy", 4, false);
        sim_world_run_ns(world, SECONDS(1));
    }
    assert(!busy->over && busy->messages == 30);
    assert(quiet->over && quiet->close_code == 1001 && !quiet->broken);
    assert(deaf->over && (world->settings.ping_ns || deaf->close_code == 1001));
    sim_client_close(busy, 1000);
    sim_world_run(world, sim_nobody_connected);
    sim_world_end(world);
}

static void heads(uint64_t seed) {
    struct sim_world *world = calm(seed);
    sim_world_open(world);
    struct sim_client *nothing = sim_world_client(world), *half = sim_world_client(world),
                      *kept = sim_world_client(world);
    static const char head[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    nothing->write_chance = half->write_chance = kept->write_chance = 1000;
    sim_client_say(half, head, 30);
    sim_client_say(kept, head, sizeof head - 1);
    sleep_first(world);
    sim_world_run_ns(world, SECONDS(9));
    assert(!nothing->over && !half->over && !kept->over);
    sim_world_run_ns(world, SECONDS(6));
    assert(nothing->over && nothing->status == 0 && !nothing->broken);
    assert(half->over && half->status == 408 && response_is_whole(half));
    assert(!kept->over && kept->status == 200);
    sim_world_run_ns(world, SECONDS(60));
    assert(kept->over && response_is_whole(kept) && !kept->broken);
    sim_world_run(world, sim_nobody_connected);
    sim_world_end(world);
}

static void test_time_outs(void **state) {
    (void)state;
    sim_for_seeds("pings", 40, pings);
    sim_for_seeds("idle", 40, idle);
    sim_for_seeds("heads", 40, heads);
}

/* ---- draining ---- */

static void drain(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    if (sim_chance(dice, 500)) world->net.chances.reset = (unsigned)sim_size(dice, 20);
    if (sim_chance(dice, 400)) world->loop_count = (unsigned)sim_between(dice, 2, SIM_LOOPS_MAX);
    sim_world_open(world);
    static uint8_t bytes[50000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31);
    for (size_t n = sim_between(dice, 1, 30); n > 0; n--) {
        static const char *const paths[] = {"/echo", "/topic/a", "/chat", "/stream", "/topic/$wye/stats"};
        size_t which = sim_below(dice, 5);
        struct sim_client *client = sim_world_client(world);
        sim_client_upgrade(client, paths[which], which == 3 ? "wye-echo" : "websocket");
        size_t most = world->net.coarse ? sizeof bytes : 300;
        for (size_t messages = sim_below(dice, 20); messages > 0 && which < 4; messages--) {
            if (which == 3) sim_client_say(client, bytes, sim_size(dice, most));
            else sim_client_message(client, WYE_OPCODE_BINARY, bytes, sim_size(dice, most), true);
        }
        client->start_ns += sim_chance(dice, 500) ? 0 : sim_below(dice, SECONDS(1));
        client->silent = sim_chance(dice, 100);
        if (sim_chance(dice, 100)) client->read_chance = 0;
    }
    for (size_t turns = sim_size(dice, 2000); turns > 0 && !world->asleep; turns--) sim_world_turn(world);
    sim_world_end(world); /* asserts that it takes no longer than it may, and leaves nothing */
}

/* Loops with nobody wait for those with somebody, and not for longer. */
static void drain_soon(uint64_t seed) {
    struct sim_world *world = calm(seed);
    world->loop_count = (unsigned)sim_between(&world->net.dice, 1, SIM_LOOPS_MAX);
    sim_world_open(world);
    struct sim_client *client = arrive(world, "/echo");
    sim_world_run_ns(world, SECONDS(1));
    assert(client->switched);
    uint64_t start_ns = world->net.now_ns;
    sim_world_drain(world);
    while (!world->drained) sim_world_turn(world);
    uint64_t took_ns = world->net.now_ns - start_ns;
    assert(client->close_code == 1001 && took_ns < SECONDS(1));
    sim_world_end(world);
}

static void test_draining_a_busy_node(void **state) {
    (void)state;
    sim_for_seeds("drain", 200, drain);
    sim_for_seeds("drain_soon", 20, drain_soon);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_arrives_whole), cmocka_unit_test(test_the_reason_of_a_close_arrives),
        cmocka_unit_test(test_a_crowd_is_answered),     cmocka_unit_test(test_time_outs),
        cmocka_unit_test(test_an_address_gets_what_it_may_and_no_more),
        cmocka_unit_test(test_draining_a_busy_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
