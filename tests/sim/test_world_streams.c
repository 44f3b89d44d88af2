/* Connections of the simulated world, against a server that echoes. */
#include "base/mem.h"
#include "harness.h"
#include "sys/sim/world.h"
#include "sys/stream.h"

#define SEEDS 100

static uint64_t first_seed(void)
{
    const char *text = getenv("HOLDFAST_SEED");
    return text == NULL ? 1 : strtoull(text, NULL, 10);
}

struct server {
    struct loop *loop;
    struct listener *listener;
    struct stream *stream;
    struct buf out;
    size_t received, pieces, drains, ends, closes;
    size_t waiting_max; /* the server stops reading above it; 0: reads on */
    enum err end;
    bool refuses, closes_at_once;
    uint8_t block[1000];
};

static size_t server_room(void *arg, uint8_t **data)
{
    struct server *s = arg;
    *data = s->block;
    const bool is_full = s->waiting_max > 0 && stream_waiting_bytes(s->stream) > s->waiting_max;
    return is_full ? 0 : sizeof(s->block);
}

static void on_server_data(void *arg, uint8_t *data, size_t size)
{
    struct server *s = arg;
    s->received += size;
    s->pieces++;
    buf_append(&s->out, data, size);
    stream_write(s->stream, &s->out);
    EXPECT_EQ(0, s->out.size);
}

static void on_server_end(void *arg, enum err why)
{
    struct server *s = arg;
    s->ends++;
    s->end = why;
    if (why != ERR_OK) {
        stream_close(&s->stream);
        return;
    }
    stream_shutdown(s->stream);
    if (stream_waiting_bytes(s->stream) == 0) {
        stream_close(&s->stream);
    }
}

static void on_server_drained(void *arg)
{
    struct server *s = arg;
    s->drains++;
    EXPECT_EQ(0, stream_waiting_bytes(s->stream));
    if (s->ends > 0) {
        stream_close(&s->stream);
    } else {
        stream_read_start(s->stream);
    }
}

static void on_server_closed(void *arg)
{
    struct server *s = arg;
    s->closes++;
}

static const struct stream_events server_events = {
    server_room, on_server_data, on_server_end, on_server_drained, on_server_closed,
};

static void on_accept(void *arg, stream_socket socket)
{
    struct server *s = arg;
    if (s->refuses) {
        stream_refuse(socket);
        return;
    }
    EXPECT_EQ(ERR_OK, stream_open(s->loop, socket, &server_events, s, &s->stream, NULL));
    EXPECT(strncmp(stream_peer(s->stream), "127.0.0.1:", 10) == 0);
    stream_read_start(s->stream);
    if (s->closes_at_once) {
        stream_close(&s->stream);
    }
}

static void server_open(struct server *s, uint64_t seed)
{
    const struct sim_config config = {.seed = seed, .stream_delay_ns = 1000000};
    sim_world_open(&config);
    *s = (struct server){0};
    EXPECT_EQ(ERR_OK, loop_open(&s->loop, NULL));
    EXPECT_EQ(ERR_OK, listener_open(s->loop, "127.0.0.1:0", on_accept, s, &s->listener, NULL));
}

static void server_close(struct server *s)
{
    listener_close(&s->listener);
    loop_close(&s->loop);
    buf_deinit(&s->out);
    sim_world_close();
}

/* `size` bytes that tell their place. */
static void send_pattern(struct sim_client *c, size_t size)
{
    struct buf bytes = {0};
    for (size_t i = 0; i < size; i++) {
        buf_append_byte(&bytes, (uint8_t)(i % 251));
    }
    sim_client_write(c, buf_slice(&bytes));
    buf_deinit(&bytes);
}

static void expect_pattern(struct sim_client *c, size_t size)
{
    const struct buf *in = sim_client_input(c);
    EXPECT_EQ(size, in->size);
    for (size_t i = 0; i < size; i++) {
        EXPECT_EQ(i % 251, in->data[i]);
    }
}

