/* Tokens of an identity provider: do they live briefly, and do refresh tokens rotate?  Controls: ATH-3. */

#include "audit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "json.h"
#include "oidc.h"
#include "scope.h"

static int
tokens_collect(struct session *session, json_t *facts, struct error *err)
{
        json_t *seen = NULL;
        bool keycloak = session->target->kind == &kind_keycloak;

        if ((keycloak ? keycloak_realms(session, &seen, err) : oidc_look(session, &seen, err)) != 0)
                return -1;
        json_put_text(facts, "kind", session->target->kind->name);
        return json_put(facts, keycloak ? "realms" : "provider", seen) == 0 ? 0 : error_memory(err, "tokens");
}

/* --- judge -------------------------------------------------------------------------------------------------------- */

struct judge {
        const json_t *facts;
        const struct policy *policy;
        struct findings *out;
};

static void
fail(const struct judge *j, const struct resource *resource, const char *observed, const char *expected,
     const char *message, const char *remedy, const char *evidence)
{
        findings_fail(j->out, "ATH-3", resource, policy_severity(j->policy, "ATH-3", false), observed, expected,
                      message, remedy, evidence);
}

static void
lifetime_judge(const struct judge *j, const struct resource *resource, double seconds, const char *what,
               const char *remedy, const char *evidence)
{
        double most = policy_number(j->policy, "ATH-3", "access_token");
        const char *expected = findings_text(j->out, "at most %s", findings_duration(j->out, most));

        if (!(seconds > 0)) {
                findings_error(j->out, "ATH-3", resource, REASON_TOO_LITTLE_DATA,
                               isnan(seconds) ? "Nothing says how long the access token lives."
                                              : "The access token says that it has no life at all.",
                               "let the provider send expires_in, or exp and iat in the token");
                return;
        }
        const char *observed = findings_text(j->out, "%s%s", findings_duration(j->out, seconds * 1000), what);
        if (seconds * 1000 <= most)
                findings_pass(j->out, "ATH-3", resource, observed, expected,
                              "A stolen access token is soon worth nothing.");
        else
                fail(j, resource, observed, expected,
                     "A stolen access token works for this long, and nothing calls it back.", remedy, evidence);
}

/* --- any provider ------------------------------------------------------------------------------------------------- */

static void
check_judge(const struct judge *j, const json_t *token)
{
        struct resource resource = {.kind = "token", .name = "signature"};
        const char *check = json_text(token, "check", ""), *alg = json_text(token, "alg", "?");
        const char *observed = findings_text(j->out, "%s: %s", alg, check);
        bool issuer = json_flag(token, "issuer_matches", false);

        if (strcmp(check, "verified") == 0 && issuer)
                findings_pass(j->out, "ATH-3", &resource, observed,
                              "a published key verifies it, issued by this issuer",
                              "The token is signed by a key that the provider publishes.");
        else if (strcmp(check, "unknown algorithm") == 0)
                findings_error(j->out, "ATH-3", &resource, REASON_UNSUPPORTED,
                               findings_text(j->out, "The algorithm %s is not known here.", alg), NULL);
        else
                fail(j, &resource,
                     issuer ? observed : findings_text(j->out, "%s; another issuer stands in the token", observed),
                     "a published key verifies it, issued by this issuer",
                     strcmp(check, "unsigned") == 0    ? "The token is not signed: anybody can make one."
                     : strcmp(check, "symmetric") == 0 ? "The token is signed with a shared secret: every service that "
                                                         "can check one can make one."
                     : !issuer ? "The token names another issuer than the discovery document: whoever checks it "
                                 "refuses it, or checks nothing."
                               : "The token's signature does not verify with the keys that the provider publishes.",
                     strcmp(check, "no published key") == 0 ? "Publish the key that signs in the provider's jwks_uri; "
                                                              "look for a rotation that was half done."
                                                            : "Sign tokens with RS256, ES256 or EdDSA, by a key of "
                                                              "jwks_uri, in the name of the issuer.",
                     "/provider/token");
}

