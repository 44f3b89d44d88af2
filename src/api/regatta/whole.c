#include "api/regatta/whole.h"

#include "api/regatta/regatta.h"
#include "base/check.h"

#define PAGE_BYTES ((size_t)256 << 10)
#define FNV_START  UINT64_C(14695981039346656037)
#define FNV_PRIME  UINT64_C(1099511628211)

struct slice *whole_tables(const struct router *r, struct arena *arena, size_t *count)
{
    size_t all = 0;
    const struct table *const *tables = router_tables(r, &all);
    struct slice *names = arena_get(arena, (all + 1) * sizeof(*names));
    *count = 0;
    for (size_t i = 0; i < all; i++) {
        if (is_regatta_table(tables[i])) {
            names[(*count)++] = arena_copy(arena, slice_of(tables[i]->name, tables[i]->name_size));
        }
    }
    return names;
}

/* ---- Emptying ---- */

static void empty_next(struct emptying *e);

static void on_emptied(struct table_change *c)
{
    struct emptying *e = c->arg;
    const bool is_gone = c->err == ERR_NOT_FOUND && e->count > 1;
    if (c->err != ERR_OK && !is_gone) {
        e->err = c->err;
    }
    if (e->err != ERR_OK || ++e->next == e->count) {
        e->done(e);
        return;
    }
    empty_next(e);
}

static void empty_next(struct emptying *e)
{
    e->change = (struct table_change){
        .kind = TABLE_EMPTY, .name = e->names[e->next], .done = on_emptied, .arg = e};
    router_change_table(e->router, &e->change);
}

void emptying_start(struct emptying *e)
{
    CHECK(e->count > 0);
    e->err = ERR_OK;
    e->next = 0;
    empty_next(e);
}

/* ---- Hashing ---- */

static void add(struct hashing *h, struct slice bytes)
{
    uint64_t hash = h->hash;
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash * FNV_PRIME) ^ bytes.data[i];
    }
    h->hash = hash;
}

static void next_table(struct hashing *h);
static void next_page(struct hashing *h);

static void on_page(struct source_page *p)
{
    struct hashing *h = p->arg;
    const struct slice name = h->names[h->next];
    for (size_t i = 0; i < p->row_count; i++) {
        add(h, slice_of("", 1));
        add(h, name);
        add(h, p->rows[i].key);
        add(h, p->rows[i].value);
    }
    const bool is_gone = p->err == ERR_NOT_FOUND;
    h->err = h->is_canceled ? ERR_CANCELED : is_gone ? ERR_OK : p->err;
    if (h->err == ERR_OK && !p->is_end) {
        next_page(h);
        return;
    }
    source_close(&h->source);
    h->next++;
    if (h->err == ERR_OK) {
        next_table(h);
    } else {
        h->done(h);
    }
}

static void next_page(struct hashing *h)
{
    h->page = (struct source_page){.bytes_max = PAGE_BYTES, .done = on_page, .arg = h};
    source_next(h->source, &h->page);
}

static void next_table(struct hashing *h)
{
    const struct table *t = NULL;
    for (; h->next < h->count && t == NULL; h->next += t == NULL ? 1 : 0) {
        t = router_table(h->router, h->names[h->next]);
    }
    if (t == NULL) {
        h->done(h);
        return;
    }
    const struct source_config config = {
        .kind = SOURCE_RANGE, .table = t->id, .from = SLICE(""), .is_snapshot = true};
    h->source = source_open(h->router, &config);
    next_page(h);
}

static void on_start(void *arg)
{
    struct hashing *h = arg;
    if (h->is_canceled) {
        h->err = ERR_CANCELED;
        h->done(h);
        return;
    }
    next_table(h);
}

void hashing_start(struct hashing *h)
{
    h->err = ERR_OK;
    h->hash = FNV_START;
    h->next = 0;
    router_defer(h->router, &h->task, on_start, h);
}

void hashing_cancel(struct hashing *h)
{
    h->is_canceled = true;
}
