/* Strings as numbers: add an integer, add a float. See docs/design/0002. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/state.h"

#define FLOAT_TEXT_MAX ((size_t)5120) /* bytes of the longest long double without exponent */

enum err op_add(struct task *t)
{
    struct place p;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = place_check_type(&p, TYPE_STRING);
    }
    if (err != ERR_OK) {
        return err;
    }
    int64_t before = 0;
    if (p.is_live) {
        if (p.lookup->record.type != RECORD_INTEGER) {
            return ERR_NOT_A_NUMBER;
        }
        err = integer_get(p.lookup->record.value, &before);
        if (err != ERR_OK) {
            return err;
        }
    }
    int64_t sum;
    if (__builtin_add_overflow(before, t->op->number, &sum)) {
        return ERR_OVERFLOW;
    }
    uint8_t bytes[8];
    const struct change change = {.kind = RECORD_INTEGER,
                                  .value = slice_of(bytes, integer_put(bytes, sum)),
                                  .expiry_ms = expiry_of(t, &p, true)};
    t->result->number = sum;
    t->result->is_integer = true;
    return record_write(t, &p, &change, t->result);
}

/* The whole of `text` is one number, without blanks around it. */
static bool parse_float(struct slice text, long double *number)
{
    char copy[FLOAT_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof(copy) || isspace(text.data[0]) != 0) {
        return false; /* strtold() would go over blanks */
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    char *end;
    *number = strtold(copy, &end);
    return end == copy + text.size && !isnan(*number);
}

/* 17 digits behind the point, without what is zero at the end: as Redis writes it. */
static struct slice format_float(struct task *t, long double number)
{
    char *text = arena_get(t->run->arena, FLOAT_TEXT_MAX);
    const int printed = snprintf(text, FLOAT_TEXT_MAX, "%.17Lf", number);
    CHECK(printed > 18);
    CHECK((size_t)printed < FLOAT_TEXT_MAX);
    size_t size = (size_t)printed;
    while (text[size - 1] == '0') {
        size--;
    }
    if (text[size - 1] == '.') {
        size--;
    }
    const struct slice result = slice_of(text, size);
    return slice_equal(result, SLICE("-0")) ? SLICE("0") : result;
}

enum err op_add_float(struct task *t)
{
    struct place p;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = place_check_type(&p, TYPE_STRING);
    }
    if (err != ERR_OK) {
        return err;
    }
    long double sum = 0;
    long double amount;
    if (p.is_live) {
        struct slice text;
        err = string_text(t, &p.lookup->record, &text);
        if (err != ERR_OK) {
            return err;
        }
        if (!parse_float(text, &sum)) {
            return ERR_NOT_A_NUMBER;
        }
    }
    if (!parse_float(t->op->value, &amount)) {
        return ERR_NOT_A_NUMBER;
    }
    sum += amount;
    if (!isfinite(sum)) {
        return ERR_OVERFLOW;
    }
    t->result->value = format_float(t, sum);
    return string_write(t, &p, t->result->value, true);
}
