/* The schedule: who is right, then A B C B C A C A B. */
#include "bench/compare.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a measurement, besides what is measured: a server starts and stops, connections open. */
#define START_STOP_S 0.4
#define OPENED_PER_S 20000.0
#define CHECK_MOST_S 10
#define NOT_YET      "not measured yet"

enum { JUDGED_ROUNDS = 3 }; /* fewer have no interval worth the name */

static unsigned done, total; /* measurements */
static double began_s;

/* ---- the plan ---- */

static int read_setting(const struct compare_result *result, const char *name, const char *option,
                        bool has_quick, double least, double most, double *value) {
    char quick[64], *end;
    snprintf(quick, sizeof quick, "quick-%s", name);
    const char *text =
        option ? option
               : compare_get(&result->config->run, has_quick && result->options->quick ? quick : name);
    *value = text ? strtod(text, &end) : NAN;
    if (text && end != text && !*end && *value >= least && *value <= most) return 0;
    return compare_refuse(COMPARE_USAGE, "%s %s: expected a number from %g to %g", name, text ? text : "",
                          least, most);
}

static int read_settings(struct compare_result *result) {
    const struct compare_options *options = result->options;
    double rounds = 0, server_core = 0, load_core = 0;
    int status = read_setting(result, "rounds", options->rounds, true, 1, COMPARE_ROUNDS_MAX, &rounds);
    if (!status)
        status = read_setting(result, "seconds", options->seconds, true, 0.05, 3600, &result->seconds);
    if (!status) status = read_setting(result, "warmup", NULL, true, 0, 3600, &result->warmup);
    if (!status) status = read_setting(result, "check", NULL, false, 0.05, 3600, &result->check);
    if (!status) status = read_setting(result, "stall", NULL, false, 0.1, 600, &result->stall);
    if (!status) status = read_setting(result, "settle", NULL, false, 0, 60, &result->settle);
    if (!status)
        status = read_setting(result, "server-core", options->server_core, false, 0, 1023, &server_core);
    if (!status) status = read_setting(result, "load-core", options->load_core, false, 0, 1023, &load_core);
    result->rounds = (unsigned)rounds;
    result->server_core = (int)server_core;
    result->load_core = (int)load_core;
    return status;
}

/* Every word of a list must stand for something. */
static int check_list(const char *list, const char *what, const struct compare_section *sections,
                      size_t count) {
    char *copy = strdup(list), *rest = copy;
    int status = 0;
    for (char *word; copy && (word = strsep(&rest, ","));) {
        size_t i = 0;
        while (i < count && !compare_matches(word, sections[i].name)) i++;
        if (i == count)
            status = compare_refuse(COMPARE_USAGE, "no such %s: %s (--list names them)", what, word);
    }
    free(copy);
    return status;
}

static void add_row(struct compare_result *result, struct compare_section *server, bool again) {
    const char *title = compare_get(server, "title");
    struct compare_row *row = &result->rows[result->row_count++];
    *row = (struct compare_row){.server = server, .again = again};
    snprintf(row->label, sizeof row->label, "%s%s", server->name, again ? " (again)" : "");
    compare_server_look(result, row);
    if (!*row->version && title) snprintf(row->version, sizeof row->version, "%s", title);
}

static int choose_rows(struct compare_result *result) {
    struct compare_config *config = result->config;
    const char *wanted = result->options->servers, *reference = result->options->reference;
    if (!reference) reference = compare_get(&config->run, "reference");
    int status = wanted ? check_list(wanted, "server", config->servers, config->server_count) : 0;
    if (!status && result->options->reference)
        status = check_list(reference, "server", config->servers, config->server_count);
    if (status) return status;
    result->reference = SIZE_MAX;
    for (size_t i = 0; i < config->server_count; i++) {
        struct compare_section *server = &config->servers[i];
        if (wanted && !compare_matches(wanted, server->name)) continue;
        if (reference && strcmp(server->name, reference) == 0) result->reference = result->row_count;
        add_row(result, server, false);
    }
    size_t first = 0;
    while (first < result->row_count && *result->rows[first].left_out) first++;
    if (first == result->row_count) {
        fputs("wye-compare: there is no server to compare\n", stderr);
        return COMPARE_COULD_NOT;
    }
    if (result->reference == SIZE_MAX || *result->rows[result->reference].left_out) {
        result->reference = first;
        fprintf(stderr, "the reference is %s\n", result->rows[first].label);
    }
    result->again = result->row_count;
    add_row(result, result->rows[result->reference].server, true);
    return 0;
}

