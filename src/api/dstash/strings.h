/* strings.h - how indexed strings lie in table dstash.search, in one shard:
 *
 *   key                     value
 *   s, document             empty: the string is indexed
 *   t, term                 a set of the documents that have the term
 *
 * A document is a string's id and its fingerprint, so strings that share an id are different
 * documents, and those of one id stand next to each other. Of a term longer than TERM_KEPT_BYTES
 * the key holds its beginning and a hash. */
#ifndef API_DSTASH_STRINGS_H
#define API_DSTASH_STRINGS_H

#include "api/dstash/dstash.h"
#include "api/dstash/terms.h"

#define SEARCH_STRING_MAX ((size_t)1 << 20) /* bytes of a string, or of a query */
#define SEARCH_TERMS_MAX  16384             /* different ones in it */

#define DOCUMENT_BYTES  ((size_t)12) /* id and fingerprint, big-endian */
#define TERM_KEPT_BYTES ((size_t)512)
#define TERM_KEY_MAX    (TERM_KEPT_BYTES + 17) /* bytes of a term's key */

/* The key of a string, DOCUMENT_BYTES + 1 bytes. The document lies behind the first. */
static inline struct slice document_of(struct slice key)
{
    return slice_skip(key, 1);
}

void string_key(uint8_t *out, struct slice string);
uint32_t document_id(struct slice document);

/* At most TERM_KEY_MAX bytes; returns how many. */
size_t term_key(uint8_t *out, struct slice term);

/* What is wrong with a string or a query; NULL: nothing. `t` gets its terms. */
const char *string_complaint(struct terms *t, struct slice string, const char *if_empty);

#endif
