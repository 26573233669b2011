/* One measurement: wye-load against a server that was just started, and what its JSON says. */
#include "bench/compare.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 64, OPENING_S = 60 };

/* The names are those of results.json: bench/compare.md. */
const struct compare_metric_facts compare_metrics[COMPARE_METRICS] = {
    [COMPARE_CORE_US] = {"core_us_per_message", "us", "busy time of the server's core per message", true},
    [COMPARE_PROCESS_US] = {"process_us_per_message", "us", "CPU time of the server's process per message",
                            true},
    [COMPARE_RATE] = {"messages_per_s", "1/s", "messages per second", false},
    [COMPARE_P50] = {"latency_p50_us", "us", "latency, median", true},
    [COMPARE_P75] = {"latency_p75_us", "us", "latency, 75th percentile", true},
    [COMPARE_P90] = {"latency_p90_us", "us", "latency, 90th percentile", true},
    [COMPARE_P99] = {"latency_p99_us", "us", "latency, 99th percentile", true},
    [COMPARE_P99_9] = {"latency_p99_9_us", "us", "latency, 99.9th percentile", true},
    [COMPARE_P99_99] = {"latency_p99_99_us", "us", "latency, 99.99th percentile", true},
    [COMPARE_MAX] = {"latency_max_us", "us", "latency, longest", true},
    [COMPARE_RSS] = {"rss_bytes", "bytes", "memory of the server's process", true},
    [COMPARE_RSS_EACH] = {"rss_bytes_per_connection", "bytes",
                          "memory of the server's process per connection", true},
    [COMPARE_SLAB_EACH] = {"slab_bytes_per_connection_both_ends", "bytes",
                           "the kernel's slabs per connection, both ends", true},
    [COMPARE_BUSY] = {"core_busy_share", "cores", "busy share of the server's core", true},
    [COMPARE_STEAL] = {"core_steal_share", "cores", "what the hypervisor took of the server's core", true},
    [COMPARE_DEFLATE] = {"deflate_received_ratio", "", "compressed bytes by what they are inflated", true},
    [COMPARE_OTHERS] = {"others_cpu_share", "cores", "CPU that other processes used meanwhile", true},
};

const char *compare_needs(const struct compare_section *scenario) {
    const char *needs = compare_get(scenario, "needs");
    if (needs) return needs;
    return strncmp(compare_get(scenario, "load"), "fanout", 6) == 0 ? "fanout" : "echo";
}

bool compare_load_can(const struct compare_section *scenario, const char *help, char *why, size_t room) {
    for (const char *at = compare_get(scenario, "load"); (at = strstr(at, "--")); at += 2) {
        char option[64];
        size_t count = 2 + strspn(at + 2, "abcdefghijklmnopqrstuvwxyz-");
        snprintf(option, sizeof option, "%.*s", (int)count, at);
        if (strstr(help, option)) continue;
        snprintf(why, room, "this wye-load has no %s", option);
        return false;
    }
    return true;
}

/* utime, stime, cutime and cstime: a child's time is its parent's once it is waited for, so that sums only
 * grow. */
static double cpu_of(const char *pid) {
    char path[300], text[2048];
    unsigned long long ticks[4] = {0};
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    FILE *file = fopen(path, "r");
    size_t count = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[count] = 0;
    const char *behind = strrchr(text, ')');
    unsigned flags = 0;
    if (!behind || sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu %llu %llu",
                          &flags, &ticks[0], &ticks[1], &ticks[2], &ticks[3]) != 5)
        return 0;
    if (flags & 0x00200000) return 0; /* PF_KTHREAD: the kernel works for us, too */
    return (double)(ticks[0] + ticks[1] + ticks[2] + ticks[3]) / (double)sysconf(_SC_CLK_TCK);
}

double compare_others_cpu_s(const pid_t *but, size_t count) {
    double sum = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        bool ours = false;
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        for (size_t i = 0; i < count; i++) ours |= atoi(entry->d_name) == but[i];
        if (!ours) sum += cpu_of(entry->d_name);
    }
    if (processes) closedir(processes);
    return sum;
}

/* ---- wye-load's command line ---- */

struct command {
    char *words[WORDS_MAX + 1];
    size_t count;
    bool overflowed;
};

static void add(struct command *command, const char *word) {
    if (command->count == WORDS_MAX) {
        command->overflowed = true;
        return;
    }
    command->words[command->count] = strdup(word);
    if (command->words[command->count]) command->count++;
}

static void add_number(struct command *command, const char *option, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.10g", value);
    add(command, option);
    add(command, text);
}

static void command_free(struct command *command) {
    for (size_t i = 0; i < command->count; i++) free(command->words[i]);
}

