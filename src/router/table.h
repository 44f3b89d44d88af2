/* table.h - tables as the catalogue knows them: names, options, ids. */
#ifndef ROUTER_TABLE_H
#define ROUTER_TABLE_H

#include "model/op.h"

#define TABLES_MAX 1024 /* live ones in a node */

enum table_engine {
    TABLE_DISK,
    TABLE_MEMORY
};

enum table_partition {
    PARTITION_KEY,  /* each key has its own place */
    PARTITION_TABLE /* the whole table lies in the shard of its name */
};

enum table_evict {
    EVICT_NONE,
    EVICT_LRU /* memory tables only */
};

struct table_options {
    enum table_engine engine;
    enum table_partition partition;
    enum table_evict evict;
    uint64_t default_ttl_ms; /* 0: never */
};

/* Constant. Valid until the end of the turn in which it was looked up; keep the name and look it
 * up again when router_catalogue_version() has changed. */
struct table {
    uint32_t id;    /* never used again */
    uint32_t shard; /* PARTITION_TABLE: where it lies */
    struct table_options options;
    uint64_t created_ms;
    bool is_built_in; /* cannot be dropped */
    bool is_staged;   /* found by its id only, until it takes its name */
    uint8_t name_size;
    char name[TABLE_NAME_MAX + 1];
};

/* 1 to TABLE_NAME_MAX bytes of [A-Za-z0-9._-]. */
bool table_name_is_valid(struct slice name);

#endif
