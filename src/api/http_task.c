#include "api/http_task.h"

void http_task_on_abort(struct http_exchange *x)
{
    struct http_task *t = x->user;
    if (t == NULL) {
        http_done(x);
    } else {
        t->abort(t);
    }
}

void http_task_on_writable(struct http_exchange *x)
{
    struct http_task *t = x->user;
    if (t != NULL && t->go_on != NULL) {
        t->go_on(t);
    }
}
