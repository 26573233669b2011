/* The echo server of libwebsockets, for comparisons: echo_lws PORT. A message is sent back when the socket
 * can take it. */
#include <libwebsockets.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    unsigned char *held; /* with LWS_PRE bytes in front */
    size_t count, room;
    bool binary, due;
};

static bool hold(struct session *session, const void *in, size_t count) {
    if (LWS_PRE + session->count + count > session->room) {
        session->room = 2 * (LWS_PRE + session->count + count);
        unsigned char *held = realloc(session->held, session->room);
        if (!held) return false;
        session->held = held;
    }
    if (count > 0) memcpy(session->held + LWS_PRE + session->count, in, count);
    session->count += count;
    return true;
}

static int echo(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t count) {
    struct session *session = user;
    switch (reason) {
    case LWS_CALLBACK_RECEIVE:
        if (lws_is_first_fragment(wsi)) session->count = 0;
        if (!hold(session, in, count)) return -1;
        if (!lws_is_final_fragment(wsi)) return 0;
        session->binary = lws_frame_is_binary(wsi) != 0;
        session->due = true;
        lws_rx_flow_control(wsi, 0);
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        if (!session->due) return 0;
        session->due = false;
        lws_write(wsi, session->held + LWS_PRE, session->count,
                  session->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
        lws_rx_flow_control(wsi, 1);
        return 0;
    case LWS_CALLBACK_CLOSED: free(session->held); return 0;
    default: return 0;
    }
}

int main(int argc, char **argv) {
    static const struct lws_protocols protocols[] = {
        {.name = "echo",
         .callback = echo,
         .per_session_data_size = sizeof(struct session),
         .rx_buffer_size = 65536},
        {0},
    };
    if (argc != 2) {
        fputs("usage: echo_lws PORT\n", stderr);
        return 64;
    }
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {.port = atoi(argv[1]), .iface = "lo", .protocols = protocols};
    struct lws_context *context = lws_create_context(&info);
    if (!context) return 2;
    puts("listening");
    fflush(stdout);
    while (lws_service(context, 0) >= 0) continue;
    lws_context_destroy(context);
    return 0;
}
