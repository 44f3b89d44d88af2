/* Tables: created, emptied and dropped from every loop, under writes, at their limit, and with the
 * power going at each file call of a change: a table is there or it is not, never half.
 *
 * HOLDFAST_SEED=n runs one seed of the tests that have many. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "router/catalogue.h"
#include "sim/scene.h"

#define KEYS 40

static const struct node_config plain = {.loops = 3, .shards = 5, .memory_max = 64 << 20};
static const struct table_options disk = {.engine = TABLE_DISK};
static const struct table_options memory = {.engine = TABLE_MEMORY};

static void key_text(unsigned i, char *out, size_t size)
{
    (void)snprintf(out, size, "key %u", i);
}

static void put_all(struct scene *s, uint32_t table, unsigned keys, const char *value)
{
    for (unsigned i = 0; i < keys; i++) {
        char key[32];
        key_text(i, key, sizeof(key));
        EXPECT_EQ(ERR_OK, scene_put(s, table, key, value));
    }
}

static void expect_all(struct scene *s, uint32_t table, unsigned keys, const char *value)
{
    for (unsigned i = 0; i < keys; i++) {
        char key[32];
        key_text(i, key, sizeof(key));
        EXPECT(scene_has(s, table, key, value));
    }
}

static void expect_none(struct scene *s, uint32_t table, unsigned keys)
{
    for (unsigned i = 0; i < keys; i++) {
        char key[32];
        key_text(i, key, sizeof(key));
        EXPECT(scene_lacks(s, table, key));
    }
}

/* ---- Names and refusals ---- */

static void test_names(void)
{
    struct scene s;
    scene_open(&s, 1, &plain);
    char longest[TABLE_NAME_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[TABLE_NAME_MAX + 1] = '\0';
    EXPECT_EQ(ERR_INVALID, scene_change(&s, 0, TABLE_CREATE, longest, disk));
    longest[TABLE_NAME_MAX] = '\0';
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_CREATE, longest, disk));
    static const char *const bad[] = {"", " ", "a/b", "t\xc3\xa4", "a b", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        EXPECT_EQ(ERR_INVALID, scene_change(&s, 0, TABLE_CREATE, bad[i], disk));
        EXPECT_EQ(ERR_NOT_FOUND, scene_change(&s, 0, TABLE_DROP, bad[i], disk));
        EXPECT_EQ(ERR_NOT_FOUND, scene_change(&s, 0, TABLE_EMPTY, bad[i], disk));
    }
    EXPECT_EQ(ERR_OK, scene_change(&s, 2, TABLE_CREATE, "A.z_0-", memory));
    EXPECT_EQ(ERR_ALREADY_EXISTS, scene_change(&s, 0, TABLE_CREATE, "A.z_0-", disk));
    EXPECT_EQ(ERR_ALREADY_EXISTS, scene_change(&s, 0, TABLE_CREATE, "kv", disk));
    const struct table_options evicts = {.engine = TABLE_DISK, .evict = EVICT_LRU};
    EXPECT_EQ(ERR_INVALID, scene_change(&s, 0, TABLE_CREATE, "evicts", evicts));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "A.z_0-", disk));
    EXPECT_EQ(ERR_NOT_FOUND, scene_change(&s, 0, TABLE_DROP, "A.z_0-", disk));
    scene_close(&s);
}

/* The change is seen by every loop when it is answered, with its options. */
static void test_all_loops_see(void)
{
    struct scene s;
    scene_open(&s, 2, &plain);
    const struct table_options options = {.engine = TABLE_MEMORY,
                                          .partition = PARTITION_TABLE,
                                          .evict = EVICT_LRU,
                                          .default_ttl_ms = 12345};
    for (uint32_t from = 0; from < plain.loops; from++) {
        const uint64_t version = router_catalogue_version(s.node.router[0]);
        EXPECT_EQ(ERR_OK, scene_change(&s, from, TABLE_CREATE, "seen", options));
        for (uint32_t i = 0; i < plain.loops; i++) {
            const struct table *t = router_table(s.node.router[i], SLICE("seen"));
            EXPECT(t != NULL && t == router_table_by_id(s.node.router[i], t->id));
            EXPECT(t->options.engine == options.engine && t->options.evict == options.evict);
            EXPECT(t->options.partition == options.partition && !t->is_built_in);
            EXPECT_EQ(options.default_ttl_ms, t->options.default_ttl_ms);
            EXPECT_EQ(version + 1, router_catalogue_version(s.node.router[i]));
        }
        put_all(&s, scene_table(&s, "seen"), KEYS, "x");
        EXPECT_EQ(ERR_OK, scene_change(&s, from, TABLE_DROP, "seen", options));
        for (uint32_t i = 0; i < plain.loops; i++) {
            EXPECT(router_table(s.node.router[i], SLICE("seen")) == NULL);
        }
    }
    scene_close(&s);
}

