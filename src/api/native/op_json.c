/* One line per operation in `forms`, one line per member in `members`: reading walks the members
 * of the object, and each puts its part into the op. */
#include "api/native/op_json.h"

#include "api/native/span.h"
#include "api/native/versions.h"

enum {
    M_OP = 1 << 0,
    M_KEY = 1 << 1,
    M_VALUE = 1 << 2,
    M_TTL = 1 << 3,
    M_IF = 1 << 4,
    M_AMOUNT = 1 << 5,
    M_MEMBERS = 1 << 6,
    M_ID = 1 << 7,
    M_AUTHOR = 1 << 8,
    M_REPLACE = 1 << 9,
    M_LIMIT = 1 << 10,
    M_FROM = 1 << 11,
    M_TO = 1 << 12,
    M_PREFIX = 1 << 13,
    M_REVERSE = 1 << 14,
    M_KEYS_ONLY = 1 << 15,
    M_COUNT_ONLY = 1 << 16,
    M_IDEMPOTENCY_KEY = 1 << 17,

    M_SPAN = M_FROM | M_TO | M_PREFIX
};

struct reading {
    const struct op_json_scope *scope;
    struct op *op;
    struct err_why *why;
    struct ttl ttl;
    struct slice from, to, prefix;
};

typedef enum err (*member_fn)(struct reading *r, const json_t *value, const char *name);

static enum err refuse(struct reading *r, const char *name, const char *kind)
{
    return err_set(r->why, ERR_INVALID, "%s is %s", name, kind);
}

/* ---- Members ---- */

static enum err read_nothing(struct reading *r, const json_t *value, const char *name)
{
    (void)r;
    (void)value;
    (void)name;
    return ERR_OK;
}

static enum err read_bytes(struct reading *r, const json_t *value, const char *name,
                           struct slice *out)
{
    return bytes_read(value, name, r->scope->arena, out, r->why);
}

static enum err read_key(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->op->key);
}

static enum err read_value(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->op->value);
}

static enum err read_ttl(struct reading *r, const json_t *value, const char *name)
{
    return ttl_read_json(value, name, &r->ttl, r->why);
}

static enum err read_flag(struct reading *r, const json_t *value, const char *name, unsigned flag)
{
    if (!json_is_boolean(value)) {
        return refuse(r, name, "true or false");
    }
    if (json_is_true(value)) {
        r->op->flags |= (uint16_t)flag;
    }
    return ERR_OK;
}

static enum err read_replace(struct reading *r, const json_t *value, const char *name)
{
    return read_flag(r, value, name, OP_LOG_REPLACE);
}

static enum err read_reverse(struct reading *r, const json_t *value, const char *name)
{
    return read_flag(r, value, name, OP_REVERSE);
}

static enum err read_keys_only(struct reading *r, const json_t *value, const char *name)
{
    return read_flag(r, value, name, OP_KEYS_ONLY);
}

static enum err read_count_only(struct reading *r, const json_t *value, const char *name)
{
    return read_flag(r, value, name, OP_COUNT_ONLY);
}

static enum err read_if(struct reading *r, const json_t *value, const char *name)
{
    const struct slice text = json_slice(value);
    int64_t number = 0;
    if (slice_equal(text, SLICE("absent"))) {
        r->op->condition = IF_ABSENT;
    } else if (slice_equal(text, SLICE("present"))) {
        r->op->condition = IF_PRESENT;
    } else if (parse_int64(text, &number) && number > 0) {
        r->op->condition = IF_REVISION;
        r->op->revision = (uint64_t)number;
    } else {
        return refuse(r, name, "absent, present, or a revision in decimal digits");
    }
    return ERR_OK;
}

static enum err read_amount(struct reading *r, const json_t *value, const char *name)
{
    return integer_read(value, &r->op->number) ? ERR_OK : refuse(r, name, "an integer of 64 bits");
}

