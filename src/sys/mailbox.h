/* mailbox.h - the way from one thread to a loop: intrusive, many senders, one loop.
 *
 * Posting costs one atomic instruction, and one wake-up for all that is posted before
 * the loop gets to read. Letters of one sender arrive in their order. */
#ifndef SYS_MAILBOX_H
#define SYS_MAILBOX_H

#include <stdatomic.h>

#include "sys/loop.h"

/* Embedded in what travels; belongs to the mailbox until delivered. */
struct letter {
    _Atomic(struct letter *) next; /* private to sys/ */
};

struct mailbox;

/* On the loop. The letter belongs to the receiver again. */
typedef void (*mailbox_fn)(void *arg, struct letter *letter);

/* Letters are delivered among the loop's callbacks, before its hooks.
 * Errors: ERR_IO (out of descriptors). */
MUST_CHECK enum err mailbox_open(struct loop *l, mailbox_fn deliver, void *arg,
                                 struct mailbox **out, struct err_why *why);

/* On the loop; nobody posts any more. What is undelivered is delivered first. */
void mailbox_close(struct mailbox **m);

/* Any thread. Cannot fail: whoever posts requests bounds them by a count of its own. */
void mailbox_post(struct mailbox *m, struct letter *letter);

/* Any thread: one turn of the loop, without a letter. */
void mailbox_wake(struct mailbox *m);

#endif
