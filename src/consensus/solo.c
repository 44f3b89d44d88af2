/* solo.c - consensus.h for a group with one member: what is persisted is committed.
 *
 * Each open takes a new term, votes for itself, leads at once, and appends an empty entry as the
 * mark of its term, just as a raft group of one member does when it campaigns. So terms tell
 * incarnations apart, and a log written by either is continued by the other.
 *
 *   propose ─► gather ─► ready ─► (owner writes) ─► persisted ─► committed, next ready
 *
 * Invariants
 *  1. applied <= committed <= persisted <= last.
 *  2. Entries up to `taken` have been handed out in a ready, the others lie in `gather`.
 *  3. committed == persisted, once the mark of this term is persisted; before that nothing is
 *     committed that was not when the group was opened.
 *
 * Hard state goes out when term or vote change, that is once: its commit index is not needed to
 * start again, and writing it each time would cost a record for every ready. */
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/planted.h"
#include "consensus/consensus.h"

#define COMMITTED_MAX 4096                /* entries of one committed range: a turn stays short */
#define KEPT_BYTES    ((size_t)256 << 10) /* a larger buffer is given back after its ready */

/* Entries that wait for a ready, or are lent to the owner by one. */
struct batch {
    struct consensus_entry *entries; /* owned; while gathering, data.data is not set */
    size_t count, capacity;
    struct buf bytes; /* of all entries, one behind the other */
};

struct reads {
    struct consensus_read *items; /* owned */
    size_t count, capacity;
};

/* A ready that has to be persisted. */
struct debt {
    uint64_t number;
    uint64_t last; /* index of its last entry */
};

struct consensus {
    struct consensus_storage storage;
    uint64_t id;
    uint32_t election_ticks;

    uint64_t term, first_of_term;
    uint64_t last, taken, persisted, committed, applied;
    uint64_t offered;      /* committed entries up to here have been handed out */
    uint64_t change_index; /* newest change in the log; 0: none of this incarnation */
    uint64_t number;       /* of the newest ready */
    bool owes_state;       /* the hard state has not been handed out */
    bool is_lending;       /* between ready and advance */
    bool is_broken;

    struct batch gather, lent;
    struct reads waiting, answered;
    struct debt *debts; /* owned; debts[debt_first ..], in order of number */
    size_t debt_first, debt_count, debt_capacity;
    const char *why;
};

/* Never called: a sink exists only where entries are sent to others. */
bool consensus_sink_add(struct consensus_sink *sink, const struct consensus_entry *entry)
{
    (void)sink;
    (void)entry;
    return false;
}

static void check_group(const struct consensus *g)
{
    CHECK(g->applied <= g->committed);
    CHECK(g->committed <= g->persisted);
    CHECK(g->persisted <= g->taken);
    CHECK(g->taken <= g->last);
}

/* At the start of every call that a ready which is lent forbids. */
static bool is_usable(struct consensus *g)
{
    CHECK(!g->is_lending);
    check_group(g);
    return !g->is_broken;
}

static enum consensus_err fail(struct consensus *g, enum consensus_err e, const char *why)
{
    g->why = why;
    return e;
}

static enum consensus_err broken(struct consensus *g)
{
    return fail(g, CONSENSUS_BROKEN, "the group is broken");
}

/* Room for `more` items of `unit` bytes behind `count`. */
static void *reserve(void *items, size_t *capacity, size_t count, size_t more, size_t unit)
{
    if (*capacity - count >= more) {
        return items;
    }
    *capacity = *capacity * 2 > count + more ? *capacity * 2 : count + more + 16;
    return mem_resize(items, *capacity * unit);
}

/* The entry's bytes go to the end of `bytes`; its pointer is set when nothing moves any more. */
static struct consensus_entry *append_entry(struct consensus *g, enum consensus_kind kind,
                                            size_t size)
{
    struct batch *b = &g->gather;
    struct consensus_entry *e = &b->entries[b->count++];
    e->index = ++g->last;
    e->term = g->term;
    e->kind = kind;
    e->data.size = size;
    return e;
}

static void reserve_entries(struct consensus *g, size_t count)
{
    struct batch *b = &g->gather;
    b->entries = reserve(b->entries, &b->capacity, b->count, count, sizeof(*b->entries));
}

