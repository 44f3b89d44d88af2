/* The oracle's sets, logs, ranges and transactions. */
#include "base/mem.h"
#include "harness.h"
#include "unit/model_oracle_private.h"

static struct slice member_at(const struct oracle_record *r, size_t i)
{
    return buf_slice(&r->members[i]);
}

static bool is_set(const struct oracle_record *r)
{
    return r == NULL || r->type == TYPE_SET;
}

/* A set without members is none. */
static void set_written(struct oracle_case *c, struct oracle_record *r, uint64_t expiry_ms,
                        bool is_checked)
{
    if (r->member_count == 0) {
        oracle_clear(r);
    } else {
        oracle_written(c, r, expiry_ms, is_checked);
    }
}

enum err oracle_set_add(struct oracle *o, struct oracle_case *c)
{
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    const uint64_t expiry_ms = oracle_expiry(o, c, true);
    const bool is_new = c->live == NULL;
    struct oracle_record *r = is_new ? oracle_become(o, c, TYPE_SET) : c->live;
    uint64_t added = 0;
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        added += oracle_add(r, c->op->items[i]) ? 1 : 0;
    }
    EXPECT_EQ(added, c->got->count);
    if (added > 0 || expiry_ms != r->expiry_ms) {
        set_written(c, r, expiry_ms, true);
    }
    return ERR_OK;
}

enum err oracle_set_remove(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    uint64_t removed = 0;
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    for (uint32_t i = 0; c->live != NULL && i < c->op->item_count; i++) {
        removed += oracle_remove(c->live, c->op->items[i]) ? 1 : 0;
    }
    EXPECT_EQ(removed, c->got->count);
    if (removed > 0) {
        set_written(c, c->live, c->live->expiry_ms, true);
    }
    return ERR_OK;
}

enum err oracle_set_move(struct oracle *o, struct oracle_case *c)
{
    struct oracle_record *to = oracle_find(o, c->op->table, c->op->other, c->moment->now_ms);
    if (c->live == NULL) {
        EXPECT_EQ(0, c->got->count);
        return ERR_OK;
    }
    if (!is_set(c->live) || !is_set(to)) {
        return ERR_WRONG_TYPE;
    }
    const bool has = oracle_has(c->live, c->op->value);
    EXPECT_EQ(has, c->got->count);
    if (!has || to == c->live) {
        return ERR_OK;
    }
    (void)oracle_remove(c->live, c->op->value);
    set_written(c, c->live, c->live->expiry_ms, true);
    c->live = to;
    const uint64_t expiry_ms = oracle_expiry(o, c, true);
    to = to == NULL ? oracle_make(o, c->op->table, c->op->other, TYPE_SET) : to;
    if (oracle_add(to, c->op->value)) {
        set_written(c, to, expiry_ms, false);
    }
    return ERR_OK;
}

/* Every row is a member; `may_repeat` false: no two are the same. */
static void check_drawn(const struct oracle_case *c, bool may_repeat)
{
    for (size_t i = 0; i < c->got->row_count; i++) {
        EXPECT(oracle_has(c->live, c->got->rows[i].key));
        for (size_t j = 0; j < i && !may_repeat; j++) {
            EXPECT(!slice_equal(c->got->rows[i].key, c->got->rows[j].key));
        }
    }
}

enum err oracle_set_pop(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    const uint64_t count = c->live == NULL ? 0 : c->live->member_count;
    const uint64_t wanted = (uint64_t)c->op->number;
    EXPECT_EQ(wanted < count ? wanted : count, c->got->row_count);
    check_drawn(c, false);
    for (size_t i = 0; i < c->got->row_count; i++) {
        EXPECT(oracle_remove(c->live, c->got->rows[i].key));
    }
    if (c->got->row_count > 0) {
        set_written(c, c->live, c->live->expiry_ms, true);
    }
    return ERR_OK;
}

enum err oracle_set_has(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    EXPECT_EQ(c->op->item_count, c->got->row_count);
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        EXPECT_EQ(oracle_has(c->live, c->op->items[i]), c->got->rows[i].number);
    }
    return ERR_OK;
}

