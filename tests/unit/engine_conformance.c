/* The suite, in the order of engine/engine.h. Rows are small texts where that is enough. */
#include "unit/engine_conformance.h"

#include "base/mem.h"
#include "harness.h"

struct world {
    const struct engine_factory *f;
    struct engine *engines[CONFORMANCE_ENGINES];
    struct engine *e; /* the first one */
    struct arena arena;
    uint64_t revision; /* of the last write, or published */
};

static const struct slice none = {NULL, 0};

static void setup(struct world *w, const struct engine_factory *f)
{
    *w = (struct world){.f = f};
    f->open(f->arg, w->engines);
    w->e = w->engines[0];
}

/* The turn of the loop ends. */
static void turn(struct world *w)
{
    arena_reset(&w->arena);
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        (void)engine_collect(w->engines[i], 1000);
    }
    if (w->f->turn != NULL) {
        w->f->turn(w->f->arg);
    }
}

static void teardown(struct world *w)
{
    turn(w);
    w->f->close(w->f->arg, w->engines);
    arena_deinit(&w->arena);
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        EXPECT(w->engines[i] == NULL);
    }
}

/* ---- Short forms ---- */

static struct lookup lookup_of(struct engine *e, const char *key)
{
    return (struct lookup){.engine = e, .key = slice_of_text(key)};
}

static enum err find(struct world *w, struct lookup *l)
{
    return engine_find(l, ENGINE_MAY_WAIT, &w->arena);
}

static struct record record_of(struct world *w, const char *key, const char *value)
{
    const uint64_t revision = ++w->revision;
    return (struct record){.key = slice_of_text(key),
                           .value = slice_of_text(value),
                           .mod_revision = revision,
                           .create_revision = revision,
                           .version = 1};
}

/* In an open batch. */
static void put_in(struct world *w, struct engine *e, const char *key, const char *value)
{
    struct lookup l = lookup_of(e, key);
    const enum err result = find(w, &l);
    EXPECT(result == ERR_OK || result == ERR_NOT_FOUND);
    const struct record record = record_of(w, key, value);
    engine_put(&l, &record);
}

static void erase_in(struct world *w, struct engine *e, const char *key)
{
    struct lookup l = lookup_of(e, key);
    const enum err result = find(w, &l);
    EXPECT(result == ERR_OK || result == ERR_NOT_FOUND);
    engine_erase(&l, ++w->revision);
}

static void commit(struct world *w, struct engine *e)
{
    EXPECT_EQ(ERR_OK, engine_commit(e, ++w->revision));
}

/* A batch of one write. */
static void put(struct world *w, const char *key, const char *value)
{
    engine_begin(w->e);
    put_in(w, w->e, key, value);
    commit(w, w->e);
}

static void erase(struct world *w, const char *key)
{
    engine_begin(w->e);
    erase_in(w, w->e, key);
    commit(w, w->e);
}

/* `value` NULL: the row is absent. */
static void expect_at(struct world *w, const struct reader *r, const char *key, const char *value)
{
    struct record record;
    const enum err e = engine_get(r, slice_of_text(key), ENGINE_MAY_WAIT, &w->arena, &record);
    EXPECT_EQ(value == NULL ? ERR_NOT_FOUND : ERR_OK, e);
    if (value != NULL) {
        EXPECT(slice_equal(slice_of_text(key), record.key));
        EXPECT(slice_equal(slice_of_text(value), record.value));
    }
}

static void expect_latest(struct world *w, struct engine *e, const char *key, const char *value)
{
    const struct reader latest = engine_latest(e);
    expect_at(w, &latest, key, value);
}

/* `want`: the keys with a space behind each, in the order of the scan. */
static void expect_scan(const struct reader *r, struct slice from, struct slice to, bool is_reverse,
                        const char *want)
{
    struct scan s = {0};
    struct record record;
    char got[256];
    size_t size = 0;
    enum err e;
    scan_open(&s, r, from, to, is_reverse);
    while ((e = scan_next(&s, &record)) == ERR_OK) {
        EXPECT(size + record.key.size + 1 < sizeof(got));
        memcpy(got + size, record.key.data, record.key.size);
        size += record.key.size;
        got[size++] = ' ';
    }
    got[size] = 0;
    EXPECT_EQ(ERR_NOT_FOUND, e);
    EXPECT_EQ(ERR_NOT_FOUND, scan_next(&s, &record));
    scan_close(&s);
    EXPECT(s.state == NULL);
    scan_close(&s);
    if (strcmp(want, got) != 0) {
        (void)fprintf(stderr, "scan: want \"%s\", got \"%s\"\n", want, got);
        exit(1);
    }
}

