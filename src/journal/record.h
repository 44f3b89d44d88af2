/* record.h - the bytes of the journal: records, segment headers, their checksums.
 *
 * A segment is a header block followed by records, each padded to 8 bytes. Segments are used
 * again, so old records lie behind the end; three things keep them apart from living ones:
 *  1. the checksum starts from a secret random salt that each use of a segment draws anew;
 *  2. `commit` counts the commits of the journal and never repeats: what is old is smaller;
 *  3. RECORD_LAST marks the last record of a commit, so it is known which commit a damaged
 *     record belonged to.
 * docs/formats.md, Journal, says the same for readers who have no compiler. */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_ALIGN         8u
#define RECORD_DATA_MAX      (32u << 20)
#define RECORD_INDEX_MAX     (1ULL << 62) /* indexes, terms and commit numbers */
#define SEGMENT_HEADER_BYTES 4096u
#define SEGMENT_VERSION      1u

enum record_kind {
    RECORD_ENTRY = 1, /* a command; replaces the entry at its index and all behind it */
    RECORD_CHANGE,    /* the same, a change of members */
    RECORD_STATE,     /* hard state; index, prefix_term: what was compacted away */
    RECORD_RESET,     /* a snapshot took the place of the log; data as RECORD_STATE */
    RECORD_MARK,      /* no group: says that the commits before it are whole */
};

enum record_flag {
    RECORD_LAST = 1,   /* last of its commit */
    RECORD_RESUME = 2, /* a mark, first of the first commit after a start: `index` is the number of
                          the commit it follows, its own number is higher than all left behind */
    RECORD_LAZY = 4,   /* written before the commit before it was synced: proves nothing */
};
#define RECORD_FLAGS (RECORD_LAST | RECORD_RESUME | RECORD_LAZY)

/* Little endian on disk; holdfast runs on little-endian machines only (asserted in record.c). */
struct record {
    uint32_t crc;  /* CRC-32C of all that follows, data and padding too, from the segment's salt */
    uint32_t size; /* of the data */
    uint64_t commit;
    uint64_t index;
    uint64_t term;
    uint32_t group;
    uint8_t kind;
    uint8_t flags;
    uint16_t zero;
};

/* Data of RECORD_STATE and RECORD_RESET. */
struct record_state {
    uint64_t vote;
    uint64_t commit_index;
    uint64_t prefix_term; /* term of the entry at `index` */
};

struct segment_header {
    char magic[8]; /* "hfjournl" */
    uint32_t version;
    uint32_t zero;
    uint64_t number; /* of the segment: 1, 2, 3, ... */
    uint64_t salt;
    uint64_t first_commit; /* the oldest commit that this segment may hold */
    uint32_t zero2;
    uint32_t crc;
};

/* Bytes on disk of a record with `size` bytes of data. */
static inline size_t record_space(size_t size)
{
    return (sizeof(struct record) + size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Fills in the checksum of the record at `at`, which is complete otherwise. */
void record_seal(uint8_t *at, uint64_t salt);

/* True if a whole record with a right checksum lies at `at`, of which `left` bytes follow.
 * `*out` is a copy of its head. */
bool record_check(const uint8_t *at, size_t left, uint64_t salt, struct record *out);

void segment_header_make(struct segment_header *h, uint64_t number, uint64_t salt,
                         uint64_t first_commit);

enum segment_header_is {
    SEGMENT_HEADER_GOOD,
    SEGMENT_HEADER_BAD,
    SEGMENT_HEADER_NEWER, /* whole, of a later version of holdfast */
};

enum segment_header_is segment_header_check(const struct segment_header *h, uint64_t number);

#endif
