/* Plots: scripts for gnuplot, whose SVG goes into the report as it is. The report's style sheet colours text
 * and lines, so that they can be read in light and dark; only what stands for a server has a colour of its
 * own. */
#include "bench/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLOT_S = 30, CUT = 4 /* bars longer than so many of the reference's are cut off */ };

bool compare_plot_ready(void) { return compare_is_program("gnuplot"); }

bool compare_plot_write(FILE *to, const char *script) {
    char path[] = "/tmp/wye-compare-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return false;
    bool drawn = write(fd, script, strlen(script)) == (ssize_t)strlen(script);
    close(fd);
    struct compare_output output = compare_run((char *[]){"gnuplot", path, NULL}, -1, PLOT_S);
    unlink(path);
    const char *svg = output.out ? strstr(output.out, "<svg") : NULL;
    drawn = drawn && output.status == 0 && svg;
    if (drawn) fputs(svg, to);
    else
        fprintf(stderr, "wye-compare: gnuplot: %s\n",
                output.error && *output.error ? output.error : "drew nothing");
    compare_output_free(&output);
    return drawn;
}

/* Of middle lightness: for white and for black paper. */
static unsigned colour_of(const struct compare_result *result, size_t row) {
    static const unsigned colours[] = {0x3b82f6, 0x94a3b8, 0x64748b, 0xf59e0b, 0x10b981, 0xef4444,
                                       0x8b5cf6, 0xec4899, 0x06b6d4, 0x84cc16, 0xf97316, 0xa16207};
    size_t place =
        (size_t)(result->rows[row].server - result->config->servers); /* the same in every report */
    return colours[place % (sizeof colours / sizeof *colours)];
}

/* Between quotes: gnuplot doubles a single one. */
static void quote(FILE *to, const char *text) {
    fputc('\'', to);
    for (; *text; text++) fprintf(to, *text == '\'' ? "''" : "%c", *text);
    fputc('\'', to);
}

static void begin(FILE *to, const char *title, unsigned width, unsigned height) {
    fprintf(to, "set encoding utf8\nset terminal svg noenhanced size %u,%u font 'sans-serif,12'\nset title ",
            width, height);
    quote(to, title);
    fputs("\nset border 3 lw 0.6\nset grid lw 0.4 lt 1 lc rgb '#888888' dt 3\nset tics nomirror\n", to);
}

static bool is_shown(const struct compare_table *table, size_t row, enum compare_metric metric) {
    return table->cells[row].state == COMPARE_TIMED && !isnan(table->cells[row].estimates[metric].median);
}

static double end_of_axis(const struct compare_result *result, const struct compare_table *table) {
    double reference = table->cells[result->reference].estimates[table->metric].median, most = 0;
    for (size_t i = 0; i < result->row_count; i++)
        if (is_shown(table, i, table->metric))
            most = fmax(most, table->cells[i].estimates[table->metric].high);
    return reference > 0 && most > CUT * reference ? CUT * reference : most;
}

/* Four or five steps of 1, 2 or 5 times a power of ten. */
static double step_of(double end) {
    double step = pow(10, floor(log10(end / 4)));
    return end / step >= 20 ? 5 * step : end / step >= 8 ? 2 * step : step;
}

char *compare_plot_bars(const struct compare_result *result, const struct compare_table *table) {
    char *script = NULL, title[256], number[32];
    size_t size, count = 0;
    double end = end_of_axis(result, table);
    for (size_t i = 0; i < result->row_count; i++) count += is_shown(table, i, table->metric);
    FILE *to = count && end > 0 ? open_memstream(&script, &size) : NULL;
    if (!to) return NULL;
    snprintf(title, sizeof title, "%s: %s, %s", table->scenario->name, compare_metrics[table->metric].title,
             compare_metrics[table->metric].unit);
    begin(to, title, 560, 90 + 24 * (unsigned)count);
    fprintf(to,
            "set xrange [0:%.9g]\nset yrange [%.1f:-0.5]\nset rmargin 12\nset grid noytics\nset style fill "
            "solid 0.85 noborder\n"
            "set format x '%s'\nset xtics %.9g\nunset key\n$bars << EOD\n",
            end * 1.02, (double)count - 0.5, end < 10000 ? "%g" : "%.0s%c", step_of(end));
    size_t place = 0;
    for (size_t i = 0; i < result->row_count; i++) {
        if (!is_shown(table, i, table->metric)) continue;
        struct compare_estimate value = table->cells[i].estimates[table->metric];
        fprintf(to, "%.9g %zu %.9g %.9g %u \"%s%s\" %.9g \"%s\"\n", fmin(value.median, end), place++,
                fmin(value.low, end), fmin(value.high, end), colour_of(result, i),
                compare_number(number, sizeof number, value.median), value.median > end ? " →" : "",
                fmin(value.high, end), result->rows[i].label);
    }
    fputs(
        "EOD\nplot $bars using 1:2:(0):1:($2-0.36):($2+0.36):5:ytic(8) with boxxyerror lc rgb variable, \\\n"
        " '' using 1:2:3:4 with xerrorbars pt 0 lw 1.4 lc rgb 'black', \\\n"
        " '' using 7:2:6 with labels left offset 0.8,0 font 'sans-serif,11'\n",
        to);
    fclose(to);
    return script;
}

