/* tables.c - changes of the catalogue; on loop 0, one at a time.
 *
 *   CREATE, EMPTY: WRITE (name and id durable) ─► OPEN (in every shard) ─► SHOW (to every loop)
 *   DROP:          WRITE (name gone, id to be closed) ──────────────────► SHOW
 *   STAGE:         WRITE (id to be closed) ─────► OPEN ─────────────────► SHOW
 *   ADOPT:         WRITE (name and id, old id to be closed) ────────────► SHOW
 *   FORGET:                                                               SHOW
 *   then answered; what was dropped is closed in every shard and its note removed. A staged table
 *   has the note of a dropped one from its first moment, so the next start closes what nobody has
 *   adopted.
 *
 * What was ordered and may still happen (a shard has no room) is answered with UNKNOWN_OUTCOME and
 * done again until it is certain: doing it twice changes nothing. Other changes are refused
 * meanwhile, so the tables that loops see are never older than what is durable for long.
 *
 * Rows of the catalogue: `t/NAME` -> struct table, `d/ID` -> an id that must still be closed,
 * `n` -> newest id. tables_start.c reads them. */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "router/tables_private.h"

static void next_change(struct tables *t);

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

void tables_spread(struct router *r, struct spread *s, const struct op *op, bool is_memory)
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
    tables_spread(g->tables->router, &g->spread, &op, g->is_memory);
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

void tables_close_id(struct tables *t, uint32_t id, bool is_memory)
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
    tables_show(t);
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
    tables_spread(t->router, &t->spread, &op, t->made.options.engine == TABLE_MEMORY);
}

static struct slice made_name(const struct tables *t)
{
    return slice_of(t->made.name, t->made.name_size);
}

/* The change takes `o` out of the list: the table it makes, drops or replaces. */
static bool is_replaced(const struct tables *t, const struct table *o)
{
    if (o->is_staged || t->kind == TABLE_STAGE || t->kind == TABLE_FORGET) {
        return o->id == t->made.id;
    }
    return slice_equal(slice_of(o->name, o->name_size), made_name(t));
}

/* The present tables after the change. */
static void new_version(struct tables *t)
{
    const struct catalogue *old = t->catalogue;
    struct table *list = mem_alloc((old->all_count + 1) * sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < old->all_count; i++) {
        if (!is_replaced(t, &old->tables[i])) {
            list[count++] = old->tables[i];
        }
    }
    if (t->kind != TABLE_DROP && t->kind != TABLE_FORGET) {
        list[count++] = t->made;
    }
    struct catalogue *fresh = catalogue_new(old->version + 1, list, count);
    mem_free(list);
    catalogue_release(&t->catalogue);
    t->catalogue = fresh;
}

void tables_place(const struct router *r, struct table *t)
{
    t->shard = key_slot(slice_of(t->name, t->name_size)) * router_shards(r) / SLOT_COUNT;
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
    new_version(t);
    if (t->kind == TABLE_DROP || t->kind == TABLE_ADOPT) {
        tables_show(t);
    } else {
        open_made(t);
    }
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
    }
}

static void add_newest(struct tables *t)
{
    struct op *op = add_op(t, OP_PUT, "n");
    const size_t before = t->bytes.size;
    buf_append_u64(&t->bytes, t->newest_id);
    op->value = row_bytes(t, before);
}

