/* A run that was cut short goes on: the same run, or none. */
#include "bench/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void take_text(const json_t *object, const char *name, char *to, size_t room) {
    snprintf(to, room, "%s", text_of(object, name));
}

/* The element of an array whose `name` is so. */
static const json_t *find(const json_t *array, const char *name) {
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value) {
        if (strcmp(text_of(value, "name"), name) == 0) return value;
    }
    return NULL;
}

/* ---- before anything is planned ---- */

int compare_continue_open(struct compare_result *result, struct compare_options *options) {
    char path[sizeof result->file];
    json_error_t trouble;
    snprintf(path, sizeof path, "%s/results.json", options->continues);
    json_t *former = json_load_file(path, 0, &trouble);
    if (!former)
        return compare_refuse(COMPARE_COULD_NOT,
                              trouble.line > 0
                                  ? "%s cannot be continued: it is cut off, or no JSON: %s (line %d)"
                                  : "%s cannot be continued: %s",
                              path, trouble.text, trouble.line);
    result->former = former;
    const json_t *texts = json_object_get(former, "options");
    if (!json_is_object(texts) || !json_is_array(json_object_get(former, "parts")) ||
        !json_is_array(json_object_get(former, "scenarios")))
        return compare_refuse(COMPARE_COULD_NOT,
                              "%s cannot be continued: it doesn't say what is needed for that", path);
    for (const struct compare_option_text *at = compare_option_texts; at->name; at++) {
        const char **own = (const char **)((char *)options + at->offset);
        if (!*own) *own = json_string_value(json_object_get(texts, at->name));
    }
    options->quick |= json_is_true(json_object_get(former, "quick"));
    result->part = (unsigned)json_array_size(json_object_get(former, "parts"));
    result->former_s = fmax(0, number(former, "took_s"));
    return 0;
}

bool compare_continue_has(const struct compare_result *result, const char *scenario) {
    return find(json_object_get(result->former, "scenarios"), scenario);
}

void compare_continue_parts(const struct compare_result *result, char *to, size_t room) {
    size_t i, used = 0;
    json_t *part;
    *to = 0;
    if (!result->former) return;
    json_array_foreach(json_object_get(result->former, "parts"), i, part) {
        const char *comma = i ? ", " : "";
        if (used < room)
            used += (size_t)snprintf(to + used, room - used, "%s%s", comma, text_of(part, "started"));
    }
    if (result->has_begun && used < room)
        snprintf(to + used, room - used, ", %s", result->environment.started);
    if (!strchr(to, ',')) *to = 0;
}

/* ---- is it the same run? ---- */

/* What is compared: this run as results.json would tell it, and the file. */
struct sides {
    const char *path;
    const json_t *there, *here;
    bool differ;
};

/* As it stands in the file: real numbers lose digits there. The caller's to free. */
static char *dump(const json_t *value) {
    return value ? json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(COMPARE_DIGITS))
                 : strdup("none");
}

static void expect_same(struct sides *sides, const json_t *there, const json_t *here, const char *what) {
    char *before = dump(there), *now = dump(here);
    if (!sides->differ && (!before || !now || strcmp(before, now) != 0)) {
        compare_refuse(COMPARE_COULD_NOT, "%s cannot be continued: its %s was %.300s, and is %.300s now",
                       sides->path, what, before ? before : "?", now ? now : "?");
        sides->differ = true;
    }
    free(before);
    free(now);
}

static void expect_members(struct sides *sides, const json_t *there, const json_t *here, const char *of,
                           const char *const *names) {
    char what[300];
    for (; *names; names++) {
        snprintf(what, sizeof what, "%s%s", of, *names);
        for (char *at = what + strlen(of); *at; at++)
            if (*at == '_') *at = ' ';
        expect_same(sides, json_object_get(there, *names), json_object_get(here, *names), what);
    }
}

/* The keys of a section of the configuration. */
static void expect_section(struct sides *sides, const json_t *there, const json_t *here, const char *kind) {
    json_t *old = json_object_get(there, "settings"), *new = json_object_get(here, "settings"), *value;
    const char *key;
    char what[300];
    json_object_foreach(old, key, value) {
        snprintf(what, sizeof what, "[%s %s] %s", kind, text_of(there, "name"), key);
        expect_same(sides, value, json_object_get(new, key), what);
    }
    json_object_foreach(new, key, value) {
        snprintf(what, sizeof what, "[%s %s] %s", kind, text_of(there, "name"), key);
        expect_same(sides, json_object_get(old, key), value, what);
    }
}

static void expect_servers(struct sides *sides) {
    static const char *const names[] = {"left_out", "version", "changed", NULL};
    const json_t *there = json_object_get(sides->there, "servers"),
                 *here = json_object_get(sides->here, "servers");
    char of[200];
    for (size_t i = 0; i < json_array_size(there) || i < json_array_size(here); i++) {
        const json_t *old = json_array_get(there, i), *new = json_array_get(here, i);
        snprintf(of, sizeof of, "server no. %zu", i + 1);
        expect_same(sides, json_object_get(old, "name"), json_object_get(new, "name"), of);
        snprintf(of, sizeof of, "server %s: ", text_of(old, "name"));
        expect_section(sides, old, new, "server");
        expect_members(sides, old, new, of, names);
    }
}

