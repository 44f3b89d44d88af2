/* Operations on one key: holdfast/v1/keys.proto. */
#include "api/native/grpc/translate.h"

/* ---- Reads ---- */

static void read_get(struct reading *r, const void *request)
{
    const Holdfast__V1__GetRequest *m = request;
    read_place(r, m->table, m->key);
    read_level_of(r, m->read_level);
}

static enum err answer_get(const struct answering *a, void *response)
{
    Holdfast__V1__GetResponse *m = response;
    const struct result *r = a->result;
    m->value = grpc_bytes(r->value);
    m->revision = r->mod_revision;
    m->create_revision = r->create_revision;
    m->version = r->version;
    m->expire_at_ms = r->expiry_ms;
    m->ttl_ms = ttl_left(r->expiry_ms, a->now_ms);
    m->is_integer = r->is_integer;
    return ERR_OK;
}

static void read_stat(struct reading *r, const void *request)
{
    const Holdfast__V1__StatRequest *m = request;
    read_place(r, m->table, m->key);
    read_level_of(r, m->read_level);
}

static enum err answer_stat(const struct answering *a, void *response)
{
    Holdfast__V1__StatResponse *m = response;
    const struct result *r = a->result;
    m->type = value_type_of(r->type);
    m->count = r->count;
    m->is_integer = r->is_integer;
    m->revision = r->mod_revision;
    m->create_revision = r->create_revision;
    m->version = r->version;
    m->expire_at_ms = r->expiry_ms;
    m->ttl_ms = ttl_left(r->expiry_ms, a->now_ms);
    return ERR_OK;
}

/* ---- The record as a whole ---- */

static void read_put(struct reading *r, const void *request)
{
    const Holdfast__V1__PutRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->value = grpc_slice(m->value);
    read_expiry(r, m->expiry);
    read_condition(r, m->condition);
    read_flag(r, m->return_previous, OP_WANT_PREV);
    read_id(r, m->idempotency_id);
}

/* The op asked for what was there, and something was. */
static bool has_previous(const struct answering *a)
{
    return (a->op->flags & OP_WANT_PREV) != 0 && a->result->was_found;
}

static enum err answer_put(const struct answering *a, void *response)
{
    Holdfast__V1__PutResponse *m = response;
    m->revision = a->result->mod_revision;
    m->created = !a->result->was_found;
    if (has_previous(a)) {
        m->previous_case = HOLDFAST__V1__PUT_RESPONSE__PREVIOUS_PREVIOUS_VALUE;
        m->previous_value = grpc_bytes(a->result->value);
    }
    return ERR_OK;
}

static void read_delete(struct reading *r, const void *request)
{
    const Holdfast__V1__DeleteRequest *m = request;
    read_place(r, m->table, m->key);
    read_condition(r, m->condition);
    read_flag(r, m->return_previous, OP_WANT_PREV);
    read_id(r, m->idempotency_id);
}

static enum err answer_delete(const struct answering *a, void *response)
{
    Holdfast__V1__DeleteResponse *m = response;
    m->revision = a->result->mod_revision;
    if (has_previous(a)) {
        m->previous_case = HOLDFAST__V1__DELETE_RESPONSE__PREVIOUS_PREVIOUS_VALUE;
        m->previous_value = grpc_bytes(a->result->value);
    }
    return ERR_OK;
}

static void read_expire(struct reading *r, const void *request)
{
    static const uint8_t conditions[] = {
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_UNSPECIFIED] = IF_ANY,
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_HAS_NONE] = EXPIRE_NX,
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_HAS_ONE] = EXPIRE_XX,
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_IS_LATER] = EXPIRE_GT,
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_IS_EARLIER] = EXPIRE_LT,
        [HOLDFAST__V1__EXPIRE_CONDITION__EXPIRE_CONDITION_HAS_ONE_AND_IS_EARLIER] = EXPIRE_XX_LT,
    };
    const Holdfast__V1__ExpireRequest *m = request;
    const unsigned condition = (unsigned)m->condition;
    read_place(r, m->table, m->key);
    if (m->expiry == NULL) {
        reading_refuse(r, ERR_INVALID, "an expiry is missing");
    }
    if (condition >= sizeof(conditions)) {
        reading_refuse(r, ERR_INVALID, "there is no such condition");
        return;
    }
    r->op->condition = conditions[condition];
    read_expiry(r, m->expiry);
    read_flag(r, m->return_value, OP_WANT_PREV);
    read_id(r, m->idempotency_id);
}

