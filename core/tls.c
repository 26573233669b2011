#include "core/tls.h"

#include "core/http.h"
#include "core/tls_state.h"
#include "handshake/proxy_header.h"

#include <assert.h>
#include <errno.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEAL_BYTES_MAX = 65536, /* plaintext sealed at once for one connection */
    FIRST_RECORD_BYTES =
        1370, /* fits one segment with its header and tag: it can be opened when that has come */
    FIRST_BYTES =
        65536, /* sealed in such records after a pause; about what a congestion window grows by meanwhile */
    SHAKING_BYTES_MAX = 32768, /* that may wait for a handshake's next step */
    SLICES_MAX = 64,           /* gathered into one record */
};
#define IDLE_NS UINT64_C(1000000000)

/* ---- lines ---- */

static struct wye_tls_place *place_of(struct wye_hub *hub, enum wye_tls_line line, uint32_t index) {
    return &hub->conns[index].tls->places[line];
}

static void stand_in(struct wye_conn *conn, enum wye_tls_line line) {
    struct wye_hub *hub = conn->hub;
    struct wye_tls_place *place = place_of(hub, line, conn->index);
    if (place->taken) return;
    *place =
        (struct wye_tls_place){.before = hub->tls->lines[line].last, .after = WYE_INDEX_NONE, .taken = true};
    if (place->before == WYE_INDEX_NONE) hub->tls->lines[line].first = conn->index;
    else place_of(hub, line, place->before)->after = conn->index;
    hub->tls->lines[line].last = conn->index;
    hub->tls->lines[line].count++;
    if (line == WYE_TLS_LINE_HALF_OPEN) wye_count(&hub->counters.tls_half_open, 1);
}

static void leave(struct wye_conn *conn, enum wye_tls_line line) {
    struct wye_hub *hub = conn->hub;
    struct wye_tls_place *place = place_of(hub, line, conn->index);
    if (!place->taken) return;
    place->taken = false;
    if (place->before == WYE_INDEX_NONE) hub->tls->lines[line].first = place->after;
    else place_of(hub, line, place->before)->after = place->after;
    if (place->after == WYE_INDEX_NONE) hub->tls->lines[line].last = place->before;
    else place_of(hub, line, place->after)->before = place->before;
    hub->tls->lines[line].count--;
    if (line == WYE_TLS_LINE_HALF_OPEN) wye_count(&hub->counters.tls_half_open, (uint64_t)-1);
}

/* ---- what BoringSSL reads from and writes to ---- */

