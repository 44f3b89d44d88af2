/* Runs the suite, and what its cases are written with. */
#include "unit/engine_cases.h"

static void setup(struct world *w, const struct engine_factory *f)
{
    *w = (struct world){.f = f};
    f->open(f->arg, w->engines);
    w->e = w->engines[0];
}

void turn(struct world *w)
{
    arena_reset(&w->arena);
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        (void)engine_collect(w->engines[i], 1000);
    }
    if (w->f->turn != NULL) {
        w->f->turn(w->f->arg);
    }
}

static void teardown(struct world *w)
{
    turn(w);
    w->f->close(w->f->arg, w->engines);
    arena_deinit(&w->arena);
    for (unsigned i = 0; i < CONFORMANCE_ENGINES; i++) {
        EXPECT(w->engines[i] == NULL);
    }
}

struct lookup lookup_of(struct engine *e, const char *key)
{
    return (struct lookup){.engine = e, .key = slice_of_text(key)};
}

enum err find(struct world *w, struct lookup *l)
{
    return engine_find(l, ENGINE_MAY_WAIT, &w->arena);
}

struct record record_of(struct world *w, const char *key, const char *value)
{
    const uint64_t revision = ++w->revision;
    return (struct record){.key = slice_of_text(key),
                           .value = slice_of_text(value),
                           .mod_revision = revision,
                           .create_revision = revision,
                           .version = 1};
}

void put_in(struct world *w, struct engine *e, const char *key, const char *value)
{
    struct lookup l = lookup_of(e, key);
    const enum err result = find(w, &l);
    EXPECT(result == ERR_OK || result == ERR_NOT_FOUND);
    const struct record record = record_of(w, key, value);
    engine_put(&l, &record);
}

void erase_in(struct world *w, struct engine *e, const char *key)
{
    struct lookup l = lookup_of(e, key);
    const enum err result = find(w, &l);
    EXPECT(result == ERR_OK || result == ERR_NOT_FOUND);
    engine_erase(&l, ++w->revision);
}

void commit(struct world *w, struct engine *e)
{
    EXPECT_EQ(ERR_OK, engine_commit(e, ++w->revision));
}

void put(struct world *w, const char *key, const char *value)
{
    engine_begin(w->e);
    put_in(w, w->e, key, value);
    commit(w, w->e);
}

void erase(struct world *w, const char *key)
{
    engine_begin(w->e);
    erase_in(w, w->e, key);
    commit(w, w->e);
}

void expect_at(struct world *w, const struct reader *r, const char *key, const char *value)
{
    struct record record;
    const enum err e = engine_get(r, slice_of_text(key), ENGINE_MAY_WAIT, &w->arena, &record);
    EXPECT_EQ(value == NULL ? ERR_NOT_FOUND : ERR_OK, e);
    if (value != NULL) {
        EXPECT(slice_equal(slice_of_text(key), record.key));
        EXPECT(slice_equal(slice_of_text(value), record.value));
    }
}

void expect_latest(struct world *w, struct engine *e, const char *key, const char *value)
{
    const struct reader latest = engine_latest(e);
    expect_at(w, &latest, key, value);
}

void expect_scan(const struct reader *r, struct slice from, struct slice to, bool is_reverse,
                 const char *want)
{
    struct scan s = {0};
    struct record record;
    char got[256];
    size_t size = 0;
    enum err e;
    scan_open(&s, r, from, to, is_reverse);
    while ((e = scan_next(&s, &record)) == ERR_OK) {
        EXPECT(size + record.key.size + 1 < sizeof(got));
        memcpy(got + size, record.key.data, record.key.size);
        size += record.key.size;
        got[size++] = ' ';
    }
    got[size] = 0;
    EXPECT_EQ(ERR_NOT_FOUND, e);
    EXPECT_EQ(ERR_NOT_FOUND, scan_next(&s, &record));
    scan_close(&s);
    EXPECT(s.state == NULL);
    scan_close(&s);
    if (strcmp(want, got) != 0) {
        (void)fprintf(stderr, "scan: want \"%s\", got \"%s\"\n", want, got);
        exit(1);
    }
}

void expect_all(struct engine *e, const char *want)
{
    const struct reader latest = engine_latest(e);
    expect_scan(&latest, none, none, false, want);
}

const char *row_name(char *text, unsigned number)
{
    (void)snprintf(text, 16, "row%05u", number);
    return text;
}

uint64_t conformance_seed(uint64_t otherwise)
{
    const char *text = getenv("HOLDFAST_SEED");
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void run_cases(const struct engine_factory *f, const struct conformance_case *cases)
{
    for (; cases->name != NULL; cases++) {
        struct world w;
        (void)printf("  %s\n", cases->name);
        (void)fflush(stdout);
        setup(&w, f);
        cases->run(&w);
        teardown(&w);
    }
}

void engine_conformance(const struct engine_factory *f)
{
    run_cases(f, reader_cases);
    run_cases(f, writer_cases);
    engine_conformance_random(f, conformance_seed(1), 200);
}
