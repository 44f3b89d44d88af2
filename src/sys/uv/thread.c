#include "sys/thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/private.h"

struct thread {
    pthread_t thread;
    thread_fn run;
    void *arg;
};

enum err thread_create(const char *name, void *(*run)(void *), void *arg, pthread_t *out,
                       struct err_why *why)
{
    sigset_t all;
    sigset_t before;
    CHECK(sigfillset(&all) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    const int failure = pthread_create(out, NULL, run, arg);
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (failure != 0) {
        return err_set(why, ERR_IO, "thread %s: %s", name, strerrordesc_np(failure));
    }
    (void)pthread_setname_np(*out, name); /* fails when it is over already */
    return ERR_OK;
}

static void *run_thread(void *arg)
{
    struct thread *t = arg;
    t->run(t->arg);
    return NULL;
}

enum err thread_start(const char *name, thread_fn run, void *arg, struct thread **out,
                      struct err_why *why)
{
    struct thread *t = mem_zero(1, sizeof(*t));
    t->run = run;
    t->arg = arg;
    const enum err e = thread_create(name, run_thread, t, &t->thread, why);
    if (e != ERR_OK) {
        mem_free(t);
        return e;
    }
    *out = t;
    return ERR_OK;
}

void thread_join(struct thread **thread)
{
    struct thread *t = *thread;
    if (t == NULL) {
        return;
    }
    CHECK(pthread_join(t->thread, NULL) == 0);
    mem_free(t);
    *thread = NULL;
}