static bool is_alone(const struct consensus_config *c)
{
    const struct consensus_members *m = &c->members;
    return c->id != 0 && m->voter_count == 1 && m->voters[0] == c->id && m->learner_count == 0 &&
           m->outgoing_count == 0 && m->learner_next_count == 0 && !m->auto_leave;
}

/* Numbers from disk that contradict each other, the same ones that raft refuses. */
static bool is_sound(const struct consensus_config *c, uint64_t first, uint64_t last)
{
    const uint64_t commit = c->hard_state.commit > c->applied ? c->hard_state.commit : c->applied;
    return first >= 1 && last < CONSENSUS_INDEX_MAX && first <= last + 1 &&
           c->applied + 1 >= first && commit <= last && c->heartbeat_ticks >= 1 &&
           c->heartbeat_ticks < c->election_ticks && c->inflight_max > 0;
}

enum consensus_err consensus_open(const struct consensus_config *config,
                                  const struct consensus_storage *storage, struct consensus **out)
{
    const uint64_t first = storage->first_index(storage->arg);
    const uint64_t last = storage->last_index(storage->arg);
    uint64_t last_term = 0;
    enum consensus_kind kind;
    if (!is_alone(config) || !is_sound(config, first, last)) {
        return CONSENSUS_INVALID;
    }
    if (last > 0 && storage->entry(storage->arg, last, &last_term, &kind) != CONSENSUS_OK) {
        return CONSENSUS_BROKEN;
    }
    const uint64_t term = config->hard_state.term > last_term ? config->hard_state.term : last_term;
    if (term >= CONSENSUS_INDEX_MAX) {
        return CONSENSUS_INVALID;
    }
    struct consensus *g = mem_zero(1, sizeof(*g));
    g->storage = *storage;
    g->id = config->id;
    g->election_ticks = config->election_ticks;
    g->term = term + 1;
    g->first_of_term = last + 1;
    g->last = g->taken = g->persisted = last;
    g->applied = g->offered = config->applied;
    g->committed = config->hard_state.commit > g->applied ? config->hard_state.commit : g->applied;
    g->owes_state = true;
    g->why = "";
    reserve_entries(g, 1);
    (void)append_entry(g, CONSENSUS_COMMAND, 0);
    *out = g;
    return CONSENSUS_OK;
}

void consensus_close(struct consensus **group)
{
    struct consensus *g = *group;
    if (g == NULL) {
        return;
    }
    mem_free(g->gather.entries);
    mem_free(g->lent.entries);
    buf_deinit(&g->gather.bytes);
    buf_deinit(&g->lent.bytes);
    mem_free(g->waiting.items);
    mem_free(g->answered.items);
    mem_free(g->debts);
    mem_free(g);
    *group = NULL;
}

enum consensus_err consensus_tick(struct consensus *g)
{
    return is_usable(g) ? CONSENSUS_OK : broken(g);
}

enum consensus_err consensus_step(struct consensus *g, struct consensus_bytes message)
{
    (void)message;
    return is_usable(g) ? fail(g, CONSENSUS_IGNORED, "this group has no other member") : broken(g);
}

enum consensus_err consensus_propose(struct consensus *g, const struct consensus_bytes *commands,
                                     size_t count, uint64_t *first, uint64_t *term)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    if (count == 0 || count > CONSENSUS_BATCH_MAX || g->last + count > CONSENSUS_INDEX_MAX) {
        return fail(g, CONSENSUS_INVALID, "batch is empty or too large");
    }
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (commands[i].size == 0) {
            return fail(g, CONSENSUS_INVALID, "empty command");
        }
        size += commands[i].size;
    }
    if (planted("reuse-index") && g->last % 8 == 7) {
        g->last--;
    }
    *first = g->last + 1;
    *term = g->term;
    reserve_entries(g, count);
    uint8_t *at = buf_reserve(&g->gather.bytes, size);
    for (size_t i = 0; i < count; i++) {
        (void)append_entry(g, CONSENSUS_COMMAND, commands[i].size);
        memcpy(at, commands[i].data, commands[i].size);
        at += commands[i].size;
    }
    buf_extend(&g->gather.bytes, size);
    return CONSENSUS_OK;
}

