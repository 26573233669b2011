/* The report: one HTML file that needs no other. */
#include "bench/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static FILE *out;

static void text(const char *from) {
    for (; *from; from++) {
        switch (*from) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*from, out);
        }
    }
}

static void element(const char *name, const char *class, const char *content) {
    fprintf(out, "<%s", name);
    if (class && *class) fprintf(out, " class=\"%s\"", class);
    fputc('>', out);
    text(content);
    fprintf(out, "</%s>", name);
}

/* ---- the overview: ratios of all ---- */

static bool is_in(const struct compare_result *result, size_t row) {
    return !*result->rows[row].left_out && row != result->again;
}

static void write_ratio(const struct compare_result *result, const struct compare_table *table, size_t row) {
    const struct compare_cell *cell = &table->cells[row];
    struct compare_estimate ratio = cell->ratios[table->metric];
    char number[64], low[32], high[32];
    if (cell->state != COMPARE_TIMED) {
        fprintf(out, "<td class=\"%s\" title=\"", cell->state == COMPARE_WRONG ? "wrong" : "none");
        text(cell->why);
        fprintf(out, "\">%s</td>", cell->state == COMPARE_WRONG ? "WRONG" : "–");
        return;
    }
    if (row == result->reference || isnan(ratio.median)) {
        struct compare_estimate value = cell->estimates[table->metric];
        fprintf(out, "<td class=\"reference\" title=\"%s to %s\">%s %s</td>",
                compare_number(low, sizeof low, value.low), compare_number(high, sizeof high, value.high),
                compare_number(number, sizeof number, value.median), compare_metrics[table->metric].unit);
        return;
    }
    fprintf(out, "<td class=\"%s\" title=\"%.3f to %.3f\">%.2f</td>",
            compare_verdict_name(cell->verdicts[table->metric]), ratio.low, ratio.high, ratio.median);
}

