/* test_journal_power.c - the power goes, or the process, at any file call of the journal's; then it
 * is opened again and must hold what was acknowledged, and nothing half.
 *
 *   HOLDFAST_SEEDS=n   so many runs (default 300)
 *   HOLDFAST_SEED=n    this one only */
#include "base/mem.h"
#include "fault/journal_model.h"
#include "harness.h"
#include "sys/sim/world.h"

#define STARTS  8   /* of one run */
#define ACTIONS 100 /* between two starts, at most */
#define CALLS   220 /* of files until the power goes, at most */

static uint64_t draw(uint64_t below)
{
    return sim_random() % below;
}

static void say_seed(uint64_t seed)
{
    (void)printf("  HOLDFAST_SEED=%" PRIu64 "\r", seed);
    (void)fflush(stdout);
}

static struct model *setup(uint64_t seed, enum journal_fsync fsync)
{
    const struct sim_config config = {
        .seed = seed, .wall_ms = 1700000000000, .io_delay_ns = 3000000};
    struct model *m = mem_zero(1, sizeof(*m));
    sim_world_open(&config);
    model_init(m, fsync);
    return m;
}

static void teardown(struct model *m)
{
    model_deinit(m);
    mem_free(m);
    sim_world_close();
}

/* ERR_OK, or the power is gone. */
static void expect_done(enum err e, const struct err_why *why)
{
    if (e != ERR_OK && !sim_power_is_cut()) {
        (void)fprintf(stderr, "%s: %s\n", err_name(e), why->text);
        exit(1);
    }
}

/* One thing that an owner does. */
static void act(struct model *m)
{
    struct err_why why = {0};
    expect_done(model_act(m, &why), &why);
}

/* A clean stop keeps everything, whatever the mode. */
static void stop_clean(struct model *m)
{
    model_close(m);
    if (!sim_power_is_cut()) {
        model_keep_all(m);
    }
}

/* From a start to a stop of some kind. True: what is kept holds only if the power does not go
 * before the next start has synced it. */
static bool live(struct model *m)
{
    for (uint64_t n = draw(ACTIONS); n > 0 && !sim_power_is_cut(); n--) {
        act(m);
    }
    const bool is_kill = !sim_power_is_cut() && draw(4) == 0;
    const bool is_clean = !sim_power_is_cut() && !is_kill && draw(4) == 0;
    if (is_clean) {
        stop_clean(m);
    }
    if (!sim_power_is_cut()) {
        sim_power_cut(0);
    }
    if (m->journal != NULL) {
        model_keep(m, !is_kill);
        model_close(m);
    }
    sim_kill();
    if (is_kill) {
        sim_power_on_intact();
    } else {
        sim_power_on();
    }
    return is_kill && m->config.fsync != JOURNAL_FSYNC_ALWAYS;
}

static void start(struct model *m)
{
    struct err_why why = {0};
    enum err e = model_open(m, &why);
    while (e != ERR_OK) {
        expect_done(e, &why);
        sim_kill();
        sim_power_on();
        e = model_open(m, &why);
    }
}

static void run_seed(uint64_t seed)
{
    const enum journal_fsync modes[] = {JOURNAL_FSYNC_ALWAYS, JOURNAL_FSYNC_ALWAYS,
                                        JOURNAL_FSYNC_INTERVAL, JOURNAL_FSYNC_NEVER};
    say_seed(seed);
    struct model *m = setup(seed, modes[seed % 4]);
    bool is_frail = false;
    m->is_even = seed / 4 % 3 == 0;
    for (int i = 0; i < STARTS; i++) {
        const uint64_t calls = 1 + draw(CALLS);
        if (!is_frail) {
            sim_power_cut(sim_file_calls() + calls);
        }
        start(m);
        if (is_frail) {
            sim_power_cut(sim_file_calls() + calls);
        }
        is_frail = live(m);
    }
    start(m);
    teardown(m);
}

static void test_random(void)
{
    const uint64_t one = model_number("HOLDFAST_SEED", 0);
    const uint64_t count = one != 0 ? 1 : model_number("HOLDFAST_SEEDS", 300);
    for (uint64_t seed = one != 0 ? one : 1; count > 0 && seed < (one != 0 ? one : 1) + count;
         seed++) {
        run_seed(seed);
    }
    (void)printf("\n");
}

/* The same short life again and again, with the power going one file call later each time. */
static bool run_to_call(uint64_t call)
{
    struct model *m = setup(7, JOURNAL_FSYNC_ALWAYS);
    struct err_why why = {0};
    sim_power_cut(call);
    start(m);
    for (int i = 0; i < 80 && !sim_power_is_cut(); i++) {
        act(m);
    }
    if (!sim_power_is_cut()) {
        stop_clean(m);
    }
    const bool was_cut = sim_file_calls() >= call;
    if (m->journal != NULL) {
        model_keep(m, true);
        model_close(m);
    }
    sim_kill();
    sim_power_cut(0);
    sim_power_on();
    start(m);
    expect_done(model_append(m, &why), &why);
    EXPECT(sim_run(NULL, 1000) || model_is_settled(m));
    teardown(m);
    return was_cut;
}

static void test_every_call(void)
{
    uint64_t call = 1;
    while (run_to_call(call)) {
        call++;
    }
    EXPECT(call > 100);
    (void)printf("  %" PRIu64 " calls\n", call - 1);
}

static const struct test_case cases[] = {
    {"every_call", test_every_call},
    {"random", test_random},
};

TEST_MAIN(cases)
