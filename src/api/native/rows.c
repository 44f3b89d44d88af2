#include "api/native/rows.h"

static const char *type_name(uint8_t type)
{
    switch ((enum value_type)type) {
    case TYPE_SET:
        return "set";
    case TYPE_LOG:
        return "log";
    case TYPE_STRING:
    case TYPE_NONE:
    case TYPE_COUNT_:
        break;
    }
    return "string";
}

void ttl_to(struct buf *out, uint64_t expiry_ms, uint64_t now_ms)
{
    if (expiry_ms != 0) {
        buf_append_text(out, ",\"ttl_ms\":");
        buf_append_u64(out, expiry_ms > now_ms ? expiry_ms - now_ms : 0);
    }
}

/* Collections come with their count instead of a value. */
void record_to(struct buf *out, const struct row *row, uint64_t now_ms)
{
    buf_append_text(out, "{\"key\":");
    bytes_to(out, row->key);
    buf_append_text(out, ",\"type\":\"");
    buf_append_text(out, type_name(row->type));
    if (row->type == TYPE_SET || row->type == TYPE_LOG) {
        buf_append_text(out, "\",\"count\":");
        buf_append_i64(out, row->number);
    } else {
        buf_append_text(out, "\",\"value\":");
        bytes_to(out, row->value);
    }
    buf_append_byte(out, ',');
    revision_to(out, "revision", row->mod_revision);
    buf_append_byte(out, ',');
    revision_to(out, "create_revision", row->create_revision);
    buf_append_byte(out, ',');
    revision_to(out, "version", row->version);
    ttl_to(out, row->expiry_ms, now_ms);
    buf_append_byte(out, '}');
}

void record_key_to(struct buf *out, const struct row *row)
{
    buf_append_text(out, "{\"key\":");
    bytes_to(out, row->key);
    buf_append_byte(out, '}');
}
