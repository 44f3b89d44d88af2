/* metrics.c - /metrics: adds up what the loops have counted. Prometheus text format. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "server/server_private.h"

#define US_PER_S 1e6

static const char *const dialect_names[DIALECT_COUNT] = {
    [DIALECT_REDIS] = "redis",   [DIALECT_STRATO] = "strato", [DIALECT_ESTORAJE] = "estoraje",
    [DIALECT_NATIVE] = "native", [DIALECT_ADMIN] = "admin",   [DIALECT_REGATTA] = "regatta",
    [DIALECT_DSTASH] = "dstash", [DIALECT_DSTORE] = "dstore"};

/* One operation of one dialect over all loops. Names lie in the same place on every loop, or, where
 * slots are given out as they are needed, anywhere: so the name decides. */
struct operation_sum {
    const char *name;
    struct histogram latency_us;
    uint64_t errors[ERR_COUNT];
};

struct operation_sums {
    struct operation_sum items[OPERATIONS_MAX];
    size_t count;
};

static struct operation_sum *sum_of(struct operation_sums *sums, const char *name)
{
    for (size_t i = 0; i < sums->count; i++) {
        if (strcmp(sums->items[i].name, name) == 0) {
            return &sums->items[i];
        }
    }
    if (sums->count == OPERATIONS_MAX) {
        return NULL;
    }
    sums->items[sums->count].name = name;
    return &sums->items[sums->count++];
}

static void add_up(struct server *s, size_t dialect, struct operation_sums *sums)
{
    memset(sums, 0, sizeof(*sums));
    for (uint32_t i = 0; i < s->loop_count; i++) {
        for (size_t o = 0; o < OPERATIONS_MAX; o++) {
            const struct operation_stats *stats = &s->loops[i].stats[dialect].operations[o];
            struct operation_sum *sum = stats->name == NULL ? NULL : sum_of(sums, stats->name);
            if (sum == NULL) {
                continue;
            }
            histogram_merge(&sum->latency_us, &stats->latency_us);
            for (size_t e = 0; e < ERR_COUNT; e++) {
                sum->errors[e] += metric_get(&stats->errors[e]);
            }
        }
    }
}

static void write_errors(struct buf *out, const char *dialect, const struct operation_sum *sum)
{
    char labels[160];
    for (size_t e = 1; e < ERR_COUNT; e++) {
        if (sum->errors[e] > 0) {
            (void)snprintf(labels, sizeof(labels), "dialect=\"%s\",operation=\"%s\",error=\"%s\"",
                           dialect, sum->name, err_name((enum err)e));
            metrics_sample(out, "holdfast_errors_total", labels, sum->errors[e]);
        }
    }
}

static void write_requests(struct server *s, struct buf *out)
{
    struct operation_sums *sums = mem_alloc(DIALECT_COUNT * sizeof(*sums));
    char labels[160];
    metrics_family(out, "holdfast_request_seconds", "histogram",
                   "Time from a request's arrival to its answer.");
    for (size_t d = 0; d < DIALECT_COUNT; d++) {
        add_up(s, d, &sums[d]);
        for (size_t o = 0; o < sums[d].count; o++) {
            const struct operation_sum *sum = &sums[d].items[o];
            if (histogram_count(&sum->latency_us) > 0) {
                (void)snprintf(labels, sizeof(labels), "dialect=\"%s\",operation=\"%s\"",
                               dialect_names[d], sum->name);
                metrics_histogram(out, "holdfast_request_seconds", labels, &sum->latency_us,
                                  US_PER_S);
            }
        }
    }
    metrics_family(out, "holdfast_errors_total", "counter", "Requests answered with an error.");
    for (size_t d = 0; d < DIALECT_COUNT; d++) {
        for (size_t o = 0; o < sums[d].count; o++) {
            write_errors(out, dialect_names[d], &sums[d].items[o]);
        }
    }
    mem_free(sums);
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    metrics_family(out, name, type, help);
    metrics_sample(out, name, "", value);
}

static void write_front(struct server *s, struct buf *out)
{
    struct front_stats f;
    front_stats(s->front, &f);
    one(out, "holdfast_connections", "gauge", "Open connections.", f.connections);
    one(out, "holdfast_connections_total", "counter", "Connections accepted.", f.connections_total);
    one(out, "holdfast_connections_refused_total", "counter", "Connections over the limit.",
        f.connections_refused);
    one(out, "holdfast_received_bytes_total", "counter", "Bytes read from sockets.", f.bytes_in);
    one(out, "holdfast_sent_bytes_total", "counter", "Bytes written to sockets.", f.bytes_out);
    one(out, "holdfast_waiting_bytes", "gauge", "Answers that sockets have not taken yet.",
        f.waiting_bytes);
}

