/* units.h - sizes, times and numbers in settings. Nothing may stand in front or behind.
 * Errors of all: ERR_INVALID. */
#ifndef SERVER_UNITS_H
#define SERVER_UNITS_H

#include "base/err.h"
#include "base/slice.h"

/* Plain bytes, or KiB MiB GiB TiB, KB MB GB, k m g. */
MUST_CHECK enum err parse_size(struct slice text, uint64_t *bytes);

/* Plain milliseconds, or ms s m. */
MUST_CHECK enum err parse_duration(struct slice text, uint64_t *ms);

/* The same, or us; as microseconds. */
MUST_CHECK enum err parse_short_duration(struct slice text, uint64_t *us);

MUST_CHECK enum err parse_number(struct slice text, uint64_t *number);

#endif
