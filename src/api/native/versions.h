/* versions.h - versions of logs as JSON. */
#ifndef API_NATIVE_VERSIONS_H
#define API_NATIVE_VERSIONS_H

#include "api/log_id.h"
#include "api/native/native.h"

/* {"key","value","timestamp","id","author"} */
void version_to(struct buf *out, struct slice key, const struct row *row);

#endif
