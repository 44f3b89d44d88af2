/* clearing.h - deletes the records of a span of keys, a page at a time: bounded memory, and no
 * command that holds a shard for long; so not atomic.
 *
 *   source_next ─► on_page: keep its keys ─► delete 256 ─► on_deleted ... ─► all of them: next page
 */
#ifndef API_CLEARING_H
#define API_CLEARING_H

#include "router/router.h"

#define CLEARING_BATCH_MAX 256 /* deletes under way */

struct clearing;
typedef void (*clearing_fn)(struct clearing *c);

/* Owned by the caller, zeroed but for the first part, until `done` has run: once, never before
 * clearing_start() has returned. */
struct clearing {
    struct router *router;
    uint32_t table;
    struct slice from;        /* copied */
    struct slice to;          /* copied; NULL data: no end */
    uint64_t limit;           /* records; 0: all */
    struct call_order *order; /* may be NULL */
    uint64_t deadline_ns;     /* as in struct call: of each delete */
    clearing_fn done;
    void *arg;

    /* What became of it. What was deleted before an error stays deleted. */
    enum err err; /* ERR_CANCELED after clearing_cancel() */
    uint64_t deleted;

    /* Private to clearing.c. */
    struct source *source;
    struct source_page page;
    struct arena keys; /* of the page */
    struct slice *key_list;
    size_t key_count;
    size_t key_next;
    struct call *calls; /* [CLEARING_BATCH_MAX]; owned */
    size_t waiting;
    bool is_last_page;
    bool is_canceled;
};

void clearing_start(struct clearing *c);

/* It is not wanted any more; `done` runs all the same. */
void clearing_cancel(struct clearing *c);

#endif
