/* exchange.c - what every request meets, whatever the version of HTTP: is it allowed, whose is it,
 * how long did it take. */
#include "api/http_err.h"
#include "api/operations.h"
#include "base/check.h"
#include "front/private.h"

/* ---- Before the handler ---- */

void exchange_init(struct exchange *e, struct connection *c, const struct http_exchange_ops *ops,
                   struct call_order *order)
{
    e->x.ops = ops;
    e->x.arena = &e->arena;
    e->x.connection_order = order;
    e->x.is_aborted = false;
    e->x.is_tls = pipe_is_tls(&c->pipe);
    e->connection = c;
    e->status = 0;
    e->is_begun = e->is_answered = e->is_streaming = false;
    e->is_body_done = e->is_paused = e->wants_writable = false;
}

/* 0, or the status to refuse it with. */
static unsigned guard(const struct front *f, const struct http_request *r, const char **detail)
{
    if (!guard_host_is_known(r->host, f->hosts, f->host_count)) {
        *detail = "the host asked for is neither an address, nor localhost, nor "
                  "configured with --host";
        return 421;
    }
    const struct slice origin = http_header(r, "origin");
    if (origin.data != NULL && !guard_origin_is_host(origin, r->host)) {
        *detail = "a page of another origin must not use this server";
        return 403;
    }
    return 0;
}

static const struct http_route *find_route(const struct connection *c, const struct http_request *r,
                                           enum dialect *dialect)
{
    const struct front *f = c->loop->front;
    for (size_t i = 0; i < f->dialect_count; i++) {
        if ((c->serves & 1U << i) == 0) {
            continue;
        }
        const struct http_route *route = f->dialects[i]->find(r);
        if (route != NULL) {
            *dialect = f->dialects[i]->dialect;
            return route;
        }
    }
    *dialect = DIALECT_ADMIN;
    return unknown_route_for(r);
}

/* The counters of a route; looked up by name once per loop. */
static struct operation_stats *stats_of(struct front_loop *l, const struct http_route *route,
                                        enum dialect dialect)
{
    const size_t start = (size_t)((uintptr_t)route >> 4);
    for (size_t i = 0; i < ROUTES_MAX; i++) {
        struct route_stats *r = &l->routes[(start + i) % ROUTES_MAX];
        if (r->route == NULL) {
            r->route = route;
            r->stats = operation_find(&l->context->stats[dialect], route->name);
        }
        if (r->route == route) {
            return r->stats;
        }
    }
    return NULL;
}

/* What is gathered whole is never larger than a value and its wrapping may be (base64 in
 * JSON), whatever the route would take. */
size_t exchange_body_max(const struct exchange *e)
{
    const struct http_route *route = e->x.route;
    if (route->is_streaming) {
        return route->body_max;
    }
    if (route->body_max == 0) {
        return DROPPED_MAX;
    }
    const size_t most = 2 * router_value_max(e->connection->loop->context->router) + WRAPPING_MAX;
    return route->body_max < most ? route->body_max : most;
}

unsigned exchange_prepare(struct exchange *e, const struct http_request *request, uint64_t length,
                          const char **detail)
{
    const struct connection *c = e->connection;
    struct front_loop *l = c->loop;
    const unsigned refusal = guard(l->front, request, detail);
    if (refusal != 0) {
        return refusal;
    }
    enum dialect dialect = DIALECT_ADMIN;
    e->x = (struct http_exchange){.ops = e->x.ops,
                                  .route = find_route(c, request, &dialect),
                                  .request = *request,
                                  .arena = &e->arena,
                                  .connection_order = e->x.connection_order,
                                  .loop_arg = l->context,
                                  .is_tls = e->x.is_tls};
    e->stats = stats_of(l, e->x.route, dialect);
    e->x.stats = e->stats;
    e->started_ns = front_now_ns(l);
    if (length > exchange_body_max(e)) {
        *detail = "the body is larger than allowed here";
        return 413;
    }
    return 0;
}

/* What a status that is answered before any handler has begun means in the list of errors. */
static enum err err_of(unsigned status)
{
    switch (status) {
    case 403:
    case 421:
        return ERR_DENIED;
    case 408:
        return ERR_TIMEOUT;
    case 413:
    case 414:
    case 431:
        return ERR_TOO_LARGE;
    case 429:
        return ERR_BUSY;
    case 417:
    case 501:
    case 505:
        return ERR_UNIMPLEMENTED;
    default:
        return ERR_INVALID;
    }
}

void exchange_problem(struct buf *out, unsigned status, const char *detail)
{
    http_problem_to(out, status, err_of(status), detail);
}

/* ---- The handler ---- */

void exchange_begin(struct exchange *e)
{
    e->is_begun = true;
    e->x.route->handle(&e->x, e->x.loop_arg);
}

void exchange_sweep(struct exchange *e, uint64_t now_ns)
{
    struct http_exchange *x = &e->x;
    const bool is_under_way = e->is_begun && !e->is_answered && !x->is_aborted;
    if (is_under_way && x->deadline_ns != 0 && x->deadline_ns <= now_ns) {
        x->route->on_deadline(x);
    }
}

void exchange_note_status(struct exchange *e, unsigned status)
{
    CHECK(e->is_begun && !e->is_answered && !e->is_streaming && !e->x.is_aborted);
    e->status = status;
}

static void count(struct exchange *e)
{
    struct front_loop *l = e->connection->loop;
    if (l->done_ns == 0) {
        l->done_ns = front_now_ns(l);
    }
    const uint64_t us = l->done_ns > e->started_ns ? (l->done_ns - e->started_ns) / 1000 : 0;
    if (e->stats != NULL) {
        histogram_add(&e->stats->latency_us, us);
    }
    if (us >= l->context->slow_us && !e->x.is_patient) {
        log_warn(l->front->log, "http", "slow request", F_TEXT("operation", e->x.route->name),
                 F_U64("us", us), F_U64("status", e->status));
    }
}

void exchange_complete(struct exchange *e)
{
    e->is_answered = true;
    count(e);
    connection_touch(e->connection);
}

void exchange_abort(struct exchange *e)
{
    e->x.is_aborted = true;
    if (!e->is_begun || e->is_answered || e->x.route->on_abort == NULL) {
        http_done(&e->x);
    } else {
        e->x.route->on_abort(&e->x);
    }
}
