#include "core/tls_state.h"

#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Forward secrecy and AEAD alone; the client's preference between AES and ChaCha20, which knows its own
 * hardware. */
#define CIPHERS_12                                                                                           \
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|ECDHE-RSA-AES128-GCM-SHA256|"              \
    "ECDHE-RSA-CHACHA20-POLY1305]:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

static const uint8_t alpn_http[] = "\x08http/1.1";
enum { ALPN_HTTP_BYTES = sizeof alpn_http - 1, CHAIN_MAX = 16, NAMES_MAX = 256, NAME_MAX_BYTES = 253 };

bool wye_tls_is_built(void) { return true; }

/* ---- life ---- */

static void identity_fini(struct wye_tls_identity *identity) {
    for (size_t i = 0; i < identity->chain_count; i++) CRYPTO_BUFFER_free(identity->chain[i]);
    for (size_t i = 0; i < identity->name_count; i++) free(identity->names[i]);
    EVP_PKEY_free(identity->key);
    free(identity->chain);
    free(identity->names);
}

struct wye_tls_context *wye_tls_context_hold(struct wye_tls_context *context) {
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void wye_tls_context_release(struct wye_tls_context *context) {
    if (!context || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) > 1) return;
    for (size_t i = 0; i < context->identity_count; i++) identity_fini(&context->identities[i]);
    free(context->identities);
    SSL_SESSION_free(context->session);
    SSL_CTX_free(context->ssl);
    free(context->name);
    pthread_mutex_destroy(&context->lock);
    free(context);
}

static struct wye_tls_context *context_new(bool client, const SSL_METHOD *method, bool only_13) {
    struct wye_tls_context *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->references = 1;
    context->client = client;
    pthread_mutex_init(&context->lock, NULL);
    context->ssl = SSL_CTX_new(method);
    if (!context->ssl ||
        !SSL_CTX_set_min_proto_version(context->ssl, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(context->ssl, TLS1_3_VERSION) ||
        !SSL_CTX_set_strict_cipher_list(context->ssl, CIPHERS_12)) {
        wye_tls_context_release(context);
        return NULL;
    }
    return context;
}

/* ---- certificates ---- */

/* Adds a name in lower case. false: no memory. */
static bool identity_add_name(struct wye_tls_identity *identity, const uint8_t *bytes, size_t count) {
    if (count == 0 || count > NAME_MAX_BYTES || memchr(bytes, 0, count) || identity->name_count == NAMES_MAX)
        return true;
    char *name = malloc(count + 1);
    if (!name) return false;
    for (size_t i = 0; i < count; i++) name[i] = (char)tolower(bytes[i]);
    name[count] = 0;
    identity->names[identity->name_count++] = name;
    return true;
}

static const char *identity_read_names(struct wye_tls_identity *identity, X509 *leaf) {
    identity->names = calloc(NAMES_MAX, sizeof identity->names[0]);
    if (!identity->names) return "no memory";
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    bool fine = true;
    for (size_t i = 0; names && i < sk_GENERAL_NAME_num(names) && fine; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS) continue;
        fine = identity_add_name(identity, ASN1_STRING_get0_data(name->d.dNSName),
                                 (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    return fine ? NULL : "no memory";
}

/* Adds a certificate to the chain; the first one says whose it is. NULL, or what is wrong. */
static const char *identity_add_certificate(struct wye_tls_identity *identity, X509 *certificate) {
    uint8_t *der = NULL;
    int count = i2d_X509(certificate, &der);
    CRYPTO_BUFFER *buffer = count > 0 ? CRYPTO_BUFFER_new(der, (size_t)count, NULL) : NULL;
    OPENSSL_free(der);
    if (!buffer) return "no memory";
    identity->chain[identity->chain_count++] = buffer;
    if (identity->chain_count > 1) return NULL;
    if (!X509_check_private_key(certificate, identity->key))
        return "the key is not the one of the first certificate";
    return identity_read_names(identity, certificate);
}

static const char *identity_read_chain(struct wye_tls_identity *identity, const struct wye_tls_pair *pair) {
    identity->chain = calloc(CHAIN_MAX, sizeof identity->chain[0]);
    BIO *pem = BIO_new_mem_buf(pair->chain, (int)pair->chain_bytes);
    const char *why = pem && identity->chain ? NULL : "no memory";
    while (!why) {
        X509 *certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL);
        if (!certificate) {
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!end) why = "a certificate in it cannot be read";
            else if (identity->chain_count == 0) why = "there is no certificate (BEGIN CERTIFICATE) in it";
            break;
        }
        why = identity->chain_count == CHAIN_MAX ? "more than 16 certificates"
                                                 : identity_add_certificate(identity, certificate);
        X509_free(certificate);
    }
    BIO_free(pem);
    return why;
}

/* Nobody can be asked for a password. */
static int no_password(char *to, int room, int writing, void *unused) {
    (void)to, (void)room, (void)writing, (void)unused;
    return -1;
}

static const char *identity_read_key(struct wye_tls_identity *identity, const struct wye_tls_pair *pair) {
    BIO *pem = BIO_new_mem_buf(pair->key, (int)pair->key_bytes);
    if (!pem) return "no memory";
    identity->key = PEM_read_bio_PrivateKey(pem, NULL, no_password, NULL);
    BIO_free(pem);
    if (!identity->key) {
        if (memmem(pair->key, pair->key_bytes, "ENCRYPTED", 9))
            return "the key is encrypted; openssl pkey -in FILE decrypts it";
        if (memmem(pair->key, pair->key_bytes, "PRIVATE KEY-----", 16))
            return "the private key in it cannot be read";
        return "there is no private key (BEGIN PRIVATE KEY) in it";
    }
    int kind = EVP_PKEY_id(identity->key);
    if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_EC) return "the key must be an RSA or ECDSA one";
    return NULL;
}

