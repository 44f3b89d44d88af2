#include "api/regatta/rest_reply.h"

#include "wire/json.h"

#define JSON_TYPE SLICE("application/json")

static void member(struct rest_reply *r, const char *name)
{
    if (r->has_member) {
        buf_append_byte(&r->text, ',');
    }
    r->has_member = true;
    buf_append_byte(&r->text, '"');
    buf_append_text(&r->text, name);
    buf_append_text(&r->text, "\":");
}

void rest_reply_begin(struct rest_reply *r)
{
    *r = (struct rest_reply){0};
    buf_append_byte(&r->text, '{');
}

void rest_reply_number(struct rest_reply *r, const char *name, uint64_t number)
{
    if (number != 0) {
        member(r, name);
        buf_append_byte(&r->text, '"');
        buf_append_u64(&r->text, number);
        buf_append_byte(&r->text, '"');
    }
}

void rest_reply_header(struct rest_reply *r, const struct loop_context *c)
{
    const Regatta__V1__ResponseHeader header = regatta_early_header(c);
    member(r, "header");
    struct rest_reply inner;
    rest_reply_begin(&inner);
    rest_reply_number(&inner, "cluster_id", header.shard_id);
    rest_reply_number(&inner, "member_id", header.replica_id);
    rest_reply_number(&inner, "raft_term", header.raft_term);
    rest_reply_number(&inner, "raft_leader_id", header.raft_leader_id);
    buf_append_slice(&r->text, buf_slice(&inner.text));
    buf_append_byte(&r->text, '}');
    buf_deinit(&inner.text);
}

static void bytes(struct rest_reply *r, const char *name, struct slice value)
{
    if (value.size > 0) {
        member(r, name);
        buf_append_byte(&r->text, '"');
        base64_to(&r->text, value);
        buf_append_byte(&r->text, '"');
    }
}

void rest_reply_pair(struct rest_reply *r, struct slice key, struct slice value)
{
    member(r, "kvs");
    buf_append_text(&r->text, "[{");
    r->has_member = false;
    bytes(r, "key", key);
    bytes(r, "value", value);
    buf_append_text(&r->text, "}]");
    r->has_member = true;
}

static void send(struct http_exchange *x, unsigned status, bool has_metadata, struct buf *text)
{
    const struct http_header headers[] = {
        {SLICE("Content-Type"), JSON_TYPE},
        {SLICE("Grpc-Metadata-Content-Type"), SLICE("application/grpc")},
        {SLICE("Grpc-Metadata-Trailer"), SLICE("Grpc-Status")},
        {SLICE("Grpc-Metadata-Trailer"), SLICE("Grpc-Message")},
        {SLICE("Grpc-Metadata-Trailer"), SLICE("Grpc-Status-Details-Bin")},
    };
    struct buf body = *text;
    const size_t count = has_metadata ? sizeof(headers) / sizeof(headers[0]) : 1;
    http_respond(x, status, headers, count, buf_slice(&body));
    buf_deinit(&body);
}

void rest_reply_send(struct http_exchange *x, struct rest_reply *r)
{
    buf_append_byte(&r->text, '}');
    send(x, 200, true, &r->text);
}

static unsigned http_status_of(enum grpc_status status)
{
    switch (status) {
    case GRPC_OK:
        return 200;
    case GRPC_CANCELLED:
        return 408;
    case GRPC_INVALID_ARGUMENT:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_OUT_OF_RANGE:
        return 400;
    case GRPC_DEADLINE_EXCEEDED:
        return 504;
    case GRPC_NOT_FOUND:
        return 404;
    case GRPC_ALREADY_EXISTS:
    case GRPC_ABORTED:
        return 409;
    case GRPC_PERMISSION_DENIED:
        return 403;
    case GRPC_UNAUTHENTICATED:
        return 401;
    case GRPC_RESOURCE_EXHAUSTED:
        return 429;
    case GRPC_UNIMPLEMENTED:
        return 501;
    case GRPC_UNAVAILABLE:
        return 503;
    case GRPC_UNKNOWN:
    case GRPC_INTERNAL:
    case GRPC_DATA_LOSS:
        break;
    }
    return 500;
}

static void refuse(struct http_exchange *x, const struct refusal *r, bool has_metadata)
{
    struct buf text = {0};
    http_err_count(x, DIALECT_REGATTA, r->err);
    buf_append_text(&text, "{\"error\":");
    json_string_to(&text, slice_of_text(r->text), JSON_HTML);
    buf_printf(&text, ",\"code\":%d,\"message\":", (int)r->status);
    json_string_to(&text, slice_of_text(r->text), JSON_HTML);
    buf_append_byte(&text, '}');
    send(x, http_status_of(r->status), has_metadata, &text);
}

void rest_refuse(struct http_exchange *x, struct refusal r)
{
    refuse(x, &r, true);
}

/* What the first version had no code for was Internal. */
void rest_fail(struct http_exchange *x, enum err e)
{
    struct refusal r = refusal_of(e);
    r.status = r.status == GRPC_FAILED_PRECONDITION ? GRPC_INTERNAL : r.status;
    rest_refuse(x, r);
}

void rest_refuse_body(struct http_exchange *x, const char *text)
{
    const struct refusal r = REFUSAL_INVALID(text);
    refuse(x, &r, false);
}

void rest_refuse_route(struct http_exchange *x, unsigned status)
{
    const struct http_header headers[] = {
        {SLICE("Content-Type"), SLICE("text/plain; charset=utf-8")},
        {SLICE("X-Content-Type-Options"), SLICE("nosniff")},
    };
    http_respond(x, status, headers, 2,
                 status == 405 ? SLICE("Method Not Allowed\n") : SLICE("Not Found\n"));
}
