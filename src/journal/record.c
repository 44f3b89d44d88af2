/* record.c - see record.h. */
#include "journal/record.h"

#include <string.h>

#include "base/crc.h"

_Static_assert(sizeof(struct record) == 40, "format of the journal");
_Static_assert(sizeof(struct record_state) == 24, "format of the journal");
_Static_assert(sizeof(struct segment_header) == 48, "format of the journal");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "format of the journal");

static uint32_t crc_of(const uint8_t *at, uint32_t data_size, uint64_t salt)
{
    const uint32_t seed = crc32c(0, &salt, sizeof(salt));
    const size_t from = offsetof(struct record, size);
    return crc32c(seed, at + from, record_space(data_size) - from);
}

void record_seal(uint8_t *at, uint64_t salt)
{
    uint32_t size;
    memcpy(&size, at + offsetof(struct record, size), sizeof(size));
    const uint32_t crc = crc_of(at, size, salt);
    memcpy(at, &crc, sizeof(crc));
}

bool record_check(const uint8_t *at, size_t left, uint64_t salt, struct record *out)
{
    if (left < sizeof(*out)) {
        return false;
    }
    memcpy(out, at, sizeof(*out));
    return out->kind >= RECORD_ENTRY && out->kind <= RECORD_MARK && out->zero == 0 &&
           out->flags <= RECORD_FLAGS && out->size <= RECORD_DATA_MAX &&
           record_space(out->size) <= left && out->crc == crc_of(at, out->size, salt);
}

void segment_header_make(struct segment_header *h, uint64_t number, uint64_t salt,
                         uint64_t first_commit)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, "hfjournl", sizeof(h->magic));
    h->version = SEGMENT_VERSION;
    h->number = number;
    h->salt = salt;
    h->first_commit = first_commit;
    h->crc = crc32c(0, h, offsetof(struct segment_header, crc));
}

enum segment_header_is segment_header_check(const struct segment_header *h, uint64_t number)
{
    if (memcmp(h->magic, "hfjournl", sizeof(h->magic)) != 0 || h->number != number ||
        h->crc != crc32c(0, h, offsetof(struct segment_header, crc))) {
        return SEGMENT_HEADER_BAD;
    }
    if (h->version > SEGMENT_VERSION) {
        return SEGMENT_HEADER_NEWER;
    }
    const bool is_sane = h->version == SEGMENT_VERSION && h->first_commit >= 1 &&
                         h->first_commit <= RECORD_INDEX_MAX;
    return is_sane ? SEGMENT_HEADER_GOOD : SEGMENT_HEADER_BAD;
}
