/*
 * TLS as a filter inside a connection: ciphertext in and out below, the protocols' bytes above. Neither the
 * hands nor the protocols know that it is there. The outbox holds plaintext, so that what is published stays
 * shared; it is sealed when the hands ask for what to send, and what is sealed stands at the outbox's front.
 *
 * Handshakes are made a few a turn (wye_tls_advance()), so that they don't starve who is there already.
 */
#ifndef WYE_CORE_TLS_H
#define WYE_CORE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct wye_conn;
struct wye_hub;
struct wye_tls_context; /* core/tls_context.h: certificates and versions; counted, any thread */

enum { WYE_TLS_STEPS = 4 }; /* of handshakes, in one turn of a loop */

/* ---- for core/ ---- */

/*
 * The connection, which has just been accepted or connected, speaks TLS, in the role that the context is for;
 * the reference to it passes on. 0, or -ENOMEM (the reference is let go).
 */
int wye_tls_start(struct wye_conn *conn, struct wye_tls_context *context);

/* Lets go of everything of the connection's filter. */
void wye_tls_end(struct wye_conn *conn);

/* Is the handshake done, and nothing broken? */
bool wye_tls_is_up(const struct wye_conn *conn);

/* What a connection's handshake, which is done, agreed on: "TLSv1.3 TLS_AES_128_GCM_SHA256", cut to fit. */
void wye_tls_agreed(const struct wye_conn *conn, char *to, size_t room);

/* Ciphertext came, while the connection was OPEN. */
void wye_tls_input(struct wye_conn *conn, uint8_t *bytes, size_t count);

/* Reads on in what wasn't decrypted because reading was paused. */
void wye_tls_read_on(struct wye_conn *conn);

/* Is there something that was received and not decrypted yet? Apart from the beginning of a record. */
bool wye_tls_has_unread(const struct wye_conn *conn);

/* The peer's last byte came. Was it cut off, without a close_notify (RFC 8446 6.1)? */
bool wye_tls_is_cut_off(const struct wye_conn *conn);

/* Will something be sent though the outbox is empty: the close_notify that follows the last word? */
bool wye_tls_owes(const struct wye_conn *conn);

/* What was in the outbox has been dropped. */
void wye_tls_forget_sealed(struct wye_conn *conn);

/* `count` bytes from the outbox's front have been sent. */
void wye_tls_sent(struct wye_conn *conn, size_t count);

/* Seals what is queued, within bounds, and shows it like wye_outbox_gather(). May close the connection. */
size_t wye_tls_gather(struct wye_conn *conn, struct iovec *to, size_t most, size_t *bytes);

/* ---- for the hub ---- */

/* Makes the handshakes' steps that are due, WYE_TLS_STEPS at most. */
void wye_tls_advance(struct wye_hub *hub);

/* Is one left for the next turn? */
bool wye_tls_is_due(const struct wye_hub *hub);

void wye_tls_hub_fini(struct wye_hub *hub);

#endif
