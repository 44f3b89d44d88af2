/* tables/{table}/keys/{key}: one string under one key, as HTTP knows resources: entity tags,
 * conditions, ranges of bytes. */
#include <stdio.h>

#include "api/native/etag.h"
#include "api/native/native.h"

#define NUMBER_TEXT 24

static struct slice number_text(char text[static NUMBER_TEXT], uint64_t number)
{
    const int size = snprintf(text, NUMBER_TEXT, "%llu", (unsigned long long)number);
    return slice_of(text, (size_t)size);
}

/* A JSON answer about the record's new state. */
static void respond_tagged(struct http_exchange *x, unsigned status, uint64_t revision,
                           struct buf *body)
{
    const struct etag tag = etag_of(revision);
    const struct http_header headers[] = {
        {SLICE("Content-Type"), SLICE("application/json")},
        {SLICE("ETag"), slice_of_text(tag.text)},
    };
    http_respond(x, status, headers, 2, buf_slice(body));
    buf_deinit(body);
}

/* ---- GET and HEAD ---- */

static void respond_beyond(struct http_exchange *x, uint64_t total)
{
    char text[48];
    const int size = snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)total);
    native_refuse(x, 416, ERR_INVALID, "nothing of that range exists",
                  (struct http_header){SLICE("Content-Range"), slice_of(text, (size_t)size)});
}

/* The part that was asked for; If-Range must name the present revision. */
static enum byte_range wanted_part(const struct http_request *request, const struct result *result,
                                   uint64_t *first, uint64_t *size)
{
    const struct slice if_range = http_header(request, "if-range");
    if (request->method != HTTP_GET ||
        (if_range.data != NULL &&
         etag_match(if_range, result->mod_revision, false) != ETAG_MATCHES)) {
        return BYTE_RANGE_NONE;
    }
    return byte_range_read(http_header(request, "range"), result->value.size, first, size);
}

static void respond_value(struct http_call *c, const struct result *result)
{
    const struct etag tag = etag_of(result->mod_revision);
    const uint64_t total = result->value.size;
    char version[NUMBER_TEXT];
    char created[NUMBER_TEXT];
    char ttl[NUMBER_TEXT];
    char part[80];
    uint64_t first = 0;
    uint64_t size = total;
    struct http_header headers[7] = {
        {SLICE("Content-Type"), SLICE("application/octet-stream")},
        {SLICE("ETag"), slice_of_text(tag.text)},
        {SLICE("Accept-Ranges"), SLICE("bytes")},
        {SLICE("Holdfast-Version"), number_text(version, result->version)},
        {SLICE("Holdfast-Create-Revision"), number_text(created, result->create_revision)},
    };
    size_t count = 5;
    const enum byte_range range = wanted_part(&c->x->request, result, &first, &size);
    if (range == BYTE_RANGE_BEYOND) {
        respond_beyond(c->x, total);
        return;
    }
    if (result->expiry_ms != 0) {
        const uint64_t now_ms = router_now_ms(http_context(c->x)->router);
        const uint64_t left_ms = result->expiry_ms > now_ms ? result->expiry_ms - now_ms : 0;
        headers[count++] =
            (struct http_header){SLICE("Holdfast-Ttl-Ms"), number_text(ttl, left_ms)};
    }
    if (range == BYTE_RANGE_PART) {
        const int length =
            snprintf(part, sizeof(part), "bytes %llu-%llu/%llu", (unsigned long long)first,
                     (unsigned long long)(first + size - 1), (unsigned long long)total);
        headers[count++] =
            (struct http_header){SLICE("Content-Range"), slice_of(part, (size_t)length)};
    }
    http_respond(c->x, range == BYTE_RANGE_PART ? 206 : 200, headers, count,
                 slice_of(slice_skip(result->value, (size_t)first).data, (size_t)size));
}

static void answer_get(struct http_call *c, const struct result *result)
{
    const struct http_request *request = &c->x->request;
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    if (etag_match(http_header(request, "if-match"), result->mod_revision, false) == ETAG_DIFFERS) {
        native_fail(c->x, ERR_CONFLICT, NULL);
        return;
    }
    if (etag_match(http_header(request, "if-none-match"), result->mod_revision, true) ==
        ETAG_MATCHES) {
        const struct etag tag = etag_of(result->mod_revision);
        const struct http_header header = {SLICE("ETag"), slice_of_text(tag.text)};
        http_respond(c->x, 304, &header, 1, (struct slice){0});
        return;
    }
    respond_value(c, result);
}

static enum err prepare_get(struct http_call *c, struct err_why *why)
{
    const struct http_request *request = &c->x->request;
    const enum err e = parameters_none(c->x, why);
    if (e != ERR_OK) {
        return e;
    }
    if (etag_match(http_header(request, "if-match"), 0, false) == ETAG_BROKEN ||
        etag_match(http_header(request, "if-none-match"), 0, true) == ETAG_BROKEN) {
        return err_set(why, ERR_INVALID, "If-Match and If-None-Match hold * or entity tags");
    }
    c->call.op.kind = OP_GET;
    return native_place(c, why);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer_get), prepare_get);
}

/* ---- PUT ---- */

