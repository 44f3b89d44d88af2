/* Two streams face each other. What one writes lies in the other's `in` at once, as on the wire,
 * and becomes readable piece by piece; at most STREAM_WINDOW_BYTES are there unread:
 *
 *   write -> (window) -> peer's in: | arrived | on the wire |   the rest -> waiting
 *                                       read -> room in the window -> drain of the writer
 *
 * The end travels behind the last byte; a break overtakes everything. */
#include "sys/stream.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"

#define STREAM_WINDOW_BYTES ((size_t)64 << 10)
#define ADDRESS_BYTES       128

struct listener {
    struct list link; /* of the world */
    struct loop *loop;
    listener_fn on_accept;
    void *arg;
    char address[ADDRESS_BYTES];
};

struct stream {
    struct list link; /* of the world */
    stream_socket number;
    bool is_client;      /* of a test: outlives sim_kill() */
    struct stream *peer; /* NULL: gone */
    struct loop *loop;   /* NULL: not open, or a client's */
    const struct stream_events *events;
    void *arg;

    struct buf in;
    size_t arrived; /* bytes of `in` that can be read */
    bool end_sent;  /* the peer writes no more */
    bool end_arrived;
    struct buf waiting;

    bool is_reading;
    bool has_ended; /* on_end() has been called */
    bool is_broken;
    bool is_shut;
    bool is_closing;
    struct listener *listener; /* that will accept it */
    struct loop_timer accept;
    struct loop_timer arrive;
    struct loop_timer read;
    struct loop_timer drain;
    struct loop_timer trouble;
    struct loop_timer closed;
    char name[STREAM_PEER_BYTES];
};

static uint64_t packet_ns(void)
{
    return sim_world()->config.stream_delay_ns;
}

static void stop_events(struct stream *s)
{
    sim_event_stop(&s->accept);
    sim_event_stop(&s->arrive);
    sim_event_stop(&s->read);
    sim_event_stop(&s->drain);
    sim_event_stop(&s->trouble);
    sim_event_stop(&s->closed);
}

static void free_stream(struct stream *s)
{
    stop_events(s);
    if (s->peer != NULL) {
        s->peer->peer = NULL;
    }
    list_remove(&s->link);
    buf_deinit(&s->in);
    buf_deinit(&s->waiting);
    mem_free(s);
}

static void on_trouble(void *arg)
{
    struct stream *s = arg;
    s->is_broken = true;
    s->is_reading = false;
    buf_deinit(&s->waiting);
    if (s->has_ended) {
        s->events->on_drained(s->arg); /* nothing waits any more: it was dropped */
    } else {
        s->has_ended = true;
        s->events->on_end(s->arg, ERR_IO);
    }
}

/* The owner of `s` hears soon that the connection is broken. */
static void break_soon(struct stream *s)
{
    if (!s->is_broken && !s->is_closing && s->events != NULL &&
        !sim_event_is_running(&s->trouble)) {
        sim_event_start(&s->trouble, s->loop, packet_ns(), on_trouble, s);
    }
}

/* ---- reading ---- */

static void on_drain(void *arg);

static void expect_room(struct stream *s)
{
    if (s->waiting.size > 0 && !s->is_closing && !sim_event_is_running(&s->drain)) {
        sim_event_start(&s->drain, s->loop, packet_ns(), on_drain, s);
    }
}

/* Gives the owner what has arrived, as long as it lends room. */
static void on_read(void *arg)
{
    struct stream *s = arg;
    while (s->is_reading && s->arrived > 0) {
        uint8_t *data = NULL;
        const size_t room = s->events->room(s->arg, &data);
        if (room == 0) {
            s->is_reading = false;
            return;
        }
        const size_t size = room < s->arrived ? room : s->arrived;
        memcpy(data, s->in.data, size);
        buf_consume(&s->in, size);
        s->arrived -= size;
        if (s->peer != NULL) {
            expect_room(s->peer);
        }
        sim_note(size);
        s->events->on_data(s->arg, data, size);
    }
    if (s->is_reading && s->end_arrived && s->in.size == 0) {
        s->is_reading = false;
        s->has_ended = true;
        s->events->on_end(s->arg, ERR_OK);
    }
}

static void on_arrive(void *arg);

static void expect_arrival(struct stream *s)
{
    const bool is_due = s->arrived < s->in.size || (s->end_sent && !s->end_arrived);
    if (is_due && !s->is_closing && !sim_event_is_running(&s->arrive)) {
        sim_event_start(&s->arrive, s->loop, packet_ns(), on_arrive, s);
    }
}

