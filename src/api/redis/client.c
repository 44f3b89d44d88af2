/* client.c - CLIENT: looks at the connections and changes this one. */
#include "api/redis/tour.h"

static enum verdict client_id(struct task *t)
{
    resp_integer(t->out, (int64_t)t->session->owner.id);
    return TASK_REPLIED;
}

static enum verdict client_getname(struct task *t)
{
    const struct redis_session *s = t->session;
    if (s->name_size == 0) {
        resp_null(t->out, s->version);
    } else {
        resp_bulk(t->out, slice_of(s->name, s->name_size));
    }
    return TASK_REPLIED;
}

static enum verdict client_setname(struct task *t)
{
    return session_set_name(t, t->args[2]) ? task_ok(t) : TASK_REPLIED;
}

/* ---- Lists ---- */

struct client_list {
    struct redis_tour tour;
    struct buf lines;
    const char *address;
    uint64_t now_ms;
    const int64_t *ids; /* asked for; NULL: all connections */
    size_t id_count;
};

static bool is_listed(const struct client_list *list, uint64_t id)
{
    bool is_asked = list->ids == NULL;
    for (size_t i = 0; !is_asked && i < list->id_count; i++) {
        is_asked = (uint64_t)list->ids[i] == id;
    }
    return is_asked;
}

static void add_line(void *arg, const struct connection_facts *f)
{
    struct client_list *list = arg;
    if (!is_listed(list, f->id)) {
        return;
    }
    const uint64_t age_ms = list->now_ms > f->opened_ms ? list->now_ms - f->opened_ms : 0;
    buf_printf(&list->lines, "id=%llu addr=%s laddr=%s name=%s age=%llu idle=%llu",
               (unsigned long long)f->id, f->peer, list->address, f->name,
               (unsigned long long)(age_ms / 1000), (unsigned long long)(f->idle_ms / 1000));
    buf_printf(
        &list->lines,
        " flags=N db=%u sub=0 psub=0 ssub=0 multi=-1 cmd=%s user=default redir=-1 resp=%d%s\n",
        (unsigned)f->db, f->last_command, f->resp_version, f->is_tls ? " tls=yes" : "");
}

static void visit_connections(struct router_tour *tour, struct loop_context *there)
{
    there->facts->connections(there->facts->arg, add_line,
                              container_of(tour, struct client_list, tour.tour));
}

static void write_list(struct redis_tour *tour, struct buf *out)
{
    struct client_list *list = container_of(tour, struct client_list, tour);
    resp_verbatim(out, tour->task->session->version, buf_slice(&list->lines));
    buf_deinit(&list->lines);
}

static struct client_list *list_new(struct task *t)
{
    const struct redis_session *s = t->session;
    struct client_list *list = task_memory(t, sizeof(*list));
    *list = (struct client_list){
        .tour = {.tour = {.visit = visit_connections}, .task = t, .write = write_list},
        .address = s->context->facts->address,
        .now_ms = router_now_ms(s->router)};
    return list;
}

static enum verdict client_info(struct task *t)
{
    struct client_list *list = list_new(t);
    struct connection_facts facts;
    redis_facts(t->session, &facts);
    add_line(list, &facts);
    write_list(&list->tour, t->out);
    return TASK_REPLIED;
}

static bool list_type(struct task *t, bool *is_normal)
{
    *is_normal = arg_is(t, 3, "normal");
    if (*is_normal || arg_is(t, 3, "master") || arg_is(t, 3, "replica") || arg_is(t, 3, "slave") ||
        arg_is(t, 3, "pubsub")) {
        return true;
    }
    const int shown = t->args[3].size < 128 ? (int)t->args[3].size : 128;
    (void)task_errorf(t, ERR_INVALID, "ERR Unknown client type '%.*s'", shown,
                      (const char *)t->args[3].data);
    return false;
}

/* The ids behind args[3]. False: one is none, the error is written. */
static bool list_ids(struct task *t, struct client_list *list)
{
    int64_t *ids = task_memory(t, (t->arg_count - 3) * sizeof(*ids));
    for (size_t i = 3; i < t->arg_count; i++) {
        if (!arg_integer_or(t, i, &ids[i - 3], "ERR Invalid client ID")) {
            return false;
        }
    }
    list->ids = ids;
    list->id_count = t->arg_count - 3;
    return true;
}

static enum verdict client_list(struct task *t)
{
    struct client_list *list = list_new(t);
    bool is_normal = true;
    if (t->arg_count == 4 && arg_is(t, 2, "type")) {
        if (!list_type(t, &is_normal)) {
            return TASK_REPLIED;
        }
    } else if (t->arg_count > 3 && arg_is(t, 2, "id")) {
        if (!list_ids(t, list)) {
            return TASK_REPLIED;
        }
    } else if (t->arg_count != 2) {
        return task_syntax_error(t);
    }
    if (!is_normal) {
        write_list(&list->tour, t->out); /* there are no others */
        return TASK_REPLIED;
    }
    return task_tour(t, &list->tour);
}

