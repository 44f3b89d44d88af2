/* Stand-ins for api/redis and the HTTP dialects, and for what of the router front asks. */
#include "api/redis/redis.h"
#include "base/check.h"
#include "sim/front_world.h"
#include "wire/resp.h"

#define LATER_MS    10
#define LATE_MS     5000 /* until the deadline of /never?late */
#define WAITING_MAX 8

static struct front_world *world_of(const struct loop_context *context)
{
    return context->facts->arg;
}

size_t router_value_max(const struct router *r)
{
    (void)r;
    return (size_t)16 << 20;
}

void router_relieve(struct router *r)
{
    (void)r;
}

/* ---- RESP ---- */

struct later {
    struct chunk *chunk; /* held */
    struct slice text;
};

struct redis_session {
    struct loop_context *context;
    struct loop *loop;
    struct redis_owner owner;
    struct resp_parser parser;
    struct buf out;
    struct loop_timer timer;
    struct later waiting[WAITING_MAX];
    size_t waiting_count;
    size_t wanted;
    bool is_told;
    bool is_ending;
    bool is_gone;
};

struct redis_session *redis_open(struct loop_context *context, const struct redis_owner *owner)
{
    struct redis_session *s = mem_zero(1, sizeof(*s));
    struct front_world *w = world_of(context);
    s->context = context;
    s->loop = w->loops[context - w->contexts];
    s->owner = *owner;
    s->parser.bulk_max = (size_t)16 << 20;
    w->sessions++;
    return s;
}

static void free_session(struct redis_session *s)
{
    world_of(s->context)->sessions--;
    resp_parser_deinit(&s->parser);
    buf_deinit(&s->out);
    mem_free(s);
}

static void tell(struct redis_session *s)
{
    if (!s->is_told && !s->is_gone) {
        s->is_told = true;
        s->owner.on_output(s->owner.arg);
    }
}

static void on_later(void *arg)
{
    struct redis_session *s = arg;
    for (size_t i = 0; i < s->waiting_count; i++) {
        resp_bulk(&s->out, s->waiting[i].text);
        chunk_release(s->waiting[i].chunk);
    }
    s->waiting_count = 0;
    if (s->is_gone) {
        free_session(s);
        return;
    }
    tell(s);
}

static bool may_take(const struct redis_session *s)
{
    return !s->is_ending && s->waiting_count < WAITING_MAX && s->out.size < REDIS_OUT_HIGH;
}

static void carry_out(struct redis_session *s, struct chunk *chunk)
{
    const struct slice *args = s->parser.args;
    world_of(s->context)->commands++;
    if (resp_is(args[0], "quit")) {
        resp_simple(&s->out, "OK");
        s->is_ending = true;
    } else if (resp_is(args[0], "big")) {
        struct buf big = {0};
        const size_t size = (size_t)strtoull((const char *)args[1].data, NULL, 10);
        memset(buf_reserve(&big, size), 'b', size);
        buf_extend(&big, size);
        resp_bulk(&s->out, buf_slice(&big));
        buf_deinit(&big);
    } else if (resp_is(args[0], "later") || s->waiting_count > 0) {
        EXPECT(!s->parser.is_copied);
        if (s->waiting_count == 0) {
            loop_timer_start(s->loop, &s->timer, LATER_MS, on_later, s);
        }
        s->waiting[s->waiting_count++] = (struct later){chunk_hold(chunk), args[1]};
        return;
    } else {
        resp_bulk(&s->out, args[s->parser.arg_count - 1]);
    }
    tell(s);
}

size_t redis_input(struct redis_session *s, struct chunk *chunk, const uint8_t *data, size_t size)
{
    EXPECT(data >= chunk->bytes && data + size <= chunk->bytes + chunk->size);
    size_t used = 0;
    s->wanted = 0;
    while (used < size && may_take(s)) {
        const enum resp_status status = resp_parse(&s->parser, data + used, size - used);
        if (status == RESP_MORE) {
            s->wanted = s->parser.wanted;
            return used;
        }
        if (status == RESP_BROKEN) {
            resp_error(&s->out, s->parser.error);
            s->is_ending = true;
            tell(s);
            return size;
        }
        used += s->parser.consumed;
        if (s->parser.arg_count > 0) {
            carry_out(s, chunk);
        }
    }
    return s->is_ending ? size : used;
}

size_t redis_wanted(const struct redis_session *s)
{
    return s->wanted;
}

bool redis_is_full(const struct redis_session *s)
{
    return !may_take(s);
}

