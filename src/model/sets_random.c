/* Members by chance: pop and random. Up to RANDOM_EVEN_MAX members all are equally likely, and so
 * they are when many are asked for; else random_row.c says how likely. */
#include "model/sets.h"

#define READ_ALL_PART 8 /* more than this part of a set is wanted: look at all of it */

static void answer_member(struct task *t, struct rows *rows, struct slice member)
{
    struct row *row = rows_add(t, rows, member.size);
    row->key = member;
    row->type = TYPE_SET;
}

static bool is_read_whole(const struct set *s, uint64_t wanted)
{
    return !s->is_large || s->count <= RANDOM_EVEN_MAX || wanted > s->count / READ_ALL_PART;
}

/* One member of a large set. */
static enum err draw(struct task *t, const struct set *s, struct random *random,
                     struct slice *member)
{
    struct slice from;
    struct slice to;
    struct slice row;
    set_range(t, s, &from, &to);
    const enum err err = random_row(t, from, to, random, &row);
    if (err == ERR_OK) {
        *member = row_rest(row, from.size);
    }
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* `wanted` different members out of all, each choice equally likely, in order. */
static void choose(struct task *t, const struct set *s, const struct slice *members,
                   uint64_t wanted, struct random *random, struct rows *rows)
{
    uint64_t left = wanted;
    for (uint64_t i = 0; left > 0; i++) {
        CHECK(i < s->count);
        if (random_below(random, s->count - i) < left) {
            answer_member(t, rows, members[i]);
            left--;
        }
    }
}

/* Takes members away one after another, so that none comes up twice. */
static enum err pop_some(struct task *t, struct set *s, uint64_t wanted, struct random *random,
                         struct rows *rows)
{
    struct slice *members;
    enum err err = ERR_OK;
    if (is_read_whole(s, wanted)) {
        err = set_load(t, s, SIZE_MAX, &members);
        if (err != ERR_OK) {
            return err;
        }
        choose(t, s, members, wanted, random, rows);
        for (size_t i = 0; err == ERR_OK && i < rows->count; i++) {
            bool is_removed;
            err = set_remove(t, s, rows->rows[i].key, &is_removed);
        }
        return err;
    }
    for (uint64_t i = 0; err == ERR_OK && i < wanted; i++) {
        struct slice member;
        bool is_removed;
        err = draw(t, s, random, &member);
        if (err == ERR_OK) {
            answer_member(t, rows, member);
            err = set_remove(t, s, member, &is_removed);
        }
    }
    return err;
}

enum err op_set_pop(struct task *t)
{
    struct place p;
    struct set s;
    struct rows rows = {0};
    struct random random = {t->moment->random};
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = set_open(t, &p, &s);
    }
    if (err != ERR_OK) {
        return err;
    }
    result_of_place(t->result, &p);
    const uint64_t wanted = (uint64_t)t->op->number;
    if (s.count == 0 || wanted == 0) {
        return ERR_OK;
    }
    if (wanted >= s.count) { /* all: its rows are left to the sweep */
        struct slice *members;
        err = set_load(t, &s, SIZE_MAX, &members);
        for (uint64_t i = 0; err == ERR_OK && i < s.count; i++) {
            answer_member(t, &rows, members[i]);
        }
        t->result->mod_revision = t->moment->revision;
        err = err == ERR_OK ? record_erase(t, &p) : err;
    } else {
        err = pop_some(t, &s, wanted, &random, &rows);
        err = err == ERR_OK ? set_save(t, &p, &s, p.lookup->record.expiry_ms, t->result) : err;
    }
    rows_answer(t, &rows);
    return err;
}

static bool is_among(const struct rows *rows, struct slice member)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (slice_equal(rows->rows[i].key, member)) {
            return true;
        }
    }
    return false;
}

/* `wanted` members of a large set. Different ones are drawn until there are enough, or until luck
 * has been against it for so long that looking at all is cheaper. */
static enum err draw_some(struct task *t, const struct set *s, uint64_t wanted, bool may_repeat,
                          struct rows *rows)
{
    struct random random = {t->moment->random};
    const uint64_t tries = may_repeat ? wanted : wanted + 64;
    for (uint64_t i = 0; i < tries && rows->count < wanted; i++) {
        struct slice member;
        const enum err err = draw(t, s, &random, &member);
        if (err != ERR_OK || rows_are_full(t, rows)) {
            return err == ERR_OK ? ERR_TOO_LARGE : err;
        }
        if (may_repeat || !is_among(rows, member)) {
            answer_member(t, rows, member);
        }
    }
    return rows->count == wanted ? ERR_OK : ERR_NOT_FOUND;
}

/* The same out of all members. */
static enum err pick_some(struct task *t, const struct set *s, uint64_t wanted, bool may_repeat,
                          struct rows *rows)
{
    struct random random = {t->moment->random};
    struct slice *members;
    const enum err err = set_load(t, s, t->budget_bytes, &members);
    if (err != ERR_OK || !may_repeat) {
        if (err == ERR_OK) {
            choose(t, s, members, wanted, &random, rows);
        }
        return err;
    }
    for (uint64_t i = 0; i < wanted; i++) {
        if (rows_are_full(t, rows)) {
            return ERR_TOO_LARGE;
        }
        answer_member(t, rows, members[random_below(&random, s->count)]);
    }
    return ERR_OK;
}

#define DRAWS_MAX 256 /* compared with each other one by one */

enum err op_set_random(struct task *t)
{
    struct place p;
    struct set s;
    struct rows rows = {0};
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = set_open(t, &p, &s);
    }
    if (err != ERR_OK) {
        return err;
    }
    result_of_place(t->result, &p);
    const bool may_repeat = t->op->number < 0;
    uint64_t wanted = may_repeat ? (uint64_t)-t->op->number : (uint64_t)t->op->number;
    wanted = !may_repeat && wanted > s.count ? s.count : wanted;
    if (s.count == 0 || wanted == 0) {
        return ERR_OK;
    }
    err = ERR_NOT_FOUND;
    if (!is_read_whole(&s, wanted) && wanted <= DRAWS_MAX) {
        err = draw_some(t, &s, wanted, may_repeat, &rows);
    }
    if (err == ERR_NOT_FOUND) {
        rows.count = 0;
        err = pick_some(t, &s, wanted, may_repeat, &rows);
    }
    rows_answer(t, &rows);
    return err;
}
