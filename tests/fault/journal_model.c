#include "fault/journal_model.h"

#include "base/mem.h"
#include "harness.h"
#include "sys/sim/world.h"

#define FOLDER "node/journal"

static uint64_t draw(uint64_t below)
{
    return sim_random() % below;
}

uint64_t model_number(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

void model_init(struct model *m, enum journal_fsync fsync)
{
    *m = (struct model){.config = {.segment_bytes = 64u << 10,
                                   .first_bytes = 16u << 10,
                                   .fsync = fsync,
                                   .interval_ms = 5}};
    m->appends = mem_zero(MODEL_APPENDS, sizeof(*m->appends));
    m->data = mem_alloc(MODEL_DATA_MAX);
}

void model_deinit(struct model *m)
{
    model_close(m);
    mem_free(m->appends);
    mem_free(m->data);
}

void model_close(struct model *m)
{
    journal_close(&m->journal);
    folder_close(&m->config.folder);
}

static void fill(uint8_t *data, size_t size, uint32_t group, uint64_t index, uint64_t term)
{
    const uint64_t start = (uint64_t)group * 7 + index * 13 + term * 31;
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(start + i / 3);
    }
}

static void change_model(struct model_group *groups, const struct model_change *c)
{
    struct model_group *g = &groups[c->group];
    if (c->has_state) {
        g->term = c->term;
        g->commit = c->commit;
    }
    if (c->has_reset) {
        g->base = g->last = c->reset_index;
        g->base_term = c->reset_term;
    }
    for (size_t i = 0; i < c->entry_count; i++) {
        g->entries[c->first + i] = c->entries[i];
        g->last = c->first + i;
    }
}

static void append_to_model(struct model_group *groups, const struct model_append *a)
{
    for (size_t i = 0; i < a->change_count; i++) {
        change_model(groups, &a->changes[i]);
    }
}

/* What some group does next. */
static struct model_change draw_change(const struct model *m, uint32_t group)
{
    const struct model_group *g = &m->now[group];
    struct model_change c = {.group = group, .term = g->term, .commit = g->commit};
    uint64_t last = g->last;
    const uint64_t floor = g->base > g->compacted ? g->base : g->compacted;
    if (!m->is_even && group != MODEL_QUIET && draw(40) == 0) {
        c.has_reset = true;
        last = c.reset_index = g->last + draw(20);
        c.reset_term = g->term;
    }
    if (c.has_reset || (!m->is_even && draw(4) == 0) || (group == MODEL_QUIET && draw(8) == 0)) {
        c.has_state = true;
        c.term = g->term + draw(2);
        c.commit = last;
    }
    c.first = last + 1;
    const uint64_t own_floor = floor > g->commit ? floor : g->commit;
    if (!c.has_state && last > own_floor && draw(4) == 0) {
        c.first = own_floor + 1 + draw(last - own_floor); /* overwrites a suffix */
    }
    c.entry_count = m->is_even ? 1 : (size_t)draw(MODEL_ENTRIES + 1);
    c.entry_count = group == MODEL_QUIET ? 0 : c.entry_count;
    for (size_t i = 0; i < c.entry_count; i++) {
        const uint64_t size = m->is_even ? 16 : draw(10) == 0 ? draw(MODEL_DATA_MAX) : draw(1500);
        c.entries[i] = (struct model_entry){c.term, (uint32_t)size};
    }
    return c;
}

static struct model_append draw_append(const struct model *m)
{
    struct model_append a = {.change_count = m->is_even ? 1 : 1 + (size_t)draw(MODEL_BATCHES)};
    const uint32_t first = (uint32_t)draw(MODEL_GROUPS - 1);
    for (size_t i = 0; i < a.change_count; i++) {
        a.changes[i] = draw_change(m, 1 + (first + (uint32_t)i) % (MODEL_GROUPS - 1));
    }
    return a;
}

/* The batch of one change; its entries and their bytes lie in `entries` and `*at`. */
static struct journal_batch batch_of(const struct model_change *c, bool may_use_reserve,
                                     struct journal_entry *entries, struct buf *bytes)
{
    for (size_t i = 0; i < c->entry_count; i++) {
        const struct model_entry *e = &c->entries[i];
        uint8_t *data = buf_reserve(bytes, e->size);
        fill(data, e->size, c->group, c->first + i, e->term);
        buf_extend(bytes, e->size);
        entries[i] =
            (struct journal_entry){c->first + i, e->term, (c->first + i) % 7 == 0, {data, e->size}};
    }
    return (struct journal_batch){.group = c->group,
                                  .has_state = c->has_state,
                                  .has_reset = c->has_reset,
                                  .may_use_reserve = may_use_reserve,
                                  .state = {c->term, 1, c->commit},
                                  .reset_index = c->reset_index,
                                  .reset_term = c->reset_term,
                                  .entries = entries,
                                  .entry_count = c->entry_count};
}

enum err model_append(struct model *m, struct err_why *why)
{
    struct journal_entry entries[MODEL_BATCHES][MODEL_ENTRIES];
    struct journal_batch batches[MODEL_BATCHES + 1];
    struct buf bytes = {0};
    struct model_append a = draw_append(m);
    EXPECT(m->append_count < MODEL_APPENDS);
    batches[0] =
        (struct journal_batch){.group = 0, .has_state = true, .state = {1, m->append_count + 1, 0}};
    (void)buf_reserve(&bytes, MODEL_DATA_MAX * MODEL_BATCHES * MODEL_ENTRIES); /* stays in place */
    for (size_t i = 0; i < a.change_count; i++) {
        batches[i + 1] = batch_of(&a.changes[i], m->may_use_reserve, entries[i], &bytes);
    }
    const enum err e = journal_append(m->journal, batches, a.change_count + 1, &a.ticket, why);
    buf_deinit(&bytes);
    if (e == ERR_OK) {
        append_to_model(m->now, &a);
        m->appends[m->append_count++] = a;
    }
    return e;
}