static void test_built_in(void)
{
    struct scene s;
    struct table list[64];
    scene_open(&s, 3, &plain);
    const size_t count = built_in_tables(list, 64, 2, TABLE_DISK, 0);
    size_t seen = 0;
    (void)router_tables(s.node.router[1], &seen);
    EXPECT_EQ(count, seen);
    for (size_t i = 0; i < count; i++) {
        const uint32_t before = scene_table(&s, list[i].name);
        EXPECT(before != 0);
        EXPECT_EQ(ERR_DENIED, scene_change(&s, 1, TABLE_DROP, list[i].name, disk));
        EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_EMPTY, list[i].name, disk));
        EXPECT(scene_table(&s, list[i].name) > before);
        EXPECT_EQ(ERR_DENIED, scene_change(&s, 1, TABLE_DROP, list[i].name, disk));
    }
    scene_restart(&s);
    EXPECT_EQ(ERR_DENIED, scene_change(&s, 1, TABLE_DROP, "kv", disk));
    scene_close(&s);
}

/* ---- The life of a table ---- */

/* Rows of all kinds are gone some time after the table is, and nothing else. */
static void check_space(struct scene *s, struct table_options options, enum table_change_kind kind)
{
    const bool is_memory = options.engine == TABLE_MEMORY;
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_CREATE, "large", options));
    scene_run(5000);
    const uint64_t empty_rows = scene_rows(s, is_memory);
    const uint64_t empty_bytes = shard_memory_bytes(s->node.shards);
    const uint32_t id = scene_table(s, "large");
    put_all(s, id, 1500, "some value that takes room, some value that takes room");
    for (unsigned i = 0; i < 300; i++) {
        char member[32];
        key_text(i, member, sizeof(member));
        const struct slice item = slice_of_text(member);
        const struct op op = {
            .kind = OP_SET_ADD, .table = id, .key = SLICE("set"), .items = &item, .item_count = 1};
        EXPECT_EQ(ERR_OK, scene_call(s, 0, &op).err);
    }
    EXPECT_EQ(1501, scene_count(s, "large"));
    EXPECT(scene_rows(s, is_memory) >= empty_rows + 1800);
    EXPECT_EQ(ERR_OK, scene_change(s, 1, kind, "large", options));
    EXPECT_EQ(ERR_NOT_FOUND, scene_put(s, id, "key 1", "too late"));
    scene_run(20000);
    /* A dropped table's own row is gone; an emptied one has another. */
    EXPECT(scene_rows(s, is_memory) <= empty_rows);
    EXPECT(scene_rows(s, is_memory) + s->node.config.shards >= empty_rows);
    EXPECT(shard_memory_bytes(s->node.shards) <= empty_bytes + (512 << 10));
    if (kind == TABLE_EMPTY) {
        EXPECT_EQ(0, scene_count(s, "large"));
        EXPECT_EQ(ERR_OK, scene_change(s, 2, TABLE_DROP, "large", options));
    }
}

static void test_space_comes_back(void)
{
    struct scene s;
    scene_open(&s, 4, &plain);
    const enum table_change_kind kinds[] = {TABLE_DROP, TABLE_EMPTY};
    for (size_t i = 0; i < 2; i++) {
        check_space(&s, disk, kinds[i]);
        check_space(&s, memory, kinds[i]);
    }
    scene_close(&s);
}

static void test_ids_are_never_used_again(void)
{
    struct scene s;
    scene_open(&s, 5, &plain);
    uint32_t newest = 0;
    for (unsigned i = 0; i < 24; i++) {
        const char *name = i % 2 == 0 ? "even" : "odd";
        EXPECT_EQ(ERR_OK, scene_change(&s, i % 3, TABLE_CREATE, name, i % 4 < 2 ? disk : memory));
        const uint32_t id = scene_table(&s, name);
        EXPECT(id > newest);
        newest = id;
        if (i % 3 == 0) {
            EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_EMPTY, name, disk));
            EXPECT(scene_table(&s, name) > newest);
            newest = scene_table(&s, name);
        }
        EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, name, disk));
        if (i % 5 == 4) {
            scene_restart(&s); /* nothing that is alive holds the newest id */
        } else if (i % 5 == 2) {
            sim_power_cut(0);
            scene_die(&s);
            EXPECT(scene_start(&s));
        }
    }
    scene_close(&s);
}

