/* scan.c - see scan.h. */
#include "journal/scan.h"

#include <string.h>

#include "base/check.h"
#include "base/planted.h"

#define COMMITS_AHEAD_MAX (1u << 24) /* more commits than this do not fit behind one place */

static bool follows(const struct scan *s, const struct record *r)
{
    const bool resumes = (r->flags & RECORD_RESUME) != 0 && r->kind == RECORD_MARK &&
                         r->index == s->last_commit && r->commit > s->last_commit;
    return r->commit == s->last_commit + 1 || resumes;
}

/* Cheap tests first: the checksum is computed for next to nothing but real records. */
static bool later_commit_at(const struct scan *s, const uint8_t *at, size_t left, uint64_t salt,
                            struct record *out)
{
    uint64_t commit;
    memcpy(&commit, at + offsetof(struct record, commit), sizeof(commit));
    return commit - (s->last_commit + 2) < COMMITS_AHEAD_MAX && record_check(at, left, salt, out);
}

static void look_behind(struct scan *s, const uint8_t *bytes, size_t size, uint64_t salt)
{
    struct record r;
    size_t at = s->bad;
    while (size - at >= sizeof(r)) {
        if (!later_commit_at(s, bytes + at, size - at, salt, &r)) {
            at += RECORD_ALIGN;
            continue;
        }
        s->newest_seen = r.commit > s->newest_seen ? r.commit : s->newest_seen;
        s->is_damaged = s->is_damaged || (r.flags & RECORD_LAZY) == 0;
        at += record_space(r.size);
    }
}

void scan_segment(struct scan *s, const uint8_t *bytes, size_t size, size_t from, uint64_t salt)
{
    CHECK(from % RECORD_ALIGN == 0 && from <= size);
    struct record r;
    uint64_t open_commit = 0; /* a commit whose last record has not been seen; 0: none */
    size_t at = from;
    s->end = from;
    s->is_damaged = false;
    while (record_check(bytes + at, size - at, salt, &r)) {
        if (open_commit != 0 ? r.commit != open_commit : !follows(s, &r)) {
            break;
        }
        at += record_space(r.size);
        open_commit = r.commit;
        if ((r.flags & RECORD_LAST) != 0 || planted("half-commit")) {
            s->last_commit = r.commit;
            s->end = at;
            open_commit = 0;
        }
    }
    s->bad = at;
    s->newest_seen = s->last_commit > s->newest_seen ? s->last_commit : s->newest_seen;
    look_behind(s, bytes, size, salt);
}
