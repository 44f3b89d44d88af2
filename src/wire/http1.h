/* http1.h - HTTP/1.1 without I/O: strict reading (RFC 9112), plain writing.
 *
 * Refused, with a status: bare CR, white space before a colon, folded lines, Content-Length beside
 * Transfer-Encoding, differing or malformed lengths, transfer codings other than exactly "chunked",
 * an HTTP/1.1 request without Host or with two, control characters, absurd sizes. */
#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H

#include "wire/http.h"

#define HTTP1_LINE_MAX ((size_t)16 << 10) /* bytes of the request line: 414 beyond */
#define HTTP1_HEAD_MAX ((size_t)64 << 10) /* bytes of the whole head: 431 beyond */

enum http1_status {
    HTTP1_MORE,
    HTTP1_HEAD,  /* the head is complete */
    HTTP1_BROKEN /* answer `status` and close */
};

struct http1_head {
    struct http_request request; /* slices point into the bytes given */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t consumed; /* bytes of the head */
    unsigned status; /* HTTP1_BROKEN: 400, 414, 431, 501, 505 */
    const char *why; /* one sentence for HTTP1_BROKEN */
    unsigned minor;  /* HTTP/1.`minor` */
    bool is_keep_alive;
    bool is_chunked;
    bool wants_continue;     /* Expect: 100-continue */
    uint64_t content_length; /* 0 when there is no body, or it is chunked */

    /* Private to wire/: where to look for the end next time. Zero before the first call. */
    size_t scanned;
};

/* `data` begins with the first byte of the request; the same bytes and more at each call. */
enum http1_status http1_read_head(struct http1_head *h, const uint8_t *data, size_t size);

/* Decodes a chunked body in place, in any pieces. Zeroed is ready. */
struct http1_chunks {
    uint64_t left; /* of the present chunk */
    uint8_t state;
    uint8_t digits;
    uint32_t trailer_bytes;
};

enum http1_chunk_status {
    HTTP1_CHUNK_MORE, /* everything was used */
    HTTP1_CHUNK_END,  /* the body is complete; `*consumed` says where it ended */
    HTTP1_CHUNK_BROKEN
};

/* Reads `size` bytes; the decoded ones are moved to the front of `data`, `*decoded` of them. */
enum http1_chunk_status http1_chunks_read(struct http1_chunks *c, uint8_t *data, size_t size,
                                          size_t *consumed, size_t *decoded);

#define HTTP1_CHUNKED UINT64_MAX
#define HTTP1_NO_BODY (UINT64_MAX - 1) /* 204, 304: no Content-Length at all */

struct http1_answer {
    unsigned status;
    const struct http_header *headers; /* values with CR or LF are a CHECK */
    size_t header_count;
    uint64_t length;   /* Content-Length; HTTP1_CHUNKED: Transfer-Encoding instead */
    struct slice date; /* 29 bytes, IMF-fixdate; empty: none */
    bool is_closing;   /* Connection: close. HTTP/1.0 keep-alive is answered with close */
};

/* Writes a head: the status line and fields up to the empty line. */
void http1_write_head(struct buf *out, const struct http1_answer *a);

/* One chunk; nothing for no bytes. */
void http1_write_chunk(struct buf *out, struct slice bytes);
void http1_write_last_chunk(struct buf *out);

/* IMF-fixdate of `wall_ms`: 29 bytes. */
void http1_date(uint64_t wall_ms, char out[static 30]);

#endif
