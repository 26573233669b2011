/* TLS of the probe, by BoringSSL, blocking with deadlines. */
#include "ring/probe_wire.h"

#include <stdio.h>

#ifndef WYE_TLS

void wye_probe_tls_open(struct wye_probe_wire *wire, struct wye_attempt *attempt, enum wye_probe_alpn alpn) {
    (void)wire, (void)alpn;
    attempt->tls.end = WYE_END_ERROR;
    attempt->tls.fault = WYE_TLS_LEFT_OUT;
}
bool wye_probe_tls_try(struct wye_probe_wire *wire, const struct wye_attempt *attempt, bool oldest,
                       char version[16]) {
    (void)wire, (void)attempt, (void)oldest, (void)version;
    return false;
}
enum wye_end wye_probe_tls_read(struct wye_probe_wire *wire, uint8_t *to, size_t room, size_t *count,
                                uint64_t deadline_ns) {
    (void)wire, (void)to, (void)room, (void)count, (void)deadline_ns;
    return WYE_END_UNTRIED;
}
enum wye_end wye_probe_tls_write(struct wye_probe_wire *wire, const uint8_t *bytes, size_t count,
                                 uint64_t deadline_ns) {
    (void)wire, (void)bytes, (void)count, (void)deadline_ns;
    return WYE_END_UNTRIED;
}
void wye_probe_tls_shut(struct wye_probe_wire *wire) { (void)wire; }

#else

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "wye is built with BoringSSL alone"
#endif

/* ---- the certificate ---- */

static unsigned fault_of(int error) {
    switch (error) {
    case X509_V_OK: return 0;
    case X509_V_ERR_CERT_HAS_EXPIRED: return WYE_CERTIFICATE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return WYE_CERTIFICATE_NOT_YET;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return WYE_CERTIFICATE_SELF_SIGNED;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return WYE_CERTIFICATE_AUTHORITY;
    default: return WYE_CERTIFICATE_OTHER;
    }
}

