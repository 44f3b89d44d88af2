/* exchange.c - one start of a group of one member over a journal: reads back what earlier starts
 * have written, adds ten commands, stops. Built with solo and with raft; exchange.sh lets them take
 * turns on one directory.
 *
 *   exchange FOLDER ROUND    ROUND counts from 0 */
#include <inttypes.h>

#include "consensus/consensus.h"
#include "harness.h"
#include "journal/journal.h"
#include "sys/file.h"

#define GROUP     3
#define MEMBER    7
#define PER_ROUND 10

struct node {
    struct journal *journal;
    struct consensus *group;
    uint64_t applied, commands, newest_term;
    struct buf space;
};

static uint64_t first_index(void *arg)
{
    uint64_t first;
    uint64_t last;
    journal_range(((struct node *)arg)->journal, GROUP, &first, &last);
    return first;
}

static uint64_t last_index(void *arg)
{
    uint64_t first;
    uint64_t last;
    journal_range(((struct node *)arg)->journal, GROUP, &first, &last);
    return last;
}

static enum consensus_err entry(void *arg, uint64_t index, uint64_t *term,
                                enum consensus_kind *kind)
{
    bool is_change;
    if (journal_term(((struct node *)arg)->journal, GROUP, index, term, &is_change) != ERR_OK) {
        return CONSENSUS_COMPACTED;
    }
    *kind = is_change ? CONSENSUS_CHANGE : CONSENSUS_COMMAND;
    return CONSENSUS_OK;
}

static enum consensus_err entries(void *arg, uint64_t low, uint64_t high,
                                  struct consensus_sink *sink)
{
    struct node *n = arg;
    struct journal_entry e;
    struct err_why why;
    bool has_room = true;
    for (uint64_t i = low; i < high && has_room; i++) {
        if (journal_read(n->journal, GROUP, i, &n->space, &e, &why) != ERR_OK) {
            return CONSENSUS_BROKEN;
        }
        const struct consensus_entry out = {
            i, e.term, CONSENSUS_COMMAND, {e.data.data, e.data.size}};
        has_room = consensus_sink_add(sink, &out);
    }
    return CONSENSUS_OK;
}

static enum consensus_err no_snapshot(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    (void)arg;
    (void)peer;
    (void)out;
    return CONSENSUS_UNAVAILABLE;
}

/* Every command carries its number among all commands. */
static void apply(struct node *n, uint64_t first, uint64_t last)
{
    struct journal_entry e;
    struct err_why why;
    EXPECT_EQ(n->applied + 1, first);
    for (uint64_t i = first; i <= last; i++) {
        EXPECT_EQ(ERR_OK, journal_read(n->journal, GROUP, i, &n->space, &e, &why));
        EXPECT(e.term >= n->newest_term);
        n->newest_term = e.term;
        if (e.data.size > 0) {
            uint64_t number;
            EXPECT_EQ(sizeof(number), e.data.size);
            memcpy(&number, e.data.data, sizeof(number));
            EXPECT_EQ(n->commands, number);
            n->commands++;
        }
    }
    n->applied = last;
}

static void append(struct node *n, const struct journal_batch *batch)
{
    struct err_why why = {0};
    uint64_t ticket;
    EXPECT_EQ(ERR_OK, journal_append(n->journal, batch, 1, &ticket, &why));
}

static void put(struct node *n, const struct consensus_ready *r)
{
    struct journal_entry list[64];
    struct journal_batch batch = {.group = GROUP, .has_state = r->has_hard_state};
    EXPECT(r->entry_count <= 64);
    batch.state =
        (struct journal_state){r->hard_state.term, r->hard_state.vote, r->hard_state.commit};
    for (size_t i = 0; i < r->entry_count; i++) {
        const struct consensus_entry *e = &r->entries[i];
        list[i] = (struct journal_entry){
            e->index, e->term, e->kind == CONSENSUS_CHANGE, {e->data.data, e->data.size}};
    }
    batch.entries = list;
    batch.entry_count = r->entry_count;
    if (batch.has_state || batch.entry_count > 0) {
        append(n, &batch);
    }
}

static void settle(struct node *n)
{
    struct consensus_ready r;
    while (consensus_has_ready(n->group)) {
        EXPECT_EQ(CONSENSUS_OK, consensus_ready(n->group, &r));
        put(n, &r);
        if (r.committed_first != 0) {
            apply(n, r.committed_first, r.committed_last);
        }
        EXPECT_EQ(CONSENSUS_OK, consensus_advance(n->group));
        EXPECT_EQ(CONSENSUS_OK, consensus_applied(n->group, n->applied));
        if (r.must_sync) {
            EXPECT_EQ(CONSENSUS_OK, consensus_persisted(n->group, r.number));
        }
    }
}

static void open_group(struct node *n)
{
    const struct journal_state state = journal_state_of(n->journal, GROUP);
    const struct consensus_storage storage = {.arg = n,
                                              .first_index = first_index,
                                              .last_index = last_index,
                                              .entry = entry,
                                              .entries = entries,
                                              .snapshot = no_snapshot};
    const struct consensus_config config = {.group = GROUP,
                                            .id = MEMBER,
                                            .boot = 1,
                                            .seed = 1,
                                            .election_ticks = 10,
                                            .heartbeat_ticks = 1,
                                            .message_bytes = 4096,
                                            .inflight_max = 16,
                                            .applied = 1,
                                            .hard_state = {state.term, state.vote, state.commit},
                                            .members = {.voters = {MEMBER}, .voter_count = 1}};
    n->applied = 1;
    EXPECT_EQ(CONSENSUS_OK, consensus_open(&config, &storage, &n->group));
    EXPECT_EQ(CONSENSUS_OK, consensus_campaign(n->group));
}

static void propose(struct node *n)
{
    for (uint64_t i = 0; i < PER_ROUND; i++) {
        const uint64_t number = n->commands + i;
        const struct consensus_bytes command = {&number, sizeof(number)};
        uint64_t first;
        uint64_t term;
        EXPECT_EQ(CONSENSUS_OK, consensus_propose(n->group, &command, 1, &first, &term));
    }
    settle(n);
}

int main(int argc, char **argv)
{
    struct node n = {0};
    struct folder *folder = NULL;
    struct err_why why = {0};
    EXPECT_EQ(3, argc);
    const uint64_t round = strtoull(argv[2], NULL, 10);
    EXPECT_EQ(ERR_OK, folder_open(argv[1], &folder, &why));
    const struct journal_config config = {
        .folder = folder, .segment_bytes = JOURNAL_FIRST_BYTES, .first_bytes = JOURNAL_FIRST_BYTES};
    EXPECT_EQ(ERR_OK, journal_open(&config, &n.journal, &why));
    if (round == 0) {
        const struct journal_batch start = {.group = GROUP,
                                            .has_state = true,
                                            .has_reset = true,
                                            .state = {1, 0, 1},
                                            .reset_index = 1,
                                            .reset_term = 1};
        append(&n, &start);
    }
    const uint64_t term = journal_state_of(n.journal, GROUP).term;
    open_group(&n);
    settle(&n);
    EXPECT_EQ(round * PER_ROUND, n.commands);
    EXPECT_EQ(term + 1, journal_state_of(n.journal, GROUP).term);
    propose(&n);
    EXPECT_EQ((round + 1) * PER_ROUND, n.commands);
    EXPECT_EQ(term + 1, n.newest_term);
    consensus_close(&n.group);
    journal_close(&n.journal);
    folder_close(&folder);
    buf_deinit(&n.space);
    return 0;
}
