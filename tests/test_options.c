/* The options of wye: the table, and what a command line makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/read_options.h"

#include <ctype.h>

static void expect_fine(const char *line) {
    int status = read_line(line);
    if (status != -1) fail_msg("%s: %d: %s", line, status, said);
    assert_string_equal(said, "");
}

static void expect_wrong(const char *line, const char *words) {
    int status = read_line(line);
    if (status != WYE_EXIT_USAGE || !strstr(said, words)) fail_msg("%s: %d: %s", line, status, said);
    assert_null(options);
}

/* ---- the table ---- */

static void every_row_is_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        assert_string_not_equal(option->name, "");
        for (const char *at = option->name; *at; at++) assert_true(islower((unsigned char)*at) || isdigit((unsigned char)*at) || *at == '-');
        for (size_t k = 0; k < i; k++) assert_string_not_equal(option->name, wye_option_table[k].name);
        assert_true(!option->read != !option->act);
        assert_true(option->help || i + 1 < wye_option_count); /* it shares the next one's */
        if (option->act) continue;
        assert_non_null(example_of(option));
        assert_false(option->standard && option->otherwise);
        assert_true(option->least <= option->most);
    }
}

static void every_row_takes_its_example(void **state) {
    (void)state;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        if (option->act || option->scope == WYE_SCOPE_COMMAND || (option->of_tls && !wye_tls_is_built())) continue;
        char line[512];
        snprintf(line, sizeof line, "%s --%s=%s", company_of(option), option->name, example_of(option));
        expect_fine(line);
        const struct wye_given *last = &options->givens.at[options->givens.count - 1];
        assert_ptr_equal(last->option, option);
        assert_string_equal(last->text, example_of(option));
        forget();
    }
}

/* Each row with something that no reader takes, but for those that take any text. */
static void what_no_reader_takes_is_said_with_the_option_and_the_value(void **state) {
    (void)state;
    unsigned count = 0;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        char line[256], words[256];
        snprintf(line, sizeof line, "--%s=\x01", option->name);
        if (option->act || option->scope == WYE_SCOPE_COMMAND || (option->of_tls && !wye_tls_is_built())) continue;
        if (read_line(line) == -1 || strstr(said, "needs") || strstr(said, "nothing listens")) continue; /* a text */
        snprintf(words, sizeof words, "wye: --%s \x01: ", option->name);
        expect_wrong(line, words);
        count++;
    }
    assert_true(count >= 12);
}

static void the_standards_are_those_of_the_core(void **state) {
    (void)state;
    struct wye_settings settings;
    wye_settings_init(&settings);
    expect_fine("");
    assert_int_equal(options->settings.max_message_bytes, settings.max_message_bytes);
    assert_int_equal(options->settings.outbox_bytes, settings.outbox_bytes);
    assert_int_equal(options->settings.topics_per_connection, settings.topics_per_connection);
    assert_int_equal(options->settings.on_rate, settings.on_rate);
    assert_int_equal(options->settings.history.messages, settings.history.messages);
    assert_int_equal(options->settings.history.bytes, settings.history.bytes);
    assert_int_equal(options->settings.history_memory_bytes, settings.history_memory_bytes);
    assert_int_equal(options->settings.shared_memory_bytes, settings.shared_memory_bytes);
    assert_int_equal(options->settings.max_connections, settings.max_connections);
    assert_int_equal(options->settings.deflate, settings.deflate);
    assert_int_equal(options->settings.on_slow, settings.on_slow);
    assert_int_equal(options->settings.idle_timeout_ns, settings.idle_timeout_ns);
    assert_int_equal(options->settings.ping_ns, settings.ping_ns);
    assert_int_equal(options->log, WYE_LOG_INFO);
    assert_int_equal(options->threads, 0);
    assert_int_equal(options->listener_count, 1);
    assert_string_equal(options->listeners[0].text, wye_option_find("listen")->otherwise);
    assert_true(options->settings.policy.host_is_checked && !options->open && !options->tls);
    forget();
}

/* ---- values ---- */

static void the_last_of_one_counts_and_lists_add_up(void **state) {
    (void)state;
    expect_fine("--threads 2 --threads 3 --origin a --origin b --host h --listen 127.0.0.1:1 --listen unix:/x");
    assert_int_equal(options->threads, 3);
    assert_int_equal(options->settings.policy.origin_count, 2);
    assert_string_equal(options->settings.policy.origins[1], "b");
    assert_int_equal(options->settings.policy.host_count, 1);
    assert_int_equal(options->listener_count, 2);
    assert_string_equal(options->listeners[1].text, "unix:/x");
    forget();
}

static void sizes_seconds_words_and_flags_are_read(void **state) {
    (void)state;
    expect_fine("--outbox 1M --memory 3g --max-connections 10K --ping 0.5 --idle-timeout 0 --deflate takeover --log debug --open");
    assert_int_equal(options->settings.outbox_bytes, 1 << 20);
    assert_int_equal(options->settings.memory_bytes, UINT64_C(3) << 30);
    assert_int_equal(options->settings.max_connections, 10240);
    assert_int_equal(options->settings.ping_ns, 500000000);
    assert_int_equal(options->settings.deflate, WYE_DEFLATE_TAKEOVER);
    assert_int_equal(options->log, WYE_LOG_DEBUG);
    assert_true(options->open);
    forget();
    expect_fine("--open --open=no");
    assert_false(options->open);
    forget();
    expect_fine("--open=yes");
    assert_true(options->open);
    forget();
}

