/* tls_context.c - certificates, keys, and what we offer: TLS 1.2 and 1.3 with forward secrecy and
 * authenticated encryption only, no renegotiation, no compression, no early data. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/tls_private.h"

#define CIPHERS_12                                                                                 \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13     "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS         "X25519:P-256:P-384:P-521"
#define SECURITY_LEVEL 2 /* 112 bits: no RSA below 2048, no SHA-1 */
#define DEPTH_MAX      8 /* of clients' chains */

/* ---- Words ---- */

const char *tls_error(const char *otherwise)
{
    unsigned long chosen = 0;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        const bool is_better =
            ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_LIB(chosen) != ERR_LIB_SSL;
        chosen = chosen == 0 || is_better ? code : chosen;
    }
    const char *words = chosen == 0 ? NULL : ERR_reason_error_string(chosen);
    return words == NULL ? otherwise : words;
}

/* ---- PEM ---- */

static BIO *bio_of(struct slice text)
{
    CHECK(text.size <= TLS_FILE_MAX);
    BIO *bio = BIO_new_mem_buf(text.data == NULL ? (const uint8_t *)"" : text.data, (int)text.size);
    CHECK(bio != NULL);
    return bio;
}

/* Whether OpenSSL stopped because there is nothing more, which is no failure. */
static bool is_at_end(void)
{
    const unsigned long last = ERR_peek_last_error();
    const bool is_end =
        ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (is_end) {
        ERR_clear_error();
    }
    return is_end;
}

typedef bool (*take_fn)(struct tls_context *c, X509 *certificate, size_t index);

/* Calls `take`, which takes its own reference, with each certificate of `text`. */
static enum err each_certificate(struct tls_context *c, struct slice text, size_t max, take_fn take,
                                 const char *what, struct err_why *why)
{
    ERR_clear_error();
    BIO *bio = bio_of(text);
    enum err e = ERR_OK;
    size_t count = 0;
    for (X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL); x != NULL && e == ERR_OK;) {
        if (count == max) {
            e = err_set(why, ERR_INVALID, "%s holds more than %zu certificates", what, max);
        } else if (!take(c, x, count++)) {
            e = err_set(why, ERR_INVALID, "%s: %s", what, tls_error("cannot be used"));
        }
        X509_free(x);
        x = e == ERR_OK ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    }
    if (e == ERR_OK && !is_at_end()) {
        e = err_set(why, ERR_INVALID, "%s is broken: %s", what, tls_error("unexpected end"));
    }
    if (e == ERR_OK && count == 0) {
        e = err_set(why, ERR_INVALID, "%s holds no certificate", what);
    }
    BIO_free(bio);
    return e;
}

/* ---- The server's own ---- */

static uint64_t expiry_of(const X509 *certificate)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1) {
        return 0;
    }
    const time_t at = timegm(&tm);
    return at < 0 ? 0 : (uint64_t)at;
}

static bool take_own(struct tls_context *c, X509 *certificate, size_t index)
{
    if (index == 0) {
        c->expiry_s = expiry_of(certificate);
        return SSL_CTX_use_certificate(c->ssl, certificate) == 1;
    }
    return SSL_CTX_add1_chain_cert(c->ssl, certificate) == 1;
}

/* Nobody can be asked for a password.
 * NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's. */
static int no_password(char *text, int size, int is_writing, void *arg)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static enum err use_key(struct tls_context *c, struct slice text, struct err_why *why)
{
    BIO *bio = bio_of(text);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    BIO_free(bio);
    if (key == NULL) {
        return err_set(why, ERR_INVALID,
                       "the key cannot be read: %s (it must be PEM without a "
                       "password)",
                       tls_error("no key in it"));
    }
    const bool is_fine = SSL_CTX_use_PrivateKey(c->ssl, key) == 1;
    EVP_PKEY_free(key);
    if (!is_fine || SSL_CTX_check_private_key(c->ssl) != 1) {
        return err_set(why, ERR_INVALID, "the key does not fit the certificate: %s",
                       tls_error("another key"));
    }
    return ERR_OK;
}

