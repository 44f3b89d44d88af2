/* syntax.c - the arguments of commands, for COMMAND DOCS; redis-cli makes its hints of them.
 *
 * The table of commands has them as people write them, "key [EX seconds|PERSIST] member...":
 * words in capitals stand for themselves, [] is optional, () holds together, | separates
 * alternatives, ... means once or more. Here they become the tree that Redis answers. */
#include "api/redis/session.h"
#include "base/check.h"

#define PARTS_MAX 40 /* of one command; the texts are ours */
#define NAME_ROOM 32

enum part_kind {
    PART_NAME,
    PART_WORD,  /* itself, nothing behind it */
    PART_ONEOF, /* one of its children */
    PART_BLOCK  /* all of its children */
};

struct part_of_syntax {
    enum part_kind kind;
    struct slice name;  /* of PART_NAME */
    struct slice token; /* the word before it, or PART_WORD itself; empty: none */
    bool is_optional;
    bool is_multiple;
    struct part_of_syntax *child; /* first of them */
    struct part_of_syntax *next;
};

struct syntax {
    const char *at;
    size_t part_count;
    struct part_of_syntax parts[PARTS_MAX];
};

static struct part_of_syntax *add_part(struct syntax *x, enum part_kind kind)
{
    CHECK(x->part_count < PARTS_MAX);
    struct part_of_syntax *p = &x->parts[x->part_count++];
    *p = (struct part_of_syntax){.kind = kind};
    return p;
}

/* ---- Reading ---- */

static struct part_of_syntax *read_alternatives(struct syntax *x);

static struct part_of_syntax *read_word(struct syntax *x)
{
    const char *begin = x->at;
    x->at += strcspn(x->at, " []()|.");
    const struct slice word = slice_of(begin, (size_t)(x->at - begin));
    CHECK(word.size > 0);
    const bool is_token = *begin >= 'A' && *begin <= 'Z';
    struct part_of_syntax *p = add_part(x, is_token ? PART_WORD : PART_NAME);
    *(is_token ? &p->token : &p->name) = word;
    return p;
}

static struct part_of_syntax *read_part(struct syntax *x)
{
    struct part_of_syntax *p = NULL;
    const bool is_optional = *x->at == '[';
    if (is_optional || *x->at == '(') {
        x->at++;
        p = read_alternatives(x);
        CHECK(*x->at == (is_optional ? ']' : ')'));
        x->at++;
    } else {
        p = read_word(x);
    }
    p->is_optional = is_optional;
    if (strncmp(x->at, "...", 3) == 0) {
        p->is_multiple = true;
        x->at += 3;
    }
    return p;
}

/* Parts one after the other, up to what ends them. */
static struct part_of_syntax *read_sequence(struct syntax *x)
{
    struct part_of_syntax *first = NULL;
    struct part_of_syntax **link = &first;
    while (*x->at != 0 && strchr("])|", *x->at) == NULL) {
        if (*x->at == ' ') {
            x->at++;
            continue;
        }
        *link = read_part(x);
        link = &(*link)->next;
    }
    CHECK(first != NULL);
    return first;
}

/* A sequence as one part: "EX seconds" is a name with a token before it. */
static struct part_of_syntax *as_one(struct syntax *x, struct part_of_syntax *first)
{
    struct part_of_syntax *rest = first->next;
    if (rest == NULL) {
        return first;
    }
    const bool has_token = first->kind == PART_WORD;
    if (has_token && rest->next == NULL && rest->token.size == 0) {
        rest->token = first->token;
        return rest;
    }
    struct part_of_syntax *block = add_part(x, PART_BLOCK);
    block->token = has_token ? first->token : slice_of(NULL, 0);
    block->child = has_token ? rest : first;
    return block;
}

static struct part_of_syntax *read_alternatives(struct syntax *x)
{
    struct part_of_syntax *first = as_one(x, read_sequence(x));
    if (*x->at != '|') {
        return first;
    }
    struct part_of_syntax *oneof = add_part(x, PART_ONEOF);
    struct part_of_syntax **link = &first->next;
    oneof->child = first;
    while (*x->at == '|') {
        x->at++;
        *link = as_one(x, read_sequence(x));
        link = &(*link)->next;
    }
    return oneof;
}

