/* results.json. bench/compare.md says what the names mean. */
#include "bench/compare.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* JSON has no NAN. */
static json_t *number(double value) { return isnan(value) ? json_null() : json_real(value); }

static json_t *numbers(const double *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(array, number(values[i]));
    return array;
}

static json_t *environment_json(const struct compare_result *result) {
    const struct compare_environment *from = &result->environment;
    json_t *to = json_object();
    const struct {
        const char *name, *value;
    } texts[] = {{"cpu", from->cpu},
                 {"clock", from->clock},
                 {"kernel", from->kernel},
                 {"system", from->system},
                 {"mitigations", from->mitigations},
                 {"limits", from->limits},
                 {"build", from->build}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(to, texts[i].name, json_string(texts[i].value));
    json_object_set_new(to, "cores", json_integer(from->cores));
    json_object_set_new(to, "memory_bytes", json_real(from->memory_bytes));
    json_object_set_new(to, "others_cpu_share_mean", number(from->others_mean));
    json_object_set_new(to, "others_cpu_share_most", number(from->others_most));
    json_object_set_new(to, "load_average_before", numbers(from->load_before, 3));
    json_object_set_new(to, "load_average_after", numbers(from->load_after, 3));
    return to;
}

/* A section's keys as they were read. */
static json_t *section_json(const struct compare_section *section) {
    json_t *to = json_object();
    for (size_t i = 0; i < section->pair_count; i++)
        json_object_set_new(to, section->pairs[i].key, json_string(section->pairs[i].value));
    return to;
}

static json_t *servers_json(const struct compare_result *result) {
    json_t *array = json_array();
    for (size_t i = 0; i < result->row_count; i++) {
        const struct compare_row *row = &result->rows[i];
        const char *command = compare_server_first(row->server, "command"),
                   *address = compare_server_first(row->server, "address");
        json_t *server = json_object();
        if (row->again) {
            json_decref(server);
            continue;
        }
        json_object_set_new(server, "name", json_string(row->server->name));
        json_object_set_new(server, "version", json_string(row->version));
        json_object_set_new(server, command ? "command" : "address",
                            json_string(command   ? command
                                        : address ? address
                                                  : ""));
        json_object_set_new(server, "changed", json_string(row->changed));
        json_object_set_new(server, "left_out", json_string(row->left_out));
        json_object_set_new(server, "settings", section_json(row->server));
        json_array_append_new(array, server);
    }
    return array;
}

static json_t *metric_json(const struct compare_cell *cell, size_t m, unsigned rounds) {
    json_t *metric = json_object();
    json_object_set_new(metric, "unit", json_string(compare_metrics[m].unit));
    json_object_set_new(metric, "median", number(cell->estimates[m].median));
    json_object_set_new(metric, "low", number(cell->estimates[m].low));
    json_object_set_new(metric, "high", number(cell->estimates[m].high));
    json_object_set_new(metric, "ratio", number(cell->ratios[m].median));
    json_object_set_new(metric, "ratio_low", number(cell->ratios[m].low));
    json_object_set_new(metric, "ratio_high", number(cell->ratios[m].high));
    json_object_set_new(metric, "verdict", json_string(compare_verdict_name(cell->verdicts[m])));
    json_object_set_new(metric, "rounds", numbers(cell->values[m], rounds));
    return metric;
}

static json_t *cell_json(const struct compare_row *row, const struct compare_cell *cell, unsigned rounds) {
    static const char *const states[] = {"left out", "wrong", "timed"};
    json_t *to = json_object(), *metrics = json_object();
    json_object_set_new(to, "server", json_string(row->server->name));
    json_object_set_new(to, "again", json_boolean(row->again));
    json_object_set_new(to, "state", json_string(states[cell->state]));
    json_object_set_new(to, "why", json_string(cell->why));
    json_object_set_new(to, "doubtful_rounds", json_integer(cell->doubtful));
    json_object_set_new(to, "doubt", json_string(cell->doubt));
    if (*cell->tls) json_object_set_new(to, "tls", json_string(cell->tls));
    if (cell->capacity > 0) json_object_set_new(to, "closed_loop_messages_per_s", json_real(cell->capacity));
    for (size_t m = 0; m < COMPARE_METRICS && cell->state == COMPARE_TIMED; m++)
        if (!isnan(cell->estimates[m].median))
            json_object_set_new(metrics, compare_metrics[m].name, metric_json(cell, m, rounds));
    json_object_set_new(to, "metrics", metrics);
    return to;
}

static json_t *table_json(const struct compare_result *result, const struct compare_table *table) {
    json_t *to = json_object(), *cells = json_array();
    json_object_set_new(to, "name", json_string(table->scenario->name));
    json_object_set_new(to, "load", json_string(compare_get(table->scenario, "load")));
    json_object_set_new(to, "metric", json_string(compare_metrics[table->metric].name));
    json_object_set_new(to, "left_out", json_string(table->left_out));
    json_object_set_new(to, "settings", section_json(table->scenario));
    json_object_set_new(to, "complete", json_boolean(table->stage == COMPARE_COMPLETE));
    json_object_set_new(to, "part", json_integer(table->part));
    json_object_set_new(to, "kind", json_string(table->load));
    json_object_set_new(to, "rounds", json_integer(table->rounds));
    json_object_set_new(to, "connections", number(table->connections));
    json_object_set_new(to, "size_bytes", number(table->size_bytes));
    json_object_set_new(to, "depth", number(table->depth));
    for (size_t i = 0; i < result->row_count && !*table->left_out; i++)
        json_array_append_new(cells, cell_json(&result->rows[i], &table->cells[i], table->rounds));
    json_object_set_new(to, "cells", cells);
    return to;
}

/* What the command line said, to be said again by --continue. */
static json_t *options_json(const struct compare_options *options) {
    json_t *to = json_object();
    for (const struct compare_option_text *at = compare_option_texts; at->name; at++) {
        const char *value = *(const char *const *)((const char *)options + at->offset);
        if (value) json_object_set_new(to, at->name, json_string(value));
    }
    return to;
}

static json_t *programs_json(const struct compare_result *result) {
    json_t *to = json_object();
    json_object_set_new(to, "folder", json_string(result->bin));
    json_object_set_new(to, "peers", json_string(result->peers));
    json_object_set_new(to, "wye_load_changed", json_string(result->load_changed));
    return to;
}

/* The earlier parts as they stand in the file, and this one. */
static json_t *parts_json(const struct compare_result *result, const json_t *environment) {
    json_t *to = json_deep_copy(json_object_get(result->former, "parts")), *part = json_object();
    if (!to) to = json_array();
    json_object_set_new(part, "started", json_string(result->environment.started));
    json_object_set_new(part, "took_s", json_real(result->took_s - result->former_s));
    json_object_set_new(part, "environment", json_deep_copy(environment));
    json_array_append_new(to, part);
    return to;
}

static void settings_json(const struct compare_result *result, json_t *to) {
    json_object_set_new(to, "program", json_string("wye-compare " WYE_VERSION));
    json_object_set_new(to, "format", json_integer(1));
    json_object_set_new(to, "started", json_string(result->started));
    json_object_set_new(to, "took_s", json_real(result->took_s));
    json_object_set_new(to, "quick", json_boolean(result->options->quick));
    json_object_set_new(to, "ended_early", json_boolean(result->ended_early));
    json_object_set_new(to, "reference", json_string(result->rows[result->reference].server->name));
    json_object_set_new(to, "rounds", json_integer(result->rounds));
    json_object_set_new(to, "seconds", json_real(result->seconds));
    json_object_set_new(to, "warmup_s", json_real(result->warmup));
    json_object_set_new(to, "check_s", json_real(result->check));
    json_object_set_new(to, "settle_s", json_real(result->settle));
    json_object_set_new(to, "stall_s", json_real(result->stall));
    json_object_set_new(to, "server_core", json_integer(result->server_core));
    json_object_set_new(to, "load_core", json_integer(result->load_core));
    json_object_set_new(to, "options", options_json(result->options));
    json_object_set_new(to, "programs", programs_json(result));
}

json_t *compare_json_make(const struct compare_result *result) {
    json_t *to = json_object(), *tables = json_array(), *environment = environment_json(result);
    settings_json(result, to);
    json_object_set_new(to, "parts", parts_json(result, environment));
    json_object_set_new(to, "environment", environment);
    json_object_set_new(to, "servers", servers_json(result));
    for (size_t t = 0; t < result->table_count; t++)
        json_array_append_new(tables, table_json(result, &result->tables[t]));
    json_object_set_new(to, "scenarios", tables);
    return to;
}

int compare_json_write(const struct compare_result *result) {
    char unfinished[sizeof result->file + 8];
    json_t *what = compare_json_make(result);
    snprintf(unfinished, sizeof unfinished, "%s.new", result->file);
    errno = 0;
    int fd = open(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool fine = fd >= 0 && json_dumpfd(what, fd, JSON_INDENT(1) | JSON_REAL_PRECISION(COMPARE_DIGITS)) == 0 &&
                fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) fine = false;
    fine = fine && rename(unfinished, result->file) == 0;
    int trouble = fine ? 0 : errno ? errno : EIO;
    if (trouble) fprintf(stderr, "wye-compare: %s: %s\n", result->file, strerror(trouble));
    json_decref(what);
    return -trouble;
}
