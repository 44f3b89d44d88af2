/* Logs: versions of a key, the newest last. Each has a number that only grows.
 *
 *   element rows under the log's incarnation:
 *     00 | number, 8 bytes big-endian -> time, id, author, value
 *     01 | id                         -> number of the newest version with that id
 *
 * Every append writes the row by id, although only OP_LOG_REPLACE reads it: whether an id
 * will come again is not known, and finding it later would mean to read the whole log in
 * one step. A version that is overwritten goes to the end with a number of its own, as
 * its time does: newest first stays the order of times. */
#include "model/state.h"
#include "model/varint.h"

enum {
    SUB_VERSION = 0,
    SUB_ID = 1
};

/* A log while an op works on it. */
struct log_state {
    struct log_header header;
    uint32_t table;
    bool exists;
};

static enum err log_open(struct task *t, const struct place *p, struct log_state *log)
{
    *log = (struct log_state){.table = t->op->table};
    const enum err err = place_check_type(p, TYPE_LOG);
    if (err != ERR_OK || !p->is_live) {
        log->header.next = 1;
        return err;
    }
    log->exists = true;
    return log_header_get(p->lookup->record.value, &log->header);
}

static struct slice version_row(struct task *t, const struct log_state *log, uint64_t number)
{
    uint8_t *bytes = arena_get(t->run->arena, ROW_ELEMENT_HEAD + 9);
    uint8_t *p = row_element_head(bytes, log->table, log->header.incarnation);
    *p++ = SUB_VERSION;
    p = big_endian_put(p, number);
    return slice_of(bytes, (size_t)(p - bytes));
}

static struct slice id_row(struct task *t, const struct log_state *log, struct slice id)
{
    uint8_t *bytes = arena_get(t->run->arena, ROW_ELEMENT_HEAD + 1 + id.size);
    uint8_t *p = row_element_head(bytes, log->table, log->header.incarnation);
    *p++ = SUB_ID;
    p = slice_put(p, id);
    return slice_of(bytes, (size_t)(p - bytes));
}

bool log_row(struct task *t, const struct record *record, struct slice *id)
{
    struct log_state log = {.table = t->op->table};
    if (log_header_get(record->value, &log.header) != ERR_OK) {
        return false;
    }
    *id = id_row(t, &log, t->op->id);
    return true;
}

/* Takes the version with the op's id away, if there is one. */
static enum err replace(struct task *t, struct log_state *log)
{
    struct lookup l = {.engine = t->model->engine, .key = id_row(t, log, t->op->id)};
    const enum err err = row_find(t, &l);
    if (err != ERR_OK) {
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    uint64_t number;
    struct slice value = l.record.value;
    if (!varint_take(&value, &number)) {
        return ERR_CORRUPT;
    }
    log->header.count--;
    row_erase(t, version_row(t, log, number));
    return ERR_OK;
}

static void append(struct task *t, struct log_state *log)
{
    uint8_t bytes[VARINT_MAX];
    const struct log_version version = {.time_ms = t->moment->now_ms,
                                        .id = t->op->id,
                                        .author = t->op->author,
                                        .value = t->op->value};
    const uint64_t number = log->header.next++;
    log->header.count++;
    row_put(t, version_row(t, log, number), log_version_put(&version, t->run->arena));
    const size_t size = (size_t)(varint_put(bytes, number) - bytes);
    row_put(t, id_row(t, log, t->op->id), slice_of(bytes, size));
}

enum err op_log_append(struct task *t)
{
    struct place p;
    struct log_state log;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = log_open(t, &p, &log);
    }
    if (err != ERR_OK) {
        return err;
    }
    const uint64_t expiry_ms = expiry_of(t, &p, true);
    if (is_past(t, expiry_ms)) {
        t->result->mod_revision = t->moment->revision;
        return record_erase(t, &p);
    }
    if (!log.exists) {
        log.header.incarnation = t->model->state.next_incarnation++;
    } else if ((t->op->flags & OP_LOG_REPLACE) != 0) {
        err = replace(t, &log);
    }
    if (err != ERR_OK) {
        return err;
    }
    append(t, &log);
    uint8_t bytes[3 * VARINT_MAX];
    const struct change change = {.kind = RECORD_LOG,
                                  .value = slice_of(bytes, log_header_put(bytes, &log.header)),
                                  .expiry_ms = expiry_ms,
                                  .is_collection_kept = true};
    t->result->count = log.header.count;
    return record_write(t, &p, &change, t->result);
}

