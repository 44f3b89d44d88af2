#include "sys/sim/disk.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/private.h"

/* A write, or (data is NULL) a new size. */
struct change {
    struct list link;
    uint64_t offset; /* or the new size */
    size_t size;
    uint8_t *data; /* owned */
};

/* `inode` is to be found under `to` and nowhere else; "": nowhere at all. */
struct name_change {
    struct list link;
    char to[FILE_NAME_BYTES];
    struct inode *inode; /* counted */
};

/* How much a power cut leaves of what was not synced. The seed draws one for each cut, because
 * drawing for each change alone would hardly ever take all or nothing. */
enum survival {
    SURVIVES_NOTHING,
    SURVIVES_ALL,
    SURVIVES_BEGINNING, /* in order up to some change, as with a journalling file system */
    SURVIVES_ANY,
    SURVIVAL_COUNT
};

struct fate {
    enum survival survival;
    uint64_t left; /* SURVIVES_BEGINNING: changes that are still lucky */
};

/* ---- contents ---- */

static void set_size(struct buf *content, uint64_t size)
{
    if (size > content->size) {
        const size_t more = (size_t)size - content->size;
        memset(buf_reserve(content, more), 0, more);
    }
    content->size = (size_t)size;
}

static void put_bytes(struct buf *content, const uint8_t *data, size_t size, uint64_t offset)
{
    if (content->size < offset + size) {
        set_size(content, offset + size);
    }
    if (size > 0) {
        memcpy(content->data + offset, data, size);
    }
}

static void apply(struct buf *content, const struct change *c)
{
    if (c->data == NULL) {
        set_size(content, c->offset);
    } else {
        put_bytes(content, c->data, c->size, c->offset);
    }
}

static void free_change(struct change *c)
{
    list_remove(&c->link);
    mem_free(c->data);
    mem_free(c);
}

static void free_changes(struct inode *i)
{
    while (!list_empty(&i->changes)) {
        free_change(container_of(i->changes.next, struct change, link));
    }
}

static void hold(struct inode *i)
{
    i->users++;
}

static void release(struct inode *i)
{
    CHECK(i->users > 0);
    if (--i->users == 0) {
        CHECK(i->viewers == 0);
        free_changes(i);
        buf_deinit(&i->now);
        buf_deinit(&i->safe);
        mem_free(i);
    }
}

void inode_open(struct inode *i)
{
    hold(i);
    if (i->viewers++ == 0) {
        i->disk->used_bytes += i->now.size;
    }
}

void inode_close(struct inode *i)
{
    CHECK(i->viewers > 0);
    if (--i->viewers == 0) {
        i->disk->used_bytes -= i->now.size;
    }
    release(i);
}

/* Appends the change and makes it visible. */
static void change(struct inode *i, struct change *c)
{
    CHECK(i->viewers > 0);
    i->disk->used_bytes -= i->now.size;
    apply(&i->now, c);
    i->disk->used_bytes += i->now.size;
    list_push(&i->changes, &c->link);
}

void inode_write(struct inode *i, const void *data, size_t size, uint64_t offset)
{
    struct change *c = mem_zero(1, sizeof(*c));
    c->offset = offset;
    c->size = size;
    c->data = mem_alloc(size);
    memcpy(c->data, data, size);
    change(i, c);
}

void inode_truncate(struct inode *i, uint64_t size)
{
    struct change *c = mem_zero(1, sizeof(*c));
    c->offset = size;
    change(i, c);
}

void inode_sync(struct inode *i)
{
    while (!list_empty(&i->changes)) {
        struct change *c = container_of(i->changes.next, struct change, link);
        apply(&i->safe, c);
        free_change(c);
    }
}

/* ---- what survives ---- */

static struct fate draw_fate(uint64_t changes)
{
    return (struct fate){(enum survival)sim_random_below(SURVIVAL_COUNT),
                         sim_random_below(changes + 1)};
}

static bool is_lucky(struct fate *f)
{
    switch (f->survival) {
    case SURVIVES_NOTHING:
        return false;
    case SURVIVES_ALL:
        return true;
    case SURVIVES_BEGINNING:
        return f->left > 0 && f->left-- > 0;
    case SURVIVES_ANY:
    case SURVIVAL_COUNT:
        break;
    }
    return sim_one_in(2);
}

/* The sectors of one write meet their fates one by one. Rarely only the first bytes of a sector
 * have arrived, and sometimes the file has grown without its bytes. */
