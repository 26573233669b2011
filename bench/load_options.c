#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char help[] =
    "usage: wye-load SCENARIO URL [option...]\n"
    "\n"
    "Loads a WebSocket server and checks every byte it answers. URL: ws:// or wss://HOST[:PORT][/PATH],\n"
    "http:// or https:// for publish, or unix:PATH[:/PATH]. {topic} stands for a topic's number.\n"
    "  echo     connections that keep --depth messages under way     --connections --size --depth\n"
    "  fanout   messages of publishers to a topic's subscribers      --subscribers --publishers --topics\n"
    "  publish  POST on kept connections, pipelined --depth   --connections --subscribers --receivers\n"
    "  upgrade  connect, switch, close, again                        --connections --close reset|clean\n"
    "  idle     open connections at --rate a second, and hold them   --connections\n"
    "\n"
    "  --connections N (100)     also --subscribers N       --publishers N (1)    --topics N (1)\n"
    "  --size BYTES (20)         of a payload               --depth N (1)         messages under way\n"
    "  --payload random|records  records: JSON-like; the default with --deflate   --text  not binary\n"
    "  --seconds S (5)           measured                   --warmup S (1)        before that\n"
    "  --rate R                  open loop: R messages a second in all, sent when they are due; latency\n"
    "                            counts from the planned time, and --depth (256) is the most under way.\n"
    "                            Without it closed loop: as fast as answers come\n"
    "  --threads N (1)           that make the load         --inflight N (128)    handshakes at once\n"
    "  --settle S (0.3)          pause once all are open    --stall S (5)         give up after so long\n"
    "                                                                             without anything new\n"
    "  --deflate[=PARAMETERS]    offer permessage-deflate (server_no_context_takeover;\n"
    "                            client_no_context_takeover), inflate and compare what comes back\n"
    "  --header 'NAME: VALUE'    in the request, repeatable --subprotocol NAMES   offered, by commas\n"
    "  --subscribe-message TEXT  a subscriber's first words --skip N (0)          messages it then ignores\n"
    "  --publish-template TEXT   what is published: TEXT with {payload} in it\n"
    "  --deliver-template TEXT   what that arrives as ({payload} alone)\n"
    "  --publish-path PATH       where publishers connect to, if not to the URL's\n"
    "  --receivers N             publish: what each 2xx must tell; else a topic's --subscribers, if told\n"
    "  --source A-B              addresses to connect from, such as 127.0.0.2-127.0.0.20\n"
    "  --ca FILE                 whom wss:// believes         --insecure           anybody\n"
    "  --full-handshakes         no TLS session is resumed\n"
    "\n"
    "  --pid N                   the server's process: CPU, memory  --cpu N       its core: ksoftirqd, busy\n"
    "  --json FILE               the result (\"-\": stdout)           --hgrm FILE   latency, HdrHistogram "
    "text\n"
    "  --quiet                   the result alone                   --version, --help\n"
    "\n"
    "Sizes may end in K, M or G. Ctrl-C ends early, with the result so far. Exit status: 0 all that came\n"
    "was right, 1 it was not, 2 could not run, 64 usage, 69 no io_uring.\n";

enum option_id {
    CONNECTIONS = 256,
    SUBSCRIBERS,
    RECEIVERS,
    PUBLISHERS,
    TOPICS,
    SIZE,
    DEPTH,
    TEXT,
    THREADS,
    SECONDS,
    WARMUP,
    RATE,
    STALL,
    SETTLE,
    HEADER,
    SUBPROTOCOL,
    SUBSCRIBE_MESSAGE,
    SKIP,
    PUBLISH_TEMPLATE,
    DELIVER_TEMPLATE,
    PUBLISH_PATH,
    SOURCE,
    INFLIGHT,
    QUIET,
    PID,
    CPU,
    JSON,
    HGRM,
    CLOSE,
    DEFLATE,
    PAYLOAD,
    CA,
    INSECURE,
    FULL_HANDSHAKES,
    VERSION,
    HELP
};

