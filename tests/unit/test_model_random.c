/* Random operations of all kinds against the oracle: on the memory engine, and on the memory and
 * the disk engine side by side, which must give the same answers. Batches are given up,
 * the disk world is closed and opened again, time goes on, sweeps come between. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "unit/model_oracle.h"
#include "unit/model_world.h"

#define OPS_MAX 40

struct play {
    struct model_world memory;
    struct model_world disk;
    bool has_disk;
    struct oracle oracle;
    struct random random;
    struct arena arena; /* bytes of the ops at hand */
    uint64_t now_ms;
    uint64_t ids; /* given to writes so far */
};

static uint64_t draw(struct play *p, uint64_t bound)
{
    return random_below(&p->random, bound);
}

/* `prefix` and `number` in at least `width` digits. */
static struct slice text(struct play *p, const char *prefix, uint64_t number, int width)
{
    char *bytes = arena_get(&p->arena, 400);
    const int size = snprintf(bytes, 400, "%s%0*" PRIu64, prefix, width, number);
    return slice_of(bytes, (size_t)size);
}

static struct slice some_key(struct play *p)
{
    const struct slice keys[] = {
        SLICE(""),       SLICE("a"),      SLICE("a\0"),           SLICE("ab"),
        SLICE("b"),      SLICE("\xff"),   SLICE("\xff\xff"),      SLICE("user:1"),
        SLICE("user:2"), SLICE("{tag}x"), text(p, "long", 1, 300)};
    return keys[draw(p, sizeof(keys) / sizeof(keys[0]))];
}

static struct slice some_value(struct play *p)
{
    const struct slice values[] = {SLICE(""),
                                   SLICE("12"),
                                   SLICE("-5"),
                                   SLICE("0"),
                                   SLICE("abc"),
                                   SLICE("9223372036854775807"),
                                   SLICE("-9223372036854775808"),
                                   SLICE("1.5"),
                                   SLICE(" 3"),
                                   SLICE("1e3"),
                                   SLICE("007"),
                                   SLICE("\x80\0\x7f"),
                                   text(p, "", draw(p, 100), 100)};
    return values[draw(p, sizeof(values) / sizeof(values[0]))];
}

/* Few are drawn often, so that sets shrink again; sometimes many, so that they grow. */
static struct slice some_member(struct play *p, bool is_rare)
{
    if (draw(p, 40) == 0) {
        return text(p, "long", draw(p, 3), 120);
    }
    return is_rare ? text(p, "", draw(p, 3000), 1) : text(p, "m", draw(p, 12), 1);
}

static uint32_t some_table(struct play *p)
{
    const uint32_t tables[] = {WORLD_TABLE, WORLD_TABLE, WORLD_OTHER, WORLD_LATE};
    return tables[draw(p, 4)];
}

static void some_items(struct play *p, struct op *op, bool are_keys)
{
    const bool is_rare = draw(p, 3) == 0;
    op->item_count = (uint32_t)(1 + draw(p, is_rare && !are_keys ? 30 : 4));
    struct slice *items = arena_get(&p->arena, op->item_count * sizeof(*items));
    for (uint32_t i = 0; i < op->item_count; i++) {
        items[i] = are_keys ? some_key(p) : some_member(p, is_rare);
    }
    op->items = items;
}

static void some_fields(struct play *p, struct op *op)
{
    op->item_count = (uint32_t)(1 + draw(p, 5));
    struct slice *items = arena_get(&p->arena, op->item_count * sizeof(*items));
    const bool is_read = draw(p, 4) == 0;
    for (uint32_t i = 0; i < op->item_count; i++) {
        const struct bit_field f = {.operand = (int64_t)draw(p, 600) - 300,
                                    .offset = draw(p, 60),
                                    .kind = (uint8_t)(is_read ? 0 : draw(p, 3)),
                                    .bits = (uint8_t)(1 + draw(p, 20)),
                                    .is_signed = (uint8_t)draw(p, 2),
                                    .overflow = (uint8_t)draw(p, 3)};
        items[i] = arena_copy(&p->arena, slice_of(&f, sizeof(f)));
    }
    op->items = items;
}

static void some_expiry(struct play *p, struct op *op)
{
    if (draw(p, 3) == 0) {
        op->flags |= OP_SET_EXPIRY;
        op->expiry_ms = draw(p, 4) == 0 ? 0 : p->now_ms - 20 + draw(p, 400);
    }
}

