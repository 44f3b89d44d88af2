/* holdfast.v1 without a connection: every message to its operation and back, errors, and clients
 * that leave. What the operations do is in tests/api. */
#include "api/grpc_private.h"
#include "api/native/grpc/keep.h"
#include "api/native/grpc/pages.h"
#include "api/native/grpc/translate.h"
#include "base/mem.h"
#include "base/random.h"
#include "fake_exchange.h"
#include "harness.h"
#include "model/command.h"
#include "wire/protobuf.h"

#define OPERATIONS 31
#define DEPTH_MAX  4

struct fixture {
    struct http_world world;
    struct arena arena;
    struct translation t;
    struct fake_exchange f;
};

static void setup(struct fixture *t)
{
    *t = (struct fixture){0};
    world_open(&t->world);
    t->t = (struct translation){.router = t->world.context.router,
                                .arena = &t->arena,
                                .author = SLICE("node1"),
                                .table = SLICE("sets"),
                                .may_span = true};
}

static void teardown(struct fixture *t)
{
    arena_deinit(&t->arena);
    world_close(&t->world);
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *type,
                                                unsigned number)
{
    return protobuf_c_message_descriptor_get_field(type, number);
}

/* ---- Forms ---- */

static void test_every_operation_has_a_form(void)
{
    const ProtobufCMessageDescriptor *operation = &holdfast__v1__operation__descriptor;
    const ProtobufCMessageDescriptor *result = &holdfast__v1__operation_result__descriptor;
    EXPECT_EQ(OPERATIONS, operation->n_fields);
    EXPECT_EQ(OPERATIONS + 1, result->n_fields);
    for (unsigned i = 0; i < operation->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &operation->fields[i];
        const struct form *f = form_of(field->id);
        EXPECT(f != NULL);
        EXPECT(f->request == field->descriptor);
        EXPECT(f->response == field_of(result, field->id)->descriptor);
    }
    EXPECT(form_of(0) == NULL);
    EXPECT(form_of(1) == NULL);
    EXPECT(form_of(OPERATIONS + 2) == NULL);
    EXPECT(form_of(UINT32_MAX) == NULL);
}

/* ---- Requests ---- */

static void fill(struct buf *out, const ProtobufCMessageDescriptor *type, int depth);

/* One value that says which field it is, in what it is. */
static void fill_field(struct buf *out, const ProtobufCFieldDescriptor *field, int depth)
{
    struct buf inner = {0};
    switch ((unsigned)field->type) {
    case PROTOBUF_C_TYPE_STRING:
        buf_append_text(&inner, strcmp(field->name, "amount") == 0 ? "0.5" : "kv");
        protobuf_element_to(out, field->id, buf_slice(&inner));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        buf_append_text(&inner, field->name);
        protobuf_element_to(out, field->id, buf_slice(&inner));
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        fill(&inner, field->descriptor, depth + 1);
        protobuf_element_to(out, field->id, buf_slice(&inner));
        break;
    default: /* small enough for numbers, bits and enums */
        protobuf_number_to(out, field->id, field->type == PROTOBUF_C_TYPE_BOOL ? 1 : 2);
        break;
    }
    buf_deinit(&inner);
}

/* Every field once, but one of each oneof; what may be repeated twice. */
static void fill(struct buf *out, const ProtobufCMessageDescriptor *type, int depth)
{
    unsigned oneof = 0;
    for (unsigned i = 0; i < type->n_fields && depth < DEPTH_MAX; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        const bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if ((is_oneof && field->quantifier_offset == oneof) ||
            strcmp(field->name, "absent") == 0) { /* which a delete cannot ask for */
            continue;
        }
        oneof = is_oneof ? field->quantifier_offset : oneof;
        fill_field(out, field, depth);
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            fill_field(out, field, depth);
        }
    }
}

static const ProtobufCMessage *decode(struct fixture *t, const ProtobufCMessageDescriptor *type,
                                      struct slice bytes)
{
    enum grpc_status status = GRPC_OK;
    struct buf text = {0};
    const ProtobufCMessage *message = grpc_decode(type, bytes, &t->arena, &status, &text);
    EXPECT(message != NULL);
    buf_deinit(&text);
    return message;
}

