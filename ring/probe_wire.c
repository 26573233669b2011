#include "ring/probe_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t wye_probe_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t wye_probe_deadline_ns(double seconds) { return wye_probe_now_ns() + (uint64_t)(seconds * 1e9); }

double wye_probe_since_ms(uint64_t from_ns) { return (double)(wye_probe_now_ns() - from_ns) / 1e6; }

/* ---- names ---- */

static bool is_address(const char *host) {
    uint8_t bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

struct addrinfo *wye_probe_resolve(struct wye_attempt *attempt, const char *port) {
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    /* The resolver may outlive the deadline in a thread of its own, so what it writes to stays. */
    static struct gaicb wanted;
    struct gaicb *list[1] = {&wanted};
    uint64_t begun = wye_probe_now_ns();
    attempt->name.literal = is_address(attempt->host);
    wanted = (struct gaicb){.ar_name = attempt->host, .ar_service = port, .ar_request = &hints};
    int result = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (result == 0) {
        uint64_t deadline = wye_probe_deadline_ns(attempt->timeout_s);
        while ((result = gai_error(&wanted)) == EAI_INPROGRESS) {
            uint64_t now = wye_probe_now_ns();
            if (now >= deadline) {
                attempt->name.end = WYE_END_TIMEOUT;
                gai_cancel(&wanted);
                return NULL;
            }
            struct timespec left = {.tv_sec = (time_t)((deadline - now) / 1000000000u),
                                    .tv_nsec = (long)((deadline - now) % 1000000000u)};
            gai_suspend((const struct gaicb *const *)list, 1, &left);
        }
    }
    attempt->name.ms = wye_probe_since_ms(begun);
    if (result != 0) {
        attempt->name.end = WYE_END_ERROR;
        attempt->name.said = gai_strerror(result);
        attempt->name.unknown = result == EAI_NONAME || result == EAI_NODATA;
        return NULL;
    }
    attempt->name.end = WYE_END_FINE;
    for (const struct addrinfo *at = wanted.ar_result; at; at = at->ai_next) attempt->name.count++;
    return wanted.ar_result;
}

/* ---- connections ---- */

enum wye_end wye_probe_wait(struct wye_probe_wire *wire, short events, uint64_t deadline_ns) {
    struct pollfd wanted = {.fd = wire->fd, .events = events};
    for (;;) {
        uint64_t now = wye_probe_now_ns();
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        struct timespec time = {.tv_sec = (time_t)(left / 1000000000u),
                                .tv_nsec = (long)(left % 1000000000u)};
        int ready = ppoll(&wanted, 1, &time, NULL);
        if (ready > 0) return WYE_END_FINE;
        if (ready == 0) return WYE_END_TIMEOUT;
        if (errno == EINTR) continue;
        wire->error = errno;
        return WYE_END_ERROR;
    }
}

static void name_address(char to[64], const struct sockaddr *at, socklen_t bytes) {
    char host[64], port[8];
    if (getnameinfo(at, bytes, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(to, 64, "?");
        return;
    }
    bool six = at->sa_family == AF_INET6;
    snprintf(to, 64, "%s%.50s%s:%s", six ? "[" : "", host, six ? "]" : "", port);
}

static enum wye_end connect_to(struct wye_probe_wire *wire, const struct sockaddr *at, socklen_t bytes,
                               double timeout_s) {
    wire->fd = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum wye_end end = WYE_END_ERROR;
    wire->error = errno;
    if (wire->fd < 0) return end;
    if (connect(wire->fd, at, bytes) == 0) {
        end = WYE_END_FINE;
    } else if (errno == EINPROGRESS) {
        end = wye_probe_wait(wire, POLLOUT, wye_probe_deadline_ns(timeout_s));
        socklen_t size = sizeof wire->error;
        if (end == WYE_END_FINE &&
            (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &wire->error, &size) != 0 || wire->error != 0))
            end = WYE_END_ERROR;
    } else {
        wire->error = errno;
    }
    if (end == WYE_END_FINE) wire->last_ns = wye_probe_now_ns();
    else close(wire->fd), wire->fd = -1;
    return end;
}

void wye_probe_connect(struct wye_probe_wire *wire, struct wye_attempt *attempt,
                       const struct addrinfo *addresses) {
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        uint64_t begun = wye_probe_now_ns();
        if (attempt->tcp.end != WYE_END_UNTRIED && !*attempt->tcp.passed_by) {
            memcpy(attempt->tcp.passed_by, attempt->tcp.address, sizeof attempt->tcp.passed_by);
            attempt->tcp.passed_error = attempt->tcp.end == WYE_END_ERROR ? attempt->tcp.error : 0;
        }
        name_address(attempt->tcp.address, at->ai_addr, at->ai_addrlen);
        attempt->tcp.end = connect_to(wire, at->ai_addr, at->ai_addrlen, attempt->timeout_s);
        attempt->tcp.error = attempt->tcp.end == WYE_END_ERROR ? wire->error : 0;
        attempt->tcp.ms = wye_probe_since_ms(begun);
        if (attempt->tcp.end == WYE_END_FINE) return;
    }
}

enum wye_end wye_probe_connect_again(struct wye_probe_wire *wire, const struct wye_attempt *attempt,
                                     const struct addrinfo *addresses) {
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        char name[64];
        name_address(name, at->ai_addr, at->ai_addrlen);
        if (strcmp(name, attempt->tcp.address) == 0)
            return connect_to(wire, at->ai_addr, at->ai_addrlen, attempt->timeout_s);
    }
    return WYE_END_UNTRIED;
}

/* ---- bytes ---- */

enum wye_end wye_probe_read(struct wye_probe_wire *wire, uint8_t *to, size_t room, size_t *count,
                            uint64_t deadline_ns) {
    *count = 0;
    if (wire->tls) return wye_probe_tls_read(wire, to, room, count, deadline_ns);
    for (;;) {
        ssize_t got = recv(wire->fd, to, room, MSG_DONTWAIT);
        if (got > 0) {
            wire->last_ns = wye_probe_now_ns();
            *count = (size_t)got;
            return WYE_END_FINE;
        }
        if (got == 0) return WYE_END_FIN;
        if (errno != EAGAIN && errno != EINTR) {
            wire->error = errno;
            return WYE_END_ERROR;
        }
        enum wye_end end = wye_probe_wait(wire, POLLIN, deadline_ns);
        if (end != WYE_END_FINE) return end;
    }
}

enum wye_end wye_probe_write(struct wye_probe_wire *wire, const void *bytes, size_t count,
                             uint64_t deadline_ns) {
    if (wire->tls) return wye_probe_tls_write(wire, bytes, count, deadline_ns);
    for (const char *at = bytes; count > 0;) {
        ssize_t sent = send(wire->fd, at, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            wire->last_ns = wye_probe_now_ns();
            at += sent;
            count -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR) {
            wire->error = errno;
            return WYE_END_ERROR;
        }
        enum wye_end end = wye_probe_wait(wire, POLLOUT, deadline_ns);
        if (end != WYE_END_FINE) return end;
    }
    return WYE_END_FINE;
}

void wye_probe_shut(struct wye_probe_wire *wire) {
    wye_probe_tls_shut(wire);
    if (wire->fd >= 0) close(wire->fd);
    *wire = (struct wye_probe_wire){.fd = -1};
}