static void some_condition(struct play *p, struct op *op, bool is_delete)
{
    if (draw(p, 3) == 0) {
        const uint8_t conditions[] = {IF_PRESENT, IF_REVISION, IF_NOT_REVISION, IF_ABSENT};
        op->condition = conditions[draw(p, is_delete ? 3 : 4)];
        op->revision = draw(p, 2) == 0 ? 0 : p->memory.index - draw(p, 30);
    }
    op->flags |= draw(p, 4) == 0 ? OP_WANT_PREV : 0;
}

/* Inside `depth` txns. */
#define TXN_DEPTH 2
static struct op some_op(struct play *p, unsigned depth);

static void some_txn(struct play *p, struct op *op, unsigned depth)
{
    op->compare_count = (uint32_t)draw(p, 3);
    struct compare *compares = arena_zero(&p->arena, 3 * sizeof(*compares));
    for (uint32_t i = 0; i < op->compare_count; i++) {
        compares[i] = (struct compare){.target = (enum compare_target)draw(p, 5),
                                       .relation = (enum compare_relation)draw(p, 4),
                                       .table = some_table(p),
                                       .key = some_key(p),
                                       .value = some_value(p),
                                       .number = draw(p, 3)};
        if (draw(p, 4) == 0) {
            compares[i].range_end = some_key(p);
        }
    }
    op->op_count = (uint32_t)draw(p, 5);
    op->else_op_count = (uint32_t)draw(p, 3);
    struct op *ops = arena_zero(&p->arena, 8 * sizeof(*ops));
    for (uint32_t i = 0; i < op->op_count + op->else_op_count; i++) {
        ops[i] = some_op(p, depth + 1);
    }
    op->compares = compares;
    op->ops = ops;
    op->else_ops = ops + op->op_count;
}

static void some_string_op(struct play *p, struct op *op)
{
    switch (op->kind) {
    case OP_PUT:
        some_condition(p, op, false);
        some_expiry(p, op);
        if ((op->flags & OP_SET_EXPIRY) == 0 && draw(p, 4) == 0) {
            op->flags |= OP_KEEP_TTL;
        }
        break;
    case OP_EXPIRE:
        op->expiry_ms = draw(p, 5) == 0 ? 0 : p->now_ms - 20 + draw(p, 400);
        op->condition = (uint8_t)(draw(p, 2) == 0 ? IF_ANY : EXPIRE_NX + draw(p, 5));
        break;
    case OP_DELETE:
        some_condition(p, op, true);
        break;
    case OP_SET_RANGE:
        op->number = (int64_t)draw(p, 50);
        break;
    case OP_BIT_SET:
        op->number = (int64_t)draw(p, 100);
        op->number2 = (int64_t)draw(p, 2);
        break;
    case OP_BIT_FIELD:
        some_fields(p, op);
        break;
    case OP_BIT_OP:
        op->number = (int64_t)draw(p, 4);
        some_items(p, op, true);
        op->item_count = op->number == BIT_NOT ? 1 : op->item_count;
        break;
    case OP_ADD:
        op->number = draw(p, 10) == 0 ? INT64_MAX : (int64_t)draw(p, 100) - 50;
        some_expiry(p, op);
        break;
    case OP_ADD_FLOAT:
        op->value = draw(p, 8) == 0 ? some_value(p) : SLICE("0.5");
        break;
    default:
        break;
    }
}

static void some_set_op(struct play *p, struct op *op)
{
    switch (op->kind) {
    case OP_SET_ADD:
        some_expiry(p, op);
        some_items(p, op, false);
        break;
    case OP_SET_REMOVE:
    case OP_SET_HAS:
        some_items(p, op, false);
        break;
    case OP_SET_MOVE:
        op->value = some_member(p, false);
        break;
    case OP_SET_POP:
        op->number = (int64_t)draw(p, draw(p, 4) == 0 ? 50 : 4);
        break;
    case OP_SET_RANDOM:
        op->number = (int64_t)draw(p, 40) - 20;
        break;
    case OP_SET_COMBINE:
    case OP_SET_STORE:
        some_items(p, op, true);
        op->number = (int64_t)draw(p, 3);
        op->limit = draw(p, 3) == 0 ? 1 + draw(p, 10) : 0;
        op->flags = op->kind == OP_SET_COMBINE && draw(p, 4) == 0 ? OP_COUNT_ONLY : 0;
        break;
    case OP_SET_RANGE_MEMBERS:
        op->other = some_member(p, draw(p, 2) == 0);
        op->limit = draw(p, 2) == 0 ? 1 + draw(p, 20) : 0;
        op->flags = draw(p, 2) == 0 ? OP_AFTER : 0;
        break;
    default:
        break;
    }
}

