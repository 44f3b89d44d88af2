/* connection.c - one client: its socket, its unread bytes, its deadlines.
 *
 * Where received bytes lie:
 *
 *   nothing unfinished     the socket is read into the loop's area
 *   a little unfinished    a chunk of its own, exactly that large; the next read leaves a gap in
 *                          the area before it, the little is copied there, and both are one
 *   much, or much wanted   a chunk of its own with room, which the socket is read into
 *
 * So a busy connection with whole requests copies nothing, and an idle one owns no memory. */
#include "base/check.h"
#include "front/private.h"

#define GROW_AT_ONCE ((size_t)256 << 10) /* larger wishes are believed step by step */

/* ---- Input ---- */

static void count_large(struct connection *c, const struct chunk *chunk, bool is_more)
{
    if (chunk->size > AREA_BYTES) {
        c->loop->large_bytes += is_more ? chunk->size : 0;
        c->loop->large_bytes -= is_more ? 0 : chunk->size;
    }
}

void connection_drop_input(struct connection *c)
{
    if (c->in.chunk != NULL) {
        count_large(c, c->in.chunk, false);
        chunk_release(c->in.chunk);
    }
    c->in = (struct input){0};
}

/* Bytes of the chunk that `size` unfinished bytes get. */
static size_t size_for(const struct connection *c, size_t size)
{
    if (c->wanted <= AREA_LEAST && size <= AREA_LEAST) {
        return size;
    }
    const size_t wanted = c->wanted > size ? c->wanted : size + AREA_LEAST;
    const size_t step = size * 4 > GROW_AT_ONCE ? size * 4 : GROW_AT_ONCE;
    return wanted < step ? wanted : step;
}

/* A chunk of its own for what is left in `in`; `in` keeps its hold, if it has one. */
static void keep_copy(struct connection *c, const struct input *in)
{
    const size_t size = input_size(in);
    struct chunk *chunk = chunk_new(size_for(c, size));
    memcpy(chunk->bytes, input_data(in), size);
    count_large(c, chunk, true);
    c->in = (struct input){chunk, 0, size};
}

/* One request may always be as large as a value. */
static size_t large_max(const struct front_loop *l)
{
    return INPUT_MAX + router_value_max(l->context->router);
}

/* Room behind the unfinished bytes, in a chunk of the connection's own. */
static size_t own_room(struct connection *c, uint8_t **data)
{
    const struct input in = c->in;
    const size_t left = in.chunk->size - in.end;
    const bool fits = left >= AREA_LEAST || (left > 0 && in.chunk->size - in.begin >= c->wanted);
    if (!fits) {
        if (c->loop->large_bytes + size_for(c, input_size(&in)) > large_max(c->loop)) {
            c->is_overfull = true;
            c->is_reading = false;
            connection_touch(c);
            return 0;
        }
        keep_copy(c, &in);
        count_large(c, in.chunk, false);
        chunk_release(in.chunk);
    }
    *data = c->in.chunk->bytes + c->in.end;
    return c->in.chunk->size - c->in.end;
}

static size_t room(void *arg, uint8_t **data)
{
    struct connection *c = arg;
    const size_t gap = c->in.chunk == NULL ? 0 : input_size(&c->in);
    if (gap > AREA_LEAST || c->wanted > AREA_LEAST) {
        if (c->in.chunk != NULL) {
            return own_room(c, data);
        }
    }
    size_t size = 0;
    *data = area_lend(&c->loop->area, gap, &size) + gap;
    return size - gap;
}

/* What has come, with what was unfinished before it. */
static struct input join(struct connection *c, uint8_t *data, size_t size)
{
    struct area *area = &c->loop->area;
    if (c->in.chunk != NULL && data == c->in.chunk->bytes + c->in.end) {
        c->in.end += size;
        return c->in;
    }
    const size_t gap = c->in.chunk == NULL ? 0 : input_size(&c->in);
    if (gap > 0) {
        memcpy(data - gap, input_data(&c->in), gap);
    }
    connection_drop_input(c);
    area_take(area, gap + size);
    const size_t end = (size_t)(data - area->chunk->bytes) + size;
    return (struct input){area->chunk, end - gap - size, end};
}

