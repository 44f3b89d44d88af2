#include "api/dstash/terms.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "base/check.h"
#include "base/mem.h"

/* ---- Text without markup ---- */

/* Replaces "<...>" by a space; a '<' that is never closed stays. */
static void strip_tags(struct buf *out, struct slice text)
{
    while (text.size > 0) {
        const uint8_t *open = memchr(text.data, '<', text.size);
        const size_t plain = open == NULL ? text.size : (size_t)(open - text.data);
        buf_append(out, text.data, plain);
        text = slice_skip(text, plain);
        const uint8_t *close = text.size == 0 ? NULL : memchr(text.data, '>', text.size);
        if (close == NULL) {
            buf_append_slice(out, text);
            return;
        }
        buf_append_byte(out, ' ');
        text = slice_skip(text, (size_t)(close - text.data) + 1);
    }
}

static void unescape(struct buf *out, struct slice text)
{
    while (text.size > 0) {
        const uint8_t *mark = memchr(text.data, '&', text.size);
        const size_t plain = mark == NULL ? text.size : (size_t)(mark - text.data);
        buf_append(out, text.data, plain);
        text = slice_skip(text, plain);
        if (text.size > 0) {
            const size_t size = entity_to(out, text);
            buf_append(out, text.data, size == 0 ? 1 : 0);
            text = slice_skip(text, size == 0 ? 1 : size);
        }
    }
}

/* ---- Unicode ---- */

static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* What is no UTF-8 becomes a space. */
static void sanitize(struct buf *text)
{
    for (size_t at = 0; at < text->size;) {
        utf8proc_int32_t point = 0;
        const utf8proc_ssize_t size =
            utf8proc_iterate(text->data + at, (utf8proc_ssize_t)(text->size - at), &point);
        if (size <= 0) {
            text->data[at] = ' ';
        }
        at += size <= 0 ? 1 : (size_t)size;
    }
}

static void lower_ascii(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        buf_append_byte(out, byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
    }
}

/* NFC, then lower case; `text` is UTF-8. */
static void fold(struct buf *out, struct slice text)
{
    if (is_ascii(text)) {
        lower_ascii(out, text);
        return;
    }
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
    const utf8proc_ssize_t size = (utf8proc_ssize_t)text.size;
    const utf8proc_ssize_t room = utf8proc_decompose(text.data, size, NULL, 0, options);
    CHECK(room > 0);
    /* One more: it is used as a buffer of bytes, too. */
    utf8proc_int32_t *points = mem_alloc(((size_t)room + 1) * sizeof(*points));
    utf8proc_ssize_t count = utf8proc_decompose(text.data, size, points, room, options);
    CHECK(count == room);
    count = utf8proc_normalize_utf32(points, count, options);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        buf_append(out, bytes, (size_t)utf8proc_encode_char(utf8proc_tolower(points[i]), bytes));
    }
    mem_free(points);
}

static bool is_of_term(utf8proc_int32_t point)
{
    if (point < 0x80) {
        return (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') || point == '-' ||
               point == '_' || point == '\'';
    }
    switch ((int)utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
        return true;
    default:
        return false;
    }
}

/* ---- Terms ---- */

/* Lower case may have undone NFC, so a term goes through both a second time. */
static void add_term(struct terms *t, struct buf *sizes, struct slice term)
{
    if (is_stop_word(term)) {
        return;
    }
    const size_t begin = t->text.size;
    fold(&t->text, term);
    const size_t size = t->text.size - begin;
    buf_append(sizes, &size, sizeof(size));
}

static void split(struct terms *t, struct buf *sizes, struct slice text)
{
    size_t begin = 0;
    for (size_t at = 0; at < text.size;) {
        utf8proc_int32_t point = 0;
        const utf8proc_ssize_t size =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size - at), &point);
        CHECK(size > 0);
        const size_t next = at + (size_t)size;
        if (!is_of_term(point)) {
            if (at > begin) {
                add_term(t, sizes, slice_of(text.data + begin, at - begin));
            }
            begin = next;
        }
        at = next;
    }
    if (text.size > begin) {
        add_term(t, sizes, slice_of(text.data + begin, text.size - begin));
    }
}

static int by_bytes(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorted, each once. */
static void list_terms(struct terms *t, const struct buf *sizes)
{
    const size_t *size_list = (const size_t *)(const void *)sizes->data;
    const size_t count = sizes->size / sizeof(size_t);
    const uint8_t *at = t->text.data;
    if (count == 0) {
        return;
    }
    t->list = mem_alloc(count * sizeof(*t->list));
    for (size_t i = 0; i < count; i++) {
        t->list[i] = slice_of(at, size_list[i]);
        at += size_list[i];
    }
    qsort(t->list, count, sizeof(*t->list), by_bytes);
    t->count = 1;
    for (size_t i = 1; i < count; i++) {
        if (!slice_equal(t->list[i], t->list[t->count - 1])) {
            t->list[t->count++] = t->list[i];
        }
    }
}

void terms_of(struct terms *t, struct slice text)
{
    struct buf stripped = {0};
    struct buf plain = {0};
    struct buf folded = {0};
    struct buf sizes = {0};
    terms_deinit(t);
    strip_tags(&stripped, text);
    unescape(&plain, buf_slice(&stripped));
    sanitize(&plain);
    fold(&folded, buf_slice(&plain));
    split(t, &sizes, buf_slice(&folded));
    list_terms(t, &sizes);
    buf_deinit(&stripped);
    buf_deinit(&plain);
    buf_deinit(&folded);
    buf_deinit(&sizes);
}

void terms_deinit(struct terms *t)
{
    mem_free(t->list);
    buf_deinit(&t->text);
    *t = (struct terms){0};
}
