/* tables/{table}/batch: operations as lines of JSON, each answered with a line in the same order;
 * any number of them, not atomic.
 *
 *   on_body ─► input ─► a round: some lines become calls ─► all done ─► their answers
 *                 ▲                                                         │
 *                 └───── next round, when the client takes answers ◄────────┘
 *
 * One round is under way at a time, so memory holds one round and little more: while it runs,
 * or while the client does not read, the request's body waits in the socket. A round has the more
 * lines, the smaller the answers of the one before were. How large they are shows only when they
 * come: when it is too much, reads are forgotten, their lines stay in `input` and are in the next
 * round. A read in front of a write of its round cannot be made later; it is refused then. */
#include "api/native/op_json.h"
#include "base/check.h"
#include "base/mem.h"

#define ROUND_LINES_MIN  8
#define ROUND_LINES_MAX  512
#define ROUND_BYTES      ((size_t)1 << 20)   /* of lines; at least one is taken */
#define ANSWER_BYTES     ((size_t)256 << 10) /* of a round: with less the next one grows */
#define ANSWERS_MAX      ((size_t)8 << 20)   /* of a round; but for one of any size */
#define INPUT_HIGH       ((size_t)256 << 10) /* unread bytes: stop the body */
#define LINE_EXTRA_BYTES ((size_t)1 << 20)   /* a line: twice the largest value, and this */

struct line {
    struct batch *batch;
    struct call call;
    bool is_called;    /* false: its answer says what is wrong with it */
    bool is_forgotten; /* a read that is made again in the next round */
    size_t end;        /* of its text, in `input` */
    size_t begin;      /* where its answer lies in `out` */
    size_t size;
};

struct batch {
    struct http_task task;
    struct http_exchange *x;
    uint32_t table_id;
    struct buf input;   /* with the lines of the round */
    size_t scanned;     /* bytes of `input` without a line feed, or before that */
    size_t taken;       /* of `input`, by the round */
    size_t counted;     /* of it, in loop_context.held_bytes */
    size_t writes;      /* lines of the round up to its last write */
    struct arena arena; /* of the round */
    struct line *lines; /* [ROUND_LINES_MAX]; owned */
    size_t lines_max;   /* of this round */
    size_t count;
    size_t waiting; /* calls under way */
    struct buf out; /* answers in the order in which they came */
    bool is_stepping;
    bool is_stalled; /* the client does not take its answers */
    bool has_ended;  /* nothing more is read */
    bool is_cut;     /* because too much is kept: its last line is not whole */
    bool is_paused;
    bool is_aborted;
};

static void step(struct batch *b);

static void release(struct batch *b)
{
    b->x->user = NULL;
    http_context(b->x)->held_bytes -= b->counted;
    buf_deinit(&b->input);
    buf_deinit(&b->out);
    arena_deinit(&b->arena);
    mem_free(b->lines);
    mem_free(b);
}

/* ---- Reading lines ---- */

static size_t line_max(const struct batch *b)
{
    return router_value_max(http_context(b->x)->router) * 2 + LINE_EXTRA_BYTES;
}

static void refuse(struct line *line, enum err e, const char *detail)
{
    struct batch *b = line->batch;
    http_err_count(b->x, DIALECT_NATIVE, e);
    line->begin = b->out.size;
    op_json_error_to(&b->out, e, detail);
    buf_append_byte(&b->out, '\n');
    line->size = b->out.size - line->begin;
}

static enum err read_op(struct batch *b, struct slice text, struct op *op, struct err_why *why)
{
    const struct loop_context *context = http_context(b->x);
    const struct table *t = router_table_by_id(context->router, b->table_id);
    if (t == NULL) {
        return err_set(why, ERR_NOT_FOUND, "the table was dropped meanwhile");
    }
    const struct op_json_scope scope = op_json_scope(context, t, &b->arena);
    json_t *value = native_json_read(text, line_max(b), why);
    if (value == NULL) {
        return why->code;
    }
    const enum err e = op_json_read(&scope, value, op, why);
    json_decref(value);
    return e;
}

static void on_done(struct call *call);

static struct line *add_line(struct batch *b)
{
    struct line *line = &b->lines[b->count++];
    *line = (struct line){.batch = b};
    return line;
}

static void read_line(struct batch *b, struct slice text)
{
    struct line *line = add_line(b);
    struct err_why why = {0};
    const enum err e = read_op(b, text, &line->call.op, &why);
    if (e != ERR_OK) {
        refuse(line, e, why.text);
        return;
    }
    b->writes = op_is_read(&line->call.op) ? b->writes : b->count;
    line->is_called = true;
    line->call.done = on_done;
    line->call.arg = line;
    line->call.order = b->x->connection_order;
}

