/* Sets: the struct set of sets.h, and the operations on one set that draw no lots. */
#include "model/sets.h"

#include "model/varint.h"

struct set set_new(uint32_t table)
{
    struct set s; /* `members` count from `count` on */
    s.count = 0;
    s.incarnation = 0;
    s.table = table;
    s.is_large = false;
    s.is_own = false;
    s.is_fresh = false;
    s.is_changed = false;
    return s;
}

static enum err open_small(struct set *s, struct slice value)
{
    while (value.size > 0) {
        if (s->count == SET_SMALL_MEMBERS || !varint_take_slice(&value, &s->members[s->count])) {
            return ERR_CORRUPT;
        }
        s->count++;
    }
    return s->count > 0 ? ERR_OK : ERR_CORRUPT;
}

enum err set_open(struct task *t, const struct place *p, struct set *s)
{
    (void)t;
    *s = set_new(atomic_load_explicit(&p->table->id, memory_order_relaxed));
    s->is_own = true;
    if (!p->is_live) {
        return ERR_OK;
    }
    const struct record *record = &p->lookup->record;
    if (record->type == RECORD_SET_SMALL) {
        return open_small(s, record->value);
    }
    if (record->type != RECORD_SET) {
        return ERR_WRONG_TYPE;
    }
    struct set_header header;
    const enum err err = set_header_get(record->value, &header);
    s->count = header.count;
    s->incarnation = header.incarnation;
    s->is_large = true;
    return err;
}

/* The row of `member` in a large set: reached before, or in `room`. */
static enum err element_find(struct task *t, const struct set *s, struct slice member,
                             struct lookup *room, struct lookup **found)
{
    if (t->element != NULL && t->element_incarnation == s->incarnation) {
        *found = t->element;
        return t->is_fetched ? t->element_fetched : row_find(t, t->element);
    }
    uint8_t *bytes = arena_get(t->run->arena, ROW_ELEMENT_HEAD + member.size);
    uint8_t *end = slice_put(row_element_head(bytes, s->table, s->incarnation), member);
    room->engine = t->model->engine;
    room->key = slice_of(bytes, (size_t)(end - bytes));
    memset(room->place, 0, sizeof(room->place));
    *found = room;
    return row_find(t, room);
}

static void element_put(struct task *t, struct lookup *l)
{
    const struct record record = {.key = l->key,
                                  .mod_revision = t->moment->revision,
                                  .create_revision = t->moment->revision,
                                  .version = 1};
    engine_put(l, &record);
}

/* The first of the small set's members that is not less than `member`. */
static size_t small_find(const struct set *s, struct slice member, bool *is_equal)
{
    size_t i = 0;
    int order = 1;
    while (i < s->count && (order = slice_compare(s->members[i], member)) < 0) {
        i++;
    }
    *is_equal = i < s->count && order == 0;
    return i;
}

enum err set_has(struct task *t, const struct set *s, struct slice member, bool *has)
{
    if (!s->is_large) {
        (void)small_find(s, member, has);
        return ERR_OK;
    }
    struct lookup room;
    struct lookup *l;
    const enum err err = element_find(t, s, member, &room, &l);
    *has = err == ERR_OK;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static size_t small_bytes(const struct set *s)
{
    size_t bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint8_t size[VARINT_MAX];
        bytes += (size_t)(varint_put(size, s->members[i].size) - size) + s->members[i].size;
    }
    return bytes;
}

static enum err make_large(struct task *t, struct set *s)
{
    s->is_large = true;
    s->is_fresh = true;
    s->incarnation = t->model->state.next_incarnation++;
    for (size_t i = 0; i < s->count; i++) {
        struct lookup room;
        struct lookup *l;
        const enum err err = element_find(t, s, s->members[i], &room, &l);
        if (err != ERR_NOT_FOUND) {
            return err == ERR_OK ? ERR_CORRUPT : err;
        }
        element_put(t, l);
    }
    return ERR_OK;
}

