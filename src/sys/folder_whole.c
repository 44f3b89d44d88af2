/* The two calls of sys/file.h that are made of the others. Built into both worlds: the
 * simulated one can fail each inner call and cut the power between any two. */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "sys/file.h"

enum err folder_load(struct folder *f, const char *name, size_t max, char **data, size_t *size,
                     struct err_why *why)
{
    struct file *file = NULL;
    uint64_t bytes = 0;
    char *copy = NULL;
    enum err e = file_open(f, name, FILE_READ, &file, why);
    if (e == ERR_OK) {
        e = file_size(file, &bytes, why);
    }
    if (e == ERR_OK && bytes > max) {
        e = err_set(why, ERR_TOO_LARGE, "%s/%s has %llu bytes, more than %zu", folder_path(f), name,
                    (unsigned long long)bytes, max);
    }
    if (e == ERR_OK) {
        copy = mem_alloc((size_t)bytes + 1);
        copy[bytes] = '\0';
        e = file_read(file, copy, (size_t)bytes, 0, why);
    }
    file_close(&file);
    if (e != ERR_OK) {
        mem_free(copy);
        return e;
    }
    *data = copy;
    *size = (size_t)bytes;
    return ERR_OK;
}

/* Writes `data` durably to the new file `name`, whose own name is not yet durable. */
static enum err write_new(struct folder *f, const char *name, struct slice data,
                          struct err_why *why)
{
    struct file *file = NULL;
    enum err e = folder_remove(f, name, why); /* left behind by a crash */
    if (e == ERR_OK || e == ERR_NOT_FOUND) {
        e = file_open(f, name, FILE_CREATE, &file, why);
    }
    if (e == ERR_OK) {
        e = file_write(file, data.data, data.size, 0, why);
    }
    if (e == ERR_OK) {
        e = file_sync(file, why);
    }
    file_close(&file);
    return e;
}

enum err folder_store(struct folder *f, const char *name, struct slice data, struct err_why *why)
{
    char temporary[FILE_NAME_BYTES];
    const int size = snprintf(temporary, sizeof(temporary), "%s.new", name);
    CHECK(size > 0 && (size_t)size < sizeof(temporary));
    enum err e = write_new(f, temporary, data, why);
    if (e == ERR_OK) {
        e = folder_rename(f, temporary, name, why);
    }
    if (e == ERR_OK) {
        return folder_sync(f, why);
    }
    /* Gives the room back; what went wrong is told already. */
    const enum err ignored = folder_remove(f, temporary, NULL);
    (void)ignored;
    return e;
}
