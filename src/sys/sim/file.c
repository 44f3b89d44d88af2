/* sys/file.h over the simulated disk: counts the calls, and fails the one that it was told to. */
#include "sys/file.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/sim/disk.h"
#include "sys/sim/private.h"

#define LOCK_NAME "LOCK"

/* What a dead process still holds is given back by sim_kill(). */
struct handle {
    struct list link; /* of the disk */
    struct sim_disk *disk;
    uint64_t generation;
    bool is_file;
};

struct folder {
    struct handle handle;
    struct disk_folder *disk_folder;
};

struct file {
    struct handle handle;
    struct inode *inode; /* counted */
    bool is_read_only;
    char *path; /* "FOLDER/NAME", for sentences */
};

static void open_handle(struct handle *h, struct sim_disk *d, bool is_file)
{
    h->disk = d;
    h->generation = d->generation;
    h->is_file = is_file;
    list_push(&d->handles, &h->link);
}

/* Counts a call and says what becomes of it: ERR_OK, or the failure it was given. */
static enum err begin_call(struct sim_disk *d, const char *what, const char *path, const char *name,
                           struct err_why *why)
{
    const uint64_t call = ++d->calls;
    sim_note(call);
    if (call >= d->cut_call) {
        d->is_cut = true;
    }
    if (d->is_cut) {
        return err_set(why, ERR_IO, "%s %s/%s: the power is off", what, path, name);
    }
    if (call == d->fail_call || (call > d->fail_call && d->fail_is_lasting)) {
        return err_set(why, d->fail_with, "%s %s/%s: failed on demand", what, path, name);
    }
    return ERR_OK;
}

static enum err begin_folder_call(struct folder *f, const char *what, const char *name,
                                  struct err_why *why)
{
    struct sim_disk *d = f->handle.disk;
    if (f->handle.generation != d->generation) {
        return err_set(why, ERR_IO, "%s %s/%s: of a dead process", what, f->disk_folder->path,
                       name);
    }
    return begin_call(d, what, f->disk_folder->path, name, why);
}

static enum err begin_file_call(struct file *f, const char *what, struct err_why *why)
{
    struct sim_disk *d = f->handle.disk;
    if (f->handle.generation != d->generation) {
        return err_set(why, ERR_IO, "%s %s: of a dead process", what, f->path);
    }
    return begin_call(d, what, f->path, "", why);
}

static enum err no_such_name(const struct folder *f, const char *what, const char *name,
                             struct err_why *why)
{
    return err_set(why, ERR_NOT_FOUND, "%s %s/%s: No such file or directory", what,
                   f->disk_folder->path, name);
}

enum err folder_open(const char *path, struct folder **out, struct err_why *why)
{
    CHECK(path[0] != '\0');
    struct sim_disk *d = sim_world()->disk;
    const enum err e = begin_call(d, "open", path, "", why);
    if (e != ERR_OK) {
        return e;
    }
    struct folder *f = mem_zero(1, sizeof(*f));
    open_handle(&f->handle, d, false);
    f->disk_folder = disk_folder(d, path);
    *out = f;
    return ERR_OK;
}

void folder_close(struct folder **folder)
{
    struct folder *f = *folder;
    if (f == NULL) {
        return;
    }
    if (f->disk_folder->holder == f) {
        f->disk_folder->holder = NULL;
    }
    list_remove(&f->handle.link);
    mem_free(f);
    *folder = NULL;
}

const char *folder_path(const struct folder *f)
{
    return f->disk_folder->path;
}

enum err folder_lock(struct folder *f, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "lock", LOCK_NAME, why);
    if (e != ERR_OK) {
        return e;
    }
    CHECK(f->disk_folder->holder != f);
    if (f->disk_folder->holder != NULL) {
        return err_set(why, ERR_BUSY, "%s is in use by another node", f->disk_folder->path);
    }
    if (disk_find(f->disk_folder, LOCK_NAME) == NULL) {
        (void)disk_create(f->disk_folder, LOCK_NAME);
    }
    f->disk_folder->holder = f;
    return ERR_OK;
}

