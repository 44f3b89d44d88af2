#include "router/draw.h"

#include <inttypes.h>
#include <stdio.h>

static void ask(struct draw *d);

static void on_asked(struct call *call)
{
    struct draw *d = call->arg;
    const uint32_t shards = router_shards(d->router);
    if (call->result.err == ERR_NOT_FOUND && ++d->tried < shards && !d->is_unwanted) {
        d->shard = (d->shard + 1) % shards;
        ask(d);
        return;
    }
    d->done(d);
}

/* The op is carried out in the shard of its key: looks for a key that lies where it is wanted. */
static void ask(struct draw *d)
{
    const struct table *table = router_table_by_id(d->router, d->table);
    struct slice key = slice_of(d->key, 0);
    if (table != NULL && table->options.partition == PARTITION_TABLE) {
        d->tried = router_shards(d->router); /* there is no other */
    }
    for (uint32_t i = 0; table != NULL && table->options.partition == PARTITION_KEY; i++) {
        (void)snprintf(d->key, sizeof(d->key), "%" PRIu32, i);
        key = slice_of_text(d->key);
        if (router_shard_of(d->router, table, key) == d->shard) {
            break;
        }
    }
    d->call = (struct call){.op = {.kind = OP_RANDOM_KEY, .table = d->table, .key = key},
                            .done = on_asked,
                            .arg = d,
                            .order = d->order,
                            .deadline_ns = d->deadline_ns};
    router_call(d->router, &d->call);
}

void router_draw(struct router *r, struct draw *d)
{
    d->router = r;
    d->tried = 0;
    d->shard = (uint32_t)(router_random(r) % router_shards(r));
    ask(d);
}
