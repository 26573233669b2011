#include "ring/probe_mirror.h"

#include "handshake/attempt.h"
#include "handshake/response.h"
#include "handshake/upgrade.h"
#include "ring/listener.h"
#include "ring/options.h"
#include "ring/probe_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    GUESTS_MAX = 64,                                       /* connections at once; more wait in the backlog */
    BODY_ROOM = WYE_HEAD_MAX + WYE_REFUSAL_TEXT_MAX + 256, /* what arrived, and the verdict */
    ANSWER_ROOM = WYE_RESPONSE_HEAD_MAX + BODY_ROOM,
    DISCARD_MAX = 1 << 20, /* bytes behind the head that are read and thrown away */
};

static const double HEAD_S = 10, LINGER_S = 1; /* for a head to come; for the client to read and close */

struct guest {
    int fd; /* -1: nobody */
    bool answered;
    size_t count, discarded;
    uint64_t deadline_ns;
    size_t answer_count, answer_sent;
    char answer[ANSWER_ROOM];
    uint8_t head[WYE_HEAD_MAX];
};

static volatile sig_atomic_t asked_to_end;

static void on_signal(int number) {
    (void)number;
    asked_to_end = 1;
}

static void let_go(struct guest *guest) {
    close(guest->fd);
    guest->fd = -1;
}

/* What a server would say of it as an upgrade: the node's own rules, for the protocol that it asks for. */
static void add_verdict(struct wye_text *text, const uint8_t *head, size_t count) {
    static struct wye_request request;
    static char verdict[WYE_REFUSAL_TEXT_MAX];
    static const struct wye_policy policy = {0};
    struct wye_upgrade_terms terms = {.token = "websocket", .websocket = true};
    struct wye_upgrade_agreement agreement;
    struct wye_refusal refusal = {0};
    struct wye_request_progress progress = {0};
    char token[65];
    wye_refusal_begin(&refusal, terms.token, "GET");
    ptrdiff_t used = wye_request_read(&request, &refusal, head, count, &progress);
    if (used == 0) {
        wye_text_add_string(text, "\nThe head isn't whole: no empty line came in time.\n");
        return;
    }
    if (used > 0) {
        struct wye_span asked = wye_request_field(&request, WYE_FIELD_UPGRADE);
        if (wye_span_is_token(asked) && asked.count < sizeof token &&
            !wye_span_equal_nocase(asked, WYE_SPAN("websocket"))) {
            memcpy(token, asked.bytes, asked.count);
            token[asked.count] = '\0';
            terms = (struct wye_upgrade_terms){.token = token};
        }
        wye_refusal_begin(&refusal, terms.token, "GET");
        if (wye_upgrade_check(&request, &terms, &policy, &agreement, &refusal) == 101) {
            wye_text_addf(text, "As an upgrade to %s this is right.\n", terms.token);
            return;
        }
    }
    wye_text_addf(text, "%sAs an upgrade to %s a server would refuse it:\n\n", used > 0 ? "" : "\n",
                  terms.token);
    wye_text_add(text, (struct wye_span){verdict, wye_refusal_text(verdict, sizeof verdict, &refusal)});
}

