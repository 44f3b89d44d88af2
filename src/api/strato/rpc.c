/* Strato over gRPC: its five services, with the method names of all its versions. */
#include "api/grpc.h"
#include "api/strato/ops.h"
#include "api/strato/strato.h"
#include "proto/strato/strato.pb-c.h"
#include "wire/protobuf.h"

/* ---- What they share ---- */

static void refuse(struct grpc_call *g, const char *text)
{
    grpc_finish(g, GRPC_INVALID_ARGUMENT, slice_of_text(text));
}

/* The spec overrides DESIGN's table for one code. */
static void fail(struct grpc_call *g, enum err e)
{
    if (e == ERR_OVERFLOW) {
        refuse(g, http_err_text(e));
    } else {
        grpc_fail(g, e, NULL);
    }
}

/* Nothing is there: `key` as the client named it. */
static void fail_missing(struct grpc_call *g, struct slice key)
{
    struct buf text = {0};
    buf_append_text(&text, "no value found for ");
    buf_append_slice(&text, key);
    grpc_finish(g, GRPC_NOT_FOUND, buf_slice(&text));
    buf_deinit(&text);
}

static void reply_empty(struct grpc_call *g)
{
    grpc_reply_packed(g, (struct slice){0});
}

/* NULL: it has been answered. */
static struct grpc_op *new_op(struct grpc_call *g, struct slice table, enum op_kind kind,
                              grpc_op_fn answer)
{
    struct grpc_op *o = grpc_op_new(g, answer);
    const enum err e = grpc_op_table(o, table);
    if (e != ERR_OK) {
        fail(g, e);
        return NULL;
    }
    o->call.op.kind = (uint8_t)kind;
    return o;
}

static void answer_empty(struct grpc_op *o, const struct result *result)
{
    if (result->err != ERR_OK) {
        fail(o->g, result->err);
    } else {
        reply_empty(o->g);
    }
}

/* Other protocols store what is no text. */
static bool check_text(struct grpc_call *g, struct slice text)
{
    if (utf8_is_valid(text)) {
        return true;
    }
    grpc_finish(g, GRPC_INTERNAL,
                SLICE("grpc: error while marshaling: string field contains invalid UTF-8"));
    return false;
}

/* ---- Cache ---- */

static void answer_cache_get(struct grpc_op *o, const struct result *result)
{
    struct grpc_call *g = o->g;
    if (result->err == ERR_NOT_FOUND) {
        fail_missing(g, o->call.op.key);
    } else if (result->err != ERR_OK) {
        fail(g, result->err);
    } else if (check_text(g, result->value)) {
        struct buf message = {0};
        protobuf_bytes_to(&message, 1, result->value);
        grpc_reply_packed(g, buf_slice(&message));
        buf_deinit(&message);
    }
}

static void cache_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__CacheGetRequest *request = (const Proto__CacheGetRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("cache"), OP_GET, answer_cache_get);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->key);
        grpc_op_start(o);
    }
}

/* Empty ones are errors of the original's store, which it passed on as UNKNOWN. */
static void cache_set(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__CacheSetRequest *request = (const Proto__CacheSetRequest *)message;
    const struct slice key = grpc_string(request->key);
    if (request->item == NULL) {
        refuse(g, "no item provided");
        return;
    }
    const struct slice value = grpc_string(request->item->value);
    if (key.size == 0 || value.size == 0) {
        grpc_finish(g, GRPC_UNKNOWN,
                    key.size == 0 ? SLICE("no key provided") : SLICE("no value provided"));
        return;
    }
    struct grpc_op *o = new_op(g, SLICE("cache"), OP_PUT, answer_empty);
    if (o != NULL) {
        o->call.op.key = key;
        strato_cache_put(&o->call.op, value, request->item->ttl,
                         router_now_ms(grpc_context(g)->router));
        grpc_op_start(o);
    }
}

/* ---- Counter ---- */

static void reply_count(struct grpc_call *g, int64_t value)
{
    Proto__GetCounterResponse response = PROTO__GET_COUNTER_RESPONSE__INIT;
    response.value = value;
    grpc_reply(g, &response.base);
}

static void answer_count(struct grpc_op *o, const struct result *result)
{
    int64_t value = 0;
    const enum err e = strato_counter(result, &value);
    if (e != ERR_OK) {
        fail(o->g, e);
    } else {
        reply_count(o->g, value);
    }
}

static void counter_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__GetCounterRequest *request = (const Proto__GetCounterRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("counters"), OP_GET, answer_count);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->key);
        grpc_op_start(o);
    }
}

