/* The REST interface of Regatta's first version: single keys, tables that are there when they are
 * written to, a missing key that is an error, a delete that always deletes one. */
#include "api/regatta/rest.h"

#include "api/regatta/maintenance.h"
#include "api/regatta/rest_json.h"
#include "api/regatta/rest_reply.h"
#include "api/regatta/whole.h"
#include "base/check.h"

#define BODY_MAX ((size_t)8 << 20) /* bytes of JSON: a value of 2 MiB in base64, and more */

struct rest_call {
    struct http_call call;
    struct http_task task; /* while a table is made, emptied or hashed */
    struct http_exchange *x;
    struct rest_request q;
    union {
        struct table_change change;
        struct emptying emptying;
        struct hashing hashing;
    };
    bool is_aborted;
};

static struct rest_call *rest_call_of(struct http_call *c)
{
    return container_of(c, struct rest_call, call);
}

/* Reads the body. NULL: it was refused. */
static struct rest_call *begin(struct http_exchange *x, enum rest_message message,
                               http_call_fn answer)
{
    struct err_why why = {0};
    struct rest_call *r = arena_zero(x->arena, sizeof(*r));
    r->x = x;
    http_call_init(&r->call, x, answer);
    if (rest_json_read(x->request.body, message, x->arena, &r->q, &why) != ERR_OK) {
        rest_refuse_body(x, why.text);
        return NULL;
    }
    return r;
}

/* ---- What is waited for besides calls ---- */

static void abort_task(struct http_task *t)
{
    container_of(t, struct rest_call, task)->is_aborted = true;
}

static void abort_hashing(struct http_task *t)
{
    struct rest_call *r = container_of(t, struct rest_call, task);
    r->is_aborted = true;
    hashing_cancel(&r->hashing);
}

static void wait(struct rest_call *r, void (*abort)(struct http_task *t))
{
    r->task.abort = abort;
    r->x->user = &r->task;
}

/* It is done. False: the client has gone meanwhile. */
static bool end_wait(struct rest_call *r)
{
    r->x->user = NULL;
    if (r->is_aborted) {
        http_done(r->x);
    }
    return !r->is_aborted;
}

/* ---- Checks ---- */

static struct refusal unimplemented(const char *text)
{
    return (struct refusal){GRPC_UNIMPLEMENTED, ERR_UNIMPLEMENTED, text};
}

static struct refusal check_place(const struct rest_request *q)
{
    if (q->table.size == 0) {
        return REFUSAL_INVALID(TEXT_TABLE_NOT_SET);
    }
    return q->key.size == 0 ? REFUSAL_INVALID(TEXT_KEY_NOT_SET) : refusal_of_key(q->key);
}

static struct refusal check_range(const struct rest_request *q)
{
    const struct {
        bool is_set;
        const char *text;
    } later[] = {
        {q->range_end.data != NULL, "range_end not implemented"},
        {q->limit > 0, "limit not implemented"},
        {q->keys_only, "keys_only not implemented"},
        {q->count_only, "count_only not implemented"},
        {q->min_mod_revision > 0, "min_mod_revision not implemented"},
        {q->max_mod_revision > 0, "max_mod_revision not implemented"},
        {q->min_create_revision > 0, "min_create_revision not implemented"},
        {q->max_create_revision > 0, "max_create_revision not implemented"},
    };
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        if (later[i].is_set) {
            return unimplemented(later[i].text);
        }
    }
    return check_place(q);
}

static struct refusal check_put(const struct rest_request *q)
{
    if (q->prev_kv) {
        return unimplemented("prev_kv not implemented");
    }
    const struct refusal r = check_place(q);
    return r.status == GRPC_OK ? refusal_of_value(q->value) : r;
}

static struct refusal check_delete(const struct rest_request *q)
{
    if (q->range_end.data != NULL) {
        return unimplemented("range_end not implemented");
    }
    return q->prev_kv ? unimplemented("prev_kv not implemented") : check_place(q);
}

/* Sends the operation to the table. Errors: ERR_NOT_FOUND (no such table; nothing was done). */
static enum err send(struct rest_call *r, enum op_kind kind)
{
    struct refusal refusal = {GRPC_OK, ERR_OK, NULL};
    const struct table *t = regatta_table(http_context(r->x), r->q.table, &refusal);
    if (t == NULL) {
        return refusal.err;
    }
    struct op *op = &r->call.call.op;
    op->kind = (uint8_t)kind;
    op->table = t->id;
    op->key = r->q.key;
    op->value = kind == OP_PUT ? r->q.value : (struct slice){0};
    r->call.call.level = r->q.linearizable ? READ_LINEARIZABLE : READ_STALE;
    http_call_start(&r->call);
    return ERR_OK;
}

