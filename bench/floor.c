/*
 * The floor: a bare io_uring loop that only turns WebSocket frames round. It shows what the kernel alone
 * costs, so that a real server's cost can be given as a ratio. No timeouts, no limits, no policy, and it
 * believes every frame: a yardstick for the loopback.
 *
 * echo: a receive's whole frames, unmasked where they lie, go back in one send. pub: they go to every other
 * connection, one send each. --io epoll does the same work over epoll.
 *
 * Memory given to transmit() must live until flush(). There sends take what the socket takes at once; what
 * it doesn't is copied to the connection and follows when the socket is writable.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <openssl/base64.h>
#include <openssl/sha.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "floor is built with BoringSSL"
#endif

enum {
    CONNS_MAX = 65536,
    COMPLETIONS = 32768,
    BATCH = 256,   /* sends a submit */
    BUFFERS = 256, /* a power of two */
    BUFFER_BYTES = 32768,
    /* Not a power of two, or the first lines of all buffers would fight for the same few cache sets. */
    BUFFER_STRIDE = BUFFER_BYTES + 5 * 64,
    FRAME_MAX = 1 << 30,
};

enum operation { ACCEPT, RECV, SEND, WRITABLE, FORGET };

struct bytes {
    uint8_t *at;
    size_t count, room;
};

struct conn {
    struct bytes stage;   /* received, and not yet a whole frame */
    struct bytes waiting; /* what the socket didn't take */
    size_t frame_bytes;   /* of the staged frame, as far as known */
    unsigned place;       /* in live[] */
    bool open, leaving, receiving, polling, queued;
};

static bool pub, epoll;
static struct conn conns[CONNS_MAX]; /* by direct descriptor; by descriptor with epoll */
static unsigned live[CONNS_MAX], live_count;
static unsigned starved[CONNS_MAX], starved_count; /* those that stopped receiving for want of a buffer */
static int listener, poller;
static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static uint8_t buffers[BUFFERS][BUFFER_STRIDE];
static uint16_t spent[BUFFERS]; /* received into this turn; the kernel gets them back after the flush */
static unsigned spent_count, batch_count;
static struct {
    unsigned id;
    uint8_t *at;
    size_t count;
} batch[BATCH]; /* sends */

static _Noreturn void die(int status, const char *what, int error) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
    exit(status);
}

static void append(struct bytes *to, const uint8_t *from, size_t count, size_t expected) {
    size_t needed = to->count + count > expected ? to->count + count : expected;
    if (needed > to->room) {
        to->room = needed + needed / 2;
        if (!(to->at = realloc(to->at, to->room))) die(1, "memory", errno);
    }
    memmove(to->at + to->count, from, count);
    to->count += count;
}

/* ---- out */

static void submit(unsigned completions) {
    int submitted = io_uring_submit_and_wait(&ring, completions);
    if (submitted < 0 && submitted != -EINTR) die(1, "submit", -submitted);
}

/* The next free request. The caller prepares it; that leaves user_data alone. */
static struct io_uring_sqe *request(enum operation operation, unsigned id) {
    struct io_uring_sqe *sqe;
    while (!(sqe = io_uring_get_sqe(&ring))) submit(0);
    io_uring_sqe_set_data64(sqe, (uint64_t)id << 8 | operation);
    return sqe;
}

static void watch(unsigned id, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.u32 = id};
    if (epoll_ctl(poller, how, (int)id, &event) != 0) die(1, "epoll_ctl", errno);
}

