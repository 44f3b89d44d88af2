/* A call of gRPC without a connection: what a handler is promised when messages come in pieces, are
 * no good, or the client leaves. Services of the program are in tests/golden and tests/api. */
#include "api/grpc_private.h"
#include "fake_exchange.h"
#include "google/protobuf/struct.pb-c.h"
#include "harness.h"
#include "proto/strato/strato.pb-c.h"
#include "wire/protobuf.h"

/* ---- A service for tests ---- */

/* What the handlers below have seen; they find it by the one exchange of a test. */
struct seen {
    struct buf keys; /* of the messages, each with a '|' behind it */
    unsigned opened;
    unsigned ended;
    unsigned aborted;
    unsigned writable;
    unsigned pause_at; /* the message behind which the stream is paused; 0: none */
    unsigned count;
    bool finishes;   /* at the first message */
    bool keeps_call; /* on abort: something is under way */
    struct grpc_call *call;
};

static struct seen *seen_of(const struct grpc_call *g)
{
    return ((struct http_world *)grpc_context(g)->facts->arg)->test;
}

static void stream_open(struct grpc_call *g)
{
    struct seen *s = seen_of(g);
    s->opened++;
    s->call = g;
}

static void stream_message(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct seen *s = seen_of(g);
    if (message == NULL) {
        s->ended++;
        s->call = NULL;
        grpc_finish(g, GRPC_OK, (struct slice){0});
        return;
    }
    buf_append_slice(&s->keys, grpc_string(((const Proto__Location *)message)->key));
    buf_append_byte(&s->keys, '|');
    grpc_send(g, message);
    if (++s->count == s->pause_at) {
        grpc_pause(g);
    }
    if (s->finishes) {
        const struct http_header details[] = {
            {SLICE("grpc-status-details-bin"), SLICE("\x01\x02\xff\xfe")}};
        grpc_finish_with(g, GRPC_ABORTED, SLICE("enough: 100%"), details, 1);
    }
}

static void stream_abort(struct grpc_call *g)
{
    struct seen *s = seen_of(g);
    s->aborted++;
    if (!s->keeps_call) {
        grpc_done(g);
    }
}

static void stream_writable(struct grpc_call *g)
{
    seen_of(g)->writable++;
}

static void say_metadata(struct grpc_call *g, const ProtobufCMessage *message)
{
    Proto__Value answer = PROTO__VALUE__INIT;
    (void)message;
    answer.content = grpc_bytes(grpc_metadata(g, "x-key-bin"));
    grpc_reply(g, &answer.base);
}

static void answer_get(struct grpc_op *o, const struct result *result)
{
    grpc_fail(o->g, result->err, NULL);
}

static void get(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct grpc_op *o = grpc_op_new(g, answer_get);
    EXPECT_EQ(ERR_OK, grpc_op_table(o, SLICE("kv")));
    o->call.op.kind = OP_GET;
    o->call.op.key = grpc_string(((const Proto__Location *)message)->key);
    grpc_op_start(o);
}

static const struct http_route *find(const struct http_request *request)
{
    static const struct grpc_method methods[] = {
        {.route = GRPC_ROUTE("stream"),
         .path = "/test.Test/Stream",
         .request = &proto__location__descriptor,
         .message_max = 1000,
         .client_streams = true,
         .on_open = stream_open,
         .on_message = stream_message,
         .on_writable = stream_writable,
         .on_abort = stream_abort},
        {.route = GRPC_ROUTE("metadata"),
         .path = "/test.Test/Metadata",
         .request = &proto__empty__descriptor,
         .on_message = say_metadata},
        {.route = GRPC_ROUTE("get"),
         .path = "/test.Test/Get",
         .request = &proto__location__descriptor,
         .on_message = get},
    };
    return grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]));
}

/* ---- Calls ---- */

struct fixture {
    struct http_world world;
    struct seen seen;
    struct fake_exchange f;
};

static void setup(struct fixture *t)
{
    world_open(&t->world);
    t->seen = (struct seen){0};
    t->world.test = &t->seen;
}

static void teardown(struct fixture *t)
{
    fake_close(&t->f);
    buf_deinit(&t->seen.keys);
    world_close(&t->world);
}

