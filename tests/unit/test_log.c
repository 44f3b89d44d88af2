/* Log lines as people and programs read them. */
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "harness.h"

struct reader {
    int fds[2];
    struct log log;
    struct buf line;
};

static void reader_init(struct reader *r, enum log_level level, enum log_format format)
{
    *r = (struct reader){.log = {.format = format}};
    EXPECT_EQ(0, pipe(r->fds));
    atomic_init(&r->log.level, (int)level);
    r->log.fd = r->fds[1];
}

/* What has been written, without the time. */
static const char *read_line(struct reader *r)
{
    (void)close(r->fds[1]);
    uint8_t *at = buf_reserve(&r->line, 4096);
    const ssize_t size = read(r->fds[0], at, 4095);
    EXPECT(size >= 0);
    at[size] = '\0';
    (void)close(r->fds[0]);
    const char *level = strstr((const char *)at, "level");
    return level == NULL ? (const char *)at : level;
}

static void test_logfmt(void)
{
    struct reader r;
    reader_init(&r, LOG_INFO, LOG_LOGFMT);
    log_info(&r.log, "shard", "leader changed", F_U64("shard", UINT64_MAX), F_I64("by", -3),
             F_TEXT("name", "n1"), F_TEXT("none", NULL),
             F_TEXT("odd", "a=\"b\\\n\x01\xff\xc3\xbc"));
    EXPECT(strcmp(read_line(&r),
                  "level=info module=shard message=\"leader changed\" shard=18446744073709551615 "
                  "by=-3 name=n1 none=\"\" odd=\"a=\\\"b\\\\\\u000a\\u0001\\ufffd\xc3\xbc\"\n") ==
           0);
    EXPECT(strncmp((const char *)r.line.data, "time=20", 7) == 0);
    buf_deinit(&r.line);
}

static void test_json(void)
{
    struct reader r;
    reader_init(&r, LOG_TRACE, LOG_JSON);
    log_trace(&r.log, "shard", "step", F_U64("shard", 7), F_TEXT("name", "a \"b\""));
    EXPECT(strcmp(read_line(&r), "level\":\"trace\",\"module\":\"shard\",\"message\":\"step\","
                                 "\"shard\":7,\"name\":\"a \\\"b\\\"\"}\n") == 0);
    EXPECT(strncmp((const char *)r.line.data, "{\"time\":\"20", 11) == 0);
    buf_deinit(&r.line);
}

static void test_levels(void)
{
    struct reader r;
    reader_init(&r, LOG_WARN, LOG_LOGFMT);
    log_info(&r.log, "m", "not wanted");
    log_error(NULL, "m", "silent");
    log_error(&r.log, "m", "wanted");
    EXPECT(strcmp(read_line(&r), "level=error module=m message=wanted\n") == 0);
    buf_deinit(&r.line);
}

static const struct test_case cases[] = {
    {"logfmt", test_logfmt},
    {"json", test_json},
    {"levels", test_levels},
};

TEST_MAIN(cases)
