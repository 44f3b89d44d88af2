/* A node without sockets on real threads and real files, for the thread sanitizer: every loop calls
 * every shard, of memory and disk tables, in order, in groups, in transactions, through sources and
 * snapshots, while tables come and go. Then it stops, starts again, and everything acknowledged is
 * there.
 *
 * A chain is a client: it sends a few calls, checks what comes back, and goes on at random. */
#include <ftw.h>
#include <semaphore.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/random.h"
#include "engine/standin/standin.h"
#include "harness.h"
#include "journal/journal.h"
#include "router/router.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/random.h"
#include "sys/thread.h"

#define LOOPS     3
#define SHARDS    8
#define CHAINS    6  /* of each loop */
#define STEPS     60 /* of each chain */
#define KEYS      6
#define CALLS     (2 * KEYS)
#define COUNTERS  4
#define WATCH_MS  2
#define TICK_MS   20
#define PAGES_MAX 5

#define LARGE_BYTES 1500 /* of values that do not all fit into one page */

enum table_of_test {
    TABLE_OF_DISK,
    TABLE_OF_MEMORY,
    TABLES
};

struct real_loop;

struct chain {
    struct real_loop *owner;
    struct random random;
    unsigned number; /* of all chains */
    unsigned steps;
    unsigned waiting;
    struct call_order order;
    struct call calls[CALLS];
    struct op parts[2];
    char keys[KEYS][32];
    char value[32];
    struct table_change change;
    char table[32]; /* of its own */
    struct source *source;
    struct source_page page;
    unsigned pages;
    bool is_snapshot;
    uint32_t snapshot_table;
    unsigned own_rows;          /* of the snapshot */
    char large[2][LARGE_BYTES]; /* before the snapshot, and after it */
    char last[64];              /* key of the last row */
    uint64_t cursor;
};

struct note {
    struct letter letter;
    bool is_stop;
};

struct real_node;

struct real_loop {
    struct real_node *node;
    uint32_t index;
    struct thread *thread;
    struct loop *loop;
    struct shard_host *host;
    struct router *router;
    struct mailbox *mailbox;
    struct loop_timer tick;
    struct loop_timer watch;
    struct note go;
    struct note stop;
    struct chain chains[CHAINS];
    unsigned chains_left;
    _Atomic bool is_quiet;
    bool has_begun;
    bool is_stopping;
};

struct real_node {
    char path[64];
    uint64_t seed;
    uint64_t boot;
    struct standin_medium *medium;
    struct disk_store *store;
    struct folder *folder;
    struct journal *journal;
    struct worker_pool *pool;
    struct shard_node *shards;
    struct router_node *routers;
    struct real_loop loops[LOOPS];
    sem_t opened;
    struct loop_timer stop_timer;
    bool is_check;                           /* second start: chains read only */
    _Atomic int64_t added[TABLES][COUNTERS]; /* acknowledged */
    _Atomic uint64_t cursors[LOOPS];         /* newest of each loop; 0: none */
};

static void chain_next(struct chain *c);

static void chain_done(struct chain *c)
{
    if (--c->waiting == 0) {
        chain_next(c);
    }
}

static const struct table *table_of(struct chain *c, enum table_of_test which)
{
    const struct table *t =
        router_table(c->owner->router, which == TABLE_OF_DISK ? SLICE("kv") : SLICE("memory"));
    EXPECT(t != NULL);
    return t;
}

static enum table_of_test draw_table(struct chain *c)
{
    return (enum table_of_test)random_below(&c->random, TABLES);
}

static void draw_value(struct chain *c)
{
    (void)snprintf(c->value, sizeof(c->value), "%u of %u", c->steps, c->number);
}

/* ---- Writes, and reads behind them ---- */

static void on_put(struct call *call)
{
    EXPECT_EQ(ERR_OK, call->result.err);
    chain_done(call->arg);
}

static void on_get(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    EXPECT(slice_equal(call->result.value, slice_of_text(c->value)));
    chain_done(c);
}

