/* What became of an operation, as JSON. */
#include "api/native/op_json.h"
#include "api/native/rows.h"
#include "api/native/versions.h"
#include "base/check.h"

void op_json_error_to(struct buf *out, enum err e, const char *detail)
{
    buf_append_text(out, "{\"error\":");
    http_problem_to(out, http_err_status(e), e, detail);
    buf_append_byte(out, '}');
}

static void count_to(struct buf *out, const char *name, uint64_t count)
{
    buf_append_byte(out, '"');
    buf_append_text(out, name);
    buf_append_text(out, "\":");
    buf_append_u64(out, count);
}

static void changed_to(struct buf *out, const char *name, const struct result *r)
{
    count_to(out, name, r->count);
    buf_append_byte(out, ',');
    revision_to(out, "revision", r->mod_revision);
}

static void value_to(struct buf *out, const struct result *r, uint64_t now_ms)
{
    buf_append_text(out, "\"value\":");
    bytes_to(out, r->value);
    buf_append_byte(out, ',');
    revision_to(out, "revision", r->mod_revision);
    buf_append_byte(out, ',');
    revision_to(out, "create_revision", r->create_revision);
    buf_append_byte(out, ',');
    revision_to(out, "version", r->version);
    ttl_to(out, r->expiry_ms, now_ms);
}

/* One row of an answer, as the operation wants it. */
static void row_to(struct buf *out, const struct op *op, const struct row *row, uint64_t now_ms)
{
    if (op->kind == OP_SET_HAS) {
        buf_append_text(out, row->number != 0 ? "true" : "false");
    } else if (op->kind == OP_LOG_READ) {
        version_to(out, op->key, row);
    } else if (op->kind == OP_SET_COMBINE) {
        bytes_to(out, row->key);
    } else if ((op->flags & OP_KEYS_ONLY) != 0) {
        record_key_to(out, row);
    } else {
        record_to(out, row, now_ms);
    }
}

static void rows_to(struct buf *out, const char *name, const struct op *op, const struct result *r,
                    uint64_t now_ms)
{
    buf_append_byte(out, '"');
    buf_append_text(out, name);
    buf_append_text(out, "\":[");
    for (size_t i = 0; i < r->row_count; i++) {
        if (i > 0) {
            buf_append_byte(out, ',');
        }
        row_to(out, op, &r->rows[i], now_ms);
    }
    buf_append_byte(out, ']');
}

static void range_to(struct buf *out, const struct op *op, const struct result *r, uint64_t now_ms)
{
    if ((op->flags & OP_COUNT_ONLY) != 0) {
        count_to(out, "count", r->count);
        return;
    }
    rows_to(out, "rows", op, r, now_ms);
    buf_append_text(out, r->is_more ? ",\"more\":true" : ",\"more\":false");
}

void op_json_result_to(struct buf *out, const struct op *op, const struct result *r,
                       uint64_t now_ms)
{
    if (r->err != ERR_OK) {
        op_json_error_to(out, r->err, NULL);
        return;
    }
    const unsigned kind = op->kind;
    buf_append_byte(out, '{');
    if (kind == OP_GET) {
        value_to(out, r, now_ms);
    } else if (kind == OP_PUT) {
        buf_append_text(out, r->was_found ? "\"created\":false," : "\"created\":true,");
        revision_to(out, "revision", r->mod_revision);
    } else if (kind == OP_DELETE || kind == OP_EXPIRE) {
        revision_to(out, "revision", r->mod_revision);
    } else if (kind == OP_ADD) {
        buf_append_text(out, "\"value\":");
        buf_append_i64(out, r->number);
        buf_append_byte(out, ',');
        revision_to(out, "revision", r->mod_revision);
    } else if (kind == OP_SET_ADD) {
        changed_to(out, "added", r);
    } else if (kind == OP_SET_REMOVE) {
        changed_to(out, "removed", r);
    } else if (kind == OP_SET_HAS) {
        rows_to(out, "present", op, r, now_ms);
    } else if (kind == OP_SET_COMBINE) {
        rows_to(out, "members", op, r, now_ms);
    } else if (kind == OP_LOG_APPEND) {
        buf_append_text(out, "\"id\":");
        bytes_to(out, op->id);
        buf_append_byte(out, ',');
        changed_to(out, "count", r);
    } else if (kind == OP_LOG_READ) {
        rows_to(out, "versions", op, r, now_ms);
    } else if (kind == OP_RANGE) {
        range_to(out, op, r, now_ms);
    } else {
        CHECK(kind == OP_DELETE_RANGE);
        changed_to(out, "deleted", r);
    }
    buf_append_byte(out, '}');
}
