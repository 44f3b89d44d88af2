/* A session of dstore's text protocol on a simulated node: order, what a put leaves behind, limits,
 * a node that is not ready, ends at any moment. */
#include "api/dstore/dstore.h"
#include "base/mem.h"
#include "harness.h"
#include "sim/scene.h"
#include "wire/json.h"

#define VALUE_MAX ((size_t)1 << 20) /* of the simulated node */

static const struct node_config plain = {.loops = 2, .shards = 4, .memory_max = 64 << 20};

/* A client: the session of its connection, and what it was sent. */
struct client {
    struct scene *scene;
    struct node_facts facts;
    struct loop_context context;
    struct dstore_session *session;
    struct buf input; /* not taken yet */
    unsigned told;
};

static void on_output(void *arg)
{
    struct client *c = arg;
    c->told++;
}

static void client_open(struct client *c, struct scene *s)
{
    *c = (struct client){.scene = s, .facts = {.node_name = "node.example:8081"}};
    c->context =
        (struct loop_context){.router = s->node.router[0],
                              .facts = &c->facts,
                              .stats = mem_zero(DIALECT_COUNT, sizeof(struct dialect_stats)),
                              .slow_us = UINT64_MAX};
    const struct dstore_owner owner = {.on_output = on_output, .arg = c};
    c->session = dstore_open(&c->context, &owner);
}

/* Nothing of it is under way. */
static void client_free(struct client *c)
{
    dstore_close(&c->session);
    EXPECT(c->session == NULL);
    dstore_close(&c->session);
    buf_deinit(&c->input);
    mem_free(c->context.stats);
}

static void client_close(struct client *c)
{
    dstore_close(&c->session);
    scene_run(1000); /* puts under way end */
    client_free(c);
}

/* Gives what is there to the session. */
static void push(struct client *c)
{
    buf_consume(&c->input, dstore_input(c->session, c->input.data, c->input.size));
    dstore_turn_done(c->session);
    loop_again(c->scene->node.loops[0]);
}

static void client_send(struct client *c, const char *text)
{
    buf_append_text(&c->input, text);
    push(c);
}

/* {"key": ..., "value": ...} in base64. */
static void append_payload(struct buf *out, const char *key, struct slice value)
{
    struct buf json = {0};
    buf_append_text(&json, "{\"key\":");
    json_string_to(&json, slice_of_text(key), JSON_HTML);
    buf_append_text(&json, ",\"value\":");
    json_string_to(&json, value, JSON_HTML);
    buf_append_text(&json, ",\"timestamp\":\"0001-01-01T00:00:00Z\"}");
    base64_to(out, buf_slice(&json));
    buf_deinit(&json);
}

static void send_put(struct client *c, const char *command, const char *key, const char *value,
                     const char *behind)
{
    buf_append_text(&c->input, command);
    append_payload(&c->input, key, slice_of_text(value));
    buf_append_text(&c->input, behind);
    buf_append_text(&c->input, "\n");
    push(c);
}

static void expect_out(struct client *c, const char *want)
{
    struct buf *out = dstore_out(c->session);
    EXPECT(slice_equal(slice_of_text(want), buf_slice(out)));
    buf_clear(out);
}

static void expect_later(struct client *c, const char *want)
{
    scene_run(200);
    expect_out(c, want);
}

/* What `text` is behind ACK, as a line. */
static void expect_error(struct client *c, const char *text)
{
    struct buf want = {0};
    buf_append_text(&want, "ACK ");
    base64_to(&want, slice_of_text(text));
    buf_append_text(&want, "\n");
    buf_append_byte(&want, '\0');
    expect_later(c, (const char *)want.data);
    buf_deinit(&want);
}

/* The log's versions, newest first; valid until the next call. */
static struct result history(struct scene *s, const char *key)
{
    const struct op op = {.kind = OP_LOG_READ,
                          .table = scene_table(s, "log"),
                          .key = slice_of_text(key),
                          .number = -1};
    return scene_call(s, 1, &op);
}

static void expect_value(const struct result *r, size_t i, const char *value)
{
    EXPECT(i < r->row_count);
    EXPECT(slice_equal(slice_of_text(value), r->rows[i].value));
}

