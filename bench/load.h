/*
 * wye-load: what its files share. The main thread plans and reports; workers turn a loop each and drive the
 * connections whose number modulo the count of workers is theirs.
 */
#ifndef WYE_BENCH_LOAD_H
#define WYE_BENCH_LOAD_H

#include "bench/histogram.h"
#include "core/codec.h"
#include "frames/deflate.h"
#include "frames/message.h"
#include "handshake/client.h"
#include "ring/loop.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

enum {
    WYE_EXIT_RIGHT = 0,
    WYE_EXIT_WRONG = 1,
    WYE_EXIT_COULD_NOT = 2,
    WYE_EXIT_USAGE = 64,
    WYE_EXIT_NO_RING = 69,
    LOAD_THREADS_MAX = WYE_LOOPS_MAX,
    LOAD_GROUPS_MAX = 32,
    LOAD_TLS_ROOM = 160, /* a version and a cipher, or a few of them */
    LOAD_SAMPLES_MAX = 86400,
    LOAD_SPARES_MAX = 64,
    LOAD_SHOWN_MAX = 2400,
    /* The machine's memory moves by itself: what grew by less tells nothing. A process's RSS is its own. */
    LOAD_SLAB_NOISE_BYTES = 1 << 20,
    LOAD_MEMORY_NOISE_BYTES = 8 << 20,
};

/* ---- what is asked for (load_options.c, load_url.c) ---- */

/* The first three have traffic, in the open loop or the closed one. */
enum load_scenario { LOAD_ECHO, LOAD_PUBLISH, LOAD_FANOUT, LOAD_UPGRADE, LOAD_IDLE };

enum load_payload { LOAD_PAYLOAD_UNSAID, LOAD_RANDOM, LOAD_RECORDS };

struct load_target {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } at;
    socklen_t at_bytes;
    bool tls;        /* wss:// or https:// */
    bool http;       /* http:// or https:// */
    char name[256];  /* the host without its port: whom the certificate is to be for */
    char host[300];  /* value of the Host field */
    char path[2048]; /* request target; {topic} stands for a topic's number */
};

struct load_options {
    enum load_scenario scenario;
    const char *scenario_name, *url;
    char shown_url[LOAD_SHOWN_MAX]; /* the same, to be printed: without the token in it */
    struct load_target target;
    const char *publish_path; /* what publishers ask for; NULL: the URL's */
    uint32_t subscribers; /* as asked for; UINT32_MAX: not said */
    uint32_t connections, publishers, topics,
        depth; /* connections: subscribers, for fanout and publish, whose publishers speak HTTP; depth 0: not given */
    int64_t receivers; /* that every publish must have; < 0: not said */
    size_t size;
    enum load_payload payload;
    bool text, clean, quiet;
    double seconds, warmup, settle, stall, rate; /* rate 0: closed loop */
    unsigned threads, inflight;
    char fields[8192];                    /* extra request fields, each ended by CRLF */
    char extensions[160];                 /* what is offered: permessage-deflate; "": nothing */
    struct wye_deflate_agreement offered; /* the same, as wye_deflate_accept_answer() wants it */
    const char *subprotocols, *subscribe_message, *publish_template, *deliver_template;
    uint32_t skip;                       /* messages that a subscriber, or a caller, discards first */
    uint32_t source_first, source_count; /* IPv4, host order; count 0: none given */
    int pid, cpu;
    const char *json, *hgrm;
    const char *ca; /* NULL: the system's */
    bool insecure, full_handshakes;
    struct wye_tls_context *tls; /* what wss:// is called with */
};

/* -1: go on; otherwise the exit status. */
int wye_load_options_read(struct load_options *options, int argc, char **argv);

/* Opens what wss:// is called with. -1: go on; otherwise the exit status, told. */
int wye_load_tls_open(struct load_options *options);

/* Reads ws://HOST[:PORT][/PATH], wss://, http:// and https:// likewise, or unix:PATH[:/PATH], and looks the host up. -1, or the exit status, told. */
int wye_load_url_read(struct load_target *target, const char *url);

/* Copies `from` with every {topic} replaced by the number. The caller's; NULL: no memory. */
char *wye_load_fill_in(const char *from, uint32_t topic);

/* ---- messages (load_messages.c) ---- */

