/* The state machine of wire/tls.h against OpenSSL's own client, both in memory. */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "harness.h"
#include "tls_peer.h"
#include "wire/tls.h"

#define DAY_S UINT64_C(86400)

/* A server and a client that have nothing but their bytes in common. */
struct world {
    struct tls_tickets *tickets;
    struct tls_context *context;
    struct tls_session *server;
    struct tls_peer client;
    struct buf to_server;
    struct buf to_client;
    struct buf heard; /* by the server, decrypted */
    size_t piece;     /* bytes that travel at a time; 0: all */
};

static void secret_of(uint8_t secret[TLS_TICKET_SECRET], uint8_t number)
{
    memset(secret, number, TLS_TICKET_SECRET);
}

static void setup(struct world *w)
{
    uint8_t secret[TLS_TICKET_SECRET];
    secret_of(secret, 1);
    *w = (struct world){.tickets = tls_tickets_new(secret)};
    EXPECT_EQ(0, secret[0]); /* wiped */
}

static struct tls_context *context_of(struct world *w, const struct tls_pair *pair,
                                      enum tls_client_auth auth, const struct tls_pair *ca)
{
    const struct tls_settings settings = {.certificate = buf_slice(&pair->certificate),
                                          .key = buf_slice(&pair->key),
                                          .client_ca = ca == NULL ? (struct slice){NULL, 0}
                                                                  : buf_slice(&ca->certificate),
                                          .client_auth = auth,
                                          .tickets = w->tickets};
    struct err_why why = {0};
    struct tls_context *context = NULL;
    EXPECT_EQ(ERR_OK, tls_context_new(&settings, &context, &why));
    return context;
}

/* A server for `pair` that asks for no certificate. */
static void setup_plain(struct world *w)
{
    struct tls_pair pair;
    setup(w);
    tls_pair_make(&pair, "server", 0, 0);
    w->context = context_of(w, &pair, TLS_CLIENT_NONE, NULL);
    tls_pair_deinit(&pair);
}

static void connect_client(struct world *w, const struct tls_peer_options *options)
{
    w->server = tls_session_new(w->context);
    tls_peer_open(&w->client, options);
}

static void disconnect(struct world *w)
{
    tls_session_free(&w->server);
    tls_peer_close(&w->client);
    buf_clear(&w->to_server);
    buf_clear(&w->to_client);
    buf_clear(&w->heard);
}

static void teardown(struct world *w)
{
    disconnect(w);
    tls_context_release(&w->context);
    tls_tickets_release(&w->tickets);
    buf_deinit(&w->to_server);
    buf_deinit(&w->to_client);
    buf_deinit(&w->heard);
}

/* What is under way arrives, in pieces. */
static void deliver(struct world *w)
{
    tls_peer_take(&w->client, &w->to_server);
    struct slice all = buf_slice(&w->to_server);
    while (all.size > 0) {
        const size_t size = w->piece != 0 && w->piece < all.size ? w->piece : all.size;
        struct slice piece = slice_of(all.data, size);
        all = slice_skip(all, size);
        uint8_t room[3000];
        size_t count = 0;
        do {
            count = tls_read(w->server, &piece, room, sizeof(room), &w->to_client);
            buf_append(&w->heard, room, count);
        } while (count == sizeof(room));
        EXPECT_EQ(0, piece.size);
        EXPECT(!tls_has_plaintext(w->server));
    }
    buf_clear(&w->to_server);
    tls_peer_feed(&w->client, buf_slice(&w->to_client));
    buf_clear(&w->to_client);
}

/* 1: both are through; -1: the client has failed. */
static int shake(struct world *w)
{
    int result = 0;
    for (int i = 0; i < 10; i++) {
        result = tls_peer_shake(&w->client);
        deliver(w);
        if (result < 0 || (result == 1 && tls_state(w->server) != TLS_HANDSHAKE)) {
            break;
        }
    }
    struct buf nothing = {0}; /* tickets of TLS 1.3 come as data does */
    if (result == 1 && !tls_peer_read(&w->client, &nothing)) {
        result = -1;
    }
    EXPECT_EQ(0, nothing.size);
    buf_deinit(&nothing);
    return result;
}

