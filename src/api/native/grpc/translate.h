/* translate.h - messages of holdfast.v1 to operations, and results back to messages: one place for
 * single calls, transactions and batches.
 *
 *   request message ─► form->read ─► struct op ─► (router) ─► struct result ─► form->answer ─►
 * message
 *
 * There is one form for each field of the message Operation, with its number. Ops refer to the
 * bytes of the messages that they were read from, and messages of answers to the bytes of results:
 * nothing but arrays is made anew. Requests are messages that were unpacked with grpc_allocator().
 */
#ifndef API_NATIVE_GRPC_TRANSLATE_H
#define API_NATIVE_GRPC_TRANSLATE_H

#include "api/grpc.h"
#include "proto/holdfast/v1/kv.pb-c.h"

/* ---- Requests ---- */

/* Where messages are read. */
struct translation {
    struct router *router;
    struct arena *arena; /* gets the arrays of ops */
    struct slice author; /* of versions that name none */
    struct slice table;  /* of operations that name none; empty: each must */
    bool is_part;        /* of a transaction: has no idempotency id and no level of its own */
    bool may_span;       /* ranges may lie in several shards: whoever asks takes them apart */
};

/* One operation while it is read. The first error counts. */
struct reading {
    const struct translation *t;
    struct op *op;
    enum read_level level;
    const struct table *table;
    enum err err;
    struct err_why *why;
};

struct answering;

struct form {
    enum op_kind kind;
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response;
    void (*read)(struct reading *r, const void *request);
    /* Errors: those that only the dialect sees. */
    enum err (*answer)(const struct answering *a, void *response);
    bool answers_missing; /* NOT_FOUND is an answer like any other */
};

/* The form of field `number` of Operation, or NULL. */
const struct form *form_of(unsigned number);

/* Reads a request of the form; what is accepted has passed op_check(). Errors: ERR_INVALID,
 * ERR_TOO_LARGE, ERR_NOT_FOUND (the table), ERR_STARTING, ERR_CROSS_SHARD. */
MUST_CHECK enum err form_read(const struct form *f, const struct translation *t,
                              const void *request, struct op *op, enum read_level *level,
                              struct err_why *why);

/* The same for an operation of any form; `*number` says which. */
MUST_CHECK enum err operation_read(const struct translation *t,
                                   const Holdfast__V1__Operation *message, struct op *op,
                                   enum read_level *level, unsigned *number, struct err_why *why);

/* A transaction while it is under way: which forms its parts have. */
struct txn_forms {
    unsigned *success, *failure; /* numbers, in the arena */
};

MUST_CHECK enum err txn_read(const struct translation *t, const Holdfast__V1__TxnRequest *message,
                             struct op *op, enum read_level *level, struct txn_forms *forms,
                             struct err_why *why);

/* ---- Answers ---- */

/* One result while it becomes a message. */
struct answering {
    struct arena *arena; /* gets the message */
    const struct op *op;
    const struct result *result;
    uint64_t now_ms;
};

/* The answer of that form. Errors: of the result, or what only the dialect sees. */
MUST_CHECK enum err form_answer(const struct form *f, const struct answering *a,
                                ProtobufCMessage **response);

/* The answer of form `number`, or its error. `message` is initialised here. */
void operation_answer(unsigned number, const struct answering *a,
                      Holdfast__V1__OperationResult *message);

/* The result is no error. */
Holdfast__V1__TxnResponse *txn_answer(const struct txn_forms *forms, const struct answering *a);

/* What went wrong. `text` NULL: what the list of errors says; `a` NULL: no op was made. `message`
 * is initialised here. */
void error_answer(enum err e, const char *text, const struct answering *a,
                  Holdfast__V1__ErrorDetail *message);

/* ---- Rows ---- */

Holdfast__V1__Record **records_of(struct arena *arena, const struct row *rows, size_t count,
                                  bool keys_only, uint64_t now_ms);
Holdfast__V1__LogVersion **versions_of(struct arena *arena, const struct row *rows, size_t count);
/* Where a list that has more goes on: behind its last row, or behind `value` when it has none. */
ProtobufCBinaryData resume_point(const struct result *result);
ProtobufCBinaryData *members_of(struct arena *arena, const struct row *rows, size_t count);

#define RETRY_BUSY_MS        100 /* what a client is told to wait */
#define RETRY_UNAVAILABLE_MS 1000

/* ---- Private to the files of forms ---- */

/* Notes an error with its sentence. */
void reading_refuse(struct reading *r, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Table and key, which every operation has. */
void read_place(struct reading *r, const char *table, ProtobufCBinaryData key);
/* The operation is about a whole table, or a range of it. */
void read_whole(struct reading *r, const char *table);
void read_level_of(struct reading *r, Holdfast__V1__ReadLevel level);
void read_id(struct reading *r, ProtobufCBinaryData id);
void read_expiry(struct reading *r, const Holdfast__V1__Expiry *expiry);
void read_condition(struct reading *r, const Holdfast__V1__Condition *condition);
void read_flag(struct reading *r, bool is_set, unsigned flag);
void read_items(struct reading *r, size_t count, const ProtobufCBinaryData *items);
/* A number that the op keeps as a signed one. */
void read_number(struct reading *r, uint64_t number, const char *name);

Holdfast__V1__ValueType value_type_of(uint8_t type);

/* Milliseconds, 1 or more; 0: never. */
uint64_t ttl_left(uint64_t expiry_ms, uint64_t now_ms);

/* The members of a form whose messages and functions are called alike. */
#define FORM(op, name)                                                                             \
    .kind = (op), .request = &holdfast__v1__##name##_request__descriptor,                          \
    .response = &holdfast__v1__##name##_response__descriptor, .read = read_##name,                 \
    .answer = answer_##name

/* Forms by number, of one file each. NULL: not here. */
const struct form *key_form(unsigned number);
const struct form *range_form(unsigned number);
const struct form *counter_form(unsigned number);
const struct form *set_form(unsigned number);
const struct form *log_form(unsigned number);

#endif