enum err oracle_set_random(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    const uint64_t count = c->live == NULL ? 0 : c->live->member_count;
    const bool may_repeat = c->op->number < 0;
    uint64_t wanted = may_repeat ? (uint64_t)-c->op->number : (uint64_t)c->op->number;
    wanted = count == 0 || (!may_repeat && wanted > count) ? count : wanted;
    EXPECT_EQ(wanted, c->got->row_count);
    check_drawn(c, may_repeat);
    return ERR_OK;
}

enum err oracle_set_combine(struct oracle *o, struct oracle_case *c)
{
    struct oracle_record sum = {.type = TYPE_SET};
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        if (!is_set(oracle_find(o, c->op->table, c->op->items[i], c->moment->now_ms))) {
            oracle_clear(&sum);
            return ERR_WRONG_TYPE;
        }
    }
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        struct oracle_record *r = oracle_find(o, c->op->table, c->op->items[i], c->moment->now_ms);
        for (size_t m = 0; r != NULL && m < r->member_count; m++) {
            if (i == 0 || c->op->number == SET_UNION) {
                (void)oracle_add(&sum, member_at(r, m));
            } else if (c->op->number == SET_DIFFERENCE) {
                (void)oracle_remove(&sum, member_at(r, m));
            }
        }
        for (size_t m = sum.member_count; i > 0 && c->op->number == SET_INTERSECTION && m > 0;
             m--) {
            if (!oracle_has(r, member_at(&sum, m - 1))) {
                (void)oracle_remove(&sum, member_at(&sum, m - 1));
            }
        }
    }
    const uint64_t limit = c->op->limit == 0 ? UINT64_MAX : c->op->limit;
    const size_t count = sum.member_count < limit ? sum.member_count : (size_t)limit;
    EXPECT_EQ(count, c->got->count);
    if (c->op->kind == OP_SET_STORE) {
        const uint64_t expiry_ms = oracle_expiry(o, c, false);
        if (count > 0) {
            struct oracle_record *r = oracle_become(o, c, TYPE_SET);
            for (size_t m = 0; m < count; m++) {
                (void)oracle_add(r, member_at(&sum, m));
            }
            oracle_written(c, r, expiry_ms, true);
        } else if (c->live != NULL) {
            oracle_clear(c->live);
        }
    } else {
        EXPECT_EQ((c->op->flags & OP_COUNT_ONLY) != 0 ? 0 : count, c->got->row_count);
        for (size_t m = 0; m < c->got->row_count; m++) {
            oracle_slice(member_at(&sum, m), c->got->rows[m].key);
        }
    }
    oracle_clear(&sum);
    return ERR_OK;
}

enum err oracle_set_members(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    size_t row = 0;
    bool is_more = false;
    if (!is_set(c->live)) {
        return ERR_WRONG_TYPE;
    }
    for (size_t m = 0; c->live != NULL && m < c->live->member_count; m++) {
        const int order = slice_compare(member_at(c->live, m), c->op->other);
        if (order < 0 || (order == 0 && (c->op->flags & OP_AFTER) != 0)) {
            continue;
        }
        if (c->op->limit > 0 && row == c->op->limit) {
            is_more = true;
            break;
        }
        EXPECT(row < c->got->row_count);
        oracle_slice(member_at(c->live, m), c->got->rows[row++].key);
    }
    EXPECT_EQ(row, c->got->row_count);
    EXPECT_EQ(is_more, c->got->is_more);
    return ERR_OK;
}

/* ---- Logs ---- */

enum err oracle_log_append(struct oracle *o, struct oracle_case *c)
{
    if (c->live != NULL && c->live->type != TYPE_LOG) {
        return ERR_WRONG_TYPE;
    }
    const uint64_t expiry_ms = oracle_expiry(o, c, true);
    struct oracle_record *r = c->live == NULL ? oracle_become(o, c, TYPE_LOG) : c->live;
    for (size_t i = r->version_count; i > 0 && (c->op->flags & OP_LOG_REPLACE) != 0; i--) {
        struct oracle_version *v = &r->versions[i - 1];
        if (slice_equal(buf_slice(&v->id), c->op->id)) { /* the newest of that id only */
            buf_deinit(&v->id);
            buf_deinit(&v->author);
            buf_deinit(&v->value);
            memmove(v, v + 1, (r->version_count - i) * sizeof(*v));
            r->version_count--;
            break;
        }
    }
    struct oracle_version v = {.time_ms = c->moment->now_ms};
    buf_append_slice(&v.id, c->op->id);
    buf_append_slice(&v.author, c->op->author);
    buf_append_slice(&v.value, c->op->value);
    oracle_version_add(r, &v);
    buf_deinit(&v.id);
    buf_deinit(&v.author);
    buf_deinit(&v.value);
    if (expiry_ms == 0 || expiry_ms > c->moment->now_ms) {
        EXPECT_EQ(r->version_count, c->got->count);
    }
    oracle_written(c, r, expiry_ms, true);
    return ERR_OK;
}