/* The note that `id` is still to be closed, or that it is not. */
static void add_note(struct tables *t, enum op_kind kind, uint32_t id, enum table_engine engine)
{
    struct op *op = add_op(t, kind, "");
    const size_t before = t->bytes.size;
    buf_printf(&t->bytes, "d/%" PRIu32, id);
    op->key = row_bytes(t, before);
    if (kind == OP_PUT) {
        op->value = engine == TABLE_MEMORY ? SLICE("1") : SLICE("0");
    }
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
    if (t->kind == TABLE_STAGE) {
        add_note(t, OP_PUT, t->made.id, t->made.options.engine);
    } else {
        add_name(t);
    }
    if (t->kind == TABLE_ADOPT) {
        add_note(t, OP_DELETE, t->made.id, t->made.options.engine);
    }
    if (t->dropped_id != 0) {
        add_note(t, OP_PUT, t->dropped_id, t->dropped_engine);
    }
    add_newest(t);
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

/* The staged table that the change is about; NULL: none. */
static const struct table *staged_of(const struct tables *t, const struct table_change *c)
{
    const bool has_id = c->kind == TABLE_ADOPT || c->kind == TABLE_FORGET;
    const struct table *found = has_id ? catalogue_by_id(t->catalogue, c->id) : NULL;
    return found != NULL && found->is_staged ? found : NULL;
}

static enum err check_new(struct tables *t, struct table_change *c, const struct table *old)
{
    const enum err e = old != NULL && c->kind == TABLE_STAGE ? ERR_OK : check_options(t, c);
    if (e != ERR_OK) {
        return e;
    }
    if (c->kind == TABLE_CREATE && old != NULL) {
        return err_set(&c->why, ERR_ALREADY_EXISTS, "a table of that name exists");
    }
    if (c->kind == TABLE_STAGE && t->catalogue->all_count - t->catalogue->count >= STAGED_MAX) {
        return err_set(&c->why, ERR_BUSY, "%d tables are being filled already", STAGED_MAX);
    }
    return ERR_OK;
}

static enum err check_change(struct tables *t, struct table_change *c, const struct table *old)
{
    if (c->kind == TABLE_CREATE || c->kind == TABLE_STAGE) {
        return check_new(t, c, old);
    }
    if (staged_of(t, c) == NULL && (old == NULL || c->kind >= TABLE_ADOPT)) {
        return err_set(&c->why, ERR_NOT_FOUND, "there is no such table");
    }
    if (c->kind == TABLE_ADOPT && old == NULL && t->catalogue->count >= TABLES_MAX) {
        return err_set(&c->why, ERR_NO_SPACE, "there are %d tables already", TABLES_MAX);
    }
    if ((c->kind == TABLE_DROP || c->kind == TABLE_ADOPT) && old != NULL && old->is_built_in) {
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
    const struct table *staged = staged_of(t, c);
    t->kind = c->kind;
    if (staged != NULL) {
        t->made = *staged;
        t->made.is_staged = false;
        return;
    }
    if (old != NULL) {
        t->made = *old;
    } else {
        t->made = (struct table){.options = c->options, .name_size = (uint8_t)c->name.size};
        memcpy(t->made.name, c->name.data, c->name.size);
        t->made.created_ms = router_now_ms(t->router);
        tables_place(t->router, &t->made);
    }
    if (c->kind != TABLE_DROP) {
        t->made.id = ++t->newest_id;
    }
    if (c->kind == TABLE_STAGE) {
        t->made.is_staged = true;
        t->made.is_built_in = false;
    }
}

static void forget_made(struct tables *t)
{
    t->kind = TABLE_FORGET;
    t->dropped_id = t->made.id;
    t->dropped_engine = t->made.options.engine;
    new_version(t);
    tables_show(t);
}

static void begin_change(struct tables *t, struct table_change *c)
{
    const struct table *staged = staged_of(t, c);
    const struct slice name = staged == NULL ? c->name : slice_of(staged->name, staged->name_size);
    const struct table *old = catalogue_find(t->catalogue, name);
    const bool is_dropped = old != NULL && c->kind != TABLE_STAGE;
    t->change = c;
    t->dropped_id = is_dropped ? old->id : 0;
    t->dropped_engine = is_dropped ? old->options.engine : TABLE_DISK;
    const enum err e = check_change(t, c, old);
    if (e != ERR_OK) {
        answer(t, e);
        return;
    }
    make_table(t, c, old);
    if (t->kind == TABLE_FORGET) {
        forget_made(t);
    } else {
        write_change(t);
    }
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

void tables_show(struct tables *t)
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
    if (t->kind == TABLE_STAGE && t->change == NULL) { /* nobody knows its id */
        forget_made(t);
        return;
    }
    if (t->kind == TABLE_STAGE) {
        t->change->id = t->made.id;
    }
    const uint32_t dropped = t->dropped_id;
    const bool is_memory = t->dropped_engine == TABLE_MEMORY;
    if (dropped != 0) {
        tables_close_id(t, dropped, is_memory);
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

/* ---- Life ---- */

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