static void expect_open(struct world *w)
{
    const int result = shake(w);
    if (tls_state(w->server) == TLS_BROKEN) {
        (void)fprintf(stderr, "broken: %s\n", tls_problem(w->server));
    }
    EXPECT_EQ(1, result);
    EXPECT_EQ(TLS_OPEN, tls_state(w->server));
}

static void expect_refused(struct world *w, const char *problem)
{
    (void)shake(w);
    deliver(w);
    struct buf nothing = {0};
    EXPECT(!tls_peer_read(&w->client, &nothing));
    buf_deinit(&nothing);
    EXPECT_EQ(TLS_BROKEN, tls_state(w->server));
    if (strstr(tls_problem(w->server), problem) == NULL) {
        (void)fprintf(stderr, "want a problem with \"%s\", got \"%s\"\n", problem,
                      tls_problem(w->server));
        exit(1);
    }
}

static void make_text(struct buf *text, size_t size)
{
    buf_clear(text);
    for (size_t i = 0; i < size; i++) {
        buf_append_byte(text, (uint8_t)(i * 31 + i / 251));
    }
}

/* `size` bytes there and back. */
static void talk(struct world *w, size_t size)
{
    struct buf text = {0};
    struct buf echo = {0};
    make_text(&text, size);
    EXPECT(size == 0 || tls_peer_write(&w->client, buf_slice(&text)));
    deliver(w);
    EXPECT(slice_equal(buf_slice(&text), buf_slice(&w->heard)));
    tls_write(w->server, buf_slice(&w->heard), &w->to_client);
    buf_clear(&w->heard);
    deliver(w);
    EXPECT(tls_peer_read(&w->client, &echo));
    EXPECT(slice_equal(buf_slice(&text), buf_slice(&echo)));
    buf_deinit(&text);
    buf_deinit(&echo);
}

/* ---- Handshakes and data ---- */

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void test_versions(void)
{
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        connect_client(&w, &(struct tls_peer_options){.version = versions[i]});
        expect_open(&w);
        EXPECT(strcmp(i == 0 ? "TLSv1.2" : "TLSv1.3", tls_version(w.server)) == 0);
        EXPECT(!tls_is_resumed(w.server));
        static const size_t sizes[] = {1, 0, 16384, 16385, 100000, 1 << 20};
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            talk(&w, sizes[k]);
        }
        disconnect(&w);
    }
    teardown(&w);
}

static void test_byte_by_byte(void)
{
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        for (w.piece = 1; w.piece < 8; w.piece += 3) {
            connect_client(&w, &(struct tls_peer_options){.version = versions[i]});
            expect_open(&w);
            talk(&w, 20000);
            disconnect(&w);
        }
    }
    teardown(&w);
}

/* Records are whole ones, but for the last. */
static void test_records(void)
{
    struct world w;
    struct buf text = {0};
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    expect_open(&w);
    make_text(&text, 40000);
    tls_write(w.server, buf_slice(&text), &w.to_client);
    size_t count = 0;
    for (size_t at = 0; at < w.to_client.size; count++) {
        EXPECT_EQ(0x17, w.to_client.data[at]);
        at += 5 + (size_t)w.to_client.data[at + 3] * 256 + w.to_client.data[at + 4];
    }
    EXPECT_EQ(3, count);
    buf_deinit(&text);
    teardown(&w);
}

/* However little room there is, everything comes, and it is known that more does. */
static void test_little_room(void)
{
    struct world w;
    struct buf text = {0};
    struct buf out = {0};
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    expect_open(&w);
    make_text(&text, 50000);
    EXPECT(tls_peer_write(&w.client, buf_slice(&text)));
    tls_peer_take(&w.client, &w.to_server);
    struct slice in = buf_slice(&w.to_server);
    size_t heard = 0;
    while (in.size > 0 || tls_has_plaintext(w.server)) {
        uint8_t room[7];
        const size_t count = tls_read(w.server, &in, room, sizeof(room), &out);
        EXPECT(count == sizeof(room) || in.size == 0);
        EXPECT(memcmp(room, text.data + heard, count) == 0);
        heard += count;
    }
    EXPECT_EQ(text.size, heard);
    EXPECT_EQ(0, out.size);
    buf_deinit(&out);
    buf_deinit(&text);
    teardown(&w);
}

