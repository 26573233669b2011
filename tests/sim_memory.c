/*
 * Memory runs out, again and again: connections are lost, and nothing else is. Linked with --wrap, so that
 * the server's allocations come by here.
 */
#include "tests/sim/world.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sim_dice luck;
static unsigned failing; /* per mille; 0: the simulator's own time */
static unsigned long failed;

static bool fails(void) {
    if (failing == 0 || sim_is_inside || !sim_chance(&luck, failing)) return false;
    failed++;
    return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes) { return fails() ? NULL : __real_malloc(bytes); }
void *__wrap_calloc(size_t count, size_t bytes) { return fails() ? NULL : __real_calloc(count, bytes); }
void *__wrap_realloc(void *memory, size_t bytes) { return fails() ? NULL : __real_realloc(memory, bytes); }

static void say_much(struct sim_world *world, struct sim_client *client, const char *path) {
    static uint8_t bytes[150000];
    struct sim_dice *dice = &world->net.dice;
    bool stream = path[1] == 's';
    if (!stream && sim_chance(dice, 400)) sim_client_offer_deflate(client);
    sim_client_upgrade(client, path, stream ? "wye-echo" : "websocket");
    size_t most = world->net.coarse ? sizeof bytes : 500;
    for (size_t messages = sim_below(dice, 20); messages > 0; messages--) {
        if (stream) sim_client_say(client, bytes, sim_size(dice, most));
        else sim_client_message(client, WYE_OPCODE_BINARY, bytes, sim_size(dice, most), true);
    }
    if (stream) client->end_after_script = true;
    else sim_client_close(client, 1000);
}

static void out_of_memory(uint64_t seed) {
    static const char *const paths[] = {"/echo", "/topic/a", "/topic/b?noecho", "/stream", "/topic/$wye/stats",
                                        "/topic/a?last=3&also=b/%23", "/topic/b/c?last=all&also=+&also=a"};
    static const char post[] =
        "POST /topic/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
        "POST /topic/b/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        "POST /topic/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    static const char get[] =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\nGET /topics HTTP/1.1\r\nHost: localhost\r\n\r\n"
        "GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct sim_world *world = sim_world_init(seed);
    struct sim_dice *dice = &world->net.dice;
    luck.state = seed;
    world->tls = wye_tls_is_built() && sim_chance(dice, 400);
    world->settings.deflate = sim_chance(dice, 500) ? WYE_DEFLATE_SHARED : WYE_DEFLATE_TAKEOVER;
    world->settings.history.messages = sim_chance(dice, 500) ? 5 : 0;
    world->settings.on_slow = (enum wye_on_slow)sim_below(dice, 3);
    if (sim_chance(dice, 300)) world->settings.per_address = 15;
    if (sim_chance(dice, 300)) world->settings.message_rate = (struct wye_rate){.tokens = 100, .burst = 100, .period_ns = 1000000000};
    sim_world_open(world);
    for (size_t n = sim_between(dice, 1, 20); n > 0; n--) {
        struct sim_client *client = sim_world_client(world);
        client->start_ns += sim_below(dice, 20000000);
        size_t which = sim_below(dice, 9);
        if (which == 7) sim_client_say(client, get, sizeof get - 1);
        else if (which == 8) sim_client_say(client, post, sizeof post - 1);
        else say_much(world, client, paths[which]);
    }
    failing = (unsigned)sim_size(dice, 300);
    for (unsigned long turns = 0; !sim_nobody_connected(world); turns++) {
        assert(turns < 200000);
        sim_world_turn(world);
        if (world->asleep) break; /* somebody waits for what got lost on its way */
    }
    failing = 0;
    sim_world_end(world);
}

static void test_running_out_of_memory(void **state) {
    (void)state;
    sim_for_seeds("out_of_memory", 300, out_of_memory);
    assert_true(failed > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_running_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