/* What one sender sends, made ahead: `variants` messages, sent one after the other again and again. */
struct load_messages {
    uint32_t variants; /* a power of two */
    uint8_t opcode;
    size_t frame_bytes, answer_bytes, payload_bytes,
        header_bytes; /* answers: payload and header of a server's frame */
    uint8_t *frames;  /* masked; all twice over, so that any run of up to `variants` is one piece */
    uint8_t *answers; /* as the server should send them */
    size_t id_at;     /* where in an answer's payload its number stands */
    /* For compression: payloads as sent, and their compressed frames by window bits, made when first agreed
     * to. */
    uint8_t *payloads;
    size_t sent_bytes; /* of a payload sent; with a template it is another than payload_bytes */
    struct load_ahead **ahead;
    uint64_t seed;
    uint8_t id_bytes; /* 0 to 2, and 2 more that name the publisher when there are several */
    bool names_publisher;
};

/* One table a sender of fanout, one for all of echo. 0, or -ENOMEM. */
int wye_load_messages_make(struct load_messages *messages, const struct load_options *options,
                           uint32_t sender, uint64_t seed);

void wye_load_messages_free(struct load_messages *messages);

/* At most so many messages of a sender are under way. */
uint32_t wye_load_limit(const struct load_options *options);

/* Reads the number (and publisher) of a message. false: not one of ours. */
bool wye_load_id_read(const struct load_messages *messages, const uint8_t *id, uint32_t *variant,
                      uint32_t *publisher);

/* ---- order (load_stream.c) ---- */

/* Where a sequence of numbered messages stands: all before `next` have come; bit i of `ahead`: next + i has,
 * too. */
struct load_stream {
    uint32_t next;
    uint64_t ahead;
};

enum load_order { LOAD_IN_ORDER, LOAD_LATE, LOAD_DUPLICATE };

/* How far beyond `next` a message may be before the first ones are given up: not so far that it looks like an
 * old one. */
static inline uint32_t wye_load_stream_window(uint32_t variants) {
    return variants >= 128 ? 64 : variants >= 2 ? variants / 2 : 1;
}

/*
 * Takes a message whose number is `variant` modulo `variants`. *sequence is its whole number, *lost how many
 * are given up now because what came is too far ahead of them. LOAD_LATE: others that were sent after it came
 * before it.
 */
enum load_order wye_load_stream_take(struct load_stream *stream, uint32_t variant, uint32_t variants,
                                     uint32_t *sequence, uint32_t *lost);

/* How many have come beyond `next`. */
static inline uint32_t wye_load_stream_ahead(const struct load_stream *stream) {
    return (uint32_t)__builtin_popcountll(stream->ahead);
}

/* ---- counting ---- */

/* name, what it says. Stable: the names of the JSON report. */
#define LOAD_COUNTS(row)                                                                                     \
    row(messages, "messages received, right in every byte (upgrades, for upgrade)")                          \
        row(sent, "messages sent") row(settled, "messages sent and answered, or given up") row(              \
            opened, "connections that switched") row(handshakes_failed, "connections that did not")          \
            row(refused_connects, "of those, the ones that no connection could be made for") row(            \
                lost, "messages that never came back") row(duplicated, "messages that came more than once")  \
                row(reordered, "messages that came behind later ones") row(corrupted,                        \
                                                                           "messages with wrong bytes")      \
                    row(wrong_length, "messages that were too short or too long") row(                       \
                        wrong_type, "messages with another opcode than was sent")                            \
                        row(unexpected, "messages that nobody sent") row(                                    \
                            broken_frames, "connections that broke the rules of frames (RFC 6455)")          \
                            row(dropped, "connections that the server ended") row(                           \
                                bad_closes,                                                                  \
                                "closing handshakes that were not answered by one (upgrade --close clean)")  \
                                row(pings, "pings answered") row(ended, "connections that are no more") row( \
                                    bytes_sent, "bytes of the messages' frames sent")                        \
                                    row(bytes_received, "bytes received after the handshakes") row(          \
                                        deflate_agreed, "connections that agreed to compression")            \
                                        row(deflated, "messages that came compressed") row(                  \
                                            deflate_sent_bytes,                                              \
                                            "payload bytes sent where compression was agreed")               \
                                            row(deflate_sent_plain_bytes, "the same, before compression")    \
                                                row(deflate_received_bytes,                                  \
                                                    "payload bytes of messages that came compressed")        \
                                                    row(deflate_received_plain_bytes, "the same, inflated") \
    row(came_back, "fanout: messages that came to their publishers")                                        \
    row(deliveries, "publish: messages that subscribers got, right in every byte")                          \
    row(receivers, "publish: receivers, summed over all answers")                                           \
    row(untold, "publish: 2xx answers that told no receivers, and needn't")                                 \
    row(not_published, "publish: answers of another status than 2xx")                                       \
    row(wrong_receivers, "publish: answers whose count of receivers was wrong, or wasn't there")