static void expect_alpn(struct world *w, const char *offered, const char *want)
{
    for (size_t i = 0; i < 2; i++) {
        connect_client(w, &(struct tls_peer_options){.version = versions[i], .alpn = offered});
        expect_open(w);
        EXPECT(slice_equal(slice_of_text(want), tls_protocol(w->server)));
        disconnect(w);
    }
}

static void test_alpn(void)
{
    struct world w;
    setup_plain(&w);
    expect_alpn(&w, NULL, "");
    expect_alpn(&w, "\x02h2", "h2");
    expect_alpn(&w, "\x08http/1.1", "http/1.1");
    expect_alpn(&w, "\x08http/1.1\x02h2", "h2");
    expect_alpn(&w, "\x08http/1.0\x08http/1.1", "http/1.1");
    expect_alpn(&w, "\x05redis", "");
    teardown(&w);
}

/* The client changes its keys, and wants the server to change its own. */
static void test_key_update(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    expect_open(&w);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(1, SSL_key_update(w.client.ssl, SSL_KEY_UPDATE_REQUESTED));
        talk(&w, 1000);
    }
    teardown(&w);
}

/* ---- Resumption ---- */

/* A session to come back with; owned. */
static SSL_SESSION *session_of(struct world *w, int version, const struct tls_pair *own)
{
    connect_client(w, &(struct tls_peer_options){.version = version, .own = own});
    expect_open(w);
    talk(w, 10);
    SSL_SESSION *session = w->client.session;
    EXPECT(session != NULL);
    w->client.session = NULL;
    disconnect(w);
    return session;
}

static void expect_resumed(struct world *w, int version, SSL_SESSION *session, bool want)
{
    connect_client(w, &(struct tls_peer_options){.version = version, .session = session});
    expect_open(w);
    EXPECT_EQ(want, tls_is_resumed(w->server));
    talk(w, 1000);
    disconnect(w);
}

static void test_resumption(void)
{
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        SSL_SESSION *session = session_of(&w, versions[i], NULL);
        expect_resumed(&w, versions[i], session, true);
        expect_resumed(&w, versions[i], session, true);
        SSL_SESSION_free(session);
    }
    teardown(&w);
}

/* Another certificate, and other keys for tickets: sessions go on until their key is gone. */
static void test_resumption_later(void)
{
    struct world w;
    struct tls_pair other;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        SSL_SESSION *session = session_of(&w, versions[i], NULL);
        tls_context_release(&w.context);
        tls_pair_make(&other, "other", 0, 0);
        w.context = context_of(&w, &other, TLS_CLIENT_NONE, NULL);
        tls_pair_deinit(&other);
        for (int age = 0; age <= TLS_TICKET_KEYS; age++) {
            expect_resumed(&w, versions[i], session, age < TLS_TICKET_KEYS);
            uint8_t secret[TLS_TICKET_SECRET];
            secret_of(secret, (uint8_t)(i * 10 + (size_t)age + 2));
            tls_tickets_rotate(w.tickets, secret);
        }
        SSL_SESSION_free(session);
    }
    teardown(&w);
}

/* A client comes back with the ticket it got last, and gets another as soon as that has an older
 * key, with TLS 1.3 each time: so it may come for ever. */
static void come_back(struct world *w, int version, bool rotates)
{
    SSL_SESSION *session = session_of(w, version, NULL);
    for (uint8_t age = 0; age < 2 * TLS_TICKET_KEYS; age++) {
        if (rotates) {
            uint8_t secret[TLS_TICKET_SECRET];
            secret_of(secret, (uint8_t)(version + age * 3 + 2));
            tls_tickets_rotate(w->tickets, secret);
        }
        connect_client(w, &(struct tls_peer_options){.version = version, .session = session});
        expect_open(w);
        talk(w, 10);
        EXPECT(tls_is_resumed(w->server));
        EXPECT(w->client.session != NULL || version == TLS1_2_VERSION);
        SSL_SESSION_free(session);
        session = SSL_get1_session(w->client.ssl);
        EXPECT(SSL_SESSION_has_ticket(session));
        disconnect(w);
    }
    SSL_SESSION_free(session);
}

