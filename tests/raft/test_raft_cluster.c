/* A cluster in one process, from one seed: members, a network that delays, drops, doubles,
 * reorders and splits, disks that lose what was not synced, and a checker.
 *
 *   sim [first seed [seeds [simulated seconds]]]
 *
 * Checked at every step:
 *  1. one leader per term;
 *  2. the same index holds the same command and leads to the same state on every member;
 *  3. a read's index covers every write acknowledged before the read began;
 *  4. nothing ends in CONSENSUS_BROKEN or is refused as malformed.
 * Checked at the end, after the faults stop: every member of the last configuration has every
 * acknowledged write, and new writes succeed.
 *
 * The trace hash covers every byte sent: equal seeds must print equal hashes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "raft/events.h"
#include "unit/memory_log.h"

enum {
    NODES = 24,          /* ids 1 .. NODES - 1; a removed member's id is never used again */
    START = 3,           /* voters at the beginning */
    INDEX_LIMIT = 60000, /* longest history of one run */
    TICK_US = 10000,
    READS = 64, /* reads on their way, per member */
};

#define CHECK(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

/* One ready's part for the disk, until it is synced. */
struct write {
    struct write *next;
    uint64_t number;
    bool has_hard_state, has_snapshot;
    struct consensus_hard_state hard_state;
    struct consensus_snapshot snapshot;
    uint64_t state;
    struct memory_log part; /* base + 1 is the first entry */
};

/* What is applied: a hash of all commands in order stands for the data. */
struct machine {
    uint64_t applied, term, state;
    struct consensus_members members;
};

struct disk {
    struct memory_log log;
    struct consensus_hard_state hard_state;
    struct machine machine;
};

struct read {
    uint64_t id, floor, index;
};

struct node {
    struct consensus *group; /* NULL: down */
    struct memory_log log;
    struct machine machine;
    struct disk disk;
    struct write *writes, **writes_end;
    uint64_t boot, installing;
    uint64_t proposed[256]; /* term of the proposal at index % 256, or 0 */
    uint64_t proposed_at[256];
    struct read reads[READS];
    uint64_t last_role_term;
    unsigned char snapshot_bytes[16];
    bool used, gone;
};

static struct world {
    uint64_t seed, random, now, hash;
    struct events events;
    struct node nodes[NODES];
    uint32_t side[NODES]; /* members on different sides do not hear each other */
    uint64_t *command_at, *state_at, *leader_of;
    uint64_t acknowledged, next_command, next_read, next_id;
    bool calm; /* the faults are over */
    struct {
        uint64_t events, sent, writes, acks, reads, crashes, changes, joints, transfers, snapshots,
            leaders, compactions;
    } n;
} w;

static void die(const char *what, int line)
{
    (void)fprintf(stderr, "FAIL seed %" PRIu64 " at %" PRIu64 " us, line %d: %s\n", w.seed, w.now,
                  line, what);
    for (uint32_t i = 1; i < NODES; i++) {
        if (w.nodes[i].group != NULL) {
            struct consensus_bytes why = consensus_why(w.nodes[i].group);
            (void)fprintf(stderr, "  %u: %.*s\n", i, (int)why.size, (const char *)why.data);
        }
    }
    exit(1);
}

static uint64_t rnd(uint64_t below)
{
    w.random ^= w.random << 13;
    w.random ^= w.random >> 7;
    w.random ^= w.random << 17;
    return (w.random * 0x2545F4914F6CDD1DULL >> 20) % below;
}

static bool chance(uint64_t percent)
{
    return rnd(100) < percent;
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9E3779B97F4A7C15ULL;
    return h ^ (h >> 29);
}

static uint64_t mix_bytes(uint64_t h, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++) {
        h = (h ^ p[i]) * 0x100000001B3ULL;
    }
    return h;
}

static void push(struct event e, uint64_t delay)
{
    e.at = w.now + delay;
    events_push(&w.events, e);
}

/* ---- disk ---- */

