/* The configuration file of wye. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/read_options.h"

#include <fcntl.h>
#include <sys/stat.h>

static char folder[] = "/tmp/wye-options-XXXXXX";
static char path[64];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/f", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t count) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
}

/* Reads a file with this text, and a command line behind it. */
static int read_both(const char *text, const char *line) {
    char whole[4096];
    write_bytes(text, strlen(text));
    snprintf(whole, sizeof whole, "--config %s %s", path, line);
    return read_line(whole);
}

static void expect_good(const char *text, const char *line) {
    int status = read_both(text, line);
    if (status != -1) fail_msg("%s: %d: %s", text, status, said);
    assert_string_equal(said, "");
}

/* It exits with 64 and begins with the name of the file and what is given. */
static void expect_bad(const char *text, const char *words) {
    char start[256];
    snprintf(start, sizeof start, "wye: %s:%s", path, words);
    int status = read_both(text, "");
    if (status != WYE_EXIT_USAGE || strncmp(said, start, strlen(start)) != 0) fail_msg("%s: %d: %s", text, status, said);
    assert_true(said[strlen(said) - 1] == '\n' && strchr(said, '\n') == said + strlen(said) - 1); /* one line */
}

/* ---- what can be said ---- */

static void every_row_can_be_given_in_a_file(void **state) {
    (void)state;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        char text[512], words[512];
        if (option->of_tls && !wye_tls_is_built()) continue;
        snprintf(text, sizeof text, "[node]\n\n%s = %s\n", option->name, option->act ? "yes" : example_of(option));
        if (option->scope == WYE_SCOPE_COMMAND) {
            snprintf(words, sizeof words, "3: %s = %s: this belongs on the command line", option->name, option->act ? "yes" : example_of(option));
            expect_bad(text, words);
            continue;
        }
        expect_good(text, company_of(option));
        const struct wye_given *given = wye_givens_nth(&options->givens, option, 0);
        assert_non_null(given);
        assert_int_equal(given->line, 3);
        assert_string_equal(given->text, example_of(option));
        forget();
    }
}

static void a_wrong_value_of_every_row_is_said_with_its_line(void **state) {
    (void)state;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        char text[256], words[256];
        if (option->scope == WYE_SCOPE_COMMAND || (option->of_tls && !wye_tls_is_built())) continue;
        snprintf(text, sizeof text, "# first\n%s = \x01\n", option->name);
        if (read_both(text, "") == -1 || strstr(said, "needs") || strstr(said, "nothing listens")) { /* any text will do */
            forget();
            continue;
        }
        snprintf(words, sizeof words, "2: %s = \x01: ", option->name);
        expect_bad(text, words);
    }
}

static void sections_comments_and_blanks_are_read(void **state) {
    (void)state;
    expect_good("\xEF\xBB\xBF# a comment\r\n"
                "ping=5 ; of seconds\r\n"
                "\toutbox : 1M\r\n"
                "[listener inside]\n"
                "listen = 127.0.0.1:1\n"
                "listen = unix:/tmp/x\n"
                "   [topic prices/#]   ; what is new counts\n"
                "\n"
                "  on-slow = latest\n"
                "[topic a=b]\n"
                "on-slow = drop\n"
                "[node]\n"
                "on-slow = drop\n"
                "on-slow = x=y=close\n"
                "origin = *\n"
                "open = no\n", "");
    assert_int_equal(options->settings.ping_ns, UINT64_C(5000000000));
    assert_int_equal(options->settings.outbox_bytes, 1 << 20);
    assert_int_equal(options->listener_count, 2);
    assert_int_equal(options->settings.on_slow, WYE_ON_SLOW_DROP);
    assert_int_equal(options->settings.slow_rule_count, 3);
    static const struct { const char *pattern; enum wye_on_slow on_slow; } rules[] = {
        {"prices/#", WYE_ON_SLOW_LATEST}, {"a=b", WYE_ON_SLOW_DROP}, {"x=y", WYE_ON_SLOW_CLOSE}};
    for (unsigned i = 0; i < 3; i++) {
        const struct wye_slow_rule *rule = &options->settings.slow_rules[i];
        assert_true(wye_span_equal(rule->pattern, wye_span_of(rules[i].pattern)));
        assert_int_equal(rule->on_slow, rules[i].on_slow);
    }
    assert_string_equal(options->settings.policy.origins[0], "*");
    forget();
    expect_good("", "");
    forget();
    expect_good("ping = 5", ""); /* no newline at the end */
    assert_int_equal(options->settings.ping_ns, UINT64_C(5000000000));
    forget();
}

