/* fuzz_journal.c - a segment of any bytes is scanned and replayed as a start would do it.
 *
 * The first byte chooses: even, the bytes are taken as they are; odd, they are first made into
 * records with right checksums, which is the only way behind them. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "journal/record.h"
#include "journal/replay.h"
#include "journal/scan.h"

#define SALT       UINT64_C(0x1122334455667788)
#define BODY_MAX   ((size_t)64 << 10)
#define NUMBER     7
#define LAST_FIRST 100 /* number before the first commit */

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small numbers where small ones make sense, and now and then what the input says. */
static uint64_t tame(uint64_t raw, uint64_t below)
{
    return (raw & 0xf0) == 0xf0 ? raw : raw % below;
}

static void repair(uint8_t *bytes, size_t size)
{
    uint64_t commit = LAST_FIRST + 1;
    for (size_t at = SEGMENT_HEADER_BYTES; size - at >= sizeof(struct record);) {
        struct record r;
        memcpy(&r, bytes + at, sizeof(r));
        r.kind = (uint8_t)(r.kind % 6);
        r.flags &= RECORD_FLAGS;
        r.zero = 0;
        r.size = r.kind == RECORD_STATE || r.kind == RECORD_RESET ? 24 : r.size % 100;
        r.commit = tame(r.commit, 8) == 7 ? r.commit : commit;
        r.index = tame(r.index, 32);
        r.term = tame(r.term, 4);
        r.group = (uint32_t)tame(r.group, 3);
        const size_t space = record_space(r.size);
        if (space > size - at) {
            return;
        }
        memset(bytes + at + sizeof(r) + r.size, 0, space - sizeof(r) - r.size);
        memcpy(bytes + at, &r, sizeof(r));
        record_seal(bytes + at, SALT);
        commit += (r.flags & RECORD_LAST) != 0 ? 1 : 0;
        at += space;
    }
}

static void check_groups(const struct group_log *groups)
{
    for (size_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        const struct group_log *g = &groups[i];
        CHECK(g->is_used || g->count == 0);
        CHECK(g->commit <= group_log_last(g));
        for (uint64_t k = 1; k <= g->count; k++) {
            const struct place p = group_log_place(g, g->prefix + k);
            CHECK(p.segment == NUMBER && p.offset >= SEGMENT_HEADER_BYTES);
            CHECK(group_log_term(g, g->prefix + k) <= RECORD_INDEX_MAX);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BODY_MAX) {
        return 0;
    }
    const size_t total = SEGMENT_HEADER_BYTES + size - 1;
    uint8_t *bytes = mem_zero(1, total);
    struct replay *replay = mem_zero(1, sizeof(*replay));
    struct scan scan = {.last_commit = LAST_FIRST};
    struct err_why why;
    replay->groups = mem_zero(JOURNAL_GROUPS_MAX, sizeof(*replay->groups));
    memcpy(bytes + SEGMENT_HEADER_BYTES, data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        repair(bytes, total);
    }
    scan_segment(&scan, bytes, total, SEGMENT_HEADER_BYTES, SALT);
    CHECK(scan.end >= SEGMENT_HEADER_BYTES && scan.end <= scan.bad && scan.bad <= total);
    CHECK(scan.newest_seen >= scan.last_commit);
    const enum err e = replay_segment(replay, bytes, scan.end, NUMBER, &why);
    if (e == ERR_OK && replay_finish(replay, &why) != ERR_OK) {
        replay_finish_cut(replay);
        CHECK(replay_finish(replay, &why) == ERR_OK);
    }
    if (e == ERR_OK) {
        check_groups(replay->groups);
    }
    for (size_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        group_log_deinit(&replay->groups[i]);
    }
    mem_free(replay->groups);
    mem_free(replay);
    mem_free(bytes);
    return 0;
}
