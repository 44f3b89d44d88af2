#include "api/native/grpc/pages.h"

#include "base/check.h"
#include "wire/protobuf.h"

/* Numbers of fields in holdfast/v1; all below 16, so that a tag has one byte. */
enum {
    RANGE_RECORDS = 1,
    RANGE_COUNT = 2,
    RANGE_MORE = 3,
    RANGE_RESUME_AFTER = 4,
    MEMBERS_MEMBERS = 1,
    MEMBERS_MORE = 2,
    MEMBERS_RESUME_AFTER = 3,
    LOG_VERSIONS = 1,
    LOG_MORE = 2,
    RECORD_KEY = 1,
    RECORD_TYPE = 2,
    RECORD_VALUE = 3,
    RECORD_COUNT = 4,
    RECORD_REVISION = 5,
    RECORD_CREATE_REVISION = 6,
    RECORD_VERSION = 7,
    RECORD_EXPIRE_AT_MS = 8,
    RECORD_TTL_MS = 9,
    VERSION_NUMBER = 1,
    VERSION_ID = 2,
    VERSION_VALUE = 3,
    VERSION_AUTHOR = 4,
    VERSION_TIME_MS = 5
};

#define RECORD_NUMBERS  7 /* fields */
#define VERSION_NUMBERS 2

static void resume_to(struct buf *out, uint32_t number, const struct result *result)
{
    protobuf_bytes_to(out, number, grpc_slice(resume_point(result)));
}

static size_t record_size_max(const struct row *row)
{
    return 2 * PROTOBUF_HEAD_MAX + row->key.size + row->value.size +
           RECORD_NUMBERS * PROTOBUF_NUMBER_MAX;
}

static void record_to(struct buf *out, const struct row *row, bool keys_only, uint64_t now_ms)
{
    uint8_t *begin = protobuf_message_begin(out, record_size_max(row));
    uint8_t *to = protobuf_put_bytes(begin, RECORD_KEY, row->key);
    if (!keys_only) {
        to = protobuf_put_number(to, RECORD_TYPE, (uint64_t)value_type_of(row->type));
        if (row->type == TYPE_STRING) {
            to = protobuf_put_bytes(to, RECORD_VALUE, row->value);
        } else {
            to = protobuf_put_number(to, RECORD_COUNT, (uint64_t)row->number);
        }
        to = protobuf_put_number(to, RECORD_REVISION, row->mod_revision);
        to = protobuf_put_number(to, RECORD_CREATE_REVISION, row->create_revision);
        to = protobuf_put_number(to, RECORD_VERSION, row->version);
        to = protobuf_put_number(to, RECORD_EXPIRE_AT_MS, row->expiry_ms);
        to = protobuf_put_number(to, RECORD_TTL_MS, ttl_left(row->expiry_ms, now_ms));
    }
    protobuf_message_end(out, RANGE_RECORDS, begin, to);
}

static void version_to(struct buf *out, const struct row *row)
{
    const size_t size_max = 3 * PROTOBUF_HEAD_MAX + row->key.size + row->value.size +
                            row->author.size + VERSION_NUMBERS * PROTOBUF_NUMBER_MAX;
    uint8_t *begin = protobuf_message_begin(out, size_max);
    uint8_t *to = protobuf_put_number(begin, VERSION_NUMBER, row->mod_revision);
    to = protobuf_put_bytes(to, VERSION_ID, row->key);
    to = protobuf_put_bytes(to, VERSION_VALUE, row->value);
    to = protobuf_put_bytes(to, VERSION_AUTHOR, row->author);
    to = protobuf_put_number(to, VERSION_TIME_MS, (uint64_t)row->number);
    protobuf_message_end(out, LOG_VERSIONS, begin, to);
}

static void range_to(struct buf *out, const struct answering *a)
{
    const struct result *r = a->result;
    const bool keys_only = (a->op->flags & OP_KEYS_ONLY) != 0;
    const bool has_rows = (a->op->flags & OP_COUNT_ONLY) == 0;
    for (size_t i = 0; has_rows && i < r->row_count; i++) {
        record_to(out, &r->rows[i], keys_only, a->now_ms);
    }
    protobuf_number_to(out, RANGE_COUNT, r->count);
    protobuf_number_to(out, RANGE_MORE, r->is_more ? 1 : 0);
    resume_to(out, RANGE_RESUME_AFTER, r);
}

void page_to(struct buf *out, const struct answering *a)
{
    const struct result *r = a->result;
    if (a->op->kind == OP_RANGE) {
        range_to(out, a);
    } else if (a->op->kind == OP_SET_RANGE_MEMBERS) {
        for (size_t i = 0; i < r->row_count; i++) {
            protobuf_element_to(out, MEMBERS_MEMBERS, r->rows[i].key);
        }
        protobuf_number_to(out, MEMBERS_MORE, r->is_more ? 1 : 0);
        resume_to(out, MEMBERS_RESUME_AFTER, r);
    } else {
        CHECK(a->op->kind == OP_LOG_RANGE);
        for (size_t i = 0; i < r->row_count; i++) {
            version_to(out, &r->rows[i]);
        }
        protobuf_number_to(out, LOG_MORE, r->is_more ? 1 : 0);
    }
}
