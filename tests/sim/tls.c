#include "tests/sim/tls.h"

#include "tests/sim/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#ifdef WYE_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

static const char chain[] = "-----BEGIN CERTIFICATE-----\n"
                            "MIIDITCCAgmgAwIBAgIUKaKKHM2EPqYeBcXoCsebQfzHr00wDQYJKoZIhvcNAQEL\n"
                            "BQAwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTAyNDk0NloYDzIxMjYx\n"
                            "MTAxMDI0OTQ2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwggEiMA0GCSqGSIb3DQEB\n"
                            "AQUAA4IBDwAwggEKAoIBAQCJo88ta4xEb0WttlgfUQo84tAlJeKs847b9aInLZII\n"
                            "lbLwOJMor+6EUt/izXC22RlpLCQ37uK9WFS8BlYeREm2K3MVb3O7w5uol9dkkosO\n"
                            "eCMVwKtOpiuY2dyhJ+ToFb4AKyXIpjHDpvpw+YWE5CKl42YMtRo4E45pVdoqNkZ6\n"
                            "P8Kq4h4EU0qOMoOyM2HJjWmsPvGP7DmFAnEigXMEBgKf5hbI+edrkHVx1pGFG2Gy\n"
                            "kSG+QRgam1DkQk9XVVA8kfu6visxKKiAKl/l2ipWNvkRIgm4Tc35lLJB1yGZ243u\n"
                            "u8A5hr95seqQYcfOXbW10IcyV2/dpaVQE4xKxWDqoiiFAgMBAAGjaTBnMB0GA1Ud\n"
                            "DgQWBBS7DI1lHALKSgYJ3i4FwqY7L9xs/jAfBgNVHSMEGDAWgBS7DI1lHALKSgYJ\n"
                            "3i4FwqY7L9xs/jAPBgNVHRMBAf8EBTADAQH/MBQGA1UdEQQNMAuCCWxvY2FsaG9z\n"
                            "dDANBgkqhkiG9w0BAQsFAAOCAQEABUPGs25SLixgA/khururf2jU5AJ4x/FdmU/i\n"
                            "dVp2anJQgFw2lnc2OZQmv/0QJyig6epX3C9W02bNJ1Nbskz145aOGsN3m2XBhbvm\n"
                            "9f31eOLpX4MeoiWiYusstOFYnRElUBthSqDAonAV9TqF6UJqBkaUepriKnCZ3nZF\n"
                            "+TRPDmAT9Emcevzo9hZf8Ad1PluygsLBltlvYSCjvEpH1q17hlmQXzBiBiVDkwQC\n"
                            "ZcbRfilYYrlBXUM/QdZuq8TXEabu86Mj8UyKASRWj4cRrTV0TFb5JhekTiPwLPKt\n"
                            "fEaBHQT4SY4Zpzvk2goMv2U48Ql3lXwXenpdNF4O9E5v2WuWPg==\n"
                            "-----END CERTIFICATE-----\n";
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCJo88ta4xEb0Wt\n"
                          "tlgfUQo84tAlJeKs847b9aInLZIIlbLwOJMor+6EUt/izXC22RlpLCQ37uK9WFS8\n"
                          "BlYeREm2K3MVb3O7w5uol9dkkosOeCMVwKtOpiuY2dyhJ+ToFb4AKyXIpjHDpvpw\n"
                          "+YWE5CKl42YMtRo4E45pVdoqNkZ6P8Kq4h4EU0qOMoOyM2HJjWmsPvGP7DmFAnEi\n"
                          "gXMEBgKf5hbI+edrkHVx1pGFG2GykSG+QRgam1DkQk9XVVA8kfu6visxKKiAKl/l\n"
                          "2ipWNvkRIgm4Tc35lLJB1yGZ243uu8A5hr95seqQYcfOXbW10IcyV2/dpaVQE4xK\n"
                          "xWDqoiiFAgMBAAECggEAC+XGBdYTFONNcZueeG6H5QVyGpPwySRwh+DuuFY/FlDi\n"
                          "W9N4HP9ALd4ADlnV0WhowueW5eLXZKibAnnFve4HNSECXKr6pRNehC9D5iSosoJ9\n"
                          "/eZeqHjCsf67DI8nQUyH1Pnl1TdQe+oWIeffu8IAoLhMXPLWplxCZiaOqjFw3CZA\n"
                          "WG3bdkVbPbJ+WhJB8cYKnzM9CrjlsyRYqLbxIPnxI9O5bmhCrWA3nDQhz9aZcdQK\n"
                          "iyOCpl6KjbrC0GC37BxfDfonnYcAAAQ7RoQ4YEcjfufForxk0TlZZtGvK91cGF9P\n"
                          "hHgEWrYjlLNJtGJyH0bDZ4xI3D47EVwnEFe5mcxzTQKBgQC9gLcaQ5IjkU8L2zcQ\n"
                          "NosYHvL9Rs5WO8fl4TJongqSkT6eCgkRR4nZlfQCFGt/GZZrqnoBUl6/qb7OAW3f\n"
                          "LlzTOd+WT9TDwSsdWw3tG90ggvuFNQ8db8UrO3MSDKhd9NBNXnT0wu7aZQ95OZMM\n"
                          "1/AWWTAtIFym6yxC6Rid2uahywKBgQC58C4u0CCR54aZ15c6exq0Am9Trtd2jsYN\n"
                          "wqjuHP9dLakWOeqBj9p1hNx1gKpnhsqFq7+Y1//KYaJBQA2omfdgV5oMD1koKyAw\n"
                          "qI4yz9DAGwo/5EQWXj19tVEJSmKvBEuG7hH7CLbCIj6KbWEeX2VQKXg46Mx7XMJk\n"
                          "hKlI71/U7wKBgQCe4mCi4KySra583luYeGK+4pQQz2EI5C6CCwJcvMVYhfbeQsO/\n"
                          "fR+TEyr243ANrMJ1mwWYPhu6zvNvfbtFOHYTk55nRJ+7USZ5AnL2rjoEnE2OLiJy\n"
                          "J9hEmx+rrnkr7asIc33UCeyBp+IFXcRxLEvcMQM3kr6cJOmDYDSHhZWBaQKBgCtN\n"
                          "q4PNhvhUAn4LvrWo+/QWaRUFMDr1T1zfC/bAnBx4SNvbSyk3dnpOIgXfnFAWDU6K\n"
                          "TEntbC4XBPHLWCL/EKTIYiES5gG74XhTmSJuUcCby4xLviuzcQC43JGcWFVIW8ql\n"
                          "4VwkkGOwE/6rMKYhM3gy4EPou86zMLa2SrKoxRnTAoGBALe3wPZLkEsrccyrmSd3\n"
                          "yBleDysgMNoY5y6Us7LbR5vz6U2Cp+v2Lt0ckoIeR6CHQUO9vecwllhd3PL14lGL\n"
                          "C+TDoHhDq6YFWhvJdIj0W/k/63oSTADW3Ns23ot812JJZsG4a2BZpDAKkNou14vo\n"
                          "aUnlmKnCsDAqg4Z2+9fgjjZN\n"
                          "-----END PRIVATE KEY-----\n";

