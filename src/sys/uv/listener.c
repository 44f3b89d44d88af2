/* A listening socket of our own under uv_poll, because what it accepts may be opened on any
 * loop. Out of descriptors, accepting would fail again at once and for ever, so one spare
 * descriptor is given up to accept and close one connection (its client sees the end instead
 * of waiting), and the listener pauses. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/stream.h"
#include "sys/uv/address.h"
#include "sys/uv/private.h"

#define LISTEN_BACKLOG    4096
#define ACCEPTS_PER_EVENT 64
#define PAUSE_MS          100

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    listener_fn on_accept;
    void *arg;
    int fd;
    int spare_fd;
    struct loop_timer pause;
    struct address bound;
    ino_t inode; /* of a Unix socket's name, so that only our own is removed */
    char address[sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_pollable(uv_poll_t *poll, int status, int events);

static void resume(void *arg)
{
    struct listener *l = arg;
    if (l->spare_fd < 0) {
        l->spare_fd = open_spare();
    }
    CHECK(uv_poll_start(&l->poll, UV_READABLE, on_pollable) == 0);
}

static void pause_accepting(struct listener *l)
{
    if (l->spare_fd >= 0) {
        (void)close(l->spare_fd);
        const int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            (void)close(fd);
        }
        l->spare_fd = open_spare();
    }
    CHECK(uv_poll_stop(&l->poll) == 0);
    loop_timer_start(l->loop, &l->pause, PAUSE_MS, resume, l);
}

static void on_pollable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    loop_worked(l->loop);
    (void)status; /* accept4() tells more */
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT && !uv_is_closing((uv_handle_t *)&l->poll); i++) {
        const int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->on_accept(l->arg, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l);
            return;
        } /* else: that connection is gone already; the next one */
    }
}

static enum err err_of_bind(int failure)
{
    switch (failure) {
    case EADDRINUSE:
        return ERR_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case EADDRNOTAVAIL:
    case ENOENT:
    case ENOTDIR:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

/* Removes the name of a Unix socket nobody listens to any more. Connecting to something that
 * is not a socket is refused too, so look first. */
static bool remove_abandoned(const struct address *a)
{
    struct stat status;
    if (lstat(address_path(a), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return false;
    }
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    const bool is_refused =
        connect(fd, (const struct sockaddr *)&a->socket, a->size) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return is_refused && unlink(address_path(a)) == 0;
}

/* As bind(2), with errno. */
static bool bind_to(int fd, const struct address *a)
{
    if (bind(fd, (const struct sockaddr *)&a->socket, a->size) == 0) {
        return true;
    }
    return errno == EADDRINUSE && address_is_unix(a) && remove_abandoned(a) &&
           bind(fd, (const struct sockaddr *)&a->socket, a->size) == 0;
}

static int open_socket(struct address *a, bool is_any)
{
    int fd = socket(a->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && is_any) {
        address_to_any_v4(a);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd >= 0 && !address_is_unix(a)) {
        const int one = 1;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    }
    if (fd >= 0 && a->socket.ss_family == AF_INET6) {
        const int v6_only = is_any ? 0 : 1;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only));
    }
    return fd;
}

/* Makes `l->fd` listen and fills in its real address. */
static enum err listen_at(struct listener *l, const char *address, struct err_why *why)
{
    const bool is_any = address[0] == ':';
    l->fd = open_socket(&l->bound, is_any);
    if (l->fd < 0 || !bind_to(l->fd, &l->bound) || listen(l->fd, LISTEN_BACKLOG) != 0) {
        const int failure = errno;
        return err_set(why, err_of_bind(failure), "listen on %s: %s", address,
                       strerrordesc_np(failure));
    }
    if (address_is_unix(&l->bound)) {
        struct stat status;
        if (lstat(address_path(&l->bound), &status) == 0) {
            l->inode = status.st_ino;
        }
        (void)snprintf(l->address, sizeof(l->address), "%s", address);
        return ERR_OK;
    }
    l->bound.size = sizeof(l->bound.socket);
    CHECK(getsockname(l->fd, (struct sockaddr *)&l->bound.socket, &l->bound.size) == 0);
    address_format(&l->bound, l->address, sizeof(l->address));
    return ERR_OK;
}

static void remove_name(const struct listener *l)
{
    struct stat status;
    if (address_is_unix(&l->bound) && l->inode != 0 &&
        lstat(address_path(&l->bound), &status) == 0 && status.st_ino == l->inode) {
        (void)unlink(address_path(&l->bound));
    }
}

static void free_listener(struct listener *l)
{
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    if (l->spare_fd >= 0) {
        (void)close(l->spare_fd);
    }
    mem_free(l);
}

static void on_poll_closed(uv_handle_t *poll)
{
    struct listener *l = poll->data;
    loop_worked(l->loop);
    free_listener(l);
}

enum err listener_check(const char *address, struct err_why *why)
{
    struct address unused;
    return address_parse(address, &unused, why);
}

enum err listener_open(struct loop *loop, const char *address, listener_fn on_accept, void *arg,
                       struct listener **out, struct err_why *why)
{
    struct listener *l = mem_zero(1, sizeof(*l));
    l->loop = loop;
    l->on_accept = on_accept;
    l->arg = arg;
    l->fd = -1;
    l->spare_fd = -1;
    enum err e = address_parse(address, &l->bound, why);
    if (e == ERR_OK) {
        e = listen_at(l, address, why);
    }
    if (e == ERR_OK && uv_poll_init(&loop->uv, &l->poll, l->fd) != 0) {
        remove_name(l);
        e = err_set(why, ERR_IO, "listen on %s: cannot be watched", address);
    }
    if (e != ERR_OK) {
        free_listener(l);
        return e;
    }
    l->poll.data = l;
    loop->open_count++;
    resume(l);
    *out = l;
    return ERR_OK;
}

void listener_close(struct listener **listener)
{
    struct listener *l = *listener;
    if (l == NULL) {
        return;
    }
    remove_name(l);
    loop_timer_stop(&l->pause);
    l->loop->open_count--;
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
    /* Now and not with the memory: the port is free when this returns. */
    (void)close(l->fd);
    l->fd = -1;
    *listener = NULL;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

void stream_refuse(stream_socket socket)
{
    (void)close((int)socket);
}
