/* http_err.h - the list of errors as HTTP says it: one status and one sentence each
 * (DESIGN section 8), and how errors are counted. */
#ifndef API_HTTP_ERR_H
#define API_HTTP_ERR_H

#include "api/http_call.h"

/* The status of an answer to a failed call: 400 to 599. `e` is not ERR_OK. */
unsigned http_err_status(enum err e);

/* What to tell the client; no full stop at the end. */
const char *http_err_text(enum err e);

/* True: the write may have happened, or may still. */
bool http_err_may_have_happened(enum err e);

/* An error as the object of an application/problem+json. `detail`: NULL or empty for the sentence
 * of the list. */
void http_problem_to(struct buf *out, unsigned status, enum err e, const char *detail);

/* Counts `e` at the operation of the exchange's route. */
void http_err_count(const struct http_exchange *x, enum dialect dialect, enum err e);

#endif
