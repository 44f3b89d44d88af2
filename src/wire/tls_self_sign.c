/* tls_self_sign.c - a certificate for development: P-256, signed by its own key. */
#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/check.h"
#include "wire/tls_private.h"

#define DAY_S UINT64_C(86400)

static bool is_address(const char *name)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool set_names(X509 *x, const struct tls_self_signed *wanted)
{
    struct buf list = {0};
    for (size_t i = 0; i < wanted->name_count; i++) {
        buf_printf(&list, "%s%s:%s", i == 0 ? "" : ",", is_address(wanted->names[i]) ? "IP" : "DNS",
                   wanted->names[i]);
    }
    buf_append_byte(&list, '\0');
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, (const char *)list.data);
    buf_deinit(&list);
    const bool is_fine = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_fine;
}

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    const bool is_fine = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_fine;
}

static bool set_serial(X509 *x, const uint8_t serial[TLS_SERIAL_BYTES])
{
    uint8_t positive[TLS_SERIAL_BYTES];
    memcpy(positive, serial, sizeof(positive));
    positive[0] = (uint8_t)((positive[0] & 0x7f) | 0x40); /* neither negative nor zero */
    BIGNUM *number = BN_bin2bn(positive, sizeof(positive), NULL);
    const bool is_fine =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;
    BN_free(number);
    return is_fine;
}

static bool set_times(X509 *x, uint64_t from_s, uint64_t days)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from_s) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(from_s + days * DAY_S)) != NULL;
}

static bool fill(X509 *x, EVP_PKEY *key, const struct tls_self_signed *wanted)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x, wanted->serial) &&
           set_times(x, wanted->from_s, wanted->days) && X509_set_pubkey(x, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)wanted->names[0], -1, -1, 0) == 1 &&
           X509_set_issuer_name(x, name) == 1 && set_names(x, wanted) &&
           add_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(x, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(x, NID_subject_key_identifier, "hash") &&
           /* Tells it from others of the same name, where several are trusted. */
           add_extension(x, NID_authority_key_identifier, "keyid:always") &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

static void append(struct buf *out, BIO *bio)
{
    char *data = NULL;
    const long size = BIO_get_mem_data(bio, &data);
    buf_append(out, data, size > 0 ? (size_t)size : 0);
}

static bool write_pem(X509 *x, EVP_PKEY *key, struct buf *certificate, struct buf *key_text)
{
    BIO *first = BIO_new(BIO_s_mem());
    BIO *second = BIO_new(BIO_s_secmem());
    CHECK(first != NULL && second != NULL);
    const bool is_fine = PEM_write_bio_X509(first, x) == 1 &&
                         PEM_write_bio_PKCS8PrivateKey(second, key, NULL, NULL, 0, NULL, NULL) == 1;
    append(certificate, first);
    append(key_text, second);
    BIO_free(first);
    BIO_free(second);
    return is_fine;
}

enum err tls_self_sign(const struct tls_self_signed *wanted, struct buf *certificate,
                       struct buf *key_text, struct err_why *why)
{
    CHECK(wanted->name_count > 0 && wanted->name_count <= TLS_NAMES_MAX);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    CHECK(key != NULL && x != NULL);
    const bool is_fine = fill(x, key, wanted) && write_pem(x, key, certificate, key_text);
    X509_free(x);
    EVP_PKEY_free(key);
    return is_fine ? ERR_OK
                   : err_set(why, ERR_INVALID, "the certificate cannot be made: %s",
                             tls_error("a name is wrong"));
}