static bool is_chosen(const struct compare_result *result, const struct compare_section *scenario) {
    if (compare_continue_has(result, scenario->name)) return true;
    if (result->options->scenarios) return compare_matches(result->options->scenarios, scenario->name);
    if (result->former) return false;
    return !result->options->quick || compare_is(scenario, "quick");
}

static int read_metric(const struct compare_section *scenario, enum compare_metric *metric) {
    const char *name = compare_get(scenario, "metric");
    *metric = COMPARE_CORE_US;
    for (size_t i = 0; name && i < COMPARE_METRICS; i++) {
        if (strcmp(compare_metrics[i].name, name) != 0) continue;
        *metric = (enum compare_metric)i;
        return 0;
    }
    return name ? compare_refuse(COMPARE_USAGE, "[scenario %s]: no such metric: %s", scenario->name, name)
                : 0;
}

/* Is it to be measured now? A run that goes on may be asked for some of its scenarios alone. */
static void set_stage(const struct compare_result *result, struct compare_table *table, const char *help) {
    const char *wanted = result->options->scenarios;
    if (!compare_load_can(table->scenario, help, table->left_out, sizeof table->left_out)) return;
    table->stage = !wanted || compare_matches(wanted, table->scenario->name) ? COMPARE_DUE : COMPARE_MISSING;
    snprintf(table->left_out, sizeof table->left_out, NOT_YET);
}

static int choose_tables(struct compare_result *result, const char *help) {
    struct compare_config *config = result->config;
    const char *wanted = result->options->scenarios;
    int status = wanted ? check_list(wanted, "scenario", config->scenarios, config->scenario_count) : 0;
    for (size_t i = 0; i < config->scenario_count && !status; i++) {
        struct compare_section *scenario = &config->scenarios[i];
        if (!is_chosen(result, scenario)) continue;
        struct compare_table *table = &result->tables[result->table_count++];
        *table = (struct compare_table){.scenario = scenario};
        table->cells = calloc(result->row_count, sizeof *table->cells);
        if (!table->cells) return compare_refuse(COMPARE_USAGE, "out of memory");
        set_stage(result, table, help);
        status = read_metric(scenario, &table->metric);
    }
    return status;
}

/* Is it ours to run on? */
static int check_core(int core) {
    cpu_set_t ours;
    if (sched_getaffinity(0, sizeof ours, &ours) < 0 || (core < CPU_SETSIZE && CPU_ISSET((size_t)core, &ours))) return 0;
    fprintf(stderr, "wye-compare: core %d isn't there, or not for this process (taskset -p $$ tells which are): --server-core, --load-core\n", core);
    return COMPARE_COULD_NOT;
}

int compare_plan(struct compare_result *result) {
    char program[sizeof result->bin + 16];
    snprintf(program, sizeof program, "%s/wye-load", result->bin);
    int status = read_settings(result);
    if (!status) status = check_core(result->server_core);
    if (!status) status = check_core(result->load_core);
    if (status) return status;
    if (result->server_core == result->load_core)
        fputs("the servers and wye-load share a core: costs are not to be trusted\n", stderr);
    struct compare_output output = compare_run((char *[]){program, "--help", NULL}, -1, 10);
    if (output.status != 0) {
        fprintf(stderr, "wye-compare: %s is needed: %s", program,
                output.error && *output.error ? output.error : "it doesn't run\n");
        status = COMPARE_COULD_NOT;
    }
    if (!status) status = choose_rows(result);
    if (!status) status = choose_tables(result, output.out ? output.out : "");
    compare_output_free(&output);
    compare_changed(result->load_changed, (char *[]){program, NULL});
    return status;
}

static bool offers(const struct compare_row *row, const struct compare_section *scenario) {
    return !*row->left_out && compare_get_for(row->server, "path", compare_needs(scenario)) &&
           (compare_server_way(row->server, scenario, "command") ||
            compare_server_way(row->server, scenario, "address"));
}

static bool has_half(const struct compare_table *table) {
    return strstr(compare_get(table->scenario, "load"), "{half}");
}

/* The number behind --connections or --subscribers; 100: none. */
static double connections_of(const struct compare_section *scenario) {
    const char *load = compare_get(scenario, "load"), *at = strstr(load, "--connections ");
    if (!at) at = strstr(load, "--subscribers ");
    return at ? strtod(at + strlen("--connections "), NULL) : 100;
}

static unsigned measurements_of(const struct compare_result *result, const struct compare_table *table,
                                size_t row) {
    if (table->stage != COMPARE_DUE || !offers(&result->rows[row], table->scenario)) return 0;
    return result->rounds + (row != result->again) + (has_half(table) && row != result->again);
}

static double measurement_s(const struct compare_result *result, const struct compare_table *table) {
    return result->seconds + result->warmup + result->settle + START_STOP_S +
           connections_of(table->scenario) / OPENED_PER_S;
}

