/* The lines that mend a proxy's configuration, for the rows of trouble.c. */
#ifndef WYE_HANDSHAKE_PROXY_LINES_H
#define WYE_HANDSHAKE_PROXY_LINES_H

#include "handshake/trouble.h"

extern const struct wye_proxy_lines wye_lines_http11, wye_lines_upgrade, wye_lines_host, wye_lines_timeout,
    wye_lines_tls, wye_lines_http2, wye_lines_plain_http2, wye_lines_chain, wye_lines_versions,
    wye_lines_backend, wye_lines_redirect, wye_lines_auth, wye_lines_path;

#endif
