/* Real files. Every sentence names the file as "FOLDER/NAME" and what the kernel said. */
#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"

#define LOCK_NAME "LOCK"

struct folder {
    char *path;
    int fd;
    int lock_fd; /* -1: not locked */
};

struct file {
    int fd;
    char *path; /* "FOLDER/NAME", for sentences */
};

static enum err err_of(int failure)
{
    switch (failure) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_ALREADY_EXISTS;
    default:
        return ERR_IO;
    }
}

static enum err file_failed(struct err_why *why, const char *what, const struct file *f)
{
    const int failure = errno;
    return err_set(why, err_of(failure), "%s %s: %s", what, f->path, strerrordesc_np(failure));
}

static enum err folder_failed(struct err_why *why, const char *what, const struct folder *f,
                              const char *name)
{
    const int failure = errno;
    return err_set(why, err_of(failure), "%s %s/%s: %s", what, f->path, name,
                   strerrordesc_np(failure));
}

/* A folder's name is in the folder around it, and without a sync a power cut takes it away with all
 * that is in it. errno; 0 also where the folder around may not be read. */
static int sync_around(const char *path)
{
    char *around = mem_text(path);
    char *slash = strrchr(around, '/');
    if (slash != NULL) {
        slash[slash == around ? 1 : 0] = '\0';
    }
    const int fd = open(slash == NULL ? "." : around, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failure = fd < 0 && errno != EACCES ? errno : 0;
    if (fd >= 0) {
        failure = fsync(fd) == 0 ? 0 : errno;
        (void)close(fd);
    }
    mem_free(around);
    return failure;
}

/* As mkdir -p -m 0700, durably; errno. Cuts `path` at each slash and mends it. */
static int make_parents(char *path)
{
    for (char *at = path + 1;; at++) {
        const char before = *at;
        if (before != '/' && before != '\0') {
            continue;
        }
        *at = '\0';
        int failure = mkdir(path, 0700) == 0 ? 0 : errno;
        const bool is_new = failure == 0;
        failure = failure == EEXIST ? 0 : failure;
        /* One that was there may have been made by a start that was broken off before the sync. */
        if (failure == 0 && (is_new || before == '\0')) {
            failure = sync_around(path);
        }
        *at = before;
        if (before == '\0' || failure != 0) {
            return failure;
        }
    }
}

enum err folder_open(const char *path, struct folder **out, struct err_why *why)
{
    CHECK(path[0] != '\0');
    char *copy = mem_text(path);
    int failure = make_parents(copy);
    int fd = -1;
    if (failure == 0) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        failure = fd < 0 ? errno : 0;
    }
    if (failure != 0) {
        mem_free(copy);
        const enum err e = err_of(failure) == ERR_NO_SPACE ? ERR_NO_SPACE : ERR_IO;
        return err_set(why, e, "open %s: %s", path, strerrordesc_np(failure));
    }
    struct folder *f = mem_zero(1, sizeof(*f));
    f->path = copy;
    f->fd = fd;
    f->lock_fd = -1;
    *out = f;
    return ERR_OK;
}

void folder_close(struct folder **folder)
{
    struct folder *f = *folder;
    if (f == NULL) {
        return;
    }
    if (f->lock_fd >= 0) {
        (void)close(f->lock_fd);
    }
    (void)close(f->fd);
    mem_free(f->path);
    mem_free(f);
    *folder = NULL;
}

const char *folder_path(const struct folder *f)
{
    return f->path;
}

/* The number that the holder wrote, for the sentence only. */
static enum err locked_by_other(struct folder *f, int fd, struct err_why *why)
{
    char pid[16];
    ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);
    size = size < 0 ? 0 : size;
    while (size > 0 && (pid[size - 1] < '0' || pid[size - 1] > '9')) {
        size--;
    }
    return err_set(why, ERR_BUSY, "%s is in use by process %.*s", f->path,
                   size == 0 ? 1 : (int)size, size == 0 ? "?" : pid);
}

enum err folder_lock(struct folder *f, struct err_why *why)
{
    CHECK(f->lock_fd < 0);
    const int fd = openat(f->fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return folder_failed(why, "open", f, LOCK_NAME);
    }
    /* Of this open file, not of the process: two nodes in one process exclude each other too. */
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
        const enum err e = errno == EAGAIN || errno == EACCES
                               ? locked_by_other(f, fd, why)
                               : folder_failed(why, "lock", f, LOCK_NAME);
        (void)close(fd);
        return e;
    }
    /* The number helps people; a lock without it is as good, so a full disk does not matter. */
    char pid[16];
    const int size = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) == 0) {
        const ssize_t written = pwrite(fd, pid, (size_t)size, 0);
        (void)written;
    }
    f->lock_fd = fd;
    return ERR_OK;
}

