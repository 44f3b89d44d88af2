/* config_check.c - settings that make sense only together. */
#include "server/config.h"
#include "wire/tls.h"

static enum err check_tls(const struct config *c, struct err_why *why)
{
    const bool has_certificate = c->tls_cert[0] != '\0';
    if (has_certificate != (c->tls_key[0] != '\0')) {
        return err_set(why, ERR_INVALID, "--tls-cert and --tls-key are only useful together");
    }
    if (!has_certificate && (c->is_tls_only != 0 || c->tls_client_auth != TLS_CLIENT_NONE)) {
        return err_set(why, ERR_INVALID, "%s needs --tls-cert and --tls-key",
                       c->is_tls_only != 0 ? "--tls-only" : "--tls-client-auth");
    }
    if ((c->tls_client_ca[0] != '\0') != (c->tls_client_auth != TLS_CLIENT_NONE)) {
        return err_set(why, ERR_INVALID,
                       "--tls-client-ca and --tls-client-auth request|require are only useful "
                       "together");
    }
    return ERR_OK;
}

enum err config_check(const struct config *c, struct err_why *why)
{
    if (c->data[0] == '\0' && c->engine != TABLE_MEMORY) {
        return err_set(why, ERR_INVALID,
                       "--data DIR is needed, or --engine memory for a node that keeps nothing");
    }
    return check_tls(c, why);
}