static void answer_put(struct http_call *c, const struct result *result)
{
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_byte(&body, '{');
    revision_to(&body, "revision", result->mod_revision);
    buf_append_text(&body, result->was_found ? ",\"created\":false}" : ",\"created\":true}");
    respond_tagged(c->x, result->was_found ? 200 : 201, result->mod_revision, &body);
}

/* Condition and idempotency id, which every write of a key may have. */
static enum err prepare_write(struct http_call *c, struct err_why *why)
{
    const struct http_request *request = &c->x->request;
    enum err e = native_place(c, why);
    if (e == ERR_OK) {
        e = native_idempotency(c->x, &c->call.op.idempotency_id, why);
    }
    if (e == ERR_OK) {
        e = etag_condition(http_header(request, "if-match"), http_header(request, "if-none-match"),
                           &c->call.op, why);
    }
    return e;
}

static enum err apply_ttl(struct http_call *c, const struct parameter *p, struct err_why *why)
{
    struct ttl ttl = {0};
    const enum err e = p->is_given ? ttl_read(p->text, &ttl, why) : ERR_OK;
    const uint64_t now_ms = router_now_ms(http_context(c->x)->router);
    return e == ERR_OK ? ttl_apply(&ttl, now_ms, &c->call.op, why) : e;
}

static enum err prepare_put(struct http_call *c, struct err_why *why)
{
    struct parameter list[] = {{.name = "ttl"}};
    struct op *op = &c->call.op;
    enum err e = parameters_read(c->x, list, 1, why);
    op->kind = OP_PUT;
    op->value = c->x->request.body;
    e = e == ERR_OK ? apply_ttl(c, &list[0], why) : e;
    if (e != ERR_OK) {
        return e;
    }
    return prepare_write(c, why);
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer_put), prepare_put);
}

/* ---- DELETE ---- */

static void answer_delete(struct http_call *c, const struct result *result)
{
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    http_respond(c->x, 204, NULL, 0, (struct slice){0});
}

static enum err prepare_delete(struct http_call *c, struct err_why *why)
{
    const enum err e = parameters_none(c->x, why);
    c->call.op.kind = OP_DELETE;
    return e == ERR_OK ? prepare_write(c, why) : e;
}

static void remove_key(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer_delete), prepare_delete);
}

/* ---- POST .../increment ---- */

static void answer_increment(struct http_call *c, const struct result *result)
{
    struct buf body = {0};
    if (result->err != ERR_OK) {
        native_fail_call(c, result->err);
        return;
    }
    buf_append_text(&body, "{\"value\":");
    buf_append_i64(&body, result->number);
    buf_append_byte(&body, ',');
    revision_to(&body, "revision", result->mod_revision);
    buf_append_byte(&body, '}');
    respond_tagged(c->x, 200, result->mod_revision, &body);
}

/* {"amount": n} in the body, which counts before the query. */
static enum err read_amount(struct slice body, int64_t *amount, struct err_why *why)
{
    json_t *root = native_json_read(body, NATIVE_JSON_MAX, why);
    if (root == NULL) {
        return why->code;
    }
    const json_t *number = json_object_get(root, "amount");
    enum err e = ERR_OK;
    if (!json_is_object(root) || json_object_size(root) > (number == NULL ? 0 : 1)) {
        e = err_set(why, ERR_INVALID, "the body is an object with the one member amount");
    } else if (number != NULL && !integer_read(number, amount)) {
        e = err_set(why, ERR_INVALID, "amount is an integer of 64 bits");
    }
    json_decref(root);
    return e;
}

static enum err prepare_increment(struct http_call *c, struct err_why *why)
{
    struct parameter list[] = {{.name = "amount"}, {.name = "ttl"}};
    struct op *op = &c->call.op;
    op->kind = OP_ADD;
    op->number = 1;
    enum err e = parameters_read(c->x, list, 2, why);
    e = e == ERR_OK ? parameter_i64(&list[0], &op->number, why) : e;
    e = e == ERR_OK ? apply_ttl(c, &list[1], why) : e;
    if (e == ERR_OK && c->x->request.body.size > 0) {
        e = read_amount(c->x->request.body, &op->number, why);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = native_place(c, why);
    return e == ERR_OK ? native_idempotency(c->x, &op->idempotency_id, why) : e;
}

static void increment(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_start(http_call_new(x, answer_increment), prepare_increment);
}

const struct native_resource *native_keys(size_t *count)
{
    static const struct http_route get_route = {
        .name = "key_get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route head_route = {
        .name = "key_head", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route put_route = {
        .name = "key_put", .body_max = STRING_MAX, .handle = put, .on_abort = http_task_on_abort};
    static const struct http_route remove_route = {
        .name = "key_delete", .handle = remove_key, .on_abort = http_task_on_abort};
    static const struct http_route increment_route = {.name = "key_increment",
                                                      .body_max = NATIVE_SMALL_MAX,
                                                      .handle = increment,
                                                      .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "keys", "*"},
         .get = &get_route,
         .head = &head_route,
         .put = &put_route,
         .remove = &remove_route},
        {.pattern = {"tables", "*", "keys", "*", "increment"}, .post = &increment_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
