/* tables and tables/{table}: what there is, and making and dropping it. */
#include "api/native/native.h"

static const char *engine_name(enum table_engine engine)
{
    return engine == TABLE_MEMORY ? "memory" : "disk";
}

static void table_to(struct buf *out, const struct router *r, const struct table *t)
{
    const struct table_options *o = &t->options;
    buf_append_text(out, "{\"name\":");
    json_string_to(out, slice_of(t->name, t->name_size), JSON_PLAIN);
    buf_printf(out, ",\"engine\":\"%s\",\"partition\":\"%s\",\"evict\":\"%s\"",
               engine_name(o->engine), o->partition == PARTITION_TABLE ? "table" : "key",
               o->evict == EVICT_LRU ? "lru" : "none");
    buf_append_text(out, ",\"default_ttl_ms\":");
    buf_append_u64(out, o->default_ttl_ms);
    buf_append_text(out, ",\"created\":");
    time_to(out, t->created_ms);
    buf_append_text(out, t->is_built_in ? ",\"built_in\":true" : ",\"built_in\":false");
    buf_append_text(out, ",\"records\":");
    buf_append_u64(out, router_table_count(r, t));
    buf_append_byte(out, '}');
}

static void list(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct router *r = http_context(x)->router;
    struct err_why why = {0};
    struct buf body = {0};
    size_t count = 0;
    enum err e = parameters_none(x, &why);
    e = e == ERR_OK ? router_is_ready(r) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    const struct table *const *tables = router_tables(r, &count);
    buf_append_text(&body, "{\"tables\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buf_append_byte(&body, ',');
        }
        table_to(&body, r, tables[i]);
    }
    buf_append_text(&body, "]}");
    native_respond(x, 200, &body);
}

