/* bitfield.c - BITFIELD: integers of any width inside a string. */
#include "api/redis/session.h"

/* The steps of one command while they are read. */
struct steps {
    struct bit_field *fields;
    uint32_t count;
    bool only_reads;
    enum bit_overflow overflow;
};

static bool read_overflow(struct task *t, size_t at, struct steps *steps)
{
    static const char *const names[] = {
        [OVERFLOW_WRAP] = "wrap", [OVERFLOW_SAT] = "sat", [OVERFLOW_FAIL] = "fail"};
    for (int i = OVERFLOW_WRAP; i <= OVERFLOW_FAIL; i++) {
        if (arg_is(t, at, names[i])) {
            steps->overflow = (enum bit_overflow)i;
            return true;
        }
    }
    (void)task_error(t, ERR_INVALID, "ERR Invalid OVERFLOW type specified");
    return false;
}

/* i1 to i64, u1 to u63. */
static bool read_type(struct task *t, size_t at, struct bit_field *field)
{
    const struct slice text = t->args[at];
    int64_t bits = 0;
    const bool is_signed = text.size > 0 && text.data[0] == 'i';
    const bool has_sign = is_signed || (text.size > 0 && text.data[0] == 'u');
    if (!has_sign || !parse_int64(slice_skip(text, 1), &bits) || bits < 1 ||
        bits > (is_signed ? 64 : 63)) {
        (void)task_error(t, ERR_INVALID,
                         "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                         "not supported but i64 is.");
        return false;
    }
    field->is_signed = is_signed;
    field->bits = (uint8_t)bits;
    return true;
}

/* In bits, or as #n in fields of this width. */
static bool read_offset(struct task *t, size_t at, struct bit_field *field)
{
    struct slice text = t->args[at];
    const bool counts_fields = text.size > 0 && text.data[0] == '#';
    text = counts_fields ? slice_skip(text, 1) : text;
    return arg_bit_offset(t, text, counts_fields ? field->bits : 1, &field->offset);
}

/* The step at args[at]; returns how many arguments it took, 0 after an error. */
static size_t read_step(struct task *t, size_t at, struct steps *steps)
{
    const size_t behind = t->arg_count - at - 1;
    struct bit_field field = {.overflow = (uint8_t)steps->overflow};
    if (arg_is(t, at, "overflow") && behind >= 1) {
        return read_overflow(t, at + 1, steps) ? 2 : 0;
    }
    if (arg_is(t, at, "get") && behind >= 2) {
        field.kind = BIT_FIELD_GET;
    } else if (arg_is(t, at, "set") && behind >= 3) {
        field.kind = BIT_FIELD_SET;
    } else if (arg_is(t, at, "incrby") && behind >= 3) {
        field.kind = BIT_FIELD_ADD;
    } else {
        (void)task_syntax_error(t);
        return 0;
    }
    if (!read_type(t, at + 1, &field) || !read_offset(t, at + 2, &field)) {
        return 0;
    }
    const bool is_read = field.kind == BIT_FIELD_GET;
    if (!is_read && !arg_integer(t, at + 3, &field.operand)) {
        return 0;
    }
    steps->only_reads = steps->only_reads && is_read;
    steps->fields[steps->count++] = field;
    return is_read ? 3 : 4;
}

static void encode_fields(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
        return;
    }
    resp_array(out, result->row_count);
    for (size_t i = 0; i < result->row_count; i++) {
        if (result->rows[i].type == TYPE_NONE) {
            resp_null(out, t->session->version);
        } else {
            resp_integer(out, result->rows[i].number);
        }
    }
}

static enum verdict bitfield(struct task *t, bool only_reads)
{
    struct steps steps = {.only_reads = true};
    steps.fields = task_memory(t, t->arg_count * sizeof(*steps.fields));
    for (size_t at = 2; at < t->arg_count;) {
        const size_t taken = read_step(t, at, &steps);
        if (taken == 0) {
            return TASK_REPLIED;
        }
        at += taken;
    }
    if (only_reads && !steps.only_reads) {
        return task_error(t, ERR_INVALID, "ERR BITFIELD_RO only supports the GET subcommand");
    }
    struct slice *items = task_memory(t, steps.count * sizeof(*items));
    for (uint32_t i = 0; i < steps.count; i++) {
        items[i] = slice_of(&steps.fields[i], sizeof(steps.fields[i]));
    }
    struct op *op = task_op(t, OP_BIT_FIELD, t->args[1]);
    op->items = items;
    op->item_count = steps.count;
    t->encode = encode_fields;
    return TASK_CALLS;
}

enum verdict redis_bitfield(struct task *t)
{
    return bitfield(t, false);
}

enum verdict redis_bitfield_ro(struct task *t)
{
    return bitfield(t, true);
}
