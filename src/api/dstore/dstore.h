/* dstore.h - the text protocol of dstore and Hedge: one session per connection. Bytes in, bytes
 * out; no I/O.
 *
 * The owner of the connection gives received bytes with dstore_input() and sends what gathers in
 * dstore_out(). Puts are carried out at the end of the turn (router.h); replies appear in the order
 * of the lines, whenever their calls are done. */
#ifndef API_DSTORE_DSTORE_H
#define API_DSTORE_DSTORE_H

#include "base/buf.h"
#include "router/context.h"

#define DSTORE_LINES_MAX  256                 /* of one connection that wait for their reply */
#define DSTORE_BYTES_MAX  ((size_t)4 << 20)   /* of keys and values in them, but for the last */
#define DSTORE_LINE_EXTRA ((size_t)256 << 10) /* a line has at most two values and this */
#define DSTORE_OUT_HIGH   ((size_t)1 << 20)   /* unsent bytes: stop reading */
#define DSTORE_ID_MAX     ((size_t)4 << 10)   /* of HEY, which is sent back, and much longer */

struct dstore_session;

struct dstore_owner {
    /* There is something new in `out`, or room for more input: look at it before this turn ends. */
    void (*on_output)(void *arg);
    void *arg;
};

/* `context` is borrowed and outlives the session. */
struct dstore_session *dstore_open(struct loop_context *context, const struct dstore_owner *owner);

/* Takes lines from `data`, which begins with the first byte of one; nothing of it is referred to
 * afterwards. Returns how many bytes were used; the rest (an unfinished line, or more than may
 * wait) must be given again, with more behind it or not. */
size_t dstore_input(struct dstore_session *s, const uint8_t *data, size_t size);

/* True: no more input for now. on_output() is called when that changes. */
bool dstore_is_full(const struct dstore_session *s);

/* Replies that may be sent now. The owner takes the bytes away (buf_clear or a swap). */
struct buf *dstore_out(struct dstore_session *s);

/* The owner has looked at `out`: on_output may be called again. */
void dstore_turn_done(struct dstore_session *s);

/* True: close when `out` is sent. */
bool dstore_is_closing(const struct dstore_session *s);

/* The peer sends no more, or nothing more of it is wanted: closing when all replies are sent. */
void dstore_input_end(struct dstore_session *s);

/* The connection is gone. Calls under way end by themselves; then the session is freed.
 * Sets `*s` to NULL; harmless when it already is. */
void dstore_close(struct dstore_session **s);

#endif