static void expect_all(struct engine *e, const char *want)
{
    const struct reader latest = engine_latest(e);
    expect_scan(&latest, none, none, false, want);
}

/* "row00042", for cases with many rows. */
static const char *row_name(char *text, unsigned number)
{
    (void)snprintf(text, 16, "row%05u", number);
    return text;
}

/* ---- Readers ---- */

static void test_empty(struct world *w)
{
    struct reader latest = engine_latest(w->e);
    struct reader view;
    EXPECT_EQ(0, engine_applied(w->e));
    expect_at(w, &latest, "a", NULL);
    expect_scan(&latest, none, none, false, "");
    expect_scan(&latest, SLICE("a"), SLICE("z"), true, "");
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    expect_at(w, &view, "a", NULL);
    expect_scan(&view, none, none, true, "");
    view_close(&view);
}

static void expect_record(const struct record *want, const struct record *got)
{
    EXPECT(slice_equal(want->key, got->key));
    EXPECT(slice_equal(want->value, got->value));
    EXPECT_EQ(want->mod_revision, got->mod_revision);
    EXPECT_EQ(want->create_revision, got->create_revision);
    EXPECT_EQ(want->version, got->version);
    EXPECT_EQ(want->expiry_ms, got->expiry_ms);
    EXPECT_EQ(want->type, got->type);
}

/* Each field comes back as it was given, by every way to read. */
static void round_trip(struct world *w, const struct record *record)
{
    struct lookup l = {.engine = w->e, .key = record->key};
    enum err result = ERR_OK;
    struct record got;
    struct scan s = {0};
    engine_begin(w->e);
    (void)find(w, &l);
    engine_put(&l, record);
    EXPECT_EQ(ERR_OK, find(w, &l));
    expect_record(record, &l.record);
    w->revision = record->mod_revision;
    EXPECT_EQ(ERR_OK, engine_commit(w->e, record->mod_revision));

    const struct reader latest = engine_latest(w->e);
    EXPECT_EQ(ERR_OK, engine_get(&latest, record->key, ENGINE_MAY_WAIT, &w->arena, &got));
    expect_record(record, &got);
    l = (struct lookup){.engine = w->e, .key = record->key};
    engine_get_many(&l, 1, ENGINE_MAY_WAIT, &w->arena, &result);
    EXPECT_EQ(ERR_OK, result);
    expect_record(record, &l.record);
    scan_open(&s, &latest, record->key, none, false);
    EXPECT_EQ(ERR_OK, scan_next(&s, &got));
    expect_record(record, &got);
    scan_close(&s);
    turn(w);
}

static void test_fields(struct world *w)
{
    const uint64_t high = (uint64_t)1 << 50;
    struct record r = {.key = SLICE("k"),
                       .value = SLICE("v"),
                       .mod_revision = 5,
                       .create_revision = 5,
                       .version = 1};
    round_trip(w, &r);
    r = (struct record){.key = SLICE("k"), .mod_revision = 6, .create_revision = 5, .version = 2};
    round_trip(w, &r);
    r.value = SLICE("with expiry");
    r.mod_revision = 7;
    r.version = 3;
    r.expiry_ms = 1;
    r.type = ENGINE_TYPE_MAX;
    round_trip(w, &r);
    r.expiry_ms = UINT64_MAX;
    r.mod_revision = high;
    r.version = (uint64_t)1 << 40;
    round_trip(w, &r);
    r.key = SLICE("a\0b\xff");
    r.value = SLICE("\0\0");
    r.mod_revision = r.create_revision = REVISION_MAX - 10;
    r.version = 1;
    round_trip(w, &r);
    r.version = 7; /* created in the same command as it was changed */
    r.mod_revision = REVISION_MAX - 9;
    r.create_revision = 1;
    round_trip(w, &r);
}

static void test_sizes(struct world *w)
{
    const size_t value_size = (size_t)3 << 20;
    uint8_t *key = mem_zero(1, ENGINE_KEY_MAX);
    uint8_t *value = mem_alloc(value_size);
    memset(value, 0xa5, value_size);
    struct record r = {.key = slice_of(key, 1),
                       .value = slice_of(value, value_size),
                       .mod_revision = 1,
                       .create_revision = 1,
                       .version = 1};
    round_trip(w, &r);
    for (size_t size = 2; size <= ENGINE_KEY_MAX; size *= 3) {
        r.key.size = size;
        r.value.size = size / 2;
        r.create_revision = ++r.mod_revision;
        round_trip(w, &r);
    }
    memset(key, 0xff, ENGINE_KEY_MAX);
    r.key.size = ENGINE_KEY_MAX;
    r.create_revision = ++r.mod_revision;
    round_trip(w, &r);
    mem_free(key);
    mem_free(value);
}