static void get(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct table *t = NULL;
    struct err_why why = {0};
    struct buf body = {0};
    enum err e = parameters_none(x, &why);
    e = e == ERR_OK ? native_table(x, &t, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    table_to(&body, http_context(x)->router, t);
    native_respond(x, 200, &body);
}

/* ---- Changes of the catalogue ---- */

/* Such a change cannot be withdrawn: a client that leaves is forgotten when it is done. */
struct change_call {
    struct http_task task;
    struct table_change change;
    struct http_exchange *x;
    bool is_aborted;
};

static void on_abort(struct http_task *t)
{
    container_of(t, struct change_call, task)->is_aborted = true;
}

static void respond(struct change_call *c)
{
    struct http_exchange *x = c->x;
    const struct router *r = http_context(x)->router;
    if (c->change.err != ERR_OK) {
        native_fail(x, c->change.err, c->change.why.text);
        return;
    }
    const struct table *t = router_table(r, c->change.name);
    if (c->change.kind == TABLE_DROP || t == NULL) {
        http_respond(x, 204, NULL, 0, (struct slice){0});
        return;
    }
    struct buf body = {0};
    table_to(&body, r, t);
    native_respond(x, 201, &body);
}

static void on_changed(struct table_change *change)
{
    struct change_call *c = container_of(change, struct change_call, change);
    struct http_exchange *x = c->x;
    x->user = NULL;
    if (c->is_aborted) {
        http_done(x);
        return;
    }
    respond(c);
}

static void start(struct change_call *c)
{
    c->task.abort = on_abort;
    c->x->user = &c->task;
    c->change.done = on_changed;
    router_change_table(http_context(c->x)->router, &c->change);
}

/* ---- PUT ---- */

/* Picks the option named `name` out of two words, the first of which is the default (0). */
static enum err read_choice(const json_t *root, const char *name, const char *const words[2],
                            int *choice, size_t *known, struct err_why *why)
{
    const json_t *value = json_object_get(root, name);
    *choice = 0;
    if (value == NULL) {
        return ERR_OK;
    }
    ++*known;
    for (int i = 0; i < 2; i++) {
        if (slice_equal(json_slice(value), slice_of_text(words[i]))) {
            *choice = i;
            return ERR_OK;
        }
    }
    return err_set(why, ERR_INVALID, "%s is %s or %s", name, words[0], words[1]);
}

static enum err read_default_ttl(const json_t *root, uint64_t *ttl_ms, size_t *known,
                                 struct err_why *why)
{
    const json_t *value = json_object_get(root, "default_ttl_ms");
    if (value == NULL) {
        return ERR_OK;
    }
    ++*known;
    struct ttl ttl = {0};
    if (json_is_string(value)) {
        return err_set(why, ERR_INVALID, "default_ttl_ms is a number of milliseconds");
    }
    const enum err e = ttl_read_json(value, "default_ttl_ms", &ttl, why);
    *ttl_ms = ttl.ms;
    return e;
}

static enum err read_options(const json_t *root, struct table_options *out, struct err_why *why)
{
    static const char *const engines[2] = {"disk", "memory"};
    static const char *const partitions[2] = {"key", "table"};
    static const char *const evicts[2] = {"none", "lru"};
    size_t known = 0;
    int engine = 0;
    int partition = 0;
    int evict = 0;
    enum err e =
        json_is_object(root) ? ERR_OK : err_set(why, ERR_INVALID, "the options are an object");
    e = e == ERR_OK ? read_choice(root, "engine", engines, &engine, &known, why) : e;
    e = e == ERR_OK ? read_choice(root, "partition", partitions, &partition, &known, why) : e;
    e = e == ERR_OK ? read_choice(root, "evict", evicts, &evict, &known, why) : e;
    e = e == ERR_OK ? read_default_ttl(root, &out->default_ttl_ms, &known, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    out->engine = engine == 0 ? TABLE_DISK : TABLE_MEMORY;
    out->partition = partition == 0 ? PARTITION_KEY : PARTITION_TABLE;
    out->evict = evict == 0 ? EVICT_NONE : EVICT_LRU;
    if (json_object_size(root) != known) {
        return err_set(why, ERR_INVALID, "an unknown option of a table");
    }
    if (out->evict == EVICT_LRU && out->engine != TABLE_MEMORY) {
        return err_set(why, ERR_INVALID, "only a memory table may evict");
    }
    return ERR_OK;
}

static enum err prepare_put(struct change_call *c, struct err_why *why)
{
    struct http_exchange *x = c->x;
    enum err e = parameters_none(x, why);
    e = e == ERR_OK ? native_segment(x, 1, &c->change.name, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    if (!table_name_is_valid(c->change.name)) {
        return err_set(why, ERR_INVALID, "a table's name is 1 to %zu of A-Z a-z 0-9 . _ -",
                       TABLE_NAME_MAX);
    }
    c->change.kind = TABLE_CREATE;
    if (x->request.body.size == 0) { /* all defaults */
        return ERR_OK;
    }
    json_t *root = native_json_read(x->request.body, NATIVE_SMALL_MAX, why);
    if (root == NULL) {
        return why->code;
    }
    e = read_options(root, &c->change.options, why);
    json_decref(root);
    return e;
}

static void change(struct http_exchange *x,
                   enum err (*prepare)(struct change_call *c, struct err_why *why))
{
    struct change_call *c = arena_zero(x->arena, sizeof(*c));
    struct err_why why = {0};
    c->x = x;
    const enum err e = prepare(c, &why);
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    start(c);
}

static void put(struct http_exchange *x, void *arg)
{
    (void)arg;
    change(x, prepare_put);
}

/* ---- DELETE ---- */

static enum err prepare_remove(struct change_call *c, struct err_why *why)
{
    const enum err e = parameters_none(c->x, why);
    c->change.kind = TABLE_DROP;
    return e == ERR_OK ? native_segment(c->x, 1, &c->change.name, why) : e;
}

static void remove_table(struct http_exchange *x, void *arg)
{
    (void)arg;
    change(x, prepare_remove);
}

const struct native_resource *native_tables(size_t *count)
{
    static const struct http_route list_route = {
        .name = "tables_list", .handle = list, .on_abort = http_task_on_abort};
    static const struct http_route get_route = {
        .name = "table_get", .handle = get, .on_abort = http_task_on_abort};
    static const struct http_route put_route = {.name = "table_create",
                                                .body_max = NATIVE_SMALL_MAX,
                                                .handle = put,
                                                .on_abort = http_task_on_abort};
    static const struct http_route remove_route = {
        .name = "table_drop", .handle = remove_table, .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables"}, .get = &list_route},
        {.pattern = {"tables", "*"}, .get = &get_route, .put = &put_route, .remove = &remove_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
