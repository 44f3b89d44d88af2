/* test_journal_tear.c - a tear at every byte, sectors in any order, damaged bits. */
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "journal/record.h"
#include "journal/scan.h"
#include "unit/journal_world.h"

#define COMMITS_MAX 20000
#define ROUNDS      2000
#define TORN_BYTES  ((size_t)1 << 20)

struct image {
    uint8_t *fresh, *old, *torn; /* the last segment, an older one, what a crash leaves */
    size_t size, end;
    uint64_t salt;
    uint64_t number;
    struct {
        size_t start, end;
        uint64_t commit;
    } commits[COMMITS_MAX];
    size_t count;
};

static void find_commits(struct image *m)
{
    struct record r;
    size_t start = SEGMENT_HEADER_BYTES;
    for (size_t at = start; record_check(m->fresh + at, m->size - at, m->salt, &r);) {
        at += record_space(r.size);
        const bool is_last = (r.flags & RECORD_LAST) != 0;
        EXPECT(m->count < COMMITS_MAX);
        if (is_last) {
            m->commits[m->count].start = start;
            m->commits[m->count].end = at;
            m->commits[m->count++].commit = r.commit;
            start = at;
        }
        m->end = at;
    }
    EXPECT_EQ(start, m->end);
}

/* Segment 4 is nearly full; segment 3 plays the old records in the recycled file. */
static struct image *make_image(struct world *w)
{
    struct image *m = mem_zero(1, sizeof(*m));
    struct segment_header header;
    size_t old_size;
    world_run_until(w, 5);
    m->number = 4;
    m->fresh = world_load(w, 4, &m->size);
    uint8_t *old = world_load(w, 3, &old_size);
    m->old = mem_zero(1, m->size);
    memcpy(m->old, old, old_size < m->size ? old_size : m->size);
    mem_free(old);
    m->torn = mem_zero(1, m->size);
    memcpy(&header, m->fresh, sizeof(header));
    EXPECT_EQ(SEGMENT_HEADER_GOOD, segment_header_check(&header, 4));
    m->salt = header.salt;
    find_commits(m);
    memcpy(m->fresh + m->end, m->old + m->end, m->size - m->end);
    memcpy(m->torn, m->fresh, m->size);
    return m;
}

static void free_image(struct image *m)
{
    mem_free(m->fresh);
    mem_free(m->old);
    mem_free(m->torn);
    mem_free(m);
}

/* What is behind byte `x` never reached the disk: old records are there instead. */
static void test_tear_everywhere(void)
{
    struct world w;
    world_setup(&w, "tear");
    struct image *m = make_image(&w);
    const size_t step = getenv("JOURNAL_EVERY_BYTE") != NULL ? 1 : 997;
    size_t c = m->count - 1;
    size_t tested = 0;
    for (size_t x = m->end; x > m->end - TORN_BYTES && x > SEGMENT_HEADER_BYTES;) {
        x--;
        m->torn[x] = m->old[x];
        c = x < m->commits[c].start ? c - 1 : c;
        if (x % step != 0) {
            continue;
        }
        const size_t size = m->commits[c].end - m->commits[c].start;
        const bool whole = memcmp(m->torn + m->commits[c].start, m->fresh + m->commits[c].start,
                                  size) == 0; /* what was lost was equal */
        struct scan scan = {.last_commit = m->commits[c].commit - 1};
        scan_segment(&scan, m->torn, m->size, m->commits[c].start, m->salt);
        EXPECT(!scan.is_damaged);
        EXPECT_EQ(whole ? m->commits[c].end : m->commits[c].start, scan.end);
        tested++;
    }
    EXPECT(tested > 1000);
    free_image(m);
    world_teardown(&w);
}

/* The sectors of `to` from `start` to `end` that reached the disk, in any choice. */
static void lose_sectors(struct world *w, struct image *m, size_t start, size_t end)
{
    memcpy(m->torn + start, m->old + start, m->size - start);
    for (size_t at = start; at < end;) {
        const size_t next = (at / 512 + 1) * 512;
        const size_t stop = next < end ? next : end;
        if (world_draw(w, 2) == 0) {
            memcpy(m->torn + at, m->fresh + at, stop - at);
        }
        at = stop;
    }
}

/* Sectors of the last commit reach the disk in any order. */
static void test_tear_sectors(void)
{
    struct world w;
    world_setup(&w, "sectors");
    struct image *m = make_image(&w);
    for (size_t round = 0; round < ROUNDS; round++) {
        const size_t c = 1 + (size_t)world_draw(&w, m->count - 1);
        const size_t start = m->commits[c].start;
        lose_sectors(&w, m, start, m->commits[c].end);
        struct scan scan = {.last_commit = m->commits[c].commit - 1};
        scan_segment(&scan, m->torn, m->size, start, m->salt);
        EXPECT(!scan.is_damaged);
        EXPECT(scan.end == start || scan.end == m->commits[c].end);
        memcpy(m->torn + start, m->fresh + start, m->size - start);
    }
    free_image(m);
    world_teardown(&w);
}

/* Lazy commits: any of the last ones may be torn, none of them proves damage, and the number that
 * the next start takes is higher than every leftover. */