enum err oracle_log_read(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (c->live != NULL && c->live->type != TYPE_LOG) {
        return ERR_WRONG_TYPE;
    }
    const size_t count = c->live == NULL ? 0 : c->live->version_count;
    const int64_t number = c->op->number;
    size_t wanted = count;
    if (c->op->kind == OP_LOG_RANGE) { /* from the newest only: numbers are checked elsewhere */
        EXPECT_EQ(0, number);
        wanted = c->op->limit > 0 && c->op->limit < count ? (size_t)c->op->limit : count;
        EXPECT_EQ(wanted < count, c->got->is_more);
    } else if (number != -1) {
        const size_t limit = number > 0 ? (size_t)number : 1;
        wanted = limit < count ? limit : count;
    }
    EXPECT_EQ(wanted, c->got->row_count);
    for (size_t i = 0; i < wanted; i++) {
        const struct oracle_version *v =
            number == -2 ? &c->live->versions[0] : &c->live->versions[count - 1 - i];
        const struct row *row = &c->got->rows[i];
        oracle_slice(buf_slice(&v->id), row->key);
        oracle_slice(buf_slice(&v->author), row->author);
        oracle_slice(buf_slice(&v->value), row->value);
        EXPECT_EQ(v->time_ms, row->number);
    }
    return ERR_OK;
}

/* ---- Ranges ---- */

static int by_key(const void *a, const void *b)
{
    const struct oracle_record *const *x = a;
    const struct oracle_record *const *y = b;
    return slice_compare(buf_slice(&(*x)->key), buf_slice(&(*y)->key));
}

/* The live records of a range, in order. */
static size_t collect(struct oracle *o, uint32_t table, struct slice from, struct slice to,
                      struct oracle_record **found)
{
    size_t count = 0;
    for (size_t i = 0; i < ORACLE_RECORDS; i++) {
        struct oracle_record *r = &o->records[i];
        if (r->type != TYPE_NONE && r->table == table &&
            slice_compare(buf_slice(&r->key), from) >= 0 &&
            (to.data == NULL || slice_compare(buf_slice(&r->key), to) < 0)) {
            found[count++] = r;
        }
    }
    qsort(found, count, sizeof(*found), by_key);
    return count;
}

static void check_row(const struct oracle_case *c, const struct oracle_record *r,
                      const struct row *row)
{
    oracle_slice(buf_slice(&r->key), row->key);
    EXPECT_EQ(r->type, row->type);
    EXPECT_EQ(r->mod_revision, row->mod_revision);
    EXPECT_EQ(r->create_revision, row->create_revision);
    EXPECT_EQ(r->version, row->version);
    EXPECT_EQ(r->expiry_ms, row->expiry_ms);
    if ((c->op->flags & OP_KEYS_ONLY) != 0) {
        return;
    }
    if (r->type == TYPE_STRING) {
        oracle_slice(buf_slice(&r->text), row->value);
    } else {
        EXPECT_EQ(r->type == TYPE_SET ? r->member_count : r->version_count, row->number);
    }
}

