/* Requests that both kinds of identity provider make.  For oidc.c and keycloak.c alone. */
#ifndef ROUNDS_OIDC_CLIENT_H
#define ROUNDS_OIDC_CLIENT_H

#include <jansson.h>

#include "http.h"
#include "session.h"

/* A client by the target's ca_file and insecure; http_close() it. */
int oidc_open(const struct session *session, struct http **http, struct error *err) __attribute__((warn_unused_result));

/* GET of a JSON object or array; `bearer` may be NULL.  *out is new. */
int oidc_json(struct session *session, struct http *http, const char *url, const char *bearer, json_t **out,
              struct error *err) __attribute__((warn_unused_result));

/* A token by the target's client_id, client_secret, scope and audience; release it with secret_free(). */
int oidc_token(struct session *session, struct http *http, const char *endpoint, char **token, double *expires_in,
               struct error *err) __attribute__((warn_unused_result));

#endif