/* ---- What a put leaves behind ---- */

static bool is_uuid(struct slice id)
{
    static const char form[] = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
    bool is_fine = id.size == sizeof(form) - 1;
    for (size_t i = 0; i < id.size && is_fine; i++) {
        const char *set = form[i] == 'x' ? "0123456789abcdef" : "89ab";
        is_fine = form[i] == 'x' || form[i] == 'y' ? strchr(set, id.data[i]) != NULL
                                                   : form[i] == (char)id.data[i];
    }
    return is_fine;
}

static void test_put(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, 1, &plain);
    client_open(&c, &s);
    const uint64_t before = router_now_ms(s.node.router[0]);
    send_put(&c, "PUT ", "k", "one", "");
    send_put(&c, "PUT ", "k", "two", " noappend");
    send_put(&c, "PUT ", "k", "three", " other words");
    send_put(&c, "PUT ", "k", "four", " noappend");
    send_put(&c, "WRITE ", "k", "five", "");
    expect_later(&c, "ACK\nACK\nACK\nACK\nACK\n");
    EXPECT(dstore_is_closing(c.session));
    const struct result r = history(&s, "k");
    EXPECT_EQ(4, r.row_count);
    expect_value(&r, 0, "five");
    expect_value(&r, 1, "four"); /* in the place of two */
    expect_value(&r, 2, "three");
    expect_value(&r, 3, "one");
    EXPECT(slice_equal(SLICE("-"), r.rows[1].key));
    for (size_t i = 0; i < r.row_count; i++) {
        EXPECT(i == 1 || is_uuid(r.rows[i].key));
        EXPECT(i == 0 || !slice_equal(r.rows[i].key, r.rows[i - 1].key));
        EXPECT(slice_equal(SLICE("node.example:8081"), r.rows[i].author));
        EXPECT((uint64_t)r.rows[i].number >= before);
    }
    client_close(&c);
    scene_close(&s);
}

/* The empty object is a put of nothing under no name. */
static void test_empty(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, 2, &plain);
    client_open(&c, &s);
    client_send(&c, "PUT e30=\nPUT e30=\n");
    expect_later(&c, "ACK\nACK\n");
    const struct result r = history(&s, "");
    EXPECT_EQ(2, r.row_count);
    expect_value(&r, 0, "");
    client_close(&c);
    scene_close(&s);
}

/* ---- Order ---- */

/* Replies keep the order of the lines, and the log of the puts. */
static void test_order(void)
{
    enum {
        COUNT = 1000 /* more than may wait */
    };
    struct scene s;
    struct client c;
    struct buf want = {0};
    scene_open(&s, 3, &plain);
    client_open(&c, &s);
    for (unsigned i = 0; i < COUNT; i++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "%u", i);
        buf_append_text(&c.input, "PUT ");
        append_payload(&c.input, "k", slice_of_text(value));
        buf_append_text(&c.input, i % 3 == 0 ? "\nSND YQ==\n" : "\n");
        buf_append_text(&want, "ACK\n");
        buf_append_text(&want, i % 3 == 0 ? "aGVkZ2U6IG5vdCBzdXBwb3J0ZWQ=\n" : "");
    }
    unsigned rounds = 0;
    for (; c.input.size > 0; rounds++) {
        push(&c);
        EXPECT(c.input.size == 0 || dstore_is_full(c.session));
        const unsigned told = c.told;
        scene_run(100);
        EXPECT(c.told > told); /* there is room again */
    }
    EXPECT(rounds > 2);
    buf_append_byte(&want, '\0');
    expect_later(&c, (const char *)want.data);
    const struct result r = history(&s, "k");
    EXPECT_EQ(COUNT, r.row_count);
    for (unsigned i = 0; i < COUNT; i++) {
        char value[32];
        (void)snprintf(value, sizeof(value), "%u", COUNT - 1 - i);
        expect_value(&r, i, value);
    }
    buf_deinit(&want);
    client_close(&c);
    scene_close(&s);
}

