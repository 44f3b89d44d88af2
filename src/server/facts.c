/* facts.c - what dialects may ask about the node, see router/facts.h. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/server_private.h"
#include "sys/clock.h"

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    unsigned long resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%lu %lu", &pages, &resident) != 2) { /* NOLINT(cert-err34-c) */
            resident = 0;
        }
        (void)fclose(f);
    }
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t commands_total(const struct server *s)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->loop_count; i++) {
        for (size_t d = 0; d < DIALECT_COUNT; d++) {
            for (size_t o = 0; o < OPERATIONS_MAX; o++) {
                const struct operation_stats *stats = &s->loops[i].stats[d].operations[o];
                total += stats->name == NULL ? 0 : histogram_count(&stats->latency_us);
            }
        }
    }
    return total;
}

static void totals(void *arg, struct node_totals *out)
{
    const struct server_loop *l = arg;
    const struct server *s = l->server;
    struct front_stats front;
    struct rusage usage;
    front_stats(s->front, &front);
    (void)getrusage(RUSAGE_SELF, &usage);
    *out = (struct node_totals){
        .connections = front.connections,
        .connections_max = s->config.connections_max,
        .connections_total = front.connections_total,
        .connections_refused = front.connections_refused,
        .commands_total = commands_total(s),
        .memory_used_bytes = shard_memory_bytes(s->shards),
        .memory_limit_bytes = s->memory_tables_bytes,
        .resident_bytes = resident_bytes(),
        .uptime_s = (clock_now_ns() - s->started_ns) / 1000000000,
        .cpu_user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000 + (uint64_t)usage.ru_utime.tv_usec,
        .cpu_system_us =
            (uint64_t)usage.ru_stime.tv_sec * 1000000 + (uint64_t)usage.ru_stime.tv_usec};
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (s->loops[i].host != NULL) {
            const struct shard_stats *stats = shard_host_stats(s->loops[i].host);
            out->keys_expired += metric_get(&stats->expired);
            out->keys_evicted += metric_get(&stats->evicted);
        }
    }
}

void server_take_live(struct server *s, const struct config *fresh)
{
    (void)pthread_mutex_lock(&s->live_lock);
    s->config.log_level = fresh->log_level;
    s->config.stop_timeout_ms = fresh->stop_timeout_ms;
    s->config.slow_us = fresh->slow_us;
    (void)pthread_mutex_unlock(&s->live_lock);
    atomic_store(&s->log.level, (int)fresh->log_level);
    for (uint32_t i = 0; i < s->loop_count; i++) {
        atomic_store(&s->loops[i].context.slow_us, fresh->slow_us);
    }
}

uint64_t server_stop_timeout_ms(struct server *s)
{
    (void)pthread_mutex_lock(&s->live_lock);
    const uint64_t timeout_ms = s->config.stop_timeout_ms;
    (void)pthread_mutex_unlock(&s->live_lock);
    return timeout_ms;
}

/* A copy of the settings as they are now; owned. */
static struct config *settings_now(struct server *s)
{
    struct config *copy = mem_alloc(sizeof(*copy));
    (void)pthread_mutex_lock(&s->live_lock);
    *copy = s->config;
    (void)pthread_mutex_unlock(&s->live_lock);
    return copy;
}

static void settings_each(void *arg,
                          void (*each)(void *each_arg, const char *name, const char *value),
                          void *each_arg)
{
    const struct server_loop *l = arg;
    struct config *now = settings_now(l->server);
    config_each(now, each, each_arg);
    mem_free(now);
}

static enum err change_setting(void *arg, const char *name, const char *value, struct err_why *why)
{
    const struct server_loop *l = arg;
    struct config *fresh = settings_now(l->server);
    enum err e = config_set(fresh, name, value, why);
    if (e == ERR_OK && !config_is_live(name)) {
        e = err_set(why, ERR_DENIED, "%s is fixed at start", name);
    }
    if (e == ERR_OK) {
        server_take_live(l->server, fresh);
    }
    mem_free(fresh);
    return e;
}

static void metrics(void *arg, struct buf *out)
{
    const struct server_loop *l = arg;
    metrics_write(l->server, out);
}

static enum err readiness(void *arg)
{
    const struct server_loop *l = arg;
    switch ((enum server_state)atomic_load(&l->server->state)) {
    case SERVER_STARTING:
        return ERR_STARTING;
    case SERVER_READY:
        return ERR_OK;
    case SERVER_DRAINING:
    case SERVER_STOPPING:
        break;
    }
    return ERR_UNAVAILABLE;
}

static uint64_t number_of(const char *node_id)
{
    char digits[17] = {0};
    for (size_t i = 0; i < 16 && node_id[i] != '\0'; i++) {
        digits[i] = node_id[i];
    }
    return strtoull(digits, NULL, 16);
}

static void connections(void *arg, connection_each_fn each, void *each_arg)
{
    const struct server_loop *l = arg;
    front_loop_connections(l->front, each, each_arg);
}

static uint16_t port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return strncmp(address, "unix:", 5) == 0 || colon == NULL
               ? 0
               : (uint16_t)strtoul(colon + 1, NULL, 10);
}

void facts_note_address(struct server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        s->loops[i].facts.address = front_address(s->front);
        s->loops[i].facts.port = port_of(front_address(s->front));
    }
}

void facts_fill(struct server_loop *l)
{
    struct server *s = l->server;
    l->facts =
        (struct node_facts){.arg = l,
                            .version = HOLDFAST_VERSION,
                            .node_id = s->identity.node,
                            .node_number = number_of(s->identity.node),
                            .node_name = s->config.name[0] != '\0' ? s->config.name : s->host_name,
                            .threads = s->loop_count,
                            .shards = (uint32_t)s->config.shards,
                            .address = "",
                            .data_folder = s->config.data,
                            .tables_token = s->config.tables_token,
                            .maintenance_token = s->config.maintenance_token,
                            .log = &s->log,
                            .totals = totals,
                            .settings = settings_each,
                            .change_setting = change_setting,
                            .metrics = metrics,
                            .readiness = readiness,
                            .connections = connections};
}
