/* tables.c - changes of the catalogue; on loop 0, one at a time.
 *
 *   CREATE, EMPTY: WRITE (name and id durable) ─► OPEN (in every shard) ─► SHOW (to every loop)
 *   DROP:          WRITE (name gone, id to be closed) ──────────────────► SHOW
 *   then answered; what was dropped is closed in every shard and its note removed.
 *
 * What was ordered and may still happen (a shard has no room) is answered with UNKNOWN_OUTCOME and
 * done again until it is certain: doing it twice changes nothing. Other changes are refused
 * meanwhile, so the tables that loops see are never older than what is durable for long.
 *
 * At start: the table of the catalogue is opened in group 0 and read; at first start the
 * built-in tables are written; then every table is opened in every shard (which costs
 * nothing where it already is) and the catalogue is shown. Rows of the catalogue:
 * `t/NAME` -> struct table, `d/ID` -> an id that must still be closed, `n` -> newest id. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "router/router_private.h"

#define CLOSINGS_MAX       TABLES_MAX /* ids on their way out: then ERR_BUSY */
#define CATALOGUE_ROWS_MAX (TABLES_MAX + CLOSINGS_MAX + 64)
#define AGAIN_MS           100

enum tables_state {
    TABLES_WAITING, /* for the replay */
    TABLES_IDLE,
    TABLES_WRITE,
    TABLES_OPEN,
    TABLES_SHOW
};

struct tables {
    struct router *router;
    enum tables_state state;
    bool is_memory; /* the catalogue itself */
    struct loop_timer timer;
    struct catalogue *catalogue; /* newest */
    uint32_t newest_id;
    struct table_change *first; /* waiting */
    struct table_change *last;
    struct table_change *change; /* being made; NULL: at start, or nobody waits any more */
    enum table_change_kind kind; /* of what is being made */
    struct table made;           /* the table that is created, emptied or dropped */
    uint32_t dropped_id;
    enum table_engine dropped_engine;
    struct call call;
    struct op ops[8];
    size_t op_count;
    struct op *built_in; /* start */
    struct buf bytes;
    struct spread spread;
    struct spread *openings; /* start: one per table; owned */
    size_t unopened;
    bool has_unopened; /* start: some shard could not open a table */
    bool is_started;
    bool is_stuck; /* the change may still happen, and nothing else may */
    uint32_t unseen;
    struct list closings; /* struct closing */
    size_t closing_count;
};

/* An id on its way out. */
struct closing {
    struct list link;
    struct tables *tables;
    struct spread spread;
    struct call call;
    struct loop_timer timer;
    char key[24];
    uint32_t id;
    bool is_memory;
};

static void next_change(struct tables *t);
static void show(struct tables *t);

/* ---- One operation for every shard ---- */

static void on_spread_call(struct call *c)
{
    struct spread *s = c->arg;
    if (c->result.err != ERR_OK && s->err == ERR_OK) {
        s->err = c->result.err;
    }
    if (--s->waiting == 0) {
        mem_free(s->calls);
        s->calls = NULL;
        s->done(s);
    }
}

static void spread_start(struct router *r, struct spread *s, const struct op *op, bool is_memory)
{
    s->count = router_shards(r);
    s->waiting = s->count;
    s->err = ERR_OK;
    s->calls = mem_zero(s->count, sizeof(*s->calls));
    for (uint32_t i = 0; i < s->count; i++) {
        s->calls[i].op = *op;
        s->calls[i].done = on_spread_call;
        s->calls[i].arg = s;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        router_send_counted(r, &s->calls[i], i + 1, is_memory);
    }
}

/* ---- Closing dropped ids, in the background ---- */

/* A note that is still there only makes the next start close the id once more. */
static void on_note_removed(struct call *c)
{
    struct closing *g = c->arg;
    g->tables->closing_count--;
    list_remove(&g->link);
    mem_free(g);
}

static void start_closing(void *arg)
{
    struct closing *g = arg;
    const struct op op = {.kind = OP_TABLE_CLOSE, .table = g->id};
    spread_start(g->tables->router, &g->spread, &op, g->is_memory);
}

static void on_closed(struct spread *s)
{
    struct closing *g = s->arg;
    if (s->err != ERR_OK) { /* some shard still has the rows */
        loop_timer_start(g->tables->router->loop, &g->timer, AGAIN_MS, start_closing, g);
        return;
    }
    g->call = (struct call){
        .op = {.kind = OP_DELETE, .table = CATALOGUE_TABLE, .key = slice_of_text(g->key)},
        .done = on_note_removed,
        .arg = g};
    router_send_counted(g->tables->router, &g->call, CATALOGUE_GROUP, g->tables->is_memory);
}