static void add_key(struct buf *body, const char *key)
{
    const size_t begin = grpc_message_begin(body);
    protobuf_bytes_to(body, 1, slice_of_text(key));
    grpc_message_end(body, begin, GRPC_IDENTITY);
}

static void open_call(struct fixture *t, const char *method, const char *headers, struct slice body)
{
    static const struct http_dialect dialect = {.name = "test", .find = find};
    static const struct http_dialect *const dialects[] = {&dialect, NULL};
    struct buf text = {0};
    buf_printf(&text,
               "POST /test.Test/%s HTTP/1.1\r\ncontent-type: application/grpc\r\n%s"
               "content-length: %zu\r\n\r\n",
               method, headers, body.size);
    buf_append_slice(&text, body);
    fake_open(&t->f, &t->world, dialects, buf_slice(&text));
    buf_deinit(&text);
}

static void expect_text(struct slice want, const struct buf *got)
{
    if (!slice_equal(want, buf_slice(got))) {
        (void)fprintf(stderr, "want %.*s\ngot %.*s\n", (int)want.size, (const char *)want.data,
                      (int)got->size, (const char *)got->data);
        exit(1);
    }
}

static void test_messages_in_any_pieces(void)
{
    struct buf body = {0};
    add_key(&body, "one");
    add_key(&body, "");
    add_key(&body, "three");
    for (size_t piece = 0; piece < body.size; piece++) {
        struct fixture t;
        setup(&t);
        open_call(&t, "Stream", "", buf_slice(&body));
        fake_start(&t.f, piece);
        EXPECT(t.f.is_complete);
        EXPECT_EQ(1, t.seen.opened);
        EXPECT_EQ(1, t.seen.ended);
        expect_text(SLICE("one||three|"), &t.seen.keys);
        expect_text(buf_slice(&body), &t.f.body); /* each was sent back */
        expect_text(SLICE("grpc-status: 0\n"), &t.f.trailers);
        teardown(&t);
    }
    buf_deinit(&body);
}

/* Behind a pause nothing is handed out, though it has come; resuming goes on where it was. */
static void test_pause(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    for (int i = 0; i < 5; i++) {
        add_key(&body, "k");
    }
    t.seen.pause_at = 2;
    open_call(&t, "Stream", "", buf_slice(&body));
    fake_start(&t.f, 9);
    expect_text(SLICE("k|k|"), &t.seen.keys);
    EXPECT(t.f.is_paused && !t.f.is_complete);
    t.seen.pause_at = 3;
    grpc_resume(t.seen.call);
    expect_text(SLICE("k|k|k|"), &t.seen.keys);
    EXPECT(t.f.is_paused && !t.f.is_complete);
    grpc_resume(t.seen.call);
    expect_text(SLICE("k|k|k|k|k|"), &t.seen.keys);
    EXPECT_EQ(1, t.seen.ended);
    EXPECT(t.f.is_complete);
    buf_deinit(&body);
    teardown(&t);
}

/* The call ends in the middle of a body: the rest is of no interest. */
static void test_end_before_the_end(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    add_key(&body, "b");
    t.seen.finishes = true;
    open_call(&t, "Stream", "", buf_slice(&body));
    fake_start(&t.f, 0);
    EXPECT(t.f.is_complete);
    expect_text(SLICE("a|"), &t.seen.keys);
    expect_text(SLICE("grpc-status: 10\ngrpc-message: enough: 100%25\n"
                      "grpc-status-details-bin: AQL//g\n"),
                &t.f.trailers);
    buf_deinit(&body);
    teardown(&t);
}

/* A message that is no good ends the call with a status, but not before the handler has let go of
 * it: to the handler the client is gone. */
static void test_refused_message(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    buf_append(&body, "\0\0\0\0\2\x0a\x7f", 7);
    add_key(&body, "c");
    t.seen.keeps_call = true;
    open_call(&t, "Stream", "", buf_slice(&body));
    fake_start(&t.f, 0);
    EXPECT_EQ(1, t.seen.aborted);
    EXPECT(!t.f.is_complete);
    grpc_done(t.seen.call);
    EXPECT(t.f.is_complete && !t.f.is_done);
    expect_text(SLICE("a|"), &t.seen.keys);
    EXPECT_EQ(0, t.seen.ended);
    expect_text(SLICE("grpc-status: 13\ngrpc-message: grpc: error unmarshalling request: proto: "
                      "cannot parse invalid wire-format data\n"),
                &t.f.trailers);
    buf_deinit(&body);
    teardown(&t);
}

