/* Numbers: holdfast/v1/counter.proto. */
#include "api/native/grpc/translate.h"

static void read_counter_get(struct reading *r, const void *request)
{
    const Holdfast__V1__CounterGetRequest *m = request;
    read_place(r, m->table, m->key);
    read_level_of(r, m->read_level);
}

static enum err answer_counter_get(const struct answering *a, void *response)
{
    Holdfast__V1__CounterGetResponse *m = response;
    const struct result *r = a->result;
    if (r->err == ERR_NOT_FOUND) {
        return ERR_OK; /* counts as 0 */
    }
    m->value = r->number;
    m->revision = r->mod_revision;
    m->expire_at_ms = r->expiry_ms;
    m->ttl_ms = ttl_left(r->expiry_ms, a->now_ms);
    return r->is_integer ? ERR_OK : ERR_NOT_A_NUMBER;
}

static void read_counter_add(struct reading *r, const void *request)
{
    const Holdfast__V1__CounterAddRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->number = m->amount;
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_counter_add(const struct answering *a, void *response)
{
    Holdfast__V1__CounterAddResponse *m = response;
    m->value = a->result->number;
    m->revision = a->result->mod_revision;
    return ERR_OK;
}

static void read_counter_add_float(struct reading *r, const void *request)
{
    const Holdfast__V1__CounterAddFloatRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->value = grpc_string(m->amount);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
}

static enum err answer_counter_add_float(const struct answering *a, void *response)
{
    Holdfast__V1__CounterAddFloatResponse *m = response;
    const struct slice sum = a->result->value;
    char *text = arena_get(a->arena, sum.size + 1);
    memcpy(text, sum.data, sum.size);
    text[sum.size] = '\0';
    m->value = text;
    m->revision = a->result->mod_revision;
    return ERR_OK;
}

const struct form *counter_form(unsigned number)
{
    static const struct form get = {FORM(OP_GET, counter_get), .answers_missing = true};
    static const struct form add = {FORM(OP_ADD, counter_add)};
    static const struct form add_float = {FORM(OP_ADD_FLOAT, counter_add_float)};
    switch (number) {
    case HOLDFAST__V1__OPERATION__OPERATION_COUNTER_GET:
        return &get;
    case HOLDFAST__V1__OPERATION__OPERATION_COUNTER_ADD:
        return &add;
    case HOLDFAST__V1__OPERATION__OPERATION_COUNTER_ADD_FLOAT:
        return &add_float;
    default:
        return NULL;
    }
}
