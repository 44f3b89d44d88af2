/* fuzz_http1.c - a head and a chunked body read the same in any pieces; what is accepted keeps
 * the promises of http1.h. The first byte chooses the size of the pieces. */
#include "base/check.h"
#include "base/mem.h"
#include "wire/http1.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http1_status read_head(struct http1_head *h, const uint8_t *data, size_t size,
                                   size_t step, uint8_t **copy)
{
    h->scanned = 0;
    *copy = NULL;
    for (size_t end = step;; end += step) {
        end = end < size ? end : size;
        mem_free(*copy);
        *copy = mem_alloc(end + 1);
        memcpy(*copy, data, end);
        const enum http1_status status = http1_read_head(h, *copy, end);
        if (status != HTTP1_MORE || end == size) {
            return status;
        }
    }
}

static void check_slice(struct slice s, const uint8_t *data, size_t size)
{
    CHECK(s.size == 0 || (s.data >= data && s.data + s.size <= data + size));
    CHECK(s.size == 0 || memchr(s.data, '\r', s.size) == NULL);
    CHECK(s.size == 0 || memchr(s.data, '\n', s.size) == NULL);
}

static void check_head(const struct http1_head *h, const uint8_t *data)
{
    const struct http_request *r = &h->request;
    CHECK(r->path.size > 0 && r->path.data[0] == '/');
    CHECK(r->header_count <= HTTP_HEADERS_MAX);
    CHECK(!h->is_chunked || h->content_length == 0);
    CHECK(h->consumed <= HTTP1_HEAD_MAX);
    check_slice(r->query, data, h->consumed);
    check_slice(r->host, data, h->consumed);
    check_slice(r->method_text, data, h->consumed);
    for (size_t i = 0; i < r->header_count; i++) {
        CHECK(r->headers[i].name.size > 0);
        check_slice(r->headers[i].name, data, h->consumed);
        check_slice(r->headers[i].value, data, h->consumed);
    }
}

static enum http1_chunk_status read_body(const uint8_t *data, size_t size, size_t step,
                                         struct buf *out, size_t *used)
{
    struct http1_chunks c = {0};
    *used = 0;
    while (*used < size) {
        const size_t part = size - *used < step ? size - *used : step;
        uint8_t *piece = mem_alloc(part);
        memcpy(piece, data + *used, part);
        size_t consumed = 0;
        size_t decoded = 0;
        const enum http1_chunk_status status =
            http1_chunks_read(&c, piece, part, &consumed, &decoded);
        if (status != HTTP1_CHUNK_BROKEN) {
            CHECK(decoded <= consumed && consumed <= part);
            buf_append(out, piece, decoded);
            *used += consumed;
        }
        mem_free(piece);
        if (status != HTTP1_CHUNK_MORE) {
            return status;
        }
    }
    return HTTP1_CHUNK_MORE;
}

static void compare_bodies(const uint8_t *data, size_t size, size_t step)
{
    struct buf whole = {0};
    struct buf pieces = {0};
    size_t whole_used = 0;
    size_t pieces_used = 0;
    const enum http1_chunk_status status =
        read_body(data, size, size > 0 ? size : 1, &whole, &whole_used);
    CHECK(status == read_body(data, size, step, &pieces, &pieces_used));
    if (status != HTTP1_CHUNK_BROKEN) {
        CHECK(whole_used == pieces_used);
        CHECK(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    }
    buf_deinit(&whole);
    buf_deinit(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192) {
        return 0;
    }
    const size_t step = (size_t)data[0] % 61 + 1;
    data++;
    size--;
    struct http1_head *whole = mem_zero(1, sizeof(*whole));
    struct http1_head *pieces = mem_zero(1, sizeof(*pieces));
    uint8_t *whole_copy = NULL;
    uint8_t *pieces_copy = NULL;
    const enum http1_status status = read_head(whole, data, size, size + 1, &whole_copy);
    const enum http1_status again = read_head(pieces, data, size, step, &pieces_copy);
    CHECK(status == again);
    if (status == HTTP1_HEAD) {
        check_head(whole, whole_copy);
        CHECK(whole->consumed == pieces->consumed);
        CHECK(whole->content_length == pieces->content_length);
        CHECK(whole->is_chunked == pieces->is_chunked);
        compare_bodies(data + whole->consumed, size - whole->consumed, step);
    } else if (status == HTTP1_BROKEN) {
        CHECK(whole->status == pieces->status);
        CHECK(whole->why != NULL);
    }
    mem_free(whole_copy);
    mem_free(pieces_copy);
    mem_free(whole);
    mem_free(pieces);
    return 0;
}
