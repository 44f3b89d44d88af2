#include "api/native/etag.h"

#include <stdio.h>

struct etag etag_of(uint64_t revision)
{
    struct etag tag;
    (void)snprintf(tag.text, sizeof(tag.text), "\"%llu\"", (unsigned long long)revision);
    return tag;
}

/* ---- Lists of tags ---- */

struct tag {
    bool is_weak;
    struct slice text; /* between the quotes */
};

static struct slice skip_blank(struct slice s)
{
    while (s.data != NULL && s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s = slice_skip(s, 1);
    }
    return s;
}

static bool is_tag_byte(uint8_t byte)
{
    return byte == 0x21 || (byte >= 0x23 && byte != 0x7f);
}

/* Takes one tag and the comma behind it from `rest`. False: there is none. */
static bool take_tag(struct slice *rest, struct tag *tag)
{
    struct slice s = skip_blank(*rest);
    tag->is_weak = slice_starts_with(s, SLICE("W/"));
    s = slice_skip(s, tag->is_weak ? 2 : 0);
    if (s.data == NULL || s.size == 0 || s.data[0] != '"') {
        return false;
    }
    s = slice_skip(s, 1);
    size_t size = 0;
    while (size < s.size && is_tag_byte(s.data[size])) {
        size++;
    }
    if (size == s.size || s.data[size] != '"') {
        return false;
    }
    tag->text = slice_of(s.data, size);
    s = skip_blank(slice_skip(s, size + 1));
    if (s.size > 0 && s.data[0] == ',') {
        s = skip_blank(slice_skip(s, 1));
        *rest = s;
        return s.size > 0;
    }
    *rest = s;
    return s.size == 0;
}

/* A revision is greater than 0 and has one way of being written. */
static bool revision_of(struct slice text, uint64_t *revision)
{
    int64_t number = 0;
    if (!parse_int64(text, &number) || number <= 0) {
        return false;
    }
    *revision = (uint64_t)number;
    return true;
}

enum etag_match etag_match(struct slice header, uint64_t revision, bool is_weak_allowed)
{
    enum etag_match match = ETAG_DIFFERS;
    if (header.data == NULL) {
        return ETAG_ABSENT;
    }
    if (slice_equal(header, SLICE("*"))) {
        return ETAG_MATCHES;
    }
    struct slice rest = header;
    do {
        struct tag tag;
        uint64_t number = 0;
        if (!take_tag(&rest, &tag)) {
            return ETAG_BROKEN;
        }
        if ((!tag.is_weak || is_weak_allowed) && revision_of(tag.text, &number) &&
            number == revision) {
            match = ETAG_MATCHES;
        }
    } while (rest.size > 0);
    return match;
}

enum err etag_condition(struct slice if_match, struct slice if_none_match, struct op *op,
                        struct err_why *why)
{
    const bool is_match = if_match.data != NULL;
    struct slice rest = is_match ? if_match : if_none_match;
    struct tag tag;
    if (rest.data == NULL) {
        return ERR_OK;
    }
    if (is_match && if_none_match.data != NULL) {
        return err_set(why, ERR_INVALID, "either If-Match or If-None-Match, not both");
    }
    if (slice_equal(rest, SLICE("*"))) {
        op->condition = is_match ? IF_PRESENT : IF_ABSENT;
        return ERR_OK;
    }
    if (!take_tag(&rest, &tag) || rest.size > 0) {
        return err_set(why, ERR_INVALID, "%s of a write is * or one entity tag",
                       is_match ? "If-Match" : "If-None-Match");
    }
    const bool is_ours = revision_of(tag.text, &op->revision) && !(is_match && tag.is_weak);
    if (is_ours) {
        op->condition = is_match ? IF_REVISION : IF_NOT_REVISION;
        return ERR_OK;
    }
    return is_match ? err_set(why, ERR_CONFLICT, "no revision has this entity tag") : ERR_OK;
}

/* ---- Ranges of bytes ---- */

/* Takes digits; false: there are none. More than 64 bits become the largest number. */
static bool take_number(struct slice *s, uint64_t *number)
{
    uint64_t sum = 0;
    size_t digits = 0;
    for (; digits < s->size && s->data[digits] >= '0' && s->data[digits] <= '9'; digits++) {
        if (__builtin_mul_overflow(sum, 10U, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(s->data[digits] - '0'), &sum)) {
            sum = UINT64_MAX / 10 - 1; /* stays beyond every size, whatever follows */
        }
    }
    *s = slice_skip(*s, digits);
    *number = sum;
    return digits > 0;
}

enum byte_range byte_range_read(struct slice header, uint64_t total, uint64_t *first,
                                uint64_t *size)
{
    if (!slice_starts_with(header, SLICE("bytes="))) {
        return BYTE_RANGE_NONE;
    }
    struct slice rest = slice_skip(header, sizeof("bytes=") - 1);
    uint64_t begin = 0;
    uint64_t last = UINT64_MAX;
    const bool has_begin = take_number(&rest, &begin);
    if (rest.size == 0 || rest.data[0] != '-') {
        return BYTE_RANGE_NONE;
    }
    rest = slice_skip(rest, 1);
    const bool has_last = take_number(&rest, &last);
    if (rest.size > 0 || (!has_begin && !has_last) || (has_begin && has_last && last < begin)) {
        return BYTE_RANGE_NONE;
    }
    if (!has_begin) { /* the last bytes */
        begin = last < total ? total - last : 0;
        if (last == 0) {
            return BYTE_RANGE_BEYOND;
        }
        last = UINT64_MAX;
    } else if (!has_last) {
        last = UINT64_MAX;
    }
    if (begin >= total) {
        return BYTE_RANGE_BEYOND;
    }
    *first = begin;
    *size = (last < total ? last + 1 : total) - begin;
    return BYTE_RANGE_PART;
}
