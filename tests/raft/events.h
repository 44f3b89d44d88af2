/* The simulation's one queue of things to come, in order of simulated time. */
#ifndef TESTS_RAFT_EVENTS_H
#define TESTS_RAFT_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    TICK,
    MESSAGE,
    SYNC,
    REPORT,
    RESTART,
    CLIENT,
    FAULT,
    OPERATOR
};

struct event {
    uint64_t at;    /* microseconds */
    uint64_t order; /* of equal times, the earlier one */
    enum event_kind kind;
    uint32_t node, from;
    uint64_t number; /* of a ready */
    uint64_t boot;   /* the event is void when the member has restarted since */
    bool flag;
    unsigned char *data; /* owned */
    size_t size;
};

struct events {
    struct event *heap;
    size_t count, room;
    uint64_t order;
};

void events_deinit(struct events *q);
void events_push(struct events *q, struct event e);

/* The earliest one; there must be one. The caller frees its data. */
struct event events_pop(struct events *q);

#endif
