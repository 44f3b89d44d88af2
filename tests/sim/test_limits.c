/* Every named limit of a node is hit: what is beyond it is refused with the right word, nothing of
 * it has happened, and everybody is answered exactly once. */
#include "base/mem.h"
#include "harness.h"
#include "sim/scene.h"

static const struct node_config plain = {.loops = 2, .shards = 4, .memory_max = 64 << 20};

/* ---- Many calls at once ---- */

struct shot {
    struct call call;
    struct volley *volley;
    unsigned answers;
    enum err err;
};

struct volley {
    struct scene *scene;
    struct shot *shots;
    size_t count;
    size_t waiting;
    size_t errors[ERR_COUNT];
};

static struct volley volley_new(struct scene *s, size_t count)
{
    return (struct volley){
        .scene = s, .shots = mem_zero(count, sizeof(struct shot)), .count = count};
}

static void on_shot(struct call *c)
{
    struct shot *shot = c->arg;
    shot->answers++;
    shot->err = c->result.err;
    shot->volley->waiting--;
    shot->volley->errors[c->result.err]++;
}

static void fire(struct volley *v, size_t i, uint32_t loop, const struct op *op)
{
    struct shot *shot = &v->shots[i];
    shot->volley = v;
    shot->call.op = *op;
    shot->call.done = on_shot;
    shot->call.arg = shot;
    v->waiting++;
    router_call(v->scene->node.router[loop], &shot->call);
    loop_again(v->scene->node.loops[loop]); /* this is no event of the loop */
    EXPECT_EQ(0, shot->answers);            /* never before the call has returned */
}

/* All are answered, once. */
static void volley_end(struct volley *v)
{
    for (int ms = 0; ms < SCENE_WAIT_MS && v->waiting > 0; ms++) {
        scene_run(1);
    }
    EXPECT_EQ(0, v->waiting);
    for (size_t i = 0; i < v->count; i++) {
        EXPECT(v->shots[i].answers <= 1);
    }
}

static void volley_free(struct volley *v)
{
    mem_free(v->shots);
}

static struct op put_of(const struct scene *s, const char *table, const char *key)
{
    return (struct op){.kind = OP_PUT,
                       .table = scene_table(s, table),
                       .key = slice_of_text(key),
                       .value = SLICE("value")};
}

static struct op get_of(const struct scene *s, const char *table, const char *key)
{
    return (struct op){.kind = OP_GET, .table = scene_table(s, table), .key = slice_of_text(key)};
}

static void test_works_of_a_shard(void)
{
    struct scene s;
    char key[32];
    char other[32];
    const size_t more = 1000;
    scene_open(&s, 1, &plain);
    scene_key_in(&s, 1, "a", key, sizeof(key));
    scene_key_in(&s, 2, "b", other, sizeof(other));
    struct volley v = volley_new(&s, SHARD_WORKS_MAX + more + 2);
    const struct op put = put_of(&s, "kv", key);
    const struct op put_other = put_of(&s, "kv", other);
    const struct op get = get_of(&s, "kv", key);
    const uint32_t owner = shard_owner(s.node.shards, 2);
    for (size_t i = 0; i < SHARD_WORKS_MAX + more; i++) {
        fire(&v, i, owner, &put);
    }
    fire(&v, SHARD_WORKS_MAX + more, owner, &put_other); /* other shards have room */
    fire(&v, SHARD_WORKS_MAX + more + 1, owner, &get);   /* and who only reads needs none */
    volley_end(&v);
    EXPECT_EQ(more, v.errors[ERR_BUSY]);
    EXPECT_EQ(ERR_OK, v.shots[SHARD_WORKS_MAX - 1].err);
    EXPECT_EQ(ERR_BUSY, v.shots[SHARD_WORKS_MAX].err);
    EXPECT_EQ(ERR_OK, v.shots[SHARD_WORKS_MAX + more].err);
    EXPECT_EQ(ERR_NOT_FOUND, v.shots[SHARD_WORKS_MAX + more + 1].err);
    EXPECT_EQ(SHARD_WORKS_MAX, scene_call(&s, owner, &get).version); /* refused ones were not */
    EXPECT_EQ(ERR_OK, scene_put(&s, put.table, key, "room again"));
    volley_free(&v);
    scene_close(&s);
}

