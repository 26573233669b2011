/* Echoes through a hostile kernel: every byte comes back to whoever wasn't reset, and nothing is left behind.
 */
#include "tests/sim/world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MESSAGE_MAX = 300 * 1024 };

/* A message in a client's expectations: its opcode, its length, its payload. */
static void expect(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count) {
    sim_bytes_add(&client->expected, &opcode, 1);
    sim_bytes_add(&client->expected, &count, sizeof count);
    sim_bytes_add(&client->expected, payload, count);
    client->expected_messages++;
}

static void heard(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count) {
    struct sim_bytes *expected = &client->expected;
    size_t expected_count;
    assert(client->expected_at < expected->count);
    const uint8_t *at = expected->at + client->expected_at;
    assert(at[0] == opcode);
    memcpy(&expected_count, at + 1, sizeof expected_count);
    assert(expected_count == count && (count == 0 || memcmp(at + 1 + sizeof count, payload, count) == 0));
    client->expected_at += 1 + sizeof count + count;
}

/* A code point of UTF-8, of any length; returns how many bytes. */
static size_t code_point(struct sim_dice *dice, uint8_t *to) {
    static const uint8_t points[][4] = {"e", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x9a\x82"};
    size_t length = sim_between(dice, 1, 4);
    memcpy(to, points[length - 1], length);
    return length;
}

/* Random bytes; UTF-8 for a text. */
static const uint8_t *payload_of(struct sim_dice *dice, uint8_t opcode, size_t count) {
    static uint8_t payload[MESSAGE_MAX + 8];
    bool plain = sim_chance(dice, 500);
    for (size_t i = 0; i < count;) {
        uint64_t word = sim_roll(dice);
        if (opcode == WYE_OPCODE_TEXT)
            word = (word & UINT64_C(0x3f3f3f3f3f3f3f3f)) + UINT64_C(0x2020202020202020);
        memcpy(payload + i, &word, 8);
        i += opcode == WYE_OPCODE_TEXT && !plain && count - i >= 4 ? code_point(dice, payload + i) : 8;
    }
    return payload;
}

static void script_echo(struct sim_world *world, struct sim_client *client, size_t budget) {
    struct sim_dice *dice = &world->net.dice;
    bool pieces = sim_chance(dice, 500);
    client->heard = heard;
    client->waits_for_101 = sim_chance(dice, 500);
    if (sim_chance(dice, 300)) sim_client_offer_deflate(client);
    sim_client_upgrade(client, "/echo", "websocket");
    for (size_t messages = sim_size(dice, 200); messages > 0; messages--) {
        uint8_t opcode = sim_chance(dice, 500) ? WYE_OPCODE_TEXT : WYE_OPCODE_BINARY;
        size_t count =
            sim_chance(dice, 20) || !budget ? 0 : sim_size(dice, budget < MESSAGE_MAX ? budget : MESSAGE_MAX);
        budget -= count;
        const uint8_t *payload = payload_of(dice, opcode, count);
        expect(client, opcode, payload, count);
        sim_client_message(client, opcode, payload, count, pieces);
    }
    sim_client_close(client, 1000);
}

static void script_stream(struct sim_world *world, struct sim_client *client, size_t budget) {
    struct sim_dice *dice = &world->net.dice;
    client->waits_for_101 = sim_chance(dice, 500);
    sim_client_upgrade(client, "/stream", "wye-echo");
    size_t count = sim_between(dice, 1, budget);
    for (size_t said = 0; said < count;) {
        size_t take = sim_size(dice, MESSAGE_MAX);
        if (take > count - said) take = count - said;
        const uint8_t *payload = payload_of(dice, WYE_OPCODE_BINARY, take);
        sim_bytes_add(&client->expected, payload, take);
        sim_client_say(client, payload, take);
        said += take;
    }
    client->end_after_script = true;
}

/* Requests one behind the other, over one connection. */
static void script_http(struct sim_world *world, struct sim_client *client, size_t budget) {
    static const char *const paths[] = {"/healthz", "/page.css", "/metrics", "/topics", "/nowhere"};
    static const size_t answers[] = {250, 8000, 12000, 400, 900}; /* about */
    struct sim_dice *dice = &world->net.dice;
    for (bool last = false; !last;) {
        char request[256];
        size_t which = sim_below(dice, 5);
        last = budget < answers[which] || sim_chance(dice, 50);
        budget -= last ? 0 : answers[which];
        int count = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
                             last ? "/" : paths[which], last ? "Connection: close\r\n" : "");
        sim_client_say(client, request, (size_t)count);
        client->expected_messages++;
    }
    client->plain = true;
}

