/* file.h - files of one folder. Calls block: on workers and lanes, at start and stop.
 *
 * sys/uv: the real file system. sys/sim: a disk that loses what was not synced at a
 * power cut, tears and reorders it, and fails any call on demand (sys/sim/world.h).
 * Interrupted and short calls are continued inside; what comes out is whole or an
 * error. Errors of every call: ERR_IO, and ERR_NO_SPACE where bytes are added. */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include "base/err.h"
#include "base/slice.h"

#define FILE_NAME_BYTES 64

struct folder;
struct file;

enum file_mode {
    FILE_READ,   /* must exist */
    FILE_WRITE,  /* read and write; must exist */
    FILE_CREATE, /* read and write; must not exist (ERR_ALREADY_EXISTS) */
};

/* Opens the folder at `path`, creating it (mode 0700) with its parents if need be.
 * `out` is owned. Errors: ERR_IO, ERR_NO_SPACE. */
MUST_CHECK enum err folder_open(const char *path, struct folder **out, struct err_why *why);
void folder_close(struct folder **f);

/* As given to folder_open(). */
const char *folder_path(const struct folder *f);

/* One process at a time; released by folder_close() or when the process ends.
 * Errors: ERR_BUSY (names the holder where it can), ERR_IO. */
MUST_CHECK enum err folder_lock(struct folder *f, struct err_why *why);

/* Makes created, renamed and removed names durable. */
MUST_CHECK enum err folder_sync(struct folder *f, struct err_why *why);

/* Calls `each` with every name but "." and "..", in no order. */
typedef void (*folder_each_fn)(void *arg, const char *name);
MUST_CHECK enum err folder_list(struct folder *f, folder_each_fn each, void *arg,
                                struct err_why *why);

/* Replaces `to` if it exists. Errors also: ERR_NOT_FOUND. */
MUST_CHECK enum err folder_rename(struct folder *f, const char *from, const char *to,
                                  struct err_why *why);

/* Errors also: ERR_NOT_FOUND. */
MUST_CHECK enum err folder_remove(struct folder *f, const char *name, struct err_why *why);

/* Bytes that an unprivileged process may still write on this file system. */
MUST_CHECK enum err folder_space(struct folder *f, uint64_t *free_bytes, struct err_why *why);

/* Errors also: ERR_NOT_FOUND, ERR_ALREADY_EXISTS. */
MUST_CHECK enum err file_open(struct folder *f, const char *name, enum file_mode mode,
                              struct file **out, struct err_why *why);

/* Harmless when `*f` is NULL. Loses nothing that was synced. */
void file_close(struct file **f);

MUST_CHECK enum err file_size(struct file *f, uint64_t *size, struct err_why *why);

/* Exactly `size` bytes at `offset`. Fewer: ERR_CORRUPT with the place. Any thread. */
MUST_CHECK enum err file_read(struct file *f, void *data, size_t size, uint64_t offset,
                              struct err_why *why);

MUST_CHECK enum err file_write(struct file *f, const void *data, size_t size, uint64_t offset,
                               struct err_why *why);

/* fdatasync(2). After an error the file must not be used: the kernel may have dropped pages. */
MUST_CHECK enum err file_sync(struct file *f, struct err_why *why);

MUST_CHECK enum err file_truncate(struct file *f, uint64_t size, struct err_why *why);

/* Small files in one call. Reads at most `max` bytes into an owned, zero-terminated copy
 * (`*data`, free with mem_free()); larger: ERR_TOO_LARGE. Errors also: ERR_NOT_FOUND. */
MUST_CHECK enum err folder_load(struct folder *f, const char *name, size_t max, char **data,
                                size_t *size, struct err_why *why);

/* Writes `name` whole or not at all, durably: temporary name, sync, rename, sync. */
MUST_CHECK enum err folder_store(struct folder *f, const char *name, struct slice data,
                                 struct err_why *why);

#endif
