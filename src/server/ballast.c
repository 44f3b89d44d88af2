/* ballast.c - see ballast.h. Whatever goes wrong here, the node does as well without it. */
#include "server/ballast.h"

#include "base/mem.h"

#define ROOM_TIMES 2

static bool has_room(struct folder *f, uint64_t bytes)
{
    struct err_why ignored;
    uint64_t free_bytes = 0;
    return folder_space(f, &free_bytes, &ignored) == ERR_OK && free_bytes >= bytes;
}

static void remove_file(struct folder *f)
{
    struct err_why ignored;
    const enum err e = folder_remove(f, BALLAST_FILE, &ignored);
    (void)e;
}

void ballast_drop(struct folder *f)
{
    if (!has_room(f, BALLAST_BYTES)) {
        remove_file(f);
    }
}

void ballast_take(struct folder *f)
{
    struct err_why ignored;
    struct file *file = NULL;
    if (!has_room(f, ROOM_TIMES * BALLAST_BYTES) ||
        file_open(f, BALLAST_FILE, FILE_CREATE, &file, &ignored) != ERR_OK) {
        return; /* there is one already */
    }
    uint8_t *zeros = mem_zero(1, BALLAST_BYTES);
    const enum err e = file_write(file, zeros, BALLAST_BYTES, 0, &ignored);
    mem_free(zeros);
    file_close(&file);
    if (e != ERR_OK) {
        remove_file(f);
    }
}
