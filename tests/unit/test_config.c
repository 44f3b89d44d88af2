/* Settings: each by flag, environment and file; which source wins; what is refused, and with which
 * sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "harness.h"
#include "server/config.h"
#include "server/units.h"

#define ARGUMENTS_MAX 16

/* What a start is given. */
struct sources {
    char *arguments[ARGUMENTS_MAX];
    int count;
    char *environment[ARGUMENTS_MAX + 1];
    int variables;
    char file[64]; /* "": none */
    struct config *config;
    struct err_why why;
};

static void sources_init(struct sources *s)
{
    *s = (struct sources){.config = mem_zero(1, sizeof(struct config))};
}

static void sources_deinit(struct sources *s)
{
    for (int i = 0; i < s->count; i++) {
        mem_free(s->arguments[i]);
    }
    for (int i = 0; i < s->variables; i++) {
        mem_free(s->environment[i]);
    }
    if (s->file[0] != '\0') {
        EXPECT_EQ(0, unlink(s->file));
    }
    mem_free(s->config);
}

static void add_argument(struct sources *s, const char *text)
{
    EXPECT(s->count < ARGUMENTS_MAX);
    s->arguments[s->count++] = mem_text(text);
}

static void add_variable(struct sources *s, const char *text)
{
    EXPECT(s->variables < ARGUMENTS_MAX);
    s->environment[s->variables++] = mem_text(text);
}

/* A file with that text; its name is not yet a setting. */
static void write_file(struct sources *s, const char *text)
{
    (void)snprintf(s->file, sizeof(s->file), "/tmp/holdfast-test-XXXXXX");
    const int fd = mkstemp(s->file);
    EXPECT(fd >= 0);
    EXPECT_EQ(strlen(text), write(fd, text, strlen(text)));
    EXPECT_EQ(0, close(fd));
}

static void name_file(struct sources *s)
{
    add_argument(s, "--config");
    add_argument(s, s->file);
}

static enum err load(struct sources *s)
{
    s->why = (struct err_why){0};
    return config_load(s->config, s->count, s->arguments, s->environment, &s->why);
}

/* ---- What a setting is ---- */

struct lookup {
    const char *name;
    char values[4][CONFIG_TEXT_MAX];
    size_t count;
};

static void on_each(void *arg, const char *name, const char *value)
{
    struct lookup *l = arg;
    if (strcmp(name, l->name) == 0 && l->count < 4) {
        (void)snprintf(l->values[l->count++], CONFIG_TEXT_MAX, "%s", value);
    }
}

static void expect_values(const struct config *c, const char *name, size_t count,
                          const char *const *values)
{
    struct lookup *l = mem_zero(1, sizeof(*l));
    l->name = name;
    config_each(c, on_each, l);
    EXPECT_EQ(count, l->count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i], l->values[i]) != 0) {
            (void)fprintf(stderr, "%s: want %s, got %s\n", name, values[i], l->values[i]);
            EXPECT(false);
        }
    }
    mem_free(l);
}

static void expect_value(const struct config *c, const char *name, const char *value)
{
    expect_values(c, name, 1, &value);
}

struct setting_case {
    const char *name;
    const char *initial; /* NULL: there is none in the list */
    const char *value;   /* another one */
    const char *shown;   /* as it is told */
    const char *bad;     /* NULL: nothing is */
};

#define MASK "**********" /* a secret, as it is told */

