/* Maintenance.Restore: a backup file as a stream of messages, into a table that nobody sees until
 * it is whole.
 *
 *   info ─► STAGE ─► chunks ─► records ─► batches of puts ─► the end ─► ADOPT ─► answered
 *                       any failure, or the client has gone ─► FORGET ─► refused
 *
 * A chunk is kept while its records become batches, of which few are under way; the client is asked
 * for the next one when it is used up. So memory holds a chunk, a block and these batches. */
#include "api/regatta/backup_file.h"
#include "api/regatta/maintenance.h"
#include "base/check.h"
#include "proto/regatta/replication.pb-c.h"

#define BATCHES          4                 /* under way at a time */
#define BATCH_PUTS_MAX   256               /* in one transaction */
#define BATCH_BYTES      ((size_t)1 << 20) /* of keys and values; one record may be more */
#define BUSY_PAUSE_MS    10
#define TEXT_NO_INFO     "first message should contain info"
#define TEXT_NO_CHUNK    "chunk expected"
#define TEXT_DAMAGED     "the backup is damaged"
#define TEXT_CUT         "the backup is cut short"
#define TEXT_NOT_REGATTA "there is a table of that name that is not Regatta's (partition=key)"

struct restore;

struct batch {
    struct call call; /* OP_TXN */
    struct op puts[BATCH_PUTS_MAX];
    struct arena arena; /* of keys and values */
    size_t bytes;
    struct router_timer pause;
    struct restore *restore;
    bool is_running;
};

struct restore {
    struct grpc_call *g;
    struct backup_reader reader;
    struct buf input; /* a chunk */
    size_t used;      /* of it */
    struct batch *batches[BATCHES];
    struct batch *open; /* being filled; NULL: none */
    size_t running;     /* batches */
    struct table_change change;
    struct slice table; /* its name */
    uint32_t id;        /* of the staged table; 0: none */
    struct refusal refusal;
    bool has_info;
    bool has_input; /* a byte has come */
    bool has_ended; /* the client has sent all */
    bool is_changing;
    bool is_adopted;
};

static void settle(struct restore *r);
static void advance(struct restore *r);

static void release(struct restore *r)
{
    CHECK(r->running == 0 && !r->is_changing);
    for (size_t i = 0; i < BATCHES; i++) {
        if (r->batches[i] != NULL) {
            arena_deinit(&r->batches[i]->arena);
        }
    }
    backup_reader_deinit(&r->reader);
    buf_deinit(&r->input);
    r->g->user = NULL;
}

/* The first failure counts. */
static void fail(struct restore *r, enum grpc_status status, enum err e, const char *text)
{
    if (r->refusal.status == GRPC_OK) {
        r->refusal = (struct refusal){status, e, text};
    }
}

static bool has_failed(const struct restore *r)
{
    return r->refusal.status != GRPC_OK || r->g->is_aborted;
}

/* ---- The table ---- */

static void on_changed(struct table_change *c)
{
    struct restore *r = c->arg;
    r->is_changing = false;
    if (c->kind == TABLE_FORGET) { /* if that failed the next start does it */
        r->id = 0;
        settle(r);
        return;
    }
    if (c->err == ERR_INVALID) { /* the name */
        fail(r, GRPC_INVALID_ARGUMENT, c->err, c->why.text);
    } else if (c->err != ERR_OK) {
        const struct refusal refusal = refusal_of(c->err);
        fail(r, refusal.status, c->err, refusal.text);
    } else if (c->kind == TABLE_STAGE) {
        r->id = c->id;
    } else {
        r->is_adopted = true;
        r->id = 0;
    }
    advance(r);
}

static void change(struct restore *r, enum table_change_kind kind)
{
    CHECK(!r->is_changing);
    r->is_changing = true;
    r->change = (struct table_change){.kind = kind,
                                      .name = r->table,
                                      .options = regatta_options(grpc_context(r->g)),
                                      .id = r->id,
                                      .done = on_changed,
                                      .arg = r};
    router_change_table(grpc_context(r->g)->router, &r->change);
}

