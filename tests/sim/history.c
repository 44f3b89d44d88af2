#include "sim/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "sys/sim/world.h"

void history_init(struct history *h, const struct router *r, uint64_t seed)
{
    memset(h, 0, sizeof(*h));
    h->random.state = seed;
    h->shards = router_shards(r);
    const struct table *t = router_table(r, SLICE("kv"));
    EXPECT(t != NULL);
    EXPECT(h->shards <= HISTORY_SHARDS_MAX);
    h->table = t->id;
    for (uint32_t shard = 0; shard < h->shards; shard++) {
        for (unsigned i = 0; h->tags[shard][0] == '\0'; i++) {
            char tag[16];
            (void)snprintf(tag, sizeof(tag), "{%u}", i);
            if (router_shard_of(r, t, slice_of_text(tag)) == shard) {
                memcpy(h->tags[shard], tag, sizeof(tag));
            }
        }
    }
}

void history_deinit(struct history *h)
{
    for (uint32_t shard = 0; shard < h->shards; shard++) {
        for (size_t i = 0; i < h->count[shard]; i++) {
            mem_free(h->ops[shard][i]);
        }
    }
}

static void on_done(struct call *c)
{
    struct history_op *op = c->arg;
    struct history *h = op->history;
    h->waiting--;
    if (c->result.err == ERR_OK || c->result.err == ERR_NOT_FOUND) { /* a delete of nothing */
        op->state = HISTORY_DONE;
        h->done++;
    } else if (c->result.err != ERR_UNKNOWN_OUTCOME) {
        op->state = HISTORY_REFUSED;
    }
}

static void fill(struct history *h, struct history_op *op)
{
    const char *tag = h->tags[op->shard];
    struct op *o = &op->call.op;
    (void)snprintf(op->value_text, sizeof(op->value_text), "%" PRIu64 ",", op->number);
    *o = (struct op){.table = h->table, .value = slice_of_text(op->value_text)};
    const char *prefix = op->kind == HISTORY_ADD || op->kind == HISTORY_ADD_ONCE ? "n"
                         : op->kind == HISTORY_MEMBER                            ? "m"
                                                                                 : "s";
    (void)snprintf(op->key_text, sizeof(op->key_text), "%s%s%u", tag, prefix, op->key);
    o->key = slice_of_text(op->key_text);
    switch (op->kind) {
    case HISTORY_PUT:
        o->kind = OP_PUT;
        break;
    case HISTORY_APPEND:
        o->kind = OP_APPEND;
        break;
    case HISTORY_ADD_ONCE:
        (void)snprintf(op->id_text, sizeof(op->id_text), "id-%" PRIu64, op->number);
        o->idempotency_id = slice_of_text(op->id_text);
        o->kind = OP_ADD;
        o->number = 1;
        o->value = (struct slice){NULL, 0};
        break;
    case HISTORY_ADD:
        o->kind = OP_ADD;
        o->number = 1;
        o->value = (struct slice){NULL, 0};
        break;
    case HISTORY_MEMBER:
        op->item = o->value;
        o->value = (struct slice){NULL, 0};
        o->kind = OP_SET_ADD;
        o->items = &op->item;
        o->item_count = 1;
        break;
    case HISTORY_DELETE:
        o->kind = OP_DELETE;
        o->value = (struct slice){NULL, 0};
        break;
    case HISTORY_TXN:
        (void)snprintf(op->other_text, sizeof(op->other_text), "%ss%u", tag,
                       (op->key + 1) % HISTORY_KEYS);
        op->parts[0] = *o;
        op->parts[0].kind = OP_PUT;
        op->parts[1] = *o;
        op->parts[1].kind = OP_APPEND;
        op->parts[1].key = slice_of_text(op->other_text);
        o->kind = OP_TXN;
        o->value = (struct slice){NULL, 0};
        o->ops = op->parts;
        o->op_count = 2;
        break;
    case HISTORY_KIND_COUNT:
        break;
    }
}