static enum err answer_expire(const struct answering *a, void *response)
{
    Holdfast__V1__ExpireResponse *m = response;
    m->revision = a->result->mod_revision;
    m->changed = a->result->count != 0;
    if (has_previous(a)) {
        m->result_case = HOLDFAST__V1__EXPIRE_RESPONSE__RESULT_VALUE;
        m->value = grpc_bytes(a->result->value);
    }
    return ERR_OK;
}

static void read_copy(struct reading *r, const void *request)
{
    const Holdfast__V1__CopyRequest *m = request;
    const bool has_destination = m->destination_table[0] != '\0';
    if (has_destination) {
        read_place(r, m->destination_table, m->destination);
        r->op->other_table = r->op->table;
    }
    read_place(r, m->table, m->key);
    if (!has_destination) {
        r->op->other_table = r->op->table;
    }
    r->op->other = grpc_slice(m->destination);
    read_flag(r, m->replace, OP_REPLACE);
    read_id(r, m->idempotency_id);
}

static enum err answer_copy(const struct answering *a, void *response)
{
    Holdfast__V1__CopyResponse *m = response;
    m->revision = a->result->mod_revision;
    m->copied = a->result->count != 0;
    return ERR_OK;
}

static void read_rename(struct reading *r, const void *request)
{
    const Holdfast__V1__RenameRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->other = grpc_slice(m->destination);
    read_flag(r, m->replace, OP_REPLACE);
    read_id(r, m->idempotency_id);
}

static enum err answer_rename(const struct answering *a, void *response)
{
    Holdfast__V1__RenameResponse *m = response;
    m->revision = a->result->mod_revision;
    m->renamed = a->result->count != 0;
    return ERR_OK;
}

/* ---- Parts of strings ---- */

