/* server.c - start and stop of a node.
 *
 * Start: folder, lock, identity ─► store, journal ─► loops, each with its groups, router and
 * connections ─► listeners ─► replay, tables ─► ready.
 * Stop: no new requests ─► what is under way ends (at most --stop-timeout) ─► every loop is
 * quiet ─► loops end ─► mark in the journal, flush, unlock. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "api/grpc_flow.h"
#include "api/redis/redis.h"
#include "api/service.h"
#include "base/check.h"
#include "base/mem.h"
#include "server/ballast.h"
#include "server/server_private.h"
#include "sys/clock.h"
#include "sys/random.h"

#define TICK_MS          1000
#define WATCH_MS         2
#define WORKERS_LEAST    16 /* they wait for the disk, not for a processor */
#define WORKERS_MOST     32
#define WRITE_BYTES_MOST ((size_t)128 << 20)

/* ---- Parts that all loops share ---- */

static uint64_t memory_total(const struct config *c)
{
    return c->memory_bytes != 0 ? c->memory_bytes : memory_bytes() / 4;
}

static enum err open_store(struct server *s, struct err_why *why)
{
    char path[CONFIG_TEXT_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/engine", s->config.data);
    const size_t total = memory_total(&s->config);
    size_t write = total / 8;
    write = write > WRITE_BYTES_MOST ? WRITE_BYTES_MOST : write;
    const bool is_disk = s->config.engine == TABLE_DISK;
    const struct disk_config config = {.path = path,
                                       .shards = (unsigned)s->config.shards,
                                       .cache_bytes = is_disk ? total * 3 / 8 : total / 16,
                                       .write_bytes = write,
                                       .record_bytes = is_disk ? total / 8 : total / 32,
                                       .jobs = cpu_count() > 2 ? 2 : 1};
    s->memory_tables_bytes = total - config.cache_bytes - config.write_bytes - config.record_bytes;
    return disk_store_open(&config, &s->store, why);
}

static void on_journal(void *arg)
{
    struct server *s = arg;
    if (s->shards != NULL) {
        shard_node_notify(s->shards);
    }
}

static enum err open_journal(struct server *s, struct err_why *why)
{
    char path[CONFIG_TEXT_MAX + 16];
    (void)snprintf(path, sizeof(path), "%s/journal", s->config.data);
    enum err e = folder_open(path, &s->journal_folder, why);
    if (e != ERR_OK) {
        return e;
    }
    const struct journal_config config = {.folder = s->journal_folder,
                                          .segment_bytes = JOURNAL_SEGMENT_BYTES,
                                          .first_bytes = JOURNAL_FIRST_BYTES,
                                          .reserve_bytes = s->config.reserve_bytes,
                                          .fsync = (enum journal_fsync)s->config.fsync,
                                          .interval_ms = s->config.fsync_interval_ms > 0
                                                             ? (uint32_t)s->config.fsync_interval_ms
                                                             : 1000,
                                          .discard_damage = s->config.discards_damage != 0,
                                          .notify = on_journal,
                                          .arg = s};
    struct err_why inner = {0};
    e = journal_open(&config, &s->journal, &inner);
    if (e == ERR_CORRUPT) { /* tells the operator what can be done about it */
        return err_set(why, e, "%.140s; see `holdfast check`, and --discard-damage", inner.text);
    }
    *why = inner;
    return e;
}

static enum err open_folder(struct server *s, struct err_why *why)
{
    if (s->config.data[0] == '\0') {
        identity_make(&s->config, &s->identity);
        s->memory_tables_bytes = memory_total(&s->config);
        return ERR_OK;
    }
    enum err e = folder_open(s->config.data, &s->folder, why);
    e = e == ERR_OK ? folder_lock(s->folder, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    ballast_drop(s->folder);
    e = identity_load(s->folder, &s->config, &s->identity, why);
    e = e == ERR_OK ? open_store(s, why) : e;
    e = e == ERR_OK ? open_journal(s, why) : e;
    if (e == ERR_OK) {
        ballast_take(s->folder);
    }
    return e;
}

static void on_failure(void *arg, const struct err_why *why)
{
    (void)arg;
    fatal("%s", why->text);
}

static void on_tables_ready(void *arg)
{
    struct server *s = arg;
    atomic_store(&s->state, SERVER_READY);
    log_info(&s->log, "server", "ready", F_TEXT("listen", front_address(s->front)),
             F_U64("ms", (clock_now_ns() - s->started_ns) / 1000000));
    s->owner->on_ready(s->owner->arg, front_address(s->front));
}

static void open_nodes(struct server *s)
{
    const struct shard_config shards = {.shards = (uint32_t)s->config.shards,
                                        .loops = s->loop_count,
                                        .journal = s->journal,
                                        .store = s->store,
                                        .pool = s->pool,
                                        .log = &s->log,
                                        .memory_max = s->memory_tables_bytes,
                                        .value_max = s->config.value_max,
                                        .member = s->identity.member,
                                        .boot = s->identity.boot,
                                        .seed = random_u64(),
                                        .wall_ms = s->started_wall_ms,
                                        .mono_ns = s->started_ns,
                                        .is_relaxed = s->config.fsync != JOURNAL_FSYNC_ALWAYS,
                                        .on_failure = on_failure,
                                        .arg = s};
    s->shards = shard_node_open(&shards);
    const struct router_config routers = {.shards = s->shards,
                                          .shard_count = (uint32_t)s->config.shards,
                                          .loops = s->loop_count,
                                          .has_disk = s->journal != NULL,
                                          .engine = (enum table_engine)s->config.engine,
                                          .value_max = s->config.value_max,
                                          .log = &s->log,
                                          .on_ready = on_tables_ready,
                                          .arg = s};
    s->routers = router_node_open(&routers);
}

/* ---- A loop ---- */

static void on_tick(void *arg)
{
    struct server_loop *l = arg;
    shard_tick(l->host);
    loop_timer_start(l->loop, &l->tick, TICK_MS, on_tick, l);
}

static void close_loop(struct server_loop *l)
{
    loop_timer_stop(&l->tick);
    loop_timer_stop(&l->watch);
    front_loop_close(&l->front);
    redis_loop_close(&l->context);
    grpc_flow_close(&l->context);
    grpc_close(&l->context);
    router_close(&l->router);
    shard_host_close(&l->host);
    if (l->orders != NULL) {
        mailbox_close(&l->orders);
    }
}

/* Jobs that are no shard's: those of loop 0. */
static bool has_jobs(const struct server_loop *l)
{
    return l->index == 0 && !certificates_are_idle(l->server->certificates);
}

/* Once it is to stop a loop only waits for jobs on workers. */
static void on_watch(void *arg)
{
    struct server_loop *l = arg;
    if (l->is_stopping && shard_is_idle(l->host) && !has_jobs(l)) {
        loop_stop(l->loop);
        return;
    }
    atomic_store(&l->is_quiet, front_loop_is_idle(l->front) && router_calls(l->router) == 0 &&
                                   shard_is_idle(l->host));
    loop_timer_start(l->loop, &l->watch, WATCH_MS, on_watch, l);
}

static void on_order(void *arg, struct letter *letter)
{
    struct server_loop *l = arg;
    if (l->host == NULL) {
        return; /* the loop could not be opened, or is being closed */
    }
    switch (container_of(letter, struct order_letter, letter)->order) {
    case ORDER_DRAIN:
        shard_quiesce(l->host);
        front_loop_drain(l->front);
        on_watch(l);
        return;
    case ORDER_CUT:
        front_loop_cut(l->front);
        return;
    case ORDER_STOP:
        loop_timer_stop(&l->tick);
        shard_quiesce(l->host);
        if (l->index == 0) {
            certificates_stop(l->server->certificates);
        }
        l->is_stopping = true;
        on_watch(l);
        return;
    }
}

static enum err open_loop(struct server_loop *l, struct err_why *why)
{
    struct server *s = l->server;
    enum err e = loop_open(&l->loop, why);
    e = e == ERR_OK ? mailbox_open(l->loop, on_order, l, &l->orders, why) : e;
    e = e == ERR_OK ? shard_host_open(s->shards, l->loop, l->index, &l->host, why) : e;
    e = e == ERR_OK ? router_open(s->routers, l->loop, l->index, l->host, &l->router, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    facts_fill(l);
    l->context = (struct loop_context){.router = l->router,
                                       .facts = &l->facts,
                                       .stats = l->stats,
                                       .slow_us = s->config.slow_us,
                                       .now_ns = clock_now_ns};
    router_attach(l->router, &l->context);
    e = front_loop_open(s->front, l->loop, l->index, &l->context, &l->front, why);
    loop_timer_start(l->loop, &l->tick, TICK_MS, on_tick, l);
    return e;
}

static void run_loop(void *arg)
{
    struct server_loop *l = arg;
    l->err = open_loop(l, &l->why);
    (void)sem_post(&l->server->started);
    if (l->err == ERR_OK) {
        loop_run(l->loop);
    }
    close_loop(l);
    loop_close(&l->loop);
}

static void give_order(struct server *s, enum server_order order)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        struct server_loop *l = &s->loops[i];
        l->letters[order].order = order;
        if (l->orders != NULL) {
            mailbox_post(l->orders, &l->letters[order].letter);
        }
    }
}

/* ---- Stop ---- */

static bool all_quiet(struct server *s)
{
    for (uint32_t i = 0; i < s->loop_count; i++) {
        if (!atomic_load(&s->loops[i].is_quiet)) {
            return false;
        }
    }
    return true;
}

static void on_stop_timer(void *arg)
{
    struct server *s = arg;
    struct loop *l = s->loops[0].loop;
    if (all_quiet(s)) {
        atomic_store(&s->state, SERVER_STOPPING);
        give_order(s, ORDER_STOP);
        return;
    }
    if (s->stop_by_ns != 0 && clock_now_ns() >= s->stop_by_ns) {
        s->stop_by_ns = 0;
        log_warn(&s->log, "server", "closing connections with requests under way");
        give_order(s, ORDER_CUT);
    }
    loop_timer_start(l, &s->stop_timer, WATCH_MS, on_stop_timer, s);
}

static void on_drain(void *arg)
{
    struct server *s = arg;
    front_stop_accepting(s->front);
    give_order(s, ORDER_DRAIN);
    on_stop_timer(s);
}

static void on_stop_signal(void *arg, int number)
{
    struct server *s = arg;
    if (atomic_load(&s->state) >= SERVER_DRAINING) {
        return;
    }
    log_info(&s->log, "server", "draining", F_I64("signal", number));
    atomic_store(&s->state, SERVER_DRAINING);
    s->stop_by_ns = clock_now_ns() + server_stop_timeout_ms(s) * 1000000;
    s->drain = (struct loop_task){.call = on_drain, .arg = s};
    loop_defer_turn(s->loops[0].loop, &s->drain); /* who has connected is accepted first */
}

/* SIGHUP: what may be changed while the node runs is taken over. */
static void on_reload(void *arg, int number)
{
    (void)number;
    struct server *s = arg;
    struct config *fresh = mem_zero(1, sizeof(*fresh));
    struct err_why why = {0};
    if (s->owner->reload(s->owner->arg, fresh, &why) != ERR_OK) {
        log_error(&s->log, "server", "the settings were not read again", F_TEXT("why", why.text));
    } else {
        server_take_live(s, fresh);
        log_info(&s->log, "server", "settings read again");
    }
    mem_free(fresh);
    certificates_reload(s->certificates);
}

/* ---- Start ---- */

static enum err watch_signals(struct server *s, struct err_why *why)
{
    (void)signal(SIGPIPE, SIG_IGN);
    struct loop *l = s->loops[0].loop;
    enum err e = signal_watch_open(l, SIGTERM, on_stop_signal, s, &s->signals[0], why);
    e = e == ERR_OK ? signal_watch_open(l, SIGINT, on_stop_signal, s, &s->signals[1], why) : e;
    return e == ERR_OK ? signal_watch_open(l, SIGHUP, on_reload, s, &s->signals[2], why) : e;
}

static enum err start_loops(struct server *s, struct err_why *why)
{
    struct server_loop *first = &s->loops[0];
    enum err e = ERR_OK;
    for (uint32_t i = 1; i < s->loop_count && e == ERR_OK; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "loop-%" PRIu32, i);
        e = thread_start(name, run_loop, &s->loops[i], &s->loops[i].thread, why);
    }
    if (e == ERR_OK) {
        e = open_loop(first, why);
    }
    for (uint32_t i = 1; i < s->loop_count; i++) {
        if (s->loops[i].thread == NULL) {
            continue;
        }
        while (sem_wait(&s->started) != 0) {
        }
    }
    for (uint32_t i = 1; i < s->loop_count && e == ERR_OK; i++) {
        e = s->loops[i].err;
        if (e != ERR_OK) {
            *why = s->loops[i].why;
        }
    }
    return e;
}

