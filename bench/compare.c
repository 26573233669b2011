/* wye-compare: a comparison of WebSocket servers that anyone can run again. */
#include "bench/compare.h"

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

volatile bool compare_interrupted;

static struct compare_result result;
static struct compare_config config;
static struct compare_options options;

static void interrupt(int number) {
    (void)number;
    compare_interrupted = true;
}

/* Where our programs lie, and the peers. */
static bool find_folders(void) {
    char self[sizeof result.bin];
    ssize_t count = readlink("/proc/self/exe", self, sizeof self - 1);
    if (count <= 0) return false;
    self[count] = 0;
    snprintf(result.bin, sizeof result.bin, "%s", dirname(self));
    if (options.peers) {
        if (!realpath(options.peers, result.peers)) {
            fprintf(stderr, "wye-compare: %s: %s\n", options.peers, strerror(errno));
            return false;
        }
        options.peers = result.peers;
    } else if ((size_t)snprintf(result.peers, sizeof result.peers, "%s/peers", result.bin) >=
               sizeof result.peers) {
        return false;
    }
    return true;
}

static void list(void) {
    puts("servers:");
    for (size_t i = 0; i < result.row_count; i++)
        if (!result.rows[i].again)
            printf("  %-16s %s%s\n", result.rows[i].label,
                   *result.rows[i].left_out ? "not here: " : result.rows[i].version, result.rows[i].left_out);
    puts("scenarios:");
    for (size_t t = 0; t < result.table_count; t++) {
        const struct compare_section *scenario = result.tables[t].scenario;
        printf("  %-18s %s%s%s\n", scenario->name, compare_get(scenario, "load"),
               result.tables[t].stage == COMPARE_CANNOT ? "; not here: " : "",
               result.tables[t].stage == COMPARE_CANNOT ? result.tables[t].left_out : "");
    }
}

static void print_plan(FILE *to) {
    double seconds = compare_plan_s(&result);
    unsigned servers = 0, scenarios = 0;
    for (size_t i = 0; i < result.row_count; i++) servers += !*result.rows[i].left_out;
    for (size_t t = 0; t < result.table_count; t++) scenarios += result.tables[t].stage == COMPARE_DUE;
    fprintf(to, "%s%u scenarios, %u rows, %u rounds of %g s: about %.0f minutes\n",
            options.quick ? "QUICK: " : "", scenarios, servers, result.rounds, result.seconds, seconds / 60);
}

static void print_left_out(FILE *to) {
    for (size_t i = 0; i < result.row_count; i++)
        if (*result.rows[i].left_out && !result.rows[i].again)
            fprintf(to, "%s is left out: %s\n", result.rows[i].label, result.rows[i].left_out);
    for (size_t t = 0; t < result.table_count; t++)
        if (result.tables[t].stage == COMPARE_CANNOT)
            fprintf(to, "%s is left out: %s\n", result.tables[t].scenario->name, result.tables[t].left_out);
}

static bool is_anything_timed(void) {
    for (size_t t = 0; t < result.table_count; t++)
        for (size_t i = 0; i < result.row_count && !*result.tables[t].left_out; i++)
            if (result.tables[t].cells[i].state == COMPARE_TIMED) return true;
    return false;
}

static int conclude(const struct json_t *older) {
    char path[4096];
    int status = older ? compare_baseline(&result, older) : 0;
    compare_table_print(&result, stdout);
    /* What goes on and has nothing left to do stays as it is. */
    if (result.has_begun && compare_json_write(&result) != 0) status = COMPARE_COULD_NOT;
    else printf("\n%s\n", result.file);
    snprintf(path, sizeof path, "%s/report.html", options.out);
    if (compare_report_write(&result, path) != 0) status = COMPARE_COULD_NOT;
    else puts(path);
    if (result.ended_early)
        fprintf(stderr, "scenarios are missing: wye-compare --continue %s measures them\n", options.out);
    if (status) return status;
    if (result.any_wrong || result.slower) return COMPARE_NO;
    return is_anything_timed() ? COMPARE_YES : COMPARE_COULD_NOT;
}

/* Before an hour goes by: can the results be written? */
static bool make_room(void) {
    if ((mkdir(options.out, 0777) == 0 || errno == EEXIST) && access(options.out, W_OK) == 0) return true;
    fprintf(stderr, "wye-compare: %s: %s\n", options.out, strerror(errno));
    return false;
}

static int run(void) {
    struct json_t *older = options.baseline ? compare_baseline_open(options.baseline) : NULL;
    if ((options.baseline && !older) || !make_room()) {
        json_decref(older);
        return COMPARE_COULD_NOT;
    }
    struct sigaction action = {.sa_handler = interrupt,
                               .sa_flags = (int)SA_RESETHAND}; /* a second one ends us */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    print_left_out(stderr);
    print_plan(stderr);
    compare_rounds(&result);
    int status = conclude(older);
    json_decref(older);
    return status;
}

/* A path that means the same wherever a later part of the run is begun. */
static const char *whole_path(const char *path, char room[PATH_MAX]) {
    return path && realpath(path, room) ? room : path;
}

static int plan(void) {
    static char config_path[PATH_MAX];
    int status = options.continues ? compare_continue_open(&result, &options) : 0;
    if (status) return status;
    options.config = whole_path(options.config, config_path);
    snprintf(result.file, sizeof result.file, "%s/results.json", options.out);
    status = compare_config_read(&config, options.config);
    if (!status && !find_folders()) status = COMPARE_COULD_NOT;
    if (!status) status = compare_plan(&result);
    if (status) return status;
    compare_environment_read(&result);
    return options.continues ? compare_continue(&result) : 0;
}

int main(int argc, char **argv) {
    int status = compare_options_read(&options, argc, argv);
    if (status >= 0) return status;
    if (options.print_config) {
        fputs(compare_ini, stdout);
        return COMPARE_YES;
    }
    result.options = &options;
    result.config = &config;
    status = plan();
    if (!status) {
        if (options.list) list();
        else if (options.dry_run) print_plan(stdout);
        else status = run();
    }
    for (size_t t = 0; t < result.table_count; t++) free(result.tables[t].cells);
    free(result.baseline_text);
    compare_config_free(&config);
    json_decref(result.former);
    return status;
}
