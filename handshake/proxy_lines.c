#include "handshake/proxy_lines.h"

#include "handshake/text.h"

const char *const wye_proxy_names[WYE_PROXY_COUNT] = {"nginx", "HAProxy", "Caddy", "Apache"};

const char *wye_proxy_lines_of(const struct wye_proxy_lines *lines, unsigned proxy) {
    switch (proxy) {
    case 0: return lines->nginx;
    case 1: return lines->haproxy;
    case 2: return lines->caddy;
    case 3: return lines->apache;
    default: return NULL;
    }
}

#define APACHE_PASS "ProxyPass \"/chat\" \"http://127.0.0.1:8080/chat\" upgrade=websocket"

/* Comments stand on lines of their own, so that none is wider than 80 columns. */
const struct wye_proxy_lines wye_lines_http11 = {
    .nginx = "# where proxy_pass is; the default is 1.0\n"
             "proxy_http_version 1.1;",
    .haproxy = "# in frontend and backend; it speaks HTTP/1.1 to servers then\n"
               "mode http",
    .caddy = "# speaks 1.1 by itself; drop a transport with other versions\n"
             "reverse_proxy 127.0.0.1:8080",
    .apache = "# and drop SetEnv force-proxy-request-1.0\n" APACHE_PASS,
};
const struct wye_proxy_lines wye_lines_upgrade = {
    .nginx = "# once, in http { }\n"
             "map $http_upgrade $connection_upgrade { default upgrade; '' close; }\n"
             "# where proxy_pass is\n"
             "proxy_http_version 1.1;\n"
             "proxy_set_header Upgrade $http_upgrade;\n"
             "proxy_set_header Connection $connection_upgrade;",
    .haproxy = "# passes both by itself; drop http-request del-header Upgrade\n"
               "mode http\n"
               "# if the server line says proto h2 or alpn h2, add: ws h1\n"
               "server app 127.0.0.1:8080",
    .caddy = "# passes both by itself; drop header_up for them\n"
             "reverse_proxy 127.0.0.1:8080",
    .apache = "# 2.4.47 and later; before, with mod_proxy_wstunnel: ws:// instead of http://\n" APACHE_PASS,
};
const struct wye_proxy_lines wye_lines_host = {
    .nginx = "# $http_host, when the port isn't 80 or 443\n"
             "proxy_set_header Host $host;",
    .haproxy = "# keeps Host by itself; drop http-request set-header Host",
    .caddy = "# keeps Host by itself; drop header_up Host",
    .apache = "ProxyPreserveHost On",
};
const struct wye_proxy_lines wye_lines_timeout = {
    .nginx = "# both are 60s unless set\n"
             "proxy_read_timeout 3600s;\n"
             "proxy_send_timeout 3600s;",
    .haproxy = "# without it timeout client and timeout server cut it\n"
               "timeout tunnel 1h",
    .caddy = "# has no time-out for upgraded connections; drop stream_timeout",
    .apache = "# else it is Timeout, 60\n" APACHE_PASS " timeout=3600",
};
const struct wye_proxy_lines wye_lines_tls = {
    .nginx = "listen 443 ssl;\n"
             "ssl_certificate /etc/ssl/fullchain.pem;\n"
             "ssl_certificate_key /etc/ssl/site.key;",
    .haproxy = "bind :443 ssl crt /etc/haproxy/site.pem alpn http/1.1",
    .caddy = "# a name, without http:// and :80\n"
             "example.com { reverse_proxy 127.0.0.1:8080 }",
    .apache = "<VirtualHost *:443>\n"
              "SSLEngine on\n"
              "SSLCertificateFile /etc/ssl/fullchain.pem\n"
              "SSLCertificateKeyFile /etc/ssl/site.key",
};
const struct wye_proxy_lines wye_lines_http2 = {
    .nginx = "# without http2, if none but WebSockets come here\n"
             "listen 443 ssl;",
    .haproxy = "# or alpn h2,http/1.1, never h2 alone\n"
               "bind :443 ssl crt /etc/haproxy/site.pem alpn http/1.1",
    .caddy = "# in the global options; the default offers both\n"
             "servers { protocols h1 }",
    .apache = "# or h2 http/1.1, never h2 alone\n"
              "Protocols http/1.1",
};
const struct wye_proxy_lines wye_lines_plain_http2 = {
    .nginx = "# without http2\n"
             "listen 80;",
    .haproxy = "# without proto h2\n"
               "bind :80",
    .caddy = "# in the global options\n"
             "servers :80 { protocols h1 }",
    .apache = "Protocols http/1.1",
};
const struct wye_proxy_lines wye_lines_chain = {
    .nginx = "# the certificate, then the intermediate ones\n"
             "ssl_certificate /etc/ssl/fullchain.pem;",
    .haproxy = "# the file: key, certificate, then the intermediate ones\n"
               "bind :443 ssl crt /etc/haproxy/site.pem",
    .caddy = "# or no tls line: it gets a certificate by itself\n"
             "tls /etc/ssl/fullchain.pem /etc/ssl/site.key",
    .apache = "SSLCertificateFile /etc/ssl/fullchain.pem",
};
const struct wye_proxy_lines wye_lines_versions = {
    .nginx = "ssl_protocols TLSv1.2 TLSv1.3;",
    .haproxy = "ssl-default-bind-options ssl-min-ver TLSv1.2",
    .caddy = "tls { protocols tls1.2 tls1.3 }",
    .apache = "SSLProtocol -all +TLSv1.2 +TLSv1.3",
};
const struct wye_proxy_lines wye_lines_backend = {
    .nginx = "# must name where the server listens; error_log says what went wrong\n"
             "proxy_pass http://127.0.0.1:8080;",
    .haproxy = "# must name where the server listens\n"
               "server app 127.0.0.1:8080 check",
    .caddy = "# must name where the server listens\n"
             "reverse_proxy 127.0.0.1:8080",
    .apache = "# must name where the server listens\n" APACHE_PASS,
};
const struct wye_proxy_lines wye_lines_redirect = {
    .nginx = "# beside the location with return 301, if ws:// has to work\n"
             "location /chat { proxy_pass http://127.0.0.1:8080; }",
    .haproxy = "http-request redirect scheme https unless { ssl_fc } || { path_beg /chat }",
    .caddy = "http://example.com { reverse_proxy /chat* 127.0.0.1:8080 }",
    .apache = "# before the RewriteRule that redirects\n"
              "RewriteCond %{REQUEST_URI} !^/chat",
};
const struct wye_proxy_lines wye_lines_auth = {
    .nginx = "# in the WebSocket's location, if the server checks for itself\n"
             "auth_basic off;",
    .haproxy = "http-request auth unless { path_beg /chat } || { http_auth(users) }",
    .caddy = "@pages not path /chat*\n"
             "basic_auth @pages { ... }",
    .apache = "<Location \"/chat\">\n"
              "Require all granted\n"
              "</Location>",
};
const struct wye_proxy_lines wye_lines_path = {
    .nginx = "# a path behind the port would replace /chat\n"
             "location /chat { proxy_pass http://127.0.0.1:8080; }",
    .haproxy = "use_backend app if { path_beg /chat }",
    .caddy = "# handle_path would cut /chat off\n"
             "reverse_proxy /chat* 127.0.0.1:8080",
    .apache = APACHE_PASS,
};

