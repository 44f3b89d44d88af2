/* grpc_find.c - from a path to a method, and the answers when there is none. */
#include "api/grpc_private.h"
#include "api/http_pages.h"
#include "api/http_task.h"

/* ---- Content types ---- */

/* "", "+proto" or ";charset=...". */
static bool is_protobuf(struct slice subtype)
{
    if (slice_starts_with(subtype, SLICE("+proto"))) {
        subtype = slice_skip(subtype, 6);
    }
    return subtype.size == 0 || subtype.data[0] == ';';
}

enum grpc_kind grpc_kind_of(struct slice content_type)
{
    static const struct {
        const char *name;
        enum grpc_kind kind;
    } kinds[] = {{"application/grpc-web-text", GRPC_KIND_WEB_TEXT},
                 {"application/grpc-web", GRPC_KIND_WEB},
                 {"application/grpc", GRPC_KIND_PLAIN}};
    if (!slice_starts_with(content_type, slice_of_text(kinds[2].name))) {
        return GRPC_KIND_NONE;
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct slice name = slice_of_text(kinds[i].name);
        if (slice_starts_with(content_type, name) &&
            is_protobuf(slice_skip(content_type, name.size))) {
            return kinds[i].kind;
        }
    }
    return GRPC_KIND_NONE;
}

/* ---- Refusals ---- */

static void refuse_type(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page(x, 415, TEXT_GO_TYPE,
              SLICE("gRPC takes the content types application/grpc, application/grpc-web and "
                    "application/grpc-web-text, with protocol buffers"));
}

static void refuse_version(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page(x, 505, TEXT_GO_TYPE, SLICE("gRPC needs HTTP/2; over HTTP/1.1 there is gRPC-Web"));
}

/* "/service/method" in its parts. False: it is not that. */
static bool split(struct slice path, struct slice *service, struct slice *method)
{
    size_t at = path.size;
    while (at > 0 && path.data[at - 1] != '/') {
        at--;
    }
    if (at < 2) {
        return false;
    }
    *service = slice_of(path.data + 1, at - 2);
    *method = slice_skip(path, at);
    return true;
}

static void say_unimplemented(struct http_exchange *x, struct buf *text)
{
    struct grpc_call *g = grpc_call_new(x);
    if (g != NULL) {
        grpc_finish(g, GRPC_UNIMPLEMENTED, buf_slice(text));
    }
    buf_deinit(text);
}

static void refuse_method(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice service = {0};
    struct slice method = {0};
    struct buf text = {0};
    (void)split(x->request.path, &service, &method);
    buf_printf(&text, "unknown method %.*s for service %.*s", (int)method.size, method.data,
               (int)service.size, service.data);
    say_unimplemented(x, &text);
}

static void refuse_service(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice service = {0};
    struct slice method = {0};
    struct buf text = {0};
    if (split(x->request.path, &service, &method)) {
        buf_append_text(&text, "unknown service ");
        buf_append_slice(&text, service);
    } else {
        buf_append_text(&text, "malformed method name: \"");
        buf_append_slice(&text, x->request.path);
        buf_append_byte(&text, '"');
    }
    say_unimplemented(x, &text);
}

/* Said as soon as the head is there: a client that streams waits for it. */
static void drop_body(struct http_exchange *x, struct slice bytes)
{
    (void)x;
    (void)bytes;
}

#define REFUSAL(handler)                                                                           \
    {                                                                                              \
        .route = {                                                                                 \
            .name = "unknown",                                                                     \
            .body_max = SIZE_MAX,                                                                  \
            .is_streaming = true,                                                                  \
            .handle = (handler),                                                                   \
            .on_body = drop_body,                                                                  \
            .on_abort = grpc_on_abort                                                              \
        }                                                                                          \
    }

static const struct http_route *version_route(void)
{
    static const struct http_route route = {
        .name = "unknown", .handle = refuse_version, .on_abort = http_task_on_abort};
    return &route;
}

static const struct http_route *unknown_method_route(void)
{
    static const struct grpc_method unknown = REFUSAL(refuse_method);
    return &unknown.route;
}

const struct http_route *grpc_unknown_service_route(const struct http_request *request)
{
    static const struct grpc_method unknown = REFUSAL(refuse_service);
    const enum grpc_kind kind = grpc_kind_of(http_header(request, "content-type"));
    return kind == GRPC_KIND_PLAIN && !request->is_http2 ? version_route() : &unknown.route;
}

/* ---- Methods ---- */

/* `found` NULL: the service is known, the method is not. */
static const struct http_route *route_for(const struct http_request *request,
                                          const struct grpc_method *found)
{
    static const struct http_route type_route = {
        .name = "unknown", .handle = refuse_type, .on_abort = http_task_on_abort};
    if (request->method == HTTP_OPTIONS) {
        return grpc_preflight_route();
    }
    const enum grpc_kind kind = grpc_kind_of(http_header(request, "content-type"));
    if (kind == GRPC_KIND_NONE) {
        return &type_route;
    }
    if (kind == GRPC_KIND_PLAIN && !request->is_http2) {
        return version_route();
    }
    return found == NULL ? unknown_method_route() : &found->route;
}

const struct http_route *grpc_find(const struct http_request *request,
                                   const struct grpc_method *methods, size_t count)
{
    if (request->method != HTTP_POST && request->method != HTTP_OPTIONS) {
        return NULL;
    }
    struct slice service;
    struct slice name;
    if (!split(request->path, &service, &name)) {
        return NULL;
    }
    const char *path = (const char *)request->path.data;
    const size_t prefix = service.size + 2; /* with both slashes */
    bool is_ours = false;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(methods[i].path, path, prefix) == 0) {
            is_ours = true;
            if (slice_equal(slice_of_text(methods[i].path + prefix), name)) {
                return route_for(request, &methods[i]);
            }
        }
    }
    return is_ours ? route_for(request, NULL) : NULL;
}
