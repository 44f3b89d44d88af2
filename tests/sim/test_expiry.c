/* Keys that go by themselves: expiry over restarts, crashes and clocks that jump; eviction.
 *
 * HOLDFAST_SEED=n runs one seed of the tests that have many. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sim/scene.h"

#define HOUR_MS 3600000

static const struct node_config plain = {.loops = 2, .shards = 4, .memory_max = 64 << 20};

static uint64_t now_ms(const struct scene *s)
{
    return router_now_ms(s->node.router[0]);
}

/* `expiry_ms` 0: never. */
static void put_until(struct scene *s, uint32_t table, const char *key, uint64_t expiry_ms)
{
    const struct op op = {.kind = OP_PUT,
                          .table = table,
                          .key = slice_of_text(key),
                          .value = SLICE("value"),
                          .flags = OP_SET_EXPIRY,
                          .expiry_ms = expiry_ms};
    EXPECT_EQ(ERR_OK, scene_call(s, 0, &op).err);
}

static void put_for(struct scene *s, uint32_t table, const char *key, uint64_t ttl_ms)
{
    put_until(s, table, key, now_ms(s) + ttl_ms);
}

/* `expiry_ms` 0: PERSIST. */
static void expire_at(struct scene *s, uint32_t table, const char *key, uint64_t expiry_ms)
{
    const struct op op = {.kind = OP_EXPIRE,
                          .table = table,
                          .key = slice_of_text(key),
                          .flags = OP_SET_EXPIRY,
                          .expiry_ms = expiry_ms};
    const struct result result = scene_call(s, 0, &op);
    EXPECT_EQ(ERR_OK, result.err);
    EXPECT_EQ(1, result.count);
}

static void power_cut(struct scene *s)
{
    sim_power_cut(0);
    scene_die(s);
    sim_power_cut(UINT64_MAX);
    EXPECT(scene_start(s));
}

/* ---- Expiry ---- */

static void test_gone_for_good(void)
{
    struct scene s;
    scene_open(&s, 1, &plain);
    const char *names[] = {"kv", "cache"};
    for (size_t i = 0; i < 2; i++) {
        const uint32_t id = scene_table(&s, names[i]);
        put_for(&s, id, "short", 1000);
        scene_run(800);
        EXPECT(scene_has(&s, id, "short", "value"));
        scene_run(400);
        EXPECT(scene_lacks(&s, id, "short"));
        sim_wall_jump(-HOUR_MS);
        for (int k = 0; k < 50; k++) {
            EXPECT(scene_lacks(&s, id, "short"));
            scene_run(300);
        }
        EXPECT_EQ(ERR_OK, scene_put(&s, id, "short", "another"));
        EXPECT(scene_has(&s, id, "short", "another"));
    }
    scene_close(&s);
}

/* The wall clock was set back while the node was down, or its entries are read again. */
static void test_gone_after_a_restart(void)
{
    struct scene s;
    scene_open(&s, 2, &plain);
    const uint32_t id = scene_table(&s, "kv");
    for (int round = 0; round < 6; round++) {
        put_for(&s, id, "short", 1000);
        scene_run(1500); /* time is slewed */
        EXPECT(scene_lacks(&s, id, "short"));
        EXPECT_EQ(ERR_OK, scene_put(&s, id, "mark", "a stamp that is stored"));
        sim_wall_jump(-HOUR_MS);
        if (round % 2 == 0) {
            scene_restart(&s);
        } else {
            power_cut(&s);
        }
        EXPECT(scene_lacks(&s, id, "short"));
        EXPECT(scene_has(&s, id, "mark", "a stamp that is stored"));
    }
    scene_close(&s);
}

/* Time goes on although the stored stamps are far ahead of the wall clock. */
static void test_time_goes_on(void)
{
    struct scene s;
    scene_open(&s, 3, &plain);
    const uint32_t id = scene_table(&s, "kv");
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(ERR_OK, scene_put(&s, id, "mark", "a stamp that is stored"));
        sim_wall_jump(-HOUR_MS);
        scene_restart(&s);
        const uint64_t began_ms = now_ms(&s);
        put_for(&s, id, "short", 10000);
        scene_run(13000);
        EXPECT(now_ms(&s) >= began_ms + 10000);
        EXPECT(now_ms(&s) <= began_ms + 14500);
        EXPECT(scene_lacks(&s, id, "short"));
    }
    scene_close(&s);
}

