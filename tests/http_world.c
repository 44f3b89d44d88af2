#include "http_world.h"

#include "api/grpc_flow.h"
#include "harness.h"
#include "shard/shard.h"
#include "sys/sim/world.h"

#define STEP_MS 1

static void on_ready(void *arg)
{
    struct http_world *w = arg;
    w->is_ready = true;
}

static void on_failure(void *arg, const struct err_why *why)
{
    (void)arg;
    (void)fprintf(stderr, "the node failed: %s\n", why->text);
    exit(1);
}

static void totals(void *arg, struct node_totals *out)
{
    (void)arg;
    *out = (struct node_totals){.connections = 1, .uptime_s = 60};
}

static void metrics(void *arg, struct buf *out)
{
    (void)arg;
    metrics_family(out, "holdfast_up", "gauge", "One.");
    metrics_sample(out, "holdfast_up", "", 1);
}

static enum err readiness(void *arg)
{
    const struct http_world *w = arg;
    return w->readiness;
}

static void open_shards(struct http_world *w)
{
    const struct shard_config shards = {.shards = WORLD_SHARDS,
                                        .loops = 1,
                                        .memory_max = UINT64_C(1) << 30,
                                        .value_max = WORLD_VALUE_MAX,
                                        .member = 1,
                                        .boot = 1,
                                        .seed = 1,
                                        .wall_ms = 1700000000000,
                                        .mono_ns = sim_now_ns(),
                                        .on_failure = on_failure,
                                        .arg = w};
    w->shards = shard_node_open(&shards);
    const struct router_config routers = {.shards = w->shards,
                                          .shard_count = WORLD_SHARDS,
                                          .loops = 1,
                                          .engine = TABLE_MEMORY,
                                          .value_max = WORLD_VALUE_MAX,
                                          .on_ready = on_ready,
                                          .arg = w};
    w->routers = router_node_open(&routers);
}

static void fill_context(struct http_world *w)
{
    w->facts = (struct node_facts){.arg = w,
                                   .version = "0.1.0",
                                   .node_id = "00000000000000ff0000000000000000deadbeef",
                                   .node_number = 255,
                                   .node_name = "node1",
                                   .threads = 1,
                                   .shards = WORLD_SHARDS,
                                   .port = 8080,
                                   .address = "127.0.0.1:8080",
                                   .data_folder = "",
                                   .tables_token = "",
                                   .maintenance_token = "",
                                   .totals = totals,
                                   .metrics = metrics,
                                   .readiness = readiness};
    w->context.facts = &w->facts;
    w->context.stats = w->stats;
    w->context.slow_us = UINT64_MAX;
}

void world_open(struct http_world *w)
{
    const struct sim_config config = {.seed = 1, .wall_ms = 1700000000000};
    struct err_why why = {0};
    *w = (struct http_world){0};
    sim_world_open(&config);
    open_shards(w);
    EXPECT_EQ(ERR_OK, loop_open(&w->loop, &why));
    EXPECT_EQ(ERR_OK, shard_host_open(w->shards, w->loop, 0, &w->host, &why));
    EXPECT_EQ(ERR_OK, router_open(w->routers, w->loop, 0, w->host, &w->context.router, &why));
    fill_context(w);
    router_start(w->context.router);
    for (int i = 0; i < 10000 && !w->is_ready; i++) {
        world_wait(w, STEP_MS);
    }
    EXPECT(w->is_ready);
}

void world_close(struct http_world *w)
{
    grpc_flow_close(&w->context);
    grpc_close(&w->context);
    router_close(&w->context.router);
    shard_host_close(&w->host);
    router_node_close(&w->routers);
    shard_node_close(&w->shards);
    loop_close(&w->loop);
    sim_world_close();
}

static void on_time(void *arg)
{
    bool *is_over = arg;
    *is_over = true;
}

void world_wait(struct http_world *w, uint64_t ms)
{
    struct loop_timer timer = {0};
    bool is_over = false;
    loop_timer_start(w->loop, &timer, ms, on_time, &is_over);
    EXPECT(sim_run(&is_over, ms + STEP_MS));
}
