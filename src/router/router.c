/* router.c - a loop's router: its mail, its part in the loop's turns. */
#include "base/check.h"
#include "base/mem.h"
#include "router/router_private.h"

struct router_node *router_node_open(const struct router_config *config)
{
    struct router_node *n = mem_zero(1, sizeof(*n));
    n->config = *config;
    n->routers = mem_zero(config->loops, sizeof(struct router *));
    cursors_init(&n->cursors);
    return n;
}

void router_node_close(struct router_node **node)
{
    struct router_node *n = *node;
    if (n == NULL) {
        return;
    }
    cursors_deinit(&n->cursors);
    mem_free(n->routers);
    mem_free(n);
    *node = NULL;
}

static void note_evictable(struct router *r)
{
    uint32_t ids[TABLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < r->catalogue->count && count < TABLES_MAX; i++) {
        const struct table *t = r->catalogue->sorted[i];
        if (t->options.engine == TABLE_MEMORY && t->options.evict == EVICT_LRU) {
            ids[count++] = t->id;
        }
    }
    shard_set_evictable(r->host, ids, count);
}

static void on_catalogue(struct router *r, struct catalogue_mail *m)
{
    catalogue_release(&r->catalogue);
    r->catalogue = m->catalogue;
    m->catalogue = NULL;
    note_evictable(r);
    router_post(r->node->routers[0], &m->mail, MAIL_SEEN);
}

static void on_tour(struct router *r, struct router_tour *t)
{
    const struct router_config *config = &r->node->config;
    if (t->next == config->loops) {
        metric_add(&r->calls, UINT64_MAX);
        t->done(t);
        return;
    }
    if (r->context != NULL) {
        t->visit(t, r->context);
    }
    t->next++;
    router_post(t->next < config->loops ? r->node->routers[t->next] : t->home, &t->mail, MAIL_TOUR);
}

/* The node has failed: letters that are still under way are dropped with what they own. */
static void drop_letter(struct router_mail *mail)
{
    if (mail->kind == MAIL_CATALOGUE || mail->kind == MAIL_SEEN) {
        struct catalogue_mail *m = container_of(mail, struct catalogue_mail, mail);
        catalogue_release(&m->catalogue);
        mem_free(m);
    } else if (mail->kind == MAIL_ANSWER) {
        arena_deinit(&container_of(mail, struct call, mail)->bytes);
    }
}

static void on_letter(void *arg, struct letter *letter)
{
    struct router *r = arg;
    struct router_mail *mail = container_of(letter, struct router_mail, letter);
    if (shard_node_has_failed(r->node->config.shards)) {
        drop_letter(mail);
        return;
    }
    switch ((enum mail_kind)mail->kind) {
    case MAIL_REQUEST:
        router_on_request(r, container_of(mail, struct call, mail));
        return;
    case MAIL_ANSWER:
        router_on_answer(container_of(mail, struct call, mail));
        return;
    case MAIL_CATALOGUE:
        on_catalogue(r, container_of(mail, struct catalogue_mail, mail));
        return;
    case MAIL_SEEN:
        tables_on_seen(r->tables, container_of(mail, struct catalogue_mail, mail));
        return;
    case MAIL_CHANGE:
        tables_on_change(r->tables, container_of(mail, struct table_change, mail));
        return;
    case MAIL_CHANGED: {
        struct table_change *c = container_of(mail, struct table_change, mail);
        c->done(c);
        return;
    }
    case MAIL_TOUR:
        on_tour(r, container_of(mail, struct router_tour, mail));
        return;
    }
    UNREACHABLE("a letter of no kind");
}

static void on_turn(void *arg)
{
    struct router *r = arg;
    struct call *refused = r->refused;
    r->refused = NULL;
    while (refused != NULL) {
        struct call *c = refused;
        refused = c->next;
        metric_add(&r->calls, UINT64_MAX);
        c->done(c);
    }
    const bool is_more = shard_turn(r->host);
    router_send_held(r);
    if (is_more || r->refused != NULL) {
        loop_again(r->loop);
    }
}

enum err router_open(struct router_node *n, struct loop *l, uint32_t loop_index,
                     struct shard_host *host, struct router **out, struct err_why *why)
{
    struct router *r = mem_zero(1, sizeof(*r));
    *r = (struct router){.node = n, .loop = l, .index = loop_index, .host = host};
    const enum err e = mailbox_open(l, on_letter, r, &r->mailbox, why);
    if (e != ERR_OK) {
        mem_free(r);
        return e;
    }
    r->catalogue = catalogue_new(0, NULL, 0);
    list_init(&r->groups);
    r->hook = (struct loop_hook){.call = on_turn, .arg = r};
    loop_each_turn(l, &r->hook);
    if (loop_index == 0) {
        r->tables = tables_new(r);
    }
    n->routers[loop_index] = r;
    *out = r;
    return ERR_OK;
}

void router_start(struct router *r)
{
    CHECK(r->tables != NULL);
    tables_start(r->tables);
}

void router_close(struct router **router)
{
    struct router *r = *router;
    if (r == NULL) {
        return;
    }
    r->node->routers[r->index] = NULL;
    if (r->mailbox != NULL) {
        mailbox_close(&r->mailbox);
    }
    router_forget_groups(r);
    loop_hook_remove(&r->hook);
    tables_free(&r->tables);
    catalogue_release(&r->catalogue);
    mem_free(r);
    *router = NULL;
}

void router_abandon(struct router_node *n)
{
    CHECK(shard_node_has_failed(n->config.shards));
    for (uint32_t i = 0; i < n->config.loops; i++) {
        if (n->routers[i] != NULL) {
            mailbox_close(&n->routers[i]->mailbox);
        }
    }
}

void router_attach(struct router *r, struct loop_context *context)
{
    r->context = context;
}

void router_tour_start(struct router *r, struct router_tour *t)
{
    t->home = r;
    t->next = 0;
    metric_add(&r->calls, 1);
    router_post(r->node->routers[0], &t->mail, MAIL_TOUR);
}

void router_relieve(struct router *r)
{
    shard_relieve(r->host);
}

size_t router_calls(const struct router *r)
{
    return metric_get(&r->calls);
}

uint32_t router_shards(const struct router *r)
{
    return r->node->config.shard_count;
}

uint64_t router_catalogue_version(const struct router *r)
{
    return r->catalogue->version;
}

const struct table *router_table(const struct router *r, struct slice name)
{
    return catalogue_find(r->catalogue, name);
}

const struct table *router_table_by_id(const struct router *r, uint32_t id)
{
    return catalogue_by_id(r->catalogue, id);
}

const struct table *const *router_tables(const struct router *r, size_t *count)
{
    *count = r->catalogue->count;
    return r->catalogue->sorted;
}

uint64_t router_table_count(const struct router *r, const struct table *t)
{
    return shard_table_count(r->node->config.shards, t->options.engine == TABLE_MEMORY, t->id);
}

uint64_t router_now_ns(const struct router *r)
{
    return loop_now_ns(r->loop);
}

uint64_t router_now_ms(const struct router *r)
{
    return shard_now_ms(r->host);
}

uint64_t router_random(struct router *r)
{
    return shard_random(r->host);
}

uint32_t router_loop_index(const struct router *r)
{
    return r->index;
}

enum err router_is_ready(const struct router *r)
{
    return atomic_load(&r->node->is_ready) ? ERR_OK : ERR_STARTING;
}

size_t router_value_max(const struct router *r)
{
    return r->node->config.value_max;
}