/* A jump of the wall clock makes time at most a tenth quicker or slower. */
static void run_jump(int64_t by_ms)
{
    struct scene s;
    scene_open(&s, 4, &plain);
    const uint32_t id = scene_table(&s, "kv");
    put_for(&s, id, "ten seconds", 10000);
    sim_wall_jump(by_ms);
    scene_run(8800);
    EXPECT(scene_has(&s, id, "ten seconds", "value"));
    scene_run(2600);
    EXPECT(scene_lacks(&s, id, "ten seconds"));
    const uint64_t wall_ms = loop_wall_ms(s.node.loops[0]);
    const uint64_t apart_ms = now_ms(&s) > wall_ms ? now_ms(&s) - wall_ms : wall_ms - now_ms(&s);
    scene_run(20000);
    const uint64_t later_ms = loop_wall_ms(s.node.loops[0]);
    const uint64_t less_ms = now_ms(&s) > later_ms ? now_ms(&s) - later_ms : later_ms - now_ms(&s);
    EXPECT(less_ms <= 300 || less_ms + 1500 <= apart_ms); /* on its way back */
    scene_close(&s);
}

static void test_jumps(void)
{
    run_jump(0);
    run_jump(HOUR_MS);
    run_jump(-HOUR_MS);
    run_jump(5000);
    run_jump(-5000);
}

/* ---- What was changed before it expired ---- */

enum fate {
    FATE_EXPIRES,
    FATE_PERSISTS, /* PERSIST in time */
    FATE_LENGTHENED,
    FATE_SHORTENED, /* was to stay */
    FATE_REPLACED,  /* by a value that stays */
    FATE_KEPT_TTL,  /* by one that keeps the expiry */
    FATE_COUNT
};

#define FATE_KEYS 30
#define FATE_MS   20000

struct fates {
    struct scene scene;
    struct random random;
    uint32_t table;
    uint64_t began_ms;
};

static void fate_key(int i, char *out, size_t size)
{
    (void)snprintf(out, size, "key %d", i);
}

static void fate_begin(struct fates *f, int i)
{
    char key[16];
    fate_key(i, key, sizeof(key));
    const enum fate fate = (enum fate)(i % FATE_COUNT);
    put_until(&f->scene, f->table, key, fate == FATE_SHORTENED ? 0 : f->began_ms + FATE_MS);
}

static void fate_change(struct fates *f, int i)
{
    char key[16];
    fate_key(i, key, sizeof(key));
    struct op keep = {.kind = OP_PUT,
                      .table = f->table,
                      .key = slice_of_text(key),
                      .value = SLICE("value"),
                      .flags = OP_KEEP_TTL};
    switch ((enum fate)(i % FATE_COUNT)) {
    case FATE_EXPIRES:
    case FATE_COUNT:
        return;
    case FATE_PERSISTS:
        expire_at(&f->scene, f->table, key, 0);
        return;
    case FATE_LENGTHENED:
        expire_at(&f->scene, f->table, key, f->began_ms + HOUR_MS);
        return;
    case FATE_SHORTENED:
        expire_at(&f->scene, f->table, key, f->began_ms + FATE_MS);
        return;
    case FATE_REPLACED:
        put_until(&f->scene, f->table, key, 0);
        return;
    case FATE_KEPT_TTL:
        EXPECT_EQ(ERR_OK, scene_call(&f->scene, 0, &keep).err);
        return;
    }
}

static void fate_check(struct fates *f, int i, bool is_over)
{
    char key[16];
    fate_key(i, key, sizeof(key));
    const enum fate fate = (enum fate)(i % FATE_COUNT);
    const bool goes = fate == FATE_EXPIRES || fate == FATE_SHORTENED || fate == FATE_KEPT_TTL;
    EXPECT(goes && is_over ? scene_lacks(&f->scene, f->table, key)
                           : scene_has(&f->scene, f->table, key, "value"));
}

