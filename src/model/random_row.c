/* A random row of a range of unknown shape, in steps that are few when it is large.
 *
 * Rows have no numbers, so the n-th one cannot be fetched. Instead the range between two rows is
 * cut in two at a random place between their keys, one side is kept, and so on until
 * so few are left that they can be counted. Which side: mostly by their lengths as
 * numbers, which is even when the keys are spread evenly; but one time in four by a coin,
 * so that a dense cluster beside a wide gap is found too. Every row can come up; how
 * likely each is depends on the shape of the keys, by a small factor when they are hashes
 * or counted up, by a larger one when they are clustered. */
#include "model/sets.h"
#include "model/varint.h"

#define WINDOW    128 /* so few rows are counted */
#define STEPS_MAX 256

/* The rows that are left: from `first` to `last`, both there. */
struct span {
    struct slice first;
    struct slice last;
};

/* The 8 bytes of `key` from `skip` on as a number; zeros where it ends. */
static uint64_t number_at(struct slice key, size_t skip)
{
    uint8_t bytes[8] = {0};
    const size_t left = key.size > skip ? key.size - skip : 0;
    if (left > 0) {
        memcpy(bytes, key.data + skip, left < 8 ? left : 8);
    }
    return big_endian_get(bytes);
}

static size_t common_size(struct slice a, struct slice b)
{
    size_t i = 0;
    while (i < a.size && i < b.size && a.data[i] == b.data[i]) {
        i++;
    }
    return i;
}

/* A key behind `s->first` and up to `s->last`, and which side of it to keep. */
static struct slice cut(struct task *t, const struct span *s, struct random *random, bool *is_right)
{
    const size_t common = common_size(s->first, s->last);
    const uint64_t low = number_at(s->first, common);
    const uint64_t high = number_at(s->last, common);
    const uint64_t length = high - low;
    const uint64_t part = length == 0 ? 0 : random_below(random, length);
    *is_right = random_below(random, 4) == 0 || length == 0 ? (random_next(random) & 1) != 0
                                                            : random_below(random, length) >= part;
    if (length == 0 || part == length - 1) {
        return s->last;
    }
    uint8_t *bytes = arena_get(t->run->arena, common + 8);
    (void)slice_put(bytes, slice_of(s->first.data, common));
    (void)big_endian_put(bytes + common, low + 1 + part);
    return slice_of(bytes, common + 8);
}

/* The keys of up to WINDOW rows; ERR_NOT_FOUND: those are all, ERR_OK: there are more. The
 * first of them is copied, the others are only counted. */
static enum err count_rows(struct task *t, struct slice from, struct slice to, bool is_reverse,
                           struct slice *first, size_t *count)
{
    struct scan scan = {0};
    struct record record;
    *count = 0;
    enum err err = rows_open(t, &scan, from, to, is_reverse);
    while (err == ERR_OK && *count < WINDOW && (err = scan_next(&scan, &record)) == ERR_OK) {
        if ((*count)++ == 0) {
            *first = arena_copy(t->run->arena, record.key);
        }
    }
    scan_close(&scan);
    return err;
}

/* The row `number` of the range, counted from 0. */
static enum err nth_row(struct task *t, struct slice from, struct slice to, uint64_t number,
                        struct slice *key)
{
    struct scan scan = {0};
    struct record record;
    enum err err = rows_open(t, &scan, from, to, false);
    for (uint64_t i = 0; err == ERR_OK && i <= number; i++) {
        err = scan_next(&scan, &record);
    }
    if (err == ERR_OK) {
        *key = arena_copy(t->run->arena, record.key);
    }
    scan_close(&scan);
    return err;
}

enum err random_row(struct task *t, struct slice from, struct slice to, struct random *random,
                    struct slice *key)
{
    struct span span;
    size_t count;
    enum err err = count_rows(t, from, to, false, &span.first, &count);
    if (err == ERR_NOT_FOUND && count > 0) {
        return nth_row(t, from, to, random_below(random, count), key);
    }
    if (err == ERR_OK) {
        err = count_rows(t, from, to, true, &span.last, &count);
    }
    for (unsigned i = 0; err == ERR_OK && i < STEPS_MAX; i++) {
        bool is_right;
        const struct slice middle = cut(t, &span, random, &is_right);
        const struct slice low = is_right ? middle : span.first;
        const struct slice high = is_right ? row_after(t, span.last) : middle;
        struct slice *bound = is_right ? &span.first : &span.last;
        err = count_rows(t, low, high, !is_right, bound, &count);
        if (err == ERR_NOT_FOUND && count > 0) {
            return nth_row(t, low, high, random_below(random, count), key);
        }
    }
    *key = span.first; /* so many steps happen only to keys made for it */
    return err;
}

/* A live row of the table at `from` or behind it. */
static enum err live_row(struct task *t, struct slice from, struct slice to, struct record *record)
{
    struct scan scan = {0};
    enum err err = rows_open(t, &scan, from, to, false);
    while (err == ERR_OK && (err = scan_next(&scan, record)) == ERR_OK) {
        if (!is_past(t, record->expiry_ms)) {
            record->key = arena_copy(t->run->arena, record->key);
            break;
        }
    }
    scan_close(&scan);
    return err;
}

enum err op_random_key(struct task *t)
{
    struct random random = {t->moment->random};
    const struct slice from = record_row(t, t->op->table, slice_of(NULL, 0));
    const struct slice to = range_end_of(t, from);
    const uint64_t count = atomic_load_explicit(&t->table->count, memory_order_relaxed);
    struct slice key;
    struct record record;
    enum err err = count > 0 && count <= RANDOM_EVEN_MAX
                       ? nth_row(t, from, to, random_below(&random, count), &key)
                       : random_row(t, from, to, &random, &key);
    if (err == ERR_OK) { /* what was drawn may have expired: then the next one that has not */
        err = live_row(t, key, to, &record);
    }
    if (err == ERR_NOT_FOUND) {
        err = live_row(t, from, to, &record);
    }
    if (err != ERR_OK) {
        return err;
    }
    struct rows rows = {0};
    struct row *row = rows_add(t, &rows, 0);
    row->key = row_rest(record.key, from.size);
    row->type = (uint8_t)record_type(record.type);
    row->mod_revision = record.mod_revision;
    row->expiry_ms = record.expiry_ms;
    result_of_record(t->result, &record);
    rows_answer(t, &rows);
    return ERR_OK;
}