static void apply_torn(struct buf *content, const struct change *c, struct fate *fate)
{
    for (size_t done = 0; done < c->size;) {
        const size_t to_border = SECTOR_BYTES - (size_t)((c->offset + done) % SECTOR_BYTES);
        const size_t size = c->size - done < to_border ? c->size - done : to_border;
        if (is_lucky(fate)) {
            const bool is_torn = fate->survival == SURVIVES_ANY && sim_one_in(16);
            put_bytes(content, c->data + done, is_torn ? (size_t)sim_random_below(size) : size,
                      c->offset + done);
        }
        done += size;
    }
    if (content->size < c->offset + c->size && fate->survival == SURVIVES_ANY && sim_one_in(4)) {
        set_size(content, c->offset + c->size);
    }
}

static uint64_t count_sectors(const struct inode *i)
{
    uint64_t count = 0;
    for (struct list *at = i->changes.next; at != &i->changes; at = at->next) {
        const struct change *c = container_of(at, struct change, link);
        count += 1 + (c->size + SECTOR_BYTES - 1) / SECTOR_BYTES;
    }
    return count;
}

void inode_sync_badly(struct inode *i)
{
    struct fate fate = draw_fate(count_sectors(i));
    while (!list_empty(&i->changes)) {
        struct change *c = container_of(i->changes.next, struct change, link);
        if (c->data != NULL) {
            apply_torn(&i->safe, c, &fate);
        } else if (is_lucky(&fate)) {
            apply(&i->safe, c);
        }
        free_change(c);
    }
}

/* After the power cut: what is safe is all there is. A dead handle may still look on. */
static void lose_changes(struct inode *i)
{
    inode_sync_badly(i);
    i->disk->used_bytes -= i->viewers > 0 ? i->now.size : 0;
    buf_clear(&i->now);
    buf_append_slice(&i->now, buf_slice(&i->safe));
    i->disk->used_bytes += i->viewers > 0 ? i->now.size : 0;
}

/* ---- names ---- */

static struct name *find_name(const struct names *names, const char *text)
{
    for (struct list *at = names->list.next; at != &names->list; at = at->next) {
        struct name *n = container_of(at, struct name, link);
        if (strcmp(n->text, text) == 0) {
            return n;
        }
    }
    return NULL;
}

static struct name *find_inode(const struct names *names, const struct inode *inode)
{
    for (struct list *at = names->list.next; at != &names->list; at = at->next) {
        struct name *n = container_of(at, struct name, link);
        if (n->inode == inode) {
            return n;
        }
    }
    return NULL;
}

static void copy_text(char *to, const char *text)
{
    CHECK(strlen(text) < FILE_NAME_BYTES);
    (void)snprintf(to, FILE_NAME_BYTES, "%s", text);
}

static void add_name(struct names *names, const char *text, struct inode *inode)
{
    struct name *n = mem_zero(1, sizeof(*n));
    copy_text(n->text, text);
    n->inode = inode;
    if (names->is_seen) {
        inode_open(inode);
    } else {
        hold(inode);
    }
    list_push(&names->list, &n->link);
}

/* Harmless when `n` is NULL. */
static void remove_name(const struct names *names, struct name *n)
{
    if (n == NULL) {
        return;
    }
    list_remove(&n->link);
    if (names->is_seen) {
        inode_close(n->inode);
    } else {
        release(n->inode);
    }
    mem_free(n);
}

static void apply_name_change(struct names *names, const struct name_change *c)
{
    remove_name(names, find_inode(names, c->inode));
    if (c->to[0] != '\0') {
        remove_name(names, find_name(names, c->to));
        add_name(names, c->to, c->inode);
    }
}

static void free_name_change(struct name_change *c)
{
    list_remove(&c->link);
    release(c->inode);
    mem_free(c);
}

static void change_name(struct disk_folder *f, struct inode *inode, const char *to)
{
    struct name_change *c = mem_zero(1, sizeof(*c));
    copy_text(c->to, to);
    c->inode = inode;
    hold(inode);
    apply_name_change(&f->now, c);
    list_push(&f->changes, &c->link);
}

struct inode *disk_find(const struct disk_folder *f, const char *name)
{
    const struct name *n = find_name(&f->now, name);
    return n == NULL ? NULL : n->inode;
}

struct inode *disk_create(struct disk_folder *f, const char *name)
{
    struct inode *i = mem_zero(1, sizeof(*i));
    i->disk = f->disk;
    list_init(&i->changes);
    change_name(f, i, name);
    return i;
}

