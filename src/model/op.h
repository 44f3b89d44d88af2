/* op.h - what can be asked of data: the closed list of operations, and their results.
 *
 * Every dialect fills a struct op; model gives it its meaning (model.h); shard orders
 * the ones that change something. The list is closed against side doors, not against
 * growth: a new operation gets a line here, a case in model and a version in the
 * encoding (command.h).
 *
 * An op borrows all its bytes from its maker, until the op is done. */
#ifndef MODEL_OP_H
#define MODEL_OP_H

#include "base/err.h"
#include "base/slice.h"

#define KEY_MAX            ((size_t)65536) /* bytes */
#define IDEMPOTENCY_ID_MAX ((size_t)128)   /* bytes */
#define TABLE_NAME_MAX     ((size_t)128)   /* bytes of [A-Za-z0-9._-] */
#define OP_ITEMS_MAX       ((size_t)1 << 20)
#define STRING_MAX         ((size_t)512 << 20) /* bytes, as in Redis; --max-value is lower */
#define LOG_ID_MAX         ((size_t)128)       /* bytes of a version's id */
#define AUTHOR_MAX         ((size_t)1024)      /* bytes */
#define TABLE_FACTS_MAX    ((size_t)4096)      /* bytes of OP_TABLE_OPEN's value */
#define TXN_ANSWER_MAX     ((size_t)64 << 20)  /* bytes of values and rows, and the last one */

/* Types of values; stored in the record. */
enum value_type {
    TYPE_NONE = 0,
    TYPE_STRING, /* bytes; a canonical decimal int64 is kept as an integer */
    TYPE_SET,    /* members: byte strings without doubles, in bytewise order */
    TYPE_LOG,    /* versions, each with id, time and author */
    TYPE_COUNT_  /* NOLINT(readability-identifier-naming) */
};

/* What each operation reads from struct op and leaves in struct result is said behind it;
 * `key` always names the record, `table` the table. R: does not change anything. */
enum op_kind {
    OP_NONE = 0,

    /* ---- one record of any type ---- */
    OP_GET,    /* R string. -> value. NOT_FOUND, WRONG_TYPE */
    OP_STAT,   /* R any type. -> type, count (members, versions, or bytes of a string),
                *   is_integer. NOT_FOUND */
    OP_PUT,    /* value; expiry; condition; OP_KEEP_TTL, OP_WANT_PREV (-> value: the string it
                *   replaced, was_found; WRONG_TYPE if that is none). Replaces any type.
                *   CONFLICT: the condition did not hold (prev is delivered all the same) */
    OP_EXPIRE, /* expiry (0: never); condition EXPIRE_*; OP_WANT_PREV (string only) -> value.
                *   -> count 1: changed, 0: condition. A time in the past deletes. NOT_FOUND */
    OP_DELETE, /* condition; OP_WANT_PREV (string only) -> value. NOT_FOUND, CONFLICT */
    OP_COPY,   /* other_table, other: destination; OP_REPLACE. -> count 1, or 0: it exists.
                *   NOT_FOUND. Of any type, with its expiry */
    OP_RENAME, /* other: destination (same table); OP_REPLACE. -> count as COPY. NOT_FOUND */

    /* ---- strings ---- */
    OP_APPEND,    /* value. -> count: bytes afterwards. Keeps the expiry, as all below do */
    OP_SET_RANGE, /* number: offset; value. -> count: bytes afterwards; pads with zeros */
    OP_BIT_SET,   /* number: bit offset; number2: 0 or 1. -> number: the bit before */
    OP_BIT_FIELD, /* R if all its steps are GETs. items: encoded sub-operations (struct bit_field as
                   * bytes).
                   *   -> rows: value = 8 bytes of int64, or absent (overflow FAIL) */
    OP_BIT_OP,    /* number: enum bit_op; items: source keys of `table`. -> count: bytes stored */
    OP_ADD,       /* number: amount; OP_OVERFLOW... -> number: the sum. Missing counts as 0.
                   *   expiry is used when OP_SET_EXPIRY. NOT_A_NUMBER, OVERFLOW */
    OP_ADD_FLOAT, /* value: the amount as text. -> value: the sum as text. NOT_A_NUMBER,
                   *   OVERFLOW (NaN or infinite) */