static const struct setting_case settings[] = {
    {"listen", "127.0.0.1:8080", ":9000=redis,native", ":9000=redis,native", ""},
    {"data", "", "/some/folder", "/some/folder", NULL},
    {"threads", "0", "64", "64", "65"},
    {"shards", "16", "1023", "1023", "1024"},
    {"engine", "disk", "memory", "memory", "dis"},
    {"memory", "0", "3GiB", "3221225472", "3 GiB"},
    {"fsync", "always", "interval:2s", "interval:2000", "interval:0"},
    {"max-value", "16777216", "24MiB", "25165824", "25MiB"},
    {"max-connections", "50000", "1", "1", "0"},
    {"log-level", "info", "trace", "trace", "loud"},
    {"log-format", "logfmt", "json", "json", "xml"},
    {"insecure", "no", "yes", "yes", "perhaps"},
    {"stop-timeout", "10000ms", "1m", "60000ms", "61m"},
    {"slow", "100ms", "2001us", "2001us", "-1"},
    {"host", NULL, "example.org", "example.org", ""},
    {"name", "", "a node", "a node", NULL},
    {"regatta-tables-token", "", "hidden", MASK, NULL},
    {"regatta-maintenance-token", "", "hidden", MASK, NULL},
    {"disk-reserve", "268435456", "1KB", "1000", "1XB"},
    {"discard-damage", "no", "on", "yes", "2"},
    {"tls-cert", "", "cert.pem", "cert.pem", NULL},
    {"tls-key", "", "key.pem", "key.pem", NULL},
    {"tls-client-ca", "", "ca.pem", "ca.pem", NULL},
    {"tls-client-auth", "none", "request", "request", "always"},
    {"tls-only", "no", "on", "yes", "maybe"},
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void on_name(void *arg, const char *name, const char *value)
{
    (void)value;
    size_t *count = arg;
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            ++*count;
            return;
        }
    }
    EXPECT(strcmp(name, "config") == 0); /* else this test does not know it */
}

static void test_defaults(void)
{
    struct sources s;
    size_t known = 0;
    sources_init(&s);
    add_argument(&s, "--engine=memory"); /* the only start that needs nothing else */
    EXPECT_EQ(ERR_OK, load(&s));
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].name, "engine") != 0) {
            expect_values(s.config, settings[i].name, settings[i].initial == NULL ? 0 : 1,
                          &settings[i].initial);
        }
    }
    config_each(s.config, on_name, &known);
    EXPECT_EQ(SETTINGS - 1, known); /* a list without elements is not told */
    sources_deinit(&s);
    sources_init(&s);
    EXPECT_EQ(ERR_INVALID, load(&s));
    EXPECT(strstr(s.why.text, "--data") != NULL && strstr(s.why.text, "--engine memory") != NULL);
    sources_deinit(&s);
}

/* ---- Each by each source ---- */

enum source {
    SOURCE_FLAG,
    SOURCE_FLAG_EQUALS,
    SOURCE_ENVIRONMENT,
    SOURCE_FILE,
    SOURCES
};

static void set(struct sources *s, enum source source, const char *name, const char *value)
{
    char text[256];
    switch (source) {
    case SOURCE_FLAG:
        (void)snprintf(text, sizeof(text), "--%s", name);
        add_argument(s, text);
        add_argument(s, value);
        return;
    case SOURCE_FLAG_EQUALS:
        (void)snprintf(text, sizeof(text), "--%s=%s", name, value);
        add_argument(s, text);
        return;
    case SOURCE_ENVIRONMENT:
        (void)snprintf(text, sizeof(text), "HOLDFAST_%s=%s", name, value);
        for (char *p = text; *p != '='; p++) {
            *p = (char)(*p == '-' ? '_' : (*p >= 'a' && *p <= 'z') ? *p - 'a' + 'A' : *p);
        }
        add_variable(s, text);
        return;
    case SOURCE_FILE:
        (void)snprintf(text, sizeof(text), "%s = %s\n", name, value);
        write_file(s, text);
        name_file(s);
        return;
    case SOURCES:
        break;
    }
    EXPECT(false);
}

static bool is_switch(const char *name)
{
    return strcmp(name, "insecure") == 0 || strcmp(name, "discard-damage") == 0 ||
           strcmp(name, "tls-only") == 0;
}

/* What else must be given with it. */
static void add_others(struct sources *s, const char *name)
{
    static const char *const others[][2] = {{"tls-cert", "--tls-cert=c"},
                                            {"tls-key", "--tls-key=k"},
                                            {"tls-client-ca", "--tls-client-ca=a"},
                                            {"tls-client-auth", "--tls-client-auth=require"}};
    const size_t count = strncmp(name, "tls-client", 10) == 0 ? 4 : 2;
    for (size_t i = 0; strncmp(name, "tls-", 4) == 0 && i < count; i++) {
        if (strcmp(name, others[i][0]) != 0) {
            add_argument(s, others[i][1]);
        }
    }
    if (strcmp(name, "data") != 0 && strcmp(name, "engine") != 0) {
        add_argument(s, "--data=d");
    }
}

