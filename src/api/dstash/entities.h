/* entities.h - entities.txt: the named character references of HTML, a line for each: the name with
 * its semicolon if it needs one, and one or two code points in hexadecimal. In bytewise order. */
#ifndef API_DSTASH_ENTITIES_H
#define API_DSTASH_ENTITIES_H

#include "base/slice.h"

struct slice entity_list(void);

#endif