static struct call *fill_call(struct chain *c, size_t i, enum op_kind kind, uint32_t table,
                              const char *key)
{
    c->calls[i] =
        (struct call){.op = {.kind = (uint8_t)kind,
                             .table = table,
                             .key = slice_of_text(key),
                             .value = kind == OP_PUT ? slice_of_text(c->value) : slice_of(NULL, 0)},
                      .done = kind == OP_GET ? on_get : on_put,
                      .arg = c,
                      .order = &c->order};
    return &c->calls[i];
}

static void step_pipeline(struct chain *c)
{
    const uint32_t table = table_of(c, draw_table(c))->id;
    draw_value(c);
    c->waiting = 2 * KEYS;
    for (size_t i = 0; i < KEYS; i++) {
        router_call(c->owner->router, fill_call(c, 2 * i, OP_PUT, table, c->keys[i]));
        router_call(c->owner->router, fill_call(c, 2 * i + 1, OP_GET, table, c->keys[i]));
    }
}

static void step_many(struct chain *c)
{
    struct call *calls[CALLS];
    const uint32_t table = table_of(c, draw_table(c))->id;
    draw_value(c);
    c->waiting = 2 * KEYS;
    for (size_t i = 0; i < KEYS; i++) {
        calls[i] = fill_call(c, i, OP_PUT, table, c->keys[i]);
        calls[KEYS + i] = fill_call(c, KEYS + i, OP_GET, table, c->keys[i]);
    }
    router_call_many(c->owner->router, calls, KEYS);
    router_call_many(c->owner->router, calls + KEYS, KEYS);
}

static void on_txn(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    EXPECT_EQ(2, call->result.result_count);
    EXPECT(slice_equal(call->result.results[1].value, slice_of_text(c->value)));
    chain_done(c);
}

static void step_txn(struct chain *c)
{
    const uint32_t table = table_of(c, draw_table(c))->id;
    const char *key = c->keys[random_below(&c->random, KEYS)];
    draw_value(c);
    c->parts[0] = fill_call(c, 0, OP_PUT, table, key)->op;
    c->parts[1] = fill_call(c, 0, OP_GET, table, key)->op;
    struct call *call = fill_call(c, 0, OP_TXN, table, key);
    call->op.ops = c->parts;
    call->op.op_count = 2;
    call->done = on_txn;
    c->waiting = 1;
    router_call(c->owner->router, call);
}

/* ---- Counters that all share ---- */

static void on_added(struct call *call)
{
    struct chain *c = call->arg;
    struct real_node *n = c->owner->node;
    EXPECT_EQ(ERR_OK, call->result.err);
    atomic_fetch_add(&n->added[call->op.number2][call->op.limit], call->op.number);
    chain_done(c);
}

static void counter_key(unsigned i, char *out, size_t size)
{
    (void)snprintf(out, size, "counter %u", i);
}

static void step_add(struct chain *c)
{
    c->waiting = KEYS;
    for (size_t i = 0; i < KEYS; i++) {
        const enum table_of_test which = draw_table(c);
        const unsigned counter = (unsigned)random_below(&c->random, COUNTERS);
        counter_key(counter, c->keys[i] + 16, sizeof(c->keys[i]) - 16);
        struct call *call = fill_call(c, i, OP_ADD, table_of(c, which)->id, c->keys[i] + 16);
        call->op.number = 1 + (int64_t)random_below(&c->random, 9);
        call->op.number2 = which; /* for on_added() */
        call->op.limit = counter;
        call->done = on_added;
        router_call(c->owner->router, call);
    }
}

/* ---- Sources ---- */

static void on_page(struct source_page *p)
{
    struct chain *c = p->arg;
    const bool is_canceled = c->source == NULL;
    const bool is_refused = c->is_snapshot && p->err == ERR_UNAVAILABLE; /* too many at a time */
    EXPECT(p->err == (is_canceled ? ERR_CANCELED : ERR_OK) || is_refused);
    for (size_t i = 0; i < p->row_count; i++) {
        EXPECT(slice_compare(slice_of_text(c->last), p->rows[i].key) < 0);
        EXPECT(p->rows[i].key.size < sizeof(c->last));
        memcpy(c->last, p->rows[i].key.data, p->rows[i].key.size);
        c->last[p->rows[i].key.size] = '\0';
    }
    if (is_canceled || p->is_end || ++c->pages == PAGES_MAX) {
        source_close(&c->source);
        chain_done(c);
        return;
    }
    source_next(c->source, &c->page);
    if (random_below(&c->random, 8) == 0) { /* with the page under way */
        source_close(&c->source);
    }
}