static void the_command_line_counts_more_and_lists_add_up(void **state) {
    (void)state;
    expect_good("threads = 2\nping = 5\nopen = yes\norigin = a\non-slow = drop\n[topic t]\non-slow = drop\n[listener l]\nlisten = 127.0.0.1:1\n",
                "--threads 3 --open=no --origin b --on-slow latest --on-slow t=close --listen 127.0.0.1:2");
    assert_int_equal(options->threads, 3);
    assert_int_equal(options->settings.ping_ns, UINT64_C(5000000000));
    assert_false(options->open);
    assert_int_equal(options->settings.policy.origin_count, 2);
    assert_string_equal(options->settings.policy.origins[0], "a");
    assert_int_equal(options->settings.on_slow, WYE_ON_SLOW_LATEST);
    assert_int_equal(options->settings.slow_rules[options->settings.slow_rule_count - 1].on_slow, WYE_ON_SLOW_CLOSE); /* the last counts */
    assert_int_equal(options->listener_count, 2);
    forget();
}

/* ---- what is wrong ---- */

static void errors_name_the_line(void **state) {
    (void)state;
    static const struct { const char *text, *words; } table[] = {
        {"ping = 5\noutbx = 3\n", "2: outbx = 3: no such option; see wye --help-all"},
        {"\n\noutbox = 3\n", "3: outbox = 3: expected a number from 1024 to 4294967295 (K, M and G are understood)"},
        {"[nodes]\n", "1: [nodes]: expected [node], [listener NAME] or [topic PATTERN]"},
        {"ping = 5\n[topic]\nping = 3\n", "2: [topic]: expected"},
        {"[listener ]\n", "1: [listener]: expected"},
        {"[topic a", "1: [topic a: expected"},
        {"[topic a] # x\n", "1: [topic a] # x: expected"},
        {"[topic a//b]\n", "1: [topic a//b]: "},
        {"[topic a]b]\non-slow = drop\nping = 3\n", "3: ping = 3: not an option of a topic; it belongs into [node]"},
        {"[listener a]\nthreads = 3\n", "2: threads = 3: not an option of a listener; it belongs into [node]"},
        {"[topic a]\n\non-slow = b=drop\n", "3: on-slow = b=drop: the section says the topic already"},
        {"[topic a]\n\non-slow = wait\n", "3: on-slow = wait: expected close, drop or latest"},
        {"on-slow = a/#/b=drop\n", "1: on-slow = a/#/b=drop: "},
        {"ping = 5\n# x\nping = 5\n", "3: ping = 5: line 1 says it already"},
        {"on-slow = drop\n\non-slow = close\n", "3: on-slow = close: line 1 says it already"},
        {"on-slow = a=drop\n[topic a]\non-slow = close\n", "3: on-slow = close: line 1 says it already"},
        {"open\n", "1: expected KEY = VALUE or [SECTION]"},
        {"ping = 1\n; x\nnonsense\nping = 3\n", "3: expected KEY = VALUE or [SECTION]"},
        {"open =\n", "1: open = : a value is missing"},
        {"open = on\n", "1: open = on: expected yes or no"},
        {"origin = '*'\n", "1: origin = '*': values stand without quotes here"},
        {"listen = 127.0.0.1:0\nlisten = 0.0.0.0:80\n", "2: listen = 0.0.0.0:80: other machines can reach this address"},
        {"listen = nonsense\n", "1: listen = nonsense: expected ADDR:PORT"},
        {"= 3\n", "1:  = 3: no such option"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) expect_bad(table[i].text, table[i].words);
    if (!wye_tls_is_built()) return;
    expect_bad("ping = 3\ncert = a\n", "2: cert = a: it needs the file with its private key");
    expect_bad("[node]\ntls-min = 1.3\n", "2: tls-min = 1.3: nothing listens with TLS");
    expect_good("tls-min = 1.2\ndev-cert = no\n", "");
    forget();
}

static void long_lines_are_refused_and_not_cut(void **state) {
    (void)state;
    char text[1024], path_of[256];
    for (int count = 180; count < 200; count++) { /* of bytes in the line */
        memset(path_of, 'x', sizeof path_of);
        path_of[count - (int)strlen("host = ")] = 0;
        snprintf(text, sizeof text, "ping = 5\nhost = %s\nping = 6", path_of);
        int status = read_both(text, "");
        assert_int_equal(status, WYE_EXIT_USAGE);
        if (!strstr(said, count <= 198 ? ":3: ping = 6: line 1 says it already" : ":2: too long: a line has at most 198 bytes")) fail_msg("%d: %s", count, said);
    }
    /* A comment may be as long as it likes. */
    memset(text, '#', 900);
    strcpy(text + 900, "\nping = 7\n");
    expect_good(text, "");
    assert_int_equal(options->settings.ping_ns, UINT64_C(7000000000));
    forget();
    /* inih alone would cut the name of the section. */
    memset(path_of, 'y', sizeof path_of);
    path_of[150] = 0;
    snprintf(text, sizeof text, "[topic %s]\non-slow = drop\n", path_of);
    expect_good(text, "");
    assert_int_equal(options->settings.slow_rules[0].pattern.count, 150);
    forget();
}

static void what_is_no_file_of_text_is_said(void **state) {
    (void)state;
    char line[256], words[256];
    write_bytes("ping = 5\nping\0 = 6\n", 19);
    snprintf(line, sizeof line, "--config %s", path);
    assert_int_equal(read_line(line), WYE_EXIT_USAGE);
    snprintf(words, sizeof words, "wye: %s:2: a byte that is 0; this is no text\n", path);
    assert_string_equal(said, words);
    snprintf(line, sizeof line, "--config %s", folder);
    assert_int_equal(read_line(line), WYE_EXIT_COULD_NOT_TRY);
    snprintf(words, sizeof words, "wye: --config %s: Is a directory\n", folder);
    assert_string_equal(said, words);
    assert_int_equal(read_line("--config /nowhere/at/all"), WYE_EXIT_COULD_NOT_TRY);
    assert_string_equal(said, "wye: --config /nowhere/at/all: No such file or directory\n");
    snprintf(line, sizeof line, "--config %s --config %s", path, path);
    write_bytes("", 0);
    assert_int_equal(read_line(line), WYE_EXIT_USAGE);
    snprintf(words, sizeof words, "wye: --config %s: there is a --config already\n", path);
    assert_string_equal(said, words);
}

/* ---- reading again ---- */

/* Reads the same line again, with another text in the file; the caller's. */
static struct wye_options *reread(const char *text) {
    write_bytes(text, strlen(text));
    struct wye_options *next = wye_options_reread(options);
    assert_non_null(next);
    return next;
}

/* Whatever a row is: added to the file, it is there; in what comes of it while the node runs, when it is live. */
static void every_row_can_be_reloaded_or_is_kept_until_a_restart(void **state) {
    (void)state;
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        char text[512];
        if (option->scope == WYE_SCOPE_COMMAND || (option->of_tls && !wye_tls_is_built())) continue;
        /* Without TLS most of what belongs to it can't be; with it everything can. */
        const char *company = company_of(option);
        if (strcmp(option->name, "cert") == 0 || strcmp(option->name, "key") == 0) continue; /* pairs: below */
        expect_good("", company);
        if (option->example) snprintf(text, sizeof text, "%s = %s\n", option->name, option->example);
        else snprintf(text, sizeof text, "%s = %u\n", option->name, option->least ? (unsigned)option->least : 1);
        if (option->words) snprintf(text, sizeof text, "%s = %s\n", option->name, option->words[1]);
        struct wye_options *next = reread(text);
        assert_string_equal(next->trouble, "");
        assert_false(wye_givens_equal(&options->givens, &next->givens, option));
        struct wye_options *then = wye_options_merge(options, next);
        assert_string_equal(then->trouble, "");
        assert_true(wye_givens_equal(&(option->live ? next : options)->givens, &then->givens, option));
        assert_false(wye_givens_equal(&(option->live ? options : next)->givens, &then->givens, option));
        wye_options_release(then);
        wye_options_release(next);
        forget();
    }
}

