/* A throw-away certificate, so that TLS can be tried without one. */
#include "core/tls_state.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DAYS = 30, EARLIER_S = 3600 }; /* clocks differ */

static EVP_PKEY *key_new(void) {
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    if (ec && key && EC_KEY_generate_key(ec) && EVP_PKEY_set1_EC_KEY(key, ec)) {
        EC_KEY_free(ec);
        return key;
    }
    EC_KEY_free(ec);
    EVP_PKEY_free(key);
    return NULL;
}

/* "DNS:localhost,IP:127.0.0.1" */
static bool write_names(char *to, size_t room, const char *const *names, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t address[16];
        bool is_address =
            inet_pton(AF_INET, names[i], address) == 1 || inet_pton(AF_INET6, names[i], address) == 1;
        int n = snprintf(to + at, room - at, "%s%s:%s", i ? "," : "", is_address ? "IP" : "DNS", names[i]);
        if (n < 0 || (size_t)n >= room - at) return false;
        at += (size_t)n;
    }
    return true;
}

static bool add_extension(X509 *certificate, int nid, char *value) {
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);
    bool fine = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return fine;
}

/* It names itself, and signs itself. */
static bool fill(X509 *certificate, EVP_PKEY *key, const char *const *names, size_t count, uint64_t unix_s) {
    uint64_t serial;
    char alternatives[1024], constraints[] = "critical,CA:FALSE", usage[] = "critical,digitalSignature",
                             extended[] = "serverAuth";
    RAND_bytes((uint8_t *)&serial, sizeof serial);
    X509_NAME *name = X509_get_subject_name(certificate);
    return write_names(alternatives, sizeof alternatives, names, count) &&
           X509_set_version(certificate, X509_VERSION_3) &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)unix_s - EARLIER_S) &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)unix_s + DAYS * 86400) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"wye, for development", -1,
                                      -1, 0) &&
           X509_set_issuer_name(certificate, name) && X509_set_pubkey(certificate, key) &&
           add_extension(certificate, NID_basic_constraints, constraints) &&
           add_extension(certificate, NID_key_usage, usage) &&
           add_extension(certificate, NID_ext_key_usage, extended) &&
           add_extension(certificate, NID_subject_alt_name, alternatives) &&
           X509_sign(certificate, key, EVP_sha256());
}

/* What the BIO holds, as a string. */
static bool take(BIO *bio, char *to, size_t room) {
    const uint8_t *bytes;
    size_t count;
    if (!BIO_mem_contents(bio, &bytes, &count) || count >= room) return false;
    memcpy(to, bytes, count);
    to[count] = 0;
    return true;
}

int wye_tls_dev_pair(char chain[WYE_TLS_PEM_MAX], char key[WYE_TLS_PEM_MAX],
                     uint8_t fingerprint[WYE_TLS_FINGERPRINT_BYTES], const char *const *names,
                     size_t name_count, uint64_t unix_s) {
    EVP_PKEY *pair = key_new();
    X509 *certificate = X509_new();
    BIO *chain_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());
    unsigned digest_bytes = 0;
    bool fine = pair && certificate && chain_pem && key_pem &&
                fill(certificate, pair, names, name_count, unix_s) &&
                X509_digest(certificate, EVP_sha256(), fingerprint, &digest_bytes) &&
                PEM_write_bio_X509(chain_pem, certificate) &&
                PEM_write_bio_PrivateKey(key_pem, pair, NULL, NULL, 0, NULL, NULL) &&
                take(chain_pem, chain, WYE_TLS_PEM_MAX) && take(key_pem, key, WYE_TLS_PEM_MAX);
    BIO_free(chain_pem);
    BIO_free(key_pem);
    X509_free(certificate);
    EVP_PKEY_free(pair);
    return fine ? 0 : -ENOMEM;
}
