/* args.c - reading arguments: numbers, times, patterns. */
#include "api/redis/session.h"

bool arg_is(const struct task *t, size_t index, const char *lower)
{
    return resp_is(t->args[index], lower);
}

bool arg_integer_or(struct task *t, size_t index, int64_t *number, const char *error)
{
    if (parse_int64(t->args[index], number)) {
        return true;
    }
    (void)task_error(t, ERR_NOT_A_NUMBER, error);
    return false;
}

bool arg_integer(struct task *t, size_t index, int64_t *number)
{
    return arg_integer_or(t, index, number, "ERR value is not an integer or out of range");
}

static bool bad_time(struct task *t)
{
    (void)task_errorf(t, ERR_INVALID, "ERR invalid expire time in '%s' command", t->spec->name);
    return false;
}

bool arg_time(struct task *t, size_t index, struct time_unit unit, uint64_t *expiry_ms)
{
    const int64_t now_ms = (int64_t)router_now_ms(t->session->router);
    int64_t number = 0;
    if (!arg_integer(t, index, &number)) {
        return false;
    }
    if (!unit.may_be_past && number <= 0) {
        return bad_time(t);
    }
    if (unit.is_seconds && __builtin_mul_overflow(number, INT64_C(1000), &number)) {
        return bad_time(t);
    }
    if (!unit.is_absolute && __builtin_add_overflow(number, now_ms, &number)) {
        return bad_time(t);
    }
    /* 0 means never to the model; the first millisecond of 1970 is as much in the past. */
    *expiry_ms = number <= 0 ? 1 : (uint64_t)number;
    return true;
}

/* ---- Patterns ---- */

struct glob {
    struct slice pattern;
    bool ignores_case;
};

static uint8_t fold(const struct glob *g, uint8_t byte)
{
    return g->ignores_case && byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

/* The class that begins behind '[' at `at`. Returns where the pattern goes on; a class without an
 * end reaches to the end of the pattern, as in Redis. */
static size_t match_class(const struct glob *g, size_t at, uint8_t byte, bool *is_match)
{
    const uint8_t *p = g->pattern.data;
    const size_t size = g->pattern.size;
    const bool is_negated = at < size && p[at] == '^';
    bool found = false;
    at += is_negated;
    for (; at < size && p[at] != ']'; at++) {
        if (p[at] == '\\' && at + 1 < size) {
            at++;
            found = found || p[at] == byte;
        } else if (at + 2 < size && p[at + 1] == '-') {
            const uint8_t a = fold(g, p[at]);
            const uint8_t b = fold(g, p[at + 2]);
            const uint8_t c = fold(g, byte);
            found = found || (a <= b ? c >= a && c <= b : c >= b && c <= a);
            at += 2;
        } else {
            found = found || fold(g, p[at]) == fold(g, byte);
        }
    }
    *is_match = found != is_negated;
    return at < size ? at + 1 : size;
}

/* Matches one byte against what begins at `at`, which is no '*'. Returns where it goes on. */
static size_t match_one(const struct glob *g, size_t at, uint8_t byte, bool *is_match)
{
    const uint8_t *p = g->pattern.data;
    switch (p[at]) {
    case '?':
        *is_match = true;
        return at + 1;
    case '[':
        return match_class(g, at + 1, byte, is_match);
    case '\\':
        at += at + 1 < g->pattern.size;
        break;
    default:
        break;
    }
    *is_match = fold(g, p[at]) == fold(g, byte);
    return at + 1;
}

/* Only the last '*' is ever tried again, so the work is at most pattern times text. */
bool glob_match(struct slice pattern, struct slice text, bool ignores_case)
{
    const struct glob g = {pattern, ignores_case};
    size_t at = 0;
    size_t i = 0;
    size_t star = SIZE_MAX; /* behind the last '*' */
    size_t star_text = 0;   /* where the text was when it was tried */
    while (i < text.size) {
        bool is_match = false;
        if (at < pattern.size && pattern.data[at] == '*') {
            star = ++at;
            star_text = i;
            continue;
        }
        const size_t next = at < pattern.size ? match_one(&g, at, text.data[i], &is_match) : at;
        if (is_match) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            at = star;
            i = ++star_text;
        } else {
            return false;
        }
    }
    while (at < pattern.size && pattern.data[at] == '*') {
        at++;
    }
    return at == pattern.size;
}

/* ---- Subcommands ---- */

enum verdict run_subcommand(struct task *t, const struct subcommand *subs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!arg_is(t, 1, subs[i].name)) {
            continue;
        }
        const int arity = subs[i].arity;
        if (arity >= 0 ? t->arg_count != (size_t)arity : t->arg_count < (size_t)-arity) {
            return task_errorf(t, ERR_INVALID, "ERR wrong number of arguments for '%s|%s' command",
                               t->spec->name, subs[i].name);
        }
        return subs[i].handler(t);
    }
    char upper[16];
    size_t size = 0;
    for (const char *c = t->spec->name; *c != 0 && size < sizeof(upper) - 1; c++) {
        upper[size++] = (char)(*c & ~0x20);
    }
    upper[size] = 0;
    const int shown = t->args[1].size < 128 ? (int)t->args[1].size : 128;
    return task_errorf(t, ERR_INVALID, "ERR unknown subcommand '%.*s'. Try %s HELP.", shown,
                       (const char *)t->args[1].data, upper);
}

enum verdict reply_help(struct task *t, const char *const *lines, size_t count)
{
    resp_array(t->out, count);
    for (size_t i = 0; i < count; i++) {
        resp_simple(t->out, lines[i]);
    }
    return TASK_REPLIED;
}
