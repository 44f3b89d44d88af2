/* bench_rocks.c - the peer of cold reads: RocksDB alone, as the storage notes advise to set it,
 * read at random by a number of threads. Prints one line.
 *
 *   bench_rocks FOLDER KEYS VALUE_BYTES CACHE_MIB THREADS SECONDS    (fills the folder if it is
 * new) */
#include <inttypes.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/random.h"

struct bench {
    rocksdb_t *db;
    uint64_t keys;
    double seconds;
    _Atomic uint64_t done;
};

struct reader_thread {
    pthread_t thread;
    struct bench *bench;
    uint64_t seed;
};

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void or_stop(char *error)
{
    if (error != NULL) {
        (void)fprintf(stderr, "bench_rocks: %s\n", error);
        exit(1);
    }
}

static rocksdb_options_t *make_options(size_t cache_bytes)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(t, rocksdb_cache_create_lru(cache_bytes));
    rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_size(t, 16 << 10);
    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_options_set_compression(o, rocksdb_lz4_compression);
    rocksdb_options_set_create_if_missing(o, 1);
    return o;
}

static void fill(struct bench *b, size_t value_size)
{
    char *error = NULL;
    char key[32];
    char *value = mem_alloc(value_size);
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(w, 1);
    for (size_t i = 0; i < value_size; i++) {
        value[i] = 'x';
    }
    for (uint64_t i = 0; i < b->keys; i++) {
        const int size = snprintf(key, sizeof(key), "key:%012" PRIu64, i);
        rocksdb_put(b->db, w, key, (size_t)size, value, value_size, &error);
        or_stop(error);
    }
    rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();
    rocksdb_flush(b->db, f, &error);
    or_stop(error);
    rocksdb_compact_range(b->db, NULL, 0, NULL, 0);
    rocksdb_flushoptions_destroy(f);
    rocksdb_writeoptions_destroy(w);
    mem_free(value);
}

static void *read_keys(void *arg)
{
    struct reader_thread *r = arg;
    struct random random = {r->seed};
    rocksdb_readoptions_t *o = rocksdb_readoptions_create();
    const double end = now_s() + r->bench->seconds;
    uint64_t done = 0;
    while (now_s() < end) {
        char *error = NULL;
        char key[32];
        size_t value_size = 0;
        const int size =
            snprintf(key, sizeof(key), "key:%012" PRIu64, random_below(&random, r->bench->keys));
        char *value = rocksdb_get(r->bench->db, o, key, (size_t)size, &value_size, &error);
        or_stop(error);
        rocksdb_free(value);
        done++;
    }
    rocksdb_readoptions_destroy(o);
    atomic_fetch_add(&r->bench->done, done);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        (void)fputs("use: bench_rocks FOLDER KEYS VALUE_BYTES CACHE_MIB THREADS SECONDS\n", stderr);
        return 2;
    }
    char *error = NULL;
    struct bench b = {.keys = strtoull(argv[2], NULL, 10), .seconds = strtod(argv[6], NULL)};
    rocksdb_options_t *options = make_options(strtoull(argv[4], NULL, 10) << 20);
    b.db = rocksdb_open(options, argv[1], &error);
    or_stop(error);
    char *rows = rocksdb_property_value(b.db, "rocksdb.estimate-num-keys");
    if (rows == NULL || strcmp(rows, "0") == 0) {
        fill(&b, strtoull(argv[3], NULL, 10));
    }
    rocksdb_free(rows);
    const size_t threads = strtoull(argv[5], NULL, 10);
    struct reader_thread *readers = mem_zero(threads, sizeof(*readers));
    for (size_t i = 0; i < threads; i++) {
        readers[i] = (struct reader_thread){.bench = &b, .seed = i + 1};
        if (pthread_create(&readers[i].thread, NULL, read_keys, &readers[i]) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < threads; i++) {
        (void)pthread_join(readers[i].thread, NULL);
    }
    (void)printf("ops_per_s %.0f\n", (double)atomic_load(&b.done) / b.seconds);
    mem_free(readers);
    rocksdb_close(b.db);
    return 0;
}
