/* Records of any type: conditions, expire, delete, copy, rename. */
#include "model/state.h"
#include "model/varint.h"

#define COPY_CHUNK 256 /* rows */

void result_of_place(struct result *result, const struct place *p)
{
    if (p->is_live) {
        result_of_record(result, &p->lookup->record);
    }
}

static bool condition_holds(const struct op *op, const struct place *p)
{
    const uint64_t revision = p->is_live ? p->lookup->record.mod_revision : 0;
    const uint64_t expiry_ms = p->is_live ? p->lookup->record.expiry_ms : 0;
    const uint64_t now = expiry_ms == 0 ? UINT64_MAX : expiry_ms; /* none is infinite */
    const uint64_t wanted = op->expiry_ms == 0 ? UINT64_MAX : op->expiry_ms;
    switch ((enum op_condition)op->condition) {
    case IF_ANY:
        return true;
    case IF_ABSENT:
        return !p->is_live;
    case IF_PRESENT:
        return p->is_live;
    case IF_REVISION:
        return revision == op->revision;
    case IF_NOT_REVISION:
        return revision != op->revision;
    case EXPIRE_NX:
        return expiry_ms == 0;
    case EXPIRE_XX:
        return expiry_ms != 0;
    case EXPIRE_GT:
        return wanted > now;
    case EXPIRE_LT:
        return wanted < now;
    case EXPIRE_XX_LT:
        return expiry_ms != 0 && wanted < now;
    }
    return false;
}

enum err place_check_condition(struct task *t, const struct place *p)
{
    if (condition_holds(t->op, p)) {
        return ERR_OK;
    }
    result_of_place(t->result, p);
    return ERR_CONFLICT;
}

enum err op_expire(struct task *t)
{
    struct place p;
    enum err err = place_find(t, &p);
    if (err != ERR_OK || !p.is_live) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    err = string_previous(t, &p);
    if (err != ERR_OK) {
        return err;
    }
    result_of_place(t->result, &p);
    if (!condition_holds(t->op, &p)) {
        return ERR_OK;
    }
    t->result->count = 1;
    const struct record *old = &p.lookup->record;
    const struct change change = {.kind = old->type,
                                  .value = old->value,
                                  .expiry_ms = t->op->expiry_ms,
                                  .is_collection_kept = true};
    return record_write(t, &p, &change, t->result);
}

enum err op_delete(struct task *t)
{
    struct place p;
    enum err err = place_find(t, &p);
    if (err == ERR_OK && !p.is_live && t->op->condition == IF_PRESENT) {
        return ERR_NOT_FOUND;
    }
    if (err == ERR_OK) {
        err = string_previous(t, &p);
    }
    if (err == ERR_OK) {
        err = place_check_condition(t, &p);
    }
    if (err != ERR_OK || !p.is_live) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    result_of_place(t->result, &p);
    t->result->mod_revision = t->moment->revision;
    return record_erase(t, &p);
}

/* A range of element rows, and where it is copied to. */
struct transfer {
    struct slice from; /* of the next chunk */
    struct slice to;
    size_t head;             /* bytes that name the collection */
    struct slice other_head; /* the same of the copy */
};

/* Copies up to COPY_CHUNK rows; `arena` is empty and is filled. ERR_NOT_FOUND: it was the last. */
static enum err copy_chunk(struct task *t, struct transfer *x, struct arena *arena)
{
    struct slice keys[COPY_CHUNK];
    struct slice values[COPY_CHUNK];
    size_t count = 0;
    struct record record;
    struct scan scan = {0};
    enum err end = rows_open(t, &scan, x->from, x->to, false);
    while (end == ERR_OK && count < COPY_CHUNK) {
        end = scan_next(&scan, &record);
        if (end == ERR_OK) {
            const struct slice rest = row_rest(record.key, x->head);
            uint8_t *key = arena_get(arena, x->other_head.size + rest.size);
            (void)slice_put(slice_put(key, x->other_head), rest);
            keys[count] = slice_of(key, x->other_head.size + rest.size);
            values[count++] = arena_copy(arena, record.value);
        }
    }
    if (end == ERR_OK) { /* on behind the last row */
        x->from = row_after(t, record.key);
    }
    scan_close(&scan);
    for (size_t i = 0; i < count && (end == ERR_OK || end == ERR_NOT_FOUND); i++) {
        row_put(t, keys[i], values[i]);
    }
    return end;
}