static int bio_read(BIO *bio, char *to, int most) {
    struct wye_tls_hub *tls = ((struct wye_hub *)BIO_get_data(bio))->tls;
    BIO_clear_retry_flags(bio);
    if (tls->in_count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t count = (size_t)most < tls->in_count ? (size_t)most : tls->in_count;
    memcpy(to, tls->in, count);
    tls->in += count;
    tls->in_count -= count;
    return (int)count;
}

static int bio_write(BIO *bio, const char *bytes, int count) {
    struct wye_hub *hub = BIO_get_data(bio);
    struct wye_tls_hub *tls = hub->tls;
    struct wye_chunk *chunk;
    BIO_clear_retry_flags(bio);
    if (count <= 0) return 0;
    uint8_t *copy = wye_chunk_append(&hub->pool, (size_t)count, &chunk);
    if (copy) memcpy(copy, bytes, (size_t)count);
    if (!copy ||
        wye_outbox_append(&tls->out, &hub->pool, (struct wye_slice){copy, chunk, (size_t)count}) < 0) {
        tls->out_failed = true;
        return -1;
    }
    return count;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static void tls_hub_free(struct wye_tls_hub *tls) {
    BIO_free(tls->bio);
    BIO_meth_free(tls->method);
    free(tls);
}

static struct wye_tls_hub *tls_hub_open(struct wye_hub *hub) {
    struct wye_tls_hub *tls = calloc(1, sizeof *tls);
    if (!tls) return NULL;
    for (unsigned i = 0; i < WYE_TLS_LINES; i++) tls->lines[i].first = tls->lines[i].last = WYE_INDEX_NONE;
    tls->method = BIO_meth_new(BIO_get_new_index(), "wye");
    if (tls->method) {
        BIO_meth_set_read(tls->method, bio_read);
        BIO_meth_set_write(tls->method, bio_write);
        BIO_meth_set_ctrl(tls->method, bio_control);
        tls->bio = BIO_new(tls->method);
    }
    if (!tls->bio) {
        tls_hub_free(tls);
        return NULL;
    }
    BIO_set_data(tls->bio, hub);
    BIO_set_init(tls->bio, 1);
    return tls;
}

void wye_tls_hub_fini(struct wye_hub *hub) {
    if (!hub->tls) return;
    for (unsigned i = 0; i < WYE_TLS_LINES; i++) assert(hub->tls->lines[i].count == 0);
    tls_hub_free(hub->tls);
    hub->tls = NULL;
}

/* ---- beginning and end ---- */

int wye_tls_start(struct wye_conn *conn, struct wye_tls_context *context) {
    struct wye_hub *hub = conn->hub;
    if (!hub->tls) hub->tls = tls_hub_open(hub);
    conn->tls = hub->tls ? calloc(1, sizeof *conn->tls) : NULL;
    if (!conn->tls) {
        wye_tls_context_release(context);
        return -ENOMEM;
    }
    conn->tls->context = context;
    if (context->client) { /* it speaks first */
        conn->tls->stage = WYE_TLS_SHAKING;
        stand_in(conn, WYE_TLS_LINE_DUE);
    }
    return 0;
}

void wye_tls_end(struct wye_conn *conn) {
    struct wye_tls *tls = conn->tls;
    if (tls->stage == WYE_TLS_SHAKING) wye_count(&conn->hub->counters.tls_given_up, 1);
    for (unsigned i = 0; i < WYE_TLS_LINES; i++) leave(conn, i);
    SSL_free(tls->ssl);
    wye_tls_context_release(tls->context);
    free(tls->unread);
    free(tls);
    conn->tls = NULL;
}

/* Why a handshake failed. A client is told about the certificate; what else there is, the alert says. */
static int reason_of(const struct wye_tls *tls) {
    if (ERR_GET_REASON(ERR_peek_error()) != SSL_R_CERTIFICATE_VERIFY_FAILED) return -EPROTO;
    return SSL_get_verify_result(tls->ssl) == X509_V_ERR_CERT_HAS_EXPIRED ? -EKEYEXPIRED : -EKEYREJECTED;
}

/* It can't go on: what is sealed is sent, an alert at its end mostly, and what isn't is dropped. */
static void tls_break(struct wye_conn *conn) {
    struct wye_tls *tls = conn->tls;
    struct wye_counters *counters = &conn->hub->counters;
    int reason = reason_of(tls);
    wye_count(tls->stage == WYE_TLS_SHAKING ? &counters->tls_failed : &counters->tls_broken, 1);
    tls->stage = WYE_TLS_BROKEN;
    leave(conn, WYE_TLS_LINE_HALF_OPEN);
    wye_conn_finish(conn, reason, true);
}

/* BoringSSL has been called: what it wrote goes behind what is sealed. 0, or -ENOMEM (and the connection is
 * closed). */
static int collect(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    struct wye_tls_hub *shared = hub->tls;
    struct wye_tls *tls = conn->tls;
    size_t count = shared->out.bytes;
    int trouble = shared->out_failed ? -ENOMEM : 0;
    shared->out_failed = false;
    if (count > 0 && trouble == 0)
        trouble = wye_outbox_insert(&conn->outbox, &hub->pool, tls->sealed, &shared->out);
    if (trouble < 0) {
        wye_outbox_clear(&shared->out, &hub->pool);
        wye_conn_close(conn, trouble);
        return trouble;
    }
    tls->sealed += count;
    return 0;
}

/* The same, where nobody asks for what to send just now. */
static int collect_and_tell(struct wye_conn *conn) {
    if (collect(conn) < 0) return -ENOMEM;
    if (conn->tls->sealed > 0) wye_hub_dirty(conn->hub, conn);
    return 0;
}

static void show(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    conn->hub->tls->in = bytes;
    conn->hub->tls->in_count = count;
}

/* ---- in ---- */

/* Opens records and hands on what was in them, until there is no more or reading is paused. Returns the bytes
 * left. */
static size_t read_records(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    struct wye_tls_hub *shared = conn->hub->tls;
    SSL *ssl = conn->tls->ssl;
    show(conn, bytes, count);
    while (shared->in_count > 0 && conn->phase == WYE_CONN_OPEN && !conn->pauses) {
        ERR_clear_error();
        int opened = SSL_read(ssl, shared->scratch, sizeof shared->scratch);
        int error = opened > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl, opened);
        if (collect_and_tell(conn) < 0) break;
        if (error == SSL_ERROR_NONE) {
            wye_conn_opened(conn, shared->scratch, (size_t)opened);
            continue;
        }
        if (error == SSL_ERROR_WANT_READ) break;
        shared->in_count = 0; /* nothing counts behind the last record */
        if (error == SSL_ERROR_ZERO_RETURN) {
            conn->tls->peer_notified = true;
            wye_conn_eof(conn);
        } else {
            tls_break(conn);
        }
        break;
    }
    size_t left = shared->in_count;
    show(conn, NULL, 0);
    return conn->phase == WYE_CONN_OPEN ? left : 0;
}

static void keep(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    if (wye_tail_keep(&conn->tls->unread, bytes, count) < 0) wye_conn_close(conn, -ENOMEM);
}

/* Bytes came before the handshake was done: it goes on when its turn comes. */
static void input_of_handshake(struct wye_conn *conn, const uint8_t *bytes, size_t count) {
    struct wye_tls *tls = conn->tls;
    if (tls->stage == WYE_TLS_SILENT) {
        size_t meant = wye_proxy_header_meant(bytes, count);
        if (meant || (bytes[0] >= 'A' && bytes[0] <= 'Z')) { /* no record begins with a letter, and every method does */
            wye_tls_end(conn);
            if (meant) {
                wye_http_refuse_proxied(conn, WYE_RULE_PROXY_TRUST, bytes, meant, NULL);
                return;
            }
            wye_http_refuse_plain(conn);
            return;
        }
        tls->stage = WYE_TLS_SHAKING;
    }
    keep(conn, bytes, count);
    if (conn->phase != WYE_CONN_OPEN) return;
    if (tls->unread->count > SHAKING_BYTES_MAX) wye_conn_pause(conn, WYE_PAUSE_HANDSHAKE);
    stand_in(conn, tls->ssl ? WYE_TLS_LINE_ANSWERED : WYE_TLS_LINE_DUE);
}

void wye_tls_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    struct wye_tls *tls = conn->tls;
    if (tls->stage < WYE_TLS_UP) {
        input_of_handshake(conn, bytes, count);
    } else if (tls->unread || conn->pauses) {
        keep(conn, bytes, count);
    } else {
        size_t left = read_records(conn, bytes, count);
        if (left > 0) keep(conn, bytes + count - left, left);
    }
}

