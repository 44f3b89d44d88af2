/* main.c - the commands a person types: serve, check, version, help. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cert.h"
#include "cli/check.h"
#include "server/server.h"

static int usage(FILE *to)
{
    (void)fputs(
        "holdfast keeps data for other programs.\n"
        "\n"
        "  holdfast serve [--data DIR] [--listen ADDR] ...   run a node; serve --help: all "
        "settings\n"
        "  holdfast check DIR                                look at a stopped node's data folder\n"
        "  holdfast cert --self-signed DIR                   make a certificate to try TLS with\n"
        "  holdfast version                                  print the version\n"
        "  holdfast help                                     print this\n",
        to);
    return to == stdout ? 0 : 2;
}

static int serve_help(void)
{
    struct buf text = {0};
    config_help(&text);
    (void)printf(
        "holdfast serve: runs a node in the foreground until SIGTERM or SIGINT.\n\n"
        "Every setting can be given as a flag (--max-value 16MiB), in the environment\n"
        "(HOLDFAST_MAX_VALUE=16MiB) or in --config FILE (max-value = 16MiB); flags win, then\n"
        "the environment.\n\n%.*s",
        (int)text.size, (const char *)text.data);
    buf_deinit(&text);
    return 0;
}

/* Where the settings came from: read again on SIGHUP. */
struct sources {
    int count;
    char *const *arguments;
    bool is_tls_only;
    bool speaks_all; /* its first listener */
};

/* What to try, on standard output; the log goes to standard error. */
static void on_ready(void *arg, const char *address)
{
    const struct sources *s = arg;
    const char *colon = strrchr(address, ':');
    if (strncmp(address, "unix:", 5) == 0 || colon == NULL || !s->speaks_all) {
        (void)printf("\nready on %s\n", address);
    } else if (s->is_tls_only) {
        (void)printf("\nready on https://%s\n", address);
    } else {
        (void)printf("\nready. Try:\n  curl -X POST -d world %s/hello && curl %s/hello\n"
                     "  redis-cli -p %s get hello\n\n",
                     address, address, colon + 1);
    }
    (void)fflush(stdout);
}

static enum err reload(void *arg, struct config *fresh, struct err_why *why)
{
    const struct sources *s = arg;
    return config_load(fresh, s->count, s->arguments, environ, why);
}

static int serve(int count, char *const *arguments)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--help") == 0 || strcmp(arguments[i], "-h") == 0) {
            return serve_help();
        }
    }
    struct config *config = mem_zero(1, sizeof(*config));
    struct err_why why = {0};
    enum err e = config_load(config, count, arguments, environ, &why);
    if (e == ERR_OK) {
        struct sources sources = {count, arguments, config->is_tls_only != 0,
                                  strchr(config->listen[0], '=') == NULL};
        const struct server_owner owner = {.arg = &sources, .on_ready = on_ready, .reload = reload};
        e = server_run(config, &owner, &why);
    }
    mem_free(config);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "holdfast: %s\n", why.text[0] != '\0' ? why.text : err_name(e));
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return usage(stderr);
    }
    const char *command = argv[1];
    if (strcmp(command, "serve") == 0) {
        return serve(argc - 2, argv + 2);
    }
    if (strcmp(command, "check") == 0) {
        return check_command(argc - 2, argv + 2);
    }
    if (strcmp(command, "cert") == 0) {
        return cert_command(argc - 2, argv + 2);
    }
    if (strcmp(command, "version") == 0 || strcmp(command, "--version") == 0) {
        (void)puts("holdfast " HOLDFAST_VERSION);
        return 0;
    }
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0) {
        return usage(stdout);
    }
    (void)fprintf(stderr, "holdfast: there is no command %.40s\n", command);
    return usage(stderr);
}
