/* Fan-out through a hostile kernel: every healthy subscriber gets every message once, and all in the same
 * order. */
#include "tests/sim/world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TOPICS = 3, LOG_MAX = 20000, HEADER = 12, MESSAGE_MAX = 100000 };

/* What was published to a topic, in the order in which the first subscriber heard of it. */
struct topic_log {
    unsigned count;
    struct {
        uint16_t publisher;
        uint16_t sequence;
    } at[LOG_MAX];
};

/* A client's place in its topic; its `user`. */
struct place {
    struct topic_log *log;
    struct sim_world *world;
    unsigned topic, heard, said;
    unsigned hears; /* topics, a bit each: its own, and those of its patterns */
    bool listens;   /* subscribes to a pattern, and so says nothing */
    unsigned next_of[SIM_CLIENTS_MAX]; /* by publisher: the sequence number that comes next */
    bool noecho;
};

static struct topic_log logs[TOPICS];
static struct place places[64];

/* A message says who sent it and is recognisable in every byte. */
static size_t message_write(uint8_t *to, unsigned publisher, unsigned sequence, size_t count) {
    if (count < HEADER) count = HEADER;
    char header[32];
    snprintf(header, sizeof header, "%05u/%05u/", publisher, sequence);
    memcpy(to, header, HEADER);
    for (size_t i = HEADER; i < count; i++) to[i] = (uint8_t)(' ' + (i * 7 + publisher * 31 + sequence) % 90);
    return count;
}

static void heard(struct sim_client *client, uint8_t opcode, const uint8_t *payload, size_t count) {
    static uint8_t want[MESSAGE_MAX];
    struct place *place = client->user;
    struct topic_log *log = place->log;
    assert(opcode == WYE_OPCODE_TEXT && count >= HEADER);
    unsigned publisher = (unsigned)atoi((const char *)payload),
             sequence = (unsigned)atoi((const char *)payload + 6);
    assert(message_write(want, publisher, sequence, count) == count && memcmp(want, payload, count) == 0);
    assert(publisher < place->world->client_count && place->hears >> places[publisher].topic & 1);
    assert(!(place->noecho && publisher == client->number));
    /* Each once, in its sender's order; and each, but where those who are slow may miss some. */
    bool may_miss = place->world->settings.on_slow != WYE_ON_SLOW_CLOSE;
    assert(may_miss ? sequence >= place->next_of[publisher] : sequence == place->next_of[publisher]);
    place->next_of[publisher] = sequence + 1;
    if (may_miss) return;
    /* On one loop, everybody hears everything in the same order; one that doesn't hear itself can't tell. */
    if (place->noecho || place->hears != 1u << place->topic || !place->world->orders) return;
    if (place->heard == log->count) {
        assert(log->count < LOG_MAX);
        log->at[log->count].publisher = (uint16_t)publisher;
        log->at[log->count++].sequence = (uint16_t)sequence;
    }
    assert(log->at[place->heard].publisher == publisher && log->at[place->heard].sequence == sequence);
    place->heard++;
}

static bool all_switched(struct sim_world *world) {
    for (unsigned i = 0; i < world->client_count; i++)
        if (!world->clients[i]->switched && !world->clients[i]->over) return false;
    return true;
}

static bool may_hear(const struct sim_client *client) {
    return sim_client_is_healthy(client) && !client->over;
}

/* Has every healthy subscriber everything that healthy publishers said? */
static bool all_heard(struct sim_world *world) {
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (!may_hear(client)) continue;
        for (unsigned j = 0; j < world->client_count; j++) {
            if (!(places[i].hears >> places[j].topic & 1) || (i == j && places[i].noecho)) continue;
            if (may_hear(world->clients[j]) && places[i].next_of[j] < places[j].said) return false;
        }
    }
    return true;
}

static void subscribe(struct sim_world *world, unsigned count) {
    memset(logs, 0, sizeof logs);
    memset(places, 0, sizeof places);
    for (unsigned i = 0; i < count; i++) {
        struct sim_client *client = sim_world_client(world);
        struct place *place = &places[i];
        char path[64];
        place->topic = (unsigned)sim_below(&world->net.dice, TOPICS);
        place->log = &logs[place->topic];
        place->world = world;
        place->noecho = sim_chance(&world->net.dice, 200);
        client->user = place;
        client->heard = heard;
        client->start_ns += sim_below(&world->net.dice, 50000000);
        if (sim_chance(&world->net.dice, 400)) sim_client_offer_deflate(client);
        place->hears = 1u << place->topic;
        place->listens = sim_chance(&world->net.dice, 250);
        if (place->listens) {
            bool all = sim_chance(&world->net.dice, 300);
            place->hears = all ? 7 : 6;
            snprintf(path, sizeof path, "/topic/%s", all ? "%23?also=a/+" : "a/%2B?also=a/b%2f+&also=a/%23");
        } else if (place->topic == 0) {
            snprintf(path, sizeof path, "/chat%s", place->noecho ? "?noecho" : "");
        } else {
            /* Some hear of it by a pattern as well, and still once. */
            const char *also = sim_chance(&world->net.dice, 300) ? "&also=a/%23" : "";
            if (*also) place->hears = 6;
            snprintf(path, sizeof path, "/topic/a/b%%20%u?%s%s", place->topic, place->noecho ? "noecho" : "echo", also);
        }
        sim_client_upgrade(client, path, "websocket");
    }
    sim_world_run(world, all_switched);
}

