/* thread.h - threads of our own (one per loop), and facts about the machine. Real world only,
 * but for cpu_count(). */
#ifndef SYS_THREAD_H
#define SYS_THREAD_H

#include <stdint.h>

#include "base/err.h"

struct thread;

typedef void (*thread_fn)(void *arg);

/* `name` up to 15 characters. Errors: ERR_IO. */
MUST_CHECK enum err thread_start(const char *name, thread_fn run, void *arg, struct thread **out,
                                 struct err_why *why);

/* Waits for its end; frees `*t` and sets it to NULL. */
void thread_join(struct thread **t);

/* Processors this process may use. */
unsigned cpu_count(void);

/* Bytes of memory of the machine, or of the control group where that is less. */
uint64_t memory_bytes(void);

/* Raises the limit of open descriptors as far as allowed; returns it. */
uint64_t descriptors_raise(void);

#endif
