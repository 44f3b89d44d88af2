/* Sockets of the real world: a server on a loop, and a client that blocks on a thread. */
#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "harness.h"
#include "sys/mailbox.h"
#include "sys/stream.h"
#include "sys/thread.h"
#include "unit/sys_uv_world.h"

struct side {
    struct loop *loop;
    struct listener *listener;
    struct stream *stream;
    struct buf in, out;
    size_t room, most_waiting;
    bool is_echo, writes_at_end, is_ended, is_drained, is_closed, stops_on_close;
    enum err end;
    int accepted;
    uint8_t block[4096];
};

static size_t side_room(void *arg, uint8_t **data)
{
    struct side *s = arg;
    *data = s->block;
    return s->room;
}

static void side_data(void *arg, uint8_t *data, size_t size)
{
    struct side *s = arg;
    buf_append(&s->in, data, size);
    if (s->is_echo) {
        buf_append(&s->out, data, size);
        stream_write(s->stream, &s->out);
        EXPECT_EQ(0, s->out.size);
        const size_t waiting = stream_waiting_bytes(s->stream);
        s->most_waiting = waiting > s->most_waiting ? waiting : s->most_waiting;
    }
}

static void side_end(void *arg, enum err why)
{
    struct side *s = arg;
    EXPECT(!s->is_ended);
    s->is_ended = true;
    s->end = why;
    if (why != ERR_OK) {
        stream_close(&s->stream);
        return;
    }
    if (s->writes_at_end) {
        memset(buf_reserve(&s->out, 8 << 20), 'x', 8 << 20);
        buf_extend(&s->out, 8 << 20);
        stream_write(s->stream, &s->out);
    }
    stream_shutdown(s->stream);
    if (stream_waiting_bytes(s->stream) == 0) {
        stream_close(&s->stream);
    }
}

static void side_drained(void *arg)
{
    struct side *s = arg;
    s->is_drained = true;
    if (s->is_ended) {
        stream_close(&s->stream);
    }
}

static void side_closed(void *arg)
{
    struct side *s = arg;
    s->is_closed = true;
    loop_stop(s->loop);
}

static const struct stream_events side_events = {side_room, side_data, side_end, side_drained,
                                                 side_closed};

static void on_accept(void *arg, stream_socket socket)
{
    struct side *s = arg;
    struct err_why why;
    s->accepted++;
    if (s->stream != NULL) {
        stream_refuse(socket);
        return;
    }
    EXPECT_EQ(ERR_OK, stream_open(s->loop, socket, &side_events, s, &s->stream, &why));
    stream_read_start(s->stream);
}

static void side_listen(struct side *s, const char *address)
{
    struct err_why why = {0};
    *s = (struct side){.loop = open_loop(), .room = sizeof(s->block)};
    EXPECT_EQ(ERR_OK, listener_open(s->loop, address, on_accept, s, &s->listener, &why));
}

static void side_free(struct side *s)
{
    listener_close(&s->listener);
    loop_close(&s->loop);
    buf_deinit(&s->in);
    buf_deinit(&s->out);
}

/* Turns of the loop for some time, or until the stream has closed. */
static void run_for(struct side *s, uint64_t time_ms)
{
    struct loop_timer timer = {0};
    loop_timer_start(s->loop, &timer, time_ms, stop_loop, s->loop);
    loop_run(s->loop);
    loop_timer_stop(&timer);
}

/* A blocking client socket. */
static int connect_to(const struct side *s)
{
    const char *address = listener_address(s->listener);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET};
    const bool is_unix = strncmp(address, "unix:", 5) == 0;
    if (is_unix) {
        (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", address + 5);
    } else {
        in.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    const int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
    EXPECT(fd >= 0);
    EXPECT_EQ(0, is_unix ? connect(fd, (struct sockaddr *)&un, sizeof(un))
                         : connect(fd, (struct sockaddr *)&in, sizeof(in)));
    return fd;
}

#define CLIENT_BLOCK 4096

struct client {
    int fd;
    size_t size;
    size_t back;
};

static void expect_block(struct client *c, const uint8_t *block, size_t size)
{
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++, c->back++) {
        wrong += block[i] != (uint8_t)(c->back / CLIENT_BLOCK);
    }
    EXPECT_EQ(0, wrong);
}

/* Sends everything before it reads anything: the server has to keep what does not fit. */
static void run_client(void *arg)
{
    struct client *c = arg;
    uint8_t block[CLIENT_BLOCK];
    for (size_t i = 0; i < c->size; i += sizeof(block)) {
        memset(block, (int)(i / sizeof(block)), sizeof(block));
        EXPECT_EQ(sizeof(block), send(c->fd, block, sizeof(block), 0));
    }
    EXPECT_EQ(0, shutdown(c->fd, SHUT_WR));
    ssize_t got = recv(c->fd, block, sizeof(block), 0);
    for (; got > 0; got = recv(c->fd, block, sizeof(block), 0)) {
        expect_block(c, block, (size_t)got);
    }
    EXPECT_EQ(0, got);
    (void)close(c->fd);
}