static void test_ticket_is_renewed(void)
{
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        come_back(&w, versions[i], false);
        come_back(&w, versions[i], true);
    }
    teardown(&w);
}

/* ---- Clients' certificates ---- */

struct clients {
    struct tls_pair server;
    struct tls_pair alice; /* is known */
    struct tls_pair stranger;
};

static void expect_subject(struct world *w, const char *want)
{
    char subject[TLS_SUBJECT_MAX];
    expect_open(w);
    tls_subject(w->server, subject);
    EXPECT(strcmp(want, subject) == 0);
    talk(w, 100);
    disconnect(w);
}

static void try_clients(const struct clients *c, enum tls_client_auth auth, int version)
{
    struct world w;
    setup(&w);
    w.context = context_of(&w, &c->server, auth, auth == TLS_CLIENT_NONE ? NULL : &c->alice);
    connect_client(&w, &(struct tls_peer_options){.version = version, .own = &c->alice});
    expect_subject(&w, auth == TLS_CLIENT_NONE ? "" : "CN=alice");
    connect_client(&w, &(struct tls_peer_options){.version = version});
    if (auth == TLS_CLIENT_REQUIRE) {
        expect_refused(&w, "peer did not return a certificate");
        disconnect(&w);
    } else {
        expect_subject(&w, "");
    }
    connect_client(&w, &(struct tls_peer_options){.version = version, .own = &c->stranger});
    if (auth == TLS_CLIENT_NONE) {
        expect_subject(&w, "");
    } else {
        expect_refused(&w, "certificate verify failed: self-signed certificate");
    }
    teardown(&w);
}

static void test_client_certificates(void)
{
    struct clients c;
    tls_pair_make(&c.server, "server", 0, 0);
    tls_pair_make(&c.alice, "alice", 0, 0);
    tls_pair_make(&c.stranger, "stranger", 0, 0);
    for (size_t i = 0; i < 2; i++) {
        try_clients(&c, TLS_CLIENT_NONE, versions[i]);
        try_clients(&c, TLS_CLIENT_REQUEST, versions[i]);
        try_clients(&c, TLS_CLIENT_REQUIRE, versions[i]);
    }
    tls_pair_deinit(&c.server);
    tls_pair_deinit(&c.alice);
    tls_pair_deinit(&c.stranger);
}

static void test_expired_client(void)
{
    struct world w;
    struct tls_pair server;
    struct tls_pair alice;
    tls_pair_make(&server, "server", 0, 0);
    tls_pair_make(&alice, "alice", 1000 * DAY_S, 10);
    setup(&w);
    w.context = context_of(&w, &server, TLS_CLIENT_REQUIRE, &alice);
    connect_client(&w, &(struct tls_peer_options){.own = &alice});
    expect_refused(&w, "certificate has expired");
    teardown(&w);
    tls_pair_deinit(&server);
    tls_pair_deinit(&alice);
}

/* A session of one who needed no certificate is worth nothing where one is required, nor where
 * another authority is asked. The subject lasts as long as the session. */
static void test_resumption_of_clients(void)
{
    struct world w;
    struct tls_pair server;
    struct tls_pair alice;
    char subject[TLS_SUBJECT_MAX];
    tls_pair_make(&server, "server", 0, 0);
    tls_pair_make(&alice, "alice", 0, 0);
    for (size_t i = 0; i < 2; i++) {
        setup(&w);
        w.context = context_of(&w, &server, TLS_CLIENT_NONE, NULL);
        SSL_SESSION *session = session_of(&w, versions[i], NULL);
        tls_context_release(&w.context);
        w.context = context_of(&w, &server, TLS_CLIENT_REQUIRE, &alice);
        connect_client(&w, &(struct tls_peer_options){.version = versions[i], .session = session});
        expect_refused(&w, "peer did not return a certificate");
        disconnect(&w);
        SSL_SESSION_free(session);

        session = session_of(&w, versions[i], &alice);
        connect_client(&w, &(struct tls_peer_options){.version = versions[i], .session = session});
        expect_open(&w);
        EXPECT(tls_is_resumed(w.server));
        tls_subject(w.server, subject);
        EXPECT(strcmp("CN=alice", subject) == 0);
        disconnect(&w);
        tls_context_release(&w.context);
        w.context = context_of(&w, &server, TLS_CLIENT_REQUIRE, &server);
        connect_client(&w, &(struct tls_peer_options){.version = versions[i], .session = session});
        expect_refused(&w, "peer did not return a certificate");
        SSL_SESSION_free(session);
        teardown(&w);
    }
    tls_pair_deinit(&server);
    tls_pair_deinit(&alice);
}

