/* The real world, as far as a test can hold it still: threads, signals, files. */
#include <signal.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "harness.h"
#include "sys/mailbox.h"
#include "sys/signal.h"
#include "sys/thread.h"
#include "sys/worker.h"
#include "unit/sys_uv_world.h"

/* ---- loop ---- */

struct trace {
    struct loop *loop;
    char text[64];
    int hooks;
    int again;
    struct loop_task task;
    struct loop_timer timers[4];
    struct loop_hook hook;
};

static void note(struct trace *t, char what)
{
    const size_t size = strlen(t->text);
    EXPECT(size + 1 < sizeof(t->text));
    t->text[size] = what;
}

static void on_a(void *arg)
{
    note(arg, 'a');
}

static void on_b(void *arg)
{
    struct trace *t = arg;
    note(t, 'b');
    loop_defer(t->loop, &t->task);
    loop_defer(t->loop, &t->task);
}

static void on_task(void *arg)
{
    note(arg, 't');
}

static void on_c(void *arg)
{
    struct trace *t = arg;
    note(t, 'c');
    t->again = 3;
    loop_timer_stop(&t->timers[3]);
}

static void on_hook(void *arg)
{
    struct trace *t = arg;
    t->hooks++;
    if (strchr(t->text, 'c') == NULL) {
        return;
    }
    note(t, 'h');
    if (--t->again > 0) {
        loop_again(t->loop);
    } else {
        loop_stop(t->loop);
    }
}

/* These timers are for later turns, on a machine that pauses as well. */
static void on_task_with_timers(void *arg)
{
    struct trace *t = arg;
    note(t, 't');
    loop_timer_start(t->loop, &t->timers[2], 20, on_c, t);
    loop_timer_start(t->loop, &t->timers[3], 30, on_c, t);
}

static void test_turns(void)
{
    struct trace t = {.loop = open_loop()};
    t.task = (struct loop_task){.call = on_task_with_timers, .arg = &t};
    t.hook = (struct loop_hook){.call = on_hook, .arg = &t};
    loop_each_turn(t.loop, &t.hook);
    loop_timer_start(t.loop, &t.timers[0], 500, on_b, &t);
    loop_timer_start(t.loop, &t.timers[0], 10, on_a, &t); /* again, with another delay */
    loop_timer_start(t.loop, &t.timers[1], 10, on_b, &t);
    const uint64_t before_ns = loop_now_ns(t.loop);
    loop_run(t.loop);
    EXPECT(strcmp(t.text, "abtchhh") == 0);
    EXPECT(loop_now_ns(t.loop) - before_ns >= 30 * UINT64_C(1000000));
    loop_hook_remove(&t.hook);
    loop_close(&t.loop);
    EXPECT(t.loop == NULL);
}

/* Called at the end of this turn, and of the next one. */
static void test_deferred_turn(void)
{
    struct trace t = {.loop = open_loop(), .text = "c", .again = 3};
    struct loop_task soon = {.call = on_task, .arg = &t};
    t.task = (struct loop_task){.call = on_a, .arg = &t};
    t.hook = (struct loop_hook){.call = on_hook, .arg = &t};
    loop_each_turn(t.loop, &t.hook);
    loop_defer_turn(t.loop, &t.task);
    loop_defer(t.loop, &soon);
    loop_run(t.loop);
    EXPECT(strcmp(t.text, "cthahh") == 0);
    loop_hook_remove(&t.hook);
    loop_close(&t.loop);
}

enum {
    TIMERS = 1000
};

struct rung {
    struct loop_timer timer;
    uint64_t due_ms;
    uint64_t *last_due_ms;
    int *count;
};

static void on_rung(void *arg)
{
    struct rung *r = arg;
    EXPECT(*r->last_due_ms <= r->due_ms);
    *r->last_due_ms = r->due_ms;
    ++*r->count;
}