static void submit(struct history *h, struct router *r, struct history_op *op)
{
    op->state = HISTORY_SENT;
    op->call.done = on_done;
    op->call.arg = op;
    op->call.order = &h->order;
    h->waiting++;
    router_call(r, &op->call);
}

void history_send(struct history *h, struct router *r)
{
    struct history_op *op = mem_zero(1, sizeof(*op));
    op->history = h;
    op->shard = (uint32_t)random_below(&h->random, h->shards);
    op->kind = (enum history_kind)random_below(&h->random, HISTORY_KIND_COUNT);
    op->key = (uint32_t)random_below(&h->random, HISTORY_KEYS);
    op->number = ++h->next_number;
    fill(h, op);
    EXPECT(h->count[op->shard] < HISTORY_OPS_MAX);
    h->ops[op->shard][h->count[op->shard]++] = op;
    submit(h, r, op);
}

void history_repeat(struct history *h, struct router *r, struct history_op *op)
{
    EXPECT_EQ(HISTORY_ADD_ONCE, op->kind);
    submit(h, r, op);
}

/* ---- Reading ---- */

struct reading {
    struct call call;
    char key[32];
    char *text;
    int64_t *number;
    bool is_done;
};

static void append_text(char *to, struct slice bytes)
{
    const size_t size = strlen(to);
    EXPECT(size + bytes.size < HISTORY_VALUE_MAX);
    if (bytes.size > 0) {
        memcpy(to + size, bytes.data, bytes.size);
    }
    to[size + bytes.size] = '\0';
}

static void on_read(struct call *c)
{
    struct reading *r = c->arg;
    r->is_done = true;
    if (c->result.err == ERR_NOT_FOUND) {
        return;
    }
    EXPECT_EQ(ERR_OK, c->result.err);
    if (r->number != NULL) {
        EXPECT(parse_int64(c->result.value, r->number));
        return;
    }
    append_text(r->text, c->result.value);
    for (size_t i = 0; i < c->result.row_count; i++) {
        append_text(r->text, c->result.rows[i].key);
    }
}

static void read_key(struct history *h, struct router *r, struct reading *g, uint32_t shard,
                     char prefix, uint32_t key)
{
    (void)snprintf(g->key, sizeof(g->key), "%s%c%u", h->tags[shard], prefix, key);
    g->call.op = (struct op){.kind = prefix == 'm' ? OP_SET_RANGE_MEMBERS : OP_GET,
                             .table = h->table,
                             .key = slice_of_text(g->key)};
    g->call.done = on_read;
    g->call.arg = g;
    router_call(r, &g->call);
}

void history_read(struct history *h, struct router *r, uint32_t shard,
                  struct history_values *values)
{
    memset(values, 0, sizeof(*values));
    struct reading *readings = mem_zero(3 * HISTORY_KEYS, sizeof(*readings));
    for (uint32_t k = 0; k < HISTORY_KEYS; k++) {
        readings[3 * k].text = values->strings[k];
        readings[3 * k + 1].number = &values->counters[k];
        readings[3 * k + 2].text = values->members[k];
        read_key(h, r, &readings[3 * k], shard, 's', k);
        read_key(h, r, &readings[3 * k + 1], shard, 'n', k);
        read_key(h, r, &readings[3 * k + 2], shard, 'm', k);
    }
    for (size_t i = 0; i < 3 * HISTORY_KEYS; i++) {
        for (int ms = 0; ms < 10000 && !readings[i].is_done; ms++) {
            (void)sim_run(&readings[i].is_done, 1);
        }
        EXPECT(readings[i].is_done);
    }
    mem_free(readings);
}