static void maybe_crash(struct fates *f)
{
    if (random_below(&f->random, 3) == 0) {
        sim_wall_jump(-(int64_t)random_below(&f->random, 2) * 50);
        power_cut(&f->scene);
    }
}

static void run_fates(uint64_t seed)
{
    struct fates f = {.random = {seed}};
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 1 + (uint32_t)(seed % 4),
                                       .memory_max = 1 << 24};
    scene_open(&f.scene, seed, &config);
    const struct standin_faults faults = {
        .wait_permille = 100, .busy_permille = 20, .flush_permille = 100};
    standin_set_faults(f.scene.node.medium, &faults);
    f.table = scene_table(&f.scene, "kv");
    f.began_ms = now_ms(&f.scene);
    for (int i = 0; i < FATE_KEYS; i++) {
        fate_begin(&f, i);
    }
    maybe_crash(&f);
    for (int i = 0; i < FATE_KEYS; i++) {
        fate_check(&f, i, false);
        fate_change(&f, i);
    }
    maybe_crash(&f);
    if (now_ms(&f.scene) < f.began_ms + FATE_MS - 500) {
        for (int i = 0; i < FATE_KEYS; i++) {
            fate_check(&f, i, false);
        }
    }
    for (int step = 0; step < 5; step++) { /* before, while and after sweeps remove them */
        scene_run(random_below(&f.random, 8000));
        maybe_crash(&f);
    }
    while (now_ms(&f.scene) <= f.began_ms + FATE_MS) {
        scene_run(100);
    }
    for (int i = 0; i < FATE_KEYS; i++) {
        fate_check(&f, i, true);
    }
    power_cut(&f.scene);
    for (int i = 0; i < FATE_KEYS; i++) {
        fate_check(&f, i, true);
    }
    scene_close(&f.scene);
}

static void test_changed_in_time(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t last = one != NULL ? first : 100;
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        (void)fflush(stdout);
        run_fates(seed);
    }
}

/* ---- Sweeps ---- */

static void run_sweeps(const char *table, bool is_memory)
{
    struct scene s;
    scene_open(&s, 5, &plain);
    const uint32_t id = scene_table(&s, table);
    EXPECT_EQ(ERR_OK, scene_put(&s, id, "stays", "value")); /* makes the rows of counts */
    for (int i = 0; i < 40; i++) {
        char key[16];
        fate_key(i, key, sizeof(key));
        put_for(&s, id, key, 1);
    }
    put_until(&s, id, "stays", 0);
    scene_run(10000);
    const uint64_t rows = scene_rows(&s, is_memory);
    EXPECT_EQ(1, scene_count(&s, table));
    for (int i = 0; i < 3000; i++) {
        char key[16];
        fate_key(i, key, sizeof(key));
        put_for(&s, id, key, 500 + (uint64_t)i % 7 * 1000);
    }
    EXPECT(scene_rows(&s, is_memory) > rows);
    scene_run(15000); /* nobody reads */
    EXPECT_EQ(rows, scene_rows(&s, is_memory));
    EXPECT_EQ(1, scene_count(&s, table));
    EXPECT(scene_has(&s, id, "stays", "value"));
    scene_close(&s);
}

static void test_sweeps(void)
{
    run_sweeps("kv", false);
    run_sweeps("cache", true);
}

static void test_default_of_the_cache(void)
{
    struct scene s;
    scene_open(&s, 6, &plain);
    const uint32_t id = scene_table(&s, "cache");
    EXPECT_EQ(ERR_OK, scene_put(&s, id, "default", "value"));
    put_until(&s, id, "for ever", 0);
    put_for(&s, id, "longer", 8000);
    const struct op keep = {.kind = OP_PUT,
                            .table = id,
                            .key = SLICE("longer"),
                            .value = SLICE("value"),
                            .flags = OP_KEEP_TTL};
    const struct op append = {
        .kind = OP_APPEND, .table = id, .key = SLICE("appended"), .value = SLICE("x")};
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &keep).err);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &append).err);
    scene_run(4900);
    EXPECT_EQ(ERR_OK, scene_call(&s, 0, &append).err); /* keeps the expiry */
    EXPECT(scene_has(&s, id, "default", "value"));
    EXPECT(scene_has(&s, id, "appended", "xx"));
    scene_run(101);
    EXPECT(scene_lacks(&s, id, "default"));
    EXPECT(scene_lacks(&s, id, "appended"));
    EXPECT(scene_has(&s, id, "longer", "value"));
    scene_run(3100);
    EXPECT(scene_lacks(&s, id, "longer"));
    EXPECT(scene_has(&s, id, "for ever", "value"));
    scene_close(&s);
}

