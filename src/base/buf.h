/* buf.h - bytes that grow at the end. Zeroed is empty; free with buf_deinit(). */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/slice.h"

struct buf {
    uint8_t *data; /* owned */
    size_t size;
    size_t capacity;
};

/* Frees the bytes and leaves the buffer empty. */
void buf_deinit(struct buf *b);

/* Slow path of buf_reserve(). */
void buf_grow(struct buf *b, size_t more);

/* Room for `more` bytes behind the end; returns where they go. buf_extend() counts them. */
static inline uint8_t *buf_reserve(struct buf *b, size_t more)
{
    if (b->capacity - b->size < more) {
        buf_grow(b, more);
    }
    return b->size == 0 ? b->data : b->data + b->size; /* NULL has no offset, not even 0 */
}

/* `count` bytes have been written where buf_reserve() said. */
static inline void buf_extend(struct buf *b, size_t count)
{
    b->size += count;
}

static inline void buf_append(struct buf *b, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(buf_reserve(b, size), data, size);
        b->size += size;
    }
}

static inline void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.data, s.size);
}

static inline void buf_append_byte(struct buf *b, uint8_t byte)
{
    *buf_reserve(b, 1) = byte;
    b->size++;
}

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->data, b->size};
}

static inline void buf_clear(struct buf *b)
{
    b->size = 0;
}

void buf_append_text(struct buf *b, const char *text);

/* Decimal digits. */
void buf_append_u64(struct buf *b, uint64_t number);
void buf_append_i64(struct buf *b, int64_t number);

void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Takes the first `count` bytes away. */
void buf_consume(struct buf *b, size_t count);

#endif
