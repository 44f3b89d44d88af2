/* result.c - results that outlive the turn in which they came about. */
#include "shard/shard.h"

void result_keep(struct result *r, struct arena *arena)
{
    if (r->value.size > 0) {
        r->value = arena_copy(arena, r->value);
    }
    if (r->row_count > 0) {
        r->rows =
            rows_copy(arena_get(arena, rows_size(r->rows, r->row_count)), r->rows, r->row_count);
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
