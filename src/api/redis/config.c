/* config.c - CONFIG: the node's own settings, and those of Redis that clients ask for. */
#include <inttypes.h>

#include "api/redis/session.h"

/* ---- CONFIG GET ---- */

struct config_list {
    const struct task *task;
    struct buf pairs; /* answered so far, as bulk strings */
    size_t pair_count;
    const char *last_name; /* of the setting in `last_value`; NULL: none yet */
    struct buf last_value; /* a setting may come in several parts, one after the other */
};

static bool is_asked(const struct config_list *list, const char *name)
{
    for (size_t i = 2; i < list->task->arg_count; i++) {
        if (glob_match(list->task->args[i], slice_of_text(name), true)) {
            return true;
        }
    }
    return false;
}

static void end_setting(struct config_list *list)
{
    if (list->last_name != NULL && is_asked(list, list->last_name)) {
        resp_bulk_text(&list->pairs, list->last_name);
        resp_bulk(&list->pairs, buf_slice(&list->last_value));
        list->pair_count++;
    }
    list->last_name = NULL;
    buf_clear(&list->last_value);
}

static void add_setting(void *arg, const char *name, const char *value)
{
    struct config_list *list = arg;
    if (list->last_name != NULL && strcmp(list->last_name, name) == 0) {
        buf_append_byte(&list->last_value, ' ');
    } else {
        end_setting(list);
    }
    list->last_name = name;
    buf_append_text(&list->last_value, value);
}

static void add_number(struct config_list *list, const char *name, uint64_t number)
{
    end_setting(list);
    list->last_name = name;
    buf_append_u64(&list->last_value, number);
}

/* What Redis calls things that are so here, too. */
static void add_redis_settings(const struct redis_session *s, struct config_list *list)
{
    const struct node_facts *facts = s->context->facts;
    struct node_totals totals = {0};
    facts->totals(facts->arg, &totals);
    add_setting(list, "appendonly", s->table_is_memory ? "no" : "yes");
    add_number(list, "databases", REDIS_DATABASES);
    add_number(list, "maxmemory", totals.memory_limit_bytes);
    add_setting(list, "maxmemory-policy", "noeviction");
    add_number(list, "port", facts->port);
    add_number(list, "proto-max-bulk-len", router_value_max(s->router));
    add_setting(list, "save", "");
    add_number(list, "slowlog-log-slower-than", s->context->slow_us);
    add_number(list, "slowlog-max-len", REDIS_SLOW_MAX);
    add_number(list, "timeout", 0);
}

static enum verdict config_get(struct task *t)
{
    const struct redis_session *s = t->session;
    const struct node_facts *facts = s->context->facts;
    struct config_list list = {.task = t};
    add_redis_settings(s, &list);
    facts->settings(facts->arg, add_setting, &list);
    end_setting(&list);
    resp_map(t->out, s->version, list.pair_count);
    buf_append(t->out, list.pairs.data, list.pairs.size);
    buf_deinit(&list.pairs);
    buf_deinit(&list.last_value);
    return TASK_REPLIED;
}

/* ---- CONFIG SET ---- */

#define SETTING_MAX 512 /* bytes of a name or a value */

static bool copy_text(char to[SETTING_MAX], struct slice from)
{
    if (from.size >= SETTING_MAX || (from.size > 0 && memchr(from.data, 0, from.size) != NULL)) {
        return false;
    }
    memcpy(to, from.data, from.size);
    to[from.size] = 0;
    return true;
}

/* True if `name` is one that CONFIG GET shows in Redis' words. */
static bool is_redis_setting(const char *name)
{
    static const char *const names[] = {"appendonly",
                                        "databases",
                                        "maxmemory",
                                        "maxmemory-policy",
                                        "port",
                                        "proto-max-bulk-len",
                                        "save",
                                        "slowlog-log-slower-than",
                                        "slowlog-max-len",
                                        "timeout"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (resp_is(slice_of_text(name), names[i])) {
            return true;
        }
    }
    return false;
}

static enum err set_one(struct task *t, const char *name, const char *value, struct err_why *why)
{
    const struct node_facts *facts = t->session->context->facts;
    if (is_redis_setting(name)) {
        return err_set(why, ERR_DENIED, "can't set immutable config");
    }
    return facts->change_setting(facts->arg, name, value, why);
}

static enum verdict config_set(struct task *t)
{
    if (t->arg_count % 2 != 0) {
        return task_syntax_error(t);
    }
    for (size_t i = 2; i < t->arg_count; i += 2) {
        char name[SETTING_MAX];
        char value[SETTING_MAX];
        struct err_why why = {0};
        if (!copy_text(name, t->args[i]) || !copy_text(value, t->args[i + 1])) {
            return task_error(t, ERR_INVALID, "ERR a setting is too long");
        }
        const enum err err = set_one(t, name, value, &why);
        if (err == ERR_NOT_FOUND) {
            return task_errorf(
                t, err, "ERR Unknown option or number of arguments for CONFIG SET - '%.128s'",
                name);
        }
        if (err != ERR_OK) {
            return task_errorf(t, err,
                               "ERR CONFIG SET failed (possibly related to argument '%.128s') - %s",
                               name, why.text);
        }
    }
    return task_ok(t);
}

static enum verdict config_rewrite(struct task *t)
{
    return task_error(t, ERR_UNIMPLEMENTED, "ERR The server is running without a config file");
}

static enum verdict config_help(struct task *t)
{
    static const char *const lines[] = {
        "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET <pattern> [<pattern> ...]",
        "    Return the settings whose names match, with their values.",
        "SET <name> <value> [<name> <value> ...]",
        "    Change settings that may change while the node runs.",
        "RESETSTAT",
        "    Accepted; counters are never reset, see /metrics.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_config(struct task *t)
{
    static const struct subcommand subs[] = {{"get", config_get, -3},
                                             {"help", config_help, 2},
                                             {"resetstat", task_ok, 2},
                                             {"rewrite", config_rewrite, 2},
                                             {"set", config_set, -4}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