void wye_tls_read_on(struct wye_conn *conn) {
    struct wye_tls *tls = conn->tls;
    struct wye_tail *unread = tls->unread;
    if (!unread || tls->stage != WYE_TLS_UP) return;
    tls->unread = NULL;
    size_t left = read_records(conn, unread->bytes, unread->count);
    tls->unread = wye_tail_cut(unread, left);
}

bool wye_tls_is_up(const struct wye_conn *conn) { return conn->tls->stage == WYE_TLS_UP; }

void wye_tls_agreed(const struct wye_conn *conn, char *to, size_t room) {
    const SSL *ssl = conn->tls->ssl;
    snprintf(to, room, "%s %s", SSL_get_version(ssl), SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
}

bool wye_tls_has_unread(const struct wye_conn *conn) { return conn->tls->unread != NULL; }

bool wye_tls_is_cut_off(const struct wye_conn *conn) {
    return conn->tls->stage == WYE_TLS_UP && !conn->tls->peer_notified;
}

/* ---- handshakes ---- */

static void handshake_done(struct wye_conn *conn) {
    struct wye_counters *counters = &conn->hub->counters;
    conn->tls->stage = WYE_TLS_UP;
    leave(conn, WYE_TLS_LINE_HALF_OPEN);
    wye_count(&counters->tls_handshakes, 1);
    if (SSL_session_reused(conn->tls->ssl)) wye_count(&counters->tls_resumed, 1);
    wye_hub_dirty(conn->hub, conn); /* a client has something to say already */
    if (conn->refused || conn->crowded) wye_http_start(conn);
}

/* It waits for its peer now. Who came before too many others is let go. */
static void handshake_waits(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    if (conn->tls->context->client) return;
    stand_in(conn, WYE_TLS_LINE_HALF_OPEN);
    while (hub->tls->lines[WYE_TLS_LINE_HALF_OPEN].count > hub->settings->tls_half_open_max) {
        struct wye_conn *oldest = &hub->conns[hub->tls->lines[WYE_TLS_LINE_HALF_OPEN].first];
        leave(oldest, WYE_TLS_LINE_HALF_OPEN);
        leave(oldest, WYE_TLS_LINE_ANSWERED);
        if (oldest->phase == WYE_CONN_OPEN) wye_count(&hub->counters.tls_crowded_out, 1);
        wye_conn_close(oldest, -ETIMEDOUT);
    }
}

/* One step of a handshake: what came is read, and what is to be said is queued. */
static void handshake_step(struct wye_conn *conn) {
    struct wye_tls *tls = conn->tls;
    struct wye_tail *unread = tls->unread;
    tls->unread = NULL;
    if (!tls->ssl) {
        tls->ssl = wye_tls_context_ssl(tls->context);
        if (tls->ssl) {
            BIO_up_ref(conn->hub->tls->bio);
            SSL_set_bio(tls->ssl, conn->hub->tls->bio, conn->hub->tls->bio);
        }
    }
    if (!tls->ssl) {
        free(unread);
        wye_conn_close(conn, -ENOMEM);
        return;
    }
    if (unread) show(conn, unread->bytes, unread->count);
    ERR_clear_error();
    int done = SSL_do_handshake(tls->ssl);
    int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, done);
    size_t left = conn->hub->tls->in_count;
    show(conn, NULL, 0);
    if (collect_and_tell(conn) == 0) {
        if (error == SSL_ERROR_NONE) handshake_done(conn);
        else if (error == SSL_ERROR_WANT_READ) handshake_waits(conn);
        else tls_break(conn);
    }
    if (conn->phase != WYE_CONN_OPEN) left = 0;
    if (left > 0) left = read_records(conn, unread->bytes + unread->count - left, left);
    if (unread) tls->unread = wye_tail_cut(unread, left);
    wye_conn_resume(conn, WYE_PAUSE_HANDSHAKE);
    if (conn->eof && conn->phase == WYE_CONN_OPEN && !conn->pauses) wye_conn_eof(conn);
}

