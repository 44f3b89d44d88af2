/* Writing: what the socket takes at once is gone; the rest flies in one uv_write(), and what
 * is written meanwhile waits for that to land:
 *
 *   stream_write -> uv_try_write -> (rest) flying -> on_landed -> waiting becomes flying ...
 *                                                             -> on_drained
 *
 * A connection can break on the read or the write side; whichever comes first says on_end()
 * once, from the loop and never from inside a call of the owner. */
#include "sys/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/address.h"
#include "sys/uv/private.h"

struct stream {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_write_t write;
    struct loop *loop;
    const struct stream_events *events;
    void *arg;
    int fd; /* belongs to `uv` */

    struct buf flying;  /* uv_write() works on it */
    struct buf waiting; /* comes next */

    bool is_reading;
    bool has_ended; /* on_end() has been called */
    bool is_broken;
    bool is_shut; /* no more writes; the peer is told when nothing waits */
    bool is_closing;
    struct loop_task trouble; /* says on_end() or on_drained() of a broken stream */
    char peer[STREAM_PEER_BYTES];
};

static void end(struct stream *s, enum err why)
{
    if (s->is_reading) {
        stream_read_stop(s);
    }
    if (!s->has_ended) {
        s->has_ended = true;
        s->events->on_end(s->arg, why);
    }
}

static void on_trouble(void *arg)
{
    struct stream *s = arg;
    if (s->is_closing) {
        return;
    }
    if (!s->has_ended) {
        end(s, ERR_IO);
    } else {
        s->events->on_drained(s->arg); /* nothing waits any more: it was dropped */
    }
}

/* Nothing can be written any more: drops what waits and tells the owner soon. */
static void break_writing(struct stream *s)
{
    if (!s->is_broken) {
        s->is_broken = true;
        buf_deinit(&s->waiting);
        s->trouble = (struct loop_task){.call = on_trouble, .arg = s};
        loop_defer(s->loop, &s->trouble);
    }
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct stream *s = handle->data;
    (void)suggested;
    uint8_t *data = NULL;
    const size_t size = s->events->room(s->arg, &data);
    room->base = (char *)data;
    room->len = size;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room)
{
    struct stream *s = stream->data;
    loop_worked(s->loop);
    if (size > 0) {
        s->events->on_data(s->arg, (uint8_t *)room->base, (size_t)size);
    } else if (size == UV_ENOBUFS) {
        stream_read_stop(s);
    } else if (size < 0) {
        end(s, size == UV_EOF ? ERR_OK : ERR_IO);
    }
}

static void shut_if_empty(struct stream *s)
{
    if (s->is_shut && stream_waiting_bytes(s) == 0) {
        (void)shutdown(s->fd, SHUT_WR); /* fails only when the peer is gone anyway */
    }
}

static void on_landed(uv_write_t *write, int status);

/* Gives `flying` to libuv, but for the bytes that are `taken` already. */
static void fly(struct stream *s, size_t taken)
{
    const uv_buf_t rest = {(char *)s->flying.data + taken, s->flying.size - taken};
    if (uv_write(&s->write, &s->uv.stream, &rest, 1, on_landed) != 0) {
        buf_deinit(&s->flying);
        break_writing(s);
    }
}

