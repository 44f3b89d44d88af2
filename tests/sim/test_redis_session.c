/* The Redis dialect over a whole node in the simulated world: bytes in, bytes out. What single
 * commands answer is compared with Redis in tests/api; here it is about order, barriers, pieces of
 * input, limits, and connections that go away. */
#include "api/redis/redis.h"
#include "base/mem.h"
#include "harness.h"
#include "sim/node_world.h"
#include "sys/clock.h"
#include "sys/sim/world.h"

#define SHARDS 4

struct world {
    struct sim_node node;
    struct node_facts facts;
    struct dialect_stats *stats;
    struct loop_context context;
    struct redis_session *session;
    struct buf got;
    struct loop_timer timer;
    int told; /* on_output since the last redis_turn_done() */
};

/* ---- The owner of the session ---- */

static void on_output(void *arg)
{
    struct world *w = arg;
    w->told++;
    EXPECT_EQ(1, w->told);
}

static void on_wake(void *arg)
{
    struct world *w = arg;
    redis_wake(w->session);
}

static void wake_after(void *arg, uint32_t delay_ms)
{
    struct world *w = arg;
    loop_timer_start(w->node.loops[0], &w->timer, delay_ms, on_wake, w);
}

static void totals(void *arg, struct node_totals *out)
{
    (void)arg;
    *out = (struct node_totals){.connections = 1};
}

static void settings(void *arg, void (*each)(void *each_arg, const char *name, const char *value),
                     void *each_arg)
{
    (void)arg;
    each(each_arg, "listen", "a:1");
    each(each_arg, "listen", "b:2");
}

static enum err change_setting(void *arg, const char *name, const char *value, struct err_why *why)
{
    (void)arg;
    (void)value;
    return err_set(why, strcmp(name, "listen") == 0 ? ERR_DENIED : ERR_NOT_FOUND, "fixed");
}

static void connections(void *arg, connection_each_fn each, void *each_arg)
{
    struct world *w = arg;
    struct connection_facts facts;
    redis_facts(w->session, &facts);
    each(each_arg, &facts);
}

static struct redis_session *connect(struct world *w, uint64_t id)
{
    const struct redis_owner owner = {
        .on_output = on_output, .wake_after = wake_after, .arg = w, .peer = "1.2.3.4:5", .id = id};
    return redis_open(&w->context, &owner);
}

static void setup_loops(struct world *w, bool is_volatile, uint32_t loops)
{
    struct err_why why;
    *w = (struct world){.node = {.config = {.loops = loops,
                                            .shards = SHARDS,
                                            .memory_max = 64 << 20,
                                            .is_volatile = is_volatile}}};
    const struct sim_config config = {.seed = 1, .wall_ms = 1700000000000, .io_delay_ns = 2000000};
    sim_world_open(&config);
    EXPECT(node_start(&w->node, &why));
    EXPECT(node_run_ready(&w->node));
    w->facts = (struct node_facts){.arg = w,
                                   .version = "0",
                                   .node_id = "0123456789012345678901234567890123456789",
                                   .shards = SHARDS,
                                   .threads = 1,
                                   .address = "here:1",
                                   .data_folder = "",
                                   .totals = totals,
                                   .settings = settings,
                                   .change_setting = change_setting,
                                   .connections = connections};
    w->stats = mem_zero(DIALECT_COUNT, sizeof(*w->stats));
    router_attach(w->node.router[0], &w->context);
    w->context = (struct loop_context){.router = w->node.router[0],
                                       .facts = &w->facts,
                                       .stats = w->stats,
                                       .slow_us = UINT64_MAX,
                                       .now_ns = sim_now_ns};
    w->session = connect(w, 1);
}

static void setup(struct world *w, bool is_volatile)
{
    setup_loops(w, is_volatile, 1);
}

static void teardown(struct world *w)
{
    redis_close(&w->session);
    loop_timer_stop(&w->timer);
    (void)sim_run(NULL, 50);
    redis_loop_close(&w->context);
    node_stop(&w->node);
    node_forget(&w->node);
    sim_world_close();
    buf_deinit(&w->got);
    mem_free(w->stats);
}

