/* rows.h - the names of rows in an engine, and the values of headers. Private to model/.
 *
 *   00 kind …                              meta rows (enum meta_row)
 *   01 | expiry ms, 8 bytes big-endian | key of a record row      expiry index, no value
 *   10 + id - 1 | key                      record of table `id`, up to ROW_SHORT_TABLES
 *   7c + n - 1 | id in n bytes | key       record of a later table
 *   80 + id - 1 | incarnation | …          element of a collection in table `id`
 *   ec + n - 1 | id in n bytes | incarnation | …
 *
 * An element's rest is the member of a set, or for logs 00 and the version in 8 bytes
 * big-endian, or 01 and the id. An incarnation is one byte up to ef, else f0 + n - 1 and
 * n bytes big-endian. All of it keeps the order of what it encodes, and no prefix of one
 * table or incarnation is a prefix of another's: a table or collection is one range. */
#ifndef MODEL_ROWS_H
#define MODEL_ROWS_H

#include "engine/engine.h"
#include "model/op.h"

#define ROW_SHORT_TABLES   108            /* ids that take one byte */
#define ROW_RECORD_HEAD    ((size_t)5)    /* bytes before a record's key, at most */
#define ROW_ELEMENT_HEAD   ((size_t)14)   /* bytes before what names an element, at most */
#define ROW_EXPIRY_HEAD    ((size_t)9)    /* bytes before the record's row key */
#define ROW_META_MAX       ((size_t)10)   /* bytes of a meta row's key, but for META_RESULT */
#define ROW_RESULT_KEY_MAX ((size_t)1024) /* bytes of a key that META_RESULT holds as they are */

enum meta_row {
    META_APPLIED = 'a', /* model_applied */
    META_COUNT = 'c',   /* table id, 4 bytes: live records */
    META_GARBAGE = 'g', /* number, 8 bytes: what is to be reclaimed */
    META_RESULT = 'i',  /* table, id, key: the result of an op with an idempotency id */
    META_RETRY = 'q',   /* number, 8 bytes: key of a META_RESULT, in order of arrival */
    META_STATE = 's',   /* struct model_state */
    META_TABLE = 't',   /* table id, 4 bytes: an open table and its facts */
};

/* Type of a record row, as the engine keeps it. */
enum record_kind {
    RECORD_NONE = 0,  /* element and meta rows */
    RECORD_STRING,    /* bytes */
    RECORD_INTEGER,   /* 1 to 8 bytes of an int64, little-endian, sign-extended */
    RECORD_SET,       /* struct set_header; members are rows */
    RECORD_SET_SMALL, /* the members themselves, in order, each behind its size */
    RECORD_LOG        /* struct log_header; versions are rows */
};

/* Type as users know it. */
enum value_type record_type(uint8_t kind);

struct set_header {
    uint64_t count;
    uint64_t incarnation;
};

struct log_header {
    uint64_t count;
    uint64_t incarnation;
    uint64_t next; /* number of the next version; the newest has next - 1 */
};

/* One version of a log: the value of its row. */
struct log_version {
    uint64_t time_ms;
    struct slice id;
    struct slice author;
    struct slice value;
};

/* Writers of keys return the end of what they wrote at `p`. */
uint8_t *row_record_head(uint8_t *p, uint32_t table);
uint8_t *row_element_head(uint8_t *p, uint32_t table, uint64_t incarnation);
uint8_t *row_elements_of_table(uint8_t *p, uint32_t table);
uint8_t *row_expiry_head(uint8_t *p, uint64_t expiry_ms);
uint8_t *row_meta(uint8_t *p, enum meta_row kind);
uint8_t *row_meta_number(uint8_t *p, enum meta_row kind, uint64_t number);
uint8_t *row_meta_table(uint8_t *p, enum meta_row kind, uint32_t table);

/* Bytes before the key in the rows of `table`'s records. */
static inline size_t row_record_head_size(uint32_t table)
{
    return table <= ROW_SHORT_TABLES ? 1 : 2 + (31 - (size_t)__builtin_clz(table)) / 8;
}

/* What is left of a row key behind its first `head` bytes. */
static inline struct slice row_rest(struct slice row, size_t head)
{
    return (struct slice){row.data + head, row.size - head};
}

/* Makes the first `size` bytes at `p` the end of the range of all that begins with them; returns
 * its size. The first byte is less than ff. */
size_t row_range_end(uint8_t *p, size_t size);

/* Readers of keys; false: it is none. Slices point into `row`. */
bool row_record_parse(struct slice row, uint32_t *table, struct slice *key);
bool row_element_parse(struct slice row, uint32_t *table, uint64_t *incarnation,
                       struct slice *rest);
bool row_expiry_parse(struct slice row, uint64_t *expiry_ms, struct slice *record_row);

/* Values. Writers need room for 3 x 10 bytes and return the size. */
size_t set_header_put(uint8_t *p, const struct set_header *h);
size_t log_header_put(uint8_t *p, const struct log_header *h);
size_t integer_put(uint8_t *p, int64_t number);

/* Errors of all: ERR_CORRUPT. */
MUST_CHECK enum err set_header_get(struct slice value, struct set_header *h);
MUST_CHECK enum err log_header_get(struct slice value, struct log_header *h);
MUST_CHECK enum err integer_get(struct slice value, int64_t *number);

/* In `arena`. */
struct slice log_version_put(const struct log_version *v, struct arena *arena);
MUST_CHECK enum err log_version_get(struct slice value, struct log_version *v);

#endif
