/* Estoraje: `curl -d value host/key` on table kv. The contract is in the folder's README. */
#include "api/estoraje/nodes.h"
#include "api/http_err.h"
#include "api/http_pages.h"
#include "api/service.h"

#define RAW_TYPE "raw" /* what the original writes where a media type belongs */

/* A missing key is 404 and nothing more; everything else says what it is. */
static void fail(struct http_exchange *x, enum err e)
{
    http_err_count(x, DIALECT_ESTORAJE, e);
    if (e == ERR_NOT_FOUND) {
        http_page(x, 404, RAW_TYPE, (struct slice){0});
    } else {
        http_page(x, http_err_status(e), TEXT_GO_TYPE, slice_of_text(http_err_text(e)));
    }
}

static void start(struct http_exchange *x, enum op_kind kind, http_call_fn answer)
{
    struct http_call *c = http_call_new(x, answer);
    const enum err e = http_call_place(c, SLICE("kv"), slice_skip(x->request.path, 1));
    if (e == ERR_INVALID) {
        http_page_bad_path(x);
        return;
    }
    if (e != ERR_OK) {
        fail(x, e);
        return;
    }
    c->call.op.kind = (uint8_t)kind;
    c->call.op.value = x->request.body;
    http_call_start(c);
}

static void answer_get(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        fail(c->x, result->err);
        return;
    }
    http_page(c->x, 200, RAW_TYPE, result->value);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, OP_GET, answer_get);
}

static void answer_post(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        fail(c->x, result->err);
        return;
    }
    http_page(c->x, 200, RAW_TYPE, (struct slice){0});
}

static void post(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, OP_PUT, answer_post);
}

/* Deleting what is not there is no error, so that a client may try again. */
static void answer_delete(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK && result->err != ERR_NOT_FOUND) {
        fail(c->x, result->err);
        return;
    }
    http_page_empty(c->x, 200);
}

static void delete_key(struct http_exchange *x, void *arg)
{
    (void)arg;
    start(x, OP_DELETE, answer_delete);
}

static const struct http_route *key_route(enum http_method method)
{
    static const struct http_route get_route = {
        .name = "get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route post_route = {
        .name = "post", .body_max = STRING_MAX, .handle = post, .on_abort = http_task_on_abort};
    static const struct http_route delete_route = {
        .name = "delete", .handle = delete_key, .on_abort = http_task_on_abort};
    return method == HTTP_GET ? &get_route : method == HTTP_POST ? &post_route : &delete_route;
}

/* A reserved name hides a key from its own method only. */
static const struct http_route *find(const struct http_request *request)
{
    const struct slice path = request->path;
    const enum http_method method = request->method;
    if (method != HTTP_GET && method != HTTP_POST && method != HTTP_DELETE) {
        return NULL;
    }
    if (slice_starts_with(path, SLICE("/_")) && method != HTTP_POST) {
        const struct http_route *route =
            method == HTTP_GET ? nodes_find_get(path) : nodes_find_delete(path);
        if (route != NULL) {
            return route;
        }
    }
    return http_tail_route(slice_skip(path, 1), key_route(method));
}

const struct http_dialect *estoraje_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "estoraje", .dialect = DIALECT_ESTORAJE, .find = find};
    return &dialect;
}