/* What the owner does once per turn. */
static void take_output(struct world *w)
{
    struct buf *out = redis_out(w->session);
    buf_append(&w->got, out->data, out->size);
    buf_clear(out);
    w->told = 0;
    redis_turn_done(w->session);
}

/* Gives bytes as the owner does: what is not used now is given again later. */
static void feed(struct world *w, const char *data, size_t size)
{
    struct chunk *chunk = chunk_new(size);
    size_t used = 0;
    memcpy(chunk->bytes, data, size);
    for (int turn = 0; used < size && turn < 10000; turn++) {
        if (!redis_is_full(w->session)) {
            const size_t now = redis_input(w->session, chunk, chunk->bytes + used, size - used);
            used += now;
            loop_again(w->node.loops[0]); /* as a socket's event would */
        }
        take_output(w);
        (void)sim_run(NULL, 1);
    }
    EXPECT_EQ(size, used);
    chunk_release(chunk);
}

/* Sends lines (inline commands) and returns all replies, with | for CR LF. */
static const char *ask(struct world *w, const char *lines)
{
    buf_clear(&w->got);
    feed(w, lines, strlen(lines));
    for (int i = 0; i < 60; i++) {
        take_output(w);
        (void)sim_run(NULL, 1);
    }
    take_output(w);
    size_t to = 0;
    for (size_t i = 0; i < w->got.size; i++) {
        if (w->got.data[i] == '\r') {
            w->got.data[to++] = '|';
            i++;
        } else {
            w->got.data[to++] = w->got.data[i];
        }
    }
    w->got.size = to;
    buf_append_byte(&w->got, 0);
    return (const char *)w->got.data;
}