static void test_each_source(void)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        for (int source = 0; source < SOURCES; source++) {
            const struct setting_case *c = &settings[i];
            struct sources s;
            if (source == SOURCE_FLAG && is_switch(c->name)) {
                continue; /* a bare flag, see below */
            }
            sources_init(&s);
            add_variable(&s, "PATH=/bin");
            set(&s, (enum source)source, c->name, c->value);
            add_others(&s, c->name);
            EXPECT_EQ(ERR_OK, load(&s));
            expect_value(s.config, c->name, c->shown);
            sources_deinit(&s);
        }
    }
}

static void test_bad_values(void)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        for (int source = 0; source < SOURCES; source++) {
            const struct setting_case *c = &settings[i];
            struct sources s;
            if (c->bad == NULL || (source == SOURCE_FLAG && is_switch(c->name))) {
                continue;
            }
            sources_init(&s);
            set(&s, (enum source)source, c->name, c->bad);
            EXPECT_EQ(ERR_INVALID, load(&s));
            EXPECT_EQ(ERR_INVALID, s.why.code);
            EXPECT(strstr(s.why.text, c->name) != NULL && strstr(s.why.text, c->bad) != NULL);
            EXPECT(source != SOURCE_FILE || strstr(s.why.text, "line 1") != NULL);
            EXPECT(source != SOURCE_FILE || strstr(s.why.text, s.file) != NULL);
            sources_deinit(&s);
        }
    }
}

static void test_unknown_names(void)
{
    for (int source = 0; source < SOURCES; source++) {
        struct sources s;
        sources_init(&s);
        set(&s, (enum source)source, "max-valu", "1");
        const enum err e = load(&s);
        EXPECT_EQ(source == SOURCE_FILE ? ERR_INVALID : ERR_NOT_FOUND, e);
        EXPECT(strstr(s.why.text, "max-valu") != NULL);
        sources_deinit(&s);
    }
}

static void test_arguments(void)
{
    struct sources s;
    sources_init(&s);
    add_argument(&s, "--insecure"); /* takes no value of its own */
    add_argument(&s, "--data");
    add_argument(&s, "--odd-name");
    EXPECT_EQ(ERR_OK, load(&s));
    expect_value(s.config, "insecure", "yes");
    expect_value(s.config, "data", "--odd-name");
    sources_deinit(&s);
    static const char *const refused[][2] = {{"--data", "needs a value"},
                                             {"data", "begin with --"},
                                             {"-d", "begin with --"},
                                             {"--", ""},
                                             {"--=x", ""},
                                             {"--Data=x", "Data"}};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        sources_init(&s);
        add_argument(&s, refused[i][0]);
        EXPECT(load(&s) != ERR_OK);
        EXPECT(strstr(s.why.text, refused[i][1]) != NULL);
        sources_deinit(&s);
    }
}

/* Names and values that are longer than any; what is said of them stays a sentence. */
static void test_long_texts(void)
{
    char text[2 * CONFIG_TEXT_MAX];
    struct sources s;
    for (size_t size = CONFIG_TEXT_MAX - 1; size <= CONFIG_TEXT_MAX; size++) {
        char shown[2 * CONFIG_TEXT_MAX];
        memset(text, 'x', sizeof(text));
        memcpy(text, "--data=", 7);
        text[7 + size] = '\0';
        sources_init(&s);
        add_argument(&s, text);
        EXPECT_EQ(size < CONFIG_TEXT_MAX ? ERR_OK : ERR_INVALID, load(&s));
        (void)snprintf(shown, sizeof(shown), "%s", text + 7);
        if (size < CONFIG_TEXT_MAX) {
            expect_value(s.config, "data", shown);
        }
        sources_deinit(&s);
    }
    memset(text, 'x', sizeof(text));
    memcpy(text, "--data-", 7);
    text[sizeof(text) - 1] = '\0';
    sources_init(&s);
    add_argument(&s, text);
    EXPECT_EQ(ERR_NOT_FOUND, load(&s));
    EXPECT(s.why.text[0] != '\0' && strlen(s.why.text) < sizeof(s.why.text));
    sources_deinit(&s);
    memcpy(text, "HOLDFAST_", 9);
    text[sizeof(text) - 3] = '=';
    sources_init(&s);
    add_variable(&s, text);
    EXPECT_EQ(ERR_NOT_FOUND, load(&s));
    sources_deinit(&s);
}

