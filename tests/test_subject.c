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
    struct wye_meter *meter;
    return wye_subject_hold(subjects, span, wye_subject_hash(subjects, span), 0, 0, &meter);
}

static const uint64_t key[2] = {0x0123456789abcdef, 0xfedcba9876543210};

/* Names that one node has in one chain are spread on another, whose key nobody knew. */
static void who_chooses_names_does_not_choose_their_hashes(void **state) {
    (void)state;
    enum { CHAIN = 64, BUCKETS = 64 };
    const uint64_t other[2] = {key[0] + 1, key[1]};
    unsigned found = 0, longest = 0, chains[BUCKETS] = {0};
    char name[32];
    for (unsigned i = 0; found < CHAIN; i++) {
        struct wye_span span = {name, (size_t)snprintf(name, sizeof name, "room/%u", i)};
        assert_int_equal(wye_name_hash(key, span), wye_name_hash(key, span));
        if (wye_name_hash(key, span) % BUCKETS) continue;
        found++;
        unsigned *chain = &chains[wye_name_hash(other, span) % BUCKETS];
        if (++*chain > longest) longest = *chain;
    }
    assert_true(longest < CHAIN / 4);
    assert_int_equal(wye_name_hash(key, WYE_SPAN("")), wye_name_hash(key, (struct wye_span){0}));
}

static void one_name_is_one_subject_until_the_last_holder_lets_go(void **state) {
    (void)state;
    struct wye_subjects subjects;
    assert_int_equal(wye_subjects_init(&subjects, key), 0);
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
    wye_subjects_init(&subjects, key);
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

static void a_meter_is_its_hubs_until_the_subject_goes(void **state) {
    (void)state;
    struct wye_subjects subjects;
    struct wye_meter *first, *second, *again;
    const struct wye_span name = WYE_SPAN("news");
    wye_subjects_init(&subjects, key);
    uint32_t hash = wye_subject_hash(&subjects, name);
    struct wye_subject *subject = wye_subject_hold(&subjects, name, hash, 3, 0, &first);
    assert_ptr_equal(wye_subject_hold(&subjects, name, hash, 1, 0, &second), subject);
    assert_ptr_not_equal(first, second);
    wye_meter_published(first, 0, 1, 10);
    wye_meter_published(second, 0, 2, 20);
    wye_subject_release(&subjects, subject);
    wye_subject_hold(&subjects, name, hash, 1, 0, &again);
    assert_ptr_equal(again, second);
    assert_int_equal(wye_meters_read(&subject->meter, 1, 0).messages, 3);
    wye_subject_release(&subjects, subject);
    wye_subject_release(&subjects, subject);
    wye_subjects_fini(&subjects);
}

/* ---- listing ---- */

enum { NAMES = 1500 };

static struct wye_subjects registry;
static struct wye_subject *all[NAMES];
static bool listed[NAMES];

static void name_of(unsigned i, char name[32]) { snprintf(name, 32, "%s/%u", i % 3 ? "room" : "a", i); }

static void come(unsigned i) {
    char name[32];
    name_of(i, name);
    all[i] = hold(&registry, name);
    wye_subject_set_loop(&registry, all[i], i % 5, true);
}

static void go(unsigned i) {
    wye_subject_set_loop(&registry, all[i], i % 5, false);
    wye_subject_release(&registry, all[i]);
    all[i] = NULL;
}

/* Every name a listing gives, in `most` at a time; asserts the order, and notes them in `listed`. Returns how many. */
static size_t list_all(const char *after, const char *match, size_t most, void (*meanwhile)(void)) {
    struct wye_listing listing;
    struct wye_subject_view *views = malloc(most * sizeof views[0]); /* to the byte */
    char last[256] = "";
    size_t sum = 0;
    memset(listed, 0, sizeof listed);
    wye_listing_begin(&listing, wye_span_of(after), match ? wye_span_of(match) : (struct wye_span){0});
    while (listing.more) {
        size_t count = wye_listing_next(&listing, &registry, 0, views, most);
        assert_true(count <= most && count <= WYE_LISTING_STEP);
        for (size_t i = 0; i < count; i++) {
            char name[256] = "";
            memcpy(name, views[i].name, views[i].name_bytes);
            assert_true(strcmp(name, last) > 0);
            strcpy(last, name);
            const char *slash = strchr(name, '/');
            if (slash) listed[atoi(slash + 1)] = true;
        }
        sum += count;
        if (meanwhile) meanwhile();
    }
    free(views);
    return sum;
}

static void a_listing_has_those_with_subscribers_in_the_order_of_names(void **state) {
    (void)state;
    wye_subjects_init(&registry, key);
    assert_int_equal(list_all("", NULL, 10, NULL), 0);
    for (unsigned i = 0; i < NAMES; i++) come(i);
    struct wye_subject *nobodys = hold(&registry, "b");
    assert_int_equal(wye_subjects_count(&registry), NAMES);
    for (size_t most = 1; most <= 100; most += 33) assert_int_equal(list_all("", NULL, most, NULL), NAMES);
    assert_int_equal(list_all("a/999", NULL, 64, NULL), NAMES / 3 * 2);
    assert_int_equal(list_all("a/9", NULL, 64, NULL), NAMES / 3 * 2 + 38); /* 90, 93 ... 99, 900, 903 ... 999 */
    assert_int_equal(list_all("zzz", NULL, 64, NULL), 0);
    for (unsigned i = 0; i < NAMES; i++) go(i);
    assert_int_equal(wye_subjects_count(&registry), 0);
    wye_subject_release(&registry, nobodys);
    wye_subjects_fini(&registry);
}

static void a_listing_has_what_matches_and_looks_at_little_else(void **state) {
    (void)state;
    static const char *const names[] = {"a", "a!b", "a/+", "a/b", "a/b/c", "a0", "$x/b", "ab", "b", "chat", "chat/x", "chats"};
    static const struct {
        const char *match, *names;
    } rows[] = {
        {"#", "a a!b a/+ a/b a/b/c a0 ab b chat chat/x chats "}, {"a/#", "a a/+ a/b a/b/c "}, {"a/+", "a/+ a/b "},
        {"chat", "chat "}, {"+", "a a!b a0 ab b chat chats "}, {"+/b", "a/b "}, {"$x/#", "$x/b "}, {"a/b", "a/b "},
        {"a/+/c", "a/b/c "}, {"nothing/#", ""}, {"+/+/+", "a/b/c "}, {"zz", ""}, {"ch", ""},
    };
    struct wye_subject *subjects[sizeof names / sizeof names[0]];
    wye_subjects_init(&registry, key);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        subjects[i] = hold(&registry, names[i]);
        wye_subject_set_loop(&registry, subjects[i], 0, true);
    }
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        for (size_t most = 1; most < 20; most += 6) {
            struct wye_listing listing;
            struct wye_subject_view views[20];
            char found[256] = "";
            wye_listing_begin(&listing, (struct wye_span){0}, wye_span_of(rows[row].match));
            while (listing.more) {
                size_t count = wye_listing_next(&listing, &registry, 0, views, most);
                for (size_t i = 0; i < count; i++)
                    snprintf(found + strlen(found), sizeof found - strlen(found), "%.*s ", views[i].name_bytes, views[i].name);
            }
            assert_string_equal(found, rows[row].names);
        }
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        wye_subject_set_loop(&registry, subjects[i], 0, false);
        wye_subject_release(&registry, subjects[i]);
    }
    /* With a thousand names between "a" and "a/", and more behind: they cost a step, not a thousand. */
    for (unsigned i = 0; i < NAMES; i++) come(i);
    struct wye_listing listing;
    struct wye_subject_view views[WYE_LISTING_STEP];
    wye_listing_begin(&listing, (struct wye_span){0}, WYE_SPAN("room/777/#"));
    unsigned steps = 0;
    while (listing.more) assert_int_equal(wye_listing_next(&listing, &registry, 0, views, WYE_LISTING_STEP), 0), steps++;
    assert_true(steps <= 2);
    for (unsigned i = 0; i < NAMES; i++) go(i);
    wye_subjects_fini(&registry);
}

