/* wye-compare: the same load against several servers, round by round. */
#ifndef WYE_BENCH_COMPARE_H
#define WYE_BENCH_COMPARE_H

#include "bench/compare_stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
    COMPARE_YES = 0,
    COMPARE_NO = 1, /* a server answered wrong, or something got slower */
    COMPARE_COULD_NOT = 2,
    COMPARE_USAGE = 64,

    COMPARE_SECTIONS_MAX = 128,
    COMPARE_ROUNDS_MAX = 101,
    COMPARE_TLS_ROOM = 160,
};

/* ---- what to do ---- */

/* [KIND NAME] of the configuration, with its keys as they were read. */
struct compare_section {
    char *name;
    struct compare_pair {
        char *key, *value;
    } * pairs;
    size_t pair_count;
    bool chosen;
};

struct compare_config {
    struct compare_section run; /* [run] */
    struct compare_section servers[COMPARE_SECTIONS_MAX], scenarios[COMPARE_SECTIONS_MAX];
    size_t server_count, scenario_count;
};

struct compare_options {
    bool quick, dry_run, list, print_config;
    const char *servers, *scenarios; /* names or patterns, separated by commas; NULL: all */
    const char *config, *baseline, *reference, *peers;
    const char *out;
    const char *continues;                                  /* the folder of a run that was cut short */
    const char *rounds, *seconds, *server_core, *load_core; /* instead of what [run] says */
};

/* The options that say what a run is, apart from its scenarios, and where in compare_options their text is.
 * Ends with NULL. */
struct compare_option_text {
    const char *name;
    size_t offset;
};
extern const struct compare_option_text compare_option_texts[];

/* ---- what came of it ---- */

/* One thing measured a round. */
enum compare_metric {
    COMPARE_CORE_US,
    COMPARE_PROCESS_US,
    COMPARE_RATE,
    COMPARE_P50,
    COMPARE_P75,
    COMPARE_P90,
    COMPARE_P99,
    COMPARE_P99_9,
    COMPARE_P99_99,
    COMPARE_MAX,
    COMPARE_RSS,
    COMPARE_RSS_EACH,
    COMPARE_SLAB_EACH,
    COMPARE_BUSY,
    COMPARE_STEAL,
    COMPARE_OTHERS,
    COMPARE_DEFLATE,
    COMPARE_METRICS,
};

struct compare_metric_facts {
    const char *name, *unit, *title;
    bool less_is_better;
};
extern const struct compare_metric_facts compare_metrics[COMPARE_METRICS];

enum compare_state { COMPARE_LEFT_OUT, COMPARE_WRONG, COMPARE_TIMED };

/* A server in a scenario. */
struct compare_cell {
    enum compare_state state;
    char why[256];   /* it was left out, or is wrong */
    char doubt[256]; /* of the last round that wye-load doubted; "": of none */
    unsigned doubtful;
    char tls[COMPARE_TLS_ROOM];                         /* version and cipher; "": there was no TLS */
    double capacity;                                    /* messages/s in a closed loop; 0: not asked for */
    double values[COMPARE_METRICS][COMPARE_ROUNDS_MAX]; /* NAN: not measured */
    struct compare_estimate estimates[COMPARE_METRICS], ratios[COMPARE_METRICS];
    enum compare_verdict verdicts[COMPARE_METRICS];
};

/* A line of the result: a server; the reference has two, the second to see the noise (A/A). */
struct compare_row {
    struct compare_section *server;
    bool again;
    char label[64];
    char version[128];
    char changed[32];   /* when its program last did, UTC; "": not to be seen */
    char left_out[256]; /* why it is not here at all; "": it is */
};

enum compare_stage {
    COMPARE_CANNOT,   /* wye-load has no such thing: left_out says what */
    COMPARE_MISSING,  /* not measured yet, and not to be measured now either */
    COMPARE_DUE,      /* to be measured now, or under way */
    COMPARE_COMPLETE, /* all its rounds were made */
};

/* A scenario with a cell for each row. */
struct compare_table {
    struct compare_section *scenario;
    enum compare_metric metric; /* what it is about */
    enum compare_stage stage;
    unsigned part; /* of the run, in which it was measured */
    char left_out[256];
    unsigned rounds; /* that were completed, or begun */
    double connections, size_bytes, depth;
    char load[16];
    struct compare_cell *cells;
};

struct compare_environment {
    char cpu[128], kernel[256], system[128], mitigations[1024], limits[256], build[512], clock[128];
    char started[32];
    unsigned cores;
    double memory_bytes;
    double load_before[3], load_after[3];
    double others_mean, others_most; /* cores that other processes used while something was measured */
};

/* From so many cores on, used by others, costs are not to be trusted. */
#define COMPARE_BUSY_MACHINE 0.1

struct json_t;

