#include "cli/cert.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/random.h"
#include "wire/tls.h"

#define CERT_NAME "cert.pem"
#define KEY_NAME  "key.pem"
#define DAYS      365
#define EARLY_S   3600 /* for clients whose clock is behind */

static enum err refuse_existing(struct folder *folder, const char *name, struct err_why *why)
{
    struct file *file = NULL;
    const enum err e = file_open(folder, name, FILE_READ, &file, why);
    file_close(&file);
    if (e == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    return e != ERR_OK
               ? e
               : err_set(why, ERR_ALREADY_EXISTS, "%.180s/%s exists already and is not overwritten",
                         folder_path(folder), name);
}

/* New, readable for its owner only. */
static enum err store(struct folder *folder, const char *name, const struct buf *text,
                      struct err_why *why)
{
    struct file *file = NULL;
    enum err e = file_open(folder, name, FILE_CREATE, &file, why);
    e = e == ERR_OK ? file_write(file, text->data, text->size, 0, why) : e;
    e = e == ERR_OK ? file_sync(file, why) : e;
    file_close(&file);
    return e;
}

static enum err make(struct folder *folder, struct err_why *why)
{
    enum err e = refuse_existing(folder, CERT_NAME, why);
    e = e == ERR_OK ? refuse_existing(folder, KEY_NAME, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    struct tls_self_signed wanted = {.names = {"localhost", "127.0.0.1", "::1"},
                                     .name_count = 3,
                                     .from_s = (uint64_t)time(NULL) - EARLY_S,
                                     .days = DAYS};
    random_bytes(wanted.serial, sizeof(wanted.serial));
    struct buf certificate = {0};
    struct buf key = {0};
    e = tls_self_sign(&wanted, &certificate, &key, why);
    e = e == ERR_OK ? store(folder, KEY_NAME, &key, why) : e;
    e = e == ERR_OK ? store(folder, CERT_NAME, &certificate, why) : e;
    e = e == ERR_OK ? folder_sync(folder, why) : e;
    if (key.capacity > 0) {
        explicit_bzero(key.data, key.capacity);
    }
    buf_deinit(&certificate);
    buf_deinit(&key);
    return e;
}

int cert_command(int count, char *const *arguments)
{
    if (count != 2 || strcmp(arguments[0], "--self-signed") != 0 || arguments[1][0] == '-') {
        (void)fputs("use: holdfast cert --self-signed DIR\n", stderr);
        return 2;
    }
    const char *path = arguments[1];
    struct folder *folder = NULL;
    struct err_why why = {0};
    enum err e = folder_open(path, &folder, &why);
    e = e == ERR_OK ? make(folder, &why) : e;
    folder_close(&folder);
    if (e != ERR_OK) {
        (void)fprintf(stderr, "holdfast: %s\n", why.text);
        return 1;
    }
    (void)printf("made for localhost, 127.0.0.1 and ::1, good for %d days. Try:\n"
                 "  holdfast serve --engine memory --tls-cert %s/" CERT_NAME
                 " --tls-key %s/" KEY_NAME "\n"
                 "  curl --cacert %s/" CERT_NAME " https://localhost:8080/healthz\n",
                 DAYS, path, path, path);
    return 0;
}
