#include "core/replay.h"

#include "core/history.h"
#include "core/hub.h"
#include "core/topic.h"
#include "core/websocket.h"
#include "frames/frame.h"

#include <stdlib.h>

enum { MESSAGE_COST = 512 }; /* of compressing a message however short, in bytes of one */

/* A topic's messages, going back from the newest. */
struct cursor {
    struct wye_parcel *at;
    uint32_t left; /* that may still be taken, this one included */
};

/* What is found under history's lock. */
struct search {
    uint64_t bit; /* of the hub */
    uint32_t last;
    struct cursor *cursors; /* a heap: the newest message first */
    size_t cursor_count, cursor_capacity;
    struct wye_parcel **found; /* newest first, a reference each */
    size_t found_count, found_capacity;
    size_t bytes; /* of their frames */
    bool cut;     /* there was more than fits */
    bool failed;  /* no memory */
};

/* Room for one more element of an array. */
static bool reserve(void **array, size_t count, size_t *capacity, size_t size) {
    if (count < *capacity) return true;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (!grown) return false;
    *array = grown;
    *capacity = more;
    return true;
}

/* ---- topics ---- */

/* The message itself or the next older one that has passed the hub; NULL: none. */
static struct wye_parcel *passed(const struct search *search, struct wye_parcel *parcel) {
    while (parcel && !(atomic_load_explicit(&parcel->passed, memory_order_relaxed) & search->bit)) parcel = parcel->older;
    return parcel;
}

static void sift_down(struct search *search, size_t at) {
    struct cursor *heap = search->cursors, moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < search->cursor_count; at = child) {
        if (child + 1 < search->cursor_count && heap[child + 1].at->number > heap[child].at->number) child++;
        if (heap[child].at->number <= moved.at->number) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Notes a topic, once. */
static void add_topic(struct search *search, const struct wye_history *history, struct wye_kept *kept) {
    if (kept->mark == history->marks) return;
    kept->mark = history->marks;
    struct wye_parcel *newest = passed(search, kept->newest);
    if (!newest) return;
    if (!reserve((void **)&search->cursors, search->cursor_count, &search->cursor_capacity, sizeof search->cursors[0])) {
        search->failed = true;
        return;
    }
    search->cursors[search->cursor_count++] = (struct cursor){newest, search->last};
}

/* Does one of the connection's patterns match? *looks are used up by asking. */
static bool is_matched(const struct wye_conn *conn, const struct wye_kept *kept, uint32_t *looks) {
    const struct wye_span name = {kept->name, kept->name_bytes};
    for (const struct wye_subscription *at = conn->subscriptions; at && *looks > 0; at = at->next) {
        const struct wye_subject *subject = at->topic->subject;
        if (!subject->pattern) continue;
        --*looks;
        if (wye_pattern_matches((struct wye_span){subject->name, subject->name_bytes}, name)) return true;
    }
    return false;
}

static void find_topics(struct search *search, struct wye_history *history, const struct wye_conn *conn) {
    bool patterns = false;
    history->marks++;
    for (const struct wye_subscription *at = conn->subscriptions; at; at = at->next) {
        const struct wye_subject *subject = at->topic->subject;
        patterns |= subject->pattern;
        struct wye_kept *kept =
            subject->pattern ? NULL : wye_history_find(history, (struct wye_span){subject->name, subject->name_bytes});
        if (kept) add_topic(search, history, kept);
    }
    uint32_t looks = WYE_REPLAY_LOOKS_MAX;
    struct wye_kept *kept = patterns ? history->busiest : NULL;
    for (; kept && looks > 0; kept = kept->idler) {
        if (is_matched(conn, kept, &looks)) add_topic(search, history, kept);
    }
    search->cut |= kept != NULL;
    for (size_t i = search->cursor_count / 2; i-- > 0;) sift_down(search, i);
}

/* ---- messages ---- */

/* Takes the newest messages of all topics found, as many as fit. */
static void take_messages(struct search *search, size_t room) {
    while (search->cursor_count > 0 && !search->failed) {
        struct cursor *newest = &search->cursors[0];
        struct wye_parcel *parcel = newest->at;
        size_t bytes = wye_frame_header_bytes(parcel->payload_bytes, false) + parcel->payload_bytes;
        if (search->found_count == WYE_HISTORY_MESSAGES_MAX || bytes > room - search->bytes) {
            search->cut = true;
            return;
        }
        if (!reserve((void **)&search->found, search->found_count, &search->found_capacity, sizeof search->found[0])) {
            search->failed = true;
            return;
        }
        wye_parcel_hold(parcel);
        search->found[search->found_count++] = parcel;
        search->bytes += bytes;
        newest->at = --newest->left ? passed(search, parcel->older) : NULL;
        if (!newest->at) *newest = search->cursors[--search->cursor_count];
        if (search->cursor_count > 0) sift_down(search, 0);
    }
}

/* Sends one; *deflate is what may still be compressed. */
static void send(struct wye_conn *conn, struct wye_parcel *parcel, size_t *deflate) {
    uint8_t *payload = parcel->bytes + parcel->name_bytes;
    size_t count = parcel->payload_bytes;
    if (count + MESSAGE_COST > *deflate) {
        wye_websocket_send_piece(conn, parcel->opcode, payload, count, true);
        return;
    }
    *deflate -= count + MESSAGE_COST;
    wye_websocket_send(conn, parcel->opcode, payload, count);
}

int wye_replay(struct wye_conn *conn, uint32_t last) {
    struct wye_hub *hub = conn->hub;
    struct wye_history *history = &hub->node->history;
    struct search search = {.bit = UINT64_C(1) << hub->number, .last = last};
    pthread_mutex_lock(&history->lock);
    find_topics(&search, history, conn);
    take_messages(&search, hub->settings->outbox_bytes / 2);
    pthread_mutex_unlock(&history->lock);
    free(search.cursors);
    bool sends = !search.failed && wye_hub_has_memory(hub, search.bytes);
    size_t deflate = WYE_REPLAY_DEFLATE_BYTES;
    for (size_t i = search.found_count; i-- > 0;) {
        if (sends) send(conn, search.found[i], &deflate);
        wye_parcel_release(search.found[i]);
    }
    free(search.found);
    if (!sends) {
        hub->fault = "this node has no memory left for a replay (see --memory)";
        return -WYE_CLOSE_TRY_AGAIN_LATER;
    }
    wye_count(&hub->counters.history_replayed, search.found_count);
    wye_count(&hub->counters.replays_cut, search.cut);
    return 0;
}