enum err set_add(struct task *t, struct set *s, struct slice member, bool *is_added)
{
    if (s->is_large) {
        struct lookup room;
        struct lookup *l;
        const enum err err = element_find(t, s, member, &room, &l);
        *is_added = err == ERR_NOT_FOUND;
        if (*is_added) {
            element_put(t, l);
            s->count++;
            s->is_changed = true;
        }
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    bool is_equal;
    const size_t at = small_find(s, member, &is_equal);
    *is_added = !is_equal;
    if (is_equal) {
        return ERR_OK;
    }
    memmove(&s->members[at + 1], &s->members[at], (s->count - at) * sizeof(s->members[0]));
    s->members[at] = member;
    s->count++;
    s->is_changed = true;
    const bool fits = s->count <= SET_SMALL_MEMBERS && small_bytes(s) <= SET_SMALL_BYTES;
    return fits ? ERR_OK : make_large(t, s);
}

enum err set_remove(struct task *t, struct set *s, struct slice member, bool *is_removed)
{
    if (s->is_large) {
        struct lookup room;
        struct lookup *l;
        const enum err err = element_find(t, s, member, &room, &l);
        *is_removed = err == ERR_OK;
        if (err == ERR_OK) {
            engine_erase(l, t->moment->revision);
            s->count--;
            s->is_changed = true;
        }
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    }
    const size_t at = small_find(s, member, is_removed);
    if (*is_removed) {
        s->count--;
        memmove(&s->members[at], &s->members[at + 1], (s->count - at) * sizeof(s->members[0]));
        s->is_changed = true;
    }
    return ERR_OK;
}

enum err set_save(struct task *t, struct place *p, const struct set *s, uint64_t expiry_ms,
                  struct result *result)
{
    if (s->count == 0 || is_past(t, expiry_ms)) { /* all rows of a large one have been removed */
        if (s->is_large && s->is_fresh) {
            garbage_add(t, s->table, s->incarnation);
        }
        if (result != NULL) {
            result->mod_revision = t->moment->revision;
        }
        return s->count == 0 && s->is_own && s->is_large && !s->is_fresh ? record_erase_header(t, p)
                                                                         : record_erase(t, p);
    }
    uint8_t bytes[SET_SMALL_BYTES + 3 * VARINT_MAX];
    struct change change = {.kind = s->is_large ? RECORD_SET : RECORD_SET_SMALL,
                            .expiry_ms = expiry_ms,
                            .is_collection_kept = s->is_own};
    if (s->is_large) {
        const struct set_header header = {s->count, s->incarnation};
        change.value = slice_of(bytes, set_header_put(bytes, &header));
    } else {
        uint8_t *end = bytes;
        for (size_t i = 0; i < s->count; i++) {
            end = slice_put(varint_put(end, s->members[i].size), s->members[i]);
        }
        change.value = slice_of(bytes, (size_t)(end - bytes));
    }
    return record_write(t, p, &change, result);
}

void set_range(struct task *t, const struct set *s, struct slice *from, struct slice *to)
{
    uint8_t *bytes = arena_get(t->run->arena, ROW_ELEMENT_HEAD);
    *from = slice_of(bytes, (size_t)(row_element_head(bytes, s->table, s->incarnation) - bytes));
    *to = range_end_of(t, *from);
}

enum err set_walk_open(struct task *t, struct set_walk *w, const struct set *s, struct slice from)
{
    *w = (struct set_walk){.set = s};
    if (!s->is_large) {
        bool is_equal;
        w->next = small_find(s, from, &is_equal);
        return ERR_OK;
    }
    struct slice first;
    struct slice to;
    set_range(t, s, &first, &to);
    w->head = first.size;
    if (from.size > 0) {
        uint8_t *bytes = arena_get(t->run->arena, first.size + from.size);
        uint8_t *end = slice_put(slice_put(bytes, first), from);
        first = slice_of(bytes, (size_t)(end - bytes));
    }
    return rows_open(t, &w->scan, first, to, false);
}

enum err set_walk_next(struct set_walk *w, struct slice *member)
{
    if (!w->set->is_large) {
        if (w->next == w->set->count) {
            return ERR_NOT_FOUND;
        }
        *member = w->set->members[w->next++];
        return ERR_OK;
    }
    struct record record;
    const enum err err = scan_next(&w->scan, &record);
    if (err == ERR_OK) {
        *member = row_rest(record.key, w->head);
    }
    return err;
}

void set_walk_close(struct set_walk *w)
{
    if (w->set->is_large) {
        scan_close(&w->scan);
    }
}

enum err set_load(struct task *t, const struct set *s, size_t bytes_max, struct slice **members)
{
    struct set_walk walk;
    struct slice member;
    size_t count = 0;
    size_t bytes = 0;
    if (s->count > bytes_max / sizeof(member)) {
        return ERR_TOO_LARGE;
    }
    struct slice *all = arena_get(t->run->arena, (size_t)s->count * sizeof(*all));
    enum err err = set_walk_open(t, &walk, s, slice_of(NULL, 0));
    while (err == ERR_OK && (err = set_walk_next(&walk, &member)) == ERR_OK) {
        bytes += sizeof(member) + member.size;
        if (bytes > bytes_max || count == s->count) {
            err = bytes > bytes_max ? ERR_TOO_LARGE : ERR_CORRUPT;
            break;
        }
        all[count++] = arena_copy(t->run->arena, member);
    }
    set_walk_close(&walk);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    *members = all;
    return count == s->count ? ERR_OK : ERR_CORRUPT;
}

enum err op_set_add(struct task *t)
{
    struct place p;
    struct set s;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = set_open(t, &p, &s);
    }
    for (uint32_t i = 0; err == ERR_OK && i < t->op->item_count; i++) {
        bool is_added = false;
        err = set_add(t, &s, t->op->items[i], &is_added);
        t->result->count += is_added ? 1 : 0;
    }
    if (err != ERR_OK) {
        return err;
    }
    const uint64_t expiry_ms = expiry_of(t, &p, true);
    if (!s.is_changed && expiry_ms == p.lookup->record.expiry_ms) {
        result_of_place(t->result, &p);
        return ERR_OK;
    }
    return set_save(t, &p, &s, expiry_ms, t->result);
}

