/* engine_ops.h - what an implementation provides; callers use engine.h. Private to engine/. */
#ifndef ENGINE_ENGINE_OPS_H
#define ENGINE_ENGINE_OPS_H

#include "engine/engine.h"

struct engine_ops {
    const char *name;
    bool scan_is_cheap;
    struct reader (*latest)(struct engine *e);
    struct reader (*writer)(struct engine *e);
    enum err (*view_open)(struct engine *e, struct reader *view);
    void (*view_close)(struct reader *view);
    uint64_t (*view_bytes)(const struct reader *view);
    enum err (*get)(const struct reader *r, struct slice key, enum engine_wait wait,
                    struct arena *arena, struct record *record);
    void (*get_many)(struct lookup *lookups, size_t count, enum engine_wait wait,
                     struct arena *arena, enum err *results);
    void (*begin)(struct engine *e);
    enum err (*approach)(struct lookup *lookups, size_t count, enum engine_wait wait);
    enum err (*find)(struct lookup *l, enum engine_wait wait, struct arena *arena);
    void (*put)(struct lookup *l, const struct record *record);
    void (*erase)(struct lookup *l, uint64_t revision);
    void (*touch)(struct lookup *l); /* counts as found, unlooked; NULL: all lookups do */
    bool (*erase_range)(struct engine *e, struct slice from, struct slice to, uint64_t revision,
                        size_t limit);
    size_t (*batch_bytes)(const struct engine *e); /* NULL: it holds none */
    enum err (*commit)(struct engine *e, uint64_t index);
    void (*abort)(struct engine *e);
    uint64_t (*applied)(const struct engine *e);
    bool (*collect)(struct engine *e, size_t budget);
    enum err (*coldest)(struct engine *e, struct slice prefix, size_t budget,
                        struct record *record);
    struct engine_stats (*stats)(struct engine *e);
    void (*close)(struct engine *e);
    void (*scan_open)(struct scan *s, const struct reader *r, struct slice from, struct slice to,
                      bool is_reverse);
    enum err (*scan_next)(struct scan *s, struct record *record);
    void (*scan_close)(struct scan *s);
};

#endif
