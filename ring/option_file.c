#include "ring/option_file.h"

#include "ring/option_table.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the keys that follow belong to. */
enum section { NODE, LISTENER, TOPIC };

struct reading {
    struct wye_givens *givens;
    const char *file;
    FILE *from;
    char *line; /* getline's */
    size_t line_room;
    unsigned number; /* of that line, from 1 */
    enum section section;
    char *topic; /* of [topic PATTERN] */
    int status;  /* -1, or what it ends with */
    char *why;
    size_t room;
};

#define EXPECTED "expected KEY = VALUE or [SECTION]"

static const char blanks[] = " \t\r\n\v\f";

/* Ends the reading. Only the first that is wrong is told. */
__attribute__((format(printf, 3, 4))) static bool stop(struct reading *reading, int status, const char *format, ...) {
    if (reading->status >= 0) return false;
    reading->status = status;
    int count = snprintf(reading->why, reading->room, "%s:%u: ", reading->file, reading->number);
    if (count < 0 || (size_t)count >= reading->room) return false;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->why + count, reading->room - (size_t)count, format, arguments);
    va_end(arguments);
    return false;
}

static void cannot_read(struct reading *reading) {
    reading->status = WYE_EXIT_COULD_NOT_TRY;
    snprintf(reading->why, reading->room, "--config %s: %s", reading->file, strerror(errno));
}

/* ---- lines ---- */

/* Takes what may stand behind a section: blanks, and a comment as inih sees one. */
static void cut_comment(char *line) {
    for (char *at = line; (at = strchr(at, ';')); at++) {
        if (at == line || !strchr(blanks, at[-1])) continue;
        *at = 0;
        break;
    }
    for (size_t count = strlen(line); count > 0 && strchr(blanks, line[count - 1]);) line[--count] = 0;
}

/*
 * "[topic prices/#]". Read here and not by inih, which takes no more than 49 bytes of it, says nothing of what follows a
 * first ']', and nothing of a section without keys.
 */
static bool read_section(struct reading *reading, const char *line) {
    char *name = strdup(line + 1);
    if (!name) return stop(reading, WYE_EXIT_COULD_NOT_TRY, "no memory");
    cut_comment(name);
    size_t count = strlen(name);
    bool closed = count > 0 && name[count - 1] == ']', fine = true;
    if (closed) {
        name[count - 1] = 0;
        cut_comment(name); /* blanks */
    }
    const char *of = strchr(name, ' ');
    if (of) of += strspn(of, " ");
    free(reading->topic);
    reading->topic = NULL;
    if (closed && strcmp(name, "node") == 0) {
        reading->section = NODE;
    } else if (closed && of && *of && strncmp(name, "listener ", 9) == 0) {
        reading->section = LISTENER;
    } else if (closed && of && *of && strncmp(name, "topic ", 6) == 0) {
        const char *fault = wye_topic_name_fault(wye_span_of(of));
        reading->section = TOPIC;
        if (fault) fine = stop(reading, WYE_EXIT_USAGE, "[topic %s]: %s", of, fault);
        else if (!(reading->topic = strdup(of))) fine = stop(reading, WYE_EXIT_COULD_NOT_TRY, "no memory");
    } else {
        fine = stop(reading, WYE_EXIT_USAGE, "[%s%s: expected [node], [listener NAME] or [topic PATTERN]", name, closed ? "]" : "");
    }
    free(name);
    return fine;
}

/*
 * fgets() for inih. Blanks in front are left out, since inih takes an indented line for more of the value before; a line
 * longer than its memory, which it would take for two, ends the reading.
 */
static char *next_line(char *to, int room, void *user) {
    struct reading *reading = user;
    if (reading->status >= 0) return NULL;
    errno = 0;
    ssize_t count = getline(&reading->line, &reading->line_room, reading->from);
    if (count < 0) {
        if (!feof(reading->from)) cannot_read(reading);
        return NULL;
    }
    const char *line = reading->line;
    reading->number++;
    if (strlen(line) != (size_t)count) {
        stop(reading, WYE_EXIT_USAGE, "a byte that is 0; this is no text");
        return NULL;
    }
    if (reading->number == 1 && strncmp(line, "\xEF\xBB\xBF", 3) == 0) line += 3; /* a mark of UTF-8 */
    line += strspn(line, blanks);
    size_t bytes = strlen(line);
    if (bytes >= (size_t)room && line[0] != '#' && line[0] != ';') {
        stop(reading, WYE_EXIT_USAGE, "too long: a line has at most %d bytes", room - 2);
        return NULL;
    }
    if (line[0] == '[' && !read_section(reading, line)) return NULL;
    if (line[0] && !strchr("[#;", line[0]) && !strpbrk(line, "=:")) { /* inih would go on, and say so at the end */
        stop(reading, WYE_EXIT_USAGE, EXPECTED);
        return NULL;
    }
    memcpy(to, line, bytes < (size_t)room ? bytes + 1 : 2); /* of a long comment its mark is enough */
    if (bytes >= (size_t)room) to[1] = 0;
    return to;
}

