/* D-Stash's requests from bytes to operations, and the terms of any text.
 *
 * The first byte chooses a method; the rest is the body, framed as gRPC or not. A stream is given
 * in two pieces and ended, or left, and the node is as good as before: a pair can be put and read.
 * Terms: each is found again when it is a text by itself, and holds no separator. */
#include <stdlib.h>

#include "api/dstash/strings.h"
#include "base/check.h"
#include "fake_exchange.h"
#include "wire/grpc.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const methods[] = {
    "/keymaster.DStash/Put",       "/keymaster.DStash/BatchPut", "/dstash.DStash/Lookup",
    "/dstash.DStash/BatchLookup",  "/dstash.DStash/BatchIndex",  "/dstash.DStash/Search",
    "/dstash.KVStore/Put",         "/dstash.KVStore/BatchPut",   "/dstash.KVStore/Lookup",
    "/dstash.KVStore/BatchLookup", "/dstash.KVStore/Items",      "/dstash.DStash/BatchSetBit",
    "/dstash.BitmapIndex/Query",   "/dstash.DStash/Items",       "/dstash.ClusterAdmin/Status",
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* ---- Terms ---- */

static bool is_separator(uint8_t byte)
{
    return byte < 0x80 && !(byte >= 'a' && byte <= 'z') && byte != '-' && byte != '_' &&
           byte != '\'';
}

/* A term that is folded once more may become a stop word, and none; or another one. */
static void check_term(struct slice term)
{
    uint8_t key[TERM_KEY_MAX];
    CHECK(term.size > 0);
    for (size_t i = 0; i < term.size; i++) {
        CHECK(!is_separator(term.data[i]));
    }
    const size_t size = term_key(key, term);
    CHECK(size > 1 && size <= TERM_KEY_MAX);
    struct terms again = {0};
    terms_of(&again, term);
    CHECK(again.count <= 1);
    terms_deinit(&again);
}

static void check_terms(struct slice text)
{
    struct terms t = {0};
    terms_of(&t, text);
    for (size_t i = 0; i < t.count; i++) {
        check_term(t.list[i]);
        CHECK(i == 0 || slice_compare(t.list[i - 1], t.list[i]) < 0);
    }
    terms_deinit(&t);
}

/* ---- Requests ---- */

static void give(struct fake_exchange *f, struct slice bytes)
{
    if (!f->is_complete && !f->is_done) {
        f->x.route->on_body(&f->x, bytes);
    }
}

static void play(struct http_world *w, const char *method, struct slice body, bool is_left)
{
    const struct http_dialect *const dialects[] = {dstash_dialect(), NULL};
    struct fake_exchange f;
    struct buf text = {0};
    buf_printf(&text,
               "POST %s HTTP/1.1\r\nContent-Type: application/grpc-web+proto\r\n"
               "Transfer-Encoding: chunked\r\n\r\n",
               method);
    fake_open(&f, w, dialects, buf_slice(&text));
    buf_deinit(&text);
    f.x.route->handle(&f.x, NULL);
    if (body.size > 1) {
        give(&f, slice_of(body.data, body.size / 2));
        world_wait(w, 1);
    }
    if (body.size > 0) {
        give(&f, slice_skip(body, body.size > 1 ? body.size / 2 : 0));
    }
    if (is_left && !f.is_complete) {
        f.x.is_aborted = true;
        f.x.route->on_abort(&f.x);
    } else {
        give(&f, (struct slice){0});
    }
    fake_finish(&f, w);
    fake_close(&f);
}

static void check_requests(struct slice input)
{
    const char *method = methods[input.data[0] % METHODS];
    const bool is_left = (input.data[0] & 0x80) != 0;
    const bool is_framed = (input.data[0] & 0x40) != 0;
    struct http_world w;
    struct buf body = {0};
    world_open(&w);
    if (is_framed) {
        const size_t begin = grpc_message_begin(&body);
        buf_append_slice(&body, slice_skip(input, 1));
        grpc_message_end(&body, begin, GRPC_IDENTITY);
    } else {
        buf_append_slice(&body, slice_skip(input, 1));
    }
    play(&w, method, buf_slice(&body), is_left);
    play(&w, "/dstash.DStash/Put", SLICE("\0\0\0\0\6\n\1k\22\1v"), false);
    buf_deinit(&body);
    world_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice input = slice_of(data, size);
    check_terms(input);
    if (size > 0) {
        check_requests(input);
    }
    return 0;
}
