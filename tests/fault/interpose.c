/* interpose.c - preloaded into a node (LD_PRELOAD): writes down what happens to the files of a
 * folder, so that a test can take back what a power cut would have taken, and makes calls fail.
 *
 *   INTERPOSE_FOLDER  files below it are watched; without it nothing is
 *   INTERPOSE_LOG     where events are appended, each before it happens (power.py reads them)
 *   INTERPOSE_GRAVES  a folder on the same file system: removed files live on there
 *   INTERPOSE_CUT     the process kills itself instead of making this call, counted from 1
 *   INTERPOSE_FAIL    this call fails; INTERPOSE_ERROR says how: its errno, or 0 for a short write
 *
 * Calls are made as system calls, so nothing here comes back to itself. Unlike anything in src/
 * this has state of the process: it is one with the C library. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096

enum event_kind {
    EVENT_WRITE = 1, /* data: what is written, unless all zeros; then what it replaces */
    EVENT_RESIZE,    /* offset: the new size; data: what is cut off */
    EVENT_SYNC,      /* offset: the last event it is sure to cover */
    EVENT_CREATE,    /* data: the path */
    EVENT_FOLDER,    /* the same, a folder */
    EVENT_REMOVE,    /* data: the path */
    EVENT_RENAME,    /* data: both paths */
    EVENT_SYNC_NAMES /* of the folder in data; offset as EVENT_SYNC */
};

#define EVENT_MAGIC 0x65767400u

struct event {
    uint32_t magic;
    uint32_t kind;
    uint64_t number; /* from 1; the place in the order */
    uint64_t inode;  /* of a file that is removed or replaced: found in the graves by it */
    uint64_t offset;
    uint64_t file_bytes;              /* before */
    uint64_t bytes;                   /* of a write */
    uint64_t first_size, second_size; /* of the data behind this */
};

static struct {
    pthread_mutex_t lock;
    pthread_once_t once;
    const char *folder;
    const char *graves;
    int log;
    uint64_t number; /* of the last event */
    uint64_t calls;
    uint64_t cut, fail;
    int failure; /* 0: a short write */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT, .log = -1};

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static void begin(void)
{
    const char *log = getenv("INTERPOSE_LOG");
    watch.graves = getenv("INTERPOSE_GRAVES");
    watch.cut = number_of("INTERPOSE_CUT");
    watch.fail = number_of("INTERPOSE_FAIL");
    watch.failure = (int)number_of("INTERPOSE_ERROR");
    if (log != NULL) {
        watch.log = (int)syscall(SYS_openat, AT_FDCWD, log,
                                 O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (watch.log >= 0 && watch.graves != NULL) {
        watch.folder = getenv("INTERPOSE_FOLDER");
    }
}

static bool is_below(const char *path)
{
    const size_t size = watch.folder == NULL ? 0 : strlen(watch.folder);
    return size > 0 && strncmp(path, watch.folder, size) == 0 &&
           (path[size] == '/' || path[size] == '\0');
}

/* The path of an open file; false: it is not watched. */
static bool path_of(int fd, char path[static PATH_BYTES])
{
    char name[64];
    (void)pthread_once(&watch.once, begin);
    if (watch.folder == NULL) {
        return false;
    }
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    const ssize_t size = readlink(name, path, PATH_BYTES - 1);
    if (size <= 0) {
        return false;
    }
    path[size] = '\0';
    return is_below(path);
}

static bool path_at(int folder, const char *name, char path[static PATH_BYTES])
{
    (void)pthread_once(&watch.once, begin);
    if (watch.folder == NULL) {
        return false;
    }
    if (name[0] == '/' || folder == AT_FDCWD) {
        (void)snprintf(path, PATH_BYTES, "%s", name);
        return is_below(path);
    }
    char parent[PATH_BYTES];
    if (!path_of(folder, parent)) {
        return false;
    }
    return snprintf(path, PATH_BYTES, "%s/%s", parent, name) < PATH_BYTES;
}

static void die(const char *why)
{
    (void)syscall(SYS_write, STDERR_FILENO, why, strlen(why));
    (void)syscall(SYS_kill, getpid(), SIGKILL);
}

/* With the lock. */
static void put(const void *data, size_t size)
{
    while (size > 0) {
        const ssize_t written = syscall(SYS_write, watch.log, data, size);
        if (written <= 0) {
            die("interpose: the log cannot be written\n");
        }
        data = (const char *)data + written;
        size -= (size_t)written;
    }
}

static void note(struct event *e, const void *first, const void *second)
{
    e->magic = EVENT_MAGIC;
    e->number = ++watch.number;
    put(e, sizeof(*e));
    put(first, e->first_size);
    put(second, e->second_size);
}

/* With the lock, before a call that is watched. Returns whether it is to fail. */
static bool count_call(void)
{
    watch.calls++;
    if (watch.calls == watch.cut) {
        die("");
    }
    if (watch.calls == watch.fail) {
        errno = watch.failure != 0 ? watch.failure : EINTR;
        return true;
    }
    return false;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* What lies in the file from `offset` on, at most `size` bytes; owned. */
static uint8_t *read_old(int fd, uint64_t offset, uint64_t size, uint64_t file_bytes, uint64_t *got)
{
    *got = offset >= file_bytes ? 0 : file_bytes - offset < size ? file_bytes - offset : size;
    if (*got == 0) {
        return NULL;
    }
    char name[64];
    uint8_t *old = malloc(*got);
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd); /* `fd` may be for writing only */
    const int reader = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC, 0);
    if (old == NULL || reader < 0 ||
        syscall(SYS_pread64, reader, old, *got, offset) != (ssize_t)*got) {
        die("interpose: a file cannot be read\n");
    }
    (void)syscall(SYS_close, reader);
    return old;
}

/* ---- Bytes ---- */

static void note_write(int fd, const void *data, size_t size, uint64_t offset)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        die("interpose: fstat\n");
    }
    struct event e = {.kind = EVENT_WRITE,
                      .inode = facts.st_ino,
                      .offset = offset,
                      .file_bytes = (uint64_t)facts.st_size,
                      .bytes = size,
                      .first_size = is_zero(data, size) ? 0 : size};
    uint8_t *old = read_old(fd, offset, size, e.file_bytes, &e.second_size);
    note(&e, data, old);
    free(old);
}