/* The client leaves while the handler is not done with such a message: nobody is told. */
static void test_refused_and_gone(void)
{
    struct fixture t;
    setup(&t);
    t.seen.keeps_call = true;
    open_call(&t, "Stream", "", slice_of("\0\0\0\4\0", 5));
    fake_start(&t.f, 0);
    EXPECT_EQ(1, t.seen.aborted);
    t.f.x.is_aborted = true;
    t.f.x.route->on_abort(&t.f.x);
    EXPECT_EQ(1, t.seen.aborted);
    EXPECT(!t.f.is_done);
    grpc_done(t.seen.call);
    EXPECT(t.f.is_done && !t.f.is_complete);
    teardown(&t);
}

static void test_abort(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    open_call(&t, "Stream", "", buf_slice(&body));
    t.f.x.route->handle(&t.f.x, NULL);
    t.f.x.route->on_body(&t.f.x, buf_slice(&body));
    t.f.x.route->on_writable(&t.f.x);
    EXPECT_EQ(1, t.seen.writable);
    t.f.x.is_aborted = true;
    t.f.x.route->on_abort(&t.f.x);
    EXPECT_EQ(1, t.seen.aborted);
    EXPECT(t.f.is_done);
    buf_deinit(&body);
    teardown(&t);
}

/* An operation is under way when the client leaves: its answer is not asked for. */
static void test_abort_with_operation(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    open_call(&t, "Get", "", buf_slice(&body));
    fake_start(&t.f, 0);
    t.f.x.is_aborted = true;
    t.f.x.route->on_abort(&t.f.x);
    EXPECT(!t.f.is_done);
    fake_finish(&t.f, &t.world);
    EXPECT(t.f.is_done && t.f.status == 0);
    buf_deinit(&body);
    teardown(&t);
}

static void test_operation(void)
{
    struct operation_stats stats = {0};
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    open_call(&t, "Get", "", buf_slice(&body));
    t.f.x.stats = &stats;
    fake_start(&t.f, 0);
    fake_finish(&t.f, &t.world);
    expect_text(SLICE("content-type: application/grpc\ngrpc-status: 5\n"
                      "grpc-message: there is nothing of that name\n"),
                &t.f.headers);
    EXPECT_EQ(1, metric_get(&stats.errors[ERR_NOT_FOUND]));
    buf_deinit(&body);
    teardown(&t);
}

/* ---- Deadlines ---- */

static void pass_deadline(struct fixture *t)
{
    t->f.x.route->on_deadline(&t->f.x);
}

static void test_deadline_is_told(void)
{
    struct fixture t;
    setup(&t);
    open_call(&t, "Stream", "grpc-timeout: 3S\r\n", SLICE(""));
    t.f.x.route->handle(&t.f.x, NULL);
    EXPECT_EQ(router_now_ns(t.world.context.router) + UINT64_C(3000000000), t.f.x.deadline_ns);
    t.f.x.is_aborted = true;
    t.f.x.route->on_abort(&t.f.x);
    teardown(&t);
}

/* A stream waits for its client's next message, and its handler for something else. */
static void test_late_stream(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    t.seen.keeps_call = true;
    open_call(&t, "Stream", "", buf_slice(&body));
    t.f.x.route->handle(&t.f.x, NULL);
    t.f.x.route->on_body(&t.f.x, buf_slice(&body));
    pass_deadline(&t);
    pass_deadline(&t);
    EXPECT_EQ(1, t.seen.aborted);
    EXPECT(!t.f.is_complete);
    t.f.x.route->on_body(&t.f.x, buf_slice(&body)); /* too late */
    grpc_done(t.seen.call);
    EXPECT(t.f.is_complete && !t.f.is_done);
    expect_text(SLICE("a|"), &t.seen.keys);
    expect_text(SLICE("grpc-status: 4\ngrpc-message: the deadline has passed\n"), &t.f.trailers);
    buf_deinit(&body);
    teardown(&t);
}

