/* Logs: holdfast/v1/log.proto. */
#include "api/log_id.h"
#include "api/native/grpc/translate.h"

static void read_log_append(struct reading *r, const void *request)
{
    const Holdfast__V1__LogAppendRequest *m = request;
    read_place(r, m->table, m->key);
    r->op->value = grpc_slice(m->value);
    read_flag(r, m->replace, OP_LOG_REPLACE);
    read_expiry(r, m->expiry);
    read_id(r, m->idempotency_id);
    r->op->author = m->author.len > 0 ? grpc_slice(m->author) : r->t->author;
    r->op->id = m->version_id.len > 0 ? grpc_slice(m->version_id)
                                      : version_id(router_random(r->t->router), r->t->arena, r->op);
}

static enum err answer_log_append(const struct answering *a, void *response)
{
    Holdfast__V1__LogAppendResponse *m = response;
    m->revision = a->result->mod_revision;
    m->count = a->result->count;
    m->version_id = grpc_bytes(a->op->id);
    return ERR_OK;
}

static void read_log_read(struct reading *r, const void *request)
{
    const Holdfast__V1__LogReadRequest *m = request;
    bool is_valid = true;
    read_place(r, m->table, m->key);
    switch ((unsigned)m->selection_case) {
    case HOLDFAST__V1__LOG_READ_REQUEST__SELECTION_NEWEST:
        read_number(r, m->newest, "newest");
        is_valid = m->newest > 0;
        break;
    case HOLDFAST__V1__LOG_READ_REQUEST__SELECTION_ALL:
        r->op->number = -1;
        is_valid = m->all;
        break;
    case HOLDFAST__V1__LOG_READ_REQUEST__SELECTION_OLDEST:
        r->op->number = -2;
        is_valid = m->oldest;
        break;
    default: /* the newest one */
        break;
    }
    if (!is_valid) {
        reading_refuse(r, ERR_INVALID, "newest is 1 or more; all and oldest are true, or left out");
    }
    read_level_of(r, m->read_level);
}

static enum err answer_log_read(const struct answering *a, void *response)
{
    Holdfast__V1__LogReadResponse *m = response;
    m->n_versions = a->result->row_count;
    m->versions = versions_of(a->arena, a->result->rows, a->result->row_count);
    return ERR_OK;
}

static void read_log_range(struct reading *r, const void *request)
{
    const Holdfast__V1__LogRangeRequest *m = request;
    read_place(r, m->table, m->key);
    read_number(r, m->below, "below");
    r->op->limit = m->limit;
    read_level_of(r, m->read_level);
}

static enum err answer_log_range(const struct answering *a, void *response)
{
    Holdfast__V1__LogRangeResponse *m = response;
    m->n_versions = a->result->row_count;
    m->versions = versions_of(a->arena, a->result->rows, a->result->row_count);
    m->more = a->result->is_more;
    return ERR_OK;
}

const struct form *log_form(unsigned number)
{
    static const struct form append = {FORM(OP_LOG_APPEND, log_append)};
    static const struct form read = {FORM(OP_LOG_READ, log_read)};
    static const struct form range = {FORM(OP_LOG_RANGE, log_range)};
    switch (number) {
    case HOLDFAST__V1__OPERATION__OPERATION_LOG_APPEND:
        return &append;
    case HOLDFAST__V1__OPERATION__OPERATION_LOG_READ:
        return &read;
    case HOLDFAST__V1__OPERATION__OPERATION_LOG_RANGE:
        return &range;
    default:
        return NULL;
    }
}