static void test_latest_is_anew(struct world *w)
{
    const struct reader latest = engine_latest(w->e);
    expect_at(w, &latest, "k", NULL);
    put(w, "k", "1");
    expect_at(w, &latest, "k", "1");
    turn(w);
    put(w, "k", "2");
    expect_at(w, &latest, "k", "2");
    erase(w, "k");
    expect_at(w, &latest, "k", NULL);
}

static void test_get_many(struct world *w)
{
    static const char *const keys[] = {"a", "b", "c", "d", "a", "c", "x", "b", "a"};
    struct lookup lookups[9];
    enum err results[9];
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        const char *values[] = {"zero", "one", "two"};
        engine_begin(w->engines[i]);
        put_in(w, w->engines[i], "a", values[i]);
        put_in(w, w->engines[i], "b", "same");
        if (i == 1) {
            put_in(w, w->engines[i], "c", "only here");
        }
        commit(w, w->engines[i]);
    }
    engine_get_many(lookups, 0, ENGINE_MAY_WAIT, &w->arena, results);
    for (unsigned i = 0; i < 9; i++) {
        lookups[i] = lookup_of(w->engines[i % CONFORMANCE_ENGINES], keys[i]);
    }
    engine_get_many(lookups, 9, ENGINE_MAY_WAIT, &w->arena, results);
    const char *const want[] = {"zero", "same", NULL, NULL, "one", NULL, NULL, "same", "two"};
    for (unsigned i = 0; i < 9; i++) {
        EXPECT_EQ(want[i] == NULL ? ERR_NOT_FOUND : ERR_OK, results[i]);
        if (want[i] != NULL) {
            EXPECT(slice_equal(slice_of_text(want[i]), lookups[i].record.value));
        }
    }
}

/* Either it is known at once, or the caller is told that it must wait. */
static void test_no_wait(struct world *w)
{
    struct record record;
    enum err result;
    put(w, "k", "1");
    const struct reader latest = engine_latest(w->e);
    enum err e = engine_get(&latest, SLICE("k"), ENGINE_NO_WAIT, &w->arena, &record);
    EXPECT(e == ERR_OK || e == ERR_WOULD_WAIT);
    e = engine_get(&latest, SLICE("none"), ENGINE_NO_WAIT, &w->arena, &record);
    EXPECT(e == ERR_NOT_FOUND || e == ERR_WOULD_WAIT);
    struct lookup l = lookup_of(w->e, "k");
    engine_get_many(&l, 1, ENGINE_NO_WAIT, &w->arena, &result);
    EXPECT(result == ERR_OK || result == ERR_WOULD_WAIT);
    if (result == ERR_OK) {
        EXPECT(slice_equal(SLICE("1"), l.record.value));
    }
    engine_begin(w->e);
    struct lookup pair[] = {lookup_of(w->e, "k"), lookup_of(w->e, "none")};
    e = engine_approach(pair, 2, ENGINE_NO_WAIT);
    EXPECT(e == ERR_OK || e == ERR_WOULD_WAIT);
    if (e == ERR_WOULD_WAIT) {
        EXPECT_EQ(ERR_OK, engine_approach(pair, 2, ENGINE_MAY_WAIT));
    }
    EXPECT_EQ(ERR_OK, engine_find(&pair[0], ENGINE_NO_WAIT, &w->arena));
    EXPECT_EQ(ERR_NOT_FOUND, engine_find(&pair[1], ENGINE_NO_WAIT, &w->arena));
    commit(w, w->e);
}

/* ---- Views ---- */

static void test_views(struct world *w)
{
    struct reader before;
    struct reader between;
    put(w, "a", "1");
    put(w, "b", "1");
    EXPECT_EQ(ERR_OK, view_open(w->e, &before));
    put(w, "a", "2");
    erase(w, "b");
    put(w, "c", "2");
    EXPECT_EQ(ERR_OK, view_open(w->e, &between));
    erase(w, "a");
    put(w, "b", "3");
    erase(w, "c");
    for (int i = 0; i < 4; i++) {
        expect_at(w, &before, "a", "1");
        expect_at(w, &before, "b", "1");
        expect_at(w, &before, "c", NULL);
        expect_scan(&before, none, none, false, "a b ");
        expect_at(w, &between, "a", "2");
        expect_at(w, &between, "b", NULL);
        expect_at(w, &between, "c", "2");
        expect_scan(&between, none, none, true, "c a ");
        expect_all(w->e, "b ");
        turn(w);
    }
    view_close(&before);
    for (int i = 0; i < 4; i++) {
        turn(w);
        expect_at(w, &between, "a", "2");
        expect_at(w, &between, "b", NULL);
        expect_scan(&between, none, none, false, "a c ");
    }
    view_close(&between);
    EXPECT(between.engine == NULL);
    turn(w);
    expect_all(w->e, "b ");
}

