/* http2_pool.c - small pieces of memory for nghttp2, which takes and gives back half a dozen for
 * each stream: kept in lists by size, for all connections of a loop.
 *
 *   | header: its class | the piece, aligned to 16 ...
 */
#include "base/check.h"
#include "base/mem.h"
#include "wire/http2_private.h"

#define STEP_BYTES ((size_t)64) /* sizes of one class, its header included */
#define LARGE      UINT64_MAX   /* the class of what is not kept */

/* A piece in a list, or in use. */
union http2_piece {
    struct {
        uint64_t class; /* of its size */
        union http2_piece *next;
    } head;
    max_align_t alignment;
};

static size_t class_of(size_t bytes)
{
    return (bytes + sizeof(union http2_piece) - 1) / STEP_BYTES;
}

static void *take(size_t bytes, void *arg)
{
    struct http2_pool *pool = arg;
    const size_t class = class_of(bytes);
    if (class >= HTTP2_POOL_CLASSES) {
        CHECK(bytes <= SIZE_MAX - sizeof(union http2_piece));
        union http2_piece *large = mem_alloc(sizeof(*large) + bytes);
        large->head.class = LARGE;
        return large + 1;
    }
    union http2_piece *p = pool->lists[class];
    if (p == NULL) {
        p = mem_alloc((class + 1) * STEP_BYTES);
        p->head.class = class;
    } else {
        pool->lists[class] = p->head.next;
        pool->counts[class]--;
    }
    return p + 1;
}

static void give(void *memory, void *arg)
{
    struct http2_pool *pool = arg;
    if (memory == NULL) {
        return;
    }
    union http2_piece *p = (union http2_piece *)memory - 1;
    const uint64_t class = p->head.class;
    if (class == LARGE || pool->counts[class] >= HTTP2_POOL_PIECES) {
        mem_free(p);
        return;
    }
    p->head.next = pool->lists[class];
    pool->lists[class] = p;
    pool->counts[class]++;
}

static void *take_zeroed(size_t count, size_t size, void *arg)
{
    CHECK(size == 0 || count <= SIZE_MAX / size);
    void *memory = take(count * size, arg);
    memset(memory, 0, count * size);
    return memory;
}

static void *resize(void *memory, size_t bytes, void *arg)
{
    if (memory == NULL) {
        return take(bytes, arg);
    }
    union http2_piece *p = (union http2_piece *)memory - 1;
    if (p->head.class == LARGE) {
        CHECK(bytes <= SIZE_MAX - sizeof(union http2_piece));
        p = mem_resize(p, sizeof(*p) + bytes);
        return p + 1;
    }
    const size_t room = (size_t)(p->head.class + 1) * STEP_BYTES - sizeof(*p);
    if (bytes <= room) {
        return memory;
    }
    void *larger = take(bytes, arg);
    memcpy(larger, memory, room);
    give(memory, arg);
    return larger;
}

nghttp2_mem http2_pool_memory(struct http2_pool *pool)
{
    return (nghttp2_mem){pool, take, give, take_zeroed, resize};
}

void http2_pool_deinit(struct http2_pool *pool)
{
    for (size_t i = 0; i < HTTP2_POOL_CLASSES; i++) {
        while (pool->lists[i] != NULL) {
            union http2_piece *p = pool->lists[i];
            pool->lists[i] = p->head.next;
            mem_free(p);
        }
        pool->counts[i] = 0;
    }
}
