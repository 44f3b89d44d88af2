/* clock.h - time for measuring: nanoseconds on a clock that never goes back. Any thread; on a loop
 * use loop_now_ns(), which does not cost a call. */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ns(void);

#endif
