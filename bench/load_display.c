/* How it stands: a few lines that are redrawn on a terminal, one line a second otherwise. */
#include "bench/load.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_NS = 200 * 1000000, OPENING_LINE_NS = 1000 * 1000000, LINES = 4, BAR = 30 };

static unsigned drawn; /* lines on the screen that are ours */

static bool on_terminal(void) {
    static int terminal = -1;
    if (terminal < 0) terminal = isatty(STDERR_FILENO);
    return terminal;
}

/* Has the measured time not begun yet? */
static bool is_warming(const struct load_run *run, enum load_phase phase) {
    return phase == LOAD_RUNNING && run->from.at_ns == 0;
}

static const char *phase_name(const struct load_run *run, enum load_phase phase) {
    switch (phase) {
    case LOAD_WAITING:
    case LOAD_OPENING: return "connecting";
    case LOAD_JOINING: return "publishers connect";
    case LOAD_SETTLING: return "settling";
    case LOAD_DRAINING: return "waiting for the last";
    case LOAD_ENDING:
    case LOAD_OVER: return "ending";
    default: return wye_load_sample_phase(is_warming(run, phase));
    }
}

/* How many connections there are to be. */
static uint64_t wanted_of(const struct load_options *options) {
    return (uint64_t)options->connections + (wye_load_has_topics(options) ? options->publishers : 0);
}

/* A time, with the unit that suits it. */
static const char *time_text(char *to, size_t room, double us) {
    if (us < 1000) snprintf(to, room, "%.0f us", us);
    else if (us < 1e6) snprintf(to, room, "%.2f ms", us / 1e3);
    else snprintf(to, room, "%.2f s", us / 1e6);
    return to;
}

static void line(const char *text) {
    struct winsize size;
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    fprintf(stderr, "%.*s\033[K\n", columns - 1, text);
}

static uint64_t faults_of(const struct load_counts *counts) {
    return counts->handshakes_failed + counts->lost + counts->duplicated + counts->reordered +
           counts->corrupted + counts->wrong_length + counts->wrong_type + counts->unexpected +
           counts->broken_frames + counts->dropped + counts->bad_closes + counts->not_published +
           counts->wrong_receivers;
}

/* How fast what this phase is about goes on. A new phase begins afresh: its first look has no rate (< 0). */
static double rate_of(uint64_t steps, unsigned stage, uint64_t now_ns) {
    static uint64_t last_ns, last_steps;
    static unsigned last_stage = UINT32_MAX;
    static double rate;
    bool goes_on = stage == last_stage && now_ns > last_ns && steps >= last_steps;
    if (stage != last_stage) rate = -1;
    if (goes_on) rate = (double)(steps - last_steps) * 1e9 / (double)(now_ns - last_ns);
    last_stage = stage;
    last_ns = now_ns;
    last_steps = steps;
    return rate;
}

/* What runs, which phase it is in, and how far that has come. */
static void draw_phase(const struct load_run *run, enum load_phase phase, uint64_t opened, uint64_t now_ns) {
    const struct load_options *options = run->options;
    char text[LOAD_SHOWN_MAX + 128], bar[BAR + 1], clock[48] = "";
    double part = (double)opened / (double)wanted_of(options);
    if (phase >= LOAD_RUNNING) {
        bool warming = is_warming(run, phase);
        double from = (double)(warming ? run->start_ns : run->from_ns) / 1e9, now = (double)now_ns / 1e9,
               until = (double)(warming ? run->from_ns : run->until_ns) / 1e9;
        part = until > from ? (now - from) / (until - from) : 0;
        snprintf(clock, sizeof clock, "  %.1f of %.1f s", now > from ? now - from : 0, until - from);
    }
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(part * BAR));
    bar[BAR] = 0;
    snprintf(text, sizeof text, "%s%s  [%s]  %s %s", phase_name(run, phase), clock, bar,
             options->scenario_name,
             options->shown_url); /* a URL may be long, and what doesn't fit is cut off: last */
    line(text);
}

static void draw_counts(const struct load_run *run, enum load_phase phase, const struct load_counts *counts,
                        uint64_t now_ns) {
    bool running = phase >= LOAD_RUNNING, measured = running && run->from.at_ns > 0;
    uint64_t messages = counts->messages - (measured ? wye_counted(&run->counted_from.messages) : 0);
    double rate = rate_of(running ? messages : counts->opened, running + measured, now_ns);
    char text[256], speed[32] = "-";
    if (rate >= 0) snprintf(speed, sizeof speed, "%.0f", rate);
    int used = snprintf(text, sizeof text, "  connections %10llu", (unsigned long long)counts->opened);
    if (running)
        snprintf(text + used, sizeof text - (size_t)used, "    %-10s %12llu    a second %12s",
                 wye_load_noun(run->options), (unsigned long long)messages, speed);
    else
        snprintf(text + used, sizeof text - (size_t)used, " of %llu    a second %12s",
                 (unsigned long long)wanted_of(run->options), speed);
    line(text);
}

