/* keys.c - keys whatever their values are: existence, type, names, what is known about them. */
#include "api/redis/session.h"
#include "base/check.h"

/* ---- DEL EXISTS TOUCH ---- */

static enum verdict each_key(struct task *t, enum op_kind kind, enum op_flag flags)
{
    const size_t count = t->arg_count - 1;
    if (count > REDIS_KEYS_MAX) {
        return task_errorf(t, ERR_TOO_LARGE, "ERR more than %zu keys in one command",
                           REDIS_KEYS_MAX);
    }
    if (count == 1) {
        task_op(t, kind, t->args[1])->flags = (uint16_t)flags;
        t->encode = encode_found;
        return TASK_CALLS;
    }
    for (size_t i = 1; i < t->arg_count; i++) {
        task_part(t, kind, t->args[i])->flags = (uint16_t)flags;
    }
    t->encode = encode_add_found;
    t->finish = finish_number;
    return TASK_CALLS;
}

enum verdict redis_del(struct task *t)
{
    return each_key(t, OP_DELETE, 0);
}

enum verdict redis_exists(struct task *t)
{
    return each_key(t, OP_STAT, OP_NO_TOUCH);
}

enum verdict redis_touch(struct task *t)
{
    return each_key(t, OP_STAT, 0);
}

/* ---- TYPE ---- */

static const char *type_name(uint8_t type)
{
    switch ((enum value_type)type) {
    case TYPE_NONE:
        return "none";
    case TYPE_STRING:
        return "string";
    case TYPE_SET:
        return "set";
    case TYPE_LOG:
        return "log";
    case TYPE_COUNT_:
        break;
    }
    UNREACHABLE("no such type");
}

static void encode_type(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK || result->err == ERR_NOT_FOUND) {
        resp_simple(out, result->err == ERR_OK ? type_name(result->type) : "none");
    } else {
        task_fail(t, out, result->err);
    }
}

enum verdict redis_type(struct task *t)
{
    task_op(t, OP_STAT, t->args[1])->flags = OP_NO_TOUCH;
    t->encode = encode_type;
    return TASK_CALLS;
}

/* ---- RENAME COPY ---- */

enum rename_mode {
    RENAME_ALWAYS,
    RENAME_IF_FREE
};

static void encode_rename(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK) {
        task_fail(t, out, result->err);
    } else if (t->mode == RENAME_ALWAYS) {
        resp_simple(out, "OK");
    } else {
        resp_integer(out, (int64_t)result->count);
    }
}

/* A key renamed to itself stays: only its existence is asked for. */
static void encode_rename_same(struct task *t, struct buf *out, const struct result *result)
{
    struct result same = *result;
    same.count = 0;
    encode_rename(t, out, &same);
}

static enum verdict rename_key(struct task *t, enum rename_mode mode)
{
    t->mode = mode;
    if (slice_equal(t->args[1], t->args[2])) {
        (void)task_op(t, OP_STAT, t->args[1]);
        t->encode = encode_rename_same;
        return TASK_CALLS;
    }
    struct op *op = task_op(t, OP_RENAME, t->args[1]);
    op->other = t->args[2];
    op->flags = mode == RENAME_ALWAYS ? OP_REPLACE : 0;
    t->encode = encode_rename;
    return TASK_CALLS;
}

enum verdict redis_rename(struct task *t)
{
    return rename_key(t, RENAME_ALWAYS);
}

enum verdict redis_renamenx(struct task *t)
{
    return rename_key(t, RENAME_IF_FREE);
}

enum verdict redis_copy(struct task *t)
{
    struct redis_session *s = t->session;
    const struct table *other = router_table_by_id(s->router, s->table_id);
    bool replaces = false;
    for (size_t i = 3; i < t->arg_count; i++) {
        if (arg_is(t, i, "replace")) {
            replaces = true;
        } else if (arg_is(t, i, "db") && i + 1 < t->arg_count) {
            other = session_find_table(t, ++i, NULL);
            if (other == NULL) {
                return TASK_REPLIED;
            }
        } else {
            return task_syntax_error(t);
        }
    }
    CHECK(other != NULL);
    if (other->id == s->table_id && slice_equal(t->args[1], t->args[2])) {
        return task_error(t, ERR_INVALID, "ERR source and destination objects are the same");
    }
    if ((other->options.engine == TABLE_MEMORY) != s->table_is_memory) {
        return task_error(t, ERR_CROSS_SHARD,
                          "CROSSSLOT a memory table and a disk table have no shard in common");
    }
    struct op *op = task_op(t, OP_COPY, t->args[1]);
    op->other_table = other->id;
    op->other = t->args[2];
    op->flags = replaces ? OP_REPLACE : 0;
    t->encode = encode_count;
    return TASK_CALLS;
}

/* ---- OBJECT ---- */

/* As Redis 7.0 would keep it. */
#define EMBEDDED_MAX 44  /* bytes of a string of one piece */
#define INTSET_MAX   512 /* members */

enum encoding {
    ENCODING_NONE, /* the key is missing */
    ENCODING_INT,
    ENCODING_EMBSTR,
    ENCODING_RAW,
    ENCODING_INTSET,
    ENCODING_HASHTABLE,
    ENCODING_LOG
};

static bool all_are_integers(const struct result *result)
{
    for (size_t i = 0; i < result->row_count; i++) {
        int64_t number = 0;
        if (!parse_int64(result->rows[i].key, &number)) {
            return false;
        }
    }
    return true;
}