/* Notes what is wrong and goes on, so that everything that is wrong gets noted. */
static int note_fault(int fine, X509_STORE_CTX *store) {
    if (fine) return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct wye_attempt *attempt = SSL_get_app_data(ssl);
    int error = X509_STORE_CTX_get_error(store);
    attempt->tls.certificate |= fault_of(error);
    if (fault_of(error) == WYE_CERTIFICATE_OTHER)
        snprintf(attempt->tls.other, sizeof attempt->tls.other, "%s", X509_verify_cert_error_string(error));
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static int trust_all(int fine, X509_STORE_CTX *store) {
    (void)fine;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static void add_name(struct wye_text *names, struct wye_span name) {
    if (names->count > 0) wye_text_add(names, WYE_SPAN(", "));
    for (size_t i = 0; i < name.count; i++) /* it is to be a C string */
        wye_text_add(names, name.bytes[i] ? (struct wye_span){name.bytes + i, 1} : WYE_SPAN("?"));
}

static void read_names(struct wye_attempt *attempt, X509 *certificate) {
    struct wye_text names = {.to = attempt->tls.names, .room = sizeof attempt->tls.names - 1};
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; list && i < sk_GENERAL_NAME_num(list); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
        char address[64];
        if (name->type == GEN_DNS) {
            add_name(&names, (struct wye_span){(const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                               (size_t)ASN1_STRING_length(name->d.dNSName)});
        } else if (name->type == GEN_IPADD) {
            int count = ASN1_STRING_length(name->d.iPAddress);
            if (count != 4 && count != 16) continue;
            inet_ntop(count == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress), address,
                      sizeof address);
            add_name(&names, wye_span_of(address));
        }
    }
    attempt->tls.names[names.count] = '\0';
    GENERAL_NAMES_free(list);
}

static void write_time(char *to, size_t room, const ASN1_TIME *time) {
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *text = NULL;
    size_t count = 0;
    if (bio && ASN1_TIME_print(bio, time) && BIO_mem_contents(bio, &text, &count))
        snprintf(to, room, "%.*s", (int)count, text);
    BIO_free(bio);
}

static void read_certificate(struct wye_attempt *attempt, SSL *ssl) {
    X509 *certificate = SSL_get_peer_certificate(ssl);
    if (!certificate) return;
    const char *host = attempt->host;
    bool named = attempt->name.literal ? X509_check_ip_asc(certificate, host, 0) == 1
                                       : X509_check_host(certificate, host, strlen(host),
                                                         X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
    if (!named) attempt->tls.certificate |= WYE_CERTIFICATE_NAME;
    read_names(attempt, certificate);
    X509_NAME_oneline(X509_get_issuer_name(certificate), attempt->tls.issuer, sizeof attempt->tls.issuer);
    write_time(attempt->tls.from, sizeof attempt->tls.from, X509_get0_notBefore(certificate));
    write_time(attempt->tls.until, sizeof attempt->tls.until, X509_get0_notAfter(certificate));
    X509_free(certificate);
}

/* ---- the handshake ---- */

/* What an operation that didn't succeed waits for. FINE: try again. FIN, TIMEOUT, ERROR, or BROKEN: the
 * library's error queue says what. */
static enum wye_end wait_for(struct wye_probe_wire *wire, int result, uint64_t deadline_ns) {
    switch (SSL_get_error(wire->tls, result)) {
    case SSL_ERROR_WANT_READ: return wye_probe_wait(wire, POLLIN, deadline_ns);
    case SSL_ERROR_WANT_WRITE: return wye_probe_wait(wire, POLLOUT, deadline_ns);
    case SSL_ERROR_ZERO_RETURN: return WYE_END_FIN;
    case SSL_ERROR_SYSCALL:
        if (errno == 0 || result == 0) return WYE_END_FIN;
        wire->error = errno;
        return WYE_END_ERROR;
    default: return WYE_END_BROKEN;
    }
}

/* BoringSSL's way to our socket: it notes the first bytes that come, and raises no SIGPIPE. */
static int bio_read(BIO *bio, char *to, int room) {
    struct wye_probe_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(wire->fd, to, (size_t)room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    for (ssize_t i = 0; i < got && wire->first_count < sizeof wire->first; i++)
        wire->first[wire->first_count++] = (uint8_t)to[i];
    return (int)got;
}

static int bio_write(BIO *bio, const char *from, int count) {
    struct wye_probe_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(wire->fd, from, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return (int)sent;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO *bio_open(struct wye_probe_wire *wire) {
    static BIO_METHOD *method;
    if (!method) {
        method = BIO_meth_new(0, "wye-probe");
        if (!method || !BIO_meth_set_read(method, bio_read) || !BIO_meth_set_write(method, bio_write) ||
            !BIO_meth_set_ctrl(method, bio_control))
            return NULL;
    }
    BIO *bio = BIO_new(method);
    if (!bio) return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

static bool prepare(struct wye_probe_wire *wire, const struct wye_attempt *attempt, uint16_t least,
                    uint16_t most) {
    wire->context = SSL_CTX_new(TLS_method());
    if (!wire->context || !SSL_CTX_set_min_proto_version(wire->context, least) ||
        !SSL_CTX_set_max_proto_version(wire->context, most))
        return false;
    wire->tls = SSL_new(wire->context);
    BIO *bio = wire->tls ? bio_open(wire) : NULL;
    if (!bio) return false;
    SSL_set_bio(wire->tls, bio, bio);
    wire->first_count = 0;
    if (!attempt->name.literal && !SSL_set_tlsext_host_name(wire->tls, attempt->host)) return false;
    return true;
}

static enum wye_end shake(struct wye_probe_wire *wire, double timeout_s) {
    uint64_t deadline = wye_probe_deadline_ns(timeout_s);
    ERR_clear_error();
    for (;;) {
        errno = 0;
        int result = SSL_connect(wire->tls);
        if (result == 1) return WYE_END_FINE;
        enum wye_end end = wait_for(wire, result, deadline);
        if (end != WYE_END_FINE) return end;
    }
}

static enum wye_tls_fault fault_of_reason(int reason) {
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return WYE_TLS_VERSION;
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: return WYE_TLS_ALPN;
    case SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED: return WYE_TLS_WANTS_CLIENT_CERTIFICATE;
    default: return reason >= 1000 ? WYE_TLS_ALERT : WYE_TLS_OTHER; /* alerts are 1000 and their number */
    }
}

static void note_failure(struct wye_attempt *attempt, enum wye_end end) {
    uint32_t error = ERR_peek_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    bool came = attempt->tls.first_count >= 2;
    bool record =
        came && attempt->tls.first[0] >= 0x14 && attempt->tls.first[0] <= 0x17 && attempt->tls.first[1] == 3;
    if (end == WYE_END_TIMEOUT) attempt->tls.fault = WYE_TLS_TIMEOUT;
    else if (came && !record) attempt->tls.fault = WYE_TLS_NOT_TLS;
    else if (end == WYE_END_FIN || end == WYE_END_ERROR) attempt->tls.fault = WYE_TLS_CUT;
    else attempt->tls.fault = fault_of_reason(ERR_GET_REASON(error));
    if (reason && end == WYE_END_BROKEN) snprintf(attempt->tls.said, sizeof attempt->tls.said, "%s", reason);
}

void wye_probe_tls_open(struct wye_probe_wire *wire, struct wye_attempt *attempt, enum wye_probe_alpn alpn) {
    static const uint8_t protocols[] = "\x02h2\x08http/1.1";
    const uint8_t *offered = alpn == WYE_PROBE_ALPN_BOTH ? protocols : protocols + 3;
    uint64_t begun = wye_probe_now_ns();
    attempt->tls.end = WYE_END_ERROR;
    attempt->tls.fault = WYE_TLS_OTHER;
    attempt->tls.certificate = 0;
    attempt->tls.first_count = 0;
    if (!prepare(wire, attempt, TLS1_2_VERSION, TLS1_3_VERSION) ||
        SSL_set_alpn_protos(wire->tls, offered, (unsigned)(protocols + sizeof protocols - 1 - offered)) != 0)
        return;
    if (!SSL_CTX_load_verify_locations(wire->context, attempt->tls.authorities, NULL))
        attempt->tls.no_authorities = true;
    SSL_set_app_data(wire->tls, attempt);
    SSL_set_verify(wire->tls, SSL_VERIFY_PEER, note_fault);
    attempt->tls.end = shake(wire, attempt->timeout_s);
    if (attempt->tls.end != WYE_END_FINE &&
        wire->first_count > 0) { /* five bytes were enough for the library; for the report more are nicer */
        ssize_t more = recv(wire->fd, wire->first + wire->first_count, sizeof wire->first - wire->first_count,
                            MSG_DONTWAIT);
        if (more > 0) wire->first_count += (size_t)more;
    }
    memcpy(attempt->tls.first, wire->first, wire->first_count);
    attempt->tls.first_count = wire->first_count;
    if (attempt->tls.end != WYE_END_FINE) {
        note_failure(attempt, attempt->tls.end);
        return;
    }
    attempt->tls.fault = WYE_TLS_FINE;
    attempt->tls.ms = wye_probe_since_ms(begun);
    wire->last_ns = wye_probe_now_ns();
    snprintf(attempt->tls.version, sizeof attempt->tls.version, "%s", SSL_get_version(wire->tls));
    const uint8_t *chosen = NULL;
    unsigned count = 0;
    SSL_get0_alpn_selected(wire->tls, &chosen, &count);
    snprintf(attempt->tls.alpn, sizeof attempt->tls.alpn, "%.*s", (int)count,
             count ? (const char *)chosen : "");
    read_certificate(attempt, wire->tls);
}

bool wye_probe_tls_try(struct wye_probe_wire *wire, const struct wye_attempt *attempt, bool oldest,
                       char version[16]) {
    if (!prepare(wire, attempt, oldest ? TLS1_VERSION : TLS1_2_VERSION,
                 oldest ? TLS1_1_VERSION : TLS1_3_VERSION))
        return false;
    SSL_set_verify(wire->tls, SSL_VERIFY_PEER, trust_all);
    /* It is only asked to decide between causes: whoever takes longer isn't one. */
    if (shake(wire, attempt->timeout_s < 3 ? attempt->timeout_s : 3) != WYE_END_FINE) return false;
    snprintf(version, 16, "%s", SSL_get_version(wire->tls));
    return true;
}

/* ---- bytes ---- */

enum wye_end wye_probe_tls_read(struct wye_probe_wire *wire, uint8_t *to, size_t room, size_t *count,
                                uint64_t deadline_ns) {
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(wire->tls, to, (int)room);
        if (got > 0) {
            wire->last_ns = wye_probe_now_ns();
            *count = (size_t)got;
            return WYE_END_FINE;
        }
        enum wye_end end = wait_for(wire, got, deadline_ns);
        if (end == WYE_END_FINE) continue;
        if (end != WYE_END_BROKEN) return end;
        wire->wants_certificate = ERR_GET_REASON(ERR_peek_error()) == SSL_R_TLSV1_ALERT_CERTIFICATE_REQUIRED;
        wire->error = EPROTO;
        return WYE_END_ERROR;
    }
}

enum wye_end wye_probe_tls_write(struct wye_probe_wire *wire, const uint8_t *bytes, size_t count,
                                 uint64_t deadline_ns) {
    while (count > 0) {
        ERR_clear_error();
        errno = 0;
        int sent = SSL_write(wire->tls, bytes, (int)count);
        if (sent > 0) {
            wire->last_ns = wye_probe_now_ns();
            bytes += sent;
            count -= (size_t)sent;
            continue;
        }
        enum wye_end end = wait_for(wire, sent, deadline_ns);
        if (end == WYE_END_BROKEN) {
            wire->error = EPROTO;
            return WYE_END_ERROR;
        }
        if (end != WYE_END_FINE) return end;
    }
    return WYE_END_FINE;
}

void wye_probe_tls_shut(struct wye_probe_wire *wire) {
    SSL_free(wire->tls);
    SSL_CTX_free(wire->context);
}

#endif