static void test_bytes_of_a_shard(void)
{
    struct scene s;
    char key[32];
    const size_t size = (1 << 20) - 100;
    const size_t count = SHARD_BYTES_MAX / size + 20;
    uint8_t *value = mem_zero(1, size);
    scene_open(&s, 2, &plain);
    scene_key_in(&s, 0, "large", key, sizeof(key));
    const struct standin_faults stalled = {.is_stalled = true};
    const struct standin_faults fine = {0};
    standin_set_faults(s.node.medium, &stalled);
    struct volley v = volley_new(&s, count);
    struct op put = put_of(&s, "kv", key);
    put.value = slice_of(value, size);
    for (size_t i = 0; i < count; i++) {
        fire(&v, i, 1, &put);
        scene_run(50); /* in the log, but the engine takes nothing */
    }
    EXPECT(v.errors[ERR_BUSY] > 0);
    EXPECT(v.waiting * size <= SHARD_BYTES_MAX + size);
    const size_t refused = v.errors[ERR_BUSY];
    standin_set_faults(s.node.medium, &fine);
    volley_end(&v);
    EXPECT_EQ(refused, v.errors[ERR_BUSY]);
    EXPECT_EQ(count, v.errors[ERR_OK] + refused);
    const struct op get = get_of(&s, "kv", key);
    EXPECT_EQ(v.errors[ERR_OK], scene_call(&s, 0, &get).version);
    EXPECT_EQ(ERR_OK, scene_put(&s, put.table, key, "room again"));
    volley_free(&v);
    mem_free(value);
    scene_close(&s);
}

/* The same for what waits to be ordered, whatever form the bytes have. */
static void run_bytes_of_a_turn(const struct op *op, size_t bytes)
{
    struct scene s;
    const size_t fit = (SHARD_BYTES_MAX + bytes - 1) / bytes;
    const size_t more = 20;
    scene_open(&s, 2, &plain);
    struct volley v = volley_new(&s, fit + more);
    const uint32_t owner = shard_owner(s.node.shards, 1);
    for (size_t i = 0; i < fit + more; i++) {
        fire(&v, i, owner, op);
    }
    volley_end(&v);
    EXPECT_EQ(fit, v.errors[ERR_OK]);
    EXPECT_EQ(more, v.errors[ERR_BUSY]);
    EXPECT_EQ(ERR_OK, v.shots[fit - 1].err);
    const struct op get = {.kind = OP_GET, .table = op->table, .key = op->key};
    EXPECT_EQ(fit, scene_call(&s, owner, &get).version);
    EXPECT_EQ(ERR_OK, scene_call(&s, owner, op).err); /* room again */
    volley_free(&v);
    scene_close(&s);
}

static void test_bytes_of_a_turn(void)
{
    struct scene s;
    char key[32];
    const size_t size = (1 << 20) - 100;
    uint8_t *value = mem_zero(1, size);
    scene_open(&s, 2, &plain);
    scene_key_in(&s, 0, "large", key, sizeof(key));
    struct op put = put_of(&s, "kv", key);
    scene_close(&s);
    put.value = slice_of(value, size);
    run_bytes_of_a_turn(&put, size + put.key.size);
    const struct op parts[] = {put, {.kind = OP_STAT, .table = put.table, .key = put.key}};
    const struct compare compare = {.target = COMPARE_VALUE,
                                    .relation = COMPARE_NOT_EQUAL,
                                    .table = put.table,
                                    .key = put.key,
                                    .value = slice_of(value, size / 2)};
    const struct op txn = {.kind = OP_TXN,
                           .table = put.table,
                           .key = put.key,
                           .compares = &compare,
                           .compare_count = 1,
                           .ops = parts,
                           .op_count = 2};
    run_bytes_of_a_turn(&txn, size + size / 2 + 4 * put.key.size);
    mem_free(value);
}

