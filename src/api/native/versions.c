#include "api/native/versions.h"

void version_to(struct buf *out, struct slice key, const struct row *row)
{
    buf_append_text(out, "{\"key\":");
    bytes_to(out, key);
    buf_append_text(out, ",\"value\":");
    bytes_to(out, row->value);
    buf_append_text(out, ",\"timestamp\":");
    time_to(out, (uint64_t)row->number);
    buf_append_text(out, ",\"id\":");
    bytes_to(out, row->key);
    buf_append_text(out, ",\"author\":");
    bytes_to(out, row->author);
    buf_append_byte(out, '}');
}