static void write_reach_disk(struct disk *d, struct write *o)
{
    if (o->has_snapshot) {
        memory_log_reset(&d->log, o->snapshot.index, o->snapshot.term);
        d->machine =
            (struct machine){o->snapshot.index, o->snapshot.term, o->state, o->snapshot.members};
    }
    for (uint64_t i = o->part.base + 1; i <= memory_log_last(&o->part); i++) {
        struct consensus_entry e = memory_log_at(&o->part, i);
        if (i > d->log.base) {
            memory_log_put(&d->log, &e);
        }
    }
    if (o->has_hard_state) {
        d->hard_state = o->hard_state;
    }
}

static void writes_drop_first(struct node *n)
{
    struct write *o = n->writes;
    n->writes = o->next;
    if (n->writes == NULL) {
        n->writes_end = &n->writes;
    }
    memory_log_deinit(&o->part);
    free(o);
}

/* ---- members ---- */

static enum consensus_err snapshot_of(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    struct memory_log *l = arg;
    struct node *n = (struct node *)((char *)l - offsetof(struct node, log));
    (void)peer;
    if (n->machine.applied < 2 || chance(10)) {
        return CONSENSUS_UNAVAILABLE;
    }
    memcpy(n->snapshot_bytes, &n->machine.state, 8);
    *out = (struct consensus_snapshot){.index = n->machine.applied,
                                       .term = n->machine.term,
                                       .members = n->machine.members,
                                       .data = {n->snapshot_bytes, 8}};
    w.n.snapshots++;
    return CONSENSUS_OK;
}

static void node_start(uint32_t id)
{
    struct node *n = &w.nodes[id];
    CHECK(n->group == NULL);
    memory_log_copy(&n->log, &n->disk.log);
    n->machine = n->disk.machine;
    n->boot++;
    struct consensus_config config = {
        .group = 7,
        .id = id,
        .boot = n->boot,
        .seed = mix(w.seed, (uint64_t)id * 1000 + n->boot),
        .election_ticks = 10,
        .heartbeat_ticks = 2,
        .message_bytes = 512,
        .inflight_max = 8,
        .applied = n->machine.applied,
        .hard_state = n->disk.hard_state,
        .members = n->machine.members,
    };
    struct consensus_storage storage = memory_log_storage(&n->log);
    storage.snapshot = snapshot_of;
    enum consensus_err err = consensus_open(&config, &storage, &n->group);
    CHECK(err == CONSENSUS_OK);
    push((struct event){.kind = TICK, .node = id, .boot = n->boot}, rnd(TICK_US));
}

static void node_stop(uint32_t id)
{
    struct node *n = &w.nodes[id];
    consensus_close(&n->group);
    uint64_t kept = rnd(4); /* unsynced writes may have reached the disk, in order */
    while (n->writes != NULL) {
        if (kept > 0) {
            write_reach_disk(&n->disk, n->writes);
            kept--;
        }
        writes_drop_first(n);
    }
    n->installing = 0;
    memset(n->proposed, 0, sizeof n->proposed);
    memset(n->reads, 0, sizeof n->reads);
}

static void node_create(uint32_t id, const struct consensus_members *members)
{
    struct node *n = &w.nodes[id];
    n->used = true;
    n->writes_end = &n->writes;
    if (members != NULL) {
        /* The first members begin with a snapshot up to 1, so that later ones, which do not
         * know the first configuration, are never brought up from entry 1 alone. */
        memory_log_reset(&n->disk.log, 1, 1);
        n->disk.hard_state = (struct consensus_hard_state){1, 0, 1};
        n->disk.machine = (struct machine){1, 1, 1, *members};
    }
    node_start(id);
}

static void send(uint32_t from, const struct consensus_message *m)
{
    w.n.sent++;
    w.hash = mix_bytes(mix(w.hash, w.now * 64 + m->to), m->data.data, m->data.size);
    bool cut = w.side[from] != w.side[m->to] || (!w.calm && chance(5));
    int copies = cut ? 0 : 1 + (!w.calm && chance(3));
    if (m->is_snapshot) {
        push((struct event){.kind = REPORT,
                            .node = from,
                            .from = (uint32_t)m->to,
                            .boot = w.nodes[from].boot,
                            .flag = !cut},
             20000 + rnd(30000));
    }
    while (copies-- > 0) {
        struct event e = {
            .kind = MESSAGE, .node = (uint32_t)m->to, .from = from, .size = m->data.size};
        e.data = malloc(m->data.size);
        CHECK(e.data != NULL);
        memcpy(e.data, m->data.data, m->data.size);
        push(e, 200 + rnd(4000) + (!w.calm && chance(3) ? rnd(300000) : 0));
    }
}

