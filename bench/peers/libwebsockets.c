/*
 * libwebsockets, for comparisons: libwebsockets PORT [tls]. /topic/NAME sends a message to everybody else
 * there, every other path sends it back. Over libuv (epoll) where Debian's libwebsockets-evlib-uv is
 * installed, else over its own poll(). tls: with cert.pem and key.pem beside the program. Its OpenSSL would
 * choose AES-256 from what is offered; it is told to choose AES-128, as the others do.
 */
#include <libwebsockets.h>

#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message on its way, to one or to many. Frames of a server aren't masked, so all send the same bytes. */
struct message {
    size_t users, count;
    enum lws_write_protocol type;
    unsigned char bytes[]; /* LWS_PRE for the header, then the payload */
};

struct topic {
    struct topic *next;
    struct session *first;
    char path[];
};

struct session {
    struct lws *wsi;
    struct topic *topic; /* NULL: it echoes */
    struct session *next, *previous;
    struct message *coming;  /* in fragments */
    struct message **queue;  /* a ring */
    size_t room, from, held; /* of it: places, the oldest, how many */
};

static struct topic *topics;

static void let_go(struct message *message) {
    if (message && --message->users == 0) free(message);
}

static bool enqueue(struct session *session, struct message *message) {
    if (session->held == session->room) {
        size_t room = session->room ? 2 * session->room : 16;
        struct message **queue = malloc(room * sizeof *queue);
        if (!queue) return false;
        for (size_t i = 0; i < session->held; i++)
            queue[i] = session->queue[(session->from + i) % session->room];
        free(session->queue);
        session->queue = queue;
        session->room = room;
        session->from = 0;
    }
    session->queue[(session->from + session->held++) % session->room] = message;
    message->users++;
    lws_callback_on_writable(session->wsi);
    return true;
}

static bool receive(struct session *session, struct lws *wsi, const void *in, size_t count) {
    struct message *message = session->coming;
    size_t before = message ? message->count : 0;
    message = realloc(message, sizeof *message + LWS_PRE + before + count);
    if (!message) return false;
    session->coming = message;
    if (count > 0) memcpy(message->bytes + LWS_PRE + before, in, count);
    message->count = before + count;
    if (!lws_is_final_fragment(wsi)) return true;
    session->coming = NULL;
    message->users = 1;
    message->type = lws_frame_is_binary(wsi) ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    bool good = session->topic || enqueue(session, message);
    for (struct session *other = session->topic ? session->topic->first : NULL; other && good;
         other = other->next)
        if (other != session) good = enqueue(other, message);
    let_go(message);
    return good;
}

/* As much as the socket takes. */
static bool transmit(struct session *session, struct lws *wsi) {
    while (session->held > 0 && !lws_send_pipe_choked(wsi)) {
        struct message *message = session->queue[session->from];
        int sent = lws_write(wsi, message->bytes + LWS_PRE, message->count, message->type);
        session->from = (session->from + 1) % session->room;
        session->held--;
        bool good = sent >= (int)message->count;
        let_go(message);
        if (!good) return false;
    }
    if (session->held > 0) lws_callback_on_writable(wsi);
    return true;
}

static bool join(struct session *session, struct lws *wsi) {
    char path[256];
    session->wsi = wsi;
    if (lws_hdr_copy(wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0 || strncmp(path, "/topic/", 7) != 0)
        return true;
    struct topic *topic = topics;
    while (topic && strcmp(topic->path, path) != 0) topic = topic->next;
    if (!topic) {
        topic = calloc(1, sizeof *topic + strlen(path) + 1);
        if (!topic) return false;
        strcpy(topic->path, path);
        topic->next = topics;
        topics = topic;
    }
    session->topic = topic;
    session->next = topic->first;
    if (topic->first) topic->first->previous = session;
    topic->first = session;
    return true;
}

static void leave(struct session *session) {
    if (session->topic) {
        *(session->previous ? &session->previous->next : &session->topic->first) = session->next;
        if (session->next) session->next->previous = session->previous;
    }
    while (session->held-- > 0) let_go(session->queue[session->from++ % session->room]);
    free(session->queue);
    free(session->coming);
}

static int serve(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t count) {
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED: return join(user, wsi) ? 0 : -1;
    case LWS_CALLBACK_RECEIVE: return receive(user, wsi, in, count) ? 0 : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE: return transmit(user, wsi) ? 0 : -1;
    case LWS_CALLBACK_CLOSED: leave(user); return 0;
    default: return 0;
    }
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {.name = "bench",
         .callback = serve,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 65536},
        {0},
    };
    static char certificate[4096], key[4096];
    if (argc < 2 || argc > 3 || (argc == 3 && strcmp(argv[2], "tls") != 0)) {
        fputs("usage: libwebsockets PORT [tls] | --version\n", stderr);
        return 64;
    }
    bool version = strcmp(argv[1], "--version") == 0, uv = true;
    const char *folder = dirname(argv[0]);
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {.port = version ? CONTEXT_PORT_NO_LISTEN : atoi(argv[1]),
                                             .iface = "lo",
                                             .protocols = protocols,
                                             .pt_serv_buf_size = 65536, /* bounds rx_buffer_size */
                                             .options = LWS_SERVER_OPTION_LIBUV};
    if (argc == 3) {
        snprintf(certificate, sizeof certificate, "%s/cert.pem", folder);
        snprintf(key, sizeof key, "%s/key.pem", folder);
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = certificate;
        info.ssl_private_key_filepath = key;
        info.tls1_3_plus_cipher_list =
            "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    }
    struct lws_context *context = lws_create_context(&info);
    if (!context) {
        uv = false;
        info.options &= ~(uint64_t)LWS_SERVER_OPTION_LIBUV;
        context = lws_create_context(&info);
    }
    if (!context) return 2;
    signal(SIGTERM, SIG_DFL); /* libuv was told to catch it, and lws does nothing about it */
    if (version) printf("libwebsockets %s, %s\n", lws_get_library_version(), uv ? "libuv" : "poll()");
    else printf("listening on %s\n", argv[1]);
    fflush(stdout);
    while (!version && lws_service(context, 0) >= 0) continue;
    lws_context_destroy(context);
    return 0;
}
