/* loop.c - what all sessions of one loop share: pools and the slow log. */
#include "api/redis/session.h"
#include "base/check.h"

struct redis_loop *redis_loop_of(struct loop_context *context)
{
    if (context->redis != NULL) {
        return context->redis;
    }
    struct redis_loop *l = mem_zero(1, sizeof(*l));
    struct operation_stats *operations = context->stats[DIALECT_REDIS].operations;
    size_t count = 0;
    const struct command_spec *specs = command_specs(&count);
    CHECK(count < OPERATIONS_MAX);
    for (size_t i = 0; i <= count; i++) {
        operations[i].name = specs[i].name;
    }
    command_index_init(&l->command_index);
    context->redis = l;
    return l;
}

void redis_loop_close(struct loop_context *context)
{
    struct redis_loop *l = context->redis;
    if (l == NULL) {
        return;
    }
    slow_log_clear(&l->slow_log);
    commands_free(l);
    buf_deinit(&l->discarded);
    mem_free(l);
    context->redis = NULL;
}
