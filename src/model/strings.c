/* Strings as bytes: get, stat, put, append, set-range. */
#include "model/state.h"
#include "model/varint.h"

#define INTEGER_TEXT_MAX ((size_t)20) /* bytes of the longest int64 */

/* The decimal digits of `number` at the end of INTEGER_TEXT_MAX bytes. */
static struct slice format(int64_t number, uint8_t *bytes)
{
    uint8_t *p = bytes + INTEGER_TEXT_MAX;
    uint64_t rest = number < 0 ? ~(uint64_t)number + 1 : (uint64_t)number;
    do {
        *--p = (uint8_t)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        *--p = '-';
    }
    return slice_of(p, (size_t)(bytes + INTEGER_TEXT_MAX - p));
}

enum err string_text(struct task *t, const struct record *record, struct slice *text)
{
    if (record->type != RECORD_INTEGER) {
        *text = record->value;
        return ERR_OK;
    }
    int64_t number;
    const enum err err = integer_get(record->value, &number);
    if (err == ERR_OK) {
        *text = format(number, arena_get(t->run->arena, INTEGER_TEXT_MAX));
    }
    return err;
}

enum err string_write(struct task *t, struct place *p, struct slice text, bool is_kept)
{
    uint8_t bytes[8];
    int64_t number;
    struct change change = {
        .kind = RECORD_STRING, .value = text, .expiry_ms = expiry_of(t, p, is_kept)};
    if (parse_int64(text, &number)) {
        change.kind = RECORD_INTEGER;
        change.value = slice_of(bytes, integer_put(bytes, number));
    }
    return record_write(t, p, &change, t->result);
}

enum err string_previous(struct task *t, const struct place *p)
{
    if ((t->op->flags & OP_WANT_PREV) == 0 || !p->is_live) {
        return ERR_OK;
    }
    const enum err err = place_check_type(p, TYPE_STRING);
    return err == ERR_OK ? string_text(t, &p->lookup->record, &t->result->value) : err;
}

enum err op_get(struct task *t)
{
    struct place p;
    enum err err = place_find_typed(t, &p, TYPE_STRING);
    if (err != ERR_OK) {
        return err;
    }
    const struct record *record = &p.lookup->record;
    result_of_record(t->result, record);
    if (record->type == RECORD_INTEGER) {
        t->result->is_integer = true;
        err = integer_get(record->value, &t->result->number);
        if (err != ERR_OK) {
            return err;
        }
    }
    return string_text(t, record, &t->result->value);
}

/* Members, versions, or bytes. */
static enum err count_of(struct task *t, const struct record *record, uint64_t *count)
{
    if (record_type(record->type) != TYPE_STRING) {
        return collection_count(record, count);
    }
    struct slice text;
    const enum err err = string_text(t, record, &text);
    if (err == ERR_OK) {
        *count = text.size;
    }
    return err;
}

enum err op_stat(struct task *t)
{
    struct place p;
    const enum err err = place_find(t, &p);
    if (err != ERR_OK || !p.is_live) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    result_of_record(t->result, &p.lookup->record);
    t->result->is_integer = p.lookup->record.type == RECORD_INTEGER;
    return count_of(t, &p.lookup->record, &t->result->count);
}

enum err op_put(struct task *t)
{
    struct place p;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = string_previous(t, &p);
    }
    if (err == ERR_OK) {
        err = place_check_condition(t, &p);
    }
    return err == ERR_OK ? string_write(t, &p, t->op->value, (t->op->flags & OP_KEEP_TTL) != 0)
                         : err;
}

/* The string of the op's record for changing; an absent one is empty. */
static enum err find_text(struct task *t, struct place *p, struct slice *text)
{
    *text = slice_of(NULL, 0);
    enum err err = place_find(t, p);
    if (err == ERR_OK) {
        err = place_check_type(p, TYPE_STRING);
    }
    return err == ERR_OK && p->is_live ? string_text(t, &p->lookup->record, text) : err;
}

enum err string_grow(struct task *t, struct place *p, size_t size, struct string_bytes *bytes)
{
    struct slice text;
    const enum err err = find_text(t, p, &text);
    if (err != ERR_OK) {
        return err;
    }
    bytes->has_grown = size > text.size;
    bytes->size = bytes->has_grown ? size : text.size;
    if (bytes->has_grown && size > t->model->value_max) {
        return ERR_TOO_LARGE;
    }
    bytes->data = arena_get(t->run->arena, bytes->size);
    uint8_t *end = slice_put(bytes->data, text);
    memset(end, 0, bytes->size - text.size);
    return ERR_OK;
}

enum err op_append(struct task *t)
{
    struct place p;
    struct slice text;
    const enum err err = find_text(t, &p, &text);
    if (err != ERR_OK) {
        return err;
    }
    const size_t size = text.size + t->op->value.size;
    if (size > t->model->value_max) {
        return ERR_TOO_LARGE;
    }
    uint8_t *bytes = arena_get(t->run->arena, size);
    (void)slice_put(slice_put(bytes, text), t->op->value);
    t->result->count = size;
    return string_write(t, &p, slice_of(bytes, size), true);
}

enum err op_set_range(struct task *t)
{
    struct place p;
    struct string_bytes bytes;
    const struct slice value = t->op->value;
    const size_t end = value.size == 0 ? 0 : (size_t)t->op->number + value.size;
    const enum err err = string_grow(t, &p, end, &bytes);
    if (err != ERR_OK) {
        return err;
    }
    t->result->count = bytes.size;
    if (value.size == 0) { /* nothing is written, so nothing comes into being */
        result_of_place(t->result, &p);
        return ERR_OK;
    }
    (void)slice_put(bytes.data + t->op->number, value);
    return string_write(t, &p, slice_of(bytes.data, bytes.size), true);
}
