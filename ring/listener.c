#include "ring/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *read_unix(struct wye_address *address, const char *path) {
    struct sockaddr_un *at = (struct sockaddr_un *)(void *)&address->at;
    if (!*path) return "a Unix socket needs a path: unix:PATH";
    if (strlen(path) >= sizeof at->sun_path) return "the path of a Unix socket has at most 107 bytes";
    at->sun_family = AF_UNIX;
    memcpy(at->sun_path, path, strlen(path) + 1);
    address->at_bytes = sizeof *at;
    return NULL;
}

static bool read_port(const char *text, in_port_t *port) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    unsigned long value = strtoul(text, &end, 10);
    *port = htons((uint16_t)value);
    return !*end && value <= 65535;
}

const char *wye_address_read(struct wye_address *address, const char *text) {
    *address = (struct wye_address){0};
    if (strlen(text) >= sizeof address->text) return "too long";
    memcpy(address->text, text, strlen(text) + 1);
    if (strncmp(text, "unix:", 5) == 0) return read_unix(address, text + 5);
    const char *colon = strrchr(text, ':');
    if (!colon) return "expected ADDR:PORT, [ADDR6]:PORT or unix:PATH";
    char host[64];
    size_t host_bytes = (size_t)(colon - text);
    if (host_bytes >= sizeof host) return "the address is too long";
    memcpy(host, text, host_bytes);
    host[host_bytes] = 0;
    if (strcmp(host, "localhost") == 0) strcpy(host, "127.0.0.1");
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&address->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&address->at;
    in_port_t port;
    if (!read_port(colon + 1, &port)) return "the port is a number from 0 (any free one) to 65535";
    if (host[0] == '[' && host_bytes > 1 && host[host_bytes - 1] == ']') {
        host[host_bytes - 1] = 0;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        address->at_bytes = sizeof *v6;
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? NULL : "not an IPv6 address in the brackets";
    }
    if (strchr(host, ':')) return "an IPv6 address goes in brackets: [::1]:8080";
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    address->at_bytes = sizeof *v4;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1 ? NULL : "not an IPv4 address (names other than localhost aren't looked up)";
}

bool wye_address_is_local(const struct wye_address *address) {
    if (address->at.ss_family == AF_UNIX) return true;
    if (address->at.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)&address->at)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)&address->at)->sin6_addr);
}

/* A path that is a socket on which nobody answers is left over from a process that died. */
static void remove_stale(const struct wye_address *address) {
    const char *path = ((const struct sockaddr_un *)(const void *)&address->at)->sun_path;
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode)) return;
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return;
    if (connect(probe, (const struct sockaddr *)&address->at, address->at_bytes) < 0 && errno == ECONNREFUSED) unlink(path);
    close(probe);
}

/* A bound path can't be told from another's by its name: a successor may have replaced it. */
static void note_path(struct wye_address *address) {
    struct stat status;
    if (lstat(((const struct sockaddr_un *)(const void *)&address->at)->sun_path, &status) < 0) return;
    address->device = status.st_dev;
    address->inode = status.st_ino;
}

void wye_address_remove(const struct wye_address *address) {
    struct stat status;
    if (!wye_address_is_unix(address)) return;
    const char *path = ((const struct sockaddr_un *)(const void *)&address->at)->sun_path;
    if (lstat(path, &status) == 0 && status.st_dev == address->device && status.st_ino == address->inode) unlink(path);
}

