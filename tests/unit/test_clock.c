/* The node's clock: never back, slewed by at most a tenth, one for all loops. */
#include <pthread.h>

#include "base/random.h"
#include "harness.h"
#include "shard/clock.h"

#define WALL UINT64_C(1700000000000)

static void test_start(void)
{
    struct node_clock c;
    node_clock_start(&c, 500, WALL, 0);
    EXPECT_EQ(WALL, node_clock_now(&c, 500));
    EXPECT_EQ(WALL + 1, node_clock_now(&c, 501));
    EXPECT_EQ(WALL + 1000, node_clock_now(&c, 1500));
    node_clock_start(&c, 500, WALL, WALL + 10); /* the wall clock was set back */
    EXPECT_EQ(WALL + 10, node_clock_now(&c, 500));
    EXPECT_EQ(WALL + 11, node_clock_now(&c, 501));
    node_clock_start(&c, 500, WALL, WALL - 10);
    EXPECT_EQ(WALL, node_clock_now(&c, 500));
}

/* What one loop was given is the least that another gets, whose turn began earlier. */
static void test_loops_share_it(void)
{
    struct node_clock c;
    node_clock_start(&c, 0, WALL, 0);
    EXPECT_EQ(WALL + 100, node_clock_now(&c, 100));
    EXPECT_EQ(WALL + 100, node_clock_now(&c, 90));
    EXPECT_EQ(WALL + 100, node_clock_now(&c, 100));
    EXPECT_EQ(WALL + 101, node_clock_now(&c, 101));
}

static void test_raise(void)
{
    struct node_clock c;
    node_clock_start(&c, 0, WALL, 0);
    node_clock_raise(&c, WALL - 5);
    EXPECT_EQ(WALL, node_clock_now(&c, 0));
    node_clock_raise(&c, WALL + 50);
    EXPECT_EQ(WALL + 50, node_clock_now(&c, 1));
    node_clock_raise(&c, WALL + 40);
    EXPECT_EQ(WALL + 50, node_clock_now(&c, 2));
    EXPECT_EQ(WALL + 51, node_clock_now(&c, 51));
}

/* A stamp far ahead does not stop the time: it goes on from there, and slowly back. */
static void test_raise_far(void)
{
    const uint64_t far = WALL + 3600000;
    struct node_clock c;
    node_clock_start(&c, 0, WALL, 0);
    node_clock_raise(&c, far);
    EXPECT_EQ(far, node_clock_now(&c, 10));
    uint64_t before = far;
    for (uint64_t mono = 1000; mono <= 60000; mono += 1000) {
        EXPECT(node_clock_slew(&c, mono, WALL + mono) > 3500000);
        const uint64_t now = node_clock_now(&c, mono);
        EXPECT(now >= before + (mono <= 2000 ? 0 : 900) && now <= before + 1000);
        before = now;
    }
    EXPECT(before >= far + 53000); /* it has not stood still for more than a second */
}

/* Slews each second until the wall clock, `apart` ms from the node's, is reached. */
static void run_slew(int64_t apart)
{
    struct node_clock c;
    node_clock_start(&c, 0, WALL, 0);
    const uint64_t wall = WALL + (uint64_t)apart;
    uint64_t before = WALL;
    const uint64_t seconds = (uint64_t)(apart < 0 ? -apart : apart) / 100 + 2;
    for (uint64_t i = 1; i <= seconds; i++) {
        const int64_t ahead = node_clock_slew(&c, i * 1000, wall + i * 1000);
        EXPECT(apart < 0 ? ahead >= 0 : ahead <= 0);
        EXPECT(ahead <= 1000000 && ahead >= -1000000);
        const uint64_t now = node_clock_now(&c, i * 1000);
        EXPECT(now >= before + 900 && now <= before + 1100);
        before = now;
    }
    EXPECT_EQ(wall + seconds * 1000, before);
    EXPECT_EQ(0, node_clock_slew(&c, (seconds + 1) * 1000, wall + (seconds + 1) * 1000));
}

