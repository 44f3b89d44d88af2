/* units.c - numbers as people write them, with a unit or without. */
#include "server/units.h"

/* Digits, then a unit of the list; `scales` in the same order. */
static enum err parse_scaled(struct slice text, const char *const *units, const uint64_t *scales,
                             size_t count, uint64_t *out)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (number > (UINT64_MAX - 9) / 10) {
            return ERR_INVALID;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (i == 0) {
        return ERR_INVALID;
    }
    const struct slice unit = slice_skip(text, i);
    for (size_t k = 0; k < count; k++) {
        if (slice_equal(unit, slice_of_text(units[k]))) {
            if (number > UINT64_MAX / scales[k]) {
                return ERR_INVALID;
            }
            *out = number * scales[k];
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

enum err parse_size(struct slice text, uint64_t *bytes)
{
    static const char *const units[] = {"",   "B",  "KiB", "MiB", "GiB", "TiB",
                                        "KB", "MB", "GB",  "k",   "m",   "g"};
    static const uint64_t scales[] = {1,          1,          1ULL << 10, 1ULL << 20,
                                      1ULL << 30, 1ULL << 40, 1000,       1000000,
                                      1000000000, 1ULL << 10, 1ULL << 20, 1ULL << 30};
    return parse_scaled(text, units, scales, sizeof(units) / sizeof(units[0]), bytes);
}

enum err parse_duration(struct slice text, uint64_t *ms)
{
    static const char *const units[] = {"", "ms", "s", "m"};
    static const uint64_t scales[] = {1, 1, 1000, 60000};
    return parse_scaled(text, units, scales, sizeof(units) / sizeof(units[0]), ms);
}

enum err parse_short_duration(struct slice text, uint64_t *us)
{
    static const char *const units[] = {"", "us", "ms", "s", "m"};
    static const uint64_t scales[] = {1000, 1, 1000, 1000000, 60000000};
    return parse_scaled(text, units, scales, sizeof(units) / sizeof(units[0]), us);
}

enum err parse_number(struct slice text, uint64_t *number)
{
    static const char *const units[] = {""};
    static const uint64_t scales[] = {1};
    return parse_scaled(text, units, scales, 1, number);
}
