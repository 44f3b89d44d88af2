/* Cases about reading: one row, many, views, scans. */
#include "base/mem.h"
#include "unit/engine_cases.h"

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

/* What a view costs: in memory the versions kept for it, on disk what was written since. */
static void test_view_bytes(struct world *w)
{
    struct reader old;
    struct reader young;
    for (int i = 0; i < 10; i++) {
        put(w, "a", "a value of some length");
    }
    EXPECT_EQ(ERR_OK, view_open(w->e, &old));
    EXPECT_EQ(0, view_bytes(&old));
    put(w, "a", "another value of some length");
    EXPECT_EQ(ERR_OK, view_open(w->e, &young));
    for (int i = 0; i < 4; i++) {
        turn(w);
    }
    const uint64_t bytes = view_bytes(&old);
    EXPECT(bytes >= 20);
    EXPECT(bytes < 1000);
    EXPECT_EQ(0, view_bytes(&young));
    for (int i = 0; i < 10; i++) {
        put(w, "a", "x");
        turn(w);
    }
    EXPECT(view_bytes(&young) >= 20);
    EXPECT(view_bytes(&young) < 1000);
    if (w->f->is_memory) { /* each keeps one version, however many there were since */
        EXPECT_EQ(bytes, view_bytes(&old));
        EXPECT_EQ(bytes + view_bytes(&young), engine_stats(w->e).pinned_bytes);
    }
    view_close(&old);
    view_close(&young);
    for (int i = 0; i < 4; i++) {
        turn(w);
    }
    EXPECT_EQ(0, engine_stats(w->e).pinned_bytes);
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

const struct conformance_case reader_cases[] = {
    {"empty", test_empty},
    {"fields", test_fields},
    {"sizes", test_sizes},
    {"latest_is_anew", test_latest_is_anew},
    {"get_many", test_get_many},
    {"no_wait", test_no_wait},
    {"views", test_views},
    {"view_beside_batch", test_view_beside_batch},
    {"view_bytes", test_view_bytes},
    {"views_max", test_views_max},
    {"scan_bounds", test_scan_bounds},
    {"long_scan", test_long_scan},
    {NULL, NULL},
};
