#include "bench/compare.h"

#include <getopt.h>
#include <stddef.h>

const struct compare_option_text compare_option_texts[] = {
    {"servers", offsetof(struct compare_options, servers)},
    {"config", offsetof(struct compare_options, config)},
    {"reference", offsetof(struct compare_options, reference)},
    {"rounds", offsetof(struct compare_options, rounds)},
    {"seconds", offsetof(struct compare_options, seconds)},
    {"server-core", offsetof(struct compare_options, server_core)},
    {"load-core", offsetof(struct compare_options, load_core)},
    {"peers", offsetof(struct compare_options, peers)},
    {0},
};

static const char help[] =
    "usage: wye-compare [option...]\n"
    "\n"
    "Puts the same load on several WebSocket servers, one after another and round by round, and compares "
    "what a\n"
    "message costs them. A server that answers wrong is named and not timed. bench/compare.md says how.\n"
    "\n"
    "  --quick                few rounds of few scenarios: whether it works, not how fast\n"
    "  --servers NAME,...     these alone; patterns such as 'floor*' are fine, here and below\n"
    "  --scenarios NAME,...   these alone\n"
    "  --config FILE          more servers and scenarios, or other settings: INI, on top of what is built "
    "in\n"
    "  --reference NAME       whom ratios refer to; measured twice, to see the noise (wye)\n"
    "  --rounds N             (11)                  --seconds S   measured in each (1)\n"
    "  --server-core N        servers run there (0) --load-core N wye-load does (1)\n"
    "  --peers DIR            where bench/peers/install.sh put other servers (peers beside this program)\n"
    "  --out DIR              for results.json and report.html (compare-results)\n"
    "  --continue DIR         measure what is missing in DIR, which a run that was cut short left; its "
    "options\n"
    "                         need not be told again; with --scenarios, these alone, new ones too\n"
    "  --baseline OLD.json    say what got slower since that results.json\n"
    "  --list                 servers and scenarios, and whether they can run here\n"
    "  --dry-run              what would be measured, and how long that takes\n"
    "  --print-config         the configuration that is built in\n"
    "  --version, --help\n"
    "\n"
    "Exit status: 0 all answered right, however fast; 1 one didn't, or the baseline shows something slower;\n"
    "2 could not run; 64 usage.\n";

enum option_id {
    QUICK = 256,
    SERVERS,
    SCENARIOS,
    CONFIG,
    REFERENCE,
    ROUNDS,
    SECONDS,
    SERVER_CORE,
    LOAD_CORE,
    PEERS,
    OUT,
    CONTINUE,
    BASELINE,
    LIST,
    DRY_RUN,
    PRINT_CONFIG,
    VERSION,
    HELP
};

static const struct option longs[] = {
    {"quick", no_argument, NULL, QUICK},
    {"servers", required_argument, NULL, SERVERS},
    {"scenarios", required_argument, NULL, SCENARIOS},
    {"config", required_argument, NULL, CONFIG},
    {"reference", required_argument, NULL, REFERENCE},
    {"rounds", required_argument, NULL, ROUNDS},
    {"seconds", required_argument, NULL, SECONDS},
    {"server-core", required_argument, NULL, SERVER_CORE},
    {"load-core", required_argument, NULL, LOAD_CORE},
    {"peers", required_argument, NULL, PEERS},
    {"out", required_argument, NULL, OUT},
    {"continue", required_argument, NULL, CONTINUE},
    {"baseline", required_argument, NULL, BASELINE},
    {"list", no_argument, NULL, LIST},
    {"dry-run", no_argument, NULL, DRY_RUN},
    {"print-config", no_argument, NULL, PRINT_CONFIG},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {0},
};

int compare_options_read(struct compare_options *options, int argc, char **argv) {
    *options = (struct compare_options){0};
    for (int id; (id = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch ((enum option_id)id) {
        case QUICK: options->quick = true; break;
        case SERVERS: options->servers = optarg; break;
        case SCENARIOS: options->scenarios = optarg; break;
        case CONFIG: options->config = optarg; break;
        case REFERENCE: options->reference = optarg; break;
        case ROUNDS: options->rounds = optarg; break;
        case SECONDS: options->seconds = optarg; break;
        case SERVER_CORE: options->server_core = optarg; break;
        case LOAD_CORE: options->load_core = optarg; break;
        case PEERS: options->peers = optarg; break;
        case OUT: options->out = optarg; break;
        case CONTINUE: options->continues = optarg; break;
        case BASELINE: options->baseline = optarg; break;
        case LIST: options->list = true; break;
        case DRY_RUN: options->dry_run = true; break;
        case PRINT_CONFIG: options->print_config = true; break;
        case VERSION: puts("wye-compare " WYE_VERSION); return COMPARE_YES;
        case HELP: fputs(help, stdout); return COMPARE_YES;
        default: fputs("wye-compare --help says what there is\n", stderr); return COMPARE_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "wye-compare: %s: options alone are expected\n", argv[optind]);
        return COMPARE_USAGE;
    }
    if (options->continues && options->out) {
        fputs("wye-compare: --continue DIR writes to DIR: there is no --out beside it\n", stderr);
        return COMPARE_USAGE;
    }
    if (!options->out) options->out = options->continues ? options->continues : "compare-results";
    return -1;
}
