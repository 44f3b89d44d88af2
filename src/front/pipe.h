/* pipe.h - the bytes of one connection, plain or through TLS: the calls and the events of
 * sys/stream.h, so that nothing above knows which it is. It begins plain; pipe_begin_tls() puts
 * TLS in between.
 *
 *   plain:  stream ───────────────────────────────────────────────► events of the connection
 *   TLS:    stream ─► cipher (one place per loop) ─► wire/tls.h ─► room() and on_data()
 *             ▲ └───► kept, when it must wait ──────────┘
 *             └────────────────── records ◄── wire/tls.h ◄── pipe_write()
 *
 * A handshake costs a signature, which is long for a loop. So its bytes are kept, and the loop's
 * task looks at a few such pipes each turn; everybody else is served in between. */
#ifndef FRONT_PIPE_H
#define FRONT_PIPE_H

#include "base/log.h"
#include "base/metrics.h"
#include "sys/stream.h"
#include "wire/tls.h"

#define HANDSHAKES_MAX     1024               /* unfinished ones of one loop; then one is cut off */
#define HANDSHAKE_STEPS    8                  /* done in one turn of a loop at most, */
#define HANDSHAKE_US       1000               /* and none is begun after that time */
#define CIPHER_BYTES       ((size_t)64 << 10) /* read from a socket at a time */
#define PROTOCOL_BYTES_MAX ((size_t)64 << 10) /* of TLS itself that wait for a peer's socket */

struct front_loop;
struct pipe_tls;

struct pipe {
    struct stream *stream; /* NULL: closed */
    struct pipe_tls *tls;  /* NULL: plain */
};

/* What the pipes of one loop share. */
struct pipe_loop {
    uint8_t *cipher;        /* [CIPHER_BYTES]; NULL until TLS is spoken */
    struct list handshakes; /* unfinished ones, the oldest first */
    size_t handshake_count;
    struct list due; /* pipes with kept bytes to be looked at */
    struct loop_task task;

    metric full, resumed, failed; /* handshakes */
    metric open;                  /* connections through TLS, unfinished ones included */
};

void pipe_loop_init(struct front_loop *l);
void pipe_loop_deinit(struct front_loop *l);

/* Takes `socket`. The events go to `events`, with `arg` the connection that embeds `p`. Errors:
 * ERR_IO. */
MUST_CHECK enum err pipe_open(struct front_loop *l, stream_socket socket, struct pipe *p,
                              struct err_why *why);

/* From now on TLS, beginning with the bytes `first` that have been read. Shares `context`. Data
 * comes when the handshake is complete and the client has sent some. A handshake that fails is
 * answered with an alert; what comes then is dropped until the client ends or is cut. False: too
 * many handshakes wait for this loop, nothing has happened. */
bool pipe_begin_tls(struct front_loop *l, struct pipe *p, struct tls_context *context,
                    struct slice first);

bool pipe_is_tls(const struct pipe *p);

/* What ALPN has agreed on; empty: nothing, or plain. */
struct slice pipe_protocol(const struct pipe *p);

/* As the functions of sys/stream.h. */
void pipe_read_start(struct pipe *p);
void pipe_read_stop(struct pipe *p);
void pipe_write(struct pipe *p, struct buf *out);
size_t pipe_waiting_bytes(const struct pipe *p);
void pipe_shutdown(struct pipe *p);
void pipe_close(struct pipe *p);
const char *pipe_peer(const struct pipe *p);

#endif