static void keep(struct node *n, const struct consensus_ready *r)
{
    if (!r->has_snapshot && !r->has_hard_state && r->entry_count == 0) {
        return;
    }
    struct write *o = calloc(1, sizeof *o);
    CHECK(o != NULL);
    o->number = r->number;
    o->has_hard_state = r->has_hard_state;
    o->hard_state = r->hard_state;
    o->has_snapshot = r->has_snapshot;
    o->snapshot = r->snapshot;
    if (r->has_snapshot) {
        CHECK(r->snapshot.data.size == 8);
        memcpy(&o->state, r->snapshot.data.data, 8);
        CHECK(o->state == w.state_at[r->snapshot.index]);
        memory_log_reset(&n->log, r->snapshot.index, r->snapshot.term);
        n->machine =
            (struct machine){r->snapshot.index, r->snapshot.term, o->state, r->snapshot.members};
        n->installing = r->number;
    }
    if (r->entry_count > 0) {
        memory_log_reset(&o->part, r->entries[0].index - 1, 0);
    }
    for (size_t i = 0; i < r->entry_count; i++) {
        memory_log_put(&n->log, &r->entries[i]);
        memory_log_put(&o->part, &r->entries[i]);
    }
    *n->writes_end = o;
    n->writes_end = &o->next;
}

/* One committed entry: the checks of the whole simulation meet here. */
static void apply(uint32_t id, uint64_t index)
{
    struct node *n = &w.nodes[id];
    CHECK(index == n->machine.applied + 1 && index < INDEX_LIMIT);
    struct consensus_entry e = memory_log_at(&n->log, index);
    uint64_t command = mix_bytes(mix(e.term, e.kind), e.data.data, e.data.size);
    CHECK(w.command_at[index] == 0 || w.command_at[index] == command);
    w.command_at[index] = command;
    n->machine.state = mix(n->machine.state, command);
    CHECK(w.state_at[index] == 0 || w.state_at[index] == n->machine.state);
    w.state_at[index] = n->machine.state;
    n->machine.applied = index;
    n->machine.term = e.term;
    if (e.kind == CONSENSUS_CHANGE) {
        enum consensus_err err = consensus_apply_change(n->group, e.data, &n->machine.members);
        CHECK(err == CONSENSUS_OK);
        w.n.changes++;
        w.n.joints += n->machine.members.outgoing_count > 0;
    }
    size_t slot = index % 256;
    if (n->proposed[slot] != 0 && n->proposed_at[slot] == index) {
        if (n->proposed[slot] == e.term && e.kind == CONSENSUS_COMMAND) {
            w.n.acks++;
            w.acknowledged = index > w.acknowledged ? index : w.acknowledged;
        }
        n->proposed[slot] = 0;
    }
}

static void finish_reads(struct node *n)
{
    for (size_t i = 0; i < READS; i++) {
        struct read *r = &n->reads[i];
        if (r->id != 0 && r->index != 0 && r->index <= n->machine.applied) {
            CHECK(r->index >= r->floor);
            w.n.reads++;
            r->id = 0;
        }
    }
}

static void watch_role(uint32_t id)
{
    struct consensus_status s;
    consensus_status(w.nodes[id].group, &s);
    if (s.role == CONSENSUS_LEADER) {
        CHECK(s.term < INDEX_LIMIT);
        CHECK(w.leader_of[s.term] == 0 || w.leader_of[s.term] == id);
        w.n.leaders += w.leader_of[s.term] == 0;
        w.leader_of[s.term] = id;
    }
}