static int set_to(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

static int set(int descriptor, int level, int option) { return set_to(descriptor, level, option, 1); }

/* Peers that vanish without a word are noticed by the kernel where no protocol of ours asks them (streams have no pings). */
static int keep_alive(int descriptor) {
    int trouble = set(descriptor, SOL_SOCKET, SO_KEEPALIVE);
    if (trouble == 0) trouble = set_to(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    if (trouble == 0) trouble = set_to(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    if (trouble == 0) trouble = set_to(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 6);
    return trouble;
}

/* Does anybody listen there already? Asked without SO_REUSEPORT, which would hide it. 0, or -errno. */
static int check_unused(const struct wye_address *address) {
    int probe = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return -errno;
    int trouble = set(probe, SOL_SOCKET, SO_REUSEADDR);
    if (trouble == 0 && address->at.ss_family == AF_INET6) trouble = set(probe, IPPROTO_IPV6, IPV6_V6ONLY);
    if (trouble == 0) trouble = bind(probe, (const struct sockaddr *)&address->at, address->at_bytes);
    trouble = trouble ? -errno : 0;
    close(probe);
    return trouble;
}

int wye_listener_open(struct wye_address *address, bool first) {
    int family = address->at.ss_family;
    if (first && family != AF_UNIX) {
        int used = check_unused(address);
        if (used < 0) return used;
    }
    int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    int trouble = 0;
    if (family == AF_UNIX) {
        remove_stale(address);
    } else {
        trouble = set(descriptor, SOL_SOCKET, SO_REUSEADDR);
        if (trouble == 0) trouble = set(descriptor, SOL_SOCKET, SO_REUSEPORT);
        if (trouble == 0) trouble = set(descriptor, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit them */
        if (trouble == 0) trouble = keep_alive(descriptor);
        if (trouble == 0 && family == AF_INET6) trouble = set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
    }
    if (trouble == 0) trouble = bind(descriptor, (const struct sockaddr *)&address->at, address->at_bytes);
    if (trouble == 0 && family == AF_UNIX) note_path(address);
    if (trouble == 0) trouble = listen(descriptor, WYE_BACKLOG);
    if (trouble == 0 && family != AF_UNIX) {
        socklen_t bytes = sizeof address->at;
        trouble = getsockname(descriptor, (struct sockaddr *)&address->at, &bytes);
    }
    if (trouble == 0) return descriptor;
    trouble = -errno;
    close(descriptor);
    return trouble;
}

void wye_listener_mend(char *to, size_t room, const struct wye_address *address, const char *option, int trouble) {
    const char *text = address->text, *colon = strrchr(text, ':');
    const int host_bytes = colon ? (int)(colon - text) : 0;
    *to = 0;
    if (wye_address_is_unix(address)) {
        if (trouble == -EADDRINUSE)
            snprintf(to, room,
                     "A process answers there, or a file that is no socket has this path (ls -l %s; ss -lxp tells who listens). "
                     "End it, or take another path: %s unix:PATH",
                     text + 5, option);
        if (trouble == -EACCES) snprintf(to, room, "This user may not create a file there; take a folder of its own: %s unix:PATH", option);
        return;
    }
    switch (trouble) {
    case -EADDRINUSE:
        snprintf(to, room,
                 "Another process listens there (ss -ltnp 'sport = %s' tells which). End it, or take another port: "
                 "%s %.*s:0 takes any that is free",
                 colon, option, host_bytes, text);
        break;
    case -EADDRNOTAVAIL:
        snprintf(to, room, "No interface of this machine has this address (ip addr lists them); %s 0.0.0.0%s listens on all of IPv4",
                 option, colon);
        break;
    case -EACCES:
        snprintf(to, room, "Ports below 1024 want the capability cap_net_bind_service; %s %.*s:8080 needs none", option, host_bytes, text);
        break;
    default: break;
    }
}

void wye_address_url(char *to, size_t room, const struct wye_address *address) {
    char host[INET6_ADDRSTRLEN];
    const char *s = address->tls ? "s" : "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&address->at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&address->at;
    switch (address->at.ss_family) {
    case AF_UNIX:
        snprintf(to, room, "http%s+unix:%s", s, ((const struct sockaddr_un *)(const void *)&address->at)->sun_path);
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(to, room, "http%s://[%s]:%u/", s, host, ntohs(v6->sin6_port));
        break;
    default:
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(to, room, "http%s://%s:%u/", s, host, ntohs(v4->sin_port));
    }
}
