/* facts.h - what a dialect may ask about the node beyond its data (INFO, CONFIG, CLIENT, /metrics).
 * Function pointers filled by server; every one may be called on any loop. */
#ifndef ROUTER_FACTS_H
#define ROUTER_FACTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"

enum dialect {
    DIALECT_REDIS,
    DIALECT_STRATO,
    DIALECT_ESTORAJE,
    DIALECT_NATIVE,
    DIALECT_ADMIN,
    DIALECT_REGATTA,
    DIALECT_DSTASH,
    DIALECT_DSTORE,
    DIALECT_COUNT
};

#define OPERATIONS_MAX 288 /* names per dialect; see struct operation_stats */

/* Counted by the dialect on its loop: requests by operation with latency, errors by name. */
struct operation_stats {
    const char *name; /* NULL: unused. Constant text, safe as a label */
    struct histogram latency_us;
    metric errors[ERR_COUNT];
};

struct dialect_stats {
    struct operation_stats operations[OPERATIONS_MAX];
};

/* One connection, as CLIENT LIST shows it. */
struct connection_facts {
    uint64_t id;
    const char *peer;
    const char *protocol; /* "resp", "http", "http2" */
    bool is_tls;
    uint64_t opened_ms; /* wall clock */
    uint64_t idle_ms;
    char name[64];
    uint32_t db;
    int resp_version;
    char last_command[32];
};

typedef void (*connection_each_fn)(void *arg, const struct connection_facts *facts);

struct slow_entry {
    uint64_t id;
    uint64_t time_s; /* wall clock */
    uint64_t duration_us;
    struct slice text; /* arguments, each cut to 128 bytes, at most 32, as bulk strings */
    size_t arg_count;
    struct slice peer;
    struct slice client_name;
};

struct node_totals {
    uint64_t connections, connections_max, connections_total, connections_refused;
    uint64_t commands_total;
    uint64_t memory_used_bytes; /* by engines */
    uint64_t memory_limit_bytes;
    uint64_t resident_bytes;
    uint64_t uptime_s;
    uint64_t cpu_user_us, cpu_system_us;
    uint64_t keys_expired, keys_evicted;
};

struct node_facts {
    void *arg;
    const char *version;
    const char *node_id;  /* 40 hex digits, as redis' run_id */
    uint64_t node_number; /* the first 16 of these digits, for dialects that number nodes */
    const char *node_name;
    uint32_t threads;
    uint32_t shards;
    uint16_t port;           /* of the first listener; 0: a Unix socket */
    const char *address;     /* "127.0.0.1:8080" of the first listener */
    const char *data_folder; /* "" when nothing is on disk */
    /* What --regatta-tables-token and --regatta-maintenance-token say; "": anybody may. */
    const char *tables_token;
    const char *maintenance_token;
    struct log *log;

    void (*totals)(void *arg, struct node_totals *out);
    /* Visits every configuration setting as Redis' CONFIG GET would name it and as our flag. */
    void (*settings)(void *arg, void (*each)(void *each_arg, const char *name, const char *value),
                     void *each_arg);
    /* ERR_NOT_FOUND: no such setting; ERR_DENIED: fixed at start; ERR_INVALID. */
    enum err (*change_setting)(void *arg, const char *name, const char *value, struct err_why *why);
    /* The whole of /metrics. */
    void (*metrics)(void *arg, struct buf *out);
    /* ERR_OK: able to serve. ERR_STARTING, ERR_UNAVAILABLE (draining). */
    enum err (*readiness)(void *arg);
    /* Every connection of this loop only. */
    void (*connections)(void *arg, connection_each_fn each, void *each_arg);
};

#endif