static bool identity_read(struct wye_tls_identity *identity, const struct wye_tls_pair *pair,
                          struct wye_tls_trouble *trouble) {
    ERR_clear_error();
    trouble->of_key = true;
    trouble->why = identity_read_key(identity, pair);
    if (trouble->why) return false;
    trouble->of_key = false;
    trouble->why = identity_read_chain(identity, pair);
    return !trouble->why;
}

/* ---- the server ---- */

/* Does this name of a certificate stand for that host? A star stands for one whole label (RFC 9525 6.3). */
static bool name_fits(const char *name, const char *host, bool wild) {
    if (name[0] != '*') return !wild && strcmp(name, host) == 0;
    const char *dot = strchr(host, '.');
    return wild && name[1] == '.' && dot && dot > host && strcmp(name + 1, dot) == 0;
}

static const struct wye_tls_identity *context_find(const struct wye_tls_context *context, const char *host) {
    for (unsigned wild = 0; wild < 2; wild++) {
        for (size_t i = 0; i < context->identity_count; i++) {
            const struct wye_tls_identity *identity = &context->identities[i];
            for (size_t n = 0; n < identity->name_count; n++) {
                if (name_fits(identity->names[n], host, wild)) return identity;
            }
        }
    }
    return &context->identities[0];
}

/* The ClientHello has been read: which certificate? */
static int choose_certificate(SSL *ssl, void *argument) {
    const struct wye_tls_context *context = argument;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    char host[NAME_MAX_BYTES + 1];
    size_t count = asked ? strlen(asked) : 0;
    if (count == 0 || count > NAME_MAX_BYTES) return 1;
    for (size_t i = 0; i <= count; i++) host[i] = (char)tolower((unsigned char)asked[i]);
    const struct wye_tls_identity *identity = context_find(context, host);
    if (identity == &context->identities[0]) return 1; /* the context has it already */
    return SSL_set_chain_and_key(ssl, identity->chain, identity->chain_count, identity->key, NULL);
}

