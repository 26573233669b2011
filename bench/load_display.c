/* How it stands: a few lines that are redrawn on a terminal, one line a second otherwise. */
#include "bench/load.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_NS = 200 * 1000000, LINES = 4, BAR = 30 };

static unsigned drawn; /* lines on the screen that are ours */

static bool on_terminal(void) {
    static int terminal = -1;
    if (terminal < 0) terminal = isatty(STDERR_FILENO);
    return terminal;
}

static const char *phase_name(enum load_phase phase) {
    switch (phase) {
    case LOAD_WAITING:
    case LOAD_OPENING: return "opening";
    case LOAD_JOINING: return "publishers join";
    case LOAD_SETTLING: return "settling";
    case LOAD_DRAINING: return "waiting for the last";
    case LOAD_ENDING:
    case LOAD_OVER: return "ending";
    default: return "running";
    }
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

/* The latency of the last second, the percentiles of which are those of the last sample. */
static void draw(const struct load_run *run, enum load_phase phase, uint64_t now_ns) {
    static uint64_t last_ns, last_messages;
    static double rate;
    struct load_counts counts;
    char text[256], bar[BAR + 1], p50[24], p99[24], max[24];
    const struct load_options *options = run->options;
    bool running = phase >= LOAD_RUNNING;
    wye_load_sum(run, &counts);
    uint64_t steps = running ? counts.messages : counts.opened;
    if (last_ns && now_ns > last_ns && steps >= last_messages)
        rate = (double)(steps - last_messages) * 1e9 / (double)(now_ns - last_ns);
    last_ns = now_ns;
    last_messages = steps;
    double part = 0, from = (double)run->start_ns / 1e9, until = (double)run->until_ns / 1e9,
           now = (double)now_ns / 1e9;
    if (running) part = until > from ? (now - from) / (until - from) : 0;
    else
        part = (double)counts.opened /
               (options->connections + (wye_load_has_topics(options) ? options->publishers : 0));
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)(part * BAR));
    bar[BAR] = 0;
    if (drawn) fprintf(stderr, "\033[%uA\r", drawn);
    if (running)
        snprintf(text, sizeof text, "%s %s [%s] %.1f of %.1f s  %s", options->scenario_name, options->url,
                 bar, now > from ? now - from : 0, until - from,
                 now < (double)run->from_ns / 1e9 ? "warming up" : phase_name(phase));
    else
        snprintf(text, sizeof text, "%s %s [%s] %s", options->scenario_name, options->url, bar,
                 phase_name(phase));
    line(text);
    snprintf(text, sizeof text, "  connections %10llu    %-10s %12llu    a second %12.0f",
             (unsigned long long)(counts.opened),
             wye_load_noun(options),
             (unsigned long long)counts.messages, rate);
    line(text);
    if (run->sample_count > 0) {
        const struct load_sample *sample = &run->samples[run->sample_count - 1];
        snprintf(text, sizeof text, "  latency     p50 %-12s p99 %-12s longest %s   (last second)",
                 time_text(p50, sizeof p50, sample->p50_us), time_text(p99, sizeof p99, sample->p99_us),
                 time_text(max, sizeof max, sample->max_us));
        line(text);
    } else {
        line("  latency     -");
    }
    uint64_t faults = faults_of(&counts);
    if (faults == 0) snprintf(text, sizeof text, "  wrong       nothing");
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

void wye_load_display(const struct load_run *run, enum load_phase phase, uint64_t now_ns) {
    static uint64_t due_ns;
    if (run->options->quiet || !on_terminal() || now_ns < due_ns) return;
    due_ns = now_ns + REDRAW_NS;
    draw(run, phase, now_ns);
}

void wye_load_display_sample(const struct load_run *run, const struct load_sample *sample) {
    char p50[24], p99[24], max[24];
    if (run->options->quiet || on_terminal()) return;
    if (run->options->scenario == LOAD_IDLE) return;
    fprintf(stderr, "%6.1f s  %10.0f a second  p50 %-10s p99 %-10s longest %s\n", sample->at_s, sample->per_s,
            time_text(p50, sizeof p50, sample->p50_us), time_text(p99, sizeof p99, sample->p99_us),
            time_text(max, sizeof max, sample->max_us));
}

void wye_load_display_end(void) {
    if (drawn) fprintf(stderr, "\033[%uA\r\033[J", drawn);
    drawn = 0;
    fflush(stderr);
}