struct load_counts {
#define LOAD_COUNT_MEMBER(name, help) _Atomic uint64_t name;
    LOAD_COUNTS(LOAD_COUNT_MEMBER)
#undef LOAD_COUNT_MEMBER
};

/* The same failures, told once. */
struct load_group {
    char text[160];
    uint64_t count;
};

struct load_worker;
struct load_run;
struct load_conn;

/* ---- compression (load_deflate.c) ---- */

/* A sender's frames, each compressed afresh. */
struct load_ahead {
    uint8_t *frames; /* masked; all twice over */
    size_t at[];     /* where each begins, and where the last one ends */
};

/* A connection whose server agreed to permessage-deflate. */
struct load_codec {
    struct wye_deflate_agreement agreement;
    const struct load_ahead *ahead; /* no context of ours outlives a message */
    struct wye_deflater *deflater;  /* it does. Both NULL: what it sends is plain */
    struct wye_inflater
        *inflater;           /* of the message that is arriving; with a context of the server's, of all */
    uint64_t deflated_bytes; /* of the message that is arriving */
    bool broken;             /* what is arriving is no deflate stream */
};

/* An answer that came compressed and was right. count 0: none has. */
struct load_learned {
    uint8_t *bytes; /* the whole frame */
    size_t count, payload_bytes;
};

/* Inflators that no message needs now. */
struct load_spares {
    struct wye_inflater *inflaters[LOAD_SPARES_MAX];
    unsigned count;
};

/* Reads what --deflate=PARAMETERS offers. false: it may not be offered. */
bool wye_load_deflate_read(struct load_options *options, const char *parameters);
/* Judges the answer; server_bits 0: no compression. false: it may not be, and answer->seen says what. */
bool wye_load_deflate_agree(struct wye_deflate_agreement *agreement, const struct load_options *options,
                            struct wye_client_answer *answer);
/* messages NULL: it sends none. NULL: no memory. */
struct load_codec *wye_load_codec_open(struct load_worker *worker, const struct load_messages *messages,
                                       const struct wye_deflate_agreement *agreement);
void wye_load_codec_shut(struct load_codec *codec);
/* The table for a window; NULL: no memory. Any thread. */
const struct load_ahead *wye_load_deflate_ahead(struct load_run *run, const struct load_messages *messages,
                                                unsigned bits);
/* Queues the next `count` messages, made ahead, or compressed now (false: no memory). */
void wye_load_send_ahead(struct load_conn *lc, uint32_t count);
bool wye_load_send_deflated(struct load_conn *lc, uint32_t count);
/* A compressed message begins (false: no memory), and has ended. */
bool wye_load_inflate_begin(struct load_conn *lc);
void wye_load_inflate_end(struct load_conn *lc);
/* The message that has just ended was right and came as this one frame. */
void wye_load_learn(struct load_conn *lc, const uint8_t *frame, size_t count);
/* Is it a frame that was learned, and waited for? Returns its bytes, and for a subscriber whose it is. 0: no.
 */
size_t wye_load_recall(struct load_conn *lc, uint32_t *publisher, const uint8_t *bytes, size_t count);
void wye_load_deflate_worker_shut(struct load_worker *worker);

/* ---- connections (load_client.c) ---- */

enum load_role { LOAD_CALLER, LOAD_SUBSCRIBER, LOAD_PUBLISHER };
enum load_state { LOAD_NEW, LOAD_DIALLING, LOAD_SHAKING, LOAD_OPEN, LOAD_CLOSING, LOAD_ENDED };

