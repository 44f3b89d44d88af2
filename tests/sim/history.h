/* history.h - what one client has sent to each shard, and what state each prefix of it makes. */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include "base/random.h"
#include "router/router.h"

#define HISTORY_SHARDS_MAX 8
#define HISTORY_KEYS       4    /* per shard and kind */
#define HISTORY_OPS_MAX    4096 /* per shard */
#define HISTORY_VALUE_MAX  8192

enum history_state {
    HISTORY_SENT,   /* not answered: may have happened, or not */
    HISTORY_DONE,   /* acknowledged */
    HISTORY_REFUSED /* certainly did not happen */
};

enum history_kind {
    HISTORY_PUT,
    HISTORY_APPEND,
    HISTORY_ADD,
    HISTORY_ADD_ONCE, /* with an idempotency id */
    HISTORY_MEMBER,
    HISTORY_DELETE,
    HISTORY_TXN, /* puts one key and appends to another */
    HISTORY_KIND_COUNT
};

struct history_op {
    struct call call;
    struct history *history;
    enum history_kind kind;
    enum history_state state;
    uint32_t shard;
    uint32_t key;
    uint64_t number; /* unique */
    char key_text[32];
    char other_text[32];
    char value_text[32];
    char id_text[32];
    struct op parts[2];
    struct slice item;
};

/* Strings, counters and sets of one shard, as text. */
struct history_values {
    char strings[HISTORY_KEYS][HISTORY_VALUE_MAX];
    int64_t counters[HISTORY_KEYS];
    char members[HISTORY_KEYS][HISTORY_VALUE_MAX]; /* numbers in the order of their bytes */
};

struct history {
    struct random random;
    uint32_t shards;
    uint32_t table;
    uint64_t next_number;
    struct call_order order;
    char tags[HISTORY_SHARDS_MAX][16]; /* a hash tag that leads to the shard */
    struct history_op *ops[HISTORY_SHARDS_MAX][HISTORY_OPS_MAX]; /* in the order sent */
    size_t count[HISTORY_SHARDS_MAX];
    size_t settled[HISTORY_SHARDS_MAX]; /* ops before are part of the state for certain */
    size_t waiting;
    size_t done;
};

void history_init(struct history *h, const struct router *r, uint64_t seed);
void history_deinit(struct history *h);

/* Sends a random operation through `r`. */
void history_send(struct history *h, struct router *r);

/* Sends the operation again (HISTORY_ADD_ONCE only). */
void history_repeat(struct history *h, struct router *r, struct history_op *op);

/* Reads the shard's keys through `r`; runs the world until they are there. */
void history_read(struct history *h, struct router *r, uint32_t shard,
                  struct history_values *values);

/* Finds how many operations of the shard make the state `values`: at least all acknowledged ones.
 * Returns false if no prefix does. Operations behind it are dropped, but for the ones to be
 * repeated, which the caller finds in `lost` (at most `max`, `*lost_count`). */
bool history_settle(struct history *h, uint32_t shard, const struct history_values *values,
                    struct history_op **lost, size_t max, size_t *lost_count);

#endif
