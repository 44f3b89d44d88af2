/* Results kept for retries: a write that carries an id is done once, and answered the same again.
 *
 *   META_RESULT table, id, key -> version | hash of the request, 8 | number | stamp | result
 *   META_RETRY number          -> stamp | key of the META_RESULT row
 *
 * The second kind is a queue without gaps, so its oldest row is found without a scan. It
 * bounds both time (IDEMPOTENCY_KEEP_MS of ordered time) and number
 * (IDEMPOTENCY_ROWS_MAX). A result that has been replaced is known by its number. */
#include "base/planted.h"
#include "model/command.h"
#include "model/state.h"
#include "model/varint.h"

#define RESULT_VERSION   1
#define RESULT_BYTES_MAX ((size_t)64 << 10) /* larger ones are kept without value and rows */

static uint64_t hash64(uint64_t seed, struct slice bytes)
{
    uint64_t hash = seed ^ bytes.size * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < bytes.size; i += 8) {
        uint64_t word = 0;
        const size_t left = bytes.size - i;
        memcpy(&word, bytes.data + i, left < 8 ? left : 8);
        struct random mixed = {hash ^ word};
        hash = random_next(&mixed);
    }
    return hash;
}

/* The op without what a retry of the same request may say differently: the id of the retry, a
 * time to live as a point in time, the author and the id made up for a version. */
static struct op normal_op(struct task *t, const struct op *op)
{
    struct op normal = *op;
    normal.idempotency_id = slice_of(NULL, 0);
    normal.expiry_ms = op->expiry_ms != 0 ? 1 : 0;
    normal.author = slice_of(NULL, 0);
    if ((op->flags & OP_LOG_REPLACE) == 0) {
        normal.id = slice_of(NULL, 0);
    }
    const struct op **branches[] = {&normal.ops, &normal.else_ops};
    const uint32_t counts[] = {op->op_count, op->else_op_count};
    for (size_t b = 0; b < 2; b++) {
        struct op *copy = arena_get(t->run->arena, counts[b] * sizeof(*copy));
        for (uint32_t i = 0; i < counts[b]; i++) {
            copy[i] = normal_op(t, &(*branches[b])[i]);
        }
        *branches[b] = copy;
    }
    return normal;
}

static uint64_t request_hash(struct task *t)
{
    struct buf bytes = {0};
    const struct command normal = {.op = normal_op(t, t->op)};
    command_encode(&bytes, &normal);
    const uint64_t hash = hash64(0, buf_slice(&bytes));
    buf_deinit(&bytes);
    return hash;
}

/* A long key is named by its beginning and a hash: two that meet only refuse each other, because
 * the hash of the request covers the whole key. */
struct slice result_row(struct arena *arena, const struct op *op)
{
    const bool is_long = op->key.size > ROW_RESULT_KEY_MAX;
    const size_t size = is_long ? ROW_RESULT_KEY_MAX - 8 : op->key.size;
    uint8_t *bytes =
        arena_get(arena, ROW_META_MAX + 1 + op->idempotency_id.size + ROW_RESULT_KEY_MAX);
    uint8_t *p = row_meta_table(bytes, META_RESULT, op->table);
    *p++ = (uint8_t)op->idempotency_id.size;
    p = slice_put(p, op->idempotency_id);
    p = slice_put(p, slice_of(op->key.data, size));
    if (is_long) {
        p = big_endian_put(p, hash64(1, op->key));
    }
    return slice_of(bytes, (size_t)(p - bytes));
}

static void put_number(struct buf *out, uint64_t number)
{
    uint8_t *p = buf_reserve(out, VARINT_MAX);
    buf_extend(out, (size_t)(varint_put(p, number) - p));
}

static void put_slice(struct buf *out, struct slice s)
{
    put_number(out, s.size);
    buf_append_slice(out, s);
}

static void put_row(struct buf *out, const struct row *row)
{
    put_slice(out, row->key);
    put_slice(out, row->value);
    put_slice(out, row->author);
    put_number(out, (uint64_t)row->number);
    put_number(out, row->mod_revision);
    put_number(out, row->create_revision);
    put_number(out, row->version);
    put_number(out, row->expiry_ms);
    put_number(out, row->type);
}

static unsigned result_flags(const struct result *r)
{
    return (r->was_found ? 1U : 0U) | (r->succeeded ? 2U : 0U) | (r->is_more ? 4U : 0U) |
           (r->is_integer ? 8U : 0U);
}