/* Large answers of one batch: it is applied in parts, and everybody is answered at his place. */
static void test_bytes_of_a_batch(void)
{
    struct scene s;
    char key[32];
    char other[32];
    const size_t size = (1 << 20) - 100;
    const size_t count = 3 * SHARD_APPLY_BYTES_MAX / size;
    uint8_t *value = mem_zero(1, size);
    struct call_order order = {0};
    scene_open(&s, 2, &plain);
    scene_key_in(&s, 1, "large", key, sizeof(key));
    scene_key_in(&s, 1, "small", other, sizeof(other));
    struct op put = put_of(&s, "kv", key);
    put.value = slice_of(value, size);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &put).err);
    const struct op add = {
        .kind = OP_ADD, .table = put.table, .key = slice_of_text(other), .number = 1};
    const struct op get = get_of(&s, "kv", key);
    const uint32_t owner = shard_owner(s.node.shards, 2);
    const struct shard_stats *stats = shard_host_stats(s.node.hosts[owner]);
    const uint64_t before = histogram_count(&stats->apply_us);
    struct volley v = volley_new(&s, 2 * count);
    for (size_t i = 0; i < count; i++) {
        v.shots[2 * i].call.order = &order;
        fire(&v, 2 * i, owner, &add);
        v.shots[2 * i + 1].call.order = &order;
        fire(&v, 2 * i + 1, owner, &get);
    }
    volley_end(&v);
    EXPECT_EQ(2 * count, v.errors[ERR_OK]);
    EXPECT_EQ((int64_t)count + 1, scene_call(&s, owner, &add).number);
    EXPECT(histogram_count(&stats->apply_us) - before >= 3 + 1);
    volley_free(&v);
    mem_free(value);
    scene_close(&s);
}

static void test_calls_on_other_loops(void)
{
    struct scene s;
    char key[32];
    const size_t most = 262144; /* ROUTER_REMOTE_MAX */
    scene_open(&s, 3, &plain);
    scene_key_in(&s, 0, "far", key, sizeof(key)); /* group 1, of loop 1 */
    EXPECT_EQ(1, shard_owner(s.node.shards, 1));
    struct volley v = volley_new(&s, most + 10);
    struct op add = {
        .kind = OP_ADD, .table = scene_table(&s, "cache"), .key = slice_of_text(key), .number = 1};
    for (size_t i = 0; i < most + 10; i++) {
        fire(&v, i, 0, &add);
    }
    volley_end(&v);
    EXPECT_EQ(10, v.errors[ERR_BUSY]);
    EXPECT_EQ(most, v.errors[ERR_OK]);
    EXPECT_EQ(most + 1, scene_call(&s, 1, &add).number);
    volley_free(&v);
    scene_close(&s);
}

static void test_reads_that_wait(void)
{
    struct scene s;
    char key[32];
    const size_t more = 100;
    scene_open(&s, 4, &plain);
    scene_key_in(&s, 0, "cold", key, sizeof(key));
    EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, "kv"), key, "value"));
    const struct standin_faults cold = {.wait_permille = 1000};
    standin_set_faults(s.node.medium, &cold);
    struct volley v = volley_new(&s, SHARD_READS_MAX + more);
    const struct op get = get_of(&s, "kv", key);
    for (size_t i = 0; i < SHARD_READS_MAX + more; i++) {
        fire(&v, i, 0, &get);
    }
    volley_end(&v);
    EXPECT_EQ(more, v.errors[ERR_BUSY]);
    EXPECT_EQ(SHARD_READS_MAX, v.errors[ERR_OK]);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &get).err);
    volley_free(&v);
    scene_close(&s);
}