static void on_arrive(void *arg)
{
    struct stream *s = arg;
    const size_t more = s->in.size - s->arrived;
    if (more > 0) {
        s->arrived += sim_one_in(2) ? more : 1 + (size_t)sim_random_below(more);
    }
    if (s->arrived == s->in.size && s->end_sent && (more == 0 || sim_one_in(2))) {
        s->end_arrived = true;
    }
    expect_arrival(s);
    on_read(s);
}

/* ---- writing ---- */

/* Puts on the wire what the window takes, rarely less; returns how much that was. */
static size_t send_some(struct stream *s, const uint8_t *data, size_t size)
{
    struct stream *to = s->peer;
    if (to == NULL || to->is_closing) {
        break_soon(s);
        return size; /* into the void */
    }
    const size_t room = STREAM_WINDOW_BYTES - to->in.size;
    size_t taken = size < room ? size : room;
    if (sim_one_in(8)) {
        taken = (size_t)sim_random_below(taken + 1);
    }
    buf_append(&to->in, data, taken);
    expect_arrival(to);
    return taken;
}

static bool has_window(const struct stream *s)
{
    return s->peer == NULL || s->peer->is_closing || s->peer->in.size < STREAM_WINDOW_BYTES;
}

static void send_end_if_empty(struct stream *s)
{
    if (s->is_shut && s->waiting.size == 0 && s->peer != NULL) {
        s->peer->end_sent = true;
        expect_arrival(s->peer);
    }
}

static void on_drain(void *arg)
{
    struct stream *s = arg;
    if (s->is_broken) {
        return;
    }
    buf_consume(&s->waiting, send_some(s, s->waiting.data, s->waiting.size));
    if (s->waiting.size > 0) {
        if (has_window(s)) {
            expect_room(s);
        }
        return;
    }
    send_end_if_empty(s);
    s->events->on_drained(s->arg);
}

/* ---- opening and closing ---- */

/* The peer sees the end of `s`: its last bytes and the end, or, where bytes to `s` were never
 * read, a break. */
static void leave(struct stream *s)
{
    if (s->peer == NULL) {
        return;
    }
    if (s->in.size > 0) {
        break_soon(s->peer);
    } else {
        s->peer->end_sent = true;
        expect_arrival(s->peer);
    }
}

static struct stream *new_stream(const char *name)
{
    struct sim_world *w = sim_world();
    struct stream *s = mem_zero(1, sizeof(*s));
    s->number = ++w->socket_number;
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    list_push(&w->streams, &s->link);
    return s;
}

static struct listener *find_listener(const char *address)
{
    const struct list *all = &sim_world()->listeners;
    for (struct list *at = all->next; at != all; at = at->next) {
        struct listener *l = container_of(at, struct listener, link);
        if (strcmp(l->address, address) == 0) {
            return l;
        }
    }
    return NULL;
}

static struct stream *find_socket(stream_socket number)
{
    const struct list *all = &sim_world()->streams;
    for (struct list *at = all->next; at != all; at = at->next) {
        struct stream *s = container_of(at, struct stream, link);
        if (s->number == number) {
            return s;
        }
    }
    UNREACHABLE("no such socket");
}

static void on_accept(void *arg)
{
    struct stream *s = arg;
    struct listener *l = s->listener;
    s->listener = NULL;
    l->on_accept(l->arg, s->number);
}

bool sim_dial(const char *address, stream_socket *socket)
{
    struct listener *l = find_listener(address);
    if (l == NULL) {
        return false;
    }
    const bool is_unix = strncmp(address, "unix:", 5) == 0;
    char name[STREAM_PEER_BYTES];
    (void)snprintf(name, sizeof(name), "127.0.0.1:%u", ++sim_world()->port_number);
    struct stream *client = new_stream(address);
    struct stream *server = new_stream(is_unix ? "unix" : name);
    client->is_client = true;
    client->peer = server;
    server->peer = client;
    server->listener = l;
    sim_event_start(&server->accept, l->loop, packet_ns(), on_accept, server);
    *socket = client->number;
    return true;
}

enum err listener_check(const char *address, struct err_why *why)
{
    if (strchr(address, ':') == NULL || strlen(address) + 8 > ADDRESS_BYTES) {
        return err_set(why, ERR_INVALID, "%s: an address is HOST:PORT or unix:PATH", address);
    }
    return ERR_OK;
}

