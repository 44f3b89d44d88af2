/* test_consensus_one.c - a group of one member, as every implementation of consensus.h must run it.
 * Built once for solo and, where there is cargo, once for raft. */
#include "base/random.h"
#include "harness.h"
#include "unit/memory_log.h"

/* What survives a crash, and what a running member sees. */
struct member {
    struct memory_log disk, log;
    struct consensus_hard_state disk_state;
    struct consensus_hard_state state;
    uint64_t disk_applied, applied;
    struct consensus *group;
    uint64_t sync_number; /* newest ready that must be persisted */
    uint64_t read_id, read_index;
    uint64_t commands; /* applied commands, by count */
};

static enum consensus_err no_snapshot(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    (void)arg;
    (void)peer;
    (void)out;
    return CONSENSUS_UNAVAILABLE;
}

static void member_open(struct member *m)
{
    const struct consensus_config config = {.group = 1,
                                            .id = 7,
                                            .boot = 1,
                                            .seed = 1,
                                            .election_ticks = 10,
                                            .heartbeat_ticks = 1,
                                            .message_bytes = 4096,
                                            .inflight_max = 16,
                                            .applied = m->disk_applied,
                                            .hard_state = m->disk_state,
                                            .members = {.voters = {7}, .voter_count = 1}};
    memory_log_copy(&m->log, &m->disk);
    m->state = m->disk_state;
    m->applied = m->disk_applied;
    m->sync_number = 0;
    struct consensus_storage storage = memory_log_storage(&m->log);
    storage.snapshot = no_snapshot;
    EXPECT_EQ(CONSENSUS_OK, consensus_open(&config, &storage, &m->group));
    EXPECT_EQ(CONSENSUS_OK, consensus_campaign(m->group));
}

static void member_start(struct member *m)
{
    *m = (struct member){.disk_state = {1, 0, 1}, .disk_applied = 1};
    memory_log_reset(&m->disk, 1, 1);
    member_open(m);
}

static void member_stop(struct member *m)
{
    consensus_close(&m->group);
    memory_log_deinit(&m->log);
    memory_log_deinit(&m->disk);
}

/* The process is gone; what was not persisted is lost. */
static void member_crash(struct member *m)
{
    consensus_close(&m->group);
    member_open(m);
}

static void apply(struct member *m, uint64_t first, uint64_t last)
{
    EXPECT_EQ(m->applied + 1, first);
    for (uint64_t i = first; i <= last; i++) {
        const struct consensus_entry e = memory_log_at(&m->log, i);
        m->commands += e.kind == CONSENSUS_COMMAND && e.data.size > 0 ? 1 : 0;
    }
    m->applied = last;
}

/* Takes all readies, persists nothing. */
static void member_turn(struct member *m)
{
    struct consensus_ready r;
    while (consensus_has_ready(m->group)) {
        EXPECT_EQ(CONSENSUS_OK, consensus_ready(m->group, &r));
        EXPECT(!consensus_has_ready(m->group));
        EXPECT_EQ(0, r.message_count);
        EXPECT_EQ(CONSENSUS_LEADER, r.role);
        for (size_t i = 0; i < r.entry_count; i++) {
            memory_log_put(&m->log, &r.entries[i]);
        }
        m->state = r.has_hard_state ? r.hard_state : m->state;
        m->sync_number = r.must_sync ? r.number : m->sync_number;
        EXPECT(r.must_sync || r.entry_count == 0);
        for (size_t i = 0; i < r.read_count; i++) {
            m->read_id = r.reads[i].id;
            m->read_index = r.reads[i].index;
        }
        if (r.committed_first != 0) {
            apply(m, r.committed_first, r.committed_last);
        }
        EXPECT_EQ(CONSENSUS_OK, consensus_advance(m->group));
        EXPECT_EQ(CONSENSUS_OK, consensus_applied(m->group, m->applied));
    }
}

static void member_persist(struct member *m)
{
    memory_log_copy(&m->disk, &m->log);
    m->disk_state = m->state;
    m->disk_applied = m->applied;
    EXPECT_EQ(CONSENSUS_OK, consensus_persisted(m->group, m->sync_number));
}

static void settle(struct member *m)
{
    do {
        member_turn(m);
        member_persist(m);
    } while (consensus_has_ready(m->group));
}

static uint64_t propose(struct member *m, size_t count)
{
    struct consensus_bytes commands[64];
    uint64_t first = 0;
    uint64_t term = 0;
    EXPECT(count <= 64);
    for (size_t i = 0; i < count; i++) {
        commands[i] = (struct consensus_bytes){"command", 1 + i % 7};
    }
    EXPECT_EQ(CONSENSUS_OK, consensus_propose(m->group, commands, count, &first, &term));
    EXPECT(term > 1);
    return first;
}

