/* session.h - the inside of api/redis: what its files share. Not for other folders.
 *
 * The way of a command:
 *
 *   redis_input (session.c)  bytes -> arguments (wire/resp.h)
 *     session_dispatch       finds the command, checks arity, MULTI, barriers
 *       handler              (strings.c, keys.c, ...) arguments -> ops of a task, or a reply
 *     command_start (task.c) hands the ops to the router
 *   on_call_done             result -> `encode` of the task -> reply, in the order of commands
 *
 * Handler and encoder see a struct task only. It is the same whether the command stands alone (the
 * task lies in a struct command, each op is a call) or was queued by MULTI (its ops are part of the
 * one OP_TXN that EXEC sends; multi.c). */
#ifndef API_REDIS_SESSION_H
#define API_REDIS_SESSION_H

#include "api/redis/redis.h"
#include "base/arena.h"
#include "wire/resp.h"

#define REDIS_VERSION       "7.0.15" /* what clients take the server for */
#define REDIS_DATABASES     16
#define REDIS_KEYS_MAX      ((size_t)1 << 17)   /* keys of one command that is split */
#define REDIS_COMMAND_MAX   ((size_t)256 << 20) /* bytes of one command */
#define REDIS_NAME_MAX      63                  /* bytes of CLIENT SETNAME */
#define REDIS_MULTI_MAX     100000              /* commands in a MULTI */
#define REDIS_MULTI_BYTES   ((size_t)64 << 20)  /* of their arguments */
#define REDIS_WATCH_MAX     100000              /* keys watched at once */
#define REDIS_WATCH_BYTES   ((size_t)16 << 20)  /* of their names */
#define REDIS_ANSWER_MAX    ((size_t)64 << 20) /* bytes of an answer put together here (KEYS, LCS) */
#define REDIS_PIECES_MAX    ((size_t)256 << 20) /* bytes of an answer of several values (MGET) */
#define REDIS_READ_WINDOW   16                  /* reads in flight on a new connection, at most */
#define REDIS_READ_BYTES    ((size_t)16 << 20)  /* of answers in flight that are expected */
#define REDIS_OUT_MAX       ((size_t)512 << 20) /* bytes of replies not sent; then we hang up */
#define REDIS_SLOW_MAX      128                 /* entries of SLOWLOG, per loop */
#define REDIS_SLOW_ARGS     32
#define REDIS_SLOW_ARG_SIZE 128

struct task;
struct command;
struct exec;
struct multi;

/* What a handler has done with its task. */
enum verdict {
    TASK_CALLS,   /* filled ops: hand them over */
    TASK_REPLIED, /* wrote the reply to t->out */
    TASK_WAITS,   /* nothing yet: again when all earlier commands are answered */
    TASK_LATER    /* will call task_finish(); nothing else starts before that */
};

typedef enum verdict (*handler_fn)(struct task *t);

/* One result -> its piece of the reply. May set t->failure instead when the task has a `finish`. */
typedef void (*encode_fn)(struct task *t, struct buf *out, const struct result *result);

/* All results have been seen: writes what comes before the pieces (or all there is). */
typedef void (*finish_fn)(struct task *t, struct buf *out);

/* ---- The table of commands (commands.c) ---- */

enum command_flag {
    FLAG_WRITE = 1 << 0,
    FLAG_READ = 1 << 1,
    FLAG_FAST = 1 << 2,
    FLAG_DENYOOM = 1 << 3,
    FLAG_ADMIN = 1 << 4,
    FLAG_DANGEROUS = 1 << 5,
    FLAG_LOADING = 1 << 6, /* answered while recovery goes on */
    FLAG_NOSCRIPT = 1 << 7,
    FLAG_NOW = 1 << 8,      /* carried out inside MULTI, not queued */
    FLAG_NO_MULTI = 1 << 9, /* refused inside MULTI */
    FLAG_ALONE = 1 << 10,   /* waits for all earlier commands of the connection */
    FLAG_MOVABLE = 1 << 11, /* the keys cannot be told by position */
    FLAG_NO_AUTH = 1 << 12,
    FLAG_SPLITS = 1 << 13, /* its keys may lie in several shards */
    FLAG_NO_SLOWLOG = 1 << 14,
    FLAG_WHOLE = 1 << 15 /* about all keys: inside MULTI only where these lie in one shard */
};