static void consume(struct connection *c, struct input *in)
{
    if (c->phase == PHASE_SNIFF) {
        choose_protocol(c, in);
    }
    switch (c->phase) {
    case PHASE_RESP:
        resp_consume(c, in);
        break;
    case PHASE_TEXT:
        text_consume(c, in);
        break;
    case PHASE_HTTP_HEAD:
    case PHASE_HTTP_BODY:
    case PHASE_HTTP_STREAM:
    case PHASE_HTTP_ANSWER:
        http_consume(c, in);
        break;
    case PHASE_HTTP2:
        http2_consume(c, in);
        break;
    case PHASE_SNIFF:
    case PHASE_LINGER:
    case PHASE_GONE:
        break;
    }
}

/* Takes `in` through the protocol and keeps what is left. */
static void process(struct connection *c, struct input in)
{
    consume(c, &in);
    if (c->phase >= PHASE_LINGER) {
        connection_drop_input(c);
    } else if (in.chunk == c->in.chunk && c->in.chunk != NULL) {
        c->in = in;
        if (input_size(&in) == 0) {
            connection_drop_input(c);
        }
    } else if (input_size(&in) > 0) {
        keep_copy(c, &in);
    }
}

void connection_continue(struct connection *c)
{
    process(c, c->in);
    loop_again(c->loop->loop); /* calls may have been handed over behind the router's hook */
}

/* ---- Events of the pipe ---- */

static void on_data(void *arg, uint8_t *data, size_t size)
{
    struct connection *c = arg;
    metric_add(&c->loop->bytes_in, size);
    if (c->phase < PHASE_LINGER) {
        process(c, join(c, data, size));
        c->active_ns = loop_now_ns(c->loop->loop);
        router_relieve(c->loop->context->router);
    }
}

static void on_end(void *arg, enum err why)
{
    struct connection *c = arg;
    c->has_ended = true;
    c->is_reading = false;
    if (why != ERR_OK) {
        connection_cut(c);
        return;
    }
    switch (c->phase) {
    case PHASE_RESP:
        resp_end(c);
        break;
    case PHASE_TEXT:
        text_end(c);
        break;
    case PHASE_HTTP_HEAD:
    case PHASE_HTTP_BODY:
    case PHASE_HTTP_STREAM:
    case PHASE_HTTP_ANSWER:
        http_end(c);
        break;
    case PHASE_HTTP2:
        http2_end(c);
        break;
    case PHASE_SNIFF:
        connection_cut(c);
        break;
    case PHASE_LINGER:
        connection_touch(c);
        break;
    case PHASE_GONE:
        break;
    }
}

/* How much waits now: for the gauge, and to see whether the client takes anything. */
static void note_waiting(struct connection *c)
{
    const size_t waiting = connection_waiting(c);
    struct front_loop *l = c->loop;
    metric_set(&l->waiting_bytes, metric_get(&l->waiting_bytes) + waiting - c->seen_waiting);
    c->seen_waiting = waiting;
    if (waiting == 0) {
        c->stall_ns = 0;
    } else if (c->stall_ns == 0) {
        c->stall_ns = loop_now_ns(l->loop) + STALL_MS * UINT64_C(1000000);
        c->stall_bytes = waiting;
    }
}

static void on_drained(void *arg)
{
    struct connection *c = arg;
    note_waiting(c);
    connection_touch(c);
}

static void on_closed(void *arg)
{
    struct connection *c = arg;
    c->has_closed = true;
    connection_free_if_gone(c);
}

const struct stream_events *connection_events(void)
{
    static const struct stream_events table = {room, on_data, on_end, on_drained, on_closed};
    return &table;
}

/* ---- Output ---- */

size_t connection_waiting(const struct connection *c)
{
    return pipe_waiting_bytes(&c->pipe);
}

/* A pipeline that came in one turn is answered in one, and a client that reads gets it all, however
 * large that is: until what waits for everybody is too much. */
