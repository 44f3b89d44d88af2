/* model.h - the meaning of operations: a deterministic state machine over an engine.
 *
 * One model per shard and engine kind: the durable one over the disk engine, applied from
 * the log; the volatile one over the memory engine. It waits for nothing, reads no clock
 * and draws no random number: apply reads the state and the entry, nothing else.
 *
 * Rows. Each record of a user is one row, found by (table, key); an element of a
 * collection is one row under its collection's incarnation, a number that is never used
 * twice in a shard: dropping a collection takes its header away, the rows go later in
 * bounded steps (OP_SWEEP). rows.h holds the encoding. Counts per table, open table ids,
 * the expiry index, idempotency results and the applied state are rows too, changed in
 * the same batch.
 *
 * A record whose expiry is at or before the time of the command does not exist. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "engine/engine.h"
#include "model/op.h"

#define IDEMPOTENCY_KEEP_MS  ((uint64_t)24 * 3600 * 1000) /* of ordered time */
#define IDEMPOTENCY_ROWS_MAX 100000                       /* per shard; then the oldest go */

struct model;

struct model_config {
    struct engine *engine; /* shared; outlives the model */
    bool is_durable;       /* false: revisions come from the caller's counter, nothing survives */
    size_t value_max;      /* bytes: growth beyond it is ERR_TOO_LARGE */
};

/* What is stored with the data in the same batch; durable models only. */
struct model_applied {
    uint64_t index;
    uint64_t term;
    uint64_t stamp_ms;    /* newest stamp applied */
    struct slice members; /* opaque to model; at most 1 KiB; may be empty */
};

/* Opens the model and reads its open tables and counts. May wait. `applied` gets what was stored
 * (zeros for an empty engine; `members` in `arena`). Errors: ERR_IO, ERR_CORRUPT. */
MUST_CHECK enum err model_open(const struct model_config *config, struct model **out,
                               struct model_applied *applied, struct arena *arena,
                               struct err_why *why);

/* The engine stays. Frees `*m` and sets it to NULL. */
void model_close(struct model **m);

/* The circumstances of a command. */
struct moment {
    uint64_t now_ms;   /* the entry's stamp; for reads the time of the turn */
    uint64_t revision; /* of the command, ascending; reads: unused */
    uint64_t random;
};

/* One op on its way. `op` is borrowed, `result` is filled; its bytes live in `arena` or in the
 * engine (engine.h says how long). */
struct step {
    struct model *model;
    const struct op *op;
    struct moment moment;
    struct result *result;
    size_t budget_bytes; /* of the answer's rows; more: ERR_TOO_LARGE, or for ranges is_more */
};

/* ---- Reads of the published state; any thread that may read the engine ---- */

/* Runs read-only steps; their models may differ but are of one kind. Point reads walk side by
 * side. A step that would have to wait gets ERR_WOULD_WAIT: again with ENGINE_MAY_WAIT on a
 * worker. */
void model_read(struct step *steps, size_t count, enum engine_wait wait, struct arena *arena);

/* The same for one op in a pinned view (engine.h). */
void model_read_view(struct step *step, const struct reader *view, enum engine_wait wait,
                     struct arena *arena);

/* ---- The writer: one batch at a time, by the owner ---- */

/* Opens the writer. */
void model_begin(struct model *m);

/* Brings everything these steps will read into reach, as far as it can be told beforehand.
 * ERR_WOULD_WAIT: run the whole batch on a worker. Errors: ERR_WOULD_WAIT, ERR_IO, ERR_CORRUPT.
 * Memory models: never needed, model_run() does it by itself. */
MUST_CHECK enum err model_prepare(struct step *steps, size_t count, enum engine_wait wait);

/* Runs steps in their order, reads and writes; each sees those before it. Models may differ but are
 * of one kind and have begun. A write answered with an error has changed nothing. Errors of the
 * engine itself (the disk failed under a read: ERR_IO, ERR_CORRUPT) are returned and end the run:
 * the state of the batch is undefined, abort it. With ENGINE_NO_WAIT also ERR_WOULD_WAIT: abort,
 * and run the batch on a worker. */
MUST_CHECK enum err model_run(struct step *steps, size_t count, enum engine_wait wait,
                              struct arena *arena);

/* Publishes. Durable models store `applied` in the same batch; volatile ones pass its index only.
 * Errors: as engine_commit(); after them the writer is still open. */
MUST_CHECK enum err model_commit(struct model *m, const struct model_applied *applied);

/* Forgets the batch, counts included. Durable models only. */
void model_abort(struct model *m);

/* ---- Housekeeping ---- */

/* True if OP_SWEEP would find something at `now_ms`; cheap. Owner. */
bool model_wants_sweep(struct model *m, uint64_t now_ms);

/* Memory models with tables that evict: deletes cold records of `table` until `bytes` were freed
 * or `budget` rows looked at; between model_begin() and model_commit(). Returns the bytes freed. */
size_t model_evict(struct model *m, uint32_t table, size_t bytes, size_t budget,
                   const struct moment *moment);

/* Live records of a table, 0 if it is not open. Any thread; exact between batches. */
uint64_t model_count(struct model *m, uint32_t table);

bool model_table_is_open(struct model *m, uint32_t table);

/* What disk_durable_get() of this row means: the applied state as it would be found after a crash.
 */
struct slice model_applied_key(void);
MUST_CHECK enum err model_applied_decode(struct slice value, struct model_applied *applied);

#endif