static void write_overview(const struct compare_result *result) {
    fputs("<h2>At a glance</h2>\n<p>Cost of each server divided by that of <b>", out);
    text(result->rows[result->reference].label);
    fputs(
        "</b>, whose own is given in figures: busy time of the server's core per message unless the row says "
        "otherwise. Below 1 is "
        "cheaper. <span class=\"better\">better</span> and <span class=\"worse\">worse</span> lie outside "
        "the noise, "
        "<span class=\"tie\">ties</span> within it; pointing at a figure shows its 95&nbsp;% interval.</p>\n"
        "<div class=\"wide\"><table class=\"ratios\"><thead><tr><th>scenario</th>",
        out);
    for (size_t i = 0; i < result->row_count; i++)
        if (is_in(result, i)) element("th", NULL, result->rows[i].label);
    element("th", NULL, "A/A");
    fputs("</tr></thead><tbody>\n", out);
    for (size_t t = 0; t < result->table_count; t++) {
        const struct compare_table *table = &result->tables[t];
        if (*table->left_out) continue;
        fputs("<tr><th>", out);
        text(table->scenario->name);
        if (table->metric != COMPARE_CORE_US) element("small", NULL, compare_metrics[table->metric].title);
        fputs("</th>", out);
        for (size_t i = 0; i < result->row_count; i++)
            if (is_in(result, i)) write_ratio(result, table, i);
        write_ratio(result, table, result->again);
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

/* ---- plots ---- */

static void write_plot(char *script) {
    if (!script) return;
    fputs("<figure>", out);
    compare_plot_write(out, script);
    fputs("</figure>\n", out);
    free(script);
}

static bool is_open_loop(const struct compare_table *table) {
    return strstr(compare_get(table->scenario, "load"), "--rate");
}

/* Which tables a plot is about; those that differ in nothing but what it goes over. */
struct choice {
    const char *load;
    double depth, connections, size_most; /* NAN: any */
};

static bool fits(const struct compare_table *table, const struct choice *choice) {
    return table->rounds > 0 && !*table->left_out && !is_open_loop(table) &&
           !compare_get(table->scenario, "needs") && !compare_is(table->scenario, "tls") &&
           strcmp(table->load, choice->load) == 0 &&
           (isnan(choice->depth) || table->depth == choice->depth) &&
           (isnan(choice->connections) || table->connections == choice->connections) &&
           (isnan(choice->size_most) || table->size_bytes <= choice->size_most);
}

static double x_of(const struct compare_table *table, bool by_size) {
    return by_size ? table->size_bytes : table->connections;
}

/* Draws when there are two points or more. */
static void write_over(const struct compare_result *result, struct choice choice, enum compare_metric metric,
                       const char *title, const char *x_title, bool by_size) {
    const struct compare_table *tables[COMPARE_SECTIONS_MAX];
    size_t count = 0;
    for (size_t t = 0; t < result->table_count; t++) {
        const struct compare_table *table = &result->tables[t];
        size_t at = count;
        if (!fits(table, &choice)) continue;
        while (at > 0 && x_of(tables[at - 1], by_size) > x_of(table, by_size)) at--;
        if (at > 0 && x_of(tables[at - 1], by_size) == x_of(table, by_size))
            continue; /* another of the same shape */
        memmove(tables + at + 1, tables + at, (count - at) * sizeof *tables);
        tables[at] = table;
        count++;
    }
    if (count >= 2) write_plot(compare_plot_over(result, tables, count, metric, title, x_title, by_size));
}

/* A plot for each depth (and number of connections) that occurs. */
static void write_costs_over(const struct compare_result *result, const char *load, bool by_size) {
    for (size_t t = 0; t < result->table_count; t++) {
        const struct compare_table *first = &result->tables[t];
        struct choice choice = {load, first->depth, by_size ? first->connections : NAN, NAN};
        char title[200];
        size_t before = 0;
        if (!fits(first, &choice)) continue;
        while (before < t && !fits(&result->tables[before], &choice)) before++;
        if (before < t) continue; /* drawn already */
        if (by_size)
            snprintf(title, sizeof title, "%s, %.0f connections, %.0f under way: core us per message", load,
                     first->connections, first->depth);
        else snprintf(title, sizeof title, "%s, %.0f under way: core us per delivery", load, first->depth);
        write_over(result, choice, COMPARE_CORE_US, title, by_size ? "bytes a message" : "subscribers",
                   by_size);
    }
}

static void write_plots(const struct compare_result *result) {
    if (!compare_plot_ready()) {
        fputs("<p class=\"warning\">gnuplot isn't installed: there are no plots.</p>\n", out);
        return;
    }
    fputs("<h2>Cost per message</h2>\n<p>Medians with 95&nbsp;% intervals. Bars that end in an arrow are cut "
          "off.</p>\n<div class=\"plots\">\n",
          out);
    for (size_t t = 0; t < result->table_count; t++)
        if (!*result->tables[t].left_out) write_plot(compare_plot_bars(result, &result->tables[t]));
    fputs("</div>\n<h2>Latency</h2>\n<div class=\"plots\">\n", out);
    bool closed = false;
    for (size_t t = 0; t < result->table_count; t++) {
        const struct compare_table *table = &result->tables[t];
        bool first_closed = !closed && strcmp(table->load, "echo") == 0 && !is_open_loop(table);
        if (*table->left_out || !(is_open_loop(table) || first_closed)) continue;
        closed |= first_closed;
        write_plot(compare_plot_percentiles(result, table));
    }
    fputs("</div>\n<h2>Cost against size, subscribers; memory against connections</h2>\n<div "
          "class=\"plots\">\n",
          out);
    write_costs_over(result, "echo", true);
    write_costs_over(result, "fanout", false);
    write_over(result, (struct choice){"echo", 1, NAN, 20}, COMPARE_RSS,
               "memory of the process, bytes (echo, one small message under way)", "connections", false);
    fputs("</div>\n", out);
}

/* ---- figures ---- */

static void write_estimate(const struct compare_cell *cell, enum compare_metric metric) {
    char number[32], low[32], high[32];
    struct compare_estimate value = cell->estimates[metric];
    fprintf(out, "<td title=\"%s to %s\">%s</td>", compare_number(low, sizeof low, value.low),
            compare_number(high, sizeof high, value.high),
            compare_number(number, sizeof number, value.median));
}

static void write_cell(const struct compare_result *result, const struct compare_table *table, size_t row) {
    static const enum compare_metric columns[] = {COMPARE_PROCESS_US, COMPARE_RATE,  COMPARE_P50,
                                                  COMPARE_P99,        COMPARE_P99_9, COMPARE_RSS_EACH,
                                                  COMPARE_BUSY,       COMPARE_OTHERS};
    const struct compare_cell *cell = &table->cells[row];
    char number[32], low[32], high[32];
    fputs("<tr><th>", out);
    text(result->rows[row].label);
    fputs(cell->doubtful ? " ?</th>" : "</th>", out);
    if (cell->state != COMPARE_TIMED) {
        fprintf(out, "<td class=\"%s\" colspan=\"11\">%s: ", cell->state == COMPARE_WRONG ? "wrong" : "none",
                cell->state == COMPARE_WRONG ? "WRONG, not timed" : "left out");
        text(cell->why);
        fputs("</td></tr>\n", out);
        return;
    }
    struct compare_estimate value = cell->estimates[table->metric], ratio = cell->ratios[table->metric];
    fprintf(out, "<td>%s</td><td>%s to %s</td>", compare_number(number, sizeof number, value.median),
            compare_number(low, sizeof low, value.low), compare_number(high, sizeof high, value.high));
    if (isnan(ratio.median)) fprintf(out, "<td>%s</td>", row == result->reference ? "1" : "");
    else
        fprintf(out, "<td class=\"%s\">%.2f (%.2f to %.2f) %s</td>",
                compare_verdict_name(cell->verdicts[table->metric]), ratio.median, ratio.low, ratio.high,
                compare_verdict_name(cell->verdicts[table->metric]));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) write_estimate(cell, columns[i]);
    fputs("</tr>\n", out);
}

static void write_tables(const struct compare_result *result) {
    fputs("<h2>Figures</h2>\n<p>Medians over the rounds; pointing at one shows its interval. <i>others</i>: "
          "CPU that processes which "
          "have nothing to do with this used meanwhile, in cores.</p>\n",
          out);
    for (size_t t = 0; t < result->table_count; t++) {
        const struct compare_table *table = &result->tables[t];
        if (*table->left_out) continue;
        fputs("<details><summary>", out);
        element("b", NULL, table->scenario->name);
        fputs(" <code>wye-load ", out);
        text(compare_get(table->scenario, "load"));
        fprintf(out,
                "</code></summary>\n<div class=\"wide\"><table><thead><tr><th></th><th>%s, "
                "%s</th><th>interval</th><th>ratio</th>"
                "<th>process us</th><th>messages/s</th><th>p50 us</th><th>p99 us</th><th>p99.9 "
                "us</th><th>bytes a connection</th>"
                "<th>core busy</th><th>others</th></tr></thead><tbody>\n",
                compare_metrics[table->metric].title, compare_metrics[table->metric].unit);
        const char *doubt = NULL;
        char tls[512];
        for (size_t i = 0; i < result->row_count; i++) {
            if (*result->rows[i].left_out) continue;
            write_cell(result, table, i);
            if (table->cells[i].doubtful) doubt = table->cells[i].doubt;
        }
        fputs("</tbody></table></div>\n", out);
        compare_tls_text(result, table, tls, sizeof tls);
        if (*tls) element("p", NULL, tls);
        if (doubt) {
            fputs("<p class=\"doubt\">? doubted by wye-load in some rounds, such as: ", out);
            text(doubt);
            fputs("</p>\n", out);
        }
        fputs("</details>\n", out);
    }
}

/* ---- what it was, and what it wasn't ---- */

static void write_fairness(const struct compare_result *result) {
    fprintf(out,
            "<h2>Is it fair?</h2>\n<ul>\n"
            "<li><b>Right first.</b> A server is timed in a scenario only after it answered wye-load right "
            "in every byte there, and as long as "
            "it does so in the rounds.</li>\n"
            "<li><b>The same work.</b> The same wye-load with the same options for all. An echo sends back "
            "the same bytes and type; a fan-out "
            "sends a message to everybody else on its path. Compression is off but in the scenarios that are "
            "about it.</li>\n"
            "<li><b>The same place.</b> Server on core %d, wye-load on core %d, over the loopback, "
            "TCP_NODELAY, a fresh process for each "
            "measurement, warmed up for %g s, then measured for %g s.</li>\n"
            "<li><b>Interleaved.</b> %u rounds, each with all servers in turn, so that what the machine does "
            "meets all alike. Ratios are made "
            "round by round. The reference runs twice a round (A/A): what differs there is noise.</li>\n"
            "<li><b>Intervals</b> are 95 %% bootstrap intervals of medians. A ratio whose interval touches "
            "the A/A one is a tie.</li>\n"
            "<li><b>Cost</b> is the time that the server's core wasn't idle, interrupts and ksoftirqd "
            "included, divided by messages (deliveries, "
            "upgrades). A process's own CPU time misses what the kernel does in its name elsewhere; it "
            "stands beside it.</li>\n"
            "<li><b>As each comes.</b> One thread a server, options of each as the commands below show; "
            "nobody was tuned beyond that. The "
            "programs of the peers are small ones of ours, in bench/peers: who knows a server better is "
            "asked to mend its.</li>\n"
            "<li>The <b>floors</b> turn frames round and do nothing else: no limits, no timeouts, no checks. "
            "They show what the kernel alone "
            "costs, and are no servers.</li>\n</ul>\n<h3>Not measured</h3>\n<ul>\n"
            "<li>Networks: the loopback has no wire, no loss and no interrupts of a card. Many cores: "
            "servers had one each.</li>\n"
            "<li>Large messages in fragments, slow readers, mixes of sizes, hours of running.</li>\n",
            result->server_core, result->load_core, result->warmup, result->seconds, result->rounds);
    for (size_t t = 0; t < result->table_count; t++) {
        if (!*result->tables[t].left_out) continue;
        fputs("<li>", out);
        element("b", NULL, result->tables[t].scenario->name);
        fputs(": ", out);
        text(result->tables[t].left_out);
        fputs("</li>\n", out);
    }
    for (size_t i = 0; i < result->row_count; i++) {
        if (!*result->rows[i].left_out || result->rows[i].again) continue;
        fputs("<li>", out);
        element("b", NULL, result->rows[i].label);
        fputs(": ", out);
        text(result->rows[i].left_out);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void write_fact(const char *name, const char *value) {
    fputs("<tr>", out);
    element("th", NULL, name);
    element("td", NULL, value);
    fputs("</tr>\n", out);
}

static void write_environment(const struct compare_result *result) {
    const struct compare_environment *from = &result->environment;
    char loads[128], size[128], others[128], parts[1024];
    snprintf(loads, sizeof loads, "%.2f %.2f %.2f before, %.2f %.2f %.2f after", from->load_before[0],
             from->load_before[1], from->load_before[2], from->load_after[0], from->load_after[1],
             from->load_after[2]);
    snprintf(others, sizeof others, "%.3f cores meanwhile, at most %.3f", from->others_mean,
             from->others_most);
    snprintf(size, sizeof size, "%u cores, %.1f GiB", from->cores, from->memory_bytes / (1 << 30));
    fputs("<h2>Where</h2>\n<table class=\"facts\"><tbody>\n", out);
    write_fact("CPU", from->cpu);
    write_fact("clock", from->clock);
    write_fact("size", size);
    write_fact("kernel", from->kernel);
    write_fact("system", from->system);
    write_fact("mitigations", from->mitigations);
    write_fact("limits", from->limits);
    write_fact("wye was built with", from->build);
    compare_continue_parts(result, parts, sizeof parts);
    if (*parts) write_fact("measured in parts, begun", parts);
    write_fact("load average", loads);
    write_fact("other processes used", others);
    fputs("</tbody></table>\n<h2>Who</h2>\n<div class=\"wide\"><table class=\"facts\"><tbody>\n", out);
    for (size_t i = 0; i < result->row_count; i++) {
        const struct compare_row *row = &result->rows[i];
        const char *command = compare_server_first(row->server, "command");
        if (row->again) continue;
        fputs("<tr>", out);
        element("th", NULL, row->label);
        element("td", NULL, *row->left_out ? row->left_out : row->version);
        fputs("<td><code>", out);
        text(command ? command : compare_server_first(row->server, "address"));
        fputs("</code></td></tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}

static void write_head(const struct compare_result *result) {
    const char *quick = result->options->quick ? "quick " : "";
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
          "name=\"color-scheme\" content=\"light dark\">\n",
          out);
    fprintf(out, "<title>wye-compare, a %scomparison of %s</title>\n<style>\n%s</style>\n</head>\n<body>\n",
            quick, result->started, compare_css);
    fprintf(out,
            "<h1>WebSocket servers, compared</h1>\n<p class=\"lead\">By wye-compare " WYE_VERSION
            " at %s, in %d minutes: %u rounds of %g s.</p>\n",
            result->started, (int)ceil(result->took_s / 60), result->rounds, result->seconds);
    if (result->options->quick)
        fputs("<p class=\"warning\"><b>Quick:</b> few rounds of few scenarios. This shows that it works, not "
              "how fast anything is.</p>\n",
              out);
    if (result->environment.others_mean > COMPARE_BUSY_MACHINE)
        fprintf(out,
                "<p class=\"warning\"><b>The machine was busy:</b> other processes used %.2f cores "
                "meanwhile. Costs, which are the busy "
                "time of a whole core, are not to be trusted.</p>\n",
                result->environment.others_mean);
    if (result->ended_early)
        fputs("<p class=\"warning\"><b>Ended early</b>: some rounds are missing.</p>\n", out);
    if (result->any_wrong)
        fputs("<p class=\"warning\"><b>A server answered wrong</b> and was not timed where it did.</p>\n",
              out);
    if (result->baseline_text) element("pre", NULL, result->baseline_text);
}

int compare_report_write(const struct compare_result *result, const char *path) {
    out = fopen(path, "w");
    if (!out) {
        int trouble = errno;
        fprintf(stderr, "wye-compare: %s: %s\n", path, strerror(trouble));
        return -trouble;
    }
    write_head(result);
    write_overview(result);
    write_plots(result);
    write_tables(result);
    write_fairness(result);
    write_environment(result);
    fputs("</body>\n</html>\n", out);
    int trouble = ferror(out) ? EIO : 0;
    if (fclose(out) != 0) trouble = errno;
    if (trouble) fprintf(stderr, "wye-compare: %s: %s\n", path, strerror(trouble));
    return -trouble;
}
