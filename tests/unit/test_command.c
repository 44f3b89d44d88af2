/* Commands as bytes: what comes back is what went in, and a cut entry is never a good one. */
#include "base/random.h"
#include "harness.h"
#include "model/command.h"

struct world {
    struct random random;
    struct arena arena;
    struct arena decoded;
};

static uint64_t draw(struct world *w, uint64_t bound)
{
    return random_below(&w->random, bound);
}

/* Numbers of all sizes. */
static uint64_t number(struct world *w)
{
    return random_next(&w->random) >> draw(w, 64);
}

static struct slice bytes(struct world *w, size_t size_max)
{
    const size_t size = draw(w, size_max + 1);
    uint8_t *data = arena_get(&w->arena, size + 1);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)random_next(&w->random);
    }
    return slice_of(data, size);
}

static void some_items(struct world *w, struct op *op, uint32_t count)
{
    struct slice *items = arena_get(&w->arena, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        items[i] = bytes(w, 20);
    }
    op->items = items;
    op->item_count = count;
}

#define TXN_DEPTH 2

static void fill_txn(struct world *w, struct op *op, unsigned depth);

/* Inside `depth` txns. Good by op_check(), with many of the fields that the encoding knows. */
static struct op some_op(struct world *w, unsigned depth)
{
    const uint8_t kinds[] = {OP_PUT,   OP_GET,        OP_SET_ADD, OP_COPY, OP_SET_POP,
                             OP_RANGE, OP_LOG_APPEND, OP_BIT_SET, OP_TXN};
    struct op op = {.kind = kinds[draw(w, depth < TXN_DEPTH ? 9 : 8)],
                    .table = 1 + (uint32_t)(number(w) >> 33),
                    .key = bytes(w, 30),
                    .value = bytes(w, 200),
                    .expiry_ms = draw(w, 2) * number(w),
                    .number = (int64_t)draw(w, 1000),
                    .revision = draw(w, 2) * number(w),
                    .limit = draw(w, 2) * number(w),
                    .other_table = 1 + (uint32_t)draw(w, 300)};
    if (draw(w, 2) == 0) {
        op.other = bytes(w, 10);
    }
    if (op.kind == OP_PUT) {
        op.number = (int64_t)number(w) * (draw(w, 2) == 0 ? 1 : -1);
        op.number2 = (int64_t)number(w) * (draw(w, 2) == 0 ? 1 : -1);
        op.condition = IF_REVISION;
        op.flags = OP_WANT_PREV | OP_NO_TOUCH;
    }
    op.id = op.kind == OP_LOG_APPEND ? SLICE("an id") : op.id;
    op.author = op.kind == OP_LOG_APPEND ? bytes(w, 20) : op.author;
    op.number2 = op.kind == OP_BIT_SET ? 1 : op.number2;
    if (depth == 0) {
        op.idempotency_id = bytes(w, 10);
    }
    if (op.kind == OP_TXN) {
        fill_txn(w, &op, depth);
    }
    some_items(w, &op, op.kind == OP_SET_ADD ? 1 + (uint32_t)draw(w, 20) : 0);
    return op;
}

static void fill_txn(struct world *w, struct op *op, unsigned depth)
{
    struct op *ops = arena_zero(&w->arena, 9 * sizeof(*ops));
    struct compare *compares = arena_zero(&w->arena, 4 * sizeof(*compares));
    op->op_count = (uint32_t)draw(w, 5);
    op->else_op_count = (uint32_t)draw(w, 5);
    op->compare_count = (uint32_t)draw(w, 5);
    for (uint32_t i = 0; i < 9; i++) {
        ops[i] = some_op(w, depth + 1);
    }
    for (uint32_t i = 0; i < op->compare_count; i++) {
        compares[i] = (struct compare){.target = (enum compare_target)draw(w, 5),
                                       .relation = (enum compare_relation)draw(w, 4),
                                       .table = 1 + (uint32_t)draw(w, 500),
                                       .key = bytes(w, 20),
                                       .value = bytes(w, 20),
                                       .number = number(w)};
        if (draw(w, 2) == 0) {
            compares[i].range_end = bytes(w, 5);
        }
    }
    op->ops = ops;
    op->else_ops = ops + 4;
    op->compares = compares;
    op->idempotency_id = op_has_txn(op) ? slice_of(NULL, 0) : op->idempotency_id;
}

static void same_slice(struct slice a, struct slice b)
{
    EXPECT(slice_equal(a, b));
}

