/* Throws damaged, invented and hostile messages at a group; none may stop the process and none
 * may end in CONSENSUS_BROKEN.
 *
 *   fuzz_step [seed [seconds]]
 *
 * Three members talk over a perfect network. Every message is delivered intact, and copies of
 * it are delivered with bits, bytes and whole protobuf fields changed. What a mutation makes a
 * member believe may be false (Raft trusts its members), so agreement is not checked here; a
 * group that has been led astray far enough is thrown away and a new cluster is started. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit/memory_log.h"

enum {
    NODES = 3,
    QUEUE = 4096,
    MESSAGE_MAX = 4096
};

struct node {
    struct consensus *group;
    struct memory_log log;
    struct consensus_members members;
    uint64_t applied, term;
};

struct message {
    size_t to, size;
    unsigned char *data;
};

static struct node nodes[NODES + 1];
static struct message queue[QUEUE];
static size_t queue_first, queue_count;
static uint64_t random_state, codes[CONSENSUS_BROKEN + 1], clusters, broken;

static uint64_t rnd(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state * 0x2545F4914F6CDD1DULL >> 20) % below;
}

static enum consensus_err snapshot_of(void *arg, uint64_t peer, struct consensus_snapshot *out)
{
    const struct node *n = (const struct node *)((const char *)arg - offsetof(struct node, log));
    (void)peer;
    *out = (struct consensus_snapshot){.index = n->applied, .term = n->term, .members = n->members};
    return n->applied == 0 ? CONSENSUS_UNAVAILABLE : CONSENSUS_OK;
}

static void node_start(size_t id, uint64_t seed)
{
    struct node *n = &nodes[id];
    consensus_close(&n->group);
    memory_log_deinit(&n->log);
    memory_log_reset(&n->log, 1, 1);
    n->members = (struct consensus_members){.voters = {1, 2, 3}, .voter_count = 3};
    n->applied = 1;
    n->term = 1;
    struct consensus_config config = {.group = 7,
                                      .id = id,
                                      .boot = seed,
                                      .seed = seed + id,
                                      .election_ticks = 10,
                                      .heartbeat_ticks = 2,
                                      .message_bytes = 256,
                                      .inflight_max = 4,
                                      .applied = 1,
                                      .hard_state = {1, 0, 1},
                                      .members = n->members};
    struct consensus_storage storage = memory_log_storage(&n->log);
    storage.snapshot = snapshot_of;
    if (consensus_open(&config, &storage, &n->group) != CONSENSUS_OK) {
        abort();
    }
}

static void broke(size_t id, const char *where)
{
    struct consensus_bytes why = consensus_why(nodes[id].group);
    (void)fprintf(stderr, "BROKEN in %s: %.*s\n", where, (int)why.size, (const char *)why.data);
    broken++;
}

static void queue_drop(void)
{
    while (queue_count > 0) {
        free(queue[queue_first].data);
        queue_first = (queue_first + 1) % QUEUE;
        queue_count--;
    }
}

/* False: the group is dead. */
static bool node_turn(size_t id)
{
    struct node *n = &nodes[id];
    while (consensus_has_ready(n->group)) {
        struct consensus_ready r;
        if (consensus_ready(n->group, &r) != CONSENSUS_OK) {
            broke(id, "ready");
            return false;
        }
        if (r.has_snapshot) {
            memory_log_reset(&n->log, r.snapshot.index, r.snapshot.term);
            n->members = r.snapshot.members;
            n->applied = r.snapshot.index;
            n->term = r.snapshot.term;
        }
        for (size_t i = 0; i < r.entry_count; i++) {
            memory_log_put(&n->log, &r.entries[i]);
        }
        for (size_t i = 0; i < r.message_count && queue_count < QUEUE; i++) {
            const struct consensus_message *m = &r.messages[i];
            if (m->to < 1 || m->to > NODES) {
                continue; /* an answer to an invented sender */
            }
            struct message *q = &queue[(queue_first + queue_count++) % QUEUE];
            *q = (struct message){m->to, m->data.size, malloc(m->data.size + 1)};
            memcpy(q->data, m->data.data, m->data.size);
        }
        enum consensus_err err = consensus_advance(n->group);
        if (err == CONSENSUS_OK && r.must_sync) {
            err = consensus_persisted(n->group, r.number);
        }
        for (uint64_t i = r.committed_first; i != 0 && i <= r.committed_last; i++) {
            struct consensus_entry e = memory_log_at(&n->log, i);
            if (e.kind == CONSENSUS_CHANGE) {
                (void)consensus_apply_change(n->group, e.data, &n->members);
            }
            n->applied = i;
            n->term = e.term;
        }
        if (err == CONSENSUS_OK && (r.committed_first != 0 || r.has_snapshot)) {
            err = consensus_applied(n->group, n->applied);
        }
        if (err == CONSENSUS_BROKEN) {
            broke(id, "advance");
            return false;
        }
    }
    return true;
}

static bool deliver(size_t id, const unsigned char *data, size_t size)
{
    enum consensus_err err = consensus_step(nodes[id].group, (struct consensus_bytes){data, size});
    codes[err]++;
    if (err == CONSENSUS_BROKEN) {
        broke(id, "step");
        return false;
    }
    return node_turn(id);
}

