/* layout.h - the small file beside the database that says what the folder holds. It is durable
 * before the database is begun, so a start that was cut short goes on with the same number of
 * shards. Private to engine/disk. */
#ifndef ENGINE_DISK_LAYOUT_H
#define ENGINE_DISK_LAYOUT_H

#include "base/err.h"

/* Makes the folder `path` and its layout file, or compares with the file that is there. `path` is
 * at most LAYOUT_PATH_MAX bytes. Errors: ERR_INVALID (another number of shards, a newer format,
 * a path too long), ERR_CORRUPT (not a layout file, or a database without one), ERR_IO,
 * ERR_NO_SPACE. */
MUST_CHECK enum err layout_open(const char *path, unsigned shards, struct err_why *why);

#define LAYOUT_PATH_MAX 3000

#endif
