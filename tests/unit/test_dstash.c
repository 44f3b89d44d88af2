/* D-Stash on a volatile node, over gRPC-Web, which needs no HTTP/2: streams that wait, that are
 * left, that fail; indexes that are made by a first write; searches; held requests of Consul's. */
#include "api/dstash/terms.h"
#include "fake_exchange.h"
#include "harness.h"
#include "proto/dstash/dstash.pb-c.h"
#include "proto/google/protobuf/wrappers.pb-c.h"
#include "wire/grpc.h"

#define TURNS_MAX 100000
#define PIECE     8000 /* bytes of a body that come in one turn */

struct fixture {
    struct http_world world;
    const struct http_dialect *dialects[2];
};

static void setup(struct fixture *t)
{
    world_open(&t->world);
    t->dialects[0] = dstash_dialect();
    t->dialects[1] = NULL;
}

/* Two texts with one id. */
#define COLLIDING_A "bjdzn common"
#define COLLIDING_B "bmqnc common"

/* ---- Requests ---- */

static void message_to(struct buf *body, const ProtobufCMessage *message)
{
    const size_t begin = grpc_message_begin(body);
    const size_t size = protobuf_c_message_get_packed_size(message);
    (void)protobuf_c_message_pack(message, buf_reserve(body, size));
    buf_extend(body, size);
    grpc_message_end(body, begin, GRPC_IDENTITY);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static void pair_to(struct buf *body, const char *key, const char *value)
{
    Dstash__KVPair p = DSTASH__KVPAIR__INIT;
    p.key = bytes_of(key);
    p.value = bytes_of(value);
    message_to(body, &p.base);
}

static void named_to(struct buf *body, const char *index, const char *key, const char *value)
{
    Dstash__IndexKVPair p;
    dstash__index_kvpair__init(&p);
    p.indexpath = (char *)(uintptr_t)index;
    p.key = bytes_of(key);
    p.value = bytes_of(value);
    message_to(body, &p.base);
}

static void text_to(struct buf *body, const char *text)
{
    Google__Protobuf__BytesValue v = GOOGLE__PROTOBUF__BYTES_VALUE__INIT;
    v.value = bytes_of(text);
    message_to(body, &v.base);
}

static void numbered_to(struct buf *body, size_t number, bool has_value)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "key-%07zu", number);
    pair_to(body, key, has_value ? key + 4 : "");
}

static void open_call(struct fixture *t, struct fake_exchange *f, const char *method)
{
    struct buf text = {0};
    buf_printf(&text,
               "POST %s HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\n"
               "Transfer-Encoding: chunked\r\n\r\n",
               method);
    fake_open(f, &t->world, t->dialects, buf_slice(&text));
    buf_deinit(&text);
    f->x.route->handle(&f->x, NULL);
}

static bool is_over(const struct fake_exchange *f)
{
    return f->is_complete || f->is_done;
}

/* Gives the body as a connection does: a piece in a turn, and none while it is paused. */
static void feed(struct fixture *t, struct fake_exchange *f, const struct buf *body)
{
    size_t at = 0;
    for (int i = 0; i < TURNS_MAX && at < body->size && !is_over(f); i++) {
        if (!f->is_paused) {
            const size_t size = body->size - at < PIECE ? body->size - at : PIECE;
            f->x.route->on_body(&f->x, slice_of(body->data + at, size));
            at += size;
        }
        world_wait(&t->world, 1);
    }
    EXPECT(at == body->size || is_over(f));
}

static void end_body(struct fixture *t, struct fake_exchange *f)
{
    if (!is_over(f)) {
        f->x.route->on_body(&f->x, (struct slice){0});
    }
    fake_finish(f, &t->world);
}

/* ---- Answers ---- */

struct answer {
    struct buf list; /* of struct slice: messages */
    size_t count;
    char trailers[512];
};

