/* tables/{table}/txn: compares, then does one of two lists of operations, all in one shard. */
#include "api/native/op_json.h"

void txn_place(struct op *op)
{
    if (op->compare_count > 0) {
        op->key = op->compares[0].key;
    } else if (op->op_count > 0) {
        op->key = op->ops[0].key;
    } else if (op->else_op_count > 0) {
        op->key = op->else_ops[0].key;
    }
}

static enum err prepare(struct http_call *c, struct err_why *why)
{
    const struct table *t = NULL;
    struct op *op = &c->call.op;
    enum err e = parameters_none(c->x, why);
    e = e == ERR_OK ? native_table(c->x, &t, why) : e;
    e = e == ERR_OK ? native_idempotency(c->x, &op->idempotency_id, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    json_t *root = native_json_read(c->x->request.body, NATIVE_JSON_MAX, why);
    if (root == NULL) {
        return why->code;
    }
    struct op_json_scope scope = op_json_scope(http_context(c->x), t, c->x->arena);
    e = txn_json_read(&scope, root, op, why);
    json_decref(root);
    if (e == ERR_OK) {
        txn_place(op);
    }
    return e;
}

static void answer(struct http_call *c, const struct result *result)
{
    const struct op *op = &c->call.op;
    const struct op *ops = result->succeeded ? op->ops : op->else_ops;
    const uint64_t now_ms = router_now_ms(http_context(c->x)->router);
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_text(&body, result->succeeded ? "{\"succeeded\":true," : "{\"succeeded\":false,");
    revision_to(&body, "revision", result->mod_revision);
    buf_append_text(&body, ",\"results\":[");
    for (size_t i = 0; i < result->result_count; i++) {
        if (i > 0) {
            buf_append_byte(&body, ',');
        }
        op_json_result_to(&body, &ops[i], &result->results[i], now_ms);
    }
    buf_append_text(&body, "]}");
    native_respond(c->x, 200, &body);
}

static void post(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer), prepare);
}

const struct native_resource *native_txns(size_t *count)
{
    static const struct http_route post_route = {
        .name = "txn", .body_max = NATIVE_JSON_MAX, .handle = post, .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "txn"}, .post = &post_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
