#include "router/catalogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#define ROW_VERSION  1
#define CACHE_TTL_MS 5000
#define REDIS_TABLES 16 /* databases 0 to 15; 0 is kv */

/* Little endian, as everything holdfast stores. */
struct table_row {
    uint8_t version;
    uint8_t engine;
    uint8_t partition;
    uint8_t evict;
    uint32_t id;
    uint64_t default_ttl_ms;
    uint64_t created_ms;
    uint8_t is_built_in;
    uint8_t zero[7];
};

_Static_assert(sizeof(struct table_row) == 32, "stored");

bool table_name_is_valid(struct slice name)
{
    if (name.size < 1 || name.size > TABLE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.data[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

static struct slice name_of(const struct table *t)
{
    return slice_of(t->name, t->name_size);
}

static int by_name(const void *a, const void *b)
{
    const struct table *const *left = a;
    const struct table *const *right = b;
    return slice_compare(name_of(*left), name_of(*right));
}

/* Ids only grow, so there is no array of all of them. */
static void index_ids(struct catalogue *c)
{
    size_t room = 16;
    while (room < 2 * c->all_count) {
        room *= 2;
    }
    c->by_id_mask = (uint32_t)room - 1;
    c->by_id = mem_zero(room, sizeof(struct table *));
    for (size_t i = 0; i < c->all_count; i++) {
        uint32_t at = c->tables[i].id & c->by_id_mask;
        while (c->by_id[at] != NULL) {
            at = (at + 1) & c->by_id_mask;
        }
        c->by_id[at] = &c->tables[i];
    }
}

struct catalogue *catalogue_new(uint64_t version, const struct table *tables, size_t count)
{
    struct catalogue *c = mem_zero(1, sizeof(*c));
    atomic_init(&c->shares, 1);
    c->version = version;
    c->all_count = count;
    c->tables = mem_zero(count, sizeof(*c->tables));
    c->sorted = mem_zero(count, sizeof(struct table *));
    for (size_t i = 0; i < count; i++) {
        c->tables[i] = tables[i];
        if (!tables[i].is_staged) {
            c->sorted[c->count++] = &c->tables[i];
        }
    }
    qsort(c->sorted, c->count, sizeof(struct table *), by_name);
    index_ids(c);
    return c;
}

struct catalogue *catalogue_share(struct catalogue *c)
{
    atomic_fetch_add(&c->shares, 1);
    return c;
}

void catalogue_release(struct catalogue **catalogue)
{
    struct catalogue *c = *catalogue;
    *catalogue = NULL;
    if (c == NULL || atomic_fetch_sub(&c->shares, 1) != 1) {
        return;
    }
    mem_free(c->tables);
    mem_free(c->sorted);
    mem_free(c->by_id);
    mem_free(c);
}

const struct table *catalogue_find(const struct catalogue *c, struct slice name)
{
    size_t low = 0;
    size_t high = c->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const int order = slice_compare(name_of(c->sorted[middle]), name);
        if (order == 0) {
            return c->sorted[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

void table_encode(struct buf *out, const struct table *t)
{
    const struct table_row row = {.version = ROW_VERSION,
                                  .engine = (uint8_t)t->options.engine,
                                  .partition = (uint8_t)t->options.partition,
                                  .evict = (uint8_t)t->options.evict,
                                  .id = t->id,
                                  .default_ttl_ms = t->options.default_ttl_ms,
                                  .created_ms = t->created_ms,
                                  .is_built_in = t->is_built_in};
    buf_append(out, &row, sizeof(row));
}

enum err table_decode(struct slice name, struct slice bytes, struct table *t)
{
    static const uint8_t zero[sizeof(((struct table_row *)NULL)->zero)] = {0};
    struct table_row row;
    if (bytes.size != sizeof(row) || !table_name_is_valid(name)) {
        return ERR_CORRUPT;
    }
    memcpy(&row, bytes.data, sizeof(row));
    if (row.version != ROW_VERSION || row.engine > TABLE_MEMORY ||
        row.partition > PARTITION_TABLE || row.evict > EVICT_LRU || row.id <= CATALOGUE_TABLE ||
        row.is_built_in > 1 || memcmp(row.zero, zero, sizeof(zero)) != 0) {
        return ERR_CORRUPT;
    }
    *t = (struct table){.id = row.id,
                        .options = {.engine = row.engine,
                                    .partition = row.partition,
                                    .evict = row.evict,
                                    .default_ttl_ms = row.default_ttl_ms},
                        .created_ms = row.created_ms,
                        .is_built_in = row.is_built_in != 0,
                        .name_size = (uint8_t)name.size};
    memcpy(t->name, name.data, name.size);
    return ERR_OK;
}

static void add_built_in(struct table *t, const char *name, uint32_t id, enum table_engine engine,
                         uint64_t now_ms)
{
    *t = (struct table){
        .id = id, .options = {.engine = engine}, .created_ms = now_ms, .is_built_in = true};
    const size_t size = strlen(name);
    CHECK(size <= TABLE_NAME_MAX);
    memcpy(t->name, name, size);
    t->name_size = (uint8_t)size;
}

size_t built_in_tables(struct table *tables, size_t max, uint32_t first_id,
                       enum table_engine engine, uint64_t now_ms)
{
    static const char *const names[] = {"kv",    "cache", "counters", "sets",
                                        "flags", "log",   "dstash"};
    const size_t named = sizeof(names) / sizeof(names[0]);
    const size_t count = named + REDIS_TABLES - 1;
    for (size_t i = 0; i < count && i < max; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "db%zu", i - named + 1);
        add_built_in(&tables[i], i < named ? names[i] : name, first_id + (uint32_t)i, engine,
                     now_ms);
        if (i == 1) { /* the cache */
            tables[i].options.engine = TABLE_MEMORY;
            tables[i].options.evict = EVICT_LRU;
            tables[i].options.default_ttl_ms = CACHE_TTL_MS;
        }
    }
    return count;
}
