/* sorted.h - rows in order, as a tree that never changes: each change gives a new root, which
 * shares what is equal with the old one. So a state is a pointer: publishing, a view, the durable
 * state and a power cut are assignments. (A treap whose priorities come from the keys: the same
 * rows make the same tree.) Roots are shared (counted), NULL is the empty tree. Any thread.
 * Private to engine/standin. */
#ifndef ENGINE_STANDIN_SORTED_H
#define ENGINE_STANDIN_SORTED_H

#include "engine/engine.h"

struct sorted;

/* One more owner; returns `t`. */
struct sorted *sorted_share(struct sorted *t);

/* One owner less. */
void sorted_release(struct sorted *t);

/* Take `t`; return owned: with `record`, which is copied; without the row, if there is one. */
struct sorted *sorted_put(struct sorted *t, const struct record *record);
struct sorted *sorted_erase(struct sorted *t, struct slice key);

/* NULL: none. Valid while `t` has an owner. */
const struct record *sorted_find(const struct sorted *t, struct slice key);

/* The first row at or behind `key`; `is_reverse`: the last one before it. `key` with NULL data is
 * the beginning; reverse: the end. NULL: none. */
const struct record *sorted_seek(const struct sorted *t, struct slice key, bool is_reverse);

uint64_t sorted_count(const struct sorted *t);

#endif