/* One line a row: the part behind `plot`, from data blocks $row0, $row1, ... */
static void plot_lines(FILE *to, const struct compare_result *result, const bool *shown) {
    const char *before = "plot ";
    for (size_t i = 0; i < result->row_count; i++) {
        if (!shown[i]) continue;
        fprintf(to,
                "%s$row%zu using 1:2:3:4 with yerrorbars pt 0 lw 0.8 lc rgb %u notitle, $row%zu using 1:2 "
                "with linespoints "
                "pt 7 ps 0.5 lw %g lc rgb %u title ",
                before, i, colour_of(result, i), i, i == result->reference ? 2.6 : 1.5, colour_of(result, i));
        quote(to, result->rows[i].label);
        before = ", \\\n ";
    }
    fputc('\n', to);
}

char *compare_plot_percentiles(const struct compare_result *result, const struct compare_table *table) {
    char *script = NULL, title[256];
    size_t size;
    bool shown[COMPARE_SECTIONS_MAX + 1], any = false;
    for (size_t i = 0; i < result->row_count; i++)
        any |= shown[i] = !result->rows[i].again && is_shown(table, i, COMPARE_P50);
    FILE *to = any ? open_memstream(&script, &size) : NULL;
    if (!to) return NULL;
    snprintf(title, sizeof title, "%s: latency by percentile, us", table->scenario->name);
    begin(to, title, 640, 380);
    fputs("set key outside right top\nset logscale y\nset format y '%.0s%c'\nset xrange [-0.2:6.2]\n"
          "set xtics ('50' 0, '75' 1, '90' 2, '99' 3, '99.9' 4, '99.99' 5, 'max' 6)\n",
          to);
    for (size_t i = 0; i < result->row_count; i++) {
        if (!shown[i]) continue;
        fprintf(to, "$row%zu << EOD\n", i);
        for (int m = COMPARE_P50; m <= COMPARE_MAX; m++) {
            struct compare_estimate value = table->cells[i].estimates[m];
            if (value.low > 0)
                fprintf(to, "%d %.9g %.9g %.9g\n", m - COMPARE_P50, value.median, value.low, value.high);
        }
        fputs("EOD\n", to);
    }
    plot_lines(to, result, shown);
    fclose(to);
    return script;
}

char *compare_plot_over(const struct compare_result *result, const struct compare_table *const *tables,
                        size_t count, enum compare_metric metric, const char *title, const char *x_title,
                        bool by_size) {
    char *script = NULL;
    size_t size;
    bool shown[COMPARE_SECTIONS_MAX + 1] = {false}, any = false;
    for (size_t i = 0; i < result->row_count; i++)
        for (size_t t = 0; t < count && !result->rows[i].again; t++)
            any |= shown[i] |= is_shown(tables[t], i, metric);
    FILE *to = any ? open_memstream(&script, &size) : NULL;
    if (!to) return NULL;
    begin(to, title, 640, 380);
    fprintf(to, "set key outside right top\nset logscale xy\nset format y '%s'\nset xlabel ",
            metric == COMPARE_CORE_US ? "%g" : "%.0s%c");
    quote(to, x_title);
    fputs("\nset xtics (", to);
    for (size_t t = 0; t < count; t++) {
        double x = by_size ? tables[t]->size_bytes : tables[t]->connections;
        bool kib = by_size && fmod(x, 1024) == 0;
        fprintf(to, "%s'%.0f%s' %.9g", t ? ", " : "", kib ? x / 1024 : x, kib ? "K" : "", x);
    }
    fputs(")\nset offsets graph 0.05, graph 0.05, 0, 0\n", to);
    for (size_t i = 0; i < result->row_count; i++) {
        if (!shown[i]) continue;
        fprintf(to, "$row%zu << EOD\n", i);
        for (size_t t = 0; t < count; t++) {
            struct compare_estimate value = tables[t]->cells[i].estimates[metric];
            if (is_shown(tables[t], i, metric) && value.low > 0)
                fprintf(to, "%.9g %.9g %.9g %.9g\n", by_size ? tables[t]->size_bytes : tables[t]->connections,
                        value.median, value.low, value.high);
        }
        fputs("EOD\n", to);
    }
    plot_lines(to, result, shown);
    fclose(to);
    return script;
}
