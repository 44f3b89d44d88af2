/* tls_peer.h - a TLS client for tests, OpenSSL's own over bytes in memory: what wire/tls.h does is
 * judged by somebody else. */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <openssl/ssl.h>

#include "wire/tls.h"

/* A certificate of tests with its key, in PEM. */
struct tls_pair {
    struct buf certificate;
    struct buf key;
};

/* Self-signed for `name`, good for `days` from `from_s`, which 0 means: since yesterday, for a
 * year. */
void tls_pair_make(struct tls_pair *p, const char *name, uint64_t from_s, uint64_t days);
void tls_pair_deinit(struct tls_pair *p);

struct tls_peer {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;              /* what the server said */
    BIO *out;             /* what it is to get */
    SSL_SESSION *session; /* owned: the newest that the server has given */
};

struct tls_peer_options {
    int version;                /* TLS1_3_VERSION, ...; 0: what OpenSSL likes */
    const char *ciphers;        /* of TLS 1.2; NULL: OpenSSL's */
    const char *alpn;           /* with lengths, "\x02h2"; NULL: none */
    const struct tls_pair *own; /* NULL: shows no certificate */
    SSL_SESSION *session;       /* to be resumed; borrowed. NULL: none */
};

void tls_peer_open(struct tls_peer *p, const struct tls_peer_options *options);
void tls_peer_close(struct tls_peer *p);

/* Ciphertext of the server for the client; and of the client for the server, appended. */
void tls_peer_feed(struct tls_peer *p, struct slice bytes);
void tls_peer_take(struct tls_peer *p, struct buf *out);

/* Goes on with the handshake: 1 complete, 0 not yet, -1 failed. */
int tls_peer_shake(struct tls_peer *p);

/* True: all was taken. */
bool tls_peer_write(struct tls_peer *p, struct slice plaintext);

/* Appends what the server has said; false: it has ended, or broken. */
bool tls_peer_read(struct tls_peer *p, struct buf *plaintext);

#endif