/* `is_whole`: with value, rows and results. */
static void put_result(struct buf *out, const struct result *r, bool is_whole)
{
    put_number(out, (uint64_t)r->err);
    put_number(out, r->type);
    put_number(out, result_flags(r));
    put_number(out, (uint64_t)r->number);
    put_number(out, r->count);
    put_number(out, r->mod_revision);
    put_number(out, r->create_revision);
    put_number(out, r->version);
    put_number(out, r->expiry_ms);
    put_slice(out, is_whole ? r->value : slice_of(NULL, 0));
    put_number(out, is_whole ? r->row_count : 0);
    for (size_t i = 0; is_whole && i < r->row_count && out->size <= RESULT_BYTES_MAX; i++) {
        put_row(out, &r->rows[i]);
    }
    put_number(out, is_whole ? r->result_count : 0);
    for (size_t i = 0; is_whole && i < r->result_count && out->size <= RESULT_BYTES_MAX; i++) {
        put_result(out, &r->results[i], true);
    }
}

static bool take_numbers(struct slice *bytes, uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!varint_take(bytes, &numbers[i])) {
            return false;
        }
    }
    return true;
}

static bool take_row(struct slice *bytes, struct row *row)
{
    uint64_t n[6];
    if (!varint_take_slice(bytes, &row->key) || !varint_take_slice(bytes, &row->value) ||
        !varint_take_slice(bytes, &row->author) || !take_numbers(bytes, n, 6)) {
        return false;
    }
    row->number = (int64_t)n[0];
    row->mod_revision = n[1];
    row->create_revision = n[2];
    row->version = n[3];
    row->expiry_ms = n[4];
    row->type = (uint8_t)n[5];
    return true;
}

static bool take_rows(struct slice *bytes, struct arena *arena, struct result *r)
{
    uint64_t count;
    if (!varint_take(bytes, &count) || count > bytes->size) {
        return false;
    }
    struct row *rows = arena_zero(arena, (size_t)count * sizeof(*rows));
    for (uint64_t i = 0; i < count; i++) {
        if (!take_row(bytes, &rows[i])) {
            return false;
        }
    }
    r->rows = rows;
    r->row_count = (size_t)count;
    return true;
}

static bool take_facts(struct slice *bytes, struct result *r)
{
    uint64_t n[9];
    if (!take_numbers(bytes, n, 9) || n[0] >= ERR_COUNT) {
        return false;
    }
    *r = (struct result){.err = (enum err)n[0],
                         .type = (uint8_t)n[1],
                         .was_found = (n[2] & 1) != 0,
                         .succeeded = (n[2] & 2) != 0,
                         .is_more = (n[2] & 4) != 0,
                         .is_integer = (n[2] & 8) != 0,
                         .is_duplicate = true,
                         .number = (int64_t)n[3],
                         .count = n[4],
                         .mod_revision = n[5],
                         .create_revision = n[6],
                         .version = n[7],
                         .expiry_ms = n[8]};
    return varint_take_slice(bytes, &r->value);
}

static bool take_result(struct slice *bytes, struct arena *arena, struct result *r, bool is_part)
{
    uint64_t count;
    if (!take_facts(bytes, r) || !take_rows(bytes, arena, r) || !varint_take(bytes, &count) ||
        count > bytes->size || (is_part && count > 0)) {
        return false;
    }
    struct result *results = arena_zero(arena, (size_t)count * sizeof(*results));
    for (uint64_t i = 0; i < count; i++) {
        if (!take_result(bytes, arena, &results[i], true)) {
            return false;
        }
    }
    r->results = results;
    r->result_count = (size_t)count;
    return true;
}

/* What stands before a kept result. */
struct kept {
    uint64_t hash;
    uint64_t number;
    uint64_t stamp_ms;
    struct slice result;
};

static bool kept_get(struct slice value, struct kept *kept)
{
    if (value.size < 9 || value.data[0] != RESULT_VERSION) {
        return false;
    }
    kept->hash = big_endian_get(value.data + 1);
    value = slice_skip(value, 9);
    const bool is_good = varint_take(&value, &kept->number) && varint_take(&value, &kept->stamp_ms);
    kept->result = value;
    return is_good;
}

static bool is_kept(const struct task *t, uint64_t stamp_ms)
{
    return !planted("forget-ids") && (t->moment->now_ms < IDEMPOTENCY_KEEP_MS ||
                                      stamp_ms > t->moment->now_ms - IDEMPOTENCY_KEEP_MS);
}

static struct slice retry_row(uint8_t *bytes, uint64_t number)
{
    return slice_of(bytes, (size_t)(row_meta_number(bytes, META_RETRY, number) - bytes));
}