#define EXPECT_REPLY(w, lines, want)                                                               \
    do {                                                                                           \
        const char *got_ = ask((w), (lines));                                                      \
        if (strcmp((want), got_) != 0) {                                                           \
            (void)fprintf(stderr, "%s:%d: %s\n want %s\n got  %s\n", __FILE__, __LINE__, (lines),  \
                          (want), got_);                                                           \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- Cases ---- */

static void both_worlds(void (*run)(struct world *w))
{
    for (int i = 0; i < 2; i++) {
        struct world w;
        setup(&w, i == 0);
        run(&w);
        teardown(&w);
    }
}

static void check_pipeline(struct world *w)
{
    EXPECT_REPLY(w, "SET a 1\nGET a\nINCR a\nGET a\nDEL a\nGET a\n", "+OK|$1|1|:2|$1|2|:1|$-1|");
    EXPECT_REPLY(w, "MSET a 1 b 2 c 3 d 4\nMGET a b c d e\nEXISTS a b c d e\nDEL a b c d e\n",
                 "+OK|*5|$1|1|$1|2|$1|3|$1|4|$-1|:4|:4|");
    EXPECT_REPLY(w, "PING\nSET a 1\nPING\nGET a\nECHO x\n", "+PONG|+OK|+PONG|$1|1|$1|x|");
}

static void test_pipeline(void)
{
    both_worlds(check_pipeline);
}

static void check_pieces(struct world *w)
{
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n"
                               "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    struct buf all = {0};
    buf_clear(&w->got);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        struct chunk *chunk = chunk_new(all.size + 1);
        buf_append_byte(&all, (uint8_t)text[i]);
        memcpy(chunk->bytes, all.data, all.size);
        buf_consume(&all, redis_input(w->session, chunk, chunk->bytes, all.size));
        chunk_release(chunk);
        take_output(w);
    }
    loop_again(w->node.loops[0]);
    (void)sim_run(NULL, 40);
    take_output(w);
    EXPECT_EQ(0, all.size);
    EXPECT(slice_equal(SLICE("+OK\r\n$5\r\nvalue\r\n"), buf_slice(&w->got)));
    buf_deinit(&all);
}

static void test_pieces(void)
{
    both_worlds(check_pieces);
}

static void check_multi(struct world *w)
{
    EXPECT_REPLY(w, "MULTI\nSET {t}a 1\nMGET {t}a {t}b\nSET {t}a x BAD\nPING\nINCR {t}n\nEXEC\n",
                 "+OK|+QUEUED|+QUEUED|+QUEUED|+QUEUED|+QUEUED|*5|+OK|*2|$1|1|$-1|-ERR syntax "
                 "error|+PONG|:1|");
    EXPECT_REPLY(w, "MULTI\nNOSUCH\nEXEC\n",
                 "+OK|-ERR unknown command 'NOSUCH', with args beginning with: |-EXECABORT "
                 "Transaction discarded because of previous errors.|");
    EXPECT_REPLY(w, "MULTI\nSET a 1\nSET b 1\nSET c 1\nSET d 1\nEXEC\nMGET a b c d\n",
                 "+OK|+QUEUED|+QUEUED|+QUEUED|+QUEUED|-CROSSSLOT Keys in request don't hash to the "
                 "same slot|*4|$-1|$-1|$-1|$-1|");
    EXPECT_REPLY(w, "WATCH k\nMULTI\nGET k\nEXEC\n", "+OK|+OK|+QUEUED|*1|$-1|");
    EXPECT_REPLY(w, "WATCH k\nSET k 1\nMULTI\nGET k\nEXEC\nMULTI\nEXEC\n",
                 "+OK|+OK|+OK|+QUEUED|*-1|+OK|*0|");
    EXPECT_REPLY(w, "WATCH k\nSET k 1\nUNWATCH\nMULTI\nGET k\nEXEC\nDISCARD\n",
                 "+OK|+OK|+OK|+OK|+QUEUED|*1|$1|1|-ERR DISCARD without MULTI|");
    EXPECT_REPLY(w, "MULTI\nKEYS *\nEXEC\n",
                 "+OK|-CROSSSLOT 'keys' inside MULTI needs all keys in one shard: a data directory "
                 "made with --shards 1, or a table with partition=table|-EXECABORT Transaction "
                 "discarded because of previous errors.|");
    EXPECT_REPLY(w, "MULTI\nMSETNX {t}x 1 {t}y 2\nMSETNX {t}y 3 {t}z 4\nMSETNX {t}z 5\nEXEC\n",
                 "+OK|+QUEUED|+QUEUED|+QUEUED|*3|:1|:0|:1|");
    EXPECT_REPLY(w, "MULTI\nSET a 1\nMSETNX a 1 b 2 c 3 d 4\nEXEC\nEXISTS a\n",
                 "+OK|+QUEUED|+QUEUED|-CROSSSLOT Keys in request don't hash to the same slot|:0|");
}

static void test_multi(void)
{
    both_worlds(check_multi);
}

static void check_sets(struct world *w)
{
    EXPECT_REPLY(w, "SADD a 1 2 3\nSADD b 2 3 4\nSADD c 3 4 5\nSADD d 3\n", ":3|:3|:3|:1|");
    EXPECT_REPLY(w, "SADD d 9\nSINTER a b c d\nSUNION a b c d\nSDIFF a b c d\nSREM d 9\n",
                 ":1|*1|$1|3|*6|$1|1|$1|2|$1|3|$1|4|$1|5|$1|9|*1|$1|1|:1|");
    EXPECT_REPLY(w, "SINTERCARD 3 a b c\nSINTERCARD 2 a b LIMIT 1\nSINTER a b nokey\n",
                 ":1|:1|*0|");
    EXPECT_REPLY(w, "SINTERSTORE {a}x a {a}y\nSINTERSTORE x a b\n",
                 ":0|-CROSSSLOT Keys in request don't hash to the same slot|");
    EXPECT_REPLY(w, "SET e 1\nSUNION a b c d e\n",
                 "+OK|-WRONGTYPE Operation against a key holding the wrong kind of value|");
}

static void test_sets_over_shards(void)
{
    both_worlds(check_sets);
}

static void check_scan(struct world *w)
{
    char line[64];
    size_t seen = 0;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(line, sizeof(line), "SET key:%d x\n", i);
        EXPECT_REPLY(w, line, "+OK|");
    }
    EXPECT_REPLY(w, "SET key:1 x\nDBSIZE\n", "+OK|:100|");
    unsigned long long cursor = 0;
    do {
        (void)snprintf(line, sizeof(line), "SCAN %llu COUNT 7\n", cursor);
        const char *reply = ask(w, line);
        const char *digits = strchr(strchr(reply, '|') + 1, '|') + 1; /* behind "*2|$n|" */
        cursor = strtoull(digits, NULL, 10);
        for (const char *at = strstr(reply, "key:"); at != NULL; at = strstr(at + 1, "key:")) {
            seen++;
        }
    } while (cursor != 0);
    EXPECT_EQ(100, seen);
    EXPECT_REPLY(w, "SCAN 12345\nSCAN x\n", "-ERR invalid cursor|-ERR invalid cursor|");
    EXPECT_REPLY(w, "KEYS key:9?\n",
                 "*10|$6|key:90|$6|key:91|$6|key:92|$6|key:93|$6|key:94|$6|key:95|$6|key:96|$6|key:"
                 "97|$6|key:98|$6|key:99|");
    EXPECT_REPLY(w, "SET x 1\nFLUSHDB\nDBSIZE\nGET x\nRANDOMKEY\n", "+OK|+OK|:0|$-1|$-1|");
    EXPECT_REPLY(w, "SET x 1\nRANDOMKEY\nFLUSHALL\nRANDOMKEY\n", "+OK|$1|x|+OK|$-1|");
}