/* The one change that is no change: `id` becomes a voter, as raft writes it (the protobuf message
 * ConfChangeV2, so that raft can apply it). Returns its size. */
static size_t encode_change(uint64_t id, uint8_t out[16])
{
    size_t size = 2;
    out[size++] = 0x10; /* ConfChangeSingle.node_id */
    for (; id >= 0x80; id >>= 7) {
        out[size++] = (uint8_t)(id | 0x80);
    }
    out[size++] = (uint8_t)id;
    out[0] = 0x12; /* ConfChangeV2.changes */
    out[1] = (uint8_t)(size - 2);
    return size;
}

enum consensus_err consensus_propose_change(struct consensus *g,
                                            const struct consensus_change *changes, size_t count,
                                            uint64_t *index, uint64_t *term)
{
    uint8_t data[16];
    if (!is_usable(g)) {
        return broken(g);
    }
    if (g->change_index > g->applied) {
        return fail(g, CONSENSUS_BUSY, "another change is not applied yet");
    }
    if (count == 0) {
        return fail(g, CONSENSUS_BUSY, "there is no joint state to leave");
    }
    if (count != 1 || changes[0].kind != CONSENSUS_ADD_VOTER || changes[0].id != g->id) {
        return fail(g, CONSENSUS_INVALID, "this engine knows one member only");
    }
    const size_t size = encode_change(g->id, data);
    reserve_entries(g, 1);
    (void)append_entry(g, CONSENSUS_CHANGE, size);
    buf_append(&g->gather.bytes, data, size);
    g->change_index = g->last;
    *index = g->last;
    *term = g->term;
    return CONSENSUS_OK;
}

enum consensus_err consensus_apply_change(struct consensus *g, struct consensus_bytes data,
                                          struct consensus_members *after)
{
    uint8_t own[16];
    if (!is_usable(g)) {
        return broken(g);
    }
    const size_t size = encode_change(g->id, own);
    if (data.size != size || memcmp(data.data, own, size) != 0) {
        /* Written by an engine that can have several members: leading on alone would fork. */
        g->is_broken = true;
        return fail(g, CONSENSUS_BROKEN, "the log changes members, this engine knows one only");
    }
    *after = (struct consensus_members){.voters = {g->id}, .voter_count = 1};
    return CONSENSUS_OK;
}

enum consensus_err consensus_read_index(struct consensus *g, uint64_t id)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    if (g->committed < g->first_of_term) {
        return fail(g, CONSENSUS_DROPPED, "nothing of this term is committed yet");
    }
    struct reads *r = &g->waiting;
    r->items = reserve(r->items, &r->capacity, r->count, 1, sizeof(*r->items));
    r->items[r->count++] = (struct consensus_read){id, g->committed};
    return CONSENSUS_OK;
}

enum consensus_err consensus_transfer(struct consensus *g, uint64_t to)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    return to == g->id ? CONSENSUS_OK : fail(g, CONSENSUS_INVALID, "there is no such voter");
}

enum consensus_err consensus_campaign(struct consensus *g)
{
    return is_usable(g) ? CONSENSUS_OK : broken(g);
}

enum consensus_err consensus_report_unreachable(struct consensus *g, uint64_t peer)
{
    (void)peer;
    return is_usable(g) ? CONSENSUS_OK : broken(g);
}

enum consensus_err consensus_report_snapshot(struct consensus *g, uint64_t peer, bool arrived)
{
    (void)peer;
    (void)arrived;
    return is_usable(g) ? CONSENSUS_OK : broken(g);
}

bool consensus_has_ready(const struct consensus *g)
{
    return !g->is_broken && !g->is_lending &&
           (g->owes_state || g->gather.count > 0 || g->offered < g->committed ||
            g->waiting.count > 0);
}

/* Lends what gathered; gathering goes on in the room of what was lent before. */
static void lend_entries(struct consensus *g, struct consensus_ready *ready)
{
    const struct batch lent = g->gather;
    g->gather = g->lent;
    g->lent = lent;
    const uint8_t *at = lent.bytes.data;
    for (size_t i = 0; i < lent.count; i++) {
        lent.entries[i].data.data = at;
        at = lent.entries[i].data.size > 0 ? at + lent.entries[i].data.size : at;
    }
    ready->entries = lent.entries;
    ready->entry_count = lent.count;
    g->taken = g->last;
}