static void read_append(struct reading *r, const void *request)
{
    const Holdfast__V1__AppendRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->value = grpc_slice(m->value);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_append(const struct answering *a, void *response)
{
    Holdfast__V1__AppendResponse *m = response;
    m->revision = a->result->mod_revision;
    m->size = a->result->count;
    return ERR_OK;
}

static void read_set_range(struct reading *r, const void *request)
{
    const Holdfast__V1__SetRangeRequest *m = request;
    read_place(r, m->table, m->key);
    read_number(r, m->offset, "offset");
    r->op->value = grpc_slice(m->value);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_range(const struct answering *a, void *response)
{
    Holdfast__V1__SetRangeResponse *m = response;
    m->revision = a->result->mod_revision;
    m->size = a->result->count;
    return ERR_OK;
}

static void read_set_bit(struct reading *r, const void *request)
{
    const Holdfast__V1__SetBitRequest *m = request;
    read_place(r, m->table, m->key);
    read_number(r, m->offset, "offset");
    r->op->number2 = m->bit ? 1 : 0;
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_bit(const struct answering *a, void *response)
{
    Holdfast__V1__SetBitResponse *m = response;
    m->revision = a->result->mod_revision;
    m->previous_bit = a->result->number != 0;
    return ERR_OK;
}

/* False: it has values that do not exist. Bits are checked by op_check(). */
static bool read_step(const Holdfast__V1__BitFieldStep *m, struct bit_field *step)
{
    const bool is_known = (unsigned)m->kind <= HOLDFAST__V1__BIT_FIELD_KIND__BIT_FIELD_KIND_ADD &&
                          (unsigned)m->overflow <= HOLDFAST__V1__BIT_OVERFLOW__BIT_OVERFLOW_FAIL;
    *step = (struct bit_field){
        .operand = m->operand,
        .offset = m->offset,
        .kind = (uint8_t)(m->kind == 0 ? BIT_FIELD_GET : (unsigned)m->kind - 1),
        .bits = (uint8_t)(m->bits <= 64 ? m->bits : 0),
        .is_signed = m->is_signed ? 1 : 0,
        .overflow = (uint8_t)(m->overflow == 0 ? OVERFLOW_WRAP : (unsigned)m->overflow - 1)};
    return is_known;
}

static void read_bit_field(struct reading *r, const void *request)
{
    const Holdfast__V1__BitFieldRequest *m = request;
    if (m->n_steps > OP_ITEMS_MAX) {
        reading_refuse(r, ERR_TOO_LARGE, "more than %zu steps", OP_ITEMS_MAX);
        return;
    }
    struct slice *items = arena_get(r->t->arena, m->n_steps * sizeof(*items));
    struct bit_field *steps = arena_get(r->t->arena, m->n_steps * sizeof(*steps));
    read_place(r, m->table, m->key);
    for (size_t i = 0; i < m->n_steps; i++) {
        if (!read_step(m->steps[i], &steps[i])) {
            reading_refuse(r, ERR_INVALID, "a step on a bit field has an unknown kind");
        }
        items[i] = slice_of(&steps[i], sizeof(steps[i]));
    }
    r->op->items = items;
    r->op->item_count = (uint32_t)m->n_steps;
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
    read_level_of(r, m->read_level);
}

static enum err answer_bit_field(const struct answering *a, void *response)
{
    Holdfast__V1__BitFieldResponse *m = response;
    const struct result *r = a->result;
    Holdfast__V1__BitFieldResult *results = arena_get(a->arena, r->row_count * sizeof(*results));
    m->revision = r->mod_revision;
    m->results = arena_get(a->arena, r->row_count * sizeof(void *));
    m->n_results = r->row_count;
    for (size_t i = 0; i < r->row_count; i++) {
        holdfast__v1__bit_field_result__init(&results[i]);
        m->results[i] = &results[i];
        if (r->rows[i].type != TYPE_NONE) {
            results[i].result_case = HOLDFAST__V1__BIT_FIELD_RESULT__RESULT_VALUE;
            memcpy(&results[i].value, r->rows[i].value.data, sizeof(results[i].value));
        }
    }
    return ERR_OK;
}

static void read_combine_bits(struct reading *r, const void *request)
{
    const Holdfast__V1__CombineBitsRequest *m = request;
    read_place(r, m->table, m->key);
    /* Unspecified becomes none of them, which op_check() refuses. */
    r->op->number = (int64_t)m->operation - 1;
    read_items(r, m->n_sources, m->sources);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_combine_bits(const struct answering *a, void *response)
{
    Holdfast__V1__CombineBitsResponse *m = response;
    m->revision = a->result->mod_revision;
    m->size = a->result->count;
    return ERR_OK;
}

/* ---- All of them ---- */

const struct form *key_form(unsigned number)
{
    static const struct form forms[] = {
        [HOLDFAST__V1__OPERATION__OPERATION_GET] = {FORM(OP_GET, get)},
        [HOLDFAST__V1__OPERATION__OPERATION_PUT] = {FORM(OP_PUT, put)},
        [HOLDFAST__V1__OPERATION__OPERATION_DELETE] = {FORM(OP_DELETE, delete)},
        [HOLDFAST__V1__OPERATION__OPERATION_STAT] = {FORM(OP_STAT, stat)},
        [HOLDFAST__V1__OPERATION__OPERATION_EXPIRE] = {FORM(OP_EXPIRE, expire)},
        [HOLDFAST__V1__OPERATION__OPERATION_COPY] = {FORM(OP_COPY, copy)},
        [HOLDFAST__V1__OPERATION__OPERATION_RENAME] = {FORM(OP_RENAME, rename)},
        [HOLDFAST__V1__OPERATION__OPERATION_APPEND] = {FORM(OP_APPEND, append)},
        [HOLDFAST__V1__OPERATION__OPERATION_SET_RANGE] = {FORM(OP_SET_RANGE, set_range)},
        [HOLDFAST__V1__OPERATION__OPERATION_SET_BIT] = {FORM(OP_BIT_SET, set_bit)},
        [HOLDFAST__V1__OPERATION__OPERATION_BIT_FIELD] = {FORM(OP_BIT_FIELD, bit_field)},
        [HOLDFAST__V1__OPERATION__OPERATION_COMBINE_BITS] = {FORM(OP_BIT_OP, combine_bits)},
    };
    return number < sizeof(forms) / sizeof(forms[0]) && forms[number].read != NULL ? &forms[number]
                                                                                   : NULL;
}
