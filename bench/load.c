/* load.c - puts load on a server over RESP or HTTP/1, plain or TLS, and counts what comes back.
 *
 * One thread, epoll, many connections, each with a fixed number of requests in flight, all
 * requests of a connection made before the run, so that the loader costs little beside its system
 * calls. Prints one line: operations per second, latency of a whole pipeline at the median and at
 * 99 %, errors.
 *
 *   load PORT resp-get|resp-set|resp-incr|resp-sadd|resp-mget|resp-mset|http-get|http-post
 *        [-c connections] [-P pipeline] [-k keys] [-d value bytes] [-t seconds] [-n count]
 *        [-p path prefix of HTTP] [-s: keys one after another, to fill a store] [-T: over TLS]
 *
 * With -n it ends after so many operations, else after -t seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/random.h"
#include "tls_client.h"

#define REQUESTS_MADE 64 /* different pipelines of a connection */
#define LATENCIES_MAX (4u << 20)
#define MULTI_KEYS    10

enum kind {
    RESP_GET,
    RESP_SET,
    RESP_INCR,
    RESP_SADD,
    RESP_MGET,
    RESP_MSET,
    HTTP_GET_KEY,
    HTTP_POST_KEY,
    KIND_COUNT
};

struct options {
    int port;
    enum kind kind;
    unsigned connections;
    unsigned pipeline;
    uint64_t keys;
    size_t value_size;
    double seconds;
    uint64_t count;
    const char *prefix;
    bool is_sequential;
    bool is_tls;
};

struct connection {
    int fd;
    SSL *ssl; /* NULL: plain */
    struct buf requests[REQUESTS_MADE];
    size_t next;
    size_t sent;     /* of the present pipeline */
    unsigned waited; /* replies still to come */
    uint64_t began_ns;
    /* The reply parser: what is to be skipped. */
    uint64_t skip;
    uint64_t elements;
    char line[256];
    size_t line_size;
    bool is_in_head;
    uint64_t body;
};