bool redis_is_awaiting(const struct redis_session *s)
{
    return world_of(s->context)->holds && s->waiting_count > 0;
}

struct buf *redis_out(struct redis_session *s)
{
    return &s->out;
}

void redis_turn_done(struct redis_session *s)
{
    s->is_told = false;
}

bool redis_is_closing(const struct redis_session *s)
{
    return s->is_ending && s->waiting_count == 0;
}

void redis_wake(struct redis_session *s)
{
    (void)s;
}

void redis_input_end(struct redis_session *s)
{
    s->is_ending = true;
    if (s->waiting_count == 0) {
        tell(s);
    }
}

void redis_close(struct redis_session **session)
{
    struct redis_session *s = *session;
    *session = NULL;
    s->is_gone = true;
    if (s->waiting_count == 0) {
        free_session(s);
    }
}

void redis_facts(const struct redis_session *s, struct connection_facts *out)
{
    *out = (struct connection_facts){.id = s->owner.id, .protocol = "resp", .peer = s->owner.peer};
}

/* ---- HTTP ---- */

struct slow {
    struct loop_timer timer;
    struct http_exchange *x;
    uint64_t left;
    bool is_stalled;
};

static struct loop *loop_of(const struct http_exchange *x)
{
    struct loop_context *context = x->loop_arg;
    struct front_world *w = world_of(context);
    return w->loops[context - w->contexts];
}

static void note_handled(struct http_exchange *x)
{
    world_of(x->loop_arg)->handled++;
}

static void abort_nothing(struct http_exchange *x)
{
    world_of(x->loop_arg)->aborted++;
    http_done(x);
}

static void hello(struct http_exchange *x, void *arg)
{
    EXPECT(arg == x->loop_arg);
    note_handled(x);
    http_respond(x, 200, NULL, 0, SLICE("hello"));
}

static void on_slow(void *arg)
{
    struct slow *s = arg;
    if (s->x->is_aborted) {
        http_done(s->x);
        return;
    }
    const struct http_header header = {SLICE("X-Host"), http_header(&s->x->request, "host")};
    http_respond(s->x, 200, &header, 1, s->x->request.path);
}

static struct slow *slow_new(struct http_exchange *x)
{
    struct slow *s = arena_zero(x->arena, sizeof(*s));
    s->x = x;
    x->user = s;
    note_handled(x);
    return s;
}

static void later(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slow *s = slow_new(x);
    loop_timer_start(loop_of(x), &s->timer, LATER_MS, on_slow, s);
}

/* As a call that cannot be withdrawn: it ends when it ends. */
static void abort_later(struct http_exchange *x)
{
    struct front_world *w = world_of(x->loop_arg);
    struct slow *s = x->user;
    w->aborted++;
    if (!w->refuses) {
        loop_timer_stop(&s->timer);
        http_done(x);
    }
}

static void never(struct http_exchange *x, void *arg)
{
    struct slice late;
    (void)arg;
    note_handled(x);
    if (http_query(&x->request, x->arena, "late", &late)) {
        x->deadline_ns = loop_now_ns(loop_of(x)) + LATE_MS * UINT64_C(1000000);
    }
}

static void never_late(struct http_exchange *x)
{
    http_respond(x, 504, NULL, 0, SLICE("late"));
}

static void echo(struct http_exchange *x, void *arg)
{
    (void)arg;
    note_handled(x);
    http_respond(x, 200, NULL, 0, x->request.body);
}

static void big_more(struct http_exchange *x)
{
    struct slow *s = x->user;
    uint8_t block[1000];
    memset(block, 'x', sizeof(block));
    while (s->left > 0 && http_stream_waiting(x) < HTTP_STREAM_HIGH) {
        const size_t size = s->left < sizeof(block) ? (size_t)s->left : sizeof(block);
        http_stream_write(x, slice_of(block, size));
        s->left -= size;
    }
    if (s->left == 0) {
        http_stream_end(x, true);
    }
}

static void big(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct slice n;
    struct slow *s = slow_new(x);
    EXPECT(http_query(&x->request, x->arena, "n", &n));
    char digits[24] = {0};
    EXPECT(n.size < sizeof(digits));
    memcpy(digits, n.data, n.size);
    s->left = strtoull(digits, NULL, 10);
    http_stream_begin(x, 200, NULL, 0);
    big_more(x);
}

static void on_resume(void *arg)
{
    struct slow *s = arg;
    http_resume(s->x);
}

static void count(struct http_exchange *x, void *arg)
{
    (void)arg;
    (void)slow_new(x);
}

