/* log.h - log lines: a fixed message and fields, as logfmt or one line of JSON.
 *
 *   log_info(log, "shard", "leader changed", F_U64("shard", id), F_TEXT("by", name));
 *
 * error = an operator must act; warn = degraded, heals by itself; info = state changes,
 * never per request; debug = per request; trace = protocol steps. Keys and values of
 * users are never logged. One write(2) a line, so lines of threads do not mix. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_ERROR,
    LOG_WARN,
    LOG_INFO,
    LOG_DEBUG,
    LOG_TRACE
};

enum log_format {
    LOG_LOGFMT,
    LOG_JSON
};

/* One per node, shared by its threads; NULL in every call: silent. Open: embedded. */
struct log {
    _Atomic int level; /* enum log_level; may be changed at any time */
    enum log_format format;
    int fd;
};

enum log_kind {
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_TEXT
};

struct log_field {
    const char *name;
    enum log_kind kind;
    uint64_t number;
    const char *text; /* NULL is written as "" */
};

#define F_U64(name, value)  ((struct log_field){(name), LOG_FIELD_U64, (uint64_t)(value), 0})
#define F_I64(name, value)  ((struct log_field){(name), LOG_FIELD_I64, (uint64_t)(value), 0})
#define F_TEXT(name, value) ((struct log_field){(name), LOG_FIELD_TEXT, 0, (value)})

/* `fields` ends with a field without a name. Use the macros. */
void log_line(const struct log *l, enum log_level level, const char *module, const char *message,
              const struct log_field *fields);

static inline bool log_wants(const struct log *l, enum log_level level)
{
    return l != 0 && (int)level <= atomic_load_explicit(&l->level, memory_order_relaxed);
}

#define LOG_AT(l, level, module, ...)                                                              \
    (log_wants((l), (level)) ? LOG_AT_((l), (level), (module), __VA_ARGS__, (struct log_field){0}) \
                             : (void)0)
#define LOG_AT_(l, level, module, message, ...)                                                    \
    log_line((l), (level), (module), (message), (const struct log_field[]){__VA_ARGS__})

#define log_error(l, module, ...) LOG_AT(l, LOG_ERROR, module, __VA_ARGS__)
#define log_warn(l, module, ...)  LOG_AT(l, LOG_WARN, module, __VA_ARGS__)
#define log_info(l, module, ...)  LOG_AT(l, LOG_INFO, module, __VA_ARGS__)
#define log_debug(l, module, ...) LOG_AT(l, LOG_DEBUG, module, __VA_ARGS__)
#define log_trace(l, module, ...) LOG_AT(l, LOG_TRACE, module, __VA_ARGS__)

#endif
