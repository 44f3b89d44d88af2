/* What goes by itself, in bounded steps: expired records, rows of what was dropped, old results
 * of retried writes; and cold records of tables that evict. */
#include "model/state.h"
#include "model/varint.h"

#define SWEEP_CHUNK     256 /* rows */
#define EVICT_STRETCH   16  /* rows the hand may pass before it is asked again */
#define EVICT_ROW_BYTES 24  /* what a row takes besides its bytes, about */

/* The index rows that are due, in `arena`. */
static enum err due_rows(struct task *t, struct arena *arena, struct slice *rows, size_t room,
                         size_t *count)
{
    uint8_t from[ROW_EXPIRY_HEAD];
    uint8_t to[ROW_EXPIRY_HEAD];
    struct scan scan = {0};
    struct record record;
    const size_t from_size = (size_t)(row_expiry_head(from, 0) - from);
    const uint64_t end = t->moment->now_ms == UINT64_MAX ? UINT64_MAX : t->moment->now_ms + 1;
    const size_t to_size = (size_t)(row_expiry_head(to, end) - to);
    *count = 0;
    enum err err = rows_open(t, &scan, slice_of(from, from_size), slice_of(to, to_size), false);
    while (err == ERR_OK && *count < room && (err = scan_next(&scan, &record)) == ERR_OK) {
        rows[(*count)++] = arena_copy(arena, record.key);
    }
    scan_close(&scan);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Removes the record that an index row names. One whose table was closed is left to the garbage. */
static enum err expire_row(struct task *t, struct slice index_row)
{
    uint64_t expiry_ms;
    uint32_t id;
    struct slice row;
    struct slice key;
    if (!row_expiry_parse(index_row, &expiry_ms, &row) || !row_record_parse(row, &id, &key)) {
        return ERR_CORRUPT;
    }
    struct table *table = table_find(t->model, id);
    struct lookup l = {.engine = t->model->engine, .key = row};
    struct place p = {.lookup = &l, .table = table, .is_there = true};
    enum err err = table == NULL ? ERR_NOT_FOUND : row_find(t, &l);
    if (err == ERR_OK && l.record.expiry_ms == expiry_ms) {
        return record_erase(t, &p); /* the index row too */
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    row_erase(t, index_row);
    return ERR_OK;
}

enum err expiry_peek(struct task *t, uint64_t *expiry_ms)
{
    uint8_t from[ROW_EXPIRY_HEAD];
    uint8_t to[ROW_EXPIRY_HEAD];
    struct scan scan = {0};
    struct record record;
    struct slice row;
    const size_t size = (size_t)(row_expiry_head(from, 0) - from);
    (void)row_expiry_head(to, 0);
    enum err err =
        rows_open(t, &scan, slice_of(from, size), slice_of(to, row_range_end(to, 1)), false);
    if (err == ERR_OK) {
        err = scan_next(&scan, &record);
    }
    *expiry_ms = UINT64_MAX;
    if (err == ERR_OK && !row_expiry_parse(record.key, expiry_ms, &row)) {
        err = ERR_CORRUPT;
    }
    scan_close(&scan);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err sweep_expired(struct task *t, uint64_t *left)
{
    struct slice rows[SWEEP_CHUNK];
    struct arena arena = {0};
    enum err err = ERR_OK;
    size_t count = SWEEP_CHUNK;
    while (err == ERR_OK && *left > 0 && count == SWEEP_CHUNK) {
        const size_t room = *left < SWEEP_CHUNK ? (size_t)*left : SWEEP_CHUNK;
        err = due_rows(t, &arena, rows, room, &count);
        for (size_t i = 0; i < count && err == ERR_OK; i++) {
            err = expire_row(t, rows[i]);
        }
        *left -= count;
        t->result->count += count;
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    return err == ERR_OK ? expiry_peek(t, &t->model->state.expiry_min_ms) : err;
}

/* Rows of one piece of garbage. `*is_gone`: all of them are away. */
static void erase_garbage(struct task *t, uint32_t table, uint64_t incarnation, uint64_t left,
                          bool *is_gone)
{
    uint8_t heads[2][ROW_ELEMENT_HEAD];
    size_t sizes[2] = {0};
    size_t count = 1;
    if (incarnation != 0) {
        sizes[0] = (size_t)(row_element_head(heads[0], table, incarnation) - heads[0]);
    } else {
        sizes[0] = (size_t)(row_record_head(heads[0], table) - heads[0]);
        sizes[1] = (size_t)(row_elements_of_table(heads[1], table) - heads[1]);
        count = 2;
    }
    *is_gone = true;
    for (size_t i = 0; i < count && *is_gone; i++) {
        const struct slice from = slice_of(heads[i], sizes[i]);
        *is_gone = engine_erase_range(t->model->engine, from, range_end_of(t, from),
                                      t->moment->revision, (size_t)left);
    }
}

static enum err sweep_garbage(struct task *t, uint64_t *left)
{
    struct model_state *state = &t->model->state;
    while (*left > 0 && state->garbage_first < state->garbage_next) {
        uint8_t bytes[ROW_META_MAX];
        uint8_t *end = row_meta_number(bytes, META_GARBAGE, state->garbage_first);
        struct lookup l = {.engine = t->model->engine,
                           .key = slice_of(bytes, (size_t)(end - bytes))};
        uint64_t table;
        uint64_t incarnation;
        const enum err err = row_find(t, &l);
        struct slice value = l.record.value;
        if (err != ERR_OK || !varint_take(&value, &table) || !varint_take(&value, &incarnation) ||
            table == 0 || table > UINT32_MAX) {
            return err == ERR_OK || err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
        }
        bool is_gone;
        erase_garbage(t, (uint32_t)table, incarnation, *left, &is_gone);
        if (!is_gone) { /* that was all that may be done in one step */
            t->result->count += *left;
            *left = 0;
            break;
        }
        engine_erase(&l, t->moment->revision);
        state->garbage_first++;
        t->result->count++;
        --*left;
    }
    return ERR_OK;
}

bool sweep_is_due(const struct model *m, uint64_t now_ms)
{
    return m->state.expiry_min_ms <= now_ms || m->state.garbage_first < m->state.garbage_next ||
           idempotency_is_due(m, now_ms);
}

enum err op_sweep(struct task *t)
{
    uint64_t left = t->op->limit;
    t->result->mod_revision = t->moment->revision;
    enum err err = sweep_expired(t, &left);
    if (err == ERR_OK) {
        err = sweep_garbage(t, &left);
    }
    if (err == ERR_OK) {
        err = idempotency_sweep(t, &left);
    }
    t->result->is_more = err == ERR_OK && sweep_is_due(t->model, t->moment->now_ms);
    return err;
}

size_t model_evict(struct model *m, uint32_t table, size_t bytes, size_t budget,
                   const struct moment *moment)
{
    CHECK(m->has_begun);
    CHECK(!m->is_durable);
    struct result result = {0};
    const struct run run = {.wait = ENGINE_MAY_WAIT, .is_writer = true, .arena = &m->arena};
    struct task t = {.run = &run, .model = m, .moment = moment, .result = &result};
    uint8_t head[ROW_RECORD_HEAD];
    t.table = table_find(m, table);
    const struct slice prefix = slice_of(head, (size_t)(row_record_head(head, table) - head));
    size_t freed = 0;
    while (t.table != NULL && freed < bytes && budget > 0) {
        const size_t stretch = budget < EVICT_STRETCH ? budget : EVICT_STRETCH;
        struct record cold;
        budget -= stretch;
        if (engine_coldest(m->engine, prefix, stretch, &cold) != ERR_OK) {
            continue; /* none in this stretch */
        }
        struct lookup l = {.engine = m->engine, .key = cold.key};
        struct place p = {.lookup = &l, .table = t.table, .is_there = true};
        enum err err = row_find(&t, &l);
        if (err == ERR_OK) {
            uint64_t elements = 0;
            if (record_type(l.record.type) != TYPE_STRING) {
                err = collection_count(&l.record, &elements);
                CHECK(err == ERR_OK);
            }
            freed += cold.key.size + cold.value.size + EVICT_ROW_BYTES * (1 + elements);
            err = record_erase(&t, &p);
            CHECK(err == ERR_OK); /* the memory engine fails at nothing */
        }
    }
    arena_reset(&m->arena);
    return freed;
}
