/* journal_world.h - a journal in a folder of its own on a real disk, and entries whose bytes follow
 * from their place, for the tests of the journal. */
#ifndef TESTS_UNIT_JOURNAL_WORLD_H
#define TESTS_UNIT_JOURNAL_WORLD_H

#include <pthread.h>

#include "base/random.h"
#include "journal/journal.h"
#include "sys/file.h"

#define WORLD_GROUPS        16
#define WORLD_SEGMENT_BYTES (2u << 20)
#define WORLD_ENTRY_MAX     ((size_t)1 << 16)

struct world {
    char dir[256];
    struct folder *folder;
    struct journal_config config; /* of the next world_reopen() */
    struct journal *journal;
    uint64_t last[WORLD_GROUPS]; /* what must be found */
    uint64_t ticket;
    struct random random;
    uint8_t *data; /* WORLD_ENTRY_MAX bytes */

    pthread_mutex_t lock; /* with `notified`: the writer has said something */
    pthread_cond_t notified;
};

/* Opens an empty journal in a new folder below $TMPDIR. */
void world_setup(struct world *w, const char *name);
void world_teardown(struct world *w);

/* Closes the journal if it is open, and opens it with w->config. */
enum err world_reopen(struct world *w, struct err_why *why);

uint64_t world_draw(struct world *w, uint64_t below);

/* Waits until w->ticket is durable or the journal has failed. */
void world_wait(struct world *w);

/* The bytes of an entry. */
void world_fill(uint8_t *data, size_t size, uint32_t group, uint64_t index, uint64_t term);

/* Appends one entry; indexes that end with 0 are changes. */
enum err world_append(struct world *w, uint32_t group, uint64_t index, uint64_t term, size_t size);

/* One of up to 3000 bytes at the end of some group. */
void world_append_any(struct world *w, uint64_t term);

/* Commits of one to eight entries until segment `number` exists. */
void world_run_until(struct world *w, uint64_t number);

/* The group ends at w->last and holds what was appended, of terms up to `term`. */
void world_expect(struct world *w, uint32_t group, uint64_t term);

/* Takes what the journal holds for what must be found. */
void world_take_last(struct world *w);

bool world_has_segment(const struct world *w, uint64_t number);

/* The path of a segment, in `path`. Returns it. */
const char *world_path(const struct world *w, uint64_t number, char path[512]);

/* The bytes of a segment, owned: mem_free(). */
uint8_t *world_load(const struct world *w, uint64_t number, size_t *size);

/* Writes `size` bytes at `offset` of a segment. */
void world_overwrite(const struct world *w, uint64_t number, const uint8_t *data, size_t size,
                     size_t offset);

#endif
