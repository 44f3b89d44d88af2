/* stream_load.c - one gRPC stream of many D-Stash operations, as fast as the server takes it.
 *
 * Writes and reads at once over nghttp2: requests are made while they are sent, so that neither
 * side is ever held whole. Every answer is compared with the pair that must come. Prints one line:
 * the time until the status, the time until the first answer, what was wrong.
 *
 *   stream_load PORT put|lookup [-n count] [-d value bytes] [-k key prefix] [-s service]
 *
 * Keys come in an order that is mixed and the same in every run; a lookup asks for what a put with
 * the same options has stored. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define OUT_MAX      ((size_t)64 << 10) /* bytes made and not sent */
#define WINDOW       (1 << 20)          /* bytes that the server may send unasked */
#define PREFIX_BYTES 5                  /* of a gRPC message */
#define MESSAGE_MAX  ((size_t)64 << 10)
#define SILENCE_MAX  300000 /* ms */
#define KEY_STEP     7919   /* prime: visits every key once, in a mixed order */
#define KEY_TAG      0x0a   /* field 1, bytes */
#define VALUE_TAG    0x12   /* field 2, bytes */
#define HEADER(n, v)                                                                               \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v),                \
            NGHTTP2_NV_FLAG_NONE                                                                   \
    }

struct options {
    int port;
    bool is_put;
    uint64_t count;
    size_t value_size;
    const char *prefix;
    const char *service;
};

struct stream {
    struct options o;
    int fd;
    nghttp2_session *session;
    int32_t id;
    char *value;
    bool has_settings;
    bool is_closed;
    uint64_t began_ns;
    uint64_t first_ns; /* when the first answer was whole */
    uint64_t ended_ns;

    struct buf out;     /* frames that wait for the socket */
    struct buf request; /* the message that is being copied into frames */
    size_t copied;
    uint64_t made;