/* What has gathered for memory tables is carried out between two connections of a turn. */
static void test_gathered_works(void)
{
    struct scene s;
    char key[32];
    scene_open(&s, 5, &plain);
    scene_key_in(&s, 1, "near", key, sizeof(key)); /* group 2, of loop 0 */
    struct volley v = volley_new(&s, SHARD_GATHER_MAX);
    const struct op put = put_of(&s, "cache", key);
    for (size_t i = 0; i < SHARD_GATHER_MAX - 1; i++) {
        fire(&v, i, 0, &put);
    }
    router_relieve(s.node.router[0]);
    EXPECT_EQ(SHARD_GATHER_MAX - 1, v.waiting);
    fire(&v, SHARD_GATHER_MAX - 1, 0, &put);
    router_relieve(s.node.router[0]);
    EXPECT_EQ(0, v.waiting);
    EXPECT_EQ(SHARD_GATHER_MAX, v.errors[ERR_OK]);
    volley_end(&v);
    volley_free(&v);
    scene_close(&s);
}

static void test_sizes(void)
{
    struct scene s;
    scene_open(&s, 6, &plain);
    const size_t size = 2 << 20;
    uint8_t *bytes = mem_zero(1, size);
    struct op put = put_of(&s, "kv", "k");
    put.key = slice_of(bytes, KEY_MAX + 1);
    EXPECT_EQ(ERR_TOO_LARGE, scene_call(&s, 0, &put).err);
    put.key = slice_of(bytes, KEY_MAX);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &put).err);
    put.key = SLICE("k");
    put.value = slice_of(bytes, (1 << 20) + 1);
    EXPECT_EQ(ERR_TOO_LARGE, scene_call(&s, 0, &put).err);
    put.value = slice_of(bytes, 1 << 20);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &put).err);
    struct op parts[40]; /* together more than an entry of the journal */
    for (size_t i = 0; i < 40; i++) {
        parts[i] = put;
        parts[i].key = SLICE("of a txn{k}");
    }
    const struct op large = {
        .kind = OP_TXN, .table = put.table, .key = parts[0].key, .ops = parts, .op_count = 40};
    EXPECT_EQ(ERR_TOO_LARGE, scene_call(&s, 0, &large).err);
    EXPECT(scene_lacks(&s, put.table, "of a txn{k}"));
    mem_free(bytes);
    scene_close(&s);
}

/* ---- Deadlines and cancellation ---- */

static void run_late(const char *table, uint32_t loop)
{
    struct scene s;
    scene_open(&s, 7, &plain);
    struct volley v = volley_new(&s, 4 * plain.shards);
    for (uint32_t shard = 0; shard < plain.shards; shard++) {
        char key[32];
        scene_key_in(&s, shard, "late", key, sizeof(key));
        const uint32_t id = scene_table(&s, table);
        EXPECT_EQ(ERR_OK, scene_put(&s, id, key, "before"));
        const struct op put = put_of(&s, table, key);
        const struct op get = get_of(&s, table, key);
        const size_t at = (size_t)shard * 4;
        v.shots[at].call.deadline_ns = 1;
        fire(&v, at, loop, &put);
        v.shots[at + 1].call.deadline_ns = 1;
        fire(&v, at + 1, loop, &get);
        volley_end(&v);
        EXPECT_EQ(ERR_TIMEOUT, v.shots[at].err);
        EXPECT_EQ(ERR_TIMEOUT, v.shots[at + 1].err);
        EXPECT(scene_has(&s, id, key, "before"));
        v.shots[at + 2].call.deadline_ns = sim_now_ns() + 1000000000;
        fire(&v, at + 2, loop, &put);
        v.shots[at + 3].call.deadline_ns = sim_now_ns() + 1000000000;
        fire(&v, at + 3, loop, &get);
        volley_end(&v);
        EXPECT_EQ(ERR_OK, v.shots[at + 2].err);
        EXPECT_EQ(ERR_OK, v.shots[at + 3].err);
    }
    volley_free(&v);
    scene_close(&s);
}

static void test_deadline(void)
{
    for (uint32_t loop = 0; loop < plain.loops; loop++) {
        run_late("kv", loop);
        run_late("cache", loop);
    }
}

