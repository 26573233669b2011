/* Memory that holds encoded bytes, shared by all outboxes of a hub. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/chunk.h"

#include <string.h>

enum { ORDINARY = WYE_CHUNK_BYTES - sizeof(struct wye_chunk) };

static void what_is_appended_touches_what_was_appended_before(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *a, *b;
    uint8_t *first = wye_chunk_append(&pool, 100, &a);
    uint8_t *second = wye_chunk_append(&pool, 1, &b);
    assert_ptr_equal(first + 100, second);
    assert_ptr_equal(a, b);
    assert_int_equal(a->references, 3); /* the pool's own, and ours */
    assert_int_equal(pool.copied_bytes, 101);
    wye_chunk_release(&pool, a);
    wye_chunk_release(&pool, b);
    wye_chunk_pool_fini(&pool);
}

static void memory_that_nobody_refers_to_is_begun_again(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *chunk;
    uint8_t *first = wye_chunk_append(&pool, 100, &chunk);
    wye_chunk_release(&pool, chunk);
    assert_ptr_equal(wye_chunk_append(&pool, 7, &chunk), first);
    wye_chunk_release(&pool, chunk);
    wye_chunk_pool_fini(&pool);
}

static void bytes_that_somebody_refers_to_are_never_written_again(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *kept, *other;
    uint8_t *bytes = wye_chunk_append(&pool, 1000, &kept);
    memset(bytes, 'k', 1000);
    for (unsigned i = 0; i < 1000; i++) {
        memset(wye_chunk_append(&pool, 999, &other), 'o', 999);
        wye_chunk_release(&pool, other);
    }
    for (unsigned i = 0; i < 1000; i++) assert_int_equal(bytes[i], 'k');
    wye_chunk_release(&pool, kept);
    wye_chunk_pool_fini(&pool);
}

static void a_full_chunk_is_followed_by_a_fresh_one(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *a, *b;
    assert_non_null(wye_chunk_append(&pool, ORDINARY - 1, &a));
    wye_chunk_append(&pool, 1, &b); /* just fits */
    assert_ptr_equal(a, b);
    wye_chunk_release(&pool, b);
    wye_chunk_append(&pool, 1, &b);
    assert_ptr_not_equal(a, b);
    assert_int_equal(a->references, 1); /* the pool has let go of it */
    wye_chunk_release(&pool, a);
    wye_chunk_release(&pool, b);
    wye_chunk_pool_fini(&pool);
}

static void something_large_has_a_chunk_of_its_own(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *small, *large, *again;
    uint8_t *first = wye_chunk_append(&pool, 10, &small);
    for (size_t count = ORDINARY - 1; count < ORDINARY + 3; count++) {
        uint8_t *bytes = wye_chunk_append(&pool, count, &large);
        assert_int_equal(large == small, 0);
        memset(bytes, 'l', count);
        if (count >= ORDINARY) assert_int_equal(large->references, 1);
        wye_chunk_release(&pool, large);
    }
    (void)first;
    wye_chunk_append(&pool, 10, &again);
    wye_chunk_release(&pool, small);
    wye_chunk_release(&pool, again);
    wye_chunk_pool_fini(&pool);
}

static void few_ordinary_chunks_are_kept_and_used_again(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *chunks[WYE_CHUNK_SPARE_MAX + 5];
    const unsigned count = sizeof chunks / sizeof chunks[0];
    for (unsigned i = 0; i < count; i++) chunks[i] = wye_chunk_open(&pool, ORDINARY);
    assert_int_equal(pool.held_bytes, (size_t)count * ORDINARY);
    for (unsigned i = 0; i < count; i++) wye_chunk_release(&pool, chunks[i]);
    assert_int_equal(pool.spare_count, WYE_CHUNK_SPARE_MAX);
    assert_int_equal(pool.held_bytes, (size_t)WYE_CHUNK_SPARE_MAX * ORDINARY);
    chunks[0] = wye_chunk_open(&pool, ORDINARY);
    assert_int_equal(pool.spare_count, WYE_CHUNK_SPARE_MAX - 1);
    assert_int_equal(pool.held_bytes, (size_t)WYE_CHUNK_SPARE_MAX * ORDINARY);
    assert_int_equal(chunks[0]->used, 0);
    wye_chunk_release(&pool, chunks[0]);
    wye_chunk_pool_fini(&pool);
}

