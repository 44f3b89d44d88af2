/* scene.h - a simulated node (node_world.h) and somebody who calls it and waits for each answer. */
#ifndef TESTS_SIM_SCENE_H
#define TESTS_SIM_SCENE_H

#include "engine/standin/standin.h"
#include "sim/node_world.h"
#include "sys/sim/world.h"

#define SCENE_WALL_MS UINT64_C(1700000000000)
#define SCENE_WAIT_MS 60000 /* longer takes no answer */

struct scene {
    struct sim_node node;
    struct arena bytes; /* of the last answer */
    struct list late;   /* calls that were under way when the power went, or when nobody waited */
};

/* A world made from the seed, and a node in it that is ready. */
void scene_open(struct scene *s, uint64_t seed, const struct node_config *config);

/* Stops the node, if it runs and has not failed, and closes the world. */
void scene_close(struct scene *s);

/* The process dies, and with a power cut the machine; both come back. */
void scene_die(struct scene *s);

/* Starts the node until it is ready. False: the power went meanwhile, and the node is dead. */
bool scene_start(struct scene *s);

/* An orderly stop and a start. */
void scene_restart(struct scene *s);

/* Time goes by. */
void scene_run(uint64_t ms);

/* Carries out `op` from the loop and waits. Its bytes are valid until the next call. Should the
 * node die meanwhile: ERR_UNKNOWN_OUTCOME. */
struct result scene_call(struct scene *s, uint32_t loop, const struct op *op);

/* From loop 0, by text. */
enum err scene_put(struct scene *s, uint32_t table, const char *key, const char *value);
enum err scene_delete(struct scene *s, uint32_t table, const char *key);
bool scene_has(struct scene *s, uint32_t table, const char *key, const char *value);
bool scene_lacks(struct scene *s, uint32_t table, const char *key);

/* Should the node die meanwhile: ERR_UNKNOWN_OUTCOME. */
enum err scene_change(struct scene *s, uint32_t loop, enum table_change_kind kind, const char *name,
                      struct table_options options);

/* The same with the id of a staged table. */
enum err scene_change_staged(struct scene *s, uint32_t loop, enum table_change_kind kind,
                             const char *name, struct table_options options, uint32_t *id);

/* The table's id; 0: there is none. */
uint32_t scene_table(const struct scene *s, const char *name);

/* Live records of a table. */
uint64_t scene_count(const struct scene *s, const char *name);

/* Rows of every kind in the engines of all groups but the catalogue's. */
uint64_t scene_rows(const struct scene *s, bool is_memory);

/* A key that begins with `text` and lies in `shard`, as text. */
void scene_key_in(const struct scene *s, uint32_t shard, const char *text, char *out, size_t size);

#endif