/* A batch that is open does not show in a view opened meanwhile. */
static void test_view_beside_batch(struct world *w)
{
    struct reader view;
    put(w, "a", "1");
    engine_begin(w->e);
    put_in(w, w->e, "a", "2");
    put_in(w, w->e, "b", "2");
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    put_in(w, w->e, "a", "3");
    erase_in(w, w->e, "b");
    expect_at(w, &view, "a", "1");
    expect_at(w, &view, "b", NULL);
    commit(w, w->e);
    turn(w);
    turn(w);
    expect_at(w, &view, "a", "1");
    expect_scan(&view, none, none, false, "a ");
    expect_latest(w, w->e, "a", "3");
    view_close(&view);
}

static void test_views_max(struct world *w)
{
    struct reader views[VIEWS_MAX];
    struct reader more;
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < VIEWS_MAX; i++) {
            put(w, "k", i % 2 == 0 ? "even" : "odd");
            EXPECT_EQ(ERR_OK, view_open(w->e, &views[i]));
        }
        EXPECT_EQ(ERR_BUSY, view_open(w->e, &more));
        EXPECT_EQ(ERR_OK, view_open(w->engines[1], &more)); /* each engine has its own */
        view_close(&more);
        for (unsigned i = 0; i < VIEWS_MAX; i++) {
            expect_at(w, &views[i], "k", i % 2 == 0 ? "even" : "odd");
        }
        for (unsigned i = 0; i < VIEWS_MAX; i++) {
            const unsigned n = (i * 29 + 7) % VIEWS_MAX; /* in no order */
            expect_at(w, &views[n], "k", n % 2 == 0 ? "even" : "odd");
            view_close(&views[n]);
            turn(w);
        }
        EXPECT_EQ(0, engine_stats(w->e).views);
    }
}

/* ---- The writer ---- */

static void test_batch_is_one(struct world *w)
{
    put(w, "old", "1");
    engine_begin(w->e);
    put_in(w, w->e, "a", "1");
    put_in(w, w->e, "b", "1");
    erase_in(w, w->e, "old");
    expect_latest(w, w->e, "a", NULL);
    expect_latest(w, w->e, "old", "1");
    expect_all(w->e, "old ");
    struct lookup l = lookup_of(w->e, "a");
    enum err result;
    engine_get_many(&l, 1, ENGINE_MAY_WAIT, &w->arena, &result);
    EXPECT_EQ(ERR_NOT_FOUND, result);
    const uint64_t before = engine_applied(w->e);
    EXPECT(before < w->revision);
    EXPECT_EQ(ERR_OK, engine_commit(w->e, w->revision + 100));
    w->revision += 100;
    EXPECT_EQ(w->revision, engine_applied(w->e));
    expect_all(w->e, "a b ");
}

static void test_own_writes(struct world *w)
{
    put(w, "b", "0");
    put(w, "d", "0");
    engine_begin(w->e);
    const struct reader writer = engine_writer(w->e);
    put_in(w, w->e, "a", "1");
    put_in(w, w->e, "b", "1");
    erase_in(w, w->e, "d");
    put_in(w, w->e, "e", "1");
    expect_at(w, &writer, "a", "1");
    expect_at(w, &writer, "b", "1");
    expect_at(w, &writer, "c", NULL);
    expect_at(w, &writer, "d", NULL);
    expect_scan(&writer, none, none, false, "a b e ");
    expect_scan(&writer, SLICE("b"), SLICE("e"), true, "b ");
    erase_in(w, w->e, "a");
    put_in(w, w->e, "d", "2");
    erase_in(w, w->e, "d");
    put_in(w, w->e, "d", "3");
    put_in(w, w->e, "d", "4");
    expect_at(w, &writer, "a", NULL);
    expect_at(w, &writer, "d", "4");
    expect_scan(&writer, none, none, true, "e d b ");
    commit(w, w->e);
    expect_all(w->e, "b d e ");
    expect_latest(w, w->e, "d", "4");
}

