/* front.c - listeners: what they are told to serve, and who gets what they accept. */
#include "front/front.h"

#include <stdio.h>

#include "base/check.h"
#include "front/private.h"

/* ---- Configuration ---- */

static enum err find_dialect(const struct front *f, struct slice name, uint32_t *bits,
                             struct err_why *why)
{
    if (slice_equal(name, SLICE("redis"))) {
        *bits |= LISTENS_REDIS;
        return ERR_OK;
    }
    if (slice_equal(name, SLICE("dstore"))) {
        *bits |= LISTENS_TEXT;
        return ERR_OK;
    }
    uint32_t found = 0; /* one dialect may come in several parts */
    for (size_t i = 0; i < f->dialect_count; i++) {
        if (slice_equal(name, slice_of_text(f->dialects[i]->name))) {
            found |= 1U << i;
        }
    }
    *bits |= found;
    if (found != 0) {
        return ERR_OK;
    }
    return err_set(why, ERR_INVALID, "--listen: there is no dialect \"%.*s\"", (int)name.size,
                   (const char *)name.data);
}

/* "redis,strato" */
static enum err read_dialects(const struct front *f, struct slice list, uint32_t *bits,
                              struct err_why *why)
{
    for (;;) {
        const uint8_t *comma = list.size == 0 ? NULL : memchr(list.data, ',', list.size);
        const size_t size = comma == NULL ? list.size : (size_t)(comma - list.data);
        const enum err e = find_dialect(f, slice_of(list.data, size), bits, why);
        if (e != ERR_OK || comma == NULL) {
            return e;
        }
        list = slice_skip(list, size + 1);
    }
}

static bool is_loopback(struct slice address)
{
    static const char *const safe[] = {"unix:", "localhost:", "[::1]:", "127."};
    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++) {
        if (slice_starts_with(address, slice_of_text(safe[i]))) {
            return true;
        }
    }
    return false;
}

/* What every listener has that speaks HTTP. */
static void add_common(const struct front *f, uint32_t *bits)
{
    const bool is_http = (*bits & (LISTENS_REDIS - 1)) != 0;
    for (size_t i = 0; is_http && i < f->dialect_count; i++) {
        *bits |= f->dialects[i]->is_everywhere ? 1U << i : 0;
    }
}

static enum err read_listener(struct front *f, const char *text, struct err_why *why)
{
    struct front_listener *l = &f->listeners[f->listener_count++];
    const struct slice all = slice_of_text(text);
    const uint8_t *mark = memrchr(text, '=', all.size);
    const size_t size = mark == NULL ? all.size : (size_t)(mark - all.data);
    l->front = f;
    l->address = mem_text(text);
    l->address[size] = '\0';
    const struct slice address = slice_of(text, size);
    const bool is_safe = f->is_insecure || (f->is_tls_only && f->asks_certificate);
    enum err e = listener_check(l->address, why);
    if (e != ERR_OK) {
        return e;
    }
    if (!is_safe && !is_loopback(address)) {
        return err_set(why, ERR_DENIED,
                       "--listen %s: others than this machine could reach it without "
                       "authentication; --tls-only with --tls-client-auth require asks them for a "
                       "certificate, --insecure lets them in",
                       l->address);
    }
    if (mark == NULL) {
        l->serves = LISTENS_REDIS | (LISTENS_REDIS - 1);
        return ERR_OK;
    }
    e = read_dialects(f, slice_skip(all, size + 1), &l->serves, why);
    add_common(f, &l->serves);
    if (e == ERR_OK && (l->serves & LISTENS_TEXT) != 0 && l->serves != LISTENS_TEXT) {
        return err_set(why, ERR_INVALID,
                       "--listen %s: where dstore is spoken nothing else can be; give it a "
                       "listener of its own",
                       l->address);
    }
    return e;
}

enum err front_open(const struct front_config *config, struct front **out, struct err_why *why)
{
    CHECK(config->loops > 0 && config->loops <= FRONT_LOOPS_MAX);
    CHECK(config->listen_count <= FRONT_LISTENERS_MAX && config->host_count <= FRONT_HOSTS_MAX);
    CHECK(config->dialect_count <= DIALECTS_MAX);
    struct front *f = mem_zero(1, sizeof(*f));
    atomic_store(&f->holds, 1);
    f->log = config->log;
    f->connections_max = config->connections_max;
    f->is_insecure = config->is_insecure;
    f->is_tls_only = config->is_tls_only;
    f->asks_certificate = config->asks_certificate;
    (void)pthread_mutex_init(&f->tls_lock, NULL);
    f->loop_count = config->loops;
    for (; f->dialect_count < config->dialect_count; f->dialect_count++) {
        f->dialects[f->dialect_count] = config->dialects[f->dialect_count];
    }
    for (; f->host_count < config->host_count; f->host_count++) {
        f->hosts[f->host_count] = mem_text(config->hosts[f->host_count]);
    }
    enum err e = ERR_OK;
    for (size_t i = 0; i < config->listen_count && e == ERR_OK; i++) {
        e = read_listener(f, config->listen[i], why);
    }
    if (e != ERR_OK) {
        front_release(f);
        return e;
    }
    *out = f;
    return ERR_OK;
}