static struct consensus_status status_of(const struct member *m)
{
    struct consensus_status s;
    consensus_status(m->group, &s);
    return s;
}

/* A new group: the mark of the leader at index 2 with term 2, then commands. */
static void test_new_group(void)
{
    struct member m;
    member_start(&m);
    EXPECT_EQ(CONSENSUS_DROPPED, consensus_read_index(m.group, 1));
    EXPECT_EQ(3, propose(&m, 5));
    member_turn(&m);
    EXPECT_EQ(1, m.applied); /* nothing is committed that is not persisted */
    EXPECT_EQ(2, m.state.term);
    EXPECT_EQ(7, m.state.vote);
    EXPECT_EQ(0, memory_log_at(&m.log, 2).data.size);
    EXPECT_EQ(2, memory_log_at(&m.log, 2).term);
    EXPECT_EQ(3, memory_log_at(&m.log, 5).data.size);
    EXPECT(memcmp("com", memory_log_at(&m.log, 5).data.data, 3) == 0);
    member_persist(&m);
    member_turn(&m);
    EXPECT_EQ(7, m.applied);
    EXPECT_EQ(5, m.commands);
    const struct consensus_status s = status_of(&m);
    EXPECT_EQ(7, s.last);
    EXPECT_EQ(7, s.persisted);
    EXPECT_EQ(7, s.committed);
    EXPECT_EQ(7, s.applied);
    EXPECT_EQ(7, s.leader);
    EXPECT(s.can_read && s.is_voter && !s.is_joint);
    member_stop(&m);
}

static void test_reads(void)
{
    struct member m;
    member_start(&m);
    settle(&m);
    const uint64_t first = propose(&m, 3);
    member_turn(&m);
    EXPECT_EQ(CONSENSUS_OK, consensus_read_index(m.group, 11));
    member_turn(&m);
    EXPECT_EQ(11, m.read_id);
    EXPECT_EQ(first - 1, m.read_index); /* what is being written is not promised yet */
    member_persist(&m);
    member_turn(&m);
    EXPECT_EQ(CONSENSUS_OK, consensus_read_index(m.group, 12));
    member_turn(&m);
    EXPECT_EQ(12, m.read_id);
    EXPECT_EQ(first + 2, m.read_index);
    member_stop(&m);
}

/* Many readies on their way, persisted at once or one by one. */
static void test_pipeline(void)
{
    struct member m;
    struct consensus_ready r;
    uint64_t numbers[40];
    member_start(&m);
    settle(&m);
    const uint64_t before = m.applied;
    for (size_t i = 0; i < 40; i++) {
        (void)propose(&m, 2);
        EXPECT_EQ(CONSENSUS_OK, consensus_ready(m.group, &r));
        EXPECT_EQ(2, r.entry_count);
        memory_log_put(&m.log, &r.entries[0]);
        memory_log_put(&m.log, &r.entries[1]);
        numbers[i] = r.number;
        EXPECT_EQ(0, r.committed_first);
        EXPECT_EQ(CONSENSUS_OK, consensus_advance(m.group));
    }
    EXPECT_EQ(CONSENSUS_OK, consensus_persisted(m.group, numbers[0]));
    member_turn(&m);
    EXPECT_EQ(before + 2, m.applied);
    EXPECT_EQ(CONSENSUS_OK, consensus_persisted(m.group, numbers[30]));
    member_turn(&m);
    EXPECT_EQ(before + 62, m.applied);
    EXPECT_EQ(CONSENSUS_OK, consensus_persisted(m.group, numbers[39]));
    member_turn(&m);
    EXPECT_EQ(before + 80, m.applied);
    EXPECT(!consensus_has_ready(m.group));
    member_stop(&m);
}

/* Each start takes a new term; entries that were not committed are, behind its mark. */
static void test_restart(void)
{
    struct member m;
    struct random random = {4};
    uint64_t terms = 2;
    member_start(&m);
    for (int i = 0; i < 200; i++) {
        (void)propose(&m, 1 + (size_t)random_below(&random, 5));
        member_turn(&m);
        if (random_below(&random, 2) == 0) {
            member_persist(&m);
        }
        if (random_below(&random, 2) == 0) {
            member_turn(&m);
        }
        const uint64_t kept = memory_log_last(&m.disk);
        const uint64_t term = m.disk_state.term;
        member_crash(&m);
        member_turn(&m);
        EXPECT_EQ(term + 1, m.state.term);
        EXPECT_EQ(kept + 1, memory_log_last(&m.log));
        EXPECT_EQ(term + 1, memory_log_at(&m.log, kept + 1).term);
        EXPECT_EQ(0, memory_log_at(&m.log, kept + 1).data.size);
        settle(&m);
        EXPECT_EQ(kept + 1, m.applied);
        terms++;
        EXPECT(m.state.term <= terms);
    }
    member_stop(&m);
}