static void a_topic_stands_before_the_last_equals_sign(void **state) {
    (void)state;
    expect_fine("--on-slow latest --on-slow a=b=drop --on-slow prices/#=close");
    assert_int_equal(options->settings.on_slow, WYE_ON_SLOW_LATEST);
    assert_int_equal(options->settings.slow_rule_count, 2);
    const struct wye_slow_rule *rules = options->settings.slow_rules;
    assert_true(rules[0].pattern.count == 3 && memcmp(rules[0].pattern.bytes, "a=b", 3) == 0);
    assert_int_equal(rules[0].on_slow, WYE_ON_SLOW_DROP);
    assert_int_equal(rules[1].on_slow, WYE_ON_SLOW_CLOSE);
    forget();
}

static void errors_say_what_is_allowed(void **state) {
    (void)state;
    expect_wrong("--outbox 3", "wye: --outbox 3: expected a number from 1024 to 4294967295 (K, M and G are understood)\n");
    expect_wrong("--threads 65", "wye: --threads 65: expected a number from 1 to 64\n");
    expect_wrong("--threads 2K", "wye: --threads 2K: expected a number from 1 to 64\n");
    expect_wrong("--memory 99999999999G", "expected a number from 1048576 to");
    expect_wrong("--on-slow wait", "wye: --on-slow wait: expected close, drop or latest\n");
    expect_wrong("--on-slow a/#/b=drop", "wye: --on-slow a/#/b=drop: ");
    expect_wrong("--deflate on", "expected off, shared or takeover\n");
    expect_wrong("--log loud", "expected error, warn, info or debug\n");
    expect_wrong("--open=maybe", "wye: --open maybe: expected yes or no\n");
    expect_wrong("--idle-timeout 1000001", "expected seconds, from 0 (off) to 1000000\n");
    expect_wrong("--nonsense", "see wye --help-all\n");
    expect_wrong("more", "wye: more: not an option; see wye --help-all\n");
    expect_wrong("--listen 0.0.0.0:80", "wye: --listen 0.0.0.0:80: other machines can reach this address");
}

static void more_of_a_list_than_there_is_room_for_is_refused(void **state) {
    (void)state;
    static const struct { const char *option, *value, *words; int room; } lists[] = {
        {"--origin", "https://a.example", "at most 64 of them", 64},
        {"--on-slow", "a=drop", "at most 64 of them", 64},
        {"--listen", "127.0.0.1:0", "at most 16 listeners", 16},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char line[4096] = "";
        for (int k = 0; k < lists[i].room; k++) {
            size_t count = strlen(line);
            snprintf(line + count, sizeof line - count, "%s=%s ", lists[i].option, lists[i].value);
        }
        expect_fine(line);
        assert_int_equal(options->givens.count, lists[i].room);
        forget();
        size_t count = strlen(line);
        snprintf(line + count, sizeof line - count, "%s=%s", lists[i].option, lists[i].value);
        expect_wrong(line, lists[i].words);
    }
}

static void what_belongs_to_TLS_is_checked_together(void **state) {
    (void)state;
    if (!wye_tls_is_built()) {
        expect_wrong("--tls-listen 127.0.0.1:0", "wye: --tls-listen 127.0.0.1:0: this build has no TLS");
        return;
    }
    expect_wrong("--cert a --cert b --key k", "wye: --cert b: it needs the file with its private key: --key FILE\n");
    expect_wrong("--key a", "wye: --key a: it needs the file with its certificate: --cert FILE\n");
    expect_wrong("--tls-min 1.3", "wye: --tls-min 1.3: nothing listens with TLS");
    expect_wrong("--tls-listen 127.0.0.1:0", "wye: --tls-listen 127.0.0.1:0: it needs --cert FILE and --key FILE");
    expect_wrong("--dev-cert --cert a --key b", "wye: --dev-cert: there is a --cert already");
    expect_wrong("--listen 127.0.0.1:0 --tls-listen 0.0.0.0:80 --dev-cert", "wye: --tls-listen 0.0.0.0:80: other machines");
    expect_fine("--dev-cert");
    assert_int_equal(options->listener_count, 1);
    assert_true(options->tls && options->listeners[0].tls && options->certificates.throw_away);
    assert_string_equal(options->listeners[0].text, "127.0.0.1:8443");
    forget();
    expect_fine("--tls-listen 127.0.0.1:0 --cert a --key b --cert c --key d --tls-min 1.3");
    assert_int_equal(options->certificates.pair_count, 2);
    assert_string_equal(options->certificates.chains[1], "c");
    assert_string_equal(options->certificates.keys[1], "d");
    assert_true(options->certificates.only_13);
    forget();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(every_row_takes_its_example),
        cmocka_unit_test(what_no_reader_takes_is_said_with_the_option_and_the_value),
        cmocka_unit_test(the_standards_are_those_of_the_core),
        cmocka_unit_test(the_last_of_one_counts_and_lists_add_up),
        cmocka_unit_test(sizes_seconds_words_and_flags_are_read),
        cmocka_unit_test(a_topic_stands_before_the_last_equals_sign),
        cmocka_unit_test(errors_say_what_is_allowed),
        cmocka_unit_test(more_of_a_list_than_there_is_room_for_is_refused),
        cmocka_unit_test(what_belongs_to_TLS_is_checked_together),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    forget();
    return failed;
}
