/* http_world.h - a volatile node on one simulated loop, and what a dialect of HTTP is given there:
 * for tests of dialects without sockets and without a disk. */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "router/context.h"

#define WORLD_SHARDS    16
#define WORLD_VALUE_MAX ((size_t)1 << 20)

struct http_world {
    struct loop *loop;
    struct shard_node *shards;
    struct shard_host *host;
    struct router_node *routers;
    struct loop_context context;
    struct node_facts facts;
    struct dialect_stats stats[DIALECT_COUNT];
    struct call_order order;
    enum err readiness; /* what facts.readiness() answers */
    bool is_ready;
    void *test; /* the test's own, for handlers that it brings with it */
};

/* Opens the world and runs until the built-in tables are there. */
void world_open(struct http_world *w);

/* Nothing is under way. */
void world_close(struct http_world *w);

/* Virtual time passes. */
void world_wait(struct http_world *w, uint64_t ms);

#endif
