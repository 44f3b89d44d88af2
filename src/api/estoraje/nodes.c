/* What etcd would say in the original is said here of the one node there is: Ready, holder of
 * every key. Its number is the first half of the node's id. */
#include "api/estoraje/nodes.h"

#include "api/http_call.h"
#include "api/http_err.h"
#include "api/http_pages.h"
#include "wire/json.h"

#define STATUS_READY  1
#define INTERNAL_PORT ":9000" /* part of the original's replica names; nothing listens there */

static const struct node_facts *facts_of(const struct http_exchange *x)
{
    return http_context(x)->facts;
}

/* The address without its port; of a Unix socket the node's name. */
static struct slice host_of(const struct node_facts *facts)
{
    const char *colon = strrchr(facts->address, ':');
    if (facts->port == 0 || colon == NULL) {
        return slice_of_text(facts->node_name);
    }
    return slice_of(facts->address, (size_t)(colon - facts->address));
}

static void replica_to(struct buf *out, const struct node_facts *facts)
{
    struct buf name = {0};
    buf_append_slice(&name, host_of(facts));
    buf_append_text(&name, INTERNAL_PORT);
    json_string_to(out, buf_slice(&name), JSON_HTML);
    buf_deinit(&name);
}

static void node_to(struct buf *out, const struct node_facts *facts)
{
    buf_append_text(out, "{\"Host\":");
    replica_to(out, facts);
    buf_append_text(out, ",\"ApiHost\":");
    json_string_to(out, slice_of_text(facts->address), JSON_HTML);
    buf_printf(out, ",\"Status\":%d,\"Id\":", STATUS_READY);
    buf_append_u64(out, facts->node_number);
    buf_append_byte(out, '}');
}

static void respond(struct http_exchange *x, const char *type, struct buf *body)
{
    http_page(x, 200, type, buf_slice(body));
    buf_deinit(body);
}

static void health(struct http_exchange *x, void *arg)
{
    (void)arg;
    http_page(x, 200, TEXT_GO_TYPE, (struct slice){0});
}

static void discovery(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct buf body = {0};
    buf_append_byte(&body, '[');
    node_to(&body, facts_of(x));
    buf_append_byte(&body, ']');
    respond(x, JSON_GO_TYPE, &body);
}

static void discovery_plain(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct buf body = {0};
    buf_append_text(&body, facts_of(x)->address);
    buf_append_byte(&body, '\n');
    respond(x, TEXT_GO_TYPE, &body);
}

static void base64_string_to(struct buf *out, struct slice bytes)
{
    buf_append_byte(out, '"');
    base64_to(out, bytes);
    buf_append_byte(out, '"');
}

/* The node's record as etcd's answer to a range over them would show it. */
static void record_to(struct buf *out, const struct node_facts *facts)
{
    struct buf text = {0};
    buf_append_text(&text, "strj_node_");
    buf_append_text(&text, facts->node_name);
    buf_append_text(out, "{\"key\":");
    base64_string_to(out, buf_slice(&text));
    buf_append_text(out, ",\"create_revision\":1,\"mod_revision\":1,\"version\":1,\"value\":");
    buf_clear(&text);
    node_to(&text, facts);
    base64_string_to(out, buf_slice(&text));
    buf_append_byte(out, '}');
    buf_deinit(&text);
}

static void header_to(struct buf *out, uint64_t number, bool has_revision)
{
    buf_append_text(out, "\"header\":{\"cluster_id\":");
    buf_append_u64(out, number);
    buf_append_text(out, ",\"member_id\":");
    buf_append_u64(out, number);
    buf_append_text(out, has_revision ? ",\"revision\":1,\"raft_term\":1}" : ",\"raft_term\":1}");
}

static void cluster_status(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct node_facts *facts = facts_of(x);
    const uint64_t number = facts->node_number;
    struct buf body = {0};
    struct buf url = {0};
    buf_printf(&url, "http://%s", facts->address);
    buf_append_text(&body, "{\"keys\":{");
    header_to(&body, number, true);
    buf_append_text(&body, ",\"kvs\":[");
    record_to(&body, facts);
    buf_append_text(&body, "],\"count\":1},\"members\":{");
    header_to(&body, number, false);
    buf_append_text(&body, ",\"members\":[{\"ID\":");
    buf_append_u64(&body, number);
    buf_append_text(&body, ",\"name\":");
    json_string_to(&body, slice_of_text(facts->node_name), JSON_HTML);
    buf_append_text(&body, ",\"peerURLs\":[],\"clientURLs\":[");
    json_string_to(&body, buf_slice(&url), JSON_HTML);
    buf_append_text(&body, "]}]}}");
    buf_deinit(&url);
    respond(x, JSON_GO_TYPE, &body);
}

/* The replicas of a key: this node, whatever the key. */
static void replicas(struct http_exchange *x, void *arg)
{
    (void)arg;
    struct buf body = {0};
    buf_append_byte(&body, '[');
    replica_to(&body, facts_of(x));
    buf_append_byte(&body, ']');
    respond(x, JSON_GO_TYPE, &body);
}

/* A member is drained before it goes, and the only one has nowhere to put its keys. */
static void remove_node(struct http_exchange *x, void *arg)
{
    (void)arg;
    const struct slice segment = slice_skip(x->request.path, sizeof("/_nodes/delete/") - 1);
    struct slice name;
    if (!http_decode(x->arena, segment, false, &name)) {
        http_page_bad_path(x);
        return;
    }
    if (!slice_equal(name, slice_of_text(facts_of(x)->node_name))) {
        http_err_count(x, DIALECT_ESTORAJE, ERR_NOT_FOUND);
        http_page(x, 404, TEXT_GO_TYPE, SLICE("The node was not found"));
        return;
    }
    http_err_count(x, DIALECT_ESTORAJE, ERR_CONFLICT);
    http_page(x, 409, TEXT_GO_TYPE, SLICE("The only node cannot be removed"));
}

const struct http_route *nodes_find_get(struct slice path)
{
    static const struct {
        const char *path;
        struct http_route route;
    } fixed[] = {
        {"/_health", {.name = "health", .handle = health, .on_abort = http_task_on_abort}},
        {"/_nodes_discovery",
         {.name = "nodes_discovery", .handle = discovery, .on_abort = http_task_on_abort}},
        {"/_nodes_discovery_plain",
         {.name = "nodes_discovery_plain",
          .handle = discovery_plain,
          .on_abort = http_task_on_abort}},
        {"/_cluster_status",
         {.name = "cluster_status", .handle = cluster_status, .on_abort = http_task_on_abort}},
    };
    static const struct http_route replicas_route = {
        .name = "nodes_of_key", .handle = replicas, .on_abort = http_task_on_abort};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        if (slice_equal(path, slice_of_text(fixed[i].path))) {
            return &fixed[i].route;
        }
    }
    if (!slice_starts_with(path, SLICE("/_nodes/"))) {
        return NULL;
    }
    return http_tail_route(slice_skip(path, sizeof("/_nodes/") - 1), &replicas_route);
}

const struct http_route *nodes_find_delete(struct slice path)
{
    static const struct http_route remove_route = {
        .name = "nodes_delete", .handle = remove_node, .on_abort = http_task_on_abort};
    if (!slice_starts_with(path, SLICE("/_nodes/delete/"))) {
        return NULL;
    }
    return http_tail_route(slice_skip(path, sizeof("/_nodes/delete/") - 1), &remove_route);
}