/* ---- Which source wins ---- */

static void test_precedence(void)
{
    struct sources s;
    sources_init(&s);
    write_file(&s, "shards = 1\nthreads = 1\nmax-connections = 1\ndata = file\n");
    name_file(&s);
    set(&s, SOURCE_ENVIRONMENT, "shards", "2");
    set(&s, SOURCE_ENVIRONMENT, "threads", "2");
    set(&s, SOURCE_FLAG, "shards", "3");
    EXPECT_EQ(ERR_OK, load(&s));
    expect_value(s.config, "shards", "3");
    expect_value(s.config, "threads", "2");
    expect_value(s.config, "max-connections", "1");
    expect_value(s.config, "data", "file");
    set(&s, SOURCE_FLAG, "shards", "4"); /* of one source the last */
    EXPECT_EQ(ERR_OK, load(&s));
    expect_value(s.config, "shards", "4");
    sources_deinit(&s);
}

static void test_lists_are_replaced(void)
{
    static const char *const by_file[] = {"f:1", "f:2"};
    static const char *const by_environment[] = {"e:1"};
    static const char *const by_flag[] = {"g:1", "g:2", "g:3"};
    struct sources s;
    sources_init(&s);
    write_file(&s, "listen = f:1\nlisten = f:2\nhost = f\ndata = d\n");
    name_file(&s);
    EXPECT_EQ(ERR_OK, load(&s));
    expect_values(s.config, "listen", 2, by_file);
    set(&s, SOURCE_ENVIRONMENT, "listen", "e:1");
    EXPECT_EQ(ERR_OK, load(&s));
    expect_values(s.config, "listen", 1, by_environment);
    for (int i = 0; i < 3; i++) {
        set(&s, SOURCE_FLAG_EQUALS, "listen", by_flag[i]);
    }
    EXPECT_EQ(ERR_OK, load(&s));
    expect_values(s.config, "listen", 3, by_flag);
    expect_value(s.config, "host", "f"); /* each list for itself */
    sources_deinit(&s);
}

static void test_list_limit(void)
{
    struct config *c = mem_zero(1, sizeof(*c));
    struct err_why why = {0};
    config_init(c);
    for (int i = 0; i < CONFIG_LISTEN_MAX; i++) {
        EXPECT_EQ(ERR_OK, config_set(c, "listen", ":1", &why));
        EXPECT_EQ(ERR_OK, config_set(c, "host", "h", &why));
    }
    EXPECT_EQ(ERR_INVALID, config_set(c, "listen", ":1", &why));
    EXPECT_EQ(ERR_INVALID, config_set(c, "host", "h", &why));
    EXPECT(strcmp(why.text, "host: h is one too many, 16 are allowed") == 0);
    mem_free(c);
}

/* What would have been right is said, too. */
static void test_sentences(void)
{
    static const char *const list[][3] = {
        {"threads", "65", "threads: 65 is not a number from 0 to 64"},
        {"shards", "0", "shards: 0 is not a number from 1 to 1023"},
        {"engine", "ssd", "engine: ssd is not a value for it (disk|memory)"},
        {"fsync", "interval:0", "interval:MS (1 to 60000)"},
        {"regatta-tables-token", NULL, "regatta-tables-token: a value has at most 1023 bytes"},
        {"name", NULL, "name: a value has at most 1023 bytes"},
    };
    struct config *c = mem_zero(1, sizeof(*c));
    char *longest = mem_zero(1, CONFIG_TEXT_MAX + 1);
    config_init(c);
    memset(longest, 'a', CONFIG_TEXT_MAX);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        struct err_why why = {0};
        const char *value = list[i][1] == NULL ? longest : list[i][1];
        EXPECT_EQ(ERR_INVALID, config_set(c, list[i][0], value, &why));
        EXPECT(strstr(why.text, list[i][2]) != NULL);
    }
    mem_free(longest);
    mem_free(c);
}

