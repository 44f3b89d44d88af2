/* disk_folder.h - a folder of its own for a test of something on disk. */
#ifndef TESTS_UNIT_DISK_FOLDER_H
#define TESTS_UNIT_DISK_FOLDER_H

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define FOLDER_ROOM 256

struct folder {
    char path[FOLDER_ROOM];
};

/* The folder exists and is empty. */
static inline struct folder folder_new(void)
{
    struct folder f;
    const char *where = getenv("TMPDIR");
    (void)snprintf(f.path, sizeof(f.path), "%s/holdfast-test-XXXXXX",
                   where == NULL ? "/tmp" : where);
    EXPECT(mkdtemp(f.path) != NULL);
    return f;
}

static inline int folder_remove_entry(const char *path, const struct stat *status, int type,
                                      struct FTW *level)
{
    (void)status;
    (void)type;
    (void)level;
    return remove(path);
}

static inline void folder_remove(struct folder *f)
{
    EXPECT_EQ(0, nftw(f->path, folder_remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

#endif