/* ---- keys ---- */

/* May the key stand in this section, with this value? NULL, or why not. */
static const char *fault_of(const struct reading *reading, const struct wye_option *option, const char *value) {
    size_t count = strlen(value);
    if (option->scope == WYE_SCOPE_COMMAND) return "this belongs on the command line";
    if (reading->section == LISTENER && option->scope != WYE_SCOPE_LISTENER) return "not an option of a listener; it belongs into [node]";
    if (reading->section == TOPIC && option->scope != WYE_SCOPE_TOPIC) return "not an option of a topic; it belongs into [node]";
    if (reading->section == TOPIC && strchr(value, '=')) return "the section says the topic already";
    if (count == 0) return "a value is missing";
    if (count > 1 && (*value == '"' || *value == '\'') && value[count - 1] == *value) return "values stand without quotes here";
    return NULL;
}

static int take_key(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;
    (void)section;
    if (reading->status >= 0) return 0;
    const struct wye_option *option = wye_option_find(name);
    const char *fault = option ? fault_of(reading, option, value) : "no such option; see wye --help-all";
    if (fault) return stop(reading, WYE_EXIT_USAGE, "%s = %s: %s", name, value, fault);
    struct wye_givens *givens = reading->givens;
    char *text = NULL;
    if (reading->topic && asprintf(&text, "%s=%s", reading->topic, value) < 0) text = NULL;
    bool added = (text || !reading->topic) && wye_givens_add(givens, option, text ? text : value, reading->number, text);
    free(text);
    if (!added) return stop(reading, WYE_EXIT_COULD_NOT_TRY, "no memory");
    const struct wye_given *given = &givens->at[givens->count - 1];
    for (size_t i = 0; i + 1 < givens->count; i++) {
        if (wye_given_replaces(given, &givens->at[i]))
            return stop(reading, WYE_EXIT_USAGE, "%s = %s: line %u says it already", name, value, givens->at[i].line);
    }
    return 1;
}

int wye_option_file_read(struct wye_givens *givens, const char *file, char *why, size_t room) {
    struct reading reading = {.givens = givens, .file = file, .status = -1, .why = why, .room = room};
    reading.from = fopen(file, "re");
    if (!reading.from) {
        cannot_read(&reading);
        return reading.status;
    }
    int line = ini_parse_stream(next_line, &reading, take_key, &reading);
    if (line != 0) { /* unless something else was said of it */
        reading.number = line > 0 ? (unsigned)line : reading.number;
        stop(&reading, WYE_EXIT_USAGE, EXPECTED);
    }
    fclose(reading.from);
    free(reading.line);
    free(reading.topic);
    return reading.status;
}

/* ---- printing ---- */

/* Comes this value back from a file as it is? */
static bool can_stand(const struct wye_option *option, const char *text) {
    size_t count = strlen(text);
    if (count == 0 || strlen(option->name) + 3 + count + 1 >= INI_MAX_LINE || strpbrk(text, "\r\n")) return false;
    if (strchr(blanks, text[0]) || strchr(blanks, text[count - 1]) || text[0] == ';') return false;
    if (count > 1 && (*text == '"' || *text == '\'') && text[count - 1] == *text) return false;
    for (const char *at = text; (at = strchr(at + 1, ';'));) {
        if (strchr(blanks, at[-1])) return false; /* a comment */
    }
    return true;
}

static int print_option(const struct wye_givens *givens, const struct wye_option *option) {
    bool any = false, shares = option > wye_option_table && !option[-1].help; /* what the one before it has just said */
    if (!shares) {
        printf("\n");
        wye_option_print_help(option, "# ");
        if (!option->live) puts("# Only a restart changes it.");
    }
    const struct wye_given *given;
    for (size_t at = 0; (given = wye_givens_next(givens, option, &at));) {
        const char *text = wye_given_text(given);
        if (!can_stand(option, text)) {
            fprintf(stderr, "wye: --%s %s: this value can't stand in a file\n", option->name, text);
            return WYE_EXIT_USAGE;
        }
        printf("%s = %s\n", option->name, text);
        any = true;
    }
    const char *example = option->standard ? option->standard : option->argument ? option->example : "no";
    if (!any) printf("#%s = %s\n", option->name, example);
    return WYE_EXIT_YES;
}

int wye_option_file_print(const struct wye_givens *givens) {
    puts("# Options of wye, for wye --config FILE. A line that begins with # or ; is a comment; so is what follows a blank and ;\n"
         "# What is commented out below says what holds anyway, or is an example.\n"
         "\n"
         "[node]");
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (option->scope == WYE_SCOPE_COMMAND) continue;
        int status = print_option(givens, option);
        if (status != WYE_EXIT_YES) return status;
    }
    puts("\n"
         "# Listeners may have sections of their own, and what is for one topic or pattern of topics:\n"
         "#[listener public]\n"
         "#tls-listen = 127.0.0.1:8443\n"
         "\n"
         "#[topic prices/#]\n"
         "#on-slow = latest");
    return WYE_EXIT_YES;
}