static void test_files(void)
{
    struct sources s;
    sources_init(&s); /* named by the environment */
    write_file(&s, "data = from file\n");
    set(&s, SOURCE_ENVIRONMENT, "config", s.file);
    EXPECT_EQ(ERR_OK, load(&s));
    expect_value(s.config, "data", "from file");
    expect_value(s.config, "config", s.file);
    sources_deinit(&s);
    sources_init(&s); /* the flag names another */
    write_file(&s, "data = from file\n");
    set(&s, SOURCE_ENVIRONMENT, "config", "/nowhere");
    name_file(&s);
    EXPECT_EQ(ERR_OK, load(&s));
    expect_value(s.config, "data", "from file");
    sources_deinit(&s);
    sources_init(&s);
    add_argument(&s, "--config=/nowhere/at/all");
    EXPECT_EQ(ERR_IO, load(&s));
    EXPECT(strcmp(s.why.text, "config: /nowhere/at/all: No such file or directory") == 0);
    sources_deinit(&s);
    sources_init(&s); /* a folder */
    add_argument(&s, "--config=/tmp");
    EXPECT_EQ(ERR_IO, load(&s));
    EXPECT(strcmp(s.why.text, "config: /tmp: Is a directory") == 0);
    sources_deinit(&s);
    sources_init(&s); /* without an end */
    add_argument(&s, "--config=/dev/zero");
    EXPECT_EQ(ERR_TOO_LARGE, load(&s));
    EXPECT(strcmp(s.why.text, "config: /dev/zero is larger than 1048576 bytes") == 0);
    sources_deinit(&s);
}

/* ---- The file's text ---- */

struct text_case {
    const char *text;
    const char *sentence; /* NULL: accepted */
};

static void test_text(void)
{
    static const struct text_case list[] = {
        {"", NULL},
        {"\n\n", NULL},
        {"# only a comment", NULL},
        {"   # and one behind spaces\n", NULL},
        {"shards=4", NULL},
        {"shards = 4\r\n", NULL},
        {"\t shards\t=\t4  \n", NULL},
        {"name = a = b\n", NULL},
        {"name = # no comment\n", NULL},
        {"name =\n", NULL},
        {"shards = 4\nshards = 5\n", NULL},
        {"shards\n", "line 1: "},
        {"= 4\n", "line 1: "},
        {"\n\nshards = x\n", "line 3: shards: x"},
        {"shards = 4 # four\n", "line 1: shards: 4 # four"},
        {"config = other\n", "line 1: a file cannot name another"},
        {"# fine\nSHARDS = 4\n", "line 2: "},
        {"a-name-that-is-far-too-long-for-any-setting-there-will-ever-be-in-this-program = 1",
         "line 1: too long"},
    };
    struct config *c = mem_zero(1, sizeof(*c));
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        struct err_why why = {0};
        config_init(c);
        const enum err e = config_read_text(c, slice_of_text(list[i].text), &why);
        EXPECT_EQ(list[i].sentence == NULL ? ERR_OK : ERR_INVALID, e);
        EXPECT(list[i].sentence == NULL ||
               strncmp(why.text, list[i].sentence, strlen(list[i].sentence)) == 0);
    }
    EXPECT_EQ(ERR_INVALID, config_read_text(c, SLICE("name = a\0b\n"), NULL));
    EXPECT_EQ(ERR_INVALID, config_read_text(c, SLICE("na\0me = a\n"), NULL));
    config_init(c);
    EXPECT_EQ(ERR_OK, config_read_text(c, SLICE("name = a = # b \n\n shards=7"), NULL));
    expect_value(c, "name", "a = # b");
    expect_value(c, "shards", "7");
    mem_free(c);
}

/* What is told of a configuration makes the same one. */
static void on_line(void *arg, const char *name, const char *value)
{
    if (strcmp(name, "config") != 0) {
        buf_printf(arg, "%s = %s\n", name, value);
    }
}

static void test_told_and_read_again(void)
{
    struct config *c = mem_zero(2, sizeof(*c));
    struct buf first = {0};
    struct buf second = {0};
    config_init(&c[0]);
    config_init(&c[1]);
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].shown, MASK) != 0) {
            EXPECT_EQ(ERR_OK, config_set(&c[0], settings[i].name, settings[i].value, NULL));
        }
    }
    config_each(&c[0], on_line, &first);
    EXPECT_EQ(ERR_OK, config_read_text(&c[1], buf_slice(&first), NULL));
    config_each(&c[1], on_line, &second);
    EXPECT(slice_equal(buf_slice(&first), buf_slice(&second)));
    EXPECT(memcmp(&c[0], &c[1], sizeof(*c)) == 0);
    buf_deinit(&first);
    buf_deinit(&second);
    mem_free(c);
}

