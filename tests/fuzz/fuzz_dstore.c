/* The text protocol of dstore on a simulated node: lines in pieces, whatever they hold. Every reply
 * is ACK, ACK and base64, base64, or empty; no line goes unanswered before the connection ends. */
#include "api/dstore/dstore.h"
#include "base/check.h"
#include "base/mem.h"
#include "sim/scene.h"
#include "wire/json.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_output(void *arg)
{
    *(bool *)arg = true;
}

static void check_reply(struct slice line)
{
    struct buf bytes = {0};
    if (slice_starts_with(line, SLICE("ACK "))) {
        line = slice_skip(line, 4);
        CHECK(line.size > 0);
    }
    CHECK(slice_equal(line, SLICE("ACK")) || base64_read(&bytes, line));
    buf_deinit(&bytes);
}

/* Whole lines only. Returns how many. */
static size_t check_replies(const struct buf *out)
{
    size_t count = 0;
    for (size_t at = 0; at < out->size; count++) {
        const uint8_t *end = memchr(out->data + at, '\n', out->size - at);
        CHECK(end != NULL);
        const size_t size = (size_t)(end - out->data) - at;
        check_reply(slice_of(out->data + at, size));
        at += size + 1;
    }
    return count;
}

static size_t lines_in(const uint8_t *data, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        count += data[i] == '\n' ? 1 : 0;
    }
    return count;
}

static void run(struct scene *s, const uint8_t *data, size_t size, size_t piece)
{
    struct node_facts facts = {.node_name = "fuzz"};
    struct dialect_stats *stats = mem_zero(DIALECT_COUNT, sizeof(*stats));
    struct loop_context context = {
        .router = s->node.router[0], .facts = &facts, .stats = stats, .slow_us = UINT64_MAX};
    bool has_output = false;
    const struct dstore_owner owner = {.on_output = on_output, .arg = &has_output};
    struct dstore_session *d = dstore_open(&context, &owner);
    size_t used = 0;
    size_t end = 0;
    while (used < size && !dstore_is_closing(d)) {
        end = end + piece < size ? end + piece : size;
        const size_t before = used;
        used += dstore_input(d, data + used, end - used);
        loop_again(s->node.loops[0]);
        scene_run(50);
        if (end == size && used == before) {
            break; /* the rest is no line */
        }
    }
    scene_run(200);
    const size_t replies = check_replies(dstore_out(d));
    CHECK(replies <= lines_in(data, size));
    CHECK(dstore_is_closing(d) || replies == lines_in(data, used));
    dstore_close(&d);
    mem_free(stats);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct node_config config = {
        .loops = 1, .shards = 1, .memory_max = 16 << 20, .is_volatile = true};
    struct scene s;
    if (size < 1) {
        return 0;
    }
    scene_open(&s, 1, &config);
    run(&s, data + 1, size - 1, 1 + data[0] * (size_t)16);
    scene_close(&s);
    return 0;
}