/* ---- Clients ---- */

static bool take_ca(struct tls_context *c, X509 *certificate, size_t index)
{
    (void)index;
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ssl), certificate) == 1 &&
           SSL_CTX_add_client_CA(c->ssl, certificate) == 1;
}

/* Sessions are resumed only where the same clients are let in. */
static void name_sessions(struct tls_context *c, const struct tls_settings *settings)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const uint8_t auth = (uint8_t)settings->client_auth;
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    CHECK(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
    CHECK(EVP_DigestUpdate(hash, &auth, 1) == 1);
    CHECK(EVP_DigestUpdate(hash, settings->client_ca.data, settings->client_ca.size) == 1);
    CHECK(EVP_DigestFinal_ex(hash, digest, &size) == 1);
    EVP_MD_CTX_free(hash);
    CHECK(SSL_CTX_set_session_id_context(c->ssl, digest, size) == 1);
}

static enum err use_clients(struct tls_context *c, const struct tls_settings *settings,
                            struct err_why *why)
{
    name_sessions(c, settings);
    if (settings->client_auth == TLS_CLIENT_NONE) {
        return ERR_OK;
    }
    const int must =
        settings->client_auth == TLS_CLIENT_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | must, NULL);
    SSL_CTX_set_verify_depth(c->ssl, DEPTH_MAX);
    return each_certificate(c, settings->client_ca, TLS_CA_MAX, take_ca,
                            "the file of the clients' authorities", why);
}

/* ---- What is offered ---- */

/* The first of ours that the client knows too; one that knows neither gets none, and is told apart
 * by its first bytes as without TLS. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void offer(SSL_CTX *ssl)
{
    CHECK(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
    CHECK(SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1);
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    CHECK(SSL_CTX_set_cipher_list(ssl, CIPHERS_12) == 1);
    CHECK(SSL_CTX_set_ciphersuites(ssl, CIPHERS_13) == 1);
    CHECK(SSL_CTX_set1_groups_list(ssl, unconst(GROUPS)) == 1);
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_clear_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF); /* tickets need none */
    (void)SSL_CTX_set_timeout(ssl, TLS_TICKET_LIFE_S);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
}

/* ---- Life ---- */

enum err tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                         struct err_why *why)
{
    if (settings->certificate.size > TLS_FILE_MAX || settings->key.size > TLS_FILE_MAX ||
        settings->client_ca.size > TLS_FILE_MAX) {
        return err_set(why, ERR_INVALID, "a file of certificates is larger than %zu bytes",
                       TLS_FILE_MAX);
    }
    struct tls_context *c = mem_zero(1, sizeof(*c));
    atomic_init(&c->holds, 1);
    c->ssl = SSL_CTX_new(TLS_server_method());
    CHECK(c->ssl != NULL);
    c->method = tls_bio_method();
    c->tickets = tls_tickets_hold(settings->tickets);
    CHECK(SSL_CTX_set_app_data(c->ssl, c) == 1);
    offer(c->ssl);
    tls_tickets_use(c);
    enum err e = each_certificate(c, settings->certificate, TLS_CHAIN_MAX, take_own,
                                  "the file of the certificate", why);
    e = e == ERR_OK ? use_key(c, settings->key, why) : e;
    e = e == ERR_OK ? use_clients(c, settings, why) : e;
    ERR_clear_error();
    if (e != ERR_OK) {
        tls_context_release(&c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

struct tls_context *tls_context_hold(struct tls_context *c)
{
    atomic_fetch_add(&c->holds, 1);
    return c;
}

void tls_context_release(struct tls_context **context)
{
    struct tls_context *c = *context;
    *context = NULL;
    if (c == NULL || atomic_fetch_sub(&c->holds, 1) > 1) {
        return;
    }
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->method);
    tls_tickets_release(&c->tickets);
    mem_free(c);
}

uint64_t tls_context_expiry_s(const struct tls_context *c)
{
    return c->expiry_s;
}