/* A number as protobuf writes it. */
static size_t put_number(unsigned char *to, uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) {
        to[n++] = (unsigned char)(value | 0x80);
    }
    to[n++] = (unsigned char)value;
    return n;
}

static uint64_t odd_number(size_t id)
{
    struct consensus_status s;
    consensus_status(nodes[id].group, &s);
    const uint64_t near[] = {0,          1,          2,          3,           4,
                             s.term,     s.term + 1, s.term - 1, s.committed, s.committed + 1,
                             s.last,     s.last + 1, s.last - 1, s.first,     s.first - 1,
                             1ULL << 62, UINT64_MAX, 1ULL << 63, s.applied,   s.last + 1000};
    return near[rnd(sizeof near / sizeof near[0])];
}

/* The last one of equal fields wins in protobuf: appending a field overwrites it. */
static size_t mutate(size_t id, unsigned char *data, size_t size)
{
    static const unsigned char fields[] = {1, 2, 3, 4, 5, 6, 8, 10, 11, 13, 14, 15, 16};
    for (uint64_t times = 1 + rnd(3); times > 0; times--) {
        switch (rnd(8)) {
        case 0:
            data[rnd(size)] ^= (unsigned char)(1U << rnd(8));
            break;
        case 1:
            data[rnd(size)] = (unsigned char)rnd(256);
            break;
        case 2:
            size = 1 + rnd(size);
            break;
        case 3:
            if (size + 64 < MESSAGE_MAX) { /* one more entry */
                unsigned char entry[40];
                size_t n = 0;
                entry[n++] = 0x08;
                n += put_number(entry + n, rnd(4));
                entry[n++] = 0x10;
                n += put_number(entry + n, odd_number(id));
                entry[n++] = 0x18;
                n += put_number(entry + n, odd_number(id));
                entry[n++] = 0x22;
                entry[n++] = 2;
                entry[n++] = (unsigned char)rnd(256);
                entry[n++] = (unsigned char)rnd(256);
                data[size++] = 0x3a;
                size += put_number(data + size, n);
                memcpy(data + size, entry, n);
                size += n;
            }
            break;
        default:
            if (size + 16 < MESSAGE_MAX) {
                unsigned char field = fields[rnd(sizeof fields)];
                uint64_t value = field == 1 ? rnd(20) : odd_number(id);
                size += put_number(data + size, (uint64_t)field << 3);
                size += put_number(data + size, value);
            }
            break;
        }
    }
    return size;
}

static void cluster_run(uint64_t seed)
{
    static unsigned char copy[MESSAGE_MAX];
    clusters++;
    queue_drop();
    for (size_t id = 1; id <= NODES; id++) {
        node_start(id, seed);
    }
    for (size_t turn = 0; turn < 400; turn++) {
        for (size_t id = 1; id <= NODES; id++) {
            uint64_t first, term;
            const struct consensus_bytes command = {"command", 7};
            (void)consensus_tick(nodes[id].group);
            (void)consensus_propose(nodes[id].group, &command, 1, &first, &term);
            (void)consensus_read_index(nodes[id].group, turn);
            if (rnd(100) == 0) {
                (void)consensus_transfer(nodes[id].group, 1 + rnd(NODES));
            }
            if (rnd(50) == 0 && nodes[id].applied > nodes[id].log.base + 10) {
                memory_log_compact(&nodes[id].log, nodes[id].applied - 3);
            }
            if (!node_turn(id)) {
                return;
            }
        }
        for (size_t budget = 200; queue_count > 0 && budget > 0; budget--) {
            struct message m = queue[queue_first];
            queue_first = (queue_first + 1) % QUEUE;
            queue_count--;
            bool fine = true;
            for (uint64_t i = rnd(4); fine && i > 0 && m.size < MESSAGE_MAX / 2; i--) {
                memcpy(copy, m.data, m.size);
                size_t to = rnd(10) == 0 ? 1 + rnd(NODES) : m.to;
                fine = deliver(to, copy, mutate(to, copy, m.size));
            }
            fine = fine && deliver(m.to, m.data, m.size);
            free(m.data);
            if (!fine) {
                return;
            }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long seconds = argc > 2 ? strtol(argv[2], NULL, 10) : 5;
    random_state = seed * 0x9E3779B97F4A7C15ULL | 1;
    for (time_t end = time(NULL) + seconds; time(NULL) < end;) {
        cluster_run(++seed);
    }
    static const char *names[] = {"ok",   "invalid",   "ignored",     "dropped",
                                  "busy", "compacted", "unavailable", "broken"};
    for (size_t i = 0; i <= CONSENSUS_BROKEN; i++) {
        (void)printf("%-12s %" PRIu64 "\n", names[i], codes[i]);
    }
    (void)printf("clusters %" PRIu64 ", broken %" PRIu64 "\n", clusters, broken);
    for (size_t id = 1; id <= NODES; id++) {
        consensus_close(&nodes[id].group);
        memory_log_deinit(&nodes[id].log);
    }
    queue_drop();
    return broken > 0;
}