    struct buf reply;    /* the message that is being read, with its prefix */
    struct buf expected; /* what it has to be */
    uint64_t answers;
    uint64_t wrong;
    char status[8];
    char message[256];
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "stream_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void give_up(const char *what, const char *why)
{
    (void)fprintf(stderr, "stream_load: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- Messages ---- */

static void add_varint(struct buf *b, uint64_t number)
{
    for (; number >= 0x80; number >>= 7) {
        buf_append_byte(b, (uint8_t)(number | 0x80));
    }
    buf_append_byte(b, (uint8_t)number);
}

/* KVPair number `index`, behind gRPC's prefix. */
static void make_pair(struct stream *s, struct buf *b, uint64_t index, bool with_value)
{
    char key[64];
    const int key_size =
        snprintf(key, sizeof(key), "%s%012" PRIu64, s->o.prefix, index * KEY_STEP % s->o.count);
    buf_clear(b);
    buf_append(b, "\0\0\0\0", PREFIX_BYTES);
    buf_append_byte(b, KEY_TAG);
    add_varint(b, (uint64_t)key_size);
    buf_append(b, key, (size_t)key_size);
    if (with_value) {
        buf_append_byte(b, VALUE_TAG);
        add_varint(b, s->o.value_size);
        buf_append(b, s->value, s->o.value_size);
    }
    const uint32_t size = htonl((uint32_t)(b->size - PREFIX_BYTES));
    memcpy(b->data + 1, &size, sizeof(size));
}

/* nghttp2 asks for more of the request's body. */
static ssize_t on_more_wanted(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                              uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct stream *s = arg;
    size_t written = 0;
    (void)session, (void)id, (void)source;
    while (written < size) {
        if (s->copied == s->request.size) {
            if (s->made == s->o.count) {
                *flags |= NGHTTP2_DATA_FLAG_EOF;
                break;
            }
            make_pair(s, &s->request, s->made++, s->o.is_put);
            s->copied = 0;
        }
        const size_t left = s->request.size - s->copied;
        const size_t n = left < size - written ? left : size - written;
        memcpy(to + written, s->request.data + s->copied, n);
        s->copied += n;
        written += n;
    }
    return (ssize_t)written;
}

/* The reply's message is whole. A server may write fields in any order, but none has a reason to.
 */
static void take_answer(struct stream *s)
{
    if (s->answers == 0) {
        s->first_ns = now_ns();
    }
    if (!s->o.is_put) {
        make_pair(s, &s->expected, s->answers, true);
        s->wrong += s->answers >= s->o.count || s->reply.size != s->expected.size ||
                    memcmp(s->reply.data, s->expected.data, s->reply.size) != 0;
    }
    s->answers++;
    buf_clear(&s->reply);
}

static size_t reply_size(const struct stream *s)
{
    uint32_t size;
    if (s->reply.size < PREFIX_BYTES) {
        return PREFIX_BYTES;
    }
    memcpy(&size, s->reply.data + 1, sizeof(size));
    return PREFIX_BYTES + ntohl(size);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *arg)
{
    struct stream *s = arg;
    (void)session, (void)flags, (void)id;
    while (size > 0) {
        const size_t left = reply_size(s) - s->reply.size;
        const size_t n = left < size ? left : size;
        buf_append(&s->reply, data, n);
        data += n;
        size -= n;
        if (reply_size(s) > MESSAGE_MAX) {
            give_up("answer", "too long");
        }
        if (s->reply.size >= PREFIX_BYTES && s->reply.size == reply_size(s)) {
            take_answer(s);
        }
    }
    return 0;
}

/* ---- Heads and ends ---- */

static void copy(char *to, size_t room, const uint8_t *from, size_t size)
{
    const size_t n = size < room - 1 ? size : room - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *arg)
{
    struct stream *s = arg;
    (void)session, (void)frame, (void)name_size, (void)flags;
    const char *field = (const char *)name;
    const bool is_refusal =
        strcmp(field, ":status") == 0 && strcmp((const char *)value, "200") != 0;
    if (strcmp(field, "grpc-status") == 0) {
        copy(s->status, sizeof(s->status), value, value_size);
    } else if (strcmp(field, "grpc-message") == 0 || is_refusal) {
        copy(s->message, sizeof(s->message), value, value_size);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct stream *s = arg;
    (void)session;
    s->has_settings |= frame->hd.type == NGHTTP2_SETTINGS;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct stream *s = arg;
    (void)session, (void)id, (void)code;
    s->is_closed = true;
    s->ended_ns = now_ns();
    return 0;
}

/* ---- Socket ---- */

static void connect_to(struct stream *s)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)s->o.port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int yes = 1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        stop("connect");
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    (void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

static void fill_out(struct stream *s)
{
    while (s->out.size < OUT_MAX) {
        const uint8_t *bytes;
        const ssize_t n = nghttp2_session_mem_send(s->session, &bytes);
        if (n < 0) {
            give_up("send", nghttp2_strerror((int)n));
        }
        if (n == 0) {
            return;
        }
        buf_append(&s->out, bytes, (size_t)n);
    }
}

static void send_some(struct stream *s)
{
    fill_out(s);
    while (s->out.size > 0) {
        const ssize_t n = write(s->fd, s->out.data, s->out.size);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            stop("write");
        }
        buf_consume(&s->out, (size_t)n);
        fill_out(s);
    }
}

static void read_some(struct stream *s)
{
    uint8_t bytes[64 << 10];
    const ssize_t n = read(s->fd, bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        give_up("read", "the server closed the connection");
    }
    const ssize_t taken = nghttp2_session_mem_recv(s->session, bytes, (size_t)n);
    if (taken < 0) {
        give_up("receive", nghttp2_strerror((int)taken));
    }
}

/* Until `*flag`. */
static void go_on(struct stream *s, const bool *flag)
{
    while (!*flag) {
        send_some(s);
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        p.events |= s->out.size > 0 ? POLLOUT : 0;
        if (poll(&p, 1, SILENCE_MAX) <= 0) {
            give_up("poll", "nothing happens");
        }
        if ((p.revents & ~POLLOUT) != 0) {
            read_some(s);
        }
    }
}

static void open_session(struct stream *s)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        give_up("nghttp2", "no memory");
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&s->session, callbacks, s) != 0 ||
        nghttp2_submit_settings(s->session, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(s->session, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0) {
        give_up("nghttp2", "no session");
    }
    nghttp2_session_callbacks_del(callbacks);
}

static void open_stream(struct stream *s)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "/%s/%s", s->o.service,
                   s->o.is_put ? "BatchPut" : "BatchLookup");
    const nghttp2_nv head[] = {HEADER(":method", "POST"),
                               HEADER(":scheme", "http"),
                               HEADER(":authority", "127.0.0.1"),
                               HEADER(":path", path),
                               HEADER("content-type", "application/grpc"),
                               HEADER("te", "trailers")};
    const nghttp2_data_provider body = {.read_callback = on_more_wanted};
    s->began_ns = now_ns();
    s->id =
        nghttp2_submit_request(s->session, NULL, head, sizeof(head) / sizeof(head[0]), &body, NULL);
    if (s->id < 0) {
        give_up("request", nghttp2_strerror(s->id));
    }
}

