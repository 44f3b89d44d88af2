#include "front/pipe.h"

#include "base/check.h"
#include "front/private.h"

#define HANDSHAKE_BYTES ((size_t)16 << 10) /* read at a time before the handshake is complete */
#define KEPT_MAX        CIPHER_BYTES       /* then no more is read */

struct pipe_tls {
    struct pipe *pipe;
    struct front_loop *loop;
    struct tls_session *session; /* NULL: the handshake has failed; what comes is dropped */
    struct list unfinished;      /* of pipe_loop.handshakes; empty: complete, or failed */
    struct list due;             /* of pipe_loop.due */
    struct buf kept;             /* ciphertext whose turn has not come */
    size_t protocol_bytes;       /* of TLS itself, written since nothing waited */
    bool is_reading;             /* the connection wants data */
    bool is_shut;                /* nothing is written any more */
    bool has_ended;              /* the connection was told */
    bool has_stream_ended;       /* but bytes before the end are kept */
};

static struct connection *owner(struct pipe *p)
{
    return container_of(p, struct connection, pipe);
}

/* ---- The loop's share ---- */

static void on_due(void *arg);

void pipe_loop_init(struct front_loop *l)
{
    list_init(&l->pipes.handshakes);
    list_init(&l->pipes.due);
    l->pipes.task = (struct loop_task){.call = on_due, .arg = l};
}

void pipe_loop_deinit(struct front_loop *l)
{
    CHECK(list_empty(&l->pipes.handshakes) && list_empty(&l->pipes.due));
    mem_free(l->pipes.cipher);
}

static void make_due(struct pipe_tls *t)
{
    struct front_loop *l = t->loop;
    if (list_empty(&t->due)) {
        list_push(&l->pipes.due, &t->due);
        loop_defer(l->loop, &l->pipes.task);
    }
}

/* ---- The handshake's end ---- */

/* No longer among the unfinished ones: counted as `how`. */
static void settle(struct pipe_tls *t, metric *how)
{
    if (!list_empty(&t->unfinished)) {
        list_remove(&t->unfinished);
        t->loop->pipes.handshake_count--;
        metric_add(how, 1);
    }
}

static void tell_end(struct pipe_tls *t, enum err why)
{
    struct pipe *p = t->pipe;
    settle(t, &t->loop->pipes.failed);
    t->is_reading = false;
    stream_read_stop(p->stream);
    if (!t->has_ended) {
        t->has_ended = true;
        connection_events()->on_end(owner(p), why);
    }
}

static void note_failure(const struct pipe_tls *t, const char *why)
{
    log_debug(t->loop->front->log, "front", "a TLS handshake failed",
              F_TEXT("peer", stream_peer(t->pipe->stream)), F_TEXT("why", why));
}

/* The session is broken; its alert has been written. The client is given time to read that. */
static void fail(struct pipe_tls *t)
{
    if (list_empty(&t->unfinished)) {
        tell_end(t, ERR_IO);
        return;
    }
    note_failure(t, tls_problem(t->session));
    settle(t, &t->loop->pipes.failed);
    tls_session_free(&t->session);
    buf_deinit(&t->kept);
    pipe_shutdown(t->pipe);
}

static void complete(struct pipe_tls *t)
{
    struct pipe_loop *pipes = &t->loop->pipes;
    const bool is_resumed = tls_is_resumed(t->session);
    settle(t, is_resumed ? &pipes->resumed : &pipes->full);
    if (log_wants(t->loop->front->log, LOG_DEBUG)) {
        char subject[TLS_SUBJECT_MAX];
        tls_subject(t->session, subject);
        log_debug(t->loop->front->log, "front", "a TLS handshake is complete",
                  F_TEXT("peer", stream_peer(t->pipe->stream)),
                  F_TEXT("version", tls_version(t->session)), F_U64("resumed", is_resumed),
                  F_TEXT("subject", subject));
    }
    connection_secured(owner(t->pipe));
}

/* ---- Reading ---- */

/* What TLS itself has to say. A peer that makes it speak and does not listen is cut off. */
static void send_protocol(struct pipe_tls *t, struct buf *out)
{
    struct stream *s = t->pipe->stream;
    if (t->is_shut || out->size == 0) {
        buf_clear(out);
        return;
    }
    t->protocol_bytes += out->size;
    stream_write(s, out);
    if (stream_waiting_bytes(s) == 0) {
        t->protocol_bytes = 0;
    }
}

static bool is_open(const struct pipe_tls *t)
{
    return t->pipe->stream != NULL && t->session != NULL && !t->has_ended;
}

/* Carries the handshake on with `in`. True: it is complete. */
static bool shake_hands(struct pipe_tls *t, struct slice *in)
{
    if (tls_state(t->session) == TLS_HANDSHAKE) {
        struct buf out = front_buf_get(t->loop);
        (void)tls_read(t->session, in, NULL, 0, &out);
        send_protocol(t, &out);
        front_buf_give(t->loop, &out);
    }
    if (!list_empty(&t->unfinished) && tls_state(t->session) != TLS_HANDSHAKE &&
        tls_state(t->session) != TLS_BROKEN) {
        complete(t);
    }
    return list_empty(&t->unfinished);
}