enum command_group {
    GROUP_STRING,
    GROUP_BITMAP,
    GROUP_GENERIC,
    GROUP_SET,
    GROUP_TRANSACTIONS,
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_CLUSTER
};

struct command_spec {
    const char *name;
    handler_fn handler;
    int arity; /* with the name; negative: at least */
    uint32_t flags;
    int first_key, last_key, key_step; /* 0: none; last -1: all the rest */
    uint8_t group;
    const char *since;
    const char *summary;
    const char *syntax; /* of the arguments; see syntax.c */
};

/* All commands, in order of their names; behind the last of `count` lies "unknown", which answers
 * for all other names. */
const struct command_spec *command_specs(size_t *count);

/* Names in lower case, as words, by their hash. */
#define COMMAND_INDEX_SIZE 256
struct command_entry {
    uint64_t low, high;
    uint8_t size; /* of the name; 0: free */
    uint8_t spec;
};
struct command_index {
    struct command_entry entries[COMMAND_INDEX_SIZE];
};

void command_index_init(struct command_index *index);

/* Any case. The entry behind the last one, "unknown", if there is none of that name. */
const struct command_spec *command_find(const struct command_index *index, struct slice name);

/* ---- Tasks (task.c) ---- */

/* One command as its handler and encoder see it. */
struct task {
    struct redis_session *session;
    const struct command_spec *spec;
    const struct slice *args; /* args[0] is the name. The array is gone when the handler returns;
                               * the bytes stay until the reply is written */
    size_t arg_count;
    struct buf *out;   /* where the handler writes a reply */
    struct exec *exec; /* NULL: not inside EXEC */

    /* What the handler leaves for the encoder. */
    encode_fn encode;
    finish_fn finish; /* NULL: one op, `encode` writes the whole reply */
    int64_t number;
    int64_t number2;
    uint32_t mode;
    void *state;

    uint32_t index;     /* of the result being encoded, for tasks with a `finish` */
    uint32_t succeeded; /* results that changed something, so far */
    enum err failure;   /* the first error among the results, or ERR_OK */
    enum err err;       /* what the reply says, for the statistics */

    /* Inside EXEC. */
    uint32_t first_op;
    uint32_t op_count;
    size_t reply_at; /* of a reply written by the handler, in exec->replies */
    size_t reply_size;
};

/* The one op of the command, or one of several; zeroed but for kind, table and key. Fill it before
 * asking for the next. */
struct op *task_op(struct task *t, enum op_kind kind, struct slice key);
struct op *task_part(struct task *t, enum op_kind kind, struct slice key);

/* Memory until the reply is written, aligned to 8. */
void *task_memory(struct task *t, size_t size);
struct slice task_copy(struct task *t, struct slice bytes);

/* Copies args [first, first + count) for op->items. */
const struct slice *task_items(struct task *t, size_t first, size_t count);

