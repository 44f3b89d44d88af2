/* info.c - INFO: the state of the node, in Redis' sections and names. */
#include <inttypes.h>
#include <unistd.h>

#include "api/redis/session.h"

struct info {
    const struct redis_session *session;
    const struct node_facts *facts;
    struct node_totals totals;
    struct buf text;
};

static void info_server(struct info *i)
{
    const struct node_facts *f = i->facts;
    buf_printf(&i->text,
               "redis_version:" REDIS_VERSION "\r\nholdfast_version:%s\r\nredis_mode:standalone\r\n"
               "arch_bits:%zu\r\nprocess_id:%ld\r\nrun_id:%s\r\ntcp_port:%u\r\n",
               f->version, sizeof(void *) * 8, (long)getpid(), f->node_id, (unsigned)f->port);
    buf_printf(&i->text,
               "server_time_usec:%" PRIu64 "\r\nuptime_in_seconds:%" PRIu64
               "\r\nuptime_in_days:%" PRIu64 "\r\nio_threads_active:%d\r\n",
               router_now_ms(i->session->router) * 1000, i->totals.uptime_s,
               i->totals.uptime_s / 86400, f->threads > 1);
}

static void info_clients(struct info *i)
{
    buf_printf(&i->text,
               "connected_clients:%" PRIu64 "\r\nmaxclients:%" PRIu64
               "\r\nblocked_clients:0\r\ntracking_clients:0\r\n",
               i->totals.connections, i->totals.connections_max);
}

/* As a number, and as Redis writes it for people: "1.50M". */
static void write_bytes(struct info *i, const char *name, uint64_t bytes)
{
    static const char units[] = {'B', 'K', 'M', 'G', 'T', 'P'};
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof(units)) {
        amount /= 1024;
        unit++;
    }
    buf_printf(&i->text, "%s:%" PRIu64 "\r\n%s_human:%.*f%c\r\n", name, bytes, name,
               unit == 0 ? 0 : 2, amount, units[unit]);
}

static void info_memory(struct info *i)
{
    write_bytes(i, "used_memory", i->totals.memory_used_bytes);
    write_bytes(i, "used_memory_rss", i->totals.resident_bytes);
    write_bytes(i, "maxmemory", i->totals.memory_limit_bytes);
    buf_append_text(&i->text, "maxmemory_policy:noeviction\r\n");
}

static void info_persistence(struct info *i)
{
    const bool is_loading = router_is_ready(i->session->router) != ERR_OK;
    buf_printf(&i->text,
               "loading:%d\r\nasync_loading:0\r\nrdb_bgsave_in_progress:0\r\n"
               "rdb_last_bgsave_status:ok\r\naof_enabled:%d\r\naof_rewrite_in_progress:0\r\n"
               "aof_last_write_status:ok\r\n",
               is_loading, i->facts->data_folder[0] != 0);
}

static void info_stats(struct info *i)
{
    buf_printf(&i->text,
               "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64
               "\r\nrejected_connections:%" PRIu64 "\r\nexpired_keys:%" PRIu64
               "\r\nevicted_keys:%" PRIu64 "\r\n",
               i->totals.connections_total, i->totals.commands_total, i->totals.connections_refused,
               i->totals.keys_expired, i->totals.keys_evicted);
}

static void info_replication(struct info *i)
{
    buf_append_text(&i->text, "role:master\r\nconnected_slaves:0\r\n"
                              "master_failover_state:no-failover\r\nmaster_repl_offset:0\r\n");
}

static void info_cpu(struct info *i)
{
    buf_printf(&i->text, "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n",
               (double)i->totals.cpu_system_us / 1e6, (double)i->totals.cpu_user_us / 1e6);
}

static void info_cluster(struct info *i)
{
    buf_append_text(&i->text, "cluster_enabled:0\r\n");
}

static void info_holdfast(struct info *i)
{
    const bool is_whole = i->facts->shards == 1;
    buf_printf(&i->text, "threads:%u\r\nshards:%u\r\n", (unsigned)i->facts->threads,
               (unsigned)i->facts->shards);
    buf_printf(&i->text, "atomic:%s\r\n",
               is_whole ? "every command, MULTI over any keys"
                        : "each shard's part of a command; keys with the same {tag} share a "
                          "shard; a data directory made with --shards 1 is atomic throughout");
}

static void info_keyspace(struct info *i)
{
    struct router *r = i->session->router;
    for (uint32_t db = 0; db < REDIS_DATABASES; db++) {
        char buffer[8];
        const struct table *table = router_table(r, database_name(db, buffer));
        const uint64_t keys = table == NULL ? 0 : router_table_count(r, table);
        if (keys > 0) {
            buf_printf(&i->text, "db%u:keys=%" PRIu64 ",expires=0,avg_ttl=0\r\n", (unsigned)db,
                       keys);
        }
    }
}

static const struct section {
    const char *name;
    const char *title;
    void (*write)(struct info *i);
} sections[] = {
    {"server", "Server", info_server},
    {"clients", "Clients", info_clients},
    {"memory", "Memory", info_memory},
    {"persistence", "Persistence", info_persistence},
    {"stats", "Stats", info_stats},
    {"replication", "Replication", info_replication},
    {"cpu", "CPU", info_cpu},
    {"cluster", "Cluster", info_cluster},
    {"holdfast", "Holdfast", info_holdfast},
    {"keyspace", "Keyspace", info_keyspace},
};

static bool is_asked(const struct task *t, const char *name)
{
    bool asked = t->arg_count == 1;
    for (size_t i = 1; !asked && i < t->arg_count; i++) {
        asked = arg_is(t, i, name) || arg_is(t, i, "all") || arg_is(t, i, "everything") ||
                arg_is(t, i, "default");
    }
    return asked;
}

enum verdict redis_info(struct task *t)
{
    const struct redis_session *s = t->session;
    struct info info = {.session = s, .facts = s->context->facts};
    info.facts->totals(info.facts->arg, &info.totals);
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (is_asked(t, sections[i].name)) {
            buf_printf(&info.text, "%s# %s\r\n", info.text.size > 0 ? "\r\n" : "",
                       sections[i].title);
            sections[i].write(&info);
        }
    }
    resp_verbatim(t->out, s->version, buf_slice(&info.text));
    buf_deinit(&info.text);
    return TASK_REPLIED;
}
