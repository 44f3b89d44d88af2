/* bench_model [KEYS [ROUNDS]] - what meaning costs: ns per operation through a model over the
 * memory engine, beside the same rows through the engine alone. 16-byte keys, 64-byte values,
 * batches of 16 and 100; 16 models as the shards of a node are. `difference` is model's part. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "engine/memory.h"
#include "model/model.h"
#include "model/rows.h"

#define BATCH_MAX  100
#define MODELS     16
#define PASSES_MIN 400000 /* operations per figure */

enum {
    STRINGS = 1, /* tables */
    COUNTERS,
    SETS
};

struct bench {
    struct epoch epoch;
    struct epoch_reader *reader;
    struct model *models[MODELS];
    struct engine *engines[MODELS];
    struct arena arena;
    struct random random;
    uint64_t keys;
    uint64_t revision;
    struct op ops[BATCH_MAX];
    struct result results[BATCH_MAX];
    struct step steps[BATCH_MAX];
    uint64_t names[BATCH_MAX][2];
    struct slice members[BATCH_MAX];
};

static uint64_t clock_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t mix(uint64_t x)
{
    struct random r = {x};
    return random_next(&r);
}

static struct slice name_of(struct bench *b, uint64_t i, size_t n)
{
    b->names[n][0] = mix(i + 1);
    b->names[n][1] = mix(~i);
    return slice_of(b->names[n], sizeof(b->names[n]));
}

/* One operation of the batch; the member of a set when it is one. */
static void fill(struct bench *b, enum op_kind kind, uint64_t i, size_t n)
{
    static const uint8_t value[64] = "value";
    const bool is_set = kind == OP_SET_ADD || kind == OP_SET_HAS;
    struct op *op = &b->ops[n];
    *op = (struct op){.kind = (uint8_t)kind, .table = STRINGS};
    const struct slice name = name_of(b, i, n);
    op->key = is_set ? SLICE("the set") : name;
    if (kind == OP_PUT) {
        op->value = slice_of(value, sizeof(value));
    } else if (kind == OP_ADD) {
        op->table = COUNTERS;
        op->number = 1;
    } else if (is_set) {
        op->table = SETS;
        b->members[n] = name;
        op->items = &b->members[n];
        op->item_count = 1;
    }
    b->steps[n].op = op;
    b->steps[n].result = &b->results[n];
    b->steps[n].model = b->models[i % MODELS];
    b->steps[n].budget_bytes = SIZE_MAX;
    b->steps[n].moment = (struct moment){.now_ms = 1, .revision = ++b->revision};
}

static void end_turn(struct bench *b)
{
    arena_reset(&b->arena);
    epoch_quiet(&b->epoch, b->reader);
}

static void begin(struct bench *b)
{
    for (size_t i = 0; i < MODELS; i++) {
        model_begin(b->models[i]);
    }
}

static void commit(struct bench *b)
{
    const struct model_applied applied = {.index = ++b->revision};
    for (size_t i = 0; i < MODELS; i++) {
        const enum err err = model_commit(b->models[i], &applied);
        CHECK(err == ERR_OK);
    }
    end_turn(b);
}

static void run_batch(struct bench *b, enum op_kind kind, uint64_t first, size_t count,
                      bool is_random)
{
    for (size_t n = 0; n < count; n++) {
        fill(b, kind, is_random ? random_below(&b->random, b->keys) : first + n, n);
    }
    if (kind == OP_GET || kind == OP_SET_HAS) {
        model_read(b->steps, count, ENGINE_NO_WAIT, &b->arena);
        end_turn(b);
    } else {
        begin(b);
        const enum err err = model_run(b->steps, count, ENGINE_NO_WAIT, &b->arena);
        CHECK(err == ERR_OK);
        commit(b);
    }
    for (size_t n = 0; n < count; n++) {
        CHECK(b->results[n].err == ERR_OK);
    }
}

