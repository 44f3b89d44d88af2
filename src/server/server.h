/* server.h - one node: puts the parts together, starts and stops them in order. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"

/* Called on the main thread when requests are answered. `address` of the first listener. */
typedef void (*server_ready_fn)(void *arg, const char *address);

/* Runs a node on this thread and its own until SIGTERM or SIGINT; then drains and returns ERR_OK.
 * Errors, with a sentence: whatever kept it from starting. */
MUST_CHECK enum err server_run(const struct config *config, server_ready_fn on_ready, void *arg,
                               struct err_why *why);

#endif
