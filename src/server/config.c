#include "server/config.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "server/units.h"

#define ENVIRONMENT_PREFIX "HOLDFAST_"
#define HELP_COLUMNS       88
#define HELP_INDENT        6
#define MASK               "**********" /* of a secret, wherever settings are shown */

enum setting_kind {
    SETTING_TEXT,
    SETTING_SECRET, /* text that is never shown */
    SETTING_LIST,
    SETTING_NUMBER,
    SETTING_SIZE,
    SETTING_DURATION,
    SETTING_MICROSECONDS, /* a duration, in us if need be */
    SETTING_CHOICE,
    SETTING_FSYNC,
    SETTING_SWITCH
};

struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset;
    size_t count_offset; /* SETTING_LIST */
    uint64_t least;
    uint64_t most;
    const char *choices; /* "a|b|c": 0, 1, 2 */
    const char *initial;
    bool is_live;
    const char *help;
};

#define AT(field) offsetof(struct config, field)

static const struct setting settings[] = {
    {"listen", SETTING_LIST, AT(listen), AT(listen_count), 0, CONFIG_LISTEN_MAX, NULL,
     "127.0.0.1:8080", false,
     "ADDR[=dialect,...], repeatable: HOST:PORT, :PORT (every address) or unix:PATH. Without a "
     "list every dialect is served, told apart by the first bytes. Dialects: redis strato estoraje "
     "dstash regatta native admin; dstore, which needs a listener of its own"},
    {"data", SETTING_TEXT, AT(data), 0, 0, 0, NULL, "", false,
     "DIR of everything durable. Needed unless --engine memory"},
    {"threads", SETTING_NUMBER, AT(threads), 0, 0, 64, NULL, "0", false,
     "event loops; 0: as many as processors"},
    {"shards", SETTING_NUMBER, AT(shards), 0, 1, 1023, NULL, "16", false,
     "parts of the key space, fixed when a directory is created. With 1 everything is atomic, as "
     "in Redis"},
    {"engine", SETTING_CHOICE, AT(engine), 0, 0, 0, "disk|memory", "disk", false,
     "where the built-in tables live; fixed when a directory is created"},
    {"memory", SETTING_SIZE, AT(memory_bytes), 0, 0, UINT64_MAX, NULL, "0", false,
     "SIZE of memory tables, caches and write buffers together; 0: a quarter of the machine's"},
    {"fsync", SETTING_FSYNC, AT(fsync), 0, 0, 0, NULL, "always", false,
     "always: an answered write is on disk; interval:MS (1 to 60000): within that time; never: "
     "when the system "
     "likes. Only always keeps what it acknowledges"},
    {"max-value", SETTING_SIZE, AT(value_max), 0, 1, (uint64_t)24 << 20, NULL, "16MiB", false,
     "SIZE of the largest value, up to 24MiB"},
    {"max-connections", SETTING_NUMBER, AT(connections_max), 0, 1, 1000000, NULL, "50000", false,
     "open at a time; more are refused"},
    {"config", SETTING_TEXT, AT(file), 0, 0, 0, NULL, "", false, "FILE with lines `name = value`"},
    {"log-level", SETTING_CHOICE, AT(log_level), 0, 0, 0, "error|warn|info|debug|trace", "info",
     true, "what is logged to standard error"},
    {"log-format", SETTING_CHOICE, AT(log_format), 0, 0, 0, "logfmt|json", "logfmt", false,
     "form of log lines"},
    {"insecure", SETTING_SWITCH, AT(is_insecure), 0, 0, 1, NULL, "no", false,
     "listen beyond loopback although anybody may then do anything"},
    {"tls-cert", SETTING_TEXT, AT(tls_cert), 0, 0, 0, NULL, "", false,
     "FILE (PEM) of the certificate and those between it and its authority; read again when it "
     "changes. TLS and plain text share the port"},
    {"tls-key", SETTING_TEXT, AT(tls_key), 0, 0, 0, NULL, "", false,
     "FILE (PEM) of its private key, without a password"},
    {"tls-client-ca", SETTING_TEXT, AT(tls_client_ca), 0, 0, 0, NULL, "", false,
     "FILE (PEM) of the authorities that clients' certificates are signed by"},
    {"tls-client-auth", SETTING_CHOICE, AT(tls_client_auth), 0, 0, 0, "none|request|require",
     "none", false, "whether TLS clients may or must show a certificate"},
    {"tls-only", SETTING_SWITCH, AT(is_tls_only), 0, 0, 1, NULL, "no", false,
     "refuse plain text. With --tls-client-auth require this counts as authentication"},
    {"stop-timeout", SETTING_DURATION, AT(stop_timeout_ms), 0, 0, 3600000, NULL, "10s", true,
     "TIME for requests in flight after SIGTERM"},
    {"slow", SETTING_MICROSECONDS, AT(slow_us), 0, 0, UINT64_MAX, NULL, "100ms", true,
     "TIME: slower requests are logged, without keys and values"},
    {"host", SETTING_LIST, AT(hosts), AT(host_count), 0, CONFIG_HOSTS_MAX, NULL, NULL, false,
     "NAME that browsers may use for this node besides its addresses and localhost; repeatable"},
    {"name", SETTING_TEXT, AT(name), 0, 0, 0, NULL, "", false,
     "of the node, in answers that name it; empty: the machine's"},
    {"regatta-tables-token", SETTING_SECRET, AT(tables_token), 0, 0, 0, NULL, "", false,
     "TOKEN that Regatta's clients show to create, delete and list tables; empty: none"},
    {"regatta-maintenance-token", SETTING_SECRET, AT(maintenance_token), 0, 0, 0, NULL, "", false,
     "TOKEN that Regatta's clients show for backup, restore, hash and reset; empty: none"},
    {"disk-reserve", SETTING_SIZE, AT(reserve_bytes), 0, 0, UINT64_MAX, NULL, "256MiB", false,
     "SIZE that is left free on the disk: below it writes that grow are refused"},
    {"discard-damage", SETTING_SWITCH, AT(discards_damage), 0, 0, 1, NULL, "no", false,
     "start although the journal is damaged: everything from the damaged place on is lost"},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static const struct setting *find_setting(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

static uint64_t *number_at(struct config *c, const struct setting *s)
{
    return (uint64_t *)(void *)((char *)c + s->offset);
}

static enum err set_choice(struct config *c, const struct setting *s, struct slice value)
{
    const char *at = s->choices;
    for (uint64_t i = 0;; i++) {
        const size_t size = strcspn(at, "|");
        if (slice_equal(value, slice_of(at, size))) {
            *number_at(c, s) = i;
            return ERR_OK;
        }
        if (at[size] == '\0') {
            return ERR_INVALID;
        }
        at += size + 1;
    }
}

static enum err set_switch(struct config *c, const struct setting *s, struct slice value)
{
    static const char *const yes[] = {"yes", "true", "on", "1", ""};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (slice_equal(value, slice_of_text(yes[i]))) {
            *number_at(c, s) = 1;
            return ERR_OK;
        }
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        if (slice_equal(value, slice_of_text(no[i]))) {
            *number_at(c, s) = 0;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static enum err set_fsync(struct config *c, struct slice value)
{
    const struct slice interval = SLICE("interval:");
    if (slice_equal(value, SLICE("always"))) {
        c->fsync = JOURNAL_FSYNC_ALWAYS;
    } else if (slice_equal(value, SLICE("never"))) {
        c->fsync = JOURNAL_FSYNC_NEVER;
    } else if (slice_starts_with(value, interval)) {
        uint64_t ms = 0;
        const enum err e = parse_duration(slice_skip(value, interval.size), &ms);
        if (e != ERR_OK || ms < 1 || ms > 60000) {
            return ERR_INVALID;
        }
        c->fsync = JOURNAL_FSYNC_INTERVAL;
        c->fsync_interval_ms = ms;
    } else {
        return ERR_INVALID;
    }
    return ERR_OK;
}

static enum err set_text(char *to, struct slice value)
{
    if (value.size >= CONFIG_TEXT_MAX || memchr(value.data, '\0', value.size) != NULL) {
        return ERR_INVALID;
    }
    memcpy(to, value.data, value.size);
    to[value.size] = '\0';
    return ERR_OK;
}

static enum err add_to_list(struct config *c, const struct setting *s, struct slice value)
{
    uint32_t *count = (uint32_t *)(void *)((char *)c + s->count_offset);
    if (*count >= s->most || value.size == 0) {
        return ERR_INVALID;
    }
    const enum err e = set_text((char *)c + s->offset + (size_t)*count * CONFIG_TEXT_MAX, value);
    *count += e == ERR_OK ? 1 : 0;
    return e;
}

static enum err set_value(struct config *c, const struct setting *s, struct slice value)
{
    uint64_t number = 0;
    enum err e = ERR_INVALID;
    switch (s->kind) {
    case SETTING_TEXT:
    case SETTING_SECRET:
        return set_text((char *)c + s->offset, value);
    case SETTING_LIST:
        return add_to_list(c, s, value);
    case SETTING_CHOICE:
        return set_choice(c, s, value);
    case SETTING_FSYNC:
        return set_fsync(c, value);
    case SETTING_SWITCH:
        return set_switch(c, s, value);
    case SETTING_NUMBER:
        e = parse_number(value, &number);
        break;
    case SETTING_SIZE:
        e = parse_size(value, &number);
        break;
    case SETTING_DURATION:
        e = parse_duration(value, &number);
        break;
    case SETTING_MICROSECONDS:
        e = parse_short_duration(value, &number);
        break;
    }
    if (e != ERR_OK || number < s->least || number > s->most) {
        return ERR_INVALID;
    }
    *number_at(c, s) = number;
    return ERR_OK;
}

static enum err refuse(const struct setting *s, const char *value, struct err_why *why)
{
    if (strlen(value) >= CONFIG_TEXT_MAX) {
        return err_set(why, ERR_INVALID, "%s: a value has at most %d bytes", s->name,
                       CONFIG_TEXT_MAX - 1);
    }
    if (s->kind == SETTING_LIST && value[0] != '\0') {
        return err_set(why, ERR_INVALID, "%s: %.64s is one too many, %" PRIu64 " are allowed",
                       s->name, value, s->most);
    }
    if (s->kind == SETTING_NUMBER) {
        return err_set(why, ERR_INVALID, "%s: %.64s is not a number from %" PRIu64 " to %" PRIu64,
                       s->name, value, s->least, s->most);
    }
    return err_set(why, ERR_INVALID, "%s: %.64s is not a value for it (%s)", s->name,
                   s->kind == SETTING_SECRET ? MASK : value,
                   s->choices != NULL ? s->choices : s->help);
}

enum err config_set(struct config *c, const char *name, const char *value, struct err_why *why)
{
    const struct setting *s = find_setting(name);
    if (s == NULL) {
        return err_set(why, ERR_NOT_FOUND, "there is no setting %.64s", name);
    }
    return set_value(c, s, slice_of_text(value)) == ERR_OK ? ERR_OK : refuse(s, value, why);
}

void config_init(struct config *c)
{
    *c = (struct config){0};
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (settings[i].kind != SETTING_LIST && settings[i].initial != NULL) {
            const enum err e = set_value(c, &settings[i], slice_of_text(settings[i].initial));
            CHECK(e == ERR_OK);
        }
    }
}

static struct slice trim(struct slice s)
{
    while (s.size > 0 && isspace(s.data[0]) != 0) {
        s = slice_skip(s, 1);
    }
    while (s.size > 0 && isspace(s.data[s.size - 1]) != 0) {
        s.size--;
    }
    return s;
}

static enum err read_line(struct config *c, struct slice line, struct err_why *why)
{
    char name[64];
    char value[CONFIG_TEXT_MAX];
    const uint8_t *equals = memchr(line.data, '=', line.size);
    if (equals == NULL) {
        return err_set(why, ERR_INVALID, "no `=` in it");
    }
    const size_t at = (size_t)(equals - line.data);
    const struct slice left = trim(slice_of(line.data, at));
    const struct slice right = trim(slice_skip(line, at + 1));
    if (memchr(line.data, '\0', line.size) != NULL) {
        return err_set(why, ERR_INVALID, "a zero byte in it");
    }
    if (left.size >= sizeof(name) || right.size >= sizeof(value)) {
        return err_set(why, ERR_INVALID, "too long");
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)left.size, (const char *)left.data);
    (void)snprintf(value, sizeof(value), "%.*s", (int)right.size, (const char *)right.data);
    if (strcmp(name, "config") == 0) {
        return err_set(why, ERR_INVALID, "a file cannot name another");
    }
    return config_set(c, name, value, why);
}

enum err config_read_text(struct config *c, struct slice text, struct err_why *why)
{
    for (size_t number = 1; text.size > 0; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        const size_t size = end == NULL ? text.size : (size_t)(end - text.data);
        const struct slice line = trim(slice_of(text.data, size));
        text = slice_skip(text, end == NULL ? size : size + 1);
        struct err_why inner = {0};
        if (line.size > 0 && line.data[0] != '#' && read_line(c, line, &inner) != ERR_OK) {
            return err_set(why, ERR_INVALID, "line %zu: %.180s", number, inner.text);
        }
    }
    return ERR_OK;
}

static enum err read_file(struct config *c, struct err_why *why)
{
    FILE *f = fopen(c->file, "re");
    if (f == NULL) {
        return err_set(why, ERR_IO, "config: %.160s: %.60s", c->file, strerrordesc_np(errno));
    }
    struct buf text = {0};
    size_t n = 0;
    do {
        n = fread(buf_reserve(&text, 4096), 1, 4096, f);
        buf_extend(&text, n);
    } while (n > 0 && text.size <= CONFIG_FILE_MAX);
    const int failure = ferror(f) != 0 ? errno : 0;
    struct err_why inner = {0};
    enum err e = ERR_OK;
    if (failure != 0) {
        e = err_set(why, ERR_IO, "config: %.160s: %.60s", c->file, strerrordesc_np(failure));
    } else if (text.size > CONFIG_FILE_MAX) {
        e = err_set(why, ERR_TOO_LARGE, "config: %.160s is larger than %zu bytes", c->file,
                    CONFIG_FILE_MAX);
    } else if (config_read_text(c, buf_slice(&text), &inner) != ERR_OK) {
        e = err_set(why, inner.code, "%.100s, %s", c->file, inner.text);
    }
    (void)fclose(f);
    buf_deinit(&text);
    return e;
}

/* MAX_VALUE is max-value. */
static void name_of_variable(struct slice variable, char *name, size_t capacity)
{
    size_t size = 0;
    for (; size < variable.size && size + 1 < capacity; size++) {
        const uint8_t c = variable.data[size];
        name[size] = (char)(c == '_' ? '-' : tolower(c));
    }
    name[size] = '\0';
}

/* HOLDFAST_MAX_VALUE=... sets max-value. Unknown names with the prefix are refused. */
static enum err read_environment(struct config *c, char *const *environment, bool only_file,
                                 struct err_why *why)
{
    const size_t prefix = strlen(ENVIRONMENT_PREFIX);
    for (; *environment != NULL; environment++) {
        char name[64];
        const char *entry = *environment;
        const char *equals = strchr(entry, '=');
        if (strncmp(entry, ENVIRONMENT_PREFIX, prefix) != 0 || equals == NULL ||
            strncmp(entry + prefix, "SEED", 4) == 0) { /* HOLDFAST_SEED..: of the tests */
            continue;
        }
        name_of_variable(slice_of(entry + prefix, (size_t)(equals - entry) - prefix), name,
                         sizeof(name));
        if (only_file != (strcmp(name, "config") == 0)) {
            continue;
        }
        const enum err e = config_set(c, name, equals + 1, why);
        if (e != ERR_OK) {
            return e;
        }
    }
    return ERR_OK;
}

/* One argument, `--name value`, `--name=value` or a bare switch. Returns how many were used. */
static enum err read_argument(struct config *c, int count, char *const *arguments, int *used,
                              struct err_why *why)
{
    char name[64];
    const char *text = arguments[0];
    if (strncmp(text, "--", 2) != 0) {
        return err_set(why, ERR_INVALID, "%.64s: settings begin with --", text);
    }
    const size_t size = strcspn(text + 2, "=");
    (void)snprintf(name, sizeof(name), "%.*s", (int)(size < 60 ? size : 60), text + 2);
    const struct setting *s = find_setting(name);
    *used = 1;
    if (text[2 + size] == '=') {
        return config_set(c, name, text + 2 + size + 1, why);
    }
    if (s != NULL && s->kind == SETTING_SWITCH) {
        return config_set(c, name, "yes", why);
    }
    if (s != NULL && count < 2) {
        return err_set(why, ERR_INVALID, "--%s needs a value", name);
    }
    *used = 2;
    return config_set(c, name, count < 2 ? "" : arguments[1], why);
}

static enum err read_arguments(struct config *c, int count, char *const *arguments,
                               struct err_why *why)
{
    for (int i = 0; i < count;) {
        int used = 0;
        const enum err e = read_argument(c, count - i, arguments + i, &used, why);
        if (e != ERR_OK) {
            return e;
        }
        i += used;
    }
    return ERR_OK;
}

/* Lists of a stronger source replace those of a weaker one. */
static void keep_lists(struct config *c, const struct config *stronger)
{
    if (stronger->listen_count > 0) {
        c->listen_count = 0;
    }
    if (stronger->host_count > 0) {
        c->host_count = 0;
    }
}

static enum err finish(struct config *c, struct err_why *why)
{
    if (c->listen_count == 0) {
        const enum err e = config_set(c, "listen", "127.0.0.1:8080", why);
        CHECK(e == ERR_OK);
    }
    return config_check(c, why);
}

enum err config_load(struct config *c, int count, char *const *arguments, char *const *environment,
                     struct err_why *why)
{
    /* First pass: which file? And which lists do flags and environment set? */
    struct config *first = mem_zero(1, sizeof(*first));
    struct config *from_environment = mem_zero(1, sizeof(*from_environment));
    config_init(c);
    enum err e = read_environment(from_environment, environment, true, why);
    e = e == ERR_OK ? read_environment(from_environment, environment, false, why) : e;
    e = e == ERR_OK ? read_arguments(first, count, arguments, why) : e;
    if (e == ERR_OK) {
        (void)snprintf(c->file, sizeof(c->file), "%s",
                       first->file[0] != '\0' ? first->file : from_environment->file);
        e = c->file[0] != '\0' ? read_file(c, why) : ERR_OK;
    }
    if (e == ERR_OK) {
        keep_lists(c, from_environment);
        e = read_environment(c, environment, false, why);
    }
    if (e == ERR_OK) {
        keep_lists(c, first);
        e = read_arguments(c, count, arguments, why);
    }
    mem_free(first);
    mem_free(from_environment);
    return e == ERR_OK ? finish(c, why) : e;
}

static void choice_text(const struct setting *s, uint64_t number, char *out, size_t size)
{
    const char *at = s->choices;
    for (uint64_t i = 0; i < number; i++) {
        at += strcspn(at, "|") + 1;
    }
    (void)snprintf(out, size, "%.*s", (int)strcspn(at, "|"), at);
}

static void value_text(const struct config *c, const struct setting *s, char *out, size_t size)
{
    uint64_t number = 0;
    if (s->kind != SETTING_TEXT && s->kind != SETTING_SECRET && s->kind != SETTING_LIST) {
        memcpy(&number, (const char *)c + s->offset, sizeof(number));
    }
    switch (s->kind) {
    case SETTING_TEXT:
        (void)snprintf(out, size, "%s", (const char *)c + s->offset);
        return;
    case SETTING_SECRET:
        (void)snprintf(out, size, "%s", *((const char *)c + s->offset) == '\0' ? "" : MASK);
        return;
    case SETTING_CHOICE:
        choice_text(s, number, out, size);
        return;
    case SETTING_SWITCH:
        (void)snprintf(out, size, "%s", number != 0 ? "yes" : "no");
        return;
    case SETTING_DURATION:
        (void)snprintf(out, size, "%" PRIu64 "ms", number);
        return;
    case SETTING_MICROSECONDS:
        (void)snprintf(out, size, number % 1000 == 0 ? "%" PRIu64 "ms" : "%" PRIu64 "us",
                       number % 1000 == 0 ? number / 1000 : number);
        return;
    case SETTING_FSYNC:
        if (number == JOURNAL_FSYNC_INTERVAL) {
            (void)snprintf(out, size, "interval:%" PRIu64, c->fsync_interval_ms);
        } else {
            (void)snprintf(out, size, "%s", number == JOURNAL_FSYNC_NEVER ? "never" : "always");
        }
        return;
    case SETTING_LIST:
    case SETTING_NUMBER:
    case SETTING_SIZE:
        break;
    }
    (void)snprintf(out, size, "%" PRIu64, number);
}

void config_each(const struct config *c, config_each_fn each, void *arg)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char text[CONFIG_TEXT_MAX];
        const struct setting *s = &settings[i];
        if (s->kind == SETTING_LIST) {
            uint32_t count = 0;
            memcpy(&count, (const char *)c + s->count_offset, sizeof(count));
            for (uint32_t k = 0; k < count; k++) {
                each(arg, s->name, (const char *)c + s->offset + (size_t)k * CONFIG_TEXT_MAX);
            }
            continue;
        }
        value_text(c, s, text, sizeof(text));
        each(arg, s->name, text);
    }
}

bool config_is_live(const char *name)
{
    const struct setting *s = find_setting(name);
    return s != NULL && s->is_live;
}

/* Words of `text`, in lines that fit a terminal. */
static void wrap_to(struct buf *out, const char *text)
{
    size_t column = HELP_COLUMNS;
    while (*text != '\0') {
        const size_t size = strcspn(text, " ");
        const bool begins = column + 1 + size > HELP_COLUMNS;
        if (begins) {
            buf_printf(out, "\n%*s", HELP_INDENT, "");
        } else {
            buf_append_byte(out, ' ');
        }
        buf_append(out, text, size);
        column = begins ? HELP_INDENT + size : column + 1 + size;
        text += size + (text[size] == ' ' ? 1 : 0);
    }
    buf_append_byte(out, '\n');
}

void config_help(struct buf *out)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &settings[i];
        buf_printf(out, "  --%s", s->name);
        if (s->choices != NULL) {
            buf_printf(out, " %s", s->choices);
        }
        if (s->initial != NULL && s->initial[0] != '\0') {
            buf_printf(out, "  (default %s)", s->initial);
        }
        wrap_to(out, s->help);
    }
}