/* Hands on the data that `in` holds, as long as it is wanted. */
static void hand_on(struct pipe_tls *t, struct slice *in)
{
    const struct stream_events *to = connection_events();
    while (is_open(t) && t->is_reading && (in->size > 0 || tls_has_plaintext(t->session))) {
        uint8_t *data = NULL;
        const size_t room = to->room(owner(t->pipe), &data);
        if (room == 0) {
            t->is_reading = false;
            stream_read_stop(t->pipe->stream);
            return;
        }
        struct buf out = {0};
        const size_t size = tls_read(t->session, in, data, room, &out);
        send_protocol(t, &out);
        buf_deinit(&out);
        if (size == 0) {
            return;
        }
        to->on_data(owner(t->pipe), data, size);
    }
}

/* Says how it ends, when all before that was handed on. */
static void see_to_end(struct pipe_tls *t)
{
    if (!is_open(t)) {
        return;
    }
    const enum tls_state state = tls_state(t->session);
    if (state == TLS_BROKEN) {
        fail(t);
    } else if (t->protocol_bytes > PROTOCOL_BYTES_MAX) {
        tell_end(t, ERR_IO);
    } else if (!t->is_reading || t->kept.size > 0 || tls_has_plaintext(t->session)) {
        return;
    } else if (state == TLS_ENDED) {
        tell_end(t, ERR_OK);
    } else if (t->has_stream_ended) {
        /* Without a word of TLS. What was whole is answered: every protocol above has an end of
         * its own for each request, so nobody gains by cutting the connection. */
        tell_end(t, state == TLS_HANDSHAKE ? ERR_IO : ERR_OK);
    }
}

/* Goes on with what is kept. */
static void step(struct pipe_tls *t)
{
    struct slice in = buf_slice(&t->kept);
    if (is_open(t) && shake_hands(t, &in)) {
        hand_on(t, &in);
    }
    buf_consume(&t->kept, t->kept.size - in.size);
    if (t->kept.size == 0) {
        buf_deinit(&t->kept);
    }
    see_to_end(t);
    if (is_open(t) && t->is_reading) {
        stream_read_start(t->pipe->stream); /* it stops when too much is kept */
    }
}

/* All that are due, but of handshakes only some: those behind them wait for the next turn. */
static void on_due(void *arg)
{
    struct front_loop *l = arg;
    const uint64_t begin_ns = front_now_ns(l);
    unsigned steps = 0;
    struct list batch;
    list_init(&batch);
    list_take(&batch, &l->pipes.due);
    while (!list_empty(&batch)) {
        struct pipe_tls *t = container_of(batch.next, struct pipe_tls, due);
        const bool is_handshake = !list_empty(&t->unfinished);
        const bool is_late = front_now_ns(l) - begin_ns > HANDSHAKE_US * UINT64_C(1000);
        if (is_handshake && (steps == HANDSHAKE_STEPS || is_late)) {
            break;
        }
        steps += is_handshake ? 1 : 0;
        list_remove(&t->due);
        step(t);
    }
    list_take(&batch, &l->pipes.due);
    list_take(&l->pipes.due, &batch);
    if (!list_empty(&l->pipes.due)) {
        loop_defer(l->loop, &l->pipes.task);
    }
}

/* ---- Events of the stream ---- */

static size_t on_room(void *arg, uint8_t **data)
{
    struct pipe *p = arg;
    const struct pipe_tls *t = p->tls;
    if (t == NULL) {
        return connection_events()->room(owner(p), data);
    }
    *data = t->loop->pipes.cipher;
    if (t->kept.size >= KEPT_MAX) {
        return 0;
    }
    return list_empty(&t->unfinished) ? CIPHER_BYTES : HANDSHAKE_BYTES;
}

static void on_data(void *arg, uint8_t *data, size_t size)
{
    struct pipe *p = arg;
    struct pipe_tls *t = p->tls;
    if (t == NULL) {
        connection_events()->on_data(owner(p), data, size);
        return;
    }
    if (!is_open(t)) {
        return;
    }
    struct slice in = slice_of(data, size);
    const bool must_wait = t->kept.size > 0 || !list_empty(&t->unfinished);
    if (must_wait) {
        make_due(t);
    } else {
        hand_on(t, &in);
    }
    if (p->stream != NULL) {
        buf_append_slice(&t->kept, in);
    }
    if (!must_wait) {
        see_to_end(t);
    }
}

static void on_end(void *arg, enum err why)
{
    struct pipe *p = arg;
    struct pipe_tls *t = p->tls;
    if (t == NULL) {
        connection_events()->on_end(owner(p), why);
        return;
    }
    if (t->has_ended) { /* broken now: what waited was dropped */
        connection_events()->on_drained(owner(p));
        return;
    }
    t->has_stream_ended = true;
    if (t->session == NULL || why != ERR_OK) {
        tell_end(t, why);
    } else {
        make_due(t); /* its turn comes behind what is kept */
    }
}