/* The latency of the last second, the percentiles of which are those of the last sample. */
static void draw_latency(const struct load_run *run) {
    const struct load_sample *sample = run->sample_count ? &run->samples[run->sample_count - 1] : NULL;
    char text[256], p50[24], p99[24], max[24];
    if (!sample || !sample->answers) {
        line("  latency     -");
        return;
    }
    snprintf(text, sizeof text, "  latency     p50 %-12s p99 %-12s longest %s   (last second)",
             time_text(p50, sizeof p50, sample->p50_us), time_text(p99, sizeof p99, sample->p99_us),
             time_text(max, sizeof max, sample->max_us));
    line(text);
}

static void draw(const struct load_run *run, enum load_phase phase, uint64_t now_ns) {
    struct load_counts counts;
    char text[256];
    wye_load_sum(run, &counts);
    if (drawn) fprintf(stderr, "\033[%uA\r", drawn);
    draw_phase(run, phase, counts.opened, now_ns);
    draw_counts(run, phase, &counts, now_ns);
    draw_latency(run);
    uint64_t faults = faults_of(&counts);
    if (faults == 0) snprintf(text, sizeof text, "  wrong       nothing");
    else if (run->options->scenario == LOAD_PUBLISH)
        snprintf(text, sizeof text,
                 "  WRONG       refused %llu  receivers %llu  lost %llu  to nothing %llu  unreadable %llu  dropped %llu  else %llu",
                 (unsigned long long)counts.not_published, (unsigned long long)counts.wrong_receivers, (unsigned long long)counts.lost,
                 (unsigned long long)counts.unexpected, (unsigned long long)counts.broken_frames, (unsigned long long)counts.dropped,
                 (unsigned long long)(faults - counts.not_published - counts.wrong_receivers - counts.lost - counts.unexpected -
                                      counts.broken_frames - counts.dropped));
    else
        snprintf(text, sizeof text,
                 "  WRONG       handshakes %llu  lost %llu  twice %llu  order %llu  corrupt %llu  length "
                 "%llu  type %llu  dropped %llu",
                 (unsigned long long)counts.handshakes_failed, (unsigned long long)counts.lost,
                 (unsigned long long)counts.duplicated, (unsigned long long)counts.reordered,
                 (unsigned long long)counts.corrupted, (unsigned long long)counts.wrong_length,
                 (unsigned long long)counts.wrong_type,
                 (unsigned long long)(counts.dropped + counts.broken_frames));
    line(text);
    drawn = LINES;
    fflush(stderr);
}

/* Where nothing is redrawn, a line a second says how far the opening has come. */
static void tell_opening(const struct load_run *run, enum load_phase phase, uint64_t now_ns) {
    static uint64_t due_ns;
    struct load_counts counts;
    if (due_ns == 0) due_ns = run->began_ns + OPENING_LINE_NS;
    if (phase > LOAD_JOINING || now_ns < due_ns) return;
    due_ns = now_ns + OPENING_LINE_NS;
    wye_load_sum(run, &counts);
    fprintf(stderr, "%6.1f s  connecting  %llu of %llu connections\n", (double)(now_ns - run->began_ns) / 1e9,
            (unsigned long long)counts.opened, (unsigned long long)wanted_of(run->options));
}

void wye_load_display(const struct load_run *run, enum load_phase phase, uint64_t now_ns) {
    static uint64_t due_ns;
    if (run->options->quiet) return;
    if (!on_terminal()) {
        tell_opening(run, phase, now_ns);
        return;
    }
    if (now_ns < due_ns) return;
    due_ns = now_ns + REDRAW_NS;
    draw(run, phase, now_ns);
}

void wye_load_display_sample(const struct load_run *run, const struct load_sample *sample) {
    char p50[24], p99[24], max[24];
    if (run->options->quiet || on_terminal()) return;
    if (run->options->scenario == LOAD_IDLE) return;
    fprintf(stderr, "%6.1f s  %-10s  %10.0f a second", sample->at_s, wye_load_sample_phase(sample->warming),
            sample->per_s);
    if (sample->answers)
        fprintf(stderr, "  p50 %-10s p99 %-10s longest %s", time_text(p50, sizeof p50, sample->p50_us),
                time_text(p99, sizeof p99, sample->p99_us), time_text(max, sizeof max, sample->max_us));
    fputs(sample->answers || sample->warming ? "\n" : "  no answer\n", stderr);
}

void wye_load_display_end(void) {
    if (drawn) fprintf(stderr, "\033[%uA\r\033[J", drawn);
    drawn = 0;
    fflush(stderr);
}
