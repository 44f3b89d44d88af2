/* router_private.h - shared by the files of router/ only. */
#ifndef ROUTER_ROUTER_PRIVATE_H
#define ROUTER_ROUTER_PRIVATE_H

#include "base/log.h"
#include "router/catalogue.h"
#include "router/cursor.h"
#include "router/router.h"

#define ROUTER_REMOTE_MAX 262144 /* calls of one loop that are carried out on others */
#define CATALOGUE_GROUP   0

enum mail_kind {
    MAIL_REQUEST,   /* struct call: carry it out here */
    MAIL_ANSWER,    /* struct call: it is done */
    MAIL_CATALOGUE, /* struct catalogue_mail: a new version */
    MAIL_SEEN,      /* struct catalogue_mail, back at loop 0 */
    MAIL_CHANGE,    /* struct table_change: for loop 0 */
    MAIL_CHANGED,   /* struct table_change, back home */
    MAIL_TOUR       /* struct router_tour: its next loop, or home */
};

struct catalogue_mail {
    struct router_mail mail;
    struct catalogue *catalogue; /* one share travels */
    struct tables *tables;
};

/* One operation for every group: opening and closing table ids. */
struct spread {
    struct call *calls; /* [shards]; owned */
    uint32_t waiting;
    uint32_t count;
    enum err err;
    void (*done)(struct spread *s);
    void *arg;
};

struct router_node {
    struct router_config config;
    struct router **routers; /* by loop */
    struct cursors cursors;
    _Atomic bool is_ready;
};

struct router {
    struct router_node *node;
    struct loop *loop;
    uint32_t index;
    struct shard_host *host;
    struct mailbox *mailbox;
    struct loop_context *context; /* for tours; NULL: there is nothing to see */
    struct loop_hook hook;
    struct catalogue *catalogue; /* shares */
    struct call *refused;        /* to be answered in the hook */
    struct call *refused_last;
    struct call *held; /* for other loops, once the reads before them are made */
    struct call *held_last;
    metric calls; /* under way; counted up and down by this loop */
    size_t remote;
    struct list groups;    /* struct call_group under way */
    struct tables *tables; /* loop 0: changes of the catalogue */
};

/* call.c: carries out `c` in `group`, whatever its key; the table need not be in the catalogue. */
void router_send_counted(struct router *r, struct call *c, uint32_t group, bool is_memory);
void router_refuse(struct router *r, struct call *c, enum err e);
void router_post(struct router *to, struct router_mail *mail, enum mail_kind kind);
/* At the end of the turn. */
void router_send_held(struct router *r);
void router_on_request(struct router *r, struct call *c);
void router_on_answer(struct call *c);
/* Frees what is under way of a node that has failed. */
void router_forget_groups(struct router *r);

/* tables.c */
struct tables *tables_new(struct router *r);
void tables_free(struct tables **t);
void tables_start(struct tables *t);
void tables_on_change(struct tables *t, struct table_change *c);
void tables_on_seen(struct tables *t, struct catalogue_mail *m);

#endif