static void test_many_timers_in_order(void)
{
    struct loop *l = open_loop();
    struct rung *rungs = mem_zero(TIMERS, sizeof(*rungs));
    const char *seed = getenv("HOLDFAST_SEED");
    struct random random = {seed == NULL ? random_u64() : strtoull(seed, NULL, 10)};
    uint64_t last_due_ms = 0;
    int count = 0;
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", random.state);
    for (int i = 0; i < TIMERS; i++) {
        rungs[i].due_ms = random_below(&random, 20);
        rungs[i].last_due_ms = &last_due_ms;
        rungs[i].count = &count;
        loop_timer_start(l, &rungs[i].timer, rungs[i].due_ms, on_rung, &rungs[i]);
    }
    for (int i = 0; i < TIMERS; i += 2) {
        loop_timer_stop(&rungs[i].timer);
        loop_timer_stop(&rungs[i].timer);
    }
    struct loop_timer end = {0};
    loop_timer_start(l, &end, 25, stop_loop, l);
    loop_run(l);
    EXPECT_EQ(TIMERS / 2, count);
    mem_free(rungs);
    loop_close(&l);
}

/* ---- mailbox ---- */

enum {
    SENDERS = 4,
    LETTERS = 20000
};

struct numbered {
    struct letter letter;
    int sender;
    int number;
};

struct post_office {
    struct loop *loop;
    struct mailbox *mailbox;
    int next[SENDERS];
    int total;
};

struct sender {
    struct post_office *office;
    struct numbered *letters;
    int index;
};

static void on_letter(void *arg, struct letter *letter)
{
    struct post_office *o = arg;
    const struct numbered *n = (const struct numbered *)(const void *)letter;
    EXPECT_EQ(o->next[n->sender], n->number);
    o->next[n->sender]++;
    if (++o->total == SENDERS * LETTERS) {
        loop_stop(o->loop);
    }
}

static void send_letters(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < LETTERS; i++) {
        s->letters[i].sender = s->index;
        s->letters[i].number = i;
        mailbox_post(s->office->mailbox, &s->letters[i].letter);
    }
}

static void test_mailbox(void)
{
    struct post_office office = {.loop = open_loop()};
    struct err_why why;
    EXPECT_EQ(ERR_OK, mailbox_open(office.loop, on_letter, &office, &office.mailbox, &why));
    struct sender senders[SENDERS];
    struct thread *threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&office, mem_zero(LETTERS, sizeof(struct numbered)), i};
        EXPECT_EQ(ERR_OK, thread_start("sender", send_letters, &senders[i], &threads[i], &why));
    }
    loop_run(office.loop);
    for (int i = 0; i < SENDERS; i++) {
        thread_join(&threads[i]);
        EXPECT_EQ(LETTERS, office.next[i]);
        mem_free(senders[i].letters);
    }
    struct numbered late = {.sender = 1, .number = LETTERS};
    mailbox_post(office.mailbox, &late.letter);
    mailbox_close(&office.mailbox);
    EXPECT_EQ(LETTERS + 1, office.next[1]); /* delivered by the close */
    loop_close(&office.loop);
}

static void test_mailbox_wake_is_a_turn(void)
{
    struct post_office office = {.loop = open_loop()};
    struct err_why why;
    EXPECT_EQ(ERR_OK, mailbox_open(office.loop, on_letter, &office, &office.mailbox, &why));
    struct loop_hook hook = {.call = stop_loop, .arg = office.loop};
    loop_each_turn(office.loop, &hook);
    mailbox_wake(office.mailbox);
    loop_run(office.loop);
    loop_hook_remove(&hook);
    mailbox_close(&office.mailbox);
    loop_close(&office.loop);
}

/* ---- workers and lanes ---- */

enum {
    JOBS = 2000
};

struct job {
    struct worker_job job;
    struct loop *loop;
    int *done;
    int input, output;
    bool is_submitted;
};

static void work(void *arg)
{
    struct job *j = arg;
    j->output = j->input * 2;
}

