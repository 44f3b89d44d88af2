/* resp.h - the Redis protocol, versions 2 and 3, without I/O. Source: redis.io, "Redis
 * serialization protocol specification".
 *
 * Reading: commands only (arrays of bulk strings, and inline commands). The parser keeps
 * offsets, not pointers, so the caller may move the bytes of an unfinished command between
 * two calls; nothing is parsed twice. Writing: each function appends one piece of a reply. */
#ifndef WIRE_RESP_H
#define WIRE_RESP_H

#include "base/buf.h"
#include "base/err.h"

#define RESP_ARGS_MAX   ((size_t)1 << 20)   /* arguments of one command, as in Redis */
#define RESP_INLINE_MAX ((size_t)64 << 10)  /* bytes of an inline command or a length line */
#define RESP_BULK_MAX   ((size_t)512 << 20) /* bytes of one argument; the owner may set less */

enum resp_status {
    RESP_MORE,    /* the command is not complete: call again with more bytes behind the same */
    RESP_COMMAND, /* `args`, `arg_count`; the command took `consumed` bytes. arg_count 0: an
                   * empty line or `*0`: nothing to do, no reply */
    RESP_BROKEN   /* `error` holds the text behind "-ERR "; the connection must be closed */
};

/* Open: embedded in the connection. Zeroed, with `bulk_max` set, is ready. */
struct resp_parser {
    size_t bulk_max; /* set by the owner: bytes of one argument */
    size_t arg_count;
    size_t consumed;
    struct slice *args; /* valid after RESP_COMMAND, until the next call; points into data */
    bool is_copied;     /* after RESP_COMMAND: an inline command, whose arguments lie in
                         * `scratch` and not in data: gone at the next call */
    const char *error;
    size_t wanted; /* after RESP_MORE: bytes the command will have at least */

    /* Private to wire/. */
    size_t capacity;    /* of `args`, owned */
    size_t *places;     /* owned: where the arguments that earlier calls found begin */
    size_t placed;      /* how many those are */
    size_t filled;      /* arguments found so far */
    size_t at;          /* everything before is parsed */
    size_t scanned;     /* no end of line between `at` and here */
    int64_t args_left;  /* 0: a command begins */
    int64_t bulk;       /* bytes of the argument that begins at `at`; -1: its length line does */
    struct buf scratch; /* of inline commands, and of an error */
};

/* `data` begins with the first byte of the command that is being read. */
enum resp_status resp_parse(struct resp_parser *p, const uint8_t *data, size_t size);

void resp_parser_deinit(struct resp_parser *p);

/* True if `name` is `lower`, whatever its case; `lower` is in lower case. */
bool resp_is(struct slice name, const char *lower);

/* ---- Replies. `version` is 2 or 3: what RESP2 lacks is written in the form Redis gives it ---- */

void resp_simple(struct buf *out, const char *text); /* +OK */
void resp_error(struct buf *out, const char *text);  /* -`text`; CR and LF become spaces */
void resp_integer(struct buf *out, int64_t number);
void resp_bulk(struct buf *out, struct slice bytes);
void resp_bulk_text(struct buf *out, const char *text);
void resp_bulk_integer(struct buf *out, int64_t number); /* the digits as a bulk string */
void resp_null(struct buf *out, int version);            /* $-1, or _ */
void resp_null_array(struct buf *out, int version);      /* *-1, or _ */
void resp_array(struct buf *out, size_t count);
void resp_map(struct buf *out, int version, size_t pairs);           /* *2n, or %n */
void resp_set(struct buf *out, int version, size_t count);           /* *n, or ~n */
void resp_bool(struct buf *out, int version, bool value);            /* :1, or #t */
void resp_double(struct buf *out, int version, double value);        /* bulk, or `,` */
void resp_verbatim(struct buf *out, int version, struct slice text); /* bulk, or =txt: */
void resp_push(struct buf *out, int version, size_t count);          /* *n, or >n */

#endif