static void expect_scenarios(struct sides *sides) {
    const json_t *here = json_object_get(sides->here, "scenarios");
    size_t i;
    json_t *old;
    json_array_foreach(json_object_get(sides->there, "scenarios"), i, old) {
        const char *name = text_of(old, "name");
        const json_t *new = find(here, name);
        if (new || sides->differ) {
            expect_section(sides, old, new, "scenario");
            continue;
        }
        compare_refuse(COMPARE_COULD_NOT, "%s cannot be continued: there is no scenario %s any more",
                       sides->path, name);
        sides->differ = true;
    }
}

/* 0, or an exit status after a message. */
static int expect_the_same_run(const struct compare_result *result) {
    static const char *const machine[] = {"cpu", "cores", "kernel", "mitigations", "system", "build", NULL};
    static const char *const programs[] = {"folder", "peers", "wye_load_changed", NULL};
    static const char *const settings[] = {"program",     "format",    "quick",   "reference", "rounds",
                                           "seconds",     "warmup_s",  "check_s", "settle_s",  "stall_s",
                                           "server_core", "load_core", NULL};
    json_t *here = compare_json_make(result);
    struct sides sides = {.path = result->file, .there = result->former, .here = here};
    expect_members(&sides, json_object_get(sides.there, "environment"), json_object_get(here, "environment"),
                   "", machine);
    expect_members(&sides, sides.there, here, "", settings);
    expect_servers(&sides);
    expect_members(&sides, json_object_get(sides.there, "programs"), json_object_get(here, "programs"), "",
                   programs);
    expect_scenarios(&sides);
    json_decref(here);
    return sides.differ ? COMPARE_COULD_NOT : 0;
}

/* ---- what was measured ---- */

static bool take_cell(struct compare_cell *cell, const json_t *from, unsigned rounds) {
    static const char *const states[] = {
        [COMPARE_LEFT_OUT] = "left out", [COMPARE_WRONG] = "wrong", [COMPARE_TIMED] = "timed"};
    size_t state = 0;
    while (state <= COMPARE_TIMED && strcmp(text_of(from, "state"), states[state]) != 0) state++;
    if (state > COMPARE_TIMED) return false;
    cell->state = (enum compare_state)state;
    take_text(from, "why", cell->why, sizeof cell->why);
    take_text(from, "doubt", cell->doubt, sizeof cell->doubt);
    take_text(from, "tls", cell->tls, sizeof cell->tls);
    cell->doubtful = (unsigned)json_integer_value(json_object_get(from, "doubtful_rounds"));
    cell->capacity = fmax(0, number(from, "closed_loop_messages_per_s"));
    for (size_t m = 0; m < COMPARE_METRICS; m++) {
        const json_t *metric = json_object_get(json_object_get(from, "metrics"), compare_metrics[m].name),
                     *values = json_object_get(metric, "rounds");
        if (metric && json_array_size(values) != rounds) return false;
        for (size_t r = 0; r < rounds; r++) {
            const json_t *value = json_array_get(values, r);
            cell->values[m][r] = json_is_number(value) ? json_number_value(value) : NAN;
        }
    }
    return true;
}

/* The cells stand in the order of the rows, which is known to be the same. */
static bool take_table(struct compare_result *result, struct compare_table *table, const json_t *from) {
    const json_t *cells = json_object_get(from, "cells");
    if (!json_is_true(json_object_get(from, "complete")) || table->stage == COMPARE_CANNOT) return true;
    table->rounds = (unsigned)json_integer_value(json_object_get(from, "rounds"));
    table->part = (unsigned)json_integer_value(json_object_get(from, "part"));
    table->connections = number(from, "connections");
    table->size_bytes = number(from, "size_bytes");
    table->depth = number(from, "depth");
    take_text(from, "kind", table->load, sizeof table->load);
    if (table->rounds != result->rounds || json_array_size(cells) != result->row_count) return false;
    for (size_t i = 0; i < result->row_count; i++) {
        const json_t *cell = json_array_get(cells, i);
        if (strcmp(text_of(cell, "server"), result->rows[i].server->name) != 0 ||
            !take_cell(&table->cells[i], cell, table->rounds))
            return false;
        result->any_wrong |= table->cells[i].state == COMPARE_WRONG;
    }
    table->stage = COMPARE_COMPLETE;
    *table->left_out = 0;
    compare_conclude(result, table);
    return true;
}

int compare_continue(struct compare_result *result) {
    const json_t *tables = json_object_get(result->former, "scenarios");
    unsigned complete = 0;
    int status = expect_the_same_run(result);
    if (status) return status;
    for (size_t t = 0; t < result->table_count; t++) {
        const char *name = result->tables[t].scenario->name;
        if (!take_table(result, &result->tables[t], find(tables, name)))
            return compare_refuse(COMPARE_COULD_NOT,
                                  "%s cannot be continued: what it says about %s is damaged", result->file,
                                  name);
        complete += result->tables[t].stage == COMPARE_COMPLETE;
    }
    take_text(result->former, "started", result->started, sizeof result->started);
    fprintf(stderr, "%u of %zu scenarios are measured already, since %s\n", complete, result->table_count,
            result->started);
    return 0;
}
