/* What a connection still has to send. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES = 3000 };

/* An outbox beside a plain copy of what must be in it. */
struct model {
    struct wye_chunk_pool pool;
    struct wye_outbox outbox;
    uint8_t bytes[1 << 20];
    size_t from, to;
};

static struct model *model_open(void) {
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    return model;
}

static void model_free(struct model *model) {
    wye_outbox_clear(&model->outbox, &model->pool);
    assert_int_equal(model->outbox.bytes, 0);
    assert_null(model->outbox.rest);
    wye_chunk_pool_fini(&model->pool);
    free(model);
}

static void add(struct model *model, struct wye_slice slice) {
    memcpy(model->bytes + model->to, slice.bytes, slice.count);
    model->to += slice.count;
    assert_int_equal(wye_outbox_append(&model->outbox, &model->pool, slice), 0);
}

static void add_copy(struct model *model, size_t count, uint8_t fill) {
    struct wye_slice slice = {.count = count};
    uint8_t *bytes = wye_chunk_append(&model->pool, count, &slice.chunk);
    memset(bytes, fill, count);
    slice.bytes = bytes;
    add(model, slice);
}

/* Everything that the outbox shows is what the model holds; returns the number of slices. */
static size_t check(const struct model *model) {
    struct iovec slices[SLICES];
    size_t bytes, at = model->from;
    size_t count = wye_outbox_gather(&model->outbox, slices, SLICES, &bytes);
    assert_int_equal(bytes, model->to - model->from);
    assert_int_equal(model->outbox.bytes, bytes);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(slices[i].iov_base, model->bytes + at, slices[i].iov_len);
        at += slices[i].iov_len;
    }
    assert_int_equal(at, model->to);
    return count;
}

static void consume(struct model *model, size_t count) {
    wye_outbox_consume(&model->outbox, &model->pool, count);
    model->from += count;
}

static void neighbours_in_one_chunk_are_one_slice(void **state) {
    (void)state;
    struct model *model = model_open();
    for (unsigned i = 0; i < 100; i++) add_copy(model, 1 + i, (uint8_t)i);
    assert_int_equal(check(model), 1);
    assert_null(model->outbox.rest);
    assert_int_equal(model->outbox.first.chunk->references, 2); /* the pool's, and one for all that merged */
    model_free(model);
}

static void neighbours_of_different_keepers_are_not_merged(void **state) {
    (void)state;
    static const uint8_t constant[] = "constant bytes";
    struct model *model = model_open();
    add(model, (struct wye_slice){constant, WYE_CHUNK_CONSTANT, 5});
    add(model, (struct wye_slice){constant + 5, NULL, 5}); /* touches, but is borrowed */
    assert_int_equal(check(model), 2);
    add(model, (struct wye_slice){constant + 10, NULL, 4});
    assert_int_equal(check(model), 2);
    model_free(model);
}

static void an_empty_slice_is_nothing_and_its_reference_is_let_go(void **state) {
    (void)state;
    struct model *model = model_open();
    struct wye_chunk *chunk = wye_chunk_open(&model->pool, 100);
    wye_chunk_hold(chunk);
    add(model, (struct wye_slice){chunk->bytes, chunk, 0});
    assert_int_equal(chunk->references, 1);
    assert_int_equal(check(model), 0);
    wye_chunk_release(&model->pool, chunk);
    model_free(model);
}

