/* engine_cases.h - what the files of the suite share. Private to engine_conformance.c and
 * engine_cases_*.c. */
#ifndef TESTS_UNIT_ENGINE_CASES_H
#define TESTS_UNIT_ENGINE_CASES_H

#include "harness.h"
#include "unit/engine_conformance.h"

struct world {
    const struct engine_factory *f;
    struct engine *engines[CONFORMANCE_ENGINES];
    struct engine *e; /* the first one */
    struct arena arena;
    uint64_t revision; /* of the last write, or published */
};

struct conformance_case {
    const char *name;
    void (*run)(struct world *w); /* NULL: behind the last case */
};

extern const struct conformance_case reader_cases[];
extern const struct conformance_case writer_cases[];

static const struct slice none = {NULL, 0};

/* The turn of the loop ends. */
void turn(struct world *w);

struct lookup lookup_of(struct engine *e, const char *key);
enum err find(struct world *w, struct lookup *l);

/* A new row of the next revision. */
struct record record_of(struct world *w, const char *key, const char *value);

/* In an open batch. */
void put_in(struct world *w, struct engine *e, const char *key, const char *value);
void erase_in(struct world *w, struct engine *e, const char *key);
void commit(struct world *w, struct engine *e);

/* A batch of one write in the first engine. */
void put(struct world *w, const char *key, const char *value);
void erase(struct world *w, const char *key);

/* `value` NULL: the row is absent. */
void expect_at(struct world *w, const struct reader *r, const char *key, const char *value);
void expect_latest(struct world *w, struct engine *e, const char *key, const char *value);

/* `want`: the keys with a space behind each, in the order of the scan. */
void expect_scan(const struct reader *r, struct slice from, struct slice to, bool is_reverse,
                 const char *want);
void expect_all(struct engine *e, const char *want);

/* "row00042" into `text` (at least 16), for cases with many rows. */
const char *row_name(char *text, unsigned number);

#endif
