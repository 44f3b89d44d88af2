#include "sys/mailbox.h"

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"

struct mailbox {
    struct list link; /* of the world */
    struct loop *loop;
    mailbox_fn deliver;
    void *arg;
    struct letter *first, *last;
    struct loop_timer delivery;
};

static void deliver_all(void *arg)
{
    struct mailbox *m = arg;
    struct letter *next = m->first;
    m->first = m->last = NULL; /* what is posted meanwhile comes later */
    while (next != NULL) {
        struct letter *letter = next;
        next = atomic_load_explicit(&letter->next, memory_order_relaxed);
        m->deliver(m->arg, letter);
    }
}

enum err mailbox_open(struct loop *l, mailbox_fn deliver, void *arg, struct mailbox **out,
                      struct err_why *why)
{
    (void)why;
    struct mailbox *m = mem_zero(1, sizeof(*m));
    m->loop = l;
    m->deliver = deliver;
    m->arg = arg;
    list_push(&sim_world()->mailboxes, &m->link);
    *out = m;
    return ERR_OK;
}

static void free_mailbox(struct mailbox *m)
{
    sim_event_stop(&m->delivery);
    list_remove(&m->link);
    mem_free(m);
}

void mailbox_close(struct mailbox **mailbox)
{
    struct mailbox *m = *mailbox;
    if (m == NULL) {
        return;
    }
    deliver_all(m);
    CHECK(m->first == NULL);
    free_mailbox(m);
    *mailbox = NULL;
}

void sim_kill_mailboxes(struct sim_world *w)
{
    while (!list_empty(&w->mailboxes)) {
        free_mailbox(container_of(w->mailboxes.next, struct mailbox, link));
    }
}

void mailbox_post(struct mailbox *m, struct letter *letter)
{
    atomic_store_explicit(&letter->next, NULL, memory_order_relaxed);
    if (m->last == NULL) {
        m->first = letter;
    } else {
        atomic_store_explicit(&m->last->next, letter, memory_order_relaxed);
    }
    m->last = letter;
    mailbox_wake(m);
}

void mailbox_wake(struct mailbox *m)
{
    if (!sim_event_is_running(&m->delivery)) {
        sim_event_start(&m->delivery, m->loop, SIM_LETTER_DELAY_NS, deliver_all, m);
    }
}
