/* turn.h - the tasks and hooks of a loop, alike in both worlds. Private to sys/. */
#ifndef SYS_TURN_H
#define SYS_TURN_H

#include "sys/loop.h"

struct turn {
    struct list tasks;
    struct list hooks;
    struct list *next_hook; /* while the hooks run */
    bool wants_again;       /* loop_again() */
};

void turn_init(struct turn *t);

/* Harmless when it is queued. */
void turn_add_task(struct turn *t, struct loop_task *task);

void turn_add_hook(struct turn *t, struct loop_hook *hook);

/* Another turn must follow at once. */
static inline bool turn_is_wanted(const struct turn *t)
{
    return t->wants_again || !list_empty(&t->tasks);
}

/* Runs the tasks that are queued now (what they defer runs in the next turn: a task may defer
 * itself), then the hooks. */
void turn_end(struct turn *t);

#endif
