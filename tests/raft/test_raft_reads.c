/* A read question that arrives twice must not be confirmed by answers to its first arrival.
 *
 *  1. Member 2 asks leader 1 where it may read; the question and the heartbeat answer of member 3
 *     are doubled by the network, and the second copies are late.
 *  2. Member 1 is cut off and stands still; member 2 or 3 leads now and acknowledges a write.
 *  3. A client of member 1 asks for a read. Then both late copies arrive at member 1.
 *  4. Member 1 must not let the read go: it has not heard of the write.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/memory_log.h"

#define CHECK(cond) ((cond) ? (void)0 : die(#cond, __LINE__))

enum {
    NODES = 3,
    QUEUE = 256
};

struct message {
    size_t from, to, size;
    unsigned char *data;
};

static struct node {
    struct consensus *group;
    struct memory_log log;
    uint64_t applied, reads, read_index;
} nodes[NODES + 1];

static struct message queue[QUEUE];
static size_t queue_count;

static void die(const char *what, int line)
{
    (void)fprintf(stderr, "FAIL line %d: %s\n", line, what);
    exit(1);
}

static enum consensus_err no_snapshot(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    (void)arg, (void)peer, (void)out;
    return CONSENSUS_UNAVAILABLE;
}

static void node_start(size_t id)
{
    struct node *n = &nodes[id];
    memory_log_reset(&n->log, 1, 1);
    n->applied = 1;
    struct consensus_config config = {.group = 1,
                                      .id = id,
                                      .boot = 1,
                                      .seed = id,
                                      .election_ticks = 10,
                                      .heartbeat_ticks = 1,
                                      .message_bytes = 4096,
                                      .inflight_max = 16,
                                      .applied = 1,
                                      .hard_state = {1, 0, 1},
                                      .members = {.voters = {1, 2, 3}, .voter_count = 3}};
    struct consensus_storage storage = memory_log_storage(&n->log);
    storage.snapshot = no_snapshot;
    CHECK(consensus_open(&config, &storage, &n->group) == CONSENSUS_OK);
}

static void node_turn(size_t id)
{
    struct node *n = &nodes[id];
    while (consensus_has_ready(n->group)) {
        struct consensus_ready r;
        CHECK(consensus_ready(n->group, &r) == CONSENSUS_OK);
        for (size_t i = 0; i < r.entry_count; i++) {
            memory_log_put(&n->log, &r.entries[i]);
        }
        for (size_t i = 0; i < r.message_count; i++) {
            const struct consensus_message *m = &r.messages[i];
            CHECK(queue_count < QUEUE);
            struct message *q = &queue[queue_count++];
            *q = (struct message){id, m->to, m->data.size, malloc(m->data.size)};
            CHECK(q->data != NULL);
            memcpy(q->data, m->data.data, m->data.size);
        }
        for (size_t i = 0; i < r.read_count; i++) {
            n->reads++;
            n->read_index = r.reads[i].index;
        }
        CHECK(consensus_advance(n->group) == CONSENSUS_OK);
        if (r.must_sync) {
            CHECK(consensus_persisted(n->group, r.number) == CONSENSUS_OK);
        }
        if (r.committed_first != 0) {
            n->applied = r.committed_last;
            CHECK(consensus_applied(n->group, n->applied) == CONSENSUS_OK);
        }
    }
}

static void deliver(const struct message *m)
{
    enum consensus_err err =
        consensus_step(nodes[m->to].group, (struct consensus_bytes){m->data, m->size});
    CHECK(err == CONSENSUS_OK || err == CONSENSUS_DROPPED);
    node_turn(m->to);
}

/* Delivers everything, but nothing from or to `cut`. Keeps a copy of the first message from
 * `from` to `to` in `*copy`. */
static void settle(size_t cut, size_t from, size_t to, struct message *copy)
{
    for (size_t i = 0; i < queue_count; i++) {
        struct message m = queue[i];
        bool is_wanted = copy != NULL && copy->data == NULL && m.from == from && m.to == to;
        if (m.from != cut && m.to != cut) {
            deliver(&m);
        }
        if (is_wanted) {
            *copy = m;
        } else {
            free(m.data);
        }
    }
    queue_count = 0;
}

static size_t leader_but(size_t other)
{
    for (size_t id = 1; id <= NODES; id++) {
        struct consensus_status s;
        consensus_status(nodes[id].group, &s);
        if (id != other && s.role == CONSENSUS_LEADER && s.can_read) {
            return id;
        }
    }
    return 0;
}

int main(void)
{
    for (size_t id = 1; id <= NODES; id++) {
        node_start(id);
    }
    CHECK(consensus_campaign(nodes[1].group) == CONSENSUS_OK);
    node_turn(1);
    settle(0, 0, 0, NULL);
    CHECK(leader_but(0) == 1);

    struct message question = {0}, answer = {0};
    CHECK(consensus_read_index(nodes[2].group, 1) == CONSENSUS_OK);
    node_turn(2);
    CHECK(queue_count == 1);
    question = queue[0];
    queue_count = 0;
    deliver(&question);
    settle(0, 3, 1, &answer);
    CHECK(nodes[2].reads == 1 && answer.data != NULL);

    size_t leader = 0;
    for (int i = 0; i < 200 && leader == 0; i++) {
        for (size_t id = 2; id <= NODES; id++) {
            (void)consensus_tick(nodes[id].group);
            node_turn(id);
        }
        settle(1, 0, 0, NULL);
        leader = leader_but(1);
    }
    CHECK(leader != 0);
    uint64_t written = 0, term = 0;
    const struct consensus_bytes command = {"new", 3};
    CHECK(consensus_propose(nodes[leader].group, &command, 1, &written, &term) == CONSENSUS_OK);
    node_turn(leader);
    settle(1, 0, 0, NULL);
    CHECK(nodes[leader].applied >= written); /* acknowledged */

    CHECK(consensus_read_index(nodes[1].group, 2) == CONSENSUS_OK);
    node_turn(1);
    deliver(&question);
    deliver(&answer);
    if (nodes[1].reads > 0) {
        (void)printf("stale read: index %d is let go, %d is acknowledged\n",
                     (int)nodes[1].read_index, (int)written);
        return 1;
    }
    (void)printf("ok\n");
    free(question.data);
    free(answer.data);
    for (size_t i = 0; i < queue_count; i++) {
        free(queue[i].data);
    }
    for (size_t id = 1; id <= NODES; id++) {
        consensus_close(&nodes[id].group);
        memory_log_deinit(&nodes[id].log);
    }
    return 0;
}
