/* bits.c - strings as bits. Bit 0 is the highest of byte 0. Integers of any width: bitfield.c. */
#include "api/redis/session.h"
#include "base/check.h"

/* ---- One bit ---- */

bool arg_bit_offset(struct task *t, struct slice text, uint64_t factor, uint64_t *offset)
{
    int64_t number = 0;
    const uint64_t end = (uint64_t)router_value_max(t->session->router) * 8;
    if (!parse_int64(text, &number) || number < 0 ||
        __builtin_mul_overflow((uint64_t)number, factor, offset) || *offset >= end) {
        (void)task_error(t, ERR_INVALID, "ERR bit offset is not an integer or out of range");
        return false;
    }
    return true;
}

enum verdict redis_setbit(struct task *t)
{
    uint64_t offset = 0;
    int64_t bit = 0;
    const char *error = "ERR bit is not an integer or out of range";
    if (!arg_bit_offset(t, t->args[2], 1, &offset) || !arg_integer_or(t, 3, &bit, error)) {
        return TASK_REPLIED;
    }
    if (bit != 0 && bit != 1) {
        return task_error(t, ERR_INVALID, error);
    }
    struct op *op = task_op(t, OP_BIT_SET, t->args[1]);
    op->number = (int64_t)offset;
    op->number2 = bit;
    t->encode = encode_number;
    return TASK_CALLS;
}

static bool bit_at(struct slice bytes, uint64_t offset)
{
    return offset / 8 < bytes.size && (bytes.data[offset / 8] >> (7 - offset % 8) & 1) != 0;
}

static void encode_getbit(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        resp_integer(out, result->err == ERR_OK && bit_at(result->value, (uint64_t)t->number));
    } else {
        task_fail(t, out, result->err);
    }
}

enum verdict redis_getbit(struct task *t)
{
    uint64_t offset = 0;
    if (!arg_bit_offset(t, t->args[2], 1, &offset)) {
        return TASK_REPLIED;
    }
    t->number = (int64_t)offset;
    (void)task_op(t, OP_GET, t->args[1]);
    t->encode = encode_getbit;
    return TASK_CALLS;
}

/* ---- Ranges of BITCOUNT and BITPOS ---- */

/* What the arguments say. Redis looks at the key before them, so `error` is told only when there is
 * a string. */
struct bit_range {
    const char *error; /* NULL: the arguments are right */
    bool is_given;
    bool has_end;
    bool is_in_bits;
    bool bit; /* BITPOS: the one that is looked for */
    int64_t start;
    int64_t end;
};

static void read_bound(const struct task *t, size_t index, struct bit_range *range, int64_t *bound)
{
    if (range->error == NULL && !parse_int64(t->args[index], bound)) {
        range->error = "ERR value is not an integer or out of range";
    }
}

static void read_unit(const struct task *t, size_t index, struct bit_range *range)
{
    if (arg_is(t, index, "bit")) {
        range->is_in_bits = true;
    } else if (!arg_is(t, index, "byte") && range->error == NULL) {
        range->error = "ERR syntax error";
    }
}

/* The bits [first, end) of a string of `size` bytes. Their bounds may count from the end. */
static bool bits_of(const struct bit_range *range, size_t size, uint64_t *first, uint64_t *end)
{
    const int64_t unit = range->is_in_bits ? 1 : 8;
    const int64_t total = (int64_t)size * 8 / unit;
    int64_t from = range->is_given ? range->start : 0;
    int64_t to = range->is_given && range->has_end ? range->end : total - 1;
    from = from < 0 ? from + total : from;
    to = to < 0 ? to + total : to;
    from = from < 0 ? 0 : from;
    to = to < 0 ? 0 : to;
    to = to >= total ? total - 1 : to;
    if (from > to) {
        return false;
    }
    *first = (uint64_t)(from * unit);
    *end = (uint64_t)((to + 1) * unit);
    return true;
}

/* True: the reply is an error, or there is no string, which answers `if_missing`. */
static bool no_bits(struct task *t, struct buf *out, const struct result *result,
                    int64_t if_missing)
{
    const struct bit_range *range = t->state;
    if (result->err == ERR_NOT_FOUND) {
        resp_integer(out, if_missing);
    } else if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
    } else if (range->error != NULL) {
        task_fail_text(t, out, ERR_INVALID, range->error);
    } else {
        return false;
    }
    return true;
}

static enum verdict ask_bits(struct task *t, struct bit_range *range, encode_fn encode)
{
    t->state = range;
    (void)task_op(t, OP_GET, t->args[1]);
    t->encode = encode;
    return TASK_CALLS;
}

/* ---- BITCOUNT ---- */

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word = 0;
    memcpy(&word, at, sizeof(word));
    return word;
}

