#include "unit/model_oracle.h"

#include <math.h>

#include "base/mem.h"
#include "harness.h"
#include "unit/model_oracle_private.h"

/* ---- Records ---- */

void oracle_clear(struct oracle_record *r)
{
    buf_deinit(&r->key);
    buf_deinit(&r->text);
    for (size_t i = 0; i < r->member_count; i++) {
        buf_deinit(&r->members[i]);
    }
    for (size_t i = 0; i < r->version_count; i++) {
        buf_deinit(&r->versions[i].id);
        buf_deinit(&r->versions[i].author);
        buf_deinit(&r->versions[i].value);
    }
    mem_free(r->members);
    mem_free(r->versions);
    *r = (struct oracle_record){0};
}

void oracle_deinit(struct oracle *o)
{
    for (size_t i = 0; i < ORACLE_RECORDS; i++) {
        oracle_clear(&o->records[i]);
    }
}

struct oracle_record *oracle_find(struct oracle *o, uint32_t table, struct slice key, uint64_t now)
{
    struct oracle_record *found = NULL;
    for (size_t i = 0; i < ORACLE_RECORDS; i++) {
        struct oracle_record *r = &o->records[i];
        if (r->type != TYPE_NONE && r->expiry_ms != 0 && r->expiry_ms <= now) {
            oracle_clear(r);
        }
        if (r->type != TYPE_NONE && r->table == table && slice_equal(buf_slice(&r->key), key)) {
            found = r;
        }
    }
    return found;
}

uint64_t oracle_count(struct oracle *o, uint32_t table, uint64_t now_ms)
{
    uint64_t count = 0;
    (void)oracle_find(o, table, SLICE("?"), now_ms);
    for (size_t i = 0; i < ORACLE_RECORDS; i++) {
        count += o->records[i].type != TYPE_NONE && o->records[i].table == table ? 1 : 0;
    }
    return count;
}

struct oracle_record *oracle_make(struct oracle *o, uint32_t table, struct slice key,
                                  enum value_type type)
{
    for (size_t i = 0; i < ORACLE_RECORDS; i++) {
        struct oracle_record *r = &o->records[i];
        if (r->type == TYPE_NONE) {
            r->type = type;
            r->table = table;
            buf_append_slice(&r->key, key);
            return r;
        }
    }
    UNREACHABLE("too few records");
}

void oracle_text(struct oracle_record *r, struct slice text)
{
    struct buf copy = {0}; /* `text` may be a part of the old one */
    buf_append_slice(&copy, text);
    buf_deinit(&r->text);
    r->text = copy;
}

bool oracle_has(const struct oracle_record *r, struct slice member)
{
    for (size_t i = 0; r != NULL && i < r->member_count; i++) {
        if (slice_equal(buf_slice(&r->members[i]), member)) {
            return true;
        }
    }
    return false;
}

bool oracle_add(struct oracle_record *r, struct slice member)
{
    if (oracle_has(r, member)) {
        return false;
    }
    size_t at = 0;
    while (at < r->member_count && slice_compare(buf_slice(&r->members[at]), member) < 0) {
        at++;
    }
    r->members = mem_resize(r->members, (r->member_count + 1) * sizeof(*r->members));
    memmove(&r->members[at + 1], &r->members[at], (r->member_count - at) * sizeof(*r->members));
    r->members[at] = (struct buf){0};
    buf_append_slice(&r->members[at], member);
    r->member_count++;
    return true;
}

bool oracle_remove(struct oracle_record *r, struct slice member)
{
    for (size_t i = 0; i < r->member_count; i++) {
        if (slice_equal(buf_slice(&r->members[i]), member)) {
            buf_deinit(&r->members[i]);
            r->member_count--;
            memmove(&r->members[i], &r->members[i + 1],
                    (r->member_count - i) * sizeof(*r->members));
            return true;
        }
    }
    return false;
}

