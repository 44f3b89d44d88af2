#include "api/native/span.h"

/* The least text above all that begin with `prefix`; NULL data: there is none (0xff alone). */
static struct slice prefix_end(struct arena *arena, struct slice prefix)
{
    size_t size = prefix.size;
    while (size > 0 && prefix.data[size - 1] == 0xff) {
        size--;
    }
    if (size == 0) {
        return (struct slice){0};
    }
    uint8_t *end = arena_get(arena, size);
    memcpy(end, prefix.data, size);
    end[size - 1]++;
    return slice_of(end, size);
}

struct span span_of(struct arena *arena, struct slice prefix, struct slice from, struct slice to)
{
    struct span span = {.from = from.data != NULL ? from : SLICE(""), .to = to};
    if (prefix.data != NULL) {
        const struct slice end = prefix_end(arena, prefix);
        span.from = slice_compare(prefix, span.from) > 0 ? prefix : span.from;
        if (end.data != NULL && (to.data == NULL || slice_compare(end, to) < 0)) {
            span.to = end;
        }
    }
    return span;
}

void span_resume(struct source_config *config, struct slice after)
{
    if (config->is_reverse) {
        config->to =
            config->to.data == NULL || slice_compare(after, config->to) < 0 ? after : config->to;
    } else if (slice_compare(after, config->from) >= 0) {
        config->from = after;
        config->is_after = true;
    }
}

static struct slice text_of(const struct parameter *p)
{
    return p->is_given && p->text.size == 0 ? SLICE("") : p->text;
}

enum err span_read(struct arena *arena, const struct parameter *prefix,
                   const struct parameter *from, const struct parameter *to, struct span *out,
                   struct err_why *why)
{
    *out = span_of(arena, text_of(prefix), text_of(from), text_of(to));
    if (out->from.size > KEY_MAX || out->to.size > KEY_MAX) {
        return err_set(why, ERR_INVALID, "a key has %zu bytes at most", KEY_MAX);
    }
    return ERR_OK;
}
