/* combine.c - several sets: united, intersected, subtracted; answered or stored.
 *
 * Sets of one shard are combined there, in one op. What only reads may have its sets in several
 * shards: then each is read whole and they are combined here. That is not one instant, so such a
 * command waits until all earlier ones of its connection are answered. */
#include <stdlib.h>

#include "api/redis/session.h"

/* The members of one key, in bytewise order. */
struct members {
    const struct slice *items;
    size_t count;
};

struct combination {
    enum set_combine kind;
    bool count_only;
    uint64_t limit; /* count_only: 0: none */
    size_t bytes;   /* of all that was read */
    uint32_t key_count;
    struct members sets[];
};

/* ---- In one shard ---- */

static void encode_combined(struct task *t, struct buf *out, const struct result *result)
{
    if (t->mode != 0) { /* count only */
        encode_count(t, out, result);
    } else {
        encode_member_set(t, out, result);
    }
}

static enum verdict combine_there(struct task *t, const struct combination *wish, size_t first_key)
{
    struct op *op = task_op(t, OP_SET_COMBINE, t->args[first_key]);
    op->number = wish->kind;
    op->items = task_items(t, first_key, wish->key_count);
    op->item_count = wish->key_count;
    op->limit = wish->limit;
    op->flags = wish->count_only ? OP_COUNT_ONLY : 0;
    t->mode = wish->count_only;
    t->encode = encode_combined;
    return TASK_CALLS;
}

/* ---- Over several shards ---- */

static void keep_members(struct task *t, struct buf *out, const struct result *result)
{
    (void)out;
    struct combination *c = t->state;
    struct members *set = &c->sets[t->index];
    if (!task_note(t, result) || result->err == ERR_NOT_FOUND) {
        return;
    }
    for (size_t i = 0; i < result->row_count; i++) {
        c->bytes += result->rows[i].key.size + sizeof(struct slice);
    }
    if (c->bytes > REDIS_ANSWER_MAX) {
        t->failure = ERR_TOO_LARGE;
        return;
    }
    struct slice *items = task_memory(t, result->row_count * sizeof(*items));
    for (size_t i = 0; i < result->row_count; i++) {
        items[i] = task_copy(t, result->rows[i].key);
    }
    *set = (struct members){items, result->row_count};
}

static int order_of(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static size_t unite(struct combination *c, struct slice *to)
{
    size_t count = 0;
    size_t kept = 0;
    for (uint32_t k = 0; k < c->key_count; k++) {
        if (c->sets[k].count > 0) {
            memcpy(to + count, c->sets[k].items, c->sets[k].count * sizeof(*to));
            count += c->sets[k].count;
        }
    }
    qsort(to, count, sizeof(*to), order_of);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !slice_equal(to[kept - 1], to[i])) {
            to[kept++] = to[i];
        }
    }
    return kept;
}

/* Keeps of `to` what is in `other`, or what is not; both are in order. */
static size_t filter(struct slice *to, size_t count, const struct members *other, bool keeps_common)
{
    size_t kept = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        while (at < other->count && slice_compare(other->items[at], to[i]) < 0) {
            at++;
        }
        const bool is_common = at < other->count && slice_equal(other->items[at], to[i]);
        if (is_common == keeps_common) {
            to[kept++] = to[i];
        }
    }
    return kept;
}

static size_t combine(struct combination *c, struct slice *to)
{
    if (c->kind == SET_UNION) {
        return unite(c, to);
    }
    size_t count = c->sets[0].count;
    if (count > 0) {
        memcpy(to, c->sets[0].items, count * sizeof(*to));
    }
    for (uint32_t k = 1; k < c->key_count; k++) {
        count = filter(to, count, &c->sets[k], c->kind == SET_INTERSECTION);
    }
    return count;
}

static void finish_combination(struct task *t, struct buf *out)
{
    struct combination *c = t->state;
    if (task_failed(t, out)) {
        return;
    }
    size_t total = 0;
    for (uint32_t k = 0; k < c->key_count; k++) {
        total += c->sets[k].count;
    }
    struct slice *members = task_memory(t, total * sizeof(*members));
    const size_t count = combine(c, members);
    if (c->count_only) {
        const bool is_cut = c->limit > 0 && count > c->limit;
        resp_integer(out, (int64_t)(is_cut ? c->limit : count));
        return;
    }
    resp_set(out, t->session->version, count);
    for (size_t i = 0; i < count; i++) {
        resp_bulk(out, members[i]);
    }
}