/* ---- Small switches ---- */

static enum verdict client_reply(struct task *t)
{
    struct redis_session *s = t->session;
    if (arg_is(t, 2, "on")) {
        s->reply_mode = REPLY_ON;
        task_silence(t, false);
        return task_ok(t);
    }
    if (arg_is(t, 2, "off")) {
        s->reply_mode = REPLY_OFF;
    } else if (!arg_is(t, 2, "skip")) {
        return task_syntax_error(t);
    } else if (s->reply_mode != REPLY_OFF) {
        s->reply_mode = REPLY_SKIP_NEXT;
    }
    return TASK_REPLIED;
}

static enum verdict client_switch(struct task *t)
{
    return arg_is(t, 2, "on") || arg_is(t, 2, "off") ? task_ok(t) : task_syntax_error(t);
}

static enum verdict client_setinfo(struct task *t)
{
    return arg_is(t, 2, "lib-name") || arg_is(t, 2, "lib-ver") ? task_ok(t) : task_syntax_error(t);
}

/* Only the own connection can be closed from here. */
static enum verdict client_kill(struct task *t)
{
    int64_t id = 0;
    if (t->arg_count == 4 && arg_is(t, 2, "id")) {
        const char *error = "ERR client-id should be greater than 0";
        if (!arg_integer_or(t, 3, &id, error)) {
            return TASK_REPLIED;
        }
        if (id <= 0) {
            return task_error(t, ERR_INVALID, error);
        }
        if ((uint64_t)id == t->session->owner.id) {
            t->session->is_ending = true;
            resp_integer(t->out, 1);
            return TASK_REPLIED;
        }
    }
    return task_error(t, ERR_UNIMPLEMENTED,
                      "ERR CLIENT KILL is supported for the id of this connection only");
}

static enum verdict client_refused(struct task *t)
{
    return task_error(t, ERR_UNIMPLEMENTED, "ERR this subcommand of CLIENT is not supported");
}

/* What is never on can be switched off. */
static enum verdict client_tracking(struct task *t)
{
    return t->arg_count == 3 && arg_is(t, 2, "off") ? task_ok(t) : client_refused(t);
}

static enum verdict client_getredir(struct task *t)
{
    resp_integer(t->out, -1);
    return TASK_REPLIED;
}

static enum verdict client_trackinginfo(struct task *t)
{
    resp_map(t->out, t->session->version, 3);
    resp_bulk_text(t->out, "flags");
    resp_set(t->out, t->session->version, 1);
    resp_bulk_text(t->out, "off");
    resp_bulk_text(t->out, "redirect");
    resp_integer(t->out, -1);
    resp_bulk_text(t->out, "prefixes");
    resp_array(t->out, 0);
    return TASK_REPLIED;
}

/* No command blocks here. */
static enum verdict client_unblock(struct task *t)
{
    int64_t id = 0;
    if (t->arg_count > 4) {
        return task_error(t, ERR_INVALID,
                          "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try "
                          "CLIENT HELP.");
    }
    if (t->arg_count == 4 && !arg_is(t, 3, "timeout") && !arg_is(t, 3, "error")) {
        return task_error(t, ERR_INVALID, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    if (!arg_integer(t, 2, &id)) {
        return TASK_REPLIED;
    }
    resp_integer(t->out, 0);
    return TASK_REPLIED;
}

static enum verdict client_help(struct task *t)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "    Return the name of this connection.",
        "ID",
        "    Return the number of this connection.",
        "INFO",
        "    Return what is known about this connection.",
        "KILL ID <id>",
        "    Close this connection, if <id> is its number.",
        "LIST [TYPE normal|master|replica|pubsub] [ID <id> ...]",
        "    Return what is known about the connections.",
        "NO-EVICT (ON|OFF)",
        "    Accepted, without effect.",
        "REPLY (ON|OFF|SKIP)",
        "    Choose whether commands are answered.",
        "SETNAME <name>",
        "    Give this connection a name.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Accepted, without effect.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_client(struct task *t)
{
    static const struct subcommand subs[] = {{"caching", client_refused, 3},
                                             {"getname", client_getname, 2},
                                             {"getredir", client_getredir, 2},
                                             {"help", client_help, 2},
                                             {"id", client_id, 2},
                                             {"info", client_info, 2},
                                             {"kill", client_kill, -3},
                                             {"list", client_list, -2},
                                             {"no-evict", client_switch, 3},
                                             {"no-touch", client_switch, 3},
                                             {"pause", client_refused, -3},
                                             {"reply", client_reply, 3},
                                             {"setinfo", client_setinfo, 4},
                                             {"setname", client_setname, 3},
                                             {"tracking", client_tracking, -3},
                                             {"trackinginfo", client_trackinginfo, 2},
                                             {"unblock", client_unblock, -3},
                                             {"unpause", task_ok, 2}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