double compare_plan_s(const struct compare_result *result) {
    double sum = 0;
    for (size_t t = 0; t < result->table_count; t++)
        for (size_t i = 0; i < result->row_count; i++)
            sum += measurements_of(result, &result->tables[t], i) * measurement_s(result, &result->tables[t]);
    return sum;
}

/* ---- progress ---- */

/* What is left of the plan, corrected by how long the part that is done took. */
static void progress(const struct compare_result *result, const struct compare_table *table, const char *what,
                     const struct compare_row *row) {
    static double planned;
    if (done == 0) planned = compare_plan_s(result);
    double took = compare_now_s() - began_s, share = total ? (double)done / total : 1;
    double left = share > 0.02 ? took / share * (1 - share) : planned - took;
    char text[200];
    snprintf(text, sizeof text, "[%u/%u] %s %s %s, about %d:%02d left", done, total, table->scenario->name,
             what, row->label, (int)fmax(0, left) / 60, (int)fmax(0, left) % 60);
    if (isatty(2)) fprintf(stderr, "\r%-78.78s", text);
    else if (row == result->rows) fprintf(stderr, "%s\n", text);
}

static void progress_end(void) {
    if (isatty(2)) fprintf(stderr, "\r%-78s\r", "");
}

/* ---- the rounds ---- */

static void is_wrong(struct compare_result *result, const struct compare_table *table,
                     const struct compare_row *row, struct compare_cell *cell, const char *when,
                     const struct compare_measurement *measurement) {
    bool could_not = measurement->status >= COMPARE_COULD_NOT;
    cell->state = could_not ? COMPARE_LEFT_OUT : COMPARE_WRONG;
    snprintf(cell->why, sizeof cell->why, "%s: %.200s", when, measurement->why);
    if (row->again) { /* it is the reference, too, that was wrong */
        table->cells[result->reference].state = cell->state;
        memcpy(table->cells[result->reference].why, cell->why, sizeof cell->why);
    }
    result->any_wrong |= !could_not;
    progress_end();
    fprintf(stderr, "%s %s %s: %s\n", table->scenario->name, row->label,
            could_not ? "is left out" : "is WRONG and not timed", cell->why);
}

static void note_shape(struct compare_table *table, const struct compare_measurement *measurement) {
    table->connections = measurement->connections;
    table->size_bytes = measurement->size_bytes;
    table->depth = measurement->depth;
    memcpy(table->load, measurement->load, sizeof table->load);
}

/* Right or wrong; and how fast in a closed loop, when a rate hangs on it. */
static void check(struct compare_result *result, struct compare_table *table, size_t number) {
    const struct compare_row *row = &result->rows[number];
    struct compare_cell *cell = &table->cells[number];
    struct compare_measurement measurement;
    const char *needs = compare_needs(table->scenario);
    bool tls = compare_is(table->scenario, "tls");
    for (size_t m = 0; m < COMPARE_METRICS; m++)
        for (size_t r = 0; r < COMPARE_ROUNDS_MAX; r++) cell->values[m][r] = NAN;
    if (!offers(row, table->scenario)) {
        if (*row->left_out) snprintf(cell->why, sizeof cell->why, "%s", row->left_out);
        else snprintf(cell->why, sizeof cell->why, "it doesn't offer %s%s", needs, tls ? " with TLS" : "");
        return;
    }
    cell->state = COMPARE_TIMED;
    if (row->again) {
        const struct compare_cell *first = &table->cells[result->reference];
        cell->state = first->state;
        cell->capacity = first->capacity;
        memcpy(cell->why, first->why, sizeof cell->why);
        return;
    }
    progress(result, table, "check", row);
    /* A slow server on a busy machine may need longer for its first answers. */
    double seconds = result->check;
    do compare_measure(result, row, table->scenario, 0, seconds, 0.05, &measurement);
    while (measurement.silent && (seconds *= 4) < CHECK_MOST_S && !compare_interrupted);
    done++;
    if (compare_interrupted) return;
    if (measurement.status != 0) is_wrong(result, table, row, cell, "check", &measurement);
    else if (has_half(table)) {
        compare_measure(result, row, table->scenario, 0, result->seconds, result->warmup, &measurement);
        done++;
        if (compare_interrupted) return;
        if (measurement.status != 0) is_wrong(result, table, row, cell, "capacity", &measurement);
        else cell->capacity = measurement.values[COMPARE_RATE];
    }
}

