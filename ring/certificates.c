#include "ring/certificates.h"

#include "ring/file.h"
#include "ring/log.h"
#include "ring/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20, HOST_BYTES_MAX = 253 };

static struct wye_tls_context *open_files(const struct wye_certificates *certificates, char *why,
                                          size_t room) {
    struct wye_tls_pair pairs[WYE_TLS_PAIRS_MAX];
    char *chains[WYE_TLS_PAIRS_MAX] = {0}, *keys[WYE_TLS_PAIRS_MAX] = {0};
    size_t count = certificates->pair_count;
    struct wye_tls_context *context = NULL;
    struct wye_tls_trouble trouble = {0};
    memset(pairs, 0, sizeof pairs);
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        trouble.pair = i;
        trouble.of_key = false;
        result = wye_file_read(certificates->chains[i], FILE_BYTES_MAX, NULL, &chains[i], &pairs[i].chain_bytes);
        if (result < 0) break;
        trouble.of_key = true;
        result = wye_file_read(certificates->keys[i], FILE_BYTES_MAX, "key", &keys[i], &pairs[i].key_bytes);
        pairs[i].chain = chains[i];
        pairs[i].key = keys[i];
    }
    if (result < 0) {
        trouble.why = strerror(-result);
    } else {
        const struct wye_tls_server server = {
            .pairs = pairs, .pair_count = count, .only_13 = certificates->only_13};
        context = wye_tls_server_open(&server, &trouble);
    }
    if (!context)
        snprintf(why, room, "--%s %s: %s", trouble.of_key ? "key" : "cert",
                 trouble.of_key ? certificates->keys[trouble.pair] : certificates->chains[trouble.pair],
                 trouble.why);
    for (size_t i = 0; i < count; i++) {
        free(chains[i]);
        wye_file_wipe(keys[i], pairs[i].key_bytes);
    }
    return context;
}

static void log_fingerprint(const uint8_t *fingerprint, const char *host) {
    char text[3 * WYE_TLS_FINGERPRINT_BYTES + 1];
    for (unsigned i = 0; i < WYE_TLS_FINGERPRINT_BYTES; i++)
        snprintf(text + 3 * i, 4, "%02X%s", fingerprint[i], i + 1 < WYE_TLS_FINGERPRINT_BYTES ? ":" : "");
    wye_log(WYE_LOG_INFO,
            "a throw-away certificate for localhost, 127.0.0.1, ::1%s%s; its SHA-256 fingerprint: %s",
            *host ? ", " : "", host, text);
}

/* The host's name, when it can stand in a certificate. */
static void read_host(char host[HOST_BYTES_MAX + 1]) {
    if (gethostname(host, HOST_BYTES_MAX + 1) < 0) host[0] = 0;
    host[HOST_BYTES_MAX] = 0;
    if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")]) host[0] = 0;
    if (strcmp(host, "localhost") == 0) host[0] = 0;
}

static struct wye_tls_context *open_throw_away(const struct wye_certificates *certificates, char *why,
                                               size_t room) {
    char chain[WYE_TLS_PEM_MAX], key[WYE_TLS_PEM_MAX], host[HOST_BYTES_MAX + 1];
    uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES];
    struct wye_tls_trouble trouble = {0};
    struct wye_tls_context *context = NULL;
    read_host(host);
    const char *names[] = {"localhost", "127.0.0.1", "::1", host};
    int result = wye_tls_dev_pair(chain, key, fingerprint, names, *host ? 4 : 3, wye_clock_unix_s());
    if (result == 0) {
        const struct wye_tls_pair pair = {
            .chain = chain, .key = key, .chain_bytes = strlen(chain), .key_bytes = strlen(key)};
        const struct wye_tls_server server = {
            .pairs = &pair, .pair_count = 1, .only_13 = certificates->only_13};
        context = wye_tls_server_open(&server, &trouble);
        explicit_bzero(key, sizeof key);
    }
    if (context) log_fingerprint(fingerprint, host);
    else snprintf(why, room, "--dev-cert: %s", trouble.why ? trouble.why : strerror(-result));
    return context;
}

struct wye_tls_context *wye_certificates_open(const struct wye_certificates *certificates, char *why,
                                              size_t room) {
    return certificates->throw_away ? open_throw_away(certificates, why, room)
                                    : open_files(certificates, why, room);
}

struct wye_tls_context *wye_certificates_open_client(const struct wye_tls_client *client, const char *ca,
                                                     char *why, size_t room) {
    static const char system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";
    struct wye_tls_client asked = *client;
    struct wye_tls_trouble trouble = {0};
    char *trusted = NULL;
    if (!ca) ca = system_authorities;
    int result = asked.insecure ? 0 : wye_file_read(ca, FILE_BYTES_MAX, NULL, &trusted, &asked.trusted_bytes);
    asked.trusted = trusted;
    struct wye_tls_context *context = result == 0 ? wye_tls_client_open(&asked, &trouble) : NULL;
    if (result < 0) snprintf(why, room, "--ca %s: %s", ca, strerror(-result));
    else if (!context) snprintf(why, room, "--ca %s: %s", ca, trouble.why);
    free(trusted);
    return context;
}
