/* What wss:// is called with. */
#include "bench/load.h"
#include "ring/certificates.h"

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
