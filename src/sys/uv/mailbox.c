/* Senders push onto a stack with one compare-and-swap; whoever finds it empty wakes the loop.
 * The loop takes the whole stack at once and turns it round: letters come out in the order
 * in which they were pushed. */
#include "sys/mailbox.h"

#include "base/check.h"
#include "base/mem.h"
#include "sys/uv/private.h"

struct mailbox {
    _Atomic(struct letter *) top;
    struct loop *loop;
    mailbox_fn deliver;
    void *arg;
    uv_async_t async;
};

static void deliver_all(struct mailbox *m)
{
    struct letter *newest = atomic_exchange_explicit(&m->top, NULL, memory_order_acquire);
    struct letter *oldest = NULL;
    while (newest != NULL) {
        struct letter *next = atomic_load_explicit(&newest->next, memory_order_relaxed);
        atomic_store_explicit(&newest->next, oldest, memory_order_relaxed);
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct letter *next = atomic_load_explicit(&oldest->next, memory_order_relaxed);
        m->deliver(m->arg, oldest);
        oldest = next;
    }
}

static void on_async(uv_async_t *async)
{
    struct mailbox *m = async->data;
    loop_worked(m->loop);
    deliver_all(m);
}

static void on_async_closed(uv_handle_t *async)
{
    struct mailbox *m = async->data;
    loop_worked(m->loop);
    mem_free(m);
}

enum err mailbox_open(struct loop *l, mailbox_fn deliver, void *arg, struct mailbox **out,
                      struct err_why *why)
{
    struct mailbox *m = mem_zero(1, sizeof(*m));
    m->loop = l;
    m->deliver = deliver;
    m->arg = arg;
    m->async.data = m;
    const int failure = uv_async_init(&l->uv, &m->async, on_async);
    if (failure != 0) {
        mem_free(m);
        return err_set(why, ERR_IO, "mailbox: %s", uv_strerror(failure));
    }
    l->open_count++;
    *out = m;
    return ERR_OK;
}

void mailbox_close(struct mailbox **mailbox)
{
    struct mailbox *m = *mailbox;
    if (m == NULL) {
        return;
    }
    deliver_all(m);
    CHECK(atomic_load(&m->top) == NULL);
    m->loop->open_count--;
    uv_close((uv_handle_t *)&m->async, on_async_closed);
    *mailbox = NULL;
}

void mailbox_post(struct mailbox *m, struct letter *letter)
{
    struct letter *top = atomic_load_explicit(&m->top, memory_order_relaxed);
    do {
        atomic_store_explicit(&letter->next, top, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&m->top, &top, letter, memory_order_release,
                                                    memory_order_relaxed));
    /* `letter` may be gone by now. */
    if (top == NULL) {
        mailbox_wake(m);
    }
}

void mailbox_wake(struct mailbox *m)
{
    CHECK(uv_async_send(&m->async) == 0);
}
