#include "engine/disk/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYOUT_FORMAT   1
#define LAYOUT_NAME     "layout"
#define LAYOUT_TEXT     "holdfast disk store\nformat %u\nshards %u\n"
#define LAYOUT_TEXT_MAX 128
#define PATH_ROOM       (LAYOUT_PATH_MAX + 32)

static enum err failed(struct err_why *why, const char *what, const char *path)
{
    const enum err err = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_IO;
    return err_set(why, err, "%s %s: %s", what, path, strerror(errno));
}

static void path_of(char *out, const char *folder, const char *name)
{
    (void)snprintf(out, PATH_ROOM, "%s/%s", folder, name);
}

static enum err sync_folder(const char *path, struct err_why *why)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return failed(why, "open", path);
    }
    const enum err err = fsync(fd) == 0 ? ERR_OK : failed(why, "sync", path);
    (void)close(fd);
    return err;
}

static enum err write_file(const char *path, const char *text, struct err_why *why)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(why, "create", path);
    }
    const size_t size = strlen(text);
    errno = ENOSPC; /* what a short write means */
    const bool is_written = write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
    const enum err err = is_written ? ERR_OK : failed(why, "write", path);
    (void)close(fd);
    return err;
}

/* The folder's own name, too, must be there after a power cut. */
static enum err sync_around(const char *folder, struct err_why *why)
{
    char around[PATH_ROOM];
    (void)snprintf(around, sizeof(around), "%s/..", folder);
    return sync_folder(around, why);
}

static enum err create(const char *folder, const char *path, unsigned shards, struct err_why *why)
{
    char other[PATH_ROOM];
    path_of(other, folder, "CURRENT");
    if (access(other, F_OK) == 0) {
        return err_set(why, ERR_CORRUPT, "%s holds a database but no file %s", folder, LAYOUT_NAME);
    }
    char text[LAYOUT_TEXT_MAX];
    (void)snprintf(text, sizeof(text), LAYOUT_TEXT, LAYOUT_FORMAT, shards);
    path_of(other, folder, LAYOUT_NAME ".new");
    enum err err = sync_around(folder, why);
    err = err == ERR_OK ? write_file(other, text, why) : err;
    if (err != ERR_OK) {
        return err;
    }
    if (rename(other, path) != 0) {
        return failed(why, "rename", other);
    }
    return sync_folder(folder, why);
}

static enum err compare(const char *path, const char *text, unsigned shards, struct err_why *why)
{
    char again[LAYOUT_TEXT_MAX];
    unsigned format = 0;
    unsigned found = 0;
    if (sscanf(text, LAYOUT_TEXT, &format, &found) != 2) { /* NOLINT(cert-err34-c): see below */
        return err_set(why, ERR_CORRUPT, "%s is not a layout file", path);
    }
    (void)snprintf(again, sizeof(again), LAYOUT_TEXT, format, found);
    if (strcmp(text, again) != 0) {
        return err_set(why, ERR_CORRUPT, "%s is not a layout file", path);
    }
    if (format != LAYOUT_FORMAT) {
        return err_set(why, ERR_INVALID, "%s: format %u is newer than this program, which knows %u",
                       path, format, LAYOUT_FORMAT);
    }
    if (found != shards) {
        return err_set(why, ERR_INVALID, "%s: made for %u shards, not for %u", path, found, shards);
    }
    return ERR_OK;
}

static enum err read_file(int fd, const char *path, unsigned shards, struct err_why *why)
{
    char text[LAYOUT_TEXT_MAX];
    const ssize_t size = read(fd, text, sizeof(text) - 1);
    if (size < 0) {
        return failed(why, "read", path);
    }
    text[size] = '\0';
    return compare(path, text, shards, why);
}

enum err layout_open(const char *path, unsigned shards, struct err_why *why)
{
    if (strlen(path) > LAYOUT_PATH_MAX) {
        return err_set(why, ERR_INVALID, "the path of the disk store is longer than %d bytes",
                       LAYOUT_PATH_MAX);
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return failed(why, "create", path);
    }
    char file[PATH_ROOM];
    path_of(file, path, LAYOUT_NAME);
    const int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? create(path, file, shards, why) : failed(why, "open", file);
    }
    const enum err err = read_file(fd, file, shards, why);
    (void)close(fd);
    return err;
}
