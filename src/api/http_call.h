/* http_call.h - one call of the router on behalf of one HTTP exchange.
 *
 *   handle ─► http_call_new ─► http_call_place ─► (the op) ─► http_call_start ··· answer
 *
 * The call lies in the exchange's arena and its op refers to the request's bytes: nothing
 * is copied and nothing is freed. When the client leaves meanwhile the call is withdrawn, and
 * the exchange given back when it ends. */
#ifndef API_HTTP_CALL_H
#define API_HTTP_CALL_H

#include "api/http_task.h"
#include "router/context.h"

struct http_call;

/* Answers the exchange. `result` and its bytes are gone when this returns. */
typedef void (*http_call_fn)(struct http_call *c, const struct result *result);

/* Embedded first in what a dialect keeps for longer requests. */
struct http_call {
    struct http_task task;
    struct call call; /* the dialect fills `op` */
    struct http_exchange *x;
    http_call_fn answer;
    bool is_aborted;
};

static inline struct loop_context *http_context(const struct http_exchange *x)
{
    return x->loop_arg;
}

/* From the exchange's arena, zeroed. */
struct http_call *http_call_new(struct http_exchange *x, http_call_fn answer);

/* The same for one that lies in a larger struct of the arena, zeroed. */
void http_call_init(struct http_call *c, struct http_exchange *x, http_call_fn answer);

/* Finds the table. Errors: ERR_NOT_FOUND, ERR_STARTING. */
MUST_CHECK enum err http_call_table(struct http_call *c, struct slice table);

/* Finds the table, and takes `segment` of the path as the key; it is copied only when it holds an
 * escape. Errors: ERR_NOT_FOUND, ERR_STARTING, ERR_INVALID (a broken escape). */
MUST_CHECK enum err http_call_place(struct http_call *c, struct slice table, struct slice segment);

/* From here on the call answers, or is aborted. */
void http_call_start(struct http_call *c);

#endif