/* A secret is kept, and told nowhere: not in a list, not in an error. */
static void test_secrets(void)
{
    struct config *c = mem_zero(1, sizeof(*c));
    struct err_why why = {0};
    char text[CONFIG_TEXT_MAX + 1];
    config_init(c);
    EXPECT_EQ(ERR_OK, config_set(c, "regatta-tables-token", "abc", NULL));
    EXPECT_EQ(ERR_OK, config_set(c, "regatta-maintenance-token", "def", NULL));
    EXPECT(strcmp(c->tables_token, "abc") == 0 && strcmp(c->maintenance_token, "def") == 0);
    memset(text, 'x', sizeof(text));
    text[CONFIG_TEXT_MAX] = '\0';
    EXPECT_EQ(ERR_INVALID, config_set(c, "regatta-tables-token", text, &why));
    EXPECT(strstr(why.text, "xxx") == NULL);
    mem_free(c);
}

/* ---- Numbers ---- */

struct number_case {
    const char *text;
    uint64_t number; /* NUMBER_BAD: refused */
};

#define NUMBER_BAD UINT64_MAX

static void test_sizes(void)
{
    static const struct number_case list[] = {
        {"0", 0},
        {"1", 1},
        {"7B", 7},
        {"007", 7},
        {"1KiB", 1024},
        {"2MiB", 2 << 20},
        {"3GiB", UINT64_C(3) << 30},
        {"1TiB", UINT64_C(1) << 40},
        {"1KB", 1000},
        {"1MB", 1000000},
        {"1GB", 1000000000},
        {"1k", 1024},
        {"1m", 1 << 20},
        {"1g", 1 << 30},
        {"16777215TiB", UINT64_C(16777215) << 40},
        {"16777216TiB", NUMBER_BAD},
        {"18446744073709551616", NUMBER_BAD},
        {"99999999999999999999999999", NUMBER_BAD},
        {"18446744073709551609GiB", NUMBER_BAD},
        {"", NUMBER_BAD},
        {"KiB", NUMBER_BAD},
        {"-1", NUMBER_BAD},
        {"+1", NUMBER_BAD},
        {" 1", NUMBER_BAD},
        {"1 ", NUMBER_BAD},
        {"1 KiB", NUMBER_BAD},
        {"1kib", NUMBER_BAD},
        {"1.5GiB", NUMBER_BAD},
        {"0x10", NUMBER_BAD},
        {"1s", NUMBER_BAD},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        uint64_t bytes = NUMBER_BAD;
        const enum err e = parse_size(slice_of_text(list[i].text), &bytes);
        EXPECT_EQ(list[i].number == NUMBER_BAD ? ERR_INVALID : ERR_OK, e);
        EXPECT(bytes == list[i].number); /* untouched when refused */
    }
    uint64_t bytes = 0;
    EXPECT_EQ(ERR_INVALID, parse_size(SLICE("1\0"), &bytes));
}

static void test_durations(void)
{
    static const struct number_case list[] = {
        {"0", 0},
        {"5", 5},
        {"250ms", 250},
        {"3s", 3000},
        {"2m", 120000},
        {"307445734561825m", UINT64_C(307445734561825) * 60000},
        {"307445734561826m", NUMBER_BAD},
        {"18446744073709552s", NUMBER_BAD},
        {"", NUMBER_BAD},
        {"s", NUMBER_BAD},
        {"1h", NUMBER_BAD},
        {"1 s", NUMBER_BAD},
        {"1.5s", NUMBER_BAD},
        {"-5s", NUMBER_BAD},
        {"1S", NUMBER_BAD},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        uint64_t ms = NUMBER_BAD;
        const enum err e = parse_duration(slice_of_text(list[i].text), &ms);
        EXPECT_EQ(list[i].number == NUMBER_BAD ? ERR_INVALID : ERR_OK, e);
        EXPECT(ms == list[i].number);
    }
}