static enum err read_members(struct reading *r, const json_t *value, const char *name)
{
    const size_t count = json_array_size(value);
    if (!json_is_array(value) || count == 0) {
        return refuse(r, name, "an array of one member or more");
    }
    struct slice *items = arena_get(r->scope->arena, count * sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        const enum err e = read_bytes(r, json_array_get(value, i), "a member", &items[i]);
        if (e != ERR_OK) {
            return e;
        }
    }
    r->op->items = items;
    r->op->item_count = (uint32_t)count;
    return ERR_OK;
}

static enum err read_id(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->op->id);
}

static enum err read_author(struct reading *r, const json_t *value, const char *name)
{
    const enum err e = read_bytes(r, value, name, &r->op->author);
    return e == ERR_OK && r->op->author.size > AUTHOR_MAX ? refuse(r, name, "too long") : e;
}

/* Of a log -2 or more, with dstore's meaning; else a number of rows. */
static enum err read_limit(struct reading *r, const json_t *value, const char *name)
{
    const bool is_log = r->op->kind == OP_LOG_READ;
    int64_t number = 0;
    if (!integer_read(value, &number) || number < (is_log ? -2 : 0)) {
        return refuse(r, name, is_log ? "an integer of -2 or more" : "an integer of 0 or more");
    }
    if (is_log) {
        r->op->number = number;
    } else {
        r->op->limit = (uint64_t)number;
    }
    return ERR_OK;
}

static enum err read_from(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->from);
}

static enum err read_to(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->to);
}

static enum err read_prefix(struct reading *r, const json_t *value, const char *name)
{
    return read_bytes(r, value, name, &r->prefix);
}

static enum err read_idempotency_key(struct reading *r, const json_t *value, const char *name)
{
    if (r->scope->is_part) {
        return err_set(r->why, ERR_INVALID, "a part of a transaction has no %s", name);
    }
    const size_t size = json_string_length(value);
    if (!json_is_string(value) || size < 1 || size > IDEMPOTENCY_ID_MAX) {
        return refuse(r, name, "a string of 1 to 128 bytes");
    }
    return read_bytes(r, value, name, &r->op->idempotency_id);
}

struct member {
    const char *name;
    unsigned bit;
    member_fn read;
};

