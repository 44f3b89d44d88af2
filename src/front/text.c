/* text.c - a connection that speaks a protocol of lines: a session of api/dstore and its bytes. */
#include "base/check.h"
#include "front/private.h"

static void on_output(void *arg)
{
    connection_touch(arg);
}

void text_open(struct connection *c)
{
    const struct dstore_owner owner = {.on_output = on_output, .arg = c};
    c->phase = PHASE_TEXT;
    c->deadline_ns = 0;
    c->dstore = dstore_open(c->loop->context, &owner);
}

void text_close(struct connection *c)
{
    if (c->dstore != NULL) {
        front_buf_give(c->loop, dstore_out(c->dstore));
        dstore_close(&c->dstore);
    }
}

/* Reads as long as the session takes lines and the client takes replies. */
static void see_to_reading(struct connection *c)
{
    connection_read(c, !c->has_ended && !c->is_ending && !dstore_is_full(c->dstore) &&
                           !dstore_is_closing(c->dstore) &&
                           connection_waiting(c) < DSTORE_OUT_HIGH);
}

void text_consume(struct connection *c, struct input *in)
{
    struct dstore_session *s = c->dstore;
    if (c->is_ending) {
        in->begin = in->end;
        return;
    }
    struct buf *out = dstore_out(s);
    if (out->capacity == 0) {
        *out = front_buf_get(c->loop);
    }
    in->begin += dstore_input(s, input_data(in), input_size(in));
    c->is_blocked = input_size(in) > 0 && dstore_is_full(s);
    c->wanted = 0;
    c->deadline_ns = 0;
    if (input_size(in) > 0 && !c->is_blocked) { /* a line has begun */
        c->wanted = 2 * input_size(in);         /* who knows: so a long one is seldom copied */
        connection_deadline(c, BODY_MS);
    }
    see_to_reading(c);
}

/* All that was sent has been taken, but for what never became whole. */
static void end_input(struct connection *c)
{
    connection_drop_input(c);
    c->deadline_ns = 0;
    c->is_ending = true;
    dstore_input_end(c->dstore);
    connection_touch(c);
}

void text_end(struct connection *c)
{
    if (!c->is_blocked && !c->is_ending) {
        end_input(c);
    }
}

void text_drain(struct connection *c)
{
    end_input(c);
    see_to_reading(c);
}

void text_flush(struct connection *c)
{
    struct dstore_session *s = c->dstore;
    dstore_turn_done(s);
    connection_write(c, dstore_out(s));
    if (c->phase == PHASE_GONE) {
        return;
    }
    front_buf_give(c->loop, dstore_out(s));
    if (c->is_blocked && !dstore_is_full(s) && connection_waiting(c) < DSTORE_OUT_HIGH) {
        c->is_blocked = false;
        connection_continue(c);
    }
    if (c->has_ended && !c->is_blocked && !c->is_ending) {
        end_input(c);
    }
    if (dstore_is_closing(s) && dstore_out(s)->size == 0) {
        connection_finish(c);
    } else {
        see_to_reading(c);
    }
}
