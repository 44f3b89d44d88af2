/* front.h - listeners and connections: sockets on one side, the dialects on the other.
 *
 * One struct front per node, one struct front_loop per loop. Loop 0 accepts and hands each
 * connection to the loop that has the fewest. The order for server: front_open(), one
 * front_loop_open() on each loop, front_listen() on loop 0; to stop: front_stop_accepting(),
 * front_loop_drain() on each loop until front_loop_is_idle(), front_loop_close() on each,
 * front_close(). */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include "api/service.h"
#include "base/log.h"
#include "base/metrics.h"
#include "router/context.h"
#include "sys/loop.h"
#include "wire/tls.h"

#define FRONT_LISTENERS_MAX 16
#define FRONT_HOSTS_MAX     16
#define FRONT_LOOPS_MAX     64

struct front;
struct front_loop;

struct front_config {
    uint32_t loops;
    const char *listen[FRONT_LISTENERS_MAX]; /* "ADDR" or "ADDR=dialect,dialect" */
    size_t listen_count;
    const char *hosts[FRONT_HOSTS_MAX]; /* names browsers may use besides addresses, localhost */
    size_t host_count;
    const struct http_dialect *const *dialects; /* in the order in which they are asked */
    size_t dialect_count;
    uint32_t connections_max;
    bool is_insecure;      /* addresses beyond loopback are allowed */
    bool is_tls_only;      /* plain text is refused */
    bool asks_certificate; /* with is_tls_only: whoever gets in was authenticated */
    struct log *log;
};

/* Copies `config` with its texts. Errors: ERR_INVALID (an address, an unknown dialect), ERR_DENIED
 * (beyond loopback without is_insecure or asks_certificate); the sentence names what and why. */
MUST_CHECK enum err front_open(const struct front_config *config, struct front **out,
                               struct err_why *why);

/* TLS connections that begin from now on use `context`: shares it, and lets go of the one before,
 * which older connections keep. Any thread. */
void front_set_tls(struct front *f, struct tls_context *context);

/* Harmless when `*f` is NULL. */
void front_close(struct front **f);

/* On the loop's thread, after its router was opened: its hook must come behind the router's. */
MUST_CHECK enum err front_loop_open(struct front *f, struct loop *l, uint32_t loop_index,
                                    struct loop_context *context, struct front_loop **out,
                                    struct err_why *why);

/* On loop 0: opens every listener. Errors: ERR_ALREADY_EXISTS (in use), ERR_DENIED, ERR_IO. */
MUST_CHECK enum err front_listen(struct front *f, struct loop *l, struct err_why *why);

/* The first listener with its real port, "127.0.0.1:8080"; one for lines only if there is no other.
 * After front_listen(). */
const char *front_address(const struct front *f);

/* On loop 0. */
void front_stop_accepting(struct front *f);

/* No new requests: what has been sent by now is still read, in the turn that follows; then idle
 * connections are closed, the others as soon as what they asked is answered. */
void front_loop_drain(struct front_loop *l);

/* Closes every connection now. */
void front_loop_cut(struct front_loop *l);

/* No connection is left. */
bool front_loop_is_idle(const struct front_loop *l);

/* Idle, or after a failed start. Harmless when `*l` is NULL. */
void front_loop_close(struct front_loop **l);

/* Every connection of this loop, on its thread. */
void front_loop_connections(struct front_loop *l, connection_each_fn each, void *arg);

/* Any thread. */
struct front_stats {
    uint64_t connections; /* open */
    uint64_t connections_total;
    uint64_t connections_refused;
    uint64_t bytes_in, bytes_out;
    uint64_t waiting_bytes; /* written, not taken by sockets */
    uint64_t tls_connections;
    uint64_t tls_full, tls_resumed, tls_failed; /* handshakes */
};
void front_stats(const struct front *f, struct front_stats *out);

#endif
