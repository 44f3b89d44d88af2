#include "sim/scene.h"

#include "base/mem.h"
#include "harness.h"

/* What waits for an answer; freed when it came, or by scene_die(). */
struct waiting {
    struct list link;
    struct call call;
    struct table_change change;
    struct scene *scene;
    bool is_done;
};

static struct waiting *waiting_new(struct scene *s)
{
    struct waiting *w = mem_zero(1, sizeof(*w));
    w->scene = s;
    list_push(&s->late, &w->link);
    return w;
}

static void waiting_free(struct waiting *w)
{
    list_remove(&w->link);
    mem_free(w);
}

/* False: the node has died. */
static bool wait_for(struct scene *s, const struct waiting *w)
{
    for (int ms = 0; ms < SCENE_WAIT_MS && !w->is_done; ms++) {
        (void)sim_run(&w->is_done, 1);
        if (sim_power_is_cut() || s->node.has_failed) {
            break;
        }
    }
    EXPECT(w->is_done || sim_power_is_cut() || s->node.has_failed);
    return w->is_done;
}

bool scene_start(struct scene *s)
{
    struct err_why why = {0};
    if (!node_start(&s->node, &why)) {
        if (!sim_power_is_cut()) {
            (void)fprintf(stderr, "refused to start: %s\n", why.text);
        }
        EXPECT(sim_power_is_cut());
        return false;
    }
    if (!node_run_ready(&s->node)) {
        EXPECT(sim_power_is_cut());
        scene_die(s);
        return false;
    }
    return true;
}

void scene_open(struct scene *s, uint64_t seed, const struct node_config *config)
{
    *s = (struct scene){.node = {.config = *config}};
    list_init(&s->late);
    const struct sim_config world = {
        .seed = seed, .wall_ms = SCENE_WALL_MS, .io_delay_ns = 3000000, .stream_delay_ns = 1};
    sim_world_open(&world);
    s->node.medium = standin_medium_new(seed);
    EXPECT(scene_start(s));
}

static void forget_late(struct scene *s)
{
    while (!list_empty(&s->late)) {
        waiting_free(container_of(s->late.next, struct waiting, link));
    }
}

void scene_die(struct scene *s)
{
    node_kill(&s->node);
    forget_late(s);
    node_power_on();
}

void scene_close(struct scene *s)
{
    if (s->node.has_failed || sim_power_is_cut()) {
        scene_die(s);
    } else {
        node_stop(&s->node);
    }
    EXPECT(list_empty(&s->late));
    node_forget(&s->node);
    sim_world_close();
    arena_deinit(&s->bytes);
}

void scene_restart(struct scene *s)
{
    node_stop(&s->node);
    EXPECT(scene_start(s));
}

void scene_run(uint64_t ms)
{
    (void)sim_run(NULL, ms);
}

static void on_called(struct call *c)
{
    struct waiting *w = c->arg;
    arena_reset(&w->scene->bytes);
    result_keep(&c->result, &w->scene->bytes);
    w->is_done = true;
}

struct result scene_call(struct scene *s, uint32_t loop, const struct op *op)
{
    struct waiting *w = waiting_new(s);
    struct result result = {.err = ERR_UNKNOWN_OUTCOME};
    w->call = (struct call){.op = *op, .done = on_called, .arg = w};
    router_call(s->node.router[loop], &w->call);
    loop_again(s->node.loops[loop]); /* this is no event of the loop */
    if (wait_for(s, w)) {
        result = w->call.result;
        waiting_free(w);
    }
    return result;
}

enum err scene_put(struct scene *s, uint32_t table, const char *key, const char *value)
{
    const struct op op = {
        .kind = OP_PUT, .table = table, .key = slice_of_text(key), .value = slice_of_text(value)};
    return scene_call(s, 0, &op).err;
}

enum err scene_delete(struct scene *s, uint32_t table, const char *key)
{
    const struct op op = {.kind = OP_DELETE, .table = table, .key = slice_of_text(key)};
    return scene_call(s, 0, &op).err;
}

static struct result get(struct scene *s, uint32_t table, const char *key)
{
    const struct op op = {.kind = OP_GET, .table = table, .key = slice_of_text(key)};
    return scene_call(s, 0, &op);
}

bool scene_has(struct scene *s, uint32_t table, const char *key, const char *value)
{
    const struct result result = get(s, table, key);
    return result.err == ERR_OK && slice_equal(result.value, slice_of_text(value));
}

bool scene_lacks(struct scene *s, uint32_t table, const char *key)
{
    return get(s, table, key).err == ERR_NOT_FOUND;
}

static void on_changed(struct table_change *c)
{
    struct waiting *w = c->arg;
    w->is_done = true;
}

enum err scene_change_staged(struct scene *s, uint32_t loop, enum table_change_kind kind,
                             const char *name, struct table_options options, uint32_t *id)
{
    struct waiting *w = waiting_new(s);
    enum err e = ERR_UNKNOWN_OUTCOME;
    w->change = (struct table_change){.kind = kind,
                                      .name = slice_of_text(name),
                                      .options = options,
                                      .id = *id,
                                      .done = on_changed,
                                      .arg = w};
    router_change_table(s->node.router[loop], &w->change);
    if (wait_for(s, w)) {
        e = w->change.err;
        *id = w->change.id;
        waiting_free(w);
    }
    return e;
}

enum err scene_change(struct scene *s, uint32_t loop, enum table_change_kind kind, const char *name,
                      struct table_options options)
{
    uint32_t id = 0;
    return scene_change_staged(s, loop, kind, name, options, &id);
}

uint32_t scene_table(const struct scene *s, const char *name)
{
    const struct table *t = router_table(s->node.router[0], slice_of_text(name));
    return t == NULL ? 0 : t->id;
}

uint64_t scene_count(const struct scene *s, const char *name)
{
    const struct table *t = router_table(s->node.router[0], slice_of_text(name));
    EXPECT(t != NULL);
    return router_table_count(s->node.router[0], t);
}

uint64_t scene_rows(const struct scene *s, bool is_memory)
{
    uint64_t rows = 0;
    for (uint32_t g = 1; g <= s->node.config.shards; g++) {
        struct engine *e = shard_engine(s->node.shards, g, is_memory);
        rows += e == NULL ? 0 : engine_stats(e).rows;
    }
    return rows;
}

void scene_key_in(const struct scene *s, uint32_t shard, const char *text, char *out, size_t size)
{
    const struct router *r = s->node.router[0];
    const struct table *t = router_table(r, SLICE("kv"));
    EXPECT(t != NULL && shard < router_shards(r));
    for (unsigned i = 0;; i++) {
        (void)snprintf(out, size, "%s{%u}", text, i);
        if (router_shard_of(r, t, slice_of_text(out)) == shard) {
            return;
        }
    }
}