/* ---- range ---- */

static void refuse_missing(struct http_exchange *x)
{
    rest_refuse(x, (struct refusal){GRPC_NOT_FOUND, ERR_NOT_FOUND, TEXT_KEY_NOT_FOUND});
}

static void answer_range(struct http_call *c, const struct result *result)
{
    struct http_exchange *x = c->x;
    if (result->err == ERR_NOT_FOUND && !regatta_is_gone(http_context(x), c->call.op.table)) {
        refuse_missing(x);
        return;
    }
    if (result->err != ERR_OK) {
        rest_fail(x, result->err == ERR_NOT_FOUND ? ERR_UNAVAILABLE : result->err);
        return;
    }
    struct rest_reply reply;
    rest_reply_begin(&reply);
    rest_reply_header(&reply, http_context(x));
    rest_reply_pair(&reply, rest_call_of(c)->q.key, result->value);
    rest_reply_number(&reply, "count", 1);
    rest_reply_send(x, &reply);
}

static void range(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct rest_call *r = begin(x, REST_RANGE, answer_range);
    if (r == NULL) {
        return;
    }
    const struct refusal refusal = check_range(&r->q);
    if (refusal.status != GRPC_OK) {
        rest_refuse(x, refusal);
        return;
    }
    const enum err e = send(r, OP_GET);
    if (e == ERR_NOT_FOUND) {
        refuse_missing(x);
    } else if (e != ERR_OK) {
        rest_fail(x, e);
    }
}

/* ---- put ---- */

static void reply_empty(struct http_exchange *x)
{
    struct rest_reply reply;
    rest_reply_begin(&reply);
    rest_reply_send(x, &reply);
}

static void answer_put(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) { /* of the table: another may have taken its name */
        rest_fail(c->x, result->err == ERR_NOT_FOUND ? ERR_UNAVAILABLE : result->err);
    } else {
        reply_empty(c->x);
    }
}

static void on_created(struct table_change *change)
{
    struct rest_call *r = change->arg;
    struct http_exchange *x = r->x;
    const enum err created = change->err;
    const struct err_why why = change->why;
    if (!end_wait(r)) {
        return;
    }
    if (created == ERR_INVALID) {
        rest_refuse(x, REFUSAL_INVALID(why.text));
        return;
    }
    enum err e = created == ERR_ALREADY_EXISTS ? ERR_OK : created; /* somebody else was faster */
    e = e == ERR_OK ? send(r, OP_PUT) : e;
    if (e == ERR_NOT_FOUND) {
        rest_refuse(x, (struct refusal){GRPC_FAILED_PRECONDITION, ERR_WRONG_TYPE,
                                        "the table is not one of Regatta's (partition=key)"});
    } else if (e != ERR_OK) {
        rest_fail(x, e);
    }
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct rest_call *r = begin(x, REST_PUT, answer_put);
    if (r == NULL) {
        return;
    }
    const struct refusal refusal = check_put(&r->q);
    if (refusal.status != GRPC_OK) {
        rest_refuse(x, refusal);
        return;
    }
    const enum err e = send(r, OP_PUT);
    if (e == ERR_NOT_FOUND) {
        wait(r, abort_task);
        r->change = (struct table_change){.kind = TABLE_CREATE,
                                          .name = r->q.table,
                                          .options = regatta_options(http_context(x)),
                                          .done = on_created,
                                          .arg = r};
        router_change_table(http_context(x)->router, &r->change);
    } else if (e != ERR_OK) {
        rest_fail(x, e);
    }
}

/* ---- deleterange ---- */

static void reply_deleted(struct http_exchange *x)
{
    struct rest_reply reply;
    rest_reply_begin(&reply);
    rest_reply_header(&reply, http_context(x));
    rest_reply_number(&reply, "deleted", 1);
    rest_reply_send(x, &reply);
}

static void answer_delete(struct http_call *c, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        reply_deleted(c->x);
    } else {
        rest_fail(c->x, result->err);
    }
}