static enum verdict combine_here(struct task *t, const struct combination *wish, size_t first_key)
{
    if (!task_is_first(t)) {
        return TASK_WAITS;
    }
    const size_t size = wish->key_count * sizeof(struct members);
    struct combination *c = task_memory(t, sizeof(*c) + size);
    *c = *wish;
    memset(c->sets, 0, size);
    for (size_t i = 0; i < wish->key_count; i++) {
        struct op *op = task_part(t, OP_SET_COMBINE, t->args[first_key + i]);
        op->number = SET_UNION;
        op->items = task_items(t, first_key + i, 1);
        op->item_count = 1;
    }
    t->state = c;
    t->encode = keep_members;
    t->finish = finish_combination;
    return TASK_CALLS;
}

static enum verdict answer(struct task *t, const struct combination *wish, size_t first_key)
{
    if (wish->key_count > REDIS_KEYS_MAX) {
        return task_errorf(t, ERR_TOO_LARGE, "ERR more than %zu keys in one command",
                           REDIS_KEYS_MAX);
    }
    if (t->exec == NULL && task_is_split(t, t->args + first_key, wish->key_count, 1)) {
        return combine_here(t, wish, first_key);
    }
    return combine_there(t, wish, first_key);
}

static enum verdict answer_all(struct task *t, enum set_combine kind)
{
    const struct combination wish = {.kind = kind, .key_count = (uint32_t)(t->arg_count - 1)};
    return answer(t, &wish, 1);
}

enum verdict redis_sinter(struct task *t)
{
    return answer_all(t, SET_INTERSECTION);
}

enum verdict redis_sunion(struct task *t)
{
    return answer_all(t, SET_UNION);
}

enum verdict redis_sdiff(struct task *t)
{
    return answer_all(t, SET_DIFFERENCE);
}

static bool limit_of(struct task *t, size_t from, int64_t *limit)
{
    for (size_t i = from; i < t->arg_count; i += 2) {
        const char *error = "ERR LIMIT can't be negative";
        if (!arg_is(t, i, "limit") || i + 1 >= t->arg_count) {
            (void)task_syntax_error(t);
            return false;
        }
        if (!arg_integer_or(t, i + 1, limit, error)) {
            return false;
        }
        if (*limit < 0) {
            (void)task_error(t, ERR_INVALID, error);
            return false;
        }
    }
    return true;
}

enum verdict redis_sintercard(struct task *t)
{
    int64_t key_count = 0;
    int64_t limit = 0;
    const char *error = "ERR numkeys should be greater than 0";
    if (!arg_integer_or(t, 1, &key_count, error)) {
        return TASK_REPLIED;
    }
    if (key_count <= 0) {
        return task_error(t, ERR_INVALID, error);
    }
    if ((uint64_t)key_count > t->arg_count - 2) {
        return task_error(t, ERR_INVALID,
                          "ERR Number of keys can't be greater than number of args");
    }
    if (!limit_of(t, 2 + (size_t)key_count, &limit)) {
        return TASK_REPLIED;
    }
    const struct combination wish = {.kind = SET_INTERSECTION,
                                     .count_only = true,
                                     .limit = (uint64_t)limit,
                                     .key_count = (uint32_t)key_count};
    return answer(t, &wish, 2);
}

/* ---- Stored: all keys in one shard ---- */

static enum verdict store(struct task *t, enum set_combine kind)
{
    struct op *op = task_op(t, OP_SET_STORE, t->args[1]);
    op->number = kind;
    op->items = task_items(t, 2, t->arg_count - 2);
    op->item_count = (uint32_t)(t->arg_count - 2);
    t->encode = encode_count;
    return TASK_CALLS;
}

enum verdict redis_sinterstore(struct task *t)
{
    return store(t, SET_INTERSECTION);
}

enum verdict redis_sunionstore(struct task *t)
{
    return store(t, SET_UNION);
}

enum verdict redis_sdiffstore(struct task *t)
{
    return store(t, SET_DIFFERENCE);
}
