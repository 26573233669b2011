/* The node's certificates: from files, or one made on the spot. */
#ifndef WYE_RING_CERTIFICATES_H
#define WYE_RING_CERTIFICATES_H

#include "core/tls_context.h"

struct wye_certificates {
    const char *const *chains, *const *keys; /* files, in pairs */
    size_t pair_count;                       /* at most WYE_TLS_PAIRS_MAX */
    bool throw_away; /* one is made, and there are no files */
    bool only_13;    /* TLS 1.3 alone */
};

/*
 * Reads the files (or makes the certificate, and logs its fingerprint) and opens a context with them: one
 * reference, the caller's. NULL: `why` says what is wrong, like "--key /etc/key.pem: No such file or
 * directory". Logs a warning about keys that others can read.
 */
struct wye_tls_context *wye_certificates_open(const struct wye_certificates *certificates, char *why,
                                              size_t room);

/*
 * Opens a client's context. The authorities that it trusts are in the file `ca`, PEM; NULL: those of the
 * system. One reference, the caller's. NULL: `why` says what is wrong.
 */
struct wye_tls_context *wye_certificates_open_client(const struct wye_tls_client *client, const char *ca,
                                                     char *why, size_t room);

#endif