static void delete_range(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct rest_call *r = begin(x, REST_DELETE_RANGE, answer_delete);
    if (r == NULL) {
        return;
    }
    const struct refusal refusal = check_delete(&r->q);
    if (refusal.status != GRPC_OK) {
        rest_refuse(x, refusal);
        return;
    }
    const enum err e = send(r, OP_DELETE);
    if (e == ERR_NOT_FOUND) {
        reply_deleted(x);
    } else if (e != ERR_OK) {
        rest_fail(x, e);
    }
}

/* ---- Maintenance ---- */

/* True: the client may, and the node is ready. */
static bool may_maintain(struct http_exchange *x)
{
    const struct loop_context *c = http_context(x);
    const struct refusal r =
        refusal_of_token(http_header(&x->request, "authorization"), c->facts->maintenance_token);
    const enum err ready = router_is_ready(c->router);
    if (r.status != GRPC_OK) {
        rest_refuse(x, r);
    } else if (ready != ERR_OK) {
        rest_fail(x, ready);
    }
    return r.status == GRPC_OK && ready == ERR_OK;
}

static void on_hashed(struct hashing *hashing)
{
    struct rest_call *r = hashing->arg;
    struct http_exchange *x = r->x;
    if (!end_wait(r)) {
        return;
    }
    if (hashing->err != ERR_OK) {
        rest_fail(x, hashing->err);
        return;
    }
    struct rest_reply reply;
    rest_reply_begin(&reply);
    rest_reply_header(&reply, http_context(x));
    rest_reply_number(&reply, "hash", hashing->hash);
    rest_reply_send(x, &reply);
}

static void hash(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct rest_call *r = may_maintain(x) ? begin(x, REST_HASH, NULL) : NULL;
    if (r == NULL) {
        return;
    }
    struct router *router = http_context(x)->router;
    r->hashing = (struct hashing){.router = router, .done = on_hashed, .arg = r};
    r->hashing.names = whole_tables(router, x->arena, &r->hashing.count);
    wait(r, abort_hashing);
    hashing_start(&r->hashing);
}

static void on_emptied(struct emptying *emptying)
{
    struct rest_call *r = emptying->arg;
    struct http_exchange *x = r->x;
    const enum err e = emptying->err;
    if (!end_wait(r)) {
        return;
    }
    if (e != ERR_OK) {
        rest_fail(x, e);
    } else {
        reply_empty(x);
    }
}

static void reset(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct rest_call *r = may_maintain(x) ? begin(x, REST_RESET, NULL) : NULL;
    size_t count = 0;
    if (r == NULL) {
        return;
    }
    if (!is_own_member(http_context(x), r->q.member_id)) {
        rest_refuse(x, REFUSAL_INVALID(TEXT_NO_MEMBER));
        return;
    }
    struct router *router = http_context(x)->router;
    const struct slice *names = whole_tables(router, x->arena, &count);
    if (count == 0) {
        reply_empty(x);
        return;
    }
    r->emptying = (struct emptying){
        .router = router, .names = names, .count = count, .done = on_emptied, .arg = r};
    wait(r, abort_task);
    emptying_start(&r->emptying);
}

/* ---- Routes ---- */

static void refuse_method(struct http_exchange *x, void *arg)
{
    (void)arg;
    rest_refuse_route(x, 405);
}

static void refuse_path(struct http_exchange *x, void *arg)
{
    (void)arg;
    rest_refuse_route(x, 404);
}

#define ROUTE(operation, handler)                                                                  \
    {                                                                                              \
        .name = (operation), .body_max = BODY_MAX, .handle = (handler),                            \
        .on_abort = http_task_on_abort                                                             \
    }

const struct http_route *rest_find(const struct http_request *request)
{
    static const struct {
        const char *path;
        struct http_route route;
    } routes[] = {
        {"/v1/kv/range", ROUTE("rest_range", range)},
        {"/v1/kv/put", ROUTE("rest_put", put)},
        {"/v1/kv/deleterange", ROUTE("rest_delete_range", delete_range)},
        {"/v1/maintenance/hash", ROUTE("rest_hash", hash)},
        {"/v1/maintenance/reset", ROUTE("rest_reset", reset)},
    };
    static const struct http_route wrong_method = ROUTE("rest_wrong_method", refuse_method);
    static const struct http_route wrong_path = ROUTE("rest_wrong_path", refuse_path);
    if (!slice_starts_with(request->path, SLICE("/v1/kv/")) &&
        !slice_starts_with(request->path, SLICE("/v1/maintenance/"))) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_equal(request->path, slice_of_text(routes[i].path))) {
            return request->method == HTTP_POST ? &routes[i].route : &wrong_method;
        }
    }
    return &wrong_path;
}