void disk_rename(struct disk_folder *f, const char *from, const char *to)
{
    change_name(f, disk_find(f, from), to);
}

void disk_remove(struct disk_folder *f, const char *name)
{
    change_name(f, disk_find(f, name), "");
}

void disk_sync_names(struct disk_folder *f)
{
    while (!list_empty(&f->changes)) {
        struct name_change *c = container_of(f->changes.next, struct name_change, link);
        apply_name_change(&f->safe, c);
        free_name_change(c);
    }
}

static void free_names(struct names *names)
{
    while (!list_empty(&names->list)) {
        remove_name(names, container_of(names->list.next, struct name, link));
    }
}

static void lose_name_changes(struct disk_folder *f)
{
    uint64_t count = 0;
    for (struct list *at = f->changes.next; at != &f->changes; at = at->next) {
        count++;
    }
    struct fate fate = draw_fate(count);
    while (!list_empty(&f->changes)) {
        struct name_change *c = container_of(f->changes.next, struct name_change, link);
        if (is_lucky(&fate)) {
            apply_name_change(&f->safe, c);
        }
        free_name_change(c);
    }
    free_names(&f->now);
    for (struct list *at = f->safe.list.next; at != &f->safe.list; at = at->next) {
        const struct name *n = container_of(at, struct name, link);
        lose_changes(n->inode);
        add_name(&f->now, n->text, n->inode);
    }
}

/* ---- the disk ---- */

struct disk_folder *disk_folder(struct sim_disk *d, const char *path)
{
    for (struct list *at = d->folders.next; at != &d->folders; at = at->next) {
        struct disk_folder *f = container_of(at, struct disk_folder, link);
        if (strcmp(f->path, path) == 0) {
            return f;
        }
    }
    struct disk_folder *f = mem_zero(1, sizeof(*f));
    f->path = mem_text(path);
    f->disk = d;
    list_init(&f->now.list);
    f->now.is_seen = true;
    list_init(&f->safe.list);
    list_init(&f->changes);
    list_push(&d->folders, &f->link);
    return f;
}

uint64_t disk_room(const struct sim_disk *d)
{
    if (d->room_bytes == 0) {
        return UINT64_C(1) << 50;
    }
    return d->used_bytes < d->room_bytes ? d->room_bytes - d->used_bytes : 0;
}

struct sim_disk *sim_disk_new(uint64_t bytes)
{
    struct sim_disk *d = mem_zero(1, sizeof(*d));
    d->room_bytes = bytes;
    d->fail_call = UINT64_MAX;
    d->cut_call = UINT64_MAX;
    list_init(&d->folders);
    list_init(&d->handles);
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    CHECK(list_empty(&d->handles));
    while (!list_empty(&d->folders)) {
        struct disk_folder *f = container_of(d->folders.next, struct disk_folder, link);
        free_names(&f->now);
        free_names(&f->safe);
        while (!list_empty(&f->changes)) {
            free_name_change(container_of(f->changes.next, struct name_change, link));
        }
        list_remove(&f->link);
        mem_free(f->path);
        mem_free(f);
    }
    CHECK(d->used_bytes == 0);
    mem_free(d);
}

/* Another process begins: locks and handles of the old one are dead. */
static void restart(struct sim_disk *d)
{
    for (struct list *at = d->folders.next; at != &d->folders; at = at->next) {
        container_of(at, struct disk_folder, link)->holder = NULL;
    }
    d->generation++;
    d->is_cut = false;
    d->cut_call = UINT64_MAX;
    d->fail_call = UINT64_MAX;
}

void sim_power_on(void)
{
    struct sim_disk *d = sim_world()->disk;
    for (struct list *at = d->folders.next; at != &d->folders; at = at->next) {
        lose_name_changes(container_of(at, struct disk_folder, link));
    }
    restart(d);
}

void sim_power_on_intact(void)
{
    restart(sim_world()->disk);
}

void sim_disk_bytes(uint64_t bytes)
{
    sim_world()->disk->room_bytes = bytes;
}

void sim_flip_bit(const char *folder, const char *name, uint64_t offset, unsigned bit)
{
    struct inode *i = disk_find(disk_folder(sim_world()->disk, folder), name);
    CHECK(i != NULL && offset < i->now.size && bit < 8);
    i->now.data[offset] ^= (uint8_t)(1u << bit);
    if (offset < i->safe.size) {
        i->safe.data[offset] ^= (uint8_t)(1u << bit);
    }
}
