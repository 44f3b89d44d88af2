/* test_journal.c - the journal on a real disk: what goes in comes out, space comes back, failures
 * and damage are named. */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/mem.h"
#include "harness.h"
#include "journal/record.h"
#include "unit/journal_world.h"

/* Both calls of a reclaim. */
static void reclaim(struct world *w)
{
    struct err_why why = {0};
    if (!journal_needs_reclaim(w->journal)) {
        return;
    }
    EXPECT_EQ(ERR_OK, journal_reclaim(w->journal, &why));
    w->ticket = journal_durable(w->journal) + 1; /* the prefixes, when nothing else is on its way */
    world_wait(w);
    EXPECT(journal_needs_reclaim(w->journal));
    EXPECT_EQ(ERR_OK, journal_reclaim(w->journal, &why));
}

static void test_round_trip(void)
{
    struct world w;
    struct err_why why = {0};
    world_setup(&w, "round");
    world_run_until(&w, 3);
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        EXPECT_EQ(ERR_OK, world_append(&w, g, w.last[g] - 5, 2, 100)); /* overwrites a suffix */
        world_expect(&w, g, 2);
    }
    const struct journal_batch state = {.group = 3, .has_state = true, .state = {7, 2, w.last[3]}};
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &state, 1, &w.ticket, &why));
    world_wait(&w);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        world_expect(&w, g, 2);
    }
    EXPECT_EQ(7, journal_state_of(w.journal, 3).term);
    EXPECT_EQ(2, journal_state_of(w.journal, 3).vote);
    EXPECT_EQ(w.last[3], journal_state_of(w.journal, 3).commit);
    world_teardown(&w);
}

/* An empty start costs one small segment, and the prepared one takes over from it. */
static void test_first_segment(void)
{
    struct world w;
    struct err_why why = {0};
    struct journal_stats stats;
    size_t size;
    world_setup(&w, "first");
    mem_free(world_load(&w, 1, &size));
    EXPECT_EQ(WORLD_SEGMENT_BYTES / 2, size);
    EXPECT(journal_needs_spare(w.journal));
    EXPECT_EQ(ERR_OK, journal_prepare(w.journal, &why));
    EXPECT(!journal_needs_spare(w.journal));
    world_run_until(&w, 2);
    mem_free(world_load(&w, 2, &size));
    EXPECT_EQ(WORLD_SEGMENT_BYTES, size);
    journal_stats(w.journal, &stats);
    EXPECT_EQ(2, stats.segments);
    EXPECT_EQ(stats.commits, histogram_count(&stats.batch_size));
    EXPECT(histogram_count(&stats.sync_us) >= stats.commits);
    EXPECT(stats.bytes >= WORLD_SEGMENT_BYTES / 2 - SEGMENT_HEADER_BYTES);
    EXPECT_EQ(0, stats.waiting_bytes);
    EXPECT_EQ(w.ticket, stats.durable);
    world_teardown(&w);
}

/* A snapshot takes the place of the log, also of entries that were there. */
static void test_reset(void)
{
    struct world w;
    struct err_why why = {0};
    uint64_t first;
    uint64_t last;
    uint64_t term;
    bool is_change;
    world_setup(&w, "reset");
    EXPECT_EQ(ERR_OK, world_append(&w, 2, 1, 1, 10));
    const struct journal_entry entry = {101, 6, false, SLICE("after")};
    const struct journal_batch reset = {.group = 2,
                                        .has_reset = true,
                                        .has_state = true,
                                        .state = {6, 1, 100},
                                        .reset_index = 100,
                                        .reset_term = 5,
                                        .entries = &entry,
                                        .entry_count = 1};
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &reset, 1, &w.ticket, &why));
    for (int i = 0; i < 2; i++) {
        journal_range(w.journal, 2, &first, &last);
        EXPECT_EQ(101, first);
        EXPECT_EQ(101, last);
        EXPECT_EQ(ERR_OK, journal_term(w.journal, 2, 100, &term, &is_change));
        EXPECT_EQ(5, term);
        EXPECT_EQ(ERR_NOT_FOUND, journal_term(w.journal, 2, 99, &term, &is_change));
        EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    }
    struct buf space = {0};
    struct journal_entry got;
    EXPECT_EQ(ERR_NOT_FOUND, journal_read(w.journal, 2, 100, &space, &got, &why));
    EXPECT_EQ(ERR_OK, journal_read(w.journal, 2, 101, &space, &got, &why));
    EXPECT(slice_equal(got.data, SLICE("after")));
    buf_deinit(&space);
    world_teardown(&w);
}

