/* terms.h - what the string search knows of a text: its id and its terms. No I/O.
 *
 * Terms by the rules of the original, the same for a string and for a query: tags become spaces,
 * HTML entities are unescaped, then Unicode NFC, lower case, runs of letters, combining marks
 * (Mc, Mn), '-', '_' and '\''; stop words are dropped. Bytes that are no UTF-8 part terms. */
#ifndef API_DSTASH_TERMS_H
#define API_DSTASH_TERMS_H

#include "base/buf.h"

/* The different terms of a text, in bytewise order. */
struct terms {
    struct slice *list; /* owned */
    size_t count;
    struct buf text; /* where they lie; private to terms.c */
};

/* `t` is zeroed, or used before. */
void terms_of(struct terms *t, struct slice text);
void terms_deinit(struct terms *t);

bool is_stop_word(struct slice term);

/* Appends what `reference`, a text that begins with '&', stands for, as UTF-8; returns how many
 * bytes of it are the reference. 0: it is none, nothing is appended. */
size_t entity_to(struct buf *out, struct slice reference);

/* MurmurHash2, 32 bits. */
uint32_t murmur2(struct slice bytes, uint32_t seed);

/* FNV-1a, 64 bits. */
uint64_t fnv1a(struct slice bytes);

#endif
