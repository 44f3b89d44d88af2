/* Sources of one state: what is written meanwhile is not seen; such a state is kept for as long as
 * somebody reads on and it does not cost too much; nothing of it is left behind.
 *
 * HOLDFAST_SEED=n runs one seed of the tests that have many. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sim/reading.h"

#define IDLE_MS (SHARD_VIEW_IDLE_MS + 1500) /* a tick later it is noticed */

static const struct node_config plain = {.loops = 3, .shards = 5, .memory_max = 64 << 20};

/* Views that are open in all engines. */
static uint64_t views_of(const struct scene *s)
{
    uint64_t views = 0;
    for (uint32_t g = 0; g <= s->node.config.shards; g++) {
        for (int is_memory = 0; is_memory < 2; is_memory++) {
            struct engine *e = shard_engine(s->node.shards, g, is_memory != 0);
            views += e == NULL ? 0 : engine_stats(e).views;
        }
    }
    return views;
}

/* Snapshots as the node counts them. */
static uint64_t counted(const struct scene *s)
{
    uint64_t views = 0;
    for (uint32_t i = 0; i < s->node.config.loops; i++) {
        views += metric_get(&shard_host_stats(s->node.hosts[i])->views);
    }
    return views;
}

static void expect_nothing_kept(const struct scene *s)
{
    scene_run(100); /* the other reads that may be under way */
    EXPECT_EQ(0, views_of(s));
    EXPECT_EQ(0, counted(s));
}

static uint32_t make_table(struct scene *s, const char *name, enum table_engine engine)
{
    const struct table_options options = {.engine = engine, .partition = PARTITION_TABLE};
    EXPECT_EQ(ERR_OK, scene_change(s, 0, TABLE_CREATE, name, options));
    return scene_table(s, name);
}

/* ---- What is written meanwhile ---- */

/* Everything as put_keys() has put it. */
static void expect_keys(const struct seen *seen, bool is_reverse)
{
    EXPECT_EQ(ERR_OK, seen->err);
    EXPECT_EQ(KEYS, seen->count);
    for (unsigned i = 0; i < KEYS; i++) {
        char text[TEXT_MAX];
        const unsigned at = is_reverse ? KEYS - 1 - i : i;
        key_text(at, text);
        EXPECT(strcmp(text, seen->keys[i]) == 0);
        value_text(at, text);
        EXPECT(strcmp(text, seen->values[i]) == 0);
    }
}

/* Changes, takes away, adds. */
static void disturb(struct scene *s, struct random *random, uint32_t table)
{
    for (int i = 0; i < 12; i++) {
        char key[TEXT_MAX];
        key_text((unsigned)random_below(random, KEYS), key);
        enum err e = ERR_OK;
        switch (random_below(random, 4)) {
        case 0:
            e = scene_delete(s, table, key);
            break;
        case 1:
            key[3] = '+'; /* a key of its own */
            e = scene_put(s, table, key, "new");
            break;
        default:
            e = scene_put(s, table, key, "changed");
            break;
        }
        EXPECT(e == ERR_OK || e == ERR_NOT_FOUND);
    }
}

static void run_meanwhile(uint64_t seed)
{
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(1, sizeof(*seen));
    const struct node_config config = {.loops = 1 + (uint32_t)(seed % 3),
                                       .shards = 1 + (uint32_t)(seed % 7),
                                       .memory_max = 1 << 26};
    scene_open(&s, seed, &config);
    const struct standin_faults faults = {.wait_permille = (unsigned)(seed % 3) * 100};
    standin_set_faults(s.node.medium, &faults);
    /* Ranges of one shard, and of all of them. */
    const uint32_t tables[] = {make_table(&s, "disk", TABLE_DISK),
                               make_table(&s, "memory", TABLE_MEMORY), scene_table(&s, "kv"),
                               scene_table(&s, "flags")};
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        struct reading r;
        put_keys(&s, tables[t]);
        const struct source_config c = {.kind = SOURCE_RANGE,
                                        .table = tables[t],
                                        .is_reverse = random_below(&random, 2) == 0,
                                        .is_snapshot = true};
        reading_begin(&r, &s, (uint32_t)random_below(&random, config.loops), seen, &c);
        while (reading_next(&r, 200 + random_below(&random, 4000))) {
            disturb(&s, &random, tables[t]);
        }
        expect_nothing_kept(&s); /* from the last page on */
        source_close(&r.source);
        expect_keys(seen, c.is_reverse);
        EXPECT(seen->pages > 3 || config.shards > 1);
    }
    scene_close(&s);
    mem_free(seen);
}

