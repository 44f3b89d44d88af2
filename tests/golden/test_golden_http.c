/* Requests and whole answers as readable text: each file is played against its dialects, and must
 * come out as it is. HOLDFAST_BLESS=1 writes the files anew; review the difference.
 *
 *   # a comment                      * wait 6000 (milliseconds)
 *   > GET /kv/a                      < 200
 *   > Name: value                    < Name: value
 *   >> the body                      << the body
 *                                    <+ Name: value (a trailer)
 *
 * In bodies \n is a line feed, \xNN any byte. What depends on how long things take in this world is
 * not written out: revisions (which begin with its start time), times, times to live. */
#include "fake_exchange.h"
#include "harness.h"

#define FILE_MAX ((size_t)1 << 20)

struct player {
    struct http_world world;
    const struct http_dialect *const *dialects;
    struct buf request;
    bool has_request;
    bool has_body;
    struct buf out; /* the file as it should be */
};

static void unescape(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\\' || i + 1 == text.size) {
            buf_append_byte(out, text.data[i]);
        } else if (text.data[i + 1] == 'n') {
            buf_append_byte(out, '\n');
            i++;
        } else if (text.data[i + 1] == 'x' && i + 3 < text.size) {
            const char digits[3] = {(char)text.data[i + 2], (char)text.data[i + 3], '\0'};
            buf_append_byte(out, (uint8_t)strtoul(digits, NULL, 16));
            i += 3;
        } else {
            buf_append_byte(out, text.data[i]);
        }
    }
}

/* Writes a placeholder for what begins here and varies; returns the bytes it stands for, or 0. */
static size_t escape_varying(struct buf *out, struct slice bytes)
{
    static const struct {
        const char *prefix;
        size_t size; /* 0: the prefix, and the digits behind it */
        const char *text;
    } varying[] = {
        {"17000000", 16, "REV"},
        {"2023-11-14T", 24, "TIME"},
        {"\"ttl_ms\":", 0, "\"ttl_ms\":N"},
        {"Ttl-Ms: ", 0, "Ttl-Ms: N"},
    };
    for (size_t i = 0; i < sizeof(varying) / sizeof(varying[0]); i++) {
        const struct slice prefix = slice_of_text(varying[i].prefix);
        if (!slice_starts_with(bytes, prefix)) {
            continue;
        }
        size_t size = varying[i].size == 0 ? prefix.size : varying[i].size;
        while (varying[i].size == 0 && size < bytes.size && bytes.data[size] >= '0' &&
               bytes.data[size] <= '9') {
            size++;
        }
        buf_append_text(out, varying[i].text);
        return size;
    }
    return 0;
}

static void escape(struct buf *out, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t byte = bytes.data[i];
        const size_t varying = escape_varying(out, slice_skip(bytes, i));
        if (varying > 0) {
            i += varying - 1;
        } else if (byte == '\n') {
            buf_append_text(out, "\\n");
        } else if (byte < 0x20 || byte >= 0x7f) {
            buf_printf(out, "\\x%02x", byte);
        } else {
            buf_append_byte(out, byte);
        }
    }
}

static void write_fields(struct player *p, const char *mark, struct slice rest)
{
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        EXPECT(end != NULL);
        const size_t size = (size_t)(end - rest.data) + 1;
        buf_append_text(&p->out, mark);
        escape(&p->out, slice_of(rest.data, size - 1));
        buf_append_byte(&p->out, '\n');
        rest = slice_skip(rest, size);
    }
}

static void write_answer(struct player *p, const struct fake_exchange *f)
{
    buf_printf(&p->out, "< %u\n", f->status);
    write_fields(p, "< ", buf_slice(&f->headers));
    if (f->body.size > 0) {
        buf_append_text(&p->out, "<< ");
        escape(&p->out, buf_slice(&f->body));
        buf_append_byte(&p->out, '\n');
    }
    write_fields(p, "<+ ", buf_slice(&f->trailers));
}

/* Plays the request that has been gathered, if there is one. */
static void play(struct player *p)
{
    struct fake_exchange f;
    if (!p->has_request) {
        return;
    }
    if (!p->has_body) {
        buf_append_text(&p->request, "\r\n");
    }
    fake_run(&f, &p->world, p->dialects, buf_slice(&p->request));
    write_answer(p, &f);
    fake_close(&f);
    buf_clear(&p->request);
    p->has_request = false;
    p->has_body = false;
}

static void take_request_line(struct player *p, struct slice text)
{
    buf_append_slice(&p->request, text);
    buf_append_text(&p->request, p->has_request ? "\r\n" : " HTTP/1.1\r\n");
    p->has_request = true;
}