/* The scenario's words; without a rate for {half}, without --rate. */
static bool add_load(struct command *command, const char *load, const char *url, double rate, double stall) {
    char number[32];
    snprintf(number, sizeof number, "%.0f", rate);
    char *whole =
        compare_expand(load, (const char *const[]){"half", NULL}, (const char *const[]){number, NULL});
    char **words = whole ? compare_words(whole) : NULL;
    free(whole);
    if (!words) return false;
    add(command, words[0]);
    add(command, url);
    add_number(command, "--stall", stall);
    for (size_t i = 1; words[i]; i++) {
        if (strcmp(words[i], "--rate") == 0 && words[i + 1] && strcmp(words[i + 1], "0") == 0) i++;
        else add(command, words[i]);
    }
    compare_words_free(words);
    return true;
}

static bool add_options(struct command *command, const char *options) {
    char **words = options ? compare_words(options) : NULL;
    if (options && !words) return false;
    for (size_t i = 0; words && words[i]; i++) add(command, words[i]);
    compare_words_free(words);
    return true;
}

/* ---- wye-load's answer ---- */

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void read_values(const json_t *report, struct compare_measurement *measurement) {
    static const struct {
        enum compare_metric metric;
        const char *name;
    } plain[] = {{COMPARE_PROCESS_US, "server_cpu_us_per_message"},
                 {COMPARE_RATE, "messages_per_s"},
                 {COMPARE_RSS, "server_rss_bytes"},
                 {COMPARE_RSS_EACH, "server_rss_bytes_per_connection"},
                 {COMPARE_SLAB_EACH, "slab_bytes_per_connection_both_ends"},
                 {COMPARE_BUSY, "core_busy_share"},
                 {COMPARE_STEAL, "core_steal_share"},
                 {COMPARE_DEFLATE, "deflate_received_ratio"}},
      late[] = {{COMPARE_P50, "p50"}, {COMPARE_P75, "p75"},     {COMPARE_P90, "p90"},
                {COMPARE_P99, "p99"}, {COMPARE_P99_9, "p99_9"}, {COMPARE_P99_99, "p99_99"},
                {COMPARE_MAX, "max"}};
    const json_t *latency = json_object_get(report, "latency_us");
    double *values = measurement->values;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        values[plain[i].metric] = number(report, plain[i].name);
    if (number(latency, "count") > 0)
        for (size_t i = 0; i < sizeof late / sizeof *late; i++)
            values[late[i].metric] = number(latency, late[i].name);
    if (values[COMPARE_RATE] > 0) {
        values[COMPARE_CORE_US] = values[COMPARE_BUSY] * 1e6 / values[COMPARE_RATE];
    } else {
        values[COMPARE_RATE] = values[COMPARE_PROCESS_US] = NAN; /* an idle crowd has no messages */
    }
    measurement->connections = number(report, "connections");
    measurement->size_bytes = number(report, "size_bytes");
    measurement->depth = number(report, "depth");
    const char *load = json_string_value(json_object_get(report, "scenario"));
    snprintf(measurement->load, sizeof measurement->load, "%s", load ? load : "");
    const char *doubt = json_string_value(json_object_get(report, "doubt"));
    snprintf(measurement->doubt, sizeof measurement->doubt, "%s", doubt ? doubt : "");
    const char *tls = json_string_value(json_object_get(report, "tls"));
    snprintf(measurement->tls, sizeof measurement->tls, "%s", tls ? tls : "");
}

/* Why it is wrong, in the words of wye-load's report. Returns whether nothing was but its silence. */
static bool explain(const json_t *report, const char *error, char *why, size_t room) {
    static const char *const counts[] = {"handshakes_failed", "lost",          "duplicated", "reordered",
                                         "corrupted",         "wrong_length",  "wrong_type", "unexpected",
                                         "dropped",           "broken_frames", "bad_closes"};
    size_t used = 0;
    *why = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && used < room; i++) {
        double count = number(report, counts[i]);
        if (!(count > 0)) continue;
        used += (size_t)snprintf(why + used, room - used, "%s%s %.0f", used ? ", " : "", counts[i], count);
    }
    for (char *at = why; *at; at++)
        if (*at == '_') *at = ' ';
    const char *text =
        json_string_value(json_object_get(json_array_get(json_object_get(report, "failures"), 0), "text"));
    if (text && used < room) used += (size_t)snprintf(why + used, room - used, used ? " (%s)" : "%s", text);
    if (json_is_true(json_object_get(report, "stalled")) && used < room)
        used += (size_t)snprintf(why + used, room - used, "%sit stalled", used ? "; " : "");
    if (used == 0) compare_first_line(why, room, error && *error ? error : "no message came back in time");
    return used == 0;
}