/* ---- Ends ---- */

static void test_close_notify(void)
{
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < 2; i++) {
        struct buf text = {0};
        connect_client(&w, &(struct tls_peer_options){.version = versions[i]});
        expect_open(&w);
        EXPECT(tls_peer_write(&w.client, SLICE("last words")));
        (void)SSL_shutdown(w.client.ssl);
        tls_peer_take(&w.client, &w.to_server);
        buf_append_text(&w.to_server, "and what nobody understands");
        deliver(&w);
        EXPECT_EQ(TLS_ENDED, tls_state(w.server));
        EXPECT(slice_equal(SLICE("last words"), buf_slice(&w.heard)));
        tls_write(w.server, SLICE("the answer"), &w.to_client); /* ours is still open */
        tls_shutdown(w.server, &w.to_client);
        deliver(&w);
        EXPECT(!tls_peer_read(&w.client, &text));
        EXPECT(slice_equal(SLICE("the answer"), buf_slice(&text)));
        EXPECT_EQ(SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN, SSL_get_shutdown(w.client.ssl));
        buf_deinit(&text);
        disconnect(&w);
    }
    teardown(&w);
}

/* The server ends first; what the client still sends is heard. */
static void test_shutdown(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    tls_shutdown(w.server, &w.to_client); /* nobody to say it to: harmless */
    EXPECT_EQ(0, w.to_client.size);
    expect_open(&w);
    tls_shutdown(w.server, &w.to_client);
    EXPECT(tls_peer_write(&w.client, SLICE("still here")));
    deliver(&w);
    EXPECT(slice_equal(SLICE("still here"), buf_slice(&w.heard)));
    EXPECT_EQ(TLS_OPEN, tls_state(w.server));
    teardown(&w);
}

static void test_truncated_record(void)
{
    struct world w;
    struct buf out = {0};
    uint8_t room[100];
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    expect_open(&w);
    EXPECT(tls_peer_write(&w.client, SLICE("whole or nothing")));
    tls_peer_take(&w.client, &w.to_server);
    for (size_t cut = 1; cut < w.to_server.size; cut++) {
        struct slice byte = slice_of(w.to_server.data + cut - 1, 1);
        EXPECT_EQ(0, tls_read(w.server, &byte, room, sizeof(room), &out));
        EXPECT_EQ(TLS_OPEN, tls_state(w.server));
    }
    struct slice last = slice_of(w.to_server.data + w.to_server.size - 1, 1);
    EXPECT_EQ(16, tls_read(w.server, &last, room, sizeof(room), &out));
    EXPECT_EQ(0, out.size);
    buf_deinit(&out);
    teardown(&w);
}

static void test_changed_record(void)
{
    struct world w;
    for (size_t i = 0; i < 2; i++) {
        setup_plain(&w);
        connect_client(&w, &(struct tls_peer_options){.version = versions[i]});
        expect_open(&w);
        EXPECT(tls_peer_write(&w.client, SLICE("good")));
        EXPECT(tls_peer_write(&w.client, SLICE("bad")));
        tls_peer_take(&w.client, &w.to_server);
        w.to_server.data[w.to_server.size - 1] ^= 1;
        struct slice in = buf_slice(&w.to_server);
        uint8_t room[100];
        EXPECT_EQ(4, tls_read(w.server, &in, room, sizeof(room), &w.to_client));
        EXPECT_EQ(TLS_BROKEN, tls_state(w.server));
        EXPECT_EQ(0, in.size);
        EXPECT(strstr(tls_problem(w.server), "bad record mac") != NULL);
        EXPECT(w.to_client.size > 0); /* the alert */
        const size_t before = w.to_client.size;
        tls_write(w.server, SLICE("nobody hears this"), &w.to_client);
        tls_shutdown(w.server, &w.to_client);
        EXPECT_EQ(before, w.to_client.size);
        teardown(&w);
    }
}

