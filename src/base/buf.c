#include "base/buf.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

void buf_grow(struct buf *b, size_t more)
{
    CHECK(more <= SIZE_MAX / 4);
    const size_t wanted = b->size + more;
    size_t capacity = b->capacity < 256 ? 256 : b->capacity;
    while (capacity < wanted) {
        capacity *= 2;
    }
    b->data = mem_resize(b->data, capacity);
    b->capacity = capacity;
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_u64(struct buf *b, uint64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_append_i64(struct buf *b, int64_t number)
{
    if (number < 0) {
        buf_append_byte(b, '-');
        buf_append_u64(b, ~(uint64_t)number + 1);
    } else {
        buf_append_u64(b, (uint64_t)number);
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    CHECK(size >= 0);
    va_start(args, fmt);
    const int again =
        vsnprintf((char *)buf_reserve(b, (size_t)size + 1), (size_t)size + 1, fmt, args);
    va_end(args);
    CHECK(again == size);
    b->size += (size_t)size;
}

void buf_consume(struct buf *b, size_t count)
{
    CHECK(count <= b->size);
    if (count > 0) {
        memmove(b->data, b->data + count, b->size - count);
        b->size -= count;
    }
}