    /* ---- sets ---- */
    OP_SET_ADD,     /* items. -> count: added */
    OP_SET_REMOVE,  /* items. -> count: removed; the last one removes the key */
    OP_SET_MOVE,    /* other: destination (same table); value: member. -> count 1 or 0 */
    OP_SET_POP,     /* number: how many (>= 0). -> rows: key = member */
    OP_SET_HAS,     /* R items. -> rows: one per item, number 1 or 0 */
    OP_SET_RANDOM,  /* R number: n >= 0: n different ones; < 0: -n, may repeat. -> rows */
    OP_SET_COMBINE, /* R number: enum set_combine; items: keys of `table`; limit (0: none).
                     *   -> rows, count; OP_COUNT_ONLY: count alone */
    OP_SET_STORE,   /* key: destination; number, items as above. -> count: members stored */

    /* ---- logs ---- */
    OP_LOG_APPEND, /* value; id: of the version, 1-128 bytes; author; OP_LOG_REPLACE: a version
                    *   with the same id is overwritten. -> count: versions afterwards */
    OP_LOG_READ,   /* R number: n > 0: the newest n; 0: the newest; -1: all; -2: the oldest.
                    *   -> rows, newest first: key = id, value, author, number = time in ms.
                    *   Missing: no rows */

    /* ---- ranges; the part that lies in one shard ---- */
    OP_RANGE, /* R from key (inclusive; OP_AFTER: exclusive) to `other` (exclusive; NULL data: no
               * end); limit; OP_REVERSE, OP_KEYS_ONLY, OP_COUNT_ONLY. -> rows, count, is_more.
               *   Values of strings; other types come with their count instead. A count that
               *   stops at the limit has one row: the last key counted */
    OP_SET_RANGE_MEMBERS, /* R members of the set `key` from `other` on (inclusive; OP_AFTER:
                           *   exclusive); limit. -> rows: key = member; is_more */
    OP_LOG_RANGE,         /* R versions of the log `key` below version number `number` (0: from the
                           *   newest), newest first; limit. -> rows as LOG_READ, version in
                           *   mod_revision; is_more */
    OP_DELETE_RANGE,      /* from key to `other`; limit (0: none). -> count: deleted. All types */
    OP_COUNT,      /* R -> count: live records of the table in this shard (expired but not yet
                    *   swept ones may be counted) */
    OP_RANDOM_KEY, /* R random. -> rows: one; NOT_FOUND if the shard's part is empty */

    /* ---- several at once ---- */
    OP_TXN, /* compares, ops, else_ops: all in this shard; a txn among them has none itself.
             *   -> succeeded, results. Answers beyond TXN_ANSWER_MAX: TOO_LARGE if nothing is
             *   written; else a part's result is TOO_LARGE (a read, not made), or UNKNOWN_OUTCOME
             *   (a write, made) */

    /* ---- for shard and router only ---- */
    OP_TABLE_OPEN,  /* table; number: its default_ttl_ms; value: catalogue facts the shard keeps */
    OP_TABLE_CLOSE, /* table: rows are reclaimed by OP_SWEEP */
    OP_SWEEP,       /* limit: rows. Removes expired records, rows of what was dropped.
                     *   -> count: removed; is_more */
    OP_KIND_COUNT
};

enum op_flag {
    OP_KEEP_TTL = 1 << 0,
    OP_WANT_PREV = 1 << 1,
    OP_REPLACE = 1 << 2,
    OP_REVERSE = 1 << 3,
    OP_KEYS_ONLY = 1 << 4,
    OP_COUNT_ONLY = 1 << 5,
    OP_LOG_REPLACE = 1 << 6,
    OP_AFTER = 1 << 7,
    OP_SET_EXPIRY = 1 << 8, /* `expiry_ms` is meant (0: never), not the table's default */
    OP_NO_TOUCH = 1 << 9,   /* does not count as use of the record */
};

enum op_condition {
    IF_ANY = 0,
    IF_ABSENT,
    IF_PRESENT,
    IF_REVISION, /* mod revision is `revision`; 0: absent */
    IF_NOT_REVISION,
    EXPIRE_NX, /* has no expiry */
    EXPIRE_XX, /* has one */
    EXPIRE_GT, /* the new one is later; none counts as infinite */
    EXPIRE_LT,
    EXPIRE_XX_LT /* both */
};

enum set_combine {
    SET_UNION,
    SET_INTERSECTION,
    SET_DIFFERENCE
};

enum bit_op {
    BIT_AND,
    BIT_OR,
    BIT_XOR,
    BIT_NOT
};

enum bit_field_kind {
    BIT_FIELD_GET,
    BIT_FIELD_SET,
    BIT_FIELD_ADD
};

enum bit_overflow {
    OVERFLOW_WRAP,
    OVERFLOW_SAT,
    OVERFLOW_FAIL
};