/* A send of the batch took less than all: `result` bytes, or an error. */
static void fell_short(unsigned i, ssize_t result) {
    unsigned id = batch[i].id;
    struct conn *conn = &conns[id];
    size_t sent = result > 0 ? (size_t)result : 0;

    if (result < 0 && result != -EAGAIN) return; /* a dead peer: receiving says so too, and ends it */
    append(&conn->waiting, batch[i].at + sent, batch[i].count - sent, 0);
    if (epoll) {
        watch(id, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    } else {
        struct io_uring_sqe *sqe = request(WRITABLE, id);
        io_uring_prep_poll_add(sqe, (int)id, POLLOUT);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    }
    conn->polling = true;
}

/* Sends the batch, and waits until so many completions are there. */
static void flush(unsigned completions) {
    const int flags = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL;
    unsigned tail = epoll ? 0 : io_uring_smp_load_acquire(ring.cq.ktail), count = batch_count;

    batch_count = 0;
    for (unsigned i = 0; i < count; i++) {
        conns[batch[i].id].queued = false;
        if (epoll) {
            ssize_t sent = send((int)batch[i].id, batch[i].at, batch[i].count, flags);
            if (sent != (ssize_t)batch[i].count) fell_short(i, sent < 0 ? -errno : sent);
            continue;
        }
        struct io_uring_sqe *sqe = request(SEND, i);
        io_uring_prep_send(sqe, (int)batch[i].id, batch[i].at, batch[i].count, flags);
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS);
    }
    if (epoll || (count == 0 && completions == 0)) return;
    /*
     * With DONTWAIT a send is over when submit returns, and with SKIP_SUCCESS only one that fell short has
     * a completion: it lies between the tail before and after. complete() comes past it and ignores it.
     */
    submit(completions);
    for (unsigned end = io_uring_smp_load_acquire(ring.cq.ktail); tail != end; tail++) {
        const struct io_uring_cqe *cqe = &ring.cq.cqes[tail & ring.cq.ring_mask];
        if ((cqe->user_data & 255) == SEND) fell_short((unsigned)(cqe->user_data >> 8), cqe->res);
    }
}

static void transmit(unsigned id, uint8_t *bytes, size_t count) {
    /* Of two sends on one socket the second could overtake the rest of the first. */
    if (conns[id].queued || batch_count == BATCH) flush(0);
    if (conns[id].waiting.count > 0) {
        append(&conns[id].waiting, bytes, count, 0);
        return;
    }
    batch[batch_count].id = id;
    batch[batch_count].at = bytes;
    batch[batch_count++].count = count;
    conns[id].queued = true;
}

static void writable(unsigned id) {
    struct bytes *waiting = &conns[id].waiting;
    size_t count = waiting->count;

    conns[id].polling = false;
    waiting->count = 0;
    transmit(id, waiting->at, count); /* what falls short of it moves to its front */
    flush(0);
    if (epoll && waiting->count == 0) watch(id, EPOLLIN, EPOLL_CTL_MOD);
}

/* ---- connections */

static void receive_more(unsigned id) {
    struct io_uring_sqe *sqe = request(RECV, id);
    io_uring_prep_recv_multishot(sqe, (int)id, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT);
    conns[id].receiving = true;
}

/* No more input from here on; settle() closes when what is under way has ended. */
static void leave(unsigned id) {
    struct conn *conn = &conns[id];
    if (conn->leaving) return;
    conn->leaving = true;
    if (conn->open) {
        live[conn->place] = live[--live_count];
        conns[live[conn->place]].place = conn->place;
    }
    if (conn->receiving) io_uring_prep_cancel64(request(FORGET, 0), (uint64_t)id << 8 | RECV, 0);
}

static void settle(unsigned id) {
    struct conn *conn = &conns[id];
    if (!conn->leaving || conn->receiving) return;
    if (conn->queued) flush(0);
    if (conn->polling) return;
    free(conn->stage.at);
    free(conn->waiting.at);
    *conn = (struct conn){0};
    if (epoll) close((int)id);
    else io_uring_prep_close_direct(request(FORGET, 0), id);
}

/* ---- frames */

/* Bytes of the header without its masking key, and of the whole frame; 0: not all of the header is here. */
static size_t frame_header(const uint8_t *bytes, size_t count, size_t *frame_bytes) {
    *frame_bytes = 0;
    if (count < 6) return 0;
    size_t length = bytes[1] & 127, header = length < 126 ? 2 : length == 126 ? 4 : 10;
    if (count < header + 4) return 0;
    if (header > 2) length = 0;
    for (size_t i = 2; i < header; i++) length = length << 8 | bytes[i];
    *frame_bytes = header + 4 + (length < FRAME_MAX ? length : FRAME_MAX);
    return header;
}

