/* tls_private.h - shared by the files of tls.h. */
#ifndef WIRE_TLS_PRIVATE_H
#define WIRE_TLS_PRIVATE_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "wire/tls.h"

struct tls_context {
    _Atomic uint32_t holds;
    SSL_CTX *ssl;
    BIO_METHOD *method; /* of the sessions' BIOs (tls.c) */
    struct tls_tickets *tickets;
    uint64_t expiry_s;
};

/* tls.c: between OpenSSL and the caller's bytes. Owned. */
BIO_METHOD *tls_bio_method(void);

/* tls_tickets.c: sessions of `c` are sealed with its tickets. */
void tls_tickets_use(struct tls_context *c);
struct tls_tickets *tls_tickets_hold(struct tls_tickets *t);

/* The first error of OpenSSL's queue in its own words, better one of TLS than of the ciphers below;
 * empties the queue. `otherwise` where there is none. */
const char *tls_error(const char *otherwise);

#endif
