/* The simulated world keeps its own promises: what a real disk, network and clock may do it
 * does, what they may not do it never does, and one seed does it the same way again. */
#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/mailbox.h"
#include "sys/random.h"
#include "sys/sim/world.h"
#include "sys/worker.h"

#define SEEDS 300

static uint64_t first_seed(void)
{
    const char *text = getenv("HOLDFAST_SEED");
    return text == NULL ? 1 : strtoull(text, NULL, 10);
}

static void open_world(uint64_t seed)
{
    const struct sim_config config = {
        .seed = seed,
        .wall_ms = 1700000000000,
        .io_delay_ns = 2000000,
        .stream_delay_ns = 1000000,
    };
    sim_world_open(&config);
}

static struct loop *open_loop(void)
{
    struct loop *l = NULL;
    EXPECT_EQ(ERR_OK, loop_open(&l, NULL));
    return l;
}

static struct folder *open_folder(void)
{
    struct folder *f = NULL;
    EXPECT_EQ(ERR_OK, folder_open("data", &f, NULL));
    return f;
}

static struct file *create_file(struct folder *f, const char *name)
{
    struct file *file = NULL;
    EXPECT_EQ(ERR_OK, file_open(f, name, FILE_CREATE, &file, NULL));
    return file;
}

/* ---- time ---- */

struct order {
    struct loop *loop;
    char text[32];
    size_t size;
    struct loop_timer timers[4];
    struct loop_task task;
    struct loop_hook hook;
    int hooks;
};

static void note(struct order *o, char what)
{
    EXPECT(o->size + 1 < sizeof(o->text));
    o->text[o->size++] = what;
}

static void on_a(void *arg)
{
    note(arg, 'a');
}

static void on_b(void *arg)
{
    struct order *o = arg;
    note(o, 'b');
    loop_defer(o->loop, &o->task);
    loop_defer(o->loop, &o->task);
}

static void on_task(void *arg)
{
    note(arg, 't');
}

static void on_hook(void *arg)
{
    struct order *o = arg;
    note(o, 'h');
    o->hooks++;
    if (o->hooks == 2) {
        loop_again(o->loop);
    }
}

static void test_timers_in_order(void)
{
    open_world(first_seed());
    struct order o = {.loop = open_loop()};
    o.task = (struct loop_task){.call = on_task, .arg = &o};
    o.hook = (struct loop_hook){.call = on_hook, .arg = &o};
    loop_each_turn(o.loop, &o.hook);
    loop_timer_start(o.loop, &o.timers[0], 3600000, on_b, &o);
    loop_timer_start(o.loop, &o.timers[1], 20, on_b, &o);
    loop_timer_start(o.loop, &o.timers[2], 20, on_a, &o);
    loop_timer_start(o.loop, &o.timers[3], 30, on_a, &o);
    loop_timer_start(o.loop, &o.timers[0], 10, on_a, &o);
    loop_timer_stop(&o.timers[3]);
    const uint64_t wall_ms = loop_wall_ms(o.loop);
    EXPECT(!sim_run(NULL, 3600000));
    EXPECT(strcmp(o.text, "ahbathh") == 0);
    EXPECT(sim_now_ns() >= 20000000 && sim_now_ns() < 21000000);
    EXPECT_EQ(20, loop_wall_ms(o.loop) - wall_ms);
    sim_wall_jump(-1000);
    EXPECT_EQ(-980, (int64_t)(loop_wall_ms(o.loop) - wall_ms));
    loop_hook_remove(&o.hook);
    loop_close(&o.loop);
    sim_world_close();
}