static void test_scan(void)
{
    both_worlds(check_scan);
}

static void check_tables(struct world *w)
{
    EXPECT_REPLY(w, "SET a 0\nSELECT 1\nGET a\nSET a 1\nSELECT 0\nGET a\n",
                 "+OK|+OK|$-1|+OK|+OK|$1|0|");
    EXPECT_REPLY(w, "SELECT 16\nSELECT nosuch\nSELECT db1\nGET a\nSELECT kv\nGET a\n",
                 "-ERR DB index is out of range|-ERR value is not an integer or out of "
                 "range|+OK|$1|1|+OK|$1|0|");
    EXPECT_REPLY(w, "COPY a {a}b DB 1\nSELECT 1\nGET {a}b\nSELECT 0\n", ":1|+OK|$1|0|+OK|");
    EXPECT_REPLY(w, "FLUSHALL\nGET a\nSELECT 1\nGET a\nSELECT 0\n", "+OK|$-1|+OK|$-1|+OK|");
}

static void test_tables(void)
{
    both_worlds(check_tables);
}

static void test_protocol(void)
{
    struct world w;
    setup(&w, true);
    EXPECT_REPLY(&w, "GET nokey\nHELLO 3\nGET nokey\nSADD s 1\nSMEMBERS s\nRESET\nGET nokey\n",
                 "$-1|%7|$6|server|$5|redis|$7|version|$6|7.0.15|$5|proto|:3|$2|id|:1|$4|mode|$10|"
                 "standalone|$4|role|$6|master|$7|modules|*0|_|:1|~1|$1|1|+RESET|$-1|");
    EXPECT_REPLY(&w, "CLIENT REPLY OFF\nSET a 1\nCLIENT REPLY ON\nGET a\n", "+OK|$1|1|");
    EXPECT_REPLY(&w, "CLIENT REPLY SKIP\nSET a 2\nGET a\n", "$1|2|");
    EXPECT_REPLY(&w, "CONFIG GET list*\n", "*2|$6|listen|$7|a:1 b:2|");
    EXPECT_REPLY(&w, "SET a 3\nQUIT\nSET a 4\n", "+OK|+OK|");
    EXPECT(redis_is_closing(w.session));
    redis_close(&w.session);
    w.session = connect(&w, 2);
    EXPECT_REPLY(&w, "GET a\n", "$1|3|");
    EXPECT_REPLY(&w, "*1\r\n+GET\r\n", "-ERR Protocol error: expected '$', got '+'|");
    EXPECT(redis_is_closing(w.session));
    teardown(&w);
}