static struct answer read_answer(const struct fake_exchange *f)
{
    struct answer a = {0};
    size_t at = 0;
    while (at < f->body.size) {
        const uint8_t *head = f->body.data + at;
        const size_t size =
            (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | (size_t)head[4];
        const struct slice bytes = slice_of(head + GRPC_PREFIX_BYTES, size);
        if ((head[0] & 0x80) != 0) {
            (void)snprintf(a.trailers, sizeof(a.trailers), "%.*s", (int)size, bytes.data);
        } else {
            buf_append(&a.list, &bytes, sizeof(bytes));
            a.count++;
        }
        at += GRPC_PREFIX_BYTES + size;
    }
    EXPECT_EQ(f->body.size, at);
    return a;
}

static struct slice message_at(const struct answer *a, size_t i)
{
    EXPECT(i < a->count);
    return ((const struct slice *)(const void *)a->list.data)[i];
}

static bool has_pair(const struct answer *a, size_t i, const char *key, const char *value)
{
    const struct slice bytes = message_at(a, i);
    Dstash__KVPair *p = dstash__kvpair__unpack(NULL, bytes.size, bytes.data);
    EXPECT(p != NULL);
    const bool is_it = slice_equal(slice_of(p->key.data, p->key.len), slice_of_text(key)) &&
                       slice_equal(slice_of(p->value.data, p->value.len), slice_of_text(value));
    dstash__kvpair__free_unpacked(p, NULL);
    return is_it;
}

/* One whole call. */
static struct answer call(struct fixture *t, const char *method, struct buf *body)
{
    struct fake_exchange f;
    open_call(t, &f, method);
    feed(t, &f, body);
    end_body(t, &f);
    EXPECT(f.is_complete && !f.is_cut);
    struct answer a = read_answer(&f);
    /* Its messages point into the body of the answer, which is kept with them. */
    for (size_t i = 0; i < a.count; i++) {
        struct slice *s = &((struct slice *)(void *)a.list.data)[i];
        uint8_t *copy = malloc(s->size + 1);
        EXPECT(copy != NULL);
        memcpy(copy, s->data, s->size);
        s->data = copy;
    }
    fake_close(&f);
    buf_deinit(body);
    return a;
}

static void free_answer(struct answer *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free((void *)(uintptr_t)message_at(a, i).data);
    }
    buf_deinit(&a->list);
}

static void expect_status(struct answer *a, int status, const char *text)
{
    char want[256];
    (void)snprintf(want, sizeof(want), "grpc-status:%d\r\n", status);
    if (strstr(a->trailers, want) == NULL || (text != NULL && strstr(a->trailers, text) == NULL)) {
        (void)fprintf(stderr, "want status %d \"%s\", got \"%s\"\n", status,
                      text == NULL ? "" : text, a->trailers);
        exit(1);
    }
}

static void expect_call(struct fixture *t, const char *method, struct buf *body, int status,
                        const char *text)
{
    struct answer a = call(t, method, body);
    expect_status(&a, status, text);
    free_answer(&a);
}

static void put_numbered(struct fixture *t, size_t count)
{
    struct buf body = {0};
    for (size_t i = 0; i < count; i++) {
        numbered_to(&body, i, true);
    }
    expect_call(t, "/dstash.DStash/BatchPut", &body, 0, NULL);
}

static void abort_now(struct fixture *t, struct fake_exchange *f)
{
    f->x.is_aborted = true;
    f->x.route->on_abort(&f->x);
    fake_finish(f, &t->world);
    EXPECT(f->is_done);
    fake_close(f);
}

/* ---- Streams of operations ---- */