static void test_deferred_turn(void)
{
    open_world(first_seed());
    struct order o = {.loop = open_loop()};
    o.task = (struct loop_task){.call = on_a, .arg = &o};
    o.hook = (struct loop_hook){.call = on_hook, .arg = &o};
    struct loop_task soon = {.call = on_task, .arg = &o};
    loop_each_turn(o.loop, &o.hook);
    loop_defer_turn(o.loop, &o.task);
    loop_defer(o.loop, &soon);
    EXPECT(!sim_run(NULL, 3600000));
    EXPECT(strcmp(o.text, "thahh") == 0);
    loop_hook_remove(&o.hook);
    loop_close(&o.loop);
    sim_world_close();
}

/* ---- jobs, lanes, letters ---- */

struct busy {
    struct loop *loop;
    struct worker_pool *pool;
    struct mailbox *mailbox;
    struct lane *lane;
    struct worker_job jobs[20];
    struct letter letters[20];
    int worked, done, steps, wanted, delivered;
    bool is_over;
};

static void work(void *arg)
{
    struct busy *b = arg;
    b->worked++;
}

static void on_done(void *arg)
{
    struct busy *b = arg;
    EXPECT(b->worked > b->done);
    b->done++;
    b->wanted++;
    lane_wake(b->lane);
}

static bool lane_step(void *arg)
{
    struct busy *b = arg;
    if (b->steps < b->wanted) {
        mailbox_post(b->mailbox, &b->letters[b->steps]);
        b->steps++;
    }
    return b->steps < b->wanted;
}

static void on_letter(void *arg, struct letter *letter)
{
    struct busy *b = arg;
    EXPECT(letter == &b->letters[b->delivered]);
    b->delivered++;
    b->is_over = b->delivered == 20;
}

static uint64_t run_busy(uint64_t seed)
{
    open_world(seed);
    struct busy b = {.loop = open_loop()};
    EXPECT_EQ(ERR_OK, worker_pool_open(3, &b.pool, NULL));
    EXPECT_EQ(ERR_OK, mailbox_open(b.loop, on_letter, &b, &b.mailbox, NULL));
    EXPECT_EQ(ERR_OK, lane_open("lane", lane_step, &b, &b.lane, NULL));
    for (size_t i = 0; i < 20; i++) {
        b.jobs[i] = (struct worker_job){.work = work, .done = on_done, .arg = &b};
        worker_submit(b.pool, b.loop, &b.jobs[i]);
    }
    EXPECT_EQ(0, b.worked);
    EXPECT(sim_run(&b.is_over, 10000));
    EXPECT_EQ(20, b.done);
    const uint64_t trace = sim_trace();
    worker_pool_close(&b.pool);
    lane_close(&b.lane);
    mailbox_close(&b.mailbox);
    loop_close(&b.loop);
    sim_world_close();
    return trace;
}

static void test_one_seed_one_trace(void)
{
    const uint64_t seed = first_seed();
    EXPECT(run_busy(seed) == run_busy(seed));
    EXPECT(run_busy(seed) != run_busy(seed + 1));
}

/* Killed with everything in flight: nothing runs any more, and nothing is left behind. */
static void test_kill(void)
{
    open_world(first_seed());
    struct busy b = {.loop = open_loop()};
    struct order o = {.loop = b.loop};
    EXPECT_EQ(ERR_OK, worker_pool_open(3, &b.pool, NULL));
    EXPECT_EQ(ERR_OK, mailbox_open(b.loop, on_letter, &b, &b.mailbox, NULL));
    EXPECT_EQ(ERR_OK, lane_open("lane", lane_step, &b, &b.lane, NULL));
    loop_timer_start(b.loop, &o.timers[0], 1, on_a, &o);
    for (size_t i = 0; i < 20; i++) {
        b.jobs[i] = (struct worker_job){.work = work, .done = on_done, .arg = &b};
        worker_submit(b.pool, b.loop, &b.jobs[i]);
        mailbox_post(b.mailbox, &b.letters[i]);
    }
    lane_wake(b.lane);
    struct folder *f = open_folder();
    struct file *file = create_file(f, "x");
    EXPECT_EQ(ERR_OK, file_write(file, "kept", 4, 0, NULL));
    (void)sim_step();
    const int worked = b.worked;
    const int delivered = b.delivered;
    sim_kill();
    sim_power_on_intact();
    EXPECT(!sim_step());
    EXPECT(b.worked == worked && b.delivered == delivered && b.done == 0);
    loop_timer_stop(&o.timers[0]); /* harmless */
    f = open_folder();
    char *data = NULL;
    size_t size = 0;
    EXPECT_EQ(ERR_OK, folder_load(f, "x", 100, &data, &size, NULL));
    EXPECT(size == 4 && memcmp(data, "kept", 4) == 0);
    mem_free(data);
    folder_close(&f);
    sim_world_close();
}