/* While the handler has paused it is its turn, not the client's. */
static void test_late_and_paused(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    t.seen.pause_at = 1;
    open_call(&t, "Stream", "", buf_slice(&body));
    t.f.x.route->handle(&t.f.x, NULL);
    t.f.x.route->on_body(&t.f.x, buf_slice(&body));
    pass_deadline(&t);
    EXPECT_EQ(0, t.seen.aborted);
    grpc_resume(t.seen.call);
    pass_deadline(&t);
    EXPECT_EQ(1, t.seen.aborted);
    EXPECT(t.f.is_complete);
    expect_text(SLICE("grpc-status: 4\ngrpc-message: the deadline has passed\n"), &t.f.trailers);
    buf_deinit(&body);
    teardown(&t);
}

/* One request: it has not come whole, or it is being carried out, and then its result counts. */
static void test_late_request(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    add_key(&body, "a");
    open_call(&t, "Get", "", buf_slice(&body));
    t.f.x.route->handle(&t.f.x, NULL);
    t.f.x.route->on_body(&t.f.x, buf_slice(&body)); /* whole, but the client could send more */
    pass_deadline(&t);
    EXPECT(t.f.is_complete);
    expect_text(SLICE("content-type: application/grpc\ngrpc-status: 4\n"
                      "grpc-message: the deadline has passed\n"),
                &t.f.headers);
    fake_close(&t.f);
    open_call(&t, "Get", "", buf_slice(&body));
    fake_start(&t.f, 0);
    pass_deadline(&t);
    EXPECT(!t.f.is_complete);
    fake_finish(&t.f, &t.world);
    expect_text(SLICE("content-type: application/grpc\ngrpc-status: 5\n"
                      "grpc-message: there is nothing of that name\n"),
                &t.f.headers);
    buf_deinit(&body);
    teardown(&t);
}

/* Calls that are not complete share a limit; what was counted is given back with its call. */
static void test_held(void)
{
    struct buf body = {0};
    struct fixture t;
    setup(&t);
    const size_t begin = grpc_message_begin(&body);
    memset(buf_reserve(&body, 40000), 0, 40000);
    buf_extend(&body, 40000);
    grpc_message_end(&body, begin, GRPC_IDENTITY);
    open_call(&t, "Get", "", slice_of(body.data, 39000));
    t.f.x.route->handle(&t.f.x, NULL);
    t.f.x.route->on_body(&t.f.x, slice_of(body.data, 20000));
    EXPECT(t.world.context.held_bytes >= 20000);
    const size_t others = HELD_MAX - t.world.context.held_bytes;
    t.world.context.held_bytes += others;
    t.f.x.route->on_body(&t.f.x, slice_of(body.data + 20000, 19000));
    EXPECT(t.f.is_complete);
    expect_text(SLICE("content-type: application/grpc\ngrpc-status: 8\n"
                      "grpc-message: too many large requests are under way\n"),
                &t.f.headers);
    EXPECT_EQ(others, t.world.context.held_bytes);
    buf_deinit(&body);
    teardown(&t);
}

static void test_binary_metadata(void)
{
    static const struct {
        const char *headers;
        struct slice want;
    } rows[] = {
        {"", GRPC_TEXT("\0\0\0\0\0")},
        {"x-key-bin: AP8=\r\n", GRPC_TEXT("\0\0\0\0\4\x0a\2\0\xff")},
        {"x-key-bin: AP8\r\n", GRPC_TEXT("\0\0\0\0\4\x0a\2\0\xff")},
        {"x-key-bin: ?\r\n", GRPC_TEXT("\0\0\0\0\0")},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture t;
        setup(&t);
        open_call(&t, "Metadata", rows[i].headers, slice_of("\0\0\0\0\0", 5));
        fake_start(&t.f, 0);
        expect_text(rows[i].want, &t.f.body);
        teardown(&t);
    }
}

/* ---- Messages ---- */

/* A google.protobuf.Value in lists in lists: two messages for each level. */
static void nest(struct buf *out, size_t levels)
{
    struct buf inner = {0};
    for (size_t i = 0; i < levels; i++) {
        struct buf list = {0};
        protobuf_element_to(&list, 1, buf_slice(&inner));
        buf_clear(&inner);
        protobuf_element_to(&inner, 6, buf_slice(&list));
        buf_deinit(&list);
    }
    *out = inner;
}

