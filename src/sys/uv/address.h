/* address.h - "127.0.0.1:8080" and socket addresses. Private to sys/uv. */
#ifndef SYS_UV_ADDRESS_H
#define SYS_UV_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

struct address {
    struct sockaddr_storage socket;
    socklen_t size;
};

/* Reads the forms of listener_open(). ":PORT" becomes every address of IPv6. Errors: ERR_INVALID.
 */
MUST_CHECK enum err address_parse(const char *text, struct address *out, struct err_why *why);

/* Every address of IPv4 at the same port as `a`, for machines without IPv6. */
void address_to_any_v4(struct address *a);

bool address_is_unix(const struct address *a);

/* The path of a Unix socket. */
const char *address_path(const struct address *a);

/* Writes "127.0.0.1:8080", "[::1]:8080" or "unix", cut to `size` bytes. */
void address_format(const struct address *a, char *text, size_t size);

#endif