/* ---- the disk ---- */

static void write_sectors(struct file *file, uint8_t what, size_t count)
{
    uint8_t *bytes = mem_alloc(count * 512);
    memset(bytes, what, count * 512);
    EXPECT_EQ(ERR_OK, file_write(file, bytes, count * 512, 0, NULL));
    mem_free(bytes);
}

static void power_cycle(struct folder **f, struct file **file)
{
    sim_power_cut(0);
    EXPECT(sim_power_is_cut());
    char byte;
    EXPECT_EQ(ERR_IO, file_write(*file, "y", 1, 0, NULL));
    EXPECT_EQ(ERR_IO, file_sync(*file, NULL));
    EXPECT_EQ(ERR_IO, file_read(*file, &byte, 1, 0, NULL));
    sim_power_on();
    EXPECT_EQ(ERR_IO, file_write(*file, "y", 1, 0, NULL)); /* of a dead process */
    file_close(file);
    folder_close(f);
    *f = open_folder();
}

struct survivors {
    int none, all, torn_between, torn_within;
};

/* Four sectors of 1 are safe; four sectors of 2 are written over them and not synced. */
static void cut_over_safe_bytes(uint64_t seed, struct survivors *counts)
{
    open_world(seed);
    struct folder *f = open_folder();
    struct file *file = create_file(f, "x");
    write_sectors(file, 1, 4);
    EXPECT_EQ(ERR_OK, file_sync(file, NULL));
    EXPECT_EQ(ERR_OK, folder_sync(f, NULL));
    write_sectors(file, 2, 4);
    uint8_t bytes[2048];
    EXPECT_EQ(ERR_OK, file_read(file, bytes, sizeof(bytes), 0, NULL));
    EXPECT_EQ(2, bytes[0]);
    power_cycle(&f, &file);
    EXPECT_EQ(ERR_OK, file_open(f, "x", FILE_READ, &file, NULL));
    uint64_t size = 0;
    EXPECT_EQ(ERR_OK, file_size(file, &size, NULL));
    EXPECT_EQ(2048, size);
    EXPECT_EQ(ERR_OK, file_read(file, bytes, sizeof(bytes), 0, NULL));
    size_t twos = 0;
    bool is_torn_within = false;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        EXPECT(bytes[i] == 1 || bytes[i] == 2);
        twos += bytes[i] == 2;
        is_torn_within |= i % 512 != 0 && bytes[i] != bytes[i - 1];
    }
    counts->none += twos == 0;
    counts->all += twos == sizeof(bytes);
    counts->torn_within += is_torn_within;
    counts->torn_between += !is_torn_within && twos > 0 && twos < sizeof(bytes);
    file_close(&file);
    folder_close(&f);
    sim_world_close();
}

static void test_power_cut_tears(void)
{
    struct survivors counts = {0};
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        cut_over_safe_bytes(seed, &counts);
    }
    EXPECT(counts.none > 0 && counts.all > 0);
    EXPECT(counts.torn_between > 0 && counts.torn_within > 0);
}

