/* tables/{table}/logs/{key}: append-only histories, with dstore's meaning of a limit. */
#include "api/native/listing.h"
#include "api/native/versions.h"

#define LIMIT_ALL    (-1)
#define LIMIT_OLDEST (-2)

/* ---- GET ---- */

static void answer_oldest(struct http_call *c, const struct result *result)
{
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_byte(&body, '[');
    for (size_t i = 0; i < result->row_count; i++) {
        version_to(&body, c->call.op.key, &result->rows[i]);
    }
    buf_append_byte(&body, ']');
    native_respond(c->x, 200, &body);
}

static enum err prepare_oldest(struct http_call *c, struct err_why *why)
{
    c->call.op.kind = OP_LOG_READ;
    c->call.op.number = LIMIT_OLDEST;
    return native_place(c, why);
}

static void row_to(struct listing *l, struct buf *out, const struct row *row)
{
    version_to(out, l->owner, row);
}

/* The newest ones, as a stream: there may be any number. */
static void list_newest(struct http_exchange *x, uint64_t limit)
{
    struct listing *l = arena_zero(x->arena, sizeof(*l));
    const struct table *t = NULL;
    struct err_why why = {0};
    enum err e = native_table(x, &t, &why);
    e = e == ERR_OK ? native_segment(x, 3, &l->owner, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    l->x = x;
    l->config.kind = SOURCE_LOG;
    l->config.table = t->id;
    l->config.key = l->owner;
    l->limit = limit;
    l->row = row_to;
    l->head = "[";
    listing_start(l);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct parameter list[] = {{.name = "limit"}};
    struct err_why why = {0};
    int64_t limit = 0;
    enum err e = parameters_read(x, list, 1, &why);
    e = e == ERR_OK ? parameter_i64(&list[0], &limit, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    if (limit == LIMIT_OLDEST) {
        native_start(http_call_new(x, answer_oldest), prepare_oldest);
    } else if (limit == LIMIT_ALL) {
        list_newest(x, 0);
    } else {
        list_newest(x, limit > 0 ? (uint64_t)limit : 1);
    }
}

/* ---- POST ---- */

static void answer_post(struct http_call *c, const struct result *result)
{
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_text(&body, "{\"id\":");
    bytes_to(&body, c->call.op.id);
    buf_append_text(&body, ",\"count\":");
    buf_append_u64(&body, result->count);
    buf_append_byte(&body, ',');
    revision_to(&body, "revision", result->mod_revision);
    buf_append_byte(&body, '}');
    native_respond(c->x, 201, &body);
}

static enum err prepare_post(struct http_call *c, struct err_why *why)
{
    struct parameter list[] = {{.name = "id"}, {.name = "author"}, {.name = "replace"}};
    const struct loop_context *context = http_context(c->x);
    struct op *op = &c->call.op;
    bool replaces = false;
    enum err e = parameters_read(c->x, list, 3, why);
    e = e == ERR_OK ? parameter_bool(&list[2], &replaces, why) : e;
    e = e == ERR_OK ? native_place(c, why) : e;
    e = e == ERR_OK ? native_idempotency(c->x, &op->idempotency_id, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (list[0].is_given && (list[0].text.size < 1 || list[0].text.size > LOG_ID_MAX)) {
        return err_set(why, ERR_INVALID, "an id has 1 to %zu bytes", LOG_ID_MAX);
    }
    if (list[1].text.size > AUTHOR_MAX) {
        return err_set(why, ERR_INVALID, "an author has %zu bytes at most", AUTHOR_MAX);
    }
    op->kind = OP_LOG_APPEND;
    op->flags = replaces ? OP_LOG_REPLACE : 0;
    op->value = c->x->request.body;
    op->id = list[0].is_given ? list[0].text
                              : version_id(router_random(context->router), c->x->arena, op);
    op->author = list[1].is_given ? list[1].text : slice_of_text(context->facts->node_name);
    return ERR_OK;
}

static void post(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer_post), prepare_post);
}

const struct native_resource *native_logs(size_t *count)
{
    static const struct http_route get_route = {.name = "log_get",
                                                .handle = get,
                                                .on_writable = http_task_on_writable,
                                                .on_abort = http_task_on_abort};
    static const struct http_route post_route = {.name = "log_append",
                                                 .body_max = STRING_MAX,
                                                 .handle = post,
                                                 .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "logs", "*"}, .get = &get_route, .post = &post_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
