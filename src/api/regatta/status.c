/* Regatta's statuses and texts. */
#include "api/regatta/regatta.h"
#include "base/check.h"

struct refusal refusal_of(enum err e)
{
    switch (e) {
    case ERR_NOT_FOUND:
        return REFUSAL_NO_TABLE;
    case ERR_BUSY:
    case ERR_STARTING:
    case ERR_UNAVAILABLE:
    case ERR_UNKNOWN_OUTCOME:
    case ERR_TIMEOUT:
    case ERR_CANCELED:
        return (struct refusal){GRPC_UNAVAILABLE, e, http_err_text(e)};
    case ERR_UNAUTHENTICATED:
        return (struct refusal){GRPC_UNAUTHENTICATED, e, http_err_text(e)};
    case ERR_ALREADY_EXISTS:
    case ERR_WRONG_TYPE:
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_NOT_A_NUMBER:
    case ERR_OVERFLOW:
    case ERR_TOO_LARGE:
    case ERR_CROSS_SHARD:
    case ERR_UNIMPLEMENTED:
    case ERR_DENIED:
    case ERR_NO_SPACE:
    case ERR_IO:
    case ERR_CORRUPT:
        return (struct refusal){GRPC_FAILED_PRECONDITION, e, http_err_text(e)};
    case ERR_WOULD_WAIT: /* never leaves shard/ */
    case ERR_OK:
    case ERR_COUNT:
        break;
    }
    UNREACHABLE("no error to speak of");
}

struct refusal refusal_of_key(struct slice key)
{
    return key.size > REGATTA_KEY_MAX ? REFUSAL_LIMIT(TEXT_KEY_TOO_LONG)
                                      : (struct refusal){GRPC_OK, ERR_OK, NULL};
}

struct refusal refusal_of_value(struct slice value)
{
    return value.size > REGATTA_VALUE_MAX ? REFUSAL_LIMIT(TEXT_VALUE_TOO_LONG)
                                          : (struct refusal){GRPC_OK, ERR_OK, NULL};
}

void regatta_refuse(struct grpc_call *g, struct refusal r)
{
    grpc_finish(g, r.status, slice_of_text(r.text));
}

void regatta_fail(struct grpc_call *g, enum err e)
{
    regatta_refuse(g, refusal_of(e));
}

/* ---- Tokens ---- */

/* Takes as long for a token that is wrong in its first byte as for one that is right. */
static bool is_same(struct slice given, struct slice wanted)
{
    unsigned difference = given.size == wanted.size ? 0 : 1;
    for (size_t i = 0; i < given.size; i++) {
        difference |= (unsigned)(given.data[i] ^ wanted.data[i % wanted.size]);
    }
    return difference == 0;
}

/* "Bearer ", in any case. */
static bool take_scheme(struct slice *text)
{
    static const char scheme[] = "bearer ";
    if (text->size < sizeof(scheme) - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof(scheme) - 1; i++) {
        const uint8_t byte = text->data[i];
        if ((byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte) != (uint8_t)scheme[i]) {
            return false;
        }
    }
    *text = slice_skip(*text, sizeof(scheme) - 1);
    return true;
}

struct refusal refusal_of_token(struct slice authorization, const char *token)
{
    if (token == NULL || token[0] == '\0') {
        return (struct refusal){GRPC_OK, ERR_OK, NULL};
    }
    if (!take_scheme(&authorization)) {
        return (struct refusal){GRPC_UNAUTHENTICATED, ERR_UNAUTHENTICATED,
                                "Request unauthenticated with bearer"};
    }
    if (!is_same(authorization, slice_of_text(token))) {
        return (struct refusal){GRPC_UNAUTHENTICATED, ERR_UNAUTHENTICATED, "Invalid token"};
    }
    return (struct refusal){GRPC_OK, ERR_OK, NULL};
}

bool regatta_is_allowed(struct grpc_call *g, const char *token)
{
    const struct refusal r = refusal_of_token(grpc_metadata(g, "authorization"), token);
    if (r.status != GRPC_OK) {
        regatta_refuse(g, r);
    }
    return r.status == GRPC_OK;
}
