/* The result for a terminal. */
#include "bench/compare.h"

#include <math.h>
#include <string.h>

const char *compare_number(char *to, size_t room, double value) {
    double size = fabs(value);
    if (isnan(value)) snprintf(to, room, "-");
    else if (size >= 1e9) snprintf(to, room, "%.3gG", value / 1e9);
    else if (size >= 1e6) snprintf(to, room, "%.3gM", value / 1e6);
    else if (size >= 1e4) snprintf(to, room, "%.3gk", value / 1e3);
    else if (size >= 99.95) snprintf(to, room, "%.0f", value);
    else snprintf(to, room, "%.*f", size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3, value);
    return to;
}

/* "1.20 (1.18-1.23) worse" */
static void ratio_text(char *to, size_t room, const struct compare_cell *cell, enum compare_metric metric) {
    struct compare_estimate ratio = cell->ratios[metric];
    if (isnan(ratio.median)) snprintf(to, room, "%s", "");
    else
        snprintf(to, room, "%5.2f (%.2f-%.2f) %s", ratio.median, ratio.low, ratio.high,
                 compare_verdict_name(cell->verdicts[metric]));
}

static void print_cell(const struct compare_result *result, const struct compare_table *table, size_t row,
                       FILE *to) {
    const struct compare_cell *cell = &table->cells[row];
    enum compare_metric metric = table->metric;
    char median[32], low[32], high[32], interval[72], ratio[64], process[32], rate[32], p50[32], p99[32];
    if (cell->state != COMPARE_TIMED) {
        fprintf(to, "  %-20s %s: %s\n", result->rows[row].label,
                cell->state == COMPARE_WRONG ? "WRONG, not timed" : "left out", cell->why);
        return;
    }
    *interval = 0;
    if (!isnan(cell->estimates[metric].median))
        snprintf(interval, sizeof interval, "%s-%s",
                 compare_number(low, sizeof low, cell->estimates[metric].low),
                 compare_number(high, sizeof high, cell->estimates[metric].high));
    if (row == result->reference) snprintf(ratio, sizeof ratio, " 1.00");
    else ratio_text(ratio, sizeof ratio, cell, metric);
    fprintf(to, "  %-20s %8s %-15s %-26s %8s %8s %7s %7s%s\n", result->rows[row].label,
            compare_number(median, sizeof median, cell->estimates[metric].median), interval, ratio,
            compare_number(process, sizeof process, cell->estimates[COMPARE_PROCESS_US].median),
            compare_number(rate, sizeof rate, cell->estimates[COMPARE_RATE].median),
            compare_number(p50, sizeof p50, cell->estimates[COMPARE_P50].median),
            compare_number(p99, sizeof p99, cell->estimates[COMPARE_P99].median), cell->doubtful ? " ?" : "");
}

void compare_tls_text(const struct compare_result *result, const struct compare_table *table, char *to,
                      size_t room) {
    const char *first = NULL;
    bool same = true;
    unsigned named = 0;
    *to = 0;
    for (size_t i = 0; i < result->row_count; i++) {
        const struct compare_cell *cell = &table->cells[i];
        if (cell->state != COMPARE_TIMED || !*cell->tls) continue;
        if (!first) first = cell->tls;
        same &= strcmp(cell->tls, first) == 0;
    }
    if (!first) return;
    size_t used = (size_t)snprintf(to, room, "%s", same ? first : "NOT THE SAME TLS FOR ALL");
    for (size_t i = 0; i < result->row_count && !same && used < room; i++)
        if (table->cells[i].state == COMPARE_TIMED && !result->rows[i].again)
            used += (size_t)snprintf(to + used, room - used, "%s %s: %s", named++ ? "," : ":",
                                     result->rows[i].label, table->cells[i].tls);
}

static void print_table(const struct compare_result *result, const struct compare_table *table, FILE *to) {
    char head[512];
    fprintf(to, "\n%s: wye-load %s\n", table->scenario->name, compare_get(table->scenario, "load"));
    if (*table->left_out) {
        fprintf(to, "  left out: %s\n", table->left_out);
        return;
    }
    snprintf(head, sizeof head, "%s", compare_metrics[table->metric].name);
    fprintf(to, "  %-20s %-24s %-26s %8s %8s %7s %7s\n", "", head, "ratio, interval, verdict", "proc us",
            "msg/s", "p50 us", "p99 us");
    const char *doubt = NULL;
    for (size_t i = 0; i < result->row_count; i++) {
        if (*result->rows[i].left_out) continue;
        print_cell(result, table, i, to);
        if (table->cells[i].doubtful) doubt = table->cells[i].doubt;
    }
    compare_tls_text(result, table, head, sizeof head);
    if (*head) fprintf(to, "  %s\n", head);
    if (doubt) fprintf(to, "  ? doubted by wye-load in some rounds, such as: %s\n", doubt);
}

static void print_others(const struct compare_result *result, FILE *to) {
    const struct compare_environment *environment = &result->environment;
    fprintf(to,
            "other processes used %.2f cores meanwhile, at most %.2f; load average %.2f before, %.2f after\n",
            environment->others_mean, environment->others_most, environment->load_before[0],
            environment->load_after[0]);
    if (environment->others_mean > COMPARE_BUSY_MACHINE)
        fputs("THE MACHINE WAS BUSY with something else: costs, which are the busy time of a whole core, are "
              "not to be trusted.\n",
              to);
}

void compare_table_print(const struct compare_result *result, FILE *to) {
    const struct compare_environment *environment = &result->environment;
    char parts[1024];
    fprintf(to, "%swye-compare " WYE_VERSION ", %s: %u rounds of %g s, reference %s%s\n",
            result->options->quick ? "QUICK " : "", result->started, result->rounds, result->seconds,
            result->rows[result->reference].label, result->ended_early ? ", ENDED EARLY" : "");
    fprintf(to, "%s, %u cores, %s, %s; server on core %d, load on core %d\n", environment->cpu,
            environment->cores, environment->clock, environment->kernel, result->server_core,
            result->load_core);
    compare_continue_parts(result, parts, sizeof parts);
    if (*parts) fprintf(to, "in parts, begun %s\n", parts);
    for (size_t t = 0; t < result->table_count; t++) print_table(result, &result->tables[t], to);
    fputc('\n', to);
    for (size_t i = 0; i < result->row_count; i++)
        if (*result->rows[i].left_out && !result->rows[i].again)
            fprintf(to, "%s is left out: %s\n", result->rows[i].label, result->rows[i].left_out);
    print_others(result, to);
    if (result->baseline_text) fputs(result->baseline_text, to);
    if (result->options->quick) fputs("QUICK: this shows that it works, not how fast anything is.\n", to);
}