static void count_body(struct http_exchange *x, struct slice bytes)
{
    struct slow *s = x->user;
    if (bytes.size > 0) {
        s->left += bytes.size;
        http_pause(x);
        loop_timer_start(loop_of(x), &s->timer, 1, on_resume, s);
        return;
    }
    struct buf text = {0};
    buf_append_u64(&text, s->left);
    http_respond(x, 200, NULL, 0, buf_slice(&text));
    buf_deinit(&text);
}

static void abort_count(struct http_exchange *x)
{
    struct slow *s = x->user;
    loop_timer_stop(&s->timer);
    abort_nothing(x);
}

/* Answers what comes with what came, and with trailers, as a stream of gRPC does. */
static void mirror(struct http_exchange *x, void *arg)
{
    (void)arg;
    note_handled(x);
    http_stream_begin(x, 200, NULL, 0);
}

static void mirror_body(struct http_exchange *x, struct slice bytes)
{
    if (bytes.size > 0) {
        http_stream_write(x, bytes);
        if (http_stream_waiting(x) >= HTTP_STREAM_HIGH) {
            http_pause(x);
        }
        return;
    }
    const struct http_header trailer = {SLICE("x-sum"), SLICE("all")};
    http_stream_trailers(x, &trailer, 1);
    http_stream_end(x, true);
}

static void mirror_more(struct http_exchange *x)
{
    http_resume(x);
}

/* Breaks its answer off. */
static void broken(struct http_exchange *x, void *arg)
{
    (void)arg;
    note_handled(x);
    http_stream_begin(x, 200, NULL, 0);
    http_stream_write(x, SLICE("half"));
    http_stream_end(x, false);
}

static const struct http_route *find(const struct http_request *r)
{
    static const struct http_route mirror_route = {.name = "mirror",
                                                   .body_max = SIZE_MAX,
                                                   .is_streaming = true,
                                                   .handle = mirror,
                                                   .on_body = mirror_body,
                                                   .on_writable = mirror_more,
                                                   .on_abort = abort_nothing};
    static const struct http_route broken_route = {
        .name = "broken", .handle = broken, .on_abort = abort_nothing};
    static const struct http_route hello_route = {
        .name = "hello", .handle = hello, .on_abort = abort_nothing};
    static const struct http_route later_route = {
        .name = "later", .handle = later, .on_abort = abort_later};
    static const struct http_route never_route = {
        .name = "never", .handle = never, .on_abort = abort_nothing, .on_deadline = never_late};
    static const struct http_route big_route = {
        .name = "big", .handle = big, .on_abort = abort_nothing, .on_writable = big_more};
    static const struct http_route echo_route = {
        .name = "echo", .body_max = 1 << 20, .handle = echo, .on_abort = abort_nothing};
    static const struct http_route drop_route = {
        .name = "drop", .handle = echo, .on_abort = abort_nothing};
    static const struct http_route count_route = {.name = "count",
                                                  .body_max = 4 << 20,
                                                  .is_streaming = true,
                                                  .handle = count,
                                                  .on_body = count_body,
                                                  .on_abort = abort_count};
    if (r->method == HTTP_POST) {
        return slice_equal(r->path, SLICE("/echo"))     ? &echo_route
               : slice_equal(r->path, SLICE("/drop"))   ? &drop_route
               : slice_equal(r->path, SLICE("/count"))  ? &count_route
               : slice_equal(r->path, SLICE("/mirror")) ? &mirror_route
                                                        : NULL;
    }
    return slice_equal(r->path, SLICE("/hello"))          ? &hello_route
           : slice_starts_with(r->path, SLICE("/later/")) ? &later_route
           : slice_equal(r->path, SLICE("/never"))        ? &never_route
           : slice_equal(r->path, SLICE("/big"))          ? &big_route
           : slice_equal(r->path, SLICE("/broken"))       ? &broken_route
                                                          : NULL;
}

static void unknown(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct http_header type = {SLICE("Content-Type"), SLICE("text/plain")};
    http_respond(x, 404, &type, 1, SLICE("404 page not found"));
}

const struct http_route *unknown_route_for(const struct http_request *request)
{
    static const struct http_route route = {
        .name = "unknown", .handle = unknown, .on_abort = abort_nothing};
    (void)request;
    return &route;
}

const struct http_dialect *stand_in_dialect(void)
{
    static const struct http_dialect dialect = {
        .name = "native", .dialect = DIALECT_NATIVE, .find = find};
    return &dialect;
}
