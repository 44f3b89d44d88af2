/* consul.c - as much of Consul's HTTP interface as D-Stash asks for: who serves, and a wait until
 * that changes. It never does while the node runs, so a wait lasts its time.
 *
 * The list has this node, under either of the names that clients ask for. Its index is a checksum
 * of the list: the same list has the same one after a restart, another list another. */
#include <stdlib.h>

#include "api/dstash/dstash.h"
#include "api/http_pages.h"
#include "api/http_task.h"
#include "base/crc.h"
#include "wire/json.h"

#define HEALTH      "/v1/health/service/"
#define REGISTER    "/v1/agent/service/register"
#define DEREGISTER  "/v1/agent/service/deregister/"
#define POLLS_MAX   1024   /* held on one loop; more are answered at once */
#define WAIT_MS     300000 /* when the client names no time */
#define WAIT_MAX_MS 600000
#define TICK_MS     1000 /* how soon a held request sees that the node stops */
#define PASSING     "\"Status\":\"passing\""

/* A request that is held. In the exchange's arena. */
struct poll {
    struct http_task task;
    struct http_exchange *x;
    struct router_timer timer;
    uint64_t left_ms;
};

/* ---- The list ---- */

static struct slice host_without_port(struct slice address)
{
    const uint8_t *colon = memrchr(address.data, ':', address.size);
    const uint8_t *bracket = memrchr(address.data, ']', address.size);
    return colon == NULL || (bracket != NULL && bracket > colon)
               ? address
               : slice_of(address.data, (size_t)(colon - address.data));
}

/* Where clients reach the node: its first listener, or, if that says nothing about it, the host
 * that this client has asked. */
static struct slice address_of(const struct http_exchange *x)
{
    const struct node_facts *facts = http_context(x)->facts;
    const struct slice host = host_without_port(slice_of_text(facts->address));
    const bool is_any = facts->port == 0 || slice_equal(host, SLICE("0.0.0.0")) ||
                        slice_equal(host, SLICE("[::]")) || slice_equal(host, SLICE("*"));
    return is_any && x->request.host.size > 0 ? host_without_port(x->request.host) : host;
}

static void member_to(struct buf *out, const char *before, struct slice text)
{
    buf_append_text(out, before);
    json_string_to(out, text, JSON_PLAIN);
}

static void entry_to(struct buf *out, const struct http_exchange *x, struct slice service)
{
    const struct node_facts *facts = http_context(x)->facts;
    const struct slice name = slice_of_text(facts->node_name);
    const struct slice id = slice_of_text(facts->node_id);
    const struct slice address = address_of(x);
    member_to(out, "{\"Node\":{\"Node\":", name);
    member_to(out, ",\"Address\":", address);
    member_to(out, "},\"Service\":{\"ID\":", id);
    member_to(out, ",\"Service\":", service);
    member_to(out, ",\"Tags\":[],\"Address\":", address);
    buf_printf(out, ",\"Port\":%u},\"Checks\":[{" PASSING, (unsigned)facts->port);
    member_to(out, ",\"CheckID\":\"service\",\"Name\":\"service\",\"Node\":", name);
    member_to(out, ",\"ServiceID\":", id);
    member_to(out, ",\"ServiceName\":", service);
    buf_append_text(out, "}]}");
}

static void list_to(struct buf *out, const struct http_exchange *x, struct slice service)
{
    buf_append_byte(out, '[');
    if (slice_equal(service, SLICE("dstash")) || slice_equal(service, SLICE("keymaster"))) {
        entry_to(out, x, service);
    }
    buf_append_byte(out, ']');
}

/* Greater than 0, which would mean to clients that there is none. */
static uint64_t index_of(const struct buf *list)
{
    return (uint64_t)crc32c(0, list->data, list->size) + 1;
}

static struct slice service_of(const struct http_exchange *x)
{
    struct slice service = slice_skip(x->request.path, sizeof(HEALTH) - 1);
    (void)http_decode(x->arena, service, false, &service); /* a broken name is no service's */
    return service;
}

static void answer(struct http_exchange *x)
{
    struct buf list = {0};
    struct buf index = {0};
    list_to(&list, x, service_of(x));
    buf_append_u64(&index, index_of(&list));
    const struct http_header headers[] = {
        {SLICE("Content-Type"), SLICE("application/json")},
        {SLICE("X-Consul-Index"), buf_slice(&index)},
        {SLICE("X-Consul-KnownLeader"), SLICE("true")},
        {SLICE("X-Consul-LastContact"), SLICE("0")},
    };
    http_respond(x, 200, headers, sizeof(headers) / sizeof(headers[0]), buf_slice(&list));
    buf_deinit(&list);
    buf_deinit(&index);
}

