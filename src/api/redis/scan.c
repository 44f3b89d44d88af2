/* scan.c - walks over keys and members: SCAN, SSCAN, KEYS, RANDOMKEY.
 *
 * A cursor is the number of a resume point that the router keeps (router.h): behind which key the
 * walk goes on. Keys are walked shard after shard, in order; so a key that is there all the time is
 * met exactly once. A cursor whose point is gone is an error, never a new beginning. */
#include <inttypes.h>
#include <stdio.h>

#include "api/redis/session.h"
#include "router/draw.h"

#define PAGE_BYTES     ((size_t)256 << 10)
#define SCAN_ANSWER    ((size_t)8 << 20) /* bytes of keys; then a step ends early */
#define SCAN_COUNT     10                /* when nothing is said */
#define SCAN_COUNT_MAX 1000000

/* ---- Options ---- */

struct scan_options {
    struct slice pattern; /* NULL data: any */
    struct slice type;    /* NULL data: any */
    uint64_t count;
};

static bool read_options(struct task *t, size_t from, bool is_scan, struct scan_options *o)
{
    *o = (struct scan_options){.count = SCAN_COUNT};
    for (size_t i = from; i < t->arg_count; i += 2) {
        int64_t count = 0;
        const bool has_value = i + 1 < t->arg_count;
        if (has_value && arg_is(t, i, "match")) {
            o->pattern = t->args[i + 1];
        } else if (has_value && is_scan && arg_is(t, i, "type")) {
            o->type = t->args[i + 1];
        } else if (has_value && arg_is(t, i, "count")) {
            if (!arg_integer(t, i + 1, &count)) {
                return false;
            }
            if (count < 1) {
                (void)task_syntax_error(t);
                return false;
            }
            o->count = count < SCAN_COUNT_MAX ? (uint64_t)count : SCAN_COUNT_MAX;
        } else {
            (void)task_syntax_error(t);
            return false;
        }
    }
    return true;
}

static bool fits(const struct scan_options *o, struct slice name, uint8_t type)
{
    static const char *const names[TYPE_COUNT_] = {
        [TYPE_STRING] = "string", [TYPE_SET] = "set", [TYPE_LOG] = "log"};
    if (o->type.data != NULL &&
        (type >= TYPE_COUNT_ || names[type] == NULL || !resp_is(o->type, names[type]))) {
        return false;
    }
    return o->pattern.data == NULL || glob_match(o->pattern, name, false);
}

/* What was found so far, as bulk strings. */
struct names {
    struct buf bytes;
    size_t count;
};

static void take_rows(struct names *names, const struct scan_options *o, const struct row *rows,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fits(o, rows[i].key, rows[i].type)) {
            resp_bulk(&names->bytes, rows[i].key);
            names->count++;
        }
    }
}

/* ---- Cursors ---- */

static bool bad_cursor(struct task *t)
{
    (void)task_error(t, ERR_INVALID, "ERR invalid cursor");
    return false;
}

static bool parse_cursor(struct slice text, uint64_t *cursor)
{
    *cursor = 0;
    for (size_t i = 0; i < text.size; i++) {
        const unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(*cursor, UINT64_C(10), cursor) ||
            __builtin_add_overflow(*cursor, digit, cursor)) {
            return false;
        }
    }
    return text.size > 0;
}

/* Cursor 0 is the beginning. Bytes of the point are copied for the task. */
static bool find_point(struct task *t, size_t index, struct slice owner, struct cursor_point *point)
{
    uint64_t cursor = 0;
    *point = (struct cursor_point){.table = t->session->table_id};
    if (!parse_cursor(t->args[index], &cursor)) {
        return bad_cursor(t);
    }
    if (cursor == 0) {
        return true;
    }
    struct arena arena = {0};
    const enum err err = router_cursor_find(t->session->router, cursor, &arena, point);
    const bool is_right =
        err == ERR_OK && point->table == t->session->table_id && slice_equal(point->owner, owner);
    if (is_right) {
        point->after = task_copy(t, point->after); /* with data even if it is empty */
    }
    arena_deinit(&arena);
    return is_right || bad_cursor(t);
}

static void write_answer(struct buf *out, uint64_t cursor, const struct names *names)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%" PRIu64, cursor);
    resp_array(out, 2);
    resp_bulk_text(out, text);
    resp_array(out, names->count);
    buf_append_slice(out, buf_slice(&names->bytes));
}

/* ---- One op: SSCAN, and walks over keys inside EXEC ---- */

struct op_scan {
    struct scan_options options;
    struct slice owner; /* the set; of keys: empty */
    uint32_t table;
};

