/* A transaction as JSON: comparisons, and two lists of operations. */
#include "api/native/op_json.h"

/* ---- Comparisons ---- */

static bool find_word(const json_t *value, const char *const *words, size_t count, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(json_slice(value), slice_of_text(words[i]))) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* In the order of enum compare_target and enum compare_relation. */
static enum err read_words(const json_t *value, struct compare *out, struct err_why *why)
{
    static const char *const targets[] = {"exists", "value", "revision", "create_revision",
                                          "version"};
    static const char *const relations[] = {"equal", "not_equal", "less", "greater"};
    const json_t *target = json_object_get(value, "target");
    const json_t *relation = json_object_get(value, "relation");
    size_t index = COMPARE_VALUE;
    if (target != NULL && !find_word(target, targets, 5, &index)) {
        return err_set(why, ERR_INVALID, "an unknown target of a comparison");
    }
    out->target = (enum compare_target)index;
    index = COMPARE_EQUAL;
    if (relation != NULL && !find_word(relation, relations, 4, &index)) {
        return err_set(why, ERR_INVALID, "an unknown relation of a comparison");
    }
    out->relation = (enum compare_relation)index;
    return ERR_OK;
}

static enum err read_operand(const json_t *value, struct arena *arena, struct compare *out,
                             struct err_why *why)
{
    int64_t number = 0;
    switch (out->target) {
    case COMPARE_VALUE:
        return bytes_read(value, "the value of a comparison", arena, &out->value, why);
    case COMPARE_EXISTS:
        out->number = json_is_true(value) ? 1 : 0;
        return json_is_boolean(value)
                   ? ERR_OK
                   : err_set(why, ERR_INVALID, "exists is compared with true or false");
    case COMPARE_MOD_REVISION:
    case COMPARE_CREATE_REVISION:
    case COMPARE_VERSION:
        break;
    }
    if (!json_is_string(value) || !parse_int64(json_slice(value), &number) || number < 0) {
        return err_set(why, ERR_INVALID, "a revision is decimal digits in a string");
    }
    out->number = (uint64_t)number;
    return ERR_OK;
}

static enum err read_compare(const struct op_json_scope *scope, const json_t *value,
                             struct compare *out, struct err_why *why)
{
    const size_t optional = (json_object_get(value, "target") != NULL ? 1U : 0U) +
                            (json_object_get(value, "relation") != NULL ? 1U : 0U);
    if (json_object_size(value) != 2 + optional) {
        return err_set(why, ERR_INVALID,
                       "a comparison has key and value, and may have target and relation");
    }
    *out = (struct compare){.table = scope->table->id};
    enum err e = bytes_read(json_object_get(value, "key"), "the key of a comparison", scope->arena,
                            &out->key, why);
    e = e == ERR_OK ? read_words(value, out, why) : e;
    return e == ERR_OK ? read_operand(json_object_get(value, "value"), scope->arena, out, why) : e;
}

/* ---- The whole ---- */

/* An array that may be absent. */
static enum err read_array(const json_t *root, const char *name, size_t *count,
                           const json_t **array, struct err_why *why)
{
    *array = json_object_get(root, name);
    *count = json_array_size(*array);
    return *array == NULL || json_is_array(*array)
               ? ERR_OK
               : err_set(why, ERR_INVALID, "%s is an array", name);
}

static enum err read_branch(const struct op_json_scope *scope, const json_t *root, const char *name,
                            const struct op **ops, uint32_t *op_count, struct err_why *why)
{
    const json_t *array = NULL;
    size_t count = 0;
    enum err e = read_array(root, name, &count, &array, why);
    struct op *list = arena_get(scope->arena, count * sizeof(*list));
    struct op_json_scope part = *scope;
    part.is_part = true;
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        part.random = scope->random + i;
        e = op_json_read(&part, json_array_get(array, i), &list[i], why);
    }
    *ops = list;
    *op_count = (uint32_t)count;
    return e;
}

static enum err read_compares(const struct op_json_scope *scope, const json_t *root, struct op *op,
                              struct err_why *why)
{
    const json_t *array = NULL;
    size_t count = 0;
    enum err e = read_array(root, "compare", &count, &array, why);
    struct compare *list = arena_get(scope->arena, count * sizeof(*list));
    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        e = read_compare(scope, json_array_get(array, i), &list[i], why);
    }
    op->compares = list;
    op->compare_count = (uint32_t)count;
    return e;
}

enum err txn_json_read(const struct op_json_scope *scope, const json_t *root, struct op *op,
                       struct err_why *why)
{
    size_t known = 0;
    static const char *const names[] = {"compare", "then", "else"};
    for (size_t i = 0; i < 3; i++) {
        known += json_object_get(root, names[i]) != NULL ? 1 : 0;
    }
    if (!json_is_object(root) || json_object_size(root) != known) {
        return err_set(why, ERR_INVALID, "a transaction has compare, then and else, no more");
    }
    op->kind = OP_TXN;
    op->table = scope->table->id;
    enum err e = read_compares(scope, root, op, why);
    e = e == ERR_OK ? read_branch(scope, root, "then", &op->ops, &op->op_count, why) : e;
    e = e == ERR_OK ? read_branch(scope, root, "else", &op->else_ops, &op->else_op_count, why) : e;
    return e;
}