static const struct member *member_of(const char *name)
{
    static const struct member members[] = {
        {"op", M_OP, read_nothing},
        {"key", M_KEY, read_key},
        {"value", M_VALUE, read_value},
        {"ttl", M_TTL, read_ttl},
        {"if", M_IF, read_if},
        {"amount", M_AMOUNT, read_amount},
        {"members", M_MEMBERS, read_members},
        {"id", M_ID, read_id},
        {"author", M_AUTHOR, read_author},
        {"replace", M_REPLACE, read_replace},
        {"limit", M_LIMIT, read_limit},
        {"from", M_FROM, read_from},
        {"to", M_TO, read_to},
        {"prefix", M_PREFIX, read_prefix},
        {"reverse", M_REVERSE, read_reverse},
        {"keys_only", M_KEYS_ONLY, read_keys_only},
        {"count_only", M_COUNT_ONLY, read_count_only},
        {"idempotency_key", M_IDEMPOTENCY_KEY, read_idempotency_key},
    };
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(members[i].name, name) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

/* ---- Operations ---- */

struct form {
    const char *name;
    enum op_kind kind;
    unsigned needed;
    unsigned allowed; /* besides these and "op" */
};

static const struct form *form_of(struct slice name)
{
    static const struct form forms[] = {
        {"get", OP_GET, M_KEY, 0},
        {"put", OP_PUT, M_KEY | M_VALUE, M_TTL | M_IF | M_IDEMPOTENCY_KEY},
        {"delete", OP_DELETE, M_KEY, M_IF | M_IDEMPOTENCY_KEY},
        {"expire", OP_EXPIRE, M_KEY | M_TTL, M_IDEMPOTENCY_KEY},
        {"increment", OP_ADD, M_KEY, M_AMOUNT | M_TTL | M_IDEMPOTENCY_KEY},
        {"set_add", OP_SET_ADD, M_KEY | M_MEMBERS, M_IDEMPOTENCY_KEY},
        {"set_remove", OP_SET_REMOVE, M_KEY | M_MEMBERS, M_IDEMPOTENCY_KEY},
        {"set_has", OP_SET_HAS, M_KEY | M_MEMBERS, 0},
        {"set_members", OP_SET_COMBINE, M_KEY, 0},
        {"log_append", OP_LOG_APPEND, M_KEY | M_VALUE,
         M_ID | M_AUTHOR | M_REPLACE | M_IDEMPOTENCY_KEY},
        {"log_read", OP_LOG_READ, M_KEY, M_LIMIT},
        {"range", OP_RANGE, 0, M_SPAN | M_LIMIT | M_REVERSE | M_KEYS_ONLY | M_COUNT_ONLY},
        {"delete_range", OP_DELETE_RANGE, 0, M_SPAN | M_IDEMPOTENCY_KEY},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (slice_equal(name, slice_of_text(forms[i].name))) {
            return &forms[i];
        }
    }
    return NULL;
}

static enum err finish_range(struct reading *r, unsigned seen)
{
    const struct op_json_scope *scope = r->scope;
    if (scope->table->options.partition != PARTITION_TABLE) {
        return err_set(r->why, ERR_CROSS_SHARD, "the table lies in several shards: list its keys");
    }
    if (r->op->kind == OP_DELETE_RANGE && (seen & M_SPAN) == 0) {
        return err_set(r->why, ERR_INVALID, "to delete all, say so: an empty prefix");
    }
    const struct span span = span_of(scope->arena, r->prefix, r->from, r->to);
    r->op->key = span.from;
    r->op->other = span.to;
    return ERR_OK;
}

/* What an op needs beyond its members. */
static enum err finish(struct reading *r, unsigned seen)
{
    struct op *op = r->op;
    const struct op_json_scope *scope = r->scope;
    const enum err e = ttl_apply(&r->ttl, scope->now_ms, op, r->why);
    if (e != ERR_OK) {
        return e;
    }
    if (op->kind == OP_SET_COMBINE) {
        struct slice *item = arena_get(scope->arena, sizeof(*item));
        *item = op->key;
        op->items = item;
        op->item_count = 1;
        op->number = SET_UNION;
    }
    if (op->kind == OP_ADD && (seen & M_AMOUNT) == 0) {
        op->number = 1;
    }
    if (op->kind == OP_LOG_APPEND) {
        op->id = (seen & M_ID) != 0 ? op->id : version_id(scope->random, scope->arena, op);
        op->author = (seen & M_AUTHOR) != 0 ? op->author : scope->author;
    }
    if (op->kind == OP_RANGE || op->kind == OP_DELETE_RANGE) {
        return finish_range(r, seen);
    }
    return ERR_OK;
}

enum err op_json_read(const struct op_json_scope *scope, json_t *value, struct op *op,
                      struct err_why *why)
{
    struct reading r = {.scope = scope, .op = op, .why = why, .from = SLICE("")};
    const json_t *name = json_object_get(value, "op");
    const struct form *form = json_is_string(name) ? form_of(json_slice(name)) : NULL;
    unsigned seen = 0;
    if (form == NULL) {
        return err_set(why, ERR_INVALID, "an operation is an object with a known \"op\"");
    }
    *op = (struct op){.kind = (uint8_t)form->kind, .table = scope->table->id};
    void *at = json_object_iter(value);
    while (at != NULL) {
        const struct member *m = member_of(json_object_iter_key(at));
        if (m == NULL || ((form->needed | form->allowed | M_OP) & m->bit) == 0) {
            return err_set(why, ERR_INVALID, "a member that %s does not have", form->name);
        }
        const enum err e = m->read(&r, json_object_iter_value(at), m->name);
        if (e != ERR_OK) {
            return e;
        }
        seen |= m->bit;
        at = json_object_iter_next(value, at);
    }
    if ((seen & form->needed) != form->needed) {
        return err_set(why, ERR_INVALID, "%s lacks a member that it needs", form->name);
    }
    const enum err e = finish(&r, seen);
    return e == ERR_OK ? op_check(op, STRING_MAX, why) : e; /* what members allow, as a whole */
}
