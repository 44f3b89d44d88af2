/* Strings as bits. Bit 0 is the most significant one of byte 0, as in Redis. */
#include "model/state.h"
#include "model/varint.h"

static bool bit_get(const uint8_t *bytes, uint64_t offset)
{
    return (bytes[offset / 8] >> (7 - offset % 8) & 1) != 0;
}

static void bit_put(uint8_t *bytes, uint64_t offset, bool is_set)
{
    const uint8_t mask = (uint8_t)(1U << (7 - offset % 8));
    bytes[offset / 8] = (uint8_t)(is_set ? bytes[offset / 8] | mask : bytes[offset / 8] & ~mask);
}

static size_t bytes_for(uint64_t bits)
{
    return (size_t)((bits + 7) / 8);
}

enum err op_bit_set(struct task *t)
{
    struct place p;
    struct string_bytes bytes;
    const uint64_t offset = (uint64_t)t->op->number;
    const enum err err = string_grow(t, &p, bytes_for(offset + 1), &bytes);
    if (err != ERR_OK) {
        return err;
    }
    t->result->number = bit_get(bytes.data, offset) ? 1 : 0;
    bit_put(bytes.data, offset, t->op->number2 != 0);
    return string_write(t, &p, slice_of(bytes.data, bytes.size), true);
}

/* Bits behind the end are zero. */
static uint64_t field_get(const struct string_bytes *bytes, const struct bit_field *f)
{
    uint64_t number = 0;
    CHECK(f->bits >= 1);
    for (unsigned i = 0; i < f->bits; i++) {
        const uint64_t offset = f->offset + i;
        const bool is_set = offset / 8 < bytes->size && bit_get(bytes->data, offset);
        number = number << 1 | (is_set ? 1 : 0);
    }
    const bool is_negative =
        f->is_signed != 0 && f->bits < 64 && (number >> (f->bits - 1) & 1) != 0;
    return is_negative ? number | UINT64_MAX << f->bits : number;
}

static void field_put(struct string_bytes *bytes, const struct bit_field *f, uint64_t number)
{
    for (unsigned i = 0; i < f->bits; i++) {
        bit_put(bytes->data, f->offset + i, (number >> (f->bits - 1 - i) & 1) != 0);
    }
}

/* `base` plus `amount` as 64 bits, and on which side of the field's range the true sum lies. */
static int field_sum(const struct bit_field *f, uint64_t base, int64_t amount, uint64_t *sum)
{
    const unsigned bits = f->bits - (f->is_signed != 0 ? 1U : 0U);
    const uint64_t max = (UINT64_C(1) << bits) - 1;
    *sum = base + (uint64_t)amount;
    if (f->is_signed == 0) { /* `base` is beyond 63 bits only when `amount` is 0 */
        if (amount < 0 && (uint64_t)0 - (uint64_t)amount > base) {
            return -1;
        }
        return *sum > max ? 1 : 0;
    }
    int64_t exact;
    if (__builtin_add_overflow((int64_t)base, amount, &exact)) {
        return amount < 0 ? -1 : 1;
    }
    return exact > (int64_t)max ? 1 : exact < -(int64_t)max - 1 ? -1 : 0;
}

/* The sum by the field's rule. False: the step is not to be done. */
static bool field_fit(const struct bit_field *f, uint64_t base, int64_t amount, uint64_t *number)
{
    const int side = field_sum(f, base, amount, number);
    if (side != 0 && f->overflow == OVERFLOW_SAT) {
        const unsigned bits = f->bits - (f->is_signed != 0 ? 1U : 0U);
        const uint64_t max = (UINT64_C(1) << bits) - 1;
        *number = side > 0 ? max : f->is_signed != 0 ? ~max : 0;
    }
    /* Wrapping keeps the low bits, which is all that is written. */
    return side == 0 || f->overflow != OVERFLOW_FAIL;
}