static void answer_sum(struct grpc_op *o, const struct result *result)
{
    if (result->err != ERR_OK) {
        fail(o->g, result->err);
    } else {
        reply_count(o->g, result->number);
    }
}

static void counter_increment(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__IncrementCounterRequest *request = (const Proto__IncrementCounterRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("counters"), OP_ADD, answer_sum);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->key);
        o->call.op.number = request->amount;
        grpc_op_start(o);
    }
}

/* ---- KV ---- */

/* Version 0.1.0 named a bucket and a key in it. A byte that no text holds parts such keys from
 * plain ones, and bucket from key. */
#define BUCKET_MARK 0xff

static struct slice key_of(struct grpc_call *g, const Proto__Location *location)
{
    const struct slice plain = grpc_string(location->key);
    const struct slice inner = grpc_string(location->key_in_bucket);
    if (inner.size == 0) {
        return plain;
    }
    uint8_t *bytes = arena_get(g->x->arena, plain.size + inner.size + 2);
    bytes[0] = BUCKET_MARK;
    memcpy(bytes + 1, plain.data, plain.size);
    bytes[plain.size + 1] = BUCKET_MARK;
    memcpy(bytes + plain.size + 2, inner.data, inner.size);
    return slice_of(bytes, plain.size + inner.size + 2);
}

/* The key as it was named. */
static struct slice named_key(struct slice key)
{
    if (key.size == 0 || key.data[0] != BUCKET_MARK) {
        return key;
    }
    const struct slice rest = slice_skip(key, 1);
    const uint8_t *mark = memchr(rest.data, BUCKET_MARK, rest.size);
    return mark == NULL ? key : slice_skip(rest, (size_t)(mark - rest.data) + 1);
}

static void answer_kv_get(struct grpc_op *o, const struct result *result)
{
    if (result->err == ERR_NOT_FOUND) {
        fail_missing(o->g, named_key(o->call.op.key));
        return;
    }
    if (result->err != ERR_OK) {
        fail(o->g, result->err);
        return;
    }
    Proto__Value value = PROTO__VALUE__INIT;
    Proto__GetResponse response = PROTO__GET_RESPONSE__INIT;
    value.content = grpc_bytes(result->value);
    response.value = &value;
    grpc_reply(o->g, &response.base);
}

static void kv_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct grpc_op *o = new_op(g, SLICE("kv"), OP_GET, answer_kv_get);
    if (o != NULL) {
        o->call.op.key = key_of(g, (const Proto__Location *)message);
        grpc_op_start(o);
    }
}

static void kv_put(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__PutRequest *request = (const Proto__PutRequest *)message;
    if (request->location == NULL || request->value == NULL) {
        refuse(g, request->location == NULL ? "no location provided" : "no value provided");
        return;
    }
    struct grpc_op *o = new_op(g, SLICE("kv"), OP_PUT, answer_empty);
    if (o != NULL) {
        o->call.op.key = key_of(g, request->location);
        o->call.op.value = grpc_slice(request->value->content);
        grpc_op_start(o);
    }
}

static void answer_kv_delete(struct grpc_op *o, const struct result *result)
{
    if (result->err == ERR_NOT_FOUND) {
        fail_missing(o->g, named_key(o->call.op.key));
    } else {
        answer_empty(o, result);
    }
}

static void kv_delete(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct grpc_op *o = new_op(g, SLICE("kv"), OP_DELETE, answer_kv_delete);
    if (o != NULL) {
        o->call.op.key = key_of(g, (const Proto__Location *)message);
        grpc_op_start(o);
    }
}

/* ---- Set ---- */

struct set_op {
    struct grpc_op grpc;
    struct strato_set_change change;
};

static void reply_members(struct grpc_call *g, const struct result *members)
{
    struct buf message = {0};
    bool is_text = true;
    for (size_t i = 0; is_text && i < members->row_count; i++) {
        is_text = check_text(g, members->rows[i].key);
        protobuf_element_to(&message, 1, members->rows[i].key);
    }
    if (is_text) {
        grpc_reply_packed(g, buf_slice(&message));
    }
    buf_deinit(&message);
}

static void answer_members(struct grpc_op *o, const struct result *result)
{
    if (result->err != ERR_OK) {
        fail(o->g, result->err);
    } else {
        reply_members(o->g, result);
    }
}

static void set_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__GetSetRequest *request = (const Proto__GetSetRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("sets"), OP_SET_COMBINE, answer_members);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->set);
        strato_set_members(&o->call.op, &o->call.op.key);
        grpc_op_start(o);
    }
}