/* Writes an error as the reply; `text` begins with its code word. `err` is for the statistics. */
enum verdict task_error(struct task *t, enum err err, const char *text);
enum verdict task_errorf(struct task *t, enum err err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
enum verdict task_syntax_error(struct task *t);
enum verdict task_wrong_arity(struct task *t, const char *name);
enum verdict task_ok(struct task *t);

/* After TASK_LATER: the buffer for the reply, and its end. */
struct buf *task_reply(struct task *t);
void task_finish(struct task *t);

/* CLIENT REPLY: whether the reply of this very command is dropped. */
void task_silence(struct task *t, bool is_silent);

/* The connection is: nobody will read the reply. */
static inline bool task_is_gone(const struct task *t);

/* True if all earlier commands of the connection are answered. */
bool task_is_first(const struct task *t);

/* For encoders: writes the error of a result in Redis' words. */
void task_fail(struct task *t, struct buf *out, enum err err);
void task_fail_text(struct task *t, struct buf *out, enum err err, const char *text);

/* For tasks with a `finish`: notes a result. True: it was `ERR_OK` or NOT_FOUND. */
bool task_note(struct task *t, const struct result *result);
/* In `finish`: writes the error if a result failed. A split write of which some parts happened has
 * an unknown outcome. True: there was one. */
bool task_failed(struct task *t, struct buf *out);

/* The result as encoders see it. An operation that makes a missing key finds none only when its
 * table was emptied or dropped meanwhile: nothing was changed, and the reply must not be the one
 * for a missing key. */
const struct result *result_checked(const struct op *op, const struct result *result);

/* True if the keys lie in more than one shard. `keys` is a part of the arguments. */
bool task_is_split(const struct task *t, const struct slice *keys, size_t count, size_t step);

/* ---- Commands in flight (task.c) ---- */

#define COMMAND_ROOM 192 /* bytes of task_memory() without an allocation */

struct part {
    struct call call;
    struct command *command;
    struct part *next;
    uint32_t index;
    size_t piece_at; /* in command->pieces */
    size_t piece_size;
};

struct command {
    struct task task;
    struct command *next; /* in flight, or free */
    struct chunk *chunk;  /* held: the arguments lie there */
    struct slice raw;     /* the command as it was sent; for the slow log */
    uint64_t started_ns;
    bool is_done;
    bool is_silent; /* CLIENT REPLY */
    bool is_aside;  /* the reply is session->aside[aside_at, aside_at + aside_size) */
    size_t aside_at;
    size_t aside_size;
    struct part *parts;
    struct part **parts_tail;
    uint32_t part_count;
    uint32_t waiting; /* parts not done yet */
    struct buf reply; /* when earlier commands are not answered yet */
    struct buf pieces;
    struct block *blocks; /* of task_memory() */
    size_t room_used;
    struct call call;
    _Alignas(8) uint8_t room[COMMAND_ROOM];
};

/* A command at the end of the queue of `s`. */
struct command *command_new(struct redis_session *s, const struct command_spec *spec);

/* Carries out what its handler left. */
void command_start(struct command *c, enum verdict verdict);

/* Takes it back: its handler said TASK_WAITS. It is the last one in the queue. */
void command_undo(struct command *c);

/* For commands that send a call of their own (EXEC): the result goes to task.encode. */
void command_call(struct command *c);

/* ---- One per loop (loop.c): pools, the index of commands, the slow log ---- */

struct slow_record {
    struct slow_entry entry;
    struct buf bytes; /* all that the entry shows */
};

struct slow_log {
    struct slow_record records[REDIS_SLOW_MAX]; /* a ring */
    uint64_t next_id;
    size_t count;
};

struct redis_loop {
    struct command *free_commands;
    uint32_t free_command_count;
    struct part *free_parts;
    uint32_t free_part_count;
    struct buf discarded; /* replies nobody wants */
    struct slow_log slow_log;
    struct command_index command_index;
};

/* The one of this loop; made when first asked for. */
struct redis_loop *redis_loop_of(struct loop_context *context);

/* Gives back what the pools hold (task.c). */
void commands_free(struct redis_loop *l);

void slow_log_add(struct slow_log *log, const struct command *c, uint64_t duration_us);
void slow_log_clear(struct slow_log *log);

/* ---- Sessions (session.c) ---- */

enum reply_mode {
    REPLY_ON,
    REPLY_OFF,
    REPLY_SKIP_NEXT, /* CLIENT REPLY SKIP was the command before */
    REPLY_SKIP_THIS
};

/* A key under WATCH. */
struct watch {
    struct watch *next;
    uint32_t table;
    uint64_t revision; /* of the record when WATCH came; 0: there was none */
    enum err err;      /* its state could not be read: EXEC fails with it */
    bool is_waiting;   /* for that state */
    bool is_dropped;   /* not wanted any more, but waiting */
    size_t size;
    uint8_t key[];
};

struct redis_session {
    struct loop_context *context;
    struct router *router;
    struct redis_loop *loop;
    struct redis_owner owner;
    struct resp_parser parser;
    struct buf out;

    /* Commands in flight, in their order. */
    struct command *head;
    struct command **tail;
    size_t answer_max;    /* bytes of the largest answer of late */
    uint32_t read_window; /* calls that may be in flight when a read is added */
    size_t held_bytes;    /* of replies in buffers of their own */
    struct buf aside;     /* replies of calls whose turn has not come */
    uint32_t aside_count;
    uint32_t command_count;
    uint32_t call_count;
    struct call_order order;
    struct chunk *chunk; /* of the bytes being read */
    size_t wanted;       /* bytes of the unfinished command */

    /* The selected table: id and facts are right while the catalogue is at this version. */
    uint64_t catalogue_version;
    uint32_t table_id; /* 0: it does not exist (any more) */
    bool table_is_memory;
    uint32_t db; /* 0 to 15; REDIS_DATABASES: selected by name */
    struct slice table_name;
    char table_bytes[TABLE_NAME_MAX];

    int version; /* of the protocol, 2 or 3 */
    enum reply_mode reply_mode;
    struct multi *multi; /* NULL: not inside MULTI */
    struct watch *watches;
    uint32_t watch_count;
    size_t watch_bytes;     /* of their names */
    uint32_t watch_waiting; /* WATCH reads not answered yet */

    bool is_told;     /* on_output was called in this turn */
    bool is_drowned;  /* more than REDIS_OUT_MAX is unsent: closing, nothing more is written */
    bool is_gone;     /* the connection is */
    bool is_waiting;  /* a command waits for all earlier ones */
    bool is_occupied; /* a command said TASK_LATER */
    bool is_ending;   /* no more commands are taken */

    uint64_t input_ns; /* when the commands being read arrived */
    uint64_t now_ns;   /* when this turn's replies are made */
    uint64_t opened_ms;
    uint64_t active_ms; /* last command; node's clock */
    size_t name_size;
    char name[REDIS_NAME_MAX + 1];
    const struct command_spec *last_spec;
    struct task *sleeper; /* DEBUG SLEEP, until redis_wake() */
};

static inline bool task_is_gone(const struct task *t)
{
    return t->session->is_gone;
}

/* Replies or room: tells the owner, once per turn; frees a session whose connection is gone and
 * that has nothing in flight. */
void session_advance(struct redis_session *s);

/* Looks the selected table up again if the catalogue has changed. */
void session_refresh_table(struct redis_session *s);

/* Table of database `db`, 0 to 15: "kv", "db1", ... */
struct slice database_name(uint32_t db, char buffer[8]);
/* The table that args[index] names, by number or by name. NULL: none, the error is written. `db`,
 * may be NULL, gets its number, or REDIS_DATABASES. */
const struct table *session_find_table(struct task *t, size_t index, uint32_t *db);
void session_select(struct redis_session *s, uint32_t db, struct slice name);

/* True if all keys of the selected table lie in one shard. */
bool session_table_is_whole(const struct redis_session *s);

/* CLIENT SETNAME. False: not a name, the error is written. */
bool session_set_name(struct task *t, struct slice name);

/* Back to how a new connection begins (RESET). */
void session_reset(struct redis_session *s);

/* ---- MULTI (multi.c) ---- */

/* What a command's task needs inside EXEC. */
struct exec {
    struct arena arena;
    struct task *tasks;
    size_t task_count;
    struct op *ops; /* owned */
    size_t op_count;
    size_t op_capacity;
    bool has_memory; /* ops on memory tables */
    bool has_disk;
    struct compare *compares; /* in `arena` */
    uint32_t compare_count;
    struct buf replies; /* of handlers that reply at once */
    struct buf pieces;
};

/* Queues the command, or refuses it; the reply is in t->out. */
void multi_queue(struct task *t);

/* A command inside MULTI was refused: EXEC will be. */
void multi_spoil(struct redis_session *s);

/* Answers an EXEC that has arguments: the transaction is over. */
enum verdict multi_abort(struct task *t);

/* Forgets MULTI and its commands. */
void multi_drop(struct redis_session *s);
void watch_drop(struct redis_session *s);

/* ---- Arguments (args.c) ---- */

/* Reads an integer as Redis does; on failure the reply is written. */
bool arg_integer(struct task *t, size_t index, int64_t *number);
bool arg_integer_or(struct task *t, size_t index, int64_t *number, const char *error);
bool arg_is(const struct task *t, size_t index, const char *lower);

/* A bit offset of a string, counted in units of `factor` bits (bits.c). */
bool arg_bit_offset(struct task *t, struct slice text, uint64_t factor, uint64_t *offset);

/* A point in time out of args[index], which counts seconds or milliseconds from now or from 1970.
 * Not past: it must be greater than 0. On failure the reply is written. */
struct time_unit {
    bool is_seconds;
    bool is_absolute;
    bool may_be_past;
};
bool arg_time(struct task *t, size_t index, struct time_unit unit, uint64_t *expiry_ms);

/* Redis' glob: * ? [a-c^] and \. Bounded work. */
bool glob_match(struct slice pattern, struct slice text, bool ignores_case);

/* ---- Subcommands ---- */

struct subcommand {
    const char *name;
    handler_fn handler;
    int arity; /* with both names; negative: at least */
};

enum verdict run_subcommand(struct task *t, const struct subcommand *subs, size_t count);

/* `lines` as an array of simple strings. */
enum verdict reply_help(struct task *t, const char *const *lines, size_t count);

/* ---- Encoders that many use (reply.c) ---- */

const char *error_text(const struct redis_session *s, const struct command_spec *spec,
                       enum err err);
void encode_string(struct task *t, struct buf *out, const struct result *result); /* or nil */
void encode_previous(struct task *t, struct buf *out, const struct result *result);
void encode_ok(struct task *t, struct buf *out, const struct result *result);
void encode_count(struct task *t, struct buf *out, const struct result *result); /* missing: 0 */
void encode_number(struct task *t, struct buf *out, const struct result *result);
void encode_found(struct task *t, struct buf *out, const struct result *result); /* 1 or 0 */
void encode_member_set(struct task *t, struct buf *out, const struct result *result);
void encode_member_array(struct task *t, struct buf *out, const struct result *result);
void encode_member(struct task *t, struct buf *out, const struct result *result); /* or nil */
void encode_has_one(struct task *t, struct buf *out, const struct result *result);
void encode_has_many(struct task *t, struct buf *out, const struct result *result);

/* For tasks with a `finish`: 1 for each that was found. */
void encode_add_found(struct task *t, struct buf *out, const struct result *result);
void finish_number(struct task *t, struct buf *out);
void encode_noted(struct task *t, struct buf *out, const struct result *result);
void finish_ok(struct task *t, struct buf *out);

/* ---- Handlers, by file ---- */

/* strings.c */
enum verdict redis_get(struct task *t);
enum verdict redis_set(struct task *t);
enum verdict redis_getset(struct task *t);
enum verdict redis_getdel(struct task *t);
enum verdict redis_getex(struct task *t);
enum verdict redis_setnx(struct task *t);
enum verdict redis_setex(struct task *t);
enum verdict redis_psetex(struct task *t);
enum verdict redis_mget(struct task *t);
enum verdict redis_mset(struct task *t);
enum verdict redis_msetnx(struct task *t);
enum verdict redis_append(struct task *t);
enum verdict redis_strlen(struct task *t);
enum verdict redis_getrange(struct task *t);
enum verdict redis_setrange(struct task *t);

/* numbers.c */
enum verdict redis_incr(struct task *t);
enum verdict redis_decr(struct task *t);
enum verdict redis_incrby(struct task *t);
enum verdict redis_decrby(struct task *t);
enum verdict redis_incrbyfloat(struct task *t);

/* lcs.c */
enum verdict redis_lcs(struct task *t);

/* bits.c, bitfield.c */
enum verdict redis_setbit(struct task *t);
enum verdict redis_getbit(struct task *t);
enum verdict redis_bitcount(struct task *t);
enum verdict redis_bitpos(struct task *t);
enum verdict redis_bitop(struct task *t);
enum verdict redis_bitfield(struct task *t);
enum verdict redis_bitfield_ro(struct task *t);

/* keys.c */
enum verdict redis_del(struct task *t);
enum verdict redis_exists(struct task *t);
enum verdict redis_touch(struct task *t);
enum verdict redis_type(struct task *t);
enum verdict redis_rename(struct task *t);
enum verdict redis_renamenx(struct task *t);
enum verdict redis_copy(struct task *t);
enum verdict redis_object(struct task *t);
enum verdict redis_memory(struct task *t);

/* expire.c */
enum verdict redis_expire(struct task *t);
enum verdict redis_pexpire(struct task *t);
enum verdict redis_expireat(struct task *t);
enum verdict redis_pexpireat(struct task *t);
enum verdict redis_persist(struct task *t);
enum verdict redis_ttl(struct task *t);
enum verdict redis_pttl(struct task *t);
enum verdict redis_expiretime(struct task *t);
enum verdict redis_pexpiretime(struct task *t);

/* scan.c */
enum verdict redis_keys(struct task *t);
enum verdict redis_scan(struct task *t);
enum verdict redis_sscan(struct task *t);
enum verdict redis_randomkey(struct task *t);

/* tables.c */
enum verdict redis_select(struct task *t);
enum verdict redis_dbsize(struct task *t);
enum verdict redis_flushdb(struct task *t);
enum verdict redis_flushall(struct task *t);
enum verdict redis_swapdb(struct task *t);

/* sets.c, combine.c */
enum verdict redis_sadd(struct task *t);
enum verdict redis_srem(struct task *t);
enum verdict redis_smembers(struct task *t);
enum verdict redis_sismember(struct task *t);
enum verdict redis_smismember(struct task *t);
enum verdict redis_scard(struct task *t);
enum verdict redis_smove(struct task *t);
enum verdict redis_spop(struct task *t);
enum verdict redis_srandmember(struct task *t);
enum verdict redis_sinter(struct task *t);
enum verdict redis_sunion(struct task *t);
enum verdict redis_sdiff(struct task *t);
enum verdict redis_sintercard(struct task *t);
enum verdict redis_sinterstore(struct task *t);
enum verdict redis_sunionstore(struct task *t);
enum verdict redis_sdiffstore(struct task *t);

/* multi.c */
enum verdict redis_multi(struct task *t);
enum verdict redis_exec(struct task *t);
enum verdict redis_discard(struct task *t);
enum verdict redis_watch(struct task *t);
enum verdict redis_unwatch(struct task *t);

/* connection.c, client.c */
enum verdict redis_ping(struct task *t);
enum verdict redis_echo(struct task *t);
enum verdict redis_quit(struct task *t);
enum verdict redis_reset(struct task *t);
enum verdict redis_hello(struct task *t);
enum verdict redis_auth(struct task *t);
enum verdict redis_client(struct task *t);

/* server.c, slowlog.c, config.c, info.c, docs.c */
enum verdict redis_time(struct task *t);
enum verdict redis_wait(struct task *t);
enum verdict redis_role(struct task *t);
enum verdict redis_debug(struct task *t);
enum verdict redis_cluster(struct task *t);
enum verdict redis_latency(struct task *t);
enum verdict redis_acl(struct task *t);
enum verdict redis_slowlog(struct task *t);
enum verdict redis_config(struct task *t);
enum verdict redis_info(struct task *t);
enum verdict redis_command(struct task *t);

/* Writes what COMMAND DOCS says of arguments: an array of maps (syntax.c). */
void syntax_write(struct buf *out, int version, const char *syntax);

#endif
