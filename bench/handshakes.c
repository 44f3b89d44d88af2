/* handshakes.c - TLS 1.3 handshakes, one after another on many connections.
 *
 * A handshake is counted when its session ticket has come, so the server has finished it too; then
 * the connection is reset, which leaves no port behind in TIME_WAIT. With `resumed` each connection
 * goes on with the ticket of the one before it; its first, which is a full one, is not counted.
 *
 *   handshakes PORT new|resumed [-c connections] [-t seconds] [-j processes]
 *
 * A client works about as hard as its server: give it more processes than the server has threads.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "tls_client.h"

#define PROCESSES_MAX 16
#define LATENCIES_MAX ((size_t)1 << 18) /* of a process */
#define SILENCE_MAX   5000              /* ms */

struct options {
    int port;
    bool is_resumed;
    unsigned connections;
    unsigned processes;
    double seconds;
};

/* What a process has seen; in memory that it shares with its parent. */
struct result {
    uint64_t done;
    uint64_t errors; /* not resumed although it should be */
    uint64_t latency_count;
    uint32_t latencies_us[LATENCIES_MAX];
};

struct connection {
    int fd;
    SSL *ssl;
    SSL_SESSION *ticket; /* owned; newest of this connection or the one before it */
    bool has_ticket;     /* it came on this one */
    bool is_first;
    uint64_t began_ns;
};

struct load {
    struct options o;
    SSL_CTX *context;
    struct connection *connections;
    struct result *result;
    int epoll;
};

static void stop(const char *what)
{
    (void)fprintf(stderr, "handshakes: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* OpenSSL gives a ticket; 1: it is ours now. */
static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct connection *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->ticket);
    c->ticket = ticket;
    c->has_ticket = true;
    return 1;
}

static void open_connection(struct load *l, struct connection *c)
{
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)l->o.port),
                                   .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const struct linger reset = {.l_onoff = 1};
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = c}};
    c->began_ns = now_ns();
    c->has_ticket = false;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        stop("connect");
    }
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        stop("epoll_ctl");
    }
    c->ssl = tls_client_on(l->context, c->fd);
    (void)SSL_set_app_data(c->ssl, c);
    if (l->o.is_resumed && c->ticket != NULL && SSL_set_session(c->ssl, c->ticket) != 1) {
        stop("a ticket cannot be used");
    }
}

/* OpenSSL forgets the ticket of a connection that was not shut down, so it is told that it was. */
static void close_connection(struct connection *c)
{
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(c->ssl);
    (void)close(c->fd);
    c->ssl = NULL;
}

static void count(struct load *l, struct connection *c)
{
    struct result *r = l->result;
    if (l->o.is_resumed && c->is_first) {
        return;
    }
    r->errors += l->o.is_resumed != (SSL_session_reused(c->ssl) == 1);
    r->done++;
    if (r->latency_count < LATENCIES_MAX) {
        r->latencies_us[r->latency_count++] = (uint32_t)((now_ns() - c->began_ns) / 1000);
    }
}

/* Goes on with the handshake, which a read does too, and waits for the ticket behind it. When the
 * ticket is there the next connection begins at once, and may even get as far. */
static void step(struct load *l, struct connection *c)
{
    for (;;) {
        char nothing[16];
        const ssize_t n = tls_client_read(c->ssl, nothing, sizeof(nothing));
        if (n >= 0 || errno != EAGAIN) {
            stop("the server closed a connection");
        }
        if (!c->has_ticket) {
            return;
        }
        count(l, c);
        c->is_first = false;
        close_connection(c);
        open_connection(l, c);
    }
}

static void run(struct load *l)
{
    const uint64_t ends_ns = now_ns() + (uint64_t)(l->o.seconds * 1e9);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->context = tls_client_new();
    (void)SSL_CTX_set_session_cache_mode(l->context,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(l->context, on_ticket);
    l->connections = mem_zero(l->o.connections, sizeof(*l->connections));
    for (unsigned i = 0; i < l->o.connections; i++) {
        l->connections[i].is_first = true;
        open_connection(l, &l->connections[i]);
        step(l, &l->connections[i]);
    }
    while (now_ns() < ends_ns) {
        struct epoll_event events[64];
        const int n = epoll_wait(l->epoll, events, 64, SILENCE_MAX);
        if (n == 0) {
            errno = ETIMEDOUT;
            stop("no session ticket comes");
        }
        for (int i = 0; i < n; i++) {
            step(l, events[i].data.ptr);
        }
    }
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a;
    const uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static void report(const struct options *o, const struct result *results)
{
    uint64_t done = 0;
    uint64_t errors = 0;
    size_t count = 0;
    uint32_t *latencies = mem_alloc(PROCESSES_MAX * LATENCIES_MAX * sizeof(*latencies));
    for (unsigned i = 0; i < o->processes; i++) {
        const struct result *r = &results[i];
        done += r->done;
        errors += r->errors;
        memcpy(latencies + count, r->latencies_us, r->latency_count * sizeof(*latencies));
        count += r->latency_count;
    }
    qsort(latencies, count, sizeof(*latencies), by_number);
    (void)printf("ops_per_s %.0f p50_us %u p99_us %u errors %" PRIu64 " ops %" PRIu64 "\n",
                 (double)done / o->seconds, count == 0 ? 0 : latencies[count / 2],
                 count == 0 ? 0 : latencies[count * 99 / 100], errors, done);
    mem_free(latencies);
}

static void read_options(struct options *o, int argc, char **argv)
{
    *o = (struct options){.connections = 16, .processes = 1, .seconds = 3};
    if (argc < 3 || (strcmp(argv[2], "new") != 0 && strcmp(argv[2], "resumed") != 0)) {
        (void)fputs("use: handshakes PORT new|resumed [options]\n", stderr);
        exit(2);
    }
    o->port = (int)strtol(argv[1], NULL, 10);
    o->is_resumed = strcmp(argv[2], "resumed") == 0;
    optind = 3;
    for (int c; (c = getopt(argc, argv, "c:t:j:")) != -1;) {
        switch (c) {
        case 'c':
            o->connections = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            o->seconds = strtod(optarg, NULL);
            break;
        case 'j':
            o->processes = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            exit(2);
        }
    }
    if (o->processes == 0 || o->processes > PROCESSES_MAX || o->connections == 0) {
        (void)fputs("handshakes: an option is out of range\n", stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o;
    read_options(&o, argc, argv);
    struct result *results = mmap(NULL, o.processes * sizeof(*results), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED) {
        stop("mmap");
    }
    for (unsigned i = 0; i < o.processes; i++) {
        struct load l = {.o = o, .result = &results[i]};
        const pid_t child = fork();
        if (child < 0) {
            stop("fork");
        }
        if (child == 0) {
            run(&l);
            _exit(0);
        }
    }
    int failed = 0;
    for (int status; wait(&status) > 0;) {
        failed |= status;
    }
    if (failed != 0) {
        return 1;
    }
    report(&o, results);
    return 0;
}