static void test_batches(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    pair_to(&body, "a", "1");
    pair_to(&body, "b", "2");
    pair_to(&body, "a", "3");
    expect_call(&t, "/keymaster.DStash/BatchPut", &body, 0, NULL);
    pair_to(&body, "b", "default");
    pair_to(&body, "missing", "default");
    pair_to(&body, "", "");
    pair_to(&body, "a", "");
    struct answer a = call(&t, "/dstash.DStash/BatchLookup", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(4, a.count);
    EXPECT(has_pair(&a, 0, "b", "2"));
    EXPECT(has_pair(&a, 1, "missing", ""));
    EXPECT(has_pair(&a, 2, "", ""));
    EXPECT(has_pair(&a, 3, "a", "3"));
    free_answer(&a);
    world_close(&t.world);
}

static void test_empty_streams(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    struct answer a = call(&t, "/dstash.DStash/BatchPut", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(1, a.count);
    free_answer(&a);
    a = call(&t, "/dstash.DStash/BatchLookup", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(0, a.count);
    free_answer(&a);
    world_close(&t.world);
}

/* A stream whose deadline passes: all that has come is carried out and answered, then it ends. */
static void test_late_streams(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf body = {0};
    setup(&t);
    pair_to(&body, "a", "1");
    pair_to(&body, "b", "2");
    for (int i = 0; i < 2; i++) {
        open_call(&t, &f, i == 0 ? "/dstash.DStash/BatchPut" : "/dstash.DStash/BatchLookup");
        f.x.route->on_body(&f.x, buf_slice(&body));
        f.x.route->on_deadline(&f.x);
        f.x.route->on_deadline(&f.x);
        EXPECT(!f.is_complete);
        fake_finish(&f, &t.world);
        struct answer a = read_answer(&f);
        expect_status(&a, 4, "the deadline has passed");
        EXPECT_EQ((size_t)(i == 0 ? 0 : 2), a.count);
        EXPECT(i == 0 || (has_pair(&a, 0, "a", "1") && has_pair(&a, 1, "b", "2")));
        buf_deinit(&a.list);
        fake_close(&f);
    }
    buf_deinit(&body);
    world_close(&t.world);
}

#define MANY 20000

static void test_many_in_order(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    put_numbered(&t, MANY);
    for (size_t i = 0; i < MANY; i++) {
        numbered_to(&body, MANY - 1 - i, false);
    }
    struct answer a = call(&t, "/dstash.DStash/BatchLookup", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(MANY, a.count);
    for (size_t i = 0; i < MANY; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key-%07zu", MANY - 1 - i);
        EXPECT(has_pair(&a, i, key, key + 4));
    }
    free_answer(&a);
    world_close(&t.world);
}

/* The client is answered while it goes on asking. */
static void test_first_answer_before_the_last_request(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf body = {0};
    setup(&t);
    pair_to(&body, "a", "");
    open_call(&t, &f, "/dstash.DStash/BatchLookup");
    feed(&t, &f, &body);
    world_wait(&t.world, 5);
    EXPECT(f.writes == 1 && !f.is_complete);
    feed(&t, &f, &body);
    world_wait(&t.world, 5);
    EXPECT(f.writes == 2 && !f.is_complete);
    end_body(&t, &f);
    EXPECT(f.is_complete);
    fake_close(&f);
    buf_deinit(&body);
    world_close(&t.world);
}

/* Who does not read is not read from, and loses nothing. */
static void test_client_that_does_not_read(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf body = {0};
    setup(&t);
    put_numbered(&t, MANY);
    for (size_t i = 0; i < MANY; i++) {
        numbered_to(&body, i, false);
    }
    open_call(&t, &f, "/dstash.DStash/BatchLookup");
    f.waiting = HTTP_STREAM_HIGH;
    f.x.route->on_body(&f.x, buf_slice(&body));
    f.x.route->on_body(&f.x, (struct slice){0});
    world_wait(&t.world, 100);
    EXPECT(f.is_paused && f.writes == 0);
    for (int i = 0; i < TURNS_MAX && !f.is_complete; i++) {
        f.waiting = i % 3 == 0 ? HTTP_STREAM_HIGH : 0;
        f.x.route->on_writable(&f.x);
        f.x.route->on_writable(&f.x); /* once too often does no harm */
        world_wait(&t.world, 1);
    }
    struct answer a = read_answer(&f);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(MANY, a.count);
    buf_deinit(&a.list);
    fake_close(&f);
    buf_deinit(&body);
    world_close(&t.world);
}

static void test_abort_at_any_time(void)
{
    static const char *const methods[] = {"/dstash.DStash/BatchPut", "/dstash.DStash/BatchLookup"};
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    for (size_t i = 0; i < 2000; i++) {
        numbered_to(&body, i, true);
    }
    for (size_t m = 0; m < 2; m++) {
        for (size_t size = 0; size <= body.size; size += body.size / 16) {
            for (int turns = 0; turns < 3; turns++) {
                struct fake_exchange f;
                open_call(&t, &f, methods[m]);
                if (size > 0) {
                    f.waiting = turns == 2 ? HTTP_STREAM_HIGH : 0;
                    f.x.route->on_body(&f.x, slice_of(body.data, size));
                }
                if (turns > 0) {
                    world_wait(&t.world, 1);
                }
                abort_now(&t, &f);
            }
        }
    }
    buf_deinit(&body);
    world_close(&t.world);
}

/* What came before the bad request is done, and nothing behind it. */
static void test_failure_in_the_middle(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    pair_to(&body, "before", "1");
    pair_to(&body, "", "2");
    pair_to(&body, "behind", "3");
    struct answer a = call(&t, "/dstash.DStash/BatchPut", &body);
    expect_status(&a, 2, "Key must be specified.");
    EXPECT_EQ(0, a.count);
    free_answer(&a);
    pair_to(&body, "before", "");
    a = call(&t, "/dstash.DStash/Lookup", &body);
    EXPECT(has_pair(&a, 0, "before", "1"));
    free_answer(&a);
    pair_to(&body, "behind", "");
    a = call(&t, "/dstash.DStash/Lookup", &body);
    EXPECT(has_pair(&a, 0, "behind", ""));
    free_answer(&a);
    world_close(&t.world);
}

/* A reader of large values keeps them in turn: far less than all is in memory at once. */
static void test_large_answers(void)
{
    struct fixture t;
    struct buf body = {0};
    char *value = malloc((size_t)1 << 20);
    EXPECT(value != NULL);
    memset(value, 'v', ((size_t)1 << 20) - 1);
    value[((size_t)1 << 20) - 1] = '\0';
    setup(&t);
    pair_to(&body, "large", value);
    expect_call(&t, "/dstash.DStash/Put", &body, 0, NULL);
    for (size_t i = 0; i < 300; i++) {
        pair_to(&body, "large", "");
    }
    struct fake_exchange f;
    open_call(&t, &f, "/dstash.DStash/BatchLookup");
    f.waiting = HTTP_STREAM_HIGH;
    f.x.route->on_body(&f.x, buf_slice(&body));
    f.x.route->on_body(&f.x, (struct slice){0});
    world_wait(&t.world, 10);
    EXPECT(f.is_paused);
    f.waiting = 0;
    size_t answers = 0;
    for (int i = 0; i < TURNS_MAX && !f.is_complete; i++) {
        f.x.route->on_writable(&f.x);
        world_wait(&t.world, 1);
        answers += f.body.size / (1 << 20);
        if (!f.is_complete) {
            buf_clear(&f.body);
        }
    }
    EXPECT(f.is_complete && answers >= 300);
    fake_close(&f);
    buf_deinit(&body);
    free(value);
    world_close(&t.world);
}

/* ---- Rules ---- */

static void test_texts(void)
{
    static const struct {
        const char *method, *index, *key;
        int status;
        const char *text;
    } cases[] = {
        {"/dstash.KVStore/Put", "", "k", 2, "Index must be specified."},
        {"/dstash.KVStore/Put", "i", "", 2, "Key must be specified."},
        {"/dstash.KVStore/Put", "a/b", "k", 2, "the name of an index"},
        {"/dstash.KVStore/BatchPut", "", "k", 2, "Index must be specified."},
        {"/dstash.KVStore/Lookup", "", "k", 2, "Index must be specified."},
        {"/dstash.KVStore/Lookup", "i", "", 2, "Key must be specified."},
        {"/dstash.KVStore/Lookup", "nosuch", "k", 0, NULL},
        {"/dstash.KVStore/Lookup", "a/b", "k", 0, NULL},
        {"/dstash.KVStore/BatchLookup", "", "", 0, NULL},
        {"/dstash.BitmapIndex/BatchSetBit", "i", "k", 12, NULL},
        {"/dstash.DStash/BatchSetBit", "i", "k", 12, NULL},
    };
    struct fixture t;
    setup(&t);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf body = {0};
        named_to(&body, cases[i].index, cases[i].key, "v");
        expect_call(&t, cases[i].method, &body, cases[i].status, cases[i].text);
    }
    world_close(&t.world);
}

static void test_sizes(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    char *text = malloc(WORLD_VALUE_MAX + 2);
    EXPECT(text != NULL);
    memset(text, 'x', WORLD_VALUE_MAX + 1);
    text[WORLD_VALUE_MAX + 1] = '\0';
    pair_to(&body, "k", text);
    expect_call(&t, "/dstash.DStash/Put", &body, 2, "value is too large");
    text[65536] = '\0';
    pair_to(&body, text, "v");
    expect_call(&t, "/dstash.DStash/Put", &body, 2, "key is too large");
    pair_to(&body, text, "v");
    expect_call(&t, "/dstash.DStash/Lookup", &body, 0, NULL);
    text[65535] = '\0';
    pair_to(&body, text, "v");
    expect_call(&t, "/dstash.DStash/Put", &body, 0, NULL);
    pair_to(&body, text, "");
    struct answer a = call(&t, "/dstash.DStash/Lookup", &body);
    EXPECT(has_pair(&a, 0, text, "v"));
    free_answer(&a);
    free(text);
    world_close(&t.world);
}

/* ---- Indexes ---- */

static void test_index_is_made_by_a_write(void)
{
    struct fixture t;
    struct buf body = {0};
    setup(&t);
    for (size_t i = 0; i < 500; i++) {
        char name[32];
        char key[32];
        (void)snprintf(name, sizeof(name), "index-%zu", i % 7);
        (void)snprintf(key, sizeof(key), "key-%zu", i);
        named_to(&body, name, key, "v");
    }
    expect_call(&t, "/dstash.KVStore/BatchPut", &body, 0, NULL);
    text_to(&body, "index-3");
    struct answer a = call(&t, "/dstash.KVStore/Items", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(71, a.count);
    free_answer(&a);
    text_to(&body, "nosuch");
    a = call(&t, "/dstash.KVStore/Items", &body);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(0, a.count);
    free_answer(&a);
    text_to(&body, "");
    expect_call(&t, "/dstash.KVStore/Items", &body, 2, "Index must be specified.");
    world_close(&t.world);
}

/* Two streams make the same index, and one of them is left meanwhile. */
static void test_index_is_made_twice(void)
{
    struct fixture t;
    struct buf body = {0};
    struct fake_exchange f[3];
    setup(&t);
    named_to(&body, "fresh", "k", "v");
    for (size_t i = 0; i < 3; i++) {
        open_call(&t, &f[i], "/dstash.KVStore/BatchPut");
        f[i].x.route->on_body(&f[i].x, buf_slice(&body));
        f[i].x.route->on_body(&f[i].x, (struct slice){0});
    }
    abort_now(&t, &f[1]);
    for (size_t i = 0; i < 3; i += 2) {
        fake_finish(&f[i], &t.world);
        struct answer a = read_answer(&f[i]);
        expect_status(&a, 0, NULL);
        buf_deinit(&a.list);
        fake_close(&f[i]);
    }
    buf_deinit(&body);
    world_close(&t.world);
}

/* A write that waits for its index is not overtaken by one that finds it. */
static void test_order_while_an_index_is_made(void)
{
    struct fixture t;
    struct fake_exchange f;
    struct buf body = {0};
    char value[16] = "";
    setup(&t);
    open_call(&t, &f, "/dstash.KVStore/BatchPut");
    for (int i = 0; i < 200; i++) {
        (void)snprintf(value, sizeof(value), "%d", i);
        named_to(&body, "fresh", "k", value);
        f.x.route->on_body(&f.x, buf_slice(&body));
        buf_clear(&body);
        if (i % 3 > 0) {
            world_wait(&t.world, 1);
        }
        if (i == 100) {
            named_to(&body, "another", "k", value);
        }
    }
    end_body(&t, &f);
    fake_close(&f);
    text_to(&body, "fresh");
    struct answer a = call(&t, "/dstash.KVStore/Items", &body);
    EXPECT_EQ(1, a.count);
    const struct slice got = message_at(&a, 0);
    EXPECT(memmem(got.data, got.size, value, strlen(value)) != NULL);
    free_answer(&a);
    world_close(&t.world);
}

/* ---- Many streams ---- */

#define STREAMS 320

/* All streams of a loop together have a limit, and each may still go on a little. */
static void test_streams_share_a_limit(void)
{
    struct fixture t;
    struct buf body = {0};
    struct fake_exchange *f = calloc(STREAMS, sizeof(*f));
    EXPECT(f != NULL);
    setup(&t);
    for (size_t i = 0; i < 300; i++) {
        numbered_to(&body, i, false);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        open_call(&t, &f[i], "/dstash.DStash/BatchLookup");
        f[i].waiting = HTTP_STREAM_HIGH;
        f[i].x.route->on_body(&f[i].x, buf_slice(&body));
        f[i].x.route->on_body(&f[i].x, (struct slice){0});
        world_wait(&t.world, 1);
        EXPECT(f[i].is_paused);
    }
    for (size_t i = STREAMS; i > 0; i--) {
        f[i - 1].waiting = 0;
        f[i - 1].x.route->on_writable(&f[i - 1].x);
        fake_finish(&f[i - 1], &t.world);
        struct answer a = read_answer(&f[i - 1]);
        expect_status(&a, 0, NULL);
        EXPECT_EQ(300, a.count);
        buf_deinit(&a.list);
        fake_close(&f[i - 1]);
    }
    free(f);
    buf_deinit(&body);
    world_close(&t.world);
}

/* ---- Items ---- */

static void test_items_at_the_clients_pace(void)
{
    struct fixture t;
    struct fake_exchange f;
    setup(&t);
    put_numbered(&t, MANY);
    struct buf body = {0};
    const size_t begin = grpc_message_begin(&body); /* an empty message */
    grpc_message_end(&body, begin, GRPC_IDENTITY);
    open_call(&t, &f, "/dstash.DStash/Items");
    f.waiting = HTTP_STREAM_HIGH;
    f.x.route->on_body(&f.x, buf_slice(&body));
    f.x.route->on_body(&f.x, (struct slice){0});
    world_wait(&t.world, 10);
    EXPECT(f.writes == 0);
    size_t before = 0;
    for (int i = 0; i < TURNS_MAX && !f.is_complete; i++) {
        f.waiting = 0;
        f.x.route->on_writable(&f.x);
        f.waiting = HTTP_STREAM_HIGH;
        world_wait(&t.world, 5);
        EXPECT(f.body.size - before < 4 * HTTP_STREAM_HIGH);
        before = f.body.size;
    }
    struct answer a = read_answer(&f);
    expect_status(&a, 0, NULL);
    EXPECT_EQ(MANY, a.count);
    buf_deinit(&a.list);
    fake_close(&f);
    for (int turns = 0; turns < 3; turns++) {
        open_call(&t, &f, "/dstash.DStash/Items");
        f.waiting = turns == 1 ? HTTP_STREAM_HIGH : 0;
        f.x.route->on_body(&f.x, buf_slice(&body));
        f.x.route->on_body(&f.x, (struct slice){0});
        if (turns > 0) {
            f.waiting = HTTP_STREAM_HIGH;
            world_wait(&t.world, 1);
        }
        abort_now(&t, &f);
    }
    buf_deinit(&body);
    world_close(&t.world);
}

/* ---- Search ---- */

static size_t search(struct fixture *t, const char *query, uint64_t *last)
{
    struct buf body = {0};
    text_to(&body, query);
    struct answer a = call(t, "/dstash.StringSearch/Search", &body);
    expect_status(&a, 0, NULL);
    const size_t count = a.count;
    if (count > 0) {
        const struct slice bytes = message_at(&a, count - 1);
        Google__Protobuf__UInt64Value *v =
            google__protobuf__uint64_value__unpack(NULL, bytes.size, bytes.data);
        EXPECT(v != NULL);
        *last = v->value;
        google__protobuf__uint64_value__free_unpacked(v, NULL);
    }
    free_answer(&a);
    return count;
}

static void test_search(void)
{
    static const char *const strings[] = {"hello world",   "The quick brown fox",
                                          "quick red fox", "<b>Hello</b> caf&eacute;",
                                          "hello world",   "the"};
    struct fixture t;
    struct buf body = {0};
    uint64_t id = 0;
    setup(&t);
    EXPECT_EQ(0, search(&t, "hello", &id));
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        text_to(&body, strings[i]);
    }
    expect_call(&t, "/keymaster.DStash/BatchIndex", &body, 0, NULL);
    EXPECT_EQ(2, search(&t, "Hello", &id));
    EXPECT_EQ(1, search(&t, "world HELLO", &id));
    EXPECT_EQ(1151865881, id);
    EXPECT_EQ(2, search(&t, "the fox", &id));
    EXPECT_EQ(1, search(&t, "brown fox quick", &id));
    EXPECT_EQ(1530270488, id);
    EXPECT_EQ(1, search(&t, "CAFÉ", &id));
    EXPECT_EQ(0, search(&t, "hello fox", &id));
    EXPECT_EQ(0, search(&t, "hello nosuch", &id));
    EXPECT_EQ(5, search(&t, "the", &id));
    EXPECT_EQ(5, search(&t, "42", &id));
    text_to(&body, "");
    expect_call(&t, "/dstash.DStash/Search", &body, 2, "Search string must not be empty");
    text_to(&body, "fine");
    text_to(&body, "");
    expect_call(&t, "/dstash.StringSearch/BatchIndex", &body, 2, "String value must not be empty");
    world_close(&t.world);
}

/* Strings that share an id are both found; the id is sent once. */
static void test_search_with_equal_ids(void)
{
    struct fixture t;
    struct buf body = {0};
    uint64_t id = 0;
    setup(&t);
    EXPECT_EQ(murmur2(SLICE(COLLIDING_A), 0), murmur2(SLICE(COLLIDING_B), 0));
    text_to(&body, COLLIDING_A);
    text_to(&body, COLLIDING_B);
    expect_call(&t, "/dstash.DStash/BatchIndex", &body, 0, NULL);
    EXPECT_EQ(1, search(&t, COLLIDING_A, &id));
    EXPECT_EQ(murmur2(SLICE(COLLIDING_A), 0), id);
    EXPECT_EQ(1, search(&t, COLLIDING_B, &id));
    EXPECT_EQ(1, search(&t, "common", &id));
    EXPECT_EQ(1, search(&t, "the", &id));
    EXPECT_EQ(0, search(&t, COLLIDING_A " " COLLIDING_B, &id));
    world_close(&t.world);
}

static void test_search_of_many(void)
{
    struct fixture t;
    struct buf body = {0};
    struct fake_exchange f;
    uint64_t id = 0;
    setup(&t);
    for (size_t i = 0; i < 6000; i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "number %zu every%s %s", i, i % 2 == 0 ? " twofold" : "",
                       i % 3 == 0 ? "triple" : "");
        text_to(&body, text);
    }
    expect_call(&t, "/dstash.DStash/BatchIndex", &body, 0, NULL);
    EXPECT_EQ(6000, search(&t, "number", &id));
    EXPECT_EQ(3000, search(&t, "twofold number", &id));
    EXPECT_EQ(0, search(&t, "triple nosuch number", &id));
    for (int turns = 0; turns < 8; turns++) {
        text_to(&body, turns % 2 == 0 ? "twofold number" : "42");
        open_call(&t, &f, "/dstash.DStash/Search");
        f.waiting = turns == 7 ? HTTP_STREAM_HIGH : 0;
        f.x.route->on_body(&f.x, buf_slice(&body));
        f.x.route->on_body(&f.x, (struct slice){0});
        for (int i = 0; i < turns; i++) {
            f.waiting = turns > 4 ? HTTP_STREAM_HIGH : 0;
            world_wait(&t.world, 1);
        }
        if (!f.is_complete) {
            abort_now(&t, &f);
        } else {
            fake_close(&f);
        }
        buf_clear(&body);
    }
    buf_deinit(&body);
    world_close(&t.world);
}

/* ---- Consul ---- */

static void open_get(struct fixture *t, struct fake_exchange *f, const char *path)
{
    struct buf text = {0};
    buf_printf(&text, "GET %s HTTP/1.1\r\n\r\n", path);
    fake_open(f, &t->world, t->dialects, buf_slice(&text));
    buf_deinit(&text);
    fake_start(f, 0);
}

static uint64_t index_now(struct fixture *t)
{
    struct fake_exchange f;
    open_get(t, &f, "/v1/health/service/dstash?passing=1");
    EXPECT_EQ(200, f.status);
    buf_append_byte(&f.headers, '\0');
    const char *at = strstr((const char *)f.headers.data, "X-Consul-Index: ");
    EXPECT(at != NULL);
    const uint64_t index = strtoull(at + 16, NULL, 10);
    EXPECT(index > 0);
    fake_close(&f);
    return index;
}

static void test_blocking_queries(void)
{
    struct fixture t;
    struct fake_exchange f;
    char path[128];
    setup(&t);
    const unsigned long long index = index_now(&t);
    (void)snprintf(path, sizeof(path), "/v1/health/service/dstash?index=%llu&wait=10s", index);
    open_get(&t, &f, path);
    world_wait(&t.world, 9900);
    EXPECT(!f.is_complete);
    world_wait(&t.world, 200);
    EXPECT(f.is_complete && f.status == 200);
    fake_close(&f);

    (void)snprintf(path, sizeof(path), "/v1/health/service/dstash?index=%llu&passing=1", index);
    open_get(&t, &f, path);
    world_wait(&t.world, 299900);
    EXPECT(!f.is_complete);
    world_wait(&t.world, 200);
    EXPECT(f.is_complete);
    fake_close(&f);

    open_get(&t, &f, path);
    world_wait(&t.world, 500);
    abort_now(&t, &f);
    EXPECT_EQ(0, t.world.context.polls);

    open_get(&t, &f, path); /* the node begins to stop */
    t.world.readiness = ERR_UNAVAILABLE;
    world_wait(&t.world, 1100);
    EXPECT(f.is_complete);
    fake_close(&f);
    t.world.readiness = ERR_OK;

    t.world.context.polls = 1024; /* as many as there may be */
    open_get(&t, &f, path);
    EXPECT(f.is_complete && f.status == 200);
    fake_close(&f);
    t.world.context.polls = 0;

    open_get(&t, &f, "/v1/health/service/dstash?index=7");
    EXPECT(f.is_complete && f.status == 200); /* what it knows is not what there is */
    fake_close(&f);
    world_close(&t.world);
}

static void test_bad_queries(void)
{
    static const char *const paths[] = {
        "/v1/health/service/dstash?index=x", "/v1/health/service/dstash?index=-1",
        "/v1/health/service/dstash?wait=5", "/v1/health/service/dstash?wait=s"};
    struct fixture t;
    struct fake_exchange f;
    setup(&t);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        open_get(&t, &f, paths[i]);
        EXPECT_EQ(400, f.status);
        fake_close(&f);
    }
    open_get(&t, &f, "/v1/health/service/nosuch");
    EXPECT_EQ(200, f.status);
    EXPECT(slice_equal(buf_slice(&f.body), SLICE("[]")));
    fake_close(&f);
    world_close(&t.world);
}

static const struct test_case cases[] = {
    {"batches", test_batches},
    {"late_streams", test_late_streams},
    {"empty streams", test_empty_streams},
    {"many in order", test_many_in_order},
    {"first answer before the last request", test_first_answer_before_the_last_request},
    {"client that does not read", test_client_that_does_not_read},
    {"abort at any time", test_abort_at_any_time},
    {"failure in the middle", test_failure_in_the_middle},
    {"large answers", test_large_answers},
    {"texts", test_texts},
    {"sizes", test_sizes},
    {"index is made by a write", test_index_is_made_by_a_write},
    {"index is made twice", test_index_is_made_twice},
    {"order while an index is made", test_order_while_an_index_is_made},
    {"streams share a limit", test_streams_share_a_limit},
    {"items at the client's pace", test_items_at_the_clients_pace},
    {"search", test_search},
    {"search with equal ids", test_search_with_equal_ids},
    {"search of many", test_search_of_many},
    {"blocking queries", test_blocking_queries},
    {"bad queries", test_bad_queries},
};

TEST_MAIN(cases)
