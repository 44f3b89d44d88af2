/* gather.c - commits in memory: encoding records, and where the next commit goes. */
#include <string.h>

#include "base/check.h"
#include "journal/journal_private.h"

#define KEPT_BYTES ((size_t)8 << 20) /* a larger buffer is given back after its commit */

uint32_t journal_encode(struct gather *g, const struct record *r, const void *data)
{
    const size_t space = record_space(r->size);
    struct record head = *r;
    head.commit = g->commit;
    uint8_t *at = buf_reserve(&g->bytes, space);
    memset(at + space - RECORD_ALIGN, 0, RECORD_ALIGN);
    memcpy(at, &head, sizeof(head));
    if (r->size > 0) {
        memcpy(at + sizeof(head), data, r->size);
    }
    g->last_record = g->bytes.size;
    buf_extend(&g->bytes, space);
    return g->offset + (uint32_t)g->last_record;
}

void journal_encode_state(struct gather *g, struct group_log *log, uint32_t group,
                          enum record_kind kind)
{
    const struct record_state state = {log->vote, log->commit, log->prefix_term};
    const struct record r = {.size = sizeof(state),
                             .index = log->prefix,
                             .term = log->term,
                             .group = group,
                             .kind = (uint8_t)kind};
    (void)journal_encode(g, &r, &state);
    log->prefix_stored = log->prefix;
}

void journal_encode_states(struct journal *j, struct gather *g)
{
    for (uint32_t i = 0; i < j->group_limit; i++) {
        if (j->groups[i].is_used) {
            journal_encode_state(g, &j->groups[i], i, RECORD_STATE);
        }
    }
}

void journal_put_mark(struct journal *j)
{
    const struct record mark = {.kind = RECORD_MARK};
    (void)journal_encode(&j->gather, &mark, NULL);
    j->gather.is_mark = true;
    j->gather.is_wanted = true;
    j->is_marked = true;
}

void journal_cut(struct journal *j)
{
    struct gather full = j->gather;
    if (full.begins_segment) {
        /* From here on nobody else takes the spare, so its size can be counted on. */
        const bool has_spare = j->spare == SPARE_READY;
        full.room = has_spare ? j->spare_bytes : j->config.first_bytes;
        j->spare = has_spare ? SPARE_TAKEN : j->spare;
    }
    struct buf bytes = j->inflight.bytes;
    j->inflight = full;
    if (bytes.capacity > KEPT_BYTES) {
        buf_deinit(&bytes);
    }
    buf_clear(&bytes);
    const uint64_t end = full.offset + full.bytes.size;
    CHECK(end < PLACE_OFFSET_MAX);
    struct gather *g = &j->gather;
    *g = (struct gather){.bytes = bytes,
                         .commit = full.commit + 1,
                         .segment = full.segment,
                         .offset = (uint32_t)end,
                         .room = full.room};
    if (end >= full.room) {
        g->begins_segment = true;
        g->segment++;
        g->offset = SEGMENT_HEADER_BYTES;
        journal_encode_states(j, g);
    }
}
