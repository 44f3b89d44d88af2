/* go_text.h - numbers, truth and quotes as Go's strconv reads and writes them; clients of programs
 * written in Go see its error texts. */
#ifndef API_GO_TEXT_H
#define API_GO_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

enum go_number {
    GO_NUMBER_OK,
    GO_NUMBER_SYNTAX,
    GO_NUMBER_RANGE /* beyond 64 bits */
};

/* strconv.Atoi. `*number` is set on GO_NUMBER_OK only. */
enum go_number go_atoi(struct slice text, int64_t *number);

/* Appends the text of the error that strconv.Atoi returns. */
void go_atoi_error_to(struct buf *out, struct slice text, enum go_number error);

/* strconv.ParseBool; what it would refuse is false. */
bool go_bool(struct slice text);

/* Reads the character at `at`, of at least one byte; returns its bytes, 0: they are not UTF-8. */
size_t go_character(const uint8_t *at, size_t left, uint32_t *character);

/* Appends a byte as an error of encoding/json shows it, in single quotes. */
void go_quote_byte_to(struct buf *out, uint8_t byte);

#endif
