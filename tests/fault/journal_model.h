/* journal_model.h - a journal in the simulated world beside a model of what it must hold.
 *
 * Group 0 carries the number of the newest append as its vote, so after a crash it says how far the
 * journal got. All else must then be exactly what the model held at that moment: whatever is found
 * was appended, in order, nothing half, and nothing that was acknowledged is missing. */
#ifndef TESTS_FAULT_JOURNAL_MODEL_H
#define TESTS_FAULT_JOURNAL_MODEL_H

#include "journal/journal.h"
#include "sys/file.h"

#define MODEL_GROUPS   6    /* 0 is the counter */
#define MODEL_QUIET    1    /* has states only: they must not go with an old segment */
#define MODEL_INDEXES  4096 /* of a group, in one run */
#define MODEL_APPENDS  4096 /* in one run */
#define MODEL_BATCHES  3    /* of one append, beside the counter */
#define MODEL_ENTRIES  3    /* of one batch */
#define MODEL_DATA_MAX ((size_t)40 << 10)

struct model_entry {
    uint64_t term;
    uint32_t size;
};

struct model_group {
    uint64_t last, term, commit;
    uint64_t base, base_term; /* a reset's; entries up to here are not there */
    uint64_t compacted;       /* the journal may have forgotten up to here */
    struct model_entry entries[MODEL_INDEXES];
};

/* What one batch of an append did. */
struct model_change {
    uint32_t group;
    bool has_state, has_reset;
    uint64_t term, commit, reset_index, reset_term;
    uint64_t first; /* index of entries[0] */
    size_t entry_count;
    struct model_entry entries[MODEL_ENTRIES];
};

struct model_append {
    uint64_t ticket; /* of the journal's present start; 0: of an earlier one, found again */
    size_t change_count;
    struct model_change changes[MODEL_BATCHES];
};

struct model {
    struct journal_config config; /* its folder is opened by model_open() */
    struct journal *journal;
    bool may_use_reserve; /* appends may */
    bool is_even;         /* appends are of one size, so that leftovers lie where new ones begin */
    struct model_group now[MODEL_GROUPS];  /* all appends */
    struct model_group kept[MODEL_GROUPS]; /* the first `kept_count` of them: never to be lost */
    struct model_append *appends;          /* MODEL_APPENDS; owned */
    size_t append_count, kept_count;
    uint8_t *data;
};

void model_init(struct model *m, enum journal_fsync fsync);
void model_deinit(struct model *m);

/* Opens folder and journal, and compares. What was appended and is not found is forgotten. */
enum err model_open(struct model *m, struct err_why *why);

/* What is acknowledged must be found from now on. `is_power` tells against what. */
void model_keep(struct model *m, bool is_power);

/* Nothing that was appended may be lost from now on. */
void model_keep_all(struct model *m);

/* Closes journal and folder. */
void model_close(struct model *m);

/* Appends something of one to MODEL_BATCHES groups, drawn from the world's seed. */
enum err model_append(struct model *m, struct err_why *why);

/* Forgets all entries of all groups. */
void model_compact_all(struct model *m);

/* Some thing that an owner does: appends, lets the writer write, compacts, reclaims, ... */
enum err model_act(struct model *m, struct err_why *why);

/* Everything appended is acknowledged. */
bool model_is_settled(const struct model *m);

/* A number from the environment, or `otherwise`. */
uint64_t model_number(const char *variable, uint64_t otherwise);

#endif
