#include "ring/option_table.h"

#include "handshake/rule.h"
#include "ring/option_values.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A member of struct wye_options, for the common readers. */
#define INTO(member) .at = offsetof(struct wye_options, member), .width = sizeof(((struct wye_options *)NULL)->member)

static const char *const deflate_words[] = {"off", "shared", "takeover", NULL};         /* enum wye_deflate_mode */
static const char *const on_slow_words[] = {"close", "drop", "latest", NULL};           /* enum wye_on_slow */
static const char *const on_rate_words[] = {"pause", "close", NULL};                   /* enum wye_on_rate */
static const char *const log_words[] = {"error", "warn", "info", "debug", NULL};        /* enum wye_log_level */
static const char *const tls_min_words[] = {"1.2", "1.3", NULL};                        /* whether only_13 */

static int print_rules(void) {
    char *text = malloc(WYE_RULES_TEXT_MAX);
    if (!text) return WYE_EXIT_COULD_NOT_TRY;
    wye_rules_markdown(text, WYE_RULES_TEXT_MAX);
    fputs(text, stdout);
    free(text);
    return WYE_EXIT_YES;
}

static int print_version(void) {
    puts("wye " WYE_VERSION);
    return WYE_EXIT_YES;
}

const struct wye_option wye_option_table[] = {
    {"listen", "ADDR:PORT", "listen there; also [ADDR6]:PORT and unix:PATH; port 0 takes a free one",
     .otherwise = "127.0.0.1:8080", .example = "127.0.0.1:8080", .read = wye_read_listen, .repeats = true,
     .scope = WYE_SCOPE_LISTENER, .often = true},
    {"tls-listen", "ADDR:PORT", "the same with TLS (https, wss); without --listen there is no plain listener",
     .example = "127.0.0.1:8443", .read = wye_read_listen, .repeats = true, .of_tls = true, .scope = WYE_SCOPE_LISTENER, .often = true},
    {"cert", "FILE", NULL,
     .example = "/etc/wye/certificate.pem", .read = wye_read_text, INTO(chains), .repeats = true, .of_tls = true, .live = true, .often = true},
    {"key", "FILE", "the certificate chain and its private key, PEM; chosen by the name that the client asks for, else the "
     "first; SIGHUP reads them again",
     .example = "/etc/wye/key.pem", .read = wye_read_text, INTO(keys), .repeats = true, .of_tls = true, .live = true, .often = true},
    {"dev-cert", NULL, "make a throw-away certificate for localhost (--tls-listen 127.0.0.1:8443)",
     .example = "yes", .read = wye_read_flag, INTO(certificates.throw_away), .of_tls = true, .often = true},
    {"tls-min", "VERSION", "1.2 or 1.3",
     .standard = "1.2", .read = wye_read_word, INTO(certificates.only_13), .words = tls_min_words, .of_tls = true, .live = true},
    {"open", NULL, "listeners that other machines can reach are meant, though nobody needs a token",
     .example = "yes", .read = wye_read_flag, INTO(open), .often = true},
    {"token-key", "[KID=]FILE", "only who shows a token (JWT) signed with this key may do what its claims 'publish' and 'subscribe' "
     "list: a secret of 32 bytes or more (HS256), an Ed25519 key (PEM), or JWKs; SIGHUP reads it again",
     .example = "/etc/wye/token.key", .read = wye_read_text, INTO(token_keys), .repeats = true, .live = true, .often = true},
    {"token-audience", "NAME", "tokens must name this in their claim 'aud'",
     .otherwise = "none may have one", .example = "wye.example.com", .read = wye_read_name, INTO(token_files.audience), .live = true},
    {"threads", "N", "loops, 1 to 64",
     .otherwise = "as many as the CPUs this process may run on", .example = "2", .read = wye_read_count, INTO(threads), .least = 1,
     .most = WYE_LOOPS_MAX, .often = true},
    {"max-connections", "N", "of the whole node; more are answered 503",
     .otherwise = "what the descriptor limit allows", .example = "1000", .read = wye_read_size, INTO(settings.max_connections),
     .least = 1, .most = UINT32_MAX - 1, .live = true, .often = true},
    {"per-address", "N", "connections of one address (IPv6: /64) at once; more are answered 429",
     .otherwise = "no limit", .example = "5", .read = wye_read_count, INTO(settings.per_address), .least = 1, .most = UINT32_MAX - 1},
    {"upgrade-rate", "N[/SECONDS]", "upgrades of one address in so many seconds; more: 429 and Retry-After",
     .otherwise = "no limit", .example = "10/60", .read = wye_read_upgrade_rate},
    {"trusted-proxy", "CIDR", "believe PROXY headers and X-Forwarded-For from there; also unix",
     .example = "10.0.0.0/8", .read = wye_read_trusted_proxy, .repeats = true},
    {"topics-per-connection", "N", "that it may subscribe to",
     .standard = "64", .read = wye_read_count, INTO(settings.topics_per_connection), .least = 1, .most = 1024, .live = true},
    {"message-rate", "N[:BURST]", "messages a second of one connection, BURST at once",
     .otherwise = "no limit", .example = "50:100", .read = wye_read_rate, INTO(settings.message_rate)},
    {"byte-rate", "N[:BURST]", "bytes a second of one connection, BURST at once",
     .otherwise = "no limit", .example = "64K", .read = wye_read_rate, INTO(settings.byte_rate)},
    {"on-rate", "POLICY", "beyond its rates a connection isn't read (pause), or gets 1008 (close)",
     .standard = "pause", .read = wye_read_word, INTO(settings.on_rate), .words = on_rate_words, .live = true},
    {"max-message", "BYTES", "a longer message closes its connection with 1009",
     .standard = "16M", .read = wye_read_size, INTO(settings.max_message_bytes), .least = 1, .most = UINT32_MAX - 65536, .live = true, .often = true},
    {"memory", "BYTES", "of the node, for messages and history; near it publishers wait, beyond it comes 1013",
     .otherwise = "RAM / 4", .example = "1G", .read = wye_read_size, INTO(settings.memory_bytes), .least = 1 << 20, .most = UINT64_MAX,
     .live = true, .often = true},
    {"deflate", "MODE", "permessage-deflate: off, shared (no memory a connection) or takeover",
     .standard = "shared", .read = wye_read_word, INTO(settings.deflate), .words = deflate_words},
    {"h2c", NULL, "HTTP/2 for who asks for it on a plain listener (Upgrade: h2c); not on paths of WebSockets",
     .example = "yes", .read = wye_read_flag, INTO(settings.h2c), .live = true},
    {"outbox", "BYTES", "what may wait for a reader; when a message has no room, --on-slow decides",
     .standard = "17M", .read = wye_read_size, INTO(settings.outbox_bytes), .least = 1024, .most = UINT32_MAX, .live = true, .often = true},
    {"on-slow", "POLICY", "when there is no room: close (with 1013), drop the message, or keep the latest of each topic; "
     "TOPIC=POLICY for one topic or pattern",
     .standard = "close", .read = wye_read_on_slow, .words = on_slow_words, .repeats = true, .scope = WYE_SCOPE_TOPIC, .live = true, .often = true},
    {"history", "N[:BYTES]", "the last N messages of a topic, of at most so many bytes, are kept for ?last=N; 0: none; "
     "TOPIC=N[:BYTES] for one topic or pattern",
     .standard = "0", .example = "100:64K", .read = wye_read_history, .repeats = true, .scope = WYE_SCOPE_TOPIC, .live = true, .often = true},
    {"history-memory", "BYTES", "of the node, for all history, at most half of --memory; those idle for longest go first",
     .standard = "64M", .read = wye_read_size, INTO(settings.history_memory_bytes), .least = WYE_HISTORY_MEMORY_MIN,
     .most = UINT64_MAX / 2, .live = true},
    {"shared-memory", "BYTES", "of a loop, that slow readers may pin before they must copy or leave",
     .standard = "256M", .read = wye_read_size, INTO(settings.shared_memory_bytes), .least = 1 << 20, .most = UINT64_MAX / 2,
     .live = true},
    {"idle-timeout", "SECONDS", "without a message: closed with 1001; 0: never",
     .standard = "0", .read = wye_read_seconds, INTO(settings.idle_timeout_ns), .live = true},
    {"ping", "SECONDS", "between pings; a peer not heard of since the last is dropped; 0: none",
     .standard = "25", .read = wye_read_seconds, INTO(settings.ping_ns), .live = true, .often = true},
    {"origin", "PATTERN", "welcome browsers of this origin too: https://example.com, https://*.example.com or '*' (also null)",
     .otherwise = "the node's own host", .example = "https://*.example.com", .read = wye_read_text, INTO(origins), .repeats = true,
     .live = true, .often = true},
    {"host", "NAME", "a name of this node, besides addresses and localhost",
     .example = "wye.example.com", .read = wye_read_text, INTO(hosts), .repeats = true, .live = true, .often = true},
    {"log", "LEVEL", "error, warn, info or debug (each refusal, and each close by the node), to stderr",
     .standard = "info", .read = wye_read_word, INTO(log), .words = log_words, .live = true},
    {"config", "FILE", "read options from there, too; what stands on the command line counts more; SIGHUP reads it again",
     .example = "/etc/wye.ini", .read = wye_read_config, .scope = WYE_SCOPE_COMMAND, .often = true},
    {"check-config", NULL, "read all that is to be read, certificates too, and exit",
     .example = "yes", .read = wye_read_flag, INTO(check_only), .scope = WYE_SCOPE_COMMAND},
    {"print-config", NULL, "print all options as such a file, with help, and exit",
     .example = "yes", .read = wye_read_flag, INTO(print), .scope = WYE_SCOPE_COMMAND, .often = true},
    {"make-token", NULL, "print a token made with the first key that can, and exit; what it shall be like:",
     .example = "yes", .read = wye_read_flag, INTO(make_token), .scope = WYE_SCOPE_COMMAND},
    {"publish", "PATTERN", NULL, .example = "chat", .read = wye_read_text, INTO(publish), .repeats = true, .scope = WYE_SCOPE_COMMAND},
    {"subscribe", "PATTERN", "topics or patterns that it is for",
     .example = "chat", .read = wye_read_text, INTO(subscribe), .repeats = true, .scope = WYE_SCOPE_COMMAND},
    {"expires", "SECONDS", "from now on; 0: never", .otherwise = "3600", .example = "60", .read = wye_read_count,
     INTO(token_wish.lifetime_s), .most = UINT32_MAX, .scope = WYE_SCOPE_COMMAND},
    {"subject", "NAME", "whose it is (its claim 'sub')", .example = "ada", .read = wye_read_name, INTO(token_wish.subject),
     .scope = WYE_SCOPE_COMMAND},
    {"rules", NULL, "print the rules of an upgrade as Markdown, and exit", .act = print_rules, .scope = WYE_SCOPE_COMMAND, .often = true},
    {"version", NULL, NULL, .act = print_version, .scope = WYE_SCOPE_COMMAND, .often = true},
    {"help", NULL, NULL, .act = wye_options_help, .scope = WYE_SCOPE_COMMAND, .often = true},
    {"help-all", NULL, "print the version, this, or every option there is, and exit", .act = wye_options_help_all, .scope = WYE_SCOPE_COMMAND, .often = true},
};

const size_t wye_option_count = sizeof wye_option_table / sizeof wye_option_table[0];

const struct wye_option *wye_option_find(const char *name) {
    for (const struct wye_option *option = wye_option_table; option < wye_option_table + wye_option_count; option++) {
        if (strcmp(option->name, name) == 0) return option;
    }
    return NULL;
}
