#include "api/strato/content.h"

#include "api/go_json.h"
#include "api/strato/multipart.h"

/* The media type alone, as gin cuts it: before a space or semicolon. */
static struct slice media_type(const struct http_request *request)
{
    const struct slice all = http_header(request, "content-type");
    size_t size = 0;
    while (size < all.size && all.data[size] != ' ' && all.data[size] != ';') {
        size++;
    }
    return slice_of(all.data, size);
}

/* A field of the body comes before one of the query. */
static enum err form_content(struct http_exchange *x, struct slice type, struct slice *content,
                             struct err_why *why)
{
    const struct http_request *request = &x->request;
    const struct http_request form = {.query = request->body};
    enum err e = ERR_OK;
    if (slice_equal(type, SLICE("application/x-www-form-urlencoded"))) {
        (void)http_query(&form, x->arena, "Content", content);
    } else if (slice_equal(type, SLICE("multipart/form-data"))) {
        e = multipart_field(http_header(request, "content-type"), request->body, "Content", content,
                            why);
    }
    if (e == ERR_OK && content->data == NULL) {
        (void)http_query(request, x->arena, "Content", content);
    }
    return e;
}

/* What the original reads a JSON body into. */
static enum err json_content(struct http_exchange *x, struct slice *content, struct err_why *why)
{
    struct go_field field = {.name = "content"};
    const struct go_target target = {
        .package = "http", .type = "valJs", .fields = &field, .field_count = 1};
    const enum err e = go_json_read(x->request.body, &target, x->arena, why);
    if (e == ERR_OK) {
        *content = field.value;
    }
    return e;
}

enum err content_read(struct http_exchange *x, struct slice *content, struct err_why *why)
{
    const struct slice type = media_type(&x->request);
    enum err e = ERR_OK;
    *content = (struct slice){0};
    if (slice_equal(type, SLICE("application/json"))) {
        e = json_content(x, content, why);
    } else {
        e = form_content(x, type, content, why);
    }
    if (content->size > 0) {
        return ERR_OK;
    }
    if ((e == ERR_OK || x->request.body.size == 0) &&
        http_query(&x->request, x->arena, "value", content) && content->size > 0) {
        return ERR_OK;
    }
    return e != ERR_OK ? e : err_set(why, ERR_INVALID, "content cannot be empty");
}