struct load_conn {
    struct wye_conn *conn; /* from SHAKING to CLOSING */
    struct load_worker *worker;
    const struct load_messages
        *messages;               /* that it sends; a subscriber: those of its topic's first publisher */
    uint64_t *sent_at;           /* closed loop: by sequence modulo the limit's power of two */
    struct load_stream *streams; /* one a sender */
    struct load_stream stream;   /* the usual case */
    uint64_t began_ns;           /* dialled, or was planned to be */
    uint32_t number;             /* among all connections of its role */
    uint32_t topic;
    uint32_t first, sent, due, settled; /* sequence numbers; due: planned so far (open loop) */
    uint32_t seen;                      /* bytes of the answer's head that were looked at */
    uint32_t skip;                      /* messages still to be discarded */
    uint8_t role, state;
    char key[WYE_KEY_BYTES];
    /* The message that is arriving, when it did not come as one whole frame. */
    struct wye_message message;
    uint64_t frame_left, at; /* payload bytes of the frame to come; of the message taken */
    uint32_t variant, publisher;
    bool part; /* what came last is part of a frame's header, or of an answer */
    bool in_frame, in_message, fin, known, wrong_bytes, wrong_type, deflated, right;
    uint8_t id[4];
    struct load_codec *codec; /* NULL: no compression was agreed to */
};

extern const struct wye_protocol wye_load_protocol;

/* A dial has connected: asks to switch. */
void wye_load_client_start(struct load_conn *lc, struct wye_conn *conn);
/* Sends what may be sent now. */
void wye_load_client_pump(struct load_conn *lc, uint64_t now_ns);
/* Says goodbye. */
void wye_load_client_close(struct load_conn *lc);
/* Takes a message apart: frames that are not one whole right answer (load_frames.c). Bytes used, 0, or a
 * reason. */
ptrdiff_t wye_load_frames_read(struct load_conn *lc, uint8_t *bytes, size_t count, uint64_t now_ns);
/* A right message has come, or one that stands for it. */
void wye_load_client_take(struct load_conn *lc, uint32_t publisher, uint32_t variant, bool right,
                          uint64_t now_ns);
/* A masked control frame. */
void wye_load_client_control(struct load_conn *lc, uint8_t opcode, const uint8_t *payload, size_t count);
/* Counts a failure under a text. Returns what it is counted in. */
__attribute__((format(printf, 2, 3))) struct load_group *wye_load_group(struct load_worker *worker, const char *format, ...);

/* ---- publishing by HTTP (load_http.c) ---- */

/* The head of a POST to a topic. Its length; 0: it is too long. */
size_t wye_load_post_head(char *to, size_t room, const struct load_options *options, uint32_t topic);

/* Answers to publishes. Bytes used, 0, or a reason. */
ptrdiff_t wye_load_answers_read(struct load_conn *lc, const uint8_t *bytes, size_t count, uint64_t now_ns);

/* An answer that was right: those that are the same bytes are, too. */
struct load_said {
    uint8_t bytes[512];
    size_t count; /* 0: none yet */
    uint32_t receivers, expected;
    bool told;    /* it told its receivers */
    bool tells;   /* some answer has: all must */
};

/* Does it have a topic's subscribers and its publishers, apart? */
static inline bool wye_load_has_topics(const struct load_options *options) {
    return options->scenario == LOAD_FANOUT || options->scenario == LOAD_PUBLISH;
}

/* Does it publish by HTTP? */
static inline bool wye_load_is_poster(const struct load_options *options, enum load_role role) {
    return role == LOAD_PUBLISHER && options->scenario == LOAD_PUBLISH;
}

/* Does it wait for answers to what it sends itself? */
static inline bool wye_load_is_asker(const struct load_options *options, enum load_role role) {
    return role == LOAD_CALLER || wye_load_is_poster(options, role);
}

/* What its messages are called. */
static inline const char *wye_load_noun(const struct load_options *options) {
    static const char *const nouns[] = {
        [LOAD_ECHO] = "messages", [LOAD_PUBLISH] = "publishes", [LOAD_FANOUT] = "deliveries", [LOAD_UPGRADE] = "upgrades", [LOAD_IDLE] = "messages"};
    return nouns[options->scenario];
}

/* Notes how long it took until the answer to a message (or a delivery of it) came. */
void wye_load_client_record(struct load_conn *lc, uint32_t publisher, uint32_t sequence, uint64_t now_ns);

