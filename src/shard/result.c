/* result.c - results that outlive the turn in which they came about. */
#include "shard/shard.h"

static void keep_rows(struct result *r, struct arena *arena)
{
    struct row *rows = arena_get(arena, r->row_count * sizeof(*rows));
    for (size_t i = 0; i < r->row_count; i++) {
        rows[i] = r->rows[i];
        rows[i].key = arena_copy(arena, r->rows[i].key);
        rows[i].value = arena_copy(arena, r->rows[i].value);
        rows[i].author = arena_copy(arena, r->rows[i].author);
    }
    r->rows = rows;
}

void result_keep(struct result *r, struct arena *arena)
{
    if (r->value.size > 0) {
        r->value = arena_copy(arena, r->value);
    }
    if (r->row_count > 0) {
        keep_rows(r, arena);
    }
    if (r->result_count > 0) {
        struct result *results = arena_get(arena, r->result_count * sizeof(*results));
        for (size_t i = 0; i < r->result_count; i++) {
            results[i] = r->results[i];
            result_keep(&results[i], arena);
        }
        r->results = results;
    }
}