static void on_landed(uv_write_t *write, int status)
{
    struct stream *s = write->data;
    loop_worked(s->loop);
    buf_deinit(&s->flying);
    if (s->is_closing) {
        return;
    }
    if (status != 0) {
        break_writing(s);
    } else if (s->waiting.size > 0) {
        s->flying = s->waiting;
        s->waiting = (struct buf){0};
        fly(s, 0);
    } else {
        shut_if_empty(s);
        s->events->on_drained(s->arg);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    loop_worked(s->loop);
    CHECK(s->flying.size == 0);
    if (s->trouble.is_queued) {
        list_remove(&s->trouble.link);
    }
    s->events->on_closed(s->arg);
    buf_deinit(&s->waiting);
    mem_free(s);
}

/* A stream over `fd` in `s->uv`; 0 or what libuv says. */
static int open_handle(struct stream *s, int fd, bool is_unix)
{
    if (is_unix) {
        CHECK(uv_pipe_init(&s->loop->uv, &s->uv.pipe, 0) == 0);
        return uv_pipe_open(&s->uv.pipe, fd);
    }
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    CHECK(uv_tcp_init(&s->loop->uv, &s->uv.tcp) == 0);
    return uv_tcp_open(&s->uv.tcp, fd);
}

static void on_failed_open_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

enum err stream_open(struct loop *l, stream_socket socket, const struct stream_events *events,
                     void *arg, struct stream **out, struct err_why *why)
{
    struct stream *s = mem_zero(1, sizeof(*s));
    s->loop = l;
    s->events = events;
    s->arg = arg;
    s->fd = (int)socket;
    /* Of the socket's own side: that tells the family even when the peer is gone. */
    struct address address = {.size = sizeof(address.socket)};
    if (getsockname(s->fd, (struct sockaddr *)&address.socket, &address.size) != 0) {
        const int failure = errno;
        stream_refuse(socket);
        mem_free(s);
        return err_set(why, ERR_IO, "connection: %s", uv_strerror(-failure));
    }
    const int failure = open_handle(s, s->fd, address_is_unix(&address));
    s->uv.handle.data = s;
    s->write.data = s;
    if (failure != 0) {
        stream_refuse(socket);
        uv_close(&s->uv.handle, on_failed_open_closed);
        return err_set(why, ERR_IO, "connection: %s", uv_strerror(failure));
    }
    address.size = sizeof(address.socket);
    if (getpeername(s->fd, (struct sockaddr *)&address.socket, &address.size) != 0) {
        address = (struct address){0}; /* reading will tell */
    }
    address_format(&address, s->peer, sizeof(s->peer));
    *out = s;
    return ERR_OK;
}

void stream_read_start(struct stream *s)
{
    CHECK(!s->is_closing);
    if (s->is_reading || s->has_ended) {
        return;
    }
    s->is_reading = true;
    const int failure = uv_read_start(&s->uv.stream, give_room, on_read);
    CHECK(failure == 0 || failure == UV_ENOTCONN);
    if (failure != 0) {
        s->is_reading = false;
        break_writing(s);
    }
}

void stream_read_stop(struct stream *s)
{
    s->is_reading = false;
    (void)uv_read_stop(&s->uv.stream); /* always succeeds */
}

/* Moves all of `out` behind what waits, without a copy where nothing waits there. */
static void keep(struct buf *to, struct buf *out)
{
    if (to->size == 0) {
        buf_deinit(to);
        *to = *out;
        *out = (struct buf){0};
    } else {
        buf_append_slice(to, buf_slice(out));
        buf_clear(out);
    }
}

void stream_write(struct stream *s, struct buf *out)
{
    CHECK(!s->is_closing && !s->is_shut);
    if (out->size == 0 || s->is_broken) {
        buf_clear(out);
        return;
    }
    if (s->flying.size > 0) {
        keep(&s->waiting, out);
        return;
    }
    const uv_buf_t all = {(char *)out->data, out->size};
    const int taken = uv_try_write(&s->uv.stream, &all, 1);
    if (taken >= 0 && (size_t)taken == out->size) {
        buf_clear(out);
    } else if (taken >= 0 || taken == UV_EAGAIN) {
        keep(&s->flying, out);
        fly(s, taken > 0 ? (size_t)taken : 0);
    } else {
        buf_clear(out);
        break_writing(s);
    }
}

size_t stream_waiting_bytes(const struct stream *s)
{
    const size_t flying = s->flying.size == 0 ? 0 : s->uv.stream.write_queue_size;
    return flying + s->waiting.size;
}

void stream_shutdown(struct stream *s)
{
    CHECK(!s->is_closing);
    if (!s->is_shut) {
        s->is_shut = true;
        shut_if_empty(s);
    }
}

void stream_close(struct stream **stream)
{
    struct stream *s = *stream;
    if (s == NULL) {
        return;
    }
    CHECK(!s->is_closing);
    s->is_closing = true;
    uv_close(&s->uv.handle, on_handle_closed);
    *stream = NULL;
}

const char *stream_peer(const struct stream *s)
{
    return s->peer;
}