static void test_memory_tables_come_back_empty(void)
{
    struct scene s;
    scene_open(&s, 6, &plain);
    const struct table_options options = {.engine = TABLE_MEMORY, .default_ttl_ms = 7000};
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "volatile", options));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "durable", disk));
    for (int round = 0; round < 3; round++) {
        put_all(&s, scene_table(&s, "volatile"), KEYS, "gone at the next start");
        put_all(&s, scene_table(&s, "durable"), KEYS, "stays");
        if (round == 1) {
            scene_die(&s);
            EXPECT(scene_start(&s));
        } else {
            scene_restart(&s);
        }
        EXPECT_EQ(0, scene_count(&s, "volatile"));
        EXPECT_EQ(KEYS, scene_count(&s, "durable"));
        expect_none(&s, scene_table(&s, "volatile"), KEYS);
        expect_all(&s, scene_table(&s, "durable"), KEYS, "stays");
        EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, "volatile"), "short", "lived"));
        scene_run(7001); /* the default is known again */
        EXPECT(scene_lacks(&s, scene_table(&s, "volatile"), "short"));
    }
    scene_close(&s);
}

static void test_volatile_node(void)
{
    struct scene s;
    const struct node_config config = {
        .loops = 2, .shards = 3, .memory_max = 16 << 20, .is_volatile = true};
    scene_open(&s, 7, &config);
    EXPECT_EQ(ERR_INVALID, scene_change(&s, 1, TABLE_CREATE, "durable", disk));
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_CREATE, "volatile", memory));
    put_all(&s, scene_table(&s, "volatile"), KEYS, "x");
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_EMPTY, "volatile", memory));
    expect_none(&s, scene_table(&s, "volatile"), KEYS);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "volatile", memory));
    EXPECT_EQ(ERR_DENIED, scene_change(&s, 0, TABLE_DROP, "cache", memory));
    scene_close(&s);
}

static void test_limit(void)
{
    struct scene s;
    const struct node_config config = {.loops = 2, .shards = 2, .memory_max = 16 << 20};
    char name[32];
    scene_open(&s, 8, &config);
    size_t count = 0;
    (void)router_tables(s.node.router[0], &count);
    for (; count < TABLES_MAX; count++) {
        (void)snprintf(name, sizeof(name), "number-%zu", count);
        EXPECT_EQ(ERR_OK,
                  scene_change(&s, count % 2, TABLE_CREATE, name, count % 3 == 0 ? memory : disk));
    }
    EXPECT_EQ(ERR_NO_SPACE, scene_change(&s, 1, TABLE_CREATE, "one-too-many", disk));
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_EMPTY, name, disk));
    EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, name), "k", "v"));
    scene_restart(&s);
    (void)router_tables(s.node.router[0], &count);
    EXPECT_EQ(TABLES_MAX, count);
    EXPECT_EQ(ERR_NO_SPACE, scene_change(&s, 1, TABLE_CREATE, "one-too-many", disk));
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_DROP, "number-50", disk));
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_CREATE, "one-too-many", disk));
    EXPECT_EQ(ERR_OK, scene_put(&s, scene_table(&s, "one-too-many"), "k", "v"));
    scene_close(&s);
}

/* ---- Writes meanwhile ---- */

#define WRITERS 32

struct writer {
    struct call call;
    struct writers *all;
    uint32_t id;
    char key[32];
};

struct writers {
    struct scene scene;
    struct writer list[WRITERS];
    struct random random;
    bool is_over;
    size_t running;
    size_t late;             /* answered NOT_FOUND: the id was closed */
    uint32_t stored_id;      /* of the newest table written to */
    bool is_stored[WRITERS]; /* key i is in that one */
};

static void write_next(struct writer *w);

static void on_written(struct call *c)
{
    struct writer *w = c->arg;
    struct writers *all = w->all;
    if (c->result.err == ERR_NOT_FOUND) {
        all->late++;
    } else {
        EXPECT_EQ(ERR_OK, c->result.err);
        if (w->id > all->stored_id) {
            all->stored_id = w->id;
            memset(all->is_stored, 0, sizeof(all->is_stored));
        }
        if (w->id == all->stored_id) {
            all->is_stored[w - all->list] = true;
        }
    }
    all->running--;
    if (!all->is_over) {
        write_next(w);
    }
}