/* ---- fan-out (load_fanout.c) ---- */

/* A publisher's publications under way, followed by all workers. */
struct load_publisher {
    struct load_messages messages;
    bool borrows; /* the messages are another one's of the topic */
    uint32_t topic;
    uint32_t heard_by; /* workers that have subscribers of the topic */
    unsigned worker;
    _Atomic uint32_t *remaining; /* by variant: workers whose subscribers haven't all got it */
    _Atomic uint64_t *sent_at;
    _Atomic uint32_t credits; /* publications that have reached everybody, not yet noticed */
};

int wye_load_fanout_open(struct load_run *run);
void wye_load_fanout_published(struct load_publisher *publisher, uint32_t sequence, uint64_t now_ns);
/* A subscriber of this worker got (or never will get) a publication. */
void wye_load_fanout_delivered(struct load_worker *worker, uint32_t publisher, uint32_t sequence);
/* Publishers of this worker go on; other workers are woken. */
void wye_load_fanout_turn(struct load_worker *worker, uint64_t now_ns);

/* ---- workers (load_worker.c) ---- */

enum load_phase {
    LOAD_WAITING,
    LOAD_OPENING,
    LOAD_JOINING,
    LOAD_SETTLING,
    LOAD_RUNNING,
    LOAD_DRAINING,
    LOAD_ENDING,
    LOAD_OVER
};

struct load_worker {
    struct load_run *run;
    unsigned number;
    pthread_t thread;
    _Atomic int tid;
    struct load_conn *conns;
    uint32_t conn_count, publishers_at; /* conns[publishers_at ...] are publishers */
    uint32_t next_dial, shaking;        /* next to be dialled; dials and handshakes under way */
    uint32_t *idle, idle_count;         /* upgrade: slots that may dial */
    uint64_t cursor;                    /* open loop: messages (upgrade: attempts) planned so far */
    uint64_t dice;
    bool started, ending;
    uint32_t *done, *topic_subscribers; /* fan-out; see load_fanout.c */
    uint64_t wake_workers;
    struct wye_histogram *latency, *lag;
    struct load_counts counts;
    struct load_group groups[LOAD_GROUPS_MAX];
    unsigned group_count;
    int trouble;                     /* -errno of a loop that could not be opened */
    struct wye_client_answer answer; /* scratch */
    struct load_said said;
    char tls[LOAD_TLS_ROOM];         /* what its handshakes agreed on; "": none with TLS was done */
    uint8_t inflated[16384];         /* scratch */
    struct load_learned *learned;    /* by sender and message; NULL: nothing was learned */
    size_t learned_count;
    uint8_t learned_bits;                                /* of the server's window, where it was learned */
    struct load_spares spares[WYE_DEFLATE_BITS_MAX + 1]; /* by window bits */
    struct wye_loop loop;
};

int wye_load_worker_open(struct load_worker *worker, struct load_run *run, unsigned number);
void *wye_load_worker_main(void *worker);
void wye_load_worker_shut(struct load_worker *worker);
uint64_t wye_load_random(struct load_worker *worker);
/* A connection has ended, one way or the other. */
void wye_load_worker_ended(struct load_worker *worker, struct load_conn *lc);

/* When message `k` of sender `number` of `all` is planned. */
uint64_t wye_load_planned(const struct load_run *run, uint64_t k, uint32_t number, uint32_t all);

/* ---- what handshakes agreed on (load_tls.c) ---- */

/* Notes what the connection's handshake, which is done, agreed on; one without TLS agreed on nothing. */
void wye_load_tls_note(const struct load_conn *lc);
/* Adds to `all` what isn't in it yet. */
void wye_load_tls_gather(char all[LOAD_TLS_ROOM], const char *agreed);

/* ---- the run (load_run.c) ---- */

/* CPU time and memory at one moment (load_usage.c). */
struct load_usage {
    uint64_t at_ns;
    double own;                       /* seconds, of this process */
    double threads[LOAD_THREADS_MAX]; /* of it, each worker */
    double waits[LOAD_THREADS_MAX];   /* that it was ready to run and had no CPU */
    double server, server_user, server_sys, ksoftirqd;
    double core_busy, core_soft, core_steal; /* of the server's core */
    uint64_t rss_bytes, slab_bytes, available_bytes;
    uint64_t turns, enters; /* of all workers' loops */
};