static void on_drained(void *arg)
{
    struct pipe *p = arg;
    if (p->tls != NULL) {
        p->tls->protocol_bytes = 0;
    }
    connection_events()->on_drained(owner(p));
}

static void on_closed(void *arg)
{
    struct pipe *p = arg;
    if (p->tls != NULL) {
        struct pipe_loop *pipes = &p->tls->loop->pipes;
        metric_set(&pipes->open, metric_get(&pipes->open) - 1);
        tls_session_free(&p->tls->session);
        buf_deinit(&p->tls->kept);
        mem_free(p->tls);
        p->tls = NULL;
    }
    connection_events()->on_closed(owner(p));
}

static const struct stream_events *events(void)
{
    static const struct stream_events table = {on_room, on_data, on_end, on_drained, on_closed};
    return &table;
}

/* ---- For connections ---- */

enum err pipe_open(struct front_loop *l, stream_socket socket, struct pipe *p, struct err_why *why)
{
    *p = (struct pipe){0};
    return stream_open(l->loop, socket, events(), p, &p->stream, why);
}

/* Makes room for one more handshake: the oldest whose client keeps us waiting is cut off. False:
 * there is none, it is we who are slow. */
static bool make_room(struct pipe_loop *pipes)
{
    if (pipes->handshake_count < HANDSHAKES_MAX) {
        return true;
    }
    for (struct list *at = pipes->handshakes.next; at != &pipes->handshakes; at = at->next) {
        struct pipe_tls *t = container_of(at, struct pipe_tls, unfinished);
        if (list_empty(&t->due)) {
            note_failure(t, "too many at a time");
            tell_end(t, ERR_IO);
            return true;
        }
    }
    return false;
}

bool pipe_begin_tls(struct front_loop *l, struct pipe *p, struct tls_context *context,
                    struct slice first)
{
    CHECK(p->stream != NULL && p->tls == NULL);
    struct pipe_loop *pipes = &l->pipes;
    if (!make_room(pipes)) {
        metric_add(&pipes->failed, 1);
        return false;
    }
    if (pipes->cipher == NULL) {
        pipes->cipher = mem_alloc(CIPHER_BYTES);
    }
    struct pipe_tls *t = mem_zero(1, sizeof(*t));
    t->pipe = p;
    t->loop = l;
    t->session = tls_session_new(context);
    t->is_reading = true;
    list_init(&t->due);
    list_push(&pipes->handshakes, &t->unfinished);
    pipes->handshake_count++;
    metric_add(&pipes->open, 1);
    p->tls = t;
    buf_append_slice(&t->kept, first);
    make_due(t);
    return true;
}

bool pipe_is_tls(const struct pipe *p)
{
    return p->tls != NULL;
}

struct slice pipe_protocol(const struct pipe *p)
{
    return p->tls == NULL || p->tls->session == NULL ? (struct slice){NULL, 0}
                                                     : tls_protocol(p->tls->session);
}

void pipe_read_start(struct pipe *p)
{
    struct pipe_tls *t = p->tls;
    if (t == NULL) {
        stream_read_start(p->stream);
        return;
    }
    if (!t->has_ended) {
        t->is_reading = true;
        make_due(t); /* never from inside a call of the connection */
    }
}

void pipe_read_stop(struct pipe *p)
{
    if (p->tls != NULL) {
        p->tls->is_reading = false;
    }
    stream_read_stop(p->stream);
}

void pipe_write(struct pipe *p, struct buf *out)
{
    struct pipe_tls *t = p->tls;
    if (t == NULL) {
        stream_write(p->stream, out);
        return;
    }
    CHECK(list_empty(&t->unfinished) && !t->is_shut);
    struct buf records = front_buf_get(t->loop);
    tls_write(t->session, buf_slice(out), &records);
    buf_clear(out);
    stream_write(p->stream, &records);
    front_buf_give(t->loop, &records);
}

size_t pipe_waiting_bytes(const struct pipe *p)
{
    return p->stream == NULL ? 0 : stream_waiting_bytes(p->stream);
}

void pipe_shutdown(struct pipe *p)
{
    struct pipe_tls *t = p->tls;
    if (t != NULL && !t->is_shut && t->session != NULL) {
        struct buf out = {0};
        tls_shutdown(t->session, &out);
        stream_write(p->stream, &out);
        buf_deinit(&out);
    }
    if (t != NULL) {
        t->is_shut = true;
    }
    stream_shutdown(p->stream);
}

void pipe_close(struct pipe *p)
{
    struct pipe_tls *t = p->tls;
    if (t != NULL) {
        settle(t, &t->loop->pipes.failed);
        list_remove(&t->due);
    }
    stream_close(&p->stream);
}

const char *pipe_peer(const struct pipe *p)
{
    return p->stream == NULL ? "" : stream_peer(p->stream);
}