static void lend_reads(struct consensus *g, struct consensus_ready *ready)
{
    const struct reads lent = g->waiting;
    g->waiting = g->answered;
    g->answered = lent;
    ready->reads = lent.items;
    ready->read_count = lent.count;
}

static void add_debt(struct consensus *g)
{
    if (g->debt_first > 0 && g->debt_first + g->debt_count == g->debt_capacity) {
        memmove(g->debts, g->debts + g->debt_first, g->debt_count * sizeof(*g->debts));
        g->debt_first = 0;
    }
    const size_t end = g->debt_first + g->debt_count;
    g->debts = reserve(g->debts, &g->debt_capacity, end, 1, sizeof(*g->debts));
    g->debts[end] = (struct debt){g->number, g->taken};
    g->debt_count++;
}

enum consensus_err consensus_ready(struct consensus *g, struct consensus_ready *ready)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    *ready = (struct consensus_ready){.number = ++g->number,
                                      .has_hard_state = g->owes_state,
                                      .role = CONSENSUS_LEADER,
                                      .leader = g->id};
    if (g->owes_state) {
        ready->hard_state = (struct consensus_hard_state){g->term, g->id, g->committed};
    }
    lend_entries(g, ready);
    lend_reads(g, ready);
    ready->must_sync = g->owes_state || ready->entry_count > 0;
    if (ready->must_sync) {
        add_debt(g);
    }
    if (g->offered < g->committed) {
        const uint64_t most = g->offered + COMMITTED_MAX;
        ready->committed_first = g->offered + 1;
        ready->committed_last = g->committed < most ? g->committed : most;
        g->offered = ready->committed_last;
    }
    g->owes_state = false;
    g->is_lending = true;
    return CONSENSUS_OK;
}

enum consensus_err consensus_advance(struct consensus *g)
{
    CHECK(g->is_lending);
    g->is_lending = false;
    g->lent.count = 0;
    g->answered.count = 0;
    buf_clear(&g->lent.bytes);
    if (g->lent.bytes.capacity > KEPT_BYTES) {
        buf_deinit(&g->lent.bytes);
    }
    return CONSENSUS_OK;
}

enum consensus_err consensus_persisted(struct consensus *g, uint64_t number)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    CHECK(number <= g->number);
    while (g->debt_count > 0 && g->debts[g->debt_first].number <= number) {
        g->persisted = g->debts[g->debt_first].last;
        g->debt_first++;
        g->debt_count--;
    }
    if (g->debt_count == 0) {
        g->debt_first = 0;
    }
    if (g->persisted >= g->first_of_term) {
        g->committed = g->persisted;
    }
    return CONSENSUS_OK;
}

enum consensus_err consensus_applied(struct consensus *g, uint64_t index)
{
    if (!is_usable(g)) {
        return broken(g);
    }
    if (index < g->applied || index > g->committed) {
        return fail(g, CONSENSUS_INVALID, "applied index out of range");
    }
    g->applied = index;
    return CONSENSUS_OK;
}

void consensus_status(const struct consensus *g, struct consensus_status *out)
{
    *out = (struct consensus_status){.role = CONSENSUS_LEADER,
                                     .term = g->term,
                                     .vote = g->id,
                                     .leader = g->id,
                                     .first = g->storage.first_index(g->storage.arg),
                                     .last = g->last,
                                     .persisted = g->persisted,
                                     .committed = g->committed,
                                     .applied = g->applied,
                                     .pending_reads = g->waiting.count,
                                     .election_timeout = g->election_ticks,
                                     .can_read = g->committed >= g->first_of_term,
                                     .is_voter = true};
}

enum consensus_err consensus_peer_status(const struct consensus *g, uint64_t peer,
                                         struct consensus_peer *out)
{
    if (peer != g->id) {
        return CONSENSUS_IGNORED;
    }
    *out = (struct consensus_peer){.matched = g->persisted, .next = g->last + 1, .is_active = true};
    return CONSENSUS_OK;
}

struct consensus_bytes consensus_why(const struct consensus *g)
{
    return (struct consensus_bytes){g->why, strlen(g->why)};
}