static void echo_over(const char *address)
{
    struct side s;
    struct err_why why;
    struct thread *thread = NULL;
    side_listen(&s, address);
    s.is_echo = true;
    struct client c = {.fd = connect_to(&s), .size = (size_t)16 << 20};
    EXPECT_EQ(ERR_OK, thread_start("client", run_client, &c, &thread, &why));
    loop_run(s.loop);
    thread_join(&thread);
    EXPECT_EQ(c.size, c.back);
    EXPECT(s.is_drained && s.is_closed);
    EXPECT_EQ(ERR_OK, s.end);
    EXPECT(s.most_waiting > 1 << 20);
    side_free(&s);
}

static void test_echo_tcp(void)
{
    echo_over("127.0.0.1:0");
    echo_over("localhost:0");
    echo_over(":0");
}

static void test_echo_unix(void)
{
    char path[128] = "";
    temporary(path, sizeof(path), "/s");
    char address[160];
    (void)snprintf(address, sizeof(address), "unix:%s", path);
    echo_over(address);
    remove_temporary(path); /* so the name is gone */
}

static void test_abandoned_unix_socket(void)
{
    char path[128] = "";
    temporary(path, sizeof(path), "/s");
    char address[160];
    (void)snprintf(address, sizeof(address), "unix:%s", path);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    EXPECT((size_t)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path) < sizeof(un.sun_path));
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(0, bind(fd, (struct sockaddr *)&un, sizeof(un)));
    EXPECT_EQ(0, listen(fd, 1));
    struct loop *l = open_loop();
    struct listener *listener = NULL;
    struct err_why why;
    EXPECT_EQ(ERR_ALREADY_EXISTS, listener_open(l, address, on_accept, NULL, &listener, &why));
    EXPECT(strstr(why.text, path) != NULL);
    (void)close(fd); /* abandoned: the name is still there */
    EXPECT_EQ(ERR_OK, listener_open(l, address, on_accept, NULL, &listener, &why));
    listener_close(&listener);
    /* What is not a socket is left alone. */
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL && fclose(file) == 0);
    EXPECT_EQ(ERR_ALREADY_EXISTS, listener_open(l, address, on_accept, NULL, &listener, &why));
    EXPECT_EQ(0, unlink(path));
    loop_close(&l);
    remove_temporary(path);
}

static void test_bad_addresses(void)
{
    static const struct {
        const char *address;
        enum err want;
    } bad[] = {
        {"", ERR_INVALID},
        {"8080", ERR_INVALID},
        {"127.0.0.1", ERR_INVALID},
        {"127.0.0.1:", ERR_INVALID},
        {"127.0.0.1:65536", ERR_INVALID},
        {"127.0.0.1:80x", ERR_INVALID},
        {"example.org:80", ERR_INVALID},
        {"::1:80", ERR_INVALID},
        {"[::1:80", ERR_INVALID},
        {"unix:", ERR_INVALID},
        {"unix:/nowhere/at/all/s", ERR_INVALID},
        {"192.0.2.1:80", ERR_INVALID},
    };
    struct loop *l = open_loop();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct listener *listener = NULL;
        struct err_why why = {0};
        EXPECT_EQ(bad[i].want, listener_open(l, bad[i].address, on_accept, NULL, &listener, &why));
        EXPECT(listener == NULL && why.text[0] != '\0');
    }
    struct listener *first = NULL;
    struct listener *second = NULL;
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, listener_open(l, "127.0.0.1:0", on_accept, NULL, &first, &why));
    EXPECT_EQ(ERR_ALREADY_EXISTS,
              listener_open(l, listener_address(first), on_accept, NULL, &second, &why));
    listener_close(&first);
    loop_close(&l);
}

/* A peer that resets while much waits for it: told once, and nothing is kept. */
static void test_reset(void)
{
    struct side s;
    side_listen(&s, "127.0.0.1:0");
    const int fd = connect_to(&s);
    s.is_echo = true;
    struct buf big = {0};
    memset(buf_reserve(&big, 8 << 20), 'x', 8 << 20);
    buf_extend(&big, 8 << 20);
    while (s.stream == NULL) {
        run_for(&s, 1);
    }
    EXPECT(strncmp(stream_peer(s.stream), "127.0.0.1:", 10) == 0);
    stream_write(s.stream, &big);
    EXPECT(stream_waiting_bytes(s.stream) > 0);
    const struct linger now = {1, 0};
    EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
    EXPECT_EQ(0, close(fd));
    loop_run(s.loop);
    EXPECT(s.is_ended && s.is_closed);
    EXPECT_EQ(ERR_IO, s.end);
    buf_deinit(&big);
    side_free(&s);
}

