/* What each operation does and each error it can answer, where the random test (which knows the
 * operations, but no large sets, no limits and no time) does not look. On both engines. */
#include "base/buf.h"
#include "base/mem.h"
#include "harness.h"
#include "unit/model_world.h"

#define KEY(text) .table = WORLD_TABLE, .key = SLICE(text)

static const enum world_kind kinds[] = {WORLD_MEMORY, WORLD_DISK};

/* Runs `test` in a fresh world of each kind. */
static void in_worlds(void (*test)(struct model_world *w))
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct model_world w;
        world_open(&w, kinds[i]);
        test(&w);
        world_close(&w);
    }
}

static struct result put(struct model_world *w, struct slice key, struct slice value)
{
    const struct op op = {.kind = OP_PUT, .table = WORLD_TABLE, .key = key, .value = value};
    const struct result result = world_do(w, &op);
    EXPECT_EQ(ERR_OK, result.err);
    return result;
}

static void expect_value(struct model_world *w, struct slice key, const char *want)
{
    const struct op op = {.kind = OP_GET, .table = WORLD_TABLE, .key = key};
    const struct result result = world_read(w, &op);
    EXPECT_EQ(want == NULL ? ERR_NOT_FOUND : ERR_OK, result.err);
    if (want != NULL) {
        EXPECT(slice_equal(slice_of_text(want), result.value));
    }
}

static struct result add_members(struct model_world *w, struct slice key, uint64_t first,
                                 uint64_t count)
{
    struct result result = {0};
    for (uint64_t done = 0; done < count; done += 500) {
        struct buf bytes = {0};
        struct slice items[500];
        const uint32_t part = (uint32_t)(count - done < 500 ? count - done : 500);
        for (uint32_t i = 0; i < part; i++) {
            buf_printf(&bytes, "%08" PRIu64, first + done + i);
        }
        for (uint32_t i = 0; i < part; i++) {
            items[i] = slice_of(bytes.data + (size_t)8 * i, 8);
        }
        const struct op op = {.kind = OP_SET_ADD,
                              .table = WORLD_TABLE,
                              .key = key,
                              .items = items,
                              .item_count = part};
        result = world_do(w, &op);
        EXPECT_EQ(ERR_OK, result.err);
        buf_deinit(&bytes);
    }
    return result;
}

/* ---- Records ---- */

static void revisions(struct model_world *w)
{
    const struct result first = put(w, SLICE("k"), SLICE("1"));
    const struct result second = put(w, SLICE("k"), SLICE("2"));
    EXPECT_EQ(first.mod_revision, first.create_revision);
    EXPECT_EQ(1, first.version);
    EXPECT_EQ(first.create_revision, second.create_revision);
    EXPECT(second.mod_revision > first.mod_revision);
    EXPECT_EQ(2, second.version);
    const struct op gone = {.kind = OP_DELETE, KEY("k")};
    EXPECT_EQ(ERR_OK, world_do(w, &gone).err);
    const struct result third = put(w, SLICE("k"), SLICE("3"));
    EXPECT_EQ(third.mod_revision, third.create_revision);
    EXPECT_EQ(1, third.version);
}

static void test_revisions(void)
{
    in_worlds(revisions);
}

static void conditions(struct model_world *w)
{
    const struct op absent = {
        .kind = OP_PUT, KEY("k"), .value = SLICE("a"), .condition = IF_ABSENT};
    const struct result made = world_do(w, &absent);
    EXPECT_EQ(ERR_OK, made.err);
    struct op op = absent;
    op.flags = OP_WANT_PREV;
    op.value = SLICE("b");
    const struct result refused = world_do(w, &op);
    EXPECT_EQ(ERR_CONFLICT, refused.err);
    EXPECT(slice_equal(SLICE("a"), refused.value));
    EXPECT(refused.was_found);
    EXPECT_EQ(made.mod_revision, refused.mod_revision);
    op.condition = IF_REVISION;
    op.revision = made.mod_revision + 1;
    EXPECT_EQ(ERR_CONFLICT, world_do(w, &op).err);
    op.revision = made.mod_revision;
    EXPECT_EQ(ERR_OK, world_do(w, &op).err);
    expect_value(w, SLICE("k"), "b");
    const struct op wrong = {.kind = OP_DELETE, KEY("k"), .condition = IF_REVISION, .revision = 1};
    EXPECT_EQ(ERR_CONFLICT, world_do(w, &wrong).err);
}

static void test_conditions(void)
{
    in_worlds(conditions);
}

