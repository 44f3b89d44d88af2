/* model_oracle.h - what a model should answer, worked out the slow and simple way: an array of
 * records, each with arrays of members or versions. Written without a look at model/. */
#ifndef TESTS_UNIT_MODEL_ORACLE_H
#define TESTS_UNIT_MODEL_ORACLE_H

#include "base/buf.h"
#include "model/model.h"

#define ORACLE_RECORDS 256

struct oracle_version {
    struct buf id, author, value;
    uint64_t time_ms;
};

struct oracle_record {
    enum value_type type; /* TYPE_NONE: the place is free */
    uint32_t table;
    struct buf key;
    struct buf text;
    struct buf *members; /* sorted; owned */
    size_t member_count;
    struct oracle_version *versions; /* oldest first; owned */
    size_t version_count;
    uint64_t create_revision, mod_revision, version, expiry_ms;
};

struct oracle {
    struct oracle_record records[ORACLE_RECORDS];
    uint64_t default_ttl_ms; /* of every table */
    size_t value_max;
};

void oracle_deinit(struct oracle *o);

/* Works out `op`, compares with what the model answered, and ends the test if they differ. What
 * chance decides is taken from `got`, once it has been seen to be possible. */
void oracle_check(struct oracle *o, const struct op *op, const struct moment *moment,
                  const struct result *got);

/* Live records of a table. */
uint64_t oracle_count(struct oracle *o, uint32_t table, uint64_t now_ms);

#endif
