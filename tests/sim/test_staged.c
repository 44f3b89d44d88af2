/* Tables that are filled before they have a name: they take it in one step, or are gone; whatever
 * happens meanwhile.
 *
 * HOLDFAST_SEED=n runs one seed of the test that has many. */
#include "base/mem.h"
#include "harness.h"
#include "router/catalogue.h"
#include "sim/scene.h"

#define KEYS 20

static const struct node_config plain = {.loops = 3, .shards = 5, .memory_max = 64 << 20};
static const struct table_options disk = {.engine = TABLE_DISK, .partition = PARTITION_TABLE};
static const struct table_options memory = {.engine = TABLE_MEMORY, .partition = PARTITION_TABLE};

static void put_all(struct scene *s, uint32_t table, const char *value)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key %u", i);
        EXPECT_EQ(ERR_OK, scene_put(s, table, key, value));
    }
}

static bool has_all(struct scene *s, uint32_t table, const char *value)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key %u", i);
        if (!scene_has(s, table, key, value)) {
            return false;
        }
    }
    return true;
}

static uint32_t stage(struct scene *s, const char *name, struct table_options options)
{
    uint32_t id = 0;
    EXPECT_EQ(ERR_OK, scene_change_staged(s, 1, TABLE_STAGE, name, options, &id));
    EXPECT(id != 0);
    return id;
}

static enum err change(struct scene *s, enum table_change_kind kind, uint32_t id)
{
    return scene_change_staged(s, 2, kind, "", disk, &id);
}

static void check_new(struct scene *s, struct table_options options)
{
    size_t before = 0;
    size_t after = 0;
    (void)router_tables(s->node.router[0], &before);
    const uint32_t id = stage(s, "made", options);
    (void)router_tables(s->node.router[0], &after);
    EXPECT_EQ(before, after);
    EXPECT_EQ(0, scene_table(s, "made"));
    for (uint32_t i = 0; i < plain.loops; i++) {
        EXPECT(router_table_by_id(s->node.router[i], id) != NULL);
    }
    put_all(s, id, "new");
    EXPECT_EQ(ERR_OK, change(s, TABLE_ADOPT, id));
    EXPECT_EQ(id, scene_table(s, "made"));
    EXPECT(has_all(s, id, "new"));
    EXPECT_EQ(KEYS, scene_count(s, "made"));
    EXPECT_EQ(ERR_NOT_FOUND, change(s, TABLE_ADOPT, id));
    EXPECT_EQ(ERR_NOT_FOUND, change(s, TABLE_FORGET, id));
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_DROP, "made", disk));
}

static void test_new_table(void)
{
    struct scene s;
    scene_open(&s, 1, &plain);
    check_new(&s, disk);
    check_new(&s, memory);
    scene_close(&s);
}

/* The old table is there until the new one is, and its rows are reclaimed. */
static void test_replaces(void)
{
    struct scene s;
    scene_open(&s, 2, &plain);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "t", disk));
    const uint32_t old = scene_table(&s, "t");
    put_all(&s, old, "old");
    const uint64_t rows = scene_rows(&s, false);
    const uint32_t id = stage(&s, "t", memory); /* the options of the present one count */
    EXPECT(router_table_by_id(s.node.router[0], id)->options.engine == TABLE_DISK);
    put_all(&s, id, "new");
    EXPECT_EQ(old, scene_table(&s, "t"));
    EXPECT(has_all(&s, old, "old"));
    EXPECT_EQ(ERR_OK, change(&s, TABLE_ADOPT, id));
    EXPECT_EQ(id, scene_table(&s, "t"));
    EXPECT(has_all(&s, id, "new"));
    EXPECT_EQ(ERR_NOT_FOUND, scene_put(&s, old, "key 1", "late"));
    scene_run(20000);
    EXPECT(scene_rows(&s, false) <= rows + s.node.config.shards); /* and a row of state in each */
    scene_restart(&s);
    EXPECT_EQ(id, scene_table(&s, "t"));
    EXPECT(has_all(&s, id, "new"));
    scene_close(&s);
}

static void test_forgotten(void)
{
    struct scene s;
    scene_open(&s, 3, &plain);
    const uint64_t rows = scene_rows(&s, false);
    const uint32_t id = stage(&s, "t", disk);
    put_all(&s, id, "x");
    EXPECT_EQ(ERR_OK, change(&s, TABLE_FORGET, id));
    EXPECT_EQ(ERR_NOT_FOUND, change(&s, TABLE_ADOPT, id));
    EXPECT_EQ(ERR_NOT_FOUND, scene_put(&s, id, "key 1", "late"));
    EXPECT_EQ(0, scene_table(&s, "t"));
    scene_run(20000);
    EXPECT(scene_rows(&s, false) <= rows + s.node.config.shards); /* and a row of state in each */
    scene_close(&s);
}