/* ---- Eviction ---- */

#define MEMORY_MAX ((uint64_t)6 << 20)
#define SLACK      ((uint64_t)3 << 20) /* one turn's growth, and what is not given back yet */

static const struct node_config small = {.loops = 2, .shards = 4, .memory_max = MEMORY_MAX};
static const struct table_options evicts = {.engine = TABLE_MEMORY, .evict = EVICT_LRU};
static const struct table_options keeps = {.engine = TABLE_MEMORY};

/* Puts `count` values of 1,000 bytes under keys from number `from` on; ends at the first error. */
static enum err fill(struct scene *s, uint32_t table, int from, int count)
{
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    for (int i = from; i < from + count; i++) {
        char key[16];
        fate_key(i, key, sizeof(key));
        const enum err e = scene_put(s, table, key, value);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static bool is_there(struct scene *s, uint32_t table, int i)
{
    char key[16];
    fate_key(i, key, sizeof(key));
    const struct op op = {.kind = OP_GET, .table = table, .key = slice_of_text(key)};
    return scene_call(s, 0, &op).err == ERR_OK;
}

static void test_least_recently_used_goes(void)
{
    struct scene s;
    scene_open(&s, 7, &small);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "evicts", evicts));
    const uint32_t id = scene_table(&s, "evicts");
    unsigned misses = 0;
    for (int i = 0; i < 30000; i++) {
        EXPECT_EQ(ERR_OK, fill(&s, id, i, 1));
        EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + SLACK);
        if (i % 10 == 0 && !is_there(&s, id, 0)) { /* used all the time */
            EXPECT_EQ(ERR_OK, fill(&s, id, 0, 1));
            misses++;
        }
    }
    EXPECT(misses < 20); /* at first everything counts as used; about 1,000 without LRU */
    EXPECT(scene_count(&s, "evicts") < 8000);
    EXPECT(scene_count(&s, "evicts") > 3000); /* no more than needed */
    EXPECT(is_there(&s, id, 29999));
    EXPECT(!is_there(&s, id, 1));
    scene_close(&s);
}

/* Even when everything was used a moment ago something goes. */
static void test_all_in_use(void)
{
    struct scene s;
    scene_open(&s, 8, &small);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "evicts", evicts));
    const uint32_t id = scene_table(&s, "evicts");
    int next = 0;
    while (shard_memory_bytes(s.node.shards) < MEMORY_MAX - 10000) {
        EXPECT_EQ(ERR_OK, fill(&s, id, next++, 1));
    }
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < next; i++) {
            (void)is_there(&s, id, i);
        }
        for (int i = 0; i < 40; i++) {
            EXPECT_EQ(ERR_OK, fill(&s, id, next++, 1));
        }
    }
    EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + SLACK);
    scene_close(&s);
}

/* Without LRU growth is refused, and everything else goes on. */
static void test_full_memory(void)
{
    struct scene s;
    scene_open(&s, 9, &small);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "keeps", keeps));
    const uint32_t id = scene_table(&s, "keeps");
    const uint32_t cache = scene_table(&s, "cache");
    EXPECT_EQ(ERR_OK, fill(&s, cache, 0, 1000));
    EXPECT_EQ(ERR_NO_SPACE, fill(&s, id, 0, 100000));
    EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + SLACK);
    EXPECT(scene_count(&s, "cache") < 1000); /* went first */
    const uint64_t count = scene_count(&s, "keeps");
    EXPECT(count > 3000);
    for (int i = 0; i < 100; i++) {
        EXPECT(is_there(&s, id, i));
    }
    EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, "kv"), "disk", "has room"));
    for (int i = 0; i < 300; i++) {
        char key[16];
        fate_key(i, key, sizeof(key));
        EXPECT_EQ(ERR_OK, scene_delete(&s, id, key));
    }
    scene_run(1000);
    EXPECT_EQ(ERR_OK, fill(&s, id, 0, 150));
    EXPECT_EQ(count - 150, scene_count(&s, "keeps"));
    scene_close(&s);
}