/* One step of OP_BIT_FIELD, as the bytes of one item. */
struct bit_field {
    int64_t operand;
    uint64_t offset; /* in bits */
    uint8_t kind;    /* enum bit_field_kind */
    uint8_t bits;    /* 1 to 64 signed, 63 unsigned */
    uint8_t is_signed;
    uint8_t overflow; /* enum bit_overflow */
    uint8_t zero[4];
};

enum compare_target {
    COMPARE_EXISTS,       /* number: 1 or 0 */
    COMPARE_VALUE,        /* of a string; a missing key compares as absent: only != holds */
    COMPARE_MOD_REVISION, /* of a missing key: 0, as the next two */
    COMPARE_CREATE_REVISION,
    COMPARE_VERSION
};

enum compare_relation {
    COMPARE_EQUAL,
    COMPARE_NOT_EQUAL,
    COMPARE_LESS,
    COMPARE_GREATER
};

struct compare {
    enum compare_target target;
    enum compare_relation relation;
    uint32_t table;
    struct slice key;
    struct slice range_end; /* NULL data: one key; else it must hold for all in the range */
    struct slice value;
    uint64_t number;
};

struct op {
    uint8_t kind;      /* enum op_kind */
    uint8_t condition; /* enum op_condition */
    uint16_t flags;    /* enum op_flag */
    uint32_t table;    /* id, greater than 0 */
    struct slice key;  /* up to KEY_MAX */
    struct slice value;
    uint64_t expiry_ms; /* absolute; 0 without OP_SET_EXPIRY: the table's default */
    int64_t number;

    /* The hot operations need nothing below. */
    int64_t number2;
    uint64_t revision;
    uint64_t limit; /* 0: none */
    uint32_t other_table;
    uint32_t item_count;
    const struct slice *items;
    struct slice other;
    struct slice id;
    struct slice author;
    struct slice idempotency_id; /* empty: none */

    /* OP_TXN. */
    const struct compare *compares;
    const struct op *ops;
    const struct op *else_ops;
    uint32_t compare_count;
    uint32_t op_count;
    uint32_t else_op_count;
};

/* One element of an answer. Which fields count is said at the operation. */
struct row {
    struct slice key;
    struct slice value;
    struct slice author;
    int64_t number;
    uint64_t mod_revision;
    uint64_t create_revision;
    uint64_t version;
    uint64_t expiry_ms;
    uint8_t type; /* TYPE_NONE: absent */
};

/* Bytes that rows take with all they refer to. */
size_t rows_size(const struct row *rows, size_t count);

/* Copies them to `to`, which has room for rows_size() and is aligned to 8; NULL is room for none.
 * Returns the copy. */
struct row *rows_copy(void *to, const struct row *rows, size_t count);

/* What became of an op. Its bytes live as long as the call says (router/call.h). */
struct result {
    enum err err;
    uint8_t type;   /* of the record before (reads) or after (writes) */
    bool was_found; /* there was a live record before */
    bool succeeded; /* OP_TXN: the compares held */
    bool is_more;
    bool is_integer;   /* the string is kept as an integer */
    bool is_duplicate; /* a retry: this is the first answer again */
    struct slice value;
    int64_t number;
    uint64_t count;
    uint64_t mod_revision; /* reads: of the record; writes: the revision of this command */
    uint64_t create_revision;
    uint64_t version;
    uint64_t expiry_ms;
    const struct row *rows;
    size_t row_count;
    const struct result *results; /* OP_TXN: of the branch taken, in order */
    size_t result_count;
};

/* True if the operation changes nothing (OP_TXN: if all its parts do not). */
bool op_is_read(const struct op *op);

/* All that it refers to, in bytes: keys, values, items, and those of its parts. */
size_t op_bytes(const struct op *op);

/* True if a branch of the txn `op` holds a txn itself. */
bool op_has_txn(const struct op *op);

/* Stable lower-case name, for metrics and logs: "put". */
const char *op_name(enum op_kind kind);

/* Checks all that can be checked without data: sizes, ranges, flags that fit the operation, parts
 * of a txn (one level of txns inside, no shard-only operations). Errors: ERR_INVALID,
 * ERR_TOO_LARGE. */
MUST_CHECK enum err op_check(const struct op *op, size_t value_max, struct err_why *why);

/* Hash slot of a key: CRC16 of it, or of what lies between the first { and the next }, mod 16384:
 * the rule of Redis Cluster. */
#define SLOT_COUNT 16384
unsigned key_slot(struct slice key);

/* The canonical decimal form of an int64: no sign but '-', no leading zeros. False: it is not. */
bool parse_int64(struct slice text, int64_t *number);

#endif