static void dump_text(struct buf *out, const char *name, struct slice text)
{
    if (text.data != NULL && text.size > 0) {
        buf_printf(out, " %s=%.*s", name, (int)text.size, (const char *)text.data);
    }
}

static void dump_number(struct buf *out, const char *name, uint64_t number)
{
    if (number != 0) {
        buf_printf(out, " %s=%lld", name, (long long)number);
    }
}

/* All of an op that is not zero. Tables are named by t->t; ids differ from world to world. */
static void dump(struct fixture *t, struct buf *out, const struct op *op)
{
    const struct router *r = t->world.context.router;
    const struct table *table = router_table_by_id(r, op->table);
    const struct table *other = router_table_by_id(r, op->other_table);
    buf_append_text(out, op_name((enum op_kind)op->kind));
    dump_text(out, "table", slice_of(table->name, table->name_size));
    dump_text(out, "key", op->key);
    dump_text(out, "value", op->value);
    dump_text(out, "other", op->other);
    dump_text(out, "id", op->id);
    dump_text(out, "author", op->author);
    dump_text(out, "idempotency", op->idempotency_id);
    dump_number(out, "condition", op->condition);
    dump_number(out, "flags", op->flags);
    dump_number(out, "number", (uint64_t)op->number);
    dump_number(out, "number2", (uint64_t)op->number2);
    dump_number(out, "revision", op->revision);
    dump_number(out, "limit", op->limit);
    dump_number(out, "expires", op->expiry_ms != 0);
    if (other != NULL) {
        dump_text(out, "other_table", slice_of(other->name, other->name_size));
    }
    for (uint32_t i = 0; i < op->item_count; i++) {
        struct bit_field step;
        if (op->kind != OP_BIT_FIELD) {
            dump_text(out, "item", op->items[i]);
            continue;
        }
        memcpy(&step, op->items[i].data, sizeof(step));
        buf_printf(out, " step=%d,%d,%d,%d,%d,%d", step.kind, (int)step.offset, step.bits,
                   step.is_signed, (int)step.operand, step.overflow);
    }
}

/* The log entry of an op holds all of it. */
static void entry_of(struct buf *out, const struct op *op)
{
    const struct command c = {.stamp_ms = 1, .random = 2, .op = *op};
    buf_clear(out);
    command_encode(out, &c);
}

/* A copy has the same bytes, all of them in its own memory. */
static void expect_kept(const struct op *op)
{
    struct buf before = {0};
    struct buf after = {0};
    struct op kept = *op;
    struct keeper k = {0};
    entry_of(&before, op);
    keep_op(&k, &kept);
    uint8_t *room = mem_zero(1, k.size + 1);
    k.at = room;
    kept = *op;
    keep_op(&k, &kept);
    EXPECT(k.at == room + k.size / 2);
    entry_of(&after, &kept);
    EXPECT(slice_equal(buf_slice(&before), buf_slice(&after)));
    EXPECT(kept.key.size == 0 || kept.key.data == room);
    mem_free(room);
    buf_deinit(&before);
    buf_deinit(&after);
}