static bool is_too_much(const struct connection *c)
{
    const struct front_loop *l = c->loop;
    return c->seen_waiting > OUT_MAX + router_value_max(l->context->router) &&
           metric_get(&l->waiting_bytes) > OUT_ALL_MAX;
}

void connection_write(struct connection *c, struct buf *out)
{
    if (c->phase == PHASE_GONE || out->size == 0) {
        buf_clear(out);
        return;
    }
    metric_add(&c->loop->bytes_out, out->size);
    pipe_write(&c->pipe, out);
    note_waiting(c);
    if (is_too_much(c)) {
        log_warn(c->loop->front->log, "front", "a client was cut off: too many bytes wait for it",
                 F_TEXT("peer", pipe_peer(&c->pipe)), F_U64("waiting_bytes", c->seen_waiting));
        connection_cut(c);
    }
}

void connection_read(struct connection *c, bool is_wanted)
{
    if (c->phase == PHASE_GONE || c->is_reading == is_wanted) {
        return;
    }
    c->is_reading = is_wanted;
    if (is_wanted) {
        pipe_read_start(&c->pipe);
    } else {
        pipe_read_stop(&c->pipe);
    }
}

/* ---- Life ---- */

void connection_deadline(struct connection *c, uint64_t after_ms)
{
    c->deadline_ns = loop_now_ns(c->loop->loop) + after_ms * UINT64_C(1000000);
}

void connection_touch(struct connection *c)
{
    if (c->phase != PHASE_GONE && list_empty(&c->dirty)) {
        list_push(&c->loop->dirty, &c->dirty);
    }
}

void front_loop_take(struct front_loop *l, const struct front_listener *listener,
                     stream_socket socket, uint64_t id)
{
    if (l->is_draining || l->is_closing) {
        stream_refuse(socket);
        atomic_fetch_sub(&l->assigned, 1);
        return;
    }
    struct connection *c = mem_zero(1, sizeof(*c));
    struct err_why why;
    if (pipe_open(l, socket, &c->pipe, &why) != ERR_OK) {
        log_debug(l->front->log, "front", "a connection ended at once", F_TEXT("why", why.text));
        mem_free(c);
        atomic_fetch_sub(&l->assigned, 1);
        return;
    }
    c->loop = l;
    c->id = id;
    c->serves = listener->serves;
    c->opened_ms = loop_wall_ms(l->loop);
    list_init(&c->dirty);
    if (list_empty(&l->connections)) {
        front_loop_start_sweep(l);
    }
    list_push(&l->connections, &c->link);
    metric_add(&l->opened, 1);
    connection_await_request(c);
    connection_read(c, true);
}

void connection_free_if_gone(struct connection *c)
{
    if (!c->has_closed || c->exchange != NULL || c->http2 != NULL) {
        return;
    }
    CHECK(c->phase == PHASE_GONE && c->redis == NULL && c->dstore == NULL && c->in.chunk == NULL);
    CHECK(list_empty(&c->dirty));
    struct front_loop *l = c->loop;
    list_remove(&c->link);
    buf_deinit(&c->out);
    mem_free(c);
    atomic_fetch_sub(&l->assigned, 1);
}

void connection_cut(struct connection *c)
{
    if (c->phase == PHASE_GONE) {
        return;
    }
    c->phase = PHASE_GONE;
    pipe_close(&c->pipe);
    note_waiting(c);
    list_remove(&c->dirty);
    connection_drop_input(c);
    resp_close(c);
    text_close(c);
    http_close(c);
    http2_close(c);
}

void connection_finish(struct connection *c)
{
    if (c->phase >= PHASE_LINGER) {
        return;
    }
    if (c->has_ended && c->seen_waiting == 0 && !pipe_is_tls(&c->pipe)) {
        connection_cut(c);
        return;
    }
    c->phase = PHASE_LINGER;
    connection_drop_input(c);
    resp_close(c);
    text_close(c);
    pipe_shutdown(&c->pipe); /* TLS has something to say even then */
    note_waiting(c);
    connection_deadline(c, LINGER_MS);
    connection_read(c, !c->has_ended);
    connection_touch(c);
}

