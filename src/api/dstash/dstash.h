/* dstash.h - private to dstash/: what its files share. */
#ifndef API_DSTASH_DSTASH_H
#define API_DSTASH_DSTASH_H

#include "api/grpc_flow.h"
#include "api/http_err.h"

#define DSTASH_TABLE        "dstash"
#define DSTASH_SEARCH_TABLE "dstash.search"
#define DSTASH_KEY_MAX      ((size_t)65535)    /* bytes, as in the original */
#define DSTASH_MESSAGE_MAX  ((size_t)20 << 20) /* bytes of a request that names an index */

/* ---- Errors, in the words of the original where it has some ---- */

/* Ends the stream at this request: Unknown and that text. */
enum grpc_flow_step dstash_refuse(struct grpc_flow_slot *s, const char *text);

/* The same for the result of an operation: what the original does not know gets its own status. */
enum grpc_flow_step dstash_fail(struct grpc_flow_slot *s, enum err e);

/* Ends a call that is no flow. */
void dstash_refuse_call(struct grpc_call *g, const char *text);
void dstash_fail_call(struct grpc_call *g, enum err e);

/* Counts an error that the client is not told. */
void dstash_count(const struct grpc_call *g, enum err e);

/* ---- Indexes are tables (indexes.c) ---- */

/* Finds a table. Errors: ERR_NOT_FOUND, ERR_STARTING. */
MUST_CHECK enum err dstash_find(const struct grpc_call *g, struct slice name, uint32_t *table);

/* The step for a write to the table `name`, which lives as long as the slot: it is made if it does
 * not exist, and the call waits for that. */
enum grpc_flow_step dstash_write(struct grpc_flow_slot *s, struct slice name);

/* ---- Streamed answers (rows.c) ---- */

/* What g->user points to, while something is under way; first in a larger struct. */
struct dstash_stream {
    void (*go_on)(struct dstash_stream *s); /* the client has taken some; it may be too early */
    void (*abort)(struct dstash_stream *s); /* grpc_done() follows */
};

/* For struct grpc_method. */
void dstash_on_writable(struct grpc_call *g);
void dstash_on_abort(struct grpc_call *g);

struct dstash_rows;
typedef void (*dstash_row_fn)(struct dstash_rows *r, const struct row *row);

/* An answer made of the rows of a source. In the exchange's arena. */
struct dstash_rows {
    struct dstash_stream stream; /* private to rows.c */
    struct grpc_call *g;
    dstash_row_fn row;
    const char *index; /* echoed in every answer; NULL: none */
    uint64_t last_id;  /* of a string, for `row` */
    bool has_last;

    /* Private to rows.c. */
    struct source *source;
    struct source_page page;
    bool is_paging, is_stalled;
};

/* Streams what `config` finds, and ends the call. `g` and `row` are set. */
void dstash_rows_start(struct dstash_rows *r, const struct source_config *config);

/* ---- Methods: functions of struct grpc_method ---- */

void dstash_put(struct grpc_call *g, const ProtobufCMessage *message);
void dstash_batch_put(struct grpc_call *g);
void dstash_lookup(struct grpc_call *g, const ProtobufCMessage *message);
void dstash_batch_lookup(struct grpc_call *g);
void dstash_items(struct grpc_call *g, const ProtobufCMessage *message);
void dstash_index_items(struct grpc_call *g, const ProtobufCMessage *message);
void dstash_batch_index(struct grpc_call *g);
void dstash_search(struct grpc_call *g, const ProtobufCMessage *message);

/* The route of a request to the Consul-shaped endpoint, or NULL (consul.c). */
const struct http_route *dstash_consul_find(const struct http_request *request);

#endif
