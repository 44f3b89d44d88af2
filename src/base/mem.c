#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void *or_stop(void *memory, size_t size)
{
    if (memory == NULL && size > 0) {
        fatal("out of memory: %zu bytes", size);
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return or_stop(malloc(size == 0 ? 1 : size), size);
}

void *mem_zero(size_t count, size_t size)
{
    return or_stop(calloc(count == 0 ? 1 : count, size == 0 ? 1 : size), size);
}

void *mem_resize(void *memory, size_t size)
{
    return or_stop(realloc(memory, size == 0 ? 1 : size), size);
}

char *mem_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    memcpy(copy, text, size);
    return copy;
}

void mem_free(void *memory)
{
    free(memory);
}