static void on_done(void *arg)
{
    struct job *j = arg;
    EXPECT(j->is_submitted);
    EXPECT_EQ(j->input * 2, j->output);
    if (++*j->done == JOBS) {
        loop_stop(j->loop);
    }
}

static void test_workers(void)
{
    struct loop *l = open_loop();
    struct worker_pool *pool = NULL;
    struct err_why why;
    int done = 0;
    EXPECT_EQ(ERR_OK, worker_pool_open(3, &pool, &why));
    struct job *jobs = mem_zero(JOBS, sizeof(*jobs));
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.job = {.work = work, .done = on_done, .arg = &jobs[i]},
                               .loop = l,
                               .done = &done,
                               .input = i};
        worker_submit(pool, l, &jobs[i].job);
        jobs[i].is_submitted = true;
    }
    loop_run(l);
    EXPECT_EQ(JOBS, done);
    worker_pool_close(&pool);
    loop_close(&l);
    mem_free(jobs);
}

struct lane_work {
    _Atomic int posted;
    int seen; /* of the lane's thread */
    int steps;
};

static bool lane_step(void *arg)
{
    struct lane_work *w = arg;
    w->steps++;
    const int posted = atomic_load(&w->posted);
    const bool is_more = posted > w->seen;
    w->seen = posted;
    return is_more;
}

static void test_lane_sees_every_wake(void)
{
    struct err_why why;
    struct lane_work w = {0};
    struct lane *lane = NULL;
    EXPECT_EQ(ERR_OK, lane_open("lane", lane_step, &w, &lane, &why));
    for (int i = 0; i < 20000; i++) {
        atomic_fetch_add(&w.posted, 1);
        lane_wake(lane);
    }
    lane_close(&lane);
    EXPECT_EQ(20000, w.seen);
    lane_close(&lane);
    /* Opened and closed without work: one step at least, and no hang. */
    for (int i = 0; i < 200; i++) {
        EXPECT_EQ(ERR_OK, lane_open("lane", lane_step, &w, &lane, &why));
        lane_close(&lane);
    }
}

/* ---- signals, machine ---- */

static void on_signal(void *arg, int number)
{
    EXPECT_EQ(SIGUSR1, number);
    loop_stop(arg);
}

static void test_signal(void)
{
    struct loop *l = open_loop();
    struct signal_watch *w = NULL;
    struct err_why why;
    EXPECT_EQ(ERR_OK, signal_watch_open(l, SIGUSR1, on_signal, l, &w, &why));
    EXPECT_EQ(0, raise(SIGUSR1));
    loop_run(l);
    signal_watch_close(&w);
    loop_close(&l);
}

static void test_machine(void)
{
    EXPECT(cpu_count() >= 1);
    EXPECT(memory_bytes() >= 16 << 20);
    EXPECT(descriptors_raise() >= 64);
    EXPECT(random_u64() != random_u64());
    uint8_t bytes[1000] = {0};
    random_bytes(bytes, sizeof(bytes));
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        zeros += bytes[i] == 0;
    }
    EXPECT(zeros < 100);
}

/* ---- files ---- */

static void count_name(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
}

