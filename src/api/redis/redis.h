/* redis.h - the Redis dialect: one session per connection. Bytes in, bytes out; no I/O.
 *
 * The owner of the connection gives received bytes with redis_input() and sends what
 * gathers in `out`. Commands are carried out at the end of the turn (router.h); replies
 * appear in `out` in the order of the commands, whenever their calls are done. */
#ifndef API_REDIS_REDIS_H
#define API_REDIS_REDIS_H

#include "base/buf.h"
#include "base/chunk.h"
#include "router/context.h"

#define REDIS_CALLS_MAX 4096               /* commands in flight of one connection */
#define REDIS_HOLD_MAX  ((size_t)16 << 10) /* bytes of replies that wait for others */
#define REDIS_OUT_HIGH  ((size_t)1 << 20)  /* unsent bytes: stop reading */

struct redis_session;

struct redis_owner {
    /* There is something new in `out`, or room for more input: look at it before this turn ends.
     * Called at most once between two calls of redis_turn_done(). */
    void (*on_output)(void *arg);
    /* Calls redis_wake() after that long; not needed after redis_close(). NULL: cannot wait. */
    void (*wake_after)(void *arg, uint32_t delay_ms);
    void *arg;
    const char *peer; /* borrowed, lives as long as the session */
    uint64_t id;      /* of the connection, never used again in this node */
    bool is_tls;
};

/* `context` is borrowed and outlives the session. */
struct redis_session *redis_open(struct loop_context *context, const struct redis_owner *owner);

/* Takes commands from `data`, which lies in `chunk` (held as long as a command needs it); `data`
 * begins with the first byte of a command. Returns how many bytes were used; the rest (an
 * unfinished command, or more than may be in flight) must be given again, with more behind it or
 * not. */
size_t redis_input(struct redis_session *s, struct chunk *chunk, const uint8_t *data, size_t size);

/* Bytes of the unfinished command at least needed in all, 0: unknown. For sizing the buffer. */
size_t redis_wanted(const struct redis_session *s);

/* True: no more input for now (too much in flight, or a CLIENT PAUSE/blocking state). on_output is
 * called when that changes. */
bool redis_is_full(const struct redis_session *s);

/* The replies so far should wait for those behind them: other loops are about to answer. Then
 * on_output is called. So a pipeline is answered with one write, whatever loops it concerns. */
bool redis_is_awaiting(const struct redis_session *s);

/* Replies that may be sent now. The owner takes the bytes away (buf_clear or a swap). */
struct buf *redis_out(struct redis_session *s);

/* The owner has looked at `out`: on_output may be called again. */
void redis_turn_done(struct redis_session *s);

/* True after QUIT or a broken protocol: close when `out` is sent and nothing is in flight. */
bool redis_is_closing(const struct redis_session *s);

/* The time asked for with wake_after() has passed. */
void redis_wake(struct redis_session *s);

/* The peer sends no more: unfinished input is dropped; closing when all replies are sent. */
void redis_input_end(struct redis_session *s);

/* The connection is gone. Calls under way end by themselves; then the session is freed.
 * Sets `*s` to NULL. */
void redis_close(struct redis_session **s);

/* The loop ends; no session is left on it. Harmless when none ever was. */
void redis_loop_close(struct loop_context *context);

void redis_facts(const struct redis_session *s, struct connection_facts *out);

#endif