struct sim_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    bool up, ended, broken;
};

struct wye_tls_context *sim_tls_server(void) {
    struct wye_tls_trouble trouble;
    const struct wye_tls_pair pair = {chain, key, sizeof chain - 1, sizeof key - 1};
    struct wye_tls_context *context =
        wye_tls_server_open(&(struct wye_tls_server){.pairs = &pair, .pair_count = 1}, &trouble);
    assert(context);
    return context;
}

/* What BoringSSL has to say goes behind what waits to be written. */
static void take(struct sim_tls *tls, struct sim_bytes *sealed) {
    const uint8_t *bytes;
    size_t count;
    if (BIO_mem_contents(tls->out, &bytes, &count)) sim_bytes_add(sealed, bytes, count);
    BIO_reset(tls->out);
}

static void shake(struct sim_tls *tls) {
    int done = SSL_do_handshake(tls->ssl);
    tls->up = done == 1;
    tls->broken = done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
}

struct sim_tls *sim_tls_open(bool old, struct sim_bytes *sealed) {
    struct sim_tls *tls = calloc(1, sizeof *tls);
    assert(tls);
    tls->context = SSL_CTX_new(TLS_method());
    uint16_t version = old ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(tls->context, version);
    SSL_CTX_set_max_proto_version(tls->context, version);
    tls->ssl = SSL_new(tls->context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(tls->in, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_connect_state(tls->ssl);
    shake(tls);
    take(tls, sealed);
    return tls;
}

void sim_tls_free(struct sim_tls *tls) {
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

bool sim_tls_is_up(const struct sim_tls *tls) { return tls->up; }
bool sim_tls_has_ended(const struct sim_tls *tls) { return tls->ended; }

void sim_tls_say(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *sealed) {
    int said = SSL_write(tls->ssl, bytes, (int)count);
    assert(said == (int)count);
    take(tls, sealed);
}

void sim_tls_end(struct sim_tls *tls, struct sim_bytes *sealed) {
    SSL_shutdown(tls->ssl);
    take(tls, sealed);
}

void sim_tls_hear(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *opened,
                  struct sim_bytes *sealed) {
    static uint8_t piece[16384];
    int written = BIO_write(tls->in, bytes, (int)count), got = 0;
    assert(written == (int)count);
    if (!tls->up) shake(tls);
    while (tls->up && (got = SSL_read(tls->ssl, piece, sizeof piece)) > 0)
        sim_bytes_add(opened, piece, (size_t)got);
    if (tls->up) {
        int error = SSL_get_error(tls->ssl, got);
        tls->ended |= error == SSL_ERROR_ZERO_RETURN;
        assert(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_ZERO_RETURN);
    }
    assert(!tls->broken);
    ERR_clear_error();
    take(tls, sealed);
}

#else
struct wye_tls_context *sim_tls_server(void) {
    return NULL;
}
struct sim_tls *sim_tls_open(bool old, struct sim_bytes *sealed) {
    return (void)old, (void)sealed, (struct sim_tls *)NULL;
}
void sim_tls_free(struct sim_tls *tls) { assert(!tls); }
bool sim_tls_is_up(const struct sim_tls *tls) { return tls != NULL; }
bool sim_tls_has_ended(const struct sim_tls *tls) { return tls != NULL; }
void sim_tls_say(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *sealed) {
    (void)tls, (void)bytes, (void)count, (void)sealed;
}
void sim_tls_end(struct sim_tls *tls, struct sim_bytes *sealed) { (void)tls, (void)sealed; }
void sim_tls_hear(struct sim_tls *tls, const uint8_t *bytes, size_t count, struct sim_bytes *opened,
                  struct sim_bytes *sealed) {
    (void)tls, (void)bytes, (void)count, (void)opened, (void)sealed;
}
#endif
