#include "engine/standin/store.h"

#include "base/check.h"
#include "base/mem.h"

#define SHARDS_MAX 1024

static void lock(struct standin_medium *m)
{
    CHECK(pthread_mutex_lock(&m->lock) == 0);
}

static void unlock(struct standin_medium *m)
{
    CHECK(pthread_mutex_unlock(&m->lock) == 0);
}

static bool happens(struct standin_medium *m, unsigned permille)
{
    return permille > 0 && random_below(&m->random, 1000) < permille;
}

static void replace(struct sorted **place, struct sorted *t)
{
    sorted_release(*place);
    *place = t;
}

/* ---- The medium ---- */

struct standin_medium *standin_medium_new(uint64_t seed)
{
    struct standin_medium *m = mem_zero(1, sizeof(*m));
    CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
    m->random.state = seed;
    return m;
}

void standin_medium_free(struct standin_medium **m)
{
    if (*m == NULL) {
        return;
    }
    for (unsigned i = 0; (*m)->shards > 0 && i <= (*m)->shards; i++) {
        sorted_release((*m)->durable[i]);
    }
    CHECK(pthread_mutex_destroy(&(*m)->lock) == 0);
    mem_free((*m)->durable);
    mem_free(*m);
    *m = NULL;
}

void standin_set_faults(struct standin_medium *m, const struct standin_faults *faults)
{
    lock(m);
    m->faults = *faults;
    unlock(m);
}

void standin_power_cut(struct standin_medium *m)
{
    lock(m);
    m->power_cuts++;
    unlock(m);
}

struct standin_medium *standin_medium_of(struct disk_store *s)
{
    return s->medium;
}

/* ---- Flushing, under the lock ---- */

static enum err medium_err(const struct standin_medium *m)
{
    if (m->faults.is_damaged) {
        return ERR_CORRUPT;
    }
    return m->faults.is_full ? ERR_NO_SPACE : ERR_OK;
}

/* Makes `t` (taken) durable, if the power is still on. */
static void make_durable(struct disk_store *s, unsigned group, struct sorted *t)
{
    if (s->power_cuts == s->medium->power_cuts) {
        replace(&s->medium->durable[group], t);
    } else {
        sorted_release(t);
    }
}

static void drop_flush(struct standin_group *g)
{
    replace(&g->flushing, NULL);
    g->is_flushing = false;
}

/* A flush in the background ends now or later. */
static void maybe_end_flush(struct disk_store *s, unsigned group)
{
    struct standin_group *g = &s->groups[group];
    if (g->is_flushing && medium_err(s->medium) == ERR_OK && happens(s->medium, 500)) {
        make_durable(s, group, sorted_share(g->flushing));
        drop_flush(g);
    }
}

static void flush_now(struct disk_store *s, unsigned group)
{
    drop_flush(&s->groups[group]);
    make_durable(s, group, sorted_share(s->groups[group].published));
}

/* ---- The store ---- */

enum err disk_store_open(const struct disk_config *config, struct disk_store **out,
                         struct err_why *why)
{
    CHECK(config->shards >= 1 && config->shards <= SHARDS_MAX);
    struct standin_medium *m = config->medium;
    if (m != NULL && m->shards != 0 && m->shards != config->shards) {
        return err_set(why, ERR_INVALID, "made for %u shards, not for %u", m->shards,
                       config->shards);
    }
    struct disk_store *s = mem_zero(1, sizeof(*s));
    s->owns_medium = m == NULL;
    s->medium = m == NULL ? standin_medium_new(1) : m;
    lock(s->medium);
    if (s->medium->shards == 0) {
        s->medium->shards = config->shards;
        s->medium->durable = mem_zero(config->shards + 1, sizeof(struct sorted *));
    }
    s->power_cuts = s->medium->power_cuts;
    s->groups = mem_zero(config->shards + 1, sizeof(*s->groups));
    for (unsigned i = 0; i <= config->shards; i++) {
        s->groups[i].published = sorted_share(s->medium->durable[i]);
    }
    unlock(s->medium);
    *out = s;
    return ERR_OK;
}