/* Any number of tables may evict. */
static void test_many_tables_evict(void)
{
    struct scene s;
    scene_open(&s, 10, &small);
    for (int i = 0; i < 150; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "evicts-%d", i);
        EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, name, evicts));
    }
    EXPECT_EQ(ERR_OK, fill(&s, scene_table(&s, "evicts-149"), 0, 10000));
    EXPECT_EQ(ERR_OK, fill(&s, scene_table(&s, "evicts-75"), 0, 10000));
    EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + SLACK);
    scene_close(&s);
}

/* What fills the memory lies in shards of another loop than what grows. */
static void test_another_loop_evicts(void)
{
    struct scene s;
    scene_open(&s, 11, &small);
    const struct table_options whole = {
        .engine = TABLE_MEMORY, .evict = EVICT_LRU, .partition = PARTITION_TABLE};
    uint32_t ids[2] = {0};
    for (int i = 0; ids[0] == 0 || ids[1] == 0; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "whole-%d", i);
        EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, name, whole));
        const struct table *t = router_table(s.node.router[0], slice_of_text(name));
        ids[shard_owner(s.node.shards, t->shard + 1)] = t->id;
    }
    EXPECT_EQ(ERR_OK, fill(&s, ids[0], 0, 10000));
    unsigned refused = 0;
    for (int i = 0; i < 5000; i++) {
        const enum err e = fill(&s, ids[1], i, 1);
        EXPECT(e == ERR_OK || e == ERR_NO_SPACE);
        refused += e == ERR_NO_SPACE ? 1 : 0;
        scene_run(e == ERR_NO_SPACE ? 1 : 0);
    }
    EXPECT(refused < 100); /* at first */
    EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + SLACK);
    scene_close(&s);
}

/* More in one turn than what is evicted in one. */
static void test_bursts(void)
{
    struct scene s;
    scene_open(&s, 12, &small);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "evicts", evicts));
    char *value = mem_alloc(900001);
    memset(value, 'v', 900000);
    value[900000] = '\0';
    struct op parts[4];
    for (int i = 0; i < 200; i++) {
        char keys[4][32];
        for (int k = 0; k < 4; k++) {
            (void)snprintf(keys[k], sizeof(keys[k]), "{tag}%d", 4 * i + k);
            parts[k] = (struct op){.kind = OP_PUT,
                                   .table = scene_table(&s, "evicts"),
                                   .key = slice_of_text(keys[k]),
                                   .value = slice_of_text(value)};
        }
        const struct op txn = {.kind = OP_TXN,
                               .table = parts[0].table,
                               .key = parts[0].key,
                               .ops = parts,
                               .op_count = 4};
        EXPECT_EQ(ERR_OK, scene_call(&s, 0, &txn).err);
        EXPECT(shard_memory_bytes(s.node.shards) <= MEMORY_MAX + 3 * 4 * 900000);
    }
    mem_free(value);
    scene_close(&s);
}

static const struct test_case cases[] = {
    {"gone_for_good", test_gone_for_good},
    {"gone_after_a_restart", test_gone_after_a_restart},
    {"time_goes_on", test_time_goes_on},
    {"jumps", test_jumps},
    {"changed_in_time", test_changed_in_time},
    {"sweeps", test_sweeps},
    {"default_of_the_cache", test_default_of_the_cache},
    {"least_recently_used_goes", test_least_recently_used_goes},
    {"all_in_use", test_all_in_use},
    {"full_memory", test_full_memory},
    {"many_tables_evict", test_many_tables_evict},
    {"another_loop_evicts", test_another_loop_evicts},
    {"bursts", test_bursts},
};

TEST_MAIN(cases)
