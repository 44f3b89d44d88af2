/* lcs.c - LCS: the longest common subsequence of two strings, by the textbook table. */
#include "api/redis/session.h"

#define TABLE_MAX ((size_t)64 << 20) /* bytes of the table; bounds the time as well */

struct lcs {
    bool wants_length;
    bool wants_matches;
    bool wants_match_lengths;
    int64_t match_min;
    struct slice texts[2];
};

/* cells[i][j]: length of the answer for the first i bytes of `a` and the first j of `b`. */
struct lcs_table {
    struct slice a, b;
    uint32_t *cells;
};

/* A stretch that both strings have: a[a_at, a_at + size), b[b_at, b_at + size). */
struct match {
    size_t a_at, b_at, size;
};

static uint32_t *cell(const struct lcs_table *x, size_t i, size_t j)
{
    return &x->cells[i * (x->b.size + 1) + j];
}

static void fill(const struct lcs_table *x)
{
    memset(x->cells, 0, (x->b.size + 1) * sizeof(*x->cells));
    for (size_t i = 1; i <= x->a.size; i++) {
        const uint32_t *above = cell(x, i - 1, 0);
        uint32_t *row = cell(x, i, 0);
        row[0] = 0;
        for (size_t j = 1; j <= x->b.size; j++) {
            if (x->a.data[i - 1] == x->b.data[j - 1]) {
                row[j] = above[j - 1] + 1;
            } else {
                row[j] = above[j] > row[j - 1] ? above[j] : row[j - 1];
            }
        }
    }
}

/* Walks back from the end of both strings; `i` and `j` are how much of them is left. Stops behind
 * the next stretch of common bytes; false: there is none. */
static bool next_match(const struct lcs_table *x, size_t *i, size_t *j, struct match *match)
{
    while (*i > 0 && *j > 0 && x->a.data[*i - 1] != x->b.data[*j - 1]) {
        if (*cell(x, *i - 1, *j) > *cell(x, *i, *j - 1)) {
            --*i;
        } else {
            --*j;
        }
    }
    const size_t a_end = *i;
    while (*i > 0 && *j > 0 && x->a.data[*i - 1] == x->b.data[*j - 1]) {
        --*i;
        --*j;
    }
    *match = (struct match){*i, *j, a_end - *i};
    return match->size > 0;
}

static void write_subsequence(const struct lcs_table *x, struct buf *out)
{
    const size_t size = *cell(x, x->a.size, x->b.size);
    size_t i = x->a.size;
    size_t j = x->b.size;
    size_t at = size;
    struct match match;
    uint8_t *text = mem_alloc(size + 1);
    while (next_match(x, &i, &j, &match)) {
        at -= match.size;
        memcpy(text + at, x->a.data + match.a_at, match.size);
    }
    resp_bulk(out, slice_of(text, size));
    mem_free(text);
}

static void write_range(struct buf *out, size_t at, size_t size)
{
    resp_array(out, 2);
    resp_integer(out, (int64_t)at);
    resp_integer(out, (int64_t)(at + size - 1));
}

static void write_matches(struct task *t, const struct lcs_table *x, struct buf *out)
{
    const struct lcs *wish = t->state;
    struct buf matches = {0};
    size_t count = 0;
    size_t i = x->a.size;
    size_t j = x->b.size;
    struct match match;
    while (next_match(x, &i, &j, &match)) {
        if (wish->match_min > 0 && match.size < (uint64_t)wish->match_min) {
            continue;
        }
        resp_array(&matches, wish->wants_match_lengths ? 3 : 2);
        write_range(&matches, match.a_at, match.size);
        write_range(&matches, match.b_at, match.size);
        if (wish->wants_match_lengths) {
            resp_integer(&matches, (int64_t)match.size);
        }
        count++;
    }
    resp_map(out, t->session->version, 2);
    resp_bulk_text(out, "matches");
    resp_array(out, count);
    buf_append(out, matches.data, matches.size);
    resp_bulk_text(out, "len");
    resp_integer(out, *cell(x, x->a.size, x->b.size));
    buf_deinit(&matches);
}

static void keep_text(struct task *t, struct buf *out, const struct result *result)
{
    (void)out;
    struct lcs *wish = t->state;
    if (task_note(t, result) && result->err == ERR_OK) {
        wish->texts[t->index] = task_copy(t, result->value);
    }
}

static void finish_lcs(struct task *t, struct buf *out)
{
    const struct lcs *wish = t->state;
    struct lcs_table x = {.a = wish->texts[0], .b = wish->texts[1]};
    if (t->failure == ERR_WRONG_TYPE) {
        task_fail_text(t, out, ERR_WRONG_TYPE, "ERR The specified keys must contain string values");
        return;
    }
    if (task_failed(t, out)) {
        return;
    }
    if ((x.a.size + 1) > TABLE_MAX / sizeof(*x.cells) / (x.b.size + 1)) {
        task_fail_text(t, out, ERR_TOO_LARGE,
                       "ERR Insufficient memory, transient memory for LCS exceeds "
                       "proto-max-bulk-len");
        return;
    }
    x.cells = mem_alloc((x.a.size + 1) * (x.b.size + 1) * sizeof(*x.cells));
    fill(&x);
    if (wish->wants_matches) {
        write_matches(t, &x, out);
    } else if (wish->wants_length) {
        resp_integer(out, *cell(&x, x.a.size, x.b.size));
    } else {
        write_subsequence(&x, out);
    }
    mem_free(x.cells);
}

static bool read_options(struct task *t, struct lcs *wish)
{
    *wish = (struct lcs){0};
    for (size_t i = 3; i < t->arg_count; i++) {
        if (arg_is(t, i, "idx")) {
            wish->wants_matches = true;
        } else if (arg_is(t, i, "len")) {
            wish->wants_length = true;
        } else if (arg_is(t, i, "withmatchlen")) {
            wish->wants_match_lengths = true;
        } else if (arg_is(t, i, "minmatchlen") && i + 1 < t->arg_count) {
            if (!arg_integer(t, ++i, &wish->match_min)) {
                return false;
            }
        } else {
            (void)task_syntax_error(t);
            return false;
        }
    }
    if (wish->wants_matches && wish->wants_length) {
        (void)task_error(t, ERR_INVALID,
                         "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

enum verdict redis_lcs(struct task *t)
{
    const bool is_split = t->exec == NULL && task_is_split(t, t->args + 1, 2, 1);
    if (is_split && !task_is_first(t)) {
        return TASK_WAITS;
    }
    struct lcs *wish = task_memory(t, sizeof(*wish));
    if (!read_options(t, wish)) {
        return TASK_REPLIED;
    }
    (void)task_part(t, OP_GET, t->args[1]);
    (void)task_part(t, OP_GET, t->args[2]);
    t->state = wish;
    t->encode = keep_text;
    t->finish = finish_lcs;
    return TASK_CALLS;
}