/* Every operation that demands a type, at a key of another one. */
static void wrong_types(struct model_world *w)
{
    const struct slice items[] = {SLICE("s"), SLICE("s")};
    const struct op log = {
        .kind = OP_LOG_APPEND, KEY("log"), .value = SLICE("v"), .id = SLICE("i")};
    const struct op set = {.kind = OP_SET_ADD, KEY("set"), .items = items, .item_count = 1};
    EXPECT_EQ(ERR_OK, world_do(w, &log).err);
    EXPECT_EQ(ERR_OK, world_do(w, &set).err);
    (void)put(w, SLICE("s"), SLICE("text"));
    struct bit_field field = {.kind = BIT_FIELD_SET, .bits = 8};
    const struct slice fields[] = {slice_of(&field, sizeof(field))};
    const struct op ops[] = {
        {.kind = OP_GET, KEY("set")},
        {.kind = OP_PUT, KEY("set"), .flags = OP_WANT_PREV},
        {.kind = OP_DELETE, KEY("log"), .flags = OP_WANT_PREV},
        {.kind = OP_EXPIRE, KEY("log"), .flags = OP_WANT_PREV},
        {.kind = OP_APPEND, KEY("set"), .value = SLICE("x")},
        {.kind = OP_SET_RANGE, KEY("log"), .value = SLICE("x")},
        {.kind = OP_BIT_SET, KEY("set")},
        {.kind = OP_BIT_FIELD, KEY("set"), .items = fields, .item_count = 1},
        {.kind = OP_ADD, KEY("set"), .number = 1},
        {.kind = OP_ADD_FLOAT, KEY("set"), .value = SLICE("1")},
        {.kind = OP_SET_ADD, KEY("s"), .items = items, .item_count = 1},
        {.kind = OP_SET_REMOVE, KEY("log"), .items = items, .item_count = 1},
        {.kind = OP_SET_MOVE, KEY("s"), .other = SLICE("set"), .value = SLICE("s")},
        {.kind = OP_SET_MOVE, KEY("set"), .other = SLICE("s"), .value = SLICE("s")},
        {.kind = OP_SET_POP, KEY("s"), .number = 1},
        {.kind = OP_SET_HAS, KEY("s"), .items = items, .item_count = 1},
        {.kind = OP_SET_HAS, KEY("s"), .items = items, .item_count = 2},
        {.kind = OP_SET_RANDOM, KEY("s"), .number = 1},
        {.kind = OP_SET_COMBINE, KEY(""), .items = items, .item_count = 1},
        {.kind = OP_SET_STORE, KEY("x"), .items = items, .item_count = 1},
        {.kind = OP_SET_RANGE_MEMBERS, KEY("s")},
        {.kind = OP_LOG_APPEND, KEY("s"), .id = SLICE("i")},
        {.kind = OP_LOG_READ, KEY("s")},
        {.kind = OP_LOG_RANGE, KEY("set")},
    };
    const uint64_t count = model_count(w->model, WORLD_TABLE);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        EXPECT_EQ(ERR_WRONG_TYPE, world_any(w, &ops[i]).err);
    }
    EXPECT_EQ(count, model_count(w->model, WORLD_TABLE));
}

static void test_wrong_types(void)
{
    in_worlds(wrong_types);
}

static void closed_table(struct model_world *w)
{
    const struct op get = {.kind = OP_GET, .table = 77};
    const struct op count = {.kind = OP_COUNT, .table = 77};
    const struct op set = {.kind = OP_PUT, .table = 77, .idempotency_id = SLICE("x")};
    const struct op txn = {.kind = OP_TXN, .table = WORLD_TABLE, .ops = &set, .op_count = 1};
    const struct op copy = {.kind = OP_COPY, KEY("k"), .other_table = 77};
    struct op inside = set;
    inside.idempotency_id = slice_of(NULL, 0);
    struct op parts = txn;
    parts.ops = &inside;
    EXPECT_EQ(ERR_NOT_FOUND, world_read(w, &get).err);
    EXPECT_EQ(ERR_NOT_FOUND, world_read(w, &count).err);
    EXPECT_EQ(ERR_NOT_FOUND, world_do(w, &set).err);
    const struct result result = world_do(w, &parts);
    EXPECT_EQ(ERR_OK, result.err);
    EXPECT_EQ(ERR_NOT_FOUND, result.results[0].err);
    (void)put(w, SLICE("k"), SLICE("v"));
    EXPECT_EQ(ERR_NOT_FOUND, world_do(w, &copy).err);
    EXPECT(!model_table_is_open(w->model, 77));
    EXPECT_EQ(0, model_count(w->model, 77));
}

static void test_closed_table(void)
{
    in_worlds(closed_table);
}

/* ---- Strings ---- */

static void floats(struct model_world *w)
{
    const struct {
        const char *before, *amount, *after; /* NULL: an error */
        enum err err;
    } rows[] = {
        {"10.50", "0.1", "10.6", ERR_OK},
        {"5.0e3", "2.0e2", "5200", ERR_OK},
        {"3.0e3", "200", "3200", ERR_OK},
        {"10.6", "-5", "5.6", ERR_OK},
        {"1", "-1", "0", ERR_OK},
        {"-0.5", "0.5", "0", ERR_OK},
        {"0", "-0.0", "0", ERR_OK},
        {"3", "1.000000000000000005", "4.00000000000000001", ERR_OK},
        {"17179869184", "1.5", "17179869185.5", ERR_OK},
        {"abc", "1", NULL, ERR_NOT_A_NUMBER},
        {" 1", "1", NULL, ERR_NOT_A_NUMBER},
        {"1 ", "1", NULL, ERR_NOT_A_NUMBER},
        {"", "1", NULL, ERR_NOT_A_NUMBER},
        {"1", "", NULL, ERR_NOT_A_NUMBER},
        {"1", "x", NULL, ERR_NOT_A_NUMBER},
        {"nan", "1", NULL, ERR_NOT_A_NUMBER},
        {"1", "nan", NULL, ERR_NOT_A_NUMBER},
        {"1", "inf", NULL, ERR_OVERFLOW},
        {"1e4932", "1e4932", NULL, ERR_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)put(w, SLICE("f"), slice_of_text(rows[i].before));
        const struct op op = {
            .kind = OP_ADD_FLOAT, KEY("f"), .value = slice_of_text(rows[i].amount)};
        const struct result result = world_do(w, &op);
        EXPECT_EQ(rows[i].err, result.err);
        const char *want = rows[i].after == NULL ? rows[i].before : rows[i].after;
        if (rows[i].after != NULL) {
            EXPECT(slice_equal(slice_of_text(want), result.value));
        }
        expect_value(w, SLICE("f"), want);
    }
}

