/* Between the files of the oracle. */
#ifndef TESTS_UNIT_MODEL_ORACLE_PRIVATE_H
#define TESTS_UNIT_MODEL_ORACLE_PRIVATE_H

#include "base/check.h"
#include "unit/model_oracle.h"

/* One op that is worked out. */
struct oracle_case {
    const struct op *op;
    const struct moment *moment;
    const struct result *got;
    struct oracle_record *live; /* at the op's key, or NULL */
};

typedef enum err (*oracle_fn)(struct oracle *o, struct oracle_case *c);

void oracle_clear(struct oracle_record *r);
struct oracle_record *oracle_find(struct oracle *o, uint32_t table, struct slice key, uint64_t now);
struct oracle_record *oracle_make(struct oracle *o, uint32_t table, struct slice key,
                                  enum value_type type);
void oracle_text(struct oracle_record *r, struct slice text);
bool oracle_has(const struct oracle_record *r, struct slice member);
bool oracle_add(struct oracle_record *r, struct slice member);
bool oracle_remove(struct oracle_record *r, struct slice member);
void oracle_version_add(struct oracle_record *r, const struct oracle_version *v);

void oracle_facts(const struct oracle_record *r, const struct result *got);
void oracle_slice(struct slice want, struct slice got);
uint64_t oracle_expiry(const struct oracle *o, const struct oracle_case *c, bool is_kept);
void oracle_written(struct oracle_case *c, struct oracle_record *r, uint64_t expiry_ms,
                    bool is_checked);
struct oracle_record *oracle_become(struct oracle *o, struct oracle_case *c, enum value_type type);

enum err oracle_set_add(struct oracle *o, struct oracle_case *c);
enum err oracle_set_remove(struct oracle *o, struct oracle_case *c);
enum err oracle_set_move(struct oracle *o, struct oracle_case *c);
enum err oracle_set_pop(struct oracle *o, struct oracle_case *c);
enum err oracle_set_has(struct oracle *o, struct oracle_case *c);
enum err oracle_set_random(struct oracle *o, struct oracle_case *c);
enum err oracle_set_combine(struct oracle *o, struct oracle_case *c);
enum err oracle_set_members(struct oracle *o, struct oracle_case *c);
enum err oracle_log_append(struct oracle *o, struct oracle_case *c);
enum err oracle_log_read(struct oracle *o, struct oracle_case *c);
enum err oracle_range(struct oracle *o, struct oracle_case *c);
enum err oracle_delete_range(struct oracle *o, struct oracle_case *c);
enum err oracle_count_case(struct oracle *o, struct oracle_case *c);
enum err oracle_random_key(struct oracle *o, struct oracle_case *c);
enum err oracle_txn(struct oracle *o, struct oracle_case *c);

#endif