static const struct option longs[] = {
    {"connections", required_argument, NULL, CONNECTIONS},
    {"subscribers", required_argument, NULL, SUBSCRIBERS},
    {"receivers", required_argument, NULL, RECEIVERS},
    {"publishers", required_argument, NULL, PUBLISHERS},
    {"topics", required_argument, NULL, TOPICS},
    {"size", required_argument, NULL, SIZE},
    {"depth", required_argument, NULL, DEPTH},
    {"text", no_argument, NULL, TEXT},
    {"threads", required_argument, NULL, THREADS},
    {"seconds", required_argument, NULL, SECONDS},
    {"warmup", required_argument, NULL, WARMUP},
    {"rate", required_argument, NULL, RATE},
    {"stall", required_argument, NULL, STALL},
    {"settle", required_argument, NULL, SETTLE},
    {"header", required_argument, NULL, HEADER},
    {"subprotocol", required_argument, NULL, SUBPROTOCOL},
    {"subscribe-message", required_argument, NULL, SUBSCRIBE_MESSAGE},
    {"skip", required_argument, NULL, SKIP},
    {"publish-template", required_argument, NULL, PUBLISH_TEMPLATE},
    {"deliver-template", required_argument, NULL, DELIVER_TEMPLATE},
    {"publish-path", required_argument, NULL, PUBLISH_PATH},
    {"source", required_argument, NULL, SOURCE},
    {"inflight", required_argument, NULL, INFLIGHT},
    {"quiet", no_argument, NULL, QUIET},
    {"pid", required_argument, NULL, PID},
    {"cpu", required_argument, NULL, CPU},
    {"json", required_argument, NULL, JSON},
    {"hgrm", required_argument, NULL, HGRM},
    {"close", required_argument, NULL, CLOSE},
    {"deflate", optional_argument, NULL, DEFLATE},
    {"payload", required_argument, NULL, PAYLOAD},
    {"ca", required_argument, NULL, CA},
    {"insecure", no_argument, NULL, INSECURE},
    {"full-handshakes", no_argument, NULL, FULL_HANDSHAKES},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {0},
};

static int wrong(const char *option, const char *value, const char *allowed) {
    char shown[LOAD_SHOWN_MAX];
    wye_span_hide(shown, sizeof shown, value);
    fprintf(stderr, "wye-load: --%s %s: %s\n", option, shown, allowed);
    return WYE_EXIT_USAGE;
}

static int unclear(const char *sentence) {
    fprintf(stderr, "wye-load: %s\n", sentence);
    return WYE_EXIT_USAGE;
}

static int wrong_url(const struct load_options *options, const char *why) {
    fprintf(stderr, "wye-load: %s: %s\n", options->shown_url, why);
    return WYE_EXIT_USAGE;
}

/* A whole number, which may have K, M or G behind it. */
static int read_number(const char *option, uint64_t least, uint64_t most, uint64_t *value) {
    char *end, allowed[96];
    errno = 0;
    unsigned long long number = strtoull(optarg, &end, 10);
    unsigned shift = *end == 'K' || *end == 'k'   ? 10
                     : *end == 'M' || *end == 'm' ? 20
                     : *end == 'G' || *end == 'g' ? 30
                                                  : 0;
    if (shift) end++;
    *value = number << shift;
    if (*optarg >= '0' && *optarg <= '9' && !errno && !*end && number <= UINT64_MAX >> shift &&
        *value >= least && *value <= most)
        return -1;
    snprintf(allowed, sizeof allowed, "expected a number from %llu to %llu", (unsigned long long)least,
             (unsigned long long)most);
    return wrong(option, optarg, allowed);
}

static int read_count(const char *option, uint32_t least, uint32_t most, uint32_t *value) {
    uint64_t number;
    int status = read_number(option, least, most, &number);
    *value = (uint32_t)number;
    return status;
}

static int read_seconds(const char *option, double least, double most, double *value) {
    char *end, allowed[96];
    *value = strtod(optarg, &end);
    if (end != optarg && !*end && *value >= least && *value <= most) return -1;
    snprintf(allowed, sizeof allowed, "expected a number from %g to %g", least, most);
    return wrong(option, optarg, allowed);
}

