/* listing.h - streams what a source of the router delivers, page by page, as JSON.
 *
 *   source_next ─► on_page ─► rows as text ─► the client takes it? ─ yes ─► source_next
 *                                                    └ no ─► on_writable ─► source_next
 *
 * So memory holds one page and what the socket has not taken, however long the list. An
 * error before the first row is a problem; one behind it cuts the answer off. A list that
 * fits into one page is answered whole. */
#ifndef API_NATIVE_LISTING_H
#define API_NATIVE_LISTING_H

#include "api/native/native.h"

#define LISTING_PAGE_BYTES ((size_t)64 << 10)

struct listing;

/* Appends one row to `out`; `number` counts from 0. */
typedef void (*listing_row_fn)(struct listing *l, struct buf *out, const struct row *row);

/* Lies in the exchange's arena, zeroed; the first part is the handler's. */
struct listing {
    struct http_task task; /* private to listing.c */
    struct http_exchange *x;
    struct source_config config; /* `limit` is set here */
    uint64_t limit;              /* rows; 0: all */
    listing_row_fn row;
    const char *head;   /* text before the rows */
    bool has_cursor;    /* behind the rows: "next", and a cursor or null; else only a bracket */
    bool is_count;      /* rows are counted, not written */
    struct slice owner; /* for `row`: the key of a log */

    /* Private to listing.c. */
    struct source *source;
    struct source_page page;
    struct buf out;
    struct buf last; /* key of the last row that was written */
    uint64_t rows;
    bool has_begun; /* the head of the answer is out */
    bool is_paging;
    bool is_stalled; /* waits for on_writable */
    bool is_aborted;
};

/* Answers the exchange. */
void listing_start(struct listing *l);

/* A cursor is the last key that was delivered, so that nothing is kept for it. */
void cursor_to(struct buf *out, struct slice key);

/* Errors: ERR_INVALID. */
MUST_CHECK enum err cursor_read(struct slice text, struct arena *arena, struct slice *key,
                                struct err_why *why);

#endif
