/* Connections through TLS as clients see them: what test_front.c promises, inside; and handshakes
 * that break, hang or come in masses. */
#include "base/mem.h"
#include "front/pipe.h"
#include "sim/front_world.h"
#include "tls_peer.h"

#define HANDSHAKE_MS 10000
#define LINGER_MS    2000

/* A client and its TLS. */
struct secure {
    struct sim_client *client;
    struct tls_peer peer;
    struct buf heard; /* decrypted */
    size_t sent;      /* bytes of ciphertext */
    size_t cut;       /* the bytes from here on go out later */
    bool is_open;     /* what the server says is still understood */
};

static void open_world(struct front_world *w, uint32_t connections_max)
{
    struct tls_pair pair;
    struct tls_context *context = NULL;
    struct err_why why = {0};
    uint8_t secret[TLS_TICKET_SECRET] = {1};
    world_open(w, NULL, connections_max);
    tls_pair_make(&pair, "node", 0, 0);
    struct tls_tickets *tickets = tls_tickets_new(secret);
    const struct tls_settings settings = {.certificate = buf_slice(&pair.certificate),
                                          .key = buf_slice(&pair.key),
                                          .tickets = tickets};
    EXPECT_EQ(ERR_OK, tls_context_new(&settings, &context, &why));
    front_set_tls(w->front, context);
    tls_context_release(&context);
    tls_tickets_release(&tickets);
    tls_pair_deinit(&pair);
}

static struct front_stats stats_of(const struct front_world *w)
{
    struct front_stats stats;
    front_stats(w->front, &stats);
    return stats;
}

/* ---- The client ---- */

static void send_out(struct secure *s)
{
    struct buf out = {0};
    tls_peer_take(&s->peer, &out);
    struct slice all = buf_slice(&out);
    if (s->cut > s->sent && s->cut - s->sent < all.size) {
        const size_t first = s->cut - s->sent;
        sim_client_write(s->client, slice_of(all.data, first));
        world_run(5);
        all = slice_skip(all, first);
    }
    if (all.size > 0) {
        sim_client_write(s->client, all);
    }
    s->sent += out.size;
    buf_deinit(&out);
}

static void take_in(struct secure *s)
{
    struct buf *in = sim_client_input(s->client);
    tls_peer_feed(&s->peer, buf_slice(in));
    buf_clear(in);
    if (SSL_is_init_finished(s->peer.ssl) == 1) {
        s->is_open = tls_peer_read(&s->peer, &s->heard);
    }
}

/* Both sides talk for about `ms`. */
static void talk(struct secure *s, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        send_out(s);
        world_run(1);
        take_in(s);
    }
}

static void begin(struct front_world *w, struct secure *s, int version, size_t cut)
{
    *s = (struct secure){.client = world_connect(w), .cut = cut, .is_open = true};
    tls_peer_open(&s->peer, &(struct tls_peer_options){.version = version});
}

static void shake(struct secure *s)
{
    int result = 0;
    for (int i = 0; i < 10 && result == 0; i++) {
        result = tls_peer_shake(&s->peer);
        talk(s, 5);
    }
    EXPECT_EQ(1, result);
    EXPECT(s->is_open);
}

static void connect_secure(struct front_world *w, struct secure *s)
{
    begin(w, s, TLS1_3_VERSION, 0);
    shake(s);
}

static void say(struct secure *s, const char *text)
{
    EXPECT(tls_peer_write(&s->peer, slice_of_text(text)));
    send_out(s);
}

static void expect_heard(struct secure *s, const char *want)
{
    strip_dates(&s->heard);
    if (!slice_equal(slice_of_text(want), buf_slice(&s->heard))) {
        (void)fprintf(stderr, "want:\n%s\ngot:\n%.*s\n", want, (int)s->heard.size,
                      (const char *)s->heard.data);
        exit(1);
    }
    buf_clear(&s->heard);
}