void oracle_version_add(struct oracle_record *r, const struct oracle_version *v)
{
    r->versions = mem_resize(r->versions, (r->version_count + 1) * sizeof(*r->versions));
    struct oracle_version *copy = &r->versions[r->version_count++];
    *copy = (struct oracle_version){.time_ms = v->time_ms};
    buf_append_slice(&copy->id, buf_slice(&v->id));
    buf_append_slice(&copy->author, buf_slice(&v->author));
    buf_append_slice(&copy->value, buf_slice(&v->value));
}

/* ---- What an op does with one record ---- */

void oracle_facts(const struct oracle_record *r, const struct result *got)
{
    EXPECT_EQ(r->type, got->type);
    EXPECT_EQ(r->create_revision, got->create_revision);
    EXPECT_EQ(r->mod_revision, got->mod_revision);
    EXPECT_EQ(r->version, got->version);
    EXPECT_EQ(r->expiry_ms, got->expiry_ms);
}

void oracle_slice(struct slice want, struct slice got)
{
    if (!slice_equal(want, got)) {
        (void)fprintf(stderr, "want %.*s, got %.*s\n", (int)want.size, (const char *)want.data,
                      (int)got.size, (const char *)got.data);
        exit(1);
    }
}

uint64_t oracle_expiry(const struct oracle *o, const struct oracle_case *c, bool is_kept)
{
    if (c->op->expiry_ms != 0 || (c->op->flags & OP_SET_EXPIRY) != 0) {
        return c->op->expiry_ms;
    }
    if (is_kept && c->live != NULL) {
        return c->live->expiry_ms;
    }
    return o->default_ttl_ms == 0 ? 0 : c->moment->now_ms + o->default_ttl_ms;
}

/* The record was written by the case's op: its facts move on, or it is gone. */
void oracle_written(struct oracle_case *c, struct oracle_record *r, uint64_t expiry_ms,
                    bool is_checked)
{
    if (expiry_ms != 0 && expiry_ms <= c->moment->now_ms) {
        oracle_clear(r);
        return;
    }
    r->mod_revision = c->moment->revision;
    r->create_revision = r->version == 0 ? c->moment->revision : r->create_revision;
    r->version++;
    r->expiry_ms = expiry_ms;
    if (is_checked) {
        oracle_facts(r, c->got);
    }
}

/* The op's record becomes `type`, whatever it was. */
struct oracle_record *oracle_become(struct oracle *o, struct oracle_case *c, enum value_type type)
{
    struct oracle_record before = {0};
    if (c->live != NULL) {
        before = *c->live;
        before.key = (struct buf){0};
        before.text = (struct buf){0};
        oracle_clear(c->live);
    }
    c->live = oracle_make(o, c->op->table, c->op->key, type);
    c->live->version = before.version;
    c->live->create_revision = before.create_revision;
    return c->live;
}

static bool condition_holds(const struct op *op, const struct oracle_record *r)
{
    const uint64_t infinite = UINT64_MAX;
    const uint64_t now = r == NULL || r->expiry_ms == 0 ? infinite : r->expiry_ms;
    const uint64_t wanted = op->expiry_ms == 0 ? infinite : op->expiry_ms;
    const uint64_t revision = r == NULL ? 0 : r->mod_revision;
    switch ((enum op_condition)op->condition) {
    case IF_ANY:
        return true;
    case IF_ABSENT:
        return r == NULL;
    case IF_PRESENT:
        return r != NULL;
    case IF_REVISION:
        return revision == op->revision;
    case IF_NOT_REVISION:
        return revision != op->revision;
    case EXPIRE_NX:
        return now == infinite;
    case EXPIRE_XX:
        return now != infinite;
    case EXPIRE_GT:
        return wanted > now;
    case EXPIRE_LT:
        return wanted < now;
    case EXPIRE_XX_LT:
        return now != infinite && wanted < now;
    }
    return false;
}

