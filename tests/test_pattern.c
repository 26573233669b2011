/* Patterns: the trie finds what the slow and obvious matching finds, and forgets what was taken out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/pattern.h"
#include "tests/sim/dice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SET_MAX = 64 };

struct set {
    struct wye_patterns patterns;
    char names[SET_MAX][64];
    bool in[SET_MAX];
    unsigned found[SET_MAX];
};

static struct set set;

static void note(void *owner, void *what) {
    struct set *in = owner;
    in->found[(char(*)[64])what - in->names]++;
}

static void add(unsigned i) {
    assert_int_equal(wye_patterns_add(&set.patterns, wye_span_of(set.names[i]), set.names[i]), 0);
    set.in[i] = true;
}

static void take_out(unsigned i) {
    wye_patterns_remove(&set.patterns, wye_span_of(set.names[i]));
    set.in[i] = false;
}

static void check(const char *name) {
    memset(set.found, 0, sizeof set.found);
    wye_patterns_match(&set.patterns, wye_span_of(name), note, &set);
    for (unsigned i = 0; i < SET_MAX; i++) {
        bool wanted = set.in[i] && wye_pattern_matches(wye_span_of(set.names[i]), wye_span_of(name));
        if (set.found[i] != wanted) fail_msg("'%s' and '%s': found %u times", set.names[i], name, set.found[i]);
    }
}

static void one_pattern_matches_as_mqtt_says(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"a", "a", true}, {"a", "b", false}, {"a", "a/b", false}, {"a/b", "a", false},
        {"+", "a", true}, {"+", "a/b", false}, {"a/+", "a/b", true}, {"a/+", "a", false}, {"a/+", "a/b/c", false},
        {"+/b", "a/b", true}, {"+/+", "a/b", true}, {"a/+/c", "a/x/c", true}, {"a/+/c", "a/x/d", false},
        {"#", "a", true}, {"#", "a/b/c", true}, {"a/#", "a", true}, {"a/#", "a/b", true}, {"a/#", "a/b/c", true},
        {"a/#", "ab", false}, {"a/#", "b/a", false}, {"a/+/#", "a", false}, {"a/+/#", "a/b", true}, {"+/#", "a", true},
        {"#", "$wye/stats", false}, {"+/stats", "$wye/stats", false}, {"$wye/#", "$wye/stats", true},
        {"$wye/+", "$wye/stats", true}, {"$wye/#", "$wye", true}, {"a/#", "a/$b", true}, {"a/+", "a/$b", true},
        {"a+b", "a+b", true}, {"a+b", "axb", false}, {"c#", "c#", true}, {"c#", "cd", false}, {"+a", "+a", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (wye_pattern_matches(wye_span_of(rows[i].pattern), wye_span_of(rows[i].name)) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].name);
    }
}

static void a_wildcard_is_a_whole_level_and_the_last_if_it_is_a_hash(void **state) {
    (void)state;
    assert_true(wye_pattern_is(WYE_SPAN("+")));
    assert_true(wye_pattern_is(WYE_SPAN("a/#")));
    assert_true(wye_pattern_is(WYE_SPAN("a/+/b")));
    assert_false(wye_pattern_is(WYE_SPAN("a+/b#/c")));
    assert_null(wye_topic_name_fault(WYE_SPAN("#")));
    assert_null(wye_topic_name_fault(WYE_SPAN("a/+/#")));
    assert_null(wye_topic_name_fault(WYE_SPAN("a#/b")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("#/a")));
    assert_non_null(wye_topic_name_fault(WYE_SPAN("a/#/#")));
}

/* A name or pattern of few different levels, so that many match. */
static void draw(struct sim_dice *dice, char *to, bool pattern) {
    static const char *const levels[] = {"a", "b", "$c", "+", "#"};
    unsigned count = (unsigned)sim_between(dice, 1, 5);
    *to = 0;
    for (unsigned i = 0; i < count; i++) {
        const char *level = levels[sim_below(dice, pattern ? (i + 1 == count ? 5 : 4) : 3)];
        strcat(strcat(to, i ? "/" : ""), level);
    }
}