/* Carries out one step and answers it in `row`. Returns true if something was written. */
static bool field_step(struct string_bytes *bytes, const struct bit_field *f, struct row *row)
{
    const uint64_t before = field_get(bytes, f);
    row->type = TYPE_STRING;
    row->number = (int64_t)before;
    if (f->kind == BIT_FIELD_GET) {
        return false;
    }
    const bool is_add = f->kind == BIT_FIELD_ADD;
    const uint64_t base = is_add ? before : (uint64_t)f->operand;
    uint64_t number;
    if (!field_fit(f, base, is_add ? f->operand : 0, &number)) {
        row->type = TYPE_NONE;
        row->number = 0;
        return false;
    }
    field_put(bytes, f, number);
    if (is_add) {
        row->number = (int64_t)field_get(bytes, f);
    }
    return true;
}

/* The string is as long as the furthest write needs, whether it then takes place or not. */
static size_t field_size(const struct op *op)
{
    size_t size = 0;
    for (uint32_t i = 0; i < op->item_count; i++) {
        struct bit_field f;
        memcpy(&f, op->items[i].data, sizeof(f));
        const size_t end = bytes_for(f.offset + f.bits);
        size = f.kind != BIT_FIELD_GET && end > size ? end : size;
    }
    return size;
}

enum err op_bit_field(struct task *t)
{
    struct place p;
    struct string_bytes bytes;
    const enum err err = string_grow(t, &p, field_size(t->op), &bytes);
    if (err != ERR_OK) {
        return err;
    }
    struct rows rows = {0};
    bool is_changed = false;
    for (uint32_t i = 0; i < t->op->item_count; i++) {
        struct bit_field f;
        memcpy(&f, t->op->items[i].data, sizeof(f));
        struct row *row = rows_add(t, &rows, sizeof(row->number));
        is_changed = field_step(&bytes, &f, row) || is_changed;
        if (row->type != TYPE_NONE) {
            row->value = arena_copy(t->run->arena, slice_of(&row->number, sizeof(row->number)));
        }
    }
    rows_answer(t, &rows);
    if (!is_changed && !bytes.has_grown) {
        result_of_place(t->result, &p);
        return ERR_OK;
    }
    return string_write(t, &p, slice_of(bytes.data, bytes.size), true);
}

static void combine(uint8_t *sum, size_t size, struct slice text, enum bit_op op)
{
    for (size_t i = 0; i < size; i++) {
        const uint8_t byte = i < text.size ? text.data[i] : 0;
        switch (op) {
        case BIT_AND:
            sum[i] &= byte;
            break;
        case BIT_OR:
            sum[i] |= byte;
            break;
        case BIT_XOR:
            sum[i] ^= byte;
            break;
        case BIT_NOT:
            sum[i] = (uint8_t)~byte;
            break;
        }
    }
}

/* The texts of all source strings; a missing one is empty. */
static enum err find_sources(struct task *t, struct slice *texts, size_t *size_max)
{
    *size_max = 0;
    for (uint32_t i = 0; i < t->op->item_count; i++) {
        struct place p;
        struct lookup room;
        texts[i] = slice_of(NULL, 0);
        enum err err = place_find_other(t, &p, &room, t->table, t->op->items[i]);
        if (err == ERR_OK) {
            err = place_check_type(&p, TYPE_STRING);
        }
        if (err == ERR_OK && p.is_live) {
            err = string_text(t, &room.record, &texts[i]);
        }
        if (err != ERR_OK) {
            return err;
        }
        *size_max = texts[i].size > *size_max ? texts[i].size : *size_max;
    }
    return ERR_OK;
}

enum err op_bit_op(struct task *t)
{
    struct place p;
    size_t size;
    struct slice *texts = arena_get(t->run->arena, t->op->item_count * sizeof(*texts));
    enum err err = find_sources(t, texts, &size);
    if (err == ERR_OK) {
        err = place_find(t, &p);
    }
    if (err != ERR_OK) {
        return err;
    }
    t->result->count = size;
    if (size == 0) {
        t->result->mod_revision = t->moment->revision;
        return record_erase(t, &p);
    }
    uint8_t *sum = arena_zero(t->run->arena, size);
    (void)slice_put(sum, texts[0]);
    const enum bit_op op = (enum bit_op)t->op->number;
    for (uint32_t i = op == BIT_NOT ? 0 : 1; i < t->op->item_count; i++) {
        combine(sum, size, texts[i], op);
    }
    return string_write(t, &p, slice_of(sum, size), false);
}
