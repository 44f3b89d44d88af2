/* fake_exchange.h - one request to a dialect without a connection: text in, text out. */
#ifndef TESTS_FAKE_EXCHANGE_H
#define TESTS_FAKE_EXCHANGE_H

#include "api/service.h"
#include "http_world.h"
#include "wire/http1.h"

struct fake_exchange {
    struct http_exchange x;
    struct http1_head head;
    struct arena arena;
    struct buf request; /* head and body; the body is given to `x` */
    unsigned status;    /* of the answer; 0: none yet */
    struct buf headers; /* "Name: value\n" each */
    struct buf body;
    struct buf trailers; /* as headers */
    size_t waiting;      /* what http_stream_waiting() says */
    size_t writes;       /* pieces of a streamed answer */
    size_t largest;      /* bytes of one */
    bool is_streamed;
    bool is_complete; /* the answer is */
    bool is_cut;      /* it ended incomplete */
    bool is_paused;
    size_t pauses; /* how often it was */
    bool is_done;  /* http_done() was called */
};

/* Reads the request `text` ("GET /kv/a HTTP/1.1\r\n...", Host is added) and finds its route among
 * `dialects`, which end with NULL. With the content type application/grpc it counts as HTTP/2. */
void fake_open(struct fake_exchange *f, struct http_world *w,
               const struct http_dialect *const *dialects, struct slice text);

/* The route's handler; a streaming one gets the body in pieces of `piece` bytes, 0: at once. */
void fake_start(struct fake_exchange *f, size_t piece);

/* Lets virtual time pass until the answer is complete, or the exchange given back. */
void fake_finish(struct fake_exchange *f, struct http_world *w);

/* All of the above. */
void fake_run(struct fake_exchange *f, struct http_world *w,
              const struct http_dialect *const *dialects, struct slice text);

void fake_close(struct fake_exchange *f);

#endif
