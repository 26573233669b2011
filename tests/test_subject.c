/* A topic as the whole node sees it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/subject.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wye_subject *hold(struct wye_subjects *subjects, const char *name) {
    struct wye_span span = wye_span_of(name);
    return wye_subject_hold(subjects, span, wye_name_hash(span));
}

static void the_hash_is_fnv_1a(void **state) {
    (void)state;
    assert_int_equal(wye_name_hash(WYE_SPAN("")), 0x811c9dc5);
    assert_int_equal(wye_name_hash(WYE_SPAN("a")), 0xe40c292c);
    assert_int_equal(wye_name_hash(WYE_SPAN("foobar")), 0xbf9cf968);
}

static void one_name_is_one_subject_until_the_last_holder_lets_go(void **state) {
    (void)state;
    struct wye_subjects subjects;
    assert_int_equal(wye_subjects_init(&subjects), 0);
    struct wye_subject *a = hold(&subjects, "news"), *b = hold(&subjects, "news"),
                       *c = hold(&subjects, "new");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_int_equal(subjects.count, 2);
    assert_int_equal(a->name_bytes, 4);
    assert_memory_equal(a->name, "news", 4);
    wye_subject_release(&subjects, a);
    assert_int_equal(subjects.count, 2);
    wye_subject_release(&subjects, b);
    assert_int_equal(subjects.count, 1);
    wye_subject_release(&subjects, c);
    assert_int_equal(subjects.count, 0);
    wye_subjects_fini(&subjects);
}

static void thousands_of_subjects_are_found_again(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    static struct wye_subject *all[COUNT];
    struct wye_subjects subjects;
    wye_subjects_init(&subjects);
    size_t buckets = subjects.bucket_count;
    char name[32];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "room/%u", i);
        all[i] = hold(&subjects, name);
    }
    assert_true(subjects.bucket_count > buckets);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof name, "room/%u", i);
        assert_ptr_equal(hold(&subjects, name), all[i]);
        wye_subject_release(&subjects, all[i]);
        wye_subject_release(&subjects, all[i]);
    }
    wye_subjects_fini(&subjects);
}

static void a_listing_begins_with_those_that_have_most_subscribers(void **state) {
    (void)state;
    enum { COUNT = 20 };
    struct wye_subject *all[COUNT];
    struct wye_subjects subjects;
    struct wye_subject_view *views = malloc(COUNT * sizeof *views); /* to the byte */
    wye_subjects_init(&subjects);
    for (uint32_t i = 0; i < COUNT; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%u", i);
        all[i] = hold(&subjects, name);
        all[i]->subscribers = i * 7 % COUNT;
        all[i]->messages = i;
    }
    size_t count = 0;
    assert_int_equal(wye_subjects_list(&subjects, views, 0, &count), 0);
    for (size_t most = 1; most <= COUNT; most++) {
        assert_int_equal(wye_subjects_list(&subjects, views, most, &count), most);
        assert_int_equal(count, COUNT);
        for (size_t i = 0; i < most; i++) {
            assert_int_equal(views[i].subscribers, COUNT - 1 - i);
            assert_string_equal(views[i].name + 1, all[views[i].messages]->name + 1);
            assert_int_equal(views[i].messages * 7 % COUNT, views[i].subscribers);
        }
    }
    for (unsigned i = 0; i < COUNT; i++) wye_subject_release(&subjects, all[i]);
    assert_int_equal(wye_subjects_list(&subjects, views, COUNT, &count), 0);
    free(views);
    wye_subjects_fini(&subjects);
}

static void the_longest_name_is_listed_whole(void **state) {
    (void)state;
    struct wye_subjects subjects;
    struct wye_subject_view view;
    char name[256];
    size_t count;
    memset(name, 'n', 255);
    name[255] = 0;
    wye_subjects_init(&subjects);
    struct wye_subject *subject = hold(&subjects, name);
    assert_int_equal(wye_subjects_list(&subjects, &view, 1, &count), 1);
    assert_string_equal(view.name, name);
    wye_subject_release(&subjects, subject);
    wye_subjects_fini(&subjects);
}

static void *come_and_go(void *argument) {
    struct wye_subjects *subjects = argument;
    for (unsigned i = 0; i < 5000; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%u", i % 5);
        struct wye_subject *subject = hold(subjects, name);
        if (!subject) return subjects;
        atomic_fetch_add_explicit(&subject->subscribers, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&subject->messages, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&subject->subscribers, 1, memory_order_relaxed);
        wye_subject_release(subjects, subject);
    }
    return NULL;
}

static void threads_may_hold_list_and_let_go_at_once(void **state) {
    (void)state;
    struct wye_subjects subjects;
    struct wye_subject_view views[8];
    pthread_t threads[2];
    void *failed;
    wye_subjects_init(&subjects);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &subjects), 0);
    for (unsigned i = 0; i < 2000; i++) {
        size_t count;
        assert_true(wye_subjects_list(&subjects, views, 8, &count) <= 5);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(subjects.count, 0);
    wye_subjects_fini(&subjects);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_fnv_1a),
        cmocka_unit_test(one_name_is_one_subject_until_the_last_holder_lets_go),
        cmocka_unit_test(thousands_of_subjects_are_found_again),
        cmocka_unit_test(a_listing_begins_with_those_that_have_most_subscribers),
        cmocka_unit_test(the_longest_name_is_listed_whole),
        cmocka_unit_test(threads_may_hold_list_and_let_go_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