void front_release(struct front *f)
{
    if (atomic_fetch_sub(&f->holds, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < f->listener_count; i++) {
        mem_free(f->listeners[i].address);
    }
    for (size_t i = 0; i < f->host_count; i++) {
        mem_free(f->hosts[i]);
    }
    tls_context_release(&f->tls);
    (void)pthread_mutex_destroy(&f->tls_lock);
    mem_free(f);
}

void front_set_tls(struct front *f, struct tls_context *context)
{
    struct tls_context *held = tls_context_hold(context);
    (void)pthread_mutex_lock(&f->tls_lock);
    struct tls_context *before = f->tls;
    f->tls = held;
    (void)pthread_mutex_unlock(&f->tls_lock);
    tls_context_release(&before);
}

struct tls_context *front_tls(struct front *f)
{
    (void)pthread_mutex_lock(&f->tls_lock);
    struct tls_context *held = f->tls == NULL ? NULL : tls_context_hold(f->tls);
    (void)pthread_mutex_unlock(&f->tls_lock);
    return held;
}

void front_close(struct front **f)
{
    if (*f != NULL) {
        front_stop_accepting(*f);
        front_release(*f);
        *f = NULL;
    }
}

/* ---- Accepting ---- */

static void on_accept(void *arg, stream_socket socket)
{
    const struct front_listener *listener = arg;
    struct front *f = listener->front;
    struct front_loop *least = NULL;
    uint32_t least_count = 0;
    uint64_t all = 0;
    for (uint32_t i = 0; i < f->loop_count; i++) {
        struct front_loop *l = atomic_load(&f->loops[i]);
        if (l == NULL) {
            continue;
        }
        const uint32_t count = atomic_load(&l->assigned);
        all += count;
        if (least == NULL || count < least_count) {
            least = l;
            least_count = count;
        }
    }
    if (least == NULL || all >= f->connections_max) {
        metric_add(&f->refused, 1);
        stream_refuse(socket);
        return;
    }
    front_loop_send(least, listener, socket, ++f->last_id);
}

/* The first one that more than lines are spoken on, if there is any. */
static const struct front_listener *main_listener(const struct front *f)
{
    for (size_t i = 0; i < f->listener_count; i++) {
        if (f->listeners[i].serves != LISTENS_TEXT) {
            return &f->listeners[i];
        }
    }
    return &f->listeners[0];
}

enum err front_listen(struct front *f, struct loop *l, struct err_why *why)
{
    for (size_t i = 0; i < f->listener_count; i++) {
        struct front_listener *listener = &f->listeners[i];
        const enum err e =
            listener_open(l, listener->address, on_accept, listener, &listener->listener, why);
        if (e != ERR_OK) {
            front_stop_accepting(f);
            return e;
        }
    }
    if (f->listener_count > 0) {
        (void)snprintf(f->address, sizeof(f->address), "%s",
                       listener_address(main_listener(f)->listener));
    }
    return ERR_OK;
}

const char *front_address(const struct front *f)
{
    return f->address;
}

void front_stop_accepting(struct front *f)
{
    for (size_t i = 0; i < f->listener_count; i++) {
        if (f->listeners[i].listener != NULL) {
            listener_close(&f->listeners[i].listener);
        }
    }
}

/* ---- Figures ---- */

void front_stats(const struct front *f, struct front_stats *out)
{
    *out = (struct front_stats){.connections_refused = metric_get(&f->refused)};
    for (uint32_t i = 0; i < f->loop_count; i++) {
        const struct front_loop *l = atomic_load(&f->loops[i]);
        if (l == NULL) {
            continue;
        }
        out->connections += atomic_load(&l->assigned);
        out->connections_total += metric_get(&l->opened);
        out->bytes_in += metric_get(&l->bytes_in);
        out->bytes_out += metric_get(&l->bytes_out);
        out->waiting_bytes += metric_get(&l->waiting_bytes);
        out->tls_connections += metric_get(&l->pipes.open);
        out->tls_full += metric_get(&l->pipes.full);
        out->tls_resumed += metric_get(&l->pipes.resumed);
        out->tls_failed += metric_get(&l->pipes.failed);
    }
}