static void step_source(struct chain *c)
{
    c->is_snapshot = random_below(&c->random, 2) == 0;
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = table_of(c, draw_table(c))->id,
                                         .from = SLICE("k"),
                                         .keys_only = random_below(&c->random, 2) == 0,
                                         .is_snapshot = c->is_snapshot,
                                         .order = &c->order};
    c->last[0] = '\0';
    c->pages = 0;
    c->waiting = 1;
    c->source = source_open(c->owner->router, &config);
    c->page = (struct source_page){.bytes_max = 500, .done = on_page, .arg = c};
    source_next(c->source, &c->page);
}

/* ---- Snapshots: what is written after the first page is not seen ---- */

static void fill_large(struct chain *c, size_t which)
{
    memset(c->large[which], 'a' + (int)(c->steps % 26), LARGE_BYTES);
    (void)snprintf(c->large[which], LARGE_BYTES, "%zu %u of %u", which, c->steps, c->number);
}

static void put_large(struct chain *c, size_t which, call_fn done)
{
    c->waiting = KEYS;
    for (size_t i = 0; i < KEYS; i++) {
        struct call *call = fill_call(c, i, OP_PUT, c->snapshot_table, c->keys[i]);
        call->op.value = slice_of(c->large[which], LARGE_BYTES);
        call->done = done;
        router_call(c->owner->router, call);
    }
}

static void on_large_again(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    if (--c->waiting == 0) {
        source_next(c->source, &c->page);
    }
}

static void end_snapshot(struct chain *c, const struct source_page *p)
{
    EXPECT(p->err == ERR_UNAVAILABLE || (p->err == ERR_OK && c->own_rows == KEYS));
    source_close(&c->source);
    c->waiting = 1;
    chain_done(c);
}

static void on_snapshot_page(struct source_page *p)
{
    struct chain *c = p->arg;
    for (size_t i = 0; i < p->row_count; i++) {
        for (size_t k = 0; k < KEYS; k++) {
            if (slice_equal(slice_of_text(c->keys[k]), p->rows[i].key)) {
                EXPECT(slice_equal(slice_of(c->large[0], LARGE_BYTES), p->rows[i].value));
                c->own_rows++;
            }
        }
    }
    if (p->is_end) {
        end_snapshot(c, p);
    } else if (c->pages++ == 0) {
        put_large(c, 1, on_large_again);
    } else {
        source_next(c->source, &c->page);
    }
}

static void on_large(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    if (--c->waiting > 0) {
        return;
    }
    const struct source_config config = {.kind = SOURCE_RANGE,
                                         .table = c->snapshot_table,
                                         .is_snapshot = true,
                                         .is_reverse = random_below(&c->random, 2) == 0,
                                         .order = &c->order};
    c->pages = 0;
    c->own_rows = 0;
    c->source = source_open(c->owner->router, &config);
    c->page = (struct source_page){.bytes_max = 2000, .done = on_snapshot_page, .arg = c};
    source_next(c->source, &c->page);
}

static void step_snapshot(struct chain *c)
{
    c->snapshot_table = table_of(c, draw_table(c))->id;
    fill_large(c, 0);
    fill_large(c, 1);
    put_large(c, 0, on_large);
}

/* ---- Tables ---- */

static void change_table(struct chain *c, enum table_change_kind kind, table_change_fn done)
{
    c->change =
        (struct table_change){.kind = kind,
                              .name = slice_of_text(c->table),
                              .options = {.engine = c->number % 2 == 0 ? TABLE_DISK : TABLE_MEMORY},
                              .done = done,
                              .arg = c};
    router_change_table(c->owner->router, &c->change);
}

static void on_dropped(struct table_change *change)
{
    EXPECT_EQ(ERR_OK, change->err);
    chain_done(change->arg);
}

static void on_last_put(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    change_table(c, TABLE_DROP, on_dropped);
}

static void put_in_own(struct chain *c, call_fn done)
{
    const struct table *t = router_table(c->owner->router, slice_of_text(c->table));
    EXPECT(t != NULL);
    draw_value(c);
    struct call *call = fill_call(c, 0, OP_PUT, t->id, c->keys[0]);
    call->done = done;
    router_call(c->owner->router, call);
}

