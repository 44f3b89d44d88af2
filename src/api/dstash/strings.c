#include "api/dstash/strings.h"

static uint8_t *put_u64(uint8_t *out, uint64_t number)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        *out++ = (uint8_t)(number >> shift);
    }
    return out;
}

void string_key(uint8_t *out, struct slice string)
{
    const uint32_t id = murmur2(string, 0);
    *out++ = 's';
    for (int shift = 24; shift >= 0; shift -= 8) {
        *out++ = (uint8_t)(id >> shift);
    }
    (void)put_u64(out, fnv1a(string));
}

uint32_t document_id(struct slice document)
{
    uint32_t id = 0;
    for (size_t i = 0; i < sizeof(id); i++) {
        id = id << 8 | document.data[i];
    }
    return id;
}

/* No other term's key is that of a long one: '#' is in no term. */
size_t term_key(uint8_t *out, struct slice term)
{
    const size_t kept = term.size > TERM_KEPT_BYTES ? TERM_KEPT_BYTES - 1 : term.size;
    uint8_t *at = out;
    *at++ = 't';
    memcpy(at, term.data, kept);
    at += kept;
    if (kept < term.size) {
        *at++ = '#';
        at = put_u64(at, fnv1a(term));
        at = put_u64(at, term.size);
    }
    return (size_t)(at - out);
}

const char *string_complaint(struct terms *t, struct slice string, const char *if_empty)
{
    if (string.size == 0) {
        return if_empty;
    }
    if (string.size > SEARCH_STRING_MAX) {
        return "a string to index or to search for has at most 1 MiB";
    }
    terms_of(t, string);
    return t->count > SEARCH_TERMS_MAX
               ? "a string to index or to search for has at most 16384 different terms"
               : NULL;
}