static void test_floats(void)
{
    in_worlds(floats);
}

static void numbers(struct model_world *w)
{
    const struct op add = {.kind = OP_ADD, KEY("n"), .number = 2};
    const struct op much = {.kind = OP_ADD, KEY("n"), .number = INT64_MAX};
    const struct op get = {.kind = OP_GET, KEY("n")};
    EXPECT_EQ(2, world_do(w, &add).number);
    EXPECT_EQ(ERR_OVERFLOW, world_do(w, &much).err);
    const struct result result = world_read(w, &get);
    EXPECT(result.is_integer);
    EXPECT_EQ(2, result.number);
    (void)put(w, SLICE("n"), SLICE("02"));
    EXPECT_EQ(ERR_NOT_A_NUMBER, world_do(w, &add).err);
    expect_value(w, SLICE("n"), "02");
}

static void test_numbers(void)
{
    in_worlds(numbers);
}

static void growth(struct model_world *w)
{
    uint8_t *bytes = mem_zero(1, WORLD_VALUE_MAX);
    (void)put(w, SLICE("k"), slice_of(bytes, WORLD_VALUE_MAX - 1));
    const struct op one = {.kind = OP_APPEND, KEY("k"), .value = SLICE("x")};
    EXPECT_EQ(WORLD_VALUE_MAX, world_do(w, &one).count);
    EXPECT_EQ(ERR_TOO_LARGE, world_do(w, &one).err);
    const struct op stat = {.kind = OP_STAT, KEY("k")};
    EXPECT_EQ(WORLD_VALUE_MAX, world_read(w, &stat).count);
    mem_free(bytes);
}

static void test_growth(void)
{
    in_worlds(growth);
}

/* ---- Expiry ---- */

static void default_ttl(struct model_world *w)
{
    const struct op open = {.kind = OP_TABLE_OPEN, .table = WORLD_TABLE, .number = 100};
    EXPECT_EQ(ERR_OK, world_do(w, &open).err);
    const struct result made = put(w, SLICE("k"), SLICE("1"));
    EXPECT_EQ(w->now_ms + 100, made.expiry_ms);
    const struct op forever = {
        .kind = OP_PUT, KEY("f"), .value = SLICE("1"), .flags = OP_SET_EXPIRY};
    EXPECT_EQ(0, world_do(w, &forever).expiry_ms);
    w->now_ms += 50;
    const struct op add = {.kind = OP_ADD, KEY("k"), .number = 1};
    EXPECT_EQ(made.expiry_ms, world_do(w, &add).expiry_ms); /* kept, not renewed */
    EXPECT(!model_wants_sweep(w->model, w->now_ms));
    w->now_ms += 50;
    expect_value(w, SLICE("k"), NULL);
    EXPECT(model_wants_sweep(w->model, w->now_ms));
    EXPECT_EQ(2, model_count(w->model, WORLD_TABLE));
    EXPECT_EQ(1, world_sweep(w));
    EXPECT_EQ(1, model_count(w->model, WORLD_TABLE));
    expect_value(w, SLICE("f"), "1");
}

static void test_default_ttl(void)
{
    in_worlds(default_ttl);
}

/* A write into a collection that has expired begins anew; its old rows are swept. */
static void expired_set(struct model_world *w)
{
    (void)add_members(w, SLICE("s"), 0, 100);
    const struct op expire = {.kind = OP_EXPIRE, KEY("s"), .expiry_ms = w->now_ms + 10};
    EXPECT_EQ(1, world_do(w, &expire).count);
    w->now_ms += 10;
    const struct result result = add_members(w, SLICE("s"), 50, 3);
    EXPECT_EQ(3, result.count);
    EXPECT_EQ(1, result.version);
    EXPECT_EQ(0, result.expiry_ms);
    const struct op stat = {.kind = OP_STAT, KEY("s")};
    EXPECT_EQ(3, world_read(w, &stat).count);
    (void)world_sweep(w);
    EXPECT_EQ(3, world_read(w, &stat).count);
    EXPECT_EQ(1, model_count(w->model, WORLD_TABLE));
}

static void test_expired_set(void)
{
    in_worlds(expired_set);
}

/* ---- Large sets ---- */

/* All that a walk in pages gives, against a set of consecutive numbers. */
static void expect_members(struct model_world *w, struct slice key, uint64_t first, uint64_t count)
{
    uint8_t last[64];
    struct op page = {.kind = OP_SET_RANGE_MEMBERS, .table = WORLD_TABLE, .key = key, .limit = 700};
    uint64_t seen = 0;
    for (bool is_more = true; is_more;) {
        const struct result result = world_read(w, &page);
        EXPECT_EQ(ERR_OK, result.err);
        for (size_t i = 0; i < result.row_count; i++) {
            char want[16];
            (void)snprintf(want, sizeof(want), "%08" PRIu64, first + seen++);
            EXPECT(slice_equal(slice_of_text(want), result.rows[i].key));
            memcpy(last, want, 8);
        }
        is_more = result.is_more;
        page.other = slice_of(last, 8);
        page.flags = OP_AFTER;
    }
    EXPECT_EQ(count, seen);
}

