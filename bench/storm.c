/*
 * Asks for an upgrade again and again, right or wrong, each time on a connection of its own, and counts the
 * answers: what refusing costs is read beside it, off the server. bench/refusals.py drives it.
 *
 *   storm PORT upgrade|refused|waits [SECONDS] [CONNECTIONS]
 *
 * `refused` leaves out the key and hangs up once it has the whole answer, as most clients do; `waits` lets the
 * server end the connection. Prints "ANSWERS STATUS SECONDS".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 4096, IDLE_MS = 5000 };

#define HEAD "GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

static const char right[] = HEAD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char wrong[] = HEAD "\r\n";

struct peer {
    int socket;
    size_t count;
    char answer[ANSWER_MAX + 1];
};

static struct peer peers[CONNECTIONS_MAX];
static struct sockaddr_in server = {.sin_family = AF_INET};
static const char *request;
static bool waits;
static int poller, status;
static unsigned long answers, opened;

static void fail(const char *what) {
    perror(what);
    exit(2);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Connects from many addresses of loopback in turn, so that ports don't run out. */
static void open_peer(struct peer *peer) {
    const int yes = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002 + (uint32_t)(opened++ % 250))};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    peer->count = 0;
    peer->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (peer->socket < 0) fail("socket");
    setsockopt(peer->socket, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &yes, sizeof yes);
    if (bind(peer->socket, (struct sockaddr *)&from, sizeof from) < 0) fail("bind");
    if (connect(peer->socket, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
    if (send(peer->socket, request, strlen(request), MSG_NOSIGNAL) < 0) fail("send");
    if (epoll_ctl(poller, EPOLL_CTL_ADD, peer->socket, &event) < 0) fail("epoll_ctl");
}

/* Is the answer all there: its head, and what Content-Length announces? */
static bool is_whole(struct peer *peer) {
    peer->answer[peer->count] = '\0';
    const char *end = strstr(peer->answer, "\r\n\r\n");
    if (!end) return false;
    const char *length = strstr(peer->answer, "\r\nContent-Length: ");
    return peer->count >= (size_t)(end + 4 - peer->answer) + (length ? strtoul(length + 18, NULL, 10) : 0);
}

static void read_peer(struct peer *peer) {
    ssize_t count = recv(peer->socket, peer->answer + peer->count, ANSWER_MAX - peer->count, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) fail("recv");
    peer->count += (size_t)count;
    bool whole = is_whole(peer);
    if (count == 0 && !whole) {
        fprintf(stderr, "the connection ended within an answer\n");
        exit(2);
    }
    if (!whole || (waits && count > 0)) return;
    int now = 0;
    if (sscanf(peer->answer, "HTTP/1.1 %d", &now) != 1) fail("answer");
    if (status && now != status) {
        fprintf(stderr, "answers differ: %d, then %d\n", status, now);
        exit(2);
    }
    status = now;
    answers++;
    close(peer->socket);
    open_peer(peer);
}

int main(int argc, char **argv) {
    const char *kind = argc > 2 ? argv[2] : "";
    const double seconds = argc > 3 ? atof(argv[3]) : 1;
    const long connections = argc > 4 ? atol(argv[4]) : 64;
    waits = strcmp(kind, "waits") == 0;
    request = strcmp(kind, "upgrade") == 0 ? right : strcmp(kind, "refused") == 0 || waits ? wrong : NULL;
    if (!request || connections < 1 || connections > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: storm PORT upgrade|refused|waits [SECONDS] [CONNECTIONS, at most %d]\n", CONNECTIONS_MAX);
        return 64;
    }
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(0);
    for (long i = 0; i < connections; i++) open_peer(&peers[i]);
    const double begin = now();
    while (now() - begin < seconds) {
        struct epoll_event events[64];
        int count = epoll_wait(poller, events, 64, IDLE_MS);
        if (count == 0) fprintf(stderr, "no answer for %d s\n", IDLE_MS / 1000), exit(2);
        for (int i = 0; i < count; i++) read_peer(events[i].data.ptr);
    }
    printf("%lu %d %.3f\n", answers, status, now() - begin);
    return 0;
}
