/* Order on a connection: what is sent behind a write sees it, whatever the disk is doing; replies
 * come in an order that some sequence of the commands explains. */
#include "base/mem.h"
#include "engine/standin/standin.h"
#include "harness.h"
#include "sim/node_world.h"
#include "sys/sim/world.h"

#define PIPELINE    64
#define LARGE_BYTES ((size_t)1 << 20)

struct pipeline {
    struct sim_node node;
    struct call_order order;
    struct call calls[2 * PIPELINE];
    char values[PIPELINE][16];
    size_t done;
    bool all_done;
};

static void on_write(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    p->all_done = ++p->done == 2 * (size_t)PIPELINE;
}

/* The read behind write i must see write i: the next one is not sent before it. */
static void on_read(struct call *c)
{
    struct pipeline *p = c->arg;
    const size_t i = (size_t)(c - p->calls) / 2;
    EXPECT_EQ(ERR_OK, c->result.err);
    EXPECT(slice_equal(c->result.value, slice_of_text(p->values[i])));
    p->all_done = ++p->done == 2 * (size_t)PIPELINE;
}

static void run_pipeline(struct pipeline *p, const char *table_name, uint32_t from_loop)
{
    struct router *r = p->node.router[from_loop];
    const struct table *t = router_table(r, slice_of_text(table_name));
    p->done = 0;
    p->all_done = false;
    for (size_t i = 0; i < PIPELINE; i++) {
        (void)snprintf(p->values[i], sizeof(p->values[i]), "value %zu", i);
        p->calls[2 * i] = (struct call){.op = {.kind = OP_PUT,
                                               .table = t->id,
                                               .key = SLICE("one key"),
                                               .value = slice_of_text(p->values[i])},
                                        .done = on_write,
                                        .arg = p,
                                        .order = &p->order};
        p->calls[2 * i + 1] =
            (struct call){.op = {.kind = OP_GET, .table = t->id, .key = SLICE("one key")},
                          .done = on_read,
                          .arg = p,
                          .order = &p->order};
        router_call(r, &p->calls[2 * i]);
        router_call(r, &p->calls[2 * i + 1]);
    }
    EXPECT(sim_run(&p->all_done, 60000));
    EXPECT_EQ(0, p->order.unfinished);
}

static void test_reads_see_the_writes_before_them(void)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct pipeline *p = mem_zero(1, sizeof(*p));
        const struct sim_config world = {
            .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 3000000, .stream_delay_ns = 1};
        sim_world_open(&world);
        p->node.config = (struct node_config){.loops = 1 + (uint32_t)(seed % 3),
                                              .shards = 4,
                                              .memory_max = 1 << 24,
                                              .apply_bytes = seed % 4 == 0 ? 1 : 0};
        p->node.medium = standin_medium_new(seed);
        const struct standin_faults faults = {.wait_permille = 300, .busy_permille = 50};
        standin_set_faults(p->node.medium, &faults);
        struct err_why why = {0};
        EXPECT(node_start(&p->node, &why));
        EXPECT(node_run_ready(&p->node));
        for (uint32_t from = 0; from < p->node.config.loops; from++) {
            run_pipeline(p, "kv", from);
            run_pipeline(p, "cache", from);
        }
        node_stop(&p->node);
        node_forget(&p->node);
        sim_world_close();
        mem_free(p);
    }
}

static void on_large_read(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    EXPECT_EQ(LARGE_BYTES, c->result.value.size);
    p->all_done = ++p->done == (size_t)PIPELINE + 1;
}

static void on_small_write(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    p->all_done = ++p->done == (size_t)PIPELINE + 1;
}

static struct call large_call(struct pipeline *p, uint32_t table, enum op_kind kind,
                              struct slice value, call_fn done)
{
    return (struct call){
        .op = {.kind = (uint8_t)kind, .table = table, .key = SLICE("large"), .value = value},
        .done = done,
        .arg = p,
        .order = &p->order};
}

static void on_one(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    p->all_done = true;
}

