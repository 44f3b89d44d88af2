/* Cluster: MemberList and Status, of the one node there is. */
#include <inttypes.h>
#include <stdio.h>

#include "api/regatta/regatta.h"
#include "google/protobuf/struct.pb-c.h"

#define ID_TEXT_MAX  24
#define URL_TEXT_MAX 320
#define SETTINGS_MAX 256

static char *id_text(struct grpc_call *g)
{
    char *text = arena_get(g->x->arena, ID_TEXT_MAX);
    (void)snprintf(text, ID_TEXT_MAX, "%" PRIu64, grpc_context(g)->facts->node_number);
    return text;
}

/* Where clients reach this node: where this one has reached it, when its request says so. */
static char *client_url(struct grpc_call *g)
{
    const struct slice host = g->x->request.host;
    const char *scheme = g->x->is_tls ? "https" : "http";
    char *url = arena_get(g->x->arena, URL_TEXT_MAX);
    if (host.size > 0 && host.size < URL_TEXT_MAX - 16 &&
        memchr(host.data, ':', host.size) != NULL) {
        (void)snprintf(url, URL_TEXT_MAX, "%s://%.*s", scheme, (int)host.size,
                       (const char *)host.data);
        return url;
    }
    const char *address = grpc_context(g)->facts->address;
    if (strncmp(address, "unix:", 5) == 0) {
        (void)snprintf(url, URL_TEXT_MAX, "unix://%.300s", address + 5);
    } else {
        (void)snprintf(url, URL_TEXT_MAX, "%s://%.300s", scheme, address);
    }
    return url;
}

static char *name_text(struct grpc_call *g, const char *text)
{
    const size_t size = strlen(text) + 1;
    return memcpy(arena_get(g->x->arena, size), text, size);
}

void regatta_member_list(struct grpc_call *g, const ProtobufCMessage *m)
{
    (void)m;
    char *peer_urls[1] = {name_text(g, grpc_context(g)->facts->address)};
    char *client_urls[1] = {client_url(g)};
    char cluster[] = REGATTA_CLUSTER_NAME;
    Regatta__V1__Member member;
    Regatta__V1__Member *members[1] = {&member};
    Regatta__V1__MemberListResponse reply;
    regatta__v1__member__init(&member);
    regatta__v1__member_list_response__init(&reply);
    member.id = id_text(g);
    member.name = name_text(g, grpc_context(g)->facts->node_name);
    member.n_peerurls = 1;
    member.peerurls = peer_urls;
    member.n_clienturls = 1;
    member.clienturls = client_urls;
    reply.cluster = cluster;
    reply.n_members = 1;
    reply.members = members;
    grpc_reply(g, &reply.base);
}

/* ---- Status ---- */

struct settings {
    struct grpc_call *g;
    Google__Protobuf__Struct__FieldsEntry *entries[SETTINGS_MAX];
    size_t count;
};

/* A setting that is given several times is one text, its values joined by commas. */
static bool join_setting(struct settings *s, const char *name, const char *value)
{
    if (s->count == 0 || strcmp(s->entries[s->count - 1]->key, name) != 0) {
        return false;
    }
    Google__Protobuf__Value *last = s->entries[s->count - 1]->value;
    const size_t size = strlen(last->string_value) + strlen(value) + 2;
    char *both = arena_get(s->g->x->arena, size);
    (void)snprintf(both, size, "%s,%s", last->string_value, value);
    last->string_value = both;
    return true;
}

static void add_setting(void *arg, const char *name, const char *value)
{
    struct settings *s = arg;
    if (s->count == SETTINGS_MAX || join_setting(s, name, value)) {
        return;
    }
    struct arena *arena = s->g->x->arena;
    Google__Protobuf__Struct__FieldsEntry *entry = arena_get(arena, sizeof(*entry));
    Google__Protobuf__Value *held = arena_get(arena, sizeof(*held));
    google__protobuf__struct__fields_entry__init(entry);
    google__protobuf__value__init(held);
    entry->key = name_text(s->g, name);
    entry->value = held;
    held->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    held->string_value = name_text(s->g, value);
    s->entries[s->count++] = entry;
}

static void add_tables(struct grpc_call *g, Regatta__V1__StatusResponse *reply)
{
    struct arena *arena = g->x->arena;
    size_t count = 0;
    const struct table *const *tables = router_tables(grpc_context(g)->router, &count);
    reply->tables = arena_get(arena, count * sizeof(Regatta__V1__StatusResponse__TablesEntry *));
    for (size_t i = 0; i < count; i++) {
        if (!is_regatta_table(tables[i])) {
            continue;
        }
        Regatta__V1__StatusResponse__TablesEntry *entry = arena_get(arena, sizeof(*entry));
        Regatta__V1__TableStatus *status = arena_get(arena, sizeof(*status));
        regatta__v1__status_response__tables_entry__init(entry);
        regatta__v1__table_status__init(status);
        status->leader = reply->id;
        entry->key = name_text(g, tables[i]->name);
        entry->value = status;
        reply->tables[reply->n_tables++] = entry;
    }
}

void regatta_status(struct grpc_call *g, const ProtobufCMessage *m)
{
    const Regatta__V1__StatusRequest *q = (const Regatta__V1__StatusRequest *)m;
    const struct node_facts *facts = grpc_context(g)->facts;
    const enum err ready = router_is_ready(grpc_context(g)->router);
    if (ready != ERR_OK) { /* a backup would leave out what is not listed */
        regatta_fail(g, ready);
        return;
    }
    char version[] = REGATTA_VERSION;
    char info[64];
    struct settings *s = arena_zero(g->x->arena, sizeof(*s));
    Google__Protobuf__Struct config = GOOGLE__PROTOBUF__STRUCT__INIT;
    Regatta__V1__StatusResponse reply;
    regatta__v1__status_response__init(&reply);
    (void)snprintf(info, sizeof(info), "holdfast %.40s", facts->version);
    reply.id = id_text(g);
    reply.version = version;
    reply.info = info;
    add_tables(g, &reply);
    if (q->config) {
        s->g = g;
        if (facts->settings != NULL) {
            facts->settings(facts->arg, add_setting, s);
        }
        config.n_fields = s->count;
        config.fields = s->entries;
        reply.config = &config;
    }
    grpc_reply(g, &reply.base);
}
