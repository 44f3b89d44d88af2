/* whole.h - work on whole tables: emptying them, hashing them; for gRPC and for REST. */
#ifndef API_REGATTA_WHOLE_H
#define API_REGATTA_WHOLE_H

#include "router/router.h"

/* Names in the arena of every table of Regatta; `*count` of them. */
struct slice *whole_tables(const struct router *r, struct arena *arena, size_t *count);

struct emptying;
typedef void (*emptying_fn)(struct emptying *e);

/* Gives each table a new id, one after the other. Owned by the caller until `done` has run, which
 * is never within emptying_start(). Cannot be withdrawn. */
struct emptying {
    struct router *router;
    const struct slice *names;
    size_t count;
    emptying_fn done;
    void *arg;
    enum err err; /* of the first table that could not be emptied; a table that is gone is no error
                   * unless it is the only one */

    /* Private to whole.c. */
    struct table_change change;
    size_t next;
};

/* `count` is greater than 0. */
void emptying_start(struct emptying *e);

struct hashing;
typedef void (*hashing_fn)(struct hashing *h);

/* Hashes keys and values of the tables: FNV-1 of 64 bits over a zero byte, the table's name, the
 * key, and the value. Owned by the caller until `done` has run, which is never within
 * hashing_start(). */
struct hashing {
    struct router *router;
    const struct slice *names;
    size_t count;
    hashing_fn done;
    void *arg;
    enum err err; /* ERR_CANCELED after hashing_cancel() */
    uint64_t hash;

    /* Private to whole.c. */
    struct router_task task;
    struct source *source;
    struct source_page page;
    size_t next;
    bool is_canceled;
};

void hashing_start(struct hashing *h);
void hashing_cancel(struct hashing *h);

#endif
