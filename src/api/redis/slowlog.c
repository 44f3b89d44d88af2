/* slowlog.c - SLOWLOG: the last commands of each loop that took long. Kept in memory, shown to
 * whoever asks, never written to the log. */
#include <stdio.h>
#include <stdlib.h>

#include "api/redis/tour.h"
#include "base/check.h"

static struct slow_record *record_at(struct slow_log *log, uint64_t id)
{
    return &log->records[id % REDIS_SLOW_MAX];
}

void slow_log_clear(struct slow_log *log)
{
    for (size_t i = 0; i < REDIS_SLOW_MAX; i++) {
        buf_deinit(&log->records[i].bytes);
        log->records[i].entry = (struct slow_entry){0};
    }
    log->count = 0;
}

static void append_cut(struct buf *out, struct slice arg)
{
    if (arg.size <= REDIS_SLOW_ARG_SIZE) {
        resp_bulk(out, arg);
        return;
    }
    char text[REDIS_SLOW_ARG_SIZE + 48];
    const int size = snprintf(text, sizeof(text), "%.*s... (%zu more bytes)", REDIS_SLOW_ARG_SIZE,
                              (const char *)arg.data, arg.size - REDIS_SLOW_ARG_SIZE);
    CHECK(size > 0 && (size_t)size < sizeof(text));
    resp_bulk_text(out, text);
}

static size_t append_args(struct buf *out, const struct resp_parser *p)
{
    const bool is_cut = p->arg_count > REDIS_SLOW_ARGS;
    const size_t shown = is_cut ? REDIS_SLOW_ARGS - 1 : p->arg_count;
    for (size_t i = 0; i < shown; i++) {
        append_cut(out, p->args[i]);
    }
    if (is_cut) {
        char text[64];
        (void)snprintf(text, sizeof(text), "... (%zu more arguments)", p->arg_count - shown);
        resp_bulk_text(out, text);
    }
    return shown + is_cut;
}

void slow_log_add(struct slow_log *log, const struct command *c, uint64_t duration_us)
{
    const struct redis_session *s = c->task.session;
    struct resp_parser parser = {.bulk_max = RESP_BULK_MAX};
    if (resp_parse(&parser, c->raw.data, c->raw.size) != RESP_COMMAND) {
        resp_parser_deinit(&parser);
        return;
    }
    struct slow_record *record = record_at(log, log->next_id);
    struct buf *bytes = &record->bytes;
    buf_clear(bytes);
    const size_t arg_count = append_args(bytes, &parser);
    const size_t text_size = bytes->size;
    const size_t peer_size = strlen(s->owner.peer);
    buf_append(bytes, s->owner.peer, peer_size);
    buf_append(bytes, s->name, s->name_size);
    resp_parser_deinit(&parser);
    record->entry = (struct slow_entry){
        .id = log->next_id++,
        .time_s = router_now_ms(s->router) / 1000,
        .duration_us = duration_us,
        .text = slice_of(bytes->data, text_size),
        .arg_count = arg_count,
        .peer = slice_of(bytes->data + text_size, peer_size),
        .client_name = slice_of(bytes->data + text_size + peer_size, s->name_size),
    };
    log->count += log->count < REDIS_SLOW_MAX;
}

/* ---- SLOWLOG ---- */

struct slow_item {
    struct slow_entry entry; /* its slices are empty: */
    size_t at;               /* what they held lies here, as the end of a reply */
    size_t size;
};

struct slow_tour {
    struct redis_tour tour;
    size_t count_max; /* entries wanted */
    size_t count;     /* there are */
    struct buf bytes;
    struct slow_item *items; /* owned */
    size_t item_count;
};

/* Ids are counted on each loop; this makes them different, and nearly in the order of time. */
static uint64_t id_among(const struct loop_context *there, uint64_t id)
{
    return id * there->facts->threads + router_loop_index(there->router);
}

static void add_entry(struct slow_tour *x, const struct slow_entry *e,
                      const struct loop_context *there)
{
    struct slow_item *item = &x->items[x->item_count++];
    *item = (struct slow_item){.at = x->bytes.size};
    item->entry.id = id_among(there, e->id);
    item->entry.time_s = e->time_s;
    item->entry.duration_us = e->duration_us;
    resp_array(&x->bytes, e->arg_count);
    buf_append_slice(&x->bytes, e->text);
    resp_bulk(&x->bytes, e->peer);
    resp_bulk(&x->bytes, e->client_name);
    item->size = x->bytes.size - item->at;
}

