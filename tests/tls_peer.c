#include "tests/tls_peer.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wye_tls_context *tls_server(const char *const *const *names, size_t count, bool only_13) {
    static char chains[8][WYE_TLS_PEM_MAX], keys[8][WYE_TLS_PEM_MAX];
    struct wye_tls_pair pairs[8];
    assert(count <= 8);
    for (size_t i = 0; i < count; i++) {
        uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES];
        size_t name_count = 0;
        while (names[i][name_count]) name_count++;
        int made =
            wye_tls_dev_pair(chains[i], keys[i], fingerprint, names[i], name_count, (uint64_t)time(NULL));
        assert(made == 0);
        pairs[i] = (struct wye_tls_pair){chains[i], keys[i], strlen(chains[i]), strlen(keys[i])};
    }
    struct wye_tls_trouble trouble;
    struct wye_tls_context *context = wye_tls_server_open(
        &(struct wye_tls_server){.pairs = pairs, .pair_count = count, .only_13 = only_13}, &trouble);
    assert(context);
    return context;
}

SSL_CTX *tls_client(uint16_t version) {
    SSL_CTX *client = SSL_CTX_new(TLS_method());
    assert(client);
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
    return client;
}

/* An alert came from the server. */
static void on_info(const SSL *ssl, int type, int value) {
    if (type != SSL_CB_READ_ALERT || (value & 255) == SSL_AD_CLOSE_NOTIFY) return;
    struct tls_peer *peer = SSL_get_app_data((SSL *)(uintptr_t)ssl);
    peer->alert = value & 255;
}

struct tls_peer *tls_connect(struct fake_hands *hands, struct wye_tls_context *context, SSL_CTX *client,
                             const char *name) {
    struct tls_peer *peer = calloc(1, sizeof *peer);
    assert(peer);
    peer->wire = fake_connect_tls(hands, false, wye_tls_context_hold(context));
    peer->ssl = SSL_new(client);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(peer->in, -1);
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_connect_state(peer->ssl);
    SSL_set_app_data(peer->ssl, peer);
    SSL_set_info_callback(peer->ssl, on_info);
    if (name) SSL_set_tlsext_host_name(peer->ssl, name);
    return peer;
}

void tls_peer_free(struct tls_peer *peer) {
    SSL_free(peer->ssl);
    wire_free(&peer->heard);
    free(peer);
}

static void read_all(struct tls_peer *peer) {
    uint8_t bytes[16384];
    for (;;) {
        int count = SSL_read(peer->ssl, bytes, sizeof bytes);
        if (count > 0) {
            wire_add(&peer->heard, bytes, (size_t)count);
            peer->records++;
            if ((size_t)count > peer->record_most) peer->record_most = (size_t)count;
            continue;
        }
        int error = SSL_get_error(peer->ssl, count);
        if (error == SSL_ERROR_ZERO_RETURN) peer->notified = true;
        else if (error != SSL_ERROR_WANT_READ) peer->failed = true;
        ERR_clear_error();
        return;
    }
}

void tls_pump(struct tls_peer *peer) {
    struct wire *came = &peer->wire->received;
    if (peer->wire_at < came->count) {
        BIO_write(peer->in, came->at + peer->wire_at, (int)(came->count - peer->wire_at));
        peer->wire_at = came->count;
    }
    if (!peer->up && !peer->failed) {
        int done = SSL_do_handshake(peer->ssl);
        peer->up = done == 1;
        if (done != 1 && SSL_get_error(peer->ssl, done) != SSL_ERROR_WANT_READ) peer->failed = true;
        ERR_clear_error();
    }
    if (peer->up) read_all(peer);
}

void tls_take(struct tls_peer *peer, struct wire *to) {
    const uint8_t *bytes;
    size_t count;
    if (BIO_mem_contents(peer->out, &bytes, &count) && count > 0) wire_add(to, bytes, count);
    BIO_reset(peer->out);
}

void tls_settle(struct tls_peer *peer) {
    struct wire said = {0};
    for (;;) {
        tls_pump(peer);
        wire_clear(&said);
        tls_take(peer, &said);
        size_t before = peer->wire->received.count;
        if (said.count > 0) fake_feed(peer->wire, said.at, said.count);
        fake_settle(peer->wire->hands);
        if (said.count == 0 && peer->wire->received.count == before && peer->wire_at == before) break;
    }
    wire_free(&said);
}

void tls_say(struct tls_peer *peer, const void *bytes, size_t count) {
    assert(peer->up);
    int said = count > 0 ? SSL_write(peer->ssl, bytes, (int)count) : 0;
    assert(said == (int)count);
}
