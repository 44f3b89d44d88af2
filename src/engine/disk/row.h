/* row.h - a record as its bytes on the disk, and in the record cache.
 *
 *   format u8 (1) | type u8: low 4 bits, 0x10 if it expires | mod_revision | mod - create
 *   | version | expiry_ms (only with 0x10) | value
 *
 * Numbers are little-endian base 128, in their shortest form. Private to engine/disk. */
#ifndef ENGINE_DISK_ROW_H
#define ENGINE_DISK_ROW_H

#include "engine/engine.h"

#define ROW_HEAD_MAX ((size_t)42) /* bytes before the value: 2 and four numbers */

/* The row of `record` (all but its key), in `arena`. */
struct slice row_encode(const struct record *record, struct arena *arena);

/* Reads all fields but the key; the value borrows `row`. Errors: ERR_CORRUPT (then `*record` is
 * in no known state). */
MUST_CHECK enum err row_decode(struct slice row, struct record *record);

#endif
