#include "api/native/span.h"

struct span span_of_prefix(struct arena *arena, struct slice prefix)
{
    struct span span = {.from = prefix};
    size_t size = prefix.size;
    while (size > 0 && prefix.data[size - 1] == 0xff) {
        size--;
    }
    if (size > 0) { /* the least text above all that begin so; 0xff alone has none */
        uint8_t *end = arena_get(arena, size);
        memcpy(end, prefix.data, size);
        end[size - 1]++;
        span.to = slice_of(end, size);
    }
    return span;
}

enum err span_read(struct arena *arena, const struct parameter *prefix,
                   const struct parameter *from, const struct parameter *to, struct span *out,
                   struct err_why *why)
{
    *out = (struct span){0};
    if (prefix->is_given) {
        if (from->is_given || to->is_given) {
            return err_set(why, ERR_INVALID, "either prefix, or from and to");
        }
        *out = span_of_prefix(arena, prefix->text);
    } else {
        out->from = from->is_given ? from->text : SLICE("");
        out->to = to->is_given ? to->text : (struct slice){0};
    }
    if (out->from.size > KEY_MAX || out->to.size > KEY_MAX) {
        return err_set(why, ERR_INVALID, "a key has %zu bytes at most", KEY_MAX);
    }
    return ERR_OK;
}