static void node_turn(uint32_t id)
{
    struct node *n = &w.nodes[id];
    while (n->installing == 0 && consensus_has_ready(n->group)) {
        struct consensus_ready r;
        CHECK(consensus_ready(n->group, &r) == CONSENSUS_OK);
        keep(n, &r);
        for (size_t i = 0; i < r.message_count; i++) {
            send(id, &r.messages[i]);
        }
        for (size_t i = 0; i < r.read_count; i++) {
            struct read *read = &n->reads[r.reads[i].id % READS];
            if (read->id == r.reads[i].id) {
                read->index = r.reads[i].index;
            }
        }
        CHECK(consensus_advance(n->group) == CONSENSUS_OK);
        for (uint64_t i = r.committed_first; i != 0 && i <= r.committed_last; i++) {
            apply(id, i);
        }
        if (r.committed_first != 0) {
            CHECK(consensus_applied(n->group, r.committed_last) == CONSENSUS_OK);
        }
        finish_reads(n);
        if (r.must_sync) {
            push((struct event){.kind = SYNC, .node = id, .number = r.number, .boot = n->boot},
                 500 + rnd(8000) + (!w.calm && chance(3) ? rnd(200000) : 0));
        }
    }
    watch_role(id);
}

static void node_synced(uint32_t id, uint64_t number)
{
    struct node *n = &w.nodes[id];
    if (n->writes == NULL || n->writes->number > number) {
        return; /* a later sync was faster and took this one along */
    }
    while (n->writes != NULL && n->writes->number <= number) {
        write_reach_disk(&n->disk, n->writes);
        writes_drop_first(n);
    }
    CHECK(consensus_persisted(n->group, number) == CONSENSUS_OK);
    if (n->installing != 0 && n->installing <= number) {
        n->installing = 0;
        CHECK(consensus_applied(n->group, n->machine.applied) == CONSENSUS_OK);
    }
}

/* The engine becomes durable up to what it has applied; the log may shrink. */
static void node_flush(struct node *n)
{
    if (n->installing != 0 || n->machine.applied > memory_log_last(&n->disk.log)) {
        return;
    }
    n->disk.machine = n->machine;
    uint64_t upto = n->machine.applied > 30 ? n->machine.applied - rnd(30) : 0;
    if (upto > n->disk.log.base && upto > n->log.base && chance(50)) {
        memory_log_compact(&n->disk.log, upto);
        memory_log_compact(&n->log, upto);
        w.n.compactions++;
    }
}

/* ---- clients, operator, faults ---- */

static uint32_t find_leader(void)
{
    uint32_t found = 0;
    uint64_t term = 0;
    for (uint32_t i = 1; i < NODES; i++) {
        struct consensus_status s;
        if (w.nodes[i].group == NULL) {
            continue;
        }
        consensus_status(w.nodes[i].group, &s);
        if (s.role == CONSENSUS_LEADER && s.term >= term) {
            found = i;
            term = s.term;
        }
    }
    return found;
}

static void client_write(uint32_t id)
{
    struct node *n = &w.nodes[id];
    unsigned char text[4][40];
    struct consensus_bytes commands[4];
    size_t count = 1 + rnd(4);
    for (size_t i = 0; i < count; i++) {
        int size = snprintf((char *)text[i], sizeof text[i], "command %" PRIu64, ++w.next_command);
        commands[i] = (struct consensus_bytes){text[i], (size_t)size};
    }
    uint64_t first = 0, term = 0;
    if (consensus_propose(n->group, commands, count, &first, &term) == CONSENSUS_OK) {
        for (size_t i = 0; i < count; i++) {
            n->proposed[(first + i) % 256] = term;
            n->proposed_at[(first + i) % 256] = first + i;
            w.n.writes++;
        }
    }
}

static void client_read(uint32_t id)
{
    struct node *n = &w.nodes[id];
    uint64_t read = ++w.next_read;
    if (consensus_read_index(n->group, read) == CONSENSUS_OK) {
        n->reads[read % READS] = (struct read){.id = read, .floor = w.acknowledged};
    }
}

static void on_client(void)
{
    for (uint32_t id = 1; id < NODES; id++) {
        struct node *n = &w.nodes[id];
        struct consensus_status s;
        if (n->group == NULL) {
            continue;
        }
        consensus_status(n->group, &s);
        if (s.role == CONSENSUS_LEADER && chance(70)) {
            client_write(id);
        }
        if (chance(20)) {
            client_read(id);
        }
        if (chance(3)) {
            node_flush(n);
        }
        node_turn(id);
    }
    push((struct event){.kind = CLIENT}, 2000 + rnd(6000));
}