static void large_sets(struct model_world *w)
{
    EXPECT_EQ(500, add_members(w, SLICE("a"), 0, 3000).count);
    expect_members(w, SLICE("a"), 0, 3000);
    (void)add_members(w, SLICE("b"), 2990, 3000);
    const struct slice items[] = {SLICE("a"), SLICE("b")};
    struct op combine = {.kind = OP_SET_COMBINE, KEY(""), .items = items, .item_count = 2};
    const uint64_t counts[] = {
        [SET_UNION] = 5990, [SET_INTERSECTION] = 10, [SET_DIFFERENCE] = 2990};
    for (int64_t i = SET_UNION; i <= SET_DIFFERENCE; i++) {
        combine.number = i;
        EXPECT_EQ(counts[i], world_read(w, &combine).count);
    }
    struct op store = combine;
    store.kind = OP_SET_STORE;
    store.key = SLICE("a"); /* its own source */
    EXPECT_EQ(2990, world_do(w, &store).count);
    expect_members(w, SLICE("a"), 0, 2990);
    const struct op copy = {
        .kind = OP_COPY, KEY("a"), .other_table = WORLD_TABLE, .other = SLICE("c")};
    EXPECT_EQ(1, world_do(w, &copy).count);
    const struct op rename = {
        .kind = OP_RENAME, KEY("a"), .other = SLICE("b"), .flags = OP_REPLACE};
    EXPECT_EQ(1, world_do(w, &rename).count);
    (void)world_sweep(w);
    expect_members(w, SLICE("b"), 0, 2990);
    expect_members(w, SLICE("c"), 0, 2990);
    EXPECT_EQ(2, model_count(w->model, WORLD_TABLE));
}

static void test_large_sets(void)
{
    in_worlds(large_sets);
}

/* Each member of a set too large to be read whole comes up, however the keys are spread: counted
 * up, or a cluster beside a far one. */
static void random_members(struct model_world *w)
{
    static bool seen[3001];
    memset(seen, 0, sizeof(seen));
    (void)add_members(w, SLICE("s"), 0, 3000);
    (void)add_members(w, SLICE("s"), 99999999, 1);
    const struct op draw = {.kind = OP_SET_RANDOM, KEY("s"), .number = -200};
    size_t found = 0;
    for (unsigned i = 0; i < 2000 && found < 3001; i++) {
        w->random += 0x12345;
        const struct result result = world_read(w, &draw);
        EXPECT_EQ(200, result.row_count);
        for (size_t r = 0; r < result.row_count; r++) {
            int64_t number = 0;
            for (size_t d = 0; d < 8; d++) {
                number = number * 10 + (result.rows[r].key.data[d] - '0');
            }
            number = number == 99999999 ? 3000 : number;
            EXPECT(number <= 3000);
            found += seen[number] ? 0 : 1;
            seen[number] = true;
        }
    }
    EXPECT_EQ(3001, found);
    const struct op some = {.kind = OP_SET_RANDOM, KEY("s"), .number = 50};
    EXPECT_EQ(50, world_read(w, &some).row_count);
    const struct op pop = {.kind = OP_SET_POP, KEY("s"), .number = 60};
    const struct op stat = {.kind = OP_STAT, KEY("s")};
    for (uint64_t left = 3001; left > 0; left = left < 60 ? 0 : left - 60) {
        EXPECT_EQ(left, world_read(w, &stat).count);
        EXPECT_EQ(left < 60 ? left : 60, world_do(w, &pop).row_count);
    }
    EXPECT_EQ(ERR_NOT_FOUND, world_read(w, &stat).err);
}

static void test_random_members(void)
{
    struct model_world w;
    world_open(&w, WORLD_MEMORY);
    random_members(&w);
    world_close(&w);
}

/* ---- Logs ---- */

static struct result append(struct model_world *w, const char *id, const char *value, bool replaces)
{
    const struct op op = {.kind = OP_LOG_APPEND,
                          KEY("log"),
                          .id = slice_of_text(id),
                          .value = slice_of_text(value),
                          .flags = replaces ? OP_LOG_REPLACE : 0};
    return world_do(w, &op);
}

static void logs(struct model_world *w)
{
    char id[16];
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "id%u", i);
        EXPECT_EQ(i + 1, append(w, id, "v", false).count);
    }
    EXPECT_EQ(100, append(w, "id50", "again", true).count);
    const struct op newest = {.kind = OP_LOG_READ, KEY("log")};
    struct result result = world_read(w, &newest);
    EXPECT_EQ(1, result.row_count);
    EXPECT(slice_equal(SLICE("id50"), result.rows[0].key));
    EXPECT(slice_equal(SLICE("again"), result.rows[0].value));
    struct op page = {.kind = OP_LOG_RANGE, KEY("log"), .limit = 30};
    size_t seen = 0;
    do { /* the next page begins below the last version seen */
        result = world_read(w, &page);
        for (size_t i = 0; i < result.row_count; i++) {
            EXPECT(page.number == 0 || result.rows[i].mod_revision < (uint64_t)page.number);
            page.number = (int64_t)result.rows[i].mod_revision;
            seen++;
        }
    } while (result.is_more);
    EXPECT_EQ(100, seen);
}

static void test_logs(void)
{
    in_worlds(logs);
}

/* ---- Ranges ---- */

