/* storage.c - the journal as consensus sees it: the log of one group. */
#include "shard/shard_private.h"

static uint64_t first_index(void *arg)
{
    const struct shard *s = arg;
    uint64_t first = 0;
    uint64_t last = 0;
    journal_range(s->node->config.journal, s->group, &first, &last);
    return first;
}

static uint64_t last_index(void *arg)
{
    const struct shard *s = arg;
    uint64_t first = 0;
    uint64_t last = 0;
    journal_range(s->node->config.journal, s->group, &first, &last);
    return last;
}

static enum consensus_err storage_err(enum err e)
{
    return e == ERR_OK ? CONSENSUS_OK
                       : (e == ERR_NOT_FOUND ? CONSENSUS_COMPACTED : CONSENSUS_BROKEN);
}

static enum consensus_err entry(void *arg, uint64_t index, uint64_t *term,
                                enum consensus_kind *kind)
{
    const struct shard *s = arg;
    bool is_change = false;
    const enum err e = journal_term(s->node->config.journal, s->group, index, term, &is_change);
    *kind = is_change ? CONSENSUS_CHANGE : CONSENSUS_COMMAND;
    return storage_err(e);
}

static enum consensus_err entries(void *arg, uint64_t low, uint64_t high,
                                  struct consensus_sink *sink)
{
    struct shard *s = arg;
    for (uint64_t i = low; i < high; i++) {
        struct journal_entry from;
        struct err_why why = {0};
        const enum err e =
            journal_read(s->node->config.journal, s->group, i, &s->read_space, &from, &why);
        if (e != ERR_OK) {
            return storage_err(e);
        }
        const struct consensus_entry to = {.index = from.index,
                                           .term = from.term,
                                           .kind = from.is_change ? CONSENSUS_CHANGE
                                                                  : CONSENSUS_COMMAND,
                                           .data = {from.data.data, from.data.size}};
        if (!consensus_sink_add(sink, &to)) {
            break;
        }
    }
    return CONSENSUS_OK;
}

/* With one member nobody asks for one. */
static enum consensus_err snapshot(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    (void)arg;
    (void)peer;
    (void)out;
    return CONSENSUS_UNAVAILABLE;
}

struct consensus_storage shard_storage(struct shard *s)
{
    return (struct consensus_storage){.arg = s,
                                      .first_index = first_index,
                                      .last_index = last_index,
                                      .entry = entry,
                                      .entries = entries,
                                      .snapshot = snapshot};
}