static void test_writes_meanwhile(void)
{
    each_seed(run_meanwhile, 30);
}

/* Each shard by itself; all of one instant when all are begun at one. */
static void test_shards(void)
{
    struct scene s;
    struct random random = {1};
    struct seen *seen = mem_zero(plain.shards, sizeof(*seen));
    struct reading readings[8];
    scene_open(&s, 1, &plain);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "cache")};
    for (size_t t = 0; t < 2; t++) {
        put_keys(&s, tables[t]);
        for (uint32_t i = 0; i < plain.shards; i++) {
            const struct source_config c = {
                .kind = SOURCE_SHARD, .table = tables[t], .shard = i, .is_snapshot = true};
            reading_begin(&readings[i], &s, i % plain.loops, &seen[i], &c);
            EXPECT(reading_next(&readings[i], 100));
        }
        EXPECT_EQ(plain.shards, counted(&s));
        size_t count = 0;
        for (uint32_t i = 0; i < plain.shards; i++) {
            disturb(&s, &random, tables[t]);
            while (reading_next(&readings[i], 300)) {
            }
            source_close(&readings[i].source);
            count += seen[i].count;
            for (size_t k = 0; k < seen[i].count; k++) {
                EXPECT(strncmp("value ", seen[i].values[k], 6) == 0);
            }
        }
        EXPECT_EQ(KEYS, count);
        expect_nothing_kept(&s);
    }
    scene_close(&s);
    mem_free(seen);
}

/* A set, and a log, that are dropped and made anew while they are read. */
static void test_collections(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 2, &plain);
    const char *names[] = {"sets", "cache"};
    for (size_t t = 0; t < 2; t++) {
        const uint32_t id = scene_table(&s, names[t]);
        for (unsigned i = 0; i < 100; i++) {
            append_version(&s, id, i);
        }
        (void)add_members(&s, id, 0, 300);
        for (int is_log = 0; is_log < 2; is_log++) {
            const struct source_config c = {.kind = is_log == 0 ? SOURCE_MEMBERS : SOURCE_LOG,
                                            .table = id,
                                            .key = is_log == 0 ? SLICE("set") : SLICE("log"),
                                            .is_snapshot = true};
            reading_begin(&r, &s, (uint32_t)t, seen, &c);
            EXPECT(reading_next(&r, 300));
            EXPECT_EQ(ERR_OK, scene_delete(&s, id, is_log == 0 ? "set" : "log"));
            scene_run(3000); /* its rows are swept */
            if (is_log == 0) {
                (void)add_members(&s, id, 350, 20);
            } else {
                append_version(&s, id, 200);
            }
            while (reading_next(&r, 300)) {
            }
            source_close(&r.source);
            EXPECT_EQ(ERR_OK, seen->err);
            EXPECT_EQ(is_log == 0 ? 300 : 100, seen->count);
            for (unsigned i = 0; i < seen->count; i++) {
                char text[TEXT_MAX];
                key_text(is_log == 0 ? i : 99 - i, text);
                EXPECT(strcmp(text, seen->keys[i]) == 0);
            }
        }
        expect_nothing_kept(&s);
    }
    scene_close(&s);
    mem_free(seen);
}

static void on_put(struct call *c)
{
    EXPECT_EQ(ERR_OK, c->result.err);
    *(unsigned *)c->arg += 1;
}

static void put_later(struct scene *s, struct call *call, struct call_order *order, uint32_t table,
                      const char *key, unsigned *done)
{
    *call = (struct call){
        .op = {.kind = OP_PUT, .table = table, .key = slice_of_text(key), .value = SLICE("x")},
        .done = on_put,
        .arg = done,
        .order = order};
    router_call(s->node.router[0], call);
}

/* A snapshot of a connection has the writes that the connection has under way. */
static void test_order(void)
{
    enum {
        COUNT = 20
    };
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct call calls[COUNT];
    char keys[COUNT][TEXT_MAX];
    scene_open(&s, 3, &plain);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "cache")};
    for (size_t t = 0; t < 2; t++) {
        struct call_order order = {0};
        unsigned done = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            key_text(i, keys[i]);
            put_later(&s, &calls[i], &order, tables[t], keys[i], &done);
        }
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true, .order = &order};
        read_all(&s, 0, seen, &c, 1 << 20);
        EXPECT_EQ(COUNT, seen->count);
        EXPECT_EQ(COUNT, done);
    }
    scene_close(&s);
    mem_free(seen);
}