static void budgets(struct model_world *w)
{
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "key%02u", i);
        (void)put(w, slice_of_text(name), SLICE("0123456789"));
    }
    struct op range = {.kind = OP_RANGE, KEY("")};
    struct result result;
    struct step step = {
        .model = w->model, .op = &range, .moment = {.now_ms = 1}, .result = &result};
    size_t seen = 0;
    char last[16];
    do { /* a budget of nothing gives a row at a time */
        model_read(&step, 1, ENGINE_MAY_WAIT, &w->arena);
        EXPECT_EQ(ERR_OK, result.err);
        EXPECT_EQ(1, result.row_count);
        memcpy(last, result.rows[0].key.data, 5);
        range.key = slice_of(last, 5);
        range.flags = OP_AFTER;
        seen++;
    } while (result.is_more);
    EXPECT_EQ(100, seen);
    const struct op members = {.kind = OP_SET_RANDOM, KEY("s"), .number = -100};
    (void)add_members(w, SLICE("s"), 0, 20);
    step.op = &members;
    step.budget_bytes = 100;
    model_read(&step, 1, ENGINE_MAY_WAIT, &w->arena);
    EXPECT_EQ(ERR_TOO_LARGE, result.err);
}

/* What one may answer is not what its neighbours may. */
static void budgets_of_neighbours(struct model_world *w)
{
    char name[16];
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "key%02u", i);
        (void)put(w, slice_of_text(name), SLICE("0123456789"));
    }
    const struct op range = {.kind = OP_RANGE, KEY("")};
    const struct op get = {.kind = OP_GET, KEY("key00")};
    struct result results[3];
    struct step steps[3];
    for (int i = 0; i < 3; i++) {
        steps[i] = (struct step){.model = w->model,
                                 .op = i == 1 ? &get : &range,
                                 .moment = {.now_ms = 1},
                                 .result = &results[i],
                                 .budget_bytes = i == 0 ? 1000 : WORLD_BUDGET};
    }
    for (int turn = 0; turn < 2; turn++) {
        if (turn == 0) {
            model_read(steps, 3, ENGINE_MAY_WAIT, &w->arena);
        } else {
            const struct model_applied applied = {.index = ++w->index};
            model_begin(w->model);
            EXPECT_EQ(ERR_OK, model_prepare(steps, 3, ENGINE_MAY_WAIT));
            EXPECT_EQ(ERR_OK, model_run(steps, 3, ENGINE_MAY_WAIT, &w->arena));
            EXPECT_EQ(ERR_OK, model_commit(w->model, &applied));
        }
        EXPECT(results[0].is_more && results[0].row_count < 20);
        EXPECT_EQ(ERR_OK, results[1].err);
        EXPECT(!results[2].is_more && results[2].row_count == 100);
    }
}

/* Sums of answers: what is read alone is refused, what is written with it happens. */
static void large_answers(struct model_world *w)
{
    const size_t size = WORLD_VALUE_MAX;
    const uint32_t fit = (uint32_t)(TXN_ANSWER_MAX / size + 1); /* the last one may go beyond */
    uint8_t *bytes = mem_zero(1, size);
    struct op parts[100];
    (void)put(w, SLICE("large"), slice_of(bytes, size));
    mem_free(bytes);
    for (size_t i = 0; i < 100; i++) {
        parts[i] = (struct op){.kind = OP_GET, KEY("large")};
    }
    struct op txn = {.kind = OP_TXN, KEY("large"), .ops = parts, .op_count = fit};
    struct result result = world_read(w, &txn);
    EXPECT_EQ(ERR_OK, result.err);
    EXPECT_EQ(fit, result.result_count);
    txn.op_count = fit + 1;
    result = world_read(w, &txn);
    EXPECT_EQ(ERR_TOO_LARGE, result.err);
    EXPECT_EQ(0, result.result_count);
    parts[fit + 1] = (struct op){.kind = OP_PUT, KEY("other"), .value = SLICE("1")};
    parts[fit + 2] =
        (struct op){.kind = OP_PUT, KEY("other"), .value = SLICE("2"), .flags = OP_WANT_PREV};
    txn.op_count = fit + 3;
    txn.idempotency_id = SLICE("id");
    for (unsigned i = 0; i < 2; i++) {
        result = world_do(w, &txn);
        EXPECT_EQ(ERR_OK, result.err);
        EXPECT_EQ(i == 1, result.is_duplicate);
        if (i == 0) {
            EXPECT_EQ(size, result.results[fit - 1].value.size);
            EXPECT_EQ(ERR_TOO_LARGE, result.results[fit].err);
            EXPECT_EQ(ERR_OK, result.results[fit + 1].err);
            EXPECT_EQ(ERR_UNKNOWN_OUTCOME, result.results[fit + 2].err);
            EXPECT_EQ(0, result.results[fit + 2].value.size);
        }
        expect_value(w, SLICE("other"), "2");
    }
    const struct compare compares[] = {{.target = COMPARE_EXISTS,
                                        .relation = COMPARE_EQUAL,
                                        .table = WORLD_TABLE,
                                        .key = SLICE("large"),
                                        .number = 1},
                                       {.target = COMPARE_VALUE,
                                        .relation = COMPARE_EQUAL,
                                        .table = WORLD_TABLE,
                                        .key = SLICE("other"),
                                        .value = SLICE("2")}};
    const struct op compare = {
        .kind = OP_TXN, KEY("large"), .compares = compares, .compare_count = 2};
    EXPECT(world_read(w, &compare).succeeded);
}

static void test_large_answers(void)
{
    in_worlds(large_answers);
}

