/* One operation, or one transaction, for one request. */
#include "api/native/grpc/calls.h"
#include "base/check.h"
#include "wire/protobuf.h"

/* ---- Errors ---- */

/* google.rpc.Status and what lies in it (source: googleapis, google/rpc/status.proto,
 * error_details.proto; google/protobuf/any.proto, duration.proto). */
enum {
    STATUS_CODE = 1,
    STATUS_MESSAGE = 2,
    STATUS_DETAILS = 3,
    ANY_TYPE_URL = 1,
    ANY_VALUE = 2,
    RETRY_INFO_DELAY = 1,
    DURATION_SECONDS = 1,
    DURATION_NANOS = 2
};

static void add_detail(struct buf *status, const char *type, struct slice message)
{
    struct buf any = {0};
    protobuf_bytes_to(&any, ANY_TYPE_URL, slice_of_text(type));
    protobuf_bytes_to(&any, ANY_VALUE, message);
    protobuf_element_to(status, STATUS_DETAILS, buf_slice(&any));
    buf_deinit(&any);
}

static void add_retry_info(struct buf *status, uint64_t delay_ms)
{
    struct buf delay = {0};
    struct buf info = {0};
    protobuf_number_to(&delay, DURATION_SECONDS, delay_ms / 1000);
    protobuf_number_to(&delay, DURATION_NANOS, delay_ms % 1000 * 1000000);
    protobuf_element_to(&info, RETRY_INFO_DELAY, buf_slice(&delay));
    add_detail(status, "type.googleapis.com/google.rpc.RetryInfo", buf_slice(&info));
    buf_deinit(&info);
    buf_deinit(&delay);
}

static void status_to(struct buf *out, enum grpc_status code,
                      const Holdfast__V1__ErrorDetail *detail)
{
    struct buf packed = {0};
    const size_t size = holdfast__v1__error_detail__get_packed_size(detail);
    buf_extend(&packed, holdfast__v1__error_detail__pack(detail, buf_reserve(&packed, size)));
    protobuf_number_to(out, STATUS_CODE, code);
    protobuf_bytes_to(out, STATUS_MESSAGE, slice_of_text(detail->message));
    add_detail(out, "type.googleapis.com/holdfast.v1.ErrorDetail", buf_slice(&packed));
    if (detail->retry_after_ms > 0) {
        add_retry_info(out, detail->retry_after_ms);
    }
    buf_deinit(&packed);
}

void call_fail(struct grpc_call *g, enum err e, const char *text, const struct answering *a)
{
    Holdfast__V1__ErrorDetail detail;
    struct buf status = {0};
    error_answer(e, text, a, &detail);
    if (detail.previous_case != HOLDFAST__V1__ERROR_DETAIL__PREVIOUS__NOT_SET &&
        detail.previous_value.len > DETAIL_VALUE_MAX) {
        detail.previous_case = HOLDFAST__V1__ERROR_DETAIL__PREVIOUS__NOT_SET;
    }
    status_to(&status, grpc_status_of(e), &detail);
    const struct http_header metadata = {SLICE("grpc-status-details-bin"), buf_slice(&status)};
    grpc_fail_with(g, e, detail.message, &metadata, 1);
    buf_deinit(&status);
}

/* ---- One operation ---- */

struct unary {
    struct grpc_op op;
    const struct form *form;
};

struct translation translation_of(const struct grpc_call *g)
{
    const struct loop_context *context = grpc_context(g);
    return (struct translation){.router = context->router,
                                .arena = g->x->arena,
                                .author = slice_of_text(context->facts->node_name)};
}

static struct answering answering_of(const struct grpc_op *o, const struct result *result)
{
    return (struct answering){.arena = o->g->x->arena,
                              .op = &o->call.op,
                              .result = result,
                              .now_ms = router_now_ms(grpc_context(o->g)->router)};
}

static void answer_unary(struct grpc_op *o, const struct result *result)
{
    const struct unary *u = (const struct unary *)(const void *)o; /* lies first in it */
    const struct answering a = answering_of(o, result);
    ProtobufCMessage *response = NULL;
    const enum err e = form_answer(u->form, &a, &response);
    if (e == ERR_OK) {
        grpc_reply(o->g, response);
    } else {
        call_fail(o->g, e, NULL, &a);
    }
}

void on_unary(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct unary *u = arena_zero(g->x->arena, sizeof(*u));
    const struct translation t = translation_of(g);
    struct err_why why;
    u->form = form_of(method_number(g->method));
    CHECK(u->form != NULL && u->form->request == message->descriptor);
    grpc_op_init(&u->op, g, answer_unary);
    const enum err e = form_read(u->form, &t, message, &u->op.call.op, &u->op.call.level, &why);
    if (e != ERR_OK) {
        call_fail(g, e, why.text, NULL);
        return;
    }
    grpc_op_start(&u->op);
}

/* ---- One transaction ---- */

struct txn_call {
    struct grpc_op op;
    struct txn_forms forms;
};

static void answer_txn(struct grpc_op *o, const struct result *result)
{
    const struct txn_call *c = (const struct txn_call *)(const void *)o; /* lies first in it */
    const struct answering a = answering_of(o, result);
    if (result->err != ERR_OK) {
        call_fail(o->g, result->err, NULL, &a);
        return;
    }
    grpc_reply(o->g, &txn_answer(&c->forms, &a)->base);
}

void on_txn(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct txn_call *c = arena_zero(g->x->arena, sizeof(*c));
    const struct translation t = translation_of(g);
    struct err_why why;
    grpc_op_init(&c->op, g, answer_txn);
    const enum err e = txn_read(&t, (const Holdfast__V1__TxnRequest *)message, &c->op.call.op,
                                &c->op.call.level, &c->forms, &why);
    if (e != ERR_OK) {
        call_fail(g, e, why.text, NULL);
        return;
    }
    grpc_op_start(&c->op);
}
