#include "engine/disk/rocks.h"

#define MIB               ((size_t)1 << 20)
#define BLOCK_BYTES       ((size_t)16 << 10)
#define BLOOM_BITS        10
#define TABLE_FORMAT      5
#define MEMTABLES_MAX     4 /* of one family; `write_bytes` decides before */
#define MEMTABLE_MIN      MIB
#define ARENA_BLOCK_BYTES ((size_t)64 << 10) /* there are many families, most of them quiet */
#define MEMTABLE_BLOOM    ((size_t)64 << 10) /* bytes */
#define SYNC_EVERY_BYTES  MIB

/* A file with so many deletions among so many rows is compacted soon: that gives their room back.
 */
#define DELETION_WINDOW 256
#define DELETIONS       128

/* RocksDB's own log says how it was opened, and nothing later on: on a full disk it cannot be
 * written, and the next line after one that was not stops the process (an assertion). */
#define LOG_FATAL      4
#define LOG_FILE_BYTES MIB
#define LOG_FILES      2

/* RocksDB cuts a cache into shards, and a block that is larger than a shard is read again each
 * time: filter blocks reach 3 MB. */
#define CACHE_SHARD_BITS_SMALL 2
#define CACHE_SHARD_BITS       3
#define CACHE_SMALL            (64 * MIB)

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum err code_of(const char *text, enum err incomplete)
{
    if (begins_with(text, "Result incomplete")) {
        return incomplete;
    }
    if (begins_with(text, "IO error: No space")) {
        return ERR_NO_SPACE;
    }
    return begins_with(text, "Corruption") ? ERR_CORRUPT : ERR_IO;
}

enum err rocks_err(char *text, enum err incomplete, const char *what, struct err_why *why)
{
    if (text == NULL) {
        return ERR_OK;
    }
    const enum err err = err_set(why, code_of(text, incomplete), "%s: %s", what, text);
    rocksdb_free(text);
    return err;
}

rocksdb_cache_t *rocks_cache_new(size_t bytes)
{
    rocksdb_lru_cache_options_t *options = rocksdb_lru_cache_options_create();
    rocksdb_lru_cache_options_set_capacity(options, bytes);
    rocksdb_lru_cache_options_set_num_shard_bits(
        options, bytes < CACHE_SMALL ? CACHE_SHARD_BITS_SMALL : CACHE_SHARD_BITS);
    rocksdb_cache_t *cache = rocksdb_cache_create_lru_opts(options);
    rocksdb_lru_cache_options_destroy(options);
    return cache;
}

/* A write asks for the old row first, and that is seldom in the memtable: a filter saves the
 * search. It fits a memtable of the usual size, and gets weaker in one that grows further because
 * it alone is written to. */
static void set_memtables(rocksdb_options_t *o, size_t bytes)
{
    const size_t most = bytes < MEMTABLE_MIN ? MEMTABLE_MIN : bytes;
    rocksdb_options_set_write_buffer_size(o, most);
    rocksdb_options_set_max_write_buffer_number(o, MEMTABLES_MAX);
    rocksdb_options_set_arena_block_size(o, ARENA_BLOCK_BYTES);
    rocksdb_options_set_memtable_whole_key_filtering(o, 1);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, (double)MEMTABLE_BLOOM / (double)most);
}

static void set_tables(rocksdb_options_t *o, rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(t, cache);
    rocksdb_block_based_options_set_block_size(t, BLOCK_BYTES);
    rocksdb_block_based_options_set_format_version(t, TABLE_FORMAT);
    rocksdb_block_based_options_set_filter_policy(
        t, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
}

rocksdb_options_t *rocks_options_new(const struct disk_config *config, rocksdb_cache_t *cache)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_db_write_buffer_size(o, config->write_bytes);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_set_bytes_per_sync(o, SYNC_EVERY_BYTES);
    rocksdb_options_set_max_background_jobs(o, (int)config->jobs);
    rocksdb_options_set_avoid_unnecessary_blocking_io(o, 1); /* a reader deletes no files */
    rocksdb_options_set_atomic_flush(o, 0);                  /* nothing spans two families */
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_info_log_level(o, LOG_FATAL);
    rocksdb_options_set_max_log_file_size(o, LOG_FILE_BYTES);
    rocksdb_options_set_keep_log_file_num(o, LOG_FILES);
    rocksdb_options_add_compact_on_deletion_collector_factory(o, DELETION_WINDOW, DELETIONS);
    set_memtables(o, config->write_bytes / 2);
    set_tables(o, cache);
    return o;
}

rocksdb_readoptions_t *rocks_read_new(enum rocks_tier tier)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(options, (int)tier);
    return options;
}

rocksdb_writeoptions_t *rocks_write_new(void)
{
    rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(options, 1);
    rocksdb_writeoptions_set_no_slowdown(options, 1);
    return options;
}
