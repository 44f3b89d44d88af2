/* stream.h - connected byte streams (TCP and Unix sockets) and their listeners.
 *
 * A listener accepts on its loop and hands out bare sockets, so that another loop can
 * open them. Reading: the owner lends room, the stream fills it. Writing: what the
 * socket does not take at once is kept here and written when it can; the owner looks
 * at stream_waiting_bytes() and stops producing. */
#ifndef SYS_STREAM_H
#define SYS_STREAM_H

#include "base/buf.h"
#include "sys/loop.h"

#define STREAM_PEER_BYTES 64

struct listener;
struct stream;

/* A connected socket that no loop owns yet. */
typedef int64_t stream_socket;

typedef void (*listener_fn)(void *arg, stream_socket socket);

/* Whether `address` has a form of listener_open(). Errors: ERR_INVALID. */
MUST_CHECK enum err listener_check(const char *address, struct err_why *why);

/* `address` is "HOST:PORT" (numeric or localhost, port 0: any), "[V6]:PORT", ":PORT" (every
 * address) or "unix:PATH" (an abandoned socket file is replaced). Errors: ERR_INVALID,
 * ERR_ALREADY_EXISTS (in use), ERR_DENIED, ERR_IO. */
MUST_CHECK enum err listener_open(struct loop *l, const char *address, listener_fn on_accept,
                                  void *arg, struct listener **out, struct err_why *why);

/* Stops accepting. Removes a Unix socket's name. */
void listener_close(struct listener **l);

/* The address with the real port, as "127.0.0.1:8080" or "unix:PATH". */
const char *listener_address(const struct listener *l);

/* Closes a socket that nobody is going to open. */
void stream_refuse(stream_socket socket);

struct stream_events {
    /* Where to read to: sets `*data`, returns the room in bytes; 0: stops reading until
     * stream_read_start(). */
    size_t (*room)(void *arg, uint8_t **data);
    /* `size` > 0 bytes have arrived at the place last lent. */
    void (*on_data)(void *arg, uint8_t *data, size_t size);
    /* The peer sends no more (ERR_OK), or the connection is broken (ERR_IO). Once: where it
     * breaks after the peer's end, what waits is dropped and on_drained() follows. */
    void (*on_end)(void *arg, enum err why);
    /* Everything written has been taken by the socket, after something had waited. */
    void (*on_drained)(void *arg);
    /* The last callback: the stream is gone. */
    void (*on_closed)(void *arg);
};

/* Takes `socket`; events begin after stream_read_start(). Errors: ERR_IO (`socket` is closed). */
MUST_CHECK enum err stream_open(struct loop *l, stream_socket socket,
                                const struct stream_events *events, void *arg, struct stream **out,
                                struct err_why *why);

void stream_read_start(struct stream *s);
void stream_read_stop(struct stream *s);

/* Writes all of `out`, at once as far as possible, and leaves it empty. The rest is kept. */
void stream_write(struct stream *s, struct buf *out);

/* Bytes that wait for the socket. */
size_t stream_waiting_bytes(const struct stream *s);

/* No more is written: the peer sees the end after what waits. */
void stream_shutdown(struct stream *s);

/* Ends it now; `on_closed` follows, never in this call. `*s` is set to NULL. */
void stream_close(struct stream **s);

/* "127.0.0.1:51234", or "unix". Valid as long as the stream. */
const char *stream_peer(const struct stream *s);

#endif