/* Part 0 is the STAT, part 1 the first members if it is a set. */
static void encode_encoding(struct task *t, struct buf *out, const struct result *result)
{
    (void)out;
    if (t->index == 1) {
        t->number =
            result->err == ERR_OK && result->row_count <= INTSET_MAX && all_are_integers(result);
        return;
    }
    if (!task_note(t, result) || result->err == ERR_NOT_FOUND) {
        return;
    }
    if (result->type == TYPE_SET) {
        t->mode = ENCODING_HASHTABLE;
    } else if (result->type == TYPE_STRING) {
        const bool is_short = result->count <= EMBEDDED_MAX;
        t->mode = is_short ? ENCODING_EMBSTR : ENCODING_RAW;
        t->mode = result->is_integer ? ENCODING_INT : t->mode;
    } else {
        t->mode = ENCODING_LOG;
    }
}

static void finish_encoding(struct task *t, struct buf *out)
{
    static const char *const names[] = {
        [ENCODING_INT] = "int",       [ENCODING_EMBSTR] = "embstr",       [ENCODING_RAW] = "raw",
        [ENCODING_INTSET] = "intset", [ENCODING_HASHTABLE] = "hashtable", [ENCODING_LOG] = "log"};
    if (task_failed(t, out)) {
        return;
    }
    if (t->mode == ENCODING_NONE) {
        resp_null(out, t->session->version);
        return;
    }
    const bool is_intset = t->mode == ENCODING_HASHTABLE && t->number != 0;
    resp_bulk_text(out, names[is_intset ? ENCODING_INTSET : t->mode]);
}

static enum verdict object_encoding(struct task *t)
{
    task_part(t, OP_STAT, t->args[2])->flags = OP_NO_TOUCH;
    struct op *op = task_part(t, OP_SET_COMBINE, t->args[2]);
    op->number = SET_UNION;
    op->items = task_items(t, 2, 1);
    op->item_count = 1;
    op->limit = INTSET_MAX + 1;
    op->flags = OP_NO_TOUCH;
    t->encode = encode_encoding;
    t->finish = finish_encoding;
    return TASK_CALLS;
}

static void encode_refcount(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        resp_integer(out, t->number);
    } else if (result->err == ERR_NOT_FOUND) {
        resp_null(out, t->session->version);
    } else {
        task_fail(t, out, result->err);
    }
}

static enum verdict object_number(struct task *t, int64_t number)
{
    task_op(t, OP_STAT, t->args[2])->flags = OP_NO_TOUCH;
    t->number = number;
    t->encode = encode_refcount;
    return TASK_CALLS;
}

static enum verdict object_refcount(struct task *t)
{
    return object_number(t, 1);
}

/* When a key was last used is not kept. */
static enum verdict object_idletime(struct task *t)
{
    return object_number(t, 0);
}

static void encode_freq(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err == ERR_OK) {
        task_fail_text(t, out, ERR_INVALID,
                       "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                       "Please note that when switching between policies at runtime LRU and LFU "
                       "data will take some time to adjust.");
    } else {
        encode_string(t, out, result);
    }
}

static enum verdict object_freq(struct task *t)
{
    task_op(t, OP_STAT, t->args[2])->flags = OP_NO_TOUCH;
    t->encode = encode_freq;
    return TASK_CALLS;
}

static enum verdict object_help(struct task *t)
{
    static const char *const lines[] = {
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "ENCODING <key>",
        "    Return how Redis would keep the value of <key>.",
        "FREQ <key>",
        "    Return how often <key> is used; not tracked.",
        "IDLETIME <key>",
        "    Return 0: when a key was last used is not tracked.",
        "REFCOUNT <key>",
        "    Return 1.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_object(struct task *t)
{
    static const struct subcommand subs[] = {{"encoding", object_encoding, 3},
                                             {"freq", object_freq, 3},
                                             {"help", object_help, 2},
                                             {"idletime", object_idletime, 3},
                                             {"refcount", object_refcount, 3}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}

/* ---- MEMORY ---- */

#define RECORD_BYTES  64 /* of a record besides key and value, about */
#define ELEMENT_BYTES 48 /* of a member or version, about */

static void encode_usage(struct task *t, struct buf *out, const struct result *result)
{
    if (result->err != ERR_OK) {
        encode_string(t, out, result);
        return;
    }
    const bool is_string = result->type == TYPE_STRING;
    const uint64_t value = is_string ? result->count : result->count * ELEMENT_BYTES;
    resp_integer(out, t->number + RECORD_BYTES + (int64_t)(result->is_integer ? 8 : value));
}

static enum verdict memory_usage(struct task *t)
{
    int64_t samples = 0;
    if (t->arg_count > 3) {
        if (t->arg_count != 5 || !arg_is(t, 3, "samples")) {
            return task_syntax_error(t);
        }
        if (!arg_integer(t, 4, &samples)) {
            return TASK_REPLIED;
        }
        if (samples < 0) {
            return task_syntax_error(t);
        }
    }
    task_op(t, OP_STAT, t->args[2])->flags = OP_NO_TOUCH;
    t->number = (int64_t)t->args[2].size;
    t->encode = encode_usage;
    return TASK_CALLS;
}

static enum verdict memory_doctor(struct task *t)
{
    resp_verbatim(t->out, t->session->version, SLICE("There is nothing to diagnose.\n"));
    return TASK_REPLIED;
}

static enum verdict memory_help(struct task *t)
{
    static const char *const lines[] = {
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Return a report.",
        "PURGE",
        "    Do nothing: memory is given back as it becomes free.",
        "USAGE <key> [SAMPLES <count>]",
        "    Return about how many bytes <key> and its value take.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_memory(struct task *t)
{
    static const struct subcommand subs[] = {{"doctor", memory_doctor, 2},
                                             {"help", memory_help, 2},
                                             {"purge", task_ok, 2},
                                             {"usage", memory_usage, -3}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