static void run_cancel(const char *table)
{
    struct scene s;
    scene_open(&s, 8, &plain);
    struct volley v = volley_new(&s, 2 * plain.shards);
    for (uint32_t shard = 0; shard < plain.shards; shard++) {
        char key[32];
        scene_key_in(&s, shard, "unwanted", key, sizeof(key));
        const uint32_t id = scene_table(&s, table);
        EXPECT_EQ(ERR_OK, scene_put(&s, id, key, "before"));
        const struct op put = put_of(&s, table, key);
        const struct op get = get_of(&s, table, key);
        const bool is_own = shard_owner(s.node.shards, shard + 1) == 0;
        const size_t at = (size_t)shard * 2;
        fire(&v, at, 0, &put);
        router_cancel(s.node.router[0], &v.shots[at].call);
        fire(&v, at + 1, 0, &get);
        router_cancel(s.node.router[0], &v.shots[at + 1].call);
        volley_end(&v);
        EXPECT_EQ(is_own ? ERR_CANCELED : ERR_OK, v.shots[at].err);
        EXPECT_EQ(is_own ? ERR_CANCELED : ERR_OK, v.shots[at + 1].err);
        EXPECT(scene_has(&s, id, key, is_own ? "before" : "value"));
    }
    volley_free(&v);
    scene_close(&s);
}

/* What was ordered happens; the answer says so. */
static void test_cancel(void)
{
    struct scene s;
    char key[32];
    run_cancel("kv");
    run_cancel("cache");
    scene_open(&s, 9, &plain);
    scene_key_in(&s, 1, "too late", key, sizeof(key));
    struct volley v = volley_new(&s, 1);
    const struct op put = put_of(&s, "kv", key);
    fire(&v, 0, 0, &put);
    const uint64_t calls = sim_file_calls();
    while (sim_file_calls() == calls) { /* until it is being written */
        EXPECT(sim_step());
    }
    router_cancel(s.node.router[0], &v.shots[0].call);
    volley_end(&v);
    EXPECT_EQ(ERR_OK, v.shots[0].err);
    EXPECT(scene_has(&s, put.table, key, "value"));
    volley_free(&v);
    scene_close(&s);
}

/* ---- Places ---- */

struct places {
    struct scene scene;
    char here[32];
    char near[32]; /* in the same shard */
    char far[32];
    uint32_t kv;
    uint32_t cache;
};

static void places_open(struct places *p)
{
    scene_open(&p->scene, 10, &plain);
    scene_key_in(&p->scene, 1, "here", p->here, sizeof(p->here));
    scene_key_in(&p->scene, 1, "near", p->near, sizeof(p->near));
    scene_key_in(&p->scene, 2, "far", p->far, sizeof(p->far));
    p->kv = scene_table(&p->scene, "kv");
    p->cache = scene_table(&p->scene, "cache");
}

/* The second key of `op` is elsewhere: refused from every loop; near: not refused for its place. */
static void expect_place(struct places *p, struct op *op, struct slice *second)
{
    for (uint32_t loop = 0; loop < plain.loops; loop++) {
        *second = slice_of_text(p->far);
        EXPECT_EQ(ERR_CROSS_SHARD, scene_call(&p->scene, loop, op).err);
        *second = slice_of_text(p->near);
        EXPECT(scene_call(&p->scene, loop, op).err != ERR_CROSS_SHARD);
    }
}

static void test_other_shards(void)
{
    struct places p;
    places_open(&p);
    const uint32_t tables[] = {p.kv, p.cache};
    for (size_t t = 0; t < 2; t++) {
        struct op op = {.kind = OP_COPY,
                        .table = tables[t],
                        .key = slice_of_text(p.here),
                        .other_table = tables[t]};
        expect_place(&p, &op, &op.other);
        op.kind = OP_RENAME;
        expect_place(&p, &op, &op.other);
        op.kind = OP_SET_MOVE;
        op.value = SLICE("member");
        expect_place(&p, &op, &op.other);
        struct slice items[3] = {slice_of_text(p.here), slice_of_text(p.near)};
        struct op many = {
            .table = tables[t], .key = slice_of_text(p.here), .items = items, .item_count = 3};
        const enum op_kind kinds[] = {OP_BIT_OP, OP_SET_COMBINE, OP_SET_STORE};
        for (size_t k = 0; k < 3; k++) {
            many.kind = (uint8_t)kinds[k];
            expect_place(&p, &many, &items[2]);
            expect_place(&p, &many, &items[0]);
            items[0] = slice_of_text(p.here);
        }
    }
    scene_close(&p.scene);
}