static void close_id(struct tables *t, uint32_t id, bool is_memory)
{
    struct closing *g = mem_zero(1, sizeof(*g));
    g->tables = t;
    g->id = id;
    g->is_memory = is_memory;
    g->spread.done = on_closed;
    g->spread.arg = g;
    (void)snprintf(g->key, sizeof(g->key), "d/%" PRIu32, id);
    list_push(&t->closings, &g->link);
    t->closing_count++;
    start_closing(g);
}

/* ---- Changes ---- */

/* Tells who asked for the change; it may go on without anybody. */
static void report(struct table_change *c, enum err e)
{
    c->err = e;
    router_post(c->home, &c->mail, MAIL_CHANGED);
}

static void answer(struct tables *t, enum err e)
{
    if (t->change != NULL) {
        report(t->change, e);
    }
    t->change = NULL;
    t->is_stuck = false;
    t->state = TABLES_IDLE;
    next_change(t);
}

static void refuse_change(struct table_change *c)
{
    report(c, err_set(&c->why, ERR_UNAVAILABLE, "another change waits for room on the disk"));
}

/* The step did not succeed everywhere, or may still do so: `step` once more. */
static void again(struct tables *t, enum err e, loop_fn step)
{
    if (e != ERR_BUSY && !t->is_stuck) {
        t->is_stuck = true;
        report(t->change, ERR_UNKNOWN_OUTCOME);
        t->change = NULL;
        while (t->first != NULL) {
            struct table_change *c = t->first;
            t->first = c->next;
            refuse_change(c);
        }
        t->last = NULL;
    }
    loop_timer_start(t->router->loop, &t->timer, AGAIN_MS, step, t);
}

static void open_made(void *arg);

static void on_opened(struct spread *s)
{
    struct tables *t = s->arg;
    if (s->err != ERR_OK) {
        again(t, s->err, open_made);
        return;
    }
    show(t);
}

static void open_made(void *arg)
{
    struct tables *t = arg;
    t->state = TABLES_OPEN;
    t->spread.done = on_opened;
    t->spread.arg = t;
    const struct op op = {.kind = OP_TABLE_OPEN,
                          .table = t->made.id,
                          .number = (int64_t)t->made.options.default_ttl_ms};
    spread_start(t->router, &t->spread, &op, t->made.options.engine == TABLE_MEMORY);
}

/* The present tables without `name`, and `more` (may be NULL). */
static void new_version(struct tables *t, struct slice name, const struct table *more)
{
    const struct catalogue *old = t->catalogue;
    struct table *list = mem_alloc((old->count + 1) * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < old->count; i++) {
        const struct table *o = &old->tables[i];
        if (!slice_equal(slice_of(o->name, o->name_size), name)) {
            list[count++] = *o;
        }
    }
    if (more != NULL) {
        list[count++] = *more;
    }
    struct catalogue *fresh = catalogue_new(old->version + 1, list, count);
    mem_free(list);
    catalogue_release(&t->catalogue);
    t->catalogue = fresh;
}

static void place_table(const struct router *r, struct table *t)
{
    t->shard = key_slot(slice_of(t->name, t->name_size)) * router_shards(r) / SLOT_COUNT;
}

static struct slice made_name(const struct tables *t)
{
    return slice_of(t->made.name, t->made.name_size);
}

static void send_change(void *arg);

static void on_written(struct call *c)
{
    struct tables *t = c->arg;
    const enum err e = c->result.err;
    if (e == ERR_UNKNOWN_OUTCOME || (e != ERR_OK && t->is_stuck)) {
        again(t, e, send_change);
        return;
    }
    if (e != ERR_OK) {
        (void)err_set(&t->change->why, e, "the catalogue cannot be written");
        answer(t, e);
        return;
    }
    if (t->kind == TABLE_DROP) {
        new_version(t, made_name(t), NULL);
        show(t);
        return;
    }
    new_version(t, made_name(t), &t->made);
    open_made(t);
}

#define CHANGE_BYTES_MAX 1024 /* of one change's keys and values */

/* A row of the change; its bytes lie in `bytes`, which has room and does not move. */
static struct slice row_bytes(struct tables *t, size_t before)
{
    CHECK(t->bytes.size <= CHANGE_BYTES_MAX);
    return slice_of(t->bytes.data + before, t->bytes.size - before);
}