/* None survives a start, and nothing is left of it. */
static void test_restart(void)
{
    struct scene s;
    scene_open(&s, 4, &plain);
    const uint64_t rows = scene_rows(&s, false);
    const uint32_t id = stage(&s, "t", disk);
    put_all(&s, id, "x");
    scene_restart(&s);
    EXPECT(router_table_by_id(s.node.router[0], id) == NULL);
    EXPECT_EQ(0, scene_table(&s, "t"));
    scene_run(20000);
    EXPECT(scene_rows(&s, false) <= rows + s.node.config.shards); /* and a row of state in each */
    EXPECT(stage(&s, "t", disk) > id);
    scene_close(&s);
}

static void test_refusals(void)
{
    struct scene s;
    uint32_t ids[STAGED_MAX];
    uint32_t id = 0;
    scene_open(&s, 5, &plain);
    EXPECT_EQ(ERR_INVALID, scene_change_staged(&s, 0, TABLE_STAGE, "a/b", disk, &id));
    EXPECT_EQ(ERR_NOT_FOUND, change(&s, TABLE_ADOPT, 0));
    EXPECT_EQ(ERR_NOT_FOUND, change(&s, TABLE_FORGET, scene_table(&s, "kv")));
    EXPECT_EQ(ERR_NOT_FOUND, change(&s, TABLE_ADOPT, scene_table(&s, "kv")));
    for (size_t i = 0; i < STAGED_MAX; i++) {
        ids[i] = stage(&s, i == 0 ? "kv" : "t", disk);
    }
    EXPECT_EQ(ERR_BUSY, scene_change_staged(&s, 0, TABLE_STAGE, "t", disk, &id));
    EXPECT_EQ(ERR_DENIED, change(&s, TABLE_ADOPT, ids[0])); /* built in */
    EXPECT_EQ(ERR_OK, change(&s, TABLE_ADOPT, ids[1]));
    EXPECT_EQ(ids[1], scene_table(&s, "t"));
    EXPECT_EQ(ERR_OK, change(&s, TABLE_ADOPT, ids[2])); /* takes the place of the first */
    EXPECT_EQ(ids[2], scene_table(&s, "t"));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_EMPTY, "t", disk));
    EXPECT(scene_table(&s, "t") > ids[STAGED_MAX - 1]);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "t", disk));
    EXPECT_EQ(ERR_OK, change(&s, TABLE_ADOPT, ids[3]));
    EXPECT_EQ(ids[3], scene_table(&s, "t"));
    scene_close(&s);
}

/* ---- The power goes ---- */

/* At file call number `call` of staging, filling or adopting. False: all was over before. */
static bool run_crash(uint64_t seed, uint64_t call)
{
    struct scene s;
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 1 + (uint32_t)(seed % 4),
                                       .memory_max = 1 << 24};
    scene_open(&s, seed, &config);
    const uint64_t base = scene_rows(&s, false);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "t", disk));
    const uint32_t before = scene_table(&s, "t");
    put_all(&s, before, "old");
    uint32_t id = 0;
    sim_power_cut(sim_file_calls() + call);
    enum err e = scene_change_staged(&s, 0, TABLE_STAGE, "t", disk, &id);
    for (unsigned i = 0; i < KEYS && e == ERR_OK; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "key %u", i);
        e = scene_put(&s, id, key, "new");
    }
    e = e == ERR_OK ? scene_change_staged(&s, 0, TABLE_ADOPT, "", disk, &id) : e;
    EXPECT(e == ERR_OK || sim_power_is_cut());
    if (!sim_power_is_cut()) {
        scene_run(150); /* closing the old id in the background */
    }
    const bool is_cut = sim_power_is_cut();
    scene_die(&s);
    sim_power_cut(UINT64_MAX);
    EXPECT(scene_start(&s));
    const uint32_t after = scene_table(&s, "t");
    EXPECT(after != 0 && (e != ERR_OK || after == id));
    EXPECT(has_all(&s, after, after == before ? "old" : "new"));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "t", disk));
    scene_run(20000);
    scene_restart(&s);
    EXPECT(scene_rows(&s, false) <= base + s.node.config.shards); /* nothing was left behind */
    scene_close(&s);
    return is_cut;
}

static void test_power_goes(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t last = one != NULL ? first : 4;
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        (void)fflush(stdout);
        uint64_t call = 1;
        while (run_crash(seed, call)) {
            call++;
            EXPECT(call < 500);
        }
    }
}

static const struct test_case cases[] = {
    {"new_table", test_new_table}, {"replaces", test_replaces}, {"forgotten", test_forgotten},
    {"restart", test_restart},     {"refusals", test_refusals}, {"power_goes", test_power_goes},
};

TEST_MAIN(cases)