/* Every field of every request, filled, comes to its place in the op. */
static void test_requests(void)
{
    static const char *const wanted[] = {
        [2] = "get table=kv key=key",
        [3] = "put table=kv key=key value=value idempotency=idempotency_id condition=2 flags=258"
              " expires=1",
        [4] = "delete table=kv key=key idempotency=idempotency_id condition=2 flags=2",
        [5] = "stat table=kv key=key",
        [6] = "expire table=kv key=key idempotency=idempotency_id condition=6 flags=258 expires=1",
        [7] = "copy table=kv key=key other=destination idempotency=idempotency_id flags=4"
              " other_table=kv",
        [8] = "rename table=kv key=key other=destination idempotency=idempotency_id flags=4",
        [9] = "append table=kv key=key value=value idempotency=idempotency_id flags=256 expires=1",
        [10] = "set_range table=kv key=key value=value idempotency=idempotency_id flags=256"
               " number=2 expires=1",
        [11] = "bit_set table=kv key=key idempotency=idempotency_id flags=256 number=2 number2=1"
               " expires=1",
        [12] = "bit_field table=kv key=key idempotency=idempotency_id flags=256 expires=1"
               " step=1,2,2,1,2,1 step=1,2,2,1,2,1",
        [13] = "bit_op table=kv key=key idempotency=idempotency_id flags=256 number=1 expires=1"
               " item=sources item=sources",
        [14] = "range table=kv key=prefix other=prefiy flags=56 limit=2",
        [15] = "delete_range table=kv key=prefix other=prefiy limit=2",
        [16] = "count table=kv",
        [17] = "random_key table=kv",
        [18] = "get table=kv key=key",
        [19] = "add table=kv key=key idempotency=idempotency_id flags=256 number=2 expires=1",
        [20] = "add_float table=kv key=key value=0.5 idempotency=idempotency_id flags=256"
               " expires=1",
        [21] = "set_add table=kv key=key idempotency=idempotency_id flags=256 expires=1"
               " item=members item=members",
        [22] = "set_remove table=kv key=key idempotency=idempotency_id item=members item=members",
        [23] = "set_move table=kv key=key value=member other=destination"
               " idempotency=idempotency_id",
        [24] = "set_pop table=kv key=key idempotency=idempotency_id number=2",
        [25] = "set_random table=kv key=key number=-2",
        [26] = "set_has table=kv key=key item=members item=members",
        [27] = "set_combine table=kv key=keys flags=32 number=1 limit=2 item=keys item=keys",
        [28] = "set_store table=kv key=key idempotency=idempotency_id flags=256 number=1 expires=1"
               " item=sources item=sources",
        [29] = "set_range_members table=kv key=key other=resume_after flags=128 limit=2",
        [30] = "log_append table=kv key=key value=value id=version_id author=author"
               " idempotency=idempotency_id flags=320 expires=1",
        [31] = "log_read table=kv key=key number=2",
        [32] = "log_range table=kv key=key number=2 limit=2",
    };
    struct fixture t;
    setup(&t);
    for (unsigned number = 2; number < OPERATIONS + 2; number++) {
        const struct form *f = form_of(number);
        struct buf bytes = {0};
        struct buf got = {0};
        struct op op = {0};
        enum read_level level = READ_LINEARIZABLE;
        struct err_why why = {0};
        fill(&bytes, f->request, 0);
        /* It refuses a span beside `all`, and an id in a table of many shards: see tests/api. */
        if (number == HOLDFAST__V1__OPERATION__OPERATION_DELETE_RANGE) {
            buf_clear(&bytes);
            protobuf_bytes_to(&bytes, 1, SLICE("kv"));
            protobuf_bytes_to(&bytes, 2, SLICE("prefix"));
            protobuf_number_to(&bytes, 6, 2);
        }
        const ProtobufCMessage *message = decode(&t, f->request, buf_slice(&bytes));
        const enum err e = form_read(f, &t.t, message, &op, &level, &why);
        if (e != ERR_OK) {
            (void)fprintf(stderr, "%s: %s\n", f->request->short_name, why.text);
        }
        EXPECT_EQ(ERR_OK, e);
        dump(&t, &got, &op);
        if (!slice_equal(slice_of_text(wanted[number]), buf_slice(&got))) {
            (void)fprintf(stderr, "want %s\ngot  %.*s\n", wanted[number], (int)got.size,
                          (const char *)got.data);
            exit(1);
        }
        expect_kept(&op);
        buf_deinit(&bytes);
        buf_deinit(&got);
        arena_reset(&t.arena);
    }
    teardown(&t);
}

/* An empty request is for the table of the transaction, or lacks one. */
static void test_empty_requests(void)
{
    struct fixture t;
    setup(&t);
    for (unsigned number = 2; number < OPERATIONS + 2; number++) {
        const struct form *f = form_of(number);
        struct op op = {0};
        enum read_level level = READ_LINEARIZABLE;
        struct err_why why = {0};
        const ProtobufCMessage *message = decode(&t, f->request, (struct slice){0});
        const enum err e = form_read(f, &t.t, message, &op, &level, &why);
        EXPECT(e == ERR_OK || e == ERR_INVALID);
        EXPECT(e == ERR_OK || why.text[0] != '\0');
        t.t.table = (struct slice){0};
        op = (struct op){0};
        EXPECT_EQ(ERR_INVALID, form_read(f, &t.t, message, &op, &level, &why));
        t.t.table = SLICE("sets");
        arena_reset(&t.arena);
    }
    teardown(&t);
}

