/* segment.c - see segment.h. */
#include "journal/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "journal/group_log.h"
#include "journal/record.h"
#include "sys/random.h"

#define ZERO_BYTES    ((uint64_t)1 << 20) /* of one write */
#define SPARE         "spare"
#define SPARE_DRAFT   "spare.draft"   /* on a worker */
#define SEGMENT_DRAFT "journal.draft" /* by the writer */
#define NAME_DIGITS   20u

const char *segment_name(char *name, uint64_t number)
{
    (void)snprintf(name, FILE_NAME_BYTES, "journal-%020" PRIu64, number);
    return name;
}

struct listing {
    struct segment_names *names;
    size_t max;
    bool is_too_long;
};

/* Files with other names are not ours and stay as they are. */
static bool number_of(const char *name, uint64_t *number)
{
    const size_t prefix = strlen("journal-");
    if (strncmp(name, "journal-", prefix) != 0 || strlen(name) != prefix + NAME_DIGITS ||
        strspn(name + prefix, "0123456789") != NAME_DIGITS) {
        return false;
    }
    *number = strtoull(name + prefix, NULL, 10);
    return true;
}

static void list_one(void *arg, const char *name)
{
    struct listing *l = arg;
    uint64_t number;
    if (strcmp(name, SPARE) == 0) {
        l->names->has_spare = true;
    } else if (number_of(name, &number)) {
        if (l->names->count == l->max) {
            l->is_too_long = true;
            return;
        }
        l->names->numbers[l->names->count++] = number;
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum err segment_list(struct folder *f, size_t max, struct segment_names *out, struct err_why *why)
{
    struct listing l = {out, max, false};
    *out = (struct segment_names){.numbers = mem_zero(max, sizeof(uint64_t))};
    enum err e = folder_list(f, list_one, &l, why);
    if (e == ERR_OK && l.is_too_long) {
        e = err_set(why, ERR_TOO_LARGE, "%s: more than %zu journal segments", folder_path(f), max);
    }
    if (e != ERR_OK) {
        mem_free(out->numbers);
        *out = (struct segment_names){0};
        return e;
    }
    qsort(out->numbers, out->count, sizeof(*out->numbers), compare_numbers);
    return ERR_OK;
}

static enum err remove_if_there(struct folder *f, const char *name, struct err_why *why)
{
    const enum err e = folder_remove(f, name, why);
    return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err segment_remove_drafts(struct folder *f, struct err_why *why)
{
    const enum err e = remove_if_there(f, SPARE_DRAFT, why);
    return e == ERR_OK ? remove_if_there(f, SEGMENT_DRAFT, why) : e;
}

static enum err fill_with_zeros(struct file *file, uint64_t bytes, struct err_why *why)
{
    uint8_t *zeros = mem_zero(1, ZERO_BYTES);
    enum err e = ERR_OK;
    for (uint64_t at = 0; e == ERR_OK && at < bytes; at += ZERO_BYTES) {
        const uint64_t part = bytes - at < ZERO_BYTES ? bytes - at : ZERO_BYTES;
        e = file_write(file, zeros, (size_t)part, at, why);
    }
    mem_free(zeros);
    return e;
}

/* A new file of zeros, not synced. On an error it is gone. */
static enum err make_draft(struct folder *f, const char *draft, uint64_t bytes, struct file **out,
                           struct err_why *why)
{
    struct err_why ignored;
    enum err e = remove_if_there(f, draft, why); /* of an attempt that failed */
    if (e == ERR_OK) {
        e = file_open(f, draft, FILE_CREATE, out, why);
    }
    if (e != ERR_OK) {
        return e;
    }
    e = fill_with_zeros(*out, bytes, why);
    if (e != ERR_OK) {
        file_close(out);
        (void)remove_if_there(f, draft, &ignored);
    }
    return e;
}

static enum err move_file(struct folder *f, const char *from, const char *to, struct err_why *why)
{
    const enum err e = folder_rename(f, from, to, why);
    return e == ERR_OK ? folder_sync(f, why) : e;
}

enum err segment_make_spare(struct folder *f, uint64_t bytes, struct err_why *why)
{
    struct file *file = NULL;
    enum err e = make_draft(f, SPARE_DRAFT, bytes, &file, why);
    if (e != ERR_OK) {
        return e;
    }
    e = file_sync(file, why);
    file_close(&file);
    if (e != ERR_OK) {
        struct err_why ignored;
        (void)remove_if_there(f, SPARE_DRAFT, &ignored);
        return e;
    }
    return move_file(f, SPARE_DRAFT, SPARE, why);
}

static enum err write_header(struct file *file, struct segment *s, struct err_why *why)
{
    uint8_t block[SEGMENT_HEADER_BYTES] = {0};
    struct segment_header header;
    segment_header_make(&header, s->number, s->salt, s->first_commit);
    memcpy(block, &header, sizeof(header));
    const enum err e = file_write(file, block, sizeof(block), 0, why);
    return e == ERR_OK ? file_sync(file, why) : e;
}

/* Gives `file`, which is called `name`, its header and then its number. Takes `file`. */
static enum err put_into_use(struct folder *f, const char *name, struct file *file,
                             const struct segment *model, struct segment **out, struct err_why *why)
{
    char to[FILE_NAME_BYTES];
    struct segment s = *model;
    s.file = file;
    s.salt = random_u64();
    enum err e = file_size(file, &s.file_bytes, why);
    if (e == ERR_OK) {
        e = write_header(file, &s, why);
    }
    if (e != ERR_OK) {
        file_close(&file);
        return e;
    }
    e = move_file(f, name, segment_name(to, s.number), why);
    if (e != ERR_OK) {
        file_close(&file);
        return ERR_IO; /* whatever it was: the name may have moved, so it cannot be tried again */
    }
    *out = mem_alloc(sizeof(**out));
    **out = s;
    return ERR_OK;
}

enum err segment_from_spare(struct folder *f, uint64_t number, uint64_t first_commit,
                            struct segment **out, struct err_why *why)
{
    const struct segment model = {.number = number, .first_commit = first_commit};
    struct file *file = NULL;
    enum err e = file_open(f, SPARE, FILE_WRITE, &file, why);
    if (e == ERR_OK) {
        e = put_into_use(f, SPARE, file, &model, out, why);
    }
    return e == ERR_OK ? ERR_OK : ERR_IO; /* a file whose write or sync failed is done with */
}

enum err segment_make(struct folder *f, uint64_t number, uint64_t first_commit, uint64_t bytes,
                      struct segment **out, struct err_why *why)
{
    const struct segment model = {.number = number, .first_commit = first_commit};
    struct file *file = NULL;
    const enum err e = make_draft(f, SEGMENT_DRAFT, bytes, &file, why);
    return e == ERR_OK ? put_into_use(f, SEGMENT_DRAFT, file, &model, out, why) : e;
}

static enum err read_header(struct segment *s, struct err_why *why)
{
    struct segment_header header;
    char name[FILE_NAME_BYTES];
    enum err e = file_size(s->file, &s->file_bytes, why);
    if (e != ERR_OK) {
        return e;
    }
    (void)segment_name(name, s->number);
    if (s->number > PLACE_SEGMENT_MAX || s->file_bytes < SEGMENT_HEADER_BYTES ||
        s->file_bytes > PLACE_OFFSET_MAX) {
        return err_set(why, ERR_CORRUPT, "%s: %" PRIu64 " bytes cannot be", name, s->file_bytes);
    }
    e = file_read(s->file, &header, sizeof(header), 0, why);
    if (e != ERR_OK) {
        return e;
    }
    switch (segment_header_check(&header, s->number)) {
    case SEGMENT_HEADER_GOOD:
        s->salt = header.salt;
        s->first_commit = header.first_commit;
        return ERR_OK;
    case SEGMENT_HEADER_NEWER:
        return err_set(why, ERR_UNIMPLEMENTED, "%s: version %" PRIu32 " is of a newer holdfast",
                       name, header.version);
    case SEGMENT_HEADER_BAD:
        break;
    }
    return err_set(why, ERR_CORRUPT, "%s offset 0: bad header", name);
}

enum err segment_open(struct folder *f, uint64_t number, enum file_mode mode, struct segment **out,
                      struct err_why *why)
{
    char name[FILE_NAME_BYTES];
    struct segment *s = mem_zero(1, sizeof(*s));
    s->number = number;
    enum err e = file_open(f, segment_name(name, number), mode, &s->file, why);
    if (e == ERR_OK) {
        e = read_header(s, why);
    }
    if (e != ERR_OK) {
        segment_free(&s);
        return e;
    }
    *out = s;
    return ERR_OK;
}

enum err segment_give_back(struct folder *f, uint64_t number, bool as_spare, struct err_why *why)
{
    char name[FILE_NAME_BYTES];
    (void)segment_name(name, number);
    if (as_spare) {
        return move_file(f, name, SPARE, why);
    }
    const enum err e = remove_if_there(f, name, why); /* not there: tried before, not synced */
    return e == ERR_OK ? folder_sync(f, why) : e;
}

void segment_free(struct segment **s)
{
    if (*s != NULL) {
        file_close(&(*s)->file);
        mem_free(*s);
        *s = NULL;
    }
}

enum err segment_spare_bytes(struct folder *f, uint64_t *bytes, struct err_why *why)
{
    struct file *file = NULL;
    enum err e = file_open(f, SPARE, FILE_READ, &file, why);
    if (e == ERR_OK) {
        e = file_size(file, bytes, why);
        file_close(&file);
    }
    return e;
}