/* One second of a run, or what was left of the warm-up. */
struct load_sample {
    double at_s, per_s, p50_us, p99_us, max_us;
    uint64_t answers; /* that the latencies are of; 0: there are none */
    bool warming;     /* it lies before the measured time, of whose messages alone latencies are kept */
};

struct load_run {
    const struct load_options *options;
    struct wye_abilities abilities;
    struct wye_node node;
    unsigned worker_count;
    struct load_worker *workers;
    struct load_messages messages; /* of echo */
    pthread_mutex_t ahead_lock;    /* of all messages' tables of compressed frames */
    struct load_publisher *publishers;
    struct sockaddr_in *sources;
    char **requests; /* by topic; the publishers' behind them; the key stands at key_at[] */
    size_t *request_bytes, *key_at;
    uint32_t request_count;
    uint32_t limit; /* messages of a sender under way */
    uint32_t sent_at_mask;
    uint64_t grid_ns; /* open loop, high rates: planned times are multiples of it; 0: they are as they fall */
    _Atomic int phase;                            /* enum load_phase */
    _Atomic uint64_t start_ns, from_ns, until_ns; /* set before RUNNING; until may come earlier */
    pthread_barrier_t ready;

    /* The main thread's. */
    uint64_t opened_ns, began_ns;
    struct load_usage before, opened, from, until, after;
    struct load_counts counted_from, counted_until;
    struct load_sample *samples;
    uint32_t sample_count;
    bool interrupted, stalled;
    /* The workers read these, from ENDING on. waited: a storm has waited for --stall, so that a handshake
     * without an answer has failed. */
    bool could_not, waited;
    struct load_counts total;
    char tls[LOAD_TLS_ROOM]; /* of all workers */
    struct wye_histogram *latency, *lag, *earlier;
    struct load_group groups[LOAD_GROUPS_MAX];
    unsigned group_count;
};

/* By how much a count grew in the measured time. */
#define LOAD_MEASURED(run, name)                                                                             \
    (wye_counted(&(run)->counted_until.name) - wye_counted(&(run)->counted_from.name))

int wye_load_run(const struct load_options *options, const struct wye_abilities *abilities);
void wye_load_sum(const struct load_run *run, struct load_counts *sum);
void wye_load_usage_read(const struct load_run *run, struct load_usage *usage);

/* How long a goodbye may stay unanswered: of an idle crowd as long as anything else, since it's the only sign of life. */
static inline uint64_t wye_load_goodbye_ns(const struct load_options *options) {
    return options->scenario == LOAD_IDLE ? (uint64_t)(options->stall * 1e9) : UINT64_C(2000000000);
}

/* CPU time of a process in seconds, its threads that have ended included; < 0: there is no such process. */
double wye_load_process_cpu(int pid);

/* ---- display and report (load_display.c, load_report.c, load_json.c) ---- */

/* Shows how it stands; called often. */
void wye_load_display(const struct load_run *run, enum load_phase phase, uint64_t now_ns);
/* The display goes away. */
void wye_load_display_end(void);
void wye_load_display_sample(const struct load_run *run, const struct load_sample *sample);
/* "warming up" or "measuring", which the display and the report call a second of the run. */
static inline const char *wye_load_sample_phase(bool warming) { return warming ? "warming up" : "measuring"; }

/* The part of the measured time that some worker was ready to run and had no CPU. */
double wye_load_held_up(const struct load_run *run);
/* Was everything right? */
bool wye_load_is_right(const struct load_run *run);
/* What compression left of the bytes; 1: there were none. */
double wye_load_ratio(uint64_t wire_bytes, uint64_t plain_bytes);
/* Why the numbers are doubtful; NULL: they are not. */
const char *wye_load_doubt(const struct load_run *run);
/* What the one who called it may have meant otherwise, a question or an advice; NULL: nothing. */
const char *wye_load_hint(const struct load_run *run);
/* What one connection took of a memory that grew; NAN: it shrank, or grew by less than the noise. */
double wye_load_grown(uint64_t before, uint64_t now, uint64_t noise_bytes, double connections);
void wye_load_report(const struct load_run *run);
/* 0, or -errno. */
int wye_load_json_write(const struct load_run *run);

#endif
