/* sys_uv_world.h - what tests of the real world begin with. */
#ifndef TESTS_UNIT_SYS_UV_WORLD_H
#define TESTS_UNIT_SYS_UV_WORLD_H

#include <unistd.h>

#include "harness.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/random.h"

static inline struct loop *open_loop(void)
{
    struct loop *l = NULL;
    struct err_why why;
    EXPECT_EQ(ERR_OK, loop_open(&l, &why));
    return l;
}

static inline void stop_loop(void *arg)
{
    loop_stop(arg);
}

/* A folder of its own for each run, in the temporary folder. */
static inline void temporary(char *path, size_t size, const char *name)
{
    (void)snprintf(path, size, "/tmp/holdfast-test-%016" PRIx64, random_u64());
    struct err_why why;
    struct folder *f = NULL;
    EXPECT_EQ(ERR_OK, folder_open(path, &f, &why));
    folder_close(&f);
    const size_t used = strlen(path);
    (void)snprintf(path + used, size - used, "%s", name);
}

static inline void remove_temporary(char *path)
{
    *strrchr(path, '/') = '\0';
    EXPECT_EQ(0, rmdir(path));
}

#endif
