/* The other end of a connection with TLS: BoringSSL in memory, over a fake peer. */
#ifndef WYE_TESTS_TLS_PEER_H
#define WYE_TESTS_TLS_PEER_H

#include "core/tls_context.h"
#include "tests/fake_hands.h"

#include <openssl/ssl.h>

struct tls_peer {
    struct fake_peer *wire; /* ciphertext, both ways */
    size_t wire_at;         /* of what the wire received, taken by BoringSSL */
    SSL *ssl;
    BIO *in, *out;      /* memory; the SSL's */
    struct wire heard;  /* plaintext that came */
    size_t records;     /* in how many SSL_reads */
    size_t record_most; /* bytes of the largest */
    bool up;
    bool notified; /* the server's close_notify came */
    int alert;     /* that the server sent, beside it; 0: none */
    bool failed;
};

/* A server's context with a certificate for each list of names (each ended by NULL), made for the test. */
struct wye_tls_context *tls_server(const char *const *const *names, size_t count, bool only_13);

/* A client's SSL_CTX that believes anything; freed by the caller. */
SSL_CTX *tls_client(uint16_t version);

/* Connects; no byte has been sent. name NULL: no SNI. */
struct tls_peer *tls_connect(struct fake_hands *hands, struct wye_tls_context *context, SSL_CTX *client,
                             const char *name);
void tls_peer_free(struct tls_peer *peer);

/* BoringSSL reads what came, and does what it can: handshake, then reading. Nothing is fed to the server. */
void tls_pump(struct tls_peer *peer);

/* What BoringSSL wants to say now, taken from it. */
void tls_take(struct tls_peer *peer, struct wire *to);

/* Pumps both sides until neither has anything to say. */
void tls_settle(struct tls_peer *peer);

/* Encrypts; what is to be sent is left in BoringSSL for tls_take() or tls_settle(). */
void tls_say(struct tls_peer *peer, const void *bytes, size_t count);

#endif