/* A quiet group pins the oldest segment; when it lets go, files are used again. */
static void test_reclaim(void)
{
    struct world w;
    struct err_why why = {0};
    uint32_t group = 99;
    uint64_t behind;
    uint64_t first;
    uint64_t last;
    world_setup(&w, "reclaim");
    world_run_until(&w, 4);
    for (uint32_t g = 1; g < WORLD_GROUPS; g++) {
        journal_compact(w.journal, g, w.last[g] - 3);
    }
    reclaim(&w);
    EXPECT(world_has_segment(&w, 1));
    EXPECT(journal_pinned_by(w.journal, &group, &behind));
    EXPECT_EQ(0, group);
    EXPECT(behind >= 3);
    journal_compact(w.journal, 0, w.last[0]);
    reclaim(&w);
    EXPECT(!world_has_segment(&w, 1));
    EXPECT(!journal_needs_reclaim(w.journal));
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    journal_range(w.journal, 0, &first, &last);
    EXPECT_EQ(w.last[0], last);
    EXPECT_EQ(last + 1, first);
    for (uint32_t g = 1; g < WORLD_GROUPS; g++) {
        world_expect(&w, g, 1);
    }
    world_run_until(&w, 7);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    world_expect(&w, 5, 1);
    world_teardown(&w);
}

/* Low on space: what grows is refused, states and what may use the reserve go on, and it clears. */
static void test_low_space(void)
{
    struct world w;
    struct err_why why = {0};
    const struct journal_entry entry = {1, 1, false, SLICE("delete")};
    const struct journal_batch state = {.group = 1, .has_state = true, .state = {1, 1, 0}};
    const struct journal_batch frees = {
        .group = 2, .may_use_reserve = true, .entries = &entry, .entry_count = 1};
    world_setup(&w, "space");
    w.config.reserve_bytes = 1ULL << 60;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT(journal_is_low(w.journal));
    EXPECT_EQ(ERR_NO_SPACE, journal_prepare(w.journal, &why));
    EXPECT_EQ(ERR_NO_SPACE, world_append(&w, 1, 1, 1, 10));
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &state, 1, &w.ticket, &why));
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &frees, 1, &w.ticket, &why));
    w.config.reserve_bytes = 0;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT_EQ(ERR_OK, journal_prepare(w.journal, &why));
    EXPECT(!journal_is_low(w.journal));
    EXPECT_EQ(ERR_OK, world_append(&w, 1, 1, 1, 10));
    world_teardown(&w);
}

static void test_limits(void)
{
    struct world w;
    struct err_why why = {0};
    world_setup(&w, "limits");
    uint8_t *big = mem_zero(1, JOURNAL_DATA_MAX);
    const struct journal_entry entries[3] = {{1, 1, false, {big, JOURNAL_DATA_MAX}},
                                             {2, 1, false, {big, JOURNAL_DATA_MAX}},
                                             {3, 1, false, {big, 1}}};
    struct journal_batch batch = {.group = 1, .entries = entries, .entry_count = 3};
    EXPECT_EQ(ERR_TOO_LARGE, journal_append(w.journal, &batch, 1, &w.ticket, &why));
    batch.entry_count = 1;
    enum err e = ERR_OK;
    for (int i = 0; i < 1000 && e == ERR_OK; i++) {
        e = journal_append(w.journal, &batch, 1, &w.ticket, &why);
    }
    EXPECT_EQ(ERR_BUSY, e);
    world_wait(&w);
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &batch, 1, &w.ticket, &why));
    mem_free(big);
    world_teardown(&w);
}

