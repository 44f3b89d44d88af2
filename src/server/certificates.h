/* certificates.h - the node's certificate: read at the start, and again on SIGHUP and whenever one
 * of its files has changed, without touching a connection. What cannot be used is refused with a
 * line in the log, and what was there before stays. */
#ifndef SERVER_CERTIFICATES_H
#define SERVER_CERTIFICATES_H

#include "base/metrics.h"
#include "front/front.h"
#include "server/config.h"
#include "sys/worker.h"

#define CERTIFICATE_LOOK_MS 1000                   /* between looks at the files */
#define CERTIFICATE_NEAR_S  (UINT64_C(14) * 86400) /* then a warning a day says that it ends */

struct certificates;

/* Reads the files that `config` names, which it borrows with `log` until certificates_close(), and
 * gives them to `front`. Without --tls-cert `*out` is NULL, which is harmless in every call below.
 * Errors: ERR_IO, ERR_INVALID. */
MUST_CHECK enum err certificates_open(const struct config *config, struct front *front,
                                      struct log *log, struct certificates **out,
                                      struct err_why *why);

/* On loop 0: looks at the files from now on, as jobs of `pool`; rotates the keys of tickets. */
void certificates_watch(struct certificates *c, struct loop *l, struct worker_pool *pool);

/* On loop 0: reads them again, changed or not. */
void certificates_reload(struct certificates *c);

/* On loop 0: begins nothing more. Then, as soon as no job is under way, it is idle. */
void certificates_stop(struct certificates *c);
bool certificates_are_idle(const struct certificates *c);

/* Any thread. */
struct certificate_stats {
    uint64_t expiry_s; /* seconds since 1970; 0: no TLS */
    uint64_t taken;    /* times another certificate came into use */
    uint64_t refused;  /* times a changed one could not be used */
};
void certificates_stats(const struct certificates *c, struct certificate_stats *out);

/* Idle, or never watched. Sets `*c` to NULL. */
void certificates_close(struct certificates **c);

#endif
