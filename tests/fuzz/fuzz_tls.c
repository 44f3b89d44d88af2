/* fuzz_tls.c - any bytes into a TLS server, in any pieces: it ends in a state, and never says what
 * it must not. The first byte chooses how the bytes are used, the second the size of the pieces.
 *
 *   0: they are all that the server gets
 *   1: a client shakes hands first; then they come as ciphertext
 *   2: a client shakes hands, and they change what it says: position (2 bytes), difference */
#include "base/check.h"
#include "base/mem.h"
#include "tls_peer.h"

#define INPUT_MAX 70000

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct tls_session *server;
    struct tls_peer client;
    size_t piece;
    struct buf plaintext;
};

/* One for all runs: making a key takes longer than a run. */
static struct tls_context *context(void)
{
    static struct tls_context *made = NULL;
    if (made != NULL) {
        return made;
    }
    uint8_t secret[TLS_TICKET_SECRET] = {7};
    struct tls_pair pair;
    struct err_why why;
    tls_pair_make(&pair, "server", 0, 0);
    struct tls_tickets *tickets = tls_tickets_new(secret);
    const struct tls_settings settings = {.certificate = buf_slice(&pair.certificate),
                                          .key = buf_slice(&pair.key),
                                          .client_ca = buf_slice(&pair.certificate),
                                          .client_auth = TLS_CLIENT_REQUEST,
                                          .tickets = tickets};
    CHECK(tls_context_new(&settings, &made, &why) == ERR_OK);
    tls_tickets_release(&tickets);
    tls_pair_deinit(&pair);
    return made;
}

/* Gives the server `bytes`; returns what it says in `out`. */
static void feed(struct fuzz *f, struct slice bytes, struct buf *out)
{
    while (bytes.size > 0) {
        const size_t size = bytes.size < f->piece ? bytes.size : f->piece;
        uint8_t *exact = mem_alloc(size);
        memcpy(exact, bytes.data, size);
        bytes = slice_skip(bytes, size);
        struct slice in = slice_of(exact, size);
        uint8_t room[64];
        size_t count = 0;
        do {
            count = tls_read(f->server, &in, room, sizeof(room), out);
            CHECK(count <= sizeof(room));
            buf_append(&f->plaintext, room, count);
        } while (count == sizeof(room));
        CHECK(in.size == 0 && !tls_has_plaintext(f->server));
        mem_free(exact);
    }
}

static void check_state(const struct fuzz *f)
{
    const enum tls_state state = tls_state(f->server);
    CHECK((state == TLS_BROKEN) == (tls_problem(f->server)[0] != '\0'));
    CHECK(state != TLS_HANDSHAKE || f->plaintext.size == 0);
}

/* Both sides talk until neither has anything to say; `changes` change what the client says. */
static void shake(struct fuzz *f, struct slice changes)
{
    struct buf there = {0};
    struct buf back = {0};
    size_t sent = 0;
    for (int i = 0; i < 6; i++) {
        (void)tls_peer_shake(&f->client);
        tls_peer_take(&f->client, &there);
        for (; changes.size >= 3; changes = slice_skip(changes, 3)) {
            const size_t at = (size_t)changes.data[0] * 256 + changes.data[1];
            if (at < sent || at - sent >= there.size) {
                break;
            }
            there.data[at - sent] ^= changes.data[2];
        }
        sent += there.size;
        feed(f, buf_slice(&there), &back);
        buf_clear(&there);
        tls_peer_feed(&f->client, buf_slice(&back));
        buf_clear(&back);
    }
    buf_deinit(&there);
    buf_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX) {
        return 0;
    }
    const unsigned how = data[0] % 3;
    struct fuzz f = {.piece = (size_t)data[1] * 8 + 1};
    const struct slice bytes = slice_of(data + 2, size - 2);
    struct buf out = {0};
    f.server = tls_session_new(context());
    if (how > 0) {
        tls_peer_open(&f.client, &(struct tls_peer_options){0});
        shake(&f, how == 2 ? bytes : (struct slice){NULL, 0});
    }
    if (how == 1) {
        CHECK(tls_state(f.server) == TLS_OPEN);
    }
    if (how < 2) {
        feed(&f, bytes, &out);
    }
    check_state(&f);
    CHECK(how == 2 || f.plaintext.size == 0); /* nobody can know the keys */
    if (tls_state(f.server) != TLS_HANDSHAKE) {
        tls_write(f.server, bytes, &out);
        tls_shutdown(f.server, &out);
    }
    tls_session_free(&f.server);
    tls_peer_close(&f.client);
    buf_deinit(&f.plaintext);
    buf_deinit(&out);
    return 0;
}
