/* TLS on a simulated client's side: between what it says and hears, and its wire. */
#ifndef WYE_TESTS_SIM_TLS_H
#define WYE_TESTS_SIM_TLS_H

#include "core/tls_context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_bytes;
struct sim_tls;

/*
 * A server's context. Its key is an RSA one: all its signatures have one length, so that a seed takes the
 * same way each time. NULL: this build has no TLS.
 */
struct wye_tls_context *sim_tls_server(void);

/* A client, of TLS 1.3 or 1.2, whose handshake has begun. What is to be written is added to `sealed`. */
struct sim_tls *sim_tls_open(bool old, struct sim_bytes *sealed);
void sim_tls_free(struct sim_tls *tls);

/* Is the handshake done, so that something can be said? */
bool sim_tls_is_up(const struct sim_tls *tls);
/* Says something. */
void sim_tls_say(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *sealed);
/* Says that nothing more will be said (close_notify). */
void sim_tls_end(struct sim_tls *tls, struct sim_bytes *sealed);
/* Something has come; what was in it is added to `opened`. */
void sim_tls_hear(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *opened,
                  struct sim_bytes *sealed);
/* Has the server said that nothing more will come? */
bool sim_tls_has_ended(const struct sim_tls *tls);

#endif
