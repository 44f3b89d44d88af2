/* go_json.h - string fields of a JSON object, read as Go's encoding/json would: leniently in some
 * places, and with its error texts. */
#ifndef API_GO_JSON_H
#define API_GO_JSON_H

#include "base/arena.h"
#include "base/err.h"

/* A field of a Go struct, a string. */
struct go_field {
    const char *name;   /* in lower case, as its tag says */
    struct slice value; /* of the last such member whatever its case; empty: none, or null */
};

/* What the text is read into. */
struct go_target {
    const char *package;
    const char *type;
    struct go_field *fields;
    size_t field_count;
    bool is_whole; /* as json.Unmarshal, where nothing may follow; else as a Decoder, which does not
                    * look at what follows the first value */
};

/* Fills the fields, in the arena. Bytes that are not UTF-8 become U+FFFD. Errors: ERR_INVALID, with
 * Go's text. */
MUST_CHECK enum err go_json_read(struct slice text, const struct go_target *target,
                                 struct arena *arena, struct err_why *why);

/* A member of an object. */
struct go_member {
    struct slice name;
    struct slice text;   /* of the value, as it stands */
    struct slice string; /* a string, unescaped; NULL data: the value is none */
};

/* The members of the first value in `text`, in their order, all in the arena; none of null. What
 * follows the value is not looked at. Errors: ERR_INVALID, with Go's text. */
MUST_CHECK enum err go_json_members(struct slice text, struct arena *arena,
                                    struct go_member **members, size_t *count, struct err_why *why);

#endif
