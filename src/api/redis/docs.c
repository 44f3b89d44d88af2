/* docs.c - COMMAND: what the table of commands says about them. */
#include "api/redis/session.h"

static const char *group_name(uint8_t group)
{
    static const char *const names[] = {
        [GROUP_STRING] = "string",
        [GROUP_BITMAP] = "bitmap",
        [GROUP_GENERIC] = "generic",
        [GROUP_SET] = "set",
        [GROUP_TRANSACTIONS] = "transactions",
        [GROUP_CONNECTION] = "connection",
        [GROUP_SERVER] = "server",
        [GROUP_CLUSTER] = "cluster",
    };
    return names[group];
}

static const struct command_spec *spec_of(const struct task *t, size_t index)
{
    size_t count = 0;
    const struct command_spec *specs = command_specs(&count);
    const struct command_spec *spec =
        command_find(&t->session->loop->command_index, t->args[index]);
    return spec == specs + count ? NULL : spec;
}

/* ---- COMMAND INFO ---- */

/* A set of words, as simple strings. */
struct words {
    const char *items[16];
    size_t count;
};

static void add_word(struct words *w, const char *word)
{
    w->items[w->count++] = word;
}

static void write_words(struct task *t, const struct words *w)
{
    resp_set(t->out, t->session->version, w->count);
    for (size_t i = 0; i < w->count; i++) {
        resp_simple(t->out, w->items[i]);
    }
}

static struct words flags_of(const struct command_spec *spec)
{
    static const struct {
        enum command_flag flag;
        const char *word;
    } names[] = {
        {FLAG_WRITE, "write"},         {FLAG_READ, "readonly"},     {FLAG_DENYOOM, "denyoom"},
        {FLAG_ADMIN, "admin"},         {FLAG_NOSCRIPT, "noscript"}, {FLAG_LOADING, "loading"},
        {FLAG_LOADING, "stale"},       {FLAG_FAST, "fast"},         {FLAG_NO_AUTH, "no_auth"},
        {FLAG_MOVABLE, "movablekeys"}, {FLAG_NO_MULTI, "no_multi"}};
    struct words words = {.count = 0};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((spec->flags & names[i].flag) != 0) {
            add_word(&words, names[i].word);
        }
    }
    return words;
}

static const char *group_category(uint8_t group)
{
    static const char *const names[] = {[GROUP_STRING] = "@string",
                                        [GROUP_BITMAP] = "@bitmap",
                                        [GROUP_GENERIC] = "@keyspace",
                                        [GROUP_SET] = "@set",
                                        [GROUP_TRANSACTIONS] = "@transaction",
                                        [GROUP_CONNECTION] = "@connection",
                                        [GROUP_SERVER] = NULL,
                                        [GROUP_CLUSTER] = NULL};
    return names[group];
}

static struct words categories_of(const struct command_spec *spec)
{
    struct words words = {.count = 0};
    const char *group = group_category(spec->group);
    if ((spec->flags & FLAG_READ) != 0) {
        add_word(&words, "@read");
    }
    if ((spec->flags & FLAG_WRITE) != 0) {
        add_word(&words, "@write");
    }
    if (group != NULL) {
        add_word(&words, group);
    }
    if ((spec->flags & FLAG_ADMIN) != 0) {
        add_word(&words, "@admin");
    }
    if ((spec->flags & FLAG_DANGEROUS) != 0) {
        add_word(&words, "@dangerous");
    }
    add_word(&words, (spec->flags & FLAG_FAST) != 0 ? "@fast" : "@slow");
    return words;
}

static void write_info(struct task *t, const struct command_spec *spec)
{
    const struct words flags = flags_of(spec);
    const struct words categories = categories_of(spec);
    const int last_key = spec->last_key;
    resp_array(t->out, 10);
    resp_bulk_text(t->out, spec->name);
    resp_integer(t->out, spec->arity);
    write_words(t, &flags);
    resp_integer(t->out, spec->first_key);
    resp_integer(t->out, last_key);
    resp_integer(t->out, spec->key_step);
    write_words(t, &categories);
    resp_array(t->out, 0); /* tips */
    resp_array(t->out, 0); /* key specifications */
    resp_array(t->out, 0); /* subcommands */
}

static enum verdict command_info(struct task *t)
{
    if (t->arg_count > 2) {
        resp_array(t->out, t->arg_count - 2);
        for (size_t i = 2; i < t->arg_count; i++) {
            const struct command_spec *spec = spec_of(t, i);
            if (spec == NULL) {
                resp_null(t->out, t->session->version);
            } else {
                write_info(t, spec);
            }
        }
        return TASK_REPLIED;
    }
    size_t count = 0;
    const struct command_spec *specs = command_specs(&count);
    resp_array(t->out, count);
    for (size_t i = 0; i < count; i++) {
        write_info(t, &specs[i]);
    }
    return TASK_REPLIED;
}

static enum verdict command_count(struct task *t)
{
    size_t count = 0;
    (void)command_specs(&count);
    resp_integer(t->out, (int64_t)count);
    return TASK_REPLIED;
}

/* ---- COMMAND LIST ---- */

struct list_filter {
    bool by_category;
    bool by_module;
    struct slice pattern; /* NULL data: any */
    struct slice category;
};

