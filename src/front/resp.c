/* resp.c - a connection that speaks RESP: a session of api/redis and its bytes. */
#include "base/check.h"
#include "front/private.h"

struct waker {
    struct loop_timer timer;
    struct connection *connection;
};

static void on_output(void *arg)
{
    connection_touch(arg);
}

static void on_wake(void *arg)
{
    struct waker *w = arg;
    redis_wake(w->connection->redis);
}

static void wake_after(void *arg, uint32_t delay_ms)
{
    struct connection *c = arg;
    if (c->waker == NULL) {
        c->waker = mem_zero(1, sizeof(*c->waker));
        c->waker->connection = c;
    }
    loop_timer_start(c->loop->loop, &c->waker->timer, delay_ms, on_wake, c->waker);
}

void resp_open(struct connection *c)
{
    const struct redis_owner owner = {.on_output = on_output,
                                      .wake_after = wake_after,
                                      .arg = c,
                                      .peer = pipe_peer(&c->pipe),
                                      .id = c->id,
                                      .is_tls = pipe_is_tls(&c->pipe)};
    c->redis = redis_open(c->loop->context, &owner);
}

void resp_close(struct connection *c)
{
    if (c->redis == NULL) {
        return;
    }
    front_buf_give(c->loop, redis_out(c->redis));
    redis_close(&c->redis);
    if (c->waker != NULL) {
        loop_timer_stop(&c->waker->timer);
        mem_free(c->waker);
        c->waker = NULL;
    }
}

/* Reads as long as the session takes commands and the client takes replies. */
static void see_to_reading(struct connection *c)
{
    connection_read(c, !c->has_ended && !c->is_ending && !redis_is_full(c->redis) &&
                           connection_waiting(c) < REDIS_OUT_HIGH);
}

void resp_consume(struct connection *c, struct input *in)
{
    struct redis_session *s = c->redis;
    if (c->is_ending) {
        in->begin = in->end;
        return;
    }
    struct buf *out = redis_out(s);
    if (out->capacity == 0) {
        *out = front_buf_get(c->loop);
    }
    in->begin += redis_input(s, in->chunk, input_data(in), input_size(in));
    c->wanted = redis_wanted(s);
    c->is_blocked = input_size(in) > 0 && redis_is_full(s);
    see_to_reading(c);
}

/* All that was sent has been taken, but for what never became whole. */
static void end_input(struct connection *c)
{
    connection_drop_input(c);
    c->is_ending = true;
    redis_input_end(c->redis);
    connection_touch(c);
}

void resp_end(struct connection *c)
{
    if (!c->is_blocked && !c->is_ending) {
        end_input(c);
    }
}

void resp_drain(struct connection *c)
{
    end_input(c);
    see_to_reading(c);
}

void resp_flush(struct connection *c)
{
    struct redis_session *s = c->redis;
    redis_turn_done(s);
    if (!redis_is_awaiting(s)) {
        connection_write(c, redis_out(s));
        if (c->phase == PHASE_GONE) {
            return;
        }
        front_buf_give(c->loop, redis_out(s));
    }
    if (c->is_blocked && !redis_is_full(s) && connection_waiting(c) < REDIS_OUT_HIGH) {
        c->is_blocked = false;
        connection_continue(c);
    }
    if (c->has_ended && !c->is_blocked && !c->is_ending) {
        end_input(c);
    }
    if (redis_is_closing(s) && redis_out(s)->size == 0) {
        connection_finish(c);
    } else {
        see_to_reading(c);
    }
}