struct load {
    struct options o;
    struct connection *connections;
    struct random random;
    uint64_t sequence;
    uint64_t done;
    uint64_t errors;
    uint32_t *latencies_us;
    size_t latency_count;
    char *value;
    SSL_CTX *tls;
    int epoll;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t next_key(struct load *l)
{
    return l->o.is_sequential ? l->sequence++ % l->o.keys : random_below(&l->random, l->o.keys);
}

/* Keys of 16 bytes. */
static void add_key(struct load *l, struct buf *b)
{
    buf_printf(b, "$16\r\nkey:%012" PRIu64 "\r\n", next_key(l));
}

static void add_value(struct load *l, struct buf *b)
{
    buf_printf(b, "$%zu\r\n", l->o.value_size);
    buf_append(b, l->value, l->o.value_size);
    buf_append_text(b, "\r\n");
}

static void add_request(struct load *l, struct buf *b)
{
    switch (l->o.kind) {
    case RESP_GET:
        buf_append_text(b, "*2\r\n$3\r\nGET\r\n");
        add_key(l, b);
        return;
    case RESP_SET:
        buf_append_text(b, "*3\r\n$3\r\nSET\r\n");
        add_key(l, b);
        add_value(l, b);
        return;
    case RESP_INCR:
        buf_printf(b, "*2\r\n$4\r\nINCR\r\n$16\r\ncnt:%012" PRIu64 "\r\n", next_key(l));
        return;
    case RESP_SADD:
        buf_printf(b, "*3\r\n$4\r\nSADD\r\n$16\r\nset:%012" PRIu64 "\r\n", next_key(l) % 1000);
        buf_printf(b, "$16\r\nmem:%012" PRIu64 "\r\n", next_key(l));
        return;
    case RESP_MGET:
        buf_printf(b, "*%d\r\n$4\r\nMGET\r\n", MULTI_KEYS + 1);
        for (int i = 0; i < MULTI_KEYS; i++) {
            add_key(l, b);
        }
        return;
    case RESP_MSET:
        buf_printf(b, "*%d\r\n$4\r\nMSET\r\n", 2 * MULTI_KEYS + 1);
        for (int i = 0; i < MULTI_KEYS; i++) {
            add_key(l, b);
            add_value(l, b);
        }
        return;
    case HTTP_GET_KEY:
        buf_printf(b, "GET %skey:%012" PRIu64 " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", l->o.prefix,
                   next_key(l));
        return;
    case HTTP_POST_KEY:
        buf_printf(b,
                   "POST %skey:%012" PRIu64
                   " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n\r\n",
                   l->o.prefix, next_key(l), l->o.value_size);
        buf_append(b, l->value, l->o.value_size);
        return;
    case KIND_COUNT:
        break;
    }
}

static void make_pipeline(struct load *l, struct buf *b)
{
    buf_clear(b);
    for (unsigned i = 0; i < l->o.pipeline; i++) {
        add_request(l, b);
    }
}

static void begin_pipeline(struct load *l, struct connection *c)
{
    c->next = (c->next + 1) % REQUESTS_MADE;
    if (l->o.is_sequential) { /* keys must not repeat */
        make_pipeline(l, &c->requests[c->next]);
    }
    c->sent = 0;
    c->waited = l->o.pipeline;
    c->began_ns = now_ns();
}

static void send_more(struct connection *c)
{
    const struct buf *b = &c->requests[c->next];
    while (c->sent < b->size) {
        const void *data = b->data + c->sent;
        const size_t size = b->size - c->sent;
        const ssize_t n =
            c->ssl != NULL ? tls_client_write(c->ssl, data, size) : write(c->fd, data, size);
        if (n < 0 && errno == EAGAIN) {
            return; /* level-triggered reading goes on; tried again after the next read */
        }
        if (n < 0) {
            stop("write");
        }
        c->sent += (size_t)n;
    }
}

static void end_reply(struct load *l, struct connection *c)
{
    l->done++;
    c->waited--;
}

/* A line of RESP: what else belongs to this reply? */
static void resp_line(struct load *l, struct connection *c)
{
    const int64_t number = strtoll(c->line + 1, NULL, 10);
    c->elements -= c->elements > 0 ? 1 : 0;
    if (c->line[0] == '$' && number >= 0) {
        c->skip = (uint64_t)number + 2;
    } else if (c->line[0] == '*' && number > 0) {
        c->elements += (uint64_t)number;
    } else if (c->line[0] == '-') {
        l->errors++;
        if (l->errors == 1) {
            (void)fprintf(stderr, "load: %.*s\n", (int)c->line_size, c->line);
        }
    }
    if (c->elements == 0 && c->skip == 0) {
        end_reply(l, c);
    }
}

static void http_line(struct load *l, struct connection *c)
{
    if (!c->is_in_head) {
        c->is_in_head = true;
        c->body = 0;
        if (c->line_size < 12 || c->line[9] != '2') {
            l->errors++;
        }
    } else if (strncasecmp(c->line, "content-length:", 15) == 0) {
        c->body = strtoull(c->line + 15, NULL, 10);
    } else if (c->line_size == 0) {
        c->is_in_head = false;
        c->skip = c->body;
        if (c->skip == 0) {
            end_reply(l, c);
        }
    }
}

static void take(struct load *l, struct connection *c, const char *data, size_t size)
{
    const bool is_http = l->o.kind == HTTP_GET_KEY || l->o.kind == HTTP_POST_KEY;
    size_t at = 0;
    while (at < size) {
        if (c->skip > 0) {
            const size_t n = size - at < c->skip ? size - at : (size_t)c->skip;
            at += n;
            c->skip -= n;
            if (c->skip == 0 && c->elements == 0) {
                end_reply(l, c);
            }
            continue;
        }
        const char *end = memchr(data + at, '\n', size - at);
        const size_t n = end == NULL ? size - at : (size_t)(end - data) - at;
        const size_t room = sizeof(c->line) - 1 - c->line_size;
        memcpy(c->line + c->line_size, data + at, n < room ? n : room);
        c->line_size += n < room ? n : room;
        at += n + (end != NULL ? 1 : 0);
        if (end == NULL) {
            return;
        }
        c->line_size -= c->line_size > 0 && c->line[c->line_size - 1] == '\r' ? 1 : 0;
        c->line[c->line_size] = '\0';
        if (is_http) {
            http_line(l, c);
        } else {
            resp_line(l, c);
        }
        c->line_size = 0;
    }
}

static bool is_over(const struct load *l, uint64_t began_ns)
{
    return l->o.count > 0 ? l->done >= l->o.count
                          : (double)(now_ns() - began_ns) >= l->o.seconds * 1e9;
}

/* What has come; false: nothing. TLS gives one record at a time, and keeps what it has read. */
static bool read_all(struct load *l, struct connection *c)
{
    char data[64 << 10];
    bool has_read = false;
    do {
        const ssize_t n = c->ssl != NULL ? tls_client_read(c->ssl, data, sizeof(data))
                                         : read(c->fd, data, sizeof(data));
        if (n < 0 && errno == EAGAIN) {
            return has_read;
        }
        if (n <= 0) {
            stop("the server closed a connection");
        }
        take(l, c, data, (size_t)n);
        has_read = true;
    } while (c->ssl != NULL && SSL_has_pending(c->ssl) == 1);
    return true;
}

static void on_readable(struct load *l, struct connection *c)
{
    if (!read_all(l, c)) {
        return;
    }
    if (c->waited == 0) {
        if (l->latency_count < LATENCIES_MAX) {
            l->latencies_us[l->latency_count++] = (uint32_t)((now_ns() - c->began_ns) / 1000);
        }
        begin_pipeline(l, c);
    }
    send_more(c);
}

static void open_connection(struct load *l, struct connection *c)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)l->o.port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const int yes = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        stop("connect");
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    if (l->o.is_tls) {
        c->ssl = tls_client_on(l->tls, c->fd);
        if (SSL_do_handshake(c->ssl) != 1) {
            stop("TLS handshake");
        }
    }
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = c}};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        stop("epoll_ctl");
    }
    for (size_t i = 0; i < REQUESTS_MADE && !l->o.is_sequential; i++) {
        make_pipeline(l, &c->requests[i]);
    }
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void report(struct load *l, double seconds)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    const double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    qsort(l->latencies_us, l->latency_count, sizeof(uint32_t), by_number);
    const size_t n = l->latency_count;
    (void)printf("ops_per_s %.0f p50_us %u p99_us %u errors %" PRIu64 " ops %" PRIu64
                 " loader_cpu %.2f\n",
                 (double)l->done / seconds, n == 0 ? 0 : l->latencies_us[n / 2],
                 n == 0 ? 0 : l->latencies_us[n * 99 / 100], l->errors, l->done, cpu / seconds);
}

