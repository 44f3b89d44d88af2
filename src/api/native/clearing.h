/* clearing.h - deletes all keys of a span, a page at a time: bounded memory, and no command that
 * holds a shard for long; so not atomic. */
#ifndef API_NATIVE_CLEARING_H
#define API_NATIVE_CLEARING_H

#include "api/native/span.h"

/* Answers the exchange. */
void clearing_start(struct http_exchange *x, uint32_t table, const struct span *span);

#endif
