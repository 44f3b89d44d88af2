/* test_journal_threads.c - loops that append, read and compact their own groups, and a worker that
 * prepares and reclaims, all at once: for the thread sanitizer, and for readers whose segment goes.
 */
#include <sched.h>

#include "harness.h"
#include "unit/journal_world.h"

#define LOOPS  3
#define ROUNDS 1200

struct owner {
    struct world *world;
    uint32_t group; /* and group + LOOPS */
    pthread_t thread;
    uint64_t last[2], first[2];
    uint64_t ticket;
};

struct helper {
    struct world *world;
    _Atomic bool is_over;
    pthread_t thread;
};

static void owner_append(struct owner *o, struct random *random)
{
    uint8_t data[2][2000];
    struct journal_entry entries[2];
    struct journal_batch batches[2];
    struct err_why why;
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t group = o->group + i * LOOPS;
        const size_t size = (size_t)random_below(random, sizeof(data[i]));
        o->last[i]++;
        world_fill(data[i], size, group, o->last[i], 1);
        entries[i] = (struct journal_entry){o->last[i], 1, false, {data[i], size}};
        batches[i] =
            (struct journal_batch){.group = group, .entries = &entries[i], .entry_count = 1};
    }
    EXPECT_EQ(ERR_OK, journal_append(o->world->journal, batches, 2, &o->ticket, &why));
}

static void owner_read(struct owner *o, struct random *random, struct buf *space)
{
    uint8_t want[2000];
    struct journal_entry entry;
    struct err_why why;
    const uint32_t i = (uint32_t)random_below(random, 2);
    const uint32_t group = o->group + i * LOOPS;
    const uint64_t index = o->first[i] + random_below(random, o->last[i] - o->first[i] + 1);
    EXPECT_EQ(ERR_OK, journal_read(o->world->journal, group, index, space, &entry, &why));
    world_fill(want, entry.data.size, group, index, 1);
    EXPECT(memcmp(want, entry.data.data, entry.data.size) == 0);
}

static void *owner_main(void *arg)
{
    struct owner *o = arg;
    struct random random = {o->group};
    struct buf space = {0};
    for (int round = 0; round < ROUNDS; round++) {
        owner_append(o, &random);
        for (int k = 0; k < 3; k++) {
            owner_read(o, &random, &space);
        }
        if (round % 50 == 49) {
            const uint32_t i = (uint32_t)random_below(&random, 2);
            o->first[i] = o->last[i] - 5;
            journal_compact(o->world->journal, o->group + i * LOOPS, o->first[i] - 1);
        }
    }
    buf_deinit(&space);
    return NULL;
}

/* A quick owner may have left all it wrote in the first segment: now it needs only its newest. */
static void owner_let_go(struct owner *o)
{
    struct random random = {o->group};
    owner_append(o, &random);
    for (uint32_t i = 0; i < 2; i++) {
        journal_compact(o->world->journal, o->group + i * LOOPS, o->last[i] - 1);
    }
}

static void *helper_main(void *arg)
{
    struct helper *h = arg;
    struct journal *j = h->world->journal;
    struct journal_stats stats;
    struct err_why why;
    uint32_t group;
    uint64_t behind;
    while (!atomic_load(&h->is_over)) {
        const bool prepares = journal_needs_spare(j);
        EXPECT_EQ(ERR_OK, prepares ? journal_prepare(j, &why) : ERR_OK);
        const bool reclaims = journal_needs_reclaim(j);
        EXPECT_EQ(ERR_OK, reclaims ? journal_reclaim(j, &why) : ERR_OK);
        (void)journal_pinned_by(j, &group, &behind);
        journal_mark_idle(j);
        journal_stats(j, &stats);
        EXPECT_EQ(ERR_OK, journal_failure(j, &why));
    }
    return NULL;
}

static void run(enum journal_fsync fsync)
{
    struct world w;
    struct err_why why = {0};
    struct owner owners[LOOPS];
    struct helper helper = {.world = &w};
    world_setup(&w, "threads");
    w.config.segment_bytes = 256u << 10;
    w.config.first_bytes = 64u << 10;
    w.config.fsync = fsync;
    w.config.interval_ms = 1;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT(pthread_create(&helper.thread, NULL, helper_main, &helper) == 0);
    for (uint32_t i = 0; i < LOOPS; i++) {
        owners[i] = (struct owner){.world = &w, .group = i, .first = {1, 1}};
        EXPECT(pthread_create(&owners[i].thread, NULL, owner_main, &owners[i]) == 0);
    }
    for (uint32_t i = 0; i < LOOPS; i++) {
        EXPECT(pthread_join(owners[i].thread, NULL) == 0);
        w.ticket = owners[i].ticket > w.ticket ? owners[i].ticket : w.ticket;
    }
    world_wait(&w);
    for (uint32_t i = 0; i < LOOPS; i++) {
        owner_let_go(&owners[i]);
        w.ticket = owners[i].ticket > w.ticket ? owners[i].ticket : w.ticket;
        w.last[i] = owners[i].last[0];
        w.last[i + LOOPS] = owners[i].last[1];
    }
    world_wait(&w);
    while (world_has_segment(&w, 1)) { /* every group has let go of it */
        (void)sched_yield();
    }
    atomic_store(&helper.is_over, true);
    EXPECT(pthread_join(helper.thread, NULL) == 0);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    for (uint32_t g = 0; g < LOOPS * 2; g++) {
        uint64_t first;
        uint64_t last;
        journal_range(w.journal, g, &first, &last);
        EXPECT_EQ(w.last[g], last);
    }
    world_teardown(&w);
}

static void test_always(void)
{
    run(JOURNAL_FSYNC_ALWAYS);
}

static void test_interval(void)
{
    run(JOURNAL_FSYNC_INTERVAL);
}

static const struct test_case cases[] = {
    {"always", test_always},
    {"interval", test_interval},
};

TEST_MAIN(cases)
