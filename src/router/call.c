/* call.c - finds the group of a call and sends it there.
 *
 *   this loop owns the group, or it is a read of published state ─► shard_submit()
 *   another loop owns it ─► its mailbox ─► shard_submit() there ─► back by mail ─► done
 *
 * Order on a connection: while it has writes under way in a shard, its reads of that
 * shard go the same way as the writes and are answered at their place. A read of published state
 * is made before anything later leaves this loop. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "router/router_private.h"

static uint32_t shard_of(const struct router *r, const struct table *t, struct slice key)
{
    const uint32_t slot = t->options.partition == PARTITION_TABLE
                              ? key_slot(slice_of(t->name, t->name_size))
                              : key_slot(key);
    return slot * r->node->config.shard_count / SLOT_COUNT;
}

uint32_t router_shard_of(const struct router *r, const struct table *t, struct slice key)
{
    return shard_of(r, t, key);
}

static uint64_t order_bit(uint32_t group)
{
    return UINT64_C(1) << (group % 64);
}

static void unmark(struct call *c)
{
    if (c->is_marked) {
        CHECK(c->order != NULL && c->order->unfinished > 0);
        if (--c->order->unfinished == 0) {
            c->order->shards = 0;
        }
        c->is_marked = false;
    }
}

/* On the call's own loop. */
static void finish(struct call *c)
{
    struct arena bytes = c->bytes;
    unmark(c);
    metric_add(&c->home->calls, UINT64_MAX);
    c->done(c); /* may free it */
    arena_deinit(&bytes);
}

void router_post(struct router *to, struct router_mail *mail, enum mail_kind kind)
{
    mail->kind = (uint8_t)kind;
    mailbox_post(to->mailbox, &mail->letter);
}

static void on_done_here(struct shard_work *w)
{
    finish(container_of(w, struct call, work));
}

static void on_done_for_another(struct shard_work *w)
{
    struct call *c = container_of(w, struct call, work);
    result_keep(&c->result, &c->bytes);
    router_post(c->home, &c->mail, MAIL_ANSWER);
}

void router_on_request(struct router *r, struct call *c)
{
    /* Another loop wrote it; it will be carried out at the end of the turn. */
    for (size_t at = 0; at < offsetof(struct call, done); at += 64) {
        __builtin_prefetch((const uint8_t *)c + at);
    }
    c->work.done = on_done_for_another;
    shard_submit(r->host, &c->work);
}

void router_on_answer(struct call *c)
{
    c->home->remote--;
    if (c->order != NULL && c->work.is_memory) {
        c->order->away--;
    }
    finish(c);
}

void router_refuse(struct router *r, struct call *c, enum err e)
{
    c->result = (struct result){.err = e};
    c->next = NULL;
    if (r->refused == NULL) {
        r->refused = c;
    } else {
        r->refused_last->next = c;
    }
    r->refused_last = c;
    loop_again(r->loop);
}

/* Reads of this turn are made at its end, and the owner need not wait for that: what would change
 * what they see is held back. */
static void send_to_owner(struct router *r, struct call *c)
{
    if (r->held == NULL && !shard_has_reads(r->host)) {
        router_post(r->node->routers[c->owner], &c->mail, MAIL_REQUEST);
        return;
    }
    c->next = NULL;
    if (r->held == NULL) {
        r->held = c;
    } else {
        r->held_last->next = c;
    }
    r->held_last = c;
}

void router_send_held(struct router *r)
{
    while (r->held != NULL && !shard_has_reads(r->host)) {
        struct call *c = r->held;
        r->held = c->next;
        router_post(r->node->routers[c->owner], &c->mail, MAIL_REQUEST);
    }
}

static void send(struct router *r, struct call *c, uint32_t group, bool is_memory)
{
    const uint32_t owner = shard_owner(r->node->config.shards, group);
    const bool is_own = owner == r->index;
    const bool is_read = op_is_read(&c->op);
    const bool is_behind = !planted("stale-reads") && c->order != NULL &&
                           c->order->unfinished > 0 && (c->order->shards & order_bit(group)) != 0 &&
                           c->view == NULL;
    c->work = (struct shard_work){
        .op = &c->op,
        .result = &c->result,
        .done = on_done_here,
        .deadline_ns = c->deadline_ns,
        .budget_bytes = c->budget_bytes == 0 ? CALL_BUDGET_BYTES : c->budget_bytes,
        .view = c->view,
        .group = group,
        .is_memory = is_memory,
        .is_behind = is_behind && is_read && c->level == READ_LINEARIZABLE};
    if (!is_read && c->order != NULL && !(is_own && is_memory)) {
        c->order->unfinished++;
        c->order->shards |= order_bit(group);
        c->is_marked = true;
    }
    if (is_own || (is_read && !c->work.is_behind)) {
        shard_submit(r->host, &c->work);
        return;
    }
    if (r->remote >= ROUTER_REMOTE_MAX) {
        unmark(c);
        router_refuse(r, c, ERR_BUSY);
        return;
    }
    r->remote++;
    if (c->order != NULL && is_memory) {
        c->order->away++;
    }
    c->owner = owner;
    send_to_owner(r, c);
}

