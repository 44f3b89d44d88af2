/* grpc.h - gRPC's framing without I/O: messages in a body, time-outs, percent-encoded texts
 * (source: grpc/doc/PROTOCOL-HTTP2.md), and their compression. */
#ifndef WIRE_GRPC_H
#define WIRE_GRPC_H

#include "base/buf.h"
#include "base/err.h"

#define GRPC_PREFIX_BYTES 5 /* compressed or not, length in 4 bytes big-endian */

/* The numbers go over the wire. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16
};

enum grpc_encoding {
    GRPC_IDENTITY,
    GRPC_GZIP,
    GRPC_ZSTD,
    GRPC_SNAPPY, /* the framed format, as Regatta's clients send it */
    GRPC_ENCODING_COUNT
};

/* The encoding of that name; false: unknown. */
bool grpc_encoding_find(struct slice name, enum grpc_encoding *encoding);
const char *grpc_encoding_name(enum grpc_encoding encoding);

/* Takes messages out of a body that comes in any pieces. Zeroed but for the first two is ready. */
struct grpc_reader {
    enum grpc_encoding encoding; /* of messages whose flag says so */
    size_t message_max;          /* bytes, as sent and decompressed */

    /* Private to wire/. */
    struct buf partial; /* of a message that is not complete */
    struct buf plain;   /* a decompressed message */
    bool is_given;      /* `partial` was handed out; it is dropped at the next call */
    uint8_t flag;       /* of the message that was refused */
    uint32_t size;      /* of the newest message, as sent */
};

enum grpc_read {
    GRPC_READ_MORE,       /* all of `bytes` is used; no whole message */
    GRPC_READ_MESSAGE,    /* `*message` is whole; call again with what is left of `bytes` */
    GRPC_READ_TOO_LARGE,  /* RESOURCE_EXHAUSTED */
    GRPC_READ_BROKEN,     /* INTERNAL: compressed bytes that are none */
    GRPC_READ_BAD_FLAG,   /* INTERNAL: neither 0 nor 1 */
    GRPC_READ_NO_ENCODING /* INTERNAL: compressed, but no encoding was named */
};

/* The sentence for a result that is an error, as grpc-go words it. */
void grpc_read_error_to(const struct grpc_reader *r, enum grpc_read error, struct buf *out);

/* Advances `*bytes`. `*message` points into the given bytes or the reader: until the next call. */
enum grpc_read grpc_read(struct grpc_reader *r, struct slice *bytes, struct slice *message);

/* A message has begun and not ended. */
bool grpc_reader_is_partial(const struct grpc_reader *r);
void grpc_reader_deinit(struct grpc_reader *r);

/* Begins a message: room for the prefix in `out`; returns where. Append the message, then end it:
 * the prefix is written, and the message compressed when that is wanted and makes it smaller. */
size_t grpc_message_begin(struct buf *out);
void grpc_message_end(struct buf *out, size_t begin, enum grpc_encoding encoding);

/* The prefix alone, of a message of `size` bytes. */
void grpc_prefix(uint8_t *prefix, bool is_compressed, size_t size);

/* "250m": at most 8 digits and one of H M S m u n, in ns; UINT64_MAX when that is too small. False:
 * malformed. */
bool grpc_timeout(struct slice text, uint64_t *ns);

/* Percent-encodes a status message: 0x20-0x7e but '%' stay, and spaces at its ends, which HTTP/2
 * does not allow there. */
void grpc_percent_encode(struct buf *out, struct slice text);

#endif
