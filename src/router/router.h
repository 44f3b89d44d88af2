/* router.h - finds the place of a call and brings the answer back. One router per loop.
 *
 * Calls handed over during a turn are carried out at its end, as one batch. */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "router/call.h"
#include "router/table.h"

struct router;
struct router_node;

/* ---- Start and stop: for server ---- */

struct router_config {
    struct shard_node *shards;
    uint32_t shard_count;
    uint32_t loops;
    bool has_disk;            /* the node has a data folder */
    enum table_engine engine; /* of the built-in tables at first start */
    size_t value_max;
    struct log *log;
    /* Every table is open, calls are carried out; on loop 0, once. */
    void (*on_ready)(void *arg);
    void *arg;
};

/* What the routers of all loops share. */
struct router_node *router_node_open(const struct router_config *config);

/* All routers are closed. */
void router_node_close(struct router_node **n);

/* On the loop's thread, behind its shard host; takes part in its turns from now on. Errors: ERR_IO.
 */
MUST_CHECK enum err router_open(struct router_node *n, struct loop *l, uint32_t loop_index,
                                struct shard_host *host, struct router **out, struct err_why *why);

/* All routers of the node are open: begins to wait for the replay, then opens the tables.
 * On loop 0. */
void router_start(struct router *r);

/* Nothing is under way on any loop, or the node has failed and router_abandon() was called. */
void router_close(struct router **r);

/* The node has failed (simulated world): drops what is on its way between its loops, before the
 * first of its routers is closed and takes with it what others still refer to. */
void router_abandon(struct router_node *n);

/* Calls of this loop that are not done. */
size_t router_calls(const struct router *r);

/* ---- Calls ---- */

/* Carries out `c` (call.h). The op has the id of a table of the current catalogue. Refusals come
 * through `done` too: ERR_INVALID, ERR_TOO_LARGE (op_check()), ERR_NOT_FOUND (the table),
 * ERR_CROSS_SHARD, ERR_BUSY, ERR_NO_SPACE, ERR_STARTING, ERR_TIMEOUT, ERR_CANCELED, and for writes
 * ERR_UNKNOWN_OUTCOME. */
void router_call(struct router *r, struct call *c);

/* The same for `count` calls, point operations (GET, STAT, PUT, DELETE, EXPIRE without a time, ...)
 * of one table: those that lie in one shard take effect together, and are seen together. */
void router_call_many(struct router *r, struct call *const *calls, size_t count);

/* For the owner of connections, between two of them, and of one that brings very much: see
 * shard_relieve(). */
void router_relieve(struct router *r);

/* The call is not wanted any more; `done` runs all the same, with ERR_CANCELED where nothing was
 * ordered yet. */
void router_cancel(struct router *r, struct call *c);

/* Where the key of a table lies: 0 to router_shards() - 1. Keys that must be changed together must
 * lie in one shard. */
uint32_t router_shard_of(const struct router *r, const struct table *t, struct slice key);
uint32_t router_shards(const struct router *r);

/* ---- Sources: answers of unknown size, pulled ---- */

enum source_kind {
    SOURCE_RANGE,   /* records of `table` from `from` to `to`, in order over all shards */
    SOURCE_SHARD,   /* the same of shard number `shard` only */
    SOURCE_MEMBERS, /* members of the set `key` from `from` on */
    SOURCE_LOG      /* versions of the log `key`, newest first, below version `below` (0: all) */
};

struct source_config {
    enum source_kind kind;
    uint32_t table;
    uint32_t shard;
    struct slice key;
    struct slice from;
    struct slice to; /* NULL data: no end */
    uint64_t below;
    uint64_t limit; /* rows altogether; 0: none */
    bool is_reverse;
    bool is_after; /* from is exclusive */
    bool keys_only;
    bool is_snapshot; /* all pages show one state of each shard, see source_open() */
    struct call_order *order;
};

struct source;
struct source_page;
typedef void (*source_fn)(struct source_page *p);

/* One page. Owned by the caller until `done` has run; its rows are gone when that returns. */
struct source_page {
    size_t bytes_max; /* about; at least one row comes */
    source_fn done;
    void *arg;

    enum err err; /* the source is at its end after anything but ERR_OK */
    bool is_end;
    const struct row *rows;
    size_t row_count;
};

/* Copies what `config` refers to. Each page shows one state of each shard, newer than that of the
 * page before or the same, and goes on behind its last key.
 *
 * With `is_snapshot` each shard's rows are of one state, pinned by the first page behind the
 * writes of `order` that were handed over before it: one instant for a source that lies in one
 * shard (SOURCE_SHARD, SOURCE_MEMBERS, SOURCE_LOG, the range of a table with partition=table), one
 * view per shard for the range of another. Such states are few and cost room (SHARD_VIEWS_MAX and
 * the limits below it): past a limit a page answers ERR_UNAVAILABLE, and the reader begins anew.
 * Nothing is kept from the last page on. */
struct source *source_open(struct router *r, const struct source_config *config);

/* One at a time. `done` runs on the same loop, never in this call. */
void source_next(struct source *s, struct source_page *page);

/* A page under way ends first, with ERR_CANCELED. Sets `*s` to NULL. */
void source_close(struct source **s);

/* The node has failed (simulated world) and its routers are closed: the same, but nothing comes any
 * more. */
void source_forget(struct source **s);

/* ---- Resume points for cursors of 64 bits ---- */

