#include "api/operations.h"

#include <string.h>

/* A hash table with open addressing that only grows: a reader on another thread sees a slot's name
 * or NULL. */
struct operation_stats *operation_find(struct dialect_stats *stats, const char *name)
{
    uint32_t hash = 2166136261U;
    for (const char *at = name; *at != '\0'; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619U;
    }
    for (uint32_t i = 0; i < OPERATIONS_MAX; i++) {
        struct operation_stats *o = &stats->operations[(hash + i) % OPERATIONS_MAX];
        if (o->name == NULL) {
            __atomic_store_n(&o->name, name, __ATOMIC_RELEASE);
            return o;
        }
        if (o->name == name || strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}