static void publish(struct sim_world *world, size_t bytes) {
    static uint8_t message[MESSAGE_MAX];
    struct sim_dice *dice = &world->net.dice;
    for (unsigned i = 0; i < world->client_count; i++) {
        struct sim_client *client = world->clients[i];
        size_t most = world->net.coarse ? bytes : 2000;
        for (size_t n = places[i].listens || sim_chance(dice, 300) ? 0 : sim_size(dice, 60); n > 0; n--) {
            size_t count = message_write(message, i, places[i].said++, sim_size(dice, most));
            sim_client_message(client, WYE_OPCODE_TEXT, message, count, sim_chance(dice, 200));
        }
    }
}

static void everybody_leaves(struct sim_world *world) {
    for (unsigned i = 0; i < world->client_count; i++)
        if (!world->clients[i]->close_sent) sim_client_close(world->clients[i], 1000);
    sim_world_run(world, sim_nobody_connected);
}

static void fan_out_in(struct sim_world *world) {
    world->settings.outbox_bytes = 64 << 20;
    world->tls = wye_tls_is_built() && sim_chance(&world->net.dice, 300);
    world->settings.deflate = sim_chance(&world->net.dice, 500) ? WYE_DEFLATE_SHARED : WYE_DEFLATE_TAKEOVER;
    sim_world_open(world);
    subscribe(world, (unsigned)sim_between(&world->net.dice, 1, 24));
    publish(world, 20000);
    sim_world_run(world, all_heard);
    everybody_leaves(world);
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (sim_client_is_healthy(client))
            assert(client->close_received && client->close_code == 1000 && !client->broken);
    }
    sim_world_end(world);
}

static void fan_out(uint64_t seed) { fan_out_in(sim_world_init(seed)); }

static void fan_out_harmed(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    world->net.chances.reset = (unsigned)sim_size(&world->net.dice, 10);
    world->net.chances.slot_fail = (unsigned)sim_size(&world->net.dice, 100);
    fan_out_in(world);
}

/* Over several loops everybody still hears everything once, in each sender's order; full mailboxes lose
 * nothing. */
static void fan_out_loops(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->loop_count = (unsigned)sim_between(dice, 2, SIM_LOOPS_MAX);
    world->settings.mailbox_bytes = sim_size(dice, 1 << 20);
    if (sim_chance(dice, 300)) world->net.chances.reset = (unsigned)sim_size(dice, 10);
    fan_out_in(world);
}

static void test_everybody_hears_everything_once_in_order(void **state) {
    (void)state;
    sim_for_seeds("fan_out", 80, fan_out);
    sim_for_seeds("fan_out_harmed", 80, fan_out_harmed);
    sim_for_seeds("fan_out_loops", 80, fan_out_loops);
}

/* Some never read: they are let go with their outbox at its limit, and nobody else notices. */
static void slow_readers(uint64_t seed) {
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    world->settings.outbox_bytes = sim_between(dice, 20300, 60000);
    world->settings.on_slow = (enum wye_on_slow)sim_below(dice, 3);
    world->settings.shared_memory_bytes = sim_chance(dice, 300) ? 70000 : 64 << 20;
    world->net.coarse = true;
    world->tls = wye_tls_is_built() && sim_chance(dice, 300);
    world->net.down_bytes = sim_between(dice, 1 << 13, 1 << 16);
    sim_world_open(world);
    subscribe(world, (unsigned)sim_between(dice, 3, 16));
    for (unsigned i = 0; i < world->client_count; i++)
        if (sim_chance(dice, 300)) {
            world->clients[i]->read_chance = 0;
            world->clients[i]->leave_ns = world->net.now_ns + UINT64_C(60000000000);
        }
    publish(world, 20000);
    /* Publishers who read nothing are paused themselves; those who leave for good end it all. */
    for (unsigned i = 0; i < world->client_count; i++)
        if (!world->clients[i]->close_sent) sim_client_close(world->clients[i], 1000);
    world->asleep = false;
    while (!sim_nobody_connected(world)) {
        for (uint32_t i = 0; i < world->loops[0].hub.used; i++)
            assert(world->loops[0].hub.conns[i].outbox.bytes <= world->settings.outbox_bytes);
        assert(!world->asleep && world->turns < 1000000);
        sim_world_turn(world);
    }
    for (unsigned i = 0; i < world->client_count; i++) {
        const struct sim_client *client = world->clients[i];
        if (!sim_client_is_healthy(client)) continue;
        if (client->read_chance == 0) continue; /* let go by the server, and can't know why */
        if (world->settings.shared_memory_bytes < 1 << 20) continue; /* so may be whoever is behind, in the middle of a frame */
        assert(client->close_received && (client->close_code == 1000 || client->close_code == 1013));
    }
    sim_world_end(world);
}

static void test_slow_readers_are_let_go(void **state) {
    (void)state;
    sim_for_seeds("slow_readers", 80, slow_readers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_hears_everything_once_in_order),
        cmocka_unit_test(test_slow_readers_are_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
