#include "base/planted.h"

#include <stdlib.h>
#include <string.h>

bool planted_is(const char *name)
{
    const char *chosen = getenv("HOLDFAST_SEED_PLANTED");
    return chosen != NULL && strcmp(chosen, name) == 0;
}