/* Ends the call when nothing is under way, and the staged table is gone or has its name. */
static void settle(struct restore *r)
{
    struct grpc_call *g = r->g;
    if (r->running > 0 || r->is_changing) {
        return;
    }
    if (has_failed(r) && r->id != 0) {
        change(r, TABLE_FORGET);
        return;
    }
    const struct refusal refusal = r->refusal;
    if (g->is_aborted) {
        release(r);
        grpc_done(g);
    } else if (refusal.status != GRPC_OK) {
        release(r);
        regatta_refuse(g, refusal);
    } else if (r->is_adopted) {
        const Maintenance__V1__RestoreResponse reply = MAINTENANCE__V1__RESTORE_RESPONSE__INIT;
        release(r);
        grpc_reply(g, &reply.base);
    }
}

/* ---- Batches ---- */

static void start_batch(void *arg);

static void on_put(struct call *c)
{
    struct batch *b = c->arg;
    struct restore *r = b->restore;
    enum err e = c->result.err;
    if (e == ERR_BUSY && !has_failed(r)) { /* the same puts again change nothing */
        router_timer_start(grpc_context(r->g)->router, &b->pause, BUSY_PAUSE_MS, start_batch, b);
        return;
    }
    for (size_t i = 0; i < c->result.result_count && e == ERR_OK; i++) {
        e = c->result.results[i].err;
    }
    b->is_running = false;
    r->running--;
    if (e != ERR_OK) {
        const struct refusal refusal = refusal_of(e);
        fail(r, refusal.status, e, refusal.text);
    }
    advance(r);
}

static void start_batch(void *arg)
{
    struct batch *b = arg;
    struct restore *r = b->restore;
    b->call.done = on_put;
    b->call.arg = b;
    router_call(grpc_context(r->g)->router, &b->call);
}

static void send_open(struct restore *r)
{
    struct batch *b = r->open;
    r->open = NULL;
    b->is_running = true;
    r->running++;
    start_batch(b);
}

/* A batch to be filled; NULL: all are under way. */
static struct batch *open_batch(struct restore *r)
{
    for (size_t i = 0; i < BATCHES && r->open == NULL; i++) {
        if (r->batches[i] == NULL) {
            r->batches[i] = arena_zero(r->g->x->arena, sizeof(*r->batches[i]));
        }
        if (!r->batches[i]->is_running) {
            struct batch *b = r->batches[i];
            arena_reset(&b->arena);
            b->bytes = 0;
            b->restore = r;
            b->call = (struct call){.op = {.kind = OP_TXN, .table = r->id, .ops = b->puts}};
            r->open = b;
        }
    }
    return r->open;
}

static void add_put(struct restore *r, struct slice key, struct slice value)
{
    struct batch *b = r->open;
    b->puts[b->call.op.op_count++] = (struct op){.kind = OP_PUT,
                                                 .table = r->id,
                                                 .flags = OP_SET_EXPIRY, /* it never goes */
                                                 .key = arena_copy(&b->arena, key),
                                                 .value = arena_copy(&b->arena, value)};
    b->bytes += key.size + value.size;
    if (b->call.op.op_count == BATCH_PUTS_MAX || b->bytes >= BATCH_BYTES) {
        send_open(r);
    }
}

/* ---- The stream ---- */

/* Makes batches of the chunk. True: it is used up. */
static bool load(struct restore *r)
{
    struct slice rest = slice_skip(buf_slice(&r->input), r->used);
    while (open_batch(r) != NULL) {
        struct slice key;
        struct slice value;
        const enum backup_read result = backup_read(&r->reader, &rest, &key, &value);
        r->used = r->input.size - rest.size;
        if (result == BACKUP_MORE) {
            return true;
        }
        if (result == BACKUP_BROKEN) {
            fail(r, GRPC_DATA_LOSS, ERR_CORRUPT, TEXT_DAMAGED);
            return false;
        }
        if (key.size > KEY_MAX || value.size > router_value_max(grpc_context(r->g)->router)) {
            fail(r, GRPC_FAILED_PRECONDITION, ERR_TOO_LARGE, TEXT_VALUE_TOO_LONG);
            return false;
        }
        add_put(r, key, value);
    }
    return false;
}