static void test_synced_survives(void)
{
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        open_world(seed);
        struct folder *f = open_folder();
        struct file *file = create_file(f, "x");
        write_sectors(file, 1, 4);
        EXPECT_EQ(ERR_OK, file_sync(file, NULL));
        EXPECT_EQ(ERR_OK, folder_sync(f, NULL));
        power_cycle(&f, &file);
        char *data = NULL;
        size_t size = 0;
        EXPECT_EQ(ERR_OK, folder_load(f, "x", 4096, &data, &size, NULL));
        EXPECT(size == 2048 && data[0] == 1 && data[2047] == 1);
        mem_free(data);
        folder_close(&f);
        sim_world_close();
    }
}

struct names {
    bool has_a, has_b, has_c, has_old;
    int count;
};

static void on_name(void *arg, const char *name)
{
    struct names *n = arg;
    n->has_a |= strcmp(name, "a") == 0;
    n->has_b |= strcmp(name, "b") == 0;
    n->has_c |= strcmp(name, "c") == 0;
    n->has_old |= strcmp(name, "old") == 0;
    n->count++;
}

/* Names without a sync of the folder: each change survives or does not, none is half done. */
static void test_names_need_a_folder_sync(void)
{
    struct names seen_lost = {0};
    struct names seen_kept = {0};
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        open_world(seed);
        struct folder *f = open_folder();
        struct file *old = create_file(f, "old");
        file_close(&old);
        struct file *b = create_file(f, "b");
        file_close(&b);
        EXPECT_EQ(ERR_OK, folder_sync(f, NULL));
        struct file *a = create_file(f, "a");
        EXPECT_EQ(ERR_OK, file_sync(a, NULL));
        EXPECT_EQ(ERR_OK, folder_rename(f, "b", "c", NULL));
        EXPECT_EQ(ERR_OK, folder_remove(f, "old", NULL));
        power_cycle(&f, &a);
        struct names n = {0};
        EXPECT_EQ(ERR_OK, folder_list(f, on_name, &n, NULL));
        EXPECT(n.has_b != n.has_c);
        seen_kept.has_a |= n.has_a;
        seen_lost.has_a |= !n.has_a;
        seen_kept.has_b |= n.has_b;
        seen_lost.has_b |= !n.has_b;
        seen_kept.has_old |= n.has_old;
        seen_lost.has_old |= !n.has_old;
        folder_close(&f);
        sim_world_close();
    }
    EXPECT(seen_kept.has_a && seen_kept.has_b && seen_kept.has_old);
    EXPECT(seen_lost.has_a && seen_lost.has_b && seen_lost.has_old);
}

/* Stored whole or not at all, wherever the power goes. */
static void test_store_is_atomic(void)
{
    int old_count = 0;
    int new_count = 0;
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        open_world(seed);
        struct folder *f = open_folder();
        EXPECT_EQ(ERR_OK, folder_store(f, "config", SLICE("old"), NULL));
        sim_power_cut(sim_file_calls() + 1 + sim_random() % 8);
        const enum err e = folder_store(f, "config", SLICE("newer"), NULL);
        sim_power_cut(0);
        sim_power_on();
        folder_close(&f);
        f = open_folder();
        char *data = NULL;
        size_t size = 0;
        EXPECT_EQ(ERR_OK, folder_load(f, "config", 100, &data, &size, NULL));
        const bool is_new = strcmp(data, "newer") == 0;
        EXPECT(is_new || strcmp(data, "old") == 0);
        EXPECT(is_new || e != ERR_OK);
        old_count += !is_new;
        new_count += is_new && e != ERR_OK;
        mem_free(data);
        folder_close(&f);
        sim_world_close();
    }
    EXPECT(old_count > 0 && new_count > 0);
}

/* What storing a small file gives when its call number `call` fails; `*calls` counts them. */
static enum err store_failing(uint64_t call, uint64_t *calls, struct err_why *why)
{
    open_world(first_seed());
    struct folder *f = open_folder();
    const uint64_t before = sim_file_calls();
    sim_file_fail(call == UINT64_MAX ? call : before + call, ERR_NO_SPACE, false);
    const enum err e = folder_store(f, "config", SLICE("text"), why);
    *calls = sim_file_calls() - before;
    folder_close(&f);
    sim_world_close();
    return e;
}

