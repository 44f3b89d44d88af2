/* slowlog.c - SLOWLOG: the last commands of this loop that took long. Kept in memory, shown to
 * whoever asks, never written to the log. */
#include <stdio.h>

#include "api/redis/session.h"
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

static enum verdict slowlog_get(struct task *t)
{
    struct slow_log *log = &t->session->loop->slow_log;
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
    const bool is_all = count == -1 || (uint64_t)count > log->count;
    const size_t shown = is_all ? log->count : (size_t)count;
    resp_array(t->out, shown);
    for (size_t i = 0; i < shown; i++) {
        const struct slow_entry *e = &record_at(log, log->next_id - 1 - i)->entry;
        resp_array(t->out, 6);
        resp_integer(t->out, (int64_t)e->id);
        resp_integer(t->out, (int64_t)e->time_s);
        resp_integer(t->out, (int64_t)e->duration_us);
        resp_array(t->out, e->arg_count);
        buf_append_slice(t->out, e->text);
        resp_bulk(t->out, e->peer);
        resp_bulk(t->out, e->client_name);
    }
    return TASK_REPLIED;
}

static enum verdict slowlog_len(struct task *t)
{
    resp_integer(t->out, (int64_t)t->session->loop->slow_log.count);
    return TASK_REPLIED;
}

static enum verdict slowlog_reset(struct task *t)
{
    slow_log_clear(&t->session->loop->slow_log);
    return task_ok(t);
}

static enum verdict slowlog_help(struct task *t)
{
    static const char *const lines[] = {
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Return the newest <count> entries of this thread (default: 10, -1: all): id, time in",
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
