/* Sets: holdfast/v1/set.proto. */
#include "api/native/grpc/translate.h"

/* ---- Members one by one ---- */

static void read_set_add(struct reading *r, const void *request)
{
    const Holdfast__V1__SetAddRequest *m = request;
    read_place(r, m->table, m->key);
    read_items(r, m->n_members, m->members);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_add(const struct answering *a, void *response)
{
    Holdfast__V1__SetAddResponse *m = response;
    m->revision = a->result->mod_revision;
    m->added = a->result->count;
    return ERR_OK;
}

static void read_set_remove(struct reading *r, const void *request)
{
    const Holdfast__V1__SetRemoveRequest *m = request;
    read_place(r, m->table, m->key);
    read_items(r, m->n_members, m->members);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_remove(const struct answering *a, void *response)
{
    Holdfast__V1__SetRemoveResponse *m = response;
    m->revision = a->result->mod_revision;
    m->removed = a->result->count;
    return ERR_OK;
}

static void read_set_move(struct reading *r, const void *request)
{
    const Holdfast__V1__SetMoveRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->other = grpc_slice(m->destination);
    r->op->value = grpc_slice(m->member);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_move(const struct answering *a, void *response)
{
    Holdfast__V1__SetMoveResponse *m = response;
    m->revision = a->result->mod_revision;
    m->moved = a->result->count != 0;
    return ERR_OK;
}

static void read_set_has(struct reading *r, const void *request)
{
    const Holdfast__V1__SetHasRequest *m = request;
    read_place(r, m->table, m->key);
    read_items(r, m->n_members, m->members);
    read_level_of(r, m->read_level);
}

static enum err answer_set_has(const struct answering *a, void *response)
{
    Holdfast__V1__SetHasResponse *m = response;
    const struct result *r = a->result;
    m->n_present = r->row_count;
    m->present = arena_get(a->arena, r->row_count * sizeof(*m->present));
    for (size_t i = 0; i < r->row_count; i++) {
        m->present[i] = r->rows[i].number != 0;
    }
    return ERR_OK;
}

/* ---- Members by chance ---- */

static void read_set_pop(struct reading *r, const void *request)
{
    const Holdfast__V1__SetPopRequest *m = request;
    read_place(r, m->table, m->key);
    read_number(r, m->count, "count");
    read_id(r, m->idempotency_id);
}

static enum err answer_set_pop(const struct answering *a, void *response)
{
    Holdfast__V1__SetPopResponse *m = response;
    m->revision = a->result->mod_revision;
    m->n_members = a->result->row_count;
    m->members = members_of(a->arena, a->result->rows, a->result->row_count);
    return ERR_OK;
}

static void read_set_random(struct reading *r, const void *request)
{
    const Holdfast__V1__SetRandomRequest *m = request;
    read_place(r, m->table, m->key);
    read_number(r, m->count, "count");
    if (m->may_repeat) {
        r->op->number = -r->op->number;
    }
    read_level_of(r, m->read_level);
}

static enum err answer_set_random(const struct answering *a, void *response)
{
    Holdfast__V1__SetRandomResponse *m = response;
    m->n_members = a->result->row_count;
    m->members = members_of(a->arena, a->result->rows, a->result->row_count);
    return ERR_OK;
}

/* ---- Several sets ---- */

static void read_set_combine(struct reading *r, const void *request)
{
    const Holdfast__V1__SetCombineRequest *m = request;
    static const ProtobufCBinaryData nothing = {0};
    /* All lie in one shard: the first one says in which. */
    read_place(r, m->table, m->n_keys > 0 ? m->keys[0] : nothing);
    /* Unspecified becomes none of them, which op_check() refuses. */
    r->op->number = (int64_t)m->combination - 1;
    read_items(r, m->n_keys, m->keys);
    r->op->limit = m->limit;
    read_flag(r, m->count_only, OP_COUNT_ONLY);
    read_level_of(r, m->read_level);
}

static enum err answer_set_combine(const struct answering *a, void *response)
{
    Holdfast__V1__SetCombineResponse *m = response;
    m->count = a->result->count;
    m->n_members = a->result->row_count;
    m->members = members_of(a->arena, a->result->rows, a->result->row_count);
    return ERR_OK;
}

static void read_set_store(struct reading *r, const void *request)
{
    const Holdfast__V1__SetStoreRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->number = (int64_t)m->combination - 1;
    read_items(r, m->n_sources, m->sources);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_set_store(const struct answering *a, void *response)
{
    Holdfast__V1__SetStoreResponse *m = response;
    m->revision = a->result->mod_revision;
    m->count = a->result->count;
    return ERR_OK;
}

/* ---- Members in order ---- */

static void read_set_members(struct reading *r, const void *request)
{
    const Holdfast__V1__SetMembersRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->other = grpc_slice(m->resume_after.len > 0 ? m->resume_after : m->from);
    r->op->limit = m->limit;
    read_flag(r, m->resume_after.len > 0, OP_AFTER);
    read_level_of(r, m->read_level);
}

static enum err answer_set_members(const struct answering *a, void *response)
{
    Holdfast__V1__SetMembersResponse *m = response;
    const struct result *r = a->result;
    m->n_members = r->row_count;
    m->members = members_of(a->arena, r->rows, r->row_count);
    m->more = r->is_more;
    m->resume_after = resume_point(r);
    return ERR_OK;
}

const struct form *set_form(unsigned number)
{
    static const struct form forms[] = {
        {FORM(OP_SET_ADD, set_add)},
        {FORM(OP_SET_REMOVE, set_remove)},
        {FORM(OP_SET_MOVE, set_move)},
        {FORM(OP_SET_POP, set_pop)},
        {FORM(OP_SET_RANDOM, set_random)},
        {FORM(OP_SET_HAS, set_has)},
        {FORM(OP_SET_COMBINE, set_combine)},
        {FORM(OP_SET_STORE, set_store)},
        {FORM(OP_SET_RANGE_MEMBERS, set_members)},
    };
    /* The numbers of sets follow each other. */
    return number >= HOLDFAST__V1__OPERATION__OPERATION_SET_ADD &&
                   number <= HOLDFAST__V1__OPERATION__OPERATION_SET_MEMBERS
               ? &forms[number - HOLDFAST__V1__OPERATION__OPERATION_SET_ADD]
               : NULL;
}