static enum grpc_status decode(const ProtobufCMessageDescriptor *type, struct slice bytes,
                               struct buf *text)
{
    struct arena arena = {0};
    enum grpc_status status = GRPC_OK;
    buf_clear(text);
    const ProtobufCMessage *message = grpc_decode(type, bytes, &arena, &status, text);
    EXPECT((message == NULL) == (status != GRPC_OK));
    arena_deinit(&arena);
    return status;
}

/* protobuf-c calls itself for each level, without a bound of its own. */
static void test_depth(void)
{
    struct buf bytes;
    struct buf text = {0};
    nest(&bytes, GRPC_DEPTH_MAX / 2);
    EXPECT_EQ(GRPC_OK, decode(&google__protobuf__value__descriptor, buf_slice(&bytes), &text));
    buf_deinit(&bytes);
    nest(&bytes, GRPC_DEPTH_MAX / 2 + 1);
    EXPECT_EQ(GRPC_INTERNAL,
              decode(&google__protobuf__value__descriptor, buf_slice(&bytes), &text));
    expect_text(SLICE("grpc: error unmarshalling request: proto: exceeded maximum recursion depth"),
                &text);
    buf_deinit(&bytes);
    buf_deinit(&text);
}

/* Few bytes, very many parts: each would take memory of its own. */
static void test_parts(void)
{
    const size_t size = (size_t)4 << 20;
    struct buf bytes = {0};
    struct buf text = {0};
    for (size_t i = 0; i < size / 2; i++) {
        buf_append(&bytes, "\x0a\0", 2);
    }
    EXPECT_EQ(GRPC_RESOURCE_EXHAUSTED,
              decode(&google__protobuf__list_value__descriptor, buf_slice(&bytes), &text));
    expect_text(SLICE("grpc: error unmarshalling request: it has too many parts"), &text);
    EXPECT_EQ(GRPC_RESOURCE_EXHAUSTED, decode(&proto__empty__descriptor, buf_slice(&bytes), &text));
    bytes.size = 20000;
    EXPECT_EQ(GRPC_OK, decode(&google__protobuf__list_value__descriptor, buf_slice(&bytes), &text));
    buf_deinit(&bytes);
    buf_deinit(&text);
}

static void test_strings(void)
{
    static const uint8_t bytes[] = {0x0a, 4, 'a', 0, 'b', 0, 0x12, 0};
    struct arena arena = {0};
    enum grpc_status status = GRPC_OK;
    struct buf text = {0};
    const Proto__Location *l = (const Proto__Location *)grpc_decode(
        &proto__location__descriptor, slice_of(bytes, sizeof(bytes)), &arena, &status, &text);
    EXPECT(l != NULL);
    EXPECT(slice_equal(grpc_string(l->key), slice_of("a\0b\0", 4)));
    EXPECT_EQ(0, grpc_string(l->key_in_bucket).size);
    l = (const Proto__Location *)grpc_decode(&proto__location__descriptor, slice_of(bytes, 0),
                                             &arena, &status, &text);
    EXPECT(l != NULL);
    EXPECT_EQ(0, grpc_string(l->key).size);
    EXPECT_EQ(0, grpc_string(NULL).size);
    arena_deinit(&arena);
}

static void begin_watch(struct fixture *t)
{
    const struct http_dialect *const dialects[] = {meta_dialect(), NULL};
    struct buf text = {0};
    buf_append_text(&text, "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\n"
                           "content-type: application/grpc\r\ncontent-length: 5\r\n\r\n");
    buf_append(&text, "\0\0\0\0\0", 5);
    fake_open(&t->f, &t->world, dialects, buf_slice(&text));
    fake_start(&t->f, 0);
    buf_deinit(&text);
}

/* Health/Watch says what the node is whenever that changes, and ends when the node drains. */
static void test_watch(void)
{
    static const struct {
        enum err readiness;
        struct slice said; /* so far */
    } steps[] = {
        {ERR_STARTING, GRPC_TEXT("\0\0\0\0\2\x08\2")},
        {ERR_OK, GRPC_TEXT("\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1")},
        {ERR_OK, GRPC_TEXT("\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1")},
        {ERR_UNAVAILABLE, GRPC_TEXT("\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1\0\0\0\0\2\x08\2")},
    };
    struct fixture t;
    setup(&t);
    t.world.readiness = ERR_STARTING;
    begin_watch(&t);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        EXPECT(!t.f.is_complete);
        t.world.readiness = steps[i].readiness;
        world_wait(&t.world, 1000);
        expect_text(steps[i].said, &t.f.body);
    }
    EXPECT(t.f.is_complete);
    expect_text(SLICE("grpc-status: 14\ngrpc-message: the node is stopping\n"), &t.f.trailers);
    teardown(&t);
}