static void odd_sizes_are_given_back_at_once(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *chunk = wye_chunk_open(&pool, 5000);
    wye_chunk_hold(chunk);
    wye_chunk_release(&pool, chunk);
    assert_int_equal(pool.held_bytes, 5000);
    wye_chunk_release(&pool, chunk);
    assert_int_equal(pool.held_bytes, 0);
    assert_int_equal(pool.spare_count, 0);
    wye_chunk_pool_fini(&pool);
}

static void huge_chunks_are_kept_within_bounds_and_used_again_where_they_fit(void **state) {
    (void)state;
    enum { HUGE = WYE_CHUNK_HUGE_BYTES, MOST = WYE_CHUNK_HUGE_SPARE_BYTES };
    struct wye_chunk_pool pool = {0};
    struct wye_chunk *a = wye_chunk_open(&pool, HUGE), *b = wye_chunk_open(&pool, 4 * HUGE), *chunks[WYE_CHUNK_HUGE_SPARE_MAX + 3];
    a->used = 7;
    wye_chunk_release(&pool, a);
    wye_chunk_release(&pool, b);
    assert_int_equal(pool.held_bytes, 0); /* what is spare counts for nothing */
    assert_int_equal(pool.huge_bytes, 5 * HUGE);
    assert_ptr_equal(chunks[0] = wye_chunk_open(&pool, 4 * HUGE - HUGE / 2), b);
    assert_int_equal(pool.held_bytes, 4 * HUGE); /* as large as it is, not as was asked for */
    assert_ptr_not_equal(chunks[1] = wye_chunk_open(&pool, HUGE + 1), a); /* too small */
    assert_ptr_equal(chunks[2] = wye_chunk_open(&pool, HUGE), a);
    assert_int_equal(a->used, 0);
    assert_int_equal(a->references, 1);
    for (unsigned i = 0; i < 3; i++) wye_chunk_release(&pool, chunks[i]);
    assert_ptr_not_equal(chunks[0] = wye_chunk_open(&pool, 2 * HUGE), b); /* twice as large */
    wye_chunk_release(&pool, chunks[0]);
    wye_chunk_pool_sweep(&pool);
    assert_int_equal(pool.huge_count, 0);

    const unsigned count = sizeof chunks / sizeof chunks[0];
    for (unsigned i = 0; i < count; i++) chunks[i] = wye_chunk_open(&pool, HUGE + i);
    for (unsigned i = 0; i < count; i++) wye_chunk_release(&pool, chunks[i]);
    assert_int_equal(pool.huge_count, WYE_CHUNK_HUGE_SPARE_MAX);
    assert_int_equal(pool.huge[0]->capacity, HUGE + 3); /* the oldest went */
    a = wye_chunk_open(&pool, MOST - HUGE);
    b = wye_chunk_open(&pool, (size_t)MOST + 1);
    wye_chunk_release(&pool, a);
    wye_chunk_release(&pool, b); /* never kept */
    assert_int_equal(pool.huge_count, 1);
    assert_int_equal(pool.huge_bytes, MOST - HUGE);
    wye_chunk_pool_fini(&pool);
    assert_int_equal(pool.huge_count, 0);
}

static void more_than_a_chunk_can_count_is_refused(void **state) {
    (void)state;
    struct wye_chunk_pool pool = {0};
    assert_null(wye_chunk_open(&pool, (size_t)UINT32_MAX + 1));
    wye_chunk_pool_fini(&pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_touches_what_was_appended_before),
        cmocka_unit_test(memory_that_nobody_refers_to_is_begun_again),
        cmocka_unit_test(bytes_that_somebody_refers_to_are_never_written_again),
        cmocka_unit_test(a_full_chunk_is_followed_by_a_fresh_one),
        cmocka_unit_test(something_large_has_a_chunk_of_its_own),
        cmocka_unit_test(few_ordinary_chunks_are_kept_and_used_again),
        cmocka_unit_test(odd_sizes_are_given_back_at_once),
        cmocka_unit_test(huge_chunks_are_kept_within_bounds_and_used_again_where_they_fit),
        cmocka_unit_test(more_than_a_chunk_can_count_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
