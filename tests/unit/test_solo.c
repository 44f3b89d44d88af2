/* test_solo.c - what holds for solo only; the rest is test_consensus_one.c. */
#include <time.h>

#include "harness.h"
#include "unit/memory_log.h"

static const struct consensus_config alone = {.id = 7,
                                              .election_ticks = 10,
                                              .heartbeat_ticks = 1,
                                              .inflight_max = 1,
                                              .applied = 1,
                                              .hard_state = {1, 0, 1},
                                              .members = {.voters = {7}, .voter_count = 1}};

static struct consensus *open_on(struct memory_log *log)
{
    struct consensus *group = NULL;
    const struct consensus_storage storage = memory_log_storage(log);
    memory_log_reset(log, 1, 1);
    EXPECT_EQ(CONSENSUS_OK, consensus_open(&alone, &storage, &group));
    return group;
}

/* Nobody but itself, and not nobody. */
static void test_members(void)
{
    struct memory_log log = {0};
    struct consensus *group = NULL;
    const struct consensus_storage storage = memory_log_storage(&log);
    memory_log_reset(&log, 1, 1);
    struct consensus_config c = alone;
    c.members.voter_count = 0;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = alone;
    c.members.voters[0] = 8;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = alone;
    c.members.learners[0] = 8;
    c.members.learner_count = 1;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    memory_log_deinit(&log);
}

static void test_changes(void)
{
    struct memory_log log = {0};
    struct consensus *group = open_on(&log);
    struct consensus_members after;
    uint64_t index;
    uint64_t term;
    const struct consensus_change other = {CONSENSUS_ADD_VOTER, 8};
    const struct consensus_bytes foreign = {"\x12\x02\x10\x08", 4};
    EXPECT_EQ(CONSENSUS_INVALID, consensus_propose_change(group, &other, 1, &index, &term));
    EXPECT_EQ(CONSENSUS_BUSY, consensus_propose_change(group, &other, 0, &index, &term));
    EXPECT_EQ(CONSENSUS_INVALID, consensus_transfer(group, 8));
    EXPECT_EQ(CONSENSUS_BROKEN, consensus_apply_change(group, foreign, &after));
    EXPECT_EQ(CONSENSUS_BROKEN, consensus_tick(group));
    EXPECT(!consensus_has_ready(group));
    EXPECT(consensus_why(group).size > 0);
    consensus_close(&group);
    memory_log_deinit(&log);
}

/* A long log is committed in pieces, each not too long for one turn. */
static void test_long_range(void)
{
    struct memory_log log = {0};
    struct consensus *group = open_on(&log);
    struct consensus_bytes commands[CONSENSUS_BATCH_MAX];
    struct consensus_ready r;
    uint64_t first;
    uint64_t term;
    for (size_t i = 0; i < CONSENSUS_BATCH_MAX; i++) {
        commands[i] = (struct consensus_bytes){"x", 1};
    }
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(CONSENSUS_OK,
                  consensus_propose(group, commands, CONSENSUS_BATCH_MAX, &first, &term));
    }
    EXPECT_EQ(CONSENSUS_INVALID,
              consensus_propose(group, commands, CONSENSUS_BATCH_MAX + 1, &first, &term));
    EXPECT_EQ(CONSENSUS_OK, consensus_ready(group, &r));
    EXPECT_EQ(3 * CONSENSUS_BATCH_MAX + 1, r.entry_count);
    EXPECT_EQ(CONSENSUS_OK, consensus_advance(group));
    EXPECT_EQ(CONSENSUS_OK, consensus_persisted(group, r.number));
    uint64_t applied = 1;
    while (consensus_has_ready(group)) {
        EXPECT_EQ(CONSENSUS_OK, consensus_ready(group, &r));
        EXPECT(!r.must_sync);
        EXPECT_EQ(applied + 1, r.committed_first);
        EXPECT(r.committed_last - r.committed_first < CONSENSUS_BATCH_MAX);
        applied = r.committed_last;
        EXPECT_EQ(CONSENSUS_OK, consensus_advance(group));
    }
    EXPECT_EQ(3 * CONSENSUS_BATCH_MAX + 2, applied);
    consensus_close(&group);
    memory_log_deinit(&log);
}

/* Turns of 100 commands: prints what one costs. */
static void test_cost(void)
{
    struct memory_log log = {0};
    struct consensus *group = open_on(&log);
    struct consensus_bytes commands[100];
    struct consensus_ready r;
    struct timespec start;
    struct timespec end;
    uint8_t data[100] = {1};
    uint64_t first;
    uint64_t term;
    const unsigned turns = 10000;
    for (size_t i = 0; i < 100; i++) {
        commands[i] = (struct consensus_bytes){data, sizeof(data)};
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (unsigned i = 0; i < turns; i++) {
        EXPECT_EQ(CONSENSUS_OK, consensus_propose(group, commands, 100, &first, &term));
        EXPECT_EQ(CONSENSUS_OK, consensus_ready(group, &r));
        EXPECT_EQ(CONSENSUS_OK, consensus_advance(group));
        EXPECT_EQ(CONSENSUS_OK, consensus_persisted(group, r.number));
        EXPECT_EQ(CONSENSUS_OK, consensus_applied(group, first + 99));
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    const double ns =
        (double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec);
    (void)printf("  %.1f ns a command\n", ns / turns / 100);
    consensus_close(&group);
    memory_log_deinit(&log);
}

static const struct test_case cases[] = {
    {"members", test_members},
    {"changes", test_changes},
    {"long_range", test_long_range},
    {"cost", test_cost},
};

TEST_MAIN(cases)
