/* ballast.h - a file of zeros in the data folder, thrown off when a start finds the disk full.
 *
 * A start needs a little room before it can give any back (RocksDB writes a manifest before it
 * removes what a broken compaction has left). Without it a node that has filled its own disk and
 * was killed could only be started again by making room beside its data. */
#ifndef SERVER_BALLAST_H
#define SERVER_BALLAST_H

#include "sys/file.h"

#define BALLAST_FILE  "ballast"
#define BALLAST_BYTES ((size_t)8 << 20)

/* Before anything else is opened: removes the file if the disk is full. */
void ballast_drop(struct folder *f);

/* After the start: makes the file again if there is room. */
void ballast_take(struct folder *f);

#endif
