/* Where to: ws://HOST[:PORT][/PATH], wss://, http:// and https:// likewise, unix:PATH[:/PATH]. */
#include "bench/load.h"

#include <netdb.h>
#include <string.h>

static void tell(const char *url, const char *why) {
    char shown[LOAD_SHOWN_MAX];
    wye_span_hide(shown, sizeof shown, url);
    fprintf(stderr, "wye-load: %s: %s\n", shown, why);
}

static int wrong(const char *url, const char *why) {
    tell(url, why);
    return WYE_EXIT_USAGE;
}

static bool set_path(struct load_target *target, const char *path) {
    const char *fragment = strchr(path, '#');
    size_t count = fragment ? (size_t)(fragment - path) : strlen(path);
    bool slash = *path == '/';
    if (count + 2 > sizeof target->path) return false;
    snprintf(target->path, sizeof target->path, "%s%.*s", slash ? "" : "/", (int)count, path);
    for (const char *at = target->path; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7f) return false;
    return true;
}

static int read_unix(struct load_target *target, const char *url, const char *path) {
    const char *behind = strstr(path, ":/");
    size_t count = behind ? (size_t)(behind - path) : strlen(path);
    if (count == 0 || count >= sizeof target->at.local.sun_path)
        return wrong(url, "the path of a Unix socket has 1 to 107 bytes");
    target->at.local.sun_family = AF_UNIX;
    memcpy(target->at.local.sun_path, path, count);
    target->at_bytes = sizeof target->at.local;
    snprintf(target->host, sizeof target->host, "localhost");
    return set_path(target, behind ? behind + 1 : "/")
               ? -1
               : wrong(url, "the path is too long, or has spaces in it");
}

static int look_up(struct load_target *target, const char *url, const char *host, const char *port) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int trouble = getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found);
    if (trouble != 0) {
        tell(url, gai_strerror(trouble));
        return WYE_EXIT_COULD_NOT;
    }
    memcpy(&target->at, found->ai_addr, found->ai_addrlen);
    target->at_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return -1;
}

int wye_load_url_read(struct load_target *target, const char *url) {
    char *host = target->name, port[8] = "80";
    const size_t room = sizeof target->name;
    if (strncmp(url, "unix:", 5) == 0) return read_unix(target, url, url + 5);
    target->http = strncmp(url, "http", 4) == 0;
    target->tls = strncmp(url, target->http ? "https://" : "wss://", target->http ? 8 : 6) == 0;
    const char *plain = target->http ? "http://" : "ws://";
    if (!target->tls && strncmp(url, plain, strlen(plain)) != 0)
        return wrong(url, "expected ws://HOST[:PORT][/PATH], wss://..., unix:PATH[:/PATH], or, to publish, http://... or https://...");
    if (target->tls) strcpy(port, "443");
    const char *authority = url + strlen(plain) + (target->tls ? 1 : 0);
    const char *start = authority, *end = start + strcspn(start, "/?#"), *at = start;
    if (memchr(start, '@', (size_t)(end - start))) return wrong(url, "no user names in a WebSocket URL");
    bool bracketed = *start == '[';
    const char *host_end =
        bracketed ? memchr(start, ']', (size_t)(end - start)) : start + strcspn(start, ":/?#");
    if (!host_end) return wrong(url, "an IPv6 address goes in brackets: ws://[::1]:8080/");
    at = host_end + bracketed;
    if (bracketed) start++;
    if (host_end == start || (size_t)(host_end - start) >= room)
        return wrong(url, "a host is missing, or too long");
    snprintf(host, room, "%.*s", (int)(host_end - start), start);
    if (at < end) {
        unsigned value = 0;
        if (*at++ != ':' || at == end) return wrong(url, "expected a port behind the colon");
        snprintf(port, sizeof port, "%.*s", (int)(end - at), at);
        for (; at < end; at++) {
            if (*at < '0' || *at > '9') return wrong(url, "the port is a number from 1 to 65535");
            value = value * 10 + (unsigned)(*at - '0');
            if (value > 65535) return wrong(url, "the port is a number from 1 to 65535");
        }
        if (value == 0) return wrong(url, "the port is a number from 1 to 65535");
    }
    snprintf(target->host, sizeof target->host, "%.*s", (int)(end - authority), authority);
    if (!set_path(target, end)) return wrong(url, "the path is too long, or has spaces in it");
    return look_up(target, url, host, port);
}
