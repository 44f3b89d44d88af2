/* http2_client.h - a client of HTTP/2 without I/O, for tests: nghttp2's client with what its
 * streams have been told; and frames made by hand, for what a good client would not send. */
#ifndef TESTS_HTTP2_CLIENT_H
#define TESTS_HTTP2_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"

#define CLIENT_STREAMS_MAX 2100

struct client_stream {
    int32_t id;
    unsigned status;  /* of the answer; 0: none yet */
    unsigned interim; /* of the last interim answer */
    struct buf head;  /* "name: value\n" of the answer, but for :status and date */
    struct buf body;
    struct buf trailers; /* as `head` */
    bool is_ended;       /* the server has sent all of the answer */
    bool is_closed;
    uint32_t code; /* how it closed */

    /* Private. */
    bool has_head;
    struct slice to_send;
    bool sends_end;
    bool is_waiting;
};

struct http2_client {
    nghttp2_session *ng;
    struct client_stream streams[CLIENT_STREAMS_MAX];
    size_t count;
    bool keeps_windows; /* windows are opened by http2_client_open_window() only */
    unsigned goaways;
    uint32_t goaway_code; /* of the last GOAWAY */
    int32_t goaway_last;
    char goaway_text[128];
    unsigned ping_acks;
    size_t window_updates; /* frames, for the connection or a stream */
};

/* `window`: of each stream, in its SETTINGS; 0 closes them. Returns owned. */
struct http2_client *http2_client_new(uint32_t window, bool keeps_windows);
void http2_client_free(struct http2_client **c);

/* A request; fields come in pairs of name and value, ended by NULL. `body` lives until it is sent;
 * NULL data: none. `is_open`: more may follow. */
struct client_stream *http2_client_request(struct http2_client *c, const char *method,
                                           const char *path, const char *const *fields,
                                           struct slice body, bool is_open);

/* More of an open body, when all before it was sent. */
void http2_client_send(struct http2_client *c, struct client_stream *s, struct slice body,
                       bool is_end);

void http2_client_reset(struct http2_client *c, const struct client_stream *s, uint32_t code);

/* 0: that of the connection. */
void http2_client_open_window(struct http2_client *c, int32_t stream_id, int32_t size);

/* What the server has sent. False: it breaks the protocol. */
bool http2_client_input(struct http2_client *c, struct slice bytes);

/* What is to be sent to it. */
void http2_client_output(struct http2_client *c, struct buf *out);

/* ---- By hand ---- */

#define CLIENT_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

void frame_append(struct buf *out, uint8_t type, uint8_t flags, uint32_t stream_id,
                  struct slice payload);

/* The preface and empty SETTINGS. */
void frame_preface(struct buf *out);

/* A head, as literal fields of HPACK without Huffman; ended by NULL. */
void frame_head(struct buf *out, uint32_t stream_id, uint8_t flags, const char *const *fields);

#endif