/* Through the same lookup: written again, erased, written; and two lookups of one key. */
static void test_one_key_many_times(struct world *w)
{
    struct reader view;
    struct record record;
    put(w, "k", "published");
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    engine_begin(w->e);
    struct lookup pair[] = {lookup_of(w->e, "k"), lookup_of(w->e, "k")};
    EXPECT_EQ(ERR_OK, engine_approach(pair, 2, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_OK, find(w, &pair[0]));
    EXPECT_EQ(ERR_OK, find(w, &pair[1]));
    for (int i = 0; i < 50; i++) {
        record = record_of(w, "k", i % 2 == 0 ? "even" : "odd");
        engine_put(&pair[i % 3 % 2], &record);
        if (i % 10 == 5) {
            engine_erase(&pair[i % 2], ++w->revision);
            EXPECT_EQ(ERR_NOT_FOUND, find(w, &pair[0]));
        }
        if (i % 10 == 7) {
            EXPECT_EQ(ERR_OK, find(w, &pair[1]));
            EXPECT(slice_equal(SLICE("odd"), pair[1].record.value));
        }
    }
    expect_at(w, &view, "k", "published");
    commit(w, w->e);
    expect_latest(w, w->e, "k", "odd");
    for (int i = 0; i < 4; i++) {
        turn(w);
        expect_at(w, &view, "k", "published");
    }
    erase(w, "k");
    view_close(&view);
    turn(w);
    expect_latest(w, w->e, "k", NULL);
}

/* Several writes of one command have one revision. */
static void test_equal_revisions(struct world *w)
{
    struct lookup l = lookup_of(w->e, "k");
    const struct record first = record_of(w, "k", "first");
    struct record second = first;
    second.value = SLICE("second");
    engine_begin(w->e);
    EXPECT_EQ(ERR_NOT_FOUND, find(w, &l));
    engine_put(&l, &first);
    engine_put(&l, &second);
    engine_erase(&l, first.mod_revision);
    engine_put(&l, &first);
    engine_put(&l, &second);
    commit(w, w->e);
    expect_latest(w, w->e, "k", "second");
}

/* The way to keys stays right while others come and go around them. */
static void test_approach(struct world *w)
{
    struct lookup lookups[ENGINE_BATCH_MAX];
    char names[ENGINE_BATCH_MAX][16];
    char name[16];
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engine_begin(w->engines[i]);
        for (unsigned n = 0; n < 300 * i; n += 2) {
            put_in(w, w->engines[i], row_name(name, n), "old");
        }
        commit(w, w->engines[i]);
    }
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        engine_begin(w->engines[i]);
    }
    for (unsigned n = 0; n < ENGINE_BATCH_MAX; n++) {
        lookups[n] =
            lookup_of(w->engines[n % CONFORMANCE_ENGINES], row_name(names[n], 100 + n / 3));
    }
    EXPECT_EQ(ERR_OK, engine_approach(lookups, 0, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_OK, engine_approach(lookups, ENGINE_BATCH_MAX, ENGINE_MAY_WAIT));
    for (unsigned n = 0; n < 600; n++) { /* splits, and erases beside them */
        const unsigned number = n * 7 % 600;
        if (number < 100 || number > 120) {
            put_in(w, w->engines[n % CONFORMANCE_ENGINES], row_name(name, number), "new");
            erase_in(w, w->engines[2], row_name(name, n));
        }
    }
    for (unsigned n = 0; n < ENGINE_BATCH_MAX; n++) {
        const bool is_there = n % CONFORMANCE_ENGINES != 0 && (100 + n / 3) % 2 == 0;
        const enum err e = engine_find(&lookups[n], ENGINE_MAY_WAIT, &w->arena);
        if (n % CONFORMANCE_ENGINES != 2) {
            EXPECT_EQ(is_there ? ERR_OK : ERR_NOT_FOUND, e);
        }
        const struct record record = record_of(w, names[n], "again");
        engine_put(&lookups[n], &record);
    }
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        commit(w, w->engines[i]);
    }
    for (unsigned n = 0; n < ENGINE_BATCH_MAX; n++) {
        expect_latest(w, lookups[n].engine, names[n], "again");
    }
}

static void test_erase(struct world *w)
{
    erase(w, "absent");
    put(w, "k", "1");
    erase(w, "k");
    erase(w, "k");
    expect_latest(w, w->e, "k", NULL);
    put(w, "k", "2");
    engine_begin(w->e);
    erase_in(w, w->e, "k");
    erase_in(w, w->e, "k");
    commit(w, w->e);
    expect_all(w->e, "");
    put(w, "k", "3");
    expect_latest(w, w->e, "k", "3");
}

static void erase_range(struct world *w, struct slice from, struct slice to, size_t limit)
{
    w->revision++;
    while (!engine_erase_range(w->e, from, to, w->revision, limit)) {
    }
}