static void
provider_judge(const struct judge *j, const json_t *provider)
{
        struct resource access = {.kind = "token", .name = "access token"},
                        refresh = {.kind = "token", .name = "refresh token"},
                        issuer = {.kind = "issuer", .name = "discovery"};
        const json_t *token = json_map(provider, "token");

        if (provider == NULL)
                return;
        if (!json_flag(provider, "issuer_matches", true))
                fail(j, &issuer, json_text(provider, "issuer", "?"), "the issuer that the configuration names",
                     "The discovery document names another issuer: clients that check it refuse every token.",
                     "Set the provider's public issuer (behind a proxy: its external URL).", "/provider/issuer");
        if (token == NULL) {
                findings_add(j->out, &(struct finding){.control = "ATH-3",
                                                       .resource = access,
                                                       .status = STATUS_SKIP,
                                                       .message = "No client is configured that could ask for a token.",
                                                       .remedy = "give the target a client_id and client_secret that "
                                                                 "may use client credentials"});
                return;
        }
        double lifetime = json_real_or(token, "lifetime_s", NAN), stated = json_real_or(token, "expires_in_s", NAN);
        bool jwt = strcmp(json_text(token, "type", ""), "jwt") == 0;
        lifetime_judge(j, &access, jwt && !isnan(lifetime) ? lifetime : stated,
                       jwt ? ", by exp and iat of a token" : ", by expires_in of an opaque token",
                       "Shorten the access token's life at the provider (15 minutes), and let clients refresh.",
                       "/provider/token");
        if (jwt)
                check_judge(j, token);
        if (policy_flag(j->policy, "ATH-3", "rotation"))
                findings_add(j->out, &(struct finding){.control = "ATH-3",
                                                       .resource = refresh,
                                                       .status = STATUS_SKIP,
                                                       .message = "Client credentials bring no refresh token: whether "
                                                                  "they rotate is not to be seen from here.",
                                                       .remedy = "state it: a setting `refresh_rotation` of a target "
                                                                 "of kind settings, or the realm by kind keycloak"});
}

/* --- Keycloak ----------------------------------------------------------------------------------------------------- */

static void
realm_judge(const struct judge *j, const json_t *realm, size_t index)
{
        const char *name = json_text(realm, "realm", "?"), *evidence = findings_text(j->out, "/realms/%zu", index);
        struct resource access = {.kind = "realm", .namespace_ = name, .name = "access token"},
                        refresh = {.kind = "realm", .namespace_ = name, .name = "refresh token"};
        const json_t *clients = json_list(realm, "clients");
        double most = policy_number(j->policy, "ATH-3", "access_token");
        size_t i;
        json_t *client;

        lifetime_judge(
                j, &access, json_real_or(realm, "accessTokenLifespan", NAN), "",
                findings_text(j->out, "kcadm.sh update realms/%s -s accessTokenLifespan=%.0f", name, most / 1000),
                evidence);
        json_array_foreach((json_t *)clients, i, client)
        {
                double own = json_real_or(client, "lifespan_s", NAN);
                const char *id = json_text(client, "client", "?");
                if (own * 1000 > most)
                        lifetime_judge(j, &(struct resource){.kind = "client", .namespace_ = name, .name = id}, own,
                                       ", a client's own setting",
                                       "Clients, the client, Advanced, Access Token Lifespan: inherit it from the "
                                       "realm, or shorten it.",
                                       evidence);
        }
        if (!policy_flag(j->policy, "ATH-3", "rotation"))
                return;
        bool revoke = json_flag(realm, "revokeRefreshToken", false);
        int64_t reuse = json_whole(realm, "refreshTokenMaxReuse", 0);
        const char *observed = findings_text(j->out, "revokeRefreshToken %s, refreshTokenMaxReuse %" PRId64,
                                             revoke ? "true" : "false", reuse);
        if (revoke && reuse == 0)
                findings_pass(j->out, "ATH-3", &refresh, observed, "revokeRefreshToken true, refreshTokenMaxReuse 0",
                              "A refresh token works once: a stolen one is noticed.");
        else
                fail(j, &refresh, observed, "revokeRefreshToken true, refreshTokenMaxReuse 0",
                     "A stolen refresh token works beside the real one, unnoticed, as long as the session lasts.",
                     findings_text(j->out,
                                   "kcadm.sh update realms/%s -s revokeRefreshToken=true -s refreshTokenMaxReuse=0",
                                   name),
                     evidence);
}

static void
tokens_judge(const json_t *facts, const struct policy *policy, const struct history *history, struct findings *out)
{
        struct judge j = {facts, policy, out};
        size_t i;
        json_t *realm;

        (void)history;
        json_array_foreach((json_t *)json_list(facts, "realms"), i, realm)
        {
                const json_t *failed = json_map(realm, "error");
                if (failed != NULL)
                        findings_error(out, "ATH-3",
                                       &(struct resource){.kind = "realm", .name = json_text(realm, "realm", "?")},
                                       reason_from_name(json_text(failed, "reason", "internal")),
                                       json_text(failed, "text", "not read"), json_text(failed, "remedy", NULL));
                else if (json_is_object(realm))
                        realm_judge(&j, realm, i);
        }
        provider_judge(&j, json_map(facts, "provider"));
        if (out->count == 0)
                findings_error(out, "ATH-3", NULL, REASON_TOO_LITTLE_DATA, "No realm and no provider was seen.",
                               "name them in the target's `realms`");
}

const struct audit audit_tokens = {
        .name = "tokens",
        .summary = "identity providers: life and signature of access tokens, rotation of refresh tokens",
        .looks_at = {"oidc", "keycloak"},
        .controls = {"ATH-3"},
        .needs = "a client that may use client credentials; Keycloak: its service account with view-realm and "
                 "view-clients",
        .collect = tokens_collect,
        .judge = tokens_judge,
};