/* A log whose beginning was compacted away. */
static void test_compacted(void)
{
    struct member m;
    member_start(&m);
    (void)propose(&m, 20);
    settle(&m);
    settle(&m);
    memory_log_compact(&m.log, 15);
    member_persist(&m);
    member_crash(&m);
    settle(&m);
    EXPECT_EQ(16, status_of(&m).first);
    EXPECT_EQ(23, m.applied);
    memory_log_compact(&m.log, 23);
    member_persist(&m);
    member_crash(&m);
    settle(&m);
    EXPECT_EQ(24, m.applied);
    member_stop(&m);
}

static void test_refusals(void)
{
    struct member m;
    struct consensus_peer peer;
    uint64_t first;
    uint64_t term;
    const struct consensus_bytes empty = {"x", 0};
    const struct consensus_bytes noise = {"not a message", 13};
    member_start(&m);
    settle(&m);
    EXPECT_EQ(CONSENSUS_INVALID, consensus_propose(m.group, &empty, 1, &first, &term));
    EXPECT_EQ(CONSENSUS_INVALID, consensus_propose(m.group, &empty, 0, &first, &term));
    EXPECT(consensus_why(m.group).size > 0);
    EXPECT(consensus_step(m.group, noise) != CONSENSUS_OK);
    EXPECT_EQ(CONSENSUS_INVALID, consensus_applied(m.group, m.applied + 1));
    EXPECT_EQ(CONSENSUS_INVALID, consensus_applied(m.group, m.applied - 1));
    EXPECT_EQ(CONSENSUS_IGNORED, consensus_peer_status(m.group, 8, &peer));
    EXPECT_EQ(CONSENSUS_OK, consensus_peer_status(m.group, 7, &peer));
    EXPECT_EQ(m.applied, peer.matched);
    EXPECT_EQ(CONSENSUS_OK, consensus_tick(m.group));
    EXPECT_EQ(CONSENSUS_OK, consensus_transfer(m.group, 7));
    settle(&m);
    member_stop(&m);
}

/* The change that changes nothing: the member itself is a voter. */
static void test_own_change(void)
{
    struct member m;
    struct consensus_members after;
    uint64_t index;
    uint64_t term;
    const struct consensus_change own = {CONSENSUS_ADD_VOTER, 7};
    const struct consensus_change gone = {CONSENSUS_REMOVE, 7};
    member_start(&m);
    settle(&m);
    EXPECT_EQ(CONSENSUS_INVALID, consensus_propose_change(m.group, &gone, 1, &index, &term));
    EXPECT_EQ(CONSENSUS_OK, consensus_propose_change(m.group, &own, 1, &index, &term));
    EXPECT_EQ(CONSENSUS_BUSY, consensus_propose_change(m.group, &own, 1, &index, &term));
    settle(&m);
    const struct consensus_entry e = memory_log_at(&m.log, index);
    EXPECT_EQ(CONSENSUS_CHANGE, e.kind);
    EXPECT_EQ(4, e.data.size);
    EXPECT(memcmp("\x12\x02\x10\x07", e.data.data, 4) == 0); /* what both write */
    EXPECT_EQ(CONSENSUS_OK, consensus_apply_change(m.group, e.data, &after));
    EXPECT_EQ(1, after.voter_count);
    EXPECT_EQ(7, after.voters[0]);
    member_stop(&m);
}

static void test_bad_numbers(void)
{
    struct memory_log log = {0};
    struct consensus *group = NULL;
    const struct consensus_storage storage = memory_log_storage(&log);
    const struct consensus_config good = {.id = 7,
                                          .election_ticks = 10,
                                          .heartbeat_ticks = 1,
                                          .inflight_max = 1,
                                          .applied = 5,
                                          .hard_state = {3, 7, 5},
                                          .members = {.voters = {7}, .voter_count = 1}};
    memory_log_reset(&log, 5, 3);
    struct consensus_config c = good;
    c.hard_state.commit = 6;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = good;
    c.applied = 6;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = good;
    c.applied = 3;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = good;
    c.heartbeat_ticks = 10;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    c = good;
    c.id = 0;
    EXPECT_EQ(CONSENSUS_INVALID, consensus_open(&c, &storage, &group));
    EXPECT_EQ(CONSENSUS_OK, consensus_open(&good, &storage, &group));
    consensus_close(&group);
    consensus_close(&group);
    memory_log_deinit(&log);
}

static const struct test_case cases[] = {
    {"new_group", test_new_group},   {"reads", test_reads},
    {"pipeline", test_pipeline},     {"restart", test_restart},
    {"compacted", test_compacted},   {"refusals", test_refusals},
    {"own_change", test_own_change}, {"bad_numbers", test_bad_numbers},
};

TEST_MAIN(cases)