static struct op *add_op(struct tables *t, enum op_kind kind, const char *prefix)
{
    struct op *op = &t->ops[t->op_count++];
    *op = (struct op){.kind = (uint8_t)kind, .table = CATALOGUE_TABLE};
    op->key = slice_of_text(prefix);
    return op;
}

static void add_name(struct tables *t)
{
    const bool is_kept = t->kind != TABLE_DROP;
    struct op *op = add_op(t, is_kept ? OP_PUT : OP_DELETE, "");
    size_t before = t->bytes.size;
    buf_append_text(&t->bytes, "t/");
    buf_append_slice(&t->bytes, made_name(t));
    op->key = row_bytes(t, before);
    if (is_kept) {
        before = t->bytes.size;
        table_encode(&t->bytes, &t->made);
        op->value = row_bytes(t, before);
        op = add_op(t, OP_PUT, "n");
        before = t->bytes.size;
        buf_append_u64(&t->bytes, t->made.id);
        op->value = row_bytes(t, before);
    }
}

static void add_dropped(struct tables *t)
{
    struct op *op = add_op(t, OP_PUT, "");
    const size_t before = t->bytes.size;
    buf_printf(&t->bytes, "d/%" PRIu32, t->dropped_id);
    op->key = row_bytes(t, before);
    op->value = t->dropped_engine == TABLE_MEMORY ? SLICE("1") : SLICE("0");
}

static void send_change(void *arg)
{
    struct tables *t = arg;
    t->call = (struct call){.op = {.kind = OP_TXN,
                                   .table = CATALOGUE_TABLE,
                                   .ops = t->ops,
                                   .op_count = (uint32_t)t->op_count},
                            .done = on_written,
                            .arg = t};
    router_send_counted(t->router, &t->call, CATALOGUE_GROUP, t->is_memory);
}

/* The change as one transaction of the catalogue's table. */
static void write_change(struct tables *t)
{
    t->op_count = 0;
    buf_clear(&t->bytes);
    (void)buf_reserve(&t->bytes, CHANGE_BYTES_MAX);
    add_name(t);
    if (t->dropped_id != 0) {
        add_dropped(t);
    }
    t->state = TABLES_WRITE;
    send_change(t);
}

static enum err check_options(struct tables *t, struct table_change *c)
{
    const struct table_options *o = &c->options;
    if (!table_name_is_valid(c->name)) {
        return err_set(&c->why, ERR_INVALID, "a table's name is 1 to 128 of A-Z a-z 0-9 . _ -");
    }
    if (o->evict == EVICT_LRU && o->engine != TABLE_MEMORY) {
        return err_set(&c->why, ERR_INVALID, "evict=lru is for memory tables only");
    }
    if (o->engine == TABLE_DISK && !t->router->node->config.has_disk) {
        return err_set(&c->why, ERR_INVALID, "this node has no data folder (--data)");
    }
    if (t->catalogue->count >= TABLES_MAX) {
        return err_set(&c->why, ERR_NO_SPACE, "there are %d tables already", TABLES_MAX);
    }
    return ERR_OK;
}

static enum err check_change(struct tables *t, struct table_change *c, const struct table *old)
{
    if (c->kind == TABLE_CREATE) {
        const enum err e = check_options(t, c);
        if (e != ERR_OK) {
            return e;
        }
        return old == NULL ? ERR_OK
                           : err_set(&c->why, ERR_ALREADY_EXISTS, "a table of that name exists");
    }
    if (old == NULL) {
        return err_set(&c->why, ERR_NOT_FOUND, "there is no table of that name");
    }
    if (c->kind == TABLE_DROP && old->is_built_in) {
        return err_set(&c->why, ERR_DENIED, "a built-in table cannot be dropped");
    }
    if (t->closing_count >= CLOSINGS_MAX) {
        return err_set(&c->why, ERR_BUSY, "%zu dropped tables are on their way out",
                       t->closing_count);
    }
    return ERR_OK;
}

static void make_table(struct tables *t, const struct table_change *c, const struct table *old)
{
    t->kind = c->kind;
    if (old != NULL) {
        t->made = *old;
    } else {
        t->made = (struct table){.options = c->options, .name_size = (uint8_t)c->name.size};
        memcpy(t->made.name, c->name.data, c->name.size);
        t->made.created_ms = router_now_ms(t->router);
        place_table(t->router, &t->made);
    }
    if (c->kind != TABLE_DROP) {
        t->made.id = ++t->newest_id;
    }
}

