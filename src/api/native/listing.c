#include "api/native/listing.h"

#include "base/check.h"

/* ---- Cursors: the version letter "k", then base64url without padding ---- */

void cursor_to(struct buf *out, struct slice key)
{
    const size_t begin = out->size + 1;
    buf_append_byte(out, 'k');
    base64_to(out, key);
    while (out->size > begin && out->data[out->size - 1] == '=') {
        out->size--;
    }
    for (size_t i = begin; i < out->size; i++) {
        uint8_t *byte = &out->data[i];
        *byte = *byte == '+' ? '-' : *byte == '/' ? '_' : *byte;
    }
}

enum err cursor_read(struct slice text, struct arena *arena, struct slice *key, struct err_why *why)
{
    struct buf standard = {0};
    struct buf bytes = {0};
    bool is_read = text.size > 0 && text.data[0] == 'k';
    for (size_t i = 1; is_read && i < text.size; i++) {
        const uint8_t byte = text.data[i];
        is_read = byte != '+' && byte != '/' && byte != '=';
        buf_append_byte(&standard, byte == '-' ? '+' : byte == '_' ? '/' : byte);
    }
    while (standard.size % 4 != 0) {
        buf_append_byte(&standard, '=');
    }
    is_read = is_read && base64_read(&bytes, buf_slice(&standard)) && bytes.size <= KEY_MAX;
    if (is_read) {
        *key = arena_copy(arena, buf_slice(&bytes));
    }
    buf_deinit(&bytes);
    buf_deinit(&standard);
    return is_read ? ERR_OK : err_set(why, ERR_INVALID, "this is not a cursor of ours");
}

/* ---- The stream ---- */

static void next_page(struct listing *l);

static void release(struct listing *l)
{
    struct source *source = l->source;
    l->source = NULL;
    source_close(&source);
    buf_deinit(&l->out);
    buf_deinit(&l->last);
    l->x->user = NULL;
}

static struct http_header json_header(void)
{
    return (struct http_header){SLICE("Content-Type"), SLICE("application/json")};
}

static void fail(struct listing *l, enum err e)
{
    struct http_exchange *x = l->x;
    const bool has_begun = l->has_begun;
    release(l);
    if (!has_begun) {
        native_fail(x, e, NULL);
        return;
    }
    http_err_count(x, DIALECT_NATIVE, e);
    http_stream_end(x, false);
}

static void finish_text(struct listing *l, bool has_more)
{
    if (l->is_count) {
        buf_append_u64(&l->out, l->rows);
        buf_append_byte(&l->out, '}');
        return;
    }
    buf_append_byte(&l->out, ']');
    if (!l->has_cursor) {
        return;
    }
    buf_append_text(&l->out, ",\"next\":");
    if (has_more) {
        buf_append_byte(&l->out, '"');
        cursor_to(&l->out, buf_slice(&l->last));
        buf_append_text(&l->out, "\"}");
    } else {
        buf_append_text(&l->out, "null}");
    }
}

static void finish(struct listing *l, bool has_more)
{
    struct http_exchange *x = l->x;
    finish_text(l, has_more);
    struct buf out = l->out;
    const bool has_begun = l->has_begun;
    l->out = (struct buf){0};
    release(l);
    if (has_begun) {
        http_stream_write(x, buf_slice(&out));
        http_stream_end(x, true);
    } else {
        const struct http_header type = json_header();
        http_respond(x, 200, &type, 1, buf_slice(&out));
    }
    buf_deinit(&out);
}

/* Writes the rows of a page; true: the limit was met, and there is more. */
static bool write_rows(struct listing *l, const struct source_page *p)
{
    size_t count = p->row_count;
    const bool has_more = l->limit != 0 && count > l->limit - l->rows;
    if (has_more) {
        count = (size_t)(l->limit - l->rows);
    }
    for (size_t i = 0; i < count && !l->is_count; i++) {
        if (l->rows + i > 0) {
            buf_append_byte(&l->out, ',');
        }
        l->row(l, &l->out, &p->rows[i]);
    }
    l->rows += count;
    if (count > 0 && l->has_cursor) {
        buf_clear(&l->last);
        buf_append_slice(&l->last, p->rows[count - 1].key);
    }
    return has_more;
}

/* Sends what there is and goes on when the client keeps up. */
static void go_on(struct listing *l)
{
    if (l->is_count) {
        next_page(l);
        return;
    }
    if (!l->has_begun) {
        const struct http_header type = json_header();
        l->has_begun = true;
        http_stream_begin(l->x, 200, &type, 1);
    }
    if (l->out.size > 0) {
        http_stream_write(l->x, buf_slice(&l->out));
        buf_clear(&l->out);
    }
    if (http_stream_waiting(l->x) >= HTTP_STREAM_HIGH) {
        l->is_stalled = true;
        return;
    }
    next_page(l);
}

static void on_page(struct source_page *p)
{
    struct listing *l = p->arg;
    l->is_paging = false;
    if (l->is_aborted) {
        struct http_exchange *x = l->x;
        release(l);
        http_done(x);
        return;
    }
    if (p->err != ERR_OK) {
        fail(l, p->err);
        return;
    }
    const bool has_more = write_rows(l, p);
    if (has_more || p->is_end) {
        finish(l, has_more);
        return;
    }
    go_on(l);
}

static void next_page(struct listing *l)
{
    CHECK(!l->is_paging);
    l->is_paging = true;
    l->page = (struct source_page){.bytes_max = LISTING_PAGE_BYTES, .done = on_page, .arg = l};
    source_next(l->source, &l->page);
}

static void on_writable(struct http_task *t)
{
    struct listing *l = container_of(t, struct listing, task);
    if (l->is_stalled && !l->is_aborted) {
        l->is_stalled = false;
        next_page(l);
    }
}

static void on_abort(struct http_task *t)
{
    struct listing *l = container_of(t, struct listing, task);
    struct http_exchange *x = l->x;
    l->is_aborted = true;
    if (!l->is_paging) {
        release(l);
        http_done(x);
    }
}

void listing_start(struct listing *l)
{
    CHECK(l->x->user == NULL);
    l->x->user = &l->task;
    l->task = (struct http_task){.abort = on_abort, .go_on = on_writable};
    l->config.order = l->x->connection_order;
    /* One row beyond the limit tells whether there is more. */
    l->config.limit = l->limit == 0 || l->limit == UINT64_MAX ? 0 : l->limit + 1;
    buf_append_text(&l->out, l->head);
    l->source = source_open(http_context(l->x)->router, &l->config);
    next_page(l);
}
