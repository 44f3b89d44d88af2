#include "unit/model_world.h"

#include <sched.h>

#include "base/mem.h"
#include "base/random.h"
#include "harness.h"

#define MIB        ((size_t)1 << 20)
#define BUSY_TRIES 10000000

static void open_engine(struct model_world *w)
{
    if (w->kind == WORLD_MEMORY) {
        w->engine = memory_open(&w->epoch, 0);
        return;
    }
    struct err_why why = {0};
    const struct disk_config config = {.path = w->folder.path,
                                       .shards = 1,
                                       .cache_bytes = 4 * MIB,
                                       .write_bytes = 4 * MIB,
                                       .record_bytes = MIB,
                                       .jobs = 1};
    EXPECT_EQ(ERR_OK, disk_store_open(&config, &w->store, &why));
    w->engine = disk_store_engine(w->store, 1);
}

static void open_model(struct model_world *w)
{
    struct err_why why = {0};
    const struct model_config config = {
        .engine = w->engine, .is_durable = w->kind == WORLD_DISK, .value_max = WORLD_VALUE_MAX};
    arena_reset(&w->arena);
    EXPECT_EQ(ERR_OK, model_open(&config, &w->model, &w->applied, &w->arena, &why));
}

void world_open(struct model_world *w, enum world_kind kind)
{
    *w = (struct model_world){.kind = kind, .now_ms = 1000000, .random = 7};
    epoch_init(&w->epoch);
    w->reader = epoch_join(&w->epoch);
    if (kind == WORLD_DISK) {
        w->folder = folder_new();
    }
    open_engine(w);
    open_model(w);
    EXPECT_EQ(0, w->applied.index);
    const uint32_t tables[] = {WORLD_TABLE, WORLD_OTHER, WORLD_LATE};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const struct op op = {.kind = OP_TABLE_OPEN, .table = tables[i]};
        EXPECT_EQ(ERR_OK, world_do(w, &op).err);
    }
}

static void close_all(struct model_world *w)
{
    model_close(&w->model);
    engine_close(&w->engine);
    if (w->kind == WORLD_DISK) {
        disk_store_close(&w->store);
    }
}

void world_close(struct model_world *w)
{
    close_all(w);
    epoch_leave(w->reader);
    arena_deinit(&w->arena);
    if (w->kind == WORLD_DISK) {
        folder_remove(&w->folder);
    }
}

void world_reopen(struct model_world *w)
{
    EXPECT(w->kind == WORLD_DISK);
    close_all(w);
    open_engine(w);
    open_model(w);
    EXPECT_EQ(w->committed, w->applied.index);
    EXPECT_EQ(w->committed + 5, w->applied.term);
    EXPECT_EQ(w->committed_ms, w->applied.stamp_ms);
    EXPECT(slice_equal(SLICE("members"), w->applied.members));
}

/* What the turn before returned is forgotten. */
static void new_turn(struct model_world *w)
{
    arena_reset(&w->arena);
    epoch_quiet(&w->epoch, w->reader);
    (void)engine_collect(w->engine, 1000);
}

static void run(struct model_world *w, struct step *steps, size_t count)
{
    /* As shard does it: first without waiting, then as a worker would. */
    enum err err = model_prepare(steps, count, ENGINE_NO_WAIT);
    if (err == ERR_OK) {
        err = model_run(steps, count, ENGINE_NO_WAIT, &w->arena);
    }
    if (err == ERR_WOULD_WAIT) {
        model_abort(w->model);
        model_begin(w->model);
        err = model_prepare(steps, count, ENGINE_MAY_WAIT);
        EXPECT_EQ(ERR_OK, err);
        err = model_run(steps, count, ENGINE_MAY_WAIT, &w->arena);
    }
    EXPECT_EQ(ERR_OK, err);
}

/* A store of a few MiB is busy at times. */
static void commit(struct model_world *w, const struct model_applied *applied)
{
    enum err err = model_commit(w->model, applied);
    for (unsigned tries = 0; err == ERR_BUSY && tries < BUSY_TRIES; tries++) {
        (void)sched_yield();
        err = model_commit(w->model, applied);
    }
    EXPECT_EQ(ERR_OK, err);
}

void world_batch(struct model_world *w, const struct op *ops, struct result *results, size_t count,
                 bool is_kept)
{
    EXPECT(count <= WORLD_BATCH_MAX);
    struct step *steps = mem_zero(count, sizeof(*steps));
    struct random random = {w->random};
    new_turn(w);
    model_begin(w->model);
    for (size_t i = 0; i < count; i++) {
        struct err_why why = {0};
        if (op_check(&ops[i], WORLD_VALUE_MAX, &why) != ERR_OK) {
            (void)fprintf(stderr, "%s: %s\n", op_name((enum op_kind)ops[i].kind), why.text);
            exit(1);
        }
        w->moments[i] = (struct moment){
            .now_ms = w->now_ms, .revision = w->index + 1 + i, .random = random_next(&random)};
        steps[i] = (struct step){.model = w->model,
                                 .op = &ops[i],
                                 .moment = w->moments[i],
                                 .result = &results[i],
                                 .budget_bytes = WORLD_BUDGET};
    }
    run(w, steps, count);
    mem_free(steps);
    if (!is_kept) {
        model_abort(w->model);
        return;
    }
    w->random = random_next(&random);
    w->index += count;
    w->committed = w->index;
    w->committed_ms = w->now_ms;
    const struct model_applied applied = {.index = w->index,
                                          .term = w->index + 5,
                                          .stamp_ms = w->now_ms,
                                          .members = SLICE("members")};
    commit(w, &applied);
}

struct result world_do(struct model_world *w, const struct op *op)
{
    struct result result;
    world_batch(w, op, &result, 1, true);
    return result;
}

void world_reads(struct model_world *w, const struct op *ops, struct result *results, size_t count)
{
    EXPECT(count <= WORLD_BATCH_MAX);
    struct step *steps = mem_zero(count, sizeof(*steps));
    new_turn(w);
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(ERR_OK, op_check(&ops[i], WORLD_VALUE_MAX, NULL));
        EXPECT(op_is_read(&ops[i]));
        w->moments[i] = (struct moment){.now_ms = w->now_ms, .random = w->random + i};
        steps[i] = (struct step){.model = w->model,
                                 .op = &ops[i],
                                 .moment = w->moments[i],
                                 .result = &results[i],
                                 .budget_bytes = WORLD_BUDGET};
    }
    model_read(steps, count, ENGINE_NO_WAIT, &w->arena);
    for (size_t i = 0; i < count; i++) {
        if (results[i].err == ERR_WOULD_WAIT) {
            model_read(&steps[i], 1, ENGINE_MAY_WAIT, &w->arena);
        }
    }
    mem_free(steps);
}

struct result world_read(struct model_world *w, const struct op *op)
{
    struct result result;
    world_reads(w, op, &result, 1);
    return result;
}

struct result world_any(struct model_world *w, const struct op *op)
{
    return op_is_read(op) ? world_read(w, op) : world_do(w, op);
}

uint64_t world_sweep(struct model_world *w)
{
    const struct op op = {.kind = OP_SWEEP, .limit = 100};
    uint64_t count = 0;
    const uint64_t random = w->random;
    struct result result;
    do {
        result = world_do(w, &op);
        EXPECT_EQ(ERR_OK, result.err);
        count += result.count;
    } while (result.is_more);
    EXPECT(!model_wants_sweep(w->model, w->now_ms));
    w->random = random; /* how many steps it took must not matter to what follows */
    return count;
}
