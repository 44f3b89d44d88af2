/* grpc_private.h - shared by the files grpc*.c of api/ only. */
#ifndef API_GRPC_PRIVATE_H
#define API_GRPC_PRIVATE_H

#include "api/grpc.h"

/* A slice of a literal, where a constant is needed. */
#define GRPC_TEXT(literal)                                                                         \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }

/* The call of an exchange whose head has come; NULL: it was answered. (grpc.c) */
struct grpc_call *grpc_call_new(struct http_exchange *x);

/* Gives back what a call holds beside its arena; it hands out nothing from here on. */
void grpc_release(struct grpc_call *g);

/* ---- What a request says about itself (grpc_find.c) ---- */

enum grpc_kind {
    GRPC_KIND_NONE,
    GRPC_KIND_PLAIN,
    GRPC_KIND_WEB,
    GRPC_KIND_WEB_TEXT
};

/* By the content type: the form of gRPC, of which protobuf alone is spoken. */
enum grpc_kind grpc_kind_of(struct slice content_type);

/* Answers for a service that nobody has, in the request's form of gRPC. */
const struct http_route *grpc_unknown_service_route(const struct http_request *request);

/* ---- Messages (grpc_decode.c) ---- */

#define GRPC_DEPTH_MAX 100 /* messages in each other */
#define GRPC_DECODED_MAX                                                                           \
    ((size_t)64 << 20) /* bytes that a message takes when it is unpacked,                          \
                        * beyond twice its own */

/* Unpacks a message; it lies in the arena. NULL: it cannot be, `*status` and `text` say why. */
const ProtobufCMessage *grpc_decode(const ProtobufCMessageDescriptor *type, struct slice bytes,
                                    struct arena *arena, enum grpc_status *status,
                                    struct buf *text);

/* ---- gRPC-Web (grpc_web.c) ---- */

/* Base64 that comes in pieces, each of which may end with padding. */
struct grpc_text {
    uint8_t quantum[4];
    size_t count; /* characters in it */
};

/* Appends what `text` means to `out`. False: it is not base64. */
MUST_CHECK bool grpc_text_read(struct grpc_text *t, struct slice text, struct buf *out);

/* Writes bytes of an answer, in base64 where that is the form. */
void grpc_web_write(struct grpc_call *g, struct slice bytes);

/* Writes trailers as the last frame of the body. */
void grpc_web_trailers(struct grpc_call *g, const struct http_header *headers, size_t count);

/* The head of an answer. */
struct slice grpc_web_type(const struct grpc_call *g);

/* Answers a browser that asks before it sends. Only pages of our own origin come as far as here
 * (front/guard.c). */
const struct http_route *grpc_preflight_route(void);

#endif