enum err op_set_remove(struct task *t)
{
    struct place p;
    struct set s;
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = set_open(t, &p, &s);
    }
    for (uint32_t i = 0; err == ERR_OK && i < t->op->item_count && s.count > 0; i++) {
        bool is_removed = false;
        err = set_remove(t, &s, t->op->items[i], &is_removed);
        t->result->count += is_removed ? 1 : 0;
    }
    if (err != ERR_OK) {
        return err;
    }
    if (!s.is_changed) {
        result_of_place(t->result, &p);
        return ERR_OK;
    }
    return set_save(t, &p, &s, p.lookup->record.expiry_ms, t->result);
}

/* Both sets of a move. */
struct move {
    struct place from, to;
    struct lookup room;
    struct set source, destination;
};

static enum err move_member(struct task *t, struct move *x)
{
    bool is_changed = false;
    enum err err = set_remove(t, &x->source, t->op->value, &is_changed);
    if (err != ERR_OK || !is_changed) {
        return err;
    }
    t->result->count = 1;
    err = set_save(t, &x->from, &x->source, x->from.lookup->record.expiry_ms, t->result);
    if (err == ERR_OK) {
        err = set_add(t, &x->destination, t->op->value, &is_changed);
    }
    if (err != ERR_OK || !x->destination.is_changed) {
        return err;
    }
    return set_save(t, &x->to, &x->destination, expiry_of(t, &x->to, true), NULL);
}

enum err op_set_move(struct task *t)
{
    struct move x;
    enum err err = place_find(t, &x.from);
    if (err == ERR_OK) {
        err = place_find_other(t, &x.to, &x.room, t->table, t->op->other);
    }
    if (err != ERR_OK || !x.from.is_live) { /* without a source nothing else matters */
        return err;
    }
    err = set_open(t, &x.from, &x.source);
    if (err == ERR_OK) {
        err = set_open(t, &x.to, &x.destination);
    }
    if (err != ERR_OK) {
        return err;
    }
    result_of_place(t->result, &x.from);
    if (slice_equal(x.from.lookup->key, x.to.lookup->key)) {
        bool has;
        err = set_has(t, &x.source, t->op->value, &has);
        t->result->count = err == ERR_OK && has ? 1 : 0;
        return err;
    }
    return move_member(t, &x);
}

enum err op_set_has(struct task *t)
{
    struct place p;
    struct set s;
    struct rows rows = {0};
    enum err err = place_find(t, &p);
    if (err == ERR_OK) {
        err = set_open(t, &p, &s);
    }
    for (uint32_t i = 0; err == ERR_OK && i < t->op->item_count; i++) {
        bool has = false;
        err = set_has(t, &s, t->op->items[i], &has);
        struct row *row = rows_add(t, &rows, 0);
        row->key = t->op->items[i];
        row->number = has ? 1 : 0;
        row->type = TYPE_SET;
    }
    result_of_place(t->result, &p);
    rows_answer(t, &rows);
    return err;
}

enum err op_set_range_members(struct task *t)
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
    struct set_walk walk;
    struct slice member;
    err = set_walk_open(t, &walk, &s, t->op->other);
    while (err == ERR_OK && (err = set_walk_next(&walk, &member)) == ERR_OK) {
        if ((t->op->flags & OP_AFTER) != 0 && slice_equal(member, t->op->other)) {
            continue;
        }
        if ((t->op->limit > 0 && rows.count == t->op->limit) || rows_are_full(t, &rows)) {
            t->result->is_more = true;
            err = ERR_NOT_FOUND;
            break;
        }
        struct row *row = rows_add(t, &rows, member.size);
        row->key = scanned_bytes(t, member);
        row->type = TYPE_SET;
    }
    set_walk_close(&walk);
    rows_answer(t, &rows);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err collection_count(const struct record *record, uint64_t *count)
{
    struct set s = set_new(0);
    struct log_header log;
    struct set_header header;
    enum err err;
    switch ((enum record_kind)record->type) {
    case RECORD_SET:
        err = set_header_get(record->value, &header);
        *count = header.count;
        return err;
    case RECORD_SET_SMALL:
        err = open_small(&s, record->value);
        *count = s.count;
        return err;
    case RECORD_LOG:
        err = log_header_get(record->value, &log);
        *count = log.count;
        return err;
    case RECORD_NONE:
    case RECORD_STRING:
    case RECORD_INTEGER:
        break;
    }
    return ERR_CORRUPT;
}