enum err oracle_range(struct oracle *o, struct oracle_case *c)
{
    struct oracle_record *found[ORACLE_RECORDS];
    size_t count = collect(o, c->op->table, c->op->key, c->op->other, found);
    if (count > 0 && (c->op->flags & OP_AFTER) != 0 &&
        slice_equal(buf_slice(&found[0]->key), c->op->key)) {
        memmove(found, found + 1, --count * sizeof(struct oracle_record *));
    }
    const bool is_reverse = (c->op->flags & OP_REVERSE) != 0;
    const uint64_t limit = c->op->limit == 0 ? UINT64_MAX : c->op->limit;
    const size_t wanted = count < limit ? count : (size_t)limit;
    EXPECT_EQ(wanted, c->got->count);
    EXPECT_EQ(wanted < count, c->got->is_more);
    if ((c->op->flags & OP_COUNT_ONLY) != 0) {
        EXPECT_EQ(wanted < count, c->got->row_count);
        if (wanted < count) {
            oracle_slice(buf_slice(&found[is_reverse ? count - wanted : wanted - 1]->key),
                         c->got->rows[0].key);
        }
        return ERR_OK;
    }
    EXPECT_EQ(wanted, c->got->row_count);
    for (size_t i = 0; i < wanted; i++) {
        check_row(c, found[is_reverse ? count - 1 - i : i], &c->got->rows[i]);
    }
    return ERR_OK;
}

enum err oracle_delete_range(struct oracle *o, struct oracle_case *c)
{
    struct oracle_record *found[ORACLE_RECORDS];
    const size_t count = collect(o, c->op->table, c->op->key, c->op->other, found);
    const uint64_t limit = c->op->limit == 0 ? UINT64_MAX : c->op->limit;
    const size_t wanted = count < limit ? count : (size_t)limit;
    EXPECT_EQ(wanted, c->got->count);
    for (size_t i = 0; i < wanted; i++) {
        oracle_clear(found[i]);
    }
    return ERR_OK;
}

enum err oracle_count_case(struct oracle *o, struct oracle_case *c)
{
    EXPECT(c->got->count >= oracle_count(o, c->op->table, c->moment->now_ms));
    return ERR_OK;
}

enum err oracle_random_key(struct oracle *o, struct oracle_case *c)
{
    if (oracle_count(o, c->op->table, c->moment->now_ms) == 0) {
        return ERR_NOT_FOUND;
    }
    EXPECT_EQ(1, c->got->row_count);
    EXPECT(oracle_find(o, c->op->table, c->got->rows[0].key, c->moment->now_ms) != NULL);
    return ERR_OK;
}

/* ---- Transactions ---- */

static bool order_holds(enum compare_relation relation, int order)
{
    const bool holds[] = {order == 0, order != 0, order<0, order> 0};
    return holds[relation];
}

static bool one_holds(const struct compare *c, const struct oracle_record *r)
{
    if (c->target == COMPARE_VALUE) {
        if (r == NULL || r->type != TYPE_STRING) {
            return c->relation == COMPARE_NOT_EQUAL;
        }
        return order_holds(c->relation, slice_compare(buf_slice(&r->text), c->value));
    }
    const uint64_t numbers[] = {[COMPARE_EXISTS] = r != NULL,
                                [COMPARE_MOD_REVISION] = r == NULL ? 0 : r->mod_revision,
                                [COMPARE_CREATE_REVISION] = r == NULL ? 0 : r->create_revision,
                                [COMPARE_VERSION] = r == NULL ? 0 : r->version};
    const uint64_t number = numbers[c->target];
    return order_holds(c->relation, (number > c->number) - (number < c->number));
}

static bool compare_holds(struct oracle *o, const struct compare *c, uint64_t now_ms)
{
    if (c->range_end.data == NULL) {
        return one_holds(c, oracle_find(o, c->table, c->key, now_ms));
    }
    struct oracle_record *found[ORACLE_RECORDS];
    const size_t count = collect(o, c->table, c->key, c->range_end, found);
    for (size_t i = 0; i < count; i++) {
        if (!one_holds(c, found[i])) {
            return false;
        }
    }
    return count > 0 || one_holds(c, NULL);
}

enum err oracle_txn(struct oracle *o, struct oracle_case *c)
{
    bool holds = true;
    for (uint32_t i = 0; i < c->op->compare_count; i++) {
        holds = holds && compare_holds(o, &c->op->compares[i], c->moment->now_ms);
    }
    EXPECT_EQ(holds, c->got->succeeded);
    const struct op *ops = holds ? c->op->ops : c->op->else_ops;
    const uint32_t count = holds ? c->op->op_count : c->op->else_op_count;
    EXPECT_EQ(count, c->got->result_count);
    for (uint32_t i = 0; i < count; i++) {
        oracle_check(o, &ops[i], c->moment, &c->got->results[i]);
    }
    return ERR_OK;
}
