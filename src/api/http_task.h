/* http_task.h - what an exchange waits for. x->user points to it while it is under way, and is
 * NULL when nothing is; so every route has the same on_abort and on_writable. */
#ifndef API_HTTP_TASK_H
#define API_HTTP_TASK_H

#include "wire/http.h"

/* Embedded first in a call, a listing, a batch. */
struct http_task {
    /* Withdraws it; http_done() follows, at once or when it ends. */
    void (*abort)(struct http_task *t);
    /* The client has taken some of a streamed answer; NULL: does not stream. */
    void (*go_on)(struct http_task *t);
};

/* For http_route. */
void http_task_on_abort(struct http_exchange *x);
void http_task_on_writable(struct http_exchange *x);

#endif
