#include "api/regatta/rest_json.h"

#include <inttypes.h>
#include <stddef.h>

#include "api/go_base64.h"
#include "api/go_json.h"
#include "api/go_text.h"

enum field_kind {
    FIELD_BYTES,
    FIELD_BOOL,
    FIELD_INT64,
    FIELD_UINT64,
    FIELD_OPERATION
};

struct field {
    const char *name;
    const char *camel; /* the same in lowerCamelCase */
    enum field_kind kind;
    size_t offset;
    unsigned messages; /* bits: those that have it */
};

#define IN(message) (1U << (message))
#define AT(member)  offsetof(struct rest_request, member)
#define OF_KV       (IN(REST_RANGE) | IN(REST_PUT) | IN(REST_DELETE_RANGE))

static const struct field fields[] = {
    {"table", "table", FIELD_BYTES, AT(table), OF_KV},
    {"key", "key", FIELD_BYTES, AT(key), OF_KV},
    {"value", "value", FIELD_BYTES, AT(value), IN(REST_PUT)},
    {"range_end", "rangeEnd", FIELD_BYTES, AT(range_end), IN(REST_RANGE) | IN(REST_DELETE_RANGE)},
    {"limit", "limit", FIELD_INT64, AT(limit), IN(REST_RANGE)},
    {"linearizable", "linearizable", FIELD_BOOL, AT(linearizable), IN(REST_RANGE)},
    {"keys_only", "keysOnly", FIELD_BOOL, AT(keys_only), IN(REST_RANGE)},
    {"count_only", "countOnly", FIELD_BOOL, AT(count_only), IN(REST_RANGE)},
    {"min_mod_revision", "minModRevision", FIELD_INT64, AT(min_mod_revision), IN(REST_RANGE)},
    {"max_mod_revision", "maxModRevision", FIELD_INT64, AT(max_mod_revision), IN(REST_RANGE)},
    {"min_create_revision", "minCreateRevision", FIELD_INT64, AT(min_create_revision),
     IN(REST_RANGE)},
    {"max_create_revision", "maxCreateRevision", FIELD_INT64, AT(max_create_revision),
     IN(REST_RANGE)},
    {"prev_kv", "prevKv", FIELD_BOOL, AT(prev_kv), IN(REST_PUT) | IN(REST_DELETE_RANGE)},
    {"operation", "operation", FIELD_OPERATION, AT(operation), IN(REST_RESET)},
    {"member_id", "memberId", FIELD_UINT64, AT(member_id), IN(REST_RESET)},
};

/* ---- Values ---- */

/* What Go calls the type of a value. */
static const char *type_of(const struct go_member *m)
{
    switch (m->text.data[0]) {
    case '{':
        return "object";
    case '[':
        return "array";
    case '"':
        return "string";
    case 't':
    case 'f':
        return "bool";
    default:
        return "number";
    }
}

static enum err refuse_type(const struct go_member *m, const char *wanted, struct err_why *why)
{
    return err_set(why, ERR_INVALID, "json: cannot unmarshal %s into Go value of type %s",
                   type_of(m), wanted);
}

static enum err read_bytes(const struct go_member *m, struct arena *arena, struct slice *out,
                           struct err_why *why)
{
    struct buf bytes = {0};
    if (m->string.data == NULL) {
        return refuse_type(m, "[]uint8", why);
    }
    const enum err e = go_base64_read(&bytes, m->string, why);
    *out = arena_copy(arena, buf_slice(&bytes));
    buf_deinit(&bytes);
    return e;
}

static enum err read_bool(const struct go_member *m, bool *out, struct err_why *why)
{
    *out = slice_equal(m->text, SLICE("true"));
    return *out || slice_equal(m->text, SLICE("false")) ? ERR_OK : refuse_type(m, "bool", why);
}

static enum err refuse_number(struct slice text, const char *type, struct err_why *why)
{
    return err_set(why, ERR_INVALID, "json: cannot unmarshal number %.*s into Go value of type %s",
                   (int)(text.size < 40 ? text.size : 40), (const char *)text.data, type);
}

