/* Cases about the writer, and about what only some engines have. */
#include "unit/engine_cases.h"

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

/* Rows that nobody looked for: new, replaced, erased, absent; read before the commit and after. */
static void test_unseen(struct world *w)
{
    put(w, "b", "0");
    put(w, "c", "0");
    put(w, "d", "0");
    expect_latest(w, w->e, "b", "0"); /* so that a cache has it */
    for (int i = 0; i < 2; i++) {
        engine_begin(w->e);
        const struct reader writer = engine_writer(w->e);
        const struct record a = record_of(w, "a", "1");
        engine_put_unseen(w->e, &a);
        const struct record b = record_of(w, "b", i == 0 ? "1" : "2");
        engine_put_unseen(w->e, &b);
        engine_erase_unseen(w->e, SLICE("c"), ++w->revision);
        engine_erase_unseen(w->e, SLICE("nothing"), ++w->revision);
        expect_at(w, &writer, "a", "1");
        expect_at(w, &writer, "c", NULL);
        erase_in(w, w->e, "a");
        put_in(w, w->e, "d", "2");
        const struct record d = record_of(w, "d", "1");
        engine_put_unseen(w->e, &d);
        expect_scan(&writer, none, none, false, "b d ");
        commit(w, w->e);
        expect_all(w->e, "b d ");
        expect_latest(w, w->e, "a", NULL);
        expect_latest(w, w->e, "b", i == 0 ? "1" : "2");
        expect_latest(w, w->e, "c", NULL);
        expect_latest(w, w->e, "d", "1");
    }
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

/* Readers see all of the range, then nothing of it; views see what they saw. */
static void test_erase_range_at_once(struct world *w)
{
    char name[16];
    engine_begin(w->e);
    for (unsigned n = 0; n < 500; n++) {
        put_in(w, w->e, row_name(name, n), "1");
    }
    commit(w, w->e);
    struct reader view;
    EXPECT_EQ(ERR_OK, view_open(w->e, &view));
    expect_latest(w, w->e, "row00100", "1"); /* where there is a cache, it is in it */
    engine_begin(w->e);
    erase_range(w, SLICE("row00200"), SLICE("row00300"), SIZE_MAX);
    erase_range(w, SLICE("row00100"), SLICE("row00400"), SIZE_MAX); /* the other one lies in it */
    erase_range(w, SLICE("row00150"), SLICE("row00160"), SIZE_MAX);
    const struct reader writer = engine_writer(w->e);
    expect_at(w, &writer, "row00100", NULL);
    expect_at(w, &writer, "row00250", NULL);
    expect_at(w, &writer, "row00400", "1");
    expect_latest(w, w->e, "row00100", "1");
    expect_latest(w, w->e, "row00250", "1");
    put_in(w, w->e, "row00250", "2");
    commit(w, w->e);
    expect_latest(w, w->e, "row00100", NULL);
    expect_latest(w, w->e, "row00250", "2");
    EXPECT_EQ(201, count_rows(w->e));
    expect_at(w, &view, "row00100", "1");
    expect_at(w, &view, "row00250", "1");
    view_close(&view);
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
        if (!is_done && step == 10) { /* behind its back */
            put_in(w, w->e, "row00510", "2");
            left++;
        }
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

const struct conformance_case writer_cases[] = {
    {"batch_is_one", test_batch_is_one},
    {"own_writes", test_own_writes},
    {"unseen", test_unseen},
    {"one_key_many_times", test_one_key_many_times},
    {"equal_revisions", test_equal_revisions},
    {"approach", test_approach},
    {"erase", test_erase},
    {"erase_range", test_erase_range},
    {"erase_range_at_once", test_erase_range_at_once},
    {"erase_range_in_steps", test_erase_range_in_steps},
    {"abort", test_abort},
    {"empty_batch", test_empty_batch},
    {"engines_are_apart", test_engines_are_apart},
    {"reopen", test_reopen},
    {"coldest", test_coldest},
    {"memory_comes_back", test_memory_comes_back},
    {NULL, NULL},
};
