/* http2_scan.c - where frames of DATA begin. nghttp2 drops DATA of streams that it has forgotten
 * without a word, so somebody has to look before it does. */
#include "wire/http2_private.h"

#define HEAD_BYTES 9

/* Completes the head of the next frame. False: its rest is still to come. */
static bool read_head(struct http2_scan *s, struct slice bytes, size_t *at)
{
    const size_t wanted = HEAD_BYTES - s->have;
    const size_t left = bytes.size - *at;
    const size_t part = left < wanted ? left : wanted;
    memcpy(s->head + s->have, bytes.data + *at, part);
    s->have += (uint8_t)part;
    *at += part;
    return s->have == HEAD_BYTES;
}

bool http2_scan_data(struct http2_scan *s, struct slice bytes, size_t *at, size_t *begin,
                     int32_t *stream_id)
{
    while (*at < bytes.size) {
        const size_t left = bytes.size - *at;
        const size_t skipped = s->skip < left ? s->skip : left;
        *at += skipped;
        s->skip -= (uint32_t)skipped;
        *begin = s->have == 0 ? *at : 0;
        if (*at == bytes.size || !read_head(s, bytes, at)) {
            return false;
        }
        const uint8_t *head = s->head;
        const bool is_data = head[3] == NGHTTP2_DATA;
        s->is_quiet &= is_data && (head[4] & NGHTTP2_FLAG_END_STREAM) == 0;
        s->have = 0;
        s->skip = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
        if (is_data) {
            *stream_id = (int32_t)((uint32_t)(head[5] & 0x7f) << 24 | (uint32_t)head[6] << 16 |
                                   (uint32_t)head[7] << 8 | head[8]);
            return true;
        }
    }
    return false;
}
