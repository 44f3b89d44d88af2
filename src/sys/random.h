/* random.h - bytes nobody can guess (sys/uv: getrandom), or the world's seed (sys/sim).
 * For ids, salts and seeds; everything else draws from base/random.h with such a seed. */
#ifndef SYS_RANDOM_H
#define SYS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *data, size_t size);
uint64_t random_u64(void);

#endif