static void visit_entries(struct router_tour *tour, struct loop_context *there)
{
    struct slow_tour *x = container_of(tour, struct slow_tour, tour.tour);
    struct slow_log *log = there->redis == NULL ? NULL : &there->redis->slow_log;
    const size_t count = log == NULL ? 0 : log->count;
    const size_t shown = count < x->count_max ? count : x->count_max;
    x->count += count;
    x->items = mem_resize(x->items, (x->item_count + shown + 1) * sizeof(*x->items));
    for (size_t i = 0; i < shown; i++) {
        add_entry(x, &record_at(log, log->next_id - 1 - i)->entry, there);
    }
}

static int newest_first(const void *a, const void *b)
{
    const struct slow_entry *left = &((const struct slow_item *)a)->entry;
    const struct slow_entry *right = &((const struct slow_item *)b)->entry;
    if (left->time_s != right->time_s) {
        return left->time_s > right->time_s ? -1 : 1;
    }
    return left->id > right->id ? -1 : left->id < right->id;
}

static void write_entries(struct redis_tour *tour, struct buf *out)
{
    struct slow_tour *x = container_of(tour, struct slow_tour, tour);
    const size_t shown = x->item_count < x->count_max ? x->item_count : x->count_max;
    if (x->item_count > 0) {
        qsort(x->items, x->item_count, sizeof(*x->items), newest_first);
    }
    resp_array(out, shown);
    for (size_t i = 0; i < shown; i++) {
        const struct slow_item *item = &x->items[i];
        resp_array(out, 6);
        resp_integer(out, (int64_t)item->entry.id);
        resp_integer(out, (int64_t)item->entry.time_s);
        resp_integer(out, (int64_t)item->entry.duration_us);
        buf_append(out, x->bytes.data + item->at, item->size);
    }
    buf_deinit(&x->bytes);
    mem_free(x->items);
}

static void write_count(struct redis_tour *tour, struct buf *out)
{
    struct slow_tour *x = container_of(tour, struct slow_tour, tour);
    resp_integer(out, (int64_t)x->count);
    mem_free(x->items);
}

static void visit_to_clear(struct router_tour *tour, struct loop_context *there)
{
    (void)tour;
    if (there->redis != NULL) {
        slow_log_clear(&there->redis->slow_log);
    }
}

static void write_cleared(struct redis_tour *tour, struct buf *out)
{
    (void)tour;
    resp_simple(out, "OK");
}

static enum verdict slow_tour(struct task *t, const struct slow_tour *what)
{
    struct slow_tour *x = task_memory(t, sizeof(*x));
    *x = *what;
    return task_tour(t, &x->tour);
}

static enum verdict slowlog_get(struct task *t)
{
    const char *error = "ERR count should be greater than or equal to -1";
    int64_t count = 10;
    if (t->arg_count == 3 && !arg_integer_or(t, 2, &count, error)) {
        return TASK_REPLIED;
    }
    if (t->arg_count > 3) {
        return task_error(t, ERR_INVALID,
                          "ERR unknown subcommand or wrong number of arguments for 'GET'. Try "
                          "SLOWLOG HELP.");
    }
    if (count < -1) {
        return task_error(t, ERR_INVALID, error);
    }
    const struct slow_tour x = {.tour = {.tour = {.visit = visit_entries}, .write = write_entries},
                                .count_max = count == -1 ? SIZE_MAX : (size_t)count};
    return slow_tour(t, &x);
}

static enum verdict slowlog_len(struct task *t)
{
    const struct slow_tour x = {.tour = {.tour = {.visit = visit_entries}, .write = write_count}};
    return slow_tour(t, &x);
}

static enum verdict slowlog_reset(struct task *t)
{
    const struct slow_tour x = {
        .tour = {.tour = {.visit = visit_to_clear}, .write = write_cleared}};
    return slow_tour(t, &x);
}

static enum verdict slowlog_help(struct task *t)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Return the newest <count> entries (default: 10, -1: all): id, time in",
        "    seconds, duration in microseconds, arguments, address and name of the client.",
        "LEN",
        "    Return how many entries there are.",
        "RESET",
        "    Forget the entries.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_slowlog(struct task *t)
{
    static const struct subcommand subs[] = {{"get", slowlog_get, -2},
                                             {"help", slowlog_help, 2},
                                             {"len", slowlog_len, 2},
                                             {"reset", slowlog_reset, 2}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
