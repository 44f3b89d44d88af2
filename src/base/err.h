/* err.h - the one list of ways an operation can fail.
 *
 * The list is closed on purpose: every front end maps each code exactly once
 * (HTTP status, RESP prefix, later gRPC status), so adding a code is a change
 * the compiler makes you finish. DESIGN section 8 holds the mappings. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
    ERR_OK = 0,
    ERR_NOT_FOUND,       /* the key or object does not exist */
    ERR_ALREADY_EXISTS,  /* an object of that name exists */
    ERR_WRONG_TYPE,      /* the key holds a value of another type */
    ERR_CONFLICT,        /* a precondition of the caller did not hold */
    ERR_INVALID,         /* the request is wrong; retrying cannot help */
    ERR_NOT_A_NUMBER,    /* the value or operand is not a number */
    ERR_OVERFLOW,        /* the result does not fit into 64 bits, or is not finite */
    ERR_TOO_LARGE,       /* over a documented limit */
    ERR_CROSS_SHARD,     /* keys that must be changed together lie in several shards */
    ERR_UNIMPLEMENTED,   /* no such method or command */
    ERR_DENIED,          /* known, but not allowed */
    ERR_UNAUTHENTICATED, /* not known */
    ERR_BUSY,            /* a bounded queue is full; retry after a pause */
    ERR_NO_SPACE,        /* the disk or the memory budget is used up */
    ERR_STARTING,        /* recovery goes on */
    ERR_UNAVAILABLE,     /* did not happen; retry, perhaps elsewhere */
    ERR_UNKNOWN_OUTCOME, /* the write may have happened, or may still */
    ERR_TIMEOUT,         /* the deadline passed before anything was ordered */
    ERR_CANCELED,        /* withdrawn before anything was ordered */
    ERR_IO,              /* a disk or socket call failed */
    ERR_CORRUPT,         /* a checksum or an invariant of stored bytes failed */
    ERR_WOULD_WAIT,      /* internal: only the disk can tell; never leaves shard/ */
    ERR_COUNT
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* A code plus one sentence for the operator. Embedded where it is kept, so
 * reporting an error never allocates. */
struct err_why {
    enum err code;
    char text[244];
};

/* Stable lower-case name, for logs and metrics: "not_found". */
const char *err_name(enum err e);

/* The name as the dialects write it: "NOT_FOUND". */
const char *err_code(enum err e);

/* Records `e` and a formatted sentence in `why` (may be NULL); returns `e`, so
 * that a failing path reads `return err_set(why, ERR_IO, ...)`. */
enum err err_set(struct err_why *why, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