static void test_nth_call_fails(void)
{
    uint64_t calls = 0;
    uint64_t calls_failing = 0;
    EXPECT_EQ(ERR_OK, store_failing(UINT64_MAX, &calls, NULL));
    EXPECT(calls >= 5);
    for (uint64_t call = 1; call <= calls; call++) {
        struct err_why why = {0};
        EXPECT_EQ(ERR_NO_SPACE, store_failing(call, &calls_failing, &why));
        EXPECT(strstr(why.text, "data/") != NULL);
    }
    EXPECT_EQ(ERR_OK, store_failing(calls + 1, &calls_failing, NULL));
}

static void test_lasting_failure(void)
{
    open_world(first_seed());
    struct folder *f = open_folder();
    sim_file_fail(sim_file_calls() + 2, ERR_IO, true);
    struct file *file = create_file(f, "x");
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(ERR_IO, file_write(file, "x", 1, 0, NULL));
    }
    sim_file_fail(UINT64_MAX, ERR_OK, false);
    EXPECT_EQ(ERR_OK, file_write(file, "x", 1, 0, NULL));
    file_close(&file);
    folder_close(&f);
    sim_world_close();
}

/* After a failed sync a later one that succeeds says nothing about the bytes before. */
static void test_failed_sync_drops_pages(void)
{
    int lost = 0;
    for (uint64_t seed = first_seed(); seed < first_seed() + SEEDS; seed++) {
        open_world(seed);
        struct folder *f = open_folder();
        struct file *file = create_file(f, "x");
        EXPECT_EQ(ERR_OK, folder_sync(f, NULL));
        write_sectors(file, 1, 2);
        sim_file_fail(sim_file_calls() + 1, ERR_IO, false);
        EXPECT_EQ(ERR_IO, file_sync(file, NULL));
        EXPECT_EQ(ERR_OK, file_sync(file, NULL));
        uint8_t bytes[1024];
        EXPECT_EQ(ERR_OK, file_read(file, bytes, sizeof(bytes), 0, NULL));
        EXPECT(bytes[0] == 1 && bytes[1023] == 1);
        power_cycle(&f, &file);
        EXPECT_EQ(ERR_OK, file_open(f, "x", FILE_READ, &file, NULL));
        const enum err e = file_read(file, bytes, sizeof(bytes), 0, NULL);
        lost += e != ERR_OK || bytes[0] != 1 || bytes[1023] != 1;
        file_close(&file);
        folder_close(&f);
        sim_world_close();
    }
    EXPECT(lost > 0);
}

static void test_full_disk_heals(void)
{
    open_world(first_seed());
    sim_disk_bytes(4096);
    struct folder *f = open_folder();
    struct file *file = create_file(f, "x");
    uint64_t space = 0;
    EXPECT_EQ(ERR_OK, folder_space(f, &space, NULL));
    EXPECT_EQ(4096, space);
    write_sectors(file, 1, 6);
    EXPECT_EQ(ERR_OK, folder_space(f, &space, NULL));
    EXPECT_EQ(1024, space);
    struct file *other = create_file(f, "y");
    uint8_t bytes[2048] = {0};
    struct err_why why = {0};
    EXPECT_EQ(ERR_NO_SPACE, file_write(other, bytes, sizeof(bytes), 0, &why));
    EXPECT(strstr(why.text, "data/y") != NULL);
    uint64_t size = 0;
    EXPECT_EQ(ERR_OK, file_size(other, &size, NULL));
    EXPECT_EQ(1024, size); /* what fitted */
    EXPECT_EQ(ERR_NO_SPACE, file_truncate(other, 1025, NULL));
    EXPECT_EQ(ERR_OK, file_write(file, bytes, sizeof(bytes), 0, NULL)); /* over old bytes */
    EXPECT_EQ(ERR_OK, folder_remove(f, "x", NULL));
    EXPECT_EQ(ERR_NO_SPACE, file_write(other, bytes, sizeof(bytes), 0, NULL)); /* still open */
    file_close(&file);
    EXPECT_EQ(ERR_OK, file_write(other, bytes, sizeof(bytes), 0, NULL));
    sim_disk_bytes(1000);
    EXPECT_EQ(ERR_NO_SPACE, file_write(other, bytes, 1, 2048, NULL));
    sim_disk_bytes(0);
    EXPECT_EQ(ERR_OK, file_write(other, bytes, 1, 1 << 20, NULL));
    file_close(&other);
    folder_close(&f);
    sim_world_close();
}

