/* calls.h - private to grpc/: how the methods of holdfast.v1 answer. */
#ifndef API_NATIVE_GRPC_CALLS_H
#define API_NATIVE_GRPC_CALLS_H

#include "api/native/grpc/translate.h"

#define DETAIL_VALUE_MAX ((size_t)4096) /* bytes of a previous value in a status */

/* Which field of Operation a method is, or 0. */
unsigned method_number(const struct grpc_method *method);

/* For the requests of one call; their arrays lie in its arena. */
struct translation translation_of(const struct grpc_call *g);

/* Ends the call with a status, and an ErrorDetail in it. `text` NULL or "": what the list of errors
 * says; `a` NULL: no op was made. */
void call_fail(struct grpc_call *g, enum err e, const char *text, const struct answering *a);

/* ---- What a method does with its request: struct grpc_method's on_message ---- */

void on_unary(struct grpc_call *g, const ProtobufCMessage *message);
void on_txn(struct grpc_call *g, const ProtobufCMessage *message);

/* Answers that may come from all shards (whole.c). */
void on_count(struct grpc_call *g, const ProtobufCMessage *message);
void on_random_key(struct grpc_call *g, const ProtobufCMessage *message);
void on_random_key_abort(struct grpc_call *g);
void on_delete_range(struct grpc_call *g, const ProtobufCMessage *message);
void on_delete_range_abort(struct grpc_call *g);

/* Answers of any size (stream.c). */
void on_stream(struct grpc_call *g, const ProtobufCMessage *message);
void on_stream_writable(struct grpc_call *g);
void on_stream_abort(struct grpc_call *g);

void on_batch_open(struct grpc_call *g);

void on_table_create(struct grpc_call *g, const ProtobufCMessage *message);
void on_table_drop(struct grpc_call *g, const ProtobufCMessage *message);
void on_table_empty(struct grpc_call *g, const ProtobufCMessage *message);
void on_table_get(struct grpc_call *g, const ProtobufCMessage *message);
void on_table_list(struct grpc_call *g, const ProtobufCMessage *message);
void on_table_abort(struct grpc_call *g);

void on_status(struct grpc_call *g, const ProtobufCMessage *message);

#endif
