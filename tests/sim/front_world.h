/* front_world.h - a front in the simulated world, between simulated clients and dialects that are
 * stand-ins: what matters here is the connection, not the data.
 *
 * RESP: ECHO x answers at once; LATER x answers 10 ms later, from the bytes it was given, and so do
 * all commands behind it; BIG n answers n bytes; QUIT.
 * HTTP: GET /hello, GET /later/..., GET /never (with ?late it has a deadline after
 * 5 s), GET /big?n=..., POST /echo, POST /drop,
 * POST /count (streamed, paused again and again), POST /mirror (streamed both ways, with trailers),
 * GET /broken (cut off in its middle). */
#ifndef TESTS_SIM_FRONT_WORLD_H
#define TESTS_SIM_FRONT_WORLD_H

#include "front/front.h"
#include "harness.h"
#include "sys/sim/world.h"

#define WORLD_LOOPS 2

struct front_world {
    struct loop *loops[WORLD_LOOPS];
    struct front *front;
    struct front_loop *fronts[WORLD_LOOPS];
    struct loop_context contexts[WORLD_LOOPS];
    struct node_facts facts;
    struct dialect_stats *stats;
    unsigned aborted;  /* requests whose on_abort was called */
    unsigned handled;  /* requests whose handler was called */
    unsigned commands; /* RESP commands carried out */
    unsigned sessions; /* RESP sessions that are open */
    bool holds;        /* replies wait while a LATER is not answered */
    bool refuses;      /* on_abort keeps the exchange until the timer has run */
};

/* `listen` NULL: one listener that speaks everything. The seed is HOLDFAST_SEED, or drawn. */
void world_open(struct front_world *w, const char *listen, uint32_t connections_max);

/* The same, with packets that take no time: what was sent has arrived. */
void world_open_without_delay(struct front_world *w);
void world_close(struct front_world *w);

/* Lets `ms` pass. */
void world_run(uint64_t ms);

struct sim_client *world_connect(struct front_world *w);

void client_send(struct sim_client *c, const char *text);

/* Everything the client has got so far is `want`; then it is forgotten. */
void client_expect(struct sim_client *c, const char *want);

/* It has got an answer of that status, as the first thing; everything is forgotten then. */
void client_expect_status(struct sim_client *c, unsigned status);
/* The answer is a problem of that status, with that name out of the list of errors. */
void client_expect_problem(struct sim_client *c, unsigned status, const char *code);

/* The server has closed. */
void client_expect_end(struct sim_client *c);
void client_expect_open(struct sim_client *c);

/* Answers hold the date: it is cut out. */
void strip_dates(struct buf *b);

/* The stand-ins (front_dialects.c). */
const struct http_dialect *stand_in_dialect(void);

#endif