static void encode_scan(struct task *t, struct buf *out, const struct result *result)
{
    const struct op_scan *scan = t->state;
    struct names names = {0};
    uint64_t cursor = 0;
    if (result->err != ERR_OK && result->err != ERR_NOT_FOUND) {
        task_fail(t, out, result->err);
        return;
    }
    take_rows(&names, &scan->options, result->rows, result->row_count);
    if (result->is_more && result->row_count > 0) {
        const struct cursor_point point = {.table = scan->table,
                                           .owner = scan->owner,
                                           .after = result->rows[result->row_count - 1].key};
        cursor = router_cursor_keep(t->session->router, &point);
    }
    write_answer(out, cursor, &names);
    buf_deinit(&names.bytes);
}

static struct op_scan *op_scan_new(struct task *t, struct slice owner)
{
    struct op_scan *scan = task_memory(t, sizeof(*scan));
    *scan = (struct op_scan){.owner = owner, .table = t->session->table_id};
    t->state = scan;
    t->encode = encode_scan;
    return scan;
}

enum verdict redis_sscan(struct task *t)
{
    struct op_scan *scan = op_scan_new(t, t->args[1]);
    struct cursor_point point;
    if (!find_point(t, 2, scan->owner, &point) || !read_options(t, 3, false, &scan->options)) {
        return TASK_REPLIED;
    }
    struct op *op = task_op(t, OP_SET_RANGE_MEMBERS, scan->owner);
    op->limit = scan->options.count;
    if (point.after.data != NULL) {
        op->other = point.after;
        op->flags = OP_AFTER;
    }
    return TASK_CALLS;
}

static enum verdict exec_scan(struct task *t, const struct cursor_point *point,
                              const struct scan_options *options)
{
    op_scan_new(t, slice_of(NULL, 0))->options = *options;
    struct op *op = task_op(t, OP_RANGE, point->after);
    op->limit = options->count;
    op->flags = (uint16_t)(OP_KEYS_ONLY | (point->after.data != NULL ? OP_AFTER : 0));
    return TASK_CALLS;
}

static void encode_keys(struct task *t, struct buf *out, const struct result *result)
{
    const struct op_scan *scan = t->state;
    struct names names = {0};
    if (result->err != ERR_OK || result->is_more) {
        task_fail(t, out, result->is_more ? ERR_TOO_LARGE : result->err);
        return;
    }
    take_rows(&names, &scan->options, result->rows, result->row_count);
    resp_array(out, names.count);
    buf_append_slice(out, buf_slice(&names.bytes));
    buf_deinit(&names.bytes);
}

static enum verdict exec_keys(struct task *t, struct slice from, struct slice to)
{
    op_scan_new(t, slice_of(NULL, 0))->options.pattern = t->args[1];
    struct op *op = task_op(t, OP_RANGE, from);
    op->other = to;
    op->flags = OP_KEYS_ONLY;
    t->encode = encode_keys;
    return TASK_CALLS;
}

/* ---- Walks over keys ---- */

struct walk {
    struct task *task;
    struct source *source;
    struct source_page page;
    struct scan_options options;
    struct names names; /* what fits */
    struct buf last;    /* SCAN: the last key seen in this shard */
    bool has_last;
    uint64_t left; /* SCAN: keys still to look at */
    uint32_t shard;
    uint32_t end_shard;
};

static struct walk *walk_new(struct task *t)
{
    struct walk *w = mem_zero(1, sizeof(*w));
    w->task = t;
    w->page.bytes_max = PAGE_BYTES;
    w->page.arg = w;
    return w;
}

/* Ends the command; its reply is written. */
static void walk_end(struct walk *w)
{
    struct task *t = w->task;
    if (w->source != NULL) {
        source_close(&w->source);
    }
    buf_deinit(&w->names.bytes);
    buf_deinit(&w->last);
    mem_free(w);
    task_finish(t);
}

static void walk_fail(struct walk *w, enum err err)
{
    task_fail(w->task, task_reply(w->task), err);
    walk_end(w);
}

static void take_page(struct walk *w)
{
    take_rows(&w->names, &w->options, w->page.rows, w->page.row_count);
}

/* ---- KEYS ---- */

static void on_keys_page(struct source_page *page)
{
    struct walk *w = page->arg;
    take_page(w);
    if (page->err != ERR_OK || w->names.bytes.size > REDIS_ANSWER_MAX || task_is_gone(w->task)) {
        walk_fail(w, page->err != ERR_OK ? page->err : ERR_TOO_LARGE);
        return;
    }
    if (!page->is_end) {
        source_next(w->source, page);
        return;
    }
    struct buf *out = task_reply(w->task);
    resp_array(out, w->names.count);
    buf_append_slice(out, buf_slice(&w->names.bytes));
    walk_end(w);
}

static bool is_special(uint8_t byte)
{
    return byte == '*' || byte == '?' || byte == '[' || byte == '\\';
}

/* What every match begins with. */
static struct slice literal_prefix(struct slice pattern)
{
    size_t size = 0;
    while (size < pattern.size && !is_special(pattern.data[size])) {
        size++;
    }
    return slice_of(pattern.data, size);
}