static void test_slew(void)
{
    static const int64_t apart[] = {0,   1,    -1,    99,     -99,    100,
                                    250, -250, 60000, -60000, 999999, -999999};
    for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
        run_slew(apart[i]);
    }
}

/* Asked again at once there is nothing to move by, and a long pause does not add up to more. */
static void test_slew_is_bounded(void)
{
    struct node_clock c;
    node_clock_start(&c, 0, WALL, 0);
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(-60000, node_clock_slew(&c, 0, WALL + 60000));
    }
    EXPECT_EQ(WALL, node_clock_now(&c, 0));
    EXPECT_EQ(-60000, node_clock_slew(&c, 20000, WALL + 80000));
    EXPECT_EQ(WALL + 22000, node_clock_now(&c, 20000));
}

static void test_at_random(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t last = one != NULL ? first : 200;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct random random = {seed};
        struct node_clock c;
        uint64_t mono = 0;
        uint64_t wall = WALL;
        uint64_t before = WALL;
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        node_clock_start(&c, mono, wall, 0);
        for (int i = 0; i < 500; i++) {
            const uint64_t passed = random_below(&random, 2000);
            mono += passed;
            wall += passed;
            if (random_below(&random, 20) == 0) {
                wall += random_below(&random, 20000) - 10000;
            }
            if (random_below(&random, 3) == 0) {
                (void)node_clock_slew(&c, mono, wall);
            }
            if (random_below(&random, 20) == 0) {
                node_clock_raise(&c, before - 1000 + random_below(&random, 1500));
            }
            const uint64_t late = random_below(&random, 2) * random_below(&random, 20);
            const uint64_t now = node_clock_now(&c, mono - (mono > late ? late : 0));
            EXPECT(now >= before);
            before = now;
        }
    }
}

/* ---- Threads ---- */

#define ROUNDS 20000

struct asker {
    struct node_clock *clock;
    _Atomic uint64_t *mono;
    _Atomic uint64_t *newest; /* given to anybody */
    pthread_t thread;
};

/* Whoever asks after somebody was answered gets no less. */
static void *ask(void *arg)
{
    struct asker *a = arg;
    for (int i = 0; i < ROUNDS; i++) {
        const uint64_t least = atomic_load(a->newest);
        const uint64_t mono = atomic_fetch_add(a->mono, 1);
        const uint64_t now = node_clock_now(a->clock, mono);
        EXPECT(now >= least);
        uint64_t newest = atomic_load(a->newest);
        while (newest < now && !atomic_compare_exchange_weak(a->newest, &newest, now)) {
        }
        if (i % 100 == 0) {
            node_clock_raise(a->clock, now + 3);
        }
    }
    return NULL;
}

static void test_threads(void)
{
    struct node_clock c;
    struct asker askers[3];
    _Atomic uint64_t mono = 0;
    _Atomic uint64_t newest = 0;
    node_clock_start(&c, 0, WALL, 0);
    for (size_t i = 0; i < 3; i++) {
        askers[i] = (struct asker){.clock = &c, .mono = &mono, .newest = &newest};
        EXPECT(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
    }
    for (uint64_t i = 0; i < 1000; i++) { /* one thread slews */
        (void)node_clock_slew(&c, atomic_load(&mono), WALL + i * 50);
    }
    for (size_t i = 0; i < 3; i++) {
        EXPECT(pthread_join(askers[i].thread, NULL) == 0);
    }
}

static const struct test_case cases[] = {
    {"start", test_start},         {"loops_share_it", test_loops_share_it},
    {"raise", test_raise},         {"raise_far", test_raise_far},
    {"slew", test_slew},           {"slew_is_bounded", test_slew_is_bounded},
    {"at_random", test_at_random}, {"threads", test_threads},
};

TEST_MAIN(cases)