static void read_output(const struct compare_output *output, struct compare_measurement *measurement) {
    json_error_t trouble;
    json_t *report = output->out ? json_loads(output->out, 0, &trouble) : NULL;
    measurement->status = output->status;
    if (output->status == -1) {
        measurement->status = COMPARE_COULD_NOT; /* that is wye-load's fault, not the server's */
        snprintf(measurement->why, sizeof measurement->why, "wye-load didn't come to an end");
    } else if (output->status != 0)
        measurement->silent = explain(report, output->error, measurement->why, sizeof measurement->why) &&
                              output->status == COMPARE_NO;
    else if (!report) {
        measurement->status = COMPARE_COULD_NOT;
        snprintf(measurement->why, sizeof measurement->why, "wye-load's JSON: %s", trouble.text);
    }
    if (report) read_values(report, measurement);
    const char *offer = json_string_value(json_object_get(report, "deflate_offer"));
    bool answers = strcmp(measurement->load, "upgrade") != 0 && strcmp(measurement->load, "idle") != 0;
    if (measurement->status == 0 && offer && *offer && answers &&
        json_integer_value(json_object_get(report, "deflated")) == 0) {
        measurement->status = COMPARE_COULD_NOT; /* it would be less work than what the others do */
        snprintf(measurement->why, sizeof measurement->why, "it sends nothing compressed");
    }
    json_decref(report);
}

static void load_it(const struct compare_result *result, const struct compare_running *running,
                    struct command *command, double limit_s, struct compare_measurement *measurement) {
    pid_t ours[] = {getpid(), running->pid};
    double began = compare_now_s(), others = compare_others_cpu_s(ours, 2);
    struct compare_output output = compare_run(command->words, result->load_core, limit_s);
    double took = compare_now_s() - began;
    read_output(&output, measurement);
    /* A server that isn't ours to start is among the others, and it's not to be told. */
    if (running->pid)
        measurement->values[COMPARE_OTHERS] = fmax(0, compare_others_cpu_s(ours, 2) - others) / took;
    compare_output_free(&output);
}

void compare_measure(const struct compare_result *result, const struct compare_row *row,
                     const struct compare_section *scenario, double rate, double seconds, double warmup,
                     struct compare_measurement *measurement) {
    const char *needs = compare_needs(scenario), *path = compare_get_for(row->server, "path", needs);
    struct compare_running running;
    struct command command = {0};
    char url[512], program[sizeof result->bin + 16];
    *measurement = (struct compare_measurement){.status = -1};
    for (size_t i = 0; i < COMPARE_METRICS; i++) measurement->values[i] = NAN;
    /* Once more: its port may have become another's before it was bound. */
    if (!compare_server_start(result, row->server, scenario, &running, measurement->why, sizeof measurement->why) &&
        (compare_interrupted ||
         !compare_server_start(result, row->server, scenario, &running, measurement->why, sizeof measurement->why)))
        return;
    snprintf(program, sizeof program, "%s/wye-load", result->bin);
    snprintf(url, sizeof url, "%s://%s%s", compare_is(scenario, "tls") ? "wss" : "ws", running.host,
             path ? path : "/");
    add(&command, program);
    bool readable = add_load(&command, compare_get(scenario, "load"), url, rate, result->stall) &&
                    add_options(&command, compare_get_for(row->server, "options", needs));
    add_number(&command, "--seconds", seconds);
    add_number(&command, "--warmup", warmup);
    add_number(&command, "--settle", result->settle);
    if (running.pid) {
        add_number(&command, "--pid", running.pid);
        add_number(&command, "--cpu", result->server_core);
    }
    add(&command, "--quiet");
    add(&command, "--json");
    add(&command, "-");
    if (command.overflowed) {
        measurement->status = COMPARE_COULD_NOT;
        snprintf(measurement->why, sizeof measurement->why, "more than %d words for wye-load", WORDS_MAX);
    } else if (!readable) {
        measurement->status = COMPARE_COULD_NOT;
        snprintf(measurement->why, sizeof measurement->why,
                 "the words for wye-load cannot be split: are braces quoted?");
    } else {
        load_it(result, &running, &command, seconds + warmup + result->stall + OPENING_S, measurement);
        if (running.pid && !compare_runs(running.pid)) {
            measurement->status = COMPARE_NO;
            measurement->silent = false;
            snprintf(measurement->why, sizeof measurement->why, "it ended by itself");
        }
    }
    command_free(&command);
    compare_server_stop(&running);
}
