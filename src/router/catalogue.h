/* catalogue.h - one version of the list of tables: constant, counted, seen by any thread. */
#ifndef ROUTER_CATALOGUE_H
#define ROUTER_CATALOGUE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "router/table.h"

#define CATALOGUE_TABLE 1 /* id of the table that holds the catalogue, in group 0 */

struct catalogue {
    _Atomic uint32_t shares;
    uint64_t version;
    size_t count;                /* with a name */
    size_t all_count;            /* and staged ones, which are found by id only */
    struct table *tables;        /* owned [all_count] */
    const struct table **sorted; /* [count], by name */
    uint32_t by_id_mask;
    const struct table **by_id; /* [by_id_mask + 1], at the id's low bits or behind; NULL: free */
};

/* Copies `tables` in any order; shared once. */
struct catalogue *catalogue_new(uint64_t version, const struct table *tables, size_t count);

struct catalogue *catalogue_share(struct catalogue *c);

/* Gives a share back. Sets `*c` to NULL. Harmless when it already is. */
void catalogue_release(struct catalogue **c);

const struct table *catalogue_find(const struct catalogue *c, struct slice name);

static inline const struct table *catalogue_by_id(const struct catalogue *c, uint32_t id)
{
    uint32_t at = id & c->by_id_mask;
    while (c->by_id[at] != NULL && c->by_id[at]->id != id) {
        at = (at + 1) & c->by_id_mask;
    }
    return c->by_id[at];
}

/* The value of a table's row in the catalogue, version 1: see docs/formats.md. */
void table_encode(struct buf *out, const struct table *t);

/* Name and row. Errors: ERR_CORRUPT. */
MUST_CHECK enum err table_decode(struct slice name, struct slice row, struct table *t);

/* The tables that exist from the first start on, their ids counted from `first_id`. Fills at most
 * `max`, returns how many there are. */
size_t built_in_tables(struct table *tables, size_t max, uint32_t first_id,
                       enum table_engine engine, uint64_t now_ms);

#endif
