/* regatta.h - shared by the files of this dialect: tables as Regatta knows them, its statuses and
 * texts, its limits.
 *
 * A table of Regatta is one with partition=table: it lies in one shard, so that ranges,
 * transactions and backups of it are of one state. The others do not exist for these clients, nor
 * does the index of D-Stash's search, which is one of them by chance and holds sets. */
#ifndef API_REGATTA_REGATTA_H
#define API_REGATTA_REGATTA_H

#include "api/grpc.h"
#include "api/http_err.h"
#include "proto/regatta/regatta.pb-c.h"
#include "router/context.h"

#define REGATTA_KEY_MAX           ((size_t)1024)             /* bytes */
#define REGATTA_VALUE_MAX         ((size_t)2 << 20)          /* bytes */
#define REGATTA_ANSWER_MAX        (((size_t)4 << 20) - 1024) /* bytes of rows in one message */
#define REGATTA_TXN_MAX           ((size_t)1 << 17)          /* compares and operations of a Txn */
#define REGATTA_TXN_READS_MAX     ((size_t)4096)             /* reads in a branch of it */
#define REGATTA_OPEN_COMPARES_MAX 32                         /* of them: to the end of the table */
#define REGATTA_DEADLINE_NS       UINT64_C(5000000000)       /* of a call that names none */
#define REGATTA_ID_FIRST          UINT64_C(10000)            /* a table's id is ours and this */
#define REGATTA_VERSION           "0.5.2" /* of the protocol: clients ask for 0.5 */
#define REGATTA_CLUSTER_NAME      "default"
#define REGATTA_CLUSTER_ID        1 /* of the first version */

#define TEXT_TABLE_NOT_FOUND "table not found"
#define TEXT_TABLE_NOT_SET   "table must be set"
#define TEXT_KEY_NOT_SET     "key must be set"
#define TEXT_KEY_TOO_LONG    "key length exceeded max allowed value"
#define TEXT_VALUE_TOO_LONG  "value length exceeded max allowed value"

/* ---- status.c ---- */

/* A status with its text. */
struct refusal {
    enum grpc_status status; /* GRPC_OK: none */
    enum err err;            /* as what it is counted */
    const char *text;
};

#define REFUSAL_INVALID(message) ((struct refusal){GRPC_INVALID_ARGUMENT, ERR_INVALID, (message)})
#define REFUSAL_LIMIT(message)                                                                     \
    ((struct refusal){GRPC_FAILED_PRECONDITION, ERR_TOO_LARGE, (message)})
#define REFUSAL_NO_TABLE ((struct refusal){GRPC_NOT_FOUND, ERR_NOT_FOUND, TEXT_TABLE_NOT_FOUND})

/* What a failed operation is to Regatta's clients. DeadlineExceeded and Canceled are not used: they
 * repeat writes that were answered so. */
struct refusal refusal_of(enum err e);

/* The refusal of a key or a bound over the limit, of a value over it; GRPC_OK: none. */
struct refusal refusal_of_key(struct slice key);
struct refusal refusal_of_value(struct slice value);

/* Ends the call. */
void regatta_refuse(struct grpc_call *g, struct refusal r);
void regatta_fail(struct grpc_call *g, enum err e);

/* The call carries `token`, or it is empty. False: it has been refused. */
bool regatta_is_allowed(struct grpc_call *g, const char *token);

/* What `authorization` is worth. */
struct refusal refusal_of_token(struct slice authorization, const char *token);

/* ---- regatta.c ---- */

/* NULL: there is none of that name, or it is not Regatta's; `*r` says why. */
const struct table *regatta_table(const struct loop_context *c, struct slice name,
                                  struct refusal *r);

/* Ends the call for an operation on table `id`, once named `name`, that has failed with `e`. When
 * another table has taken the name meanwhile (a restore, a reset) the client should ask again; a
 * Range does so itself. */
void regatta_fail_op(struct grpc_call *g, enum err e, uint32_t id, struct slice name);

/* Another table has taken the name of table `id` since it was looked up. */
bool regatta_is_replaced(const struct loop_context *c, uint32_t id, struct slice name);

/* The table is gone, or another has its name: nothing can be said about its keys. */
static inline bool regatta_is_gone(const struct loop_context *c, uint32_t id)
{
    return router_table_by_id(c->router, id) == NULL;
}

/* A table made for these clients: where the built-in ones live. */
struct table_options regatta_options(const struct loop_context *c);

bool is_regatta_table(const struct table *t);

static inline uint64_t regatta_id(uint32_t table)
{
    return table + REGATTA_ID_FIRST;
}

/* Of an answer about the table `id`; revision 0: it is no write. */
Regatta__V1__ResponseHeader regatta_header(const struct loop_context *c, uint32_t id,
                                           uint64_t revision);

/* Of the first version, which had one group for all tables. */
Regatta__V1__ResponseHeader regatta_early_header(const struct loop_context *c);

/* An operation on a table of the call, whose deadline is the client's or the default. */
void regatta_op_init(struct grpc_op *o, struct grpc_call *g, uint32_t table, grpc_op_fn answer);

/* ---- Handlers ---- */

void regatta_range(struct grpc_call *g, const ProtobufCMessage *m);   /* range.c */
void regatta_iterate(struct grpc_call *g, const ProtobufCMessage *m); /* walk.c */
void regatta_walk_on_writable(struct grpc_call *g);
void regatta_walk_on_abort(struct grpc_call *g);
void regatta_put(struct grpc_call *g, const ProtobufCMessage *m); /* writes.c */
void regatta_delete_range(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_txn(struct grpc_call *g, const ProtobufCMessage *m);          /* txn.c */
void regatta_create_table(struct grpc_call *g, const ProtobufCMessage *m); /* tables.c */
void regatta_delete_table(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_list_tables(struct grpc_call *g, const ProtobufCMessage *m);
void regatta_change_on_abort(struct grpc_call *g);
void regatta_member_list(struct grpc_call *g, const ProtobufCMessage *m); /* cluster.c */
void regatta_status(struct grpc_call *g, const ProtobufCMessage *m);

#endif