static bool holds(const uint64_t *ids, uint8_t count, uint64_t id)
{
    for (uint8_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

static bool is_member(const struct consensus_members *m, uint64_t id)
{
    return holds(m->voters, m->voter_count, id) || holds(m->learners, m->learner_count, id) ||
           holds(m->outgoing, m->outgoing_count, id);
}

/* Replaces members one after the other: a learner comes, is promoted when it has caught up,
 * alone or in one joint step with the removal of another voter. */
static void operate(uint32_t leader)
{
    struct node *n = &w.nodes[leader];
    const struct consensus_members *m = &n->machine.members;
    struct consensus_status s;
    consensus_status(n->group, &s);
    uint64_t victim = m->voters[rnd(m->voter_count)];
    struct consensus_change c[2] = {{CONSENSUS_ADD_LEARNER, w.next_id}, {CONSENSUS_REMOVE, victim}};
    size_t count = 1;
    if (m->learner_count > 0) {
        struct consensus_peer p;
        uint64_t learner = m->learners[0];
        enum consensus_err err = consensus_peer_status(n->group, learner, &p);
        if (err != CONSENSUS_OK || p.matched + 20 < s.last) {
            return;
        }
        c[0] = (struct consensus_change){CONSENSUS_ADD_VOTER, learner};
        count = m->voter_count >= 3 && victim != leader ? 2 : 1;
    } else if (m->voter_count > START) {
        c[0] = c[1];
    } else if (w.next_id >= NODES) {
        return;
    }
    uint64_t index, term;
    enum consensus_err err = consensus_propose_change(n->group, c, count, &index, &term);
    CHECK(err == CONSENSUS_OK || err == CONSENSUS_BUSY || err == CONSENSUS_DROPPED);
    if (err == CONSENSUS_OK && c[0].kind == CONSENSUS_ADD_LEARNER) {
        node_create((uint32_t)w.next_id++, NULL);
    }
    node_turn(leader);
}

/* A member that is no longer in the configuration of the leader is switched off for good. */
static void retire(uint32_t leader)
{
    const struct machine *m = &w.nodes[leader].machine;
    for (uint32_t id = 1; id < NODES; id++) {
        struct node *n = &w.nodes[id];
        if (n->group != NULL && id != leader && n->machine.members.voter_count > 0 &&
            !is_member(&m->members, id) && !is_member(&n->machine.members, id) &&
            n->machine.applied <= m->applied) {
            node_stop(id);
            n->gone = true;
        }
    }
}

static void on_operator(void)
{
    uint32_t leader = find_leader();
    if (leader != 0) {
        retire(leader);
        if (chance(20)) {
            const struct consensus_members *m = &w.nodes[leader].machine.members;
            (void)consensus_transfer(w.nodes[leader].group, m->voters[rnd(m->voter_count)]);
            w.n.transfers++;
            node_turn(leader);
        } else {
            operate(leader);
        }
    }
    push((struct event){.kind = OPERATOR}, 100000 + rnd(400000));
}

static void on_fault(void)
{
    if (chance(40)) {
        for (uint32_t i = 1; i < NODES; i++) {
            w.side[i] = chance(50) ? (uint32_t)rnd(2) : 0;
        }
    } else {
        memset(w.side, 0, sizeof w.side);
    }
    uint32_t id = 1 + (uint32_t)rnd(NODES - 1);
    if (w.nodes[id].group != NULL && chance(80)) {
        node_stop(id);
        w.n.crashes++;
        push((struct event){.kind = RESTART, .node = id}, 1000 + rnd(600000));
    }
    push((struct event){.kind = FAULT}, 50000 + rnd(400000));
}

/* ---- the run ---- */

static void on_node_event(struct event *e)
{
    struct node *n = &w.nodes[e->node];
    enum consensus_err err = CONSENSUS_OK;
    switch (e->kind) {
    case TICK:
        if (e->boot != n->boot) {
            return;
        }
        err = consensus_tick(n->group);
        push((struct event){.kind = TICK, .node = e->node, .boot = n->boot},
             TICK_US - 500 + rnd(1000)); /* no two clocks are alike */
        break;
    case MESSAGE:
        err = consensus_step(n->group, (struct consensus_bytes){e->data, e->size});
        break;
    case SYNC:
        if (e->boot == n->boot) {
            node_synced(e->node, e->number);
        }
        break;
    case REPORT:
        if (e->boot == n->boot) {
            err = consensus_report_snapshot(n->group, e->from, e->flag);
        }
        break;
    case RESTART:
    case CLIENT:
    case FAULT:
    case OPERATOR:
        die("not an event of a member", __LINE__);
    }
    CHECK(err == CONSENSUS_OK || err == CONSENSUS_IGNORED || err == CONSENSUS_DROPPED);
    node_turn(e->node);
}

static void run_until(uint64_t end)
{
    while (w.events.count > 0 && w.events.heap[0].at <= end) {
        struct event e = events_pop(&w.events);
        w.now = e.at;
        w.n.events++;
        if (e.kind == CLIENT) {
            on_client();
        } else if (e.kind == OPERATOR) {
            if (!w.calm) {
                on_operator();
            }
        } else if (e.kind == FAULT) {
            if (!w.calm) {
                on_fault();
            }
        } else if (e.kind == RESTART) {
            if (w.nodes[e.node].group == NULL && !w.nodes[e.node].gone) {
                node_start(e.node);
            }
        } else if (w.nodes[e.node].group != NULL) {
            on_node_event(&e);
        }
        free(e.data);
    }
    w.now = end;
}

/* Calm returned: the cluster has to agree and to work. */
static void check_end(uint64_t seconds)
{
    w.calm = true;
    memset(w.side, 0, sizeof w.side);
    run_until(seconds * 1000000 + 8000000);
    uint32_t leader = find_leader();
    CHECK(leader != 0);
    uint64_t before = w.acknowledged;
    run_until(w.now + 1000000);
    CHECK(w.acknowledged > before);
    leader = find_leader();
    const struct machine *m = &w.nodes[leader].machine;
    CHECK(m->members.outgoing_count == 0);
    for (uint8_t i = 0; i < m->members.voter_count; i++) {
        const struct node *n = &w.nodes[m->members.voters[i]];
        CHECK(n->group != NULL && n->machine.applied >= before);
    }
}

static void world_deinit(void)
{
    for (uint32_t i = 1; i < NODES; i++) {
        struct node *n = &w.nodes[i];
        if (n->used) {
            node_stop(i);
        }
        memory_log_deinit(&n->log);
        memory_log_deinit(&n->disk.log);
    }
    events_deinit(&w.events);
    free(w.command_at);
    free(w.state_at);
    free(w.leader_of);
}

static uint64_t run(uint64_t seed, uint64_t seconds)
{
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.random = mix(seed, 77) | 1;
    w.command_at = calloc(INDEX_LIMIT, sizeof *w.command_at);
    w.state_at = calloc(INDEX_LIMIT, sizeof *w.state_at);
    w.leader_of = calloc(INDEX_LIMIT, sizeof *w.leader_of);
    CHECK(w.command_at != NULL && w.state_at != NULL && w.leader_of != NULL);
    w.state_at[1] = 1;
    struct consensus_members members = {.voters = {1, 2, 3}, .voter_count = START};
    for (uint32_t id = 1; id <= START; id++) {
        node_create(id, &members);
    }
    w.next_id = START + 1;
    push((struct event){.kind = CLIENT}, 0);
    push((struct event){.kind = FAULT}, 500000);
    push((struct event){.kind = OPERATOR}, 300000);
    run_until(seconds * 1000000);
    check_end(seconds);
    uint64_t hash = mix(w.hash, w.acknowledged);
    world_deinit();
    return hash;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
    uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) : 20;
    uint64_t hash = 0, sum[12] = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        hash = mix(hash, run(seed, seconds));
        if (seed == first) {
            uint64_t once = hash;
            hash = mix(0, run(seed, seconds)); /* the same again, in the same process */
            CHECK(once == hash);
        }
        const uint64_t *n = &w.n.events;
        for (size_t i = 0; i < 12; i++) {
            sum[i] += n[i];
        }
    }
    static const char *names[12] = {"events",    "messages",  "writes",          "acknowledged",
                                    "reads",     "crashes",   "changes applied", "joint",
                                    "transfers", "snapshots", "leaders",         "compactions"};
    (void)printf("seeds %" PRIu64 "..%" PRIu64 " ok, trace hash %016" PRIx64 "\n", first,
                 first + count - 1, hash);
    for (size_t i = 0; i < 12; i++) {
        (void)printf("  %-16s %" PRIu64 "\n", names[i], sum[i]);
    }
    return 0;
}