static bool is_blank(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != ' ' && text.data[i] != '\t' && text.data[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* Finds the next line in `input` from `at` on; the last one may lack its line feed. */
static bool next_line(struct batch *b, size_t at, struct slice *text, size_t *next)
{
    const uint8_t *data = b->input.data;
    const size_t size = b->input.size;
    const size_t from = b->scanned > at ? b->scanned : at;
    if (data == NULL || at >= size) {
        return false;
    }
    const uint8_t *end = from < size ? memchr(data + from, '\n', size - from) : NULL;
    b->scanned = end == NULL ? size : (size_t)(end - data) + 1;
    if (end == NULL && (!b->has_ended || b->is_cut)) {
        return false;
    }
    *text = slice_of(data + at, (end == NULL ? size : (size_t)(end - data)) - at);
    *next = b->scanned;
    return true;
}

static void refuse_rest(struct batch *b)
{
    if (b->is_cut) {
        refuse(add_line(b), ERR_BUSY,
               "too many large requests are under way; the rest is not read");
    } else {
        refuse(add_line(b), ERR_TOO_LARGE, "a line is too long; the rest is not read");
    }
    buf_clear(&b->input);
    b->scanned = 0;
    b->is_cut = false;
    b->has_ended = true;
}

/* False: there is nothing to read. */
static bool read_round(struct batch *b)
{
    size_t at = 0;
    struct slice text;
    size_t next = 0;
    arena_reset(&b->arena);
    b->count = b->writes = 0;
    while (b->count < b->lines_max && at < ROUND_BYTES && next_line(b, at, &text, &next)) {
        if (!is_blank(text)) {
            read_line(b, text);
            b->lines[b->count - 1].end = next;
        }
        at = next;
    }
    b->taken = at;
    if (at == 0 && (b->is_cut || b->input.size > line_max(b))) {
        refuse_rest(b);
    }
    return at > 0 || b->count > 0;
}

/* The lines that are answered are not needed any more. */
static void consume(struct batch *b, size_t size)
{
    buf_consume(&b->input, size);
    b->scanned = size == b->taken && b->scanned > size ? b->scanned - size : 0;
    b->taken = 0;
}

/* ---- Answering them ---- */

static void send_run(struct batch *b, size_t begin, size_t size)
{
    if (size > 0) {
        http_stream_write(b->x, slice_of(b->out.data + begin, size));
    }
}

/* Lines that are answered: those before the first that is forgotten. */
static size_t answered(const struct batch *b)
{
    size_t count = 0;
    while (count < b->count && !b->lines[count].is_forgotten) {
        count++;
    }
    return count;
}

/* Of the next round. */
static void set_lines(struct batch *b, size_t count)
{
    if (count < b->count) {
        b->lines_max = count;
    } else if (b->out.size < ANSWER_BYTES) {
        b->lines_max = b->lines_max * 2 < ROUND_LINES_MAX ? b->lines_max * 2 : ROUND_LINES_MAX;
    } else if (b->out.size > ANSWER_BYTES * 4) {
        b->lines_max = b->lines_max > 1 ? b->lines_max / 2 : 1;
    }
}

/* The answers in the order of the lines; neighbours in `out` go together. */
static void send_round(struct batch *b)
{
    const size_t count = answered(b);
    size_t begin = 0;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &b->lines[i];
        if (line->begin != begin + size) {
            send_run(b, begin, size);
            begin = line->begin;
            size = 0;
        }
        size += line->size;
    }
    send_run(b, begin, size);
    set_lines(b, count);
    consume(b, count < b->count ? b->lines[count - 1].end : b->taken);
    buf_clear(&b->out);
    b->count = 0;
    b->is_stalled = http_stream_waiting(b->x) >= HTTP_STREAM_HIGH;
}

/* Takes down the answer of a line, if that is not too much. */
static void take_answer(struct line *line)
{
    struct batch *b = line->batch;
    const struct call *call = &line->call;
    const enum err e = call->result.err;
    const size_t at = (size_t)(line - b->lines);
    const bool is_too_much = b->out.size >= ANSWERS_MAX && at > 0 && op_is_read(&call->op);
    line->is_forgotten = is_too_much && at >= b->writes;
    if (line->is_forgotten) {
        return;
    }
    if (is_too_much) {
        refuse(line, ERR_BUSY, "the answers before it are too large; ask again");
        return;
    }
    if (e != ERR_OK && e != ERR_NOT_FOUND) {
        http_err_count(b->x, DIALECT_NATIVE, e);
    }
    line->begin = b->out.size;
    op_json_result_to(&b->out, &call->op, &call->result, router_now_ms(http_context(b->x)->router));
    buf_append_byte(&b->out, '\n');
    line->size = b->out.size - line->begin;
}

static void on_done(struct call *call)
{
    struct line *line = call->arg;
    struct batch *b = line->batch;
    take_answer(line);
    if (--b->waiting > 0) {
        return;
    }
    if (b->is_aborted) {
        struct http_exchange *x = b->x;
        release(b);
        http_done(x);
        return;
    }
    send_round(b);
    step(b);
}

static void start_round(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        b->waiting += b->lines[i].is_called ? 1 : 0;
    }
    for (size_t i = 0; i < b->count; i++) {
        if (b->lines[i].is_called) {
            router_call(http_context(b->x)->router, &b->lines[i].call);
        }
    }
}