static void test_sleep(void)
{
    struct world w;
    setup(&w, true);
    feed(&w, "DEBUG SLEEP 0.2\n", 16);
    EXPECT(redis_is_full(w.session));
    (void)sim_run(NULL, 150);
    EXPECT_EQ(0, redis_out(w.session)->size);
    (void)sim_run(NULL, 100);
    EXPECT(redis_out(w.session)->size > 0);
    EXPECT(!redis_is_full(w.session));
    take_output(&w);
    feed(&w, "DEBUG SLEEP 100\n", 16); /* the connection goes first */
    teardown(&w);
}

static void test_slow_log(void)
{
    struct world w;
    setup(&w, false);
    w.context.slow_us = 0; /* every write waits for the disk */
    EXPECT_REPLY(&w, "SLOWLOG LEN\n", ":0|");
    EXPECT_REPLY(&w, "SLOWLOG RESET\nSET k v\nSLOWLOG LEN\n",
                 "+OK|+OK|:2|"); /* RESET is slow, too */
    const char *entry = ask(&w, "SLOWLOG GET 2\n");
    EXPECT(strstr(entry, "*3|$3|SET|$1|k|$1|v|$9|1.2.3.4:5|$0||") != NULL);
    EXPECT(histogram_count(&w.stats[DIALECT_REDIS].operations[0].latency_us) == 0);
    w.context.slow_us = UINT64_MAX;
    EXPECT_REPLY(&w, "SLOWLOG RESET\nSLOWLOG LEN\n", "+OK|:0|");
    teardown(&w);
}

/* A connection goes while its commands are under way: they happen, nobody reads the answers. */
static void test_gone(void)
{
    struct world w;
    setup(&w, false);
    static const char text[] = "SET a 1\nINCR n\nSUNION x y z\nKEYS *\nGET a\n";
    struct chunk *chunk = chunk_new(sizeof(text) - 1);
    memcpy(chunk->bytes, text, sizeof(text) - 1);
    EXPECT(redis_input(w.session, chunk, chunk->bytes, chunk->size) > 0);
    loop_again(w.node.loops[0]);
    chunk_release(chunk);
    redis_close(&w.session);
    w.told = 0;
    (void)sim_run(NULL, 100);
    w.session = connect(&w, 2);
    EXPECT_REPLY(&w, "MGET a n\n", "*2|$1|1|$1|1|");
    teardown(&w);
}

/* More commands than may be in flight are taken bit by bit. */
static void test_many(void)
{
    struct world w;
    struct buf text = {0};
    setup(&w, false);
    for (int i = 0; i < 3 * REDIS_CALLS_MAX; i++) {
        buf_append_text(&text, "INCR n\n");
    }
    buf_append_text(&text, "GET n\n");
    feed(&w, (const char *)text.data, text.size);
    (void)sim_run(NULL, 50);
    take_output(&w);
    EXPECT(slice_equal(SLICE("$5\r\n12288\r\n"), slice_skip(buf_slice(&w.got), w.got.size - 11)));
    buf_deinit(&text);
    teardown(&w);
}

#define LONG_KEY ((size_t)64 << 10)

/* Transactions of all clients share a limit with what else is kept for them; small ones are taken
 * all the same. */