/* The first key behind all that begin with `prefix`; no data: there is none. */
static struct slice behind_prefix(struct task *t, struct slice prefix)
{
    while (prefix.size > 0 && prefix.data[prefix.size - 1] == 0xff) {
        prefix.size--;
    }
    if (prefix.size == 0) {
        return slice_of(NULL, 0);
    }
    uint8_t *to = task_memory(t, prefix.size);
    memcpy(to, prefix.data, prefix.size);
    to[prefix.size - 1]++;
    return slice_of(to, prefix.size);
}

enum verdict redis_keys(struct task *t)
{
    struct redis_session *s = t->session;
    const struct slice prefix = literal_prefix(t->args[1]);
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = s->table_id,
                                         .from = prefix,
                                         .to = behind_prefix(t, prefix),
                                         .keys_only = true};
    if (t->exec != NULL) {
        return exec_keys(t, config.from, config.to);
    }
    struct walk *w = walk_new(t);
    w->options.pattern = t->args[1];
    w->page.done = on_keys_page;
    w->source = source_open(s->router, &config);
    source_next(w->source, &w->page);
    return TASK_LATER;
}

/* ---- SCAN ---- */

static void scan_shard(struct walk *w);

static void scan_answer(struct walk *w, bool is_end)
{
    struct redis_session *s = w->task->session;
    uint64_t cursor = 0;
    if (!is_end) {
        const struct slice none = {NULL, 0};
        const struct cursor_point point = {.table = s->table_id,
                                           .shard = w->shard,
                                           .after = w->has_last ? buf_slice(&w->last) : none};
        cursor = router_cursor_keep(s->router, &point);
    }
    write_answer(task_reply(w->task), cursor, &w->names);
    walk_end(w);
}

static void on_scan_page(struct source_page *page)
{
    struct walk *w = page->arg;
    take_page(w);
    if (page->err != ERR_OK || task_is_gone(w->task)) {
        walk_fail(w, page->err != ERR_OK ? page->err : ERR_CANCELED);
        return;
    }
    if (page->row_count > 0) {
        buf_clear(&w->last);
        buf_append_slice(&w->last, page->rows[page->row_count - 1].key);
        (void)buf_reserve(&w->last, 1); /* the empty key is a key, too */
        w->has_last = true;
        w->left -= page->row_count < w->left ? page->row_count : w->left;
    }
    if (w->left == 0 || w->names.bytes.size > SCAN_ANSWER) {
        scan_answer(w, false);
        return;
    }
    if (!page->is_end) {
        source_next(w->source, page);
        return;
    }
    w->has_last = false;
    source_close(&w->source);
    if (++w->shard >= w->end_shard) {
        scan_answer(w, true);
        return;
    }
    scan_shard(w);
}

static void scan_shard(struct walk *w)
{
    struct redis_session *s = w->task->session;
    const struct slice none = {NULL, 0};
    const struct source_config config = {.kind = SOURCE_SHARD,
                                         .table = s->table_id,
                                         .shard = w->shard,
                                         .from = w->has_last ? buf_slice(&w->last) : none,
                                         .is_after = w->has_last,
                                         .limit = w->left,
                                         .keys_only = true};
    w->source = source_open(s->router, &config);
    source_next(w->source, &w->page);
}

enum verdict redis_scan(struct task *t)
{
    struct redis_session *s = t->session;
    const struct table *table = router_table_by_id(s->router, s->table_id);
    struct cursor_point point;
    struct scan_options options;
    if (!find_point(t, 1, slice_of(NULL, 0), &point) || !read_options(t, 2, true, &options)) {
        return TASK_REPLIED;
    }
    if (t->exec != NULL) {
        return exec_scan(t, &point, &options);
    }
    const bool is_one = table != NULL && table->options.partition == PARTITION_TABLE;
    const uint32_t first = is_one ? table->shard : 0;
    struct walk *w = walk_new(t);
    w->options = options;
    w->left = options.count;
    w->shard = point.shard > first ? point.shard : first;
    w->end_shard = is_one ? table->shard + 1 : router_shards(s->router);
    w->page.done = on_scan_page;
    w->has_last = point.after.data != NULL;
    if (w->has_last) {
        buf_append_slice(&w->last, point.after);
        (void)buf_reserve(&w->last, 1); /* the empty key is a key, too */
    }
    scan_shard(w);
    return TASK_LATER;
}

/* ---- RANDOMKEY ---- */

static void on_drawn(struct draw *d)
{
    struct task *t = d->arg;
    encode_member(t, task_reply(t), &d->call.result);
    task_finish(t);
}

enum verdict redis_randomkey(struct task *t)
{
    if (t->exec != NULL) {
        (void)task_op(t, OP_RANDOM_KEY, slice_of(NULL, 0));
        t->encode = encode_member;
        return TASK_CALLS;
    }
    struct draw *d = task_memory(t, sizeof(*d));
    *d = (struct draw){.table = t->session->table_id, .done = on_drawn, .arg = t};
    router_draw(t->session->router, d);
    return TASK_LATER;
}