static void test_txn(void)
{
    struct fixture t;
    struct buf bytes = {0};
    struct buf part = {0};
    struct buf operation = {0};
    setup(&t);
    protobuf_bytes_to(&part, 2, SLICE("k"));
    protobuf_element_to(&operation, HOLDFAST__V1__OPERATION__OPERATION_COUNTER_GET,
                        buf_slice(&part));
    protobuf_bytes_to(&bytes, 1, SLICE("kv"));
    protobuf_element_to(&bytes, 3, buf_slice(&operation));
    protobuf_element_to(&bytes, 3, buf_slice(&operation));
    protobuf_element_to(&bytes, 4, buf_slice(&operation));
    const ProtobufCMessage *message =
        decode(&t, &holdfast__v1__txn_request__descriptor, buf_slice(&bytes));
    struct op op = {0};
    struct txn_forms forms = {0};
    enum read_level level = READ_LINEARIZABLE;
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK,
              txn_read(&t.t, (const Holdfast__V1__TxnRequest *)message, &op, &level, &forms, &why));
    EXPECT_EQ(OP_TXN, op.kind);
    EXPECT_EQ(2, op.op_count);
    EXPECT_EQ(1, op.else_op_count);
    EXPECT_EQ(OP_GET, op.else_ops[0].kind);
    EXPECT_EQ(HOLDFAST__V1__OPERATION__OPERATION_COUNTER_GET, forms.failure[0]);
    EXPECT(slice_equal(SLICE("k"), op.key));
    expect_kept(&op);
    buf_deinit(&bytes);
    buf_deinit(&part);
    buf_deinit(&operation);
    teardown(&t);
}

/* ---- Pages ---- */

static struct slice random_bytes(struct random *r, struct arena *arena)
{
    const size_t size = random_below(r, 5) == 0 ? 0 : (size_t)random_below(r, 300);
    uint8_t *bytes = arena_get(arena, size + 1);
    memset(bytes, (int)random_below(r, 256), size);
    return slice_of(bytes, size);
}

static uint64_t random_number(struct random *r)
{
    return random_next(r) >> random_below(r, 64) >> 1;
}

static void expect_same_page(const struct form *f, const struct answering *a)
{
    ProtobufCMessage *message = NULL;
    struct buf packed = {0};
    struct buf page = {0};
    EXPECT_EQ(ERR_OK, form_answer(f, a, &message));
    const size_t size = protobuf_c_message_get_packed_size(message);
    buf_extend(&packed, protobuf_c_message_pack(message, buf_reserve(&packed, size)));
    page_to(&page, a);
    EXPECT(slice_equal(buf_slice(&packed), buf_slice(&page)));
    buf_deinit(&packed);
    buf_deinit(&page);
}

