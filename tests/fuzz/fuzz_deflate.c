/*
 * permessage-deflate. The first byte says which of three: offers and answers; bytes that somebody says are
 * compressed, in any pieces into any rooms; messages there and back. The next ones are what it takes.
 */
#include "tests/fuzz/fuzz.h"

#include "frames/deflate.h"

enum { OUT_MOST = 1 << 16, PIECES = 3 };

static uint8_t out[OUT_MOST], again[OUT_MOST], compressed[4 * OUT_MOST];

/* ---- offers ---- */

struct list {
    const uint8_t *at, *end;
    uint8_t *copy;
};

/* Lines are elements. */
static const char *next_line(void *context, size_t *count) {
    struct list *list = context;
    free(list->copy);
    list->copy = NULL;
    if (list->at >= list->end) return NULL;
    const uint8_t *end = memchr(list->at, '\n', (size_t)(list->end - list->at));
    if (!end) end = list->end;
    *count = (size_t)(end - list->at);
    list->copy = exact_copy(list->at, *count);
    list->at = end + 1;
    return (const char *)list->copy;
}

static void negotiate(const uint8_t *bytes, size_t count) {
    for (int mode = WYE_DEFLATE_SHARED; mode <= WYE_DEFLATE_TAKEOVER; mode++) {
        struct wye_deflate_agreement server, client;
        struct list list = {bytes, bytes + count, NULL};
        char answer[WYE_DEFLATE_ANSWER_ROOM];
        bool agreed = wye_deflate_negotiate(&server, answer, sizeof answer, (enum wye_deflate_mode)mode,
                                            next_line, &list);
        free(list.copy);
        MUST(agreed == (server.server_bits != 0));
        if (!agreed) continue;
        MUST(server.server_bits >= 9 && server.server_bits <= 15);
        MUST(server.client_bits >= 8 && server.client_bits <= 15);
        if (mode == WYE_DEFLATE_SHARED) MUST(server.server_no_context && server.client_no_context);
        /* A client that asked for nothing but allowed everything takes any answer. */
        struct wye_deflate_agreement offered = {.client_bits = 15};
        MUST(wye_deflate_accept_answer(&client, answer, strlen(answer), &offered));
        MUST(client.server_bits >= server.server_bits && client.client_bits <= server.client_bits);
        MUST(client.server_no_context == server.server_no_context);
        if (client.client_no_context) MUST(server.client_no_context);
    }
    struct wye_deflate_agreement agreement, offered = {10, 10, true, true};
    wye_deflate_accept_answer(&agreement, (const char *)bytes, count, &offered);
}

/* ---- inflating ---- */

/* Returns what came of it; what is too much for `to` is left in there. */
static ptrdiff_t inflate_in_steps(struct wye_inflater *inflater, uint8_t *to, const uint8_t *bytes,
                                  size_t count, size_t step, size_t room) {
    size_t at = 0, all = 0;
    ptrdiff_t written;
    for (bool last = false; !last;) {
        size_t piece = count - at < step ? count - at : step, taken = 0, used, most;
        last = at + piece == count;
        uint8_t *copy = exact_copy(bytes + at, piece);
        do {
            most = OUT_MOST - all < room ? OUT_MOST - all : room;
            uint8_t *exact = malloc(most ? most : 1);
            MUST(exact);
            if (most == 0) written = 0;
            else written = wye_inflate(inflater, exact, most, copy + taken, piece - taken, &used, last);
            MUST(written <= (ptrdiff_t)most && (written >= 0 || written == -1007));
            if (written > 0) memcpy(to + all, exact, (size_t)written);
            free(exact);
            if (written < 0 || most == 0) break;
            all += (size_t)written;
            MUST(used <= piece - taken);
            taken += used;
        } while (taken < piece || (size_t)written == most);
        free(copy);
        if (written < 0) return written;
        if (most == 0) break;
        at += piece;
    }
    return (ptrdiff_t)all;
}

static void inflate_anything(const uint8_t *bytes, size_t count, uint8_t choice, uint64_t hash) {
    unsigned bits = 8 + choice % 8;
    struct wye_inflater *one = wye_inflater_open(bits), *two = wye_inflater_open(bits);
    MUST(one && two);
    /* Two messages, with or without the first's context. */
    for (unsigned message = 0; message < 2; message++) {
        bool reset = message == 0 || choice & 8;
        size_t half = count ? hash % (count + 1) : 0, from = message ? half : 0,
               size = message ? count - half : half;
        wye_inflate_begin(one, reset);
        wye_inflate_begin(two, reset);
        ptrdiff_t whole = inflate_in_steps(one, out, bytes + from, size, size + 1, OUT_MOST);
        ptrdiff_t parts =
            inflate_in_steps(two, again, bytes + from, size, 1 + (hash >> 16) % 40, 16 + (hash >> 24) % 900);
        if (whole == OUT_MOST || parts == OUT_MOST) break; /* no end in sight */
        /* zlib lets a reference reach beyond the window as long as what it refers to lies in the same room. */
        MUST(whole == parts || (bits < 15 && parts < 0));
        if (whole < 0 || parts < 0) break;
        MUST(memcmp(out, again, (size_t)whole) == 0);
    }
    wye_inflater_shut(two);
    wye_inflater_shut(one);
}

/* ---- there and back ---- */

static void round_trip(const uint8_t *bytes, size_t count, uint8_t choice, uint64_t hash) {
    unsigned bits = 9 + choice % 7;
    bool reset = choice & 8;
    struct wye_deflater *deflater = wye_deflater_open(bits, 1 + (int)(hash % 9), 1 + (int)((hash >> 8) % 9));
    struct wye_inflater *inflater = wye_inflater_open(bits);
    MUST(deflater && inflater);
    for (unsigned i = 0; i < PIECES; i++) {
        size_t from = count * i / PIECES, size = count * (i + 1) / PIECES - from;
        uint8_t *copy = exact_copy(bytes + from, size);
        size_t room = wye_deflate_bound(deflater, size);
        MUST(room <= sizeof compressed);
        size_t made = wye_deflate(deflater, compressed, room, copy, size, reset);
        MUST(made > 0 && made < room);
        wye_inflate_begin(inflater, reset);
        ptrdiff_t all =
            inflate_in_steps(inflater, out, compressed, made, 1 + (hash >> 16) % 500, 1 + (hash >> 24) % 900);
        MUST(all == (ptrdiff_t)size && memcmp(out, copy, size) == 0);
        free(copy);
    }
    wye_inflater_shut(inflater);
    wye_deflater_shut(deflater);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    if (count < 2 || count > OUT_MOST / 2) return 0;
    uint64_t hash = hash_of(bytes, count);
    switch (bytes[0] % 3) {
    case 0: negotiate(bytes + 1, count - 1); break;
    case 1: inflate_anything(bytes + 2, count - 2, bytes[1], hash); break;
    case 2: round_trip(bytes + 2, count - 2, bytes[1], hash); break;
    }
    return 0;
}