static void on_emptied(struct table_change *change)
{
    EXPECT_EQ(ERR_OK, change->err);
    put_in_own(change->arg, on_last_put);
}

static void on_first_put(struct call *call)
{
    struct chain *c = call->arg;
    EXPECT_EQ(ERR_OK, call->result.err);
    change_table(c, TABLE_EMPTY, on_emptied);
}

static void on_created(struct table_change *change)
{
    EXPECT_EQ(ERR_OK, change->err);
    put_in_own(change->arg, on_first_put);
}

static void step_table(struct chain *c)
{
    c->waiting = 1;
    change_table(c, TABLE_CREATE, on_created);
}

/* ---- Cursors, seen by all loops; figures, read by all ---- */

static void look_at_cursors(struct chain *c)
{
    struct real_node *n = c->owner->node;
    struct arena arena = {0};
    struct cursor_point point = {.table = 1, .after = slice_of_text(c->keys[0]), .from = c->cursor};
    c->cursor = router_cursor_keep(c->owner->router, &point);
    atomic_store(&n->cursors[c->owner->index], c->cursor);
    EXPECT_EQ(ERR_OK, router_cursor_find(c->owner->router, c->cursor, &arena, &point));
    const uint64_t other = atomic_load(&n->cursors[random_below(&c->random, LOOPS)]);
    const enum err e = router_cursor_find(c->owner->router, other, &arena, &point);
    EXPECT(e == ERR_OK || e == ERR_NOT_FOUND);
    arena_deinit(&arena);
}

static void look_at_figures(struct chain *c)
{
    for (int i = 0; i < TABLES; i++) {
        (void)router_table_count(c->owner->router, table_of(c, (enum table_of_test)i));
    }
    for (uint32_t group = 0; group <= SHARDS; group++) {
        (void)engine_stats(shard_engine(c->owner->node->shards, group, true));
        (void)engine_stats(shard_engine(c->owner->node->shards, group, false));
    }
    (void)shard_memory_bytes(c->owner->node->shards);
    struct journal_stats stats;
    journal_stats(c->owner->node->journal, &stats);
}

/* ---- The chain ---- */

static void on_counted(struct call *call)
{
    struct chain *c = call->arg;
    struct real_node *n = c->owner->node;
    int64_t number = 0;
    const int64_t want = atomic_load(&n->added[TABLE_OF_DISK][call->op.limit]);
    EXPECT(call->result.err == ERR_OK || (call->result.err == ERR_NOT_FOUND && want == 0));
    EXPECT(want == 0 || parse_int64(call->result.value, &number));
    EXPECT_EQ(want, number);
    chain_done(c);
}

/* After the second start: what was added to disk tables is there, in memory tables nothing. */
static void step_check(struct chain *c)
{
    c->waiting = COUNTERS;
    EXPECT_EQ(0, router_table_count(c->owner->router, table_of(c, TABLE_OF_MEMORY)));
    for (unsigned i = 0; i < COUNTERS; i++) {
        counter_key(i, c->keys[i], sizeof(c->keys[i]));
        struct call *call = fill_call(c, i, OP_GET, table_of(c, TABLE_OF_DISK)->id, c->keys[i]);
        call->op.limit = i; /* for on_counted() */
        call->done = on_counted;
        router_call(c->owner->router, call);
    }
}

static void chain_next(struct chain *c)
{
    static void (*const steps[])(struct chain * c) = {
        step_pipeline, step_many, step_txn, step_add, step_source, step_snapshot, step_table};
    struct real_loop *l = c->owner;
    if (c->steps++ == (l->node->is_check ? 1 : STEPS)) {
        l->chains_left--;
        return;
    }
    if (l->node->is_check) {
        step_check(c);
        return;
    }
    look_at_cursors(c);
    look_at_figures(c);
    steps[random_below(&c->random, sizeof(steps) / sizeof(steps[0]))](c);
}