static enum err case_get(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (c->live == NULL) {
        return ERR_NOT_FOUND;
    }
    if (c->live->type != TYPE_STRING) {
        return ERR_WRONG_TYPE;
    }
    int64_t number;
    oracle_facts(c->live, c->got);
    oracle_slice(buf_slice(&c->live->text), c->got->value);
    EXPECT_EQ(parse_int64(buf_slice(&c->live->text), &number), c->got->is_integer);
    return ERR_OK;
}

static enum err case_stat(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (c->live == NULL) {
        return ERR_NOT_FOUND;
    }
    const uint64_t counts[] = {0, c->live->text.size, c->live->member_count,
                               c->live->version_count};
    oracle_facts(c->live, c->got);
    EXPECT_EQ(counts[c->live->type], c->got->count);
    return ERR_OK;
}

static enum err check_previous(struct oracle_case *c)
{
    if ((c->op->flags & OP_WANT_PREV) == 0 || c->live == NULL) {
        return ERR_OK;
    }
    if (c->live->type != TYPE_STRING) {
        return ERR_WRONG_TYPE;
    }
    oracle_slice(buf_slice(&c->live->text), c->got->value);
    return ERR_OK;
}

static enum err case_put(struct oracle *o, struct oracle_case *c)
{
    const enum err err = check_previous(c);
    if (err != ERR_OK) {
        return err;
    }
    if (!condition_holds(c->op, c->live)) {
        return ERR_CONFLICT;
    }
    const uint64_t expiry_ms = oracle_expiry(o, c, (c->op->flags & OP_KEEP_TTL) != 0);
    struct oracle_record *r = oracle_become(o, c, TYPE_STRING);
    oracle_text(r, c->op->value);
    oracle_written(c, r, expiry_ms, true);
    return ERR_OK;
}

static enum err case_expire(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (c->live == NULL) {
        return ERR_NOT_FOUND;
    }
    const enum err err = check_previous(c);
    if (err != ERR_OK) {
        return err;
    }
    const bool holds = condition_holds(c->op, c->live);
    EXPECT_EQ(holds, c->got->count);
    if (holds) {
        oracle_written(c, c->live, c->op->expiry_ms, true);
    }
    return ERR_OK;
}

static enum err case_delete(struct oracle *o, struct oracle_case *c)
{
    (void)o;
    if (c->live == NULL) {
        const bool is_other = c->op->condition == IF_REVISION && c->op->revision != 0;
        const bool is_not = c->op->condition == IF_NOT_REVISION && c->op->revision == 0;
        return is_other || is_not ? ERR_CONFLICT : ERR_NOT_FOUND;
    }
    const enum err err = check_previous(c);
    if (err != ERR_OK) {
        return err;
    }
    if (!condition_holds(c->op, c->live)) {
        return ERR_CONFLICT;
    }
    oracle_clear(c->live);
    return ERR_OK;
}

static enum err case_copy(struct oracle *o, struct oracle_case *c)
{
    const bool is_rename = c->op->kind == OP_RENAME;
    const uint32_t table = is_rename ? c->op->table : c->op->other_table;
    struct oracle_record *to = oracle_find(o, table, c->op->other, c->moment->now_ms);
    const bool may_replace = (c->op->flags & OP_REPLACE) != 0;
    struct oracle_record *from = c->live;
    if (from == NULL) {
        return ERR_NOT_FOUND;
    }
    EXPECT_EQ(to == NULL || may_replace, c->got->count);
    if (to == from || (to != NULL && !may_replace)) {
        return ERR_OK;
    }
    const uint64_t version = to == NULL ? 0 : to->version;
    const uint64_t created = to == NULL ? 0 : to->create_revision;
    if (to != NULL) {
        oracle_clear(to);
    }
    to = oracle_make(o, table, c->op->other, from->type);
    to->version = version;
    to->create_revision = created;
    oracle_text(to, buf_slice(&from->text));
    for (size_t i = 0; i < from->member_count; i++) {
        (void)oracle_add(to, buf_slice(&from->members[i]));
    }
    for (size_t i = 0; i < from->version_count; i++) {
        oracle_version_add(to, &from->versions[i]);
    }
    oracle_written(c, to, from->expiry_ms, true);
    if (is_rename) {
        oracle_clear(from);
    }
    return ERR_OK;
}