static void test_echo(void)
{
    size_t pieces_min = SIZE_MAX;
    size_t pieces_max = 0;
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        struct server s;
        server_open(&s, seed);
        struct sim_client *c = sim_connect(listener_address(s.listener));
        EXPECT(c != NULL);
        send_pattern(c, 900);
        sim_client_shutdown(c);
        (void)sim_run(NULL, 1000);
        enum err end = ERR_IO;
        EXPECT(sim_client_has_ended(c, &end));
        EXPECT_EQ(ERR_OK, end);
        expect_pattern(c, 900);
        EXPECT_EQ(900, s.received);
        EXPECT(s.ends == 1 && s.closes == 1 && s.end == ERR_OK);
        pieces_min = s.pieces < pieces_min ? s.pieces : pieces_min;
        pieces_max = s.pieces > pieces_max ? s.pieces : pieces_max;
        sim_client_close(&c);
        server_close(&s);
    }
    EXPECT_EQ(1, pieces_min);
    EXPECT(pieces_max > 3);
}

/* A client that does not read: the server's bytes back up, it stops reading, the client's bytes
 * back up; then it reads, and all of it comes in order. */
static void test_back_pressure(void)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + 10; seed++) {
        struct server s;
        server_open(&s, seed);
        s.waiting_max = 100000;
        struct sim_client *c = sim_connect(listener_address(s.listener));
        sim_client_pause(c, true);
        send_pattern(c, 1000000);
        (void)sim_run(NULL, 10000);
        EXPECT(s.received < 300000 && s.received > 100000);
        EXPECT(stream_waiting_bytes(s.stream) > 30000);
        EXPECT(sim_client_waiting_bytes(c) > 0);
        EXPECT(sim_client_input(c)->size == 0);
        sim_client_pause(c, false);
        (void)sim_run(NULL, 100000);
        expect_pattern(c, 1000000);
        EXPECT(s.drains > 0);
        sim_client_shutdown(c);
        (void)sim_run(NULL, 1000);
        EXPECT(sim_client_has_ended(c, NULL) && s.closes == 1);
        sim_client_close(&c);
        server_close(&s);
    }
}

static void test_breaks(void)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        struct server s;
        enum err end = ERR_OK;
        server_open(&s, seed);
        EXPECT(sim_connect("127.0.0.1:1") == NULL);
        /* The client goes with unread bytes on the way to it. */
        struct sim_client *c = sim_connect(listener_address(s.listener));
        sim_client_pause(c, true);
        send_pattern(c, 200000);
        (void)sim_run(NULL, 1000);
        sim_client_close(&c);
        (void)sim_run(NULL, 1000);
        EXPECT(s.ends == 1 && s.closes == 1 && s.end == ERR_IO);
        /* The server goes without reading. */
        s.closes_at_once = true;
        c = sim_connect(listener_address(s.listener));
        send_pattern(c, 100);
        (void)sim_run(NULL, 1000);
        EXPECT(sim_client_has_ended(c, NULL));
        sim_client_close(&c);
        /* Nobody accepts. */
        s.refuses = true;
        c = sim_connect(listener_address(s.listener));
        (void)sim_run(NULL, 1000);
        EXPECT(sim_client_has_ended(c, &end));
        EXPECT_EQ(ERR_OK, end);
        sim_client_close(&c);
        c = sim_connect(listener_address(s.listener));
        listener_close(&s.listener);
        (void)sim_run(NULL, 1000);
        EXPECT(sim_client_has_ended(c, &end));
        EXPECT_EQ(ERR_IO, end);
        sim_client_close(&c);
        server_close(&s);
    }
}

/* The process dies; its clients live on and see it. */
static void test_kill(void)
{
    struct server s;
    server_open(&s, first_seed());
    struct sim_client *c = sim_connect(listener_address(s.listener));
    send_pattern(c, 500000);
    (void)sim_run(NULL, 5);
    EXPECT(s.received > 0);
    sim_kill();
    buf_deinit(&s.out);
    (void)sim_run(NULL, 1000);
    enum err end = ERR_OK;
    EXPECT(sim_client_has_ended(c, &end));
    EXPECT_EQ(ERR_IO, end);
    EXPECT(sim_connect("127.0.0.1:40001") == NULL);
    sim_client_close(&c);
    struct sim_client *left_behind = NULL;
    EXPECT_EQ(ERR_OK, loop_open(&s.loop, NULL));
    EXPECT_EQ(ERR_OK, listener_open(s.loop, "unix:x", on_accept, &s, &s.listener, NULL));
    left_behind = sim_connect("unix:x");
    EXPECT(left_behind != NULL);
    sim_world_close(); /* takes everything with it */
}

static const struct test_case cases[] = {
    {"echo", test_echo},
    {"back_pressure", test_back_pressure},
    {"breaks", test_breaks},
    {"kill", test_kill},
};

int main(int argc, char **argv)
{
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", first_seed());
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
