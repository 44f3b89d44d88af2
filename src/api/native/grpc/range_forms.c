/* Operations on a whole table or on a range of it: holdfast/v1/keys.proto. */
#include "api/native/grpc/translate.h"
#include "api/native/span.h"

/* What is empty was not given. */
static struct slice given(ProtobufCBinaryData bytes)
{
    return bytes.len > 0 ? grpc_slice(bytes) : (struct slice){0};
}

static void read_range(struct reading *r, const void *request)
{
    const Holdfast__V1__RangeRequest *m = request;
    const struct span span = span_of(r->t->arena, given(m->prefix), given(m->from), given(m->to));
    struct source_config c = {.from = span.from, .to = span.to, .is_reverse = m->reverse};
    if (m->resume_after.len > 0) {
        span_resume(&c, grpc_slice(m->resume_after));
    }
    read_whole(r, m->table);
    r->op->key = c.from;
    r->op->other = c.to;
    r->op->limit = m->limit;
    read_flag(r, m->reverse, OP_REVERSE);
    read_flag(r, m->keys_only, OP_KEYS_ONLY);
    read_flag(r, m->count_only, OP_COUNT_ONLY);
    read_flag(r, c.is_after, OP_AFTER);
    read_level_of(r, m->read_level);
}

static enum err answer_range(const struct answering *a, void *response)
{
    Holdfast__V1__RangeResponse *m = response;
    const struct result *r = a->result;
    const bool has_rows = (a->op->flags & OP_COUNT_ONLY) == 0;
    m->count = r->count;
    m->more = r->is_more;
    if (has_rows) {
        m->n_records = r->row_count;
        m->records = records_of(a->arena, r->rows, r->row_count, (a->op->flags & OP_KEYS_ONLY) != 0,
                                a->now_ms);
    }
    m->resume_after = resume_point(r);
    return ERR_OK;
}

static void read_delete_range(struct reading *r, const void *request)
{
    const Holdfast__V1__DeleteRangeRequest *m = request;
    const struct span span = span_of(r->t->arena, given(m->prefix), given(m->from), given(m->to));
    const bool is_all = m->prefix.len == 0 && m->from.len == 0 && m->to.len == 0;
    read_whole(r, m->table);
    r->op->key = span.from;
    r->op->other = span.to;
    r->op->limit = m->limit;
    read_id(r, m->idempotency_id);
    if (is_all != m->all) {
        reading_refuse(r, ERR_INVALID,
                       is_all ? "to delete all, say so" : "all, or a part: not both");
    }
    if (r->table != NULL && r->table->options.partition != PARTITION_TABLE &&
        m->idempotency_id.len > 0) {
        reading_refuse(r, ERR_CROSS_SHARD,
                       "the table lies in several shards: an idempotency id has one place");
    }
}

static enum err answer_delete_range(const struct answering *a, void *response)
{
    Holdfast__V1__DeleteRangeResponse *m = response;
    m->deleted = a->result->count;
    m->revision = a->result->mod_revision;
    return ERR_OK;
}

static void read_count(struct reading *r, const void *request)
{
    const Holdfast__V1__CountRequest *m = request;
    read_whole(r, m->table);
}

static enum err answer_count(const struct answering *a, void *response)
{
    Holdfast__V1__CountResponse *m = response;
    m->count = a->result->count;
    return ERR_OK;
}

static void read_random_key(struct reading *r, const void *request)
{
    const Holdfast__V1__RandomKeyRequest *m = request;
    read_whole(r, m->table);
}

static enum err answer_random_key(const struct answering *a, void *response)
{
    Holdfast__V1__RandomKeyResponse *m = response;
    m->key = grpc_bytes(a->result->rows[0].key);
    m->type = value_type_of(a->result->type);
    return ERR_OK;
}

const struct form *range_form(unsigned number)
{
    static const struct form range = {FORM(OP_RANGE, range)};
    static const struct form delete_range = {FORM(OP_DELETE_RANGE, delete_range)};
    static const struct form count = {FORM(OP_COUNT, count)};
    static const struct form random_key = {FORM(OP_RANDOM_KEY, random_key)};
    switch (number) {
    case HOLDFAST__V1__OPERATION__OPERATION_RANGE:
        return &range;
    case HOLDFAST__V1__OPERATION__OPERATION_DELETE_RANGE:
        return &delete_range;
    case HOLDFAST__V1__OPERATION__OPERATION_COUNT:
        return &count;
    case HOLDFAST__V1__OPERATION__OPERATION_RANDOM_KEY:
        return &random_key;
    default:
        return NULL;
    }
}
