/* identity.h - who this directory is: the file `holdfast` in the data folder.
 *
 * Text, one `name value` a line, version 1. Written at first start, and at each start for the
 * boot number. A directory of a newer version, or made with other settings, stops the start. */
#ifndef SERVER_IDENTITY_H
#define SERVER_IDENTITY_H

#include "server/config.h"
#include "sys/file.h"

#define IDENTITY_FILE    "holdfast"
#define IDENTITY_VERSION 1

struct identity {
    char cluster[41]; /* 40 hex digits */
    char node[41];
    uint64_t member; /* this node's id in every group */
    uint64_t boot;   /* starts so far, this one included */
    uint64_t shards;
    enum table_engine engine;
    bool is_new; /* made by this start */
};

/* Reads the identity, or makes one from `config`, counts this boot and stores it durably.
 * `config` may name other settings than the directory was made with: ERR_INVALID. Errors also:
 * ERR_UNIMPLEMENTED (newer version), ERR_CORRUPT, ERR_IO, ERR_NO_SPACE. */
MUST_CHECK enum err identity_load(struct folder *f, const struct config *config,
                                  struct identity *out, struct err_why *why);

/* One for a node without a folder. */
void identity_make(const struct config *config, struct identity *out);

#endif
