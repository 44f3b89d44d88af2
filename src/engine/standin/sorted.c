#include "engine/standin/sorted.h"

#include <stdatomic.h>

#include "base/check.h"
#include "base/crc.h"
#include "base/mem.h"

struct row {
    atomic_size_t owners;
    struct record record; /* its slices point into `bytes` */
    uint8_t bytes[];
};

struct sorted {
    atomic_size_t owners;
    struct sorted *left, *right; /* shared; of lower priority */
    struct row *row;             /* shared */
    uint32_t priority;
    uint64_t count; /* of rows */
};

static struct row *row_new(const struct record *record)
{
    struct row *r = mem_alloc(sizeof(*r) + record->key.size + record->value.size);
    atomic_init(&r->owners, 1);
    r->record = *record;
    memcpy(r->bytes, record->key.data, record->key.size);
    if (record->value.size > 0) {
        memcpy(r->bytes + record->key.size, record->value.data, record->value.size);
    }
    r->record.key.data = r->bytes;
    r->record.value.data = r->bytes + record->key.size;
    return r;
}

static struct row *row_share(struct row *r)
{
    atomic_fetch_add(&r->owners, 1);
    return r;
}

static void row_release(struct row *r)
{
    if (atomic_fetch_sub(&r->owners, 1) == 1) {
        mem_free(r);
    }
}

struct sorted *sorted_share(struct sorted *t)
{
    if (t != NULL) {
        atomic_fetch_add(&t->owners, 1);
    }
    return t;
}

void sorted_release(struct sorted *t)
{
    if (t != NULL && atomic_fetch_sub(&t->owners, 1) == 1) {
        sorted_release(t->left);
        sorted_release(t->right);
        row_release(t->row);
        mem_free(t);
    }
}

uint64_t sorted_count(const struct sorted *t)
{
    return t == NULL ? 0 : t->count;
}

static bool is_above(const struct sorted *t, const struct sorted *other)
{
    return t != NULL && (other == NULL || t->priority >= other->priority);
}

/* `row` alone; takes it. */
static struct sorted *leaf_new(struct row *row)
{
    struct sorted *t = mem_zero(1, sizeof(*t));
    atomic_init(&t->owners, 1);
    t->row = row;
    t->priority = crc32c(0, row->record.key.data, row->record.key.size);
    t->count = 1;
    return t;
}

/* The row of `t` between `left` and `right`, which are below it; takes both. */
static struct sorted *with_children(const struct sorted *t, struct sorted *left,
                                    struct sorted *right)
{
    struct sorted *copy = leaf_new(row_share(t->row));
    copy->left = left;
    copy->right = right;
    copy->count = 1 + sorted_count(left) + sorted_count(right);
    return copy;
}

/* All rows of both; those of `left` come first. Takes both. */
static struct sorted *join(struct sorted *left, struct sorted *right)
{
    if (left == NULL || right == NULL) {
        return left == NULL ? right : left;
    }
    struct sorted *joined;
    if (is_above(left, right)) {
        joined =
            with_children(left, sorted_share(left->left), join(sorted_share(left->right), right));
        sorted_release(left);
    } else {
        joined =
            with_children(right, join(left, sorted_share(right->left)), sorted_share(right->right));
        sorted_release(right);
    }
    return joined;
}

/* Splits what `t` holds into the rows before `key` and those behind it; a row at `key` is in
 * neither. `t` stays the caller's. */
static void split(const struct sorted *t, struct slice key, struct sorted **before,
                  struct sorted **behind)
{
    *before = NULL;
    *behind = NULL;
    if (t == NULL) {
        return;
    }
    struct sorted *middle;
    const int order = slice_compare(key, t->row->record.key);
    if (order < 0) {
        split(t->left, key, before, &middle);
        *behind = with_children(t, middle, sorted_share(t->right));
    } else if (order > 0) {
        split(t->right, key, &middle, behind);
        *before = with_children(t, sorted_share(t->left), middle);
    } else {
        *before = sorted_share(t->left);
        *behind = sorted_share(t->right);
    }
}

struct sorted *sorted_put(struct sorted *t, const struct record *record)
{
    struct sorted *before;
    struct sorted *behind;
    CHECK(record->key.size > 0);
    struct row *row = row_new(record); /* the record may lie in `t` */
    split(t, row->record.key, &before, &behind);
    sorted_release(t);
    return join(join(before, leaf_new(row)), behind);
}

struct sorted *sorted_erase(struct sorted *t, struct slice key)
{
    struct sorted *before;
    struct sorted *behind;
    if (sorted_find(t, key) == NULL) {
        return t;
    }
    split(t, key, &before, &behind);
    sorted_release(t);
    return join(before, behind);
}

const struct record *sorted_find(const struct sorted *t, struct slice key)
{
    while (t != NULL) {
        const int order = slice_compare(key, t->row->record.key);
        if (order == 0) {
            return &t->row->record;
        }
        t = order < 0 ? t->left : t->right;
    }
    return NULL;
}

const struct record *sorted_seek(const struct sorted *t, struct slice key, bool is_reverse)
{
    const struct record *best = NULL;
    while (t != NULL) {
        const struct record *record = &t->row->record;
        const bool is_before = key.data == NULL ? is_reverse : slice_compare(record->key, key) < 0;
        if (is_before == is_reverse) {
            best = record;
        }
        t = is_before ? t->right : t->left;
    }
    return best;
}