const char *wye_trouble_source(const struct wye_trouble_row *row) {
    if (row->source) return row->source;
    return row->rule != WYE_RULE_NONE ? wye_rules[row->rule].source : "";
}

static void add_lines(struct wye_text *text, const struct wye_proxy_lines *lines) {
    for (unsigned i = 0; i < WYE_PROXY_COUNT; i++) {
        const char *of = wye_proxy_lines_of(lines, i);
        if (!of) continue;
        wye_text_addf(text, "%s:\n\n```\n", wye_proxy_names[i]);
        wye_text_add_string(text, of);
        wye_text_add_string(text, "\n```\n\n");
    }
}

size_t wye_troubles_markdown(char *to, size_t room) {
    if (room == 0) return 0;
    struct wye_text text = {.to = to, .room = room - 1};
    for (unsigned i = 1; i < WYE_TROUBLE_COUNT; i++) {
        const struct wye_trouble_row *row = &wye_troubles[i];
        const char *source = wye_trouble_source(row);
        wye_text_addf(&text, "### `%s`\n\n%s%s", row->id, row->weight == WYE_WEIGHT_NOTE ? "(a note) " : "",
                      row->title);
        if (row->rule != WYE_RULE_NONE) wye_text_addf(&text, " (%s)", wye_rules[row->rule].must);
        if (*row->means) wye_text_addf(&text, " %s", row->means);
        wye_text_addf(&text, "\n\n*Mend:* %s", row->mend);
        if (*source) wye_text_addf(&text, " (%s)", source);
        wye_text_add_string(&text, "\n\n");
        if (row->lines) add_lines(&text, row->lines);
    }
    to[text.count] = '\0';
    return text.count;
}
