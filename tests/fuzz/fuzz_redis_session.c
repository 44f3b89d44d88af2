/* A Redis connection to a whole node in the simulated world: any bytes, in any pieces. SCAN
 * cursors, MULTI, all commands. The session must answer or hang up, and give everything back. */
#include "api/redis/redis.h"
#include "base/mem.h"
#include "harness.h"
#include "sim/node_world.h"
#include "sys/sim/world.h"

#define INPUT_MAX 4096 /* bytes */
#define TURNS_MAX 20000

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_output(void *arg)
{
    (void)arg;
}

static void totals(void *arg, struct node_totals *out)
{
    (void)arg;
    *out = (struct node_totals){.connections = 1};
}

static void settings(void *arg, void (*each)(void *each_arg, const char *name, const char *value),
                     void *each_arg)
{
    (void)arg;
    each(each_arg, "shards", "4");
}

static enum err change_setting(void *arg, const char *name, const char *value, struct err_why *why)
{
    (void)arg;
    (void)name;
    (void)value;
    return err_set(why, ERR_DENIED, "fixed");
}

static void connections(void *arg, connection_each_fn each, void *each_arg)
{
    (void)arg;
    (void)each;
    (void)each_arg;
}

/* Gives [from, to) in a chunk of exactly this size, so that a byte read too many is seen. */
static size_t give(struct redis_session *s, const uint8_t *from, const uint8_t *to)
{
    const size_t size = (size_t)(to - from);
    struct chunk *chunk = chunk_new(size);
    memcpy(chunk->bytes, from, size);
    const size_t taken = redis_input(s, chunk, chunk->bytes, size);
    EXPECT(taken <= size);
    chunk_release(chunk);
    return taken;
}

/* Gives the input in pieces whose sizes it chooses itself. */
static void talk(struct loop_context *context, struct loop *loop, const uint8_t *data, size_t size)
{
    const struct redis_owner owner = {.on_output = on_output, .peer = "fuzz", .id = 1};
    struct redis_session *s = redis_open(context, &owner);
    const uint8_t *end = data + size;
    const uint8_t *given = data;
    bool is_stuck = false; /* the last command is not whole */
    for (int turn = 0; turn < TURNS_MAX && !redis_is_closing(s) && data < end && !is_stuck;
         turn++) {
        const size_t more = 1 + data[0] % 64;
        given = given > data || (size_t)(end - data) < more ? end : data + more;
        if (!redis_is_full(s)) {
            const size_t taken = give(s, data, given);
            is_stuck = taken == 0 && given == end && !redis_is_full(s);
            data += taken;
            loop_again(loop);
        }
        buf_clear(redis_out(s));
        redis_turn_done(s);
        (void)sim_run(NULL, 1);
    }
    redis_close(&s);
    (void)sim_run(NULL, 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_why why;
    struct sim_node node = {.config = {.loops = 1, .shards = 4, .memory_max = 64 << 20}};
    const struct sim_config config = {.seed = 1, .wall_ms = 1700000000000, .io_delay_ns = 100000};
    if (size == 0 || size > INPUT_MAX) {
        return 0;
    }
    node.config.is_volatile = (data[0] & 1) == 0;
    sim_world_open(&config);
    EXPECT(node_start(&node, &why));
    EXPECT(node_run_ready(&node));
    const struct node_facts facts = {.version = "0",
                                     .node_id = "0",
                                     .shards = 4,
                                     .threads = 1,
                                     .address = "here:1",
                                     .data_folder = "",
                                     .totals = totals,
                                     .settings = settings,
                                     .change_setting = change_setting,
                                     .connections = connections};
    struct dialect_stats *stats = mem_zero(DIALECT_COUNT, sizeof(*stats));
    struct loop_context context = {.router = node.router[0],
                                   .facts = &facts,
                                   .stats = stats,
                                   .slow_us = 0,
                                   .now_ns = sim_now_ns};
    talk(&context, node.loops[0], data + 1, size - 1);
    redis_loop_close(&context);
    node_stop(&node);
    node_forget(&node);
    sim_world_close();
    mem_free(stats);
    return 0;
}