/* Time stands still in a snapshot: what expires meanwhile, and is swept, is still there. */
static void test_expiry(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 4, &plain);
    const uint32_t tables[] = {make_table(&s, "disk", TABLE_DISK),
                               make_table(&s, "memory", TABLE_MEMORY)};
    for (size_t t = 0; t < 2; t++) {
        put_keys(&s, tables[t]);
        const uint64_t expiry_ms = router_now_ms(s.node.router[0]) + 20000;
        for (unsigned i = 0; i < KEYS; i += 2) {
            char key[TEXT_MAX];
            key_text(i, key);
            const struct op op = {.kind = OP_EXPIRE,
                                  .table = tables[t],
                                  .key = slice_of_text(key),
                                  .expiry_ms = expiry_ms,
                                  .flags = OP_SET_EXPIRY};
            EXPECT_EQ(ERR_OK, scene_call(&s, 0, &op).err);
        }
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true};
        reading_begin(&r, &s, 1, seen, &c);
        EXPECT(reading_next(&r, 500));
        scene_run(25000);
        EXPECT_EQ(KEYS / 2, scene_count(&s, t == 0 ? "disk" : "memory"));
        while (reading_next(&r, 5000)) {
        }
        source_close(&r.source);
        expect_keys(seen, false);
    }
    scene_close(&s);
    mem_free(seen);
}

/* ---- Limits ---- */

struct many {
    struct seen seen;
    struct reading reading;
};

#define MANY_KEYS 2000 /* more of each shard than one page asks for */

static void put_many(struct scene *s, uint32_t table)
{
    for (unsigned i = 0; i < MANY_KEYS; i++) {
        char key[TEXT_MAX];
        (void)snprintf(key, sizeof(key), "many %u", i);
        EXPECT_EQ(ERR_OK, scene_put(s, table, key, "value"));
    }
}

static void test_too_many(void)
{
    struct scene s;
    const struct node_config config = {.loops = 2, .shards = 20, .memory_max = 64 << 20};
    scene_open(&s, 5, &config);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "cache")};
    const size_t all = SHARD_VIEWS_MAX + 2 * SHARD_GROUP_VIEWS_MAX;
    struct many *many = mem_zero(all, sizeof(*many));
    for (size_t t = 0; t < 2; t++) {
        put_many(&s, tables[t]);
        size_t open = 0;
        for (size_t i = 0; i < all; i++) {
            const size_t shard = i / (SHARD_GROUP_VIEWS_MAX + 1);
            const struct source_config c = {.kind = SOURCE_SHARD,
                                            .table = tables[t],
                                            .shard = (uint32_t)shard,
                                            .is_snapshot = true};
            reading_begin(&many[i].reading, &s, i % 2, &many[i].seen, &c);
            (void)reading_next(&many[i].reading, 100);
            const bool is_over =
                i % (SHARD_GROUP_VIEWS_MAX + 1) == SHARD_GROUP_VIEWS_MAX || open == SHARD_VIEWS_MAX;
            EXPECT_EQ(is_over ? ERR_UNAVAILABLE : ERR_OK, many[i].seen.err);
            open += is_over ? 0 : 1;
        }
        EXPECT_EQ(SHARD_VIEWS_MAX, open);
        EXPECT_EQ(SHARD_VIEWS_MAX, counted(&s));
        EXPECT_EQ(ERR_OK, scene_put(&s, tables[t], "k", "v")); /* others do not notice */
        EXPECT(scene_has(&s, tables[t], "k", "v"));
        for (size_t i = 0; i < all; i++) {
            source_close(&many[i].reading.source);
        }
        expect_nothing_kept(&s);
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true};
        read_all(&s, 0, &many[0].seen, &c, 3000);
        EXPECT_EQ(ERR_OK, many[0].seen.err); /* there is room again */
        EXPECT_EQ(MANY_KEYS + 1, many[0].seen.count);
    }
    scene_close(&s);
    mem_free(many);
}