/* Without TLS all of it is 0. */
static void write_tls(struct server *s, struct buf *out)
{
    struct front_stats f;
    struct certificate_stats c;
    front_stats(s->front, &f);
    certificates_stats(s->certificates, &c);
    one(out, "holdfast_tls_connections", "gauge", "Open connections through TLS.",
        f.tls_connections);
    metrics_family(out, "holdfast_tls_handshakes_total", "counter",
                   "Handshakes of TLS, by their result.");
    metrics_sample(out, "holdfast_tls_handshakes_total", "result=\"full\"", f.tls_full);
    metrics_sample(out, "holdfast_tls_handshakes_total", "result=\"resumed\"", f.tls_resumed);
    metrics_sample(out, "holdfast_tls_handshakes_total", "result=\"failed\"", f.tls_failed);
    one(out, "holdfast_tls_certificate_expiry_seconds", "gauge",
        "When the certificate ends, in seconds since 1970; 0 without TLS.", c.expiry_s);
    metrics_family(out, "holdfast_tls_reloads_total", "counter",
                   "Times a changed certificate was read, by what came of it.");
    metrics_sample(out, "holdfast_tls_reloads_total", "result=\"taken\"", c.taken);
    metrics_sample(out, "holdfast_tls_reloads_total", "result=\"refused\"", c.refused);
}

static void write_shards(struct server *s, struct buf *out)
{
    struct shard_stats sum = {0};
    uint64_t calls = 0;
    for (uint32_t i = 0; i < s->loop_count; i++) {
        const struct shard_stats *l = shard_host_stats(s->loops[i].host);
        metric_add(&sum.works_memory, metric_get(&l->works_memory));
        metric_add(&sum.works_read, metric_get(&l->works_read));
        metric_add(&sum.works_read_waited, metric_get(&l->works_read_waited));
        metric_add(&sum.works_ordered, metric_get(&l->works_ordered));
        metric_add(&sum.applied, metric_get(&l->applied));
        metric_add(&sum.expired, metric_get(&l->expired));
        metric_add(&sum.evicted, metric_get(&l->evicted));
        metric_add(&sum.ordered_now, metric_get(&l->ordered_now));
        histogram_merge(&sum.batch_works, &l->batch_works);
        histogram_merge(&sum.apply_us, &l->apply_us);
        calls += router_calls(s->loops[i].router);
    }
    metrics_family(out, "holdfast_operations_total", "counter",
                   "Operations carried out, by the way they took.");
    metrics_sample(out, "holdfast_operations_total", "way=\"memory\"",
                   metric_get(&sum.works_memory));
    metrics_sample(out, "holdfast_operations_total", "way=\"read\"", metric_get(&sum.works_read));
    metrics_sample(out, "holdfast_operations_total", "way=\"read_waited\"",
                   metric_get(&sum.works_read_waited));
    metrics_sample(out, "holdfast_operations_total", "way=\"ordered\"",
                   metric_get(&sum.works_ordered));
    one(out, "holdfast_applied_total", "counter", "Commands applied from the log.",
        metric_get(&sum.applied));
    one(out, "holdfast_expired_total", "counter", "Records removed after their expiry.",
        metric_get(&sum.expired));
    one(out, "holdfast_evictions_total", "counter", "Times room was made in memory tables.",
        metric_get(&sum.evicted));
    one(out, "holdfast_calls", "gauge", "Calls that are not answered yet.", calls);
    one(out, "holdfast_ordering", "gauge", "Operations being made durable.",
        metric_get(&sum.ordered_now));
    metrics_family(out, "holdfast_batch_operations", "histogram",
                   "Operations on memory tables in one turn.");
    metrics_histogram(out, "holdfast_batch_operations", "", &sum.batch_works, 1);
    metrics_family(out, "holdfast_apply_seconds", "histogram", "Time to apply a batch.");
    metrics_histogram(out, "holdfast_apply_seconds", "", &sum.apply_us, US_PER_S);
}

static void write_snapshots(struct server *s, struct buf *out)
{
    uint64_t now = 0;
    uint64_t refused = 0;
    uint64_t ended = 0;
    for (uint32_t i = 0; i < s->loop_count; i++) {
        const struct shard_stats *l = shard_host_stats(s->loops[i].host);
        now += metric_get(&l->views);
        refused += metric_get(&l->views_refused);
        ended += metric_get(&l->views_ended);
    }
    one(out, "holdfast_snapshots", "gauge", "States of shards kept for streams.", now);
    one(out, "holdfast_snapshots_refused_total", "counter", "Snapshots over the limit.", refused);
    one(out, "holdfast_snapshots_ended_total", "counter",
        "Snapshots ended because they cost too much or nobody read on.", ended);
}

