/* tables_start.c - the catalogue when the node starts: waits for the replay, reads what there is
 * (or writes the built-in tables), opens every table in every shard, shows the catalogue. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "router/tables_private.h"

static void open_all(void *arg);

static void on_start_opened(struct spread *s)
{
    struct tables *t = s->arg;
    t->has_unopened = t->has_unopened || s->err != ERR_OK;
    if (--t->unopened > 0) {
        return;
    }
    mem_free(t->openings);
    t->openings = NULL;
    if (t->has_unopened) { /* an engine without room: once there is some */
        loop_timer_start(t->router->loop, &t->timer, AGAIN_MS, open_all, t);
        return;
    }
    tables_show(t);
}

/* All tables at once: a handful of syncs. */
static void open_all(void *arg)
{
    struct tables *t = arg;
    t->has_unopened = false;
    t->unopened = t->catalogue->count;
    t->openings = mem_zero(t->unopened, sizeof(*t->openings));
    for (size_t i = 0; i < t->catalogue->count; i++) {
        const struct table *o = &t->catalogue->tables[i];
        const struct op op = {
            .kind = OP_TABLE_OPEN, .table = o->id, .number = (int64_t)o->options.default_ttl_ms};
        t->openings[i].done = on_start_opened;
        t->openings[i].arg = t;
        tables_spread(t->router, &t->openings[i], &op, o->options.engine == TABLE_MEMORY);
    }
}

static void take_row(struct tables *t, const struct row *row, struct table *list, size_t *count)
{
    int64_t number = 0;
    if (slice_equal(row->key, SLICE("n"))) {
        if (!parse_int64(row->value, &number)) {
            fatal("the catalogue is damaged: newest id");
        }
        t->newest_id = (uint32_t)number > t->newest_id ? (uint32_t)number : t->newest_id;
    } else if (slice_starts_with(row->key, SLICE("t/"))) {
        struct table *made = &list[*count];
        if (table_decode(slice_skip(row->key, 2), row->value, made) != ERR_OK) {
            fatal("the catalogue is damaged: a table's row");
        }
        tables_place(t->router, made);
        t->newest_id = made->id > t->newest_id ? made->id : t->newest_id;
        (*count)++;
    } else if (slice_starts_with(row->key, SLICE("d/"))) {
        int64_t is_memory = 0;
        if (!parse_int64(slice_skip(row->key, 2), &number) ||
            !parse_int64(row->value, &is_memory)) {
            fatal("the catalogue is damaged: a dropped table");
        }
        tables_close_id(t, (uint32_t)number, is_memory != 0);
    }
}

static void on_built_in_written(struct call *c)
{
    struct tables *t = c->arg;
    if (c->result.err != ERR_OK) {
        fatal("cannot write the catalogue: %s", err_name(c->result.err));
    }
    mem_free(t->built_in);
    t->built_in = NULL;
    open_all(t);
}

/* First start. */
static void write_built_in(struct tables *t)
{
    struct table list[64];
    const size_t count = built_in_tables(list, sizeof(list) / sizeof(list[0]), CATALOGUE_TABLE + 1,
                                         t->router->node->config.engine, router_now_ms(t->router));
    struct op *ops = mem_zero(count + 1, sizeof(*ops));
    t->built_in = ops;
    buf_clear(&t->bytes);
    (void)buf_reserve(&t->bytes, (count + 1) * 256); /* does not move below */
    for (size_t i = 0; i < count; i++) {
        tables_place(t->router, &list[i]);
        ops[i] = (struct op){.kind = OP_PUT, .table = CATALOGUE_TABLE};
        size_t before = t->bytes.size;
        buf_printf(&t->bytes, "t/%s", list[i].name);
        ops[i].key = slice_of(t->bytes.data + before, t->bytes.size - before);
        before = t->bytes.size;
        table_encode(&t->bytes, &list[i]);
        ops[i].value = slice_of(t->bytes.data + before, t->bytes.size - before);
    }
    t->newest_id = CATALOGUE_TABLE + (uint32_t)count;
    const size_t before = t->bytes.size;
    buf_append_u64(&t->bytes, t->newest_id);
    ops[count] = (struct op){.kind = OP_PUT,
                             .table = CATALOGUE_TABLE,
                             .key = SLICE("n"),
                             .value = slice_of(t->bytes.data + before, t->bytes.size - before)};
    catalogue_release(&t->catalogue);
    t->catalogue = catalogue_new(1, list, count);
    t->call = (struct call){.op = {.kind = OP_TXN,
                                   .table = CATALOGUE_TABLE,
                                   .ops = ops,
                                   .op_count = (uint32_t)count + 1},
                            .done = on_built_in_written,
                            .arg = t};
    router_send_counted(t->router, &t->call, CATALOGUE_GROUP, t->is_memory);
}

static void on_catalogue_read(struct call *c)
{
    struct tables *t = c->arg;
    if (c->result.err != ERR_OK || c->result.is_more) {
        fatal("cannot read the catalogue: %s", err_name(c->result.err));
    }
    if (c->result.row_count == 0) {
        write_built_in(t);
        return;
    }
    struct table *list = mem_alloc(c->result.row_count * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < c->result.row_count; i++) {
        take_row(t, &c->result.rows[i], list, &count);
    }
    catalogue_release(&t->catalogue);
    t->catalogue = catalogue_new(1, list, count);
    mem_free(list);
    open_all(t);
}

static void on_catalogue_open(struct call *c)
{
    struct tables *t = c->arg;
    if (c->result.err != ERR_OK) {
        fatal("cannot open the catalogue: %s", err_name(c->result.err));
    }
    t->call = (struct call){
        .op = {.kind = OP_RANGE, .table = CATALOGUE_TABLE, .limit = CATALOGUE_ROWS_MAX},
        .done = on_catalogue_read,
        .arg = t};
    router_send_counted(t->router, &t->call, CATALOGUE_GROUP, t->is_memory);
}

/* Waits until every loop has replayed its groups. */
static void on_poll(void *arg)
{
    struct tables *t = arg;
    if (!shard_node_is_replayed(t->router->node->config.shards)) {
        loop_timer_start(t->router->loop, &t->timer, 1, on_poll, t);
        return;
    }
    t->call = (struct call){.op = {.kind = OP_TABLE_OPEN, .table = CATALOGUE_TABLE},
                            .done = on_catalogue_open,
                            .arg = t};
    router_send_counted(t->router, &t->call, CATALOGUE_GROUP, t->is_memory);
}

void tables_start(struct tables *t)
{
    on_poll(t);
    loop_again(t->router->loop); /* the loop may not be running yet */
}