static void run(struct load *l)
{
    const uint64_t began_ns = now_ns();
    for (unsigned i = 0; i < l->o.connections; i++) {
        begin_pipeline(l, &l->connections[i]);
        send_more(&l->connections[i]);
    }
    while (!is_over(l, began_ns)) {
        struct epoll_event events[256];
        const int n = epoll_wait(l->epoll, events, 256, 100);
        for (int i = 0; i < n; i++) {
            on_readable(l, events[i].data.ptr);
        }
    }
    report(l, (double)(now_ns() - began_ns) / 1e9);
}

static enum kind kind_of(const char *name)
{
    static const char *const names[KIND_COUNT] = {"resp-get",  "resp-set",  "resp-incr",
                                                  "resp-sadd", "resp-mget", "resp-mset",
                                                  "http-get",  "http-post"};
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum kind)i;
        }
    }
    (void)fprintf(stderr, "load: unknown kind %s\n", name);
    exit(2);
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.connections = 50,
                          .pipeline = 1,
                          .keys = 1000000,
                          .value_size = 64,
                          .seconds = 5,
                          .prefix = "/"};
    if (argc < 3) {
        (void)fputs("use: load PORT KIND [options]\n", stderr);
        exit(2);
    }
    o->port = (int)strtol(argv[1], NULL, 10);
    o->kind = kind_of(argv[2]);
    optind = 3;
    for (int c; (c = getopt(argc, argv, "c:P:k:d:t:n:p:sT")) != -1;) {
        switch (c) {
        case 'c':
            o->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'P':
            o->pipeline = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'k':
            o->keys = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            o->value_size = strtoull(optarg, NULL, 10);
            break;
        case 't':
            o->seconds = strtod(optarg, NULL);
            break;
        case 'n':
            o->count = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            o->prefix = optarg;
            break;
        case 's':
            o->is_sequential = true;
            break;
        case 'T':
            o->is_tls = true;
            break;
        default:
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct load *l = mem_zero(1, sizeof(*l));
    read_options(&l->o, argc, argv);
    l->random.state = (uint64_t)getpid();
    l->latencies_us = mem_alloc(LATENCIES_MAX * sizeof(uint32_t));
    l->value = mem_alloc(l->o.value_size + 1);
    memset(l->value, 'x', l->o.value_size);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->tls = l->o.is_tls ? tls_client_new() : NULL;
    l->connections = mem_zero(l->o.connections, sizeof(*l->connections));
    for (unsigned i = 0; i < l->o.connections; i++) {
        open_connection(l, &l->connections[i]);
    }
    run(l);
    return 0;
}
