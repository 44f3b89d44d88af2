/* From an operation's number to its form, and what is the same for all forms. */
#include "api/http_err.h"
#include "api/native/grpc/translate.h"
#include "base/check.h"

const struct form *form_of(unsigned number)
{
    if (number <= HOLDFAST__V1__OPERATION__OPERATION_COMBINE_BITS) {
        return key_form(number);
    }
    if (number <= HOLDFAST__V1__OPERATION__OPERATION_RANDOM_KEY) {
        return range_form(number);
    }
    if (number <= HOLDFAST__V1__OPERATION__OPERATION_COUNTER_ADD_FLOAT) {
        return counter_form(number);
    }
    return number <= HOLDFAST__V1__OPERATION__OPERATION_SET_MEMBERS ? set_form(number)
                                                                    : log_form(number);
}

enum err form_read(const struct form *f, const struct translation *t, const void *request,
                   struct op *op, enum read_level *level, struct err_why *why)
{
    struct reading r = {.t = t, .op = op, .why = why};
    op->kind = (uint8_t)f->kind;
    f->read(&r, request);
    *level = r.level;
    return r.err == ERR_OK ? op_check(op, router_value_max(t->router), why) : r.err;
}

enum err operation_read(const struct translation *t, const Holdfast__V1__Operation *message,
                        struct op *op, enum read_level *level, unsigned *number,
                        struct err_why *why)
{
    *number = (unsigned)message->operation_case;
    const struct form *f = form_of(*number);
    if (f == NULL) {
        return err_set(why, ERR_INVALID, "an operation is missing, or unknown");
    }
    /* All members of the union are pointers to messages. */
    return form_read(f, t, message->get, op, level, why);
}

enum err form_answer(const struct form *f, const struct answering *a, ProtobufCMessage **response)
{
    const enum err e = a->result->err;
    if (e != ERR_OK && !(e == ERR_NOT_FOUND && f->answers_missing)) {
        return e;
    }
    *response = arena_get(a->arena, f->response->sizeof_message);
    protobuf_c_message_init(f->response, *response);
    return f->answer(a, *response);
}

void operation_answer(unsigned number, const struct answering *a,
                      Holdfast__V1__OperationResult *message)
{
    ProtobufCMessage *response = NULL;
    const struct form *f = form_of(number);
    CHECK(f != NULL);
    holdfast__v1__operation_result__init(message);
    const enum err e = form_answer(f, a, &response);
    if (e == ERR_OK) {
        /* The same number as in Operation; all members of the union are pointers to messages. */
        message->result_case = (Holdfast__V1__OperationResult__ResultCase)number;
        message->get = (Holdfast__V1__GetResponse *)(void *)response;
        return;
    }
    message->result_case = HOLDFAST__V1__OPERATION_RESULT__RESULT_ERROR;
    message->error = arena_get(a->arena, sizeof(*message->error));
    error_answer(e, NULL, a, message->error);
}

/* ---- Errors ---- */

static Holdfast__V1__ErrorCode code_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_NOT_FOUND;
    case ERR_ALREADY_EXISTS:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_ALREADY_EXISTS;
    case ERR_WRONG_TYPE:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_WRONG_TYPE;
    case ERR_CONFLICT:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_CONFLICT;
    case ERR_INVALID:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_INVALID;
    case ERR_NOT_A_NUMBER:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_NOT_A_NUMBER;
    case ERR_OVERFLOW:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_OVERFLOW;
    case ERR_TOO_LARGE:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_TOO_LARGE;
    case ERR_CROSS_SHARD:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_CROSS_SHARD;
    case ERR_UNIMPLEMENTED:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_UNIMPLEMENTED;
    case ERR_DENIED:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_DENIED;
    case ERR_UNAUTHENTICATED:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_UNAUTHENTICATED;
    case ERR_BUSY:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_BUSY;
    case ERR_NO_SPACE:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_NO_SPACE;
    case ERR_STARTING:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_STARTING;
    case ERR_UNAVAILABLE:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_UNAVAILABLE;
    case ERR_UNKNOWN_OUTCOME:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_UNKNOWN_OUTCOME;
    case ERR_TIMEOUT:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_TIMEOUT;
    case ERR_CANCELED:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_CANCELED;
    case ERR_IO:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_IO;
    case ERR_CORRUPT:
        return HOLDFAST__V1__ERROR_CODE__ERROR_CODE_CORRUPT;
    case ERR_WOULD_WAIT: /* never leaves shard/ */
    case ERR_OK:
    case ERR_COUNT:
        break;
    }
    UNREACHABLE("no error to speak of");
}

/* A pause after which what stood in the way may be over. */
static uint64_t retry_after_ms(enum err e)
{
    const bool is_short = e == ERR_BUSY;
    const bool is_long = e == ERR_STARTING || e == ERR_UNAVAILABLE;
    return is_short ? RETRY_BUSY_MS : is_long ? RETRY_UNAVAILABLE_MS : 0;
}

void error_answer(enum err e, const char *text, const struct answering *a,
                  Holdfast__V1__ErrorDetail *message)
{
    const bool is_own = text != NULL && text[0] != '\0';
    const bool is_reused = a != NULL && e == ERR_INVALID && a->op->idempotency_id.size > 0;
    holdfast__v1__error_detail__init(message);
    message->code = code_of(e);
    message->message =
        unconst(is_own      ? text
                : is_reused ? "not valid, or the idempotency id belongs to another request"
                            : http_err_text(e));
    message->may_have_happened = http_err_may_have_happened(e);
    message->retry_after_ms = retry_after_ms(e);
    if (a == NULL || e != ERR_CONFLICT || !a->result->was_found) {
        return;
    }
    message->revision = a->result->mod_revision;
    if ((a->op->flags & OP_WANT_PREV) != 0) {
        message->previous_case = HOLDFAST__V1__ERROR_DETAIL__PREVIOUS_PREVIOUS_VALUE;
        message->previous_value = grpc_bytes(a->result->value);
    }
}