static void write_next(struct writer *w)
{
    struct writers *all = w->all;
    struct router *r =
        all->scene.node.router[random_below(&all->random, all->scene.node.config.loops)];
    const struct table *t = router_table(r, SLICE("busy"));
    EXPECT(t != NULL);
    w->id = t->id;
    w->call = (struct call){.op = {.kind = OP_PUT,
                                   .table = t->id,
                                   .key = slice_of_text(w->key),
                                   .value = SLICE("value")},
                            .done = on_written,
                            .arg = w};
    all->running++;
    router_call(r, &w->call);
}

/* A memory table answers within the turn, so less time makes as many writes. */
static void run_empty_under_writes(uint64_t seed, struct table_options options)
{
    struct writers *all = mem_zero(1, sizeof(*all));
    const struct node_config config = {
        .loops = 1 + (uint32_t)(seed % 3), .shards = 4, .memory_max = 64 << 20};
    all->random.state = seed;
    scene_open(&all->scene, seed, &config);
    const struct standin_faults faults = {.wait_permille = 200, .busy_permille = 20};
    standin_set_faults(all->scene.node.medium, &faults);
    const uint64_t pause_ms = options.engine == TABLE_MEMORY ? 2 : 20;
    EXPECT_EQ(ERR_OK, scene_change(&all->scene, 0, TABLE_CREATE, "busy", options));
    for (size_t i = 0; i < WRITERS; i++) {
        struct writer *w = &all->list[i];
        w->all = all;
        key_text((unsigned)i, w->key, sizeof(w->key));
        write_next(w);
    }
    for (int i = 0; i < 6; i++) {
        scene_run(1 + random_below(&all->random, pause_ms));
        EXPECT_EQ(ERR_OK, scene_change(&all->scene, 0, TABLE_EMPTY, "busy", options));
    }
    scene_run(1 + random_below(&all->random, pause_ms));
    all->is_over = true;
    scene_run(10000);
    EXPECT_EQ(0, all->running);
    const uint32_t id = scene_table(&all->scene, "busy");
    if (all->stored_id != id) { /* nothing was written since */
        memset(all->is_stored, 0, sizeof(all->is_stored));
    }
    uint64_t stored = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        stored += all->is_stored[i] ? 1 : 0;
        EXPECT(!all->is_stored[i] || scene_has(&all->scene, id, all->list[i].key, "value"));
    }
    EXPECT_EQ(stored, scene_count(&all->scene, "busy"));
    scene_close(&all->scene);
    mem_free(all);
}

static void test_empty_under_writes(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        run_empty_under_writes(seed, seed % 4 == 0 ? memory : disk);
    }
}

/* ---- The power goes ---- */

enum crash_kind {
    CRASH_CREATE,
    CRASH_DROP,
    CRASH_EMPTY,
    CRASH_CREATE_MEMORY,
    CRASH_DROP_MEMORY,
    CRASH_EMPTY_MEMORY,
    CRASH_KINDS
};

static enum table_change_kind change_of(enum crash_kind kind)
{
    return (enum table_change_kind)(kind % 3);
}

/* The table works whole: every shard knows its id. */
static void expect_works(struct scene *s, const char *name)
{
    const uint32_t id = scene_table(s, name);
    put_all(s, id, KEYS, "after");
    expect_all(s, id, KEYS, "after");
    EXPECT_EQ(KEYS, scene_count(s, name));
}

/* What the table is now, being neither more nor less than before or after the change. */
static void check_after(struct scene *s, enum crash_kind kind, uint32_t before, bool is_done)
{
    const bool is_memory = kind >= CRASH_CREATE_MEMORY;
    const uint32_t id = scene_table(s, "table");
    switch (change_of(kind)) {
    case TABLE_CREATE:
        EXPECT(!is_done || id != 0);
        EXPECT(id == 0 || scene_count(s, "table") == 0);
        break;
    case TABLE_DROP:
        EXPECT(!is_done || id == 0);
        EXPECT(id == 0 || id == before);
        break;
    case TABLE_EMPTY:
        EXPECT(id != 0 && (!is_done || id != before));
        break;
    case TABLE_STAGE: /* test_staged.c */
    case TABLE_ADOPT:
    case TABLE_FORGET:
        break;
    }
    if (id != 0 && id == before && !is_memory) {
        expect_all(s, id, KEYS, "before");
    } else if (id != 0) {
        expect_none(s, id, KEYS);
    }
    if (id != before && before != 0) {
        EXPECT_EQ(ERR_NOT_FOUND, scene_put(s, before, "key 1", "nowhere"));
    }
    if (id != 0) {
        expect_works(s, "table");
    }
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_CREATE, "next", disk));
    EXPECT(scene_table(s, "next") > before && scene_table(s, "next") > id);
    expect_works(s, "next");
}