/* Stops the body while there is enough to do, and goes on when there is not. */
static void set_pause(struct batch *b)
{
    const bool is_busy = b->waiting > 0 || b->is_stalled;
    const bool wants_pause = is_busy && b->input.size >= INPUT_HIGH && !b->has_ended;
    if (wants_pause && !b->is_paused) {
        b->is_paused = true;
        http_pause(b->x);
    } else if (!wants_pause && b->is_paused) {
        b->is_paused = false;
        http_resume(b->x); /* may bring more of the body at once */
    }
}

/* Does what can be done now. */
static void step(struct batch *b)
{
    if (b->is_stepping) {
        return;
    }
    b->is_stepping = true;
    while (b->waiting == 0 && !b->is_stalled && read_round(b)) {
        start_round(b);
        if (b->waiting == 0) { /* no line could be read */
            send_round(b);
        }
    }
    const bool is_complete = b->waiting == 0 && b->has_ended && b->input.size == 0;
    b->is_stepping = false;
    if (is_complete) {
        struct http_exchange *x = b->x;
        release(b);
        http_stream_end(x, true);
        return;
    }
    set_pause(b);
}

/* ---- The exchange ---- */

static void on_writable(struct http_task *t)
{
    struct batch *b = container_of(t, struct batch, task);
    if (b->is_stalled && !b->is_aborted) {
        b->is_stalled = false;
        step(b);
    }
}

static void on_abort(struct http_task *t)
{
    struct batch *b = container_of(t, struct batch, task);
    struct http_exchange *x = b->x;
    b->is_aborted = true;
    if (b->waiting == 0) {
        release(b);
        http_done(x);
    }
}

/* False: all that is kept on this loop is too much. */
static bool keep(struct batch *b, struct slice bytes)
{
    size_t *held = &http_context(b->x)->held_bytes;
    if (b->input.size > INPUT_HIGH && *held + bytes.size > HELD_MAX) {
        b->is_cut = true;
        return false;
    }
    buf_append_slice(&b->input, bytes);
    *held += b->input.capacity - b->counted;
    b->counted = b->input.capacity;
    return true;
}

static void on_body(struct http_exchange *x, struct slice bytes)
{
    if (x->user == NULL) { /* answered already */
        return;
    }
    struct batch *b = container_of((struct http_task *)x->user, struct batch, task);
    if (b->is_aborted || b->has_ended) {
        return;
    }
    b->has_ended = bytes.size == 0 || !keep(b, bytes);
    step(b);
}

static void post(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct table *t = NULL;
    struct err_why why = {0};
    enum err e = parameters_none(x, &why);
    e = e == ERR_OK ? native_table(x, &t, &why) : e;
    if (e != ERR_OK) {
        native_fail(x, e, why.text);
        return;
    }
    struct batch *b = mem_zero(1, sizeof(*b));
    b->task = (struct http_task){.abort = on_abort, .go_on = on_writable};
    b->x = x;
    b->table_id = t->id;
    b->lines = mem_zero(ROUND_LINES_MAX, sizeof(*b->lines));
    b->lines_max = ROUND_LINES_MIN;
    x->user = &b->task;
    x->is_patient = true;
    const struct http_header type = {SLICE("Content-Type"), SLICE("application/x-ndjson")};
    http_stream_begin(x, 200, &type, 1);
}

const struct native_resource *native_batches(size_t *count)
{
    static const struct http_route post_route = {.name = "batch",
                                                 .body_max = SIZE_MAX,
                                                 .is_streaming = true,
                                                 .handle = post,
                                                 .on_body = on_body,
                                                 .on_writable = http_task_on_writable,
                                                 .on_abort = http_task_on_abort};
    static const struct native_resource resources[] = {
        {.pattern = {"tables", "*", "batch"}, .post = &post_route},
    };
    *count = sizeof(resources) / sizeof(resources[0]);
    return resources;
}