static void test_files(void)
{
    char path[128] = "";
    temporary(path, sizeof(path), "/a/b");
    struct folder *f = NULL;
    struct folder *other = NULL;
    struct file *file = NULL;
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, folder_open(path, &f, &why));
    EXPECT(strcmp(folder_path(f), path) == 0);
    EXPECT_EQ(ERR_OK, folder_lock(f, &why));
    EXPECT_EQ(ERR_OK, folder_open(path, &other, &why));
    EXPECT_EQ(ERR_BUSY, folder_lock(other, &why));
    char pid[32];
    (void)snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    EXPECT(strstr(why.text, pid) != NULL);
    folder_close(&f);
    EXPECT_EQ(ERR_OK, folder_lock(other, &why));

    EXPECT_EQ(ERR_NOT_FOUND, file_open(other, "x", FILE_WRITE, &file, &why));
    EXPECT_EQ(ERR_NOT_FOUND, file_open(other, "x", FILE_READ, &file, &why));
    EXPECT_EQ(ERR_OK, file_open(other, "x", FILE_CREATE, &file, &why));
    EXPECT_EQ(ERR_OK, file_write(file, "hello", 5, 3, &why));
    EXPECT_EQ(ERR_OK, file_sync(file, &why));
    uint64_t size = 0;
    EXPECT_EQ(ERR_OK, file_size(file, &size, &why));
    EXPECT_EQ(8, size);
    char bytes[9] = "";
    EXPECT_EQ(ERR_OK, file_read(file, bytes, 8, 0, &why));
    EXPECT(memcmp(bytes, "\0\0\0hello", 8) == 0);
    EXPECT_EQ(ERR_CORRUPT, file_read(file, bytes, 8, 1, &why));
    EXPECT(strstr(why.text, "/a/b/x") != NULL);
    EXPECT_EQ(ERR_OK, file_truncate(file, 4, &why));
    EXPECT_EQ(ERR_OK, file_size(file, &size, &why));
    EXPECT_EQ(4, size);
    file_close(&file);
    EXPECT_EQ(ERR_ALREADY_EXISTS, file_open(other, "x", FILE_CREATE, &file, &why));
    EXPECT_EQ(ERR_OK, file_open(other, "x", FILE_READ, &file, &why));
    EXPECT_EQ(ERR_IO, file_write(file, "no", 2, 0, &why));
    file_close(&file);

    EXPECT_EQ(ERR_OK, folder_store(other, "config", SLICE("one"), &why));
    EXPECT_EQ(ERR_OK, folder_store(other, "config", SLICE("three"), &why));
    char *data = NULL;
    size_t loaded = 0;
    EXPECT_EQ(ERR_TOO_LARGE, folder_load(other, "config", 4, &data, &loaded, &why));
    EXPECT_EQ(ERR_OK, folder_load(other, "config", 5, &data, &loaded, &why));
    EXPECT(loaded == 5 && strcmp(data, "three") == 0);
    mem_free(data);
    EXPECT_EQ(ERR_NOT_FOUND, folder_load(other, "nothing", 5, &data, &loaded, &why));
    EXPECT_EQ(ERR_OK, folder_rename(other, "x", "config", &why));
    EXPECT_EQ(ERR_NOT_FOUND, folder_rename(other, "x", "y", &why));
    int names = 0;
    EXPECT_EQ(ERR_OK, folder_list(other, count_name, &names, &why));
    EXPECT_EQ(2, names); /* config and LOCK */
    uint64_t space = 0;
    EXPECT_EQ(ERR_OK, folder_space(other, &space, &why));
    EXPECT(space > 0);
    EXPECT_EQ(ERR_OK, folder_sync(other, &why));
    EXPECT_EQ(ERR_OK, folder_remove(other, "config", &why));
    EXPECT_EQ(ERR_OK, folder_remove(other, "LOCK", &why));
    EXPECT_EQ(ERR_NOT_FOUND, folder_remove(other, "config", &why));
    folder_close(&other);
    EXPECT_EQ(0, rmdir(path));
    *strrchr(path, '/') = '\0';
    EXPECT_EQ(0, rmdir(path));
    remove_temporary(path);
    EXPECT_EQ(ERR_IO, folder_open("/dev/null/x", &f, &why));
}

static const struct test_case cases[] = {
    {"turns", test_turns},
    {"deferred_turn", test_deferred_turn},
    {"many_timers_in_order", test_many_timers_in_order},
    {"mailbox", test_mailbox},
    {"mailbox_wake_is_a_turn", test_mailbox_wake_is_a_turn},
    {"workers", test_workers},
    {"lane_sees_every_wake", test_lane_sees_every_wake},
    {"signal", test_signal},
    {"machine", test_machine},
    {"files", test_files},
};

TEST_MAIN(cases)
