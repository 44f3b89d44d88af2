/* go_base64.h - base64 as programs written in Go read it, with their error texts. */
#ifndef API_GO_BASE64_H
#define API_GO_BASE64_H

#include "base/buf.h"
#include "base/err.h"

/* base64.StdEncoding: line breaks are skipped, stray bits forgiven. What was decoded before an
 * error is appended to `out`, too. Errors: ERR_INVALID, with Go's text. */
MUST_CHECK enum err go_base64_read(struct buf *out, struct slice text, struct err_why *why);

#endif
