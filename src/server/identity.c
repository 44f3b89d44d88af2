#include "server/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "sys/random.h"

#define IDENTITY_BYTES_MAX 4096
#define NUMBER_DIGITS_MAX  18

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

enum field {
    FIELD_VERSION,
    FIELD_CLUSTER,
    FIELD_NODE,
    FIELD_MEMBER,
    FIELD_BOOT,
    FIELD_SHARDS,
    FIELD_ENGINE,
    FIELD_COUNT
};

/* Each is there once; the version comes first. */
struct fields {
    uint64_t version;
    bool is_there[FIELD_COUNT];
};

static enum field find_field(const char *name)
{
    static const char *const names[FIELD_COUNT] = {"version", "cluster", "node",  "member",
                                                   "boot",    "shards",  "engine"};
    int i = 0;
    while (i < FIELD_COUNT && strcmp(names[i], name) != 0) {
        i++;
    }
    return (enum field)i;
}

/* Digits, of a number greater than 0. */
static bool read_number(const char *text, uint64_t *number)
{
    const size_t size = strspn(text, "0123456789");
    *number = size <= NUMBER_DIGITS_MAX ? strtoull(text, NULL, 10) : 0;
    return text[size] == '\0' && *number > 0;
}

static bool read_id(const char *text, char out[static 41])
{
    if (strlen(text) != 40 || strspn(text, "0123456789abcdef") != 40) {
        return false;
    }
    memcpy(out, text, 41);
    return true;
}

static bool read_engine(const char *text, enum table_engine *engine)
{
    *engine = strcmp(text, "memory") == 0 ? TABLE_MEMORY : TABLE_DISK;
    return *engine == TABLE_MEMORY || strcmp(text, "disk") == 0;
}

/* One line; false: it is not understood. */
static bool read_field(struct identity *id, struct fields *fields, const char *name,
                       const char *value)
{
    const enum field field = find_field(name);
    if (field == FIELD_COUNT || fields->is_there[field]) {
        return false;
    }
    fields->is_there[field] = true;
    switch (field) {
    case FIELD_VERSION:
        return read_number(value, &fields->version);
    case FIELD_CLUSTER:
        return read_id(value, id->cluster);
    case FIELD_NODE:
        return read_id(value, id->node);
    case FIELD_MEMBER:
        return read_number(value, &id->member);
    case FIELD_BOOT:
        return read_number(value, &id->boot);
    case FIELD_SHARDS:
        return read_number(value, &id->shards);
    case FIELD_ENGINE:
        return read_engine(value, &id->engine);
    case FIELD_COUNT:
        break;
    }
    return false;
}

static enum err damaged(struct err_why *why)
{
    return err_set(why, ERR_CORRUPT, "the file %s in the data folder is damaged", IDENTITY_FILE);
}

static enum err parse(char *text, struct identity *id, struct err_why *why)
{
    struct fields fields = {0};
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' ');
        if (space == NULL) {
            return damaged(why);
        }
        *space = '\0';
        if (!read_field(id, &fields, line, space + 1)) {
            return damaged(why);
        }
        if (fields.version > IDENTITY_VERSION) {
            return err_set(why, ERR_UNIMPLEMENTED,
                           "the data folder was written by a newer holdfast (version %" PRIu64 ")",
                           fields.version);
        }
    }
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!fields.is_there[i]) {
            return err_set(why, ERR_CORRUPT, "the file %s in the data folder is incomplete",
                           IDENTITY_FILE);
        }
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
        return e == ERR_TOO_LARGE ? damaged(why) : e;
    }
    *out = (struct identity){0};
    e = strlen(text) == size ? parse(text, out, why) : damaged(why);
    mem_free(text);
    e = e == ERR_OK ? match(out, config, why) : e;
    if (e != ERR_OK) {
        return e;
    }
    out->boot++;
    return store(f, out, why);
}