/* Every pattern, or name, of up to three of these levels; "a" stands in patterns, "z" in none. */
static unsigned write_all(char all[][16], bool pattern) {
    static const char *const of_patterns[] = {"a", "b", "+", "#", "$c"}, *const of_names[] = {"a", "b", "z", "$c"};
    const char *const *levels = pattern ? of_patterns : of_names;
    const unsigned each = pattern ? 5 : 4;
    unsigned count = 0;
    for (unsigned i = 0; i < each * (each + 1) * (each + 1); i++) {
        unsigned first = i % each, second = i / each % (each + 1), third = i / each / (each + 1);
        if (second == each && third < each) continue;
        snprintf(all[count], 16, "%s%s%s%s%s", levels[first], second < each ? "/" : "", second < each ? levels[second] : "",
                 third < each ? "/" : "", third < each ? levels[third] : "");
        if (!wye_topic_name_fault(wye_span_of(all[count]))) count++;
    }
    return count;
}

static void a_pattern_covers_another_when_it_matches_all_that_the_other_does(void **state) {
    (void)state;
    static char patterns[256][16], names[256][16];
    const unsigned pattern_count = write_all(patterns, true), name_count = write_all(names, false);
    unsigned covered = 0;
    assert_true(pattern_count > 80 && name_count > 80);
    for (unsigned i = 0; i < pattern_count; i++) {
        for (unsigned j = 0; j < pattern_count; j++) {
            struct wye_span wide = wye_span_of(patterns[i]), narrow = wye_span_of(patterns[j]);
            bool all = true;
            for (unsigned k = 0; k < name_count && all; k++)
                all = !wye_pattern_matches(narrow, wye_span_of(names[k])) || wye_pattern_matches(wide, wye_span_of(names[k]));
            /* Names here end with their third level, and so "a/b/c/#" seems to be no more than "a/b/c". */
            if (all && strlen(patterns[j]) > 4 && patterns[j][strlen(patterns[j]) - 1] == '#') continue;
            bool covers = wye_pattern_covers(wide, narrow);
            if (covers != all) fail_msg("'%s' and '%s': %s", patterns[i], patterns[j], covers ? "covered" : "not covered");
            covered += covers;
        }
    }
    assert_true(covered > pattern_count);
    assert_true(wye_pattern_covers(WYE_SPAN("a/b/#"), WYE_SPAN("a/b/c/#")));
    assert_true(wye_pattern_covers(WYE_SPAN("a/b/#"), WYE_SPAN("a/b/#")));
    assert_false(wye_pattern_covers(WYE_SPAN("a/b/+"), WYE_SPAN("a/b/#")));
    assert_false(wye_pattern_covers(WYE_SPAN("#"), WYE_SPAN("$wye/#")));
    assert_false(wye_pattern_covers(WYE_SPAN("a/+b"), WYE_SPAN("a/xb")));
}

static bool is_new(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(set.names[i], set.names[count]) == 0) return false;
    }
    return true;
}

static void a_set_finds_what_each_pattern_matches_while_patterns_come_and_go(void **state) {
    (void)state;
    struct sim_dice dice = {77};
    memset(&set, 0, sizeof set);
    for (unsigned i = 0; i < SET_MAX; i++) {
        do draw(&dice, set.names[i], true);
        while (!is_new(i));
    }
    for (unsigned round = 0; round < 20000; round++) {
        unsigned i = (unsigned)sim_below(&dice, SET_MAX);
        char name[64];
        if (set.in[i]) take_out(i);
        else add(i);
        draw(&dice, name, false);
        check(name);
    }
    for (unsigned i = 0; i < SET_MAX; i++) {
        if (set.in[i]) take_out(i);
    }
    assert_null(set.patterns.root);
    assert_int_equal(set.patterns.node_count, 0);
    wye_patterns_fini(&set.patterns);
}

static void thousands_of_patterns_cost_a_name_no_more_than_what_matches(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    static char names[COUNT][32];
    struct wye_patterns patterns = {0};
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "room/%u/+", i);
        assert_int_equal(wye_patterns_add(&patterns, wye_span_of(names[i]), names[i]), 0);
    }
    assert_int_equal(patterns.node_count, COUNT + 1); /* "room", and a literal level each; '+' needs no bucket */
    memset(&set, 0, sizeof set);
    for (unsigned i = 0; i < COUNT; i++) wye_patterns_remove(&patterns, wye_span_of(names[i]));
    wye_patterns_fini(&patterns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pattern_matches_as_mqtt_says),
        cmocka_unit_test(a_wildcard_is_a_whole_level_and_the_last_if_it_is_a_hash),
        cmocka_unit_test(a_pattern_covers_another_when_it_matches_all_that_the_other_does),
        cmocka_unit_test(a_set_finds_what_each_pattern_matches_while_patterns_come_and_go),
        cmocka_unit_test(thousands_of_patterns_cost_a_name_no_more_than_what_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