/* ---- Strings ---- */

/* The string of the op's record, an absent one empty; `*text` is a copy. */
static enum err string_of(struct oracle_case *c, struct buf *text)
{
    *text = (struct buf){0};
    if (c->live != NULL && c->live->type != TYPE_STRING) {
        return ERR_WRONG_TYPE;
    }
    if (c->live != NULL) {
        buf_append_slice(text, buf_slice(&c->live->text));
    }
    return ERR_OK;
}

static enum err string_becomes(struct oracle *o, struct oracle_case *c, struct buf *text)
{
    if (text->size > o->value_max) {
        buf_deinit(text);
        return ERR_TOO_LARGE;
    }
    const uint64_t expiry_ms = oracle_expiry(o, c, true);
    struct oracle_record *r = oracle_become(o, c, TYPE_STRING);
    oracle_text(r, buf_slice(text));
    oracle_written(c, r, expiry_ms, true);
    buf_deinit(text);
    return ERR_OK;
}

static void pad(struct buf *text, size_t size)
{
    while (text->size < size) {
        buf_append_byte(text, 0);
    }
}

static enum err case_append(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    const enum err err = string_of(c, &text);
    if (err != ERR_OK) {
        return err;
    }
    buf_append_slice(&text, c->op->value);
    const size_t size = text.size;
    const enum err end = string_becomes(o, c, &text);
    if (end == ERR_OK) {
        EXPECT_EQ(size, c->got->count);
    }
    return end;
}

static enum err case_set_range(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    const enum err err = string_of(c, &text);
    if (err != ERR_OK) {
        return err;
    }
    if (c->op->value.size > 0) {
        pad(&text, (size_t)c->op->number + c->op->value.size);
        memcpy(text.data + c->op->number, c->op->value.data, c->op->value.size);
    }
    EXPECT_EQ(text.size, c->got->count);
    if (c->op->value.size == 0) {
        buf_deinit(&text);
        return ERR_OK;
    }
    return string_becomes(o, c, &text);
}

static bool bit_of(struct slice text, uint64_t offset)
{
    return offset / 8 < text.size && (text.data[offset / 8] & (0x80U >> offset % 8)) != 0;
}

static void set_bit(struct buf *text, uint64_t offset, bool is_set)
{
    pad(text, (size_t)(offset / 8) + 1);
    const uint8_t mask = (uint8_t)(0x80U >> offset % 8);
    text->data[offset / 8] =
        (uint8_t)(is_set ? text->data[offset / 8] | mask : text->data[offset / 8] & ~mask);
}

static enum err case_bit_set(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    const enum err err = string_of(c, &text);
    if (err != ERR_OK) {
        return err;
    }
    const uint64_t offset = (uint64_t)c->op->number;
    EXPECT_EQ(bit_of(buf_slice(&text), offset), c->got->number);
    set_bit(&text, offset, c->op->number2 == 1);
    return string_becomes(o, c, &text);
}