/* Nothing behind a line that ends the connection is carried out. */
static void test_ends(void)
{
    static const struct {
        const char *line;
        const char *reply;
    } ends[] = {{"HEY\n", "ACK\n"},
                {"WRITE e30=\n", "ACK\n"},
                {"GET /\n", ""},
                {"WRITE\n", ""},
                {"PUT\n", ""},
                {"\n", ""},
                {"WRITE *\n", "ACK aWxsZWdhbCBiYXNlNjQgZGF0YSBhdCBpbnB1dCBieXRlIDA=\n"}};
    struct scene s;
    scene_open(&s, 4, &plain);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct client c;
        client_open(&c, &s);
        client_send(&c, "LDR\nLEADER\n");
        EXPECT(!dstore_is_closing(c.session));
        expect_out(&c, "ACK\nACK\n");
        client_send(&c, ends[i].line);
        send_put(&c, "PUT ", "never", "x", "");
        EXPECT_EQ(0, c.input.size);
        expect_later(&c, ends[i].reply);
        EXPECT(dstore_is_closing(c.session));
        client_close(&c);
    }
    EXPECT_EQ(0, history(&s, "never").row_count);
    scene_close(&s);
}

/* ---- Errors ---- */

static void test_errors(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, 5, &plain);
    client_open(&c, &s);
    client_send(&c, "PUT \n");
    expect_error(&c, "unexpected end of JSON input");
    client_send(&c, "PUT eyJ2YWx1ZSI6MX0=\n");
    expect_error(
        &c, "json: cannot unmarshal number into Go struct field KeyValue.value of type string");
    const struct op op = {.kind = OP_PUT,
                          .table = scene_table(&s, "log"),
                          .key = SLICE("text"),
                          .value = SLICE("no log")};
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &op).err);
    send_put(&c, "PUT ", "text", "x", "");
    expect_error(&c, "the key holds a value of another type");
    EXPECT(!dstore_is_closing(c.session));
    client_send(&c, "LDR\n");
    expect_out(&c, "ACK\n");
    const struct operation_stats *put = NULL;
    for (size_t i = 0; i < OPERATIONS_MAX && put == NULL; i++) {
        const struct operation_stats *o = &c.context.stats[DIALECT_DSTORE].operations[i];
        put = o->name != NULL && strcmp(o->name, "put") == 0 ? o : NULL;
    }
    EXPECT(put != NULL);
    EXPECT_EQ(3, histogram_count(&put->latency_us));
    EXPECT_EQ(2, metric_get(&put->errors[ERR_INVALID]));
    EXPECT_EQ(1, metric_get(&put->errors[ERR_WRONG_TYPE]));
    client_close(&c);
    scene_close(&s);
}

static void test_unsupported(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, 6, &plain);
    client_open(&c, &s);
    client_send(&c, "SND YQ==\n");
    expect_out(&c, "aGVkZ2U6IG5vdCBzdXBwb3J0ZWQ=\n"); /* hedge: not supported */
    client_send(&c, "ALL YQ==\n");
    expect_out(&c, "aGVkZ2U6IG5vdCBzdXBwb3J0ZWQ=\n");
    const char *lines[] = {"MEM e30=\n", "SEM a 1 b\n", "SER a b\n", "SEM \n", "MEM \n", "SER  \n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        client_send(&c, lines[i]);
        expect_error(&c, "hedge: not supported");
    }
    client_send(&c, "SEA a b\n");
    expect_error(&c, "0:hedge: not supported");
    client_send(&c, "HEY 10.0.0.1:8080\nHEY \"\xff\n");
    expect_out(&c, "eyIxMC4wLjAuMTo4MDgwIjp7fX0=\neyJcIlx1ZmZmZCI6e319\n");
    EXPECT(!dstore_is_closing(c.session));
    char line[DSTORE_ID_MAX + 8] = "HEY "; /* an id is not sent back at any length */
    memset(line + 4, '\1', DSTORE_ID_MAX + 1);
    line[DSTORE_ID_MAX + 5] = '\n';
    client_send(&c, line);
    expect_out(&c, "");
    EXPECT(dstore_is_closing(c.session));
    client_close(&c);
    scene_close(&s);
}

/* ---- Limits ---- */