static void test_switches(void)
{
    static const char *const yes[] = {"yes", "true", "on", "1", ""};
    static const char *const no[] = {"no", "false", "off", "0"};
    struct config *c = mem_zero(1, sizeof(*c));
    config_init(c);
    for (size_t i = 0; i < 5; i++) {
        c->is_insecure = 0;
        EXPECT_EQ(ERR_OK, config_set(c, "insecure", yes[i], NULL));
        EXPECT_EQ(1, c->is_insecure);
    }
    for (size_t i = 0; i < 4; i++) {
        c->is_insecure = 1;
        EXPECT_EQ(ERR_OK, config_set(c, "insecure", no[i], NULL));
        EXPECT_EQ(0, c->is_insecure);
    }
    EXPECT_EQ(ERR_INVALID, config_set(c, "insecure", "YES", NULL));
    mem_free(c);
}

/* ---- What fits together ---- */

static void test_tls_fits(void)
{
    static const struct {
        const char *arguments[4];
        const char *sentence; /* NULL: it fits */
    } tls[] = {
        {{"--tls-cert=c"}, "--tls-cert and --tls-key"},
        {{"--tls-key=k"}, "--tls-cert and --tls-key"},
        {{"--tls-only"}, "--tls-only needs --tls-cert"},
        {{"--tls-client-auth=request"}, "--tls-client-auth needs --tls-cert"},
        {{"--tls-cert=c", "--tls-key=k", "--tls-client-ca=a"}, "--tls-client-ca and"},
        {{"--tls-cert=c", "--tls-key=k", "--tls-client-auth=require"}, "--tls-client-ca and"},
        {{"--tls-cert=c", "--tls-key=k"}, NULL},
        {{"--tls-cert=c", "--tls-key=k", "--tls-only"}, NULL},
        {{"--tls-cert=c", "--tls-key=k", "--tls-client-ca=a", "--tls-client-auth=require"}, NULL},
    };
    for (size_t i = 0; i < sizeof(tls) / sizeof(tls[0]); i++) {
        struct sources s;
        sources_init(&s);
        add_argument(&s, "--engine=memory");
        for (size_t k = 0; k < 4 && tls[i].arguments[k] != NULL; k++) {
            add_argument(&s, tls[i].arguments[k]);
        }
        EXPECT_EQ(tls[i].sentence == NULL ? ERR_OK : ERR_INVALID, load(&s));
        EXPECT(tls[i].sentence == NULL || strstr(s.why.text, tls[i].sentence) != NULL);
        sources_deinit(&s);
    }
}

/* ---- Help ---- */

static void test_help(void)
{
    struct buf help = {0};
    config_help(&help);
    buf_append_byte(&help, '\0');
    for (size_t i = 0; i < SETTINGS; i++) {
        char flag[64];
        (void)snprintf(flag, sizeof(flag), "  --%s", settings[i].name);
        const char *at = strstr((const char *)help.data, flag);
        EXPECT(at != NULL);
        EXPECT(at[strlen(flag)] == ' ' || at[strlen(flag)] == '\n');
    }
    for (const char *at = (const char *)help.data; *at != '\0'; at += strcspn(at, "\n") + 1) {
        EXPECT(strcspn(at, "\n") <= 88); /* lines fit a terminal */
    }
    EXPECT(strstr((const char *)help.data, "  --config") != NULL);
    EXPECT(strstr((const char *)help.data, "error|warn|info|debug|trace") != NULL);
    EXPECT(strstr((const char *)help.data, "(default 16MiB)") != NULL);
    buf_deinit(&help);
    EXPECT(config_is_live("log-level") && config_is_live("stop-timeout") && config_is_live("slow"));
    EXPECT(!config_is_live("shards") && !config_is_live("no-such") && !config_is_live(""));
}

static const struct test_case cases[] = {
    {"defaults", test_defaults},
    {"each_source", test_each_source},
    {"bad_values", test_bad_values},
    {"unknown_names", test_unknown_names},
    {"arguments", test_arguments},
    {"long_texts", test_long_texts},
    {"precedence", test_precedence},
    {"lists_are_replaced", test_lists_are_replaced},
    {"list_limit", test_list_limit},
    {"files", test_files},
    {"sentences", test_sentences},
    {"text", test_text},
    {"told_and_read_again", test_told_and_read_again},
    {"secrets", test_secrets},
    {"sizes", test_sizes},
    {"durations", test_durations},
    {"switches", test_switches},
    {"tls_fits", test_tls_fits},
    {"help", test_help},
};

TEST_MAIN(cases)
