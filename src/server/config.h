/* config.h - the settings of a node: flags, environment, file.
 *
 * Flag `--max-value 16MiB` = environment `HOLDFAST_MAX_VALUE` = line `max-value = 16MiB` of
 * `--config FILE`; flags win, then environment, then file. Unknown names and bad values are
 * refused with a sentence that names them. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "journal/journal.h"
#include "router/table.h"

#define CONFIG_TEXT_MAX   1024 /* bytes of one value */
#define CONFIG_FILE_MAX   ((size_t)1 << 20)
#define CONFIG_LISTEN_MAX 16
#define CONFIG_HOSTS_MAX  16

struct config {
    char data[CONFIG_TEXT_MAX]; /* "": no folder */
    char listen[CONFIG_LISTEN_MAX][CONFIG_TEXT_MAX];
    uint32_t listen_count;
    char hosts[CONFIG_HOSTS_MAX][CONFIG_TEXT_MAX];
    uint32_t host_count;
    char name[CONFIG_TEXT_MAX];         /* of the node; "": its host's */
    char tables_token[CONFIG_TEXT_MAX]; /* of Regatta's Tables; "": none is asked for */
    char maintenance_token[CONFIG_TEXT_MAX];
    char file[CONFIG_TEXT_MAX];
    char tls_cert[CONFIG_TEXT_MAX]; /* "": no TLS */
    char tls_key[CONFIG_TEXT_MAX];
    char tls_client_ca[CONFIG_TEXT_MAX];
    uint64_t tls_client_auth; /* enum tls_client_auth */
    uint64_t is_tls_only;
    uint64_t threads; /* 0: as many as processors */
    uint64_t shards;
    uint64_t engine;       /* enum table_engine */
    uint64_t memory_bytes; /* 0: a quarter of the machine's */
    uint64_t value_max;
    uint64_t connections_max;
    uint64_t fsync; /* enum journal_fsync */
    uint64_t fsync_interval_ms;
    uint64_t reserve_bytes; /* low-water mark of the disk */
    uint64_t log_level;
    uint64_t log_format;
    uint64_t stop_timeout_ms;
    uint64_t slow_us; /* slower requests are logged */
    uint64_t is_insecure;
    uint64_t discards_damage;
};

/* All defaults. */
void config_init(struct config *c);

/* Sets one setting, by its name without dashes in front. A setting that takes several values is
 * added to. Errors: ERR_NOT_FOUND (unknown), ERR_INVALID. */
MUST_CHECK enum err config_set(struct config *c, const char *name, const char *value,
                               struct err_why *why);

/* Lines `name = value`, `#` comments. Errors: ERR_INVALID with the line's number. */
MUST_CHECK enum err config_read_text(struct config *c, struct slice text, struct err_why *why);

/* All three sources, in their order. `arguments` as in main(), without program and command;
 * `environment` as environ(7). Errors: ERR_INVALID, ERR_NOT_FOUND,
 * ERR_IO, ERR_TOO_LARGE (the file). */
MUST_CHECK enum err config_load(struct config *c, int count, char *const *arguments,
                                char *const *environment, struct err_why *why);

/* Whether settings that belong together fit together; config_load() asks. Errors: ERR_INVALID. */
MUST_CHECK enum err config_check(const struct config *c, struct err_why *why);

/* Calls `each` with every setting and its effective value. */
typedef void (*config_each_fn)(void *arg, const char *name, const char *value);
void config_each(const struct config *c, config_each_fn each, void *arg);

/* True if the setting may be changed while the node runs. */
bool config_is_live(const char *name);

/* One paragraph per setting: name, unit, default, meaning. */
void config_help(struct buf *out);

#endif
