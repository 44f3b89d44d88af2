#include "sim/front_world.h"

#include "base/mem.h"

static uint64_t seed(void)
{
    const char *given = getenv("HOLDFAST_SEED");
    const uint64_t number = given == NULL ? 1 : strtoull(given, NULL, 10);
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", number);
    return number;
}

static void open_front(struct front_world *w, const char *listen, uint32_t connections_max,
                       uint64_t stream_delay_ns)
{
    const struct sim_config config = {.seed = seed(),
                                      .wall_ms = UINT64_C(1700000000000),
                                      .io_delay_ns = 1000000,
                                      .stream_delay_ns = stream_delay_ns};
    sim_world_open(&config);
    *w = (struct front_world){.facts = {.arg = w}};
    w->stats = mem_zero(DIALECT_COUNT, sizeof(*w->stats));
    const struct http_dialect *dialects[] = {stand_in_dialect()};
    const struct front_config front = {.loops = WORLD_LOOPS,
                                       .listen = {listen == NULL ? "127.0.0.1:0" : listen},
                                       .listen_count = 1,
                                       .hosts = {"node.example"},
                                       .host_count = 1,
                                       .dialects = dialects,
                                       .dialect_count = 1,
                                       .connections_max = connections_max};
    struct err_why why;
    EXPECT_EQ(ERR_OK, front_open(&front, &w->front, &why));
    for (uint32_t i = 0; i < WORLD_LOOPS; i++) {
        EXPECT_EQ(ERR_OK, loop_open(&w->loops[i], &why));
        w->contexts[i] =
            (struct loop_context){.facts = &w->facts, .stats = w->stats, .slow_us = UINT64_MAX};
        EXPECT_EQ(ERR_OK,
                  front_loop_open(w->front, w->loops[i], i, &w->contexts[i], &w->fronts[i], &why));
    }
    EXPECT_EQ(ERR_OK, front_listen(w->front, w->loops[0], &why));
}

void world_open(struct front_world *w, const char *listen, uint32_t connections_max)
{
    open_front(w, listen, connections_max, 100000);
}

void world_open_without_delay(struct front_world *w)
{
    open_front(w, NULL, 100, 0);
}

void world_close(struct front_world *w)
{
    front_stop_accepting(w->front);
    for (uint32_t i = 0; i < WORLD_LOOPS; i++) {
        front_loop_cut(w->fronts[i]);
    }
    world_run(100);
    EXPECT_EQ(0, w->sessions);
    struct front_stats stats;
    front_stats(w->front, &stats);
    EXPECT_EQ(0, stats.connections);
    EXPECT_EQ(0, stats.waiting_bytes);
    for (uint32_t i = 0; i < WORLD_LOOPS; i++) {
        EXPECT(front_loop_is_idle(w->fronts[i]));
        front_loop_close(&w->fronts[i]);
        loop_close(&w->loops[i]);
    }
    front_close(&w->front);
    mem_free(w->stats);
    sim_world_close();
}

void world_run(uint64_t ms)
{
    (void)sim_run(NULL, ms);
}

struct sim_client *world_connect(struct front_world *w)
{
    struct sim_client *c = sim_connect(front_address(w->front));
    EXPECT(c != NULL);
    world_run(1); /* accepted, and with its loop */
    return c;
}

void client_send(struct sim_client *c, const char *text)
{
    sim_client_write(c, slice_of_text(text));
}

void strip_dates(struct buf *b)
{
    static const char name[] = "Date: ";
    const size_t line = strlen("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    size_t kept = 0;
    for (size_t at = 0; at < b->size;) {
        if (b->size - at >= line && memcmp(b->data + at, name, sizeof(name) - 1) == 0) {
            at += line;
        } else {
            b->data[kept++] = b->data[at++];
        }
    }
    b->size = kept;
}

void client_expect(struct sim_client *c, const char *want)
{
    struct buf *in = sim_client_input(c);
    strip_dates(in);
    if (!slice_equal(slice_of_text(want), buf_slice(in))) {
        (void)fprintf(stderr, "want:\n%s\ngot:\n%.*s\n", want, (int)in->size,
                      (const char *)in->data);
        exit(1);
    }
    buf_clear(in);
}

void client_expect_status(struct sim_client *c, unsigned status)
{
    char want[32];
    const int size = snprintf(want, sizeof(want), "HTTP/1.1 %u ", status);
    struct buf *in = sim_client_input(c);
    if (!slice_starts_with(buf_slice(in), slice_of(want, (size_t)size))) {
        (void)fprintf(stderr, "want %s, got:\n%.*s\n", want, (int)in->size, (const char *)in->data);
        exit(1);
    }
    buf_clear(in);
}

void client_expect_problem(struct sim_client *c, unsigned status, const char *code)
{
    const struct buf *in = sim_client_input(c);
    char want[64];
    const int size =
        snprintf(want, sizeof(want), "\"code\":\"%s\",\"may_have_happened\":false}", code);
    if (memmem(in->data, in->size, want, (size_t)size) == NULL) {
        (void)fprintf(stderr, "want %s, got:\n%.*s\n", want, (int)in->size, (const char *)in->data);
        exit(1);
    }
    client_expect_status(c, status);
}

void client_expect_end(struct sim_client *c)
{
    EXPECT(sim_client_has_ended(c, NULL));
}

void client_expect_open(struct sim_client *c)
{
    EXPECT(!sim_client_has_ended(c, NULL));
}