/* ---- Writing ---- */

static bool is_among(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, slice_of_text(names[i]))) {
            return true;
        }
    }
    return false;
}

static const char *type_of_name(struct slice name)
{
    static const char *const keys[] = {"key",         "key1",    "key2",  "source",
                                       "destination", "destkey", "newkey"};
    static const char *const numbers[] = {
        "seconds",        "milliseconds", "count",       "start",    "end",     "bit",    "offset",
        "decrement",      "index",        "index1",      "index2",   "numkeys", "limit",  "len",
        "destination-db", "cursor",       "numreplicas", "protover", "timeout", "length", "number"};
    if (is_among(name, keys, sizeof(keys) / sizeof(keys[0]))) {
        return "key";
    }
    if (is_among(name, numbers, sizeof(numbers) / sizeof(numbers[0]))) {
        return "integer";
    }
    if (slice_starts_with(name, SLICE("unix-time"))) {
        return "unix-time";
    }
    return slice_equal(name, SLICE("pattern")) ? "pattern" : "string";
}

static const char *type_of(const struct part_of_syntax *p)
{
    switch (p->kind) {
    case PART_NAME:
        return type_of_name(p->name);
    case PART_WORD:
        return "pure-token";
    case PART_ONEOF:
        return "oneof";
    case PART_BLOCK:
        break;
    }
    return "block";
}

/* Every part has a name: its own, its token in small letters, or that of its first child. */
static void write_name(struct buf *out, const struct part_of_syntax *p)
{
    char small[NAME_ROOM];
    while (p->name.size == 0 && p->token.size == 0) {
        p = p->child;
        CHECK(p != NULL);
    }
    const struct slice name = p->name.size > 0 ? p->name : p->token;
    CHECK(name.size <= sizeof(small));
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t byte = name.data[i];
        small[i] = (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
    }
    resp_bulk(out, slice_of(small, name.size));
}

static void write_flags(struct buf *out, int version, const struct part_of_syntax *p)
{
    const bool repeats_token = p->is_multiple && p->token.size > 0;
    resp_bulk_text(out, "flags");
    resp_set(out, version, (size_t)(p->is_optional + p->is_multiple + repeats_token));
    if (p->is_optional) {
        resp_simple(out, "optional");
    }
    if (p->is_multiple) {
        resp_simple(out, "multiple");
    }
    if (repeats_token) {
        resp_simple(out, "multiple_token");
    }
}

static void write_parts(struct buf *out, int version, const struct part_of_syntax *first);

static void write_part(struct buf *out, int version, const struct part_of_syntax *p)
{
    const bool has_token = p->token.size > 0;
    const bool has_flags = p->is_optional || p->is_multiple;
    const bool has_children = p->child != NULL;
    resp_map(out, version, 2 + (size_t)(has_token + has_flags + has_children));
    resp_bulk_text(out, "name");
    write_name(out, p);
    resp_bulk_text(out, "type");
    resp_bulk_text(out, type_of(p));
    if (has_token) {
        resp_bulk_text(out, "token");
        resp_bulk(out, p->token);
    }
    if (has_flags) {
        write_flags(out, version, p);
    }
    if (has_children) {
        resp_bulk_text(out, "arguments");
        write_parts(out, version, p->child);
    }
}

static void write_parts(struct buf *out, int version, const struct part_of_syntax *first)
{
    size_t count = 0;
    for (const struct part_of_syntax *p = first; p != NULL; p = p->next) {
        count++;
    }
    resp_array(out, count);
    for (const struct part_of_syntax *p = first; p != NULL; p = p->next) {
        write_part(out, version, p);
    }
}

void syntax_write(struct buf *out, int version, const char *syntax)
{
    struct syntax x;
    x.at = syntax;
    x.part_count = 0;
    write_parts(out, version, read_sequence(&x));
    CHECK(*x.at == 0);
}