/* One version as a row of the answer. */
static enum err answer_version(struct task *t, struct rows *rows, const struct record *record)
{
    struct log_version version;
    const enum err err = log_version_get(record->value, &version);
    if (err != ERR_OK || record->key.size < 8) {
        return ERR_CORRUPT;
    }
    struct row *row = rows_add(t, rows, record->value.size);
    row->key = scanned_bytes(t, version.id);
    row->author = scanned_bytes(t, version.author);
    row->value = scanned_bytes(t, version.value);
    row->number = (int64_t)version.time_ms;
    row->mod_revision = big_endian_get(record->key.data + record->key.size - 8);
    row->create_revision = record->create_revision;
    row->type = TYPE_LOG;
    return ERR_OK;
}

/* Which versions are read. */
struct wanted {
    uint64_t below; /* version number */
    uint64_t limit; /* 0: none */
    bool is_oldest_first;
    bool may_be_cut; /* a full answer is no error: there is more */
};

/* The newest one alone needs no walk, so that it can be had where a walk would have to wait. */
static enum err read_newest(struct task *t, const struct log_state *log, struct rows *rows)
{
    struct lookup l = {.engine = t->model->engine,
                       .key = version_row(t, log, log->header.next - 1)};
    const enum err err = row_find(t, &l);
    if (err == ERR_OK) {
        l.record.key = l.key;
        return answer_version(t, rows, &l.record);
    }
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

static enum err read_versions(struct task *t, const struct log_state *log, const struct wanted *w,
                              struct rows *rows)
{
    struct scan scan = {0};
    struct record record;
    enum err err = rows_open(t, &scan, version_row(t, log, 0), version_row(t, log, w->below),
                             !w->is_oldest_first);
    while (err == ERR_OK && (err = scan_next(&scan, &record)) == ERR_OK) {
        const bool is_full = rows_are_full(t, rows);
        if (is_full && !w->may_be_cut) {
            err = ERR_TOO_LARGE;
        } else if (is_full || (w->limit > 0 && rows->count == w->limit)) {
            t->result->is_more = w->may_be_cut;
            err = ERR_NOT_FOUND;
        } else {
            err = answer_version(t, rows, &record);
        }
    }
    scan_close(&scan);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err read_log(struct task *t, const struct wanted *wanted)
{
    struct place p;
    struct log_state log;
    struct rows rows = {0};
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = log_open(t, &p, &log);
    }
    if (err != ERR_OK || !log.exists) {
        return err;
    }
    result_of_place(t->result, &p);
    t->result->count = log.header.count;
    const bool is_newest = !wanted->is_oldest_first && !wanted->may_be_cut && wanted->limit == 1;
    struct wanted w = *wanted;
    w.below = w.below == 0 || w.below > log.header.next ? log.header.next : w.below;
    err = is_newest ? read_newest(t, &log, &rows) : read_versions(t, &log, &w, &rows);
    rows_answer(t, &rows);
    return err;
}

enum err op_log_read(struct task *t)
{
    const int64_t number = t->op->number;
    const struct wanted wanted = {.limit = number == -1 ? 0
                                           : number > 0 ? (uint64_t)number
                                                        : 1,
                                  .is_oldest_first = number == -2};
    return read_log(t, &wanted);
}

enum err op_log_range(struct task *t)
{
    const struct wanted wanted = {
        .below = (uint64_t)t->op->number, .limit = t->op->limit, .may_be_cut = true};
    return read_log(t, &wanted);
}
