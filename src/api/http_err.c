#include "api/http_err.h"

#include "api/operations.h"
#include "base/check.h"

struct saying {
    unsigned status;
    const char *text;
};

static struct saying saying_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return (struct saying){404, "there is nothing of that name"};
    case ERR_ALREADY_EXISTS:
        return (struct saying){409, "something of that name exists"};
    case ERR_WRONG_TYPE:
        return (struct saying){409, "the key holds a value of another type"};
    case ERR_CONFLICT:
        return (struct saying){412, "the condition did not hold"};
    case ERR_INVALID:
        return (struct saying){400, "the request is not valid"};
    case ERR_NOT_A_NUMBER:
        return (struct saying){400, "the value is not an integer"};
    case ERR_OVERFLOW:
        return (struct saying){400, "increment or decrement would overflow"};
    case ERR_TOO_LARGE:
        return (struct saying){413, "over a limit of this server"};
    case ERR_CROSS_SHARD:
        return (struct saying){400, "the keys do not lie in one shard"};
    case ERR_UNIMPLEMENTED:
        return (struct saying){501, "not implemented"};
    case ERR_DENIED:
        return (struct saying){403, "not allowed"};
    case ERR_UNAUTHENTICATED:
        return (struct saying){401, "not authenticated"};
    case ERR_BUSY:
        return (struct saying){429, "too much is under way; try again after a pause"};
    case ERR_NO_SPACE:
        return (struct saying){507, "no space is left"};
    case ERR_STARTING:
        return (struct saying){503, "the server is starting"};
    case ERR_UNAVAILABLE:
        return (struct saying){503, "not available; nothing has happened"};
    case ERR_UNKNOWN_OUTCOME:
        return (struct saying){504, "the write may have happened, or may still"};
    case ERR_TIMEOUT:
        return (struct saying){503, "took too long; nothing has happened"};
    case ERR_CANCELED:
        return (struct saying){503, "withdrawn; nothing has happened"};
    case ERR_IO:
        return (struct saying){500, "reading or writing stored data failed"};
    case ERR_CORRUPT:
        return (struct saying){500, "stored data is damaged"};
    case ERR_WOULD_WAIT: /* never leaves shard/ */
    case ERR_OK:
    case ERR_COUNT:
        break;
    }
    UNREACHABLE("no error to speak of");
}

unsigned http_err_status(enum err e)
{
    return saying_of(e).status;
}

const char *http_err_text(enum err e)
{
    return saying_of(e).text;
}

bool http_err_may_have_happened(enum err e)
{
    return e == ERR_UNKNOWN_OUTCOME;
}

void http_err_count(const struct http_exchange *x, enum dialect dialect, enum err e)
{
    struct operation_stats *stats =
        operation_find(&http_context(x)->stats[dialect], x->route->name);
    if (stats != NULL) {
        metric_add(&stats->errors[e], 1);
    }
}
