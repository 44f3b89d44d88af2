/* walk.h - a range that is read page by page: for streams, for counting, and for what revisions
 * leave out. All pages show one state. */
#ifndef API_REGATTA_WALK_H
#define API_REGATTA_WALK_H

#include "api/regatta/pairs.h"

/* Answers the call with the range of a request that has been checked: one message (with what fits
 * into it), or, if it `streams`, as many as it takes. */
void walk_start(struct grpc_call *g, const Regatta__V1__RangeRequest *q, uint32_t table,
                bool streams);

/* The revisions are among those that the request asks for. */
bool range_wants(const Regatta__V1__RangeRequest *q, uint64_t mod_revision,
                 uint64_t create_revision);

/* It asks for some revisions only. */
static inline bool range_is_filtered(const Regatta__V1__RangeRequest *q)
{
    return q->min_mod_revision > 0 || q->max_mod_revision > 0 || q->min_create_revision > 0 ||
           q->max_create_revision > 0;
}

static inline struct extent extent_of_range(const Regatta__V1__RangeRequest *q)
{
    return extent_of(q->key, q->has_end_case == REGATTA__V1__RANGE_REQUEST__HAS_END_RANGE_END,
                     q->range_end);
}

/* Checks a request in the order of the contract and finds its table. NULL: the call was refused. */
const struct table *range_check(struct grpc_call *g, const Regatta__V1__RangeRequest *q);

#endif
