/* tls.h - TLS 1.2 and 1.3 as a state machine, the server's side: ciphertext in, plaintext out, and
 * back. The only header of ours behind which OpenSSL stands; no sockets, files or threads.
 *
 * A context is what sessions share: certificate, key, who may come in. It never changes; another
 * certificate is another context, and sessions keep the one they began with. Tickets, by which
 * clients resume what they had, outlive contexts, so a new certificate costs nobody a full
 * handshake.
 *
 *   handshake:  tls_read() until tls_state() is TLS_OPEN; what arises goes out
 *   open:       tls_read() <-> tls_write()
 *   end:        TLS_ENDED: the peer sends no more; tls_shutdown(): we send no more */
#ifndef WIRE_TLS_H
#define WIRE_TLS_H

#include "base/buf.h"
#include "base/err.h"

#define TLS_FILE_MAX      ((size_t)1 << 20) /* bytes of a file of certificates or of a key */
#define TLS_CHAIN_MAX     16                /* certificates of a chain */
#define TLS_CA_MAX        512               /* certificates that clients' may be signed by */
#define TLS_RECORD_MAX    16384             /* bytes of plaintext in one record */
#define TLS_SUBJECT_MAX   256
#define TLS_TICKET_KEYS   3 /* the newest encrypts, all decrypt */
#define TLS_TICKET_SECRET 80
#define TLS_TICKET_LIFE_S 7200 /* keys are to be rotated every half of it at the earliest */
#define TLS_SERIAL_BYTES  16
#define TLS_NAMES_MAX     16

/* ---- Tickets ---- */

/* Keys that sessions are sealed with; shared by contexts and threads. */
struct tls_tickets;

/* Bytes nobody can guess; wiped. Returns owned: one hold. */
struct tls_tickets *tls_tickets_new(uint8_t secret[TLS_TICKET_SECRET]);

/* Another key seals from now on; the oldest one opens nothing more. Any thread. */
void tls_tickets_rotate(struct tls_tickets *t, uint8_t secret[TLS_TICKET_SECRET]);

/* Gives a hold back and sets `*t` to NULL. Harmless when it already is. */
void tls_tickets_release(struct tls_tickets **t);

/* ---- Contexts ---- */

enum tls_client_auth {
    TLS_CLIENT_NONE,
    TLS_CLIENT_REQUEST, /* a client may show a certificate; a bad one is refused */
    TLS_CLIENT_REQUIRE
};

struct tls_settings {
    struct slice certificate; /* PEM: the server's, then those between it and the root */
    struct slice key;         /* PEM, not encrypted */
    struct slice client_ca;   /* PEM; empty only with TLS_CLIENT_NONE */
    enum tls_client_auth client_auth;
    struct tls_tickets *tickets; /* shares */
};

struct tls_context;

/* Borrows the bytes; `*out` is owned: one hold. Errors: ERR_INVALID with a sentence. */
MUST_CHECK enum err tls_context_new(const struct tls_settings *settings, struct tls_context **out,
                                    struct err_why *why);

struct tls_context *tls_context_hold(struct tls_context *c);

/* Any thread. Sets `*c` to NULL; harmless when it already is. */
void tls_context_release(struct tls_context **c);

/* When the server's certificate ends, in seconds since 1970. */
uint64_t tls_context_expiry_s(const struct tls_context *c);

/* ---- Sessions ---- */

enum tls_state {
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_ENDED, /* the peer has said that it sends no more; what we send still goes out */
    TLS_BROKEN /* tls_problem() tells why; nothing goes in or out any more */
};

/* One connection; one thread. */
struct tls_session;

/* Returns owned; shares `c`. */
struct tls_session *tls_session_new(struct tls_context *c);
void tls_session_free(struct tls_session **s);

/* Takes ciphertext off the front of `*in` and puts plaintext to `to`, at most `size` bytes; returns
 * how many. What the peer is to get besides (handshake, alerts) is appended to `out`. Fewer than
 * `size`: all of `*in` has been taken, or the state is TLS_ENDED or TLS_BROKEN. */
size_t tls_read(struct tls_session *s, struct slice *in, uint8_t *to, size_t size, struct buf *out);

/* tls_read() would return something without more ciphertext. */
bool tls_has_plaintext(const struct tls_session *s);

/* Appends all of `plaintext`, as records of up to TLS_RECORD_MAX bytes, to `out`. The handshake is
 * complete. Nothing is written when the session is broken. */
void tls_write(struct tls_session *s, struct slice plaintext, struct buf *out);

/* Says that no more is written, where the handshake is complete. */
void tls_shutdown(struct tls_session *s, struct buf *out);

enum tls_state tls_state(const struct tls_session *s);

/* Why it is TLS_BROKEN, in a few words. Valid as long as the session. */
const char *tls_problem(const struct tls_session *s);

/* ---- After the handshake ---- */

/* The protocol agreed on: "h2", "http/1.1"; empty: none. */
struct slice tls_protocol(const struct tls_session *s);
const char *tls_version(const struct tls_session *s); /* "TLSv1.3" */
bool tls_is_resumed(const struct tls_session *s);

/* Whom the client's certificate names, as "CN=alice,O=example"; cut, "" without one. */
void tls_subject(const struct tls_session *s, char text[TLS_SUBJECT_MAX]);

/* ---- Certificates for development ---- */

struct tls_self_signed {
    const char *names[TLS_NAMES_MAX]; /* host names and addresses; the first is the subject */
    size_t name_count;
    uint64_t from_s; /* seconds since 1970 */
    uint64_t days;
    uint8_t serial[TLS_SERIAL_BYTES];
};

/* A certificate that its own key has signed; both in PEM. Errors: ERR_INVALID. */
MUST_CHECK enum err tls_self_sign(const struct tls_self_signed *wanted, struct buf *certificate,
                                  struct buf *key, struct err_why *why);

#endif
