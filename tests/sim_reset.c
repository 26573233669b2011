/* One script, and at each of its operations in turn the connection that it concerns breaks, ends, or the node
 * drains. */
#include "tests/sim/world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum what { NOTHING, RESET, END, DRAIN };

static const uint8_t text[] =
    "a message that is long enough to be told from another, and to be cut in pieces on its way";

static void heard_echo(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count) {
    (void)client;
    assert(opcode == WYE_OPCODE_TEXT && count <= sizeof text && memcmp(payload, text, count) == 0);
}

static struct sim_client *script(struct sim_world *world, const char *path, unsigned messages) {
    struct sim_client *client = sim_world_client(world);
    sim_client_upgrade(client, path, "websocket");
    for (unsigned i = 0; i < messages; i++)
        sim_client_message(client, WYE_OPCODE_TEXT, text, sizeof text - i, i % 3 == 2);
    sim_client_close(client, 1000);
    client->heard = heard_echo;
    return client;
}

/* Everything that a node does, by a few clients. */
static void fixed_script(struct sim_world *world) {
    static const char get[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n";
    static const char bad[] =
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nSec-WebSocket-Version: 8\r\n\r\nand more behind it";
    script(world, "/echo", 9);
    script(world, "/echo", 1)->waits_for_101 = true;
    script(world, "/topic/t", 4);
    script(world, "/topic/t?noecho", 3)->waits_for_101 = true;
    struct sim_client *stream = sim_world_client(world);
    sim_client_upgrade(stream, "/stream", "wye-echo");
    for (unsigned i = 0; i < 20; i++) sim_client_say(stream, text, sizeof text);
    stream->end_after_script = true;
    sim_client_say(sim_world_client(world), get, sizeof get - 1);
    sim_client_say(sim_world_client(world), bad, sizeof bad - 1);
}

static uint64_t run(uint64_t seed, unsigned abilities, enum what what, uint64_t at) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_net *net = &world->net;
    world->config.abilities = (struct wye_abilities){
        .direct = abilities & 1, .inc = abilities & 2, .optlen = abilities & 4, .write_fixed = abilities & 8};
    world->settings.outbox_bytes = 1024;
    net->coarse = false;
    net->up_bytes = 600;
    net->down_bytes = 600;
    net->chances.accept_fail = net->chances.receive_end = 0;
    net->chances.batch = 700;
    if (what == RESET || what == END) net->reset_at = at;
    net->reset_quietly = what == END;
    sim_world_open(world);
    fixed_script(world);
    for (unsigned i = 0; i < world->client_count; i++) {
        world->clients[i]->write_most = world->clients[i]->read_most = 200;
        world->clients[i]->write_chance = world->clients[i]->read_chance = 900;
    }
    while (!sim_nobody_connected(world)) {
        if (what == DRAIN && net->operations >= at) sim_world_drain(world);
        assert(world->turns < 200000 && !world->asleep);
        sim_world_turn(world);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (!sim_client_is_healthy(client) || what == DRAIN) continue;
        assert(client->status == (i == 6 ? 426 : i == 5 ? 200 : 101));
        if (i < 2) assert(client->messages == (i == 0 ? 9 : 1));
        if (i < 4)
            assert(client->close_received && client->close_code == 1000 && client->pongs == client->pings);
        if (i == 4) assert(client->message.count == 20 * sizeof text);
    }
    uint64_t operations = net->operations;
    sim_world_end(world);
    return operations;
}

static void at_every_step(uint64_t seed) {
    unsigned abilities = (unsigned)(seed * 11) & 15; /* few seeds have all of them, too */
    uint64_t operations = run(seed, abilities, NOTHING, 0);
    for (enum what what = RESET; what <= DRAIN; what++) {
        for (uint64_t at = 1; at <= operations + 1; at++) {
            if (getenv("WYE_SIM_SAY"))
                fprintf(stderr, "what %d at %u of %u\n", (int)what, (unsigned)at, (unsigned)operations);
            run(seed, abilities, what, at);
        }
    }
}

static void test_an_end_at_every_step(void **state) {
    (void)state;
    sim_for_seeds("at_every_step", 16, at_every_step);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_an_end_at_every_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
