/* rows.c - an answer of unknown size: pages are pulled as the client takes them. */
#include "api/dstash/dstash.h"

#define PAGE_BYTES ((size_t)64 << 10)

static void next_page(struct dstash_rows *r);

static struct grpc_call *release(struct dstash_rows *r)
{
    struct grpc_call *g = r->g;
    source_close(&r->source);
    g->user = NULL;
    return g;
}

static void on_page(struct source_page *p)
{
    struct dstash_rows *r = p->arg;
    r->is_paging = false;
    if (r->g->is_aborted) {
        grpc_done(release(r));
        return;
    }
    for (size_t i = 0; i < p->row_count && p->err == ERR_OK; i++) {
        r->row(r, &p->rows[i]);
    }
    if (p->err != ERR_OK) {
        const enum err e = p->err;
        dstash_fail_call(release(r), e);
    } else if (p->is_end) {
        grpc_finish(release(r), GRPC_OK, (struct slice){0});
    } else {
        next_page(r);
    }
}

static void next_page(struct dstash_rows *r)
{
    r->is_stalled = grpc_waiting(r->g) >= HTTP_STREAM_HIGH;
    if (r->is_stalled) {
        return;
    }
    r->is_paging = true;
    r->page.bytes_max = PAGE_BYTES;
    r->page.done = on_page;
    r->page.arg = r;
    source_next(r->source, &r->page);
}

static void go_on(struct dstash_stream *stream)
{
    struct dstash_rows *r = container_of(stream, struct dstash_rows, stream);
    if (r->is_stalled) {
        next_page(r);
    }
}

static void abort_rows(struct dstash_stream *stream)
{
    struct dstash_rows *r = container_of(stream, struct dstash_rows, stream);
    if (r->is_paging) {
        source_close(&r->source); /* the page ends, and with it the call */
    } else {
        grpc_done(release(r));
    }
}

void dstash_rows_start(struct dstash_rows *r, const struct source_config *config)
{
    r->stream = (struct dstash_stream){.go_on = go_on, .abort = abort_rows};
    r->source = source_open(grpc_context(r->g)->router, config);
    r->g->user = &r->stream;
    next_page(r);
}

void dstash_on_writable(struct grpc_call *g)
{
    struct dstash_stream *s = g->user;
    if (s != NULL) {
        s->go_on(s);
    }
}

void dstash_on_abort(struct grpc_call *g)
{
    struct dstash_stream *s = g->user;
    if (s == NULL) {
        grpc_done(g);
    } else {
        s->abort(s);
    }
}