struct compare_result {
    const struct compare_options *options;
    struct compare_config *config;
    char bin[4096], peers[4096];
    char file[4096];       /* results.json */
    char load_changed[32]; /* when wye-load's program last did, UTC */
    struct json_t *former; /* the results.json of a run that goes on; NULL: it begins */
    char started[32];      /* the run; environment.started: this part of it */
    double former_s;       /* seconds that its earlier parts took */
    unsigned part;         /* which of its parts this is, from 0 */
    bool has_begun;        /* something is measured in this part */
    double seconds, warmup, settle, check, stall;
    unsigned rounds;
    int server_core, load_core;
    struct compare_row rows[COMPARE_SECTIONS_MAX + 1];
    size_t row_count, reference, again; /* indices of rows; again == row_count: none */
    struct compare_table tables[COMPARE_SECTIONS_MAX];
    size_t table_count;
    struct compare_environment environment;
    double took_s;
    bool ended_early;
    bool any_wrong;
    char *baseline_text; /* lines: what got slower or faster since; NULL: not asked for */
    unsigned slower;
};

extern volatile bool compare_interrupted; /* ctrl-C */

/* ---- compare_options.c ---- */

/* Reads the command line; < 0: go on, else the exit status. */
int compare_options_read(struct compare_options *options, int argc, char **argv);

/* ---- compare_continue.c ---- */

/*
 * Reads the results.json of the folder options->continues and takes from it the options that aren't given
 * now. 0, or an exit status after a message. What `options` points to then lives as long as result->former,
 * which is the caller's.
 */
int compare_continue_open(struct compare_result *result, struct compare_options *options);

/* Is the scenario one of the run that goes on? */
bool compare_continue_has(const struct compare_result *result, const char *scenario);

/* Once all is planned, and the environment read: is it the same run still? Fills in what it measured. 0, or
 * an exit status after a message. */
int compare_continue(struct compare_result *result);

/* When the parts of a run that was cut up began; "": it is in one piece. */
void compare_continue_parts(const struct compare_result *result, char *to, size_t room);

/* ---- compare_config.c ---- */

/* The built-in configuration, then `file` (NULL: none), whose keys come on top. 0, or an exit status after a
 * message. */
int compare_config_read(struct compare_config *config, const char *file);
void compare_config_free(struct compare_config *config);

/* The value of a key; NULL: none. */
const char *compare_get(const struct compare_section *section, const char *key);

/* Is the value of a key "yes"? */
bool compare_is(const struct compare_section *section, const char *key);

/* The value of KEY.PART, or of KEY. */
const char *compare_get_for(const struct compare_section *section, const char *key, const char *part);

/* Does a list of names or fnmatch(3) patterns, separated by commas, hold this name? */
bool compare_matches(const char *list, const char *name);

/* The files built in: compare.ini, compare.css. */
extern const char compare_ini[], compare_css[];

/* ---- compare_process.c ---- */

struct compare_output {
    int status;        /* exit status; 128 + signal; -1: it didn't end in time */
    char *out, *error; /* what it wrote; the caller's */
};

/* "{port}" and the like in `text` become values; names ends with NULL. The caller's to free. */
char *compare_expand(const char *text, const char *const *names, const char *const *values);

/* Splits like a shell, without running anything. NULL: it cannot be split. To be freed with
 * compare_words_free(). */
char **compare_words(const char *text);
void compare_words_free(char **words);

/*
 * Starts a program on one core (-1: any), with as many descriptors as allowed; out, error: descriptors to
 * write to. It dies with us. Returns its pid, or -errno.
 */
pid_t compare_start(char *const *words, int core, int out, int error);

/* Runs a program to its end, at most `seconds` long. */
struct compare_output compare_run(char *const *words, int core, double seconds);
void compare_output_free(struct compare_output *output);

/* SIGTERM, then after a while SIGKILL; waits for it. */
void compare_end(pid_t pid);

/* Is a program of ours still running? */
bool compare_runs(pid_t pid);

/* Is it a file that can be run, here or in PATH? */
bool compare_is_program(const char *name);

double compare_now_s(void);

/* Says on stderr why it can't go on. Returns the exit status. */
__attribute__((format(printf, 2, 3))) int compare_refuse(int status, const char *format, ...);

/* The first line of a text, cut to fit. */
void compare_first_line(char *to, size_t room, const char *text);

/* When the newest of a command's files was changed, UTC; "": not to be seen. */
void compare_changed(char to[32], char *const *words);

/* ---- compare_servers.c ---- */

struct compare_running {
    pid_t pid;      /* 0: it isn't ours */
    char host[128]; /* with the port */
    int log;        /* what it says; -1: nothing */
};

/*
 * How a server is started ("command") or where it runs already ("address") for a scenario: the value of
 * KEY.PART or KEY; for one with TLS of KEY.tls alone. NULL: not so.
 */