static void log_config(void *arg, const char *name, const char *value)
{
    log_info(arg, "server", "setting", F_TEXT("name", name), F_TEXT("value", value));
}

static void log_start(struct server *s)
{
    log_info(&s->log, "server", "starting", F_TEXT("version", HOLDFAST_VERSION),
             F_I64("pid", getpid()), F_TEXT("node", s->identity.node),
             F_U64("boot", s->identity.boot), F_U64("threads", s->loop_count));
    config_each(&s->config, log_config, &s->log);
    if (s->journal != NULL && s->config.fsync != JOURNAL_FSYNC_ALWAYS) {
        log_warn(&s->log, "server",
                 "--fsync is not always: a power cut may take acknowledged writes");
    }
    if (s->journal == NULL) {
        log_warn(&s->log, "server", "no data folder: nothing survives a restart");
    }
}

static enum err open_front(struct server *s, struct err_why *why)
{
    const struct http_dialect *dialects[] = {
        native_grpc_dialect(), strato_dialect(), native_dialect(),  admin_dialect(),
        meta_dialect(),        dstash_dialect(), regatta_dialect(), estoraje_dialect()};
    struct front_config config = {.loops = s->loop_count,
                                  .dialects = dialects,
                                  .dialect_count = sizeof(dialects) / sizeof(dialects[0]),
                                  .connections_max = (uint32_t)s->config.connections_max,
                                  .is_insecure = s->config.is_insecure != 0,
                                  .is_tls_only = s->config.is_tls_only != 0,
                                  .asks_certificate =
                                      s->config.tls_client_auth == TLS_CLIENT_REQUIRE,
                                  .log = &s->log};
    for (uint32_t i = 0; i < s->config.listen_count; i++) {
        config.listen[i] = s->config.listen[i];
    }
    config.listen_count = s->config.listen_count;
    for (uint32_t i = 0; i < s->config.host_count; i++) {
        config.hosts[i] = s->config.hosts[i];
    }
    config.host_count = s->config.host_count;
    const enum err e = front_open(&config, &s->front, why);
    return e == ERR_OK ? certificates_open(&s->config, s->front, &s->log, &s->certificates, why)
                       : e;
}

