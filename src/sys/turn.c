#include "sys/turn.h"

void turn_init(struct turn *t)
{
    list_init(&t->tasks);
    list_init(&t->hooks);
    t->next_hook = NULL;
    t->wants_again = false;
}

void turn_add_task(struct turn *t, struct loop_task *task)
{
    if (!task->is_queued) {
        task->is_queued = true;
        list_push(&t->tasks, &task->link);
    }
}

void loop_defer_turn(struct loop *l, struct loop_task *t)
{
    t->waits = true;
    loop_defer(l, t);
}

void turn_add_hook(struct turn *t, struct loop_hook *hook)
{
    hook->turn = t;
    list_push(&t->hooks, &hook->link);
}

void loop_hook_remove(struct loop_hook *hook)
{
    if (hook->turn->next_hook == &hook->link) {
        hook->turn->next_hook = hook->link.next;
    }
    list_remove(&hook->link);
}

static void run_tasks(struct turn *t)
{
    struct list batch;
    list_init(&batch);
    list_take(&batch, &t->tasks);
    while (!list_empty(&batch)) {
        struct loop_task *task = container_of(batch.next, struct loop_task, link);
        list_remove(&task->link);
        if (task->waits) {
            task->waits = false;
            list_push(&t->tasks, &task->link);
            continue;
        }
        task->is_queued = false;
        task->call(task->arg);
    }
}

static void run_hooks(struct turn *t)
{
    for (struct list *at = t->hooks.next; at != &t->hooks; at = t->next_hook) {
        t->next_hook = at->next;
        struct loop_hook *hook = container_of(at, struct loop_hook, link);
        hook->call(hook->arg);
    }
    t->next_hook = NULL;
}

void turn_end(struct turn *t)
{
    t->wants_again = false;
    run_tasks(t);
    run_hooks(t);
}
