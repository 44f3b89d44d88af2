/* pages.h - one message of a streamed answer, written without building it first: the same bytes as
 * form_answer() and packing would give, for a third of the work. */
#ifndef API_NATIVE_GRPC_PAGES_H
#define API_NATIVE_GRPC_PAGES_H

#include "api/native/grpc/translate.h"

/* Appends the answer of OP_RANGE, OP_SET_RANGE_MEMBERS or OP_LOG_RANGE to `out`. */
void page_to(struct buf *out, const struct answering *a);

#endif