static void test_files_as_in_the_real_world(void)
{
    open_world(first_seed());
    struct folder *f = open_folder();
    struct folder *other = open_folder();
    struct file *file = NULL;
    char bytes[9] = "";
    uint64_t size = 0;
    EXPECT_EQ(ERR_OK, folder_lock(f, NULL));
    EXPECT_EQ(ERR_BUSY, folder_lock(other, NULL));
    folder_close(&f);
    EXPECT_EQ(ERR_OK, folder_lock(other, NULL));
    EXPECT_EQ(ERR_NOT_FOUND, file_open(other, "x", FILE_WRITE, &file, NULL));
    file = create_file(other, "x");
    EXPECT_EQ(ERR_OK, file_write(file, "hello", 5, 3, NULL));
    EXPECT_EQ(ERR_OK, file_read(file, bytes, 8, 0, NULL));
    EXPECT(memcmp(bytes, "\0\0\0hello", 8) == 0);
    EXPECT_EQ(ERR_CORRUPT, file_read(file, bytes, 8, 1, NULL));
    EXPECT_EQ(ERR_OK, file_truncate(file, 4, NULL));
    EXPECT_EQ(ERR_OK, file_size(file, &size, NULL));
    EXPECT_EQ(4, size);
    EXPECT_EQ(ERR_OK, file_sync(file, NULL));
    sim_flip_bit("data", "x", 3, 0);
    EXPECT_EQ(ERR_OK, file_read(file, bytes, 1, 3, NULL));
    EXPECT_EQ('h' ^ 1, bytes[0]);
    file_close(&file);
    EXPECT_EQ(ERR_ALREADY_EXISTS, file_open(other, "x", FILE_CREATE, &file, NULL));
    EXPECT_EQ(ERR_OK, file_open(other, "x", FILE_READ, &file, NULL));
    EXPECT_EQ(ERR_IO, file_write(file, "no", 2, 0, NULL));
    EXPECT_EQ(ERR_NOT_FOUND, folder_rename(other, "y", "z", NULL));
    EXPECT_EQ(ERR_NOT_FOUND, folder_remove(other, "y", NULL));
    struct names n = {0};
    EXPECT_EQ(ERR_OK, folder_list(other, on_name, &n, NULL));
    EXPECT_EQ(2, n.count); /* x and LOCK */
    file_close(&file);
    folder_close(&other);
    sim_world_close();
}

static const struct test_case cases[] = {
    {"timers_in_order", test_timers_in_order},
    {"deferred_turn", test_deferred_turn},
    {"one_seed_one_trace", test_one_seed_one_trace},
    {"kill", test_kill},
    {"power_cut_tears", test_power_cut_tears},
    {"synced_survives", test_synced_survives},
    {"names_need_a_folder_sync", test_names_need_a_folder_sync},
    {"store_is_atomic", test_store_is_atomic},
    {"nth_call_fails", test_nth_call_fails},
    {"lasting_failure", test_lasting_failure},
    {"failed_sync_drops_pages", test_failed_sync_drops_pages},
    {"full_disk_heals", test_full_disk_heals},
    {"files_as_in_the_real_world", test_files_as_in_the_real_world},
};

int main(int argc, char **argv)
{
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", first_seed());
    return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
