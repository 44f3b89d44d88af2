/* rows.h - records as JSON, the same in lists, transactions and batches. */
#ifndef API_NATIVE_ROWS_H
#define API_NATIVE_ROWS_H

#include "api/native/native.h"

/* {"key","type","value" or "count","revision","create_revision","version","ttl_ms"} */
void record_to(struct buf *out, const struct row *row, uint64_t now_ms);

/* {"key"} */
void record_key_to(struct buf *out, const struct row *row);

/* ,"ttl_ms":n unless it never expires. */
void ttl_to(struct buf *out, uint64_t expiry_ms, uint64_t now_ms);

#endif