/* Fields of up to 32 bits only, so that plain 64-bit numbers are wide enough. */
static bool field_step(struct buf *text, const struct bit_field *f, int64_t *answer)
{
    int64_t before = 0;
    for (unsigned i = 0; i < f->bits; i++) {
        before = before * 2 + (bit_of(buf_slice(text), f->offset + i) ? 1 : 0);
    }
    const int64_t range = INT64_C(1) << f->bits;
    const int64_t min = f->is_signed != 0 ? -range / 2 : 0;
    const int64_t max = min + range - 1;
    before = before > max ? before - range : before;
    *answer = before;
    if (f->kind == BIT_FIELD_GET) {
        return true;
    }
    int64_t after = f->kind == BIT_FIELD_ADD ? before + f->operand : f->operand;
    const bool is_negative_set = f->kind == BIT_FIELD_SET && f->is_signed == 0 && f->operand < 0;
    if (after < min || after > max) {
        if (f->overflow == OVERFLOW_FAIL) {
            return false;
        }
        if (f->overflow == OVERFLOW_SAT) {
            after = after < min && !is_negative_set ? min : max;
        } else {
            after = ((after - min) % range + range) % range + min;
        }
    }
    for (unsigned i = 0; i < f->bits; i++) {
        set_bit(text, f->offset + i, ((uint64_t)after >> (f->bits - 1 - i) & 1) != 0);
    }
    *answer = f->kind == BIT_FIELD_ADD ? after : before;
    return true;
}

static enum err case_bit_field(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    const enum err err = string_of(c, &text);
    if (err != ERR_OK) {
        return err;
    }
    bool is_changed = false;
    size_t size = text.size;
    const size_t before = size;
    EXPECT_EQ(c->op->item_count, c->got->row_count);
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        struct bit_field f;
        int64_t answer;
        memcpy(&f, c->op->items[i].data, sizeof(f));
        const bool is_done = field_step(&text, &f, &answer);
        const size_t end = (size_t)((f.offset + f.bits + 7) / 8);
        size = f.kind != BIT_FIELD_GET && end > size ? end : size;
        is_changed = is_changed || (is_done && f.kind != BIT_FIELD_GET);
        EXPECT_EQ(is_done ? TYPE_STRING : TYPE_NONE, c->got->rows[i].type);
        if (is_done) {
            oracle_slice(slice_of(&answer, sizeof(answer)), c->got->rows[i].value);
        }
    }
    pad(&text, size);
    if (!is_changed && size == before) {
        buf_deinit(&text);
        return ERR_OK;
    }
    return string_becomes(o, c, &text);
}

static enum err case_bit_op(struct oracle *o, struct oracle_case *c)
{
    struct buf sum = {0};
    struct slice texts[8];
    size_t size = 0;
    EXPECT(c->op->item_count <= 8);
    for (uint32_t i = 0; i < c->op->item_count; i++) {
        struct oracle_record *r = oracle_find(o, c->op->table, c->op->items[i], c->moment->now_ms);
        if (r != NULL && r->type != TYPE_STRING) {
            return ERR_WRONG_TYPE;
        }
        texts[i] = r == NULL ? slice_of(NULL, 0) : buf_slice(&r->text);
        size = texts[i].size > size ? texts[i].size : size;
    }
    EXPECT_EQ(size, c->got->count);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        bool value = bit_of(texts[0], bit);
        for (uint32_t i = 1; i < c->op->item_count; i++) {
            const bool other = bit_of(texts[i], bit);
            value = c->op->number == BIT_AND  ? value && other
                    : c->op->number == BIT_OR ? value || other
                                              : value != other;
        }
        set_bit(&sum, bit, c->op->number == BIT_NOT ? !value : value);
    }
    if (size == 0) {
        if (c->live != NULL) {
            oracle_clear(c->live);
        }
        return ERR_OK;
    }
    const uint64_t expiry_ms = oracle_expiry(o, c, false);
    struct oracle_record *r = oracle_become(o, c, TYPE_STRING);
    oracle_text(r, buf_slice(&sum));
    buf_deinit(&sum);
    oracle_written(c, r, expiry_ms, true);
    return ERR_OK;
}

static enum err case_add(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    int64_t number = 0;
    const enum err err = string_of(c, &text);
    const bool is_number =
        err == ERR_OK && (c->live == NULL || parse_int64(buf_slice(&text), &number));
    buf_deinit(&text);
    if (!is_number) {
        return err == ERR_OK ? ERR_NOT_A_NUMBER : err;
    }
    if (__builtin_add_overflow(number, c->op->number, &number)) {
        return ERR_OVERFLOW;
    }
    EXPECT_EQ(number, c->got->number);
    buf_append_i64(&text, number);
    return string_becomes(o, c, &text);
}