static unsigned dice = 1;

static unsigned roll(unsigned sides) {
    dice = dice * 1103515245u + 12345u;
    return (dice >> 16) % sides;
}

/* Those whose number is even come and go. */
static void churn(void) {
    for (unsigned n = 0; n < 40; n++) {
        unsigned i = 2 * roll(NAMES / 2);
        if (all[i]) go(i);
        else come(i);
    }
}

static void what_is_there_all_the_time_is_listed_once_while_others_come_and_go(void **state) {
    (void)state;
    wye_subjects_init(&registry, key);
    for (unsigned i = 0; i < NAMES; i++) come(i);
    for (unsigned n = 0; n < 50; n++) {
        size_t count = list_all("", NULL, 1 + roll(70), churn); /* its order says that none came twice */
        assert_true(count >= NAMES / 2 && count <= NAMES);
        for (unsigned i = 1; i < NAMES; i += 2) assert_true(listed[i]);
    }
    for (unsigned i = 0; i < NAMES; i++)
        if (all[i]) go(i);
    wye_subjects_fini(&registry);
}

static void the_order_is_shallow_whatever_order_names_come_in(void **state) {
    (void)state;
    enum { COUNT = 1 << 14 };
    struct wye_subject **many = malloc(COUNT * sizeof many[0]);
    wye_subjects_init(&registry, key);
    for (unsigned i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%08u", i);
        many[i] = hold(&registry, name);
        wye_subject_set_loop(&registry, many[i], 0, true);
    }
    unsigned deepest = 0;
    for (unsigned i = 0; i < COUNT; i += 37) {
        unsigned depth = 0;
        struct wye_subject *at = registry.order.root;
        while (at != many[i]) at = strncmp(many[i]->name, at->name, 9) < 0 ? at->order_left : at->order_right, depth++;
        if (depth > deepest) deepest = depth;
    }
    assert_true(deepest >= 13 && deepest < 50);
    for (unsigned i = 0; i < COUNT; i++) {
        wye_subject_set_loop(&registry, many[i], 0, false);
        wye_subject_release(&registry, many[i]);
    }
    assert_null(registry.order.root);
    free(many);
    wye_subjects_fini(&registry);
}

