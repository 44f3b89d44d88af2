/* tour.h - commands that are answered with what lies on all loops: CLIENT LIST, SLOWLOG. */
#ifndef API_REDIS_TOUR_H
#define API_REDIS_TOUR_H

#include "api/redis/session.h"

/* In task_memory(). `tour.visit` sees one loop after the other, then `write` writes the reply and
 * frees what was gathered. */
struct redis_tour {
    struct router_tour tour; /* private to tour.c, but for `visit` */
    struct task *task;
    void (*write)(struct redis_tour *r, struct buf *out);
};

/* Sends it off. Inside EXEC, which cannot wait, it sees this loop alone. */
enum verdict task_tour(struct task *t, struct redis_tour *r);

#endif