static void test_other_shards_in_txn(void)
{
    struct places p;
    places_open(&p);
    struct compare compares[2] = {
        {.target = COMPARE_EXISTS, .table = p.kv, .key = slice_of_text(p.here)},
        {.target = COMPARE_EXISTS, .table = p.kv, .key = slice_of_text(p.near)}};
    struct op then[2] = {put_of(&p.scene, "kv", p.here), put_of(&p.scene, "kv", p.near)};
    struct op otherwise[2] = {get_of(&p.scene, "kv", p.here), get_of(&p.scene, "kv", p.near)};
    struct op txn = {.kind = OP_TXN,
                     .table = p.kv,
                     .key = slice_of_text(p.here),
                     .compares = compares,
                     .compare_count = 2,
                     .ops = then,
                     .op_count = 2,
                     .else_ops = otherwise,
                     .else_op_count = 2};
    expect_place(&p, &txn, &compares[1].key);
    expect_place(&p, &txn, &then[1].key);
    expect_place(&p, &txn, &otherwise[1].key);
    then[1].kind = OP_COPY;
    then[1].other_table = p.kv;
    expect_place(&p, &txn, &then[1].other);
    /* Memory and disk do not mix, wherever they are. */
    then[1].other_table = p.cache;
    EXPECT_EQ(ERR_CROSS_SHARD, scene_call(&p.scene, 0, &txn).err);
    then[1] = put_of(&p.scene, "cache", p.near);
    EXPECT_EQ(ERR_CROSS_SHARD, scene_call(&p.scene, 0, &txn).err);
    then[1] = put_of(&p.scene, "counters", p.near);
    EXPECT_EQ(ERR_OK, scene_call(&p.scene, 0, &txn).err);
    compares[1].table = p.cache;
    EXPECT_EQ(ERR_CROSS_SHARD, scene_call(&p.scene, 0, &txn).err);
    compares[1].table = 9999;
    EXPECT_EQ(ERR_NOT_FOUND, scene_call(&p.scene, 0, &txn).err);
    compares[1].table = p.kv;
    then[1].table = 9999;
    EXPECT_EQ(ERR_NOT_FOUND, scene_call(&p.scene, 0, &txn).err);
    scene_close(&p.scene);
}

/* A table that lies in one place lies there whole, and others do not lie there for that. */
static void test_tables_in_one_place(void)
{
    struct places p;
    places_open(&p);
    const struct table_options options = {.partition = PARTITION_TABLE};
    EXPECT_EQ(ERR_OK, scene_change(&p.scene, 0, TABLE_CREATE, "whole", options));
    const struct table *t = router_table(p.scene.node.router[0], SLICE("whole"));
    const uint32_t shard = router_shard_of(p.scene.node.router[0], t, SLICE("any"));
    EXPECT_EQ(shard, t->shard);
    char there[32];
    char elsewhere[32];
    scene_key_in(&p.scene, shard, "there", there, sizeof(there));
    scene_key_in(&p.scene, (shard + 1) % plain.shards, "elsewhere", elsewhere, sizeof(elsewhere));
    struct op parts[3] = {put_of(&p.scene, "whole", p.here), put_of(&p.scene, "whole", p.far),
                          put_of(&p.scene, "kv", there)};
    struct op txn = {.kind = OP_TXN, .table = t->id, .ops = parts, .op_count = 3};
    EXPECT_EQ(ERR_OK, scene_call(&p.scene, 1, &txn).err);
    parts[2].key = slice_of_text(elsewhere);
    EXPECT_EQ(ERR_CROSS_SHARD, scene_call(&p.scene, 1, &txn).err);
    EXPECT(scene_lacks(&p.scene, p.kv, elsewhere));
    scene_close(&p.scene);
}

