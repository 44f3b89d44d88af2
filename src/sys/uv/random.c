#include "sys/random.h"

#include <unistd.h>

#include "base/check.h"

#define ENTROPY_BYTES ((size_t)256) /* what one call gives at most */

void random_bytes(void *data, size_t size)
{
    unsigned char *at = data;
    while (size > 0) {
        const size_t part = size < ENTROPY_BYTES ? size : ENTROPY_BYTES;
        CHECK(getentropy(at, part) == 0);
        at += part;
        size -= part;
    }
}

uint64_t random_u64(void)
{
    uint64_t number;
    random_bytes(&number, sizeof(number));
    return number;
}
