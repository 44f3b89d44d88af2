/* http2_world.h - a server's session of wire/http2.h with what it was told, and a client before it.
 * No I/O: bytes are carried from one to the other, in pieces of any size. */
#ifndef TESTS_UNIT_HTTP2_WORLD_H
#define TESTS_UNIT_HTTP2_WORLD_H

#include "harness.h"
#include "http2_client.h"
#include "wire/http2.h"

#define SERVED_MAX 2200

/* A stream as the server sees it. */
struct served {
    struct http2_stream stream;
    struct arena arena;
    struct buf body;
    bool has_head, has_end, is_closed, is_complete;
};

struct http2_world {
    struct http2_pool pool;
    struct http2_session *server;
    struct http2_client *client;
    struct served *served[SERVED_MAX]; /* in the order in which they came */
    size_t count;
    size_t closed;
    bool refuses;      /* on_open returns NULL */
    bool is_consuming; /* bodies are consumed as they come */
    uint64_t now_ns;
    size_t piece; /* bytes carried at once; 0: all */
};

/* The client's windows as in http2_client_new(). */
void world_open(struct http2_world *w, uint32_t window, bool keeps_windows);
void world_close(struct http2_world *w);

/* Carries bytes both ways until nothing is left to say. */
void world_carry(struct http2_world *w);

/* Bytes made by hand, in the place of a client's; what the server says to them comes into `out`,
 * if that is not NULL. */
void world_inject(struct http2_world *w, const struct buf *bytes, struct buf *out);

/* A GET that has arrived. */
struct client_stream *world_get(struct http2_world *w, const char *path);

/* Answers with a body and its length. */
void served_answer(struct served *s, unsigned status, struct slice body);

#endif