/* `to` is `from` or lies before it. Inlined, it uses what its caller is compiled for. */
static inline __attribute__((always_inline)) void unmask_here(uint8_t *to, const uint8_t *from, size_t count,
                                                              uint32_t key) {
    typedef uint32_t lanes __attribute__((vector_size(32)));
    const uint64_t pair = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (lanes run; i + sizeof run <= count; i += sizeof run) {
        memcpy(&run, from + i, sizeof run);
        run ^= key;
        memcpy(to + i, &run, sizeof run);
    }
    for (uint64_t run; i + sizeof run <= count; i += sizeof run) {
        memcpy(&run, from + i, sizeof run);
        run ^= pair;
        memcpy(to + i, &run, sizeof run);
    }
    for (; i < count; i++) to[i] = from[i] ^ ((uint8_t *)&key)[i & 3];
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static void unmask_wide(uint8_t *to, const uint8_t *from, size_t count,
                                                        uint32_t key) {
    unmask_here(to, from, count, key);
}
#endif

static void unmask(uint8_t *to, const uint8_t *from, size_t count, uint32_t key) {
#ifdef __x86_64__
    if (count >= 256 && __builtin_cpu_supports("avx2")) {
        unmask_wide(to, from, count, key);
        return;
    }
#endif
    unmask_here(to, from, count, key);
}

/*
 * Turns a run of whole data frames, or one control frame, at the front of `bytes` into a server's, in place:
 * *run_bytes, from bytes + 4. The first payload stays where it is and its header moves up to it; the others
 * move down to touch. Returns the bytes used; *frame_bytes: of the frame behind them, 0 if not known yet.
 */
static size_t turn_round(uint8_t *bytes, size_t count, size_t *run_bytes, size_t *frame_bytes) {
    size_t used = 0, to = 4, header;
    uint8_t first = bytes[0];
    uint32_t key;

    while ((header = frame_header(bytes + used, count - used, frame_bytes)) && *frame_bytes <= count - used) {
        if (used > 0 && (first | bytes[used]) & 8) break;
        memcpy(&key, bytes + used + header, sizeof key);
        memmove(bytes + to, bytes + used, header);
        bytes[to + 1] &= 127;
        unmask(bytes + to + header, bytes + used + header + 4, *frame_bytes - header - 4, key);
        to += *frame_bytes - 4;
        used += *frame_bytes;
    }
    *run_bytes = to - 4;
    return used;
}

static void deliver(unsigned id, uint8_t *run, size_t count) {
    uint8_t opcode = run[0] & 15;
    if (opcode == 9) run[0] ^= 9 ^ 10; /* a ping comes back as a pong */
    if (!pub || opcode >= 8) transmit(id, run, count);
    for (unsigned i = 0; pub && opcode < 8 && i < live_count; i++)
        if (live[i] != id) transmit(live[i], run, count);
    if (opcode == 8) leave(id);
}

/* ---- in */

/* Answers the request at the front of `bytes`. Returns the bytes used; 0: it isn't whole. */
static size_t shake_hands(unsigned id, const uint8_t *bytes, size_t count) {
    static const char field[] = "\r\nSec-WebSocket-Key:", guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char format[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n";
    static char answers[BATCH + 1][192]; /* more than are on their way before a flush */
    static unsigned next_answer;
    enum { FIELD_BYTES = sizeof field - 1, KEY_BYTES = 24 };
    uint8_t digest[SHA_DIGEST_LENGTH], text[32];
    char joined[KEY_BYTES + sizeof guid];
    const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4), *at = bytes;

    if (!end) return 0;
    while (end - at > FIELD_BYTES && strncasecmp((const char *)at, field, FIELD_BYTES) != 0) at++;
    for (at += FIELD_BYTES; at < end && *at == ' ';) at++;
    if (end - at < KEY_BYTES) { /* not an upgrade: nothing is served here */
        leave(id);
        return count;
    }
    memcpy(joined, at, KEY_BYTES);
    memcpy(joined + KEY_BYTES, guid, sizeof guid);
    EVP_EncodeBlock(text, SHA1((uint8_t *)joined, sizeof joined - 1, digest), sizeof digest);
    char *answer = answers[next_answer++ % (BATCH + 1)];
    transmit(id, (uint8_t *)answer, (size_t)snprintf(answer, sizeof answers[0], format, text));
    conns[id].open = true;
    conns[id].place = live_count;
    live[live_count++] = id;
    return (size_t)(end + 4 - bytes);
}

/* Returns the bytes used. */
static size_t input(unsigned id, uint8_t *bytes, size_t count) {
    struct conn *conn = &conns[id];
    size_t used = 0, step, run;

    if (!conn->open && (used = shake_hands(id, bytes, count)) == 0) return 0;
    while (used < count && !conn->leaving &&
           (step = turn_round(bytes + used, count - used, &run, &conn->frame_bytes))) {
        deliver(id, bytes + used + 4, run);
        used += step;
    }
    return used;
}

static void received(unsigned id, uint8_t *bytes, size_t count) {
    struct bytes *stage = &conns[id].stage;

    if (stage->count == 0 && !conns[id].leaving) {
        size_t used = input(id, bytes, count);
        bytes += used;
        count -= used;
    }
    if (count == 0 || conns[id].leaving) return;
    append(stage, bytes, count, conns[id].frame_bytes);
    if (stage->count < conns[id].frame_bytes) return;
    size_t used = input(id, stage->at, stage->count);
    if (used > 0) flush(0); /* it may be sending from the stage */
    stage->count -= used;
    memmove(stage->at, stage->at + used, stage->count);
}

/* ---- loops */

static void accept_more(void) {
    io_uring_prep_multishot_accept_direct(request(ACCEPT, 0), listener, NULL, NULL, 0);
}

static void complete(const struct io_uring_cqe *cqe) {
    enum operation operation = cqe->user_data & 255;
    unsigned id = (unsigned)(cqe->user_data >> 8);
    bool more = cqe->flags & IORING_CQE_F_MORE;

    if (operation == ACCEPT) {
        if (cqe->res >= 0) receive_more((unsigned)cqe->res);
        if (!more) accept_more();
        return;
    }
    if (operation == RECV) {
        if (cqe->flags & IORING_CQE_F_BUFFER) {
            unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
            if (cqe->res > 0) received(id, buffers[buffer], (size_t)cqe->res);
            spent[spent_count++] = (uint16_t)buffer;
        }
        conns[id].receiving = more;
        if (!more && cqe->res <= 0 && cqe->res != -ENOBUFS) leave(id);
        if (!more && !conns[id].leaving) starved[starved_count++] = id;
    } else if (operation == WRITABLE) {
        writable(id);
    }
    if (operation == RECV || operation == WRITABLE) settle(id);
}

/* After a flush: nothing is sent from the spent buffers any more. */
static void give_buffers_back(void) {
    for (unsigned i = 0; i < spent_count; i++)
        io_uring_buf_ring_add(buffer_ring, buffers[spent[i]], BUFFER_BYTES, spent[i], BUFFERS - 1, (int)i);
    io_uring_buf_ring_advance(buffer_ring, (int)spent_count);
    spent_count = 0;
}

/* Oldest first, and no more than can find a buffer: all at once come back empty-handed over and over. */
static void feed_starved(void) {
    unsigned count = starved_count < BUFFERS / 2 ? starved_count : BUFFERS / 2;
    for (unsigned i = 0; i < count; i++) receive_more(starved[i]);
    starved_count -= count;
    memmove(starved, starved + count, starved_count * sizeof *starved);
}

static _Noreturn void run_ring(unsigned conns_max) {
    struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                              IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
                                     .cq_entries = COMPLETIONS};
    struct io_uring_buf_reg registration = {.ring_entries = BUFFERS};
    const struct io_uring_cqe *cqe;
    unsigned head;

    int error = io_uring_queue_init_params(2 * BATCH, &ring, &params);
    if (error < 0) die(69, "io_uring (Linux 6.1 or later, and allowed) is needed", -error);
    io_uring_register_ring_fd(&ring);
    if (!(buffer_ring = aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf)))) die(1, "memory", errno);
    registration.ring_addr = (uintptr_t)buffer_ring;
    if ((error = io_uring_register_files_sparse(&ring, conns_max)) < 0 ||
        (error = io_uring_register_buf_ring(&ring, &registration, 0)) < 0)
        die(1, "direct descriptors and buffer ring", -error);
    io_uring_buf_ring_init(buffer_ring);
    for (unsigned i = 0; i < BUFFERS; i++) spent[spent_count++] = (uint16_t)i;

    accept_more();
    for (;;) {
        unsigned count = 0;
        if (starved_count > 0) { /* before waiting: it may be them that are waited for */
            flush(0);
            give_buffers_back();
            feed_starved();
        }
        flush(1);
        give_buffers_back();
        io_uring_for_each_cqe(&ring, head, cqe) {
            complete(cqe);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}

static void ready(unsigned id, uint32_t events) {
    static uint8_t buffer[1 << 19]; /* one for all: each receive is flushed before the next */

    if (events & EPOLLOUT && conns[id].polling) writable(id);
    if (events & ~(uint32_t)EPOLLOUT) {
        ssize_t count = recv((int)id, buffer, sizeof buffer, MSG_DONTWAIT);
        if (count > 0) received(id, buffer, (size_t)count);
        else if (count == 0 || errno != EAGAIN) {
            leave(id);
            conns[id].polling = false;
        }
    }
    flush(0);
    settle(id);
}

static _Noreturn void run_epoll(void) {
    static struct epoll_event events[1024];

    poller = epoll_create1(EPOLL_CLOEXEC);
    watch((unsigned)listener, EPOLLIN | EPOLLET, EPOLL_CTL_ADD); /* edges: out of descriptors, it waits */
    for (;;) {
        int accepted, count = epoll_wait(poller, events, sizeof events / sizeof *events, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.u32 != (unsigned)listener) ready(events[i].data.u32, events[i].events);
            else
                while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                    watch((unsigned)accepted, EPOLLIN, EPOLL_CTL_ADD);
        }
    }
}