static void test_erase_range(struct world *w)
{
    static const char *const keys[] = {"a", "b", "ba", "bb", "bz", "c", "d"};
    engine_begin(w->e);
    for (unsigned i = 0; i < 7; i++) {
        put_in(w, w->e, keys[i], "1");
    }
    commit(w, w->e);
    engine_begin(w->e);
    erase_range(w, SLICE("b"), SLICE("c"), 2);
    const struct reader writer = engine_writer(w->e);
    expect_at(w, &writer, "ba", NULL);
    expect_scan(&writer, none, none, false, "a c d ");
    put_in(w, w->e, "bb", "2"); /* written after it in the same batch */
    expect_at(w, &writer, "bb", "2");
    commit(w, w->e);
    expect_all(w->e, "a bb c d ");
    engine_begin(w->e);
    put_in(w, w->e, "bc", "3"); /* written before it in the same batch */
    erase_range(w, SLICE("b"), SLICE("c"), 100);
    erase_range(w, SLICE("x"), SLICE("y"), 1);
    erase_range(w, SLICE("c"), SLICE("c"), 1);
    commit(w, w->e);
    expect_all(w->e, "a c d ");
    put(w, "b", "4");
    expect_all(w->e, "a b c d ");
    engine_begin(w->e);
    erase_range(w, SLICE("b"), SLICE("c"), 100); /* the same range once more */
    commit(w, w->e);
    expect_all(w->e, "a c d ");
}

static unsigned count_rows(struct engine *e)
{
    const struct reader latest = engine_latest(e);
    struct scan s = {0};
    struct record record;
    unsigned count = 0;
    scan_open(&s, &latest, none, none, false);
    while (scan_next(&s, &record) == ERR_OK) {
        count++;
    }
    scan_close(&s);
    return count;
}

/* A large range goes in steps over many batches, while other rows are written and read. */
static void test_erase_range_in_steps(struct world *w)
{
    char name[16];
    const unsigned rows = 3000;
    engine_begin(w->e);
    for (unsigned n = 0; n < rows; n++) {
        put_in(w, w->e, row_name(name, n), "1");
    }
    commit(w, w->e);
    bool is_done = false;
    unsigned left = count_rows(w->e);
    EXPECT_EQ(rows, left);
    for (unsigned step = 0; !is_done; step++) {
        EXPECT(step < rows);
        engine_begin(w->e);
        is_done = engine_erase_range(w->e, SLICE("row00500"), SLICE("row02500"), ++w->revision, 70);
        put_in(w, w->e, "row00100", "2");
        commit(w, w->e);
        const unsigned now = count_rows(w->e);
        EXPECT(now <= left);
        if (w->f->is_memory) {
            EXPECT(left - now <= 70);
        }
        left = now;
        turn(w);
    }
    EXPECT_EQ(rows - 2000, left);
    expect_latest(w, w->e, "row00499", "1");
    expect_latest(w, w->e, "row00500", NULL);
    expect_latest(w, w->e, "row02499", NULL);
    expect_latest(w, w->e, "row02500", "1");
}

static void test_abort(struct world *w)
{
    put(w, "a", "1");
    const uint64_t applied = engine_applied(w->e);
    engine_begin(w->e);
    engine_abort(w->e);
    if (!w->f->is_memory) {
        engine_begin(w->e);
        put_in(w, w->e, "a", "2");
        put_in(w, w->e, "b", "2");
        engine_abort(w->e);
        engine_begin(w->e);
        erase_in(w, w->e, "a");
        const struct reader writer = engine_writer(w->e);
        expect_at(w, &writer, "a", NULL);
        expect_at(w, &writer, "b", NULL);
        engine_abort(w->e);
    }
    EXPECT_EQ(applied, engine_applied(w->e));
    expect_all(w->e, "a ");
    expect_latest(w, w->e, "a", "1");
    put(w, "a", "3");
    expect_latest(w, w->e, "a", "3");
}

static void test_empty_batch(struct world *w)
{
    put(w, "a", "1");
    engine_begin(w->e);
    EXPECT_EQ(ERR_OK, engine_commit(w->e, w->revision + 10));
    EXPECT_EQ(w->revision + 10, engine_applied(w->e));
    expect_latest(w, w->e, "a", "1");
}

/* What happens in one engine does not show in the others of its storage. */
static void test_engines_are_apart(struct world *w)
{
    engine_begin(w->engines[0]);
    engine_begin(w->engines[1]);
    put_in(w, w->engines[0], "k", "zero");
    put_in(w, w->engines[1], "k", "one");
    put_in(w, w->engines[1], "l", "one");
    const struct reader writer = engine_writer(w->engines[0]);
    expect_at(w, &writer, "l", NULL);
    commit(w, w->engines[1]);
    EXPECT_EQ(0, engine_applied(w->engines[0]));
    expect_latest(w, w->engines[0], "k", NULL);
    commit(w, w->engines[0]);
    expect_latest(w, w->engines[0], "k", "zero");
    expect_all(w->engines[1], "k l ");
    expect_all(w->engines[2], "");
}

