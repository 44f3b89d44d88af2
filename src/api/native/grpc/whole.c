/* Operations on a whole table, whose answers may come from all shards. */
#include "api/clearing.h"
#include "api/http_err.h"
#include "api/native/grpc/calls.h"
#include "router/draw.h"

/* Reads the request, or answers what is wrong with it. */
static const struct form *read_request(struct grpc_call *g, const ProtobufCMessage *message,
                                       struct op *op)
{
    const struct form *form = form_of(method_number(g->method));
    struct translation t = translation_of(g);
    enum read_level level;
    struct err_why why;
    t.may_span = true;
    const enum err e = form_read(form, &t, message, op, &level, &why);
    if (e != ERR_OK) {
        call_fail(g, e, why.text, NULL);
        return NULL;
    }
    return form;
}

static void reply(struct grpc_call *g, const struct op *op, const struct result *result)
{
    const struct answering a = {.arena = g->x->arena, .op = op, .result = result};
    ProtobufCMessage *response = NULL;
    const enum err e = form_answer(form_of(method_number(g->method)), &a, &response);
    if (e == ERR_OK) {
        grpc_reply(g, response);
    } else {
        call_fail(g, e, NULL, &a);
    }
}

/* ---- Count ---- */

void on_count(struct grpc_call *g, const ProtobufCMessage *message)
{
    const struct router *r = grpc_context(g)->router;
    struct op op = {0};
    if (read_request(g, message, &op) == NULL) {
        return;
    }
    const struct table *table = router_table_by_id(r, op.table);
    const struct result result = {.err = router_is_ready(r), .count = router_table_count(r, table)};
    reply(g, &op, &result);
}

/* ---- RandomKey ---- */

static void on_drawn(struct draw *d)
{
    struct grpc_call *g = d->arg;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
        return;
    }
    reply(g, &d->call.op, &d->call.result);
}

void on_random_key(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct op op = {0};
    if (read_request(g, message, &op) == NULL) {
        return;
    }
    struct draw *d = arena_zero(g->x->arena, sizeof(*d));
    d->table = op.table;
    d->deadline_ns = g->deadline_ns;
    d->done = on_drawn;
    d->arg = g;
    g->user = d;
    router_draw(grpc_context(g)->router, d);
}

void on_random_key_abort(struct grpc_call *g)
{
    struct draw *d = g->user;
    if (d == NULL) {
        grpc_done(g);
        return;
    }
    d->is_unwanted = true;
    router_cancel(grpc_context(g)->router, &d->call);
}

/* ---- DeleteRange ---- */

static void on_cleared(struct clearing *c)
{
    struct grpc_call *g = c->arg;
    const struct op op = {0};
    const struct result result = {.count = c->deleted};
    struct err_why why;
    g->user = NULL;
    if (g->is_aborted) {
        grpc_done(g);
    } else if (c->err == ERR_OK) {
        reply(g, &op, &result);
    } else {
        (void)err_set(&why, c->err, "%s; %llu records had been deleted", http_err_text(c->err),
                      (unsigned long long)c->deleted);
        call_fail(g, c->err, why.text, NULL);
    }
}

void on_delete_range(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct router *r = grpc_context(g)->router;
    struct op op = {0};
    if (read_request(g, message, &op) == NULL) {
        return;
    }
    if (router_table_by_id(r, op.table)->options.partition == PARTITION_TABLE) {
        on_unary(g, message); /* all at once */
        return;
    }
    struct clearing *c = arena_zero(g->x->arena, sizeof(*c));
    *c = (struct clearing){.router = r,
                           .table = op.table,
                           .from = op.key,
                           .to = op.other,
                           .limit = op.limit,
                           .deadline_ns = g->deadline_ns,
                           .done = on_cleared,
                           .arg = g};
    g->user = c;
    clearing_start(c);
}

void on_delete_range_abort(struct grpc_call *g)
{
    if (g->user == NULL) {
        grpc_done(g);
    } else {
        clearing_cancel(g->user);
    }
}
