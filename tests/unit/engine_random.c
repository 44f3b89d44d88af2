/* Random batches on one engine against a sorted array, with views held open while it changes. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "unit/engine_conformance.h"

#define KEYS_MAX   3000
#define VIEWS_OPEN 5
#define ABSENT     0
#define UNKNOWN    UINT64_MAX /* of a view: the range was erased since, nobody may ask */

struct row {
    uint64_t revision; /* or ABSENT, UNKNOWN */
    uint64_t created;
    uint64_t version;
};

struct held {
    bool is_open;
    struct reader reader;
    struct row rows[KEYS_MAX];
};

struct world {
    const struct engine_factory *f;
    struct engine *engines[CONFORMANCE_ENGINES];
    struct engine *engine; /* the one that is used */
    struct arena arena;
    struct random random;
    uint64_t revision; /* of the last write, or published */
    uint64_t count;
    struct slice keys[KEYS_MAX]; /* sorted, all different */
    struct arena key_bytes;
    struct row rows[KEYS_MAX];
    struct held views[VIEWS_OPEN];
};

static size_t draw(struct world *w, size_t bound)
{
    return random_below(&w->random, bound);
}

static int by_key(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Short, long, with zero bytes, with long common prefixes. */
static struct slice make_key(struct world *w)
{
    static const char *const prefixes[] = {
        "", "a", "table-one:", "table-one:user:0000000000", "table-two:", "\xff\xff\xff"};
    const struct slice prefix = slice_of_text(prefixes[draw(w, 6)]);
    const size_t size = prefix.size + 1 + draw(w, draw(w, 50) == 0 ? 3000 : 12);
    uint8_t *data = arena_get(&w->key_bytes, size);
    memcpy(data, prefix.data, prefix.size);
    const size_t letters = draw(w, 2) == 0 ? 4 : 256;
    for (size_t i = prefix.size; i < size; i++) {
        data[i] = (uint8_t)draw(w, letters);
    }
    return slice_of(data, size);
}

static void make_keys(struct world *w)
{
    struct slice *keys = w->keys;
    for (size_t i = 0; i < KEYS_MAX; i++) {
        keys[i] = make_key(w);
    }
    qsort(keys, KEYS_MAX, sizeof(keys[0]), by_key);
    for (size_t i = 0; i < KEYS_MAX; i++) {
        if (w->count == 0 || !slice_equal(keys[w->count - 1], keys[i])) {
            keys[w->count++] = keys[i];
        }
    }
}

static void turn(struct world *w)
{
    arena_reset(&w->arena);
    (void)engine_collect(w->engine, 1 + draw(w, 200));
    if (w->f->turn != NULL) {
        w->f->turn(w->f->arg);
    }
}

/* The record that the model wants at row `i`; the value lies in `bytes` (at least 100). */
static struct record wanted(const struct world *w, size_t i, const struct row *row, uint8_t *bytes)
{
    const size_t size = (i + row->revision) % 90;
    memset(bytes, (int)((i * 31 + row->revision) & 0xff), size);
    return (struct record){.key = w->keys[i],
                           .value = slice_of(bytes, size),
                           .mod_revision = row->revision,
                           .create_revision = row->created,
                           .version = row->version,
                           .expiry_ms = i % 3 == 0 ? 1700000000000 + i : 0,
                           .type = (uint8_t)(i % (ENGINE_TYPE_MAX + 1))};
}

static void expect_row(const struct world *w, size_t i, const struct row *row,
                       const struct record *record)
{
    uint8_t bytes[100];
    const struct record want = wanted(w, i, row, bytes);
    EXPECT(slice_equal(want.key, record->key));
    EXPECT(slice_equal(want.value, record->value));
    EXPECT_EQ(want.mod_revision, record->mod_revision);
    EXPECT_EQ(want.create_revision, record->create_revision);
    EXPECT_EQ(want.version, record->version);
    EXPECT_EQ(want.expiry_ms, record->expiry_ms);
    EXPECT_EQ(want.type, record->type);
}

static void expect_result(const struct world *w, size_t i, const struct row *row, enum err result,
                          const struct record *record)
{
    if (row->revision == UNKNOWN) {
        return;
    }
    EXPECT_EQ(row->revision == ABSENT ? ERR_NOT_FOUND : ERR_OK, result);
    if (result == ERR_OK) {
        expect_row(w, i, row, record);
    }
}

static void check_gets(struct world *w, const struct reader *r, const struct row *rows)
{
    for (size_t n = 0; n < 20; n++) {
        struct record record;
        const size_t i = draw(w, w->count);
        const enum err e = engine_get(r, w->keys[i], ENGINE_MAY_WAIT, &w->arena, &record);
        expect_result(w, i, &rows[i], e, &record);
    }
}

static void check_get_many(struct world *w)
{
    struct lookup lookups[ENGINE_BATCH_MAX];
    size_t index[ENGINE_BATCH_MAX];
    enum err results[ENGINE_BATCH_MAX];
    const size_t count = 1 + draw(w, ENGINE_BATCH_MAX);
    for (size_t n = 0; n < count; n++) {
        index[n] = draw(w, w->count);
        lookups[n] = (struct lookup){.engine = w->engine, .key = w->keys[index[n]]};
    }
    engine_get_many(lookups, count, ENGINE_MAY_WAIT, &w->arena, results);
    for (size_t n = 0; n < count; n++) {
        expect_result(w, index[n], &w->rows[index[n]], results[n], &lookups[n].record);
    }
}

/* A part of the keys or all of them, either way. Through a view (`may_turn`) the owner goes on
 * meanwhile. */
static void check_scan(struct world *w, const struct reader *r, const struct row *rows,
                       bool may_turn)
{
    struct scan s = {0};
    struct record record;
    const size_t from = draw(w, 2) == 0 ? 0 : draw(w, w->count);
    const size_t to = draw(w, 2) == 0 ? w->count : draw(w, w->count + 1);
    const bool is_reverse = draw(w, 2) == 0;
    const struct slice none = {NULL, 0};
    scan_open(&s, r, from == 0 ? none : w->keys[from], to == w->count ? none : w->keys[to],
              is_reverse);
    enum err e = scan_next(&s, &record);
    for (size_t n = from; n < to; n++) {
        const size_t i = is_reverse ? to - 1 - (n - from) : n;
        if (e == ERR_OK && slice_equal(record.key, w->keys[i])) {
            expect_result(w, i, &rows[i], ERR_OK, &record);
            e = scan_next(&s, &record);
        } else {
            EXPECT(rows[i].revision == ABSENT || rows[i].revision == UNKNOWN);
        }
        if (may_turn && draw(w, 500) == 0) {
            turn(w);
        }
    }
    EXPECT_EQ(ERR_NOT_FOUND, e);
    scan_close(&s);
}

/* One write through a lookup that has been found, or past it; model and engine agree before and
 * after. */
static void write_row(struct world *w, struct lookup *l, size_t i, bool is_erase)
{
    struct row *row = &w->rows[i];
    w->revision += 1 + draw(w, 2);
    if (is_erase) {
        row->revision = ABSENT;
        if (draw(w, 4) == 0) {
            engine_erase_unseen(w->engine, l->key, w->revision);
        } else {
            engine_erase(l, w->revision);
        }
        return;
    }
    uint8_t bytes[100];
    const bool is_new = row->revision == ABSENT;
    *row = (struct row){.revision = w->revision,
                        .created = is_new ? w->revision : row->created,
                        .version = is_new ? 1 : row->version + 1};
    const struct record record = wanted(w, i, row, bytes);
    if (draw(w, 4) == 0) {
        engine_put_unseen(w->engine, &record);
    } else {
        engine_put(l, &record);
    }
}

static void write_group(struct world *w, size_t near, unsigned erase_percent)
{
    struct lookup lookups[ENGINE_BATCH_MAX];
    size_t index[ENGINE_BATCH_MAX];
    const size_t count = 1 + draw(w, ENGINE_BATCH_MAX);
    const bool is_local = near < w->count;
    for (size_t n = 0; n < count; n++) {
        index[n] = is_local ? (near + draw(w, 40)) % w->count : draw(w, w->count);
        lookups[n] = (struct lookup){.engine = w->engine, .key = w->keys[index[n]]};
    }
    if (draw(w, 8) != 0) {
        EXPECT_EQ(ERR_OK, engine_approach(lookups, count, ENGINE_MAY_WAIT));
    }
    for (size_t n = 0; n < count; n++) {
        struct lookup *l = &lookups[n];
        enum err e = engine_find(l, ENGINE_MAY_WAIT, &w->arena);
        expect_result(w, index[n], &w->rows[index[n]], e, &l->record);
        write_row(w, l, index[n], draw(w, 100) < erase_percent);
        while (draw(w, 4) == 0) { /* again in the same batch, found again or not */
            if (draw(w, 2) == 0) {
                e = engine_find(l, ENGINE_MAY_WAIT, &w->arena);
                expect_result(w, index[n], &w->rows[index[n]], e, &l->record);
            }
            write_row(w, l, index[n], draw(w, 100) < erase_percent);
        }
    }
}

static void erase_some_range(struct world *w)
{
    const size_t from = draw(w, w->count);
    const size_t left = w->count - from;
    const size_t to = from + draw(w, draw(w, 2) == 0 || left < 100 ? left : 100);
    w->revision++;
    while (
        !engine_erase_range(w->engine, w->keys[from], w->keys[to], w->revision, 1 + draw(w, 300))) {
    }
    for (size_t i = from; i < to; i++) {
        w->rows[i].revision = ABSENT;
        for (size_t n = 0; n < VIEWS_OPEN; n++) {
            w->views[n].rows[i].revision = UNKNOWN;
        }
    }
}

static void do_batch(struct world *w, unsigned erase_percent)
{
    const size_t watched = draw(w, w->count);
    const struct row before = w->rows[watched];
    const size_t near = draw(w, 2) == 0 ? w->count : draw(w, w->count);
    engine_begin(w->engine);
    for (size_t groups = draw(w, 3); groups > 0; groups--) {
        write_group(w, near, erase_percent);
    }
    const bool has_erased = draw(w, 60) == 0;
    if (has_erased) {
        erase_some_range(w);
        write_group(w, near, erase_percent);
    }
    if (draw(w, 8) == 0) {
        const struct reader writer = engine_writer(w->engine);
        check_gets(w, &writer, w->rows);
        check_scan(w, &writer, w->rows, false);
    }
    if (!has_erased) { /* nothing is visible yet */
        struct record record;
        const struct reader latest = engine_latest(w->engine);
        const enum err e =
            engine_get(&latest, w->keys[watched], ENGINE_MAY_WAIT, &w->arena, &record);
        expect_result(w, watched, &before, e, &record);
    }
    if (draw(w, 2) == 0 || w->revision == engine_applied(w->engine)) {
        w->revision++;
    }
    EXPECT_EQ(ERR_OK, engine_commit(w->engine, w->revision));
    EXPECT_EQ(w->revision, engine_applied(w->engine));
}

static void use_view(struct world *w)
{
    struct held *v = &w->views[draw(w, VIEWS_OPEN)];
    if (!v->is_open) {
        EXPECT_EQ(ERR_OK, view_open(w->engine, &v->reader));
        memcpy(v->rows, w->rows, sizeof(w->rows));
        v->is_open = true;
    } else if (draw(w, 3) == 0) {
        view_close(&v->reader);
        v->is_open = false;
    } else {
        check_gets(w, &v->reader, v->rows);
        check_scan(w, &v->reader, v->rows, true);
    }
}

static void do_step(struct world *w, unsigned erase_percent)
{
    const struct reader latest = engine_latest(w->engine);
    do_batch(w, erase_percent);
    check_gets(w, &latest, w->rows);
    check_get_many(w);
    if (draw(w, 10) == 0) {
        check_scan(w, &latest, w->rows, false);
    }
    if (draw(w, 4) == 0) {
        use_view(w);
    }
    if (draw(w, 3) != 0) {
        turn(w);
    }
}

static void erase_everything(struct world *w)
{
    engine_begin(w->engine);
    for (size_t i = 0; i < w->count; i++) {
        struct lookup l = {.engine = w->engine, .key = w->keys[i]};
        const enum err e = engine_find(&l, ENGINE_MAY_WAIT, &w->arena);
        expect_result(w, i, &w->rows[i], e, &l.record);
        engine_erase(&l, ++w->revision);
        w->rows[i].revision = ABSENT;
    }
    EXPECT_EQ(ERR_OK, engine_commit(w->engine, ++w->revision));
}

static void finish(struct world *w, uint64_t used_at_start)
{
    for (size_t n = 0; n < VIEWS_OPEN; n++) {
        if (w->views[n].is_open) {
            check_scan(w, &w->views[n].reader, w->views[n].rows, true);
            view_close(&w->views[n].reader);
        }
    }
    erase_everything(w);
    const struct reader latest = engine_latest(w->engine);
    check_scan(w, &latest, w->rows, false);
    if (w->f->is_memory) {
        for (int n = 0; n < 10; n++) {
            turn(w);
            while (engine_collect(w->engine, 1000)) {
            }
        }
        const struct engine_stats stats = engine_stats(w->engine);
        EXPECT_EQ(0, stats.rows);
        EXPECT_EQ(0, stats.waiting);
        EXPECT_EQ(0, stats.views);
        EXPECT_EQ(used_at_start, stats.used_bytes);
    }
    w->f->close(w->f->arg, w->engines);
    arena_deinit(&w->key_bytes);
    arena_deinit(&w->arena);
}

void engine_conformance_random(const struct engine_factory *f, uint64_t seed, unsigned steps)
{
    struct world *w = mem_zero(1, sizeof(*w));
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
    (void)fflush(stdout);
    w->f = f;
    w->random.state = seed;
    make_keys(w);
    f->open(f->arg, w->engines);
    w->engine = w->engines[draw(w, CONFORMANCE_ENGINES)];
    const uint64_t used_at_start = engine_stats(w->engine).used_bytes;
    for (unsigned step = 0; step < steps; step++) {
        /* waves: the engine grows, then shrinks to almost nothing */
        do_step(w, step / 400 % 2 == 0 ? 20 : 90);
    }
    finish(w, used_at_start);
    mem_free(w);
}