static void time_it(struct compare_result *result, struct compare_table *table, size_t number,
                    unsigned round) {
    struct compare_cell *cell = &table->cells[number];
    const struct compare_row *row = &result->rows[number];
    struct compare_measurement measurement;
    char what[32];
    if (cell->state != COMPARE_TIMED) return;
    snprintf(what, sizeof what, "round %u/%u", round + 1, result->rounds);
    progress(result, table, what, row);
    compare_measure(result, row, table->scenario, cell->capacity / 2, result->seconds, result->warmup,
                    &measurement);
    done++;
    if (measurement.status != 0 && compare_interrupted) return; /* it may not even have started */
    if (measurement.status != 0 && !measurement.silent) {
        is_wrong(result, table, row, cell, what, &measurement);
        return;
    }
    if (measurement.silent) memcpy(measurement.doubt, measurement.why, sizeof measurement.doubt);
    for (size_t m = 0; m < COMPARE_METRICS; m++) cell->values[m][round] = measurement.values[m];
    memcpy(cell->tls, measurement.tls, sizeof cell->tls);
    if (*measurement.doubt) {
        cell->doubtful++;
        memcpy(cell->doubt, measurement.doubt, sizeof cell->doubt);
    }
    note_shape(table, &measurement);
}

/* Latencies of a load that wye-load itself could not keep up with are its own: nothing is to be said of them. */
static bool is_hollow(const struct compare_table *table, const struct compare_cell *cell, const struct compare_cell *reference, size_t metric) {
    bool is_latency = metric >= COMPARE_P50 && metric <= COMPARE_MAX;
    return is_latency && (2 * cell->doubtful > table->rounds || 2 * reference->doubtful > table->rounds);
}

void compare_conclude(const struct compare_result *result, struct compare_table *table) {
    const struct compare_estimate none = {NAN, NAN, NAN};
    const struct compare_cell *reference = &table->cells[result->reference];
    for (size_t m = 0; m < COMPARE_METRICS; m++) {
        struct compare_estimate noise = none;
        for (size_t i = result->row_count; i-- > 0;) { /* the last row is the A/A one */
            struct compare_cell *cell = &table->cells[i];
            double ratios[COMPARE_ROUNDS_MAX];
            cell->estimates[m] = cell->ratios[m] = none;
            if (cell->state != COMPARE_TIMED) continue;
            cell->estimates[m] = compare_estimate(cell->values[m], table->rounds);
            if (reference->state != COMPARE_TIMED || i == result->reference) continue;
            compare_ratios(cell->values[m], reference->values[m], table->rounds, ratios);
            cell->ratios[m] = compare_estimate(ratios, table->rounds);
            if (i == result->again) noise = cell->ratios[m];
            if (table->rounds < JUDGED_ROUNDS || is_hollow(table, cell, reference, m)) continue;
            cell->verdicts[m] = compare_judge(cell->ratios[m], noise, compare_metrics[m].less_is_better);
        }
    }
}

static void measure_table(struct compare_result *result, struct compare_table *table) {
    table->part = result->part;
    for (size_t i = 0; i < result->row_count && !compare_interrupted; i++) check(result, table, i);
    for (; table->rounds < result->rounds && !compare_interrupted; table->rounds++)
        for (size_t i = 0; i < result->row_count && !compare_interrupted; i++) /* nobody always follows the same one */
            time_it(result, table, (i + table->rounds) % result->row_count, table->rounds);
    if (!compare_interrupted) table->stage = COMPARE_COMPLETE;
    if (table->rounds == 0) return;
    *table->left_out = 0;
    compare_conclude(result, table);
}

/* What there is now, for the case that there comes no more. */
static void save(struct compare_result *result) {
    result->ended_early = false;
    for (size_t t = 0; t < result->table_count; t++)
        result->ended_early |=
            result->tables[t].stage == COMPARE_DUE || result->tables[t].stage == COMPARE_MISSING;
    result->took_s = result->former_s + compare_now_s() - began_s;
    compare_environment_conclude(result);
    if (result->has_begun) compare_json_write(result);
}

void compare_rounds(struct compare_result *result) {
    began_s = compare_now_s();
    done = total = 0;
    for (size_t t = 0; t < result->table_count; t++) {
        result->has_begun |= result->tables[t].stage == COMPARE_DUE;
        for (size_t i = 0; i < result->row_count; i++)
            total += measurements_of(result, &result->tables[t], i);
    }
    save(result);
    for (size_t t = 0; t < result->table_count && !compare_interrupted; t++) {
        struct compare_table *table = &result->tables[t];
        if (table->stage != COMPARE_DUE) continue;
        unsigned due = done;
        for (size_t i = 0; i < result->row_count; i++) due += measurements_of(result, table, i);
        measure_table(result, table);
        done = due; /* what is wrong takes less */
        save(result);
    }
    progress_end();
}