/* A string stands for the number in it; Go reads that as JSON, too. */
static enum err number_text(const struct go_member *m, const char *type, struct slice *text,
                            struct err_why *why)
{
    *text = m->string.data != NULL ? m->string : m->text;
    const uint8_t first = text->size == 0 ? 0 : text->data[0];
    if (m->string.data == NULL && first != '-' && (first < '0' || first > '9')) {
        return refuse_type(m, type, why);
    }
    if (text->size == 0) {
        return err_set(why, ERR_INVALID, "unexpected end of JSON input");
    }
    if (first != '-' && (first < '0' || first > '9')) {
        struct buf quoted = {0};
        go_quote_byte_to(&quoted, first);
        const enum err e =
            err_set(why, ERR_INVALID, "invalid character %.*s looking for beginning of value",
                    (int)quoted.size, (const char *)quoted.data);
        buf_deinit(&quoted);
        return e;
    }
    return ERR_OK;
}

/* Digits alone, without leading zeros. */
static bool read_digits(struct slice text, uint64_t *number)
{
    uint64_t sum = 0;
    if (text.size == 0 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        const unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

static enum err read_int64(const struct go_member *m, int64_t *out, struct err_why *why)
{
    struct slice text;
    uint64_t number = 0;
    const enum err e = number_text(m, "int64", &text, why);
    if (e != ERR_OK) {
        return e;
    }
    const bool is_negative = text.data[0] == '-';
    const uint64_t most = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    if (!read_digits(slice_skip(text, is_negative ? 1 : 0), &number) || number > most) {
        return refuse_number(text, "int64", why);
    }
    *out = is_negative ? (int64_t)(0 - number) : (int64_t)number;
    return ERR_OK;
}

static enum err read_uint64(const struct go_member *m, uint64_t *out, struct err_why *why)
{
    struct slice text;
    const enum err e = number_text(m, "uint64", &text, why);
    if (e != ERR_OK) {
        return e;
    }
    return read_digits(text, out) ? ERR_OK : refuse_number(text, "uint64", why);
}

static enum err read_operation(const struct go_member *m, int64_t *out, struct err_why *why)
{
    if (m->string.data == NULL) {
        return read_int64(m, out, why);
    }
    *out = slice_equal(m->string, SLICE("CLUSTER")) ? 1 : 0;
    if (*out == 0 && !slice_equal(m->string, SLICE("NODE"))) {
        return err_set(why, ERR_INVALID,
                       "unknown value %.*s for enum regatta.v1.ResetRequest_ResetOperation",
                       (int)(m->text.size < 60 ? m->text.size : 60), (const char *)m->text.data);
    }
    return ERR_OK;
}

static enum err read_field(const struct field *f, const struct go_member *m, struct arena *arena,
                           struct rest_request *out, struct err_why *why)
{
    void *to = (char *)out + f->offset;
    switch (f->kind) {
    case FIELD_BYTES:
        return read_bytes(m, arena, to, why);
    case FIELD_BOOL:
        return read_bool(m, to, why);
    case FIELD_INT64:
        return read_int64(m, to, why);
    case FIELD_UINT64:
        return read_uint64(m, to, why);
    case FIELD_OPERATION:
        break;
    }
    return read_operation(m, to, why);
}

/* ---- Messages ---- */

/* The last member of that name that is not null. */
static const struct go_member *find_member(const struct go_member *members, size_t count,
                                           const struct field *f)
{
    for (size_t i = count; i-- > 0;) {
        const bool is_it = slice_equal(members[i].name, slice_of_text(f->name)) ||
                           slice_equal(members[i].name, slice_of_text(f->camel));
        if (is_it && !slice_equal(members[i].text, SLICE("null"))) {
            return &members[i];
        }
    }
    return NULL;
}

static bool is_blank(struct slice text)
{
    size_t i = 0;
    while (i < text.size && (text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\n' ||
                             text.data[i] == '\r')) {
        i++;
    }
    return i == text.size;
}

enum err rest_json_read(struct slice text, enum rest_message message, struct arena *arena,
                        struct rest_request *out, struct err_why *why)
{
    struct go_member *members = NULL;
    size_t count = 0;
    *out = (struct rest_request){0};
    enum err e = is_blank(text) ? ERR_OK : go_json_members(text, arena, &members, &count, why);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && e == ERR_OK; i++) {
        if ((fields[i].messages & IN(message)) == 0) {
            continue;
        }
        const struct go_member *m = find_member(members, count, &fields[i]);
        if (m != NULL) {
            e = read_field(&fields[i], m, arena, out, why);
        }
    }
    return e;
}
