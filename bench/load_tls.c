/* What wss:// is called with, and what came of it. */
#include "bench/load.h"
#include "core/tls.h"
#include "ring/certificates.h"

#include <string.h>

int wye_load_tls_open(struct load_options *options) {
    const struct wye_tls_client client = {
        .name = options->target.name, .insecure = options->insecure, .forgets = options->full_handshakes};
    char why[512];
    if (!options->target.tls) return -1;
    if (!wye_tls_is_built()) {
        fputs("wye-load: wss://: this build has no TLS (it was built with -DWYE_TLS=OFF)\n", stderr);
        return WYE_EXIT_COULD_NOT;
    }
    options->tls = wye_certificates_open_client(&client, options->ca, why, sizeof why);
    if (options->tls) return -1;
    fprintf(stderr, "wye-load: %s\n", why);
    return WYE_EXIT_COULD_NOT;
}

void wye_load_tls_gather(char all[LOAD_TLS_ROOM], const char *agreed) {
    size_t used = strlen(all);
    if (strstr(all, agreed)) return;
    snprintf(all + used, LOAD_TLS_ROOM - used, "%s%s", used ? " and " : "", agreed);
}

void wye_load_tls_note(const struct load_conn *lc) {
    char agreed[LOAD_TLS_ROOM / 2];
    if (!lc->conn->tls) return;
    wye_tls_agreed(lc->conn, agreed, sizeof agreed);
    wye_load_tls_gather(lc->worker->tls, agreed);
}
