/* OpenID Connect providers, and Keycloak's own administration: read only but for asking for a token of one's own.
 *
 * Tokens are obtained by client credentials, used, and never kept.  Sources: OpenID Connect Discovery 1.0, RFC 6749
 * section 4.4, Keycloak Server Administration Guide and Admin REST API (RealmRepresentation, ClientRepresentation). */
#ifndef ROUNDS_OIDC_H
#define ROUNDS_OIDC_H

#include <jansson.h>

#include "session.h"

extern const struct target_kind kind_oidc;     /* any provider: `issuer` */
extern const struct target_kind kind_keycloak; /* realms of a server, or realm exports */

/* What the provider says of itself and of a token it issues: a new object {"issuer", "issuer_matches", "algorithms":
 * [], "token": {"type": "jwt" | "opaque", "expires_in_s", "lifetime_s", "alg", "check", "issuer_matches"}}; "token" is
 * missing when no client is configured.  Seconds. */
int oidc_look(struct session *session, json_t **out, struct error *err) __attribute__((warn_unused_result));

/* The realms of a keycloak target, from its API or from its export files: a new array of {"realm", "from",
 * "accessTokenLifespan", ... the fields named in oidc.c ..., "clients": [{"client", "lifespan_s"}]} sorted by realm.
 * Realms that cannot be read stand as {"realm", "error": {reason, text, remedy}}. */
int keycloak_realms(struct session *session, json_t **out, struct error *err) __attribute__((warn_unused_result));

#endif
