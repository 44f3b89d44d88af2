#include "sys/clock.h"

#include "sys/sim/world.h"

uint64_t clock_now_ns(void)
{
    return sim_now_ns();
}
