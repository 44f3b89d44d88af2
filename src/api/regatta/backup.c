/* Maintenance.Backup: a table as a stream of pieces of its backup file, of one state.
 *
 *   source_next ─► on_page ─► records ─► snappy ─► messages ─► the client keeps up, or on_writable
 */
#include "api/regatta/backup_file.h"
#include "api/regatta/maintenance.h"
#include "base/check.h"
#include "proto/regatta/replication.pb-c.h"

#define PAGE_BYTES ((size_t)256 << 10)
#define SEND_BYTES ((size_t)256 << 10) /* gathered before a message is sent */

struct backup {
    struct grpc_call *g;
    struct source *source;
    struct source_page page;
    struct backup_writer writer;
    struct buf out;
    struct slice table; /* its name */
    uint32_t id;
    bool is_paging;
    bool is_stalled; /* waits for on_writable */
};

static void next_page(struct backup *b);

static void release(struct backup *b)
{
    source_close(&b->source);
    backup_writer_deinit(&b->writer);
    buf_deinit(&b->out);
    b->g->user = NULL;
}

/* Sends what there is, in messages of the size that is allowed. */
static void send_all(struct backup *b)
{
    struct slice rest = buf_slice(&b->out);
    while (rest.size > 0) {
        const size_t size = rest.size < SNAPSHOT_CHUNK_MAX ? rest.size : SNAPSHOT_CHUNK_MAX;
        Replication__V1__SnapshotChunk chunk = REPLICATION__V1__SNAPSHOT_CHUNK__INIT;
        chunk.data = grpc_bytes(slice_of(rest.data, size));
        chunk.len = size;
        grpc_send(b->g, &chunk.base);
        rest = slice_skip(rest, size);
    }
    buf_clear(&b->out);
}

static void finish(struct backup *b)
{
    struct grpc_call *g = b->g;
    backup_flush(&b->writer, &b->out);
    send_all(b);
    release(b);
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

/* Errors: ERR_WRONG_TYPE (a value that a backup has no place for). */
static enum err write_rows(struct backup *b, const struct source_page *p)
{
    for (size_t i = 0; i < p->row_count; i++) {
        if (p->rows[i].type != TYPE_STRING) {
            return ERR_WRONG_TYPE;
        }
        backup_write(&b->writer, &b->out, b->table, p->rows[i].key, p->rows[i].value);
    }
    return ERR_OK;
}

static void on_page(struct source_page *p)
{
    struct backup *b = p->arg;
    b->is_paging = false;
    if (b->g->is_aborted) {
        struct grpc_call *g = b->g;
        release(b);
        grpc_done(g);
        return;
    }
    const enum err e = p->err == ERR_OK ? write_rows(b, p) : p->err;
    if (e != ERR_OK) {
        struct grpc_call *g = b->g;
        const uint32_t id = b->id;
        const struct slice table = b->table;
        release(b);
        regatta_fail_op(g, e, id, table);
        return;
    }
    if (p->is_end) {
        finish(b);
        return;
    }
    if (b->out.size >= SEND_BYTES) {
        send_all(b);
    }
    if (grpc_waiting(b->g) >= HTTP_STREAM_HIGH) {
        b->is_stalled = true;
        return;
    }
    next_page(b);
}

static void next_page(struct backup *b)
{
    CHECK(!b->is_paging);
    b->is_paging = true;
    b->page = (struct source_page){.bytes_max = PAGE_BYTES, .done = on_page, .arg = b};
    source_next(b->source, &b->page);
}

void regatta_backup_on_writable(struct grpc_call *g)
{
    struct backup *b = g->user;
    if (b != NULL && b->is_stalled && !g->is_aborted) {
        b->is_stalled = false;
        next_page(b);
    }
}

void regatta_backup_on_abort(struct grpc_call *g)
{
    struct backup *b = g->user;
    if (b == NULL) {
        grpc_done(g);
    } else if (!b->is_paging) {
        release(b);
        grpc_done(g);
    }
}

void regatta_backup(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Maintenance__V1__BackupRequest *q = (const Maintenance__V1__BackupRequest *)m;
    struct refusal r = {GRPC_OK, ERR_OK, NULL};
    if (!regatta_is_allowed(g, grpc_context(g)->facts->maintenance_token)) {
        return;
    }
    const struct table *t = regatta_table(grpc_context(g), grpc_slice(q->table), &r);
    if (t == NULL) {
        r.status = r.status == GRPC_NOT_FOUND ? GRPC_UNKNOWN : r.status;
        regatta_refuse(g, r);
        return;
    }
    struct backup *b = arena_zero(g->x->arena, sizeof(*b));
    b->g = g;
    b->table = grpc_slice(q->table);
    b->id = t->id;
    g->user = b;
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = t->id,
                                         .from = SLICE(""),
                                         .is_snapshot = true,
                                         .order = g->x->connection_order};
    b->source = source_open(grpc_context(g)->router, &config);
    next_page(b);
}
