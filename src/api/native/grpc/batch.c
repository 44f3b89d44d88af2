/* A stream of operations and transactions, each answered in its place. What is wrong with one of
 * them is its answer; the stream goes on. */
#include "api/grpc_flow.h"
#include "api/http_err.h"
#include "api/native/grpc/calls.h"
#include "api/native/grpc/keep.h"

/* One request: first in its slot's room, and its op behind it. */
struct part {
    unsigned number; /* of the operation; 0: a transaction */
    struct txn_forms forms;
};

static void answer_error(struct grpc_flow_slot *s, enum err e, const char *text,
                         const struct answering *a)
{
    Holdfast__V1__BatchResponse response = HOLDFAST__V1__BATCH_RESPONSE__INIT;
    Holdfast__V1__OperationResult result = HOLDFAST__V1__OPERATION_RESULT__INIT;
    Holdfast__V1__ErrorDetail detail;
    error_answer(e, text, a, &detail);
    result.result_case = HOLDFAST__V1__OPERATION_RESULT__RESULT_ERROR;
    result.error = &detail;
    response.response_case = HOLDFAST__V1__BATCH_RESPONSE__RESPONSE_RESULT;
    response.result = &result;
    grpc_flow_answer(s, &response.base);
}

static void count_error(const struct grpc_flow_slot *s, enum err e)
{
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        http_err_count(s->flow->g->x, DIALECT_NATIVE, e);
    }
}

/* ---- Requests ---- */

static enum err read_part(const struct translation *t, const Holdfast__V1__BatchRequest *m,
                          struct call *call, struct part *part, struct err_why *why)
{
    switch ((unsigned)m->request_case) {
    case HOLDFAST__V1__BATCH_REQUEST__REQUEST_OPERATION:
        return operation_read(t, m->operation, &call->op, &call->level, &part->number, why);
    case HOLDFAST__V1__BATCH_REQUEST__REQUEST_TXN:
        return txn_read(t, m->txn, &call->op, &call->level, &part->forms, why);
    default:
        return err_set(why, ERR_INVALID, "a request has an operation or a transaction");
    }
}

static void keep_part(struct keeper *k, struct part *part, struct op *op)
{
    struct txn_forms *f = &part->forms;
    f->success = keep_bytes(k, f->success, op->op_count * sizeof(*f->success));
    f->failure = keep_bytes(k, f->failure, op->else_op_count * sizeof(*f->failure));
    keep_op(k, op);
}

/* Moves a request out of the message, which is gone when the next one comes. */
static void keep_request(struct grpc_flow_slot *s, const struct part *part)
{
    struct part copy = *part;
    struct op op = s->call.op;
    struct keeper k = {.size = sizeof(copy)};
    keep_part(&k, &copy, &op);
    k.at = grpc_flow_room(s, k.size);
    struct part *kept = keep_bytes(&k, part, sizeof(*part));
    keep_part(&k, kept, &s->call.op);
    s->user = kept;
}

static enum grpc_flow_step take(struct grpc_flow_slot *s, const ProtobufCMessage *message)
{
    struct arena arrays = {0};
    struct part part = {0};
    struct err_why why;
    struct translation t = translation_of(s->flow->g);
    t.arena = &arrays;
    s->call.op = (struct op){0};
    s->call.level = READ_LINEARIZABLE;
    const enum err e =
        read_part(&t, (const Holdfast__V1__BatchRequest *)message, &s->call, &part, &why);
    if (e == ERR_OK) {
        keep_request(s, &part);
        s->may_repeat = op_is_read(&s->call.op);
    } else {
        count_error(s, e);
        answer_error(s, e, why.text, NULL);
    }
    arena_deinit(&arrays);
    return e == ERR_OK ? FLOW_CALL : FLOW_DONE;
}

/* ---- Answers ---- */

static void done(struct grpc_flow_slot *s, const struct result *result)
{
    const struct part *part = s->user;
    struct arena arena = {0};
    const struct answering a = {.arena = &arena,
                                .op = &s->call.op,
                                .result = result,
                                .now_ms = router_now_ms(grpc_context(s->flow->g)->router)};
    Holdfast__V1__BatchResponse response = HOLDFAST__V1__BATCH_RESPONSE__INIT;
    Holdfast__V1__OperationResult one;
    count_error(s, result->err);
    if (part->number != 0) {
        operation_answer(part->number, &a, &one);
        response.response_case = HOLDFAST__V1__BATCH_RESPONSE__RESPONSE_RESULT;
        response.result = &one;
        grpc_flow_answer(s, &response.base);
    } else if (result->err == ERR_OK) {
        response.response_case = HOLDFAST__V1__BATCH_RESPONSE__RESPONSE_TXN;
        response.txn = txn_answer(&part->forms, &a);
        grpc_flow_answer(s, &response.base);
    } else {
        answer_error(s, result->err, NULL, &a);
    }
    arena_deinit(&arena);
}

static void end(struct grpc_call *g)
{
    grpc_finish(g, GRPC_OK, (struct slice){0});
}

void on_batch_open(struct grpc_call *g)
{
    static const struct grpc_flow_ops ops = {.take = take, .done = done, .end = end};
    (void)grpc_flow_new(g, &ops);
}