enum err folder_sync(struct folder *f, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "sync", "", why);
    if (e == ERR_OK) {
        disk_sync_names(f->disk_folder);
    }
    return e;
}

/* The names are copied first, as `each` may remove them, and begin anywhere. */
enum err folder_list(struct folder *f, folder_each_fn each, void *arg, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "list", "", why);
    if (e != ERR_OK) {
        return e;
    }
    const struct list *names = &f->disk_folder->now.list;
    struct buf copies = {0};
    size_t count = 0;
    for (struct list *at = names->next; at != names; at = at->next) {
        buf_append(&copies, container_of(at, struct name, link)->text, FILE_NAME_BYTES);
        count++;
    }
    const size_t first = count == 0 ? 0 : (size_t)sim_random_below(count);
    for (size_t i = 0; i < count; i++) {
        each(arg, (const char *)copies.data + (first + i) % count * FILE_NAME_BYTES);
    }
    buf_deinit(&copies);
    return ERR_OK;
}

enum err folder_rename(struct folder *f, const char *from, const char *to, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "rename", from, why);
    if (e != ERR_OK) {
        return e;
    }
    if (disk_find(f->disk_folder, from) == NULL) {
        return no_such_name(f, "rename", from, why);
    }
    disk_rename(f->disk_folder, from, to);
    return ERR_OK;
}

enum err folder_remove(struct folder *f, const char *name, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "remove", name, why);
    if (e != ERR_OK) {
        return e;
    }
    if (disk_find(f->disk_folder, name) == NULL) {
        return no_such_name(f, "remove", name, why);
    }
    disk_remove(f->disk_folder, name);
    return ERR_OK;
}

enum err folder_space(struct folder *f, uint64_t *free_bytes, struct err_why *why)
{
    const enum err e = begin_folder_call(f, "space of", "", why);
    if (e == ERR_OK) {
        *free_bytes = disk_room(f->handle.disk);
    }
    return e;
}

enum err file_open(struct folder *f, const char *name, enum file_mode mode, struct file **out,
                   struct err_why *why)
{
    CHECK(name[0] != '\0' && strlen(name) < FILE_NAME_BYTES);
    const char *what = mode == FILE_CREATE ? "create" : "open";
    const enum err e = begin_folder_call(f, what, name, why);
    if (e != ERR_OK) {
        return e;
    }
    struct inode *inode = disk_find(f->disk_folder, name);
    if (inode == NULL && mode != FILE_CREATE) {
        return no_such_name(f, what, name, why);
    }
    if (inode != NULL && mode == FILE_CREATE) {
        return err_set(why, ERR_ALREADY_EXISTS, "create %s/%s: File exists", folder_path(f), name);
    }
    struct file *file = mem_zero(1, sizeof(*file));
    struct buf path = {0};
    buf_printf(&path, "%s/%s", folder_path(f), name);
    buf_append_byte(&path, '\0');
    file->path = (char *)path.data;
    file->inode = inode == NULL ? disk_create(f->disk_folder, name) : inode;
    file->is_read_only = mode == FILE_READ;
    inode_open(file->inode);
    open_handle(&file->handle, f->handle.disk, true);
    *out = file;
    return ERR_OK;
}

void file_close(struct file **file)
{
    struct file *f = *file;
    if (f == NULL) {
        return;
    }
    list_remove(&f->handle.link);
    inode_close(f->inode);
    mem_free(f->path);
    mem_free(f);
    *file = NULL;
}

enum err file_size(struct file *f, uint64_t *size, struct err_why *why)
{
    const enum err e = begin_file_call(f, "size of", why);
    if (e == ERR_OK) {
        *size = f->inode->now.size;
    }
    return e;
}

