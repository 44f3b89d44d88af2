/* Strato's sets over HTTP. */
#include "api/strato/ops.h"
#include "api/strato/strato.h"

struct set_call {
    struct http_call http;
    struct strato_set_change change;
};

static void respond(struct http_call *c, struct slice key, const struct result *result)
{
    size_t text_bytes = key.size;
    for (size_t i = 0; i < result->row_count; i++) {
        text_bytes += result->rows[i].key.size + 3; /* quotes and a comma */
    }
    struct http_body body = http_body_begin(c->x, text_bytes);
    buf_append_text(&body.buf, "{\"items\":[");
    for (size_t i = 0; i < result->row_count; i++) {
        if (i > 0) {
            buf_append_byte(&body.buf, ',');
        }
        json_string_to(&body.buf, result->rows[i].key, JSON_HTML);
    }
    buf_append_text(&body.buf, "],\"set\":");
    json_string_to(&body.buf, key, JSON_HTML);
    buf_append_byte(&body.buf, '}');
    http_body_send(c->x, 200, JSON_GO_TYPE, &body);
}

static void answer_members(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        strato_fail(c->x, result->err);
        return;
    }
    respond(c, c->call.op.key, result);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct http_call *c = strato_call(x, "sets", OP_SET_COMBINE, answer_members);
    if (c != NULL) {
        strato_set_members(&c->call.op, &c->call.op.key);
        http_call_start(c);
    }
}

static void answer_change(struct http_call *c, const struct result *result)
{
    const struct set_call *s = (const struct set_call *)c;
    enum err e = ERR_OK;
    const struct result *members = strato_set_changed(result, &e);
    if (members == NULL) {
        strato_fail(c->x, e);
    } else {
        respond(c, s->change.key, members);
    }
}

static void change(struct http_exchange *x, enum op_kind kind)
{
    struct set_call *s = arena_zero(x->arena, sizeof(*s));
    if (!strato_query(x, "item", &s->change.item)) {
        strato_refuse(x, "no item supplied");
        return;
    }
    if (!strato_call_init(&s->http, x, "sets", answer_change)) {
        return;
    }
    s->change.key = s->http.call.op.key;
    strato_set_change(&s->http.call.op, &s->change, kind);
    http_call_start(&s->http);
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    change(x, OP_SET_ADD);
}

static void remove_item(struct http_exchange *x, void *arg)
{
    (void)arg;
    change(x, OP_SET_REMOVE);
}

struct strato_service strato_sets(void)
{
    static const struct http_route get_route = {
        .name = "set_get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route put_route = {
        .name = "set_put", .handle = put, .on_abort = http_task_on_abort};
    static const struct http_route remove_route = {
        .name = "set_delete", .handle = remove_item, .on_abort = http_task_on_abort};
    return (struct strato_service){.get = &get_route, .put = &put_route, .remove = &remove_route};
}