static bool is_listed(const struct list_filter *f, const struct command_spec *spec)
{
    if (f->by_module) {
        return false; /* there are none */
    }
    if (f->by_category) {
        const struct words categories = categories_of(spec);
        for (size_t i = 0; i < categories.count; i++) {
            if (resp_is(f->category, categories.items[i] + 1)) {
                return true;
            }
        }
        return false;
    }
    return f->pattern.data == NULL || glob_match(f->pattern, slice_of_text(spec->name), true);
}

static enum verdict command_list(struct task *t)
{
    struct list_filter filter = {.by_category = false};
    size_t count = 0;
    size_t listed = 0;
    const struct command_spec *specs = command_specs(&count);
    if (t->arg_count == 5 && arg_is(t, 2, "filterby")) {
        filter.by_category = arg_is(t, 3, "aclcat");
        filter.by_module = arg_is(t, 3, "module");
        filter.category = t->args[4];
        filter.pattern = t->args[4];
        if (!filter.by_category && !filter.by_module && !arg_is(t, 3, "pattern")) {
            return task_syntax_error(t);
        }
    } else if (t->arg_count != 2) {
        return task_syntax_error(t);
    }
    for (size_t i = 0; i < count; i++) {
        listed += is_listed(&filter, &specs[i]);
    }
    resp_array(t->out, listed);
    for (size_t i = 0; i < count; i++) {
        if (is_listed(&filter, &specs[i])) {
            resp_bulk_text(t->out, specs[i].name);
        }
    }
    return TASK_REPLIED;
}

/* ---- COMMAND DOCS ---- */

static void write_docs(struct task *t, const struct command_spec *spec)
{
    resp_bulk_text(t->out, spec->name);
    resp_map(t->out, t->session->version, spec->syntax[0] == 0 ? 3 : 4);
    resp_bulk_text(t->out, "summary");
    resp_bulk_text(t->out, spec->summary);
    resp_bulk_text(t->out, "since");
    resp_bulk_text(t->out, spec->since);
    resp_bulk_text(t->out, "group");
    resp_bulk_text(t->out, group_name(spec->group));
    if (spec->syntax[0] != 0) {
        resp_bulk_text(t->out, "arguments");
        syntax_write(t->out, t->session->version, spec->syntax);
    }
}

static enum verdict command_docs(struct task *t)
{
    size_t count = 0;
    const struct command_spec *specs = command_specs(&count);
    if (t->arg_count == 2) {
        resp_map(t->out, t->session->version, count);
        for (size_t i = 0; i < count; i++) {
            write_docs(t, &specs[i]);
        }
        return TASK_REPLIED;
    }
    size_t known = 0;
    for (size_t i = 2; i < t->arg_count; i++) {
        known += spec_of(t, i) != NULL;
    }
    resp_map(t->out, t->session->version, known);
    for (size_t i = 2; i < t->arg_count; i++) {
        const struct command_spec *spec = spec_of(t, i);
        if (spec != NULL) {
            write_docs(t, spec);
        }
    }
    return TASK_REPLIED;
}

/* ---- COMMAND GETKEYS ---- */

/* Where the keys of the command args[2...] are, as indexes into args. False: it has none. */
static bool keys_of(const struct task *t, const struct command_spec *spec, size_t *first,
                    size_t *last)
{
    int64_t key_count = 0;
    const size_t end = t->arg_count - 1;
    if ((spec->flags & FLAG_MOVABLE) != 0) { /* SINTERCARD numkeys key ... */
        *first = 4;
        *last = parse_int64(t->args[3], &key_count) ? 3 + (size_t)key_count : 0;
        return key_count > 0 && *last <= end;
    }
    *first = 2 + (size_t)spec->first_key;
    *last = spec->last_key < 0 ? end : 2 + (size_t)spec->last_key;
    return spec->first_key > 0 && *last <= end;
}

static enum verdict command_getkeys(struct task *t)
{
    const struct command_spec *spec = spec_of(t, 2);
    if (spec == NULL) {
        return task_error(t, ERR_INVALID, "ERR Invalid command specified");
    }
    const size_t given = t->arg_count - 2;
    if (spec->arity >= 0 ? given != (size_t)spec->arity : given < (size_t)-spec->arity) {
        return task_error(t, ERR_INVALID, "ERR Invalid number of arguments specified for command");
    }
    size_t first = 0;
    size_t last = 0;
    if (!keys_of(t, spec, &first, &last)) {
        return task_error(t, ERR_INVALID, "ERR The command has no key arguments");
    }
    const size_t step = spec->key_step > 0 ? (size_t)spec->key_step : 1;
    resp_array(t->out, (last - first) / step + 1);
    for (size_t i = first; i <= last; i += step) {
        resp_bulk(t->out, t->args[i]);
    }
    return TASK_REPLIED;
}

static enum verdict command_help(struct task *t)
{
    static const char *const lines[] = {
        "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return how many commands there are.",
        "DOCS [<command-name> ...]",
        "    Return what commands are for.",
        "GETKEYS <full-command>",
        "    Return the keys of a command.",
        "INFO [<command-name> ...]",
        "    Return details about commands.",
        "LIST [FILTERBY (ACLCAT <category>|PATTERN <pattern>|MODULE <name>)]",
        "    Return the names of commands.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_command(struct task *t)
{
    static const struct subcommand subs[] = {
        {"count", command_count, 2}, {"docs", command_docs, -2}, {"getkeys", command_getkeys, -3},
        {"help", command_help, 2},   {"info", command_info, -2}, {"list", command_list, -2}};
    if (t->arg_count == 1) {
        return command_info(t);
    }
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