static void test_tear_lazy(void)
{
    struct world w;
    world_setup(&w, "lazy");
    struct image *m = make_image(&w);
    const size_t first_lazy = m->count - 40;
    const size_t flags = offsetof(struct record, flags);
    for (size_t at = m->commits[first_lazy].start; at < m->end;) {
        struct record r;
        memcpy(&r, m->fresh + at, sizeof(r));
        m->fresh[at + flags] |= RECORD_LAZY;
        record_seal(m->fresh + at, m->salt);
        at += record_space(r.size);
    }
    for (size_t round = 0; round < ROUNDS / 2; round++) {
        const size_t c = first_lazy - 1 + (size_t)world_draw(&w, 41);
        const size_t start = m->commits[c].start;
        lose_sectors(&w, m, start, m->end);
        struct scan scan = {.last_commit = m->commits[c].commit - 1};
        scan_segment(&scan, m->torn, m->size, start, m->salt);
        EXPECT(!scan.is_damaged);
        EXPECT(scan.last_commit <= m->commits[m->count - 1].commit);
        EXPECT(scan.newest_seen >= scan.last_commit);
        memcpy(m->torn + start, m->fresh + start, m->size - start);
    }
    /* The one before them had been synced when the first lazy one was written: that one says so. */
    m->fresh[m->commits[first_lazy - 2].start] ^= 1;
    struct scan scan = {.last_commit = m->commits[first_lazy - 2].commit - 1};
    scan_segment(&scan, m->fresh, m->size, m->commits[first_lazy - 2].start, m->salt);
    EXPECT(scan.is_damaged);
    EXPECT_EQ(m->commits[m->count - 1].commit, scan.newest_seen);
    free_image(m);
    world_teardown(&w);
}

/* One bit flips. In any commit but the last: damage. In the last: as if it had been torn. */
static void test_flipped_bit(void)
{
    struct world w;
    size_t damaged = 0;
    world_setup(&w, "flip");
    struct image *m = make_image(&w);
    for (size_t round = 0; round < ROUNDS; round++) {
        const size_t x =
            SEGMENT_HEADER_BYTES + (size_t)world_draw(&w, m->end - SEGMENT_HEADER_BYTES);
        size_t c = 0;
        while (m->commits[c].end <= x) {
            c++;
        }
        m->fresh[x] ^= (uint8_t)(1u << world_draw(&w, 8));
        struct scan scan = {.last_commit = m->commits[c].commit - 1};
        scan_segment(&scan, m->fresh, m->size, m->commits[c].start, m->salt);
        EXPECT_EQ(c + 1 < m->count, scan.is_damaged);
        damaged += c + 1 < m->count ? 1 : 0;
        m->fresh[x] = m->torn[x];
    }
    EXPECT(damaged > ROUNDS - 100);
    free_image(m);
    world_teardown(&w);
}

/* What is behind `from` never reached the disk. */
static void tear_file(const struct world *w, const struct image *m, size_t from)
{
    world_overwrite(w, m->number, m->fresh, m->size, 0);
    world_overwrite(w, m->number, m->old + from, m->size - from, from);
}

/* The whole way: tear the file, open, go on, open again. */
static void test_tear_and_go_on(void)
{
    struct world w;
    struct err_why why = {0};
    char next[512];
    world_setup(&w, "goon");
    struct image *m = make_image(&w);
    for (size_t round = 0; round < 40; round++) {
        journal_close(&w.journal);
        (void)unlink(world_path(&w, m->number + 1, next));
        tear_file(&w, m, m->end - (size_t)world_draw(&w, TORN_BYTES));
        EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
        world_take_last(&w);
        for (int i = 0; i < 3; i++) {
            world_append_any(&w, 3);
            world_wait(&w);
        }
        EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
        for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
            world_expect(&w, g, 3);
        }
    }
    free_image(m);
    world_teardown(&w);
}

/* The first commit of a segment is torn, with the copied states: they must be written again. */
static void test_tear_at_head(void)
{
    struct world w;
    struct err_why why = {0};
    size_t size;
    world_setup(&w, "head");
    const struct journal_batch state = {.group = 20, .has_state = true, .state = {7, 2, 0}};
    EXPECT_EQ(ERR_OK, journal_append(w.journal, &state, 1, &w.ticket, &why));
    world_run_until(&w, 2);
    journal_close(&w.journal);
    uint8_t *bytes = world_load(&w, 2, &size);
    memset(bytes + SEGMENT_HEADER_BYTES, 0, size - SEGMENT_HEADER_BYTES);
    world_overwrite(&w, 2, bytes, size, 0);
    mem_free(bytes);
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    world_take_last(&w);
    for (uint32_t g = 0; g < WORLD_GROUPS; g++) {
        journal_compact(w.journal, g, w.last[g]);
    }
    EXPECT(journal_needs_reclaim(w.journal));
    EXPECT_EQ(ERR_OK, journal_reclaim(w.journal, &why));
    w.ticket = journal_durable(w.journal) + 1;
    world_wait(&w);
    EXPECT(journal_needs_reclaim(w.journal));
    EXPECT_EQ(ERR_OK, journal_reclaim(w.journal, &why));
    EXPECT(!world_has_segment(&w, 1));
    EXPECT_EQ(ERR_OK, world_reopen(&w, &why));
    EXPECT_EQ(7, journal_state_of(w.journal, 20).term);
    world_teardown(&w);
}

static const struct test_case cases[] = {
    {"tear_everywhere", test_tear_everywhere},
    {"tear_sectors", test_tear_sectors},
    {"tear_lazy", test_tear_lazy},
    {"flipped_bit", test_flipped_bit},
    {"tear_and_go_on", test_tear_and_go_on},
    {"tear_at_head", test_tear_at_head},
};

TEST_MAIN(cases)
