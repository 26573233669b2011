/* wye-load: a load generator for WebSocket servers whose numbers can be trusted. */
#include "bench/load.h"
#include "ring/log.h"

#include <signal.h>
#include <stdlib.h>

static struct load_options options;

int main(int argc, char **argv) {
    int status = wye_load_options_read(&options, argc, argv);
    if (status >= 0) return status;
    wye_log_set_level(WYE_LOG_ERROR);
    /* Before there are threads: the main one alone waits for them. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct wye_abilities abilities;
    const char *unknown = NULL;
    int trouble = wye_kernel_probe(&abilities, getenv("WYE_WITHOUT"), &unknown);
    if (unknown) {
        fprintf(stderr, "wye-load: WYE_WITHOUT: %s: no such ability\n", unknown);
        return WYE_EXIT_USAGE;
    }
    if (trouble < 0) {
        char text[1024];
        wye_kernel_explain(text, sizeof text, trouble);
        fprintf(stderr, "wye-load: %s", text);
        return WYE_EXIT_NO_RING;
    }
    return wye_load_run(&options, &abilities);
}
