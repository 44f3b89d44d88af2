/* tables.c - databases and tables: choosing, counting, emptying. */
#include "api/redis/session.h"

const struct table *session_find_table(struct task *t, size_t index, uint32_t *db)
{
    struct redis_session *s = t->session;
    const struct table *table = NULL;
    int64_t number = 0;
    char buffer[8];
    if (parse_int64(t->args[index], &number)) {
        if (number < INT32_MIN || number > INT32_MAX) {
            (void)task_error(t, ERR_INVALID,
                             "ERR value is out of range, value must between -2147483648 and "
                             "2147483647");
            return NULL;
        }
        if (number >= 0 && number < REDIS_DATABASES) {
            table = router_table(s->router, database_name((uint32_t)number, buffer));
        }
        if (table == NULL) {
            (void)task_error(t, ERR_INVALID, "ERR DB index is out of range");
        }
    } else {
        number = REDIS_DATABASES;
        if (table_name_is_valid(t->args[index])) {
            table = router_table(s->router, t->args[index]);
        }
        if (table == NULL) {
            (void)task_error(t, ERR_NOT_A_NUMBER, "ERR value is not an integer or out of range");
        }
    }
    if (db != NULL) {
        *db = (uint32_t)number;
    }
    return table;
}

enum verdict redis_select(struct task *t)
{
    uint32_t db = 0;
    const struct table *table = session_find_table(t, 1, &db);
    if (table == NULL) {
        return TASK_REPLIED;
    }
    session_select(t->session, db, slice_of(table->name, table->name_size));
    return task_ok(t);
}

bool session_table_is_whole(const struct redis_session *s)
{
    const struct table *table = router_table_by_id(s->router, s->table_id);
    return router_shards(s->router) == 1 ||
           (table != NULL && table->options.partition == PARTITION_TABLE);
}

enum verdict redis_dbsize(struct task *t)
{
    const struct redis_session *s = t->session;
    const struct table *table = router_table_by_id(s->router, s->table_id);
    if (t->exec != NULL && session_table_is_whole(s)) {
        (void)task_op(t, OP_COUNT, slice_of(NULL, 0)); /* at its place in the transaction */
        t->encode = encode_count;
        return TASK_CALLS;
    }
    resp_integer(t->out, table == NULL ? 0 : (int64_t)router_table_count(s->router, table));
    return TASK_REPLIED;
}

enum verdict redis_swapdb(struct task *t)
{
    return task_error(t, ERR_UNIMPLEMENTED, "ERR SWAPDB is not supported: tables keep their names");
}

/* ---- FLUSHDB FLUSHALL: one table after the other gets a new id, in O(1) ----
 *
 * Inside MULTI that would not be a part of the transaction; there all records are deleted. */

struct flush {
    struct task *task;
    struct table_change change;
    uint32_t next_db; /* FLUSHALL: still to do */
    uint32_t end_db;
    char buffer[8];
};

static void flush_next(struct flush *f, struct slice name);

static void on_flushed(struct table_change *change)
{
    struct flush *f = change->arg;
    struct task *t = f->task;
    /* A database whose table was never made is empty. */
    const bool is_missing = change->err == ERR_NOT_FOUND;
    if (change->err == ERR_OK || is_missing) {
        if (f->next_db < f->end_db) {
            const uint32_t db = f->next_db++;
            flush_next(f, database_name(db, f->buffer));
            return;
        }
        resp_simple(task_reply(t), "OK");
    } else {
        task_fail(t, task_reply(t), change->err);
    }
    session_refresh_table(t->session);
    task_finish(t);
}

static void flush_next(struct flush *f, struct slice name)
{
    struct table_change *change = &f->change;
    *change =
        (struct table_change){.kind = TABLE_EMPTY, .name = name, .done = on_flushed, .arg = f};
    router_change_table(f->task->session->router, change);
}

static bool flush_options(struct task *t)
{
    return t->arg_count == 1 ||
           (t->arg_count == 2 && (arg_is(t, 1, "async") || arg_is(t, 1, "sync")));
}

static struct flush *flush_new(struct task *t)
{
    struct flush *f = task_memory(t, sizeof(*f));
    *f = (struct flush){.task = t};
    return f;
}

/* All records of one table, as a part of EXEC's transaction. */
static void delete_all(struct task *t, uint32_t table)
{
    task_part(t, OP_DELETE_RANGE, slice_of(NULL, 0))->table = table;
    t->encode = encode_noted;
    t->finish = finish_ok;
}

static enum verdict delete_databases(struct task *t)
{
    for (uint32_t db = 0; db < REDIS_DATABASES; db++) {
        char buffer[8];
        const struct table *table = router_table(t->session->router, database_name(db, buffer));
        if (table != NULL) {
            delete_all(t, table->id);
        }
    }
    return TASK_CALLS;
}

enum verdict redis_flushdb(struct task *t)
{
    if (!flush_options(t)) {
        return task_syntax_error(t);
    }
    if (t->exec != NULL) {
        delete_all(t, t->session->table_id);
        return TASK_CALLS;
    }
    flush_next(flush_new(t), t->session->table_name);
    return TASK_LATER;
}

enum verdict redis_flushall(struct task *t)
{
    if (!flush_options(t)) {
        return task_syntax_error(t);
    }
    if (t->exec != NULL) {
        return delete_databases(t);
    }
    struct flush *f = flush_new(t);
    f->next_db = 1;
    f->end_db = REDIS_DATABASES;
    flush_next(f, database_name(0, f->buffer));
    return TASK_LATER;
}
