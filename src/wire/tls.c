/* tls.c - one session. OpenSSL reads ciphertext from, and writes it to, the bytes that the caller
 * lends for the time of one call: a BIO of our own that copies nothing it need not. */
#include "wire/tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/tls_private.h"

#define RECORD_EXTRA 64 /* header, nonce, tag of a record, at most */

struct tls_session {
    struct tls_context *context; /* held */
    SSL *ssl;
    struct slice *in; /* lent for a call; NULL: between calls */
    struct buf *out;  /* the same */
    enum tls_state state;
    char problem[120];
};

/* ---- The BIO ---- */

static int bio_read(BIO *bio, char *to, int size)
{
    const struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (s->in == NULL || s->in->size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const size_t count = s->in->size < (size_t)size ? s->in->size : (size_t)size;
    memcpy(to, s->in->data, count);
    *s->in = slice_skip(*s->in, count);
    return (int)count;
}

static int bio_write(BIO *bio, const char *from, int size)
{
    const struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    CHECK(s->out != NULL && size >= 0);
    buf_append(s->out, from, (size_t)size);
    return size;
}

static long bio_control(BIO *bio, int command, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH ? 1 : 0; /* what is written is with the caller at once */
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "holdfast");
    CHECK(method != NULL);
    CHECK(BIO_meth_set_read(method, bio_read) == 1);
    CHECK(BIO_meth_set_write(method, bio_write) == 1);
    CHECK(BIO_meth_set_ctrl(method, bio_control) == 1);
    CHECK(BIO_meth_set_create(method, bio_create) == 1);
    return method;
}

/* ---- Life ---- */

struct tls_session *tls_session_new(struct tls_context *c)
{
    struct tls_session *s = mem_zero(1, sizeof(*s));
    s->context = tls_context_hold(c);
    s->ssl = SSL_new(c->ssl);
    BIO *bio = BIO_new(c->method);
    CHECK(s->ssl != NULL && bio != NULL);
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_session_free(struct tls_session **session)
{
    struct tls_session *s = *session;
    *session = NULL;
    if (s == NULL) {
        return;
    }
    SSL_free(s->ssl);
    tls_context_release(&s->context);
    mem_free(s);
}

/* ---- Calls of OpenSSL ---- */

static void lend(struct tls_session *s, struct slice *in, struct buf *out)
{
    s->in = in;
    s->out = out;
    ERR_clear_error(); /* SSL_get_error() looks at the queue */
}

static void take_back(struct tls_session *s)
{
    s->in = NULL;
    s->out = NULL;
}

static void describe_problem(struct tls_session *s)
{
    const char *words = tls_error("the peer broke the protocol");
    const long verdict = SSL_get_verify_result(s->ssl);
    const bool is_verdict = s->state == TLS_HANDSHAKE && verdict != X509_V_OK;
    (void)snprintf(s->problem, sizeof(s->problem), "%s%s%s", words, is_verdict ? ": " : "",
                   is_verdict ? X509_verify_cert_error_string(verdict) : "");
}

/* What a call of OpenSSL that returned `result` means for the session. */
static void note_result(struct tls_session *s, int result)
{
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        s->state = TLS_ENDED;
        break;
    default:
        describe_problem(s);
        s->state = TLS_BROKEN;
        break;
    }
    ERR_clear_error();
}

static void shake_hands(struct tls_session *s)
{
    const int result = SSL_do_handshake(s->ssl);
    if (result == 1) {
        s->state = TLS_OPEN;
    } else {
        note_result(s, result);
    }
}

size_t tls_read(struct tls_session *s, struct slice *in, uint8_t *to, size_t size, struct buf *out)
{
    size_t count = 0;
    lend(s, in, out);
    if (s->state == TLS_HANDSHAKE) {
        shake_hands(s);
    }
    while (s->state == TLS_OPEN && count < size && (in->size > 0 || SSL_pending(s->ssl) > 0)) {
        size_t part = 0;
        const int result = SSL_read_ex(s->ssl, to + count, size - count, &part);
        if (result != 1) {
            note_result(s, result);
            break;
        }
        count += part;
    }
    if (s->state == TLS_ENDED || s->state == TLS_BROKEN) {
        *in = slice_skip(*in, in->size); /* nothing that follows means anything */
    }
    take_back(s);
    return count;
}

bool tls_has_plaintext(const struct tls_session *s)
{
    return s->state == TLS_OPEN && SSL_pending(s->ssl) > 0;
}

void tls_write(struct tls_session *s, struct slice plaintext, struct buf *out)
{
    CHECK(s->state != TLS_HANDSHAKE);
    if (s->state == TLS_BROKEN || plaintext.size == 0) {
        return;
    }
    const size_t records = plaintext.size / TLS_RECORD_MAX + 1;
    (void)buf_reserve(out, plaintext.size + records * RECORD_EXTRA);
    struct slice none = {NULL, 0};
    lend(s, &none, out);
    size_t written = 0;
    const int result = SSL_write_ex(s->ssl, plaintext.data, plaintext.size, &written);
    if (result != 1) {
        note_result(s, result);
    }
    CHECK(s->state == TLS_BROKEN || written == plaintext.size); /* the BIO takes everything */
    take_back(s);
}

void tls_shutdown(struct tls_session *s, struct buf *out)
{
    if (s->state != TLS_OPEN && s->state != TLS_ENDED) {
        return;
    }
    struct slice none = {NULL, 0};
    lend(s, &none, out);
    (void)SSL_shutdown(s->ssl); /* 0: the peer's has not come, which nobody waits for */
    ERR_clear_error();
    take_back(s);
}

/* ---- Facts ---- */

enum tls_state tls_state(const struct tls_session *s)
{
    return s->state;
}

const char *tls_problem(const struct tls_session *s)
{
    return s->problem;
}

struct slice tls_protocol(const struct tls_session *s)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(s->ssl, &name, &size);
    return slice_of(name, size);
}

const char *tls_version(const struct tls_session *s)
{
    return SSL_get_version(s->ssl);
}

bool tls_is_resumed(const struct tls_session *s)
{
    return SSL_session_reused(s->ssl) == 1;
}

void tls_subject(const struct tls_session *s, char text[TLS_SUBJECT_MAX])
{
    text[0] = '\0';
    X509 *certificate = SSL_get0_peer_certificate(s->ssl);
    if (certificate == NULL) {
        return;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL);
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
    const int size = BIO_read(bio, text, TLS_SUBJECT_MAX - 1);
    text[size > 0 ? size : 0] = '\0';
    BIO_free(bio);
    ERR_clear_error();
}