/* It lasts as long as somebody reads on. */
static void test_idle(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 6, &plain);
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "flags"),
                               make_table(&s, "memory", TABLE_MEMORY)};
    for (size_t t = 0; t < 3; t++) {
        put_keys(&s, tables[t]);
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true};
        reading_begin(&r, &s, 2, seen, &c);
        for (int i = 0; i < 6; i++) {
            EXPECT(reading_next(&r, 100));
            EXPECT_EQ(t == 2 ? 1 : plain.shards, counted(&s));
            scene_run(SHARD_VIEW_IDLE_MS - 2000);
        }
        scene_run(IDLE_MS - SHARD_VIEW_IDLE_MS + 2000);
        expect_nothing_kept(&s);        /* it costs nothing any more */
        while (reading_next(&r, 100)) { /* what had been read */
        }
        EXPECT_EQ(ERR_UNAVAILABLE, seen->err);
        EXPECT(!reading_next(&r, 100)); /* and again */
        EXPECT_EQ(ERR_UNAVAILABLE, seen->err);
        source_close(&r.source);
    }
    scene_close(&s);
    mem_free(seen);
}

/* Writes `count` records, and lets the node look at what it keeps. */
static void overwrite(struct scene *s, const char *name, size_t bytes, unsigned count)
{
    char *value = mem_alloc(bytes + 1);
    memset(value, 'v', bytes);
    value[bytes] = '\0';
    for (unsigned i = 0; i < count; i++) {
        char key[TEXT_MAX];
        key_text(i % KEYS, key);
        EXPECT_EQ(ERR_OK, scene_put(s, scene_table(s, name), key, value));
    }
    mem_free(value);
    scene_run(1500);
}

/* What is kept for it is bounded; what is not kept does not count. */
static void test_bytes(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct seen *other = mem_zero(1, sizeof(*other));
    struct reading r;
    struct reading second;
    const struct node_config config = {
        .loops = 2, .shards = 3, .memory_max = 8 << 20, .view_bytes = 1 << 20};
    scene_open(&s, 7, &config);
    const char *names[] = {"disk", "memory"};
    (void)make_table(&s, names[0], TABLE_DISK);
    (void)make_table(&s, names[1], TABLE_MEMORY);
    for (size_t t = 0; t < 2; t++) {
        const struct source_config c = {.kind = SOURCE_RANGE,
                                        .table = scene_table(&s, names[t]),
                                        .keys_only = true,
                                        .is_snapshot = true};
        overwrite(&s, names[t], 1000, KEYS);
        for (uint32_t loop = 0; loop < config.loops; loop++) {
            reading_begin(&r, &s, loop, seen, &c);
            EXPECT(reading_next(&r, 1));
            overwrite(&s, names[t], 1000, 300);
            EXPECT_EQ(1, counted(&s)); /* that was not much */
            overwrite(&s, names[t], 10000, 200);
            EXPECT_EQ(t == 0 ? 0 : 1, counted(&s)); /* the old records are small */
            if (t == 1) {
                reading_begin(&second, &s, 1 - loop, other, &c);
                EXPECT(reading_next(&second, 1));
                overwrite(&s, names[t], 1000, 200); /* now the old ones are large */
                EXPECT_EQ(1, counted(&s));          /* the first one keeps little */
                while (reading_next(&second, 1000)) {
                }
                EXPECT_EQ(ERR_UNAVAILABLE, other->err);
                source_close(&second.source);
                while (reading_next(&r, 1000)) {
                }
                EXPECT_EQ(KEYS, seen->count);
            }
            source_close(&r.source);
            overwrite(&s, names[t], 1000, KEYS);
        }
        expect_nothing_kept(&s);
    }
    for (uint32_t g = 1; g <= config.shards; g++) {
        EXPECT_EQ(0, engine_stats(shard_engine(s.node.shards, g, true)).pinned_bytes);
    }
    scene_close(&s);
    mem_free(seen);
    mem_free(other);
}

