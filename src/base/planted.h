/* planted.h - defects that one test build carries, chosen at run time, so that the suite can show
 * that it catches them (tests/fault/planted.py). In every other build planted() is false and the
 * compiler takes it out.
 *
 * HOLDFAST_SEED_PLANTED=name chooses. */
#ifndef BASE_PLANTED_H
#define BASE_PLANTED_H

#include <stdbool.h>

bool planted_is(const char *name);

#ifdef PLANTED_BUGS
#define planted(name) planted_is(name)
#else
#define planted(name) false
#endif

#endif
