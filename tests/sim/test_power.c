/* The node under power cuts: whatever moment the power goes, after the next start everything
 * acknowledged is there, nothing unacknowledged is half there, nothing was applied twice.
 *
 * One client writes through one connection to a few keys of each shard, with operations that show
 * being lost, doubled or reordered (history.h). The log of a shard is a sequence, so after a cut
 * its state must be that of some prefix of what was sent, not shorter than what was acknowledged.
 * Operations with an idempotency id are then sent again.
 *
 * HOLDFAST_SEED=n runs one seed; HOLDFAST_SEEDS=n that many, from 1. */
#include <inttypes.h>

#include "base/mem.h"
#include "engine/standin/standin.h"
#include "harness.h"
#include "sim/history.h"
#include "sim/node_world.h"
#include "sys/sim/world.h"

#define ROUNDS    4
#define BURST_MAX 12
#define SENT_MAX  120
#define CUT_CALLS 60 /* the power goes within so many file calls */
#define LOST_MAX  512

/* Sanitizers are ten times slower; the release tests run the whole number. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SEEDS 300
#endif
#endif
#ifndef SEEDS
#define SEEDS 2000
#endif

struct client {
    struct sim_node node;
    struct history *history;
    struct random random;
    struct history_op *lost[LOST_MAX];
    size_t lost_count;
};

static void start_until_ready(struct client *c)
{
    for (;;) {
        struct err_why why = {0};
        if (node_start(&c->node, &why)) {
            if (node_run_ready(&c->node)) {
                return;
            }
            EXPECT(sim_power_is_cut()); /* else it must become ready */
            node_kill(&c->node);
        } else if (!sim_power_is_cut()) {
            (void)fprintf(stderr, "refused to start: %s\n", why.text);
            EXPECT(false);
        }
        node_power_on();
    }
}

static bool write_until_cut(struct client *c)
{
    size_t sent = 0;
    while (!sim_power_is_cut() && !c->node.has_failed && sent < SENT_MAX) {
        const uint64_t burst = 1 + random_below(&c->random, BURST_MAX);
        for (uint64_t i = 0; i < burst; i++, sent++) {
            history_send(c->history, c->node.router[0]);
        }
        (void)sim_run(NULL, 1 + random_below(&c->random, 4));
    }
    return sim_power_is_cut() || c->node.has_failed;
}

static void verify(struct client *c)
{
    struct history *h = c->history;
    struct history_values *values = mem_alloc(sizeof(*values));
    c->lost_count = 0;
    for (uint32_t shard = 0; shard < h->shards; shard++) {
        size_t lost = 0;
        history_read(h, c->node.router[0], shard, values);
        EXPECT(history_settle(h, shard, values, c->lost + c->lost_count, LOST_MAX - c->lost_count,
                              &lost));
        c->lost_count += lost;
    }
    mem_free(values);
}

/* What was lost is repeated with its id, and what was not as well: each happens once. */
static void repeat(struct client *c)
{
    struct history *h = c->history;
    for (size_t i = 0; i < c->lost_count; i++) {
        struct history_op *op = c->lost[i];
        h->ops[op->shard][h->count[op->shard]++] = op;
        history_repeat(h, c->node.router[0], op);
    }
    for (uint32_t shard = 0; shard < h->shards; shard++) {
        for (size_t i = 0; i < h->count[shard]; i++) {
            struct history_op *op = h->ops[shard][i];
            if (op->kind == HISTORY_ADD_ONCE && op->state == HISTORY_DONE &&
                random_below(&c->random, 4) == 0) {
                history_repeat(h, c->node.router[0], op);
            }
        }
    }
    for (int ms = 0; ms < 60000 && h->waiting > 0; ms++) {
        (void)sim_run(NULL, 1);
    }
    EXPECT_EQ(0, h->waiting);
}

static void kill_and_recover(struct client *c, bool is_cut)
{
    if (!is_cut) { /* the process dies, the machine goes on */
        c->history->waiting = 0;
    }
    node_kill(&c->node);
    c->history->waiting = 0;
    c->history->order = (struct call_order){0};
    node_power_on();
    if (random_below(&c->random, 3) == 0) { /* again, while it recovers */
        sim_power_cut(sim_file_calls() + 1 + random_below(&c->random, CUT_CALLS));
    } else {
        sim_power_cut(UINT64_MAX);
    }
    start_until_ready(c);
    sim_power_cut(UINT64_MAX);
}

static void run_seed(uint64_t seed)
{
    struct client *c = mem_zero(1, sizeof(*c));
    const struct sim_config world = {
        .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 3000000, .stream_delay_ns = 1};
    sim_world_open(&world);
    c->random.state = seed * 7919;
    c->node.config = (struct node_config){.loops = 1 + (uint32_t)(seed % 3),
                                          .shards = 1 + (uint32_t)(seed % 4),
                                          .memory_max = 16 << 20,
                                          .apply_bytes = seed % 5 == 0 ? 1 : 0};
    c->node.medium = standin_medium_new(seed);
    const struct standin_faults faults = {
        .wait_permille = 200, .busy_permille = 20, .flush_permille = 50};
    standin_set_faults(c->node.medium, &faults);
    start_until_ready(c);
    c->history = mem_alloc(sizeof(*c->history));
    history_init(c->history, c->node.router[0], seed);
    for (int round = 0; round < ROUNDS; round++) {
        sim_power_cut(sim_file_calls() + 1 + random_below(&c->random, CUT_CALLS));
        const bool is_cut = write_until_cut(c);
        kill_and_recover(c, is_cut);
        verify(c);
        repeat(c);
        verify(c);
        EXPECT_EQ(0, c->lost_count);
    }
    node_stop(&c->node);
    node_forget(&c->node);
    sim_world_close();
    history_deinit(c->history);
    mem_free(c->history);
    mem_free(c);
}

int main(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    const char *many = getenv("HOLDFAST_SEEDS");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t count = one != NULL ? 1 : many != NULL ? strtoull(many, NULL, 10) : SEEDS;
    for (uint64_t seed = first; seed < first + count; seed++) {
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        (void)fflush(stdout);
        run_seed(seed);
    }
    return 0;
}