static void test_large_multi(void)
{
    struct world w;
    char large[50020] = "SET k ";
    setup(&w, false);
    memset(large + 6, 'v', 50000);
    large[50006] = '\n';
    w.context.held_bytes = HELD_MAX;
    EXPECT_REPLY(&w, "MULTI\n", "+OK|");
    EXPECT_REPLY(&w, large, "+QUEUED|");
    EXPECT_REPLY(&w, large, "+QUEUED|");
    EXPECT(w.context.held_bytes > HELD_MAX + 100000);
    EXPECT_REPLY(&w, large, "-ERR the transaction is too large|");
    EXPECT_REPLY(&w, "EXEC\n", "-EXECABORT Transaction discarded because of previous errors.|");
    EXPECT_EQ(HELD_MAX, w.context.held_bytes);
    w.context.held_bytes = 0;
    EXPECT_REPLY(&w, "MULTI\n", "+OK|");
    EXPECT_REPLY(&w, large, "+QUEUED|");
    EXPECT_REPLY(&w, "EXEC\nSTRLEN k\n", "*1|+OK|:50000|");
    EXPECT_EQ(0, w.context.held_bytes);
    teardown(&w);
}

/* What is watched is bounded in bytes, too. */
static void test_long_watches(void)
{
    struct world w;
    struct buf text = {0};
    setup(&w, false);
    for (size_t i = 0; i < ((size_t)16 << 20) / LONG_KEY; i++) {
        buf_printf(&text, "*2\r\n$5\r\nWATCH\r\n$%zu\r\n", LONG_KEY);
        memset(buf_reserve(&text, LONG_KEY), 'k', LONG_KEY);
        buf_extend(&text, LONG_KEY);
        buf_append_text(&text, "\r\n");
    }
    feed(&w, (const char *)text.data, text.size);
    (void)sim_run(NULL, 50);
    take_output(&w);
    EXPECT_EQ(5 * ((size_t)16 << 20) / LONG_KEY, w.got.size); /* +OK to each */
    EXPECT_REPLY(&w, "WATCH k\nUNWATCH\nWATCH k\n", "-ERR too many keys are watched|+OK|+OK|");
    buf_deinit(&text);
    teardown(&w);
}

struct end_of_turn {
    struct world *world;
    struct loop_hook hook;
    unsigned held;   /* turns in which replies waited for others */
    unsigned writes; /* turns in which there was something to send */
};

static void on_end_of_turn(void *arg)
{
    struct end_of_turn *e = arg;
    struct world *w = e->world;
    if (w->told == 0) {
        return;
    }
    if (redis_is_awaiting(w->session)) {
        e->held++;
        w->told = 0;
        redis_turn_done(w->session);
        return;
    }
    e->writes += redis_out(w->session)->size > 0 ? 1 : 0;
    take_output(w);
}

/* Half of the keys live on another loop: replies of this one wait for theirs. */
static void test_two_loops(void)
{
    static const char text[] = "SET a 1\nSET b 2\nSET c 3\nSET d 4\nSET e 5\nSET f 6\nPING\n";
    struct world w;
    struct end_of_turn end = {.world = &w, .hook = {.call = on_end_of_turn, .arg = &end}};
    setup_loops(&w, true, 2);
    loop_each_turn(w.node.loops[0], &end.hook);
    struct chunk *chunk = chunk_new(sizeof(text) - 1);
    memcpy(chunk->bytes, text, sizeof(text) - 1);
    EXPECT_EQ(sizeof(text) - 1, redis_input(w.session, chunk, chunk->bytes, chunk->size));
    chunk_release(chunk);
    loop_again(w.node.loops[0]);
    (void)sim_run(NULL, 100);
    EXPECT(slice_equal(SLICE("+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+PONG\r\n"),
                       buf_slice(&w.got)));
    EXPECT(end.held > 0);
    EXPECT_EQ(1, end.writes);
    loop_hook_remove(&end.hook);
    teardown(&w);
}

static const struct test_case cases[] = {
    {"pipeline", test_pipeline},
    {"pieces", test_pieces},
    {"multi", test_multi},
    {"sets", test_sets_over_shards},
    {"scan", test_scan},
    {"tables", test_tables},
    {"protocol", test_protocol},
    {"sleep", test_sleep},
    {"slow log", test_slow_log},
    {"gone", test_gone},
    {"many", test_many},
    {"long_watches", test_long_watches},
    {"large_multi", test_large_multi},
    {"two loops", test_two_loops},
};

TEST_MAIN(cases)