void disk_store_close(struct disk_store **s)
{
    if (*s == NULL) {
        return;
    }
    struct standin_medium *m = (*s)->medium;
    lock(m);
    for (unsigned i = 0; i <= m->shards; i++) {
        struct standin_group *g = &(*s)->groups[i];
        CHECK(!g->is_open);
        if (medium_err(m) == ERR_OK) {
            flush_now(*s, i);
        }
        drop_flush(g);
        sorted_release(g->published);
    }
    unlock(m);
    if ((*s)->owns_medium) {
        standin_medium_free(&m);
    }
    mem_free((*s)->groups);
    mem_free(*s);
    *s = NULL;
}

struct engine *disk_store_engine(struct disk_store *s, unsigned group)
{
    lock(s->medium);
    CHECK(group <= s->medium->shards);
    CHECK(!s->groups[group].is_open);
    s->groups[group].is_open = true;
    unlock(s->medium);
    return standin_engine_new(s, group);
}

void store_engine_closed(struct disk_store *s, unsigned group)
{
    lock(s->medium);
    CHECK(s->groups[group].is_open);
    s->groups[group].is_open = false;
    unlock(s->medium);
}

enum disk_pressure disk_pressure(struct disk_store *s)
{
    lock(s->medium);
    const struct standin_faults faults = s->medium->faults;
    unlock(s->medium);
    if (faults.is_damaged || faults.is_full) {
        return faults.is_damaged ? DISK_DAMAGED : DISK_FULL;
    }
    return faults.is_stalled ? DISK_STALLED : DISK_FINE;
}

struct disk_store_stats disk_store_stats(struct disk_store *s)
{
    (void)s; /* no files, no cache */
    return (struct disk_store_stats){0};
}

void disk_store_power_cut(struct disk_store *s)
{
    lock(s->medium);
    for (unsigned i = 0; i <= s->medium->shards; i++) {
        CHECK(!s->groups[i].is_open);
        drop_flush(&s->groups[i]);
        replace(&s->groups[i].published, sorted_share(s->medium->durable[i]));
    }
    unlock(s->medium);
}

/* ---- For the engines ---- */

struct sorted *store_published(struct disk_store *s, unsigned group)
{
    lock(s->medium);
    struct sorted *t = sorted_share(s->groups[group].published);
    unlock(s->medium);
    return t;
}

static enum err commit_err(struct standin_medium *m)
{
    const enum err err = medium_err(m);
    if (err != ERR_OK) {
        return err;
    }
    return m->faults.is_stalled || happens(m, m->faults.busy_permille) ? ERR_BUSY : ERR_OK;
}

enum err store_publish(struct disk_store *s, unsigned group, struct sorted *t)
{
    lock(s->medium);
    const enum err err = commit_err(s->medium);
    if (err == ERR_OK) {
        replace(&s->groups[group].published, t);
        maybe_end_flush(s, group);
        if (happens(s->medium, s->medium->faults.flush_permille)) {
            flush_now(s, group);
        }
    }
    unlock(s->medium);
    return err;
}

enum err store_flush(struct disk_store *s, unsigned group, bool is_waiting)
{
    struct standin_group *g = &s->groups[group];
    lock(s->medium);
    enum err err = medium_err(s->medium);
    if (err == ERR_OK && is_waiting) {
        flush_now(s, group);
    } else if (err == ERR_OK) {
        maybe_end_flush(s, group);
        err = g->is_flushing ? ERR_BUSY : ERR_OK;
        if (err == ERR_OK) {
            g->flushing = sorted_share(g->published);
            g->is_flushing = true;
        }
    }
    unlock(s->medium);
    return err;
}

struct sorted *store_durable(struct disk_store *s, unsigned group)
{
    lock(s->medium);
    maybe_end_flush(s, group);
    struct sorted *t = sorted_share(s->medium->durable[group]);
    unlock(s->medium);
    return t;
}

enum err store_look(struct disk_store *s, enum engine_wait wait)
{
    lock(s->medium);
    const struct standin_faults *f = &s->medium->faults;
    enum err err = ERR_OK;
    if (wait == ENGINE_NO_WAIT) {
        err = happens(s->medium, f->wait_permille) ? ERR_WOULD_WAIT : ERR_OK;
    } else {
        err = happens(s->medium, f->io_permille) ? ERR_IO : ERR_OK;
    }
    unlock(s->medium);
    return err;
}