/* The same rows with nothing but the engine. */
static void raw_batch(struct bench *b, enum op_kind kind, size_t count)
{
    struct lookup lookups[BATCH_MAX];
    enum err found[BATCH_MAX];
    uint8_t rows[BATCH_MAX][32];
    for (size_t n = 0; n < count; n++) {
        const uint64_t i = random_below(&b->random, b->keys);
        fill(b, kind, i, n);
        uint8_t *end = row_record_head(rows[n], b->ops[n].table);
        memcpy(end, b->names[n], 16);
        lookups[n] = (struct lookup){.engine = b->engines[i % MODELS],
                                     .key = slice_of(rows[n], (size_t)(end - rows[n]) + 16)};
    }
    if (kind != OP_GET) {
        begin(b);
    }
    for (size_t first = 0; first < count; first += ENGINE_BATCH_MAX) {
        const size_t left = count - first;
        const size_t group = left < ENGINE_BATCH_MAX ? left : ENGINE_BATCH_MAX;
        if (kind == OP_GET) {
            engine_get_many(lookups + first, group, ENGINE_NO_WAIT, NULL, found + first);
            continue;
        }
        enum err err = engine_approach(lookups + first, group, ENGINE_NO_WAIT);
        for (size_t n = first; n < first + group; n++) {
            struct lookup *l = &lookups[n];
            err = engine_find(l, ENGINE_NO_WAIT, NULL);
            CHECK(err == ERR_OK);
            struct record record = l->record;
            record.mod_revision = b->steps[n].moment.revision;
            record.version++;
            engine_put(l, &record);
        }
    }
    if (kind != OP_GET) {
        commit(b);
    } else {
        end_turn(b);
    }
}

static double time_of(struct bench *b, enum op_kind kind, size_t count, bool is_raw)
{
    const uint64_t start = clock_ns();
    uint64_t done = 0;
    for (; done < PASSES_MIN; done += count) {
        if (is_raw) {
            raw_batch(b, kind, count);
        } else {
            run_batch(b, kind, 0, count, true);
        }
    }
    return (double)(clock_ns() - start) / (double)done;
}

static void figure(struct bench *b, const char *name, enum op_kind kind, bool has_raw)
{
    const size_t counts[] = {16, 100};
    for (size_t i = 0; i < 2; i++) {
        const double model = time_of(b, kind, counts[i], false);
        const double raw = has_raw ? time_of(b, kind, counts[i], true) : 0;
        (void)printf("%-10s batch %3zu: %6.0f ns", name, counts[i], model);
        if (has_raw) {
            (void)printf(", engine alone %6.0f, difference %4.0f", raw, model - raw);
        }
        (void)printf("\n");
    }
}

static size_t used_bytes(struct bench *b)
{
    size_t bytes = 0;
    for (size_t i = 0; i < MODELS; i++) {
        while (engine_collect(b->engines[i], 100000)) {
            end_turn(b);
        }
        bytes += (size_t)engine_stats(b->engines[i]).used_bytes;
    }
    return bytes;
}

static void load(struct bench *b, const char *name, enum op_kind kind, uint64_t count)
{
    const size_t before = used_bytes(b);
    for (uint64_t first = 0; first < count; first += BATCH_MAX) {
        run_batch(b, kind, first, BATCH_MAX, false);
    }
    (void)printf("%-10s %.1f bytes each\n", name, (double)(used_bytes(b) - before) / (double)count);
}

int main(int argc, char **argv)
{
    struct bench *b = mem_zero(1, sizeof(*b));
    b->keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3;
    b->random.state = 42;
    epoch_init(&b->epoch);
    b->reader = epoch_join(&b->epoch);
    for (size_t i = 0; i < MODELS; i++) {
        struct model_applied applied;
        b->engines[i] = memory_open(&b->epoch, 0);
        const struct model_config config = {.engine = b->engines[i], .value_max = 1 << 20};
        const enum err err = model_open(&config, &b->models[i], &applied, &b->arena, NULL);
        CHECK(err == ERR_OK);
    }
    begin(b);
    for (uint32_t table = STRINGS; table <= SETS; table++) {
        for (size_t i = 0; i < MODELS; i++) {
            const struct op op = {.kind = OP_TABLE_OPEN, .table = table};
            struct result result;
            struct step step = {.model = b->models[i],
                                .op = &op,
                                .moment = {.revision = ++b->revision},
                                .result = &result,
                                .budget_bytes = SIZE_MAX};
            const enum err err = model_run(&step, 1, ENGINE_NO_WAIT, &b->arena);
            CHECK(err == ERR_OK);
        }
    }
    commit(b);
    load(b, "string", OP_PUT, b->keys);
    load(b, "counter", OP_ADD, b->keys);
    load(b, "member", OP_SET_ADD, b->keys);
    for (uint64_t i = 0; i < rounds; i++) {
        figure(b, "get", OP_GET, true);
        figure(b, "put", OP_PUT, true);
        figure(b, "add", OP_ADD, true);
        figure(b, "set_add", OP_SET_ADD, false);
        figure(b, "set_has", OP_SET_HAS, false);
    }
    for (size_t i = 0; i < MODELS; i++) {
        model_close(&b->models[i]);
        engine_close(&b->engines[i]);
    }
    epoch_leave(b->reader);
    arena_deinit(&b->arena);
    mem_free(b);
    return 0;
}
