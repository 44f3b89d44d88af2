#include "api/dstore/payload.h"

#include "api/go_base64.h"
#include "api/go_json.h"

enum err payload_read(struct slice text, const char *package, bool is_hasty, struct arena *arena,
                      struct payload *payload, struct err_why *why)
{
    struct go_field fields[] = {{.name = "key"}, {.name = "value"}};
    const struct go_target target = {.package = package,
                                     .type = "KeyValue",
                                     .fields = fields,
                                     .field_count = sizeof(fields) / sizeof(fields[0]),
                                     .is_whole = true};
    struct buf json = {0};
    enum err e = go_base64_read(&json, text, why);
    if (e == ERR_OK || is_hasty) {
        e = go_json_read(buf_slice(&json), &target, arena, why);
    }
    buf_deinit(&json);
    *payload = (struct payload){.key = fields[0].value, .value = fields[1].value};
    return e;
}
