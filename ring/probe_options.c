#include "ring/probe_options.h"

#include "handshake/authority.h"
#include "handshake/trouble.h"
#include "ring/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef WYE_TLS
enum { HAS_TLS = 1 };
#else
enum { HAS_TLS = 0 };
#endif

static const char help[] =
    "usage: wye-probe [option...] URL\n"
    "       wye-probe --serve ADDR:PORT\n"
    "\n"
    "Why did my upgrade fail, and what do I do about it? Upgrades one connection to any server, checks every "
    "step,\n"
    "says what is wrong and how to mend it. URL: ws://, wss://, http:// or https://\n"
    "\n"
    "  --protocol TOKEN     ask for another protocol than websocket: h2c, wye-echo, ...\n"
    "  --subprotocol NAME   offer it; may be given again\n"
    "  --origin ORIGIN      send it, as a browser on that page would: https://example.com\n"
    "  --header 'NAME: V'   send this field too; may be given again\n"
    "  --hold SECONDS       keep the connection open and silent so long; says when it was cut\n"
    "  --timeout SECONDS    for each step (10)\n"
    "  --ca FILE            the authorities to trust, PEM (/etc/ssl/certs/ca-certificates.crt)\n"
    "  --insecure           certificate faults don't count\n"
    "  --json               print one JSON object instead of text\n"
    "  --serve ADDR:PORT    be a mirror: answer every request with what arrived. Put it in the server's "
    "place\n"
    "                       behind a proxy and probe the proxy, to see what that really passes on\n"
    "  --rules              print the rules of an upgrade and all that can go wrong as Markdown, and exit\n"
    "  --version, --help\n"
    "\n"
    "It sends one request. A further connection is made only where it decides what is wrong, and the report "
    "says so.\n"
    "Exit status: 0 upgraded, 1 refused or something is wrong, 2 no connection, 64 usage.\n";

enum option_id {
    PROTOCOL = 256,
    SUBPROTOCOL,
    ORIGIN,
    HEADER,
    HOLD,
    TIMEOUT,
    CA,
    INSECURE,
    JSON,
    SERVE,
    RULES,
    VERSION,
    HELP
};

static const struct option longs[] = {
    {"protocol", required_argument, NULL, PROTOCOL},
    {"subprotocol", required_argument, NULL, SUBPROTOCOL},
    {"origin", required_argument, NULL, ORIGIN},
    {"header", required_argument, NULL, HEADER},
    {"hold", required_argument, NULL, HOLD},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"ca", required_argument, NULL, CA},
    {"insecure", no_argument, NULL, INSECURE},
    {"json", no_argument, NULL, JSON},
    {"serve", required_argument, NULL, SERVE},
    {"rules", no_argument, NULL, RULES},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {0},
};

static int wrong(const char *option, const char *value, const char *allowed) {
    char shown[1000];
    wye_span_hide(shown, sizeof shown, value);
    fprintf(stderr, "wye-probe: %s%s%s: %s\n", option, *option && *shown ? " " : "", shown, allowed);
    return WYE_EXIT_USAGE;
}

/* Bytes that may stand in a field's value or a target: no control bytes. */
static bool is_printable(const char *text, bool spaces) {
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == 0x7f || (!spaces && (byte == ' ' || byte > 0x7e))) return false;
    }
    return true;
}

static int read_seconds(const char *option, double least, double *seconds) {
    char *end;
    *seconds = strtod(optarg, &end);
    if (end != optarg && !*end && *seconds >= least && *seconds <= 1e6) return -1;
    return wrong(option, optarg,
                 least > 0 ? "expected seconds, from 0.01 to 1000000"
                           : "expected seconds, from 0 to 1000000");
}

static int add_subprotocol(struct wye_probe_options *options) {
    if (!wye_span_is_token(wye_span_of(optarg)))
        return wrong("--subprotocol", optarg, "expected a name of letters, digits and !#$%&'*+-.^_`|~");
    size_t used = strlen(options->subprotocols);
    int count = snprintf(options->subprotocols + used, sizeof options->subprotocols - used, "%s%s",
                         used ? ", " : "", optarg);
    return (size_t)count < sizeof options->subprotocols - used
               ? -1
               : wrong("--subprotocol", optarg, "that is too many of them");
}

