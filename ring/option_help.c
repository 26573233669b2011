/* What --help and --help-all print: the table, set in two columns; and what is said of an option in a file. */
#include "ring/option_table.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 25, HELP_WIDTH = 106, HELP_BYTES = 512 };

static const char head[] =
    "usage: wye [option...]\n"
    "\n"
    "A node that switches HTTP/1.1 connections to WebSocket or a protocol of your own, over io_uring.\n"
    "Open its first listener in a browser for a live chat and the node's counters.\n"
    "\n";

static const char tail[] =
    "\n"
    "BYTES take K, M or G. Paths: / /echo /chat /topic/NAME /stream /topics /metrics /healthz\n"
    "WYE_WITHOUT=inc,direct,write_fixed,optlen does without newer kernel features;\n"
    "WYE_VARIANT=portable without SIMD. Exit status: 0 ended as asked, 2 could not start, 64 usage,\n"
    "69 io_uring is not to be had.\n";

/* Prints words from a column on, behind what stands in `at` columns already, in as many lines as they take; those begin with a mark. */
static void print_words(const char *words, int at, int column, const char *mark) {
    while (*words) {
        int count = (int)strcspn(words, " ");
        if (at > column && at + 1 + count > HELP_WIDTH) {
            putchar('\n');
            at = 0;
        }
        bool begins = at == 0;
        if (begins) at += printf("%s", mark);
        at += printf("%*s", at < column ? column - at : begins ? 0 : 1, "");
        at += printf("%.*s", count, words);
        words += count;
        words += *words == ' ';
    }
    putchar('\n');
}

/* The help of a row, with what it is when not given. */
static void say(const struct wye_option *option, char text[HELP_BYTES]) {
    const char *otherwise = option->standard ? option->standard : option->otherwise;
    while (!option->help) option++; /* it shares the next one's */
    snprintf(text, HELP_BYTES, "%s%s%s%s%s", option->help, option->repeats ? "; may be given again" : "", otherwise ? " (" : "",
             otherwise ? otherwise : "", otherwise ? ")" : "");
}

void wye_option_print_help(const struct wye_option *option, const char *mark) {
    char text[HELP_BYTES];
    say(option, text);
    print_words(text, 0, (int)strlen(mark), mark);
}

static int print_help(bool all) {
    fputs(head, stdout);
    int at = 0;
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (!all && !option->often) continue;
        at += printf(at ? " --%s" : "  --%s", option->name);
        if (option->argument) at += printf(" %s", option->argument);
        if (!option->help) continue;
        char text[HELP_BYTES];
        say(option, text);
        print_words(text, at, HELP_COLUMN, "");
        at = 0;
    }
    fputs(tail, stdout);
    return WYE_EXIT_YES;
}

int wye_options_help(void) { return print_help(false); }
int wye_options_help_all(void) { return print_help(true); }