static void what_is_merged_holds_by_value_too(void **state) {
    (void)state;
    expect_good("threads = 2\nping = 5\norigin = a\n[topic t]\non-slow = drop\n", "--origin c --outbox 1M");
    struct wye_options *next = reread("ping = 6\nthreads = 3\norigin = b\noutbox = 2M\n[topic u]\non-slow = latest\n");
    struct wye_options *then = wye_options_merge(options, next);
    assert_int_equal(next->threads, 3);
    wye_options_release(next);
    forget(); /* it stands on its own */
    assert_int_equal(then->threads, 2);
    assert_int_equal(then->settings.ping_ns, UINT64_C(6000000000));
    assert_int_equal(then->settings.policy.origin_count, 2);
    assert_string_equal(then->settings.policy.origins[0], "b");
    assert_string_equal(then->settings.policy.origins[1], "c");
    assert_int_equal(then->settings.outbox_bytes, 1 << 20); /* the command line's, as ever */
    assert_int_equal(then->settings.slow_rule_count, 1);
    assert_true(wye_span_equal(then->settings.slow_rules[0].pattern, WYE_SPAN("u")));
    then->settings.end(then->settings.owner); /* as the core does when no loop reads them any more */
}

static void a_broken_file_is_told_from_a_good_one(void **state) {
    (void)state;
    expect_good("ping = 5\n", "");
    char words[128];
    struct wye_options *next = reread("ping = 5\nthreads = none\n");
    snprintf(words, sizeof words, "%s:2: threads = none: expected a number from 1 to 64", path);
    assert_string_equal(next->trouble, words);
    wye_options_release(next);
    unlink(path);
    next = wye_options_reread(options);
    snprintf(words, sizeof words, "--config %s: No such file or directory", path);
    assert_string_equal(next->trouble, words);
    wye_options_release(next);
    forget();
}

