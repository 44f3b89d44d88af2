#include "server/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sys/random.h"

#define IDENTITY_BYTES_MAX 4096

static void draw_id(char out[static 41])
{
    uint8_t bytes[20];
    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

void identity_make(const struct config *config, struct identity *out)
{
    *out = (struct identity){.member = 1,
                             .boot = 1,
                             .shards = config->shards,
                             .engine = (enum table_engine)config->engine,
                             .is_new = true};
    draw_id(out->cluster);
    draw_id(out->node);
}

static enum err store(struct folder *f, const struct identity *id, struct err_why *why)
{
    struct buf text = {0};
    buf_printf(&text,
               "version %d\ncluster %s\nnode %s\nmember %" PRIu64 "\nboot %" PRIu64
               "\nshards %" PRIu64 "\nengine %s\n",
               IDENTITY_VERSION, id->cluster, id->node, id->member, id->boot, id->shards,
               id->engine == TABLE_MEMORY ? "memory" : "disk");
    const enum err e = folder_store(f, IDENTITY_FILE, buf_slice(&text), why);
    buf_deinit(&text);
    return e;
}

/* One line; false: it is not understood. */
static bool read_field(struct identity *id, unsigned *version, const char *name, const char *value)
{
    char *end = NULL;
    const uint64_t number = strtoull(value, &end, 10);
    const bool is_number = end != value && *end == '\0';
    if (strcmp(name, "version") == 0) {
        *version = (unsigned)number;
        return is_number;
    }
    if (strcmp(name, "cluster") == 0 || strcmp(name, "node") == 0) {
        (void)snprintf(name[0] == 'c' ? id->cluster : id->node, sizeof(id->node), "%s", value);
        return strlen(value) == 40;
    }
    if (strcmp(name, "engine") == 0) {
        id->engine = strcmp(value, "memory") == 0 ? TABLE_MEMORY : TABLE_DISK;
        return true;
    }
    if (strcmp(name, "member") == 0) {
        id->member = number;
    } else if (strcmp(name, "boot") == 0) {
        id->boot = number;
    } else if (strcmp(name, "shards") == 0) {
        id->shards = number;
    } else {
        return false;
    }
    return is_number;
}

static enum err parse(char *text, struct identity *id, struct err_why *why)
{
    unsigned version = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' ');
        if (space != NULL) {
            *space = '\0';
        }
        const bool is_good = space != NULL && read_field(id, &version, line, space + 1);
        if (version > IDENTITY_VERSION) {
            return err_set(why, ERR_UNIMPLEMENTED,
                           "the data folder was written by a newer holdfast (version %u)", version);
        }
        if (!is_good) {
            return err_set(why, ERR_CORRUPT, "the file %s in the data folder is damaged",
                           IDENTITY_FILE);
        }
    }
    if (version == 0 || id->member == 0 || id->shards == 0 || id->cluster[0] == '\0' ||
        id->node[0] == '\0') {
        return err_set(why, ERR_CORRUPT, "the file %s in the data folder is incomplete",
                       IDENTITY_FILE);
    }
    return ERR_OK;
}

static enum err match(const struct identity *id, const struct config *config, struct err_why *why)
{
    if (id->shards != config->shards) {
        return err_set(why, ERR_INVALID,
                       "the data folder was made with --shards %" PRIu64 ", not %" PRIu64
                       "; it cannot be changed",
                       id->shards, config->shards);
    }
    if (id->engine != (enum table_engine)config->engine) {
        return err_set(why, ERR_INVALID, "the data folder was made with --engine %s",
                       id->engine == TABLE_MEMORY ? "memory" : "disk");
    }
    return ERR_OK;
}

enum err identity_load(struct folder *f, const struct config *config, struct identity *out,
                       struct err_why *why)
{
    char *text = NULL;
    size_t size = 0;
    enum err e = folder_load(f, IDENTITY_FILE, IDENTITY_BYTES_MAX, &text, &size, why);
    if (e == ERR_NOT_FOUND) {
        identity_make(config, out);
        return store(f, out, why);
    }
    if (e != ERR_OK) {
        return e;
    }
    *out = (struct identity){0};
    e = parse(text, out, why);
    mem_free(text);
    e = e == ERR_OK ? match(out, config, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    out->boot++;
    return store(f, out, why);
}