/* What is written by hand is what packing the message would give. */
static void test_pages(void)
{
    static const unsigned numbers[] = {HOLDFAST__V1__OPERATION__OPERATION_RANGE,
                                       HOLDFAST__V1__OPERATION__OPERATION_SET_MEMBERS,
                                       HOLDFAST__V1__OPERATION__OPERATION_LOG_RANGE};
    struct arena arena = {0};
    struct random r = {17};
    for (int i = 0; i < 3000; i++) {
        struct row rows[8];
        const struct form *f = form_of(numbers[i % 3]);
        const struct op op = {.kind = (uint8_t)f->kind,
                              .flags = (uint16_t)(random_below(&r, 4) == 0   ? OP_KEYS_ONLY
                                                  : random_below(&r, 4) == 0 ? OP_COUNT_ONLY
                                                                             : 0)};
        struct result result = {.rows = rows,
                                .row_count = (size_t)random_below(&r, 9),
                                .count = random_number(&r),
                                .is_more = random_below(&r, 2) == 0,
                                .value = random_bytes(&r, &arena)};
        for (size_t n = 0; n < result.row_count; n++) {
            rows[n] = (struct row){.key = random_bytes(&r, &arena),
                                   .value = random_bytes(&r, &arena),
                                   .author = random_bytes(&r, &arena),
                                   .number = (int64_t)random_number(&r),
                                   .mod_revision = random_number(&r),
                                   .create_revision = random_number(&r),
                                   .version = random_number(&r),
                                   .expiry_ms = random_number(&r),
                                   .type = (uint8_t)(1 + random_below(&r, 3))};
        }
        const struct answering a = {
            .arena = &arena, .op = &op, .result = &result, .now_ms = random_number(&r)};
        expect_same_page(f, &a);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

/* ---- Errors ---- */

static void test_errors(void)
{
    struct op op = {.flags = OP_WANT_PREV};
    const struct result result = {.was_found = true, .mod_revision = 7, .value = SLICE("before")};
    const struct answering a = {.op = &op, .result = &result};
    unsigned codes = 0;
    for (enum err e = ERR_NOT_FOUND; e < ERR_WOULD_WAIT; e++) {
        Holdfast__V1__ErrorDetail m;
        error_answer(e, NULL, &a, &m);
        const ProtobufCEnumValue *code = protobuf_c_enum_descriptor_get_value(
            &holdfast__v1__error_code__descriptor, (int)m.code);
        EXPECT(code != NULL);
        EXPECT(strcmp(code->name + strlen("ERROR_CODE_"), err_code(e)) == 0);
        EXPECT(m.message[0] != '\0');
        EXPECT_EQ(e == ERR_UNKNOWN_OUTCOME, m.may_have_happened);
        EXPECT_EQ(e == ERR_BUSY || e == ERR_STARTING || e == ERR_UNAVAILABLE, m.retry_after_ms > 0);
        EXPECT_EQ(e == ERR_CONFLICT ? 7 : 0, m.revision);
        EXPECT_EQ(e == ERR_CONFLICT,
                  m.previous_case == HOLDFAST__V1__ERROR_DETAIL__PREVIOUS_PREVIOUS_VALUE);
        codes++;
    }
    EXPECT_EQ(codes + 1, holdfast__v1__error_code__descriptor.n_values);
    op.idempotency_id = SLICE("id");
    Holdfast__V1__ErrorDetail m;
    error_answer(ERR_INVALID, NULL, &a, &m);
    EXPECT(strstr(m.message, "idempotency") != NULL);
    error_answer(ERR_INVALID, "because", NULL, &m);
    EXPECT(strcmp(m.message, "because") == 0);
}

/* ---- Clients that leave, and that do not read ---- */

static void open_call_with(struct fixture *t, const char *method, const char *headers,
                           struct slice message)
{
    static const struct http_dialect *dialects[2];
    struct buf text = {0};
    dialects[0] = native_grpc_dialect();
    buf_printf(&text,
               "POST /holdfast.v1.%s HTTP/1.1\r\ncontent-type: application/grpc\r\n%s"
               "content-length: %zu\r\n\r\n",
               method, headers, message.size + GRPC_PREFIX_BYTES);
    const size_t begin = grpc_message_begin(&text);
    buf_append_slice(&text, message);
    grpc_message_end(&text, begin, GRPC_IDENTITY);
    fake_open(&t->f, &t->world, dialects, buf_slice(&text));
    buf_deinit(&text);
}

static void open_call(struct fixture *t, const char *method, struct slice message)
{
    open_call_with(t, method, "", message);
}

static void call(struct fixture *t, const char *method, struct slice message)
{
    open_call(t, method, message);
    fake_start(&t->f, 0);
    fake_finish(&t->f, &t->world);
    EXPECT(t->f.is_complete);
    fake_close(&t->f);
}

static void put(struct fixture *t, const char *key, size_t size)
{
    struct buf message = {0};
    struct buf value = {0};
    while (value.size < size) {
        buf_append_byte(&value, 'v');
    }
    protobuf_bytes_to(&message, 1, SLICE("kv"));
    protobuf_bytes_to(&message, 2, slice_of_text(key));
    protobuf_bytes_to(&message, 3, buf_slice(&value));
    call(t, "KV/Put", buf_slice(&message));
    buf_deinit(&message);
    buf_deinit(&value);
}

static void leave(struct fixture *t)
{
    t->f.x.is_aborted = true;
    t->f.x.route->on_abort(&t->f.x);
    fake_finish(&t->f, &t->world);
    EXPECT(t->f.is_done);
    EXPECT(!t->f.is_complete);
    fake_close(&t->f);
}

/* Each of them has something under way when its client leaves. */
static void test_clients_that_leave(void)
{
    static const char *const methods[] = {
        "KV/Get", "KV/Put",      "KV/Range",  "KV/Count",      "KV/RandomKey", "KV/DeleteRange",
        "KV/Txn", "Set/Members", "Log/Range", "Tables/Create", "Tables/Drop",  "Tables/Empty"};
    struct fixture t;
    setup(&t);
    put(&t, "a", 10);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct buf message = {0};
        protobuf_bytes_to(&message, 1,
                          strstr(methods[i], "Tables") == NULL ? SLICE("kv") : SLICE("new"));
        if (strcmp(methods[i], "KV/DeleteRange") == 0) {
            protobuf_bytes_to(&message, 2, SLICE("b"));
        }
        open_call(&t, methods[i], buf_slice(&message));
        fake_start(&t.f, 0);
        if (t.f.is_complete) { /* answered at once */
            fake_close(&t.f);
        } else {
            leave(&t);
        }
        buf_deinit(&message);
    }
    EXPECT_EQ(0, router_calls(t.world.context.router));
    teardown(&t);
}

/* A stream stops while its client does not read, and goes on when it does, or is given up. */
static void test_slow_reader(void)
{
    struct fixture t;
    struct buf message = {0};
    setup(&t);
    for (char key[] = "a"; key[0] <= 'z'; key[0]++) {
        put(&t, key, 60000);
    }
    protobuf_bytes_to(&message, 1, SLICE("kv"));
    for (int leaves = 0; leaves < 2; leaves++) {
        open_call(&t, "KV/Range", buf_slice(&message));
        t.f.waiting = HTTP_STREAM_HIGH;
        fake_start(&t.f, 0);
        for (int i = 0; i < 100; i++) {
            world_wait(&t.world, 1);
        }
        EXPECT_EQ(1, t.f.writes);
        EXPECT(t.f.body.size < 200000);
        if (leaves == 1) {
            leave(&t);
            continue;
        }
        t.f.waiting = 0;
        t.f.x.route->on_writable(&t.f.x);
        fake_finish(&t.f, &t.world);
        EXPECT(t.f.is_complete && !t.f.is_cut);
        EXPECT(t.f.body.size > (size_t)26 * 60000);
        fake_close(&t.f);
    }
    buf_deinit(&message);
    teardown(&t);
}

static bool has_text(const struct buf *text, const char *part)
{
    return memmem(text->data, text->size, part, strlen(part)) != NULL;
}

/* A deadline that has passed when the message comes: nothing is ordered, and the details say so. */
static void test_deadline(void)
{
    static const char *const methods[] = {"KV/Put", "KV/Range", "KV/RandomKey", "KV/DeleteRange"};
    struct fixture t;
    setup(&t);
    put(&t, "a", 10);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct buf message = {0};
        protobuf_bytes_to(&message, 1, SLICE("kv"));
        protobuf_bytes_to(&message, 2, SLICE("a"));
        open_call_with(&t, methods[i], "grpc-timeout: 1m\r\n", buf_slice(&message));
        const struct http_route *route = t.f.x.route;
        route->handle(&t.f.x, NULL);
        world_wait(&t.world, 5);
        route->on_body(&t.f.x, slice_skip(buf_slice(&t.f.request), t.f.head.consumed));
        route->on_body(&t.f.x, (struct slice){0});
        fake_finish(&t.f, &t.world);
        EXPECT(has_text(&t.f.headers, "grpc-status: 4\n"));
        EXPECT(has_text(&t.f.headers, "grpc-status-details-bin: "));
        fake_close(&t.f);
        buf_deinit(&message);
    }
    call(&t, "KV/Count", SLICE("\x0a\x02kv"));
    const struct router *r = t.world.context.router;
    EXPECT_EQ(1, router_table_count(r, router_table(r, SLICE("kv"))));
    teardown(&t);
}

static const struct test_case cases[] = {
    {"every_operation_has_a_form", test_every_operation_has_a_form},
    {"requests", test_requests},
    {"empty_requests", test_empty_requests},
    {"txn", test_txn},
    {"pages", test_pages},
    {"errors", test_errors},
    {"clients_that_leave", test_clients_that_leave},
    {"slow_reader", test_slow_reader},
    {"deadline", test_deadline},
};

TEST_MAIN(cases)
