/* openapi.h - docs/openapi.json, as it was when this program was built. */
#ifndef API_NATIVE_OPENAPI_H
#define API_NATIVE_OPENAPI_H

#include "base/slice.h"

struct slice openapi_document(void);

#endif
