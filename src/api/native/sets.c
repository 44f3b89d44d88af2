/* tables/{table}/sets/{key}: members, one by one or as a list. */
#include "api/native/listing.h"

/* ---- The list ---- */

static void member_to(struct listing *l, struct buf *out, const struct row *row)
{
    (void)l;
    bytes_to(out, row->key);
}

static enum err read_list(struct listing *l, struct err_why *why)
{
    struct parameter list[] = {{.name = "from"}, {.name = "limit"}, {.name = "cursor"}};
    struct source_config *c = &l->config;
    enum err e = parameters_read(l->x, list, 3, why);
    e = e == ERR_OK ? parameter_u64(&list[1], &l->limit, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct slice after;
    c->from = list[0].is_given ? list[0].text : SLICE("");
    if (!list[2].is_given) {
        return ERR_OK;
    }
    e = cursor_read(list[2].text, l->x->arena, &after, why);
    if (e == ERR_OK && slice_compare(after, c->from) >= 0) {
        c->from = after;
        c->is_after = true;
    }
    return e;
}

static void list_members(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct listing *l = arena_zero(x->arena, sizeof(*l));
    const struct table *t = NULL;
    struct err_why why = {0};
    l->x = x;
    enum err e = read_list(l, &why);
    e = e == ERR_OK ? native_table(x, &t, &why) : e;
    e = e == ERR_OK ? native_segment(x, 3, &l->config.key, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    l->config.kind = SOURCE_MEMBERS;
    l->config.table = t->id;
    l->row = member_to;
    l->head = "{\"members\":[";
    l->has_cursor = true;
    listing_start(l);
}

/* ---- One member ---- */

struct member_call {
    struct http_call http;
    struct slice member;
};

/* Of the path's segment 5; the op's only item. */
static enum err place_member(struct http_call *c, enum op_kind kind, struct err_why *why)
{
    struct member_call *m = (struct member_call *)c;
    struct op *op = &c->call.op;
    op->kind = (uint8_t)kind;
    op->items = &m->member;
    op->item_count = 1;
    enum err e = parameters_none(c->x, why);
    e = e == ERR_OK ? native_place(c, why) : e;
    e = e == ERR_OK ? native_segment(c->x, 5, &m->member, why) : e;
    return e == ERR_OK && kind != OP_SET_HAS ? native_idempotency(c->x, &op->idempotency_id, why)
                                             : e;
}

static void start(struct http_exchange *x, http_call_fn answer, native_prepare_fn prepare)
{
    struct member_call *m = arena_zero(x->arena, sizeof(*m));
    http_call_init(&m->http, x, answer);
    native_start(&m->http, prepare);
}

static void answer_get(struct http_call *c, const struct result *result)
{
    const struct member_call *m = (const struct member_call *)c;
    struct buf body = {0};
    enum err e = result->err;
    if (e == ERR_OK && (result->row_count == 0 || result->rows[0].number == 0)) {
        e = ERR_NOT_FOUND;
    }
    if (e != ERR_OK) {
        native_fail_call(c, e);
        return;
    }
    buf_append_text(&body, "{\"member\":");
    bytes_to(&body, m->member);
    buf_append_byte(&body, '}');
    native_respond(c->x, 200, &body);
}

static enum err prepare_get(struct http_call *c, struct err_why *why)
{
    return place_member(c, OP_SET_HAS, why);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, answer_get, prepare_get);
}

static void answer_put(struct http_call *c, const struct result *result)
{
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_text(&body, result->count > 0 ? "{\"added\":true}" : "{\"added\":false}");
    native_respond(c->x, result->count > 0 ? 201 : 200, &body);
}

static enum err prepare_put(struct http_call *c, struct err_why *why)
{
    return place_member(c, OP_SET_ADD, why);
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, answer_put, prepare_put);
}

static void answer_remove(struct http_call *c, const struct result *result)
{
    const enum err e = result->err == ERR_OK && result->count == 0 ? ERR_NOT_FOUND : result->err;
    if (e != ERR_OK) {
        native_fail_call(c, e);
        return;
    }
    http_respond(c->x, 204, NULL, 0, (struct slice){0});
}

static enum err prepare_remove(struct http_call *c, struct err_why *why)
{
    return place_member(c, OP_SET_REMOVE, why);
}

static void remove_member(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, answer_remove, prepare_remove);
}

const struct native_resource *native_sets(size_t *count)
{
    static const struct http_route list_route = {.name = "set_list",
                                                 .handle = list_members,
                                                 .on_writable = http_task_on_writable,
                                                 .on_abort = http_task_on_abort};
    static const struct http_route get_route = {
        .name = "member_get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route head_route = {
        .name = "member_head", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route put_route = {
        .name = "member_put", .handle = put, .on_abort = http_task_on_abort};
    static const struct http_route remove_route = {
        .name = "member_delete", .handle = remove_member, .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "sets", "*"}, .get = &list_route},
        {.pattern = {"tables", "*", "sets", "*", "members", "*"},
         .get = &get_route,
         .head = &head_route,
         .put = &put_route,
         .remove = &remove_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
