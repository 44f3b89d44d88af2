/* The paths of /api/v1 and the errors of the native dialect. */
#include "api/native/native.h"

#include "api/http_pages.h"
#include "api/service.h"

typedef const struct native_resource *(*resources_fn)(size_t *count);

/* ---- Answers ---- */

static void respond_problem(struct http_exchange *x, unsigned status, enum err e,
                            const char *detail, const struct http_header *more)
{
    struct http_header headers[2] = {{SLICE("Content-Type"), SLICE("application/problem+json")}};
    struct buf body = {0};
    if (more != NULL) {
        headers[1] = *more;
    }
    http_err_count(x, DIALECT_NATIVE, e);
    http_problem_to(&body, status, e, detail);
    http_respond(x, status, headers, more == NULL ? 1 : 2, buf_slice(&body));
    buf_deinit(&body);
}

void native_fail(struct http_exchange *x, enum err e, const char *detail)
{
    respond_problem(x, http_err_status(e), e, detail, NULL);
}

void native_fail_call(const struct http_call *c, enum err e)
{
    const bool is_reused = e == ERR_INVALID && c->call.op.idempotency_id.size > 0;
    native_fail(c->x, e,
                is_reused ? "not valid, or the Idempotency-Key belongs to another request" : NULL);
}

void native_refuse(struct http_exchange *x, unsigned status, enum err e, const char *detail,
                   struct http_header header)
{
    respond_problem(x, status, e, detail, &header);
}

void native_respond(struct http_exchange *x, unsigned status, struct buf *body)
{
    http_page(x, status, "application/json", buf_slice(body));
    buf_deinit(body);
}

void native_start(struct http_call *c, native_prepare_fn prepare)
{
    struct err_why why = {0};
    const enum err e = prepare(c, &why);
    if (e != ERR_OK) {
        native_fail(c->x, e, why.text);
        return;
    }
    http_call_start(c);
}

/* ---- Paths and headers ---- */

static size_t segments_of(struct slice path, struct slice *segments)
{
    return http_segments(slice_skip(path, sizeof(NATIVE_PREFIX) - 2), segments, SEGMENTS_MAX);
}

enum err native_segment(struct http_exchange *x, size_t index, struct slice *out,
                        struct err_why *why)
{
    struct slice segments[SEGMENTS_MAX] = {0};
    (void)segments_of(x->request.path, segments);
    if (!http_decode(x->arena, segments[index], false, out)) {
        return err_set(why, ERR_INVALID, "the path holds a broken escape");
    }
    if (out->size == 0) {
        return err_set(why, ERR_INVALID, "the path has an empty segment");
    }
    return ERR_OK;
}

enum err native_table(struct http_exchange *x, const struct table **out, struct err_why *why)
{
    const struct router *r = http_context(x)->router;
    struct slice name;
    const enum err e = native_segment(x, 1, &name, why);
    if (e != ERR_OK) {
        return e;
    }
    *out = router_table(r, name);
    if (*out != NULL) {
        return ERR_OK;
    }
    const enum err ready = router_is_ready(r);
    return ready == ERR_OK ? err_set(why, ERR_NOT_FOUND, "there is no such table")
                           : err_set(why, ready, "%s", http_err_text(ready));
}

enum err native_place(struct http_call *c, struct err_why *why)
{
    const struct table *t = NULL;
    const enum err e = native_table(c->x, &t, why);
    if (e != ERR_OK) {
        return e;
    }
    c->call.op.table = t->id;
    return native_segment(c->x, 3, &c->call.op.key, why);
}

enum err native_idempotency(const struct http_exchange *x, struct slice *id, struct err_why *why)
{
    *id = http_header(&x->request, "idempotency-key");
    bool is_valid = id->data == NULL || (id->size > 0 && id->size <= IDEMPOTENCY_ID_MAX);
    for (size_t i = 0; i < id->size; i++) {
        is_valid = is_valid && id->data[i] > ' ' && id->data[i] < 0x7f;
    }
    return is_valid ? ERR_OK
                    : err_set(why, ERR_INVALID, "an Idempotency-Key has 1 to %zu of ! to ~",
                              IDEMPOTENCY_ID_MAX);
}

/* ---- From paths to routes ---- */

static bool matches(const struct native_resource *resource, const struct slice *segments,
                    size_t count)
{
    size_t i = 0;
    for (; resource->pattern[i] != NULL; i++) {
        if (i >= count) {
            return false;
        }
        const char *part = resource->pattern[i];
        if (part[0] != '*' && !slice_equal(segments[i], slice_of_text(part))) {
            return false;
        }
    }
    return i == count;
}

static const struct native_resource *find_resource(struct slice path)
{
    static const resources_fn lists[] = {native_keys,    native_ranges, native_sets,   native_logs,
                                         native_batches, native_txns,   native_tables, native_node};
    struct slice segments[SEGMENTS_MAX];
    const size_t count = segments_of(path, segments);
    if (count >= SEGMENTS_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        size_t resource_count = 0;
        const struct native_resource *resources = lists[i](&resource_count);
        for (size_t j = 0; j < resource_count; j++) {
            if (matches(&resources[j], segments, count)) {
                return &resources[j];
            }
        }
    }
    return NULL;
}

static const struct http_route *route_of(const struct native_resource *resource,
                                         enum http_method method)
{
    switch (method) {
    case HTTP_GET:
        return resource->get;
    case HTTP_HEAD:
        return resource->head;
    case HTTP_PUT:
        return resource->put;
    case HTTP_POST:
        return resource->post;
    case HTTP_DELETE:
        return resource->remove;
    case HTTP_PATCH:
    case HTTP_OPTIONS:
    case HTTP_OTHER:
        break;
    }
    return NULL;
}

static void not_found(struct http_exchange *x, void *arg)
{
    (void)arg;
    native_fail(x, ERR_NOT_FOUND, "there is no such resource");
}

static void not_allowed(struct http_exchange *x, void *arg)
{
    (void)arg;
    static const struct {
        enum http_method method;
        const char *name;
    } methods[] = {{HTTP_GET, "GET"},
                   {HTTP_HEAD, "HEAD"},
                   {HTTP_PUT, "PUT"},
                   {HTTP_POST, "POST"},
                   {HTTP_DELETE, "DELETE"}};
    const struct native_resource *resource = find_resource(x->request.path);
    struct buf allow = {0};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (route_of(resource, methods[i].method) != NULL) {
            buf_append_text(&allow, allow.size > 0 ? ", " : "");
            buf_append_text(&allow, methods[i].name);
        }
    }
    native_refuse(x, 405, ERR_UNIMPLEMENTED, "the resource has no such method",
                  (struct http_header){SLICE("Allow"), buf_slice(&allow)});
    buf_deinit(&allow);
}

static const struct http_route *find(const struct http_request *request)
{
    static const struct http_route not_found_route = {
        .name = "not_found", .handle = not_found, .on_abort = http_task_on_abort};
    static const struct http_route not_allowed_route = {
        .name = "not_allowed", .handle = not_allowed, .on_abort = http_task_on_abort};
    if (!slice_starts_with(request->path, SLICE("/api/"))) {
        return NULL;
    }
    if (!slice_starts_with(request->path, SLICE(NATIVE_PREFIX))) {
        return &not_found_route;
    }
    const struct native_resource *resource = find_resource(request->path);
    if (resource == NULL) {
        return &not_found_route;
    }
    const struct http_route *route = route_of(resource, request->method);
    return route == NULL ? &not_allowed_route : route;
}

const struct http_dialect *native_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "native", .dialect = DIALECT_NATIVE, .find = find};
    return &dialect;
}
