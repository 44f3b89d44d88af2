/* errors.c - errors as the original says them. Its clients see codes and texts. */
#include "api/dstash/dstash.h"

/* NULL: the original has no such error. */
static const char *original_text(enum err e)
{
    switch (e) {
    case ERR_NO_SPACE:
        return "database is full";
    case ERR_TOO_LARGE:
        return "value is too large";
    case ERR_OK:
    case ERR_NOT_FOUND:
    case ERR_ALREADY_EXISTS:
    case ERR_WRONG_TYPE:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_NOT_A_NUMBER:
    case ERR_OVERFLOW:
    case ERR_CROSS_SHARD:
    case ERR_UNIMPLEMENTED:
    case ERR_DENIED:
    case ERR_UNAUTHENTICATED:
    case ERR_BUSY:
    case ERR_STARTING:
    case ERR_UNAVAILABLE:
    case ERR_UNKNOWN_OUTCOME:
    case ERR_TIMEOUT:
    case ERR_CANCELED:
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_WOULD_WAIT:
    case ERR_COUNT:
        break;
    }
    return NULL;
}

void dstash_count(const struct grpc_call *g, enum err e)
{
    http_err_count(g->x, DIALECT_DSTASH, e);
}

enum grpc_flow_step dstash_refuse(struct grpc_flow_slot *s, const char *text)
{
    grpc_flow_fail(s, GRPC_UNKNOWN, slice_of_text(text));
    return FLOW_DONE;
}

enum grpc_flow_step dstash_fail(struct grpc_flow_slot *s, enum err e)
{
    const char *text = original_text(e);
    if (text != NULL) {
        return dstash_refuse(s, text);
    }
    grpc_flow_fail(s, grpc_status_of(e), slice_of_text(http_err_text(e)));
    return FLOW_DONE;
}

void dstash_refuse_call(struct grpc_call *g, const char *text)
{
    grpc_finish(g, GRPC_UNKNOWN, slice_of_text(text));
}

void dstash_fail_call(struct grpc_call *g, enum err e)
{
    const char *text = original_text(e);
    if (text != NULL) {
        dstash_refuse_call(g, text);
        return;
    }
    grpc_finish(g, grpc_status_of(e), slice_of_text(http_err_text(e)));
}
