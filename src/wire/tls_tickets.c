/* tls_tickets.c - tickets: what a client keeps for us until it comes again, sealed with a key of
 * ours. So sessions can be resumed on any loop and after a reload, and we keep nothing.
 *
 *   rotate:  [newest] -> [older] -> [oldest] -> gone
 *             seals        open       opens
 *
 * What a ticket holds was agreed on with one context; sid_ctx in tls_context.c keeps it from being
 * used where other clients are let in. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/mem.h"
#include "wire/tls_private.h"

#define NAME_BYTES 16
#define KEY_BYTES  32

struct ticket_key {
    uint8_t name[NAME_BYTES];
    uint8_t cipher_key[KEY_BYTES];
    uint8_t mac_key[KEY_BYTES];
};

_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_SECRET, "a secret is a key");

struct tls_tickets {
    _Atomic uint32_t holds;
    EVP_CIPHER *cipher;
    pthread_mutex_t lock;
    struct ticket_key keys[TLS_TICKET_KEYS]; /* the newest first; under `lock` */
    size_t count;
};

struct tls_tickets *tls_tickets_new(uint8_t secret[TLS_TICKET_SECRET])
{
    struct tls_tickets *t = mem_zero(1, sizeof(*t));
    atomic_init(&t->holds, 1);
    t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    CHECK(t->cipher != NULL);
    (void)pthread_mutex_init(&t->lock, NULL);
    tls_tickets_rotate(t, secret);
    return t;
}

void tls_tickets_rotate(struct tls_tickets *t, uint8_t secret[TLS_TICKET_SECRET])
{
    (void)pthread_mutex_lock(&t->lock);
    memmove(&t->keys[1], &t->keys[0], (TLS_TICKET_KEYS - 1) * sizeof(t->keys[0]));
    memcpy(&t->keys[0], secret, sizeof(t->keys[0]));
    t->count += t->count < TLS_TICKET_KEYS ? 1 : 0;
    (void)pthread_mutex_unlock(&t->lock);
    OPENSSL_cleanse(secret, TLS_TICKET_SECRET);
}

struct tls_tickets *tls_tickets_hold(struct tls_tickets *t)
{
    atomic_fetch_add(&t->holds, 1);
    return t;
}

void tls_tickets_release(struct tls_tickets **tickets)
{
    struct tls_tickets *t = *tickets;
    *tickets = NULL;
    if (t == NULL || atomic_fetch_sub(&t->holds, 1) > 1) {
        return;
    }
    OPENSSL_cleanse(t->keys, sizeof(t->keys));
    (void)pthread_mutex_destroy(&t->lock);
    EVP_CIPHER_free(t->cipher);
    mem_free(t);
}

/* The newest key for NULL, else that of the name; false: unknown, or gone by now. */
static bool find_key(struct tls_tickets *t, const uint8_t *name, struct ticket_key *key,
                     bool *is_newest)
{
    bool is_found = false;
    (void)pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count && !is_found; i++) {
        is_found = name == NULL || memcmp(t->keys[i].name, name, NAME_BYTES) == 0;
        *key = t->keys[i];
        *is_newest = i == 0;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return is_found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, KEY_BYTES),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL asks: 1 go on, 0 no such key (a full handshake follows), 2 go on and give a new ticket,
 * negative: failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    const struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool is_newest = true;
    if (!find_key(c->tickets, is_sealing != 0 ? NULL : name, &key, &is_newest)) {
        return 0;
    }
    bool is_fine = true;
    if (is_sealing != 0) {
        memcpy(name, key.name, NAME_BYTES);
        is_fine = RAND_bytes(iv, EVP_CIPHER_get_iv_length(c->tickets->cipher)) == 1 &&
                  EVP_EncryptInit_ex2(cipher, c->tickets->cipher, key.cipher_key, iv, NULL) == 1;
    } else {
        is_fine = EVP_DecryptInit_ex2(cipher, c->tickets->cipher, key.cipher_key, iv, NULL) == 1;
    }
    is_fine = is_fine && set_mac(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!is_fine) {
        return -1;
    }
    /* A ticket of TLS 1.3 is good for one use, so whoever shows one gets another. */
    return is_newest && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

void tls_tickets_use(struct tls_context *c)
{
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_ticket);
}