static void test_watch_is_left(void)
{
    struct fixture t;
    setup(&t);
    begin_watch(&t);
    world_wait(&t.world, 1000);
    t.f.x.is_aborted = true;
    t.f.x.route->on_abort(&t.f.x);
    EXPECT(t.f.is_done);
    world_wait(&t.world, 1000); /* its timer does not run any more */
    teardown(&t);
}

static void test_late_watch(void)
{
    struct fixture t;
    setup(&t);
    begin_watch(&t);
    world_wait(&t.world, 1000);
    pass_deadline(&t);
    EXPECT(t.f.is_complete);
    expect_text(SLICE("\0\0\0\0\2\x08\1"), &t.f.body);
    expect_text(SLICE("grpc-status: 4\ngrpc-message: the deadline has passed\n"), &t.f.trailers);
    world_wait(&t.world, 1000); /* its timer does not run any more */
    teardown(&t);
}

/* DESIGN section 8, row by row. */
static void test_errors(void)
{
    static const enum grpc_status table[ERR_COUNT] = {
        [ERR_NOT_FOUND] = GRPC_NOT_FOUND,
        [ERR_ALREADY_EXISTS] = GRPC_ALREADY_EXISTS,
        [ERR_WRONG_TYPE] = GRPC_FAILED_PRECONDITION,
        [ERR_CONFLICT] = GRPC_ABORTED,
        [ERR_INVALID] = GRPC_INVALID_ARGUMENT,
        [ERR_NOT_A_NUMBER] = GRPC_INVALID_ARGUMENT,
        [ERR_OVERFLOW] = GRPC_OUT_OF_RANGE,
        [ERR_TOO_LARGE] = GRPC_RESOURCE_EXHAUSTED,
        [ERR_CROSS_SHARD] = GRPC_INVALID_ARGUMENT,
        [ERR_UNIMPLEMENTED] = GRPC_UNIMPLEMENTED,
        [ERR_DENIED] = GRPC_PERMISSION_DENIED,
        [ERR_UNAUTHENTICATED] = GRPC_UNAUTHENTICATED,
        [ERR_BUSY] = GRPC_RESOURCE_EXHAUSTED,
        [ERR_NO_SPACE] = GRPC_RESOURCE_EXHAUSTED,
        [ERR_STARTING] = GRPC_UNAVAILABLE,
        [ERR_UNAVAILABLE] = GRPC_UNAVAILABLE,
        [ERR_UNKNOWN_OUTCOME] = GRPC_UNKNOWN,
        [ERR_TIMEOUT] = GRPC_DEADLINE_EXCEEDED,
        [ERR_CANCELED] = GRPC_CANCELLED,
        [ERR_IO] = GRPC_INTERNAL,
        [ERR_CORRUPT] = GRPC_DATA_LOSS,
    };
    for (int e = 0; e < ERR_WOULD_WAIT; e++) {
        EXPECT_EQ(table[e], grpc_status_of((enum err)e));
    }
}

static const struct test_case cases[] = {
    {"messages_in_any_pieces", test_messages_in_any_pieces},
    {"pause", test_pause},
    {"end_before_the_end", test_end_before_the_end},
    {"refused_message", test_refused_message},
    {"refused_and_gone", test_refused_and_gone},
    {"abort", test_abort},
    {"abort_with_operation", test_abort_with_operation},
    {"operation", test_operation},
    {"deadline_is_told", test_deadline_is_told},
    {"late_stream", test_late_stream},
    {"late_and_paused", test_late_and_paused},
    {"late_request", test_late_request},
    {"held", test_held},
    {"binary_metadata", test_binary_metadata},
    {"depth", test_depth},
    {"parts", test_parts},
    {"strings", test_strings},
    {"watch", test_watch},
    {"watch_is_left", test_watch_is_left},
    {"late_watch", test_late_watch},
    {"errors", test_errors},
};

TEST_MAIN(cases)
