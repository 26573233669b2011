/* wye-probe: why did my upgrade fail, and what do I do about it? */
#include "handshake/diagnosis.h"
#include "ring/options.h"
#include "ring/probe_mirror.h"
#include "ring/probe_options.h"
#include "ring/probe_walk.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Colours and symbols on a terminal only; NO_COLOR and dumb ones are heard (no-color.org). */
static struct wye_style style_here(void) {
    struct wye_style style = {.columns = 100};
    struct winsize size;
    if (!isatty(STDOUT_FILENO)) return style;
    const char *terminal = getenv("TERM"), *without = getenv("NO_COLOR");
    style.colour = terminal && strcmp(terminal, "dumb") != 0 && !(without && *without);
    setlocale(LC_CTYPE, "");
    style.symbols = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.columns = size.ws_col < 60 ? 60 : size.ws_col > 110 ? 110 : size.ws_col;
    return style;
}

int main(int argc, char **argv) {
    static struct wye_probe_options options;
    static struct wye_attempt attempt;
    static struct wye_diagnosis diagnosis;
    int status = wye_probe_options_read(&options, argc, argv);
    if (status >= 0) return status;
    signal(SIGPIPE, SIG_IGN);
    if (options.serve) return wye_probe_mirror_serve(options.serve);
    char *text = malloc(WYE_DIAGNOSIS_TEXT_MAX);
    if (!text) {
        fputs("wye-probe: no memory\n", stderr);
        return WYE_EXIT_COULD_NOT_TRY;
    }
    wye_probe_walk(&attempt, &options);
    wye_diagnose(&diagnosis, &attempt);
    struct wye_style style = style_here();
    size_t count = options.json
                       ? wye_diagnosis_json(text, WYE_DIAGNOSIS_TEXT_MAX, &diagnosis, &attempt)
                       : wye_diagnosis_text(text, WYE_DIAGNOSIS_TEXT_MAX, &diagnosis, &attempt, &style);
    bool written = count > 0 && fwrite(text, 1, count, stdout) == count && fflush(stdout) == 0;
    free(text);
    if (!written) {
        fputs("wye-probe: the report could not be written\n", stderr);
        return WYE_EXIT_COULD_NOT_TRY;
    }
    return (int)diagnosis.result; /* 0, 1 and 2, as wye_exit has them */
}