static struct op some_op(struct play *p, unsigned depth)
{
    struct op op = {.table = some_table(p), .key = some_key(p), .value = some_value(p)};
    op.kind = (uint8_t)(OP_GET + draw(p, OP_TXN - OP_GET + (depth < TXN_DEPTH ? 1 : 0)));
    op.other = some_key(p);
    op.other_table = some_table(p);
    some_string_op(p, &op);
    some_set_op(p, &op);
    switch (op.kind) {
    case OP_COPY:
    case OP_RENAME:
        op.flags = draw(p, 2) == 0 ? OP_REPLACE : 0;
        break;
    case OP_LOG_APPEND:
        op.id = text(p, "id", draw(p, 6), 1);
        op.author = draw(p, 2) == 0 ? SLICE("someone") : SLICE("");
        op.flags = draw(p, 3) == 0 ? OP_LOG_REPLACE : 0;
        break;
    case OP_LOG_READ:
        op.number = (int64_t)draw(p, 6) - 2;
        break;
    case OP_LOG_RANGE:
        op.limit = draw(p, 4);
        break;
    case OP_RANGE:
        op.flags = (uint16_t)(draw(p, 2) * OP_REVERSE + draw(p, 2) * OP_KEYS_ONLY +
                              draw(p, 2) * OP_COUNT_ONLY + draw(p, 2) * OP_AFTER);
        op.limit = draw(p, 6);
        op.other = draw(p, 3) == 0 ? slice_of(NULL, 0) : op.other;
        break;
    case OP_DELETE_RANGE:
        op.limit = 1 + draw(p, 2);
        break;
    case OP_TXN:
        some_txn(p, &op, depth);
        break;
    default:
        break;
    }
    return op;
}

/* ---- Both engines say the same ---- */

static void same_row(const struct row *a, const struct row *b)
{
    EXPECT(slice_equal(a->key, b->key));
    EXPECT(slice_equal(a->value, b->value));
    EXPECT(slice_equal(a->author, b->author));
    EXPECT_EQ(a->number, b->number);
    EXPECT_EQ(a->mod_revision, b->mod_revision);
    EXPECT_EQ(a->create_revision, b->create_revision);
    EXPECT_EQ(a->version, b->version);
    EXPECT_EQ(a->expiry_ms, b->expiry_ms);
    EXPECT_EQ(a->type, b->type);
}

static void same_result(const struct result *a, const struct result *b)
{
    EXPECT_EQ(a->err, b->err);
    EXPECT_EQ(a->type, b->type);
    EXPECT_EQ(a->was_found, b->was_found);
    EXPECT_EQ(a->succeeded, b->succeeded);
    EXPECT_EQ(a->is_more, b->is_more);
    EXPECT_EQ(a->is_integer, b->is_integer);
    EXPECT(slice_equal(a->value, b->value));
    EXPECT_EQ(a->number, b->number);
    EXPECT_EQ(a->count, b->count);
    EXPECT_EQ(a->mod_revision, b->mod_revision);
    EXPECT_EQ(a->create_revision, b->create_revision);
    EXPECT_EQ(a->version, b->version);
    EXPECT_EQ(a->expiry_ms, b->expiry_ms);
    EXPECT_EQ(a->row_count, b->row_count);
    EXPECT_EQ(a->result_count, b->result_count);
    for (size_t i = 0; i < a->row_count; i++) {
        same_row(&a->rows[i], &b->rows[i]);
    }
    for (size_t i = 0; i < a->result_count; i++) {
        same_result(&a->results[i], &b->results[i]);
    }
}

/* ---- The play ---- */

/* One in a few writes is sent again under its id: the second answer is the first again. */
static size_t some_batch(struct play *p, struct op *ops, size_t *first_of)
{
    const size_t count = 1 + draw(p, draw(p, 3) == 0 ? OPS_MAX : 4);
    for (size_t i = 0; i < count; i++) {
        first_of[i] = i;
        if (i > 0 && draw(p, 10) == 0 && ops[i - 1].idempotency_id.size > 0) {
            ops[i] = ops[i - 1];
            first_of[i] = i - 1;
            continue;
        }
        ops[i] = some_op(p, 0);
        if (draw(p, 4) == 0 && !op_is_read(&ops[i]) && !op_has_txn(&ops[i])) {
            ops[i].idempotency_id = text(p, "retry", ++p->ids, 1);
        }
    }
    return count;
}

