/* Connections of a protocol of lines, as clients see them: split anywhere, sent ahead, half closed,
 * too slow. What the lines mean is a stand-in's affair (front_lines.c). */
#include "base/mem.h"
#include "sim/front_world.h"

#define LISTEN "localhost:0=dstore"

static uint64_t waiting_bytes(const struct front_world *w)
{
    struct front_stats stats;
    front_stats(w->front, &stats);
    return stats.waiting_bytes;
}

/* Two pieces, cut anywhere; all of it ahead of the first answer. */
static void test_split(void)
{
    static const char input[] =
        "ECHO hello\nLATER abc\nECHO \n\nLATER two words\r\nECHO end\nQUIT\nECHO never\n";
    struct front_world w;
    world_open(&w, LISTEN, 100);
    for (size_t at = 0; at < sizeof(input); at++) {
        struct sim_client *c = world_connect(&w);
        sim_client_write(c, slice_of(input, at));
        world_run(5);
        sim_client_write(c, slice_skip(slice_of_text(input), at));
        world_run(100);
        client_expect(c, "hello\nabc\n\n\ntwo words\r\nend\n");
        client_expect_end(c);
        sim_client_close(&c);
    }
    EXPECT_EQ(0, w.sessions);
    world_close(&w);
}

/* A client that has said all it wanted still gets all its replies; half a line is none. */
static void test_half_close(void)
{
    struct front_world w;
    world_open(&w, LISTEN, 100);
    struct sim_client *c = world_connect(&w);
    struct sim_client *silent = world_connect(&w);
    for (size_t i = 0; i < 30; i++) { /* more than the session takes at once */
        client_send(c, "LATER x\n");
    }
    client_send(c, "LATER half");
    sim_client_shutdown(c);
    sim_client_shutdown(silent);
    world_run(1000);
    EXPECT_EQ(30 * 2, sim_client_input(c)->size);
    client_expect_end(c);
    client_expect_end(silent);
    EXPECT_EQ(0, w.sessions);
    sim_client_close(&c);
    sim_client_close(&silent);
    world_close(&w);
}

static void test_slow_reader(void)
{
    struct front_world w;
    world_open(&w, LISTEN, 100);
    struct sim_client *c = world_connect(&w);
    sim_client_pause(c, true);
    for (size_t i = 0; i < 1000; i++) {
        client_send(c, "BIG 10000\n");
    }
    world_run(1000);
    EXPECT(waiting_bytes(&w) < (3 << 20));
    EXPECT(w.commands < 1000);
    sim_client_pause(c, false);
    world_run(30000);
    EXPECT_EQ(1000, w.commands);
    EXPECT_EQ(1000 * (size_t)10001, sim_client_input(c)->size);
    sim_client_close(&c);

    /* One that takes nothing at all is cut off after a minute. */
    c = world_connect(&w);
    sim_client_pause(c, true);
    client_send(c, "BIG 10000000\n");
    world_run(130000);
    EXPECT_EQ(0, waiting_bytes(&w));
    EXPECT_EQ(0, w.sessions);
    sim_client_close(&c);
    world_close(&w);
}

/* A line must go on; between lines a client may be silent for as long as it likes. */
static void test_time_outs(void)
{
    struct front_world w;
    world_open(&w, LISTEN, 100);
    struct sim_client *silent = world_connect(&w);
    struct sim_client *idle = world_connect(&w);
    struct sim_client *slow = world_connect(&w);
    struct sim_client *stuck = world_connect(&w);
    client_send(idle, "ECHO a\n");
    client_send(stuck, "ECHO b\nECHO ");
    for (int i = 0; i < 6; i++) {
        sim_client_write(slow, slice_of(&"ECHO c"[i], 1));
        world_run(20000);
    }
    client_send(slow, "\n");
    world_run(4000000);
    client_expect(stuck, "b\n");
    client_expect_end(stuck);
    client_expect(slow, "c\n");
    client_expect_open(slow);
    client_expect(idle, "a\n");
    client_expect_open(idle);
    client_expect_open(silent);
    client_send(silent, "ECHO d\n");
    world_run(100);
    client_expect(silent, "d\n");
    sim_client_close(&silent);
    sim_client_close(&idle);
    sim_client_close(&slow);
    sim_client_close(&stuck);
    world_close(&w);
}

static void test_client_leaves(void)
{
    struct front_world w;
    world_open(&w, LISTEN, 100);
    for (uint64_t ms = 0; ms < 20; ms++) {
        struct sim_client *c = world_connect(&w);
        client_send(c, "ECHO a\nLATER b\nLATER c\nECHO half");
        world_run(ms);
        sim_client_close(&c);
        world_run(100);
        EXPECT_EQ(0, w.sessions);
    }
    world_close(&w);
}

/* What was sent before is answered; then it is over. */
static void test_drain(void)
{
    struct front_world w;
    world_open(&w, LISTEN, 100);
    struct sim_client *silent = world_connect(&w);
    struct sim_client *busy = world_connect(&w);
    client_send(busy, "ECHO a\nLATER b\nECHO half");
    world_run(5);
    for (size_t i = 0; i < WORLD_LOOPS; i++) {
        front_loop_drain(w.fronts[i]);
    }
    world_run(1); /* what comes in the turn that follows would be read */
    client_send(busy, " a line\nECHO more\n");
    world_run(5000);
    client_expect(busy, "a\nb\n");
    client_expect_end(busy);
    client_expect_end(silent);
    sim_client_close(&silent);
    sim_client_close(&busy);
    world_close(&w);
}

/* Lines are spoken where a listener says so, and nowhere else. */
static void test_listeners(void)
{
    struct front_world w;
    world_open(&w, NULL, 100);
    struct sim_client *c = world_connect(&w);
    client_send(c, "ECHO x\r\n");
    world_run(100);
    client_expect(c, "$1\r\nx\r\n");
    sim_client_close(&c);
    world_close(&w);

    static const char *const wrong[] = {"localhost:0=dstore,redis", "localhost:0=redis,dstore",
                                        "localhost:0=dstore,native"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct http_dialect *dialects[] = {stand_in_dialect()};
        const struct front_config config = {.loops = 1,
                                            .listen = {wrong[i]},
                                            .listen_count = 1,
                                            .dialects = dialects,
                                            .dialect_count = 1,
                                            .connections_max = 1};
        struct front *front = NULL;
        struct err_why why = {0};
        EXPECT_EQ(ERR_INVALID, front_open(&config, &front, &why));
        EXPECT(strstr(why.text, "a listener of its own") != NULL);
    }
}

static const struct test_case cases[] = {
    {"split", test_split},
    {"half_close", test_half_close},
    {"slow_reader", test_slow_reader},
    {"time_outs", test_time_outs},
    {"client_leaves", test_client_leaves},
    {"drain", test_drain},
    {"listeners", test_listeners},
};

TEST_MAIN(cases)