static void begin_change(struct tables *t, struct table_change *c)
{
    const struct table *old = catalogue_find(t->catalogue, c->name);
    t->change = c;
    t->dropped_id = old == NULL ? 0 : old->id;
    t->dropped_engine = old == NULL ? TABLE_DISK : old->options.engine;
    const enum err e = check_change(t, c, old);
    if (e != ERR_OK) {
        answer(t, e);
        return;
    }
    make_table(t, c, old);
    write_change(t);
}

static void next_change(struct tables *t)
{
    if (t->state != TABLES_IDLE || t->first == NULL) {
        return;
    }
    struct table_change *c = t->first;
    t->first = c->next;
    t->last = t->first == NULL ? NULL : t->last;
    t->state = TABLES_WRITE;
    begin_change(t, c);
}

void tables_on_change(struct tables *t, struct table_change *c)
{
    if (t->is_stuck) {
        refuse_change(c);
        return;
    }
    c->next = NULL;
    if (t->last == NULL) {
        t->first = c;
    } else {
        t->last->next = c;
    }
    t->last = c;
    next_change(t);
}

void router_change_table(struct router *r, struct table_change *c)
{
    c->home = r;
    c->err = ERR_OK;
    c->why = (struct err_why){0};
    router_post(r->node->routers[0], &c->mail, MAIL_CHANGE);
}

/* ---- Showing a version to all loops ---- */

static void show(struct tables *t)
{
    struct router_node *n = t->router->node;
    t->state = TABLES_SHOW;
    t->unseen = n->config.loops;
    for (uint32_t i = 0; i < n->config.loops; i++) {
        struct catalogue_mail *m = mem_zero(1, sizeof(*m));
        m->catalogue = catalogue_share(t->catalogue);
        m->tables = t;
        router_post(n->routers[i], &m->mail, MAIL_CATALOGUE);
    }
}

static void on_shown(struct tables *t)
{
    if (!t->is_started) {
        t->is_started = true;
        t->state = TABLES_IDLE;
        atomic_store(&t->router->node->is_ready, true);
        if (t->router->node->config.on_ready != NULL) {
            t->router->node->config.on_ready(t->router->node->config.arg);
        }
        next_change(t);
        return;
    }
    const uint32_t dropped = t->dropped_id;
    const bool is_memory = t->dropped_engine == TABLE_MEMORY;
    if (dropped != 0) {
        close_id(t, dropped, is_memory);
    }
    answer(t, ERR_OK);
}

void tables_on_seen(struct tables *t, struct catalogue_mail *m)
{
    mem_free(m);
    if (--t->unseen == 0) {
        on_shown(t);
    }
}

/* ---- Start ---- */

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
    show(t);
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
        spread_start(t->router, &t->openings[i], &op, o->options.engine == TABLE_MEMORY);
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
        place_table(t->router, made);
        t->newest_id = made->id > t->newest_id ? made->id : t->newest_id;
        (*count)++;
    } else if (slice_starts_with(row->key, SLICE("d/"))) {
        int64_t is_memory = 0;
        if (!parse_int64(slice_skip(row->key, 2), &number) ||
            !parse_int64(row->value, &is_memory)) {
            fatal("the catalogue is damaged: a dropped table");
        }
        close_id(t, (uint32_t)number, is_memory != 0);
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
        place_table(t->router, &list[i]);
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

struct tables *tables_new(struct router *r)
{
    struct tables *t = mem_zero(1, sizeof(*t));
    t->router = r;
    t->is_memory = !r->node->config.has_disk;
    t->catalogue = catalogue_new(0, NULL, 0);
    list_init(&t->closings);
    return t;
}

static void forget_openings(struct tables *t)
{
    for (size_t i = 0; t->openings != NULL && i < t->catalogue->count; i++) {
        mem_free(t->openings[i].calls);
    }
    mem_free(t->openings);
}

void tables_free(struct tables **tables)
{
    struct tables *t = *tables;
    if (t == NULL) {
        return;
    }
    const bool has_failed = shard_node_has_failed(t->router->node->config.shards);
    while (!list_empty(&t->closings)) { /* the next start goes on with them */
        struct closing *g = container_of(t->closings.next, struct closing, link);
        CHECK(has_failed || g->spread.waiting == 0);
        loop_timer_stop(&g->timer);
        list_remove(&g->link);
        mem_free(g->spread.calls);
        mem_free(g);
    }
    mem_free(t->spread.calls);
    forget_openings(t);
    loop_timer_stop(&t->timer);
    catalogue_release(&t->catalogue);
    buf_deinit(&t->bytes);
    mem_free(t);
    *tables = NULL;
}