/*
 * Handshakes that go on come before those that begin: the dear step, the signature, is made for them, and who has answered is not to be
 * taken for one of those that wait for their peers, of whom there may be only so many.
 */
void wye_tls_advance(struct wye_hub *hub) {
    for (unsigned steps = 0; steps < WYE_TLS_STEPS && wye_tls_is_due(hub);) {
        enum wye_tls_line line = hub->tls->lines[WYE_TLS_LINE_ANSWERED].count ? WYE_TLS_LINE_ANSWERED : WYE_TLS_LINE_DUE;
        struct wye_conn *conn = &hub->conns[hub->tls->lines[line].first];
        leave(conn, line);
        if (conn->phase != WYE_CONN_OPEN) continue; /* over already */
        handshake_step(conn);
        steps++;
    }
}

bool wye_tls_is_due(const struct wye_hub *hub) {
    return hub->tls->lines[WYE_TLS_LINE_ANSWERED].count + hub->tls->lines[WYE_TLS_LINE_DUE].count > 0;
}

/* ---- out ---- */

bool wye_tls_owes(const struct wye_conn *conn) {
    return conn->tls->stage == WYE_TLS_UP && !conn->tls->notified;
}

void wye_tls_forget_sealed(struct wye_conn *conn) { conn->tls->sealed = 0; }

