#include "sys/signal.h"

#include "base/mem.h"
#include "sys/uv/private.h"

struct signal_watch {
    uv_signal_t uv;
    struct loop *loop;
    signal_fn call;
    void *arg;
};

static void on_signal(uv_signal_t *uv, int number)
{
    struct signal_watch *w = uv->data;
    loop_worked(w->loop);
    w->call(w->arg, number);
}

static void on_watch_closed(uv_handle_t *uv)
{
    mem_free(uv->data);
}

enum err signal_watch_open(struct loop *l, int number, signal_fn call, void *arg,
                           struct signal_watch **out, struct err_why *why)
{
    struct signal_watch *w = mem_zero(1, sizeof(*w));
    int failure = uv_signal_init(&l->uv, &w->uv);
    if (failure != 0) {
        mem_free(w);
        return err_set(why, ERR_IO, "signal %d: %s", number, uv_strerror(failure));
    }
    w->uv.data = w;
    w->loop = l;
    w->call = call;
    w->arg = arg;
    failure = uv_signal_start(&w->uv, on_signal, number);
    if (failure != 0) {
        uv_close((uv_handle_t *)&w->uv, on_watch_closed);
        return err_set(why, ERR_IO, "signal %d: %s", number, uv_strerror(failure));
    }
    l->open_count++;
    *out = w;
    return ERR_OK;
}

void signal_watch_close(struct signal_watch **watch)
{
    struct signal_watch *w = *watch;
    if (w == NULL) {
        return;
    }
    w->loop->open_count--;
    uv_close((uv_handle_t *)&w->uv, on_watch_closed);
    *watch = NULL;
}
