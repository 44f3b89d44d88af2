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

#define FIELDS_MAX     9
#define HEAD_BYTES_MAX (1 + PROTOBUF_VARINT_MAX) /* of a field: its tag, and a number */

/* One field of an element. Zero and nothing are not written. */
struct field {
    uint32_t number;
    bool is_bytes;
    uint64_t value; /* of a number; of bytes their size */
    const uint8_t *bytes;
};

/* An element of a repeated field: a message of its own. */
struct element {
    struct field fields[FIELDS_MAX];
    size_t count;
    size_t size; /* of all fields, encoded */
};

static void add_number(struct element *e, uint32_t number, uint64_t value)
{
    if (value != 0) {
        e->fields[e->count++] = (struct field){.number = number, .value = value};
        e->size += protobuf_number_size(number, value);
    }
}

static void add_bytes(struct element *e, uint32_t number, struct slice bytes)
{
    if (bytes.size > 0) {
        e->fields[e->count++] = (struct field){
            .number = number, .is_bytes = true, .value = bytes.size, .bytes = bytes.data};
        e->size += protobuf_bytes_size(number, bytes.size);
    }
}

static uint8_t *put_head(uint8_t *to, uint32_t number, bool is_bytes, uint64_t value)
{
    *to++ = (uint8_t)(number << 3 | (uint32_t)(is_bytes ? PROTOBUF_BYTES : PROTOBUF_VARINT));
    return protobuf_put_varint(to, value);
}

static void element_to(struct buf *out, uint32_t number, const struct element *e)
{
    uint8_t *begin = buf_reserve(out, HEAD_BYTES_MAX + e->size);
    uint8_t *to = put_head(begin, number, true, e->size);
    for (size_t i = 0; i < e->count; i++) {
        const struct field *f = &e->fields[i];
        to = put_head(to, f->number, f->is_bytes, f->value);
        if (f->is_bytes) {
            memcpy(to, f->bytes, (size_t)f->value);
            to += f->value;
        }
    }
    buf_extend(out, (size_t)(to - begin));
}

static void resume_to(struct buf *out, uint32_t number, const struct result *result)
{
    protobuf_bytes_to(out, number, grpc_slice(resume_point(result)));
}

static void record_to(struct buf *out, const struct row *row, bool keys_only, uint64_t now_ms)
{
    struct element e;
    e.count = e.size = 0;
    add_bytes(&e, RECORD_KEY, row->key);
    if (!keys_only) {
        add_number(&e, RECORD_TYPE, (uint64_t)value_type_of(row->type));
        if (row->type == TYPE_STRING) {
            add_bytes(&e, RECORD_VALUE, row->value);
        } else {
            add_number(&e, RECORD_COUNT, (uint64_t)row->number);
        }
        add_number(&e, RECORD_REVISION, row->mod_revision);
        add_number(&e, RECORD_CREATE_REVISION, row->create_revision);
        add_number(&e, RECORD_VERSION, row->version);
        add_number(&e, RECORD_EXPIRE_AT_MS, row->expiry_ms);
        add_number(&e, RECORD_TTL_MS, ttl_left(row->expiry_ms, now_ms));
    }
    element_to(out, RANGE_RECORDS, &e);
}

static void version_to(struct buf *out, const struct row *row)
{
    struct element e;
    e.count = e.size = 0;
    add_number(&e, VERSION_NUMBER, row->mod_revision);
    add_bytes(&e, VERSION_ID, row->key);
    add_bytes(&e, VERSION_VALUE, row->value);
    add_bytes(&e, VERSION_AUTHOR, row->author);
    add_number(&e, VERSION_TIME_MS, (uint64_t)row->number);
    element_to(out, LOG_VERSIONS, &e);
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