static ssize_t watched_write(int fd, const void *data, size_t size, uint64_t offset)
{
    (void)pthread_mutex_lock(&watch.lock);
    ssize_t result = -1;
    const bool fails = count_call();
    const size_t part = fails ? size / 2 : size;
    if (!fails || (watch.failure == 0 && part > 0)) {
        note_write(fd, data, part, offset);
        result = syscall(SYS_pwrite64, fd, data, part, offset);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset);
ssize_t write(int fd, const void *data, size_t size);

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    char path[PATH_BYTES];
    return path_of(fd, path) ? watched_write(fd, data, size, (uint64_t)offset)
                             : syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
    char path[PATH_BYTES];
    if (!path_of(fd, path)) {
        return syscall(SYS_write, fd, data, size);
    }
    const off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    const ssize_t written = watched_write(fd, data, size, (uint64_t)at);
    if (written > 0) {
        (void)syscall(SYS_lseek, fd, at + written, SEEK_SET);
    }
    return written;
}

/* Nobody writes files so; if that changes it must not go unnoticed. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    char path[PATH_BYTES];
    if (path_of(fd, path)) {
        die("interpose: writev is not watched\n");
    }
    return syscall(SYS_writev, fd, pieces, count);
}

static void note_resize(int fd, uint64_t size)
{
    struct stat facts;
    if (fstat(fd, &facts) != 0) {
        die("interpose: fstat\n");
    }
    struct event e = {.kind = EVENT_RESIZE,
                      .inode = facts.st_ino,
                      .offset = size,
                      .file_bytes = (uint64_t)facts.st_size};
    uint8_t *old = read_old(fd, size, UINT64_MAX, e.file_bytes, &e.second_size);
    note(&e, NULL, old);
    free(old);
}

int ftruncate64(int fd, off64_t size)
{
    char path[PATH_BYTES];
    if (!path_of(fd, path)) {
        return (int)syscall(SYS_ftruncate, fd, size);
    }
    (void)pthread_mutex_lock(&watch.lock);
    int result = -1;
    if (!count_call()) {
        note_resize(fd, (uint64_t)size);
        result = (int)syscall(SYS_ftruncate, fd, size);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t size)
{
    char path[PATH_BYTES];
    if (!path_of(fd, path)) {
        return (int)syscall(SYS_fallocate, fd, mode, offset, size);
    }
    (void)pthread_mutex_lock(&watch.lock);
    int result = -1;
    if (!count_call()) {
        struct stat facts;
        const bool grows = (mode & FALLOC_FL_KEEP_SIZE) == 0 && fstat(fd, &facts) == 0 &&
                           offset + size > facts.st_size;
        if (grows) {
            note_resize(fd, (uint64_t)(offset + size));
        }
        result = (int)syscall(SYS_fallocate, fd, mode, offset, size);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fallocate64(fd, mode, offset, size);
}

/* A sync covers what was done before it began, and is noted when it has succeeded. */
static int watched_sync(int fd, long call)
{
    char path[PATH_BYTES];
    struct stat facts;
    if (!path_of(fd, path)) {
        return (int)syscall(call, fd);
    }
    (void)pthread_mutex_lock(&watch.lock);
    const bool fails = count_call();
    const uint64_t covered = watch.number;
    (void)pthread_mutex_unlock(&watch.lock);
    if (fails) {
        return -1;
    }
    if (fstat(fd, &facts) != 0 || syscall(call, fd) != 0) {
        return -1;
    }
    const bool is_folder = S_ISDIR(facts.st_mode);
    struct event e = {.kind = is_folder ? EVENT_SYNC_NAMES : EVENT_SYNC,
                      .inode = facts.st_ino,
                      .offset = covered,
                      .first_size = is_folder ? strlen(path) : 0};
    (void)pthread_mutex_lock(&watch.lock);
    note(&e, path, NULL);
    (void)pthread_mutex_unlock(&watch.lock);
    return 0;
}

