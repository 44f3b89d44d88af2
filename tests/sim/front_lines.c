/* The stand-in for api/dstore: ECHO x answers x, LATER x 10 ms later, and so do all lines behind
 * it; BIG n answers n bytes; QUIT closes. */
#include "api/dstore/dstore.h"
#include "base/mem.h"
#include "sim/front_world.h"

#define LATER_MS    10
#define WAITING_MAX 8

struct dstore_session {
    struct front_world *world;
    struct loop *loop;
    struct dstore_owner owner;
    struct buf out;
    struct buf waiting; /* replies */
    struct loop_timer timer;
    size_t waiting_count;
    bool is_told;
    bool is_ending;
    bool is_gone;
};

struct dstore_session *dstore_open(struct loop_context *context, const struct dstore_owner *owner)
{
    struct dstore_session *s = mem_zero(1, sizeof(*s));
    s->world = context->facts->arg;
    s->loop = s->world->loops[context - s->world->contexts];
    s->owner = *owner;
    s->world->sessions++;
    return s;
}

static void free_session(struct dstore_session *s)
{
    s->world->sessions--;
    buf_deinit(&s->out);
    buf_deinit(&s->waiting);
    mem_free(s);
}

static void tell(struct dstore_session *s)
{
    if (!s->is_told && !s->is_gone) {
        s->is_told = true;
        s->owner.on_output(s->owner.arg);
    }
}

static void on_later(void *arg)
{
    struct dstore_session *s = arg;
    s->waiting_count = 0;
    if (s->is_gone) {
        free_session(s);
        return;
    }
    buf_append_slice(&s->out, buf_slice(&s->waiting));
    buf_clear(&s->waiting);
    tell(s);
}

static void carry_out(struct dstore_session *s, struct slice line)
{
    const uint8_t *space = line.size == 0 ? NULL : memchr(line.data, ' ', line.size);
    const size_t head = space == NULL ? line.size : (size_t)(space - line.data);
    const struct slice word = slice_of(line.data, head);
    const struct slice rest = slice_skip(line, space == NULL ? head : head + 1);
    s->world->commands++;
    if (slice_equal(word, SLICE("QUIT"))) {
        s->is_ending = true;
        return;
    }
    if (slice_equal(word, SLICE("LATER")) && s->waiting_count == 0) {
        loop_timer_start(s->loop, &s->timer, LATER_MS, on_later, s);
        s->waiting_count = 1;
    } else if (s->waiting_count > 0) {
        s->waiting_count++;
    }
    struct buf *out = s->waiting_count > 0 ? &s->waiting : &s->out;
    if (slice_equal(word, SLICE("BIG"))) {
        const size_t size = (size_t)strtoull((const char *)rest.data, NULL, 10);
        memset(buf_reserve(out, size), 'b', size);
        buf_extend(out, size);
    } else {
        buf_append_slice(out, rest);
    }
    buf_append_byte(out, '\n');
}

size_t dstore_input(struct dstore_session *s, const uint8_t *data, size_t size)
{
    size_t used = 0;
    while (used < size && !s->is_ending && !dstore_is_full(s)) {
        const uint8_t *end = memchr(data + used, '\n', size - used);
        if (end == NULL) {
            break;
        }
        carry_out(s, slice_of(data + used, (size_t)(end - data) - used));
        used = (size_t)(end - data) + 1;
    }
    tell(s);
    return s->is_ending ? size : used;
}

bool dstore_is_full(const struct dstore_session *s)
{
    return s->waiting_count >= WAITING_MAX || s->out.size >= DSTORE_OUT_HIGH;
}

struct buf *dstore_out(struct dstore_session *s)
{
    return &s->out;
}

void dstore_turn_done(struct dstore_session *s)
{
    s->is_told = false;
}

bool dstore_is_closing(const struct dstore_session *s)
{
    return s->is_ending && s->waiting_count == 0;
}

void dstore_input_end(struct dstore_session *s)
{
    s->is_ending = true;
    tell(s);
}

void dstore_close(struct dstore_session **session)
{
    struct dstore_session *s = *session;
    *session = NULL;
    if (s != NULL) {
        s->is_gone = true;
        if (s->waiting_count == 0) {
            free_session(s);
        }
    }
}