/* ---- Scans ---- */

static void test_scan_bounds(struct world *w)
{
    struct reader view;
    engine_begin(w->e);
    put_in(w, w->e, "b", "1");
    put_in(w, w->e, "aa", "1");
    put_in(w, w->e, "a", "1");
    put_in(w, w->e, "ab", "1");
    put_in(w, w->e, "\xff", "1");
    put_in(w, w->e, "ba", "1");
    commit(w, w->e);
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    put(w, "aab", "later");
    expect_scan(&view, none, none, false, "a aa ab b ba \xff ");
    expect_scan(&view, none, none, true, "\xff ba b ab aa a ");
    expect_scan(&view, SLICE("aa"), SLICE("b"), false, "aa ab ");
    expect_scan(&view, SLICE("aa"), SLICE("b"), true, "ab aa ");
    expect_scan(&view, SLICE("a0"), SLICE("b0"), false, "aa ab b ");
    expect_scan(&view, SLICE("a0"), SLICE("b0"), true, "b ab aa ");
    expect_scan(&view, SLICE("b"), none, false, "b ba \xff ");
    expect_scan(&view, SLICE("b"), none, true, "\xff ba b ");
    expect_scan(&view, none, SLICE("ab"), true, "aa a ");
    expect_scan(&view, SLICE("b"), SLICE("b"), false, "");
    expect_scan(&view, SLICE("b"), SLICE("b"), true, "");
    expect_scan(&view, SLICE("b"), SLICE("a"), false, "");
    expect_scan(&view, SLICE("b"), SLICE("a"), true, "");
    expect_scan(&view, SLICE("c"), SLICE("d"), true, "");
    view_close(&view);
}

/* A long scan of a view goes over many turns, while all it reads is replaced or erased. */
static void long_scan(struct world *w, const struct reader *view, unsigned rows, bool is_reverse)
{
    struct scan s = {0};
    struct record record;
    char name[16];
    scan_open(&s, view, none, none, is_reverse);
    for (unsigned n = 0; n < rows; n++) {
        EXPECT_EQ(ERR_OK, scan_next(&s, &record));
        EXPECT(
            slice_equal(slice_of_text(row_name(name, is_reverse ? rows - 1 - n : n)), record.key));
        EXPECT(slice_equal(SLICE("old"), record.value));
        if (n % 16 == 0) {
            engine_begin(w->e);
            for (unsigned i = n; i < n + 64; i++) {
                if (i % 3 == 0) {
                    erase_in(w, w->e, row_name(name, i));
                } else {
                    put_in(w, w->e, row_name(name, i), "new");
                }
            }
            commit(w, w->e);
            turn(w);
        }
    }
    EXPECT_EQ(ERR_NOT_FOUND, scan_next(&s, &record));
    scan_close(&s);
}

static void test_long_scan(struct world *w)
{
    const unsigned rows = 1000;
    char name[16];
    struct reader view;
    engine_begin(w->e);
    for (unsigned n = 0; n < rows; n++) {
        put_in(w, w->e, row_name(name, n * 37 % rows), "old");
    }
    commit(w, w->e);
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    long_scan(w, &view, rows, false);
    long_scan(w, &view, rows, true);
    view_close(&view);
}

/* ---- What only some engines have ---- */

static void test_reopen(struct world *w)
{
    struct record record;
    if (w->f->reopen == NULL) {
        return;
    }
    put(w, "a", "1");
    put(w, "b", "1");
    put(w, "c", "1");
    put(w, "b", "2");
    erase(w, "c");
    engine_begin(w->engines[1]);
    put_in(w, w->engines[1], "other", "1");
    commit(w, w->engines[1]);
    for (unsigned round = 0; round < 2; round++) {
        turn(w);
        w->f->reopen(w->f->arg, w->engines);
        w->e = w->engines[0];
        expect_all(w->e, round == 0 ? "a b " : "a b d ");
        expect_all(w->engines[1], "other ");
        const struct reader latest = engine_latest(w->e);
        EXPECT_EQ(ERR_OK, engine_get(&latest, SLICE("b"), ENGINE_MAY_WAIT, &w->arena, &record));
        EXPECT(slice_equal(SLICE("2"), record.value));
        put(w, "d", "3");
        expect_all(w->e, "a b d ");
    }
}