static void compact(struct model *m, uint32_t group, bool is_all)
{
    uint64_t first;
    uint64_t last;
    journal_range(m->journal, group, &first, &last);
    EXPECT_EQ(m->now[group].last, last);
    if (last >= first) {
        const uint64_t index = is_all ? last : first + draw(last - first + 1);
        journal_compact(m->journal, group, index);
        m->now[group].compacted = index;
        m->kept[group].compacted = index;
    }
}

void model_compact_all(struct model *m)
{
    for (uint32_t i = 1; i < MODEL_GROUPS; i++) {
        compact(m, i, true);
    }
}

enum err model_act(struct model *m, struct err_why *why)
{
    enum err e;
    switch (draw(20) == 0 ? 9 : draw(9)) {
    case 0:
        compact(m, 1 + (uint32_t)draw(MODEL_GROUPS - 1), false);
        return ERR_OK;
    case 1:
        journal_mark_idle(m->journal);
        return ERR_OK;
    case 2:
        return journal_prepare(m->journal, why);
    case 3:
        e = journal_reclaim(m->journal, why);
        return e == ERR_OK ? journal_reclaim(m->journal, why) : e;
    case 4:
        journal_sync(m->journal);
        return ERR_OK;
    case 9:
        model_compact_all(m);
        return ERR_OK;
    default:
        e = model_append(m, why);
        for (uint64_t steps = draw(4); steps > 0 && sim_step(); steps--) {
        }
        return e;
    }
}

bool model_is_settled(const struct model *m)
{
    return m->append_count == 0 ||
           m->appends[m->append_count - 1].ticket <= journal_durable(m->journal);
}

void model_keep(struct model *m, bool is_power)
{
    const uint64_t ticket = is_power ? journal_synced(m->journal) : journal_durable(m->journal);
    while (m->kept_count < m->append_count && m->appends[m->kept_count].ticket <= ticket) {
        append_to_model(m->kept, &m->appends[m->kept_count++]);
    }
}

void model_keep_all(struct model *m)
{
    while (m->kept_count < m->append_count) {
        append_to_model(m->kept, &m->appends[m->kept_count++]);
    }
}

/* False: the power went meanwhile. */
static bool compare_entry(struct model *m, uint32_t group, uint64_t index, struct buf *space)
{
    const struct model_entry *want = &m->kept[group].entries[index];
    struct journal_entry entry;
    struct err_why why = {0};
    uint64_t term;
    bool is_change;
    const enum err e = journal_read(m->journal, group, index, space, &entry, &why);
    if (e != ERR_OK && sim_power_is_cut()) {
        return false;
    }
    EXPECT_EQ(ERR_OK, e);
    EXPECT_EQ(ERR_OK, journal_term(m->journal, group, index, &term, &is_change));
    EXPECT_EQ(want->term, entry.term);
    EXPECT_EQ(want->term, term);
    EXPECT_EQ(want->size, entry.data.size);
    EXPECT_EQ(index % 7 == 0, entry.is_change);
    EXPECT_EQ(entry.is_change, is_change);
    fill(m->data, want->size, group, index, want->term);
    EXPECT(memcmp(m->data, entry.data.data, want->size) == 0);
    return true;
}

static void compare_group(struct model *m, uint32_t group)
{
    const struct model_group *g = &m->kept[group];
    const struct journal_state state = journal_state_of(m->journal, group);
    struct buf space = {0};
    uint64_t first;
    uint64_t last;
    uint64_t term;
    bool is_change;
    journal_range(m->journal, group, &first, &last);
    EXPECT_EQ(g->last, last);
    EXPECT_EQ(g->term, state.term);
    EXPECT_EQ(g->commit, state.commit);
    EXPECT(first > g->base);
    EXPECT(first <= (g->compacted > g->base ? g->compacted : g->base) + 1);
    EXPECT_EQ(ERR_OK, journal_term(m->journal, group, first - 1, &term, &is_change));
    EXPECT_EQ(first - 1 == g->base ? g->base_term : g->entries[first - 1].term, term);
    for (uint64_t i = first; i <= last && compare_entry(m, group, i, &space); i++) {
    }
    buf_deinit(&space);
}

/* How far the journal got, and that it got there whole. */
static void compare(struct model *m)
{
    const uint64_t found = journal_state_of(m->journal, 0).vote;
    EXPECT(found >= m->kept_count);
    EXPECT(found <= m->append_count);
    /* A commit is found whole or not at all. */
    EXPECT(found == 0 || found == m->append_count || m->appends[found].ticket == 0 ||
           m->appends[found].ticket != m->appends[found - 1].ticket);
    while (m->kept_count < found) {
        append_to_model(m->kept, &m->appends[m->kept_count++]);
    }
    m->append_count = found;
    memcpy(m->now, m->kept, sizeof(m->now));
    for (uint32_t i = 1; i < MODEL_GROUPS; i++) {
        compare_group(m, i);
    }
}

enum err model_open(struct model *m, struct err_why *why)
{
    enum err e = folder_open(FOLDER, &m->config.folder, why);
    if (e == ERR_OK) {
        e = journal_open(&m->config, &m->journal, why);
    }
    if (e != ERR_OK) {
        folder_close(&m->config.folder);
        return e;
    }
    compare(m);
    for (size_t i = 0; i < m->append_count; i++) {
        m->appends[i].ticket = 0;
    }
    if (sim_power_is_cut()) {
        model_close(m);
        return err_set(why, ERR_IO, "the power went");
    }
    return ERR_OK;
}