enum err file_read(struct file *f, void *data, size_t size, uint64_t offset, struct err_why *why)
{
    const enum err e = begin_file_call(f, "read", why);
    if (e != ERR_OK) {
        return e;
    }
    const uint64_t end = f->inode->now.size;
    if (size > 0 && (offset > end || size > end - offset)) {
        return err_set(why, ERR_CORRUPT, "read %s: ends at %" PRIu64 ", %zu bytes at %" PRIu64,
                       f->path, end, size, offset);
    }
    if (size > 0) {
        memcpy(data, f->inode->now.data + offset, size);
    }
    return ERR_OK;
}

static enum err refuse_change(const struct file *f, const char *what, struct err_why *why)
{
    return err_set(why, ERR_IO, "%s %s: Bad file descriptor", what, f->path);
}

/* How many of `size` bytes at `offset` there is room for. */
static size_t fitting(const struct file *f, size_t size, uint64_t offset)
{
    const uint64_t reach = f->inode->now.size + disk_room(f->handle.disk);
    if (offset >= reach) {
        return 0;
    }
    return size < reach - offset ? size : (size_t)(reach - offset);
}

enum err file_write(struct file *f, const void *data, size_t size, uint64_t offset,
                    struct err_why *why)
{
    CHECK(size <= UINT64_MAX / 4 && offset <= UINT64_MAX / 4);
    const bool was_cut = f->handle.disk->is_cut;
    enum err e = begin_file_call(f, "write", why);
    if (f->is_read_only) {
        return refuse_change(f, "write", why);
    }
    size_t done = size;
    if (e != ERR_OK) {
        /* A call that fails on demand, or in which the power goes, may have done a part. */
        const bool is_dead = was_cut || f->handle.generation != f->handle.disk->generation;
        done = is_dead || size == 0 ? 0 : (size_t)sim_random_below(size);
    }
    const size_t fits = fitting(f, done, offset);
    if (fits < done) {
        done = fits;
        e = e != ERR_OK ? e
                        : err_set(why, ERR_NO_SPACE, "write %s: No space left on device", f->path);
    }
    if (done > 0) {
        inode_write(f->inode, data, done, offset);
    }
    return e;
}

enum err file_sync(struct file *f, struct err_why *why)
{
    const enum err e = begin_file_call(f, "sync", why);
    if (e == ERR_OK) {
        inode_sync(f->inode);
    } else if (!f->handle.disk->is_cut && f->handle.generation == f->handle.disk->generation) {
        inode_sync_badly(f->inode);
    }
    return e;
}

enum err file_truncate(struct file *f, uint64_t size, struct err_why *why)
{
    CHECK(size <= UINT64_MAX / 4);
    const enum err e = begin_file_call(f, "truncate", why);
    if (e != ERR_OK) {
        return e;
    }
    if (f->is_read_only) {
        return refuse_change(f, "truncate", why);
    }
    if (size > f->inode->now.size && size - f->inode->now.size > disk_room(f->handle.disk)) {
        return err_set(why, ERR_NO_SPACE, "truncate %s: No space left on device", f->path);
    }
    inode_truncate(f->inode, size);
    return ERR_OK;
}

void sim_kill_files(struct sim_disk *d)
{
    while (!list_empty(&d->handles)) {
        struct handle *h = container_of(d->handles.next, struct handle, link);
        if (h->is_file) {
            struct file *file = container_of(h, struct file, handle);
            file_close(&file);
        } else {
            struct folder *folder = container_of(h, struct folder, handle);
            folder_close(&folder);
        }
    }
}

uint64_t sim_file_calls(void)
{
    return sim_world()->disk->calls;
}

void sim_file_fail(uint64_t call, enum err e, bool is_lasting)
{
    struct sim_disk *d = sim_world()->disk;
    CHECK(call == UINT64_MAX || e != ERR_OK);
    d->fail_call = call;
    d->fail_with = e;
    d->fail_is_lasting = is_lasting;
}

void sim_power_cut(uint64_t call)
{
    struct sim_disk *d = sim_world()->disk;
    if (call == 0) {
        d->is_cut = true;
    } else {
        d->cut_call = call;
    }
}

bool sim_power_is_cut(void)
{
    return sim_world()->disk->is_cut;
}
