#include "api/http_call.h"

#include "base/check.h"

void http_call_init(struct http_call *c, struct http_exchange *x, http_call_fn answer)
{
    c->x = x;
    c->answer = answer;
    c->call.order = x->connection_order;
}

struct http_call *http_call_new(struct http_exchange *x, http_call_fn answer)
{
    struct http_call *c = arena_zero(x->arena, sizeof(*c));
    http_call_init(c, x, answer);
    return c;
}

enum err http_call_table(struct http_call *c, struct slice table)
{
    const struct router *r = http_context(c->x)->router;
    const struct table *t = router_table(r, table);
    if (t == NULL) {
        const enum err ready = router_is_ready(r);
        return ready == ERR_OK ? ERR_NOT_FOUND : ready;
    }
    c->call.op.table = t->id;
    return ERR_OK;
}

enum err http_call_place(struct http_call *c, struct slice table, struct slice segment)
{
    c->call.op.key = segment;
    if (memchr(segment.data, '%', segment.size) != NULL &&
        !http_decode(c->x->arena, segment, false, &c->call.op.key)) {
        return ERR_INVALID;
    }
    return http_call_table(c, table);
}

static void on_done(struct call *call)
{
    struct http_call *c = call->arg;
    struct http_exchange *x = c->x;
    x->user = NULL; /* nothing is under way any more, whoever asks from here on */
    if (c->is_aborted) {
        http_done(x);
        return;
    }
    c->answer(c, &call->result);
}

static void abort_call(struct http_task *t)
{
    struct http_call *c = container_of(t, struct http_call, task);
    c->is_aborted = true;
    router_cancel(http_context(c->x)->router, &c->call);
}

void http_call_start(struct http_call *c)
{
    CHECK(c->x->user == NULL);
    c->x->user = &c->task;
    c->task.abort = abort_call;
    c->call.done = on_done;
    c->call.arg = c;
    router_call(http_context(c->x)->router, &c->call);
}