static void play_batch(struct play *p)
{
    struct op ops[OPS_MAX];
    size_t first_of[OPS_MAX];
    struct result results[OPS_MAX];
    struct result others[OPS_MAX];
    const size_t count = some_batch(p, ops, first_of);
    if (p->has_disk && draw(p, 8) == 0) {
        world_batch(&p->disk, ops, others, count, false);
    }
    world_batch(&p->memory, ops, results, count, true);
    if (p->has_disk) {
        world_batch(&p->disk, ops, others, count, true);
    }
    for (size_t i = 0; i < count; i++) {
        if (p->has_disk) {
            same_result(&results[i], &others[i]);
        }
        if (first_of[i] == i) {
            oracle_check(&p->oracle, &ops[i], &p->memory.moments[i], &results[i]);
        } else {
            EXPECT(results[i].is_duplicate);
            same_result(&results[first_of[i]], &results[i]);
        }
    }
}

static void play_reads(struct play *p)
{
    struct op ops[OPS_MAX];
    struct result results[OPS_MAX];
    struct result others[OPS_MAX];
    size_t count = 0;
    const size_t wanted = 1 + draw(p, OPS_MAX);
    while (count < wanted) {
        ops[count] = some_op(p, 0);
        count += op_is_read(&ops[count]) ? 1 : 0;
    }
    world_reads(&p->memory, ops, results, count);
    if (p->has_disk) {
        world_reads(&p->disk, ops, others, count);
    }
    for (size_t i = 0; i < count; i++) {
        oracle_check(&p->oracle, &ops[i], &p->memory.moments[i], &results[i]);
        if (p->has_disk) {
            same_result(&results[i], &others[i]);
        }
    }
}

static void check_counts(struct play *p)
{
    const uint32_t tables[] = {WORLD_TABLE, WORLD_OTHER, WORLD_LATE};
    (void)world_sweep(&p->memory);
    if (p->has_disk) {
        (void)world_sweep(&p->disk);
        const uint64_t index = p->memory.index > p->disk.index ? p->memory.index : p->disk.index;
        p->memory.index = index;
        p->disk.index = index;
    }
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        const uint64_t count = oracle_count(&p->oracle, tables[i], p->now_ms);
        EXPECT_EQ(count, model_count(p->memory.model, tables[i]));
        if (p->has_disk) {
            EXPECT_EQ(count, model_count(p->disk.model, tables[i]));
        }
    }
}

static void play_once(uint64_t seed, bool has_disk, unsigned turns)
{
    struct play *p = mem_zero(1, sizeof(*p));
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
    (void)fflush(stdout);
    *p = (struct play){.has_disk = has_disk, .random = {seed}, .now_ms = 1000000};
    p->oracle.value_max = WORLD_VALUE_MAX;
    world_open(&p->memory, WORLD_MEMORY);
    if (has_disk) {
        world_open(&p->disk, WORLD_DISK);
    }
    for (unsigned turn = 0; turn < turns; turn++) {
        arena_reset(&p->arena);
        p->now_ms += draw(p, 2) == 0 ? draw(p, 30) : 0;
        p->memory.now_ms = p->now_ms;
        p->disk.now_ms = p->now_ms;
        if (draw(p, 3) == 0) {
            play_reads(p);
        } else {
            play_batch(p);
        }
        if (draw(p, 20) == 0) {
            check_counts(p);
        }
        if (has_disk && draw(p, 200) == 0) {
            world_reopen(&p->disk);
        }
    }
    check_counts(p);
    world_close(&p->memory);
    if (has_disk) {
        world_close(&p->disk);
    }
    oracle_deinit(&p->oracle);
    arena_deinit(&p->arena);
    mem_free(p);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

static void test_memory(void)
{
    const uint64_t seed = number_of("HOLDFAST_SEED", 0);
    for (uint64_t i = 1; i <= (seed != 0 ? 1 : number_of("HOLDFAST_SEEDS", 40)); i++) {
        play_once(seed != 0 ? seed : i, false, 1000);
    }
}

static void test_both(void)
{
    const uint64_t seed = number_of("HOLDFAST_SEED", 0);
    for (uint64_t i = 1; i <= (seed != 0 ? 1 : number_of("HOLDFAST_SEEDS", 12) / 2 + 1); i++) {
        play_once(seed != 0 ? seed : i, true, 600);
    }
}

static const struct test_case cases[] = {
    {"memory", test_memory},
    {"memory and disk", test_both},
};

TEST_MAIN(cases)
