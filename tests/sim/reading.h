/* reading.h - somebody who reads a source of a simulated node page by page, and keeps what it gave;
 * and the keys that such tests write. */
#ifndef TESTS_SIM_READING_H
#define TESTS_SIM_READING_H

#include "sim/scene.h"

#define SEEN_MAX 4096
#define TEXT_MAX 32
#define KEYS     400

/* Everything a source has given. */
struct seen {
    size_t count;
    size_t pages;
    enum err err;
    char keys[SEEN_MAX][TEXT_MAX];
    char values[SEEN_MAX][TEXT_MAX];
};

struct reading {
    struct scene *scene;
    struct source *source;
    struct source_page page;
    struct seen *seen;
    bool is_done;
    unsigned answers;
};

/* Opens the source on a loop; `seen` is emptied. */
void reading_begin(struct reading *r, struct scene *s, uint32_t loop, struct seen *seen,
                   const struct source_config *config);

/* Asks for a page and waits for nothing: `is_done` says when it has come. */
void reading_ask(struct reading *r, size_t bytes_max);

/* Asks and waits. False: that was the last page. */
bool reading_next(struct reading *r, size_t bytes_max);

/* From the first page to the last. */
void read_all(struct scene *s, uint32_t loop, struct seen *seen, const struct source_config *config,
              size_t bytes_max);

/* Keys number 0 to KEYS - 1 in order; they lie in all shards. At least TEXT_MAX at `out`. */
void key_text(unsigned i, char *out);
void value_text(unsigned i, char *out);
void put_keys(struct scene *s, uint32_t table);

/* Adds `count` of these keys, from `first` on, to the set "set"; returns how many are new. */
uint64_t add_members(struct scene *s, uint32_t table, unsigned first, unsigned count);

/* Appends the value of key number `i`, under that key as its id, to the log "log". */
void append_version(struct scene *s, uint32_t table, unsigned i);

/* Runs seeds 1 to `count`, or the one that HOLDFAST_SEED names. */
void each_seed(void (*run)(uint64_t seed), uint64_t count);

#endif
