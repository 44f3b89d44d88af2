/* config.c - CONFIG: the node's own settings, and those of Redis that clients ask for. */
#include <inttypes.h>
#include <stdio.h>

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

/* What Redis calls things that are so here, too. */
struct redis_setting {
    const char *name;
    const char *text; /* the value; NULL: a number */
    uint64_t (*number)(const struct redis_session *s);
    bool is_switch; /* 1 and 0 are yes and no */
};

static struct node_totals totals_of(const struct redis_session *s)
{
    struct node_totals totals = {0};
    s->context->facts->totals(s->context->facts->arg, &totals);
    return totals;
}

static uint64_t is_logged(const struct redis_session *s)
{
    return s->table_is_memory ? 0 : 1;
}

static uint64_t clients_max(const struct redis_session *s)
{
    return totals_of(s).connections_max;
}

static uint64_t memory_max(const struct redis_session *s)
{
    return totals_of(s).memory_limit_bytes;
}

static uint64_t port(const struct redis_session *s)
{
    return s->context->facts->port;
}

static uint64_t value_max(const struct redis_session *s)
{
    return router_value_max(s->router);
}

static uint64_t slow_us(const struct redis_session *s)
{
    return s->context->slow_us;
}

static uint64_t slow_max(const struct redis_session *s)
{
    (void)s;
    return REDIS_SLOW_MAX;
}

static uint64_t databases(const struct redis_session *s)
{
    (void)s;
    return REDIS_DATABASES;
}

static const struct redis_setting redis_settings[] = {
    {"appendonly", NULL, is_logged, true},
    {"cluster-enabled", "no", NULL, false},
    {"databases", NULL, databases, false},
    {"maxclients", NULL, clients_max, false},
    {"maxmemory", NULL, memory_max, false},
    {"maxmemory-policy", "noeviction", NULL, false},
    {"notify-keyspace-events", "", NULL, false},
    {"port", NULL, port, false},
    {"proto-max-bulk-len", NULL, value_max, false},
    {"requirepass", "", NULL, false},
    {"save", "", NULL, false},
    {"slowlog-log-slower-than", NULL, slow_us, false},
    {"slowlog-max-len", NULL, slow_max, false},
    {"timeout", "0", NULL, false},
};

#define REDIS_SETTINGS (sizeof(redis_settings) / sizeof(redis_settings[0]))
#define NUMBER_TEXT    24

static const char *redis_value(const struct redis_session *s, const struct redis_setting *setting,
                               char number[NUMBER_TEXT])
{
    if (setting->text != NULL) {
        return setting->text;
    }
    if (setting->is_switch) {
        return setting->number(s) != 0 ? "yes" : "no";
    }
    const uint64_t value = setting->number(s);
    (void)snprintf(number, NUMBER_TEXT, "%" PRId64, value > INT64_MAX ? -1 : (int64_t)value);
    return number;
}

static enum verdict config_get(struct task *t)
{
    const struct redis_session *s = t->session;
    const struct node_facts *facts = s->context->facts;
    struct config_list list = {.task = t};
    for (size_t i = 0; i < REDIS_SETTINGS; i++) {
        char number[NUMBER_TEXT];
        add_setting(&list, redis_settings[i].name, redis_value(s, &redis_settings[i], number));
    }
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

/* The node's own setting is called "slow", and is never longer than NEVER. */
#define NEVER "18446744073709551ms"

static enum err set_slow(const struct node_facts *facts, const char *value, struct err_why *why)
{
    char text[NUMBER_TEXT + 2];
    int64_t us = 0;
    if (!parse_int64(slice_of_text(value), &us)) {
        return err_set(why, ERR_NOT_A_NUMBER, "argument couldn't be parsed into an integer");
    }
    if (us < -1) {
        return err_set(why, ERR_INVALID,
                       "argument must be between -1 and 9223372036854775807 inclusive");
    }
    (void)snprintf(text, sizeof(text), "%" PRId64 "us", us);
    return facts->change_setting(facts->arg, "slow", us < 0 ? NEVER : text, why);
}

/* Of most that CONFIG GET shows in Redis' words nothing changes; to say it once more is no
 * change. */
static enum err set_one(struct task *t, const char *name, const char *value, struct err_why *why)
{
    const struct node_facts *facts = t->session->context->facts;
    if (resp_is(slice_of_text(name), "slowlog-log-slower-than")) {
        return set_slow(facts, value, why);
    }
    for (size_t i = 0; i < REDIS_SETTINGS; i++) {
        if (resp_is(slice_of_text(name), redis_settings[i].name)) {
            char number[NUMBER_TEXT];
            const char *now = redis_value(t->session, &redis_settings[i], number);
            return strcmp(now, value) == 0 ? ERR_OK
                                           : err_set(why, ERR_DENIED, "can't set immutable config");
        }
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