const char *compare_server_way(const struct compare_section *server, const struct compare_section *scenario,
                               const char *key);

/* The first of its keys KEY and KEY.PART: what a server is known by. NULL: it has none. */
const char *compare_server_first(const struct compare_section *server, const char *key);

/* Starts a server for a scenario and waits until it can be connected to. false: why. */
bool compare_server_start(const struct compare_result *result, const struct compare_section *server,
                          const struct compare_section *scenario, struct compare_running *running, char *why,
                          size_t room);
void compare_server_stop(struct compare_running *running);

/* Is it installed, and what version is it? Fills the row. */
void compare_server_look(const struct compare_result *result, struct compare_row *row);

/* ---- compare_measure.c ---- */

/* One run of wye-load against a fresh server. */
struct compare_measurement {
    int status;    /* of wye-load; -1: there was none */
    char why[256]; /* "": it was right */
    bool silent;   /* nothing was wrong but that no message came back in time */
    char doubt[256];
    char tls[COMPARE_TLS_ROOM]; /* version and cipher; "": there was no TLS */
    double values[COMPARE_METRICS];
    double connections, size_bytes, depth;
    char load[16];
};

/* rate: messages/s that {half} stands for; 0: a closed loop, without --rate. seconds are measured after
 * warmup. */
void compare_measure(const struct compare_result *result, const struct compare_row *row,
                     const struct compare_section *scenario, double rate, double seconds, double warmup,
                     struct compare_measurement *measurement);

/* What the scenario needs of a server: the part of its keys. */
const char *compare_needs(const struct compare_section *scenario);

/* Can this wye-load do it? `help`: what it says it can. false: why. */
bool compare_load_can(const struct compare_section *scenario, const char *help, char *why, size_t room);

/* CPU seconds that all processes have used so far, but for `but[0 .. count-1]`. */
double compare_others_cpu_s(const pid_t *but, size_t count);

/* ---- compare_rounds.c ---- */

/* Rows and tables of what was chosen. 0, or an exit status after a message. */
int compare_plan(struct compare_result *result);

/* How long it takes, roughly, s. */
double compare_plan_s(const struct compare_result *result);

/* Checks, then measures, all scenarios that are due; estimates, ratios and verdicts. After each of them, and
 * at the beginning, result->file holds what there is. */
void compare_rounds(struct compare_result *result);

/* Estimates, and ratios round by round; what was wrong has none. */
void compare_conclude(const struct compare_result *result, struct compare_table *table);

/* ---- compare_environment.c ---- */

void compare_environment_read(struct compare_result *result);
void compare_loads_read(double loads[3]);

/* What else went on while all that was measured so far was. */
void compare_environment_conclude(struct compare_result *result);

/* ---- compare_json.c ---- */

enum { COMPARE_DIGITS = 7 }; /* that numbers of results.json have */

/* What results.json holds; compare.md says what its names mean. The caller's. */
struct json_t *compare_json_make(const struct compare_result *result);

/* Writes it to result->file: a whole one or none, whenever we are killed. 0, or -errno after a message. */
int compare_json_write(const struct compare_result *result);

/* ---- compare_baseline.c ---- */

/* Reads an older results.json. The caller's to free; NULL after a message. */
struct json_t *compare_baseline_open(const char *path);

/* What got slower since: fills baseline_text and slower. 0, or an exit status after a message. */
int compare_baseline(struct compare_result *result, const struct json_t *older);

/* ---- compare_table.c ---- */

void compare_table_print(const struct compare_result *result, FILE *to);

/* What the scenario's timed servers agreed on: "TLSv1.3 TLS_AES_128_GCM_SHA256", or who on what when it
 * wasn't the same. "": no TLS. */
void compare_tls_text(const struct compare_result *result, const struct compare_table *table, char *to,
                      size_t room);

/* A value with three digits that count, in the metric's unit. */
const char *compare_number(char *to, size_t room, double value);

/* ---- compare_plot.c ---- */

bool compare_plot_ready(void);

/* Runs gnuplot on a script of ours and writes the SVG that it draws into `to`. false: it could not. */
bool compare_plot_write(FILE *to, const char *script);

/* Plots as scripts of gnuplot: cost bars of a table; lines over percentiles, size, subscribers, connections.
 * The caller's to free; NULL: there is nothing to show. */
char *compare_plot_bars(const struct compare_result *result, const struct compare_table *table);
char *compare_plot_percentiles(const struct compare_result *result, const struct compare_table *table);
char *compare_plot_over(const struct compare_result *result, const struct compare_table *const *tables,
                        size_t count, enum compare_metric metric, const char *title, const char *x_title,
                        bool by_size);

/* ---- compare_report.c ---- */

/* One HTML file that needs no other. 0, or -errno after a message. */
int compare_report_write(const struct compare_result *result, const char *path);

#endif
