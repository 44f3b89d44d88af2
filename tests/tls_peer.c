#include "tls_peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include "harness.h"

#define DAY_S UINT64_C(86400)

void tls_pair_make(struct tls_pair *p, const char *name, uint64_t from_s, uint64_t days)
{
    struct tls_self_signed wanted = {.names = {name, "localhost", "127.0.0.1", "::1"},
                                     .name_count = 4,
                                     .from_s = from_s,
                                     .days = days};
    if (from_s == 0) {
        wanted.from_s = (uint64_t)time(NULL) - DAY_S;
        wanted.days = 365;
    }
    for (size_t i = 0; i < sizeof(wanted.serial); i++) {
        wanted.serial[i] = (uint8_t)name[i % strlen(name)];
    }
    *p = (struct tls_pair){0};
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, tls_self_sign(&wanted, &p->certificate, &p->key, &why));
}

void tls_pair_deinit(struct tls_pair *p)
{
    buf_deinit(&p->certificate);
    buf_deinit(&p->key);
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    SSL_SESSION_free(p->session);
    p->session = session;
    return 1; /* it is ours now */
}

static void show(SSL_CTX *context, const struct tls_pair *own)
{
    BIO *bio = BIO_new_mem_buf(own->certificate.data, (int)own->certificate.size);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EXPECT_EQ(1, SSL_CTX_use_certificate(context, certificate));
    X509_free(certificate);
    BIO_free(bio);
    bio = BIO_new_mem_buf(own->key.data, (int)own->key.size);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EXPECT_EQ(1, SSL_CTX_use_PrivateKey(context, key));
    EVP_PKEY_free(key);
    BIO_free(bio);
}

void tls_peer_open(struct tls_peer *p, const struct tls_peer_options *options)
{
    *p = (struct tls_peer){.context = SSL_CTX_new(TLS_client_method())};
    SSL_CTX_set_security_level(p->context, 0); /* as bad as the test wants */
    (void)SSL_CTX_set_min_proto_version(p->context, options->version);
    (void)SSL_CTX_set_max_proto_version(p->context, options->version);
    if (options->ciphers != NULL) {
        EXPECT_EQ(1, SSL_CTX_set_cipher_list(p->context, options->ciphers));
    }
    if (options->own != NULL) {
        show(p->context, options->own);
    }
    (void)SSL_CTX_set_session_cache_mode(p->context,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(p->context, on_session);
    p->ssl = SSL_new(p->context);
    EXPECT_EQ(1, SSL_set_app_data(p->ssl, p));
    if (options->alpn != NULL) {
        EXPECT_EQ(0, SSL_set_alpn_protos(p->ssl, (const unsigned char *)options->alpn,
                                         (unsigned)strlen(options->alpn)));
    }
    if (options->session != NULL) {
        SSL_SESSION *copy = SSL_SESSION_dup(options->session); /* one is good for one use */
        EXPECT_EQ(1, SSL_set_session(p->ssl, copy));
        SSL_SESSION_free(copy);
    }
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_connect_state(p->ssl);
}

void tls_peer_close(struct tls_peer *p)
{
    if (p->ssl != NULL) { /* else its session would be a broken one */
        SSL_set_shutdown(p->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(p->ssl);
    SSL_CTX_free(p->context);
    SSL_SESSION_free(p->session);
    *p = (struct tls_peer){0};
}

void tls_peer_feed(struct tls_peer *p, struct slice bytes)
{
    if (bytes.size > 0) {
        EXPECT_EQ((int)bytes.size, BIO_write(p->in, bytes.data, (int)bytes.size));
    }
}

void tls_peer_take(struct tls_peer *p, struct buf *out)
{
    const size_t size = BIO_ctrl_pending(p->out);
    if (size > 0) {
        EXPECT_EQ((int)size, BIO_read(p->out, buf_reserve(out, size), (int)size));
        buf_extend(out, size);
    }
}

int tls_peer_shake(struct tls_peer *p)
{
    ERR_clear_error();
    const int result = SSL_do_handshake(p->ssl);
    if (result == 1) {
        return 1;
    }
    return SSL_get_error(p->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

bool tls_peer_write(struct tls_peer *p, struct slice plaintext)
{
    size_t written = 0;
    ERR_clear_error();
    return SSL_write_ex(p->ssl, plaintext.data, plaintext.size, &written) == 1 &&
           written == plaintext.size;
}

bool tls_peer_read(struct tls_peer *p, struct buf *plaintext)
{
    for (;;) {
        size_t count = 0;
        ERR_clear_error();
        const int result = SSL_read_ex(p->ssl, buf_reserve(plaintext, 4096), 4096, &count);
        if (result != 1) {
            return SSL_get_error(p->ssl, result) == SSL_ERROR_WANT_READ;
        }
        buf_extend(plaintext, count);
    }
}