static uint64_t count_bits(struct slice bytes, uint64_t first, uint64_t end)
{
    uint64_t count = 0;
    for (; first < end && first % 8 != 0; first++) {
        count += bit_at(bytes, first);
    }
    for (; end > first && end % 8 != 0; end--) {
        count += bit_at(bytes, end - 1);
    }
    const uint8_t *at = bytes.data + first / 8;
    const uint8_t *stop = bytes.data + end / 8;
    for (; stop - at >= 8; at += 8) {
        count += (uint64_t)__builtin_popcountll(word_at(at));
    }
    for (; at < stop; at++) {
        count += (uint64_t)__builtin_popcount(*at);
    }
    return count;
}

/* Both bounds count from the end, the wrong way round. */
static bool is_backwards(const struct bit_range *range)
{
    return range->is_given && range->start < 0 && range->end < 0 && range->start > range->end;
}

static void encode_bitcount(struct task *t, struct buf *out, const struct result *result)
{
    const struct bit_range *range = t->state;
    uint64_t first = 0;
    uint64_t end = 0;
    if (no_bits(t, out, result, 0)) {
        return;
    }
    const bool has_bits = !is_backwards(range) && bits_of(range, result->value.size, &first, &end);
    resp_integer(out, has_bits ? (int64_t)count_bits(result->value, first, end) : 0);
}

enum verdict redis_bitcount(struct task *t)
{
    struct bit_range *range = task_memory(t, sizeof(*range));
    *range = (struct bit_range){.is_given = t->arg_count > 2, .has_end = true};
    if (t->arg_count == 4 || t->arg_count == 5) {
        read_bound(t, 2, range, &range->start);
        read_bound(t, 3, range, &range->end);
        if (t->arg_count == 5 && !is_backwards(range)) { /* as Redis does: 0, whatever the unit */
            read_unit(t, 4, range);
        }
    } else if (t->arg_count != 2) {
        range->error = "ERR syntax error";
    }
    return ask_bits(t, range, encode_bitcount);
}

/* ---- BITPOS ---- */

/* The first bit in [first, end) that is `bit`, or `end`. */
static uint64_t find_bit(struct slice bytes, uint64_t first, uint64_t end, bool bit)
{
    const uint64_t skipped = bit ? 0 : UINT64_MAX;
    while (first < end) {
        if (first % 8 == 0 && end - first >= 64 && word_at(bytes.data + first / 8) == skipped) {
            first += 64;
        } else if (bit_at(bytes, first) == bit) {
            return first;
        } else {
            first++;
        }
    }
    return end;
}

static void encode_bitpos(struct task *t, struct buf *out, const struct result *result)
{
    const struct bit_range *range = t->state;
    uint64_t first = 0;
    uint64_t end = 0;
    if (no_bits(t, out, result, range->bit ? -1 : 0)) {
        return;
    }
    if (!bits_of(range, result->value.size, &first, &end)) {
        resp_integer(out, -1);
        return;
    }
    const uint64_t found = find_bit(result->value, first, end, range->bit);
    /* Behind the end of the string all is clear, unless the caller named an end. */
    const bool is_missing = found == end && (range->bit || range->has_end);
    resp_integer(out, is_missing ? -1 : (int64_t)found);
}

enum verdict redis_bitpos(struct task *t)
{
    int64_t bit = 0;
    struct bit_range *range = task_memory(t, sizeof(*range));
    *range = (struct bit_range){.is_given = t->arg_count > 3, .has_end = t->arg_count > 4};
    if (!arg_integer(t, 2, &bit)) {
        return TASK_REPLIED;
    }
    if (bit != 0 && bit != 1) {
        return task_error(t, ERR_INVALID, "ERR The bit argument must be 1 or 0.");
    }
    range->bit = bit != 0;
    if (t->arg_count > 6) {
        range->error = "ERR syntax error";
        return ask_bits(t, range, encode_bitpos);
    }
    if (t->arg_count > 3) {
        read_bound(t, 3, range, &range->start);
    }
    if (t->arg_count > 5) {
        read_unit(t, 5, range);
    }
    if (t->arg_count > 4) {
        read_bound(t, 4, range, &range->end);
    }
    return ask_bits(t, range, encode_bitpos);
}

/* ---- BITOP ---- */

enum verdict redis_bitop(struct task *t)
{
    static const char *const names[] = {
        [BIT_AND] = "and", [BIT_OR] = "or", [BIT_XOR] = "xor", [BIT_NOT] = "not"};
    int kind = BIT_AND;
    while (kind <= BIT_NOT && !arg_is(t, 1, names[kind])) {
        kind++;
    }
    if (kind > BIT_NOT) {
        return task_syntax_error(t);
    }
    if (kind == BIT_NOT && t->arg_count != 4) {
        return task_error(t, ERR_INVALID, "ERR BITOP NOT must be called with a single source key.");
    }
    struct op *op = task_op(t, OP_BIT_OP, t->args[2]);
    op->number = kind;
    op->items = task_items(t, 3, t->arg_count - 3);
    op->item_count = (uint32_t)(t->arg_count - 3);
    t->encode = encode_count;
    return TASK_CALLS;
}
