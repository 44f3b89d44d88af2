/* rest_reply.h - answers of the REST interface, as its gateway wrote them. */
#ifndef API_REGATTA_REST_REPLY_H
#define API_REGATTA_REST_REPLY_H

#include "api/regatta/regatta.h"

/* What the first version says where the latest one does not, or says something else. */
#define TEXT_KEY_NOT_FOUND "key not found"

/* An answer in the making: an object whose members are added one by one. */
struct rest_reply {
    struct buf text;
    bool has_member;
};

void rest_reply_begin(struct rest_reply *r);

/* The header of the first version. */
void rest_reply_header(struct rest_reply *r, const struct loop_context *c);
void rest_reply_pair(struct rest_reply *r, struct slice key, struct slice value); /* "kvs" */
/* Nothing for 0, as for any default. */
void rest_reply_number(struct rest_reply *r, const char *name, uint64_t number);

/* Answers with it, and frees it. */
void rest_reply_send(struct http_exchange *x, struct rest_reply *r);

/* Answers with an error of the service, or of an operation. */
void rest_refuse(struct http_exchange *x, struct refusal r);
void rest_fail(struct http_exchange *x, enum err e);

/* Answers to a body that is no message. */
void rest_refuse_body(struct http_exchange *x, const char *text);

/* Answers to a path or method that leads nowhere: 404, 405. */
void rest_refuse_route(struct http_exchange *x, unsigned status);

#endif
