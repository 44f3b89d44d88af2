/* test_journal_faults.c - each file call of a short life fails once; the disk is full for a while.
 * Never is an acknowledged entry lost, never does it hang, and a full disk stops nothing. */
#include "base/mem.h"
#include "fault/journal_model.h"
#include "harness.h"
#include "sys/sim/world.h"

#define ACTIONS 90

static struct model *setup(uint64_t seed, uint64_t disk_bytes)
{
    const struct sim_config config = {
        .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 1000000, .disk_bytes = disk_bytes};
    struct model *m = mem_zero(1, sizeof(*m));
    sim_world_open(&config);
    model_init(m, seed % 3 == 0 ? JOURNAL_FSYNC_INTERVAL : JOURNAL_FSYNC_ALWAYS);
    return m;
}

static void teardown(struct model *m)
{
    model_deinit(m);
    mem_free(m);
    sim_world_close();
}

static enum err failure_of(const struct model *m)
{
    struct err_why why;
    return journal_failure(m->journal, &why);
}

static bool is_disk_error(enum err e)
{
    return e == ERR_OK || e == ERR_IO || e == ERR_NO_SPACE;
}

static void expect_ok(enum err e, const struct err_why *why)
{
    if (e != ERR_OK) {
        (void)fprintf(stderr, "%s: %s\n", err_name(e), why->text);
        exit(1);
    }
}

/* The journal goes on, or it has said once and for all that it cannot. */
static void expect_end(struct model *m)
{
    struct err_why why = {0};
    if (failure_of(m) != ERR_OK) {
        const uint64_t durable = journal_durable(m->journal);
        EXPECT_EQ(ERR_IO, failure_of(m));
        EXPECT_EQ(ERR_IO, model_append(m, &why));
        (void)sim_run(NULL, 1000);
        EXPECT_EQ(durable, journal_durable(m->journal));
        return;
    }
    expect_ok(journal_prepare(m->journal, &why), &why);
    expect_ok(model_append(m, &why), &why);
    (void)sim_run(NULL, 1000);
    EXPECT(model_is_settled(m));
}

static void restart(struct model *m)
{
    struct err_why why = {0};
    sim_power_cut(0);
    model_keep(m, true);
    model_close(m);
    sim_kill();
    sim_power_on();
    expect_ok(model_open(m, &why), &why);
}

/* Returns whether the life was long enough for the call to be made. */
static bool fail_call(uint64_t seed, uint64_t call, enum err fault)
{
    struct model *m = setup(seed, 0);
    struct err_why why = {0};
    sim_file_fail(call, fault, false);
    if (model_open(m, &why) != ERR_OK) {
        EXPECT(sim_file_calls() >= call);
        expect_ok(model_open(m, &why), &why);
    }
    for (int i = 0; i < ACTIONS && failure_of(m) == ERR_OK; i++) {
        const enum err e = model_act(m, &why);
        EXPECT(e == ERR_OK || sim_file_calls() >= call);
        EXPECT(is_disk_error(e));
    }
    const bool was_reached = sim_file_calls() >= call;
    sim_file_fail(UINT64_MAX, fault, false);
    expect_end(m);
    restart(m);
    expect_end(m);
    teardown(m);
    return was_reached;
}

static void fail_every_call(enum err fault)
{
    uint64_t total = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t call = 2; /* the first one opens the folder, which is not the journal's */
        while (fail_call(seed, call, fault)) {
            call++;
        }
        total += call;
    }
    EXPECT(total > 600);
    (void)printf("  %" PRIu64 " calls\n", total);
}

static void test_io(void)
{
    fail_every_call(ERR_IO);
}

static void test_no_space_once(void)
{
    fail_every_call(ERR_NO_SPACE);
}

/* Until entries are refused. */
static void fill_disk(struct model *m)
{
    struct err_why why = {0};
    enum err e = ERR_OK;
    for (int i = 0; i < 2000 && e != ERR_NO_SPACE; i++) {
        e = model_append(m, &why);
        EXPECT(e == ERR_OK || e == ERR_NO_SPACE);
        (void)sim_run(NULL, 10);
        const enum err prepared = i % 5 == 0 ? journal_prepare(m->journal, &why) : ERR_OK;
        EXPECT(prepared == ERR_OK || prepared == ERR_NO_SPACE);
    }
    EXPECT_EQ(ERR_NO_SPACE, e);
    EXPECT(journal_is_low(m->journal));
    EXPECT_EQ(ERR_OK, failure_of(m));
}

/* What frees space goes on out of the reserve, until that is used up too: then nothing is
 * accepted, and still nothing is broken. */
static void use_reserve(struct model *m)
{
    struct err_why why = {0};
    enum err e = ERR_OK;
    m->may_use_reserve = true;
    int count = 0;
    while (e == ERR_OK) {
        EXPECT(count++ < 2000);
        e = model_append(m, &why);
        (void)sim_run(NULL, 10);
        const enum err prepared = journal_prepare(m->journal, &why);
        EXPECT_EQ(ERR_NO_SPACE, prepared);
    }
    EXPECT(count > 3);
    EXPECT_EQ(ERR_NO_SPACE, e);
    EXPECT_EQ(ERR_OK, failure_of(m));
    m->may_use_reserve = false;
}

static void free_disk(struct model *m)
{
    struct err_why why = {0};
    model_compact_all(m);
    for (int i = 0; i < 10; i++) {
        expect_ok(journal_reclaim(m->journal, &why), &why);
        (void)sim_run(NULL, 100);
    }
    expect_ok(journal_prepare(m->journal, &why), &why);
    EXPECT(!journal_is_low(m->journal));
}

/* A full disk: refusals, no failure; it goes on by itself when there is room again. */
static void test_full_disk(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct model *m = setup(seed, 600u << 10);
        struct err_why why = {0};
        m->config.reserve_bytes = 150u << 10;
        expect_ok(model_open(m, &why), &why);
        for (int round = 0; round < 4; round++) {
            fill_disk(m);
            if (round % 2 == 0) {
                use_reserve(m);
            }
            if (round == 2) {
                restart(m); /* also while it is full */
            }
            free_disk(m);
            expect_end(m);
        }
        restart(m);
        teardown(m);
    }
}

/* Somebody else takes the room while commits are on their way. */
static void test_room_vanishes(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct model *m = setup(seed, 2u << 20);
        struct err_why why = {0};
        expect_ok(model_open(m, &why), &why);
        for (int i = 0; i < 20; i++) {
            expect_ok(model_append(m, &why), &why);
        }
        sim_disk_bytes(1);
        enum err e = ERR_OK;
        for (int i = 0; i < 200 && failure_of(m) == ERR_OK && is_disk_error(e); i++) {
            e = model_act(m, &why);
        }
        EXPECT(is_disk_error(e));
        sim_disk_bytes(0);
        expect_end(m);
        restart(m);
        expect_end(m);
        teardown(m);
    }
}

static const struct test_case cases[] = {
    {"io", test_io},
    {"no_space_once", test_no_space_once},
    {"full_disk", test_full_disk},
    {"room_vanishes", test_room_vanishes},
};

TEST_MAIN(cases)