/* What is not answered is not loaded either. */
static void test_large_answers_from_disk(void)
{
    enum {
        KEYS = 200
    };
    struct model_world w;
    char keys[KEYS][16];
    struct op parts[KEYS + 1];
    uint8_t *bytes = mem_zero(1, WORLD_VALUE_MAX);
    world_open(&w, WORLD_DISK);
    for (size_t i = 0; i < KEYS; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "%zu", i);
        parts[i] = (struct op){.kind = OP_GET, .table = WORLD_TABLE, .key = slice_of_text(keys[i])};
        (void)put(&w, parts[i].key, slice_of(bytes, WORLD_VALUE_MAX));
    }
    parts[KEYS] = (struct op){.kind = OP_PUT, KEY("other"), .value = SLICE("1")};
    const struct op txn = {.kind = OP_TXN, KEY("other"), .ops = parts, .op_count = KEYS + 1};
    struct result result;
    struct step step = {.model = w.model,
                        .op = &txn,
                        .moment = {.now_ms = w.now_ms, .revision = w.index + 1},
                        .result = &result,
                        .budget_bytes = WORLD_BUDGET};
    model_begin(w.model);
    EXPECT_EQ(ERR_OK, model_prepare(&step, 1, ENGINE_MAY_WAIT));
    EXPECT_EQ(ERR_OK, model_run(&step, 1, ENGINE_MAY_WAIT, &w.arena));
    EXPECT_EQ(ERR_OK, result.err);
    EXPECT_EQ(ERR_OK, result.results[0].err);
    EXPECT_EQ(ERR_TOO_LARGE, result.results[KEYS - 1].err);
    EXPECT_EQ(ERR_OK, result.results[KEYS].err);
    EXPECT(engine_batch_bytes(w.engine) < 2 * TXN_ANSWER_MAX);
    model_abort(w.model);
    mem_free(bytes);
    world_close(&w);
}

static void test_budgets(void)
{
    in_worlds(budgets);
    in_worlds(budgets_of_neighbours);
}

static void random_key(struct model_world *w)
{
    const struct op draw = {.kind = OP_RANDOM_KEY, .table = WORLD_TABLE};
    EXPECT_EQ(ERR_NOT_FOUND, world_read(w, &draw).err);
    const struct op fleeting = {
        .kind = OP_PUT, KEY("b"), .value = SLICE("1"), .expiry_ms = w->now_ms + 1};
    EXPECT_EQ(ERR_OK, world_do(w, &fleeting).err);
    w->now_ms++;
    EXPECT_EQ(ERR_NOT_FOUND, world_read(w, &draw).err);
    (void)put(w, SLICE("a"), SLICE("1"));
    const struct result result = world_read(w, &draw);
    EXPECT_EQ(ERR_OK, result.err);
    EXPECT(slice_equal(SLICE("a"), result.rows[0].key));
}

static void test_random_key(void)
{
    in_worlds(random_key);
}

/* A view stays as it was, and a read that needs several rows finds them of one state. */
static void views(struct model_world *w)
{
    (void)add_members(w, SLICE("s"), 0, 50);
    struct reader view;
    EXPECT_EQ(ERR_OK, view_open(w->engine, &view));
    (void)add_members(w, SLICE("s"), 50, 50);
    const struct op members = {.kind = OP_SET_RANGE_MEMBERS, KEY("s")};
    EXPECT_EQ(100, world_read(w, &members).row_count);
    struct result result;
    struct step step = {.model = w->model,
                        .op = &members,
                        .moment = {.now_ms = 1},
                        .result = &result,
                        .budget_bytes = WORLD_BUDGET};
    model_read_view(&step, &view, ENGINE_MAY_WAIT, &w->arena);
    EXPECT_EQ(50, result.row_count);
    view_close(&view);
    if (!scan_is_cheap(w->engine)) {
        model_read(&step, 1, ENGINE_NO_WAIT, &w->arena);
        EXPECT_EQ(ERR_WOULD_WAIT, result.err);
    }
}

static void test_views(void)
{
    in_worlds(views);
}

/* ---- Retries ---- */

static void retries(struct model_world *w)
{
    const struct op add = {.kind = OP_ADD, KEY("n"), .number = 3, .idempotency_id = SLICE("id")};
    const struct result first = world_do(w, &add);
    EXPECT_EQ(3, first.number);
    EXPECT(!first.is_duplicate);
    struct op other = add;
    other.number = 4;
    EXPECT_EQ(ERR_INVALID, world_do(w, &other).err);
    other = add;
    other.key = SLICE("m"); /* ids are scoped by table and key */
    EXPECT_EQ(3, world_do(w, &other).number);
    if (w->kind == WORLD_DISK) {
        world_reopen(w);
    }
    const struct result again = world_do(w, &add);
    EXPECT(again.is_duplicate);
    EXPECT_EQ(3, again.number);
    EXPECT_EQ(first.mod_revision, again.mod_revision);
    expect_value(w, SLICE("n"), "3");
    w->now_ms += IDEMPOTENCY_KEEP_MS - 1;
    EXPECT(world_do(w, &add).is_duplicate);
    w->now_ms += 1;
    EXPECT(model_wants_sweep(w->model, w->now_ms));
    EXPECT(!world_do(w, &add).is_duplicate);
    expect_value(w, SLICE("n"), "6");
    EXPECT_EQ(2, world_sweep(w)); /* the two that were kept for a day */
    EXPECT(world_do(w, &add).is_duplicate);
}

static void test_retries(void)
{
    in_worlds(retries);
}