static void write_journal(struct server *s, struct buf *out)
{
    struct journal_stats j;
    journal_stats(s->journal, &j);
    one(out, "holdfast_journal_commits_total", "counter", "Group commits written.", j.commits);
    one(out, "holdfast_journal_bytes_total", "counter", "Bytes written.", j.bytes);
    one(out, "holdfast_journal_entries_total", "counter", "Entries appended.", j.entries);
    one(out, "holdfast_journal_segments", "gauge", "Segments in use.", j.segments);
    one(out, "holdfast_journal_waiting_bytes", "gauge", "Bytes appended but not durable.",
        j.waiting_bytes);
    one(out, "holdfast_journal_low_space", "gauge", "1 while writes that grow are refused.",
        j.is_low || disk_pressure(s->store) == DISK_FULL ? 1 : 0);
    metrics_family(out, "holdfast_journal_sync_seconds", "histogram", "Time of a sync.");
    metrics_histogram(out, "holdfast_journal_sync_seconds", "", &j.sync_us, US_PER_S);
    metrics_family(out, "holdfast_journal_commit_entries", "histogram", "Entries in one commit.");
    metrics_histogram(out, "holdfast_journal_commit_entries", "", &j.batch_size, 1);
}

static void write_engines(struct server *s, struct buf *out)
{
    struct engine_stats memory = {0};
    struct engine_stats disk = {0};
    for (uint32_t g = 0; g <= s->config.shards; g++) {
        for (int is_memory = 0; is_memory < 2; is_memory++) {
            struct engine *e = shard_engine(s->shards, g, is_memory != 0);
            if (e == NULL) {
                continue;
            }
            const struct engine_stats one_engine = engine_stats(e);
            struct engine_stats *sum = is_memory != 0 ? &memory : &disk;
            sum->rows += one_engine.rows;
            sum->used_bytes += one_engine.used_bytes;
            sum->waiting += one_engine.waiting;
            sum->cache_hits += one_engine.cache_hits;
            sum->cache_misses += one_engine.cache_misses;
            sum->cache_bytes += one_engine.cache_bytes;
        }
    }
    metrics_family(out, "holdfast_engine_rows", "gauge", "Rows; on disk an estimate.");
    metrics_sample(out, "holdfast_engine_rows", "engine=\"memory\"", memory.rows);
    metrics_sample(out, "holdfast_engine_rows", "engine=\"disk\"", disk.rows);
    metrics_family(out, "holdfast_engine_memory_bytes", "gauge", "Memory held by engines.");
    metrics_sample(out, "holdfast_engine_memory_bytes", "engine=\"memory\"", memory.used_bytes);
    metrics_sample(out, "holdfast_engine_memory_bytes", "engine=\"disk\"", disk.used_bytes);
    one(out, "holdfast_engine_garbage", "gauge", "Replaced versions not given back yet.",
        memory.waiting);
    one(out, "holdfast_record_cache_hits_total", "counter", "Records found in the record cache.",
        disk.cache_hits);
    one(out, "holdfast_record_cache_misses_total", "counter", "Records not found in it.",
        disk.cache_misses);
    one(out, "holdfast_record_cache_bytes", "gauge", "Bytes of the record cache.",
        disk.cache_bytes);
}

static void write_store(struct server *s, struct buf *out)
{
    const struct disk_store_stats d = disk_store_stats(s->store);
    one(out, "holdfast_block_cache_bytes", "gauge", "Bytes of the block cache.",
        d.block_cache_bytes);
    one(out, "holdfast_memtable_bytes", "gauge", "Bytes of memtables.", d.memtable_bytes);
    one(out, "holdfast_pending_compaction_bytes", "gauge", "Bytes that compaction is behind.",
        d.pending_compaction_bytes);
    one(out, "holdfast_disk_bytes", "gauge", "Bytes of table files.", d.files_bytes);
}

static void write_tables(struct server *s, struct buf *out)
{
    const struct router *r = s->loops[0].router;
    metrics_family(out, "holdfast_build_info", "gauge", "1; the version is a label.");
    metrics_sample(out, "holdfast_build_info", "version=\"" HOLDFAST_VERSION "\"", 1);
    one(out, "holdfast_memory_tables_bytes", "gauge", "Bytes of memory tables.",
        shard_memory_bytes(s->shards));
    one(out, "holdfast_memory_tables_limit_bytes", "gauge", "What they may use.",
        s->memory_tables_bytes);
    one(out, "holdfast_catalogue_version", "gauge", "Changes of the list of tables.",
        router_catalogue_version(r));
}

void metrics_write(struct server *s, struct buf *out)
{
    write_requests(s, out);
    write_front(s, out);
    write_tls(s, out);
    write_shards(s, out);
    write_snapshots(s, out);
    write_tables(s, out);
    write_engines(s, out);
    if (s->journal != NULL) {
        write_journal(s, out);
        write_store(s, out);
    }
}
