/* In the place of the other tls files in a build without TLS: there are no contexts, and so no connection
 * with TLS. */
#include "core/tls.h"
#include "core/tls_context.h"

#include <assert.h>
#include <errno.h>

bool wye_tls_is_built(void) { return false; }

static struct wye_tls_context *none(struct wye_tls_trouble *trouble) {
    *trouble = (struct wye_tls_trouble){.why = "this build has no TLS (it was built with -DWYE_TLS=OFF)"};
    return 0;
}

struct wye_tls_context *wye_tls_server_open(const struct wye_tls_server *server,
                                            struct wye_tls_trouble *trouble) {
    (void)server;
    return none(trouble);
}

struct wye_tls_context *wye_tls_client_open(const struct wye_tls_client *client,
                                            struct wye_tls_trouble *trouble) {
    (void)client;
    return none(trouble);
}

int wye_tls_dev_pair(char chain[WYE_TLS_PEM_MAX], char key[WYE_TLS_PEM_MAX],
                     uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES], const char *const *names,
                     size_t name_count, uint64_t unix_s) {
    (void)chain, (void)key, (void)fingerprint, (void)names, (void)name_count, (void)unix_s;
    return -ENOSYS;
}

bool wye_tls_context_equal(const struct wye_tls_context *one, const struct wye_tls_context *other) {
    (void)one, (void)other;
    return false;
}

void wye_tls_context_release(struct wye_tls_context *context) { assert(!context); }
void wye_tls_hub_fini(struct wye_hub *hub) { (void)hub; }

/* Nobody gets here. */
static _Noreturn void nobody(void) {
    assert(false && "a connection with TLS in a build without it");
    __builtin_unreachable();
}

struct wye_tls_context *wye_tls_context_hold(struct wye_tls_context *context) {
    (void)context, nobody();
}
int wye_tls_start(struct wye_conn *conn, struct wye_tls_context *context) {
    (void)conn, (void)context, nobody();
}
void wye_tls_end(struct wye_conn *conn) { (void)conn, nobody(); }
void wye_tls_input(struct wye_conn *conn, uint8_t *bytes, size_t count) {
    (void)conn, (void)bytes, (void)count, nobody();
}
void wye_tls_read_on(struct wye_conn *conn) { (void)conn, nobody(); }
bool wye_tls_is_up(const struct wye_conn *conn) { (void)conn, nobody(); }
void wye_tls_agreed(const struct wye_conn *conn, char *to, size_t room) {
    (void)conn, (void)to, (void)room, nobody();
}
bool wye_tls_has_unread(const struct wye_conn *conn) { (void)conn, nobody(); }
bool wye_tls_is_cut_off(const struct wye_conn *conn) { (void)conn, nobody(); }
bool wye_tls_owes(const struct wye_conn *conn) { (void)conn, nobody(); }
void wye_tls_forget_sealed(struct wye_conn *conn) { (void)conn, nobody(); }
void wye_tls_sent(struct wye_conn *conn, size_t count) { (void)conn, (void)count, nobody(); }
void wye_tls_advance(struct wye_hub *hub) { (void)hub, nobody(); }
bool wye_tls_is_due(const struct wye_hub *hub) { (void)hub, nobody(); }

size_t wye_tls_gather(struct wye_conn *conn, struct iovec *to, size_t most, size_t *bytes) {
    (void)conn, (void)to, (void)most, (void)bytes, nobody();
}