static void the_longest_name_is_listed_whole(void **state) {
    (void)state;
    struct wye_subject_view view;
    struct wye_listing listing;
    char name[256];
    memset(name, 'n', 255);
    name[255] = 0;
    wye_subjects_init(&registry, key);
    struct wye_subject *subject = hold(&registry, name);
    assert_false(wye_subjects_view(&registry, wye_span_of(name), 0, &view));
    wye_subject_set_loop(&registry, subject, 63, true);
    wye_listing_begin(&listing, (struct wye_span){0}, (struct wye_span){0});
    assert_int_equal(wye_listing_next(&listing, &registry, 0, &view, 1), 1);
    assert_int_equal(view.name_bytes, 255);
    assert_memory_equal(view.name, name, 255);
    assert_true(wye_subjects_view(&registry, wye_span_of(name), 0, &view));
    wye_subject_set_loop(&registry, subject, 63, false);
    wye_subject_release(&registry, subject);
    wye_subjects_fini(&registry);
}

struct part {
    struct wye_subjects *subjects;
    unsigned number;
};

static void *come_and_go(void *argument) {
    const struct part *part = argument;
    struct wye_subjects *subjects = part->subjects;
    for (unsigned i = 0; i < 5000; i++) {
        char text[8];
        snprintf(text, sizeof text, "t%u", i % 5);
        const struct wye_span name = wye_span_of(text);
        struct wye_meter *meter;
        struct wye_subject *subject =
            wye_subject_hold(subjects, name, wye_subject_hash(subjects, name), part->number, 0, &meter);
        if (!subject) return subjects;
        atomic_fetch_add_explicit(&subject->subscribers, 1, memory_order_relaxed);
        wye_subject_set_loop(subjects, subject, part->number, true);
        wye_meter_published(meter, i / 8, 1, 8); /* time passes, too */
        wye_meter_delivered(meter, i / 8, 2, 16);
        atomic_fetch_sub_explicit(&subject->subscribers, 1, memory_order_relaxed);
        wye_subject_set_loop(subjects, subject, part->number, false);
        wye_subject_release(subjects, subject);
    }
    return NULL;
}

static void threads_may_hold_count_list_and_let_go_at_once(void **state) {
    (void)state;
    struct wye_subjects subjects;
    struct wye_subject_view views[8];
    pthread_t threads[2];
    struct part parts[2] = {{&subjects, 0}, {&subjects, 1}};
    void *failed;
    wye_subjects_init(&subjects, key);
    struct wye_subject *lasting = hold(&subjects, "t0");
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &parts[i]), 0);
    for (unsigned i = 0; i < 2000; i++) {
        struct wye_listing listing;
        wye_listing_begin(&listing, (struct wye_span){0}, (struct wye_span){0});
        assert_true(wye_listing_next(&listing, &subjects, 0, views, 8) <= 5);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(subjects.count, 1);
    assert_int_equal(wye_meters_read(&lasting->meter, 0, 0).messages, 2 * 5000 / 5); /* none is lost */
    wye_subject_release(&subjects, lasting);
    wye_subjects_fini(&subjects);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_chooses_names_does_not_choose_their_hashes),
        cmocka_unit_test(one_name_is_one_subject_until_the_last_holder_lets_go),
        cmocka_unit_test(thousands_of_subjects_are_found_again),
        cmocka_unit_test(a_meter_is_its_hubs_until_the_subject_goes),
        cmocka_unit_test(a_listing_has_those_with_subscribers_in_the_order_of_names),
        cmocka_unit_test(a_listing_has_what_matches_and_looks_at_little_else),
        cmocka_unit_test(what_is_there_all_the_time_is_listed_once_while_others_come_and_go),
        cmocka_unit_test(the_order_is_shallow_whatever_order_names_come_in),
        cmocka_unit_test(the_longest_name_is_listed_whole),
        cmocka_unit_test(threads_may_hold_count_list_and_let_go_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