static bool parse_float(struct buf *text, long double *number)
{
    buf_append_byte(text, 0);
    char *end;
    *number = strtold((const char *)text->data, &end);
    text->size--;
    return (const uint8_t *)end == text->data + text->size && text->size > 0 &&
           strchr(" \t\n\v\f\r", text->data[0]) == NULL;
}

static enum err case_add_float(struct oracle *o, struct oracle_case *c)
{
    struct buf text;
    long double sum = 0;
    long double amount;
    const enum err err = string_of(c, &text);
    const bool is_number = err == ERR_OK && (c->live == NULL || parse_float(&text, &sum));
    buf_clear(&text);
    buf_append_slice(&text, c->op->value);
    if (!is_number || !parse_float(&text, &amount)) {
        buf_deinit(&text);
        return err == ERR_OK ? ERR_NOT_A_NUMBER : err;
    }
    buf_clear(&text);
    if (!isfinite(sum + amount)) {
        buf_deinit(&text);
        return ERR_OVERFLOW;
    }
    buf_printf(&text, "%.17Lf", sum + amount);
    while (text.data[text.size - 1] == '0') {
        text.size--;
    }
    text.size -= text.data[text.size - 1] == '.' ? 1 : 0;
    oracle_slice(buf_slice(&text), c->got->value);
    return string_becomes(o, c, &text);
}

static const oracle_fn *cases(void)
{
    static const oracle_fn all[OP_KIND_COUNT] = {
        [OP_GET] = case_get,
        [OP_STAT] = case_stat,
        [OP_PUT] = case_put,
        [OP_EXPIRE] = case_expire,
        [OP_DELETE] = case_delete,
        [OP_COPY] = case_copy,
        [OP_RENAME] = case_copy,
        [OP_APPEND] = case_append,
        [OP_SET_RANGE] = case_set_range,
        [OP_BIT_SET] = case_bit_set,
        [OP_BIT_FIELD] = case_bit_field,
        [OP_BIT_OP] = case_bit_op,
        [OP_ADD] = case_add,
        [OP_ADD_FLOAT] = case_add_float,
        [OP_SET_ADD] = oracle_set_add,
        [OP_SET_REMOVE] = oracle_set_remove,
        [OP_SET_MOVE] = oracle_set_move,
        [OP_SET_POP] = oracle_set_pop,
        [OP_SET_HAS] = oracle_set_has,
        [OP_SET_RANDOM] = oracle_set_random,
        [OP_SET_COMBINE] = oracle_set_combine,
        [OP_SET_STORE] = oracle_set_combine,
        [OP_LOG_APPEND] = oracle_log_append,
        [OP_LOG_READ] = oracle_log_read,
        [OP_LOG_RANGE] = oracle_log_read,
        [OP_RANGE] = oracle_range,
        [OP_SET_RANGE_MEMBERS] = oracle_set_members,
        [OP_DELETE_RANGE] = oracle_delete_range,
        [OP_COUNT] = oracle_count_case,
        [OP_RANDOM_KEY] = oracle_random_key,
        [OP_TXN] = oracle_txn,
    };
    return all;
}

void oracle_check(struct oracle *o, const struct op *op, const struct moment *moment,
                  const struct result *got)
{
    struct oracle_case c = {.op = op, .moment = moment, .got = got};
    c.live = oracle_find(o, op->table, op->key, moment->now_ms);
    const enum err err = cases()[op->kind](o, &c);
    if (err != got->err) {
        (void)fprintf(stderr, "%s: want %s, got %s\n", op_name((enum op_kind)op->kind),
                      err_name(err), err_name(got->err));
        exit(1);
    }
}