static void send_large(struct client *c, size_t size)
{
    uint8_t *value = mem_alloc(size);
    memset(value, 'v', size);
    buf_append_text(&c->input, "PUT ");
    append_payload(&c->input, "large", slice_of(value, size));
    buf_append_text(&c->input, "\n");
    mem_free(value);
    push(c);
}

static void test_large(void)
{
    struct scene s;
    struct client c;
    scene_open(&s, 7, &plain);
    client_open(&c, &s);
    send_large(&c, VALUE_MAX);
    expect_later(&c, "ACK\n");
    send_large(&c, VALUE_MAX + 1);
    expect_error(&c, "over a limit of this server");
    EXPECT_EQ(1, history(&s, "large").row_count);
    for (int i = 0; i < 20; i++) { /* not all at once */
        send_large(&c, VALUE_MAX / 2);
    }
    EXPECT(c.input.size > VALUE_MAX);
    for (int i = 0; i < 10 && c.input.size > 0; i++) {
        scene_run(1000);
        push(&c);
    }
    scene_run(1000);
    EXPECT_EQ(20 * 4, dstore_out(c.session)->size);
    client_close(&c);

    static const char *const begins[] = {"PUT ", "WRITE ", "LDR", "SND ", "xyz"};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        client_open(&c, &s);
        buf_append_text(&c.input, begins[i]);
        const size_t size = 2 * VALUE_MAX + DSTORE_LINE_EXTRA + 1;
        memset(buf_reserve(&c.input, size), 'a', size);
        buf_extend(&c.input, size - 100);
        push(&c);
        EXPECT(!dstore_is_closing(c.session)); /* it may still end */
        buf_extend(&c.input, 100);
        push(&c);
        EXPECT(dstore_is_closing(c.session));
        EXPECT_EQ(0, c.input.size);
        if (i < 2) {
            expect_error(&c, "the line is too long");
        } else {
            expect_out(&c, "");
        }
        client_close(&c);
    }
    scene_close(&s);
}

/* ---- Time ---- */

/* Before it can serve, a node answers as one that does not lead. */
static void test_starting(void)
{
    struct scene s;
    struct client c;
    struct err_why why = {0};
    scene_open(&s, 8, &plain);
    node_stop(&s.node);
    EXPECT(node_start(&s.node, &why));
    EXPECT_EQ(ERR_STARTING, router_is_ready(s.node.router[0]));
    client_open(&c, &s);
    client_send(&c, "LDR\nPUT e30=\nLDR\n");
    expect_out(&c, "\n\n\n");
    EXPECT(!dstore_is_closing(c.session));
    client_send(&c, "LEADER\nLDR\n");
    expect_out(&c, "\n");
    EXPECT(dstore_is_closing(c.session));
    client_free(&c);
    client_open(&c, &s);
    client_send(&c, "WRITE e30=\nLDR\n");
    expect_out(&c, "\n");
    EXPECT(dstore_is_closing(c.session));
    client_free(&c);
    EXPECT(node_run_ready(&s.node));
    client_open(&c, &s);
    client_send(&c, "LEADER\nLDR\n");
    expect_out(&c, "ACK\nACK\n");
    client_close(&c);
    scene_close(&s);
}

/* The client goes at any moment; what was sent may have been put, and nothing is left over. */
static void test_leave(void)
{
    struct scene s;
    scene_open(&s, 9, &plain);
    for (unsigned steps = 0; steps < 40; steps++) {
        struct client c;
        char key[16];
        (void)snprintf(key, sizeof(key), "%u", steps);
        client_open(&c, &s);
        send_put(&c, "PUT ", key, "a", "");
        send_put(&c, "PUT ", key, "b", "");
        for (unsigned i = 0; i < steps; i++) {
            (void)sim_step();
        }
        client_close(&c);
        const struct result r = history(&s, key);
        EXPECT_EQ(2, r.row_count); /* they were on their way */
        expect_value(&r, 0, "b");
    }
    scene_close(&s);
}

static const struct test_case cases[] = {
    {"put", test_put},     {"empty", test_empty},       {"order", test_order},
    {"ends", test_ends},   {"errors", test_errors},     {"unsupported", test_unsupported},
    {"large", test_large}, {"starting", test_starting}, {"leave", test_leave},
};

TEST_MAIN(cases)
