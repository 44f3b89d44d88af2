/* health.c - grpc.health.v1: one status for all services, that of the node (/readyz says the same).
 *
 * Watch looks at it a few times a second, and ends when the node drains, so that its clients go
 * elsewhere and the drain does not wait for them. */
#include "api/meta/descriptors.h"
#include "api/meta/meta.h"
#include "proto/grpc/health/v1/health.pb-c.h"
#include "wire/protobuf.h"

#define WATCH_MS 200

/* As in health.proto. */
enum serving {
    SERVING = 1,
    NOT_SERVING = 2,
    SERVICE_UNKNOWN = 3
};

static enum err readiness(const struct grpc_call *g)
{
    const struct node_facts *facts = grpc_context(g)->facts;
    return facts->readiness(facts->arg);
}

static enum serving node_status(const struct grpc_call *g)
{
    return readiness(g) == ERR_OK ? SERVING : NOT_SERVING;
}

static bool is_known(struct slice service)
{
    return service.size == 0 || descriptor_has_service(service);
}

static struct slice service_of(const ProtobufCMessage *message)
{
    return grpc_string(((const Grpc__Health__V1__HealthCheckRequest *)message)->service);
}

static void check(struct grpc_call *g, const ProtobufCMessage *message)
{
    if (!is_known(service_of(message))) {
        grpc_finish(g, GRPC_NOT_FOUND, SLICE("unknown service"));
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)node_status(g);
    grpc_reply(g, &response.base);
}

/* ---- List ---- */

/* One entry of the map. */
static void status_to(struct buf *out, struct slice service, enum serving status)
{
    struct buf entry = {0};
    struct buf value = {0};
    protobuf_number_to(&value, 1, status);
    protobuf_element_to(&entry, 1, service);
    protobuf_element_to(&entry, 2, buf_slice(&value));
    protobuf_element_to(out, 1, buf_slice(&entry));
    buf_deinit(&value);
    buf_deinit(&entry);
}

static void list(struct grpc_call *g, const ProtobufCMessage *message)
{
    (void)message;
    const enum serving status = node_status(g);
    struct descriptor_services services = {0};
    struct slice package;
    struct slice name;
    struct buf out = {0};
    struct buf service = {0};
    status_to(&out, SLICE(""), status);
    while (descriptor_next_service(&services, &package, &name)) {
        buf_clear(&service);
        meta_service_name_to(&service, package, name);
        status_to(&out, buf_slice(&service), status);
    }
    grpc_reply_packed(g, buf_slice(&out));
    buf_deinit(&service);
    buf_deinit(&out);
}

/* ---- Watch ---- */

struct watch {
    struct grpc_call *g;
    struct router_timer timer;
    bool is_known;
    enum serving said; /* 0: nothing yet */
};

static void say(struct watch *w)
{
    const enum serving status = w->is_known ? node_status(w->g) : SERVICE_UNKNOWN;
    if (status == w->said) {
        return;
    }
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    w->said = status;
    grpc_send(w->g, &response.base);
}

static void on_time(void *arg)
{
    struct watch *w = arg;
    say(w);
    if (readiness(w->g) == ERR_UNAVAILABLE) {
        grpc_finish(w->g, GRPC_UNAVAILABLE, SLICE("the node is stopping"));
        return;
    }
    router_timer_start(grpc_context(w->g)->router, &w->timer, WATCH_MS, on_time, w);
}

static void watch(struct grpc_call *g, const ProtobufCMessage *message)
{
    struct watch *w = arena_zero(g->x->arena, sizeof(*w));
    g->user = w;
    g->x->is_patient = true;
    w->g = g;
    w->is_known = is_known(service_of(message));
    say(w);
    router_timer_start(grpc_context(g)->router, &w->timer, WATCH_MS, on_time, w);
}

static void end_watch(struct grpc_call *g)
{
    struct watch *w = g->user;
    router_timer_stop(&w->timer);
    grpc_late(g);
}

static void abort_watch(struct grpc_call *g)
{
    struct watch *w = g->user;
    if (w != NULL) {
        router_timer_stop(&w->timer);
    }
    grpc_done(g);
}

const struct http_route *health_find(const struct http_request *request)
{
    static const struct grpc_method methods[] = {
        {.route = GRPC_ROUTE("health_check"),
         .path = "/grpc.health.v1.Health/Check",
         .request = &grpc__health__v1__health_check_request__descriptor,
         .on_message = check},
        {.route = GRPC_ROUTE("health_list"),
         .path = "/grpc.health.v1.Health/List",
         .request = &grpc__health__v1__health_list_request__descriptor,
         .on_message = list},
        {.route = GRPC_ROUTE("health_watch"),
         .path = "/grpc.health.v1.Health/Watch",
         .request = &grpc__health__v1__health_check_request__descriptor,
         .on_message = watch,
         .on_abort = abort_watch,
         .on_late = end_watch},
    };
    return grpc_find(request, methods, sizeof(methods) / sizeof(methods[0]));
}
