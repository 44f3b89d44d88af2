/* Once a second: stat the files ─► changed? ─► read, parse ─► usable? ─► front_set_tls()
 *                  (on a worker)               (on a worker)    └─ no ─► a line in the log
 *
 * Whoever replaces two files does it one after the other, so a look in between finds a pair that
 * does not fit. That is refused like any other, and the next look finds the rest. What was
 * looked at is remembered from before it was read: a change meanwhile is another change. */
#include "server/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/random.h"

#define DAY_MS UINT64_C(86400000)

enum certificate_file {
    FILE_CERTIFICATE,
    FILE_KEY,
    FILE_CLIENT_CA,
    FILE_COUNT
};

/* What tells that a file is another than before. */
struct mark {
    dev_t device;
    ino_t number;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

struct certificates {
    const struct config *config;
    struct front *front;
    struct log *log;
    struct tls_tickets *tickets;
    struct loop *loop;
    struct worker_pool *pool;
    struct loop_timer timer;
    uint64_t rotate_ns; /* tickets get another key then */
    uint64_t warn_ms;   /* wall clock: not before then again */
    bool is_stopped;
    bool is_looking; /* `job` is under way */
    bool is_wanted;  /* SIGHUP: look at all events, as soon as that is possible */

    /* Of the job, which has them to itself. */
    struct worker_job job;
    struct mark marks[FILE_COUNT]; /* of what was looked at last */
    bool is_forced;
    bool has_looked;
    struct tls_context *found; /* owned; NULL: nothing that can be used */
    struct err_why why;

    _Atomic uint64_t expiry_s;
    metric taken, refused;
};

/* ---- The files ---- */

static const char *path_of(const struct certificates *c, enum certificate_file file)
{
    switch (file) {
    case FILE_CERTIFICATE:
        return c->config->tls_cert;
    case FILE_KEY:
        return c->config->tls_key;
    case FILE_CLIENT_CA:
        return c->config->tls_client_ca;
    case FILE_COUNT:
        break;
    }
    UNREACHABLE("no such file");
}

/* One that is not there is like one that is empty: reading tells. */
static struct mark mark_of(const char *path)
{
    struct stat facts;
    if (path[0] == '\0' || stat(path, &facts) != 0) {
        return (struct mark){0};
    }
    return (struct mark){.device = facts.st_dev,
                         .number = facts.st_ino,
                         .size = facts.st_size,
                         .modified = facts.st_mtim,
                         .changed = facts.st_ctim};
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct mark *a, const struct mark *b)
{
    return a->device == b->device && a->number == b->number && a->size == b->size &&
           is_same_time(a->modified, b->modified) && is_same_time(a->changed, b->changed);
}

/* True: a file is not what it was at the last look. */
static bool look(struct certificates *c)
{
    bool is_changed = false;
    for (int i = 0; i < FILE_COUNT; i++) {
        const struct mark now = mark_of(path_of(c, (enum certificate_file)i));
        is_changed |= !is_same(&now, &c->marks[i]);
        c->marks[i] = now;
    }
    return is_changed;
}

static enum err read_all(int fd, const char *path, struct buf *out, struct err_why *why)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return err_set(why, ERR_IO, "%.180s is not a file", path);
    }
    if (facts.st_size > (off_t)TLS_FILE_MAX) {
        return err_set(why, ERR_INVALID, "%.180s is too large", path);
    }
    (void)buf_reserve(out, TLS_FILE_MAX); /* at once: no copies of a key are left behind */
    ssize_t count = 0;
    do {
        count = read(fd, out->data + out->size, TLS_FILE_MAX - out->size);
        buf_extend(out, count > 0 ? (size_t)count : 0);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0 ? ERR_OK
                      : err_set(why, ERR_IO, "%.120s: %.60s", path, strerrordesc_np(errno));
}

static enum err read_file(const char *path, struct buf *out, struct err_why *why)
{
    if (path[0] == '\0') {
        return ERR_OK;
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return err_set(why, ERR_IO, "%.120s: %.60s", path, strerrordesc_np(errno));
    }
    const enum err e = read_all(fd, path, out, why);
    (void)close(fd);
    return e;
}

static void wipe(struct buf *b)
{
    if (b->capacity > 0) {
        explicit_bzero(b->data, b->capacity);
    }
    buf_deinit(b);
}

/* Reads all files and makes a context of them. */
static enum err load(struct certificates *c, struct tls_context **out, struct err_why *why)
{
    struct buf texts[FILE_COUNT] = {{0}};
    enum err e = ERR_OK;
    for (int i = 0; i < FILE_COUNT && e == ERR_OK; i++) {
        e = read_file(path_of(c, (enum certificate_file)i), &texts[i], why);
    }
    if (e == ERR_OK) {
        const struct tls_settings settings = {.certificate = buf_slice(&texts[FILE_CERTIFICATE]),
                                              .key = buf_slice(&texts[FILE_KEY]),
                                              .client_ca = buf_slice(&texts[FILE_CLIENT_CA]),
                                              .client_auth =
                                                  (enum tls_client_auth)c->config->tls_client_auth,
                                              .tickets = c->tickets};
        e = tls_context_new(&settings, out, why);
    }
    for (int i = 0; i < FILE_COUNT; i++) {
        wipe(&texts[i]);
    }
    return e;
}

/* ---- In use ---- */