enum err listener_open(struct loop *loop, const char *address, listener_fn accept, void *arg,
                       struct listener **out, struct err_why *why)
{
    const size_t size = strlen(address);
    const enum err e = listener_check(address, why);
    if (e != ERR_OK) {
        return e;
    }
    if (find_listener(address) != NULL) {
        return err_set(why, ERR_ALREADY_EXISTS, "listen on %s: Address already in use", address);
    }
    struct listener *l = mem_zero(1, sizeof(*l));
    const bool is_any_port = size >= 2 && strcmp(address + size - 2, ":0") == 0;
    if (is_any_port) {
        (void)snprintf(l->address, sizeof(l->address), "%.*s:%u", (int)size - 2, address,
                       ++sim_world()->port_number);
    } else {
        (void)snprintf(l->address, sizeof(l->address), "%s", address);
    }
    l->loop = loop;
    l->on_accept = accept;
    l->arg = arg;
    list_push(&sim_world()->listeners, &l->link);
    *out = l;
    return ERR_OK;
}

/* Clients that nobody has accepted are turned away. */
static void free_listener(struct listener *l)
{
    const struct list *all = &sim_world()->streams;
    for (struct list *at = all->next, *next = at->next; at != all; at = next, next = at->next) {
        struct stream *s = container_of(at, struct stream, link);
        if (s->listener == l) {
            break_soon(s->peer);
            free_stream(s);
        }
    }
    list_remove(&l->link);
    mem_free(l);
}

void listener_close(struct listener **listener)
{
    if (*listener != NULL) {
        free_listener(*listener);
        *listener = NULL;
    }
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void stream_refuse(stream_socket socket)
{
    struct stream *s = find_socket(socket);
    leave(s);
    free_stream(s);
}

enum err stream_open(struct loop *l, stream_socket socket, const struct stream_events *events,
                     void *arg, struct stream **out, struct err_why *why)
{
    (void)why;
    struct stream *s = find_socket(socket);
    CHECK(s->events == NULL && (l != NULL || s->is_client));
    s->loop = l;
    s->events = events;
    s->arg = arg;
    if (s->peer == NULL) { /* it left before; what it wrote is still to be read */
        s->end_sent = true;
        expect_arrival(s);
    }
    *out = s;
    return ERR_OK;
}

void stream_read_start(struct stream *s)
{
    CHECK(!s->is_closing);
    if (!s->is_reading && !s->has_ended && !s->is_broken) {
        s->is_reading = true;
        if (!sim_event_is_running(&s->read)) {
            sim_event_start(&s->read, s->loop, 0, on_read, s);
        }
    }
}

void stream_read_stop(struct stream *s)
{
    s->is_reading = false;
}

void stream_write(struct stream *s, struct buf *out)
{
    CHECK(!s->is_closing && !s->is_shut);
    if (out->size > 0 && !s->is_broken) {
        if (s->waiting.size == 0) {
            buf_consume(out, send_some(s, out->data, out->size));
        }
        buf_append_slice(&s->waiting, buf_slice(out));
        if (has_window(s)) {
            expect_room(s);
        }
    }
    buf_clear(out);
}

size_t stream_waiting_bytes(const struct stream *s)
{
    return s->waiting.size;
}

void stream_shutdown(struct stream *s)
{
    CHECK(!s->is_closing);
    if (!s->is_shut) {
        s->is_shut = true;
        send_end_if_empty(s);
    }
}

static void on_closed(void *arg)
{
    struct stream *s = arg;
    s->events->on_closed(s->arg);
    free_stream(s);
}

void stream_close(struct stream **stream)
{
    struct stream *s = *stream;
    if (s == NULL) {
        return;
    }
    CHECK(!s->is_closing);
    leave(s);
    s->is_closing = true;
    s->is_reading = false;
    stop_events(s);
    sim_event_start(&s->closed, s->loop, 0, on_closed, s);
    *stream = NULL;
}

const char *stream_peer(const struct stream *s)
{
    return s->name;
}

static struct stream *find_closing(const struct loop *l)
{
    const struct list *all = &sim_world()->streams;
    for (struct list *at = all->next; at != all; at = at->next) {
        struct stream *s = container_of(at, struct stream, link);
        if (s->is_closing && s->loop == l) {
            return s;
        }
    }
    return NULL;
}

void sim_streams_close_now(struct loop *l)
{
    for (struct stream *s = find_closing(l); s != NULL; s = find_closing(l)) {
        on_closed(s);
    }
}

void sim_kill_streams(struct sim_world *w)
{
    while (!list_empty(&w->listeners)) {
        free_listener(container_of(w->listeners.next, struct listener, link));
    }
    for (struct list *at = w->streams.next, *next = at->next; at != &w->streams;
         at = next, next = at->next) {
        struct stream *s = container_of(at, struct stream, link);
        if (!s->is_client) {
            if (s->peer != NULL) {
                break_soon(s->peer);
            }
            free_stream(s);
        }
    }
}

void sim_forget_streams(struct sim_world *w)
{
    while (!list_empty(&w->streams)) {
        free_stream(container_of(w->streams.next, struct stream, link));
    }
}