void wye_tls_sent(struct wye_conn *conn, size_t count) {
    struct wye_tls *tls = conn->tls;
    assert(count <= tls->sealed);
    tls->sealed -= count;
}

/* The next record's plaintext, at most `most` bytes: from where it lies, or from several slices gathered in
 * the scratch. */
static const uint8_t *next_plaintext(struct wye_conn *conn, size_t most, size_t *count) {
    const struct wye_outbox *outbox = &conn->outbox;
    if (outbox->first.count >= most || outbox->first.count == outbox->bytes) {
        *count = outbox->first.count < most ? outbox->first.count : most;
        return outbox->first.bytes;
    }
    struct iovec slices[SLICES_MAX];
    size_t bytes, slice_count = wye_outbox_gather(outbox, slices, SLICES_MAX, &bytes);
    uint8_t *scratch = conn->hub->tls->scratch;
    *count = 0;
    for (size_t i = 0; i < slice_count && *count < most; i++) {
        size_t piece = slices[i].iov_len < most - *count ? slices[i].iov_len : most - *count;
        memcpy(scratch + *count, slices[i].iov_base, piece);
        *count += piece;
    }
    return scratch;
}

/* Seals what is queued, small records first, so that the peer can open each as soon as it has come, and large
 * ones after. */
static void seal(struct wye_conn *conn) {
    struct wye_hub *hub = conn->hub;
    struct wye_tls *tls = conn->tls;
    uint32_t now = wye_tick_of(hub->now_ns);
    if (now - tls->sealed_tick > IDLE_NS >> WYE_TICK_SHIFT) tls->burst_bytes = 0;
    for (size_t sealed = 0, count; sealed < SEAL_BYTES_MAX && conn->outbox.bytes > 0; sealed += count) {
        size_t most = tls->burst_bytes < FIRST_BYTES ? FIRST_RECORD_BYTES : sizeof hub->tls->scratch;
        const uint8_t *bytes = next_plaintext(conn, most, &count);
        ERR_clear_error();
        if (SSL_write(tls->ssl, bytes, (int)count) != (int)count) {
            wye_outbox_clear(&hub->tls->out, &hub->pool);
            wye_conn_close(conn, hub->tls->out_failed ? -ENOMEM : -EPROTO);
            hub->tls->out_failed = false;
            return;
        }
        wye_outbox_consume(&conn->outbox, &hub->pool, count);
        if (tls->burst_bytes < FIRST_BYTES) tls->burst_bytes += (uint32_t)count;
        tls->sealed_tick = now;
    }
    collect(conn);
}

size_t wye_tls_gather(struct wye_conn *conn, struct iovec *to, size_t most, size_t *bytes) {
    struct wye_tls *tls = conn->tls;
    *bytes = 0;
    if (tls->stage == WYE_TLS_UP && tls->sealed == 0 && conn->outbox.bytes > 0) seal(conn);
    if (tls->stage != WYE_TLS_UP && tls->sealed == 0 && conn->phase == WYE_CONN_FINISHING)
        wye_outbox_clear(&conn->outbox, &conn->hub->pool); /* it will never be sealed */
    if (conn->phase == WYE_CONN_FINISHING && wye_tls_owes(conn) && tls->sealed == conn->outbox.bytes) {
        tls->notified = true;
        SSL_shutdown(tls->ssl);
        collect(conn);
    }
    size_t count = wye_outbox_gather(&conn->outbox, to, most, bytes);
    while (*bytes > tls->sealed) { /* what follows is plaintext */
        size_t over = *bytes - tls->sealed;
        if (over >= to[count - 1].iov_len) over = to[--count].iov_len;
        else to[count - 1].iov_len -= over;
        *bytes -= over;
    }
    return count;
}
