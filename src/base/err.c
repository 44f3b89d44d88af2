#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

struct err_names {
    const char *name;
    const char *code;
};

static const struct err_names names[ERR_COUNT] = {
    [ERR_OK] = {"ok", "OK"},
    [ERR_NOT_FOUND] = {"not_found", "NOT_FOUND"},
    [ERR_ALREADY_EXISTS] = {"already_exists", "ALREADY_EXISTS"},
    [ERR_WRONG_TYPE] = {"wrong_type", "WRONG_TYPE"},
    [ERR_CONFLICT] = {"conflict", "CONFLICT"},
    [ERR_INVALID] = {"invalid", "INVALID"},
    [ERR_NOT_A_NUMBER] = {"not_a_number", "NOT_A_NUMBER"},
    [ERR_OVERFLOW] = {"overflow", "OVERFLOW"},
    [ERR_TOO_LARGE] = {"too_large", "TOO_LARGE"},
    [ERR_CROSS_SHARD] = {"cross_shard", "CROSS_SHARD"},
    [ERR_UNIMPLEMENTED] = {"unimplemented", "UNIMPLEMENTED"},
    [ERR_DENIED] = {"denied", "DENIED"},
    [ERR_UNAUTHENTICATED] = {"unauthenticated", "UNAUTHENTICATED"},
    [ERR_BUSY] = {"busy", "BUSY"},
    [ERR_NO_SPACE] = {"no_space", "NO_SPACE"},
    [ERR_STARTING] = {"starting", "STARTING"},
    [ERR_UNAVAILABLE] = {"unavailable", "UNAVAILABLE"},
    [ERR_UNKNOWN_OUTCOME] = {"unknown_outcome", "UNKNOWN_OUTCOME"},
    [ERR_TIMEOUT] = {"timeout", "TIMEOUT"},
    [ERR_CANCELED] = {"canceled", "CANCELED"},
    [ERR_IO] = {"io", "IO"},
    [ERR_CORRUPT] = {"corrupt", "CORRUPT"},
    [ERR_WOULD_WAIT] = {"would_wait", "WOULD_WAIT"},
};

const char *err_name(enum err e)
{
    CHECK(e < ERR_COUNT);
    return names[e].name;
}

const char *err_code(enum err e)
{
    CHECK(e < ERR_COUNT);
    return names[e].code;
}

enum err err_set(struct err_why *why, enum err e, const char *fmt, ...)
{
    CHECK(e != ERR_OK);
    if (why == NULL) {
        return e;
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why->text, sizeof(why->text), fmt, args); /* truncation is fine */
    va_end(args);
    why->code = e;
    return e;
}
