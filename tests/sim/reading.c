#include "sim/reading.h"

#include <stdlib.h>

#include "harness.h"

static void take_text(char *out, struct slice bytes)
{
    EXPECT(bytes.size < TEXT_MAX);
    if (bytes.size > 0) {
        memcpy(out, bytes.data, bytes.size);
    }
    out[bytes.size] = '\0';
}

static void on_page(struct source_page *p)
{
    struct reading *r = p->arg;
    struct seen *seen = r->seen;
    EXPECT(p->err != ERR_OK || p->is_end || p->row_count > 0);
    EXPECT(p->err == ERR_OK || p->is_end);
    for (size_t i = 0; i < p->row_count; i++) {
        EXPECT(seen->count < SEEN_MAX);
        take_text(seen->keys[seen->count], p->rows[i].key);
        take_text(seen->values[seen->count], p->rows[i].value);
        seen->count++;
    }
    seen->err = p->err;
    seen->pages++;
    r->answers++;
    r->is_done = true;
}

void reading_begin(struct reading *r, struct scene *s, uint32_t loop, struct seen *seen,
                   const struct source_config *config)
{
    *r = (struct reading){
        .scene = s, .source = source_open(s->node.router[loop], config), .seen = seen};
    seen->count = 0;
    seen->pages = 0;
    seen->err = ERR_OK;
}

void reading_ask(struct reading *r, size_t bytes_max)
{
    r->is_done = false;
    r->page = (struct source_page){.bytes_max = bytes_max, .done = on_page, .arg = r};
    source_next(r->source, &r->page);
    EXPECT(!r->is_done);
}

bool reading_next(struct reading *r, size_t bytes_max)
{
    reading_ask(r, bytes_max);
    EXPECT(sim_run(&r->is_done, SCENE_WAIT_MS));
    return !r->page.is_end;
}

void read_all(struct scene *s, uint32_t loop, struct seen *seen, const struct source_config *config,
              size_t bytes_max)
{
    struct reading r;
    reading_begin(&r, s, loop, seen, config);
    while (reading_next(&r, bytes_max)) {
    }
    source_close(&r.source);
    EXPECT(r.source == NULL);
}

void key_text(unsigned i, char *out)
{
    (void)snprintf(out, TEXT_MAX, "%03u-%u", i % 1000, i * 7919 % 101);
}

void value_text(unsigned i, char *out)
{
    (void)snprintf(out, TEXT_MAX, "value %u", i);
}

void put_keys(struct scene *s, uint32_t table)
{
    for (unsigned i = 0; i < KEYS; i++) {
        char key[TEXT_MAX];
        char value[TEXT_MAX];
        key_text(i, key);
        value_text(i, value);
        EXPECT_EQ(ERR_OK, scene_put(s, table, key, value));
    }
}

uint64_t add_members(struct scene *s, uint32_t table, unsigned first, unsigned count)
{
    EXPECT(count <= KEYS);
    char texts[KEYS][TEXT_MAX];
    struct slice items[KEYS];
    for (unsigned i = 0; i < count; i++) {
        key_text(first + i, texts[i]);
        items[i] = slice_of_text(texts[i]);
    }
    const struct op op = {.kind = OP_SET_ADD,
                          .table = table,
                          .key = SLICE("set"),
                          .items = items,
                          .item_count = count};
    const struct result result = scene_call(s, 0, &op);
    EXPECT_EQ(ERR_OK, result.err);
    return result.count;
}

void append_version(struct scene *s, uint32_t table, unsigned i)
{
    char id[TEXT_MAX];
    char value[TEXT_MAX];
    key_text(i, id);
    value_text(i, value);
    const struct op op = {.kind = OP_LOG_APPEND,
                          .table = table,
                          .key = SLICE("log"),
                          .value = slice_of_text(value),
                          .id = slice_of_text(id)};
    EXPECT_EQ(ERR_OK, scene_call(s, 0, &op).err);
}

void each_seed(void (*run)(uint64_t seed), uint64_t count)
{
    const char *one = getenv("HOLDFAST_SEED");
    const uint64_t first = one != NULL ? strtoull(one, NULL, 10) : 1;
    const uint64_t last = one != NULL ? first : count;
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", seed);
        (void)fflush(stdout);
        run(seed);
    }
}