static void say(const struct guest *guest) {
    struct sockaddr_storage at;
    socklen_t bytes = sizeof at;
    char host[64] = "?", port[8] = "?", line[512];
    const uint8_t *cr = memchr(guest->head, '\r', guest->count);
    if (getpeername(guest->fd, (struct sockaddr *)&at, &bytes) == 0)
        getnameinfo((struct sockaddr *)&at, bytes, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    wye_span_escape(
        line, sizeof line,
        (struct wye_span){(const char *)guest->head, cr ? (size_t)(cr - guest->head) : guest->count}, 120);
    printf("%s:%s %s (%zu bytes)\n", host, port, line, guest->count);
    fflush(stdout);
}

static void answer(struct guest *guest) {
    static char body[BODY_ROOM];
    struct wye_text text = {.to = body, .room = sizeof body};
    wye_text_add_string(&text, WYE_MIRROR_FIRST_LINE);
    wye_text_add(&text, (struct wye_span){(const char *)guest->head, guest->count});
    add_verdict(&text, guest->head, guest->count);
    const struct wye_response response = {
        .status = 200,
        .content_type = "text/plain; charset=iso-8859-1",
        .content_bytes = text.count,
        .fields = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n",
        .close = true,
    };
    size_t head = wye_response_write(guest->answer, WYE_RESPONSE_HEAD_MAX, &response);
    bool to_head = guest->count >= 5 && memcmp(guest->head, "HEAD ", 5) == 0;
    if (!to_head) memcpy(guest->answer + head, body, text.count);
    guest->answer_count = head + (to_head ? 0 : text.count);
    guest->answered = true;
    guest->deadline_ns = wye_probe_deadline_ns(LINGER_S);
    say(guest);
}

/* Sends what there is room for; then the writing side is done, and the client may close (RFC 9112 9.6). */
static void flush(struct guest *guest) {
    while (guest->answer_sent < guest->answer_count) {
        ssize_t sent = send(guest->fd, guest->answer + guest->answer_sent,
                            guest->answer_count - guest->answer_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent < 0) {
            let_go(guest);
            return;
        }
        guest->answer_sent += (size_t)sent;
    }
    shutdown(guest->fd, SHUT_WR);
}

/* The end of the head; 0: it isn't there. */
static size_t head_end(const struct guest *guest) {
    const uint8_t *end = memmem(guest->head, guest->count, "\r\n\r\n", 4);
    return end ? (size_t)(end - guest->head) + 4 : 0;
}

static void take(struct guest *guest) {
    uint8_t thrown[4096];
    ssize_t got = guest->answered ? recv(guest->fd, thrown, sizeof thrown, MSG_DONTWAIT)
                                  : recv(guest->fd, guest->head + guest->count,
                                         sizeof guest->head - guest->count, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (guest->answered) {
        guest->discarded += got > 0 ? (size_t)got : 0;
        if (got <= 0 || guest->discarded > DISCARD_MAX) let_go(guest);
        return;
    }
    if (got < 0 || (got == 0 && guest->count == 0)) {
        let_go(guest);
        return;
    }
    guest->count += (size_t)got;
    size_t end = head_end(guest);
    if (end > 0) guest->count = end;
    if (got > 0 && end == 0 && guest->count < sizeof guest->head) return;
    answer(guest);
    flush(guest);
}

static void expire(struct guest *guest) {
    if (guest->answered || guest->count == 0) {
        let_go(guest);
        return;
    }
    answer(guest);
    flush(guest);
}

static void welcome(struct guest *guests, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && i < GUESTS_MAX; i++) {
        if (guests[i].fd >= 0) continue;
        guests[i].fd = fd;
        guests[i].answered = false;
        guests[i].count = guests[i].discarded = guests[i].answer_count = guests[i].answer_sent = 0;
        guests[i].deadline_ns = wye_probe_deadline_ns(HEAD_S);
        return;
    }
    if (fd >= 0) close(fd);
}

/* One round: what is ready, and whose time is over. */
static void turn(struct guest *guests, int listener, const sigset_t *during) {
    struct pollfd wanted[GUESTS_MAX + 1];
    bool full = true;
    uint64_t now = wye_probe_now_ns(), next = now + 3600 * UINT64_C(1000000000);
    for (unsigned i = 0; i < GUESTS_MAX; i++) {
        const struct guest *guest = &guests[i];
        bool sends = guest->answered && guest->answer_sent < guest->answer_count;
        full &= guest->fd >= 0;
        if (guest->fd >= 0 && guest->deadline_ns < next) next = guest->deadline_ns;
        wanted[i] = (struct pollfd){.fd = guest->fd, .events = sends ? POLLOUT : POLLIN};
    }
    wanted[GUESTS_MAX] = (struct pollfd){.fd = full ? -1 : listener, .events = POLLIN};
    uint64_t left = next > now ? next - now : 0;
    struct timespec time = {.tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
    int ready = ppoll(wanted, GUESTS_MAX + 1, &time, during);
    now = wye_probe_now_ns();
    for (unsigned i = 0; i < GUESTS_MAX; i++) {
        if (guests[i].fd < 0) continue;
        if (ready > 0 && wanted[i].revents) {
            if (wanted[i].events == POLLOUT) flush(&guests[i]);
            else take(&guests[i]);
        } else if (now >= guests[i].deadline_ns) {
            expire(&guests[i]);
        }
    }
    if (ready > 0 && wanted[GUESTS_MAX].revents) welcome(guests, listener);
}

int wye_probe_mirror_serve(const char *text) {
    static struct guest guests[GUESTS_MAX];
    struct wye_address address;
    char url[256];
    const char *fault = wye_address_read(&address, text);
    if (fault) {
        fprintf(stderr, "wye-probe: --serve %s: %s\n", text, fault);
        return WYE_EXIT_USAGE;
    }
    int listener = wye_listener_open(&address, true);
    if (listener < 0 || fcntl(listener, F_SETFL, O_NONBLOCK) < 0) {
        char mend[512];
        int trouble = listener < 0 ? listener : -errno;
        wye_listener_mend(mend, sizeof mend, &address, "--serve", trouble);
        fprintf(stderr, "wye-probe: --serve %s: %s%s%s\n", text, strerror(-trouble), *mend ? ". " : "", mend);
        return WYE_EXIT_COULD_NOT_TRY;
    }
    /* Signals come only while it waits, so that none falls between the question and the wait. */
    sigset_t blocked, during;
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, &during);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    for (unsigned i = 0; i < GUESTS_MAX; i++) guests[i].fd = -1;
    wye_address_url(url, sizeof url, &address);
    printf("mirroring at %s\n", url);
    fflush(stdout);
    while (!asked_to_end) turn(guests, listener, &during);
    for (unsigned i = 0; i < GUESTS_MAX; i++)
        if (guests[i].fd >= 0) let_go(&guests[i]);
    close(listener);
    if (wye_address_is_unix(&address)) unlink(address.text + strlen("unix:"));
    return WYE_EXIT_YES;
}