/* ---- What is refused ---- */

static void test_refused(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_1_VERSION});
    expect_refused(&w, "unsupported protocol");
    disconnect(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_VERSION});
    expect_refused(&w, "unsupported protocol");
    disconnect(&w);
    static const char *const weak[] = {"AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
                                       "DHE-RSA-AES128-GCM-SHA256", "aNULL"};
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        connect_client(&w,
                       &(struct tls_peer_options){.version = TLS1_2_VERSION, .ciphers = weak[i]});
        expect_refused(&w, "no shared cipher");
        disconnect(&w);
    }
    teardown(&w);
}

static void test_no_renegotiation(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_2_VERSION});
    expect_open(&w);
    EXPECT_EQ(1, SSL_renegotiate(w.client.ssl));
    EXPECT(tls_peer_shake(&w.client) <= 0);
    deliver(&w);
    EXPECT(tls_peer_shake(&w.client) < 0); /* the alert says no_renegotiation */
    EXPECT_EQ(TLS_OPEN, tls_state(w.server));
    teardown(&w);
}

/* Bytes that are no TLS, or not from the beginning of it. */
static void test_garbage(void)
{
    static const struct {
        struct slice bytes;
        const char *problem;
    } cases[] = {
        {{(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18}, "http request"},
        {{(const uint8_t *)"\x16\x03\x01\xff\xff\x01\x00", 7}, "length too"},
        {{(const uint8_t *)"\x17\x03\x03\x00\x05hello", 10}, "unexpected message"},
        {{(const uint8_t *)"\x15\x03\x03\x00\x02\x02\x28", 7}, "unexpected message"},
        {{(const uint8_t *)"\x16\x03\x01\x00\x04\x0e\x00\x00\x00", 9}, "unexpected message"},
    };
    struct world w;
    setup_plain(&w);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        w.server = tls_session_new(w.context);
        struct slice in = cases[i].bytes;
        uint8_t room[10];
        EXPECT_EQ(0, tls_read(w.server, &in, room, sizeof(room), &w.to_client));
        EXPECT_EQ(TLS_BROKEN, tls_state(w.server));
        EXPECT_EQ(0, in.size);
        if (strstr(tls_problem(w.server), cases[i].problem) == NULL) {
            (void)fprintf(stderr, "%zu: %s\n", i, tls_problem(w.server));
            exit(1);
        }
        tls_session_free(&w.server);
        buf_clear(&w.to_client);
    }
    teardown(&w);
}

/* ---- Contexts ---- */

static void expect_bad(struct world *w, struct slice certificate, struct slice key, struct slice ca,
                       const char *sentence)
{
    const struct tls_settings settings = {.certificate = certificate,
                                          .key = key,
                                          .client_ca = ca,
                                          .client_auth = ca.data == NULL ? TLS_CLIENT_NONE
                                                                         : TLS_CLIENT_REQUIRE,
                                          .tickets = w->tickets};
    struct err_why why = {0};
    struct tls_context *context = NULL;
    EXPECT_EQ(ERR_INVALID, tls_context_new(&settings, &context, &why));
    EXPECT(context == NULL);
    if (strstr(why.text, sentence) == NULL) {
        (void)fprintf(stderr, "want \"%s\", got \"%s\"\n", sentence, why.text);
        exit(1);
    }
}

