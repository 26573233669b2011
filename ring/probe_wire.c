#include "ring/probe_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
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

/* A question to the resolver, which knows no deadline of its own: a thread waits for it, and outlives us if
 * it must. */
struct question {
    const char *host, *port;
    int flags, result, done[2]; /* a pipe: closed when it is answered */
    struct addrinfo *found;
};

static void *ask(void *context) {
    struct question *question = context;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | question->flags};
    question->result = getaddrinfo(question->host, question->port, &hints, &question->found);
    close(question->done[1]);
    return NULL;
}

/* FINE: it is answered. TIMEOUT or ERROR: never to be touched again. */
static enum wye_end ask_in_time(struct question *question, double timeout_s) {
    pthread_t thread;
    uint64_t deadline = wye_probe_deadline_ns(timeout_s);
    if (pipe2(question->done, O_CLOEXEC) < 0) return WYE_END_ERROR;
    if (pthread_create(&thread, NULL, ask, question) != 0) {
        close(question->done[0]), close(question->done[1]);
        return WYE_END_ERROR;
    }
    struct wye_probe_wire wire = {.fd = question->done[0]};
    enum wye_end end = wye_probe_wait(&wire, POLLIN, deadline);
    close(question->done[0]);
    if (end == WYE_END_FINE) pthread_join(thread, NULL);
    else pthread_detach(thread);
    return end;
}

struct addrinfo *wye_probe_resolve(struct wye_attempt *attempt, const char *port) {
    static struct question question; /* stays, for the thread that outlives the deadline */
    uint64_t begun = wye_probe_now_ns();
    attempt->name.literal = is_address(attempt->host);
    question = (struct question){
        .host = attempt->host, .port = port, .flags = attempt->name.literal ? AI_NUMERICHOST : 0};
    attempt->name.end = ask_in_time(&question, attempt->timeout_s);
    attempt->name.ms = wye_probe_since_ms(begun);
    if (attempt->name.end == WYE_END_ERROR) attempt->name.said = "no thread could be started for it";
    if (attempt->name.end != WYE_END_FINE) return NULL;
    if (question.result != 0) {
        attempt->name.end = WYE_END_ERROR;
        attempt->name.said = gai_strerror(question.result);
        attempt->name.unknown = question.result == EAI_NONAME || question.result == EAI_NODATA;
        return NULL;
    }
    for (const struct addrinfo *at = question.found; at; at = at->ai_next) attempt->name.count++;
    return question.found;
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
    int one = 1; /* without it a request behind the last bytes of a TLS handshake waits 40 ms for their acknowledgement */
    if (at->sa_family != AF_UNIX) setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
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

/* Which of several failures says most: that nobody listens, then silence, then that there is no way there. */
static int weight_of(enum wye_end end, int error) {
    if (end == WYE_END_TIMEOUT || error == ETIMEDOUT) return 1;
    return error == ECONNREFUSED || error == ECONNRESET ? 2 : 0;
}

void wye_probe_connect(struct wye_probe_wire *wire, struct wye_attempt *attempt,
                       const struct addrinfo *addresses) {
    typeof(attempt->tcp) told = attempt->tcp;
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
        if (told.end == WYE_END_UNTRIED ||
            weight_of(attempt->tcp.end, attempt->tcp.error) > weight_of(told.end, told.error))
            told = attempt->tcp;
    }
    attempt->tcp = told;
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