/* ---- start */

static _Noreturn void usage(FILE *to, int status) {
    fputs("usage: floor [--port N] [--mode echo|pub] [--io ring|epoll] [--cpu N]\n"
          "A bare loop that only turns WebSocket frames round: it shows what the kernel alone costs.\n"
          "  --port N    on 127.0.0.1; 0, the default, takes a free one and prints it\n"
          "  --mode M    echo: to the sender (default); pub: to every other connection\n"
          "  --io I      ring: io_uring (default); epoll\n"
          "  --cpu N     stay on core N\n",
          to);
    exit(status);
}

static void listen_on(uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (epoll ? SOCK_NONBLOCK : 0), 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what it accepts inherits it */
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        die(1, "listen", errno);
    printf("listening on http://127.0.0.1:%u/\n", ntohs(address.sin_port));
    fflush(stdout);
}

/* Is it the second of two words? Neither: the usage. */
static bool second_of(const char *text, const char *first, const char *second) {
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0) usage(stderr, 64);
    return strcmp(text, second) == 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"mode", required_argument, NULL, 'm'},
        {"io", required_argument, NULL, 'i'},   {"cpu", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    unsigned port = 0;
    struct rlimit limit;
    cpu_set_t cpus;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'p': port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'm': pub = second_of(optarg, "echo", "pub"); break;
        case 'i': epoll = second_of(optarg, "ring", "epoll"); break;
        case 'c':
            CPU_ZERO(&cpus);
            CPU_SET(strtoul(optarg, NULL, 10), &cpus);
            if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) die(1, "--cpu", errno);
            break;
        case 'h': usage(stdout, 0);
        default: usage(stderr, 64);
        }
    }
    if (optind != argc) usage(stderr, 64);

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < CONNS_MAX ? limit.rlim_max : CONNS_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
    listen_on((uint16_t)port);
    if (epoll) run_epoll();
    run_ring((unsigned)limit.rlim_cur);
}
