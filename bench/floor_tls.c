/*
 * The floor under TLS handshakes: a bare BoringSSL loop over epoll that does what a handshake and a 101 need,
 * and nothing else. It shows what TLS and the kernel alone cost, so that a real server's cost can be given as
 * a ratio:
 *
 *   floor_tls PORT CERT KEY
 *   wye-load upgrade wss://127.0.0.1:PORT/ --insecure --full-handshakes --pid ...
 *
 * No time-outs, no limits, and it believes every request. One connection after another is accepted, shaken
 * hands with, answered with a 101 and forgotten when its peer leaves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/base64.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "floor_tls is built with BoringSSL"
#endif

enum { EVENTS = 256, REQUEST_MAX = 4096 };

struct conn {
    SSL *ssl;
    int socket;
    bool up;
    size_t count;
    char request[REQUEST_MAX + 1];
};

static int poller;

static _Noreturn void die(const char *what) {
    perror(what);
    exit(2);
}

static void leave(struct conn *conn) {
    SSL_free(conn->ssl);
    close(conn->socket);
    free(conn);
}

/* The 101 for the key in the request (RFC 6455 4.2.2). */
static bool answer(struct conn *conn) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char joined[24 + sizeof guid], reply[256];
    uint8_t digest[SHA_DIGEST_LENGTH], accept[32];
    const char *key = strcasestr(conn->request, "\r\nSec-WebSocket-Key: ");
    if (!key || strlen(key) < 21 + 24) return false;
    memcpy(joined, key + 21, 24);
    memcpy(joined + 24, guid, sizeof guid - 1);
    SHA1((const uint8_t *)joined, 24 + sizeof guid - 1, digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    int count = snprintf(reply, sizeof reply,
                         "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: %s\r\n\r\n",
                         (const char *)accept);
    return SSL_write(conn->ssl, reply, count) == count;
}

/* Goes on until the socket has no more. false: it is over. */
static bool advance(struct conn *conn) {
    if (!conn->up) {
        int done = SSL_accept(conn->ssl);
        if (done != 1) return SSL_get_error(conn->ssl, done) == SSL_ERROR_WANT_READ;
        conn->up = true;
    }
    for (;;) {
        int count = SSL_read(conn->ssl, conn->request + conn->count, (int)(REQUEST_MAX - conn->count));
        if (count <= 0) return SSL_get_error(conn->ssl, count) == SSL_ERROR_WANT_READ;
        conn->count += (size_t)count;
        conn->request[conn->count] = 0;
        if (!strstr(conn->request, "\r\n\r\n")) continue;
        if (!answer(conn)) return false;
        conn->count = 0;
    }
}

static void accept_all(int listener, SSL_CTX *context) {
    for (int socket_of; (socket_of = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct conn *conn = calloc(1, sizeof *conn);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
        if (!conn || !(conn->ssl = SSL_new(context))) die("memory");
        conn->socket = socket_of;
        SSL_set_fd(conn->ssl, socket_of);
        if (epoll_ctl(poller, EPOLL_CTL_ADD, socket_of, &event) < 0) die("epoll_ctl");
    }
}

static int listen_on(uint16_t port) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (listener < 0) die("socket");
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) die("listen");
    return listener;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: floor_tls PORT CERT KEY\n", stderr);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (!SSL_CTX_use_certificate_chain_file(context, argv[2]) ||
        !SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM)) {
        fputs("floor_tls: the certificate or its key cannot be used\n", stderr);
        return 2;
    }
    int listener = listen_on((uint16_t)atoi(argv[1]));
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], listening = {.events = EPOLLIN};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening) < 0) die("epoll");
    printf("listening on https://127.0.0.1:%s/\n", argv[1]);
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;
            if (!conn) accept_all(listener, context);
            else if (!advance(conn)) leave(conn);
        }
    }
}
