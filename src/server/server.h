/* server.h - one node: puts the parts together, starts and stops them in order. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"

/* Who runs a node. All calls come on its main thread. */
struct server_owner {
    void *arg;
    /* Requests are answered from now on. `address` of the first listener. */
    void (*on_ready)(void *arg, const char *address);
    /* SIGHUP: reads the settings again from all their sources. Errors: as config_load(). */
    enum err (*reload)(void *arg, struct config *fresh, struct err_why *why);
};

/* Runs a node on this thread and its own until SIGTERM or SIGINT; then drains and returns ERR_OK.
 * Borrows `owner`. Errors, with a sentence: whatever kept it from starting. */
MUST_CHECK enum err server_run(const struct config *config, const struct server_owner *owner,
                               struct err_why *why);

#endif
