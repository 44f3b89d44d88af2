/* tls_client.h - the client's side of TLS for the loaders: always TLS 1.3 with AES-128-GCM and
 * X25519, so that every server does the same work. The certificate's signature is checked, its
 * issuer is not: the bench makes the certificate itself. Blocking or not, as the socket is. */
#ifndef BENCH_TLS_CLIENT_H
#define BENCH_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <sys/types.h>

/* Never NULL; free with SSL_CTX_free(). Prints a sentence and ends the process when OpenSSL fails.
 */
SSL_CTX *tls_client_new(void);

/* A client on that connected socket, which stays the caller's; nothing is sent yet. */
SSL *tls_client_on(SSL_CTX *context, int fd);

/* As read(2) and write(2): -1 with EAGAIN when the socket must be waited for. */
ssize_t tls_client_read(SSL *ssl, void *data, size_t size);
ssize_t tls_client_write(SSL *ssl, const void *data, size_t size);

#endif
