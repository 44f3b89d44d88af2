#include "api/native/op_json.h"

struct op_json_scope op_json_scope(const struct loop_context *context, const struct table *table,
                                   struct arena *arena)
{
    return (struct op_json_scope){.table = table,
                                  .arena = arena,
                                  .author = slice_of_text(context->facts->node_name),
                                  .now_ms = router_now_ms(context->router),
                                  .random = router_random(context->router)};
}
