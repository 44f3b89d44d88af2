#include <stdint.h>

#include "sys/random.h"
#include "sys/sim/private.h"
#include "sys/thread.h"

void random_bytes(void *data, size_t size)
{
    uint8_t *at = data;
    for (size_t i = 0; i < size; i++) {
        at[i] = (uint8_t)(sim_random() >> 56);
    }
}

uint64_t random_u64(void)
{
    return sim_random();
}

unsigned cpu_count(void)
{
    return 2;
}