static int add_header(struct wye_probe_options *options) {
    const char *colon = strchr(optarg, ':');
    struct wye_span name = {optarg, colon ? (size_t)(colon - optarg) : 0};
    if (!colon || !wye_span_is_token(name) || !is_printable(optarg, true))
        return wrong("--header", optarg, "expected 'Name: value'");
    static const char *const own[] = {"Upgrade",
                                      "Connection",
                                      "Sec-WebSocket-Key",
                                      "Sec-WebSocket-Version",
                                      "Sec-WebSocket-Protocol",
                                      "Sec-WebSocket-Extensions",
                                      "Host",
                                      "Content-Length",
                                      "Transfer-Encoding"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (wye_span_equal_nocase(name, wye_span_of(own[i])))
            return wrong("--header", optarg, "the probe writes that field by itself");
    if (wye_span_equal_nocase(name, WYE_SPAN("Origin"))) return wrong("--header", optarg, "use --origin");
    size_t used = strlen(options->fields);
    int count = snprintf(options->fields + used, sizeof options->fields - used, "%s\r\n", optarg);
    return (size_t)count < sizeof options->fields - used
               ? -1
               : wrong("--header", optarg, "that is too much; 8 KiB is enough for all of them");
}

static int print_rules(void) {
    char *text = malloc(WYE_TROUBLES_TEXT_MAX);
    if (!text) return WYE_EXIT_COULD_NOT_TRY;
    wye_rules_markdown(text, WYE_TROUBLES_TEXT_MAX);
    printf("# The rules of an upgrade\n\nAs a wye node applies them.\n\n%s", text);
    wye_troubles_markdown(text, WYE_TROUBLES_TEXT_MAX);
    printf("\n# What goes wrong with upgrades\n\nAs wye-probe finds it at any server.\n\n%s", text);
    free(text);
    return WYE_EXIT_YES;
}

static int take(struct wye_probe_options *options, int id) {
    switch (id) {
    case PROTOCOL:
        options->token = optarg;
        return wye_span_is_token(wye_span_of(optarg)) && strlen(optarg) <= 64
                   ? -1
                   : wrong("--protocol", optarg, "expected a name, like h2c");
    case SUBPROTOCOL: return add_subprotocol(options);
    case ORIGIN:
        options->origin = optarg;
        return *optarg && strlen(optarg) <= 1024 && is_printable(optarg, false)
                   ? -1
                   : wrong("--origin", optarg, "expected an origin, like https://example.com");
    case HEADER: return add_header(options);
    case HOLD: return read_seconds("--hold", 0, &options->hold_s);
    case TIMEOUT: return read_seconds("--timeout", 0.01, &options->timeout_s);
    case CA:
        options->authorities = optarg;
        options->authorities_given = true;
        return access(optarg, R_OK) == 0 ? -1 : wrong("--ca", optarg, "can't be read");
    case INSECURE: options->insecure = true; return -1;
    case JSON: options->json = true; return -1;
    case SERVE: options->serve = optarg; return -1;
    case RULES: return print_rules();
    case VERSION:
        printf("wye-probe " WYE_VERSION "%s\n", HAS_TLS ? "" : " (without TLS)");
        return WYE_EXIT_YES;
    case HELP: fputs(help, stdout); return WYE_EXIT_YES;
    default: fputs("wye-probe: see wye-probe --help\n", stderr); return WYE_EXIT_USAGE;
    }
}

/* ---- the URL ---- */

static const char *read_authority(struct wye_probe_options *options, struct wye_span text) {
    const char *usual = options->secure ? "443" : "80";
    struct wye_authority authority;
    if (text.count && memchr(text.bytes, '@', text.count))
        return "no user names here; send --header 'Authorization: ...'";
    if (!wye_authority_read(&authority, text))
        return "expected a host name, an IPv4 or [IPv6] address, and a port behind a colon if there is one";
    if (authority.has_port && authority.port == 0) return "the port is a number from 1 to 65535";
    struct wye_span host = authority.host;
    if (host.count >= sizeof options->host) return "the host is too long";
    snprintf(options->port, sizeof options->port, "%s", usual);
    if (authority.has_port) snprintf(options->port, sizeof options->port, "%u", authority.port);
    bool said = strcmp(options->port, usual) != 0;
    snprintf(options->authority, sizeof options->authority, "%.*s%s%s", (int)host.count, host.bytes,
             said ? ":" : "", said ? options->port : "");
    if (*host.bytes == '[') host.bytes++, host.count -= 2;
    snprintf(options->host, sizeof options->host, "%.*s", (int)host.count, host.bytes);
    return NULL;
}

static const char *read_url(struct wye_probe_options *options, const char *url) {
    static const struct {
        const char *scheme;
        bool secure;
    } schemes[] = {{"ws://", false}, {"http://", false}, {"wss://", true}, {"https://", true}};
    const char *rest = NULL;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes && !rest; i++) {
        if (strncasecmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) != 0) continue;
        rest = url + strlen(schemes[i].scheme);
        options->secure = schemes[i].secure;
    }
    if (!rest) return "expected ws://HOST[:PORT][/PATH], or wss://, http://, https://";
    const char *end = rest + strcspn(rest, "/?#");
    const char *fault = read_authority(options, (struct wye_span){rest, (size_t)(end - rest)});
    if (fault) return fault;
    size_t count = strcspn(end, "#");
    if (count + 2 > sizeof options->target) return "the path is too long; it may have 8000 bytes";
    snprintf(options->target, sizeof options->target, "%s%.*s", *end == '/' ? "" : "/", (int)count, end);
    if (!is_printable(options->target, false))
        return "a path is printable ASCII without spaces; other bytes are written as %HH";
    return NULL;
}

int wye_probe_options_read(struct wye_probe_options *options, int argc, char **argv) {
    memset(options, 0, sizeof *options);
    options->timeout_s = 10;
    options->authorities = "/etc/ssl/certs/ca-certificates.crt";
    for (int id; (id = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        int status = take(options, id);
        if (status >= 0) return status;
    }
    if (options->serve) return optind == argc ? -1 : wrong("", argv[optind], "with --serve goes no URL");
    if (optind == argc) {
        fputs("wye-probe: a URL is missing, like wss://example.com/chat; see wye-probe --help\n", stderr);
        return WYE_EXIT_USAGE;
    }
    if (optind + 1 < argc) return wrong("", argv[optind + 1], "one URL is enough");
    options->url = argv[optind];
    wye_span_hide(options->shown_url, sizeof options->shown_url, options->url);
    const char *fault = read_url(options, options->url);
    if (fault) return wrong("", options->url, fault);
    if (options->token && strcasecmp(options->token, "websocket") == 0) options->token = NULL;
    if (options->token && *options->subprotocols)
        return wrong("--subprotocol", options->subprotocols, "only WebSocket has subprotocols");
    if (options->token && options->hold_s > 0)
        return wrong("--hold", "", "only a WebSocket can be held and asked whether it is alive");
    return -1;
}
