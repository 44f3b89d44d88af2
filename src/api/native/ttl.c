/* Times to live. */
#include "api/native/native.h"

#define DIGITS_MAX_MS 12 /* so that no sum overflows, and TTL_MAX_MS holds */
#define DIGITS_MAX_S  9

enum err ttl_read(struct slice text, struct ttl *out, struct err_why *why)
{
    uint64_t sum = 0;
    size_t digits = 0;
    if (slice_equal(text, SLICE("keep"))) {
        *out = (struct ttl){.is_given = true, .is_kept = true};
        return ERR_OK;
    }
    while (digits < text.size && digits <= DIGITS_MAX_MS && text.data[digits] >= '0' &&
           text.data[digits] <= '9') {
        sum = sum * 10 + text.data[digits] - '0';
        digits++;
    }
    const struct slice unit = slice_skip(text, digits);
    const bool is_seconds = unit.data != NULL && slice_equal(unit, SLICE("s"));
    const bool is_ms = unit.data == NULL || unit.size == 0 || slice_equal(unit, SLICE("ms"));
    if (digits == 0 || (!is_seconds && !is_ms) ||
        digits > (is_seconds ? DIGITS_MAX_S : DIGITS_MAX_MS)) {
        return err_set(why, ERR_INVALID,
                       "a ttl looks like 5s, 250ms or 250 (milliseconds, up to 12 digits)");
    }
    *out = (struct ttl){.is_given = true, .ms = is_seconds ? sum * 1000 : sum};
    return ERR_OK;
}

enum err ttl_read_json(const json_t *value, const char *name, struct ttl *out, struct err_why *why)
{
    int64_t number = 0;
    if (json_is_string(value)) {
        return ttl_read(json_slice(value), out, why);
    }
    if (!integer_read(value, &number) || number < 0 || (uint64_t)number > TTL_MAX_MS) {
        return err_set(why, ERR_INVALID, "%s is 0 to %llu milliseconds, or text like 5s", name,
                       (unsigned long long)TTL_MAX_MS);
    }
    return ttl_of_ms((uint64_t)number, name, out, why);
}

enum err ttl_of_ms(uint64_t ms, const char *name, struct ttl *out, struct err_why *why)
{
    if (ms > TTL_MAX_MS) {
        return err_set(why, ERR_INVALID, "%s is 0 to %llu milliseconds", name,
                       (unsigned long long)TTL_MAX_MS);
    }
    *out = (struct ttl){.is_given = true, .ms = ms};
    return ERR_OK;
}

enum err ttl_apply(const struct ttl *ttl, uint64_t now_ms, struct op *op, struct err_why *why)
{
    if (!ttl->is_given) {
        return ERR_OK;
    }
    if (ttl->is_kept) {
        op->flags |= OP_KEEP_TTL;
        return op->kind == OP_PUT ? ERR_OK : err_set(why, ERR_INVALID, "only a put may keep a ttl");
    }
    op->flags |= OP_SET_EXPIRY;
    op->expiry_ms = ttl->ms == 0 ? 0 : now_ms + ttl->ms;
    return ERR_OK;
}