enum err folder_sync(struct folder *f, struct err_why *why)
{
    int result;
    do {
        result = fsync(f->fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? ERR_OK : folder_failed(why, "sync", f, "");
}

enum err folder_list(struct folder *f, folder_each_fn each, void *arg, struct err_why *why)
{
    /* A descriptor of its own: closedir() closes it, and it has its own position. */
    const int fd = openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        const enum err e = folder_failed(why, "list", f, "");
        if (fd >= 0) {
            (void)close(fd);
        }
        return e;
    }
    errno = 0;
    const struct dirent *entry = readdir(entries);
    for (; entry != NULL; entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            each(arg, entry->d_name);
        }
        errno = 0;
    }
    const enum err e = errno == 0 ? ERR_OK : folder_failed(why, "list", f, "");
    (void)closedir(entries);
    return e;
}

enum err folder_rename(struct folder *f, const char *from, const char *to, struct err_why *why)
{
    return renameat(f->fd, from, f->fd, to) == 0 ? ERR_OK : folder_failed(why, "rename", f, from);
}

enum err folder_remove(struct folder *f, const char *name, struct err_why *why)
{
    return unlinkat(f->fd, name, 0) == 0 ? ERR_OK : folder_failed(why, "remove", f, name);
}

enum err folder_space(struct folder *f, uint64_t *free_bytes, struct err_why *why)
{
    struct statvfs status;
    int result;
    do {
        result = fstatvfs(f->fd, &status);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return folder_failed(why, "space of", f, "");
    }
    *free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return ERR_OK;
}

enum err file_open(struct folder *f, const char *name, enum file_mode mode, struct file **out,
                   struct err_why *why)
{
    CHECK(strlen(name) < FILE_NAME_BYTES);
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_WRITE] = O_RDWR,
        [FILE_CREATE] = O_RDWR | O_CREAT | O_EXCL,
    };
    int fd;
    do {
        fd = openat(f->fd, name, flags[mode] | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return folder_failed(why, mode == FILE_CREATE ? "create" : "open", f, name);
    }
    struct file *file = mem_zero(1, sizeof(*file));
    const size_t size = strlen(f->path) + strlen(name) + 2;
    file->fd = fd;
    file->path = mem_alloc(size);
    (void)snprintf(file->path, size, "%s/%s", f->path, name);
    *out = file;
    return ERR_OK;
}

void file_close(struct file **file)
{
    struct file *f = *file;
    if (f == NULL) {
        return;
    }
    (void)close(f->fd);
    mem_free(f->path);
    mem_free(f);
    *file = NULL;
}

enum err file_size(struct file *f, uint64_t *size, struct err_why *why)
{
    struct stat status;
    if (fstat(f->fd, &status) != 0) {
        return file_failed(why, "size of", f);
    }
    *size = (uint64_t)status.st_size;
    return ERR_OK;
}

enum err file_read(struct file *f, void *data, size_t size, uint64_t offset, struct err_why *why)
{
    uint8_t *at = data;
    size_t left = size;
    while (left > 0) {
        const ssize_t got = pread(f->fd, at, left, (off_t)(offset + size - left));
        if (got == 0) {
            return err_set(why, ERR_CORRUPT, "read %s: ends at %llu, %zu bytes missing", f->path,
                           (unsigned long long)(offset + size - left), left);
        }
        if (got > 0) {
            at += got;
            left -= (size_t)got;
        } else if (errno != EINTR) {
            return file_failed(why, "read", f);
        }
    }
    return ERR_OK;
}

enum err file_write(struct file *f, const void *data, size_t size, uint64_t offset,
                    struct err_why *why)
{
    const uint8_t *at = data;
    size_t left = size;
    while (left > 0) {
        const ssize_t put = pwrite(f->fd, at, left, (off_t)(offset + size - left));
        if (put > 0) {
            at += put;
            left -= (size_t)put;
        } else if (put == 0 || errno != EINTR) {
            errno = put == 0 ? ENOSPC : errno;
            return file_failed(why, "write", f);
        }
    }
    return ERR_OK;
}

enum err file_sync(struct file *f, struct err_why *why)
{
    int result;
    do {
        result = fdatasync(f->fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? ERR_OK : file_failed(why, "sync", f);
}

enum err file_truncate(struct file *f, uint64_t size, struct err_why *why)
{
    int result;
    do {
        result = ftruncate(f->fd, (off_t)size);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? ERR_OK : file_failed(why, "truncate", f);
}