/* More bytes than a turn reads: what is left for later turns must not see the write behind it. */
static void test_reads_do_not_see_the_write_behind_them(void)
{
    struct pipeline *p = mem_zero(1, sizeof(*p));
    const struct sim_config world = {
        .seed = 1, .wall_ms = 1700000000000, .io_delay_ns = 10, .stream_delay_ns = 1};
    sim_world_open(&world);
    p->node.config = (struct node_config){.loops = 1, .shards = 2, .memory_max = 1 << 24};
    p->node.medium = standin_medium_new(1);
    struct err_why why = {0};
    EXPECT(node_start(&p->node, &why));
    EXPECT(node_run_ready(&p->node));
    struct router *r = p->node.router[0];
    const uint32_t table = router_table(r, SLICE("kv"))->id;
    uint8_t *large = mem_zero(1, LARGE_BYTES);
    p->calls[0] = large_call(p, table, OP_PUT, slice_of(large, LARGE_BYTES), on_one);
    router_call(r, &p->calls[0]);
    EXPECT(sim_run(&p->all_done, 60000));
    p->all_done = false;
    for (size_t i = 0; i < PIPELINE; i++) {
        p->calls[i] = large_call(p, table, OP_GET, SLICE(""), on_large_read);
        router_call(r, &p->calls[i]);
    }
    p->calls[PIPELINE] = large_call(p, table, OP_PUT, SLICE("small"), on_small_write);
    router_call(r, &p->calls[PIPELINE]);
    EXPECT(sim_run(&p->all_done, 60000));
    mem_free(large);
    node_stop(&p->node);
    node_forget(&p->node);
    sim_world_close();
    mem_free(p);
}

static void on_old(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    EXPECT(slice_equal(c->result.value, SLICE("old")));
    p->done++;
}

static void put_and_wait(struct pipeline *p, struct router *r, uint32_t table)
{
    struct call *c = &p->calls[2];
    *c = (struct call){
        .op = {.kind = OP_PUT, .table = table, .key = SLICE("one key"), .value = SLICE("old")},
        .done = on_one,
        .arg = p,
        .order = &p->order};
    p->all_done = false;
    router_call(r, c);
    EXPECT(sim_run(&p->all_done, 60000));
}

/* The group's own loop may be done with the write before the turn that brought both has ended. */
static void read_and_write(struct pipeline *p, const char *table_name, uint32_t from_loop)
{
    struct router *r = p->node.router[from_loop];
    const uint32_t table = router_table(r, slice_of_text(table_name))->id;
    put_and_wait(p, r, table);
    p->done = 0;
    p->all_done = false;
    p->calls[0] = (struct call){.op = {.kind = OP_GET, .table = table, .key = SLICE("one key")},
                                .done = on_old,
                                .arg = p,
                                .order = &p->order};
    p->calls[1] = (struct call){
        .op = {.kind = OP_PUT, .table = table, .key = SLICE("one key"), .value = SLICE("new")},
        .done = on_one,
        .arg = p,
        .order = &p->order};
    router_call(r, &p->calls[0]);
    router_call(r, &p->calls[1]);
    EXPECT(sim_run(&p->all_done, 60000));
    EXPECT_EQ(1, p->done);
}

static void test_writes_on_another_loop_wait_for_the_reads_before_them(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct pipeline *p = mem_zero(1, sizeof(*p));
        const struct sim_config world = {
            .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 10, .stream_delay_ns = 1};
        sim_world_open(&world);
        p->node.config = (struct node_config){.loops = 3, .shards = 4, .memory_max = 1 << 24};
        p->node.medium = standin_medium_new(seed);
        struct err_why why = {0};
        EXPECT(node_start(&p->node, &why));
        EXPECT(node_run_ready(&p->node));
        for (uint32_t from = 0; from < p->node.config.loops; from++) {
            read_and_write(p, "kv", from);
            read_and_write(p, "cache", from);
        }
        node_stop(&p->node);
        node_forget(&p->node);
        sim_world_close();
        mem_free(p);
    }
}

/* ---- Reads that find no view ---- */

struct views {
    struct reader open[VIEWS_MAX];
};

/* Every view of the table's group that there may be. */
static void views_take(struct views *v, struct pipeline *p, uint32_t group)
{
    struct engine *e = shard_engine(p->node.shards, group, false);
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        EXPECT_EQ(ERR_OK, view_open(e, &v->open[i]));
    }
    struct reader more;
    EXPECT_EQ(ERR_BUSY, view_open(e, &more));
}

static void views_give(struct views *v)
{
    for (size_t i = 0; i < VIEWS_MAX; i++) {
        view_close(&v->open[i]);
    }
}