/* All records are read: the rest is sent, and then the table takes its name. */
static void end_load(struct restore *r)
{
    if (r->has_input && backup_reader_is_partial(&r->reader)) {
        fail(r, GRPC_DATA_LOSS, ERR_CORRUPT, TEXT_CUT);
        settle(r);
        return;
    }
    if (r->open != NULL && r->open->call.op.op_count > 0) {
        send_open(r);
    }
    if (r->running == 0 && !r->is_changing) {
        change(r, TABLE_ADOPT);
    }
}

/* Whatever has happened, goes on as far as that is possible now. */
static void advance(struct restore *r)
{
    if (has_failed(r) || r->is_adopted || r->id == 0) {
        settle(r);
        return;
    }
    const bool is_used = load(r);
    if (has_failed(r)) {
        settle(r);
    } else if (is_used && r->has_ended) {
        end_load(r);
    } else if (is_used) {
        grpc_resume(r->g); /* the next message may come in this call */
    }
}

static void take_info(struct restore *r, const Maintenance__V1__RestoreInfo *info)
{
    const struct loop_context *c = grpc_context(r->g);
    r->table = arena_copy(r->g->x->arena, grpc_slice(info->table));
    const struct table *present = router_table(c->router, r->table);
    const enum err ready = router_is_ready(c->router);
    r->has_info = true;
    if (ready != ERR_OK) {
        fail(r, GRPC_UNAVAILABLE, ready, refusal_of(ready).text);
    } else if (r->table.size == 0) {
        fail(r, GRPC_INVALID_ARGUMENT, ERR_INVALID, TEXT_TABLE_NOT_SET);
    } else if (present != NULL && !is_regatta_table(present)) {
        fail(r, GRPC_FAILED_PRECONDITION, ERR_WRONG_TYPE, TEXT_NOT_REGATTA);
    } else {
        change(r, TABLE_STAGE);
    }
    settle(r);
}

static void take_chunk(struct restore *r, const Replication__V1__SnapshotChunk *chunk)
{
    buf_clear(&r->input);
    buf_append(&r->input, chunk->data.data, chunk->data.len);
    r->used = 0;
    r->has_input = r->has_input || chunk->data.len > 0;
    advance(r);
}

void regatta_restore_on_open(struct grpc_call *g)
{
    if (!regatta_is_allowed(g, grpc_context(g)->facts->maintenance_token)) {
        return;
    }
    struct restore *r = arena_zero(g->x->arena, sizeof(*r));
    r->g = g;
    r->reader.record_max = router_value_max(grpc_context(g)->router) + KEY_MAX + BACKUP_FRAME_MAX;
    g->user = r;
}

void regatta_restore(struct grpc_call *g, const ProtobufCMessage *m)
{
    struct restore *r = g->user;
    const Maintenance__V1__RestoreMessage *q = (const Maintenance__V1__RestoreMessage *)m;
    grpc_pause(g); /* until this message is used up */
    if (!r->has_info) {
        if (q != NULL && q->data_case == MAINTENANCE__V1__RESTORE_MESSAGE__DATA_INFO) {
            take_info(r, q->info);
            return;
        }
        fail(r, GRPC_UNKNOWN, ERR_INVALID, TEXT_NO_INFO);
    } else if (q == NULL) {
        r->has_ended = true;
        advance(r);
        return;
    } else if (q->data_case == MAINTENANCE__V1__RESTORE_MESSAGE__DATA_CHUNK) {
        take_chunk(r, q->chunk);
        return;
    } else {
        fail(r, GRPC_UNKNOWN, ERR_INVALID, TEXT_NO_CHUNK);
    }
    settle(r);
}

void regatta_restore_on_abort(struct grpc_call *g)
{
    struct restore *r = g->user;
    if (r == NULL) {
        grpc_done(g);
        return;
    }
    for (size_t i = 0; i < BATCHES; i++) {
        if (r->batches[i] != NULL && r->batches[i]->is_running) {
            router_cancel(grpc_context(g)->router, &r->batches[i]->call);
        }
    }
    settle(r);
}
