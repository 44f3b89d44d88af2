/* strato.h - private to strato/: what its handlers share. */
#ifndef API_STRATO_STRATO_H
#define API_STRATO_STRATO_H

#include "api/http_call.h"
#include "api/http_err.h"
#include "api/http_pages.h"
#include "wire/json.h"

/* A call of `kind` on built-in table `table` with the key of the path; NULL: it has been answered.
 */
struct http_call *strato_call(struct http_exchange *x, const char *table, enum op_kind kind,
                              http_call_fn answer);

/* The same for a call that lies in a larger struct of the arena. False: it has been answered. */
bool strato_call_init(struct http_call *c, struct http_exchange *x, const char *table,
                      http_call_fn answer);

/* Missing, or given but empty: false, as in gin. */
bool strato_query(struct http_exchange *x, const char *name, struct slice *value);

/* Answers a failed call: a miss with 404 and nothing more. */
void strato_fail(struct http_exchange *x, enum err e);

/* 400 {"error":"..."}. */
void strato_refuse(struct http_exchange *x, const char *text);
void strato_refuse_slice(struct http_exchange *x, struct slice text);

/* 204 when the call went well. */
void strato_answer_no_content(struct http_call *c, const struct result *result);

/* The routes of each service; the others are NULL. */
struct strato_service {
    const struct http_route *get, *put, *remove;
};

/* The route of a gRPC request, or NULL. */
const struct http_route *strato_rpc_find(const struct http_request *request);

struct strato_service strato_cache(void);
struct strato_service strato_counters(void);
struct strato_service strato_flags(void);
struct strato_service strato_kv(void);
struct strato_service strato_sets(void);

#endif
