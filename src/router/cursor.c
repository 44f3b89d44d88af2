/* Resume points by number, for clients whose cursors have 64 bits.
 *
 * A number is drawn at random, so it cannot be guessed, and its slot is number modulo the
 * size of a probe run; a cursor that is gone is not found: it never silently begins anew. */
#include "router/cursor.h"

#include "router/router_private.h"

void cursors_init(struct cursors *c)
{
    (void)pthread_mutex_init(&c->lock, NULL);
}

void cursors_deinit(struct cursors *c)
{
    for (size_t i = 0; i < c->taken; i++) {
        buf_deinit(&c->slots[i].owner);
        buf_deinit(&c->slots[i].after);
    }
    (void)pthread_mutex_destroy(&c->lock);
}

/* A free slot, an old one, or the one that was used longest ago. */
static size_t victim(struct cursors *c, uint64_t now_ms)
{
    size_t oldest = 0;
    for (size_t i = 0; i < c->taken; i++) {
        const struct cursor_slot *s = &c->slots[i];
        if (s->number == 0 || s->used_ms + CURSOR_KEEP_MS < now_ms) {
            return i;
        }
        oldest = s->used < c->slots[oldest].used ? i : oldest;
    }
    return c->taken < CURSORS_MAX ? c->taken++ : oldest;
}

static struct cursor_slot *slot_of(struct cursors *c, uint64_t number)
{
    struct cursor_slot *s = &c->slots[number & (CURSORS_MAX - 1)];
    return number != 0 && s->number == number ? s : NULL;
}

/* The client holds `from` and is about to be given its successor: what came before goes. */
static void forget_before(struct cursors *c, uint64_t from)
{
    const struct cursor_slot *s = slot_of(c, from);
    struct cursor_slot *before = s == NULL ? NULL : slot_of(c, s->from);
    if (before != NULL) {
        before->number = 0;
    }
}

/* The slot lies in the low bits of the number, so finding it needs no search. */
static uint64_t make_number(uint64_t random, size_t slot)
{
    const uint64_t number = (random & ~(uint64_t)(CURSORS_MAX - 1) & (UINT64_MAX >> 1)) | slot;
    return number < CURSORS_MAX ? number | (uint64_t)CURSORS_MAX << 8 : number;
}

_Static_assert((CURSORS_MAX & (CURSORS_MAX - 1)) == 0, "a power of two");

static void use(struct cursors *c, struct cursor_slot *s, uint64_t now_ms)
{
    s->used = ++c->uses;
    s->used_ms = now_ms;
}

uint64_t cursors_keep(struct cursors *c, const struct cursor_point *point, uint64_t now_ms,
                      uint64_t random)
{
    (void)pthread_mutex_lock(&c->lock);
    forget_before(c, point->from);
    const size_t at = victim(c, now_ms);
    struct cursor_slot *s = &c->slots[at];
    const uint64_t number = make_number(random, at);
    s->number = number;
    s->from = point->from;
    s->table = point->table;
    s->shard = point->shard;
    buf_clear(&s->owner);
    buf_clear(&s->after);
    buf_append_slice(&s->owner, point->owner);
    buf_append_slice(&s->after, point->after);
    use(c, s, now_ms);
    (void)pthread_mutex_unlock(&c->lock);
    return number;
}

enum err cursors_find(struct cursors *c, uint64_t cursor, uint64_t now_ms, struct arena *arena,
                      struct cursor_point *point)
{
    enum err e = ERR_NOT_FOUND;
    (void)pthread_mutex_lock(&c->lock);
    struct cursor_slot *s = slot_of(c, cursor);
    if (s != NULL && s->used_ms + CURSOR_KEEP_MS >= now_ms) {
        use(c, s, now_ms);
        *point = (struct cursor_point){.table = s->table,
                                       .shard = s->shard,
                                       .owner = arena_copy(arena, buf_slice(&s->owner)),
                                       .after = arena_copy(arena, buf_slice(&s->after)),
                                       .from = cursor};
        e = ERR_OK;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return e;
}

uint64_t router_cursor_keep(struct router *r, const struct cursor_point *point)
{
    return cursors_keep(&r->node->cursors, point, router_now_ms(r), router_random(r));
}

enum err router_cursor_find(struct router *r, uint64_t cursor, struct arena *arena,
                            struct cursor_point *point)
{
    return cursors_find(&r->node->cursors, cursor, router_now_ms(r), arena, point);
}