/* A write fails: nothing more is acknowledged, and what was is found again. */
static void test_failed_write(void)
{
    struct world w;
    struct err_why why = {0};
    struct rlimit limit;
    world_setup(&w, "fail");
    EXPECT_EQ(ERR_OK, world_append(&w, 1, 1, 1, 10));
    world_wait(&w);
    const uint64_t durable = journal_durable(w.journal);
    EXPECT(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    EXPECT(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 1;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT_EQ(ERR_OK, world_append(&w, 1, 2, 1, 10));
    world_wait(&w);
    EXPECT_EQ(ERR_IO, journal_failure(w.journal, &why));
    EXPECT_EQ(durable, journal_durable(w.journal));
    EXPECT_EQ(ERR_IO, world_append(&w, 1, 3, 1, 10));
    limit.rlim_cur = before;
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    w.last[1] = 1;
    world_expect(&w, 1, 1);
    world_teardown(&w);
}

/* An interval acknowledges before the sync; the owner's timer pays the debt. Never does not. */
static void test_fsync_modes(void)
{
    struct world w;
    struct err_why why = {0};
    struct journal_stats before;
    struct journal_stats after;
    world_setup(&w, "fsync");
    w.config.fsync = JOURNAL_FSYNC_INTERVAL;
    w.config.interval_ms = 3600 * 1000;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT_EQ(ERR_OK, world_append(&w, 1, 1, 1, 10));
    world_wait(&w);
    EXPECT_EQ(w.ticket, journal_durable(w.journal));
    EXPECT_EQ(w.ticket - 1, journal_synced(w.journal));
    journal_mark_idle(w.journal);
    (void)pthread_mutex_lock(&w.lock);
    while (journal_synced(w.journal) < w.ticket) {
        (void)pthread_cond_wait(&w.notified, &w.lock);
    }
    (void)pthread_mutex_unlock(&w.lock);
    w.config.fsync = JOURNAL_FSYNC_NEVER;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    journal_stats(w.journal, &before);
    for (uint64_t i = 2; i < 10; i++) {
        EXPECT_EQ(ERR_OK, world_append(&w, 1, i, 1, 10));
        world_wait(&w);
        journal_mark_idle(w.journal);
    }
    journal_stats(w.journal, &after);
    EXPECT_EQ(histogram_count(&before.sync_us), histogram_count(&after.sync_us));
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    world_expect(&w, 1, 1);
    world_teardown(&w);
}

struct findings {
    uint64_t segments, torn, damaged, groups, entries;
    char file[FILE_NAME_BYTES];
    uint64_t offset;
};

static void on_finding(void *arg, const struct journal_finding *f)
{
    struct findings *all = arg;
    switch (f->kind) {
    case JOURNAL_FINDING_SEGMENT:
        all->segments++;
        return;
    case JOURNAL_FINDING_TORN:
        all->torn++;
        break;
    case JOURNAL_FINDING_DAMAGE:
        all->damaged++;
        break;
    case JOURNAL_FINDING_GROUP:
        all->groups++;
        all->entries += f->last + 1 - f->first;
        return;
    }
    (void)snprintf(all->file, sizeof(all->file), "%s", f->file);
    all->offset = f->offset;
}

/* An idle mark makes the last commit provable: damage to it is found, not cut. */
static void test_idle_mark(void)
{
    struct world w;
    struct err_why why = {0};
    struct findings found = {0};
    const uint8_t zero = 0;
    world_setup(&w, "idle");
    EXPECT_EQ(ERR_OK, world_append(&w, 1, 1, 1, 100));
    world_wait(&w);
    const uint64_t ticket = journal_durable(w.journal);
    journal_mark_idle(w.journal); /* not idle: something was appended since the last call */
    EXPECT_EQ(ticket, journal_durable(w.journal));
    journal_mark_idle(w.journal);
    w.ticket = ticket + 1;
    world_wait(&w);
    journal_mark_idle(w.journal); /* one is enough */
    journal_close(&w.journal);
    EXPECT_EQ(ERR_OK, journal_check(w.folder, on_finding, &found, &why));
    EXPECT_EQ(1, found.segments);
    EXPECT_EQ(0, found.torn + found.damaged);
    EXPECT_EQ(1, found.groups);
    EXPECT_EQ(1, found.entries);
    /* Behind the header and the first mark lies the entry. */
    const size_t at = SEGMENT_HEADER_BYTES + record_space(0);
    world_overwrite(&w, 1, &zero, 1, at + 60);
    EXPECT_EQ(ERR_CORRUPT, world_reopen(&w, &why));
    EXPECT(strstr(why.text, "journal-00000000000000000001") != NULL);
    found = (struct findings){0};
    EXPECT_EQ(ERR_CORRUPT, journal_check(w.folder, on_finding, &found, &why));
    EXPECT_EQ(1, found.damaged);
    EXPECT_EQ(at, found.offset);
    EXPECT(strcmp("journal-00000000000000000001", found.file) == 0);
    world_teardown(&w);
}

static size_t middle_of(const struct world *w, uint64_t number)
{
    size_t size;
    struct segment_header header;
    struct record r;
    uint8_t *bytes = world_load(w, number, &size);
    memcpy(&header, bytes, sizeof(header));
    size_t at = SEGMENT_HEADER_BYTES;
    while (at < size / 2 && record_check(bytes + at, size - at, header.salt, &r)) {
        at += record_space(r.size);
    }
    mem_free(bytes);
    return at;
}

/* Damage in the middle stops the start; the operator's word cuts there, and it is over. */
static void test_discard(void)
{
    struct world w;
    struct err_why why = {0};
    struct findings found = {0};
    uint8_t *bytes;
    size_t size;
    world_setup(&w, "discard");
    world_run_until(&w, 4);
    journal_close(&w.journal);
    EXPECT_EQ(ERR_OK, journal_check(w.folder, on_finding, &found, &why));
    const uint64_t before = found.entries;
    const size_t at = middle_of(&w, 2);
    bytes = world_load(&w, 2, &size);
    bytes[at + 5] ^= 1;
    world_overwrite(&w, 2, bytes, size, 0);
    mem_free(bytes);
    EXPECT_EQ(ERR_CORRUPT, world_reopen(&w, &why));
    EXPECT_EQ(ERR_CORRUPT, world_reopen(&w, &why));
    w.config.discard_damage = true;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    w.config.discard_damage = false;
    world_take_last(&w);
    uint64_t left = 0;
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        world_expect(&w, g, 1);
        left += w.last[g];
    }
    EXPECT(left > before / 5 && left < before / 2);
    EXPECT(!world_has_segment(&w, 3));
    world_run_until(&w, 4);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        world_expect(&w, g, 1);
    }
    world_teardown(&w);
}

