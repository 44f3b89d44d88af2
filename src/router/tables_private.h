/* tables_private.h - shared by tables.c and tables_start.c only. */
#ifndef ROUTER_TABLES_PRIVATE_H
#define ROUTER_TABLES_PRIVATE_H

#include "router/router_private.h"

#define CLOSINGS_MAX       TABLES_MAX /* ids on their way out: then ERR_BUSY */
#define CATALOGUE_ROWS_MAX (TABLES_MAX + CLOSINGS_MAX + STAGED_MAX + 64)
#define AGAIN_MS           100

enum tables_state {
    TABLES_WAITING, /* for the replay */
    TABLES_IDLE,
    TABLES_WRITE,
    TABLES_OPEN,
    TABLES_SHOW
};

struct tables {
    struct router *router;
    enum tables_state state;
    bool is_memory; /* the catalogue itself */
    struct loop_timer timer;
    struct catalogue *catalogue; /* newest */
    uint32_t newest_id;
    struct table_change *first; /* waiting */
    struct table_change *last;
    struct table_change *change; /* being made; NULL: at start, or nobody waits any more */
    enum table_change_kind kind; /* of what is being made */
    struct table made;           /* the table that is created, emptied or dropped */
    uint32_t dropped_id;
    enum table_engine dropped_engine;
    struct call call;
    struct op ops[8];
    size_t op_count;
    struct op *built_in; /* start */
    struct buf bytes;
    struct spread spread;
    struct spread *openings; /* start: one per table; owned */
    size_t unopened;
    bool has_unopened; /* start: some shard could not open a table */
    bool is_started;
    bool is_stuck; /* the change may still happen, and nothing else may */
    uint32_t unseen;
    struct list closings; /* struct closing */
    size_t closing_count;
};

/* An id on its way out. */
struct closing {
    struct list link;
    struct tables *tables;
    struct spread spread;
    struct call call;
    struct loop_timer timer;
    char key[24];
    uint32_t id;
    bool is_memory;
};

/* `op` in every shard, then `s->done`. */
void tables_spread(struct router *r, struct spread *s, const struct op *op, bool is_memory);

/* Closes an id in every shard, in the background, and removes its note. */
void tables_close_id(struct tables *t, uint32_t id, bool is_memory);

/* Where a table lies. */
void tables_place(const struct router *r, struct table *t);

/* Shows the newest version to every loop; then tables_start()'s work, or the change, is done. */
void tables_show(struct tables *t);

#endif
