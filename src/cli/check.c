#include "cli/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "journal/journal.h"
#include "sys/file.h"

static void report(void *arg, const struct journal_finding *f)
{
    (void)arg;
    switch (f->kind) {
    case JOURNAL_FINDING_SEGMENT:
        (void)printf("segment %s: %" PRIu64 " of %" PRIu64 " bytes used, commits %" PRIu64
                     " to %" PRIu64 "\n",
                     f->file, f->offset, f->file_bytes, f->first_commit, f->last_commit);
        return;
    case JOURNAL_FINDING_TORN:
        (void)printf("torn tail: %s at %" PRIu64
                     " (a commit that was being written; it is cut at the next start)\n",
                     f->file, f->offset);
        return;
    case JOURNAL_FINDING_DAMAGE:
        (void)printf("DAMAGE: %s at %" PRIu64 ": %s\n", f->file, f->offset, f->text);
        return;
    case JOURNAL_FINDING_GROUP:
        (void)printf("group %" PRIu32 ": entries %" PRIu64 " to %" PRIu64 ", term %" PRIu64
                     ", committed %" PRIu64 "\n",
                     f->group, f->first, f->last, f->state.term, f->state.commit);
        return;
    }
}

static enum err check_folder(const char *path, struct err_why *why)
{
    struct folder *folder = NULL;
    struct folder *journal = NULL;
    char name[4096];
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode)) {
        return err_set(why, ERR_NOT_FOUND, "%.200s is not a folder", path);
    }
    (void)snprintf(name, sizeof(name), "%s/journal", path);
    if (stat(name, &facts) != 0) {
        return err_set(why, ERR_NOT_FOUND, "%.200s holds no journal", path);
    }
    enum err e = folder_open(path, &folder, why);
    e = e == ERR_OK ? folder_lock(folder, why) : e;
    e = e == ERR_OK ? folder_open(name, &journal, why) : e;
    if (e == ERR_OK) {
        e = journal_check(journal, report, NULL, why);
    }
    folder_close(&journal);
    folder_close(&folder);
    return e;
}

int check_command(int count, char *const *arguments)
{
    struct err_why why = {0};
    if (count != 1 || arguments[0][0] == '-') {
        (void)fputs("use: holdfast check DIR\n", stderr);
        return 2;
    }
    const enum err e = check_folder(arguments[0], &why);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "holdfast: %s\n", why.text);
        return 1;
    }
    (void)puts("whole");
    return 0;
}
