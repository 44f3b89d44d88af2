/* server.c - small commands about the node: TIME, WAIT, ROLE, DEBUG, CLUSTER, LATENCY, ACL. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "api/redis/session.h"

enum verdict redis_time(struct task *t)
{
    const uint64_t now_ms = router_now_ms(t->session->router);
    resp_array(t->out, 2);
    resp_bulk_integer(t->out, (int64_t)(now_ms / 1000));
    resp_bulk_integer(t->out, (int64_t)(now_ms % 1000 * 1000));
    return TASK_REPLIED;
}

/* All earlier writes of the connection are answered by now; there are no replicas to wait for. */
enum verdict redis_wait(struct task *t)
{
    int64_t replicas = 0;
    int64_t timeout_ms = 0;
    if (!arg_integer(t, 1, &replicas) ||
        !arg_integer_or(t, 2, &timeout_ms, "ERR timeout is not an integer or out of range")) {
        return TASK_REPLIED;
    }
    if (timeout_ms < 0) {
        return task_error(t, ERR_INVALID, "ERR timeout is negative");
    }
    resp_integer(t->out, 0);
    return TASK_REPLIED;
}

enum verdict redis_role(struct task *t)
{
    resp_array(t->out, 3);
    resp_bulk_text(t->out, "master");
    resp_integer(t->out, 0);
    resp_array(t->out, 0); /* replicas */
    return TASK_REPLIED;
}

/* ---- DEBUG ---- */

#define SLEEP_MAX_MS 3600000.0

/* Only this connection sleeps: the loop goes on. */
static enum verdict debug_sleep(struct task *t)
{
    struct redis_session *s = t->session;
    char text[32] = {0};
    const size_t size = t->args[2].size < sizeof(text) - 1 ? t->args[2].size : sizeof(text) - 1;
    memcpy(text, t->args[2].data, size);
    const double delay_ms = strtod(text, NULL) * 1000;
    if (!(delay_ms >= 1)) {
        return task_ok(t);
    }
    if (s->owner.wake_after == NULL) {
        return task_error(t, ERR_UNIMPLEMENTED, "ERR this connection cannot sleep");
    }
    s->sleeper = t;
    s->owner.wake_after(s->owner.arg, (uint32_t)fmin(delay_ms, SLEEP_MAX_MS));
    return TASK_LATER;
}

enum verdict redis_debug(struct task *t)
{
    if (t->arg_count == 3 && arg_is(t, 1, "sleep")) {
        return debug_sleep(t);
    }
    const int shown = t->args[1].size < 128 ? (int)t->args[1].size : 128;
    return task_errorf(t, ERR_INVALID,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                       "HELP.",
                       shown, (const char *)t->args[1].data);
}

/* ---- CLUSTER ---- */

static enum verdict cluster_keyslot(struct task *t)
{
    resp_integer(t->out, key_slot(t->args[2]));
    return TASK_REPLIED;
}

static enum verdict cluster_info(struct task *t)
{
    resp_verbatim(t->out, t->session->version,
                  SLICE("cluster_enabled:0\r\n"
                        "cluster_state:ok\r\n"
                        "cluster_slots_assigned:16384\r\n"
                        "cluster_slots_ok:16384\r\n"
                        "cluster_slots_pfail:0\r\n"
                        "cluster_slots_fail:0\r\n"
                        "cluster_known_nodes:1\r\n"
                        "cluster_size:1\r\n"
                        "cluster_current_epoch:0\r\n"
                        "cluster_my_epoch:0\r\n"));
    return TASK_REPLIED;
}

static enum verdict cluster_myid(struct task *t)
{
    resp_bulk_text(t->out, t->session->context->facts->node_id);
    return TASK_REPLIED;
}

static enum verdict cluster_disabled(struct task *t)
{
    return task_error(t, ERR_UNIMPLEMENTED, "ERR This instance has cluster support disabled");
}

static enum verdict cluster_help(struct task *t)
{
    static const char *const lines[] = {
        "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "INFO",
        "    Return the state: one node that holds all slots.",
        "KEYSLOT <key>",
        "    Return the hash slot of <key>.",
        "MYID",
        "    Return the id of the node.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_cluster(struct task *t)
{
    static const struct subcommand subs[] = {{"countkeysinslot", cluster_disabled, 3},
                                             {"getkeysinslot", cluster_disabled, 4},
                                             {"help", cluster_help, 2},
                                             {"info", cluster_info, 2},
                                             {"keyslot", cluster_keyslot, 3},
                                             {"links", cluster_disabled, 2},
                                             {"myid", cluster_myid, 2},
                                             {"nodes", cluster_disabled, 2},
                                             {"replicas", cluster_disabled, 3},
                                             {"shards", cluster_disabled, 2},
                                             {"slots", cluster_disabled, 2}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}

/* ---- LATENCY: the monitor is never on; /metrics has the histograms ---- */

static enum verdict latency_nothing(struct task *t)
{
    resp_array(t->out, 0);
    return TASK_REPLIED;
}

static enum verdict latency_reset(struct task *t)
{
    resp_integer(t->out, 0);
    return TASK_REPLIED;
}

static enum verdict latency_help(struct task *t)
{
    static const char *const lines[] = {
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "HISTORY <event>",
        "    Return nothing: latencies are in /metrics.",
        "LATEST",
        "    Return nothing: latencies are in /metrics.",
        "RESET [<event> ...]",
        "    Return 0.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_latency(struct task *t)
{
    static const struct subcommand subs[] = {{"help", latency_help, 2},
                                             {"history", latency_nothing, 3},
                                             {"latest", latency_nothing, 2},
                                             {"reset", latency_reset, -2}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}

/* ---- ACL: there is one user, who may do everything ---- */

static enum verdict acl_whoami(struct task *t)
{
    resp_bulk_text(t->out, "default");
    return TASK_REPLIED;
}

static enum verdict acl_users(struct task *t)
{
    resp_array(t->out, 1);
    resp_bulk_text(t->out, "default");
    return TASK_REPLIED;
}

static enum verdict acl_list(struct task *t)
{
    resp_array(t->out, 1);
    resp_bulk_text(t->out, "user default on nopass ~* &* +@all");
    return TASK_REPLIED;
}

static enum verdict acl_help(struct task *t)
{
    static const char *const lines[] = {
        "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIST",
        "    Return the rights of the users.",
        "USERS",
        "    Return the names of the users.",
        "WHOAMI",
        "    Return the name of this connection's user.",
        "HELP",
        "    Print this help.",
    };
    return reply_help(t, lines, sizeof(lines) / sizeof(lines[0]));
}

enum verdict redis_acl(struct task *t)
{
    static const struct subcommand subs[] = {{"help", acl_help, 2},
                                             {"list", acl_list, 2},
                                             {"users", acl_users, 2},
                                             {"whoami", acl_whoami, 2}};
    return run_subcommand(t, subs, sizeof(subs) / sizeof(subs[0]));
}
