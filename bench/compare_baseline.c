/* An older results.json beside this one. */
#include "bench/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 0.02 /* less than that is nobody's worry, however sure it is */

static const json_t *find(const json_t *array, const char *key, const char *name) {
    size_t i;
    json_t *value;
    json_array_foreach(array, i, value) {
        const char *text = json_string_value(json_object_get(value, key));
        if (text && strcmp(text, name) == 0 && !json_is_true(json_object_get(value, "again"))) return value;
    }
    return NULL;
}

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static struct compare_estimate older_estimate(const json_t *older, const char *scenario, const char *server,
                                              const char *metric) {
    const json_t *table = find(json_object_get(older, "scenarios"), "name", scenario);
    const json_t *cell = find(json_object_get(table, "cells"), "server", server);
    const json_t *value = json_object_get(json_object_get(cell, "metrics"), metric);
    return (struct compare_estimate){number(value, "median"), number(value, "low"), number(value, "high")};
}

/* What it came to. */
struct tally {
    unsigned compared, overlap;
};

static void compare_cells(struct compare_result *result, const json_t *older,
                          const struct compare_table *table, size_t row, struct tally *tally, FILE *to) {
    const struct compare_metric_facts *facts = &compare_metrics[table->metric];
    const struct compare_cell *cell = &table->cells[row];
    if (cell->state != COMPARE_TIMED || result->rows[row].again) return;
    struct compare_estimate now = cell->estimates[table->metric],
                            then = older_estimate(older, table->scenario->name,
                                                  result->rows[row].server->name, facts->name);
    /* What the reference scatters about itself within a run, it may between runs as well. */
    struct compare_estimate noise = table->cells[result->again].ratios[table->metric];
    double tolerance =
        noise.median > 0 ? fmax(TOLERANCE, fmax(noise.median, 1 / noise.median) - 1) : TOLERANCE;
    enum compare_verdict verdict = compare_with_older(now, then, tolerance, facts->less_is_better);
    if (verdict == COMPARE_UNKNOWN) return;
    tally->compared++;
    tally->overlap += now.low <= then.high && now.high >= then.low;
    if (verdict == COMPARE_TIE) return;
    char a[32], b[32];
    fprintf(to, "%s %s: %s %s, %s %s before (%+.1f %%)\n", verdict == COMPARE_WORSE ? "SLOWER" : "faster",
            table->scenario->name, result->rows[row].label, compare_number(a, sizeof a, now.median),
            compare_number(b, sizeof b, then.median), facts->unit, (now.median / then.median - 1) * 100);
    if (verdict == COMPARE_WORSE) result->slower++;
}

/* Runs on different machines, or of different length, say little about each other. */
static void warn(const struct compare_result *result, const json_t *older, FILE *to) {
    const json_t *environment = json_object_get(older, "environment");
    const char *cpu = json_string_value(json_object_get(environment, "cpu")),
               *kernel = json_string_value(json_object_get(environment, "kernel"));
    if (!cpu || strcmp(cpu, result->environment.cpu) != 0)
        fprintf(to, "the baseline is of another CPU: %s\n", cpu ? cpu : "?");
    if (!kernel || strcmp(kernel, result->environment.kernel) != 0)
        fprintf(to, "the baseline is of another kernel: %s\n", kernel ? kernel : "?");
    if (json_is_true(json_object_get(older, "quick"))) fputs("the baseline is a quick one\n", to);
}

json_t *compare_baseline_open(const char *path) {
    json_error_t trouble;
    json_t *older = json_load_file(path, 0, &trouble);
    if (json_is_array(json_object_get(older, "scenarios"))) return older;
    fprintf(stderr, "wye-compare: %s: %s\n", path, older ? "no results of wye-compare" : trouble.text);
    json_decref(older);
    return NULL;
}

int compare_baseline(struct compare_result *result, const json_t *older) {
    struct tally tally = {0};
    size_t size;
    FILE *to = open_memstream(&result->baseline_text, &size);
    if (!to) return COMPARE_COULD_NOT;
    warn(result, older, to);
    for (size_t t = 0; t < result->table_count; t++)
        for (size_t i = 0; i < result->row_count && !*result->tables[t].left_out; i++)
            compare_cells(result, older, &result->tables[t], i, &tally, to);
    fprintf(to, "%u cells compared with %s: intervals overlap in %u; %u slower\n", tally.compared,
            result->options->baseline, tally.overlap, result->slower);
    fclose(to);
    return 0;
}
