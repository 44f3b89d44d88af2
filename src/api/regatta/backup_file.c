#include "api/regatta/backup_file.h"

#include "base/check.h"
#include "wire/protobuf.h"

#define LENGTH_BYTES 8

enum command_field { /* of mvcc.v1.Command */
    COMMAND_TABLE = 1,
    COMMAND_TYPE = 2,
    COMMAND_KV = 3
};

enum pair_field { /* of mvcc.v1.KeyValue */
    PAIR_KEY = 1,
    PAIR_VALUE = 4
};

enum command_type {
    COMMAND_PUT = 0, /* the default, so it is not written */
    COMMAND_DUMMY = 2
};

/* ---- Writing ---- */

void backup_write(struct backup_writer *w, struct buf *out, struct slice table, struct slice key,
                  struct slice value)
{
    const size_t pair =
        protobuf_bytes_size(PAIR_KEY, key.size) + protobuf_bytes_size(PAIR_VALUE, value.size);
    const size_t size = protobuf_bytes_size(COMMAND_TABLE, table.size) + 1 /* its tag */ +
                        protobuf_varint_size(pair) + pair;
    buf_clear(&w->plain);
    uint8_t *length = buf_reserve(&w->plain, LENGTH_BYTES);
    for (unsigned i = 0; i < LENGTH_BYTES; i++) {
        length[i] = (uint8_t)((uint64_t)size >> (8 * i));
    }
    buf_extend(&w->plain, LENGTH_BYTES);
    protobuf_bytes_to(&w->plain, COMMAND_TABLE, table);
    protobuf_message_head_to(&w->plain, COMMAND_KV, pair);
    protobuf_bytes_to(&w->plain, PAIR_KEY, key);
    protobuf_bytes_to(&w->plain, PAIR_VALUE, value);
    snappy_write(&w->snappy, out, buf_slice(&w->plain));
}

void backup_flush(struct backup_writer *w, struct buf *out)
{
    snappy_flush(&w->snappy, out);
}

void backup_writer_deinit(struct backup_writer *w)
{
    snappy_writer_deinit(&w->snappy);
    buf_deinit(&w->plain);
}

/* ---- Reading ---- */

static struct slice rest_of(const struct backup_reader *r)
{
    return slice_skip(buf_slice(&r->plain), r->at);
}

static bool read_pair(struct slice pair, struct slice *key, struct slice *value)
{
    struct protobuf_field f;
    enum protobuf_next next;
    while ((next = protobuf_next(&pair, &f)) == PROTOBUF_FIELD) {
        if (f.number != PAIR_KEY && f.number != PAIR_VALUE) {
            continue; /* revisions: a restored record has its own */
        }
        if (f.type != PROTOBUF_BYTES) {
            return false;
        }
        *(f.number == PAIR_KEY ? key : value) = f.bytes;
    }
    return next == PROTOBUF_END;
}

/* A record's command. BACKUP_MORE: it holds nothing to keep. */
static enum backup_read read_command(struct slice command, struct slice *key, struct slice *value)
{
    struct protobuf_field f;
    enum protobuf_next next;
    uint64_t type = COMMAND_PUT;
    bool has_pair = false;
    *key = *value = (struct slice){0};
    while ((next = protobuf_next(&command, &f)) == PROTOBUF_FIELD) {
        if (f.number == COMMAND_TYPE && f.type == PROTOBUF_VARINT) {
            type = f.value;
        } else if (f.number == COMMAND_KV) {
            has_pair = true;
            if (f.type != PROTOBUF_BYTES || !read_pair(f.bytes, key, value)) {
                return BACKUP_BROKEN;
            }
        }
    }
    if (next != PROTOBUF_END) {
        return BACKUP_BROKEN;
    }
    if (type == COMMAND_DUMMY) {
        return BACKUP_MORE;
    }
    return type == COMMAND_PUT && has_pair ? BACKUP_RECORD : BACKUP_BROKEN;
}

/* The next command among the bytes that are there; BACKUP_MORE: it is not whole. */
static enum backup_read take_command(struct backup_reader *r, struct slice *command)
{
    const struct slice rest = rest_of(r);
    uint64_t size = 0;
    if (rest.size < LENGTH_BYTES) {
        return BACKUP_MORE;
    }
    CHECK(rest.data != NULL);
    for (unsigned i = 0; i < LENGTH_BYTES; i++) {
        size |= (uint64_t)rest.data[i] << (8 * i);
    }
    if (size > r->record_max) {
        return BACKUP_BROKEN;
    }
    if (rest.size - LENGTH_BYTES < size) {
        return BACKUP_MORE;
    }
    *command = slice_of(rest.data + LENGTH_BYTES, (size_t)size);
    r->at += LENGTH_BYTES + (size_t)size;
    return BACKUP_RECORD;
}

/* Adds the next block to what is there. */
static enum snappy_read take_block(struct backup_reader *r, struct slice *bytes)
{
    struct slice block;
    const enum snappy_read result = snappy_read(&r->snappy, bytes, &block);
    if (result == SNAPPY_BLOCK) {
        buf_consume(&r->plain, r->at);
        r->at = 0;
        buf_append_slice(&r->plain, block);
    }
    return result;
}

enum backup_read backup_read(struct backup_reader *r, struct slice *bytes, struct slice *key,
                             struct slice *value)
{
    for (;;) {
        struct slice command;
        enum backup_read result = take_command(r, &command);
        if (result == BACKUP_RECORD) {
            result = read_command(command, key, value);
            if (result != BACKUP_MORE) {
                return result;
            }
            continue;
        }
        if (result == BACKUP_BROKEN) {
            return result;
        }
        const enum snappy_read block = take_block(r, bytes);
        if (block != SNAPPY_BLOCK) {
            return block == SNAPPY_MORE ? BACKUP_MORE : BACKUP_BROKEN;
        }
    }
}

bool backup_reader_is_partial(const struct backup_reader *r)
{
    return r->at < r->plain.size || snappy_reader_is_partial(&r->snappy);
}

void backup_reader_deinit(struct backup_reader *r)
{
    snappy_reader_deinit(&r->snappy);
    buf_deinit(&r->plain);
}
