/* journal_check.c - looks at a journal without changing it, for `holdfast check`. */
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "journal/survey.h"

struct checking {
    struct folder *folder;
    journal_check_fn report;
    void *arg;
    struct survey survey;
};

static void report_segment(const struct checking *c, const struct segment *s)
{
    char name[FILE_NAME_BYTES];
    const struct journal_finding finding = {.kind = JOURNAL_FINDING_SEGMENT,
                                            .file = segment_name(name, s->number),
                                            .offset = c->survey.scan.end,
                                            .file_bytes = s->file_bytes,
                                            .first_commit = s->first_commit,
                                            .last_commit = c->survey.scan.last_commit};
    c->report(c->arg, &finding);
}

static void report_stop(const struct checking *c, enum journal_finding_kind kind, const char *text)
{
    char name[FILE_NAME_BYTES];
    const struct journal_finding finding = {.kind = kind,
                                            .file = segment_name(name, c->survey.stop_segment),
                                            .offset = c->survey.stop_offset,
                                            .text = text};
    c->report(c->arg, &finding);
}

/* Groups that hold something. */
static void report_groups(const struct checking *c)
{
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        const struct group_log *g = &c->survey.replay->groups[i];
        if (g->is_used) {
            const struct journal_finding finding = {.kind = JOURNAL_FINDING_GROUP,
                                                    .group = i,
                                                    .first = g->prefix + 1,
                                                    .last = group_log_last(g),
                                                    .state = {g->term, g->vote, g->commit}};
            c->report(c->arg, &finding);
        }
    }
}

static enum err check_segment(struct checking *c, uint64_t number, struct err_why *why)
{
    struct segment *s = NULL;
    enum err e = segment_open(c->folder, number, FILE_READ, &s, why);
    if (e == ERR_CORRUPT) {
        c->survey.stop_segment = number;
        c->survey.stop_offset = 0;
    }
    if (e == ERR_OK) {
        e = survey_segment(&c->survey, s, why);
        report_segment(c, s);
    }
    segment_free(&s);
    return e;
}

static enum err check_segments(struct checking *c, const struct segment_names *names,
                               struct err_why *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; i < names->count && e == ERR_OK; i++) {
        if (i > 0 && names->numbers[i] != names->numbers[i - 1] + 1) {
            char name[FILE_NAME_BYTES];
            e = err_set(why, ERR_CORRUPT, "%s is missing",
                        segment_name(name, names->numbers[i - 1] + 1));
        } else {
            e = check_segment(c, names->numbers[i], why);
        }
    }
    return e == ERR_OK ? replay_finish(c->survey.replay, why) : e;
}

enum err journal_check(struct folder *folder, journal_check_fn report, void *arg,
                       struct err_why *why)
{
    struct segment_names names = {0};
    struct err_why found = {0};
    struct replay *replay = mem_zero(1, sizeof(*replay));
    struct checking c = {
        .folder = folder, .report = report, .arg = arg, .survey = {.replay = replay}};
    replay->groups = mem_zero(JOURNAL_GROUPS_MAX, sizeof(*replay->groups));
    enum err e = segment_list(folder, JOURNAL_SEGMENTS_MAX, &names, &found);
    if (e == ERR_OK) {
        e = check_segments(&c, &names, &found);
        if (e == ERR_CORRUPT) {
            report_stop(&c, JOURNAL_FINDING_DAMAGE, found.text);
        } else if (e == ERR_OK && survey_is_torn(&c.survey)) {
            report_stop(&c, JOURNAL_FINDING_TORN, NULL);
        }
        report_groups(&c);
    }
    for (uint32_t i = 0; i < JOURNAL_GROUPS_MAX; i++) {
        group_log_deinit(&replay->groups[i]);
    }
    mem_free(replay->groups);
    mem_free(replay);
    mem_free(names.numbers);
    survey_deinit(&c.survey);
    return e == ERR_OK ? ERR_OK : err_set(why, e, "%s", found.text);
}