/* Reads one row of the queue. */
static enum err retry_get(struct task *t, uint64_t number, uint64_t *stamp_ms, struct slice *row)
{
    uint8_t bytes[ROW_META_MAX];
    struct lookup l = {.engine = t->model->engine, .key = retry_row(bytes, number)};
    const enum err err = row_find(t, &l);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
    }
    *row = l.record.value;
    return varint_take(row, stamp_ms) ? ERR_OK : ERR_CORRUPT;
}

/* Forgets the oldest result. */
static enum err forget_oldest(struct task *t)
{
    struct model_state *state = &t->model->state;
    uint64_t stamp_ms;
    struct slice row;
    uint8_t bytes[ROW_META_MAX];
    enum err err = retry_get(t, state->retry_first, &stamp_ms, &row);
    if (err != ERR_OK) {
        return err;
    }
    struct lookup l = {.engine = t->model->engine, .key = row};
    struct kept kept;
    err = row_find(t, &l);
    if (err == ERR_OK && kept_get(l.record.value, &kept) && kept.number == state->retry_first) {
        engine_erase(&l, t->moment->revision);
    }
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    row_erase(t, retry_row(bytes, state->retry_first));
    if (++state->retry_first < state->retry_next) {
        err = retry_get(t, state->retry_first, &state->retry_oldest_ms, &row);
    }
    return err;
}

bool idempotency_is_due(const struct model *m, uint64_t now_ms)
{
    return m->state.retry_first < m->state.retry_next && now_ms >= IDEMPOTENCY_KEEP_MS &&
           m->state.retry_oldest_ms <= now_ms - IDEMPOTENCY_KEEP_MS;
}

enum err idempotency_sweep(struct task *t, uint64_t *left)
{
    enum err err = ERR_OK;
    while (err == ERR_OK && *left > 0 && idempotency_is_due(t->model, t->moment->now_ms)) {
        err = forget_oldest(t);
        t->result->count++;
        --*left;
    }
    return err;
}

/* Keeps the task's result under `l`, which has been found, and in the queue. */
static enum err keep(struct task *t, struct lookup *l, uint64_t hash)
{
    struct model_state *state = &t->model->state;
    const uint64_t number = state->retry_next;
    struct buf out = {0};
    struct record record = {.key = l->key,
                            .mod_revision = t->moment->revision,
                            .create_revision = t->moment->revision,
                            .version = 1};
    for (int is_whole = 1; is_whole >= 0 && record.value.size == 0; is_whole--) {
        buf_clear(&out);
        buf_append_byte(&out, RESULT_VERSION);
        buf_extend(&out, (size_t)(big_endian_put(buf_reserve(&out, 8), hash) - out.data) - 1);
        put_number(&out, number);
        put_number(&out, t->moment->now_ms);
        put_result(&out, t->result, is_whole == 1);
        if (out.size <= RESULT_BYTES_MAX || is_whole == 0) {
            record.value = buf_slice(&out);
        }
    }
    engine_put(l, &record);
    buf_clear(&out);
    put_number(&out, t->moment->now_ms);
    buf_append_slice(&out, l->key);
    uint8_t bytes[ROW_META_MAX];
    row_put(t, retry_row(bytes, number), buf_slice(&out));
    buf_deinit(&out);
    if (state->retry_first == state->retry_next) {
        state->retry_oldest_ms = t->moment->now_ms;
    }
    state->retry_next++;
    return state->retry_next - state->retry_first > IDEMPOTENCY_ROWS_MAX ? forget_oldest(t)
                                                                         : ERR_OK;
}

enum err idempotency_run(struct task *t)
{
    if (table_find(t->model, t->op->table) == NULL) {
        return ERR_NOT_FOUND;
    }
    const uint64_t hash = request_hash(t);
    struct lookup l = {.engine = t->model->engine, .key = result_row(t->run->arena, t->op)};
    enum err err = row_find(t, &l);
    if (err == ERR_OK) {
        struct kept kept;
        if (!kept_get(l.record.value, &kept)) {
            return ERR_CORRUPT;
        }
        if (is_kept(t, kept.stamp_ms)) {
            if (kept.hash != hash) {
                return ERR_INVALID;
            }
            const bool is_good = take_result(&kept.result, t->run->arena, t->result, false);
            return is_good && kept.result.size == 0 ? t->result->err : ERR_CORRUPT;
        }
    } else if (err != ERR_NOT_FOUND) {
        return err;
    }
    err = task_run(t);
    if (is_engine_err(err)) {
        return err;
    }
    t->result->err = err;
    const enum err kept = keep(t, &l, hash);
    return kept == ERR_OK ? err : kept;
}