/* When the disk is low, nothing is kept there for anybody; in memory it may be. */
static void test_low_disk(void)
{
    struct scene s;
    struct seen *seen = mem_zero(2, sizeof(*seen));
    struct reading readings[2];
    const struct node_config config = {
        .loops = 2, .shards = 3, .memory_max = 64 << 20, .reserve_bytes = 512 << 10};
    scene_open(&s, 10, &config);
    const uint32_t tables[] = {make_table(&s, "disk", TABLE_DISK),
                               make_table(&s, "memory", TABLE_MEMORY)};
    for (uint32_t t = 0; t < 2; t++) {
        put_keys(&s, tables[t]);
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true};
        reading_begin(&readings[t], &s, t, &seen[t], &c);
        EXPECT(reading_next(&readings[t], 100));
    }
    EXPECT_EQ(2, counted(&s));
    sim_disk_bytes(768 << 10);
    char value[2000];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (int i = 0; i < 1000 && scene_put(&s, tables[0], "grows", value) == ERR_OK; i++) {
    }
    scene_run(1500);
    EXPECT_EQ(1, counted(&s));
    for (uint32_t t = 0; t < 2; t++) {
        while (reading_next(&readings[t], 1000)) {
        }
        source_close(&readings[t].source);
    }
    EXPECT_EQ(ERR_UNAVAILABLE, seen[0].err);
    expect_keys(&seen[1], false);
    sim_disk_bytes(64 << 20);
    scene_run(3000);
    const struct source_config c = {
        .kind = SOURCE_RANGE, .table = tables[0], .keys_only = true, .is_snapshot = true};
    read_all(&s, 0, seen, &c, 100000);
    EXPECT_EQ(ERR_OK, seen->err);
    expect_nothing_kept(&s);
    scene_close(&s);
    mem_free(seen);
}

#define CACHED 3000

/* A cache that is always full goes on under a snapshot, and does not evict for the sake of it: that
 * would only move more into what is kept. */
static void test_full_cache(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    char value[1000];
    const struct node_config config = {.loops = 2, .shards = 2, .memory_max = 2 << 20};
    const struct table_options options = {.engine = TABLE_MEMORY, .evict = EVICT_LRU};
    scene_open(&s, 11, &config);
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "lru", options));
    const uint32_t table = scene_table(&s, "lru");
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (unsigned i = 0; i < CACHED; i++) {
        char key[TEXT_MAX];
        (void)snprintf(key, sizeof(key), "cached %u", i);
        EXPECT_EQ(ERR_OK, scene_put(&s, table, key, value));
    }
    const uint64_t full = scene_count(&s, "lru");
    EXPECT(full > 500 && full < 2500);
    const struct source_config c = {
        .kind = SOURCE_RANGE, .table = table, .keys_only = true, .is_snapshot = true};
    for (int round = 0; round < 3; round++) {
        reading_begin(&r, &s, 1, seen, &c);
        EXPECT(reading_next(&r, 100));
        for (unsigned i = 0; i < CACHED; i++) {
            char key[TEXT_MAX];
            (void)snprintf(key, sizeof(key), "round %d %u", round, i);
            EXPECT_EQ(ERR_OK, scene_put(&s, table, key, value));
            EXPECT(scene_count(&s, "lru") > full - full / 4);
        }
        scene_run(4000);
        EXPECT(counted(&s) < 2); /* what is left keeps less than all may */
        while (reading_next(&r, 1000)) {
        }
        EXPECT_EQ(ERR_UNAVAILABLE, seen->err);
        source_close(&r.source);
    }
    expect_nothing_kept(&s);
    read_all(&s, 0, seen, &c, 10000);
    EXPECT_EQ(ERR_OK, seen->err);
    EXPECT_EQ(scene_count(&s, "lru"), seen->count);
    scene_close(&s);
    mem_free(seen);
}

/* ---- Ends ---- */

static void test_close_early(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 8, &plain);
    const struct table_options memory = {.engine = TABLE_MEMORY};
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_CREATE, "memory", memory));
    const uint32_t tables[] = {scene_table(&s, "kv"), scene_table(&s, "memory")};
    const struct standin_faults cold = {.wait_permille = 1000};
    standin_set_faults(s.node.medium, &cold);
    for (size_t t = 0; t < 2; t++) {
        put_keys(&s, tables[t]);
        const struct source_config c = {
            .kind = SOURCE_RANGE, .table = tables[t], .is_snapshot = true};
        reading_begin(&r, &s, 1, seen, &c);
        source_close(&r.source); /* before the first page */
        for (uint64_t i = 0; i < 80; i++) {
            const bool is_first = i % 2 == 0; /* of its pages, or a later one */
            reading_begin(&r, &s, 1, seen, &c);
            EXPECT(is_first || reading_next(&r, 100));
            reading_ask(&r, 100000);
            for (uint64_t k = 0; k < i / 2 && !r.is_done; k++) {
                (void)sim_step();
            }
            const bool was_done = r.is_done;
            source_close(&r.source); /* with the page on its way, at each of its steps */
            EXPECT(was_done || sim_run(&r.is_done, SCENE_WAIT_MS));
            EXPECT_EQ(was_done ? ERR_OK : ERR_CANCELED, seen->err);
            expect_nothing_kept(&s);
        }
    }
    scene_close(&s);
    mem_free(seen);
}