static void test_before_it_is_ready(void)
{
    struct scene s;
    struct err_why why = {0};
    scene_open(&s, 11, &plain);
    const struct op put = put_of(&s, "kv", "k");
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &put).err);
    node_stop(&s.node);
    EXPECT(node_start(&s.node, &why));
    EXPECT_EQ(ERR_STARTING, router_is_ready(s.node.router[1]));
    struct volley v = volley_new(&s, 1);
    fire(&v, 0, 1, &put);
    volley_end(&v);
    EXPECT_EQ(ERR_STARTING, v.shots[0].err);
    EXPECT(node_run_ready(&s.node));
    EXPECT_EQ(ERR_OK, router_is_ready(s.node.router[1]));
    EXPECT_EQ(ERR_OK, scene_call(&s, 1, &put).err);
    volley_free(&v);
    scene_close(&s);
}

/* ---- The disk ---- */

static void test_nearly_full_disk(void)
{
    struct scene s;
    const struct node_config config = {
        .loops = 2, .shards = 3, .memory_max = 16 << 20, .reserve_bytes = 512 << 10};
    scene_open(&s, 12, &config);
    const uint32_t kv = scene_table(&s, "kv");
    char value[2000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    EXPECT_EQ(ERR_OK, scene_put(&s, kv, "kept", value));
    EXPECT_EQ(ERR_OK, scene_put(&s, kv, "deleted", value));
    for (int round = 0; round < 3; round++) {
        sim_disk_bytes(768 << 10);
        enum err e = ERR_OK;
        for (int i = 0; i < 1000 && e == ERR_OK; i++) {
            e = scene_put(&s, kv, "grows", value);
        }
        EXPECT_EQ(ERR_NO_SPACE, e);
        EXPECT(scene_has(&s, kv, "kept", value));
        EXPECT_EQ(ERR_OK, scene_delete(&s, kv, "deleted"));
        EXPECT(scene_lacks(&s, kv, "deleted"));
        EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, "cache"), "memory", "has room"));
        EXPECT_EQ(ERR_NOT_FOUND, scene_delete(&s, kv, "deleted"));
        sim_disk_bytes(64 << 20);
        scene_run(3000);
        EXPECT_EQ(ERR_OK, scene_put(&s, kv, "grows", value));
        EXPECT_EQ(ERR_OK, scene_put(&s, kv, "deleted", value));
        EXPECT(!s.node.has_failed);
    }
    scene_restart(&s);
    EXPECT(scene_has(&s, kv, "kept", value));
    EXPECT(scene_has(&s, kv, "deleted", value));
    scene_close(&s);
}

/* A journal without any room holds up the writes behind it; the loops sleep meanwhile. */
static void test_full_journal(void)
{
    struct scene s;
    scene_open(&s, 30, &plain);
    const uint32_t kv = scene_table(&s, "kv");
    struct volley v = volley_new(&s, 4000);
    struct op put = put_of(&s, "kv", "key");
    char value[5000];
    memset(value, 'x', sizeof(value));
    put.value = slice_of(value, sizeof(value));
    sim_disk_bytes(1);
    size_t fired = 0;
    while (fired < v.count && v.errors[ERR_NO_SPACE] == 0) {
        fire(&v, fired, (uint32_t)fired % 2, &put);
        fired++;
        scene_run(fired % 50 == 0 ? 5 : 0);
    }
    const struct op no_growth = {.kind = OP_DELETE, .table = kv, .key = SLICE("key")};
    for (size_t i = 0; i < 900 && fired < v.count; i++) {
        fire(&v, fired++, 0, &no_growth);
        scene_run(i % 300 == 0 ? 300 : 0);
    }
    EXPECT(fired < v.count);
    const size_t late = fired; /* when it can be ordered nobody waits for it any more */
    v.shots[late].call.deadline_ns = sim_now_ns() + UINT64_C(100000000);
    fire(&v, late, 0, &no_growth);
    size_t events = 0;
    const uint64_t end_ns = sim_now_ns() + UINT64_C(1000000000);
    while (sim_now_ns() < end_ns && sim_step()) {
        events++;
    }
    EXPECT(events < 2000);
    sim_disk_bytes(0);
    volley_end(&v);
    EXPECT_EQ(ERR_TIMEOUT, v.shots[late].err);
    scene_run(1000);
    EXPECT_EQ(ERR_OK, scene_put(&s, kv, "key", "room again"));
    volley_free(&v);
    scene_close(&s);
}

