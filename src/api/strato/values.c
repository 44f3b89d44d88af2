/* Strato's strings over HTTP: cache (with a time to live), kv, flags. */
#include "api/go_text.h"
#include "api/strato/content.h"
#include "api/strato/ops.h"
#include "api/strato/strato.h"

static void answer_value(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        strato_fail(c->x, result->err);
        return;
    }
    struct http_body body = http_body_begin(c->x, result->value.size);
    buf_append_text(&body.buf, "{\"value\":");
    json_string_to(&body.buf, result->value, JSON_HTML);
    buf_append_byte(&body.buf, '}');
    http_body_send(c->x, 200, JSON_GO_TYPE, &body);
}

static void get_from(struct http_exchange *x, const char *table, http_call_fn answer)
{
    struct http_call *c = strato_call(x, table, OP_GET, answer);
    if (c != NULL) {
        http_call_start(c);
    }
}

static void put_into(struct http_exchange *x, const char *table, struct slice value)
{
    struct http_call *c = strato_call(x, table, OP_PUT, strato_answer_no_content);
    if (c != NULL) {
        c->call.op.value = value;
        http_call_start(c);
    }
}

/* ---- cache ---- */

static void cache_get(struct http_exchange *x, void *arg)
{
    (void)arg;
    get_from(x, "cache", answer_value);
}

static void refuse_number(struct http_exchange *x, struct slice text, enum go_number error)
{
    struct buf message = {0};
    go_atoi_error_to(&message, text, error);
    strato_refuse_slice(x, buf_slice(&message));
    buf_deinit(&message);
}

static void cache_put(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice text;
    struct slice value;
    int64_t number = 0;
    if (!strato_query(x, "ttl", &text)) {
        strato_refuse(x, "no TTL provided");
        return;
    }
    const enum go_number parsed = go_atoi(text, &number);
    if (parsed != GO_NUMBER_OK) {
        refuse_number(x, text, parsed);
        return;
    }
    if (!strato_query(x, "value", &value)) {
        strato_refuse(x, "no cache value provided");
        return;
    }
    struct http_call *c = strato_call(x, "cache", OP_PUT, strato_answer_no_content);
    if (c == NULL) {
        return;
    }
    const int32_t wrapped = (int32_t)(uint32_t)(uint64_t)number; /* as the original keeps it */
    strato_cache_put(&c->call.op, value, wrapped, router_now_ms(http_context(x)->router));
    http_call_start(c);
}

struct strato_service strato_cache(void)
{
    static const struct http_route get = {
        .name = "cache_get", .handle = cache_get, .on_abort = http_task_on_abort};
    static const struct http_route put = {
        .name = "cache_put", .handle = cache_put, .on_abort = http_task_on_abort};
    return (struct strato_service){.get = &get, .put = &put};
}

/* ---- kv ---- */

static void kv_get(struct http_exchange *x, void *arg)
{
    (void)arg;
    get_from(x, "kv", answer_value);
}

static void kv_put(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice content;
    struct err_why why;
    if (content_read(x, &content, &why) != ERR_OK) {
        strato_refuse(x, why.text);
        return;
    }
    put_into(x, "kv", content);
}

static void kv_delete(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct http_call *c = strato_call(x, "kv", OP_DELETE, strato_answer_no_content);
    if (c != NULL) {
        http_call_start(c);
    }
}

struct strato_service strato_kv(void)
{
    static const struct http_route get = {
        .name = "kv_get", .handle = kv_get, .on_abort = http_task_on_abort};
    static const struct http_route put = {
        .name = "kv_put", .body_max = STRING_MAX, .handle = kv_put, .on_abort = http_task_on_abort};
    static const struct http_route remove = {
        .name = "kv_delete", .handle = kv_delete, .on_abort = http_task_on_abort};
    return (struct strato_service){.get = &get, .put = &put, .remove = &remove};
}

/* ---- flags ---- */

static void answer_flag(struct http_call *c, const struct result *result)
{
    bool is_set = false;
    const enum err e = strato_flag(result, &is_set);
    if (e != ERR_OK) {
        strato_fail(c->x, e);
        return;
    }
    http_page(c->x, 200, JSON_GO_TYPE,
              is_set ? SLICE("{\"value\":true}") : SLICE("{\"value\":false}"));
}

static void flag_get(struct http_exchange *x, void *arg)
{
    (void)arg;
    get_from(x, "flags", answer_flag);
}

static void flag_put(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice text;
    if (!strato_query(x, "value", &text)) {
        strato_refuse(x, "no flag value specified");
        return;
    }
    put_into(x, "flags", strato_flag_text(go_bool(text)));
}

struct strato_service strato_flags(void)
{
    static const struct http_route get = {
        .name = "flag_get", .handle = flag_get, .on_abort = http_task_on_abort};
    static const struct http_route put = {
        .name = "flag_put", .handle = flag_put, .on_abort = http_task_on_abort};
    return (struct strato_service){.get = &get, .put = &put};
}