/* Copies the rows of a collection in `table` to a new incarnation in `other`. */
static enum err copy_elements(struct task *t, uint32_t table, uint64_t incarnation, uint32_t other,
                              uint64_t *other_incarnation)
{
    uint8_t from[ROW_ELEMENT_HEAD];
    uint8_t head[ROW_ELEMENT_HEAD];
    struct transfer x = {0};
    x.head = (size_t)(row_element_head(from, table, incarnation) - from);
    x.from = slice_of(from, x.head);
    x.to = range_end_of(t, x.from);
    *other_incarnation = t->model->state.next_incarnation++;
    x.other_head =
        slice_of(head, (size_t)(row_element_head(head, other, *other_incarnation) - head));
    enum err err;
    do {
        struct arena arena = {0};
        err = copy_chunk(t, &x, &arena);
        arena_deinit(&arena);
    } while (err == ERR_OK);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* The value of a header of `kind` with another incarnation; its rows are copied to there. */
static enum err copy_collection(struct task *t, const struct record *record, uint32_t table,
                                uint32_t other, struct slice *value)
{
    uint8_t *bytes = arena_get(t->run->arena, 3 * VARINT_MAX);
    enum err err;
    if (record->type == RECORD_SET) {
        struct set_header header;
        err = set_header_get(record->value, &header);
        if (err == ERR_OK) {
            err = copy_elements(t, table, header.incarnation, other, &header.incarnation);
        }
        *value = slice_of(bytes, err == ERR_OK ? set_header_put(bytes, &header) : 0);
        return err;
    }
    struct log_header header;
    err = log_header_get(record->value, &header);
    if (err == ERR_OK) {
        err = copy_elements(t, table, header.incarnation, other, &header.incarnation);
    }
    *value = slice_of(bytes, err == ERR_OK ? log_header_put(bytes, &header) : 0);
    return err;
}

/* Finds both records. `*is_done`: the answer stands already, nothing is to be changed. */
static enum err find_both(struct task *t, struct place *from, struct place *to, struct lookup *room,
                          bool *is_done)
{
    const uint32_t id = t->op->kind == OP_COPY ? t->op->other_table : t->op->table;
    struct table *table = table_find(t->model, id);
    enum err err = place_find(t, from);
    if (err != ERR_OK || !from->is_live || table == NULL) {
        return err == ERR_OK ? ERR_NOT_FOUND : err;
    }
    result_of_place(t->result, from);
    err = place_find_other(t, to, room, table, t->op->other);
    const bool is_same = slice_equal(from->lookup->key, to->lookup->key);
    *is_done = is_same || (to->is_live && (t->op->flags & OP_REPLACE) == 0);
    t->result->count = is_same ? (t->op->flags & OP_REPLACE) != 0 : !*is_done;
    return err;
}

enum err op_copy(struct task *t)
{
    struct place from;
    struct place to;
    struct lookup room;
    bool is_done;
    enum err err = find_both(t, &from, &to, &room, &is_done);
    if (err != ERR_OK || is_done) {
        return err;
    }
    const struct record *record = &from.lookup->record;
    struct change change = {
        .kind = record->type, .value = record->value, .expiry_ms = record->expiry_ms};
    if (record->type == RECORD_SET || record->type == RECORD_LOG) {
        err = copy_collection(t, record, t->op->table, t->op->other_table, &change.value);
        if (err != ERR_OK) {
            return err;
        }
    }
    return record_write(t, &to, &change, t->result);
}

/* In the same table the rows of a collection stay where they are: only the header moves. */
enum err op_rename(struct task *t)
{
    struct place from;
    struct place to;
    struct lookup room;
    bool is_done;
    enum err err = find_both(t, &from, &to, &room, &is_done);
    if (err != ERR_OK || is_done) {
        return err;
    }
    const struct record *record = &from.lookup->record;
    const struct change change = {
        .kind = record->type, .value = record->value, .expiry_ms = record->expiry_ms};
    err = record_write(t, &to, &change, t->result);
    return err == ERR_OK ? record_erase_header(t, &from) : err;
}
