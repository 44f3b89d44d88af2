/* Cursors: whatever numbers come back, a point is found only under the number it was given, it is
 * the one that was kept, and the newest two of a scan are there.
 *
 * The input is a row of steps: keep behind a number, find a number, let time pass. A number is one
 * that was given, perhaps with some bits turned over, or any. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/random.h"
#include "router/cursor.h"

#define GIVEN_MAX 256

struct given {
    uint64_t number;
    uint8_t text; /* of its `after` */
};

struct world {
    struct cursors cursors;
    struct given given[GIVEN_MAX];
    size_t count;
    uint64_t now_ms;
    struct random random; /* numbers that nobody can guess, not even the input */
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct world *w)
{
    const uint8_t byte = w->size > 0 ? w->data[0] : 0;
    w->data += w->size > 0 ? 1 : 0;
    w->size -= w->size > 0 ? 1 : 0;
    return byte;
}

static uint64_t take_number(struct world *w)
{
    const uint8_t how = take(w);
    if (how < 128 && w->count > 0) {
        const uint64_t number = w->given[how % w->count].number;
        const uint8_t turn = take(w);
        return turn < 192 ? number : number ^ (UINT64_C(1) << turn % 64);
    }
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | take(w);
    }
    return number;
}

static const struct given *find_given(const struct world *w, uint64_t number)
{
    for (size_t i = w->count; i-- > 0;) {
        if (w->given[i].number == number) {
            return &w->given[i];
        }
    }
    return NULL;
}

static bool find(struct world *w, uint64_t number)
{
    struct arena arena = {0};
    struct cursor_point point;
    const enum err e = cursors_find(&w->cursors, number, w->now_ms, &arena, &point);
    CHECK(e == ERR_OK || e == ERR_NOT_FOUND);
    if (e == ERR_OK) {
        const struct given *g = find_given(w, number);
        CHECK(g != NULL);
        CHECK(point.from == number);
        CHECK(point.table == 1u + g->text);
        CHECK(point.shard == g->text);
        CHECK(point.owner.size == g->text % 3u);
        CHECK(point.after.size == g->text);
        for (size_t i = 0; i < point.after.size; i++) {
            CHECK(point.after.data[i] == g->text);
        }
    }
    arena_deinit(&arena);
    return e == ERR_OK;
}

static void keep(struct world *w)
{
    uint8_t text[256];
    const uint64_t from = take_number(w);
    const uint8_t byte = take(w);
    memset(text, byte, sizeof(text));
    const bool was_there = find(w, from);
    const struct cursor_point point = {.table = 1u + byte,
                                       .shard = byte,
                                       .owner = slice_of(text, byte % 3u),
                                       .after = slice_of(text, byte),
                                       .from = from};
    const uint64_t random = random_next(&w->random);
    const uint64_t number = cursors_keep(&w->cursors, &point, w->now_ms, random);
    CHECK(number != 0);
    CHECK(number <= INT64_MAX);
    CHECK(w->count < GIVEN_MAX);
    w->given[w->count++] = (struct given){number, byte};
    CHECK(find(w, number));
    CHECK(!was_there || find(w, from));
}

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = mem_zero(1, sizeof(*w));
    w->data = data;
    w->size = size < 3 * GIVEN_MAX ? size : 3 * GIVEN_MAX; /* a keep takes more than three */
    w->now_ms = 1;
    cursors_init(&w->cursors);
    while (w->size > 0) {
        const uint8_t step = take(w);
        if (step < 128) {
            keep(w);
        } else if (step < 240) {
            (void)find(w, take_number(w));
        } else {
            w->now_ms += CURSOR_KEEP_MS / 16 * take(w) / 16;
        }
    }
    cursors_deinit(&w->cursors);
    mem_free(w);
    return 0;
}
