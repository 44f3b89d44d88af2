/* model_world.h - a model over an engine of its own, and one op after another. */
#ifndef TESTS_UNIT_MODEL_WORLD_H
#define TESTS_UNIT_MODEL_WORLD_H

#include "engine/disk_store.h"
#include "engine/memory.h"
#include "model/model.h"
#include "unit/disk_folder.h"

#define WORLD_TABLE     1
#define WORLD_OTHER     2   /* a second table */
#define WORLD_LATE      300 /* and one whose rows have longer heads */
#define WORLD_VALUE_MAX ((size_t)1 << 20)
#define WORLD_BATCH_MAX 128
#define WORLD_BUDGET    ((size_t)1 << 30)

enum world_kind {
    WORLD_MEMORY,
    WORLD_DISK
};

struct model_world {
    enum world_kind kind;
    struct epoch epoch;
    struct epoch_reader *reader;
    struct folder folder;
    struct disk_store *store;
    struct engine *engine;
    struct model *model;
    struct arena arena; /* answers of the last world_*() */
    uint64_t now_ms;
    uint64_t index; /* the next revision is one more */
    uint64_t committed_ms;
    uint64_t committed; /* published; world_sweep() may leave `index` behind it */
    uint64_t random;
    struct moment moments[WORLD_BATCH_MAX]; /* of the last batch or reads */
    struct model_applied applied;           /* as world_reopen() found it */
};

/* Open tables: WORLD_TABLE, WORLD_OTHER, WORLD_LATE. */
void world_open(struct model_world *w, enum world_kind kind);
void world_close(struct model_world *w);

/* Disk only: everything is closed and opened again. */
void world_reopen(struct model_world *w);

/* One op as a batch of its own; its answer is good until the next call. */
struct result world_do(struct model_world *w, const struct op *op);

/* Reads of what is published. */
struct result world_read(struct model_world *w, const struct op *op);
void world_reads(struct model_world *w, const struct op *ops, struct result *results, size_t count);

/* A batch, its revisions ascending. `is_kept` false: it is given up (disk only). */
void world_batch(struct model_world *w, const struct op *ops, struct result *results, size_t count,
                 bool is_kept);

/* The same op on published state or as part of a batch, as `op` is a read or not. */
struct result world_any(struct model_world *w, const struct op *op);

/* Sweeps until there is no more; returns what was counted. */
uint64_t world_sweep(struct model_world *w);

#endif