/* HTTP/1.1, or nothing at all (RFC 7301 3.2). */
static int choose_protocol(SSL *ssl, const uint8_t **chosen, uint8_t *chosen_bytes, const uint8_t *offered,
                           unsigned offered_bytes, void *unused) {
    (void)ssl, (void)unused;
    CBS list, name;
    CBS_init(&list, offered, offered_bytes);
    while (CBS_get_u8_length_prefixed(&list, &name)) {
        if (!CBS_mem_equal(&name, alpn_http + 1, ALPN_HTTP_BYTES - 1)) continue;
        *chosen = alpn_http + 1;
        *chosen_bytes = ALPN_HTTP_BYTES - 1;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Of all that it is made of. */
static struct wye_tls_digest digest_of(const struct wye_tls_server *server) {
    struct wye_tls_digest digest;
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, &server->only_13, sizeof server->only_13);
    for (size_t i = 0; i < server->pair_count; i++) {
        const struct wye_tls_pair *pair = &server->pairs[i];
        SHA256_Update(&sha, &pair->chain_bytes, sizeof pair->chain_bytes);
        SHA256_Update(&sha, pair->chain, pair->chain_bytes);
        SHA256_Update(&sha, &pair->key_bytes, sizeof pair->key_bytes);
        SHA256_Update(&sha, pair->key, pair->key_bytes);
    }
    SHA256_Final(digest.bytes, &sha);
    OPENSSL_cleanse(&sha, sizeof sha);
    return digest;
}

bool wye_tls_context_equal(const struct wye_tls_context *one, const struct wye_tls_context *other) {
    return one && other && memcmp(&one->digest, &other->digest, sizeof one->digest) == 0;
}

struct wye_tls_context *wye_tls_server_open(const struct wye_tls_server *server,
                                            struct wye_tls_trouble *trouble) {
    *trouble = (struct wye_tls_trouble){.why = "no memory"};
    struct wye_tls_context *context = context_new(false, TLS_with_buffers_method(), server->only_13);
    if (!context) return NULL;
    context->identities = calloc(server->pair_count, sizeof context->identities[0]);
    bool fine = context->identities && server->pair_count > 0;
    for (size_t i = 0; fine && i < server->pair_count; i++) {
        trouble->pair = i;
        context->identity_count = i + 1;
        fine = identity_read(&context->identities[i], &server->pairs[i], trouble);
        /* Also a test that TLS can use it. */
        const struct wye_tls_identity *identity = &context->identities[i];
        if (fine && !SSL_CTX_set_chain_and_key(context->ssl, identity->chain, identity->chain_count,
                                               identity->key, NULL)) {
            trouble->why = "TLS cannot use this certificate (does it allow digital signatures?)";
            fine = false;
        }
    }
    if (!fine) {
        wye_tls_context_release(context);
        return NULL;
    }
    context->digest = digest_of(server);
    const struct wye_tls_identity *first = &context->identities[0];
    SSL_CTX_set_chain_and_key(context->ssl, first->chain, first->chain_count, first->key, NULL);
    SSL_CTX_set_options(context->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cert_cb(context->ssl, choose_certificate, context);
    SSL_CTX_set_alpn_select_cb(context->ssl, choose_protocol, NULL);
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF); /* tickets need no memory here */
    return context;
}

/* ---- the client ---- */

/* The server gave a session: the next handshake may resume it. */
static int new_session(SSL *ssl, SSL_SESSION *session) {
    struct wye_tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    pthread_mutex_lock(&context->lock);
    SSL_SESSION *old = context->session;
    context->session = session;
    pthread_mutex_unlock(&context->lock);
    SSL_SESSION_free(old);
    return 1; /* it is ours now */
}

static const char *context_trust(struct wye_tls_context *context, const char *pem_bytes, size_t count) {
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    BIO *pem = BIO_new_mem_buf(pem_bytes, (int)count);
    if (!pem) return "no memory";
    size_t added = 0;
    for (X509 *certificate; (certificate = PEM_read_bio_X509(pem, NULL, NULL, NULL)); added++) {
        X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
    }
    bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(pem);
    if (!end) return "a certificate in it cannot be read";
    return added > 0 ? NULL : "there is no certificate (BEGIN CERTIFICATE) in it";
}

struct wye_tls_context *wye_tls_client_open(const struct wye_tls_client *client,
                                            struct wye_tls_trouble *trouble) {
    *trouble = (struct wye_tls_trouble){.why = "no memory"};
    struct wye_tls_context *context = context_new(true, TLS_method(), false);
    if (!context) return NULL;
    uint8_t address[16];
    context->name = strdup(client->name);
    context->name_is_address =
        inet_pton(AF_INET, client->name, address) == 1 || inet_pton(AF_INET6, client->name, address) == 1;
    bool fine = context->name && SSL_CTX_set_alpn_protos(context->ssl, alpn_http, ALPN_HTTP_BYTES) == 0;
    if (fine && !client->insecure) {
        trouble->why = context_trust(context, client->trusted, client->trusted_bytes);
        fine = !trouble->why;
    }
    if (!fine) {
        wye_tls_context_release(context);
        return NULL;
    }
    /* A server's own certificate may be named, too. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context->ssl), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(context->ssl, client->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_app_data(context->ssl, context);
    if (client->forgets) SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context->ssl,
                                   client->forgets ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context->ssl, new_session);
    return context;
}

/* Whom a client speaks to, and what it remembers of it. */
static bool ssl_set_peer(SSL *ssl, struct wye_tls_context *context) {
    bool fine = context->name_is_address
                    ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), context->name)
                    : SSL_set1_host(ssl, context->name) && SSL_set_tlsext_host_name(ssl, context->name);
    pthread_mutex_lock(&context->lock);
    if (context->session) SSL_set_session(ssl, context->session);
    pthread_mutex_unlock(&context->lock);
    return fine;
}

SSL *wye_tls_context_ssl(struct wye_tls_context *context) {
    SSL *ssl = SSL_new(context->ssl);
    if (!ssl) return NULL;
    SSL_set_shed_handshake_config(ssl, 1); /* what only a handshake needs isn't kept */
    if (!context->client) {
        SSL_set_accept_state(ssl);
        return ssl;
    }
    SSL_set_connect_state(ssl);
    if (ssl_set_peer(ssl, context)) return ssl;
    SSL_free(ssl);
    return NULL;
}
