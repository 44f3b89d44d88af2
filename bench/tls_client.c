#include "tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

static void stop(const char *what)
{
    char text[256];
    ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
    (void)fprintf(stderr, "tls: %s: %s\n", what, text);
    exit(1);
}

SSL_CTX *tls_client_new(void)
{
    char groups[] = "X25519"; /* the macro below wants it writable */
    SSL_CTX *c = SSL_CTX_new(TLS_client_method());
    if (c == NULL || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(c, groups) != 1) {
        stop("no context");
    }
    (void)SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return c;
}

SSL *tls_client_on(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        stop("no connection");
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

/* OpenSSL's answer as that of a system call. */
static ssize_t result_of(const SSL *ssl, int done)
{
    if (done > 0) {
        return done;
    }
    switch (SSL_get_error(ssl, done)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return -1;
    default:
        stop("the server broke the connection");
    }
    return -1;
}

ssize_t tls_client_read(SSL *ssl, void *data, size_t size)
{
    ERR_clear_error();
    return result_of(ssl, SSL_read(ssl, data, (int)size));
}

ssize_t tls_client_write(SSL *ssl, const void *data, size_t size)
{
    ERR_clear_error();
    return result_of(ssl, SSL_write(ssl, data, (int)size));
}