/* A dropped table ends its snapshots, too; so does a disk that cannot be read. */
static void test_errors(void)
{
    struct scene s;
    struct seen *seen = mem_zero(1, sizeof(*seen));
    struct reading r;
    scene_open(&s, 9, &plain);
    const uint32_t id = make_table(&s, "dropped", TABLE_DISK);
    put_keys(&s, id);
    struct source_config c = {.kind = SOURCE_RANGE, .table = id, .is_snapshot = true};
    reading_begin(&r, &s, 2, seen, &c);
    EXPECT(reading_next(&r, 100));
    EXPECT_EQ(ERR_OK, scene_change(&s, 0, TABLE_DROP, "dropped", (struct table_options){0}));
    while (reading_next(&r, 100)) { /* what had been read */
    }
    EXPECT_EQ(ERR_NOT_FOUND, seen->err);
    expect_nothing_kept(&s);
    source_close(&r.source);
    read_all(&s, 0, seen, &c, 100);
    EXPECT_EQ(ERR_NOT_FOUND, seen->err);
    c.table = make_table(&s, "broken", TABLE_DISK);
    put_keys(&s, c.table);
    reading_begin(&r, &s, 0, seen, &c);
    EXPECT(reading_next(&r, 100));
    const struct standin_faults broken = {.wait_permille = 1000, .io_permille = 1000};
    standin_set_faults(s.node.medium, &broken);
    const struct source_config wrong = {.kind = SOURCE_MEMBERS,
                                        .table = scene_table(&s, "kv"),
                                        .key = SLICE("set"),
                                        .is_snapshot = true};
    struct seen *other = mem_zero(1, sizeof(*other));
    read_all(&s, 1, other, &wrong, 100);
    EXPECT_EQ(ERR_IO, other->err);
    const struct standin_faults none = {0};
    standin_set_faults(s.node.medium, &none);
    while (reading_next(&r, 100)) {
    }
    source_close(&r.source);
    expect_keys(seen, false);
    expect_nothing_kept(&s);
    scene_close(&s);
    mem_free(seen);
    mem_free(other);
}

/* The power goes while snapshots are read, at each of their steps. */
static void run_power(uint64_t seed)
{
    struct scene s;
    struct random random = {seed};
    struct seen *seen = mem_zero(2, sizeof(*seen));
    struct reading readings[2];
    scene_open(&s, seed, &plain);
    const uint32_t table = scene_table(&s, "kv");
    put_keys(&s, table);
    const struct standin_faults cold = {.wait_permille = 500};
    standin_set_faults(s.node.medium, &cold);
    for (uint32_t i = 0; i < 2; i++) {
        const struct source_config c = {.kind = SOURCE_RANGE, .table = table, .is_snapshot = true};
        reading_begin(&readings[i], &s, i, &seen[i], &c);
        EXPECT(i == 0 || reading_next(&readings[i], 300));
        reading_ask(&readings[i], 300);
    }
    for (uint64_t i = random_below(&random, 40); i > 0; i--) {
        (void)sim_step();
    }
    sim_power_cut(0);
    scene_die(&s);
    for (uint32_t i = 0; i < 2; i++) {
        source_forget(&readings[i].source);
        EXPECT(readings[i].source == NULL);
    }
    EXPECT(scene_start(&s));
    const struct source_config c = {.kind = SOURCE_RANGE, .table = table, .is_snapshot = true};
    read_all(&s, 1, seen, &c, 500);
    expect_keys(seen, false);
    expect_nothing_kept(&s);
    scene_close(&s);
    mem_free(seen);
}

static void test_power(void)
{
    each_seed(run_power, 40);
}

static const struct test_case cases[] = {
    {"writes_meanwhile", test_writes_meanwhile},
    {"shards", test_shards},
    {"collections", test_collections},
    {"order", test_order},
    {"expiry", test_expiry},
    {"too_many", test_too_many},
    {"idle", test_idle},
    {"bytes", test_bytes},
    {"low_disk", test_low_disk},
    {"full_cache", test_full_cache},
    {"close_early", test_close_early},
    {"errors", test_errors},
    {"power", test_power},
};

TEST_MAIN(cases)