/* What a retry may say differently, and what a txn answers again. */
static void retry_forms(struct model_world *w)
{
    struct op append_op = {.kind = OP_LOG_APPEND,
                           KEY("log"),
                           .value = SLICE("v"),
                           .id = SLICE("made-up-1"),
                           .author = SLICE("node 1"),
                           .expiry_ms = w->now_ms + 1000,
                           .idempotency_id = SLICE("id")};
    EXPECT_EQ(1, world_do(w, &append_op).count);
    append_op.id = SLICE("made-up-2");
    append_op.author = SLICE("node 2");
    append_op.expiry_ms += 5;
    const struct result again = world_do(w, &append_op);
    EXPECT(again.is_duplicate);
    EXPECT_EQ(1, again.count);
    const struct op parts[] = {{.kind = OP_ADD, KEY("n"), .number = 1},
                               {.kind = OP_GET, KEY("n")},
                               {.kind = OP_GET, KEY("log")}};
    const struct op txn = {.kind = OP_TXN,
                           .table = WORLD_TABLE,
                           .ops = parts,
                           .op_count = 3,
                           .idempotency_id = SLICE("id")};
    for (unsigned i = 0; i < 2; i++) {
        const struct result result = world_do(w, &txn);
        EXPECT_EQ(i == 1, result.is_duplicate);
        EXPECT(result.succeeded);
        EXPECT_EQ(3, result.result_count);
        EXPECT_EQ(1, result.results[0].number);
        EXPECT(slice_equal(SLICE("1"), result.results[1].value));
        EXPECT_EQ(ERR_WRONG_TYPE, result.results[2].err);
    }
    expect_value(w, SLICE("n"), "1");
    /* An error is an answer too. */
    const struct op wrong = {.kind = OP_ADD, KEY("log"), .idempotency_id = SLICE("other")};
    EXPECT_EQ(ERR_WRONG_TYPE, world_do(w, &wrong).err);
    EXPECT(world_do(w, &wrong).is_duplicate);
}

static void test_retry_forms(void)
{
    in_worlds(retry_forms);
}

/* Long keys share a prefix; a large answer is kept without its value. */
static void long_retries(struct model_world *w)
{
    uint8_t *key = mem_zero(1, KEY_MAX);
    uint8_t *value = mem_zero(1, 100000);
    struct op op = {.kind = OP_PUT,
                    .table = WORLD_TABLE,
                    .key = slice_of(key, KEY_MAX),
                    .value = slice_of(value, 100000),
                    .idempotency_id = SLICE("id")};
    EXPECT(!world_do(w, &op).is_duplicate);
    EXPECT(world_do(w, &op).is_duplicate);
    key[KEY_MAX - 1] = 1;
    EXPECT(!world_do(w, &op).is_duplicate);
    op.kind = OP_DELETE;
    op.flags = OP_WANT_PREV;
    op.value = slice_of(NULL, 0);
    op.idempotency_id = SLICE("id2");
    EXPECT_EQ(100000, world_do(w, &op).value.size);
    const struct result again = world_do(w, &op);
    EXPECT(again.is_duplicate);
    EXPECT_EQ(0, again.value.size);
    EXPECT(again.was_found);
    mem_free(key);
    mem_free(value);
}

static void test_long_retries(void)
{
    in_worlds(long_retries);
}

static void test_retries_bounded(void)
{
    struct model_world w;
    struct op ops[WORLD_BATCH_MAX];
    struct result results[WORLD_BATCH_MAX];
    char ids[WORLD_BATCH_MAX][16];
    world_open(&w, WORLD_MEMORY);
    for (uint64_t done = 0; done < IDEMPOTENCY_ROWS_MAX + 1; done += WORLD_BATCH_MAX) {
        for (uint64_t i = 0; i < WORLD_BATCH_MAX; i++) {
            (void)snprintf(ids[i], sizeof(ids[i]), "%" PRIu64, done + i);
            ops[i] = (struct op){
                .kind = OP_ADD, KEY("n"), .number = 1, .idempotency_id = slice_of_text(ids[i])};
        }
        world_batch(&w, ops, results, WORLD_BATCH_MAX, true);
    }
    EXPECT(world_do(&w, &ops[WORLD_BATCH_MAX - 1]).is_duplicate);
    ops[0].idempotency_id = SLICE("0"); /* the oldest had to go */
    EXPECT(!world_do(&w, &ops[0]).is_duplicate);
    const uint64_t rows = engine_stats(w.engine).rows;
    EXPECT_EQ(2 * IDEMPOTENCY_ROWS_MAX + 1, rows); /* with the counter itself */
    world_close(&w);
}

/* ---- Tables ---- */

static void drop_table(struct model_world *w)
{
    (void)put(w, SLICE("k"), SLICE("v"));
    (void)add_members(w, SLICE("s"), 0, 1000);
    const struct op expire = {.kind = OP_EXPIRE, KEY("s"), .expiry_ms = w->now_ms + 10};
    EXPECT_EQ(1, world_do(w, &expire).count);
    const struct op other = {.kind = OP_PUT, .table = WORLD_OTHER, .key = SLICE("k")};
    EXPECT_EQ(ERR_OK, world_do(w, &other).err);
    const struct op close = {.kind = OP_TABLE_CLOSE, .table = WORLD_TABLE};
    EXPECT_EQ(ERR_OK, world_do(w, &close).err);
    EXPECT_EQ(ERR_OK, world_do(w, &close).err); /* again is no error */
    EXPECT(!model_table_is_open(w->model, WORLD_TABLE));
    expect_value(w, SLICE("k"), NULL);
    if (w->kind == WORLD_DISK) {
        world_reopen(w);
        EXPECT(!model_table_is_open(w->model, WORLD_TABLE));
        EXPECT(model_table_is_open(w->model, WORLD_LATE));
        EXPECT_EQ(1, model_count(w->model, WORLD_OTHER));
    }
    EXPECT(model_wants_sweep(w->model, w->now_ms));
    w->now_ms += 10;
    EXPECT(world_sweep(w) > 0);
    if (w->kind == WORLD_MEMORY) {
        EXPECT_EQ(1, engine_stats(w->engine).rows); /* what lies in the other table */
    }
}

