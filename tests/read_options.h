/* Reads command lines of wye, and looks at what is said about them. */
#ifndef WYE_TESTS_READ_OPTIONS_H
#define WYE_TESTS_READ_OPTIONS_H

#include "ring/option_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 128 };

static struct wye_options *options; /* of the last read_line() that went well */
static char said[8192]; /* on stderr by the last read_line() */

static void forget(void) {
    wye_options_release(options);
    options = NULL;
}

/* Reads a command line; what it prints on stderr is in `said`. */
static int read_arguments(int argc, char **argv) {
    forget();
    FILE *to = tmpfile();
    assert_non_null(to);
    fflush(stderr);
    int before = dup(STDERR_FILENO);
    dup2(fileno(to), STDERR_FILENO);
    int status = wye_options_read(&options, argc, argv);
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t count = pread(fileno(to), said, sizeof said - 1, 0);
    said[count > 0 ? count : 0] = 0;
    fclose(to);
    return status;
}

/* The same for words with a blank between; none of them may hold one. */
static int read_line(const char *line) {
    static char copy[4096]; /* what was read points into it */
    char *argv[ARGUMENTS_MAX] = {(char *)"wye"};
    int argc = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    return read_arguments(argc, argv);
}

static const char *example_of(const struct wye_option *option) {
    return option->example ? option->example : option->standard;
}

/* What a row needs beside it on the command line so that the whole makes sense. */
static const char *company_of(const struct wye_option *option) {
    if (strcmp(option->name, "tls-listen") == 0) return "--dev-cert";
    if (strcmp(option->name, "cert") == 0) return "--tls-listen 127.0.0.1:0 --key k";
    if (strcmp(option->name, "key") == 0) return "--tls-listen 127.0.0.1:0 --cert c";
    if (strcmp(option->name, "tls-min") == 0) return "--dev-cert";
    if (strcmp(option->name, "token-audience") == 0) return "--token-key k";
    return "";
}

#endif
