/* tables/{table}/keys: lists keys and values in order, counts them, deletes them. */
#include "api/clearing.h"
#include "api/native/listing.h"
#include "api/native/rows.h"
#include "api/native/span.h"

enum {
    PARAMETER_PREFIX,
    PARAMETER_FROM,
    PARAMETER_TO,
    PARAMETER_LIMIT,
    PARAMETER_REVERSE,
    PARAMETER_KEYS_ONLY,
    PARAMETER_COUNT_ONLY,
    PARAMETER_CURSOR,
    PARAMETER_COUNT
};

/* ---- GET ---- */

static void row_to(struct listing *l, struct buf *out, const struct row *row)
{
    record_to(out, row, router_now_ms(http_context(l->x)->router));
}

static void key_to(struct listing *l, struct buf *out, const struct row *row)
{
    (void)l;
    record_key_to(out, row);
}

static enum err apply_cursor(struct listing *l, const struct parameter *cursor, struct err_why *why)
{
    struct slice after;
    if (!cursor->is_given) {
        return ERR_OK;
    }
    const enum err e = cursor_read(cursor->text, l->x->arena, &after, why);
    if (e == ERR_OK) {
        span_resume(&l->config, after);
    }
    return e;
}

static enum err read_list(struct listing *l, struct err_why *why)
{
    struct parameter list[PARAMETER_COUNT] = {
        [PARAMETER_PREFIX] = {.name = "prefix"},
        [PARAMETER_FROM] = {.name = "from"},
        [PARAMETER_TO] = {.name = "to"},
        [PARAMETER_LIMIT] = {.name = "limit"},
        [PARAMETER_REVERSE] = {.name = "reverse"},
        [PARAMETER_KEYS_ONLY] = {.name = "keys_only"},
        [PARAMETER_COUNT_ONLY] = {.name = "count_only"},
        [PARAMETER_CURSOR] = {.name = "cursor"},
    };
    struct source_config *c = &l->config;
    struct span span = {0};
    enum err e = parameters_read(l->x, list, PARAMETER_COUNT, why);
    e = e == ERR_OK ? parameter_u64(&list[PARAMETER_LIMIT], &l->limit, why) : e;
    e = e == ERR_OK ? parameter_bool(&list[PARAMETER_REVERSE], &c->is_reverse, why) : e;
    e = e == ERR_OK ? parameter_bool(&list[PARAMETER_KEYS_ONLY], &c->keys_only, why) : e;
    e = e == ERR_OK ? parameter_bool(&list[PARAMETER_COUNT_ONLY], &l->is_count, why) : e;
    e = e == ERR_OK ? span_read(l->x->arena, &list[PARAMETER_PREFIX], &list[PARAMETER_FROM],
                                &list[PARAMETER_TO], &span, why)
                    : e;
    c->from = span.from;
    c->to = span.to;
    return e == ERR_OK ? apply_cursor(l, &list[PARAMETER_CURSOR], why) : e;
}

static void list_keys(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct listing *l = arena_zero(x->arena, sizeof(*l));
    const struct table *t = NULL;
    struct err_why why = {0};
    l->x = x;
    enum err e = read_list(l, &why);
    e = e == ERR_OK ? native_table(x, &t, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    l->config.kind = SOURCE_RANGE;
    l->config.table = t->id;
    l->row = l->config.keys_only ? key_to : row_to;
    l->config.keys_only = l->config.keys_only || l->is_count;
    l->head = l->is_count ? "{\"count\":" : "{\"rows\":[";
    l->has_cursor = true;
    listing_start(l);
}

/* ---- DELETE ---- */

struct removal {
    struct http_task task;
    struct clearing clearing;
    struct http_exchange *x;
    bool is_aborted;
};

static void on_removed(struct clearing *c)
{
    struct removal *m = c->arg;
    struct http_exchange *x = m->x;
    x->user = NULL;
    if (m->is_aborted) {
        http_done(x);
        return;
    }
    if (c->err != ERR_OK) {
        struct err_why why;
        (void)err_set(&why, c->err, "%s; %llu keys had been deleted", http_err_text(c->err),
                      (unsigned long long)c->deleted);
        native_fail(x, c->err, why.text);
        return;
    }
    struct buf body = {0};
    buf_append_text(&body, "{\"deleted\":");
    buf_append_u64(&body, c->deleted);
    buf_append_byte(&body, '}');
    native_respond(x, 200, &body);
}

static void abort_removal(struct http_task *t)
{
    struct removal *m = container_of(t, struct removal, task);
    m->is_aborted = true;
    clearing_cancel(&m->clearing);
}

static void remove_span(struct http_exchange *x, uint32_t table, const struct span *span)
{
    struct removal *m = arena_zero(x->arena, sizeof(*m));
    m->task.abort = abort_removal;
    m->x = x;
    m->clearing = (struct clearing){.router = http_context(x)->router,
                                    .table = table,
                                    .from = span->from,
                                    .to = span->to,
                                    .order = x->connection_order,
                                    .done = on_removed,
                                    .arg = m};
    x->user = &m->task;
    clearing_start(&m->clearing);
}

static void delete_keys(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct parameter list[] = {{.name = "prefix"}, {.name = "from"}, {.name = "to"}};
    const struct table *t = NULL;
    struct span span = {0};
    struct err_why why = {0};
    enum err e = parameters_read(x, list, 3, &why);
    if (e == ERR_OK && !list[0].is_given && !list[1].is_given && !list[2].is_given) {
        e = err_set(&why, ERR_DENIED, "to delete all, say so: ?prefix=");
    }
    e = e == ERR_OK ? span_read(x->arena, &list[0], &list[1], &list[2], &span, &why) : e;
    e = e == ERR_OK ? native_table(x, &t, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    remove_span(x, t->id, &span);
}

const struct native_resource *native_ranges(size_t *count)
{
    static const struct http_route list_route = {.name = "keys_list",
                                                 .handle = list_keys,
                                                 .on_writable = http_task_on_writable,
                                                 .on_abort = http_task_on_abort};
    static const struct http_route delete_route = {
        .name = "keys_delete", .handle = delete_keys, .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "keys"}, .get = &list_route, .remove = &delete_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
