/* random.h - a small generator with its state in the caller's hands (splitmix64,
 * Steele, Lea, Flood 2014): the same seed gives the same numbers everywhere. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state; /* the seed at first; any value */
};

static inline uint64_t random_next(struct random *r)
{
    r->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to `bound` - 1; `bound` is greater than 0. */
static inline uint64_t random_below(struct random *r, uint64_t bound)
{
    return (uint64_t)((__extension__(unsigned __int128) random_next(r) * bound) >> 64);
}

#endif
