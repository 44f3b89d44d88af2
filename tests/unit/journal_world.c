#include "unit/journal_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"

static void on_notify(void *arg)
{
    struct world *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    (void)pthread_cond_broadcast(&w->notified);
    (void)pthread_mutex_unlock(&w->lock);
}

void world_setup(struct world *w, const char *name)
{
    struct err_why why = {0};
    const char *base = getenv("TMPDIR");
    memset(w, 0, sizeof(*w));
    w->random.state = 88172645463325252ULL;
    w->data = mem_alloc(WORLD_ENTRY_MAX);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->notified, NULL);
    (void)snprintf(w->dir, sizeof(w->dir), "%s/journal-%s-XXXXXX", base == NULL ? "/tmp" : base,
                   name);
    EXPECT(mkdtemp(w->dir) != NULL);
    EXPECT_EQ(ERR_OK, folder_open(w->dir, &w->folder, &why));
    w->config = (struct journal_config){.folder = w->folder,
                                        .segment_bytes = WORLD_SEGMENT_BYTES,
                                        .first_bytes = WORLD_SEGMENT_BYTES / 2,
                                        .notify = on_notify,
                                        .arg = w};
    EXPECT_EQ(ERR_OK, world_reopen(w, &why));
}

static void remove_one(void *arg, const char *name)
{
    struct world *w = arg;
    struct err_why why = {0};
    EXPECT_EQ(ERR_OK, folder_remove(w->folder, name, &why));
}

void world_teardown(struct world *w)
{
    struct err_why why = {0};
    journal_close(&w->journal);
    EXPECT_EQ(ERR_OK, folder_list(w->folder, remove_one, w, &why));
    folder_close(&w->folder);
    EXPECT(rmdir(w->dir) == 0);
    mem_free(w->data);
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->notified);
}

enum err world_reopen(struct world *w, struct err_why *why)
{
    journal_close(&w->journal);
    return journal_open(&w->config, &w->journal, why);
}

uint64_t world_draw(struct world *w, uint64_t below)
{
    return random_below(&w->random, below);
}

void world_wait(struct world *w)
{
    struct err_why why;
    (void)pthread_mutex_lock(&w->lock);
    while (journal_durable(w->journal) < w->ticket && journal_failure(w->journal, &why) == ERR_OK) {
        (void)pthread_cond_wait(&w->notified, &w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
}

void world_fill(uint8_t *data, size_t size, uint32_t group, uint64_t index, uint64_t term)
{
    const uint64_t start = (uint64_t)group * 7 + index * 13 + term * 31;
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(start + i);
    }
}

enum err world_append(struct world *w, uint32_t group, uint64_t index, uint64_t term, size_t size)
{
    struct err_why why;
    world_fill(w->data, size, group, index, term);
    const struct journal_entry entry = {index, term, index % 10 == 0, {w->data, size}};
    const struct journal_batch batch = {.group = group, .entries = &entry, .entry_count = 1};
    const enum err e = journal_append(w->journal, &batch, 1, &w->ticket, &why);
    if (e == ERR_OK) {
        w->last[group] = index;
    }
    return e;
}

const char *world_path(const struct world *w, uint64_t number, char path[512])
{
    (void)snprintf(path, 512, "%s/journal-%020" PRIu64, w->dir, number);
    return path;
}

bool world_has_segment(const struct world *w, uint64_t number)
{
    char path[512];
    return access(world_path(w, number, path), F_OK) == 0;
}

void world_append_any(struct world *w, uint64_t term)
{
    const uint32_t group = (uint32_t)world_draw(w, WORLD_GROUPS);
    const size_t size = (size_t)world_draw(w, 3000);
    EXPECT_EQ(ERR_OK, world_append(w, group, w->last[group] + 1, term, size));
}

void world_run_until(struct world *w, uint64_t number)
{
    struct err_why why;
    while (!world_has_segment(w, number)) {
        const bool prepares = journal_needs_spare(w->journal);
        EXPECT_EQ(ERR_OK, prepares ? journal_prepare(w->journal, &why) : ERR_OK);
        for (uint64_t n = 1 + world_draw(w, 8); n > 0; n--) {
            world_append_any(w, 1);
        }
        world_wait(w);
    }
}

void world_expect(struct world *w, uint32_t group, uint64_t term)
{
    struct buf space = {0};
    struct journal_entry entry;
    struct err_why why;
    uint64_t first;
    uint64_t last;
    journal_range(w->journal, group, &first, &last);
    EXPECT_EQ(w->last[group], last);
    for (uint64_t i = first; i <= last; i++) {
        uint64_t entry_term;
        bool is_change;
        EXPECT_EQ(ERR_OK, journal_read(w->journal, group, i, &space, &entry, &why));
        EXPECT_EQ(ERR_OK, journal_term(w->journal, group, i, &entry_term, &is_change));
        EXPECT_EQ(i, entry.index);
        EXPECT_EQ(i % 10 == 0, entry.is_change);
        EXPECT_EQ(entry.is_change, is_change);
        EXPECT_EQ(entry.term, entry_term);
        world_fill(w->data, entry.data.size, group, i, entry.term);
        EXPECT(memcmp(w->data, entry.data.data, entry.data.size) == 0);
        EXPECT(entry.term <= term);
    }
    buf_deinit(&space);
}

void world_take_last(struct world *w)
{
    uint64_t first;
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        journal_range(w->journal, g, &first, &w->last[g]);
    }
}

uint8_t *world_load(const struct world *w, uint64_t number, size_t *size)
{
    char path[512];
    struct stat st;
    const int fd = open(world_path(w, number, path), O_RDONLY);
    EXPECT(fd >= 0 && fstat(fd, &st) == 0);
    *size = (size_t)st.st_size;
    uint8_t *bytes = mem_zero(1, *size);
    EXPECT(read(fd, bytes, *size) == (ssize_t)*size);
    (void)close(fd);
    return bytes;
}

void world_overwrite(const struct world *w, uint64_t number, const uint8_t *data, size_t size,
                     size_t offset)
{
    char path[512];
    const int fd = open(world_path(w, number, path), O_WRONLY);
    EXPECT(fd >= 0);
    EXPECT(pwrite(fd, data, size, (off_t)offset) == (ssize_t)size);
    (void)close(fd);
}
