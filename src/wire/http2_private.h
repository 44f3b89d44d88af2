/* http2_private.h - what http2.c and http2_answer.c share. */
#ifndef WIRE_HTTP2_PRIVATE_H
#define WIRE_HTTP2_PRIVATE_H

#include <nghttp2/nghttp2.h>

#include "wire/http2.h"

/* What has come in the present second. */
struct http2_counts {
    uint64_t second;
    unsigned resets, settings, chores;
};

/* Where the next frame begins in what comes. */
struct http2_scan {
    uint32_t skip;   /* bytes until then */
    uint8_t have;    /* of its head */
    uint8_t head[9]; /* as far as it has come */
    bool is_quiet;   /* nothing since the last DATA that was found could close a stream */
};

/* Goes on from `*at` to the next frame of DATA. True: its head is complete, `*at` lies behind it,
 * and it began at `*begin` (0: or before these bytes). False: all is seen. */
bool http2_scan_data(struct http2_scan *s, struct slice bytes, size_t *at, size_t *begin,
                     int32_t *stream_id);

#define ENDED_IDS 64 /* streams that the client has ended, remembered: a power of 2 */

struct http2_session {
    nghttp2_session *ng;
    const struct http2_events *events;
    void *arg;
    struct http2_counts counts;
    struct http2_stream *fed;  /* that has got DATA last; NULL: nobody, or it is closed */
    struct http2_stream *head; /* whose head is being read; NULL: nobody's, or trailers */
    size_t head_bytes;         /* of it so far */
    bool is_in_head;
    struct http2_scan scan;
    int32_t last_id; /* of the newest stream */
    int32_t ended[ENDED_IDS];
    unsigned ended_count; /* as it goes on; the newest is at ended[(ended_count - 1) % ENDED_IDS] */
    bool has_failed;      /* nothing is read any more */
    bool is_draining;     /* the client was asked to begin no more */
    bool is_drained;      /* it was told which stream was the last */
    const char *complaint;
    size_t unconsumed; /* as in a stream */
    size_t waiting;    /* bytes of answers in all streams */
    struct buf *out;   /* during http2_session_output() */
    size_t out_max;
};

/* nghttp2's allocator. It copies the struct, and borrows `pool`. */
nghttp2_mem http2_pool_memory(struct http2_pool *pool);

/* nghttp2 calls these to send the body of an answer. */
ssize_t http2_on_read(nghttp2_session *ng, int32_t stream_id, uint8_t *to, size_t size,
                      uint32_t *flags, nghttp2_data_source *source, void *arg);
int http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t size,
                       nghttp2_data_source *source, void *arg);

#endif