/* What was dropped is reclaimed although the power went. */
static void check_reclaimed(struct scene *s)
{
    if (scene_table(s, "table") != 0) {
        EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_DROP, "table", disk));
    }
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_DROP, "next", disk));
    scene_run(20000);
    scene_restart(s);
    const uint64_t rows = scene_rows(s, false);
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_CREATE, "table", disk));
    EXPECT_EQ(rows + s->node.config.shards, scene_rows(s, false));
    scene_restart(s);
    EXPECT_EQ(rows + s->node.config.shards, scene_rows(s, false));
}

/* The power goes at file call number `call` of the change and what follows it. Returns false when
 * all was over before. */
static bool run_crash(uint64_t seed, enum crash_kind kind, uint64_t call)
{
    struct scene s;
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 1 + (uint32_t)(seed % 4),
                                       .memory_max = 1 << 24};
    const struct table_options options = kind >= CRASH_CREATE_MEMORY ? memory : disk;
    scene_open(&s, seed, &config);
    const struct standin_faults faults = {.wait_permille = 100, .flush_permille = 200};
    standin_set_faults(s.node.medium, &faults);
    uint32_t before = 0;
    if (change_of(kind) != TABLE_CREATE) {
        EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "table", options));
        before = scene_table(&s, "table");
        put_all(&s, before, KEYS, "before");
    }
    sim_power_cut(sim_file_calls() + call);
    const enum err e = scene_change(&s, 0, change_of(kind), "table", options);
    EXPECT(e == ERR_OK || sim_power_is_cut());
    if (!sim_power_is_cut()) {
        scene_run(150); /* closing the old id in the background */
    }
    const bool is_cut = sim_power_is_cut();
    scene_die(&s);
    sim_power_cut(UINT64_MAX);
    EXPECT(scene_start(&s));
    check_after(&s, kind, before, e == ERR_OK);
    check_reclaimed(&s);
    scene_close(&s);
    return is_cut;
}

static void test_power_goes(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t last = one != NULL ? first : 8;
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        (void)fflush(stdout);
        for (int kind = 0; kind < CRASH_KINDS; kind++) {
            uint64_t call = 1;
            while (run_crash(seed, (enum crash_kind)kind, call)) {
                call++;
                EXPECT(call < 500);
            }
        }
    }
}

/* ---- Shards that take nothing for a while ---- */

#define CROWD 70000 /* more than may be ordered in one group */

struct crowd {
    struct scene scene;
    struct call *calls;
    bool *is_running;
    size_t running;
    size_t refused;
};

static void on_crowd(struct call *c)
{
    struct crowd *all = c->arg;
    all->refused += c->result.err == ERR_BUSY ? 1 : 0;
    all->is_running[c - all->calls] = false;
    all->running--;
}

static void crowd_push(struct crowd *all)
{
    for (size_t i = 0; i < CROWD; i++) {
        if (!all->is_running[i]) {
            all->calls[i] = (struct call){.op = {.kind = OP_PUT,
                                                 .table = scene_table(&all->scene, "kv"),
                                                 .key = SLICE("k"),
                                                 .value = SLICE("v")},
                                          .done = on_crowd,
                                          .arg = all};
            all->is_running[i] = true;
            all->running++;
            router_call(all->scene.node.router[0], &all->calls[i]);
        }
    }
}

struct late_change {
    struct table_change change;
    bool is_done;
};

static void on_late(struct table_change *c)
{
    struct late_change *l = c->arg;
    l->is_done = true;
}

/* Begins a change while the shard has all it may, and keeps it so for some time. */
static enum err change_in_crowd(struct crowd *all, enum table_change_kind kind)
{
    struct late_change l = {
        .change = {.kind = kind, .name = SLICE("crowded"), .done = on_late, .arg = &l}};
    crowd_push(all);
    router_change_table(all->scene.node.router[0], &l.change);
    for (int ms = 0; ms < 10000 && !l.is_done; ms++) {
        if (ms < 40) {
            crowd_push(all);
        }
        scene_run(1);
    }
    EXPECT(l.is_done);
    return l.change.err;
}

