/* What TLS handshakes are made with: a role, certificates and keys, versions. Never changed once opened; any
 * thread. */
#ifndef WYE_CORE_TLS_CONTEXT_H
#define WYE_CORE_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wye_tls_context;

/* Does this build have TLS at all (-DWYE_TLS)? Without it, opening a context fails and says so. */
bool wye_tls_is_built(void);

/* A certificate chain, the server's own first, and its private key, both PEM (RFC 7468). */
struct wye_tls_pair {
    const char *chain, *key;
    size_t chain_bytes, key_bytes;
};

struct wye_tls_server {
    const struct wye_tls_pair
        *pairs;        /* the one whose names fit the client's is used; the first when none does */
    size_t pair_count; /* 1 to WYE_TLS_PAIRS_MAX */
    bool only_13;      /* TLS 1.3 alone; otherwise 1.2, too */
};

struct wye_tls_client {
    const char
        *name; /* the server's: looked for in its certificate, and sent (SNI) unless it is an address */
    const char *trusted; /* PEM of the authorities that may have signed its certificate, or of that itself */
    size_t trusted_bytes;
    bool insecure; /* any certificate will do */
    bool forgets;  /* no session is resumed: every handshake is a full one */
};

enum { WYE_TLS_PAIRS_MAX = 64 };

/* What was wrong, when a context could not be opened. */
struct wye_tls_trouble {
    size_t pair;     /* of which pair */
    bool of_key;     /* its key, not its chain */
    const char *why; /* static */
};

/* Are two servers' made of the same certificates, keys and versions? NULL: no. */
bool wye_tls_context_equal(const struct wye_tls_context *one, const struct wye_tls_context *other);

/* Opens a context; the bytes are copied. One reference, the caller's. NULL: *trouble says why. */
struct wye_tls_context *wye_tls_server_open(const struct wye_tls_server *server,
                                            struct wye_tls_trouble *trouble);
struct wye_tls_context *wye_tls_client_open(const struct wye_tls_client *client,
                                            struct wye_tls_trouble *trouble);

struct wye_tls_context *wye_tls_context_hold(struct wye_tls_context *context);
void wye_tls_context_release(struct wye_tls_context *context); /* NULL: nothing */

/*
 * Makes a throw-away certificate (ECDSA P-256, 30 days from `unix_s`) for these names and addresses, as PEM.
 * `fingerprint`: its SHA-256. 0, or -ENOMEM. -ENOSYS: this build has no TLS.
 */
enum { WYE_TLS_PEM_MAX = 4096, WYE_TLS_FINGERPRINT_BYTES = 32 };
int wye_tls_dev_pair(char chain[WYE_TLS_PEM_MAX], char key[WYE_TLS_PEM_MAX],
                     uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES], const char *const *names,
                     size_t name_count, uint64_t unix_s);

#endif