static void begin_chains(struct real_loop *l)
{
    l->chains_left = CHAINS;
    l->has_begun = true;
    for (unsigned i = 0; i < CHAINS; i++) {
        struct chain *c = &l->chains[i];
        const unsigned number = l->index * CHAINS + i;
        *c =
            (struct chain){.owner = l, .number = number, .random = {l->node->seed * 1000 + number}};
        (void)snprintf(c->table, sizeof(c->table), "own-%u", number);
        for (unsigned k = 0; k < KEYS; k++) {
            (void)snprintf(c->keys[k], 16, "key %u %u", number, k);
        }
        chain_next(c);
    }
}

/* ---- The node ---- */

static void on_note(void *arg, struct letter *letter)
{
    struct real_loop *l = arg;
    if (container_of(letter, struct note, letter)->is_stop) {
        loop_timer_stop(&l->tick);
        shard_quiesce(l->host);
        l->is_stopping = true;
    } else {
        begin_chains(l);
    }
}

static void on_tick(void *arg)
{
    struct real_loop *l = arg;
    shard_tick(l->host);
    loop_timer_start(l->loop, &l->tick, TICK_MS, on_tick, l);
}

static void on_watch(void *arg)
{
    struct real_loop *l = arg;
    if (l->is_stopping && shard_is_idle(l->host)) {
        loop_stop(l->loop);
        return;
    }
    atomic_store(&l->is_quiet, l->has_begun && l->chains_left == 0 && router_calls(l->router) == 0);
    loop_timer_start(l->loop, &l->watch, WATCH_MS, on_watch, l);
}

static void open_loop(struct real_loop *l)
{
    struct err_why why = {0};
    struct real_node *n = l->node;
    EXPECT_EQ(ERR_OK, loop_open(&l->loop, &why));
    EXPECT_EQ(ERR_OK, mailbox_open(l->loop, on_note, l, &l->mailbox, &why));
    EXPECT_EQ(ERR_OK, shard_host_open(n->shards, l->loop, l->index, &l->host, &why));
    EXPECT_EQ(ERR_OK, router_open(n->routers, l->loop, l->index, l->host, &l->router, &why));
    loop_timer_start(l->loop, &l->tick, TICK_MS, on_tick, l);
    loop_timer_start(l->loop, &l->watch, WATCH_MS, on_watch, l);
}

static void close_loop(struct real_loop *l)
{
    loop_timer_stop(&l->tick);
    router_close(&l->router);
    shard_host_close(&l->host);
    mailbox_close(&l->mailbox);
    loop_close(&l->loop);
}

static void run_loop(void *arg)
{
    struct real_loop *l = arg;
    open_loop(l);
    EXPECT(sem_post(&l->node->opened) == 0);
    loop_run(l->loop);
    close_loop(l);
}

static void post(struct real_node *n, bool is_stop)
{
    for (size_t i = 0; i < LOOPS; i++) {
        struct note *note = is_stop ? &n->loops[i].stop : &n->loops[i].go;
        note->is_stop = is_stop;
        mailbox_post(n->loops[i].mailbox, &note->letter);
    }
}

static void on_stop_timer(void *arg)
{
    struct real_node *n = arg;
    bool is_quiet = true;
    for (size_t i = 0; i < LOOPS; i++) {
        is_quiet = is_quiet && atomic_load(&n->loops[i].is_quiet);
    }
    if (is_quiet) {
        post(n, true);
        return;
    }
    loop_timer_start(n->loops[0].loop, &n->stop_timer, WATCH_MS, on_stop_timer, n);
}

static void on_memory_table(struct table_change *c)
{
    struct real_node *n = c->arg;
    EXPECT(c->err == ERR_OK || c->err == ERR_ALREADY_EXISTS);
    post(n, false);
    on_stop_timer(n);
    mem_free(c);
}

static void on_ready(void *arg)
{
    struct real_node *n = arg;
    struct table_change *c = mem_zero(1, sizeof(*c));
    *c = (struct table_change){.kind = TABLE_CREATE,
                               .name = SLICE("memory"),
                               .options = {.engine = TABLE_MEMORY},
                               .done = on_memory_table,
                               .arg = n};
    router_change_table(n->loops[0].router, c);
}

static void on_journal(void *arg)
{
    struct real_node *n = arg;
    if (n->shards != NULL) {
        shard_node_notify(n->shards);
    }
}

static void on_failure(void *arg, const struct err_why *why)
{
    (void)arg;
    (void)fprintf(stderr, "%s\n", why->text);
    EXPECT(false);
}