static void test_drop_table(void)
{
    in_worlds(drop_table);
}

/* Many tables that come and go leave nothing behind. */
static void many_tables(struct model_world *w)
{
    for (uint32_t id = 1000; id < 3000; id++) {
        const struct op ops[] = {
            {.kind = OP_TABLE_OPEN, .table = id, .value = SLICE("facts")},
            {.kind = OP_PUT, .table = id, .key = SLICE("k"), .value = SLICE("v")},
            {.kind = OP_TABLE_CLOSE, .table = id - 1},
        };
        struct result results[3];
        world_batch(w, ops, results, id % 7 == 0 ? 2 : 3, true);
        EXPECT_EQ(ERR_OK, results[1].err);
        EXPECT_EQ(1, model_count(w->model, id));
    }
    EXPECT(model_table_is_open(w->model, 1000)); /* 1001 is a multiple of 7 */
    EXPECT(!model_table_is_open(w->model, 1001));
    (void)world_sweep(w);
}

static void test_many_tables(void)
{
    struct model_world w;
    world_open(&w, WORLD_MEMORY);
    many_tables(&w);
    world_close(&w);
}

static void test_abort(void)
{
    struct model_world w;
    world_open(&w, WORLD_DISK);
    (void)put(&w, SLICE("k"), SLICE("1"));
    const struct op ops[] = {
        {.kind = OP_PUT, KEY("k"), .value = SLICE("2"), .expiry_ms = w.now_ms + 1},
        {.kind = OP_PUT, KEY("new"), .value = SLICE("2")},
        {.kind = OP_TABLE_OPEN, .table = 500},
        {.kind = OP_TABLE_CLOSE, .table = WORLD_OTHER},
        {.kind = OP_ADD, KEY("n"), .number = 1, .idempotency_id = SLICE("id")},
    };
    struct result results[5];
    world_batch(&w, ops, results, 5, false);
    EXPECT_EQ(1, model_count(w.model, WORLD_TABLE));
    EXPECT(!model_table_is_open(w.model, 500));
    EXPECT(model_table_is_open(w.model, WORLD_OTHER));
    expect_value(&w, SLICE("k"), "1");
    EXPECT(!model_wants_sweep(w.model, w.now_ms + 10));
    EXPECT(!world_do(&w, &ops[4]).is_duplicate);
    world_close(&w);
}

static void test_applied(void)
{
    struct model_applied applied;
    EXPECT_EQ(ERR_CORRUPT, model_applied_decode(SLICE(""), &applied));
    EXPECT_EQ(ERR_CORRUPT, model_applied_decode(SLICE("\2\1\1\1"), &applied));
    EXPECT_EQ(ERR_CORRUPT, model_applied_decode(SLICE("\1\1\1"), &applied));
    EXPECT_EQ(ERR_OK, model_applied_decode(SLICE("\1\5\2\7m"), &applied));
    EXPECT(applied.index == 5 && applied.term == 2 && applied.stamp_ms == 7);
    EXPECT(slice_equal(SLICE("m"), applied.members));
}

static void test_evict(void)
{
    struct model_world w;
    char name[16];
    world_open(&w, WORLD_MEMORY);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "key%03u", i);
        (void)put(&w, slice_of_text(name), SLICE("0123456789"));
    }
    (void)add_members(&w, SLICE("set"), 0, 100);
    size_t freed = 0;
    for (unsigned i = 0; i < 1000 && model_count(w.model, WORLD_TABLE) > 0; i++) {
        epoch_quiet(&w.epoch, w.reader);
        model_begin(w.model);
        const struct moment moment = {.now_ms = w.now_ms, .revision = ++w.index};
        freed += model_evict(w.model, WORLD_TABLE, 2000, 10000, &moment);
        const struct model_applied applied = {.index = w.index};
        EXPECT_EQ(ERR_OK, model_commit(w.model, &applied));
    }
    EXPECT_EQ(0, model_count(w.model, WORLD_TABLE));
    EXPECT(freed > 1001 * 16);
    (void)world_sweep(&w);
    EXPECT_EQ(0, engine_stats(w.engine).rows);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"revisions", test_revisions},
    {"conditions", test_conditions},
    {"wrong types", test_wrong_types},
    {"closed table", test_closed_table},
    {"floats", test_floats},
    {"numbers", test_numbers},
    {"growth", test_growth},
    {"default ttl", test_default_ttl},
    {"expired set", test_expired_set},
    {"large sets", test_large_sets},
    {"random members", test_random_members},
    {"logs", test_logs},
    {"budgets", test_budgets},
    {"large answers", test_large_answers},
    {"large answers from disk", test_large_answers_from_disk},
    {"random key", test_random_key},
    {"views", test_views},
    {"retries", test_retries},
    {"retry forms", test_retry_forms},
    {"long retries", test_long_retries},
    {"retries bounded", test_retries_bounded},
    {"drop table", test_drop_table},
    {"many tables", test_many_tables},
    {"abort", test_abort},
    {"applied", test_applied},
    {"evict", test_evict},
};

TEST_MAIN(cases)
