/* A stream of no loop, for tests: it reads into a buffer as fast as it is allowed to. */
#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"
#include "sys/stream.h"

struct sim_client {
    struct list link; /* of the world */
    struct stream *stream;
    struct buf in;
    bool is_paused;
    bool has_ended;
    enum err end;
    uint8_t block[4096];
};

static void free_client(struct sim_client *c)
{
    list_remove(&c->link);
    buf_deinit(&c->in);
    mem_free(c);
}

static size_t client_room(void *arg, uint8_t **data)
{
    struct sim_client *c = arg;
    *data = c->block;
    return c->is_paused ? 0 : sizeof(c->block);
}

static void on_client_data(void *arg, uint8_t *data, size_t size)
{
    struct sim_client *c = arg;
    buf_append(&c->in, data, size);
}

static void on_client_end(void *arg, enum err why)
{
    struct sim_client *c = arg;
    c->has_ended = true;
    c->end = why;
}

static void on_client_drained(void *arg)
{
    (void)arg; /* tests look at sim_client_waiting_bytes() */
}

static void on_client_closed(void *arg)
{
    free_client(arg);
}

static const struct stream_events client_events = {
    client_room, on_client_data, on_client_end, on_client_drained, on_client_closed,
};

struct sim_client *sim_connect(const char *address)
{
    stream_socket socket;
    if (!sim_dial(address, &socket)) {
        return NULL;
    }
    struct sim_client *c = mem_zero(1, sizeof(*c));
    list_push(&sim_world()->clients, &c->link);
    CHECK(stream_open(NULL, socket, &client_events, c, &c->stream, NULL) == ERR_OK);
    stream_read_start(c->stream);
    return c;
}

void sim_client_write(struct sim_client *c, struct slice bytes)
{
    struct buf out = {0};
    buf_append_slice(&out, bytes);
    stream_write(c->stream, &out);
    buf_deinit(&out);
}

size_t sim_client_waiting_bytes(const struct sim_client *c)
{
    return stream_waiting_bytes(c->stream);
}

struct buf *sim_client_input(struct sim_client *c)
{
    return &c->in;
}

bool sim_client_has_ended(const struct sim_client *c, enum err *why)
{
    if (c->has_ended && why != NULL) {
        *why = c->end;
    }
    return c->has_ended;
}

void sim_client_pause(struct sim_client *c, bool is_paused)
{
    c->is_paused = is_paused;
    if (!is_paused) {
        stream_read_start(c->stream);
    }
}

void sim_client_shutdown(struct sim_client *c)
{
    stream_shutdown(c->stream);
}

void sim_client_close(struct sim_client **client)
{
    if (*client != NULL) {
        stream_close(&(*client)->stream);
        *client = NULL;
    }
}

void sim_forget_clients(struct sim_world *w)
{
    while (!list_empty(&w->clients)) {
        free_client(container_of(w->clients.next, struct sim_client, link));
    }
}
