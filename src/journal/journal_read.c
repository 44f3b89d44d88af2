/* journal_read.c - looking at the log: ranges, terms, entries. */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "journal/journal_private.h"

#define READ_AHEAD_BYTES 4096u /* head and data of most entries in one read */

void journal_range(const struct journal *j, uint32_t group, uint64_t *first, uint64_t *last)
{
    CHECK(group < JOURNAL_GROUPS_MAX);
    const struct group_log *g = &j->groups[group];
    *first = g->prefix + 1;
    *last = group_log_last(g);
}

struct journal_state journal_state_of(const struct journal *j, uint32_t group)
{
    CHECK(group < JOURNAL_GROUPS_MAX);
    const struct group_log *g = &j->groups[group];
    return (struct journal_state){g->term, g->vote, g->commit};
}

enum err journal_term(const struct journal *j, uint32_t group, uint64_t index, uint64_t *term,
                      bool *is_change)
{
    CHECK(group < JOURNAL_GROUPS_MAX);
    const struct group_log *g = &j->groups[group];
    if (index < g->prefix) {
        return ERR_NOT_FOUND;
    }
    *term = group_log_term(g, index);
    *is_change = index > g->prefix && group_log_place(g, index).is_change;
    return ERR_OK;
}

/* An entry that is not in the file yet. The writer may be sealing it right now: it changes the
 * checksum and the flags, so these are left alone. */
static bool read_memory(const struct gather *g, struct place p, struct buf *space)
{
    const size_t from = offsetof(struct record, size);
    struct record r = {0};
    if (p.segment != g->segment || p.offset < g->offset || p.offset >= g->offset + g->bytes.size) {
        return false;
    }
    const uint8_t *at = g->bytes.data + (p.offset - g->offset);
    memcpy((uint8_t *)&r + from, at + from, offsetof(struct record, flags) - from);
    buf_append(space, &r, sizeof(r));
    buf_append(space, at + sizeof(r), r.size);
    return true;
}

/* Head and data, with a right checksum. `left` bytes of the file follow the place. */
static enum err read_file(const struct segment *s, struct place p, uint64_t left, struct buf *space,
                          struct err_why *why)
{
    struct record r = {0};
    size_t size = left < READ_AHEAD_BYTES ? (size_t)left : READ_AHEAD_BYTES;
    enum err e = file_read(s->file, buf_reserve(space, size), size, p.offset, why);
    if (e == ERR_OK && size >= sizeof(r)) {
        memcpy(&r, space->data, sizeof(r));
        const size_t whole = r.size <= RECORD_DATA_MAX ? record_space(r.size) : 0;
        if (whole > size && whole <= left) {
            size = whole;
            e = file_read(s->file, buf_reserve(space, size), size, p.offset, why);
        }
    }
    if (e == ERR_OK && !record_check(space->data, size, s->salt, &r)) {
        char name[FILE_NAME_BYTES];
        e = err_set(why, ERR_CORRUPT, "%s offset %" PRIu32 ": damaged",
                    segment_name(name, s->number), p.offset);
    }
    return e;
}

/* With the lock; the segment stays until leave(). */
static struct segment *enter(struct journal *j, struct place p, uint64_t *left)
{
    CHECK(j->segment_count > 0 && p.segment >= j->segments[0]->number);
    CHECK(p.segment - j->segments[0]->number < j->segment_count);
    struct segment *s = j->segments[p.segment - j->segments[0]->number];
    CHECK(p.offset < s->file_bytes);
    *left = s->file_bytes - p.offset;
    s->readers++;
    return s;
}

static void leave(struct journal *j, struct segment *s)
{
    journal_lock(j);
    s->readers--;
    const bool is_last = s->is_retired && s->readers == 0;
    journal_unlock(j);
    if (is_last) {
        segment_free(&s);
    }
}

static enum err read_place(struct journal *j, struct place p, struct buf *space,
                           struct err_why *why)
{
    uint64_t left = 0;
    journal_lock(j);
    const bool found = read_memory(&j->gather, p, space) || read_memory(&j->inflight, p, space);
    struct segment *s = found ? NULL : enter(j, p, &left);
    journal_unlock(j);
    if (s == NULL) {
        return ERR_OK;
    }
    const enum err e = read_file(s, p, left, space, why);
    leave(j, s);
    return e;
}

enum err journal_read(struct journal *j, uint32_t group, uint64_t index, struct buf *space,
                      struct journal_entry *out, struct err_why *why)
{
    CHECK(group < JOURNAL_GROUPS_MAX);
    const struct group_log *g = &j->groups[group];
    if (index <= g->prefix || index > group_log_last(g)) {
        return err_set(why, ERR_NOT_FOUND, "entry %" PRIu64 " is not kept", index);
    }
    buf_clear(space);
    const enum err e = read_place(j, group_log_place(g, index), space, why);
    if (e != ERR_OK) {
        return e;
    }
    struct record r;
    memcpy(&r, space->data, sizeof(r));
    if (r.group != group || r.index != index) {
        return err_set(why, ERR_CORRUPT, "entry %" PRIu64 ": another one is in its place", index);
    }
    *out = (struct journal_entry){.index = r.index,
                                  .term = r.term,
                                  .is_change = r.kind == RECORD_CHANGE,
                                  .data = {space->data + sizeof(r), r.size}};
    return ERR_OK;
}