/* Whole responses, one behind the other, and nothing else. */
static void check_responses(const struct sim_client *client) {
    const char *at = (const char *)client->in.at, *end = at + client->in.count;
    unsigned responses = 0;
    while (at < end) {
        const char *body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        const char *length = memmem(at, (size_t)(end - at), "Content-Length: ", 16);
        assert(body && length && length < body && memcmp(at, "HTTP/1.1 ", 9) == 0);
        at = body + 4 + strtoul(length + 16, NULL, 10);
        assert(at <= end);
        responses++;
    }
    assert(responses == client->expected_messages);
}

/* Some are no good: they vanish, or never read. */
static void misbehave(struct sim_world *world, struct sim_client *client) {
    struct sim_dice *dice = &world->net.dice;
    client->vanish_by_reset = sim_chance(dice, 500);
    switch (sim_below(dice, 8)) {
    case 0: client->vanish_after = sim_below(dice, client->script.count + 1); break;
    case 1:
        client->read_chance = 0;
        client->leave_ns = client->start_ns + sim_below(dice, UINT64_C(20000000000));
        break;
    case 2: client->leave_ns = client->start_ns + sim_below(dice, 1000000000); break;
    case 3: client->write_most = 1 + sim_below(dice, 3); break;
    default: break;
    }
}

static void check(const struct sim_client *client) {
    if (!sim_client_is_healthy(client)) return;
    if (client->plain) {
        check_responses(client);
        return;
    }
    assert(client->status == 101 && !client->broken);
    assert(!client->tls || sim_tls_has_ended(client->tls));
    if (client->raw) {
        assert(client->message.count == client->expected.count);
        assert(memcmp(client->message.at, client->expected.at, client->expected.count) == 0);
        return;
    }
    assert(client->expected_at == client->expected.count && client->messages == client->expected_messages);
    assert(client->close_received && client->close_code == 1000);
    assert(client->pongs == client->pings);
}

/* How much there is to say for those who say or hear little at a time: worlds end. */
static size_t patience(const struct sim_world *world, const struct sim_client *client) {
    size_t least = world->net.up_bytes < world->net.down_bytes ? world->net.up_bytes : world->net.down_bytes;
    if (client->write_most < least) least = client->write_most;
    if (client->read_most < least) least = client->read_most;
    return 500 + least * 100;
}

static void people(struct sim_world *world, unsigned most, size_t budget, bool good) {
    struct sim_dice *dice = &world->net.dice;
    for (size_t i = sim_between(dice, 1, most); i > 0; i--) {
        struct sim_client *client = sim_world_client(world);
        client->start_ns += sim_below(dice, 200000000);
        size_t can = patience(world, client);
        if (can > budget) can = budget;
        if (sim_chance(dice, 150)) script_http(world, client, can);
        else if (sim_chance(dice, 300)) script_stream(world, client, can);
        else script_echo(world, client, can);
        if (!good) misbehave(world, client);
    }
}

static void echo(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    world->tls = wye_tls_is_built() && sim_chance(&world->net.dice, 400);
    world->settings.deflate = sim_chance(&world->net.dice, 500) ? WYE_DEFLATE_SHARED : WYE_DEFLATE_TAKEOVER;
    sim_world_open(world);
    people(world, 12, 400000, true);
    sim_world_run(world, sim_all_clients_over);
    for (unsigned i = 0; i < world->client_count; i++) check(world->clients[i]);
    sim_world_run(world, sim_nobody_connected);
    sim_world_end(world);
}

static void test_every_byte_comes_back(void **state) {
    (void)state;
    sim_for_seeds("echo", 120, echo);
}

static void echo_harmed(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->net.chances.reset = (unsigned)sim_size(dice, 20);
    world->net.chances.slot_fail = (unsigned)sim_size(dice, 300);
    world->net.reset_quietly = sim_chance(dice, 300);
    world->tls = wye_tls_is_built() && sim_chance(dice, 400);
    sim_world_open(world);
    people(world, 40, 200000, false);
    sim_world_run(world, sim_all_clients_over);
    for (unsigned i = 0; i < world->client_count; i++) check(world->clients[i]);
    sim_world_run(world, sim_nobody_connected);
    sim_world_end(world);
}

static void test_resets_and_rude_clients_harm_nobody_else(void **state) {
    (void)state;
    sim_for_seeds("echo_harmed", 100, echo_harmed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_comes_back),
        cmocka_unit_test(test_resets_and_rude_clients_harm_nobody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