/* ---- Which prefix is it? ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Members are read in the order of their bytes: puts the new one at its place. */
static void add_member(char *members, const char *member)
{
    char *copy = mem_text(members);
    char *parts[1024];
    size_t count = 0;
    char *rest = NULL;
    for (char *p = strtok_r(copy, ",", &rest); p != NULL; p = strtok_r(NULL, ",", &rest)) {
        parts[count++] = p;
    }
    char *own = mem_text(member);
    own[strlen(own) - 1] = '\0'; /* its comma */
    parts[count++] = own;
    EXPECT(count < 1024);
    /* With the comma that each member ends with: it sorts before digits. */
    qsort(parts, count, sizeof(parts[0]), by_text);
    members[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        append_text(members, slice_of_text(parts[i]));
        append_text(members, SLICE(","));
    }
    mem_free(own);
    mem_free(copy);
}

static void replay(struct history_values *v, const struct history_op *op)
{
    switch (op->kind) {
    case HISTORY_TXN:
        v->strings[op->key][0] = '\0';
        append_text(v->strings[op->key], slice_of_text(op->value_text));
        append_text(v->strings[(op->key + 1) % HISTORY_KEYS], slice_of_text(op->value_text));
        return;
    case HISTORY_PUT:
        v->strings[op->key][0] = '\0';
        append_text(v->strings[op->key], slice_of_text(op->value_text));
        return;
    case HISTORY_APPEND:
        append_text(v->strings[op->key], slice_of_text(op->value_text));
        return;
    case HISTORY_ADD:
    case HISTORY_ADD_ONCE:
        v->counters[op->key]++;
        return;
    case HISTORY_MEMBER:
        add_member(v->members[op->key], op->value_text);
        return;
    case HISTORY_DELETE:
        v->strings[op->key][0] = '\0';
        return;
    case HISTORY_KIND_COUNT:
        break;
    }
}

static bool same(const struct history_values *a, const struct history_values *b)
{
    for (size_t k = 0; k < HISTORY_KEYS; k++) {
        if (strcmp(a->strings[k], b->strings[k]) != 0 || a->counters[k] != b->counters[k] ||
            strcmp(a->members[k], b->members[k]) != 0) {
            return false;
        }
    }
    return true;
}

static void print(const char *what, const struct history_values *v)
{
    for (size_t k = 0; k < HISTORY_KEYS; k++) {
        (void)fprintf(stderr, "  %s %zu: \"%s\" %" PRId64 " {%s}\n", what, k, v->strings[k],
                      v->counters[k], v->members[k]);
    }
}

static void drop_refused(struct history *h, uint32_t shard)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count[shard]; i++) {
        struct history_op *op = h->ops[shard][i];
        if (op->state == HISTORY_REFUSED) {
            mem_free(op);
        } else {
            h->ops[shard][kept++] = op;
        }
    }
    h->count[shard] = kept;
}

bool history_settle(struct history *h, uint32_t shard, const struct history_values *values,
                    struct history_op **lost, size_t max, size_t *lost_count)
{
    drop_refused(h, shard);
    struct history_values *v = mem_zero(1, sizeof(*v));
    size_t least = 0;
    for (size_t i = 0; i < h->count[shard]; i++) {
        least = h->ops[shard][i]->state == HISTORY_DONE ? i + 1 : least;
    }
    size_t n = 0;
    for (; n < least; n++) {
        replay(v, h->ops[shard][n]);
    }
    while (!same(v, values) && n < h->count[shard]) {
        replay(v, h->ops[shard][n++]);
    }
    const bool is_good = same(v, values);
    if (!is_good) {
        (void)fprintf(stderr, "shard %u: %zu acknowledged, %zu sent\n", shard, least,
                      h->count[shard]);
        print("longest", v);
        print("found", values);
    }
    mem_free(v);
    *lost_count = 0;
    for (size_t i = n; i < h->count[shard]; i++) {
        struct history_op *op = h->ops[shard][i];
        if (op->kind == HISTORY_ADD_ONCE && *lost_count < max) {
            lost[(*lost_count)++] = op;
        } else {
            mem_free(op);
        }
    }
    for (size_t i = 0; i < n; i++) {
        h->ops[shard][i]->state = HISTORY_DONE;
    }
    h->count[shard] = n;
    return is_good;
}