#define CURSORS_MAX    4096 /* in a node; then the least recently used goes */
#define CURSOR_KEEP_MS UINT64_C(1800000)

struct cursor_point {
    uint32_t table;
    uint32_t shard;
    struct slice owner; /* the key of a collection, or empty */
    struct slice after; /* last key that was delivered */
    uint64_t from;      /* the cursor this point was reached from, 0: a new scan; its own
                         * predecessor is forgotten, so a long scan holds two points only */
};

/* Keeps a copy; returns its number, greater than 0 and hard to guess. Any loop may ask for it. */
uint64_t router_cursor_keep(struct router *r, const struct cursor_point *point);

/* Errors: ERR_NOT_FOUND (gone, or never was). Bytes are copied into the arena; `from` is set
 * to `cursor`. The point stays. */
MUST_CHECK enum err router_cursor_find(struct router *r, uint64_t cursor, struct arena *arena,
                                       struct cursor_point *point);

/* ---- Tables ---- */

/* Changes whenever the catalogue does. */
uint64_t router_catalogue_version(const struct router *r);

/* NULL: there is none of that name (id). Valid until the end of the turn. */
const struct table *router_table(const struct router *r, struct slice name);
const struct table *router_table_by_id(const struct router *r, uint32_t id);

/* All tables in order of their names: `count` of them. Valid until the end of the turn. */
const struct table *const *router_tables(const struct router *r, size_t *count);

/* Live records; expired ones count until they are swept. Any table. */
uint64_t router_table_count(const struct router *r, const struct table *t);

enum table_change_kind {
    TABLE_CREATE, /* ALREADY_EXISTS, NO_SPACE (TABLES_MAX), INVALID */
    TABLE_DROP,   /* NOT_FOUND, DENIED (built in) */
    TABLE_EMPTY,  /* a new id under the old name: O(1). NOT_FOUND */
    TABLE_STAGE,  /* a table without a name, to be filled by its id (-> id) and then take the place
                   *   of `name`, or be that table if there is none; with the options of the
                   *   present one. BUSY (STAGED_MAX), NO_SPACE, INVALID */
    TABLE_ADOPT,  /* the staged table `id` takes its name, in one step; what had it is dropped.
                   *   NOT_FOUND (no such staged table), DENIED (built in), NO_SPACE */
    TABLE_FORGET  /* the staged table `id` is not wanted any more. NOT_FOUND */
};

#define STAGED_MAX 16 /* in a node. None of them survives a start */

struct table_change;
typedef void (*table_change_fn)(struct table_change *c);

/* Owned by the caller until `done` has run. The new catalogue is seen by this loop then. */
struct table_change {
    enum table_change_kind kind;
    struct slice name;            /* not of TABLE_ADOPT and TABLE_FORGET */
    struct table_options options; /* TABLE_CREATE; TABLE_STAGE when there is no table `name` */
    uint32_t id;                  /* from TABLE_STAGE; for TABLE_ADOPT, TABLE_FORGET */
    table_change_fn done;
    void *arg;
    enum err err;
    struct err_why why;

    /* Private to router/. */
    struct router_mail mail;
    struct router *home;
    struct table_change *next;
};

void router_change_table(struct router *r, struct table_change *c);

/* ---- Waiting: what a dialect may ask of the loop ---- */

/* Owned by the caller. Zeroed is stopped. */
struct router_timer {
    struct loop_timer timer; /* private to router/ */
};

/* Calls `call(arg)` once, after that long, on this loop; starts again when it runs. */
void router_timer_start(struct router *r, struct router_timer *t, uint64_t delay_ms,
                        void (*call)(void *arg), void *arg);

/* Harmless when it does not run. */
void router_timer_stop(struct router_timer *t);

/* Owned by the caller, alive until `call` has run. Zeroed is idle. */
struct router_task {
    struct loop_task task; /* private to router/ */
};

/* Calls `call(arg)` once, before the calls that were handed over in this turn are carried out;
 * never before this has returned. Harmless when it is due already. */
void router_defer(struct router *r, struct router_task *t, void (*call)(void *arg), void *arg);

/* ---- A tour of all loops: what a dialect keeps on each, put together ---- */

struct loop_context;
struct router_tour;

/* What a tour finds on this loop; borrowed, and outlives the router. */
void router_attach(struct router *r, struct loop_context *context);

/* Owned by the caller until `done` has run. */
struct router_tour {
    /* On one loop after the other, on its thread; must not wait. Nobody else has `arg` meanwhile.
     */
    void (*visit)(struct router_tour *t, struct loop_context *there);
    /* On the caller's loop, never before router_tour_start() has returned. */
    void (*done)(struct router_tour *t);
    void *arg;

    /* Private to router/. */
    struct router_mail mail;
    struct router *home;
    uint32_t next; /* loop */
};

void router_tour_start(struct router *r, struct router_tour *t);

/* ---- Circumstances ---- */

/* The clock of deadlines (call.h), as of the beginning of this turn; in nanoseconds. */
uint64_t router_now_ns(const struct router *r);

/* The time commands of this turn get, milliseconds since 1970 on the node's clock. */
uint64_t router_now_ms(const struct router *r);

/* A number for ids and random choices. */
uint64_t router_random(struct router *r);

/* The number of its loop. */
uint32_t router_loop_index(const struct router *r);

/* ERR_OK, or ERR_STARTING while recovery goes on. */
enum err router_is_ready(const struct router *r);

size_t router_value_max(const struct router *r);

#endif
