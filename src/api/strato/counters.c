/* Strato's counters over HTTP: 64-bit integers that are 0 until somebody counts. */
#include "api/go_text.h"
#include "api/strato/ops.h"
#include "api/strato/strato.h"

static void respond(struct http_call *c, const char *name, int64_t number)
{
    const struct slice key = c->call.op.key;
    struct http_body body = http_body_begin(c->x, key.size);
    buf_append_text(&body.buf, name);
    json_string_to(&body.buf, key, JSON_HTML);
    buf_append_text(&body.buf, ",\"value\":");
    buf_append_i64(&body.buf, number);
    buf_append_byte(&body.buf, '}');
    http_body_send(c->x, 200, JSON_GO_TYPE, &body);
}

static void answer_get(struct http_call *c, const struct result *result)
{
    int64_t number = 0;
    const enum err e = strato_counter(result, &number);
    if (e != ERR_OK) {
        strato_fail(c->x, e);
        return;
    }
    respond(c, "{\"key\":", number);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct http_call *c = strato_call(x, "counters", OP_GET, answer_get);
    if (c != NULL) {
        http_call_start(c);
    }
}

static void refuse_number(struct http_exchange *x, struct slice text)
{
    struct buf message = {0};
    buf_append_text(&message, "could not parse ");
    buf_append_slice(&message, text);
    buf_append_text(&message, " into an integer");
    strato_refuse_slice(x, buf_slice(&message));
    buf_deinit(&message);
}

static void answer_put(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        strato_fail(c->x, result->err);
        return;
    }
    respond(c, "{\"counter\":", result->number);
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice text;
    int64_t amount = 0;
    if (!strato_query(x, "increment", &text)) {
        strato_refuse(x, "no increment specified");
        return;
    }
    if (go_atoi(text, &amount) != GO_NUMBER_OK) {
        refuse_number(x, text);
        return;
    }
    struct http_call *c = strato_call(x, "counters", OP_ADD, answer_put);
    if (c != NULL) {
        c->call.op.number = amount;
        http_call_start(c);
    }
}

struct strato_service strato_counters(void)
{
    static const struct http_route get_route = {
        .name = "counter_get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route put_route = {
        .name = "counter_put", .handle = put, .on_abort = http_task_on_abort};
    return (struct strato_service){.get = &get_route, .put = &put_route};
}
