/* Inside TLS: what its files share. BoringSSL is seen by them alone. */
#ifndef WYE_CORE_TLS_STATE_H
#define WYE_CORE_TLS_STATE_H

#include "core/hub.h"
#include "core/tls.h"
#include "core/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "wye needs BoringSSL; these are OpenSSL's headers"
#endif

#include <pthread.h>
#include <stdatomic.h>

/* A chain and its key, and the names that it is for. */
struct wye_tls_identity {
    CRYPTO_BUFFER **chain;
    size_t chain_count;
    EVP_PKEY *key;
    char **names; /* DNS names in lower case: "example.com", "*.example.com" */
    size_t name_count;
};

struct wye_tls_digest {
    uint8_t bytes[32]; /* SHA-256 */
};

struct wye_tls_context {
    _Atomic uint32_t references;
    SSL_CTX *ssl;
    bool client;
    struct wye_tls_identity *identities; /* the server's */
    size_t identity_count;
    char *name; /* the client's: whom it speaks to */
    bool name_is_address;
    struct wye_tls_digest digest; /* the server's: of what it was made of */
    pthread_mutex_t lock; /* of the session */
    SSL_SESSION *session; /* the last one, for the next handshake */
};

/* How far a connection's TLS has come. */
enum wye_tls_stage {
    WYE_TLS_SILENT,  /* no byte yet, and no memory for it */
    WYE_TLS_SHAKING, /* its handshake */
    WYE_TLS_UP,
    WYE_TLS_BROKEN, /* nothing is sealed or read any more; what is sealed is sent */
};

/* Lines in which connections stand, first come, first served. */
enum wye_tls_line {
    WYE_TLS_LINE_DUE,       /* their handshakes can begin */
    WYE_TLS_LINE_ANSWERED,  /* their handshakes can go on */
    WYE_TLS_LINE_HALF_OPEN, /* their handshakes have begun and aren't done */
    WYE_TLS_LINES
};

/* A place in a line; neighbours by index. */
struct wye_tls_place {
    uint32_t before, after;
    bool taken;
};

/* A connection's filter. */
struct wye_tls {
    SSL *ssl; /* NULL: silent */
    struct wye_tls_context *context;
    struct wye_tail *unread; /* ciphertext that came while reading was paused or the handshake waited */
    size_t sealed;           /* bytes at the outbox's front that are ciphertext */
    struct wye_tls_place places[WYE_TLS_LINES];
    uint32_t sealed_tick; /* when something was sealed last */
    uint32_t burst_bytes; /* sealed since it was idle */
    uint8_t stage;        /* enum wye_tls_stage */
    bool notified;        /* our close_notify has been sealed */
    bool peer_notified;
};

/* What a hub's filters share: one BIO for all, since one connection at a time reads and writes. */
struct wye_tls_hub {
    BIO_METHOD *method;
    BIO *bio;
    const uint8_t *in; /* ciphertext that BoringSSL may read now */
    size_t in_count;
    struct wye_outbox
        out;         /* what it has written: moved to the connection's outbox before anything else happens */
    bool out_failed; /* there was no memory for it */
    struct {
        uint32_t first, last, count;
    } lines[WYE_TLS_LINES];
    uint8_t scratch[SSL3_RT_MAX_PLAIN_LENGTH]; /* plaintext: opened, or gathered to be sealed */
};

/* A new SSL for a handshake of this context; NULL: no memory. */
SSL *wye_tls_context_ssl(struct wye_tls_context *context);

#endif
