/* One turn, in libuv's order:
 *
 *   timers - closed handles -> prepare: tasks, hooks if anything has run
 *   wait
 *   sockets, mailboxes, jobs -> check: tasks, hooks if anything has run
 *
 * So nothing waits while work is undone, and a turn in which nothing ran costs two flags.
 * The timers are a heap of ours behind one libuv timer: starting and stopping is a few
 * moves in an array. The alarm may ring too early (its timer was stopped), never too late. */
#include "sys/loop.h"

#include <signal.h>
#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/private.h"

#define NS_PER_MS UINT64_C(1000000)

static void end_turn(struct loop *l)
{
    l->has_worked = false;
    turn_end(&l->turn);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = alarm->data;
    l->alarm_ms = 0;
    l->clock->is_stale = true;
    const uint64_t now_ns = loop_now_ns(l);
    /* Timers that these start are at least one number younger, so this ends. */
    const uint64_t last_number = l->timer_number;
    for (struct heap_item *first = heap_first(&l->timers);
         first != NULL && first->key <= now_ns && first->number <= last_number;
         first = heap_first(&l->timers)) {
        struct loop_timer *t = container_of(first, struct loop_timer, item);
        heap_remove(&l->timers, first);
        loop_worked(l);
        t->call(t->arg);
    }
}

static void set_alarm(struct loop *l)
{
    const struct heap_item *first = heap_first(&l->timers);
    if (first == NULL) {
        return;
    }
    const uint64_t due_ms = (first->key + NS_PER_MS - 1) / NS_PER_MS;
    if (l->alarm_ms != 0 && l->alarm_ms <= due_ms) {
        return;
    }
    const uint64_t now_ms = uv_now(&l->uv);
    CHECK(uv_timer_start(&l->alarm, on_alarm, due_ms > now_ms ? due_ms - now_ms : 0, 0) == 0);
    l->alarm_ms = due_ms;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* being active is its whole work */
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    if (l->has_worked) {
        end_turn(l);
    }
    set_alarm(l);
    if (turn_is_wanted(&l->turn)) {
        CHECK(uv_idle_start(&l->idle, on_idle) == 0);
    } else {
        CHECK(uv_idle_stop(&l->idle) == 0);
    }
    l->clock->is_stale = true;
}

static void on_check(uv_check_t *check)
{
    struct loop *l = check->data;
    if (l->has_worked || turn_is_wanted(&l->turn)) {
        end_turn(l);
    }
    l->clock->is_stale = true;
}

static void on_done(uv_async_t *async)
{
    struct loop *l = async->data;
    loop_worked(l);
    worker_deliver(l);
}

enum err loop_open(struct loop **out, struct err_why *why)
{
    struct loop *l = mem_zero(1, sizeof(*l));
    int failure = uv_loop_init(&l->uv);
    if (failure != 0) {
        mem_free(l);
        return err_set(why, ERR_IO, "event loop: %s", uv_strerror(failure));
    }
    failure = uv_async_init(&l->uv, &l->done_async, on_done);
    if (failure != 0) {
        CHECK(uv_loop_close(&l->uv) == 0);
        mem_free(l);
        return err_set(why, ERR_IO, "event loop: %s", uv_strerror(failure));
    }
    /* A socket closed by its peer is an error of a write, not the end of the process. */
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(uv_timer_init(&l->uv, &l->alarm) == 0);
    CHECK(uv_prepare_init(&l->uv, &l->prepare) == 0);
    CHECK(uv_check_init(&l->uv, &l->check) == 0);
    CHECK(uv_idle_init(&l->uv, &l->idle) == 0);
    l->alarm.data = l->prepare.data = l->check.data = l->done_async.data = l;
    CHECK(uv_prepare_start(&l->prepare, on_prepare) == 0);
    CHECK(uv_check_start(&l->check, on_check) == 0);
    CHECK(pthread_mutex_init(&l->done_lock, NULL) == 0);
    turn_init(&l->turn);
    list_init(&l->done);
    l->clock = mem_zero(1, sizeof(*l->clock));
    l->clock->is_stale = true;
    *out = l;
    return ERR_OK;
}

static void close_own_handles(struct loop *l)
{
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->done_async, NULL);
}

void loop_close(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL) {
        return;
    }
    CHECK(l->open_count == 0);
    while (l->jobs > 0) {
        (void)uv_run(&l->uv, UV_RUN_ONCE);
    }
    uv_unref((uv_handle_t *)&l->alarm);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
    uv_unref((uv_handle_t *)&l->done_async);
    do { /* closing streams, tasks */
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
        end_turn(l);
    } while (!list_empty(&l->turn.tasks) || uv_loop_alive(&l->uv) != 0);
    CHECK(list_empty(&l->turn.hooks));
    CHECK(l->timers.count == 0);
    close_own_handles(l);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&l->uv) == 0);
    CHECK(pthread_mutex_destroy(&l->done_lock) == 0);
    heap_deinit(&l->timers);
    mem_free(l->clock);
    mem_free(l);
    *loop = NULL;
}

void loop_run(struct loop *l)
{
    while (!l->is_stopped) {
        (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    }
    l->is_stopped = false;
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
    uv_stop(&l->uv);
}

uint64_t loop_now_ns(const struct loop *l)
{
    if (l->clock->is_stale) {
        l->clock->now_ns = uv_hrtime();
        l->clock->is_stale = false;
    }
    return l->clock->now_ns;
}

uint64_t loop_wall_ms(const struct loop *l)
{
    (void)l;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
}

void loop_defer(struct loop *l, struct loop_task *t)
{
    turn_add_task(&l->turn, t);
}

void loop_timer_start(struct loop *l, struct loop_timer *t, uint64_t delay_ms, loop_fn call,
                      void *arg)
{
    CHECK(delay_ms <= UINT64_MAX / NS_PER_MS / 4);
    loop_timer_stop(t);
    t->loop = l;
    t->call = call;
    t->arg = arg;
    t->item.key = loop_now_ns(l) + delay_ms * NS_PER_MS;
    t->item.number = ++l->timer_number;
    heap_add(&l->timers, &t->item);
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->item.place != 0) {
        heap_remove(&t->loop->timers, &t->item);
    }
}

void loop_each_turn(struct loop *l, struct loop_hook *hook)
{
    turn_add_hook(&l->turn, hook);
}

void loop_again(struct loop *l)
{
    l->turn.wants_again = true;
}