static void answer_change(struct grpc_op *o, const struct result *result)
{
    enum err e = ERR_OK;
    const struct result *members = strato_set_changed(result, &e);
    if (members == NULL) {
        fail(o->g, e);
    } else {
        reply_members(o->g, members);
    }
}

static void set_change(struct grpc_call *g, const ProtobufCMessage *message, enum op_kind kind)
{
    const Proto__ModifySetRequest *request = (const Proto__ModifySetRequest *)message;
    struct set_op *s = arena_zero(g->x->arena, sizeof(*s));
    grpc_op_init(&s->grpc, g, answer_change);
    const enum err e = grpc_op_table(&s->grpc, SLICE("sets"));
    if (e != ERR_OK) {
        fail(g, e);
        return;
    }
    s->change.key = grpc_string(request->set);
    s->change.item = grpc_string(request->item);
    strato_set_change(&s->grpc.call.op, &s->change, kind);
    grpc_op_start(&s->grpc);
}

static void set_add(struct grpc_call *g, const ProtobufCMessage *message)
{
    set_change(g, message, OP_SET_ADD);
}

static void set_remove(struct grpc_call *g, const ProtobufCMessage *message)
{
    set_change(g, message, OP_SET_REMOVE);
}

/* ---- Flag ---- */

static void answer_flag(struct grpc_op *o, const struct result *result)
{
    bool is_set = false;
    const enum err e = strato_flag(result, &is_set);
    if (e != ERR_OK) {
        fail(o->g, e);
        return;
    }
    Proto__FlagResponse response = PROTO__FLAG_RESPONSE__INIT;
    response.value = is_set;
    grpc_reply(o->g, &response.base);
}

static void flag_get(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__FlagGetRequest *request = (const Proto__FlagGetRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("flags"), OP_GET, answer_flag);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->key);
        grpc_op_start(o);
    }
}

static void flag_set(struct grpc_call *g, const ProtobufCMessage *message)
{
    const Proto__FlagSetRequest *request = (const Proto__FlagSetRequest *)message;
    struct grpc_op *o = new_op(g, SLICE("flags"), OP_PUT, answer_empty);
    if (o != NULL) {
        o->call.op.key = grpc_string(request->key);
        o->call.op.value = strato_flag_text(request->value);
        grpc_op_start(o);
    }
}

/* ---- Methods ---- */

#define METHOD(operation, name, type, handler)                                                     \
    {                                                                                              \
        .route = GRPC_ROUTE(operation), .path = "/proto." name,                                    \
        .request = &proto__##type##__descriptor, .on_message = (handler)                           \
    }

const struct http_route *strato_rpc_find(const struct http_request *request)
{
    static const struct grpc_method methods[] = {
        METHOD("rpc_kv_get", "KV/KVGet", location, kv_get),
        METHOD("rpc_kv_put", "KV/KVPut", put_request, kv_put),
        METHOD("rpc_kv_delete", "KV/KVDelete", location, kv_delete),
        METHOD("rpc_cache_get", "Cache/CacheGet", cache_get_request, cache_get),
        METHOD("rpc_cache_set", "Cache/CacheSet", cache_set_request, cache_set),
        METHOD("rpc_counter_get", "Counter/CounterGet", get_counter_request, counter_get),
        METHOD("rpc_counter_increment", "Counter/CounterIncrement", increment_counter_request,
               counter_increment),
        METHOD("rpc_counter_get", "Counter/GetCounter", get_counter_request, counter_get),
        METHOD("rpc_counter_increment", "Counter/IncrementCounter", increment_counter_request,
               counter_increment),
        METHOD("rpc_set_get", "Set/SetGet", get_set_request, set_get),
        METHOD("rpc_set_add", "Set/SetAdd", modify_set_request, set_add),
        METHOD("rpc_set_remove", "Set/SetRemove", modify_set_request, set_remove),
        METHOD("rpc_set_get", "Set/GetSet", get_set_request, set_get),
        METHOD("rpc_set_add", "Set/AddToSet", modify_set_request, set_add),
        METHOD("rpc_set_remove", "Set/RemoveFromSet", modify_set_request, set_remove),
        METHOD("rpc_flag_get", "Flag/FlagGet", flag_get_request, flag_get),
        METHOD("rpc_flag_set", "Flag/FlagSet", flag_set_request, flag_set),
    };
    return slice_starts_with(request->path, SLICE("/proto."))
               ? grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]))
               : NULL;
}
