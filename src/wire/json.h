/* json.h - JSON on top of jansson: reading within limits, writing strings; UTF-8 and base64,
 * which go with it. What is read is walked with jansson's own functions.
 *
 * Writing needs no tree: append braces and names to a buffer, and strings with json_string_to(). */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"

#define JSON_DEPTH_MAX 32 /* arrays and objects in each other */

/* Reads exactly one value, of any type, of at most `size_max` bytes. Duplicate names in an object,
 * invalid UTF-8 and integers beyond 64 bits are errors; strings may hold \u0000 (ask for
 * json_string_length()). Returns owned (json_decref()), or NULL with a sentence that says where.
 * Errors: ERR_INVALID, ERR_TOO_LARGE. */
MUST_CHECK json_t *json_read(struct slice text, size_t size_max, struct err_why *why);

/* The bytes of a string value, borrowed from it; NULL data when `value` is NULL or no string. */
struct slice json_slice(const json_t *value);

enum json_escape {
    JSON_PLAIN, /* what JSON demands */
    JSON_HTML   /* as Go's encoding/json: also < > & U+2028 U+2029 */
};

/* Appends `text` as a string with its quotes. Bytes that are not UTF-8 become U+FFFD, one each. */
void json_string_to(struct buf *out, struct slice text, enum json_escape escape);

bool utf8_is_valid(struct slice text);

/* Standard alphabet, with padding. */
void base64_to(struct buf *out, struct slice bytes);

/* What a character of its alphabet stands for: 0 to 63; others: -1. */
int base64_digit(uint8_t byte);

/* Appends the bytes. False: `text` is not canonical base64 (alphabet, padding, stray bits);
 * `out` is as before then. */
MUST_CHECK bool base64_read(struct buf *out, struct slice text);

#endif