/* Takes `context`. */
static void use(struct certificates *c, struct tls_context *context)
{
    atomic_store(&c->expiry_s, tls_context_expiry_s(context));
    c->warn_ms = 0;
    front_set_tls(c->front, context);
    tls_context_release(&context);
}

static void warn_if_near(struct certificates *c, uint64_t wall_ms)
{
    const uint64_t expiry_s = atomic_load(&c->expiry_s);
    const uint64_t now_s = wall_ms / 1000;
    if (wall_ms < c->warn_ms || expiry_s > now_s + CERTIFICATE_NEAR_S) {
        return;
    }
    c->warn_ms = wall_ms + DAY_MS;
    if (expiry_s <= now_s) {
        log_error(c->log, "server", "the TLS certificate has expired",
                  F_TEXT("file", c->config->tls_cert), F_U64("expiry", expiry_s));
    } else {
        log_warn(c->log, "server", "the TLS certificate expires soon",
                 F_TEXT("file", c->config->tls_cert), F_U64("days", (expiry_s - now_s) / 86400),
                 F_U64("expiry", expiry_s));
    }
}

static void rotate_if_due(struct certificates *c)
{
    const uint64_t now_ns = loop_now_ns(c->loop);
    if (now_ns >= c->rotate_ns) {
        uint8_t secret[TLS_TICKET_SECRET];
        random_bytes(secret, sizeof(secret));
        tls_tickets_rotate(c->tickets, secret);
        c->rotate_ns = now_ns + TLS_TICKET_LIFE_S / 2 * UINT64_C(1000000000);
    }
}

/* ---- Looking ---- */

static void begin_look(struct certificates *c, bool is_forced);

static void work(void *arg)
{
    struct certificates *c = arg;
    c->has_looked = look(c) || c->is_forced;
    if (c->has_looked && load(c, &c->found, &c->why) != ERR_OK) {
        c->found = NULL;
    }
}

static void done(void *arg)
{
    struct certificates *c = arg;
    c->is_looking = false;
    if (c->found != NULL) {
        use(c, c->found);
        c->found = NULL;
        metric_add(&c->taken, 1);
        log_info(c->log, "server", "TLS certificate read again",
                 F_TEXT("file", c->config->tls_cert), F_U64("expiry", atomic_load(&c->expiry_s)));
    } else if (c->has_looked) {
        metric_add(&c->refused, 1);
        log_error(c->log, "server", "the TLS certificate was refused; the one before stays in use",
                  F_TEXT("why", c->why.text));
    }
    if (c->is_wanted) {
        begin_look(c, true);
    }
}

static void begin_look(struct certificates *c, bool is_forced)
{
    if (c->is_stopped) {
        return;
    }
    if (c->is_looking) {
        c->is_wanted |= is_forced;
        return;
    }
    c->is_wanted = false;
    c->is_looking = true;
    c->is_forced = is_forced;
    c->job = (struct worker_job){.work = work, .done = done, .arg = c};
    worker_submit(c->pool, c->loop, &c->job);
}

static void on_timer(void *arg)
{
    struct certificates *c = arg;
    begin_look(c, false);
    rotate_if_due(c);
    warn_if_near(c, loop_wall_ms(c->loop));
    loop_timer_start(c->loop, &c->timer, CERTIFICATE_LOOK_MS, on_timer, c);
}

/* ---- Life ---- */

enum err certificates_open(const struct config *config, struct front *front, struct log *log,
                           struct certificates **out, struct err_why *why)
{
    *out = NULL;
    if (config->tls_cert[0] == '\0') {
        return ERR_OK;
    }
    struct certificates *c = mem_zero(1, sizeof(*c));
    uint8_t secret[TLS_TICKET_SECRET];
    random_bytes(secret, sizeof(secret));
    c->config = config;
    c->front = front;
    c->log = log;
    c->tickets = tls_tickets_new(secret);
    struct tls_context *context = NULL;
    struct err_why inner = {0};
    (void)look(c);
    const enum err e = load(c, &context, &inner);
    if (e != ERR_OK) {
        certificates_close(&c);
        return err_set(why, e, "--tls-cert: %.220s", inner.text);
    }
    use(c, context);
    *out = c;
    return ERR_OK;
}

void certificates_watch(struct certificates *c, struct loop *l, struct worker_pool *pool)
{
    if (c != NULL) {
        c->loop = l;
        c->pool = pool;
        c->rotate_ns = loop_now_ns(l) + TLS_TICKET_LIFE_S / 2 * UINT64_C(1000000000);
        on_timer(c);
    }
}

void certificates_reload(struct certificates *c)
{
    if (c != NULL) {
        begin_look(c, true);
    }
}

void certificates_stop(struct certificates *c)
{
    if (c != NULL) {
        c->is_stopped = true;
        loop_timer_stop(&c->timer);
    }
}

bool certificates_are_idle(const struct certificates *c)
{
    return c == NULL || !c->is_looking;
}

void certificates_stats(const struct certificates *c, struct certificate_stats *out)
{
    *out = (struct certificate_stats){0};
    if (c != NULL) {
        out->expiry_s = atomic_load(&c->expiry_s);
        out->taken = metric_get(&c->taken);
        out->refused = metric_get(&c->refused);
    }
}

void certificates_close(struct certificates **certificates)
{
    struct certificates *c = *certificates;
    if (c == NULL) {
        return;
    }
    CHECK(!c->is_looking);
    loop_timer_stop(&c->timer);
    tls_tickets_release(&c->tickets);
    mem_free(c);
    *certificates = NULL;
}
