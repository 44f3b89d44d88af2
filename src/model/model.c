/* A model's life: open, one batch after another, close. What an op does: run.c and the files
 * of its kind. */
#include "base/mem.h"
#include "model/state.h"
#include "model/varint.h"

#define STATE_VERSION   1
#define APPLIED_VERSION 1
#define MEMBERS_MAX     ((size_t)1024) /* bytes of model_applied.members */
#define STATE_NUMBERS   6

static struct slice state_key(void)
{
    return SLICE("\0s");
}

struct slice model_applied_key(void)
{
    return SLICE("\0a");
}

/* The numbers of the state that are stored, in their order. */
static void state_numbers(struct model_state *s, uint64_t *numbers[STATE_NUMBERS])
{
    numbers[0] = &s->next_incarnation;
    numbers[1] = &s->garbage_first;
    numbers[2] = &s->garbage_next;
    numbers[3] = &s->retry_first;
    numbers[4] = &s->retry_next;
    numbers[5] = &s->retry_oldest_ms;
}

static void state_save(struct task *t)
{
    uint8_t bytes[1 + STATE_NUMBERS * VARINT_MAX];
    uint64_t *now[STATE_NUMBERS];
    uint64_t *before[STATE_NUMBERS];
    uint8_t *end = bytes;
    bool is_changed = false;
    state_numbers(&t->model->state, now);
    state_numbers(&t->model->before, before);
    *end++ = STATE_VERSION;
    for (size_t i = 0; i < STATE_NUMBERS; i++) {
        end = varint_put(end, *now[i]);
        is_changed = is_changed || *now[i] != *before[i];
    }
    if (is_changed) {
        row_put(t, state_key(), slice_of(bytes, (size_t)(end - bytes)));
    }
}

static enum err state_load(struct task *t)
{
    struct record record;
    uint64_t *numbers[STATE_NUMBERS];
    const enum err err =
        engine_get(task_reader(t), state_key(), ENGINE_MAY_WAIT, t->run->arena, &record);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    struct slice value = record.value;
    if (value.size == 0 || value.data[0] != STATE_VERSION) {
        return ERR_CORRUPT;
    }
    value = slice_skip(value, 1);
    state_numbers(&t->model->state, numbers);
    for (size_t i = 0; i < STATE_NUMBERS; i++) {
        if (!varint_take(&value, numbers[i])) {
            return ERR_CORRUPT;
        }
    }
    return ERR_OK;
}

enum err model_applied_decode(struct slice value, struct model_applied *applied)
{
    *applied = (struct model_applied){0};
    if (value.size == 0 || value.data[0] != APPLIED_VERSION) {
        return ERR_CORRUPT;
    }
    value = slice_skip(value, 1);
    const bool is_good = varint_take(&value, &applied->index) &&
                         varint_take(&value, &applied->term) &&
                         varint_take(&value, &applied->stamp_ms) && value.size <= MEMBERS_MAX;
    applied->members = value;
    return is_good ? ERR_OK : ERR_CORRUPT;
}

static void applied_save(struct task *t, const struct model_applied *applied)
{
    uint8_t bytes[1 + 3 * VARINT_MAX + MEMBERS_MAX];
    uint8_t *end = bytes;
    CHECK(applied->members.size <= MEMBERS_MAX);
    *end++ = APPLIED_VERSION;
    end = varint_put(end, applied->index);
    end = varint_put(end, applied->term);
    end = varint_put(end, applied->stamp_ms);
    end = slice_put(end, applied->members);
    row_put(t, model_applied_key(), slice_of(bytes, (size_t)(end - bytes)));
}

static enum err applied_load(struct task *t, struct model_applied *applied)
{
    struct record record;
    const enum err err =
        engine_get(task_reader(t), model_applied_key(), ENGINE_MAY_WAIT, t->run->arena, &record);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    const enum err decoded = model_applied_decode(record.value, applied);
    applied->members = arena_copy(t->run->arena, applied->members);
    return decoded;
}

enum err model_open(const struct model_config *config, struct model **out,
                    struct model_applied *applied, struct arena *arena, struct err_why *why)
{
    struct model *m = mem_zero(1, sizeof(*m));
    m->engine = config->engine;
    m->is_durable = config->is_durable;
    m->value_max = config->value_max;
    m->state.next_incarnation = 1;
    *applied = (struct model_applied){0};
    const struct run run = {.wait = ENGINE_MAY_WAIT, .arena = arena};
    struct task t = {.run = &run, .model = m};
    enum err err = applied_load(&t, applied);
    if (err == ERR_OK) {
        err = state_load(&t);
    }
    if (err == ERR_OK) {
        err = tables_load(&t);
    }
    if (err == ERR_OK) {
        err = expiry_peek(&t, &m->state.expiry_min_ms);
    }
    if (err != ERR_OK) {
        model_close(&m);
        return err_set(why, err, "the state of a shard cannot be read");
    }
    *out = m;
    return ERR_OK;
}

void model_close(struct model **m)
{
    if (*m == NULL) {
        return;
    }
    CHECK(!(*m)->has_begun);
    tables_deinit(*m);
    arena_deinit(&(*m)->arena);
    mem_free(*m);
    *m = NULL;
}

void model_begin(struct model *m)
{
    CHECK(!m->has_begun);
    m->has_begun = true;
    m->before = m->state;
    engine_begin(m->engine);
}

/* Rows that change once per batch. */
static void save(struct model *m, const struct model_applied *applied)
{
    const struct moment moment = {.revision = applied->index};
    struct task t = {.model = m, .moment = &moment};
    applied_save(&t, applied);
    state_save(&t);
    tables_save(&t);
}

enum err model_commit(struct model *m, const struct model_applied *applied)
{
    CHECK(m->has_begun);
    if (m->is_durable) {
        save(m, applied);
    }
    const enum err err = engine_commit(m->engine, applied->index);
    if (err == ERR_OK) {
        m->has_begun = false;
        tables_published(m);
    }
    return err;
}

void model_abort(struct model *m)
{
    CHECK(m->has_begun);
    engine_abort(m->engine);
    tables_undo(m);
    m->state = m->before;
    m->has_begun = false;
}

/* The index knows better than the hint, whose record may have got another expiry; asking is cheap
 * only where scans are. */
static void refine_expiry(struct model *m)
{
    const struct run run = {.wait = ENGINE_NO_WAIT, .arena = &m->arena};
    struct task t = {.run = &run, .model = m};
    uint64_t expiry_ms;
    if (expiry_peek(&t, &expiry_ms) == ERR_OK) {
        m->state.expiry_min_ms = expiry_ms;
    }
}

bool model_wants_sweep(struct model *m, uint64_t now_ms)
{
    if (m->state.expiry_min_ms <= now_ms && !m->has_begun && scan_is_cheap(m->engine)) {
        refine_expiry(m);
    }
    return sweep_is_due(m, now_ms);
}

uint64_t model_count(struct model *m, uint32_t table)
{
    struct table *t = table_find(m, table);
    return t == NULL ? 0 : atomic_load_explicit(&t->count, memory_order_relaxed);
}

bool model_table_is_open(struct model *m, uint32_t table)
{
    return table_find(m, table) != NULL;
}