static void gather_shows_no_more_than_it_is_asked_for(void **state) {
    (void)state;
    static const uint8_t constant[200];
    struct model *model = model_open();
    for (unsigned i = 0; i < 40; i++) add(model, (struct wye_slice){constant + 5 * i, WYE_CHUNK_CONSTANT, 2});
    assert_int_equal(check(model), 40);
    struct iovec slices[16];
    size_t bytes;
    assert_int_equal(wye_outbox_gather(&model->outbox, slices, 0, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(wye_outbox_gather(&model->outbox, slices, 1, &bytes), 1);
    assert_int_equal(bytes, 2);
    assert_int_equal(wye_outbox_gather(&model->outbox, slices, 16, &bytes), 16);
    assert_int_equal(bytes, 32);
    model_free(model);
}

static void sent_bytes_leave_from_the_front_wherever_a_send_stopped(void **state) {
    (void)state;
    static const uint8_t constant[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t step = 1; step <= 36; step++) {
        struct model *model = model_open();
        for (unsigned i = 0; i < 12; i++) {
            add(model, (struct wye_slice){constant + (i * 7) % 30, WYE_CHUNK_CONSTANT, 3});
        }
        while (model->outbox.bytes > 0) {
            consume(model, step < model->outbox.bytes ? step : model->outbox.bytes);
            check(model);
        }
        assert_int_equal(model->outbox.first.count, 0);
        model_free(model);
    }
}

static void any_mix_of_appending_and_sending_keeps_bytes_and_order(void **state) {
    (void)state;
    static uint8_t borrowed[4096];
    uint32_t random = 1;
    struct model *model = model_open();
    for (unsigned i = 0; i < sizeof borrowed; i++) borrowed[i] = (uint8_t)(i * 7 + i / 256);
    while (model->to < sizeof model->bytes - 5000) {
        random = random * 1664525 + 1013904223;
        unsigned dice = random >> 29, count = (random >> 8) % 600;
        if (dice < 3) add_copy(model, count, (uint8_t)random);
        else if (dice < 5) add(model, (struct wye_slice){borrowed + count, NULL, count / 2 + 1});
        else if (dice == 5) assert_int_equal(wye_outbox_keep(&model->outbox, &model->pool), 0);
        else if (model->outbox.bytes > 20000 || dice == 6)
            consume(model, model->outbox.bytes * (random % 5) / 4);
        check(model);
    }
    model_free(model);
}

/* Inserts some slices behind the first `at` bytes, in the outbox and in its model. */
static void insert(struct model *model, size_t at, unsigned slices, uint32_t random) {
    struct wye_outbox from = {0};
    uint8_t bytes[4096];
    size_t total = 0;
    for (unsigned i = 0; i < slices; i++) {
        size_t count = 1 + (random >> i) % 300;
        struct wye_slice slice = {.count = count};
        uint8_t *to = wye_chunk_append(&model->pool, count, &slice.chunk);
        memset(to, (int)(random + i), count);
        memcpy(bytes + total, to, count);
        slice.bytes = to;
        assert_int_equal(wye_outbox_append(&from, &model->pool, slice), 0);
        /* Something of another's comes between, so that they don't touch. */
        struct wye_chunk *chunk;
        if (random & 1) assert_non_null(wye_chunk_append(&model->pool, 1, &chunk)), wye_chunk_release(&model->pool, chunk);
        total += count;
    }
    assert_int_equal(wye_outbox_insert(&model->outbox, &model->pool, at, &from), 0);
    assert_int_equal(from.bytes, 0);
    memmove(model->bytes + model->from + at + total, model->bytes + model->from + at, model->to - model->from - at);
    memcpy(model->bytes + model->from + at, bytes, total);
    model->to += total;
}

static void slices_can_be_inserted_at_the_front_at_the_end_and_anywhere(void **state) {
    (void)state;
    static const uint8_t constant[300] = "constant";
    uint32_t random = 7;
    struct model *model = model_open();
    while (model->to < sizeof model->bytes - 10000) {
        random = random * 1664525 + 1013904223;
        unsigned dice = random >> 29, count = (random >> 8) % 300;
        size_t bytes = model->outbox.bytes;
        if (dice == 0) add_copy(model, count, (uint8_t)random);
        else if (dice == 1) add(model, (struct wye_slice){constant, WYE_CHUNK_CONSTANT, count});
        else if (dice < 4) insert(model, 0, 1 + random % 5, random >> 8);
        else if (dice == 4) insert(model, bytes, 1 + random % 5, random >> 8);
        else if (dice == 5) insert(model, bytes ? (random >> 4) % bytes : 0, 1 + random % 5, random >> 8);
        else consume(model, bytes > 30000 ? bytes : bytes / 3);
        check(model);
    }
    model_free(model);
}

static void borrowed_bytes_are_copied_before_they_go_away(void **state) {
    (void)state;
    static const uint8_t constant[] = "stays";
    struct model *model = model_open();
    uint8_t *borrowed = malloc(1000);
    memset(borrowed, 'b', 1000);
    add(model, (struct wye_slice){borrowed, NULL, 100});
    add(model, (struct wye_slice){constant, WYE_CHUNK_CONSTANT, 5});
    add_copy(model, 50, 'c');
    add(model, (struct wye_slice){borrowed + 500, NULL, 500});
    consume(model, 10);
    const uint8_t *copied = model->outbox.rest ? model->outbox.first.bytes : NULL;
    assert_ptr_equal(copied, borrowed + 10);
    assert_int_equal(wye_outbox_keep(&model->outbox, &model->pool), 0);
    memset(borrowed, 'x', 1000);
    free(borrowed);
    check(model);
    uint64_t bytes = model->pool.copied_bytes;
    assert_int_equal(bytes, 50 + 90 + 500); /* no more than was borrowed */
    assert_int_equal(wye_outbox_keep(&model->outbox, &model->pool), 0);
    assert_int_equal(model->pool.copied_bytes, bytes); /* and once */
    model_free(model);
}

static void clearing_lets_every_chunk_go(void **state) {
    (void)state;
    struct model *model = model_open();
    static const uint8_t bytes[20 * 20];
    struct wye_chunk *chunks[20];
    for (unsigned i = 0; i < 20; i++) {
        chunks[i] = wye_chunk_open(&model->pool, 10);
        wye_chunk_hold(chunks[i]);
        add(model, (struct wye_slice){bytes + 20 * i, chunks[i],
                                      10}); /* where bytes lie is not the outbox's business */
    }
    assert_int_equal(check(model), 20);
    wye_outbox_clear(&model->outbox, &model->pool);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(chunks[i]->references, 1);
        wye_chunk_release(&model->pool, chunks[i]);
    }
    model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_in_one_chunk_are_one_slice),
        cmocka_unit_test(neighbours_of_different_keepers_are_not_merged),
        cmocka_unit_test(an_empty_slice_is_nothing_and_its_reference_is_let_go),
        cmocka_unit_test(gather_shows_no_more_than_it_is_asked_for),
        cmocka_unit_test(sent_bytes_leave_from_the_front_wherever_a_send_stopped),
        cmocka_unit_test(any_mix_of_appending_and_sending_keeps_bytes_and_order),
        cmocka_unit_test(slices_can_be_inserted_at_the_front_at_the_end_and_anywhere),
        cmocka_unit_test(borrowed_bytes_are_copied_before_they_go_away),
        cmocka_unit_test(clearing_lets_every_chunk_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