/* A bad header and a missing file are damage too; a newer version is not ours to judge. */
static void test_bad_files(void)
{
    struct world w;
    struct err_why why = {0};
    char path[512];
    struct segment_header header;
    size_t size;
    world_setup(&w, "files");
    world_run_until(&w, 5);
    journal_close(&w.journal);
    uint8_t *bytes = world_load(&w, 4, &size);
    bytes[17] ^= 1;
    world_overwrite(&w, 4, bytes, SEGMENT_HEADER_BYTES, 0);
    EXPECT_EQ(ERR_CORRUPT, world_reopen(&w, &why));
    EXPECT(strstr(why.text, "bad header") != NULL);
    EXPECT(unlink(world_path(&w, 3, path)) == 0);
    EXPECT_EQ(ERR_CORRUPT, world_reopen(&w, &why));
    EXPECT(strstr(why.text, "journal-00000000000000000003 is missing") != NULL);
    w.config.discard_damage = true;
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT(!world_has_segment(&w, 5));
    journal_close(&w.journal);
    mem_free(bytes);
    bytes = world_load(&w, 2, &size);
    memcpy(&header, bytes, sizeof(header));
    segment_header_make(&header, 2, header.salt, header.first_commit);
    header.version = SEGMENT_VERSION + 1;
    header.crc = crc32c(0, &header, offsetof(struct segment_header, crc));
    memcpy(bytes, &header, sizeof(header));
    world_overwrite(&w, 2, bytes, SEGMENT_HEADER_BYTES, 0);
    struct findings found = {0};
    EXPECT_EQ(ERR_UNIMPLEMENTED, journal_check(w.folder, on_finding, &found, &why));
    EXPECT_EQ(ERR_UNIMPLEMENTED, world_reopen(&w, &why));
    mem_free(bytes);
    world_teardown(&w);
}

static const struct test_case cases[] = {
    {"round_trip", test_round_trip},
    {"first_segment", test_first_segment},
    {"reset", test_reset},
    {"reclaim", test_reclaim},
    {"low_space", test_low_space},
    {"limits", test_limits},
    {"failed_write", test_failed_write},
    {"fsync_modes", test_fsync_modes},
    {"idle_mark", test_idle_mark},
    {"discard", test_discard},
    {"bad_files", test_bad_files},
};

TEST_MAIN(cases)