static void what_only_fits_after_a_restart_is_trouble(void **state) {
    (void)state;
    if (!wye_tls_is_built()) return;
    expect_good("", "");
    struct wye_options *next = reread("tls-listen = 127.0.0.1:0\ncert = a\nkey = b\n");
    assert_string_equal(next->trouble, "");
    struct wye_options *then = wye_options_merge(options, next);
    assert_non_null(strstr(then->trouble, ": nothing listens with TLS"));
    wye_options_release(then);
    wye_options_release(next);
    forget();
    expect_good("tls-listen = 127.0.0.1:0\ncert = a\nkey = b\n", "");
    next = reread("tls-listen = 127.0.0.1:0\ncert = c\nkey = d\n");
    then = wye_options_merge(options, next);
    assert_string_equal(then->trouble, "");
    assert_string_equal(then->certificates.chains[0], "c");
    wye_options_release(then);
    wye_options_release(next);
    forget();
}

/* ---- printing ---- */

/* What --print-config prints, the caller's to free. */
static char *printed(const char *line, int want) {
    char whole[1024];
    FILE *to = tmpfile();
    assert_non_null(to);
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    dup2(fileno(to), STDOUT_FILENO);
    snprintf(whole, sizeof whole, "%s --print-config", line);
    int status = read_line(whole);
    fflush(stdout);
    dup2(before, STDOUT_FILENO);
    close(before);
    if (status != want) fail_msg("%s: %d: %s", whole, status, said);
    struct stat size;
    assert_int_equal(fstat(fileno(to), &size), 0);
    char *text = calloc(1, (size_t)size.st_size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(to), text, (size_t)size.st_size, 0), size.st_size);
    fclose(to);
    return text;
}

static void what_is_printed_reads_back_to_the_same(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "--threads 2 --threads 3 --open --on-slow drop --on-slow prices/#=latest --on-slow a=b=close --on-slow prices/#=drop",
        "--origin https://a.example --origin * --host h --ping 0.5 --outbox 1M --log debug --listen 127.0.0.1:0 --listen unix:/x",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char *first = printed(lines[i], WYE_EXIT_YES), whole[128];
        write_bytes(first, strlen(first));
        snprintf(whole, sizeof whole, "--config %s", path);
        char *second = printed(whole, WYE_EXIT_YES);
        assert_string_equal(first, second);
        free(first);
        free(second);
    }
}

static void every_option_is_printed_with_its_standard(void **state) {
    (void)state;
    char *text = printed("", WYE_EXIT_YES);
    for (size_t i = 0; i < wye_option_count; i++) {
        const struct wye_option *option = &wye_option_table[i];
        char line[256];
        snprintf(line, sizeof line, "\n#%s = %s\n", option->name, option->standard ? option->standard : option->argument ? option->example : "no");
        bool there = strstr(text, line) != NULL;
        if (there != (option->scope != WYE_SCOPE_COMMAND)) fail_msg("%s", line);
    }
    free(text);
}

static void what_cannot_stand_in_a_file_is_not_printed_as_if_it_could(void **state) {
    (void)state;
    static const char *const values[] = {"a ;b", " a", "a ", "'a'", ";a", "", "a\nb"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char *argv[] = {(char *)"wye", (char *)"--host", (char *)(uintptr_t)values[i], (char *)"--print-config", NULL};
        fflush(stdout);
        int before = dup(STDOUT_FILENO), nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        int status = read_arguments(4, argv);
        fflush(stdout);
        dup2(before, STDOUT_FILENO);
        close(before);
        close(nowhere);
        assert_int_equal(status, WYE_EXIT_USAGE);
        assert_non_null(strstr(said, "can't stand in a file"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_can_be_given_in_a_file),
        cmocka_unit_test(a_wrong_value_of_every_row_is_said_with_its_line),
        cmocka_unit_test(sections_comments_and_blanks_are_read),
        cmocka_unit_test(the_command_line_counts_more_and_lists_add_up),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(long_lines_are_refused_and_not_cut),
        cmocka_unit_test(what_is_no_file_of_text_is_said),
        cmocka_unit_test(every_row_can_be_reloaded_or_is_kept_until_a_restart),
        cmocka_unit_test(what_is_merged_holds_by_value_too),
        cmocka_unit_test(a_broken_file_is_told_from_a_good_one),
        cmocka_unit_test(what_only_fits_after_a_restart_is_trouble),
        cmocka_unit_test(what_is_printed_reads_back_to_the_same),
        cmocka_unit_test(every_option_is_printed_with_its_standard),
        cmocka_unit_test(what_cannot_stand_in_a_file_is_not_printed_as_if_it_could),
    };
    int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    forget();
    return failed;
}
