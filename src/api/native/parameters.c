/* Query parameters, strictly: what is not understood is refused, so that no client believes in a
 * parameter that did nothing. */
#include "api/native/native.h"

static struct parameter *find(struct parameter *list, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, slice_of_text(list[i].name))) {
            return &list[i];
        }
    }
    return NULL;
}

/* The name is not quoted: it may be any bytes. Those that are known tell as much. */
static enum err refuse_unknown(const struct parameter *list, size_t count, struct err_why *why)
{
    struct buf known = {0};
    for (size_t i = 0; i < count; i++) {
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", list[i].name);
    }
    const enum err e =
        count == 0 ? err_set(why, ERR_INVALID, "an unknown query parameter: there are none here")
                   : err_set(why, ERR_INVALID, "an unknown query parameter: known here are %.*s",
                             (int)known.size, (const char *)known.data);
    buf_deinit(&known);
    return e;
}

enum err parameters_read(struct http_exchange *x, struct parameter *list, size_t count,
                         struct err_why *why)
{
    struct slice rest = x->request.query;
    while (rest.size > 0) {
        struct slice encoded = http_cut(&rest, '&');
        struct slice name;
        struct slice text;
        if (encoded.size == 0) {
            continue;
        }
        const struct slice encoded_name = http_cut(&encoded, '=');
        if (!http_decode(x->arena, encoded_name, true, &name) ||
            !http_decode(x->arena, encoded, true, &text)) {
            return err_set(why, ERR_INVALID, "the query holds a broken escape");
        }
        struct parameter *p = find(list, count, name);
        if (p == NULL) {
            return refuse_unknown(list, count, why);
        }
        if (p->is_given) {
            return err_set(why, ERR_INVALID, "query parameter %s is given twice", p->name);
        }
        p->is_given = true;
        p->text = text;
    }
    return ERR_OK;
}

enum err parameters_none(struct http_exchange *x, struct err_why *why)
{
    return parameters_read(x, NULL, 0, why);
}

enum err parameter_bool(const struct parameter *p, bool *out, struct err_why *why)
{
    if (!p->is_given) {
        return ERR_OK;
    }
    const bool is_true = slice_equal(p->text, SLICE("true"));
    if (!is_true && !slice_equal(p->text, SLICE("false"))) {
        return err_set(why, ERR_INVALID, "%s is true or false", p->name);
    }
    *out = is_true;
    return ERR_OK;
}

enum err parameter_i64(const struct parameter *p, int64_t *out, struct err_why *why)
{
    if (p->is_given && !parse_int64(p->text, out)) {
        return err_set(why, ERR_INVALID, "%s is an integer of 64 bits", p->name);
    }
    return ERR_OK;
}

enum err parameter_u64(const struct parameter *p, uint64_t *out, struct err_why *why)
{
    int64_t number = 0;
    if (!p->is_given) {
        return ERR_OK;
    }
    if (!parse_int64(p->text, &number) || number < 0) {
        return err_set(why, ERR_INVALID, "%s is an integer of 0 or more", p->name);
    }
    *out = (uint64_t)number;
    return ERR_OK;
}