static void on_absent(struct call *c)
{
    EXPECT_EQ(ERR_NOT_FOUND, c->result.err);
    *(bool *)c->arg = true;
}

/* A read, or a transaction that reads the same. */
static void on_old_of(struct call *c)
{
    struct pipeline *p = c->arg;
    const struct result *result = c->op.kind == OP_TXN ? &c->result.results[1] : &c->result;
    EXPECT_EQ(ERR_OK, c->result.err);
    EXPECT(slice_equal(result->value, SLICE("old")));
    p->all_done = ++p->done == 2;
}

static void on_new(struct call *c)
{
    struct pipeline *p = c->arg;
    EXPECT_EQ(ERR_OK, c->result.err);
    p->all_done = ++p->done == 2;
}

static void read_another(struct pipeline *p, struct router *r, uint32_t table)
{
    bool is_done = false;
    p->calls[3] = (struct call){.op = {.kind = OP_STAT, .table = table, .key = SLICE("another")},
                                .done = on_absent,
                                .arg = &is_done};
    router_call(r, &p->calls[3]);
    EXPECT(sim_run(&is_done, 1000));
}

/* While no view is to be had a read that must wait for the disk waits, and what stands behind it
 * does, too; a read of another group does not. */
static void read_without_view(struct pipeline *p, uint32_t from_loop, bool is_txn)
{
    struct router *r = p->node.router[from_loop];
    const struct table *t = router_table(r, SLICE("kv"));
    const uint32_t table = t->id;
    const uint32_t shard = router_shard_of(r, t, SLICE("one key"));
    EXPECT(router_shard_of(r, t, SLICE("another")) != shard);
    const struct standin_faults cold = {.wait_permille = 1000};
    const struct standin_faults fine = {0};
    struct views views;
    put_and_wait(p, r, table);
    views_take(&views, p, shard + 1);
    standin_set_faults(p->node.medium, &cold);
    p->done = 0;
    p->all_done = false;
    const struct op gets[] = {{.kind = OP_GET, .table = table, .key = SLICE("other {one key}")},
                              {.kind = OP_GET, .table = table, .key = SLICE("one key")}};
    p->calls[0] = (struct call){.op = gets[1], .done = on_old_of, .arg = p, .order = &p->order};
    if (is_txn) {
        p->calls[0].op = (struct op){
            .kind = OP_TXN, .table = table, .key = gets[1].key, .ops = gets, .op_count = 2};
    }
    p->calls[1] = (struct call){
        .op = {.kind = OP_PUT, .table = table, .key = SLICE("one key"), .value = SLICE("new")},
        .done = on_new,
        .arg = p,
        .order = &p->order};
    router_call(r, &p->calls[0]);
    router_call(r, &p->calls[1]);
    EXPECT(!sim_run(&p->all_done, 100));
    EXPECT_EQ(0, p->done);
    read_another(p, r, table);
    views_give(&views);
    EXPECT(sim_run(&p->all_done, 60000));
    standin_set_faults(p->node.medium, &fine);
}

static void test_reads_wait_for_a_view(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pipeline *p = mem_zero(1, sizeof(*p));
        const struct sim_config world = {
            .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 10, .stream_delay_ns = 1};
        sim_world_open(&world);
        p->node.config = (struct node_config){.loops = 2, .shards = 4, .memory_max = 1 << 24};
        p->node.medium = standin_medium_new(seed);
        struct err_why why = {0};
        EXPECT(node_start(&p->node, &why));
        EXPECT(node_run_ready(&p->node));
        for (uint32_t from = 0; from < p->node.config.loops; from++) {
            read_without_view(p, from, false);
            read_without_view(p, from, true);
        }
        node_stop(&p->node);
        node_forget(&p->node);
        sim_world_close();
        mem_free(p);
    }
}

static const struct test_case cases[] = {
    {"reads_wait_for_a_view", test_reads_wait_for_a_view},
    {"reads_see_the_writes_before_them", test_reads_see_the_writes_before_them},
    {"writes_on_another_loop_wait_for_the_reads_before_them",
     test_writes_on_another_loop_wait_for_the_reads_before_them},
    {"reads_do_not_see_the_write_behind_them", test_reads_do_not_see_the_write_behind_them},
};

TEST_MAIN(cases)