int fdatasync(int fd)
{
    return watched_sync(fd, SYS_fdatasync);
}

int fsync(int fd)
{
    return watched_sync(fd, SYS_fsync);
}

/* ---- Names ---- */

static bool look_up(const char *path, struct stat *facts)
{
    return syscall(SYS_newfstatat, AT_FDCWD, path, facts, AT_SYMLINK_NOFOLLOW) == 0;
}

static void note_names(enum event_kind kind, uint64_t inode, const char *one, const char *two)
{
    struct event e = {.kind = kind,
                      .inode = inode,
                      .first_size = strlen(one),
                      .second_size = two == NULL ? 0 : strlen(two)};
    note(&e, one, two);
}

/* Keeps what is about to lose its name; returns its inode, 0 if there is none. */
static uint64_t bury(const char *path)
{
    struct stat facts;
    char grave[PATH_BYTES];
    if (!look_up(path, &facts)) {
        return 0;
    }
    (void)snprintf(grave, sizeof(grave), "%s/%llu", watch.graves, (unsigned long long)facts.st_ino);
    (void)syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, grave, 0);
    return facts.st_ino;
}

static int watched_open(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_BYTES];
    struct stat facts;
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !path_at(folder, name, path)) {
        return (int)syscall(SYS_openat, folder, name, flags, mode);
    }
    (void)pthread_mutex_lock(&watch.lock);
    int fd = -1;
    if (!count_call()) {
        const bool is_new = !look_up(path, &facts);
        if (is_new) {
            note_names(EVENT_CREATE, 0, path, NULL);
        }
        fd = (int)syscall(SYS_openat, folder, name, flags & ~O_TRUNC, mode);
        if (fd >= 0 && !is_new && (flags & O_TRUNC) != 0) {
            note_resize(fd, 0);
            (void)syscall(SYS_ftruncate, fd, 0);
        }
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
}

int openat64(int folder, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watched_open(folder, name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watched_open(folder, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watched_open(AT_FDCWD, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watched_open(AT_FDCWD, name, flags, mode);
}

int mkdir(const char *name, mode_t mode)
{
    char path[PATH_BYTES];
    struct stat facts;
    if (!path_at(AT_FDCWD, name, path) || look_up(path, &facts)) {
        return (int)syscall(SYS_mkdir, name, mode);
    }
    (void)pthread_mutex_lock(&watch.lock);
    int result = -1;
    if (!count_call()) {
        note_names(EVENT_FOLDER, 0, path, NULL);
        result = (int)syscall(SYS_mkdir, name, mode);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

int unlinkat(int folder, const char *name, int flags)
{
    char path[PATH_BYTES];
    struct stat facts;
    if (!path_at(folder, name, path) || !look_up(path, &facts)) {
        return (int)syscall(SYS_unlinkat, folder, name, flags);
    }
    if ((flags & AT_REMOVEDIR) != 0) {
        die("interpose: removing a folder is not watched\n");
    }
    (void)pthread_mutex_lock(&watch.lock);
    int result = -1;
    if (!count_call()) {
        note_names(EVENT_REMOVE, bury(path), path, NULL);
        result = (int)syscall(SYS_unlinkat, folder, name, flags);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char old_path[PATH_BYTES];
    char new_path[PATH_BYTES];
    if (!path_at(from_folder, from, old_path) || !path_at(to_folder, to, new_path)) {
        return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    }
    (void)pthread_mutex_lock(&watch.lock);
    int result = -1;
    if (!count_call()) {
        note_names(EVENT_RENAME, bury(new_path), old_path, new_path);
        result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
    }
    (void)pthread_mutex_unlock(&watch.lock);
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
