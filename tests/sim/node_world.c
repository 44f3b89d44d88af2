#include "sim/node_world.h"

#include "base/check.h"
#include "base/mem.h"
#include "engine/standin/standin.h"
#include "harness.h"
#include "journal/journal.h"
#include "sys/sim/world.h"

#define NODE_READY_MS 60000
#define TICK_MS       200

static void on_journal(void *arg)
{
    struct sim_node *n = arg;
    if (n->shards != NULL) {
        shard_node_notify(n->shards);
    }
}

static void on_failure(void *arg, const struct err_why *why)
{
    struct sim_node *n = arg;
    (void)why;
    n->has_failed = true;
    n->failures++;
}

static void on_ready(void *arg)
{
    struct sim_node *n = arg;
    n->is_ready = true;
}

static enum err open_disk(struct sim_node *n, struct err_why *why)
{
    const struct disk_config store = {.path = "engine",
                                      .shards = n->config.shards,
                                      .write_bytes = 1 << 20,
                                      .jobs = 1,
                                      .medium = n->medium};
    enum err e = disk_store_open(&store, &n->store, why);
    e = e == ERR_OK ? folder_open("journal", &n->folder, why) : e;
    const struct journal_config config = {.folder = n->folder,
                                          .segment_bytes = 64 << 10,
                                          .first_bytes = 16 << 10,
                                          .reserve_bytes = n->config.reserve_bytes,
                                          .fsync = JOURNAL_FSYNC_ALWAYS,
                                          .notify = on_journal,
                                          .arg = n};
    e = e == ERR_OK ? journal_open(&config, &n->journal, why) : e;
    return e == ERR_OK ? worker_pool_open(2, &n->pool, why) : e;
}

static void open_shared(struct sim_node *n)
{
    const struct shard_config shards = {.shards = n->config.shards,
                                        .loops = n->config.loops,
                                        .journal = n->journal,
                                        .store = n->config.is_volatile ? NULL : n->store,
                                        .pool = n->pool,
                                        .memory_max = n->config.memory_max,
                                        .view_bytes = n->config.view_bytes,
                                        .apply_bytes = n->config.apply_bytes,
                                        .value_max = 1 << 20,
                                        .member = 1,
                                        .boot = ++n->boot,
                                        .seed = sim_random(),
                                        .wall_ms = sim_wall_ms(),
                                        .mono_ns = sim_now_ns(),
                                        .on_failure = on_failure,
                                        .arg = n};
    n->shards = shard_node_open(&shards);
    const struct router_config routers = {.shards = n->shards,
                                          .shard_count = n->config.shards,
                                          .loops = n->config.loops,
                                          .has_disk = !n->config.is_volatile,
                                          .engine =
                                              n->config.is_volatile ? TABLE_MEMORY : TABLE_DISK,
                                          .value_max = 1 << 20,
                                          .on_ready = on_ready,
                                          .arg = n};
    n->routers = router_node_open(&routers);
}

struct tick {
    struct sim_node *node;
    uint32_t index;
};

static void start_tick(struct sim_node *n, uint32_t i);

static void on_loop_tick(void *arg)
{
    struct tick *t = arg;
    struct sim_node *n = t->node;
    const uint32_t i = t->index;
    shard_tick(n->hosts[i]);
    start_tick(n, i);
}

static void start_tick(struct sim_node *n, uint32_t i)
{
    struct tick *t = n->tick_args[i];
    if (t == NULL) {
        t = mem_alloc(sizeof(*t));
        *t = (struct tick){n, i};
        n->tick_args[i] = t;
    }
    loop_timer_start(n->loops[i], &n->ticks[i], TICK_MS, on_loop_tick, t);
}

bool node_start(struct sim_node *n, struct err_why *why)
{
    n->is_ready = false;
    n->has_failed = false;
    n->failures = 0;
    enum err e = n->config.is_volatile ? ERR_OK : open_disk(n, why);
    if (e == ERR_OK) {
        open_shared(n);
    }
    for (uint32_t i = 0; i < n->config.loops && e == ERR_OK; i++) {
        e = loop_open(&n->loops[i], why);
        e = e == ERR_OK ? shard_host_open(n->shards, n->loops[i], i, &n->hosts[i], why) : e;
        e = e == ERR_OK ? router_open(n->routers, n->loops[i], i, n->hosts[i], &n->router[i], why)
                        : e;
        if (e == ERR_OK) {
            start_tick(n, i);
        }
    }
    if (e != ERR_OK) {
        n->has_failed = true;
        node_kill(n);
        return false;
    }
    router_start(n->router[0]);
    return true;
}

bool node_run_ready(struct sim_node *n)
{
    for (int i = 0; i < NODE_READY_MS && !n->is_ready && !n->has_failed; i++) {
        (void)sim_run(&n->is_ready, 1);
        if (sim_power_is_cut()) {
            return false;
        }
    }
    return n->is_ready && !n->has_failed;
}

static void close_all(struct sim_node *n)
{
    for (uint32_t i = 0; i < n->config.loops; i++) {
        mem_free(n->tick_args[i]);
        n->tick_args[i] = NULL;
        router_close(&n->router[i]);
        shard_host_close(&n->hosts[i]);
    }
    if (n->routers != NULL) {
        router_node_close(&n->routers);
    }
    journal_close(&n->journal);
    shard_node_close(&n->shards);
    if (n->store != NULL) {
        disk_store_close(&n->store);
    }
}

void node_stop(struct sim_node *n)
{
    CHECK(!n->has_failed);
    bool is_idle = false;
    for (uint32_t i = 0; i < n->config.loops; i++) {
        loop_timer_stop(&n->ticks[i]);
    }
    for (int turn = 0; turn < 10000 && !is_idle; turn++) {
        (void)sim_run(NULL, 1);
        is_idle = true;
        for (uint32_t i = 0; i < n->config.loops; i++) {
            is_idle = is_idle && shard_is_idle(n->hosts[i]) && router_calls(n->router[i]) == 0;
        }
    }
    EXPECT(is_idle);
    close_all(n);
    for (uint32_t i = 0; i < n->config.loops; i++) {
        loop_close(&n->loops[i]);
    }
    if (n->pool != NULL) {
        worker_pool_close(&n->pool);
    }
    if (n->folder != NULL) {
        folder_close(&n->folder);
    }
}

void node_kill(struct sim_node *n)
{
    if (n->shards != NULL) {
        shard_node_abandon(n->shards);
    }
    if (n->medium != NULL) {
        standin_power_cut(n->medium);
    }
    if (n->routers != NULL) {
        router_abandon(n->routers);
    }
    close_all(n);
    if (n->folder != NULL) {
        folder_close(&n->folder);
    }
    sim_kill(); /* loops and the pool are the world's */
    memset(n->loops, 0, sizeof(n->loops));
    memset(n->ticks, 0, sizeof(n->ticks));
    n->pool = NULL;
}

void node_power_on(void)
{
    if (sim_power_is_cut()) {
        sim_power_on();
    }
}

void node_forget(struct sim_node *n)
{
    if (n->medium != NULL) {
        standin_medium_free(&n->medium);
    }
}
