/* go_json.h - one field of a JSON object, read as Go's encoding/json would: leniently in some
 * places, and with its error texts. */
#ifndef API_STRATO_GO_JSON_H
#define API_STRATO_GO_JSON_H

#include "base/arena.h"
#include "base/err.h"

/* What the first JSON value in `text` gives for {"content": string}: the last such member whatever
 * its case; empty when there is none or it is null. Lies in the arena. What follows the value is
 * not looked at. Errors: ERR_INVALID, with Go's text. */
MUST_CHECK enum err go_json_content(struct slice text, struct arena *arena, struct slice *content,
                                    struct err_why *why);

#endif
