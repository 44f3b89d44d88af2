#include "sys/uv/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define HOST_BYTES 64

static enum err parse_unix(const char *path, struct address *out, struct err_why *why)
{
    struct sockaddr_un *to = (struct sockaddr_un *)(void *)&out->socket;
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof(to->sun_path)) {
        return err_set(why, ERR_INVALID, "unix:%s: the path must have 1 to %zu bytes", path,
                       sizeof(to->sun_path) - 1);
    }
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, size + 1);
    out->size = sizeof(*to);
    return ERR_OK;
}

static bool parse_port(const char *text, uint16_t *port)
{
    uint32_t number = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 5; digits++) {
        number = number * 10 + (uint32_t)(text[digits] - '0');
    }
    *port = (uint16_t)number;
    return digits > 0 && text[digits] == '\0' && number <= UINT16_MAX;
}

static void set_v6(struct address *out, const struct in6_addr *host, uint16_t port)
{
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)&out->socket;
    to->sin6_family = AF_INET6;
    to->sin6_addr = *host;
    to->sin6_port = htons(port);
    out->size = sizeof(*to);
}

static void set_v4(struct address *out, struct in_addr host, uint16_t port)
{
    struct sockaddr_in *to = (struct sockaddr_in *)(void *)&out->socket;
    to->sin_family = AF_INET;
    to->sin_addr = host;
    to->sin_port = htons(port);
    out->size = sizeof(*to);
}

/* `host` has lost its brackets. */
static bool parse_host(const char *host, bool is_bracketed, uint16_t port, struct address *out)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (is_bracketed) {
        if (inet_pton(AF_INET6, host, &v6) != 1) {
            return false;
        }
        set_v6(out, &v6, port);
        return true;
    }
    if (host[0] == '\0') {
        set_v6(out, &in6addr_any, port);
        return true;
    }
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4) != 1) {
        return false;
    }
    set_v4(out, v4, port);
    return true;
}

enum err address_parse(const char *text, struct address *out, struct err_why *why)
{
    *out = (struct address){0};
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, out, why);
    }
    const char *colon = strrchr(text, ':');
    uint16_t port = 0;
    if (colon == NULL || !parse_port(colon + 1, &port)) {
        return err_set(why, ERR_INVALID,
                       "%s: an address is HOST:PORT, [V6]:PORT, :PORT or unix:PATH", text);
    }
    char host[HOST_BYTES] = "";
    size_t size = (size_t)(colon - text);
    const bool is_bracketed = size >= 2 && text[0] == '[' && colon[-1] == ']';
    if (is_bracketed) {
        text++;
        size -= 2;
    }
    if (size < sizeof(host)) {
        memcpy(host, text, size);
        host[size] = '\0';
    }
    if (size >= sizeof(host) || !parse_host(host, is_bracketed, port, out)) {
        return err_set(why, ERR_INVALID, "%.*s: the host must be a numeric address or localhost",
                       (int)size, text);
    }
    return ERR_OK;
}

void address_to_any_v4(struct address *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->socket;
    CHECK(v6->sin6_family == AF_INET6);
    const uint16_t port = ntohs(v6->sin6_port);
    *a = (struct address){0};
    set_v4(a, (struct in_addr){htonl(INADDR_ANY)}, port);
}

bool address_is_unix(const struct address *a)
{
    return a->socket.ss_family == AF_UNIX;
}

const char *address_path(const struct address *a)
{
    CHECK(address_is_unix(a));
    return ((const struct sockaddr_un *)(const void *)&a->socket)->sun_path;
}

void address_format(const struct address *a, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (a->socket.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&a->socket;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        (void)snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (a->socket.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->socket;
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        (void)snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        (void)snprintf(text, size, "unix");
    }
}
