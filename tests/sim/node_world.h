/* node_world.h - a whole node without sockets in the simulated world: loops, groups, routers, a
 * journal on the simulated disk, the stand-in engine. For tests of what must survive. */
#ifndef TESTS_SIM_NODE_WORLD_H
#define TESTS_SIM_NODE_WORLD_H

#include "router/router.h"
#include "sys/file.h"

#define NODE_LOOPS_MAX 4

struct node_config {
    uint32_t loops;
    uint32_t shards;
    uint64_t memory_max;
    uint64_t reserve_bytes;
    uint64_t view_bytes; /* 0: as in shard.h */
    size_t apply_bytes;  /* the same */
    bool is_volatile;    /* no disk at all */
};

struct sim_node {
    struct node_config config;
    struct standin_medium *medium; /* what the engine has on disk; survives everything */
    struct disk_store *store;
    struct folder *folder;
    struct journal *journal;
    struct worker_pool *pool;
    struct shard_node *shards;
    struct router_node *routers;
    struct loop *loops[NODE_LOOPS_MAX];
    struct shard_host *hosts[NODE_LOOPS_MAX];
    struct router *router[NODE_LOOPS_MAX];
    struct loop_timer ticks[NODE_LOOPS_MAX];
    struct tick *tick_args[NODE_LOOPS_MAX];
    uint64_t boot;
    bool is_ready;
    bool has_failed;
    unsigned failures; /* calls of on_failure() since the start */
};

/* Starts the node on what the disk holds. False: it refused, with `why`; it is closed. */
bool node_start(struct sim_node *n, struct err_why *why);

/* Runs until the node is ready or has failed. True: ready. */
bool node_run_ready(struct sim_node *n);

/* An orderly stop: nothing may be under way. */
void node_stop(struct sim_node *n);

/* The process is dead: everything in memory goes, the disk stays as it is. */
void node_kill(struct sim_node *n);

/* The power comes back: the disk has kept what it promised, and perhaps more. */
void node_power_on(void);

/* Frees what survives everything. */
void node_forget(struct sim_node *n);

#endif