/* Rows that have been read or written since the hand passed get a second chance. */
static void test_coldest(struct world *w)
{
    const unsigned rows = 200;
    char name[16];
    struct record record;
    if (!w->f->is_memory) {
        return;
    }
    engine_begin(w->e);
    for (unsigned n = 0; n < rows; n++) {
        put_in(w, w->e, row_name(name, n), "1");
        put_in(w, w->e, n % 2 == 0 ? "other" : "rot", "1");
    }
    commit(w, w->e);
    EXPECT_EQ(ERR_NOT_FOUND, engine_coldest(w->e, SLICE("row"), 10, &record));
    EXPECT_EQ(ERR_NOT_FOUND, engine_coldest(w->e, SLICE("nothing"), 10, &record));
    while (engine_coldest(w->e, SLICE("row"), 10, &record) != ERR_OK) {
    }
    for (unsigned n = 0; n < rows; n += 2) { /* every second row is in use */
        expect_latest(w, w->e, row_name(name, n), "1");
    }
    for (unsigned n = 0; n < rows / 2 - 1; n++) {
        EXPECT(slice_starts_with(record.key, SLICE("row")));
        unsigned number = 0;
        for (size_t i = 3; i < record.key.size; i++) {
            number = number * 10 + (record.key.data[i] - (unsigned)'0');
        }
        if (n > 0) { /* the first one was chosen before the others were used */
            EXPECT_EQ(1, number % 2);
        }
        erase(w, row_name(name, number));
        turn(w);
        while (engine_coldest(w->e, SLICE("row"), 10, &record) != ERR_OK) {
        }
    }
    expect_latest(w, w->e, "other", "1");
    expect_latest(w, w->e, "rot", "1");
}

/* Everything comes back: rows, versions kept for views, nodes. */
static void test_memory_comes_back(struct world *w)
{
    struct reader view;
    char name[16];
    if (!w->f->is_memory) {
        return;
    }
    const uint64_t used = engine_stats(w->e).used_bytes;
    for (unsigned round = 0; round < 3; round++) {
        engine_begin(w->e);
        for (unsigned n = 0; n < 2000; n++) {
            put_in(w, w->e, row_name(name, n), "a value");
        }
        commit(w, w->e);
        EXPECT_EQ(2000, engine_stats(w->e).rows);
        if (round == 1) {
            EXPECT_EQ(ERR_OK, view_open(w->e, &view));
            EXPECT_EQ(1, engine_stats(w->e).views);
        }
    }
    EXPECT(engine_stats(w->e).used_bytes > used + (uint64_t)2000 * 20);
    engine_begin(w->e);
    erase_range(w, SLICE("row"), none, 100);
    commit(w, w->e);
    EXPECT_EQ(0, engine_stats(w->e).rows);
    view_close(&view);
    for (int n = 0; n < 30; n++) {
        turn(w);
    }
    EXPECT_EQ(0, engine_stats(w->e).waiting);
    EXPECT_EQ(used, engine_stats(w->e).used_bytes);
}

struct conformance_case {
    const char *name;
    void (*run)(struct world *w);
};

static const struct conformance_case cases[] = {
    {"empty", test_empty},
    {"fields", test_fields},
    {"sizes", test_sizes},
    {"latest_is_anew", test_latest_is_anew},
    {"get_many", test_get_many},
    {"no_wait", test_no_wait},
    {"views", test_views},
    {"view_beside_batch", test_view_beside_batch},
    {"views_max", test_views_max},
    {"batch_is_one", test_batch_is_one},
    {"own_writes", test_own_writes},
    {"one_key_many_times", test_one_key_many_times},
    {"equal_revisions", test_equal_revisions},
    {"approach", test_approach},
    {"erase", test_erase},
    {"erase_range", test_erase_range},
    {"erase_range_in_steps", test_erase_range_in_steps},
    {"abort", test_abort},
    {"empty_batch", test_empty_batch},
    {"engines_are_apart", test_engines_are_apart},
    {"scan_bounds", test_scan_bounds},
    {"long_scan", test_long_scan},
    {"reopen", test_reopen},
    {"coldest", test_coldest},
    {"memory_comes_back", test_memory_comes_back},
};

uint64_t conformance_seed(uint64_t otherwise)
{
    const char *text = getenv("HOLDFAST_SEED");
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

void engine_conformance(const struct engine_factory *f)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w;
        (void)printf("  %s\n", cases[i].name);
        (void)fflush(stdout);
        setup(&w, f);
        cases[i].run(&w);
        teardown(&w);
    }
    engine_conformance_random(f, conformance_seed(1), 200);
}