static void test_busy_shards(void)
{
    struct crowd *all = mem_zero(1, sizeof(*all));
    const struct node_config config = {.loops = 1, .shards = 1, .memory_max = 1 << 24};
    scene_open(&all->scene, 9, &config);
    const struct standin_faults faults = {.wait_permille = 1000};
    standin_set_faults(all->scene.node.medium, &faults);
    all->calls = mem_zero(CROWD, sizeof(*all->calls));
    all->is_running = mem_zero(CROWD, sizeof(*all->is_running));
    uint64_t rows = 0;
    for (int round = 0; round < 3; round++) {
        EXPECT_EQ(ERR_OK, change_in_crowd(all, TABLE_CREATE));
        EXPECT_EQ(ERR_OK, scene_change(&all->scene, 0, TABLE_EMPTY, "crowded", disk));
        put_all(&all->scene, scene_table(&all->scene, "crowded"), KEYS, "x");
        EXPECT_EQ(ERR_OK, change_in_crowd(all, TABLE_EMPTY));
        put_all(&all->scene, scene_table(&all->scene, "crowded"), KEYS, "x");
        EXPECT_EQ(ERR_OK, change_in_crowd(all, TABLE_DROP));
        for (int ms = 0; ms < 60000 && all->running > 0; ms++) {
            scene_run(1);
        }
        scene_run(20000);
        EXPECT_EQ(0, all->running);
        EXPECT(round == 0 || rows == scene_rows(&all->scene, false));
        rows = scene_rows(&all->scene, false);
    }
    EXPECT(all->refused > 0);
    scene_close(&all->scene);
    mem_free(all->calls);
    mem_free(all->is_running);
    mem_free(all);
}

/* The engine has no room when the change is ordered: it happens later, and until then nobody is
 * told that a write to the table is safe which is not. */
static void run_no_room(enum table_change_kind kind)
{
    struct scene s;
    scene_open(&s, 10, &plain);
    if (kind != TABLE_CREATE) {
        EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "table", disk));
        put_all(&s, scene_table(&s, "table"), KEYS, "before");
    }
    const uint32_t before = scene_table(&s, "table");
    const struct standin_faults full = {.is_full = true};
    const struct standin_faults fine = {0};
    standin_set_faults(s.node.medium, &full);
    EXPECT_EQ(ERR_UNKNOWN_OUTCOME, scene_change(&s, 1, kind, "table", disk));
    EXPECT_EQ(ERR_UNAVAILABLE, scene_change(&s, 1, TABLE_CREATE, "another", disk));
    scene_run(5000);
    standin_set_faults(s.node.medium, &fine);
    scene_run(5000);
    EXPECT_EQ(kind == TABLE_DROP, scene_table(&s, "table") == 0);
    EXPECT(kind != TABLE_EMPTY || scene_table(&s, "table") > before);
    if (kind != TABLE_DROP) {
        expect_works(&s, "table");
    }
    EXPECT_EQ(ERR_OK, scene_change(&s, 1, TABLE_CREATE, "another", disk));
    expect_works(&s, "another");
    sim_power_cut(0);
    scene_die(&s);
    EXPECT(scene_start(&s));
    EXPECT_EQ(kind == TABLE_DROP, scene_table(&s, "table") == 0);
    if (kind != TABLE_DROP) {
        expect_all(&s, scene_table(&s, "table"), KEYS, "after");
    }
    scene_close(&s);
}

static void test_no_room(void)
{
    run_no_room(TABLE_CREATE);
    run_no_room(TABLE_DROP);
    run_no_room(TABLE_EMPTY);
}

static const struct test_case cases[] = {
    {"names", test_names},
    {"all_loops_see", test_all_loops_see},
    {"built_in", test_built_in},
    {"space_comes_back", test_space_comes_back},
    {"ids_are_never_used_again", test_ids_are_never_used_again},
    {"memory_tables_come_back_empty", test_memory_tables_come_back_empty},
    {"volatile_node", test_volatile_node},
    {"limit", test_limit},
    {"empty_under_writes", test_empty_under_writes},
    {"power_goes", test_power_goes},
    {"busy_shards", test_busy_shards},
    {"no_room", test_no_room},
};

TEST_MAIN(cases)
