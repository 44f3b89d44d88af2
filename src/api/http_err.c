#include "api/http_err.h"

#include "api/grpc.h"
#include "api/operations.h"
#include "base/check.h"
#include "wire/json.h"

struct saying {
    unsigned status;
    enum grpc_status grpc;
    const char *text;
};

static struct saying saying_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return (struct saying){404, GRPC_NOT_FOUND, "there is nothing of that name"};
    case ERR_ALREADY_EXISTS:
        return (struct saying){409, GRPC_ALREADY_EXISTS, "something of that name exists"};
    case ERR_WRONG_TYPE:
        return (struct saying){409, GRPC_FAILED_PRECONDITION,
                               "the key holds a value of another type"};
    case ERR_CONFLICT:
        return (struct saying){412, GRPC_ABORTED, "the condition did not hold"};
    case ERR_INVALID:
        return (struct saying){400, GRPC_INVALID_ARGUMENT, "the request is not valid"};
    case ERR_NOT_A_NUMBER:
        return (struct saying){400, GRPC_INVALID_ARGUMENT, "the value is not an integer"};
    case ERR_OVERFLOW:
        return (struct saying){400, GRPC_OUT_OF_RANGE, "increment or decrement would overflow"};
    case ERR_TOO_LARGE:
        return (struct saying){413, GRPC_RESOURCE_EXHAUSTED, "over a limit of this server"};
    case ERR_CROSS_SHARD:
        return (struct saying){400, GRPC_INVALID_ARGUMENT, "the keys do not lie in one shard"};
    case ERR_UNIMPLEMENTED:
        return (struct saying){501, GRPC_UNIMPLEMENTED, "not implemented"};
    case ERR_DENIED:
        return (struct saying){403, GRPC_PERMISSION_DENIED, "not allowed"};
    case ERR_UNAUTHENTICATED:
        return (struct saying){401, GRPC_UNAUTHENTICATED, "not authenticated"};
    case ERR_BUSY:
        return (struct saying){429, GRPC_RESOURCE_EXHAUSTED,
                               "too much is under way; try again after a pause"};
    case ERR_NO_SPACE:
        return (struct saying){507, GRPC_RESOURCE_EXHAUSTED, "no space is left"};
    case ERR_STARTING:
        return (struct saying){503, GRPC_UNAVAILABLE, "the server is starting"};
    case ERR_UNAVAILABLE:
        return (struct saying){503, GRPC_UNAVAILABLE, "not available; nothing has happened"};
    case ERR_UNKNOWN_OUTCOME:
        return (struct saying){504, GRPC_UNKNOWN, "the write may have happened, or may still"};
    case ERR_TIMEOUT:
        return (struct saying){503, GRPC_DEADLINE_EXCEEDED, "took too long; nothing has happened"};
    case ERR_CANCELED:
        return (struct saying){503, GRPC_CANCELLED, "withdrawn; nothing has happened"};
    case ERR_IO:
        return (struct saying){500, GRPC_INTERNAL, "reading or writing stored data failed"};
    case ERR_CORRUPT:
        return (struct saying){500, GRPC_DATA_LOSS, "stored data is damaged"};
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

enum grpc_status grpc_status_of(enum err e)
{
    return e == ERR_OK ? GRPC_OK : saying_of(e).grpc;
}

const char *http_err_text(enum err e)
{
    return saying_of(e).text;
}

bool http_err_may_have_happened(enum err e)
{
    return e == ERR_UNKNOWN_OUTCOME;
}

void http_problem_to(struct buf *out, unsigned status, enum err e, const char *detail)
{
    const char *text = detail == NULL || detail[0] == '\0' ? http_err_text(e) : detail;
    buf_append_text(out, "{\"type\":\"about:blank\",\"title\":");
    json_string_to(out, slice_of_text(http_reason(status)), JSON_PLAIN);
    buf_append_text(out, ",\"status\":");
    buf_append_u64(out, status);
    buf_append_text(out, ",\"detail\":");
    json_string_to(out, slice_of_text(text), JSON_PLAIN);
    buf_append_text(out, ",\"code\":\"");
    buf_append_text(out, err_code(e));
    buf_append_text(out, "\",\"may_have_happened\":");
    buf_append_text(out, http_err_may_have_happened(e) ? "true}" : "false}");
}

void http_err_count(const struct http_exchange *x, enum dialect dialect, enum err e)
{
    struct operation_stats *stats =
        operation_find(&http_context(x)->stats[dialect], x->route->name);
    if (stats != NULL) {
        metric_add(&stats->errors[e], 1);
    }
}
