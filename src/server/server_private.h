/* server_private.h - shared by the files of server/ only. */
#ifndef SERVER_SERVER_PRIVATE_H
#define SERVER_SERVER_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "front/front.h"
#include "router/context.h"
#include "router/router.h"
#include "server/certificates.h"
#include "server/config.h"
#include "server/identity.h"
#include "server/server.h"
#include "sys/mailbox.h"
#include "sys/signal.h"
#include "sys/thread.h"
#include "sys/worker.h"

#define SERVER_LOOPS_MAX 64

enum server_order {
    ORDER_DRAIN, /* no new connections or requests; finish what is under way */
    ORDER_CUT,   /* close every connection now */
    ORDER_STOP   /* nothing is under way anywhere: end the loop */
};

struct order_letter {
    struct letter letter;
    enum server_order order;
};

struct server_loop {
    struct server *server;
    uint32_t index;
    struct loop *loop;
    struct thread *thread; /* NULL for loop 0: the main thread */
    struct shard_host *host;
    struct router *router;
    struct front_loop *front;
    struct mailbox *orders;
    struct order_letter letters[3];
    struct loop_context context;
    struct node_facts facts;
    struct dialect_stats *stats; /* [DIALECT_COUNT] */
    struct loop_timer tick;
    struct loop_timer watch; /* while stopping */
    _Atomic bool is_quiet;   /* nothing is under way here */
    bool is_stopping;        /* ORDER_STOP was given */
    enum err err;            /* of its start */
    struct err_why why;
};

enum server_state {
    SERVER_STARTING,
    SERVER_READY,
    SERVER_DRAINING, /* until every loop is quiet */
    SERVER_STOPPING
};

struct server {
    struct config config;
    struct log log;
    struct identity identity;
    char host_name[65];
    struct folder *folder;
    struct folder *journal_folder;
    struct disk_store *store;
    struct journal *journal;
    struct worker_pool *pool;
    struct shard_node *shards;
    struct router_node *routers;
    struct front *front;
    struct certificates *certificates; /* NULL: no TLS */
    struct server_loop *loops;
    uint32_t loop_count;
    sem_t started;
    _Atomic int state; /* enum server_state */
    struct signal_watch *signals[3];
    struct loop_task drain;
    struct loop_timer stop_timer;
    uint64_t stop_by_ns;
    uint64_t started_wall_ms;
    uint64_t started_ns;
    uint64_t memory_tables_bytes; /* part of --memory that the memory engines may use */
    const struct server_owner *owner;
    pthread_mutex_t live_lock; /* settings that may change while the node runs */
};

/* facts.c */
void facts_fill(struct server_loop *l);
/* The first listener has its real port now; no connection has been accepted yet. */
void facts_note_address(struct server *s);
/* Settings that may change: any loop sets them, any loop reads them. */
void server_take_live(struct server *s, const struct config *fresh);
uint64_t server_stop_timeout_ms(struct server *s);

/* metrics.c: the whole of /metrics. */
void metrics_write(struct server *s, struct buf *out);

#endif