static void take_line(struct player *p, struct slice line)
{
    if (slice_starts_with(line, SLICE("<"))) {
        return; /* what it said before */
    }
    if (slice_starts_with(line, SLICE("* wait "))) {
        world_wait(&p->world, strtoull((const char *)line.data + 7, NULL, 10));
    } else if (slice_starts_with(line, SLICE(">> "))) {
        struct buf body = {0};
        unescape(&body, slice_skip(line, 3));
        buf_printf(&p->request, "Content-Length: %zu\r\n\r\n", body.size);
        buf_append_slice(&p->request, buf_slice(&body));
        buf_deinit(&body);
        p->has_body = true;
    } else if (slice_starts_with(line, SLICE("> "))) {
        take_request_line(p, slice_skip(line, 2));
    } else {
        play(p); /* a blank line or a comment ends a request */
    }
    buf_append_slice(&p->out, line);
    buf_append_byte(&p->out, '\n');
}

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    EXPECT(file != NULL);
    buf_extend(out, fread(buf_reserve(out, FILE_MAX), 1, FILE_MAX, file));
    EXPECT_EQ(0, fclose(file));
}

/* Shows the first line that differs, and stops. */
static void show_difference(const char *path, struct slice want, struct slice got)
{
    size_t at = 0;
    size_t line = 1;
    size_t begin = 0;
    while (at < want.size && at < got.size && want.data[at] == got.data[at]) {
        if (want.data[at] == '\n') {
            line++;
            begin = at + 1;
        }
        at++;
    }
    const uint8_t *want_end = memchr(want.data + at, '\n', want.size - at);
    const uint8_t *got_end = memchr(got.data + at, '\n', got.size - at);
    (void)fprintf(stderr, "%s:%zu: want\n%.*s\ngot\n%.*s\n", path, line,
                  (int)(want_end == NULL ? 0 : want_end - want.data - (ptrdiff_t)begin),
                  (const char *)want.data + begin,
                  (int)(got_end == NULL ? 0 : got_end - got.data - (ptrdiff_t)begin),
                  (const char *)got.data + begin);
    exit(1);
}

static void compare(const char *path, struct slice want, struct slice got)
{
    if (slice_equal(want, got)) {
        return;
    }
    if (getenv("HOLDFAST_BLESS") == NULL) {
        show_difference(path, want, got);
    }
    FILE *file = fopen(path, "wb");
    EXPECT(file != NULL);
    EXPECT_EQ(got.size, fwrite(got.data, 1, got.size, file));
    EXPECT_EQ(0, fclose(file));
}

static void run_file(const char *name, const struct http_dialect *const *dialects)
{
    struct player p = {.dialects = dialects};
    struct buf file = {0};
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", GOLDEN_FOLDER, name);
    read_file(path, &file);
    world_open(&p.world);
    struct slice rest = buf_slice(&file);
    while (rest.size > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.size);
        EXPECT(end != NULL);
        const size_t size = (size_t)(end - rest.data);
        take_line(&p, slice_of(rest.data, size));
        rest = slice_skip(rest, size + 1);
    }
    EXPECT(!p.has_request); /* the file ends with a blank line */
    compare(path, buf_slice(&file), buf_slice(&p.out));
    world_close(&p.world);
    buf_deinit(&p.request);
    buf_deinit(&p.out);
    buf_deinit(&file);
}

static void test_strato(void)
{
    const struct http_dialect *const dialects[] = {strato_dialect(), NULL};
    run_file("strato.txt", dialects);
}

static void test_estoraje(void)
{
    const struct http_dialect *const dialects[] = {estoraje_dialect(), NULL};
    run_file("estoraje.txt", dialects);
}

/* All on one port: fixed paths win over Estoraje's keys. */
static void test_shared_port(void)
{
    const struct http_dialect *const dialects[] = {admin_dialect(), native_dialect(),
                                                   strato_dialect(), estoraje_dialect(), NULL};
    run_file("shared_port.txt", dialects);
}

static void test_native(void)
{
    const struct http_dialect *const dialects[] = {native_dialect(), NULL};
    run_file("native.txt", dialects);
}

static void test_native_grpc(void)
{
    const struct http_dialect *const dialects[] = {native_grpc_dialect(), NULL};
    run_file("native_grpc.txt", dialects);
}

static void test_strato_grpc(void)
{
    const struct http_dialect *const dialects[] = {strato_dialect(), NULL};
    run_file("strato_grpc.txt", dialects);
}

static void test_dstash(void)
{
    const struct http_dialect *const dialects[] = {dstash_dialect(), NULL};
    run_file("dstash.txt", dialects);
}

static void test_regatta(void)
{
    const struct http_dialect *const dialects[] = {regatta_dialect(), NULL};
    run_file("regatta.txt", dialects);
}

static void test_meta_grpc(void)
{
    const struct http_dialect *const dialects[] = {meta_dialect(), NULL};
    run_file("meta_grpc.txt", dialects);
}

static const struct test_case cases[] = {
    {"regatta", test_regatta},         {"strato", test_strato},
    {"native_grpc", test_native_grpc}, {"strato_grpc", test_strato_grpc},
    {"meta_grpc", test_meta_grpc},     {"estoraje", test_estoraje},
    {"shared_port", test_shared_port}, {"native", test_native},
    {"dstash", test_dstash},
};

TEST_MAIN(cases)