static void same_op(const struct op *a, const struct op *b)
{
    EXPECT_EQ(a->kind, b->kind);
    EXPECT_EQ(a->condition, b->condition);
    EXPECT_EQ(a->flags, b->flags);
    EXPECT_EQ(a->table, b->table);
    EXPECT_EQ(a->expiry_ms, b->expiry_ms);
    EXPECT_EQ(a->number, b->number);
    EXPECT_EQ(a->number2, b->number2);
    EXPECT_EQ(a->revision, b->revision);
    EXPECT_EQ(a->limit, b->limit);
    EXPECT_EQ(a->other_table, b->other_table);
    EXPECT_EQ(a->other.data == NULL, b->other.data == NULL);
    same_slice(a->key, b->key);
    same_slice(a->value, b->value);
    same_slice(a->other, b->other);
    same_slice(a->id, b->id);
    same_slice(a->author, b->author);
    same_slice(a->idempotency_id, b->idempotency_id);
    EXPECT_EQ(a->item_count, b->item_count);
    for (uint32_t i = 0; i < a->item_count; i++) {
        same_slice(a->items[i], b->items[i]);
    }
    EXPECT_EQ(a->op_count, b->op_count);
    for (uint32_t i = 0; i < a->op_count; i++) {
        same_op(&a->ops[i], &b->ops[i]);
    }
    EXPECT_EQ(a->else_op_count, b->else_op_count);
    for (uint32_t i = 0; i < a->else_op_count; i++) {
        same_op(&a->else_ops[i], &b->else_ops[i]);
    }
    EXPECT_EQ(a->compare_count, b->compare_count);
    for (uint32_t i = 0; i < a->compare_count; i++) {
        const struct compare *x = &a->compares[i];
        const struct compare *y = &b->compares[i];
        EXPECT(x->target == y->target && x->relation == y->relation && x->table == y->table);
        EXPECT_EQ(x->number, y->number);
        EXPECT_EQ(x->range_end.data == NULL, y->range_end.data == NULL);
        same_slice(x->key, y->key);
        same_slice(x->range_end, y->range_end);
        same_slice(x->value, y->value);
    }
}

/* The bytes in memory of exactly their size, so that a sanitizer sees a step behind them. */
static enum err decode(struct world *w, struct slice encoded, struct command *c)
{
    struct err_why why = {0};
    uint8_t *exact = malloc(encoded.size == 0 ? 1 : encoded.size);
    EXPECT(exact != NULL);
    memcpy(exact, encoded.data, encoded.size);
    arena_reset(&w->decoded);
    const enum err err = command_decode(slice_of(exact, encoded.size), &w->decoded, c, &why);
    EXPECT_EQ(err != ERR_OK, why.text[0] != '\0');
    free(exact);
    return err;
}

static void test_round_trip(void)
{
    const char *seed = getenv("HOLDFAST_SEED");
    struct world w = {.random = {seed == NULL ? 1 : strtoull(seed, NULL, 10)}};
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", w.random.state);
    for (unsigned i = 0; i < 3000; i++) {
        struct buf out = {0};
        struct command got;
        arena_reset(&w.arena);
        struct command c = {.stamp_ms = number(&w), .random = random_next(&w.random)};
        c.op = some_op(&w, 0);
        EXPECT_EQ(ERR_OK, op_check(&c.op, STRING_MAX, NULL));
        command_encode(&out, &c);
        struct err_why why;
        EXPECT_EQ(ERR_OK, command_decode(buf_slice(&out), &w.decoded, &got, &why));
        EXPECT_EQ(c.stamp_ms, got.stamp_ms);
        EXPECT(c.random == got.random);
        same_op(&c.op, &got.op);
        for (size_t size = 0; size < out.size; size++) {
            EXPECT_EQ(ERR_CORRUPT, decode(&w, slice_of(out.data, size), &got));
        }
        buf_append_byte(&out, 0); /* nor may anything follow */
        EXPECT_EQ(ERR_CORRUPT, decode(&w, buf_slice(&out), &got));
        buf_deinit(&out);
    }
    arena_deinit(&w.arena);
    arena_deinit(&w.decoded);
}

static void test_refused(void)
{
    struct world w = {.random = {1}};
    struct command got;
    struct buf out = {0};
    const struct command good = {.stamp_ms = 5, .op = {.kind = OP_GET, .table = 1}};
    command_encode(&out, &good);
    EXPECT_EQ(ERR_OK, decode(&w, buf_slice(&out), &got));
    out.data[0] = 3; /* a later version */
    EXPECT_EQ(ERR_UNIMPLEMENTED, decode(&w, buf_slice(&out), &got));
    out.data[0] = 0;
    EXPECT_EQ(ERR_CORRUPT, decode(&w, buf_slice(&out), &got));
    const struct op inner = {.kind = OP_GET, .table = 1};
    const struct op middle = {.kind = OP_TXN, .table = 1, .ops = &inner, .op_count = 1};
    const struct command nested = {
        .op = {.kind = OP_TXN, .table = 1, .ops = &middle, .op_count = 1}};
    buf_clear(&out);
    command_encode(&out, &nested);
    EXPECT_EQ(2, out.data[0]);
    EXPECT_EQ(ERR_OK, decode(&w, buf_slice(&out), &got));
    out.data[0] = 1; /* which had none */
    EXPECT_EQ(ERR_CORRUPT, decode(&w, buf_slice(&out), &got));
    const struct command deeper = {
        .op = {.kind = OP_TXN, .table = 1, .ops = &nested.op, .op_count = 1}};
    buf_clear(&out);
    command_encode(&out, &deeper);
    EXPECT_EQ(ERR_CORRUPT, decode(&w, buf_slice(&out), &got));
    const struct command wrong = {.op = {.kind = OP_GET, .table = 1, .flags = OP_REPLACE}};
    buf_clear(&out);
    command_encode(&out, &wrong);
    EXPECT_EQ(ERR_CORRUPT, decode(&w, buf_slice(&out), &got));
    buf_deinit(&out);
    arena_deinit(&w.arena);
    arena_deinit(&w.decoded);
}

static const struct test_case cases[] = {
    {"round trip", test_round_trip},
    {"refused", test_refused},
};

TEST_MAIN(cases)