static void test_bad_settings(void)
{
    static const char sealed[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                                 "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAh1\n"
                                 "-----END ENCRYPTED PRIVATE KEY-----\n";
    struct world w;
    struct tls_pair one;
    struct tls_pair two;
    const struct slice none = {NULL, 0};
    setup(&w);
    tls_pair_make(&one, "one", 0, 0);
    tls_pair_make(&two, "two", 0, 0);
    const struct slice good = buf_slice(&one.certificate);
    const struct slice key = buf_slice(&one.key);
    expect_bad(&w, good, buf_slice(&two.key), none, "the key does not fit the certificate");
    expect_bad(&w, none, key, none, "holds no certificate");
    expect_bad(&w, key, key, none, "holds no certificate");
    expect_bad(&w, good, none, none, "the key cannot be read");
    expect_bad(&w, good, good, none, "the key cannot be read");
    expect_bad(&w, good, slice_of(sealed, sizeof(sealed) - 1), none, "without a password");
    expect_bad(&w, good, key, SLICE("no certificate"), "clients' authorities holds no certificate");
    for (size_t half = 0; half < good.size - 1; half += 13) { /* a file that is being written */
        expect_bad(&w, slice_of(good.data, half), key, none, "the file of the certificate");
    }
    struct buf large = {0};
    for (int i = 0; i <= TLS_CHAIN_MAX; i++) {
        buf_append_slice(&large, good);
    }
    expect_bad(&w, buf_slice(&large), key, none, "more than 16 certificates");
    while (large.size <= TLS_FILE_MAX) {
        buf_append_slice(&large, good);
    }
    expect_bad(&w, buf_slice(&large), key, none, "larger than 1048576 bytes");
    buf_deinit(&large);
    tls_pair_deinit(&one);
    tls_pair_deinit(&two);
    teardown(&w);
}

static void test_expiry(void)
{
    struct world w;
    struct tls_pair pair;
    setup(&w);
    tls_pair_make(&pair, "x", 20000 * DAY_S + 17, 30);
    w.context = context_of(&w, &pair, TLS_CLIENT_NONE, NULL);
    EXPECT_EQ(20030 * DAY_S + 17, tls_context_expiry_s(w.context));
    tls_pair_deinit(&pair);
    teardown(&w);
}

/* A session keeps what it began with, whatever happens to the context. */
static void test_context_outlives_reload(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    (void)tls_peer_shake(&w.client);
    deliver(&w);
    tls_context_release(&w.context);
    tls_tickets_release(&w.tickets);
    expect_open(&w);
    talk(&w, 1000);
    teardown(&w);
}

static void test_self_signed(void)
{
    struct world w;
    setup_plain(&w);
    connect_client(&w, &(struct tls_peer_options){.version = TLS1_3_VERSION});
    expect_open(&w);
    X509 *x = SSL_get0_peer_certificate(w.client.ssl);
    EXPECT_EQ(1, X509_check_host(x, "localhost", 0, 0, NULL));
    EXPECT_EQ(1, X509_check_host(x, "server", 0, 0, NULL));
    EXPECT_EQ(0, X509_check_host(x, "elsewhere", 0, 0, NULL));
    EXPECT_EQ(1, X509_check_ip_asc(x, "127.0.0.1", 0));
    EXPECT_EQ(1, X509_check_ip_asc(x, "::1", 0));
    EXPECT_EQ(X509_VERSION_3, X509_get_version(x));
    const struct tls_self_signed bad = {.names = {"a,b"}, .name_count = 1, .days = 1};
    struct buf certificate = {0};
    struct buf key = {0};
    struct err_why why = {0};
    EXPECT_EQ(ERR_INVALID, tls_self_sign(&bad, &certificate, &key, &why));
    buf_deinit(&certificate);
    buf_deinit(&key);
    teardown(&w);
}

static const struct test_case cases[] = {
    {"versions", test_versions},
    {"byte_by_byte", test_byte_by_byte},
    {"records", test_records},
    {"little_room", test_little_room},
    {"alpn", test_alpn},
    {"key_update", test_key_update},
    {"resumption", test_resumption},
    {"resumption_later", test_resumption_later},
    {"ticket_is_renewed", test_ticket_is_renewed},
    {"client_certificates", test_client_certificates},
    {"expired_client", test_expired_client},
    {"resumption_of_clients", test_resumption_of_clients},
    {"close_notify", test_close_notify},
    {"shutdown", test_shutdown},
    {"truncated_record", test_truncated_record},
    {"changed_record", test_changed_record},
    {"refused", test_refused},
    {"no_renegotiation", test_no_renegotiation},
    {"garbage", test_garbage},
    {"bad_settings", test_bad_settings},
    {"expiry", test_expiry},
    {"context_outlives_reload", test_context_outlives_reload},
    {"self_signed", test_self_signed},
};

TEST_MAIN(cases)