#define FAIL_WRITES 24

/* The call number `call` from now fails while many writes are under way. Returns true if the node
 * has stopped for it. */
static bool run_failing_call(uint64_t call, enum err err, bool is_lasting)
{
    struct scene s;
    char keys[FAIL_WRITES][16];
    scene_open(&s, 13 + call, &plain);
    struct volley v = volley_new(&s, FAIL_WRITES);
    sim_file_fail(sim_file_calls() + call, err, is_lasting);
    for (size_t i = 0; i < FAIL_WRITES; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "key %zu", i);
        const struct op put = put_of(&s, "kv", keys[i]);
        fire(&v, i, i % 2, &put);
        if (i % 3 == 0) {
            scene_run(1);
        }
    }
    for (int ms = 0; ms < 2000 && v.waiting > 0; ms++) {
        scene_run(1);
    }
    const size_t answered = v.errors[ERR_OK];
    scene_run(2000);
    const bool has_failed = s.node.has_failed;
    EXPECT_EQ(has_failed ? 1 : 0, s.node.failures);
    EXPECT_EQ(answered, v.errors[ERR_OK]); /* nothing is acknowledged any more */
    EXPECT(has_failed || v.waiting == 0);
    EXPECT_EQ(FAIL_WRITES, v.waiting + v.errors[ERR_OK] + v.errors[ERR_NO_SPACE]);
    sim_file_fail(UINT64_MAX, ERR_OK, false);
    scene_die(&s);
    EXPECT(scene_start(&s));
    const uint32_t kv = scene_table(&s, "kv");
    for (size_t i = 0; i < FAIL_WRITES; i++) {
        EXPECT(v.shots[i].answers == 0 || v.shots[i].err != ERR_OK ||
               scene_has(&s, kv, keys[i], "value"));
    }
    volley_free(&v);
    scene_close(&s);
    return has_failed;
}

static void test_failing_calls(void)
{
    unsigned failures = 0;
    for (uint64_t call = 1; call <= 30; call++) {
        failures += run_failing_call(call, ERR_IO, false) ? 1 : 0;
        failures += run_failing_call(call, ERR_IO, true) ? 1 : 0;
        failures += run_failing_call(call, ERR_NO_SPACE, false) ? 1 : 0;
    }
    EXPECT(failures > 30);
}

static const struct test_case cases[] = {
    {"works_of_a_shard", test_works_of_a_shard},
    {"bytes_of_a_shard", test_bytes_of_a_shard},
    {"bytes_of_a_turn", test_bytes_of_a_turn},
    {"bytes_of_a_batch", test_bytes_of_a_batch},
    {"calls_on_other_loops", test_calls_on_other_loops},
    {"reads_that_wait", test_reads_that_wait},
    {"gathered_works", test_gathered_works},
    {"sizes", test_sizes},
    {"deadline", test_deadline},
    {"cancel", test_cancel},
    {"other_shards", test_other_shards},
    {"other_shards_in_txn", test_other_shards_in_txn},
    {"tables_in_one_place", test_tables_in_one_place},
    {"before_it_is_ready", test_before_it_is_ready},
    {"nearly_full_disk", test_nearly_full_disk},
    {"full_journal", test_full_journal},
    {"failing_calls", test_failing_calls},
};

TEST_MAIN(cases)