static void report(const struct stream *s)
{
    const uint64_t wanted = s->o.is_put ? 1 : s->o.count;
    const uint64_t missing = s->answers < wanted ? wanted - s->answers : s->answers - wanted;
    const bool is_ok = strcmp(s->status, "0") == 0;
    if (!is_ok) {
        (void)fprintf(stderr, "stream_load: status %s: %s\n", s->status, s->message);
    }
    (void)printf("total_ms %.3f first_ms %.3f ops %" PRIu64 " errors %" PRIu64 "\n",
                 (double)(s->ended_ns - s->began_ns) / 1e6,
                 s->first_ns == 0 ? 0.0 : (double)(s->first_ns - s->began_ns) / 1e6, s->o.count,
                 s->wrong + missing + (is_ok ? 0 : 1));
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .count = 100000, .value_size = 64, .prefix = "key:", .service = "dstash.DStash"};
    if (argc < 3 || (strcmp(argv[2], "put") != 0 && strcmp(argv[2], "lookup") != 0)) {
        (void)fputs("use: stream_load PORT put|lookup [options]\n", stderr);
        exit(2);
    }
    o->port = (int)strtol(argv[1], NULL, 10);
    o->is_put = strcmp(argv[2], "put") == 0;
    optind = 3;
    for (int c; (c = getopt(argc, argv, "n:d:k:s:")) != -1;) {
        switch (c) {
        case 'n':
            o->count = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            o->value_size = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            o->prefix = optarg;
            break;
        case 's':
            o->service = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (o->count == 0 || o->count % KEY_STEP == 0 || o->value_size > MESSAGE_MAX / 2 ||
        strlen(o->prefix) > 16) {
        (void)fputs("stream_load: an option is out of range\n", stderr);
        exit(2);
    }
}

/* All is given back, so that the leak checker of a sanitized build has nothing to say. */
static void end(struct stream *s)
{
    nghttp2_session_del(s->session);
    (void)close(s->fd);
    buf_deinit(&s->out);
    buf_deinit(&s->request);
    buf_deinit(&s->reply);
    buf_deinit(&s->expected);
    mem_free(s->value);
    mem_free(s);
}

int main(int argc, char **argv)
{
    struct stream *s = mem_zero(1, sizeof(*s));
    read_options(&s->o, argc, argv);
    s->value = mem_alloc(s->o.value_size + 1);
    memset(s->value, 'x', s->o.value_size);
    connect_to(s);
    open_session(s);
    go_on(s, &s->has_settings); /* a client learns its window before it sends */
    open_stream(s);
    go_on(s, &s->is_closed);
    report(s);
    end(s);
    return 0;
}
