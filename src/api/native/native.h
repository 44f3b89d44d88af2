/* native.h - private to native/: what the handlers of /api/v1 share. */
#ifndef API_NATIVE_NATIVE_H
#define API_NATIVE_NATIVE_H

#include "api/http_call.h"
#include "api/http_err.h"
#include "wire/json.h"

#define NATIVE_PREFIX    "/api/v1/"
#define NATIVE_JSON_MAX  ((size_t)32 << 20) /* bytes of a JSON request that is not streamed */
#define NATIVE_SMALL_MAX ((size_t)64 << 10) /* bytes of one that is small by nature */
#define NATIVE_ELEMENTS_MAX                                                                        \
    ((size_t)1 << 18)  /* values in one JSON text: each takes some memory                          \
                        */
#define SEGMENTS_MAX 8 /* of a path behind the prefix */

/* One path. `pattern` ends with NULL; "*" stands for any segment. */
struct native_resource {
    const char *pattern[SEGMENTS_MAX];
    const struct http_route *get, *head, *put, *post, *remove;
};

/* The resources of one file, `count` of them. Constant. */
const struct native_resource *native_keys(size_t *count);
const struct native_resource *native_ranges(size_t *count);
const struct native_resource *native_sets(size_t *count);
const struct native_resource *native_logs(size_t *count);
const struct native_resource *native_txns(size_t *count);
const struct native_resource *native_batches(size_t *count);
const struct native_resource *native_tables(size_t *count);
const struct native_resource *native_node(size_t *count);

/* ---- Answers ---- */

/* Answers with application/problem+json and counts the error. `detail` NULL or "": what
 * http_err_text() says. */
void native_fail(struct http_exchange *x, enum err e, const char *detail);

/* The same for a call that failed. */
void native_fail_call(const struct http_call *c, enum err e);

/* The same with a status and a header of its own, where HTTP is finer than the list of errors. */
void native_refuse(struct http_exchange *x, unsigned status, enum err e, const char *detail,
                   struct http_header header);

/* Answers with JSON and frees `body`. */
void native_respond(struct http_exchange *x, unsigned status, struct buf *body);

/* Fills the call's op from the request. */
typedef enum err (*native_prepare_fn)(struct http_call *c, struct err_why *why);

/* Prepares the call and starts it, or answers what is wrong with it. */
void native_start(struct http_call *c, native_prepare_fn prepare);

/* ---- Paths and headers ---- */

/* The decoded segment number `index` behind the prefix: tables/0... Errors: ERR_INVALID (a broken
 * escape, or empty). */
MUST_CHECK enum err native_segment(struct http_exchange *x, size_t index, struct slice *out,
                                   struct err_why *why);

/* Table (segment 1) and key (segment 3) of the path for this call. Errors: ERR_INVALID,
 * ERR_NOT_FOUND, ERR_STARTING. */
MUST_CHECK enum err native_place(struct http_call *c, struct err_why *why);

/* The table of the path. Errors: as native_place(). */
MUST_CHECK enum err native_table(struct http_exchange *x, const struct table **out,
                                 struct err_why *why);

/* The header Idempotency-Key; empty when there is none. Errors: ERR_INVALID. */
MUST_CHECK enum err native_idempotency(const struct http_exchange *x, struct slice *id,
                                       struct err_why *why);

/* ---- Query parameters ---- */

struct parameter {
    const char *name;
    bool is_given;
    struct slice text; /* decoded */
};

/* Fills `list`. Errors: ERR_INVALID (a name that is not in it, given twice, a broken escape). */
MUST_CHECK enum err parameters_read(struct http_exchange *x, struct parameter *list, size_t count,
                                    struct err_why *why);

/* For routes without parameters. */
MUST_CHECK enum err parameters_none(struct http_exchange *x, struct err_why *why);

/* Not given: `*out` stays as it is. Errors: ERR_INVALID. */
MUST_CHECK enum err parameter_bool(const struct parameter *p, bool *out, struct err_why *why);
MUST_CHECK enum err parameter_i64(const struct parameter *p, int64_t *out, struct err_why *why);
MUST_CHECK enum err parameter_u64(const struct parameter *p, uint64_t *out, struct err_why *why);

#define TTL_MAX_MS UINT64_C(999999999999) /* 31 years */

/* How long an entry lives from now on. */
struct ttl {
    bool is_given;
    bool is_kept; /* as long as what it replaces would have */
    uint64_t ms;  /* 0: for ever */
};

/* "5s", "250ms", plain milliseconds, 0: never expires, "keep". Errors: ERR_INVALID. */
MUST_CHECK enum err ttl_read(struct slice text, struct ttl *out, struct err_why *why);

/* Milliseconds, or text as above. `name` is for the sentence. Errors: ERR_INVALID. */
MUST_CHECK enum err ttl_read_json(const json_t *value, const char *name, struct ttl *out,
                                  struct err_why *why);

/* `ms` milliseconds. `name` is for the sentence. Errors: ERR_INVALID (TTL_MAX_MS). */
MUST_CHECK enum err ttl_of_ms(uint64_t ms, const char *name, struct ttl *out, struct err_why *why);

/* Puts it into `op`; nothing when none was given. Errors: ERR_INVALID (kept by an operation that
 * keeps it anyway). */
MUST_CHECK enum err ttl_apply(const struct ttl *ttl, uint64_t now_ms, struct op *op,
                              struct err_why *why);

/* All keys of the transaction `op` lie in one shard: the first one says in which. */
void txn_place(struct op *op);

/* ---- Bytes in JSON ---- */

/* As json_read(), for texts of at most NATIVE_ELEMENTS_MAX values. Errors: ERR_INVALID,
 * ERR_TOO_LARGE. */
MUST_CHECK json_t *native_json_read(struct slice text, size_t size_max, struct err_why *why);

/* Text where it is UTF-8, else {"base64":"..."}. */
void bytes_to(struct buf *out, struct slice bytes);

/* The other way; the bytes lie in the arena. Errors: ERR_INVALID. */
MUST_CHECK enum err bytes_read(const json_t *value, const char *name, struct arena *arena,
                               struct slice *out, struct err_why *why);

/* An integer of 64 bits; 5.0 is one, too. False: it is none. */
bool integer_read(const json_t *value, int64_t *out);

/* "name":"123" */
void revision_to(struct buf *out, const char *name, uint64_t revision);

/* Milliseconds since 1970 as RFC 3339 in UTC, with its quotes. */
void time_to(struct buf *out, uint64_t wall_ms);

#endif