static enum err start(struct server *s, struct err_why *why)
{
    (void)descriptors_raise();
    enum err e = open_front(s, why); /* refuses bad addresses before anything is touched */
    e = e == ERR_OK ? open_folder(s, why) : e;
    unsigned workers = 2 * cpu_count();
    workers = workers < WORKERS_LEAST ? WORKERS_LEAST : workers;
    workers = workers > WORKERS_MOST ? WORKERS_MOST : workers;
    e = e == ERR_OK ? worker_pool_open(workers, &s->pool, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    log_start(s);
    open_nodes(s);
    e = start_loops(s, why);
    e = e == ERR_OK ? watch_signals(s, why) : e;
    e = e == ERR_OK ? front_listen(s->front, s->loops[0].loop, why) : e;
    if (e == ERR_OK) {
        facts_note_address(s);
        certificates_watch(s->certificates, s->loops[0].loop, s->pool);
        router_start(s->loops[0].router);
    }
    return e;
}

/* Whatever has been opened, in reverse. */
static void stop(struct server *s, bool has_run)
{
    if (!has_run) {
        give_order(s, ORDER_STOP);
        if (s->loops[0].front != NULL) { /* jobs of its own are under way */
            loop_run(s->loops[0].loop);
        }
    }
    for (uint32_t i = 1; i < s->loop_count; i++) {
        thread_join(&s->loops[i].thread);
    }
    for (size_t i = 0; i < 3; i++) {
        signal_watch_close(&s->signals[i]);
    }
    loop_timer_stop(&s->stop_timer);
    certificates_close(&s->certificates);
    front_close(&s->front);
    close_loop(&s->loops[0]);
    loop_close(&s->loops[0].loop);
    router_node_close(&s->routers);
    journal_close(&s->journal);
    shard_node_close(&s->shards);
    worker_pool_close(&s->pool);
    disk_store_close(&s->store);
    folder_close(&s->journal_folder);
    folder_close(&s->folder);
    for (uint32_t i = 0; i < s->loop_count; i++) {
        mem_free(s->loops[i].stats);
    }
    mem_free(s->loops);
    (void)sem_destroy(&s->started);
    (void)pthread_mutex_destroy(&s->live_lock);
}

static void make_loops(struct server *s)
{
    s->loop_count = s->config.threads != 0 ? (uint32_t)s->config.threads : cpu_count();
    s->loop_count = s->loop_count > SERVER_LOOPS_MAX ? SERVER_LOOPS_MAX : s->loop_count;
    s->loops = mem_zero(s->loop_count, sizeof(*s->loops));
    for (uint32_t i = 0; i < s->loop_count; i++) {
        s->loops[i].server = s;
        s->loops[i].index = i;
        s->loops[i].stats = mem_zero(DIALECT_COUNT, sizeof(*s->loops[i].stats));
    }
}

enum err server_run(const struct config *config, const struct server_owner *owner,
                    struct err_why *why)
{
    struct server *s = mem_zero(1, sizeof(*s));
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    s->config = *config;
    s->log = (struct log){.format = (enum log_format)config->log_format, .fd = STDERR_FILENO};
    atomic_init(&s->log.level, (int)config->log_level);
    s->owner = owner;
    (void)pthread_mutex_init(&s->live_lock, NULL);
    s->started_ns = clock_now_ns();
    s->started_wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    (void)gethostname(s->host_name, sizeof(s->host_name) - 1);
    (void)sem_init(&s->started, 0, 0);
    make_loops(s);
    const enum err e = start(s, why);
    if (e == ERR_OK) {
        loop_run(s->loops[0].loop);
    }
    stop(s, e == ERR_OK);
    if (e == ERR_OK) {
        log_info(&s->log, "server", "stopped");
    }
    mem_free(s);
    return e;
}
