/* node.c - what the loops of a node share. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "shard/shard_private.h"

struct shard_node *shard_node_open(const struct shard_config *config)
{
    CHECK(config->shards >= 1);
    CHECK(config->shards <= SHARDS_MAX);
    CHECK(config->loops >= 1);
    CHECK(config->loops <= SHARD_LOOPS_MAX);
    struct shard_node *n = aligned_alloc(64, (sizeof(*n) + 63) & ~(size_t)63);
    CHECK(n != NULL);
    memset(n, 0, sizeof(*n));
    n->config = *config;
    atomic_init(&n->unready, config->shards + 1);
    epoch_init(&n->epoch);
    node_clock_start(&n->clock, config->mono_ns / 1000000, config->wall_ms, 0);
    n->shards = mem_zero(config->shards + 1, sizeof(struct shard *));
    n->wakes = mem_zero(config->loops, sizeof(*n->wakes));
    n->hosts = mem_zero(config->loops, sizeof(struct shard_host *));
    n->largest_views = mem_zero(config->loops, sizeof(*n->largest_views));
    return n;
}

void shard_node_close(struct shard_node **node)
{
    struct shard_node *n = *node;
    if (n == NULL) {
        return;
    }
    mem_free(n->shards);
    mem_free(n->wakes);
    mem_free(n->hosts);
    mem_free(n->largest_views);
    free(n);
    *node = NULL;
}

void shard_node_notify(struct shard_node *n)
{
    for (uint32_t i = 0; i < n->config.loops; i++) {
        struct mailbox *wake = atomic_load(&n->wakes[i]);
        if (wake != NULL) {
            mailbox_wake(wake);
        }
    }
}

bool shard_node_is_replayed(const struct shard_node *n)
{
    return atomic_load(&n->unready) == 0;
}

void shard_node_abandon(struct shard_node *n)
{
    atomic_store(&n->has_failed, true);
}

bool shard_node_has_failed(const struct shard_node *n)
{
    return atomic_load(&n->has_failed);
}

void shard_fail(struct shard_node *n, const struct err_why *why)
{
    if (!atomic_exchange(&n->has_failed, true)) {
        log_error(n->config.log, "shard", "stopping", F_TEXT("why", why->text));
        n->config.on_failure(n->config.arg, why);
    }
}

uint64_t shard_table_count(struct shard_node *n, bool is_memory, uint32_t table)
{
    uint64_t count = 0;
    for (uint32_t g = 0; g <= n->config.shards; g++) {
        struct shard *s = shard_at(n, g);
        struct model *m = s == NULL ? NULL : (is_memory ? s->memory : s->disk);
        count += m == NULL ? 0 : model_count(m, table);
    }
    return count;
}

uint64_t shard_memory_bytes(const struct shard_node *n)
{
    return atomic_load_explicit(&n->memory_bytes, memory_order_relaxed);
}

struct engine *shard_engine(const struct shard_node *n, uint32_t group, bool is_memory)
{
    CHECK(group <= n->config.shards);
    const struct shard *s = shard_at(n, group);
    return s == NULL ? NULL : (is_memory ? s->memory_engine : s->disk_engine);
}