/* ---- All keys of an op in one shard? ---- */

struct placement {
    const struct router *r;
    bool is_memory;
    uint32_t shard;
};

static enum err check_key(const struct placement *p, uint32_t table, struct slice key)
{
    const struct table *t = catalogue_by_id(p->r->catalogue, table);
    if (t == NULL) {
        return ERR_NOT_FOUND;
    }
    if ((t->options.engine == TABLE_MEMORY) != p->is_memory) {
        return ERR_CROSS_SHARD;
    }
    return shard_of(p->r, t, key) == p->shard ? ERR_OK : ERR_CROSS_SHARD;
}

static enum err check_items(const struct placement *p, const struct op *op)
{
    for (uint32_t i = 0; i < op->item_count; i++) {
        const enum err e = check_key(p, op->table, op->items[i]);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err check_txn(const struct placement *p, const struct op *op);

static enum err check_op(const struct placement *p, const struct op *op)
{
    switch ((enum op_kind)op->kind) {
    case OP_COPY:
        return check_key(p, op->other_table, op->other);
    case OP_RENAME:
    case OP_SET_MOVE:
        return check_key(p, op->table, op->other);
    case OP_BIT_OP:
    case OP_SET_COMBINE:
    case OP_SET_STORE:
        return check_items(p, op);
    case OP_TXN:
        return check_txn(p, op);
    case OP_NONE:
    case OP_GET:
    case OP_STAT:
    case OP_PUT:
    case OP_EXPIRE:
    case OP_DELETE:
    case OP_APPEND:
    case OP_SET_RANGE:
    case OP_BIT_SET:
    case OP_BIT_FIELD:
    case OP_ADD:
    case OP_ADD_FLOAT:
    case OP_SET_ADD:
    case OP_SET_REMOVE:
    case OP_SET_POP:
    case OP_SET_HAS:
    case OP_SET_RANDOM:
    case OP_LOG_APPEND:
    case OP_LOG_READ:
    case OP_RANGE:
    case OP_SET_RANGE_MEMBERS:
    case OP_LOG_RANGE:
    case OP_DELETE_RANGE:
    case OP_COUNT:
    case OP_RANDOM_KEY:
    case OP_TABLE_OPEN:
    case OP_TABLE_CLOSE:
    case OP_SWEEP:
    case OP_KIND_COUNT:
        break;
    }
    return ERR_OK;
}

static enum err check_branch(const struct placement *p, const struct op *ops, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        enum err e = check_key(p, ops[i].table, ops[i].key);
        e = e == ERR_OK ? check_op(p, &ops[i]) : e;
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

static enum err check_txn(const struct placement *p, const struct op *op)
{
    for (uint32_t i = 0; i < op->compare_count; i++) {
        const enum err e = check_key(p, op->compares[i].table, op->compares[i].key);
        if (e != ERR_OK) {
            return e;
        }
    }
    const enum err e = check_branch(p, op->ops, op->op_count);
    return e == ERR_OK ? check_branch(p, op->else_ops, op->else_op_count) : e;
}

static enum err place(const struct router *r, const struct call *c, struct placement *p)
{
    const struct op *op = &c->op;
    if (!atomic_load_explicit(&r->node->is_ready, memory_order_acquire)) {
        return ERR_STARTING;
    }
    const enum err e = op_check(op, r->node->config.value_max, NULL);
    if (e != ERR_OK) {
        return e;
    }
    const struct table *t = catalogue_by_id(r->catalogue, op->table);
    if (t == NULL) {
        return ERR_NOT_FOUND;
    }
    *p = (struct placement){
        .r = r, .is_memory = t->options.engine == TABLE_MEMORY, .shard = shard_of(r, t, op->key)};
    return check_op(p, op);
}

static void prepare(struct router *r, struct call *c)
{
    CHECK(c->done != NULL);
    c->home = r;
    c->bytes = (struct arena){0};
    c->is_marked = false;
    metric_add(&r->calls, 1);
}

void router_send_counted(struct router *r, struct call *c, uint32_t group, bool is_memory)
{
    prepare(r, c);
    send(r, c, group, is_memory);
}

void router_call(struct router *r, struct call *c)
{
    struct placement p;
    prepare(r, c);
    const enum err e = place(r, c, &p);
    if (e != ERR_OK) {
        router_refuse(r, c, e);
        return;
    }
    send(r, c, p.shard + 1, p.is_memory);
}

void router_cancel(struct router *r, struct call *c)
{
    CHECK(c->home == r);
    /* Only this loop's own queue is reached; elsewhere it is carried out, and done with its
     * real result. */
    if (c->work.group != 0 && shard_owner(r->node->config.shards, c->work.group) == r->index) {
        c->work.is_canceled = true;
    }
}

/* ---- Several point calls, together per shard ---- */

struct call_group {
    struct list link;
    struct call call; /* OP_TXN */
    struct call **members;
    struct op *ops;
    uint32_t count;
};

static void free_group(struct call_group *g)
{
    list_remove(&g->link);
    mem_free(g->members);
    mem_free(g->ops);
    mem_free(g);
}

void router_forget_groups(struct router *r)
{
    while (!list_empty(&r->groups)) {
        free_group(container_of(r->groups.next, struct call_group, link));
    }
}

static void on_group_done(struct call *c)
{
    struct call_group *g = container_of(c, struct call_group, call);
    for (uint32_t i = 0; i < g->count; i++) {
        struct call *member = g->members[i];
        if (c->result.err != ERR_OK) {
            member->result = (struct result){.err = c->result.err};
        } else {
            CHECK(i < c->result.result_count);
            member->result = c->result.results[i];
        }
        finish(member);
    }
    free_group(g);
}

static void send_group(struct router *r, struct call *const *calls, uint32_t count)
{
    struct call_group *g = mem_zero(1, sizeof(*g));
    g->members = mem_alloc(count * sizeof(struct call *));
    g->ops = mem_alloc(count * sizeof(*g->ops));
    g->count = count;
    list_push(&r->groups, &g->link);
    for (uint32_t i = 0; i < count; i++) {
        g->members[i] = calls[i];
        g->ops[i] = calls[i]->op;
    }
    g->call = (struct call){.op = {.kind = OP_TXN,
                                   .table = calls[0]->op.table,
                                   .key = calls[0]->op.key,
                                   .ops = g->ops,
                                   .op_count = count},
                            .done = on_group_done,
                            .order = calls[0]->order,
                            .deadline_ns = calls[0]->deadline_ns,
                            .budget_bytes = calls[0]->budget_bytes,
                            .level = calls[0]->level};
    router_call(r, &g->call);
}

struct placed_call {
    struct call *call;
    struct placement place;
    size_t number;
};

static int by_shard(const void *a, const void *b)
{
    const struct placed_call *left = a;
    const struct placed_call *right = b;
    if (left->place.shard != right->place.shard) {
        return left->place.shard < right->place.shard ? -1 : 1;
    }
    return left->number < right->number ? -1 : left->number > right->number;
}

/* Memory tables of this loop run in one go anyway. */
static bool needs_group(const struct router *r, const struct placement *p)
{
    return !p->is_memory || shard_owner(r->node->config.shards, p->shard + 1) != r->index;
}

static void send_placed(struct router *r, struct placed_call *placed, size_t count)
{
    struct call **run = mem_alloc(count * sizeof(struct call *));
    qsort(placed, count, sizeof(*placed), by_shard);
    for (size_t first = 0; first < count;) {
        size_t end = first;
        while (end < count && placed[end].place.shard == placed[first].place.shard) {
            run[end - first] = placed[end].call;
            end++;
        }
        if (end - first > 1 && needs_group(r, &placed[first].place)) {
            send_group(r, run, (uint32_t)(end - first));
        } else {
            for (size_t i = first; i < end; i++) {
                send(r, placed[i].call, placed[i].place.shard + 1, placed[i].place.is_memory);
            }
        }
        first = end;
    }
    mem_free(run);
}

void router_call_many(struct router *r, struct call *const *calls, size_t count)
{
    if (count == 1) {
        router_call(r, calls[0]);
        return;
    }
    struct placed_call *placed = NULL;
    size_t grouped = 0;
    for (size_t i = 0; i < count; i++) {
        struct placement p;
        prepare(r, calls[i]);
        const enum err e = place(r, calls[i], &p);
        if (e != ERR_OK) {
            router_refuse(r, calls[i], e);
        } else if (!needs_group(r, &p)) {
            send(r, calls[i], p.shard + 1, p.is_memory);
        } else {
            if (placed == NULL) {
                placed = mem_alloc(count * sizeof(*placed));
            }
            placed[grouped++] = (struct placed_call){calls[i], p, i};
        }
    }
    if (grouped > 0) {
        send_placed(r, placed, grouped);
    }
    mem_free(placed);
}