static void linger_flush(struct connection *c)
{
    if (c->seen_waiting > 0) {
        c->deadline_ns = 0; /* on_drained() comes, or the client stalls */
    } else if (c->has_ended) {
        connection_cut(c);
    } else if (c->deadline_ns == 0) {
        connection_deadline(c, LINGER_MS);
    }
}

void connection_flush(struct connection *c)
{
    if (c->is_overfull) {
        log_warn(c->loop->front->log, "front", "a client was cut off: too many large requests",
                 F_TEXT("peer", pipe_peer(&c->pipe)), F_U64("limit_bytes", large_max(c->loop)));
        connection_cut(c);
        return;
    }
    switch (c->phase) {
    case PHASE_RESP:
        resp_flush(c);
        break;
    case PHASE_TEXT:
        text_flush(c);
        break;
    case PHASE_HTTP_HEAD:
    case PHASE_HTTP_BODY:
    case PHASE_HTTP_STREAM:
    case PHASE_HTTP_ANSWER:
        http_flush(c);
        break;
    case PHASE_HTTP2:
        http2_flush(c);
        break;
    case PHASE_LINGER:
        linger_flush(c);
        break;
    case PHASE_SNIFF:
    case PHASE_GONE:
        break;
    }
}

static bool has_stalled(struct connection *c, uint64_t now_ns)
{
    if (c->stall_ns == 0 || c->stall_ns > now_ns) {
        return false;
    }
    if (connection_waiting(c) >= c->stall_bytes) {
        return true;
    }
    c->stall_ns = 0; /* it took something: begin again */
    note_waiting(c);
    return false;
}

void connection_sweep(struct connection *c, uint64_t now_ns)
{
    if (c->phase == PHASE_GONE) {
        return;
    }
    if (has_stalled(c, now_ns)) {
        connection_cut(c);
        return;
    }
    if (c->phase == PHASE_HTTP2) {
        http2_sweep(c, now_ns);
        return;
    }
    if (c->deadline_ns == 0 || c->deadline_ns > now_ns) {
        if (c->exchange != NULL) {
            exchange_sweep(&c->exchange->common, now_ns);
        }
        return;
    }
    switch (c->phase) {
    case PHASE_HTTP_HEAD:
    case PHASE_HTTP_BODY:
    case PHASE_HTTP_STREAM:
        http_timeout(c);
        break;
    case PHASE_HTTP2:
    case PHASE_SNIFF:
    case PHASE_RESP:
    case PHASE_TEXT:
    case PHASE_HTTP_ANSWER:
    case PHASE_LINGER:
    case PHASE_GONE:
        connection_cut(c);
        break;
    }
}

void connection_drain(struct connection *c)
{
    c->is_ending = true;
    switch (c->phase) {
    case PHASE_SNIFF:
        connection_finish(c);
        break;
    case PHASE_RESP:
        resp_drain(c);
        break;
    case PHASE_TEXT:
        text_drain(c);
        break;
    case PHASE_HTTP_HEAD:
    case PHASE_HTTP_BODY:
    case PHASE_HTTP_STREAM:
    case PHASE_HTTP_ANSWER:
        http_drain(c);
        break;
    case PHASE_HTTP2:
        http2_drain(c);
        break;
    case PHASE_LINGER:
    case PHASE_GONE:
        break;
    }
}

void connection_facts(const struct connection *c, struct connection_facts *out)
{
    if (c->redis != NULL) {
        redis_facts(c->redis, out);
        return;
    }
    const uint64_t now_ns = loop_now_ns(c->loop->loop);
    *out = (struct connection_facts){
        .id = c->id,
        .peer = pipe_peer(&c->pipe),
        .is_tls = pipe_is_tls(&c->pipe),
        .protocol = c->phase == PHASE_SNIFF   ? ""
                    : c->phase == PHASE_TEXT  ? "dstore"
                    : c->phase == PHASE_HTTP2 ? "http2"
                                              : "http",
        .opened_ms = c->opened_ms,
        .idle_ms = c->active_ns == 0 ? 0 : (now_ns - c->active_ns) / UINT64_C(1000000),
        .last_command = "",
    };
}