/* The server has said that it ends, and has ended. */
static void expect_orderly_end(struct secure *s)
{
    EXPECT((SSL_get_shutdown(s->peer.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
    client_expect_end(s->client);
}

static void end(struct secure *s)
{
    sim_client_close(&s->client);
    tls_peer_close(&s->peer);
    buf_deinit(&s->heard);
}

/* ---- What goes through ---- */

static const char resp_input[] =
    "*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n*2\r\n$5\r\nLATER\r\n$3\r\nabc\r\n";
static const char http_input[] =
    "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
    "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n7;x=y\r\n there!\r\n0\r\n\r\n";
static const char http_want[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
                                "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello there!";

/* Ciphertext that is cut anywhere, from the first byte of the handshake on. */
static void test_split(void)
{
    struct front_world w;
    open_world(&w, 100);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t cut = 1; cut < 900; cut += 7) {
            struct secure s;
            begin(&w, &s, version, cut);
            shake(&s);
            say(&s, cut % 2 == 0 ? resp_input : http_input);
            talk(&s, 30);
            expect_heard(&s, cut % 2 == 0 ? "$5\r\nhello\r\n$3\r\nabc\r\n" : http_want);
            client_expect_open(s.client);
            end(&s);
        }
    }
    EXPECT_EQ(0, stats_of(&w).tls_failed);
    EXPECT(stats_of(&w).tls_full > 200);
    world_close(&w);
}

/* A record for each byte. */
static void test_small_records(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    for (size_t i = 0; i < sizeof(resp_input) - 1; i++) {
        const char byte[] = {resp_input[i], '\0'};
        say(&s, byte);
    }
    talk(&s, 30);
    expect_heard(&s, "$5\r\nhello\r\n$3\r\nabc\r\n");
    end(&s);
    world_close(&w);
}

/* Nothing is said inside for longer than a handshake may take: pools of clients do that. */
static void test_silence(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    world_run(UINT64_C(10) * 3600 * 1000);
    client_expect_open(s.client);
    say(&s, resp_input);
    talk(&s, 30);
    expect_heard(&s, "$5\r\nhello\r\n$3\r\nabc\r\n");
    end(&s);
    begin(&w, &s, TLS1_3_VERSION, 0);
    shake(&s);
    say(&s, "GET /hel"); /* begun: it is due now */
    world_run(20000);
    client_expect_end(s.client);
    end(&s);
    world_close(&w);
}

/* Answers that are not read stop the commands; all come when they are. */
static void test_slow_reader(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    sim_client_pause(s.client, true);
    for (size_t i = 0; i < 1000; i++) {
        say(&s, "*2\r\n$3\r\nBIG\r\n$5\r\n10000\r\n");
    }
    world_run(1000);
    EXPECT(w.commands < 500);
    EXPECT(stats_of(&w).waiting_bytes < 4 << 20);
    sim_client_pause(s.client, false);
    talk(&s, 3000);
    EXPECT_EQ(1000, w.commands);
    EXPECT_EQ(1000 * (sizeof("$10000\r\n\r\n") - 1 + 10000), s.heard.size);
    EXPECT_EQ(0, stats_of(&w).waiting_bytes);
    end(&s);
    world_close(&w);
}

/* A body that is paused again and again, with more ciphertext behind it. */
static void test_paused_body(void)
{
    struct front_world w;
    struct secure s;
    struct buf body = {0};
    open_world(&w, 100);
    connect_secure(&w, &s);
    for (int i = 0; i < 3; i++) {
        buf_clear(&body);
        buf_append_text(
            &body, "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n");
        memset(buf_reserve(&body, 200000), 'x', 200000);
        buf_extend(&body, 200000);
        buf_append_text(&body, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT(tls_peer_write(&s.peer, buf_slice(&body)));
        talk(&s, 3000);
        expect_heard(&s, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n200000"
                         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }
    buf_deinit(&body);
    end(&s);
    world_close(&w);
}

/* ---- Ends ---- */

static void test_close_notify(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    say(&s, "*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n*2\r\n$5\r\nLATER\r\n$1\r\ny\r\n");
    (void)SSL_shutdown(s.peer.ssl);
    talk(&s, 100);
    expect_heard(&s, "$1\r\nx\r\n$1\r\ny\r\n");
    expect_orderly_end(&s);
    end(&s);
    connect_secure(&w, &s); /* before it has said anything */
    (void)SSL_shutdown(s.peer.ssl);
    talk(&s, 100);
    client_expect_end(s.client);
    end(&s);
    world_close(&w);
}

/* The connection ends without a word of TLS: what was asked is answered. */
static void test_bare_end(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    say(&s, "*2\r\n$5\r\nLATER\r\n$1\r\nx\r\n*2\r\n$5\r\nLA");
    sim_client_shutdown(s.client);
    for (int i = 0; i < 100; i++) {
        world_run(1);
        take_in(&s);
    }
    expect_heard(&s, "$1\r\nx\r\n");
    expect_orderly_end(&s);
    end(&s);
    world_close(&w);
}

static void test_quit(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    say(&s, "*1\r\n$4\r\nQUIT\r\n");
    talk(&s, 100);
    expect_heard(&s, "+OK\r\n");
    EXPECT((SSL_get_shutdown(s.peer.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
    sim_client_shutdown(s.client);
    world_run(LINGER_MS + 2000);
    client_expect_end(s.client);
    end(&s);
    world_close(&w);
}

/* Bytes that are no record, with a request under way: it is withdrawn, the client hears an alert.
 */
static void test_broken_record(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    say(&s, "GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talk(&s, 20);
    EXPECT_EQ(1, w.handled);
    sim_client_write(s.client, SLICE("\x17\x03\x03\x00\x20 these are not thirty-two bytes!"));
    world_run(100);
    EXPECT_EQ(1, w.aborted);
    client_expect_end(s.client);
    end(&s);
    EXPECT_EQ(0, stats_of(&w).tls_failed); /* its handshake was good */
    world_close(&w);
}

/* A client that makes TLS itself speak, and does not listen, is cut off. */
static void test_key_updates(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    sim_client_pause(s.client, true);
    for (int i = 0; i < 20000 && !sim_client_has_ended(s.client, NULL); i++) {
        EXPECT_EQ(1, SSL_key_update(s.peer.ssl, SSL_KEY_UPDATE_REQUESTED));
        EXPECT_EQ(1, SSL_do_handshake(s.peer.ssl));
        send_out(&s);
        if (i % 50 == 0) {
            world_run(1);
        }
        EXPECT(stats_of(&w).waiting_bytes <= 2 * PROTOCOL_BYTES_MAX);
    }
    client_expect_end(s.client);
    end(&s);
    world_close(&w);
}

/* ---- Handshakes that fail ---- */

static void test_no_tls(void)
{
    struct front_world w;
    open_world(&w, 100);
    struct sim_client *c = world_connect(&w);
    sim_client_write(c, SLICE("\x16\x03\x01\x00\x05hello, this is no hello"));
    world_run(100);
    EXPECT_EQ(0x15, sim_client_input(c)->data[0]); /* an alert, and then the end */
    client_expect_end(c);
    EXPECT_EQ(1, stats_of(&w).tls_failed);
    EXPECT_EQ(1, stats_of(&w).tls_connections);
    for (int i = 0; i < 100; i++) { /* what it goes on saying is dropped */
        client_send(c, "more of the same, again and again and again");
        world_run(10);
    }
    world_run(HANDSHAKE_MS + 2000);
    EXPECT_EQ(0, stats_of(&w).tls_connections);
    sim_client_close(&c);
    world_close(&w);
}

static void test_tls_inside_tls(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    connect_secure(&w, &s);
    say(&s, "\x16\x03\x01");
    talk(&s, 20);
    client_expect_end(s.client);
    end(&s);
    world_close(&w);
}

static void test_agreement_is_kept(void)
{
    struct front_world w;
    struct secure s = {.is_open = true};
    open_world(&w, 100);
    s.client = world_connect(&w);
    tls_peer_open(&s.peer, &(struct tls_peer_options){.alpn = "\x02h2"});
    shake(&s);
    say(&s, "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    talk(&s, 20);
    client_expect_end(s.client);
    expect_heard(&s, "");
    end(&s);
    world_close(&w);
}

static void test_unfinished(void)
{
    struct front_world w;
    struct secure s;
    open_world(&w, 100);
    struct sim_client *silent = world_connect(&w);
    sim_client_write(silent, SLICE("\x16"));
    begin(&w, &s, TLS1_3_VERSION, 0);
    EXPECT_EQ(0, tls_peer_shake(&s.peer));
    send_out(&s);
    world_run(HANDSHAKE_MS - 2000);
    client_expect_open(silent);
    client_expect_open(s.client);
    world_run(4000);
    client_expect_end(silent);
    client_expect_end(s.client);
    EXPECT_EQ(2, stats_of(&w).tls_failed);
    EXPECT_EQ(0, stats_of(&w).tls_connections);
    sim_client_close(&silent);
    end(&s);
    begin(&w, &s, TLS1_3_VERSION, 0); /* the client goes away in the middle */
    EXPECT_EQ(0, tls_peer_shake(&s.peer));
    send_out(&s);
    sim_client_shutdown(s.client);
    world_run(100);
    client_expect_end(s.client);
    EXPECT_EQ(3, stats_of(&w).tls_failed);
    end(&s);
    world_close(&w);
}

/* More than may hang at a time: the oldest give way, and whoever goes on gets in. */
static void test_too_many(void)
{
    const size_t count = (size_t)WORLD_LOOPS * HANDSHAKES_MAX + 100;
    struct front_world w;
    struct secure s;
    open_world(&w, 5000);
    struct sim_client **hung = mem_zero(count, sizeof(struct sim_client *));
    for (size_t i = 0; i < count; i++) {
        hung[i] = world_connect(&w);
        sim_client_write(hung[i], SLICE("\x16\x03"));
    }
    world_run(100);
    EXPECT_EQ(count - 100, stats_of(&w).tls_connections);
    size_t ended = 0;
    for (size_t i = 0; i < count; i++) {
        const bool has_ended = sim_client_has_ended(hung[i], NULL);
        ended += has_ended ? 1 : 0;
        EXPECT(!has_ended || i < 200); /* loops do not fill up in step */
    }
    EXPECT_EQ(100, ended);
    connect_secure(&w, &s);
    say(&s, resp_input);
    talk(&s, 30);
    expect_heard(&s, "$5\r\nhello\r\n$3\r\nabc\r\n");
    end(&s);
    for (size_t i = 0; i < count; i++) {
        sim_client_close(&hung[i]);
    }
    mem_free(hung);
    world_close(&w);
}

/* ---- Stop ---- */

static void test_drain(void)
{
    struct front_world w;
    struct secure silent;
    struct secure busy;
    struct secure young;
    open_world(&w, 100);
    connect_secure(&w, &silent);
    connect_secure(&w, &busy);
    say(&busy, "GET /later/x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    begin(&w, &young, TLS1_3_VERSION, 0);
    EXPECT_EQ(0, tls_peer_shake(&young.peer));
    send_out(&young);
    world_run(1);
    for (uint32_t i = 0; i < WORLD_LOOPS; i++) {
        front_loop_drain(w.fronts[i]);
    }
    talk(&silent, 20);
    talk(&busy, 20);
    world_run(20);
    (void)tls_peer_shake(&young.peer); /* it goes on, in vain */
    send_out(&young);
    expect_heard(&busy, "HTTP/1.1 200 OK\r\nX-Host: localhost\r\nContent-Length: 8\r\n"
                        "Connection: close\r\n\r\n/later/x");
    EXPECT((SSL_get_shutdown(silent.peer.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
    EXPECT((SSL_get_shutdown(busy.peer.ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
    world_run(LINGER_MS + 2000);
    for (uint32_t i = 0; i < WORLD_LOOPS; i++) {
        EXPECT(front_loop_is_idle(w.fronts[i]));
    }
    end(&silent);
    end(&busy);
    end(&young);
    world_close(&w);
}

static const struct test_case cases[] = {
    {"split", test_split},
    {"small_records", test_small_records},
    {"silence", test_silence},
    {"slow_reader", test_slow_reader},
    {"paused_body", test_paused_body},
    {"close_notify", test_close_notify},
    {"bare_end", test_bare_end},
    {"quit", test_quit},
    {"broken_record", test_broken_record},
    {"key_updates", test_key_updates},
    {"no_tls", test_no_tls},
    {"tls_inside_tls", test_tls_inside_tls},
    {"agreement_is_kept", test_agreement_is_kept},
    {"unfinished", test_unfinished},
    {"too_many", test_too_many},
    {"drain", test_drain},
};

TEST_MAIN(cases)