static int add_header(struct load_options *options) {
    size_t used = strlen(options->fields), count = strlen(optarg);
    const char *colon = strchr(optarg, ':');
    if (!colon || !wye_span_is_token((struct wye_span){optarg, (size_t)(colon - optarg)}) ||
        strpbrk(optarg, "\r\n"))
        return wrong("header", optarg, "expected 'NAME: VALUE'");
    static const char *const own[][2] = {{"Host", "it is the URL's"},
                                         {"Upgrade", "it is always sent"},
                                         {"Connection", "it is always sent"},
                                         {"Sec-WebSocket-Key", "it is always sent"},
                                         {"Sec-WebSocket-Version", "it is always sent"},
                                         {"Sec-WebSocket-Protocol", "that is --subprotocol"},
                                         {"Sec-WebSocket-Extensions", "that is --deflate"}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (wye_span_equal_nocase((struct wye_span){optarg, (size_t)(colon - optarg)},
                                  wye_span_of(own[i][0])))
            return wrong("header", optarg, own[i][1]);
    if (used + count + 3 > sizeof options->fields)
        return wrong("header", optarg, "that is more than 8000 bytes of fields");
    snprintf(options->fields + used, sizeof options->fields - used, "%s\r\n", optarg);
    return -1;
}

static int read_source(struct load_options *options) {
    char first[64], *dash;
    struct in_addr from, to;
    snprintf(first, sizeof first, "%s", optarg);
    dash = strchr(first, '-');
    if (dash) *dash++ = 0;
    if (inet_pton(AF_INET, first, &from) != 1 || inet_pton(AF_INET, dash ? dash : first, &to) != 1 ||
        ntohl(to.s_addr) < ntohl(from.s_addr) || ntohl(to.s_addr) - ntohl(from.s_addr) >= 65536)
        return wrong("source", optarg, "expected IPv4 addresses such as 127.0.0.2-127.0.0.20, at most 65536");
    options->source_first = ntohl(from.s_addr);
    options->source_count = ntohl(to.s_addr) - ntohl(from.s_addr) + 1;
    return -1;
}

static int read_template(const char *option, const char **value) {
    if (!strstr(optarg, "{payload}")) return wrong(option, optarg, "there is no {payload} in it");
    *value = optarg;
    return -1;
}

static int read_close(struct load_options *options) {
    options->clean = strcmp(optarg, "clean") == 0;
    return options->clean || strcmp(optarg, "reset") == 0 ? -1
                                                          : wrong("close", optarg, "expected reset or clean");
}

static int read_deflate(struct load_options *options) {
    static const char usual[] = "server_no_context_takeover; client_no_context_takeover";
    if (wye_load_deflate_read(options, optarg ? optarg : usual)) return -1;
    return wrong("deflate", optarg,
                 "expected parameters of permessage-deflate, separated by ';', none of them twice: "
                 "server_no_context_takeover, client_no_context_takeover, server_max_window_bits=8..15, "
                 "client_max_window_bits[=9..15]");
}

static int read_payload(struct load_options *options) {
    if (strcmp(optarg, "random") == 0) options->payload = LOAD_RANDOM;
    else if (strcmp(optarg, "records") == 0) options->payload = LOAD_RECORDS;
    else return wrong("payload", optarg, "expected random or records");
    return -1;
}

static int take_more(struct load_options *options, int id) {
    uint32_t number = 0;
    int status = -1;
    switch (id) {
    case HEADER: return add_header(options);
    case SUBPROTOCOL: options->subprotocols = optarg; return -1;
    case SUBSCRIBE_MESSAGE: options->subscribe_message = optarg; return -1;
    case PUBLISH_TEMPLATE: return read_template("publish-template", &options->publish_template);
    case DELIVER_TEMPLATE: return read_template("deliver-template", &options->deliver_template);
    case PUBLISH_PATH:
        options->publish_path = optarg;
        return *optarg == '/' ? -1 : wrong("publish-path", optarg, "a path begins with /");
    case SOURCE: return read_source(options);
    case QUIET: options->quiet = true; return -1;
    case PID:
        status = read_count("pid", 1, 1 << 22, &number);
        options->pid = (int)number;
        return status;
    case CPU:
        status = read_count("cpu", 0, 4096, &number);
        options->cpu = (int)number;
        return status;
    case JSON: options->json = optarg; return -1;
    case HGRM: options->hgrm = optarg; return -1;
    case CLOSE: return read_close(options);
    case DEFLATE: return read_deflate(options);
    case PAYLOAD: return read_payload(options);
    case CA: options->ca = optarg; return -1;
    case INSECURE: options->insecure = true; return -1;
    case FULL_HANDSHAKES: options->full_handshakes = true; return -1;
    case VERSION: puts("wye-load " WYE_VERSION); return WYE_EXIT_RIGHT;
    case HELP: fputs(help, stdout); return WYE_EXIT_RIGHT;
    default: fputs("wye-load: see wye-load --help\n", stderr); return WYE_EXIT_USAGE;
    }
}

static int take(struct load_options *options, int id) {
    uint64_t number = 0;
    int status;
    switch (id) {
    case SUBSCRIBERS: return read_count("subscribers", 0, 4000000, &options->subscribers);
    case RECEIVERS:
        status = read_number("receivers", 0, UINT32_MAX, &number);
        options->receivers = (int64_t)number;
        return status;
    case CONNECTIONS: return read_count("connections", 1, 4000000, &options->connections);
    case PUBLISHERS: return read_count("publishers", 1, 4096, &options->publishers);
    case TOPICS: return read_count("topics", 1, 1000000, &options->topics);
    case DEPTH: return read_count("depth", 1, 2048, &options->depth);
    case SKIP: return read_count("skip", 0, UINT32_MAX - 1, &options->skip);
    case INFLIGHT: return read_count("inflight", 1, 100000, &options->inflight);
    case THREADS: return read_count("threads", 1, LOAD_THREADS_MAX, &options->threads);
    case SIZE:
        status = read_number("size", 0, 64 << 20, &number);
        options->size = (size_t)number;
        return status;
    case TEXT: options->text = true; return -1;
    case SECONDS: return read_seconds("seconds", 0.01, 86400, &options->seconds);
    case WARMUP: return read_seconds("warmup", 0, 86400, &options->warmup);
    case STALL: return read_seconds("stall", 0.01, 86400, &options->stall);
    case SETTLE: return read_seconds("settle", 0, 86400, &options->settle);
    case RATE: return read_seconds("rate", 0.001, 1e8, &options->rate);
    default: return take_more(options, id);
    }
}

/* Whose connections are publishers (and callers, whatever they are called), and whose are subscribers. */
static int sort_connections(struct load_options *options) {
    bool publish = options->scenario == LOAD_PUBLISH, told = options->subscribers != UINT32_MAX;
    if (options->scenario != LOAD_FANOUT && !publish && told) return unclear("--subscribers are of fanout and publish; here it is --connections");
    if (publish && options->publishers) return unclear("publish has --connections that publish, and --subscribers");
    if (!publish && options->receivers >= 0) return unclear("--receivers is for publish");
    if (!options->connections) options->connections = 100;
    if (!options->publishers) options->publishers = 1;
    if (publish) { /* as a fan-out, whose publishers speak HTTP */
        options->publishers = options->connections;
        options->connections = told ? options->subscribers : 0;
    } else if (told) {
        options->connections = options->subscribers;
    }
    return options->scenario == LOAD_FANOUT && !options->connections ? unclear("a fanout has one of the --subscribers at least") : -1;
}

/* What only makes sense together, for publish. */
static int check_publish(const struct load_options *options) {
    const char *path = options->publish_path ? options->publish_path : options->target.path;
    if (options->topics > 1 && !strstr(path, "{topic}"))
        return unclear("several --topics need {topic} in the URL (or in --publish-path): http://127.0.0.1:8080/topic/t{topic}");
    if (options->topics > options->publishers) return unclear("a topic without a publisher: --topics is at most --connections");
    if (options->connections && options->connections < options->topics)
        return unclear("a topic without a subscriber: --topics is at most --subscribers");
    if (options->connections && options->publishers > 4096) return unclear("with --subscribers, at most 4096 --connections are told apart");
    if (options->connections && options->publishers > 1 && options->size < 4)
        return unclear("several connections need --size 4 at least, to be told apart by --subscribers");
    if (options->publish_template || options->deliver_template) return unclear("a body is published as it is: templates are for fanout");
    if (*options->extensions) return unclear("--deflate is not for publish");
    return -1;
}

/* What only makes sense together. */
static int check(struct load_options *options) {
    int status = sort_connections(options);
    if (status < 0 && options->scenario == LOAD_PUBLISH) status = check_publish(options);
    if (status >= 0) return status;
    if (options->target.http && options->scenario != LOAD_PUBLISH) return wrong_url(options, "http:// is for publish; expected ws:// or wss://");
    bool fanout = options->scenario == LOAD_FANOUT;
    bool told = strstr(options->target.path, "{topic}") ||
                (options->subscribe_message && strstr(options->subscribe_message, "{topic}"));
    if (fanout && options->topics > 1 && !told)
        return unclear("several --topics need {topic} in the URL or in --subscribe-message: "
                       "ws://127.0.0.1:8080/topic/t{topic}");
    if (fanout && options->topics > options->publishers)
        return unclear("a topic without a publisher: --topics is at most --publishers");
    if (fanout && options->connections < options->topics)
        return unclear("a topic without a subscriber: --topics is at most --subscribers");
    if (fanout && options->publishers > 1 && options->size < 4)
        return unclear("several publishers need --size 4 at least, to be told apart");
    if (fanout && options->size == 0 && (options->depth > 1 || options->rate > 0))
        return unclear("--size 0 tells no publications apart: without --depth and --rate");
    if (options->pid > 0 && wye_load_process_cpu(options->pid) < 0) {
        unclear("--pid: there is no such process");
        return WYE_EXIT_COULD_NOT;
    }
    if (options->size == 1 && options->depth > 32)
        return unclear("--size 1 tells at most 32 messages apart: --depth 32");
    if (options->source_count && options->target.at.any.sa_family != AF_INET)
        return unclear("--source needs an IPv4 URL");
    if (!wye_load_has_topics(options) && (options->subscribe_message || options->publish_template || options->deliver_template ||
                    options->publish_path))
        return unclear(
            "--subscribe-message, --publish-template, --deliver-template and --publish-path are for fanout (or publish)");
    if (options->payload == LOAD_PAYLOAD_UNSAID)
        options->payload = *options->extensions ? LOAD_RECORDS : LOAD_RANDOM;
    if ((options->ca || options->insecure || options->full_handshakes) && !options->target.tls)
        return unclear("--ca, --insecure and --full-handshakes are about wss:// and https://");
    uint32_t most = options->scenario == LOAD_PUBLISH ? options->publishers : options->connections;
    if (options->threads > most) options->threads = most;
    return -1;
}

static int read_scenario(struct load_options *options, const char *name) {
    static const char *const names[] = {"echo", "publish", "fanout", "upgrade", "idle"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        options->scenario = (enum load_scenario)i;
        options->scenario_name = names[i];
        return -1;
    }
    fprintf(stderr, "wye-load: %s: expected echo, fanout, publish, upgrade or idle; see wye-load --help\n", name);
    return WYE_EXIT_USAGE;
}

int wye_load_options_read(struct load_options *options, int argc, char **argv) {
    *options = (struct load_options){.subscribers = UINT32_MAX,
                                     .receivers = -1,
                                     .topics = 1,
                                     .size = 20,
                                     .seconds = 5,
                                     .warmup = 1,
                                     .settle = 0.3,
                                     .stall = 5,
                                     .threads = 1,
                                     .inflight = 128,
                                     .cpu = -1};
    for (int id; (id = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        int status = take(options, id);
        if (status >= 0) return status;
    }
    if (argc - optind != 2)
        return unclear(
            "expected a scenario and a URL: wye-load echo ws://127.0.0.1:8080/echo; see wye-load --help");
    int status = read_scenario(options, argv[optind]);
    options->url = argv[optind + 1];
    wye_span_hide(options->shown_url, sizeof options->shown_url, options->url);
    if (status < 0) status = wye_load_url_read(&options->target, options->url);
    if (status < 0) status = check(options);
    return status < 0 ? wye_load_tls_open(options) : status;
}