static void open_shared(struct real_node *n)
{
    struct err_why why = {0};
    const struct disk_config store = {
        .path = "unused", .shards = SHARDS, .write_bytes = 1 << 20, .jobs = 1, .medium = n->medium};
    EXPECT_EQ(ERR_OK, disk_store_open(&store, &n->store, &why));
    EXPECT_EQ(ERR_OK, folder_open(n->path, &n->folder, &why));
    const struct journal_config journal = {.folder = n->folder,
                                           .segment_bytes = 256 << 10,
                                           .first_bytes = 64 << 10,
                                           .notify = on_journal,
                                           .arg = n};
    EXPECT_EQ(ERR_OK, journal_open(&journal, &n->journal, &why));
    EXPECT_EQ(ERR_OK, worker_pool_open(4, &n->pool, &why));
    const struct shard_config shards = {.shards = SHARDS,
                                        .loops = LOOPS,
                                        .journal = n->journal,
                                        .store = n->store,
                                        .pool = n->pool,
                                        .memory_max = 64 << 20,
                                        .value_max = 1 << 20,
                                        .member = 1,
                                        .boot = ++n->boot,
                                        .seed = n->seed,
                                        .wall_ms = 1700000000000 + clock_now_ns() / 1000000,
                                        .mono_ns = clock_now_ns(),
                                        .on_failure = on_failure,
                                        .arg = n};
    n->shards = shard_node_open(&shards);
    const struct router_config routers = {.shards = n->shards,
                                          .shard_count = SHARDS,
                                          .loops = LOOPS,
                                          .has_disk = true,
                                          .engine = TABLE_DISK,
                                          .value_max = 1 << 20,
                                          .on_ready = on_ready,
                                          .arg = n};
    n->routers = router_node_open(&routers);
}

/* From the start to the end of an orderly stop. */
static void run_node(struct real_node *n)
{
    struct err_why why = {0};
    EXPECT(sem_init(&n->opened, 0, 0) == 0);
    open_shared(n);
    for (uint32_t i = 0; i < LOOPS; i++) {
        n->loops[i] = (struct real_loop){.node = n, .index = i};
    }
    for (uint32_t i = 1; i < LOOPS; i++) {
        EXPECT_EQ(ERR_OK, thread_start("loop", run_loop, &n->loops[i], &n->loops[i].thread, &why));
    }
    open_loop(&n->loops[0]);
    for (uint32_t i = 1; i < LOOPS; i++) {
        while (sem_wait(&n->opened) != 0) {
        }
    }
    router_start(n->loops[0].router);
    loop_run(n->loops[0].loop);
    for (uint32_t i = 1; i < LOOPS; i++) {
        thread_join(&n->loops[i].thread);
    }
    close_loop(&n->loops[0]);
    router_node_close(&n->routers);
    journal_close(&n->journal);
    shard_node_close(&n->shards);
    worker_pool_close(&n->pool);
    disk_store_close(&n->store);
    folder_close(&n->folder);
    EXPECT(sem_destroy(&n->opened) == 0);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *level)
{
    (void)status;
    (void)type;
    (void)level;
    return remove(path);
}

static void test_all_at_once(void)
{
    const char *one = getenv("HOLDFAST_SEED");
    struct real_node *n = mem_zero(1, sizeof(*n));
    n->seed = one != NULL ? strtoull(one, NULL, 10) : random_u64() % 1000000;
    (void)printf("HOLDFAST_SEED=%" PRIu64 "\n", n->seed);
    (void)fflush(stdout);
    (void)snprintf(n->path, sizeof(n->path), "/tmp/holdfast-test-%016" PRIx64, random_u64());
    n->medium = standin_medium_new(n->seed);
    const struct standin_faults faults = {
        .wait_permille = 100, .busy_permille = 20, .flush_permille = 20};
    standin_set_faults(n->medium, &faults);
    run_node(n);
    n->is_check = true;
    run_node(n);
    standin_medium_free(&n->medium);
    EXPECT_EQ(0, nftw(n->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
    mem_free(n);
}

static const struct test_case cases[] = {
    {"all_at_once", test_all_at_once},
};

TEST_MAIN(cases)