/* ---- Waiting ---- */

static void release(struct poll *p)
{
    router_timer_stop(&p->timer);
    http_context(p->x)->polls--;
    p->x->user = NULL;
}

static void tick(struct poll *p);

static void on_tick(void *arg)
{
    struct poll *p = arg;
    const struct node_facts *facts = http_context(p->x)->facts;
    if (p->left_ms == 0 || facts->readiness(facts->arg) != ERR_OK) { /* or it stops */
        release(p);
        answer(p->x);
        return;
    }
    tick(p);
}

static void tick(struct poll *p)
{
    const uint64_t step_ms = p->left_ms < TICK_MS ? p->left_ms : TICK_MS;
    p->left_ms -= step_ms;
    router_timer_start(http_context(p->x)->router, &p->timer, step_ms, on_tick, p);
}

static void abort_poll(struct http_task *t)
{
    struct poll *p = container_of(t, struct poll, task);
    struct http_exchange *x = p->x;
    release(p);
    http_done(x);
}

static void hold(struct http_exchange *x, uint64_t wait_ms)
{
    struct poll *p = arena_zero(x->arena, sizeof(*p));
    p->task.abort = abort_poll;
    p->x = x;
    p->left_ms = wait_ms;
    x->user = &p->task;
    x->is_patient = true;
    http_context(x)->polls++;
    tick(p);
}

/* ---- Requests ---- */

/* "10s", "5m", "500ms", "1h", as Go reads times; false: malformed. */
static bool read_wait(struct slice text, uint64_t *ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    uint64_t number = 0;
    size_t at = 0;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        number = number > WAIT_MAX_MS ? number : number * 10 + (uint64_t)(text.data[at] - '0');
    }
    for (size_t i = 0; at > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_equal(slice_skip(text, at), slice_of_text(units[i].name))) {
            *ms = number * units[i].ms < WAIT_MAX_MS ? number * units[i].ms : WAIT_MAX_MS;
            return true;
        }
    }
    return false;
}

static void refuse(struct http_exchange *x, const char *text)
{
    http_err_count(x, DIALECT_DSTASH, ERR_INVALID);
    http_page(x, 400, "text/plain; charset=utf-8", slice_of_text(text));
}

/* Blocks only while the client knows the list as it is. */
static bool is_known(const struct http_exchange *x, int64_t index)
{
    struct buf list = {0};
    list_to(&list, x, service_of(x));
    const uint64_t present = index_of(&list);
    buf_deinit(&list);
    return index > 0 && (uint64_t)index == present;
}

static void health(struct http_exchange *x, void *arg)
{
    struct slice text;
    int64_t index = 0;
    uint64_t wait_ms = WAIT_MS;
    (void)arg;
    if (http_query(&x->request, x->arena, "index", &text) && text.size > 0 &&
        (!parse_int64(text, &index) || index < 0)) {
        refuse(x, "Invalid index");
        return;
    }
    if (http_query(&x->request, x->arena, "wait", &text) && text.size > 0 &&
        !read_wait(text, &wait_ms)) {
        refuse(x, "Invalid wait time");
        return;
    }
    if (is_known(x, index) && http_context(x)->polls < POLLS_MAX) {
        hold(x, wait_ms);
    } else {
        answer(x);
    }
}

/* A node of the original tells Consul about itself; here nobody needs telling. */
static void agree(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page_empty(x, 200);
}

const struct http_route *dstash_consul_find(const struct http_request *request)
{
    static const struct http_route health_route = {
        .name = "consul_health", .handle = health, .on_abort = http_task_on_abort};
    static const struct http_route register_route = {
        .name = "consul_register", .handle = agree, .on_abort = http_task_on_abort};
    static const struct http_route deregister_route = {
        .name = "consul_deregister", .handle = agree, .on_abort = http_task_on_abort};
    const struct slice path = request->path;
    if (request->method == HTTP_GET && slice_starts_with(path, SLICE(HEALTH))) {
        return http_tail_route(slice_skip(path, sizeof(HEALTH) - 1), &health_route);
    }
    if (request->method != HTTP_PUT) {
        return NULL;
    }
    if (slice_equal(path, SLICE(REGISTER))) {
        return &register_route;
    }
    return slice_starts_with(path, SLICE(DEREGISTER))
               ? http_tail_route(slice_skip(path, sizeof(DEREGISTER) - 1), &deregister_route)
               : NULL;
}