/* The peer ends, then resets while much waits for it: on_drained() lets the owner close. */
static void test_reset_after_the_end(void)
{
    struct side s;
    side_listen(&s, "127.0.0.1:0");
    const int fd = connect_to(&s);
    EXPECT_EQ(0, shutdown(fd, SHUT_WR));
    s.writes_at_end = true;
    const struct linger now = {1, 0};
    while (!s.is_ended) {
        run_for(&s, 1);
    }
    EXPECT(!s.is_closed && stream_waiting_bytes(s.stream) > 0);
    EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
    EXPECT_EQ(0, close(fd));
    loop_run(s.loop);
    EXPECT(s.is_drained && s.is_closed);
    EXPECT_EQ(ERR_OK, s.end);
    side_free(&s);
}

/* ---- two loops ---- */

/* One loop accepts, another serves: the way of every connection of a node. */
struct handover {
    struct letter letter;
    stream_socket socket;
};

struct two_loops {
    struct side accepting, serving;
    struct mailbox *mailbox;
    struct handover handover;
};

static void on_accept_for_other(void *arg, stream_socket socket)
{
    struct two_loops *t = arg;
    t->handover.socket = socket;
    mailbox_post(t->mailbox, &t->handover.letter);
    loop_stop(t->accepting.loop);
}

static void on_handover(void *arg, struct letter *letter)
{
    struct two_loops *t = arg;
    on_accept(&t->serving, container_of(letter, struct handover, letter)->socket);
}

static void run_serving(void *arg)
{
    struct two_loops *t = arg;
    loop_run(t->serving.loop);
}

static void test_socket_to_another_loop(void)
{
    struct two_loops t = {0};
    struct err_why why;
    struct thread *serving = NULL;
    struct thread *sending = NULL;
    t.accepting = (struct side){.loop = open_loop()};
    t.serving = (struct side){.loop = open_loop(), .room = sizeof(t.serving.block)};
    t.serving.is_echo = true;
    EXPECT_EQ(ERR_OK, listener_open(t.accepting.loop, "127.0.0.1:0", on_accept_for_other, &t,
                                    &t.accepting.listener, &why));
    EXPECT_EQ(ERR_OK, mailbox_open(t.serving.loop, on_handover, &t, &t.mailbox, &why));
    struct client c = {.fd = connect_to(&t.accepting), .size = (size_t)4 << 20};
    EXPECT_EQ(ERR_OK, thread_start("serving", run_serving, &t, &serving, &why));
    EXPECT_EQ(ERR_OK, thread_start("client", run_client, &c, &sending, &why));
    loop_run(t.accepting.loop);
    thread_join(&sending);
    thread_join(&serving);
    EXPECT_EQ(c.size, c.back);
    mailbox_close(&t.mailbox);
    side_free(&t.accepting);
    side_free(&t.serving);
}

/* Without room nothing is read; with room all of it comes. */
static void test_reading_stops_and_goes_on(void)
{
    struct side s;
    side_listen(&s, "127.0.0.1:0");
    s.room = 0;
    const int fd = connect_to(&s);
    EXPECT_EQ(5, send(fd, "hello", 5, 0));
    while (s.stream == NULL) {
        run_for(&s, 1);
    }
    run_for(&s, 10);
    EXPECT_EQ(0, s.in.size);
    s.room = 2;
    stream_read_start(s.stream);
    (void)shutdown(fd, SHUT_WR);
    loop_run(s.loop);
    EXPECT(slice_equal(buf_slice(&s.in), SLICE("hello")));
    (void)close(fd);
    side_free(&s);
}

/* Out of descriptors: somebody is turned away, nothing spins, and later it goes on. */
static void test_out_of_descriptors(void)
{
    struct side s;
    side_listen(&s, "127.0.0.1:0");
    int clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = connect_to(&s);
    }
    struct rlimit before;
    EXPECT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
    const struct rlimit none = {(rlim_t)clients[2] + 1, before.rlim_max};
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
    run_for(&s, 10);
    EXPECT_EQ(0, s.accepted);
    EXPECT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
    char byte;
    EXPECT_EQ(0, recv(clients[0], &byte, 1, 0)); /* turned away by the spare */
    while (s.accepted < 2) {
        run_for(&s, 1);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)close(clients[i]);
    }
    while (!s.is_closed) {
        run_for(&s, 1);
    }
    EXPECT(s.is_closed);
    side_free(&s);
}

static const struct test_case cases[] = {
    {"echo_tcp", test_echo_tcp},
    {"echo_unix", test_echo_unix},
    {"abandoned_unix_socket", test_abandoned_unix_socket},
    {"bad_addresses", test_bad_addresses},
    {"reset", test_reset},
    {"reset_after_the_end", test_reset_after_the_end},
    {"socket_to_another_loop", test_socket_to_another_loop},
    {"reading_stops_and_goes_on", test_reading_stops_and_goes_on},
    {"out_of_descriptors", test_out_of_descriptors},
};

TEST_MAIN(cases)
