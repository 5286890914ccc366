/* JSON Web Tokens: read, and checked against the keys that their issuer publishes.
 *
 * Pure but for OpenSSL; the token itself is a secret of whoever holds it and is never kept: claims come out, the
 * signature stays.  Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (algorithms), RFC 8037 (EdDSA), RFC 7519 (JWT).
 */
#ifndef ROUNDS_JWT_H
#define ROUNDS_JWT_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

enum jwt_check {
        JWT_GOOD,      /* a published key verifies the signature */
        JWT_BAD,       /* the key of that id does not */
        JWT_NO_KEY,    /* no published key has its id and type */
        JWT_UNSIGNED,  /* alg none */
        JWT_SYMMETRIC, /* HS256 and its like: nothing that is published can verify it */
        JWT_UNKNOWN,   /* an algorithm that is not known here */
};

/* "verified", "signature does not verify" ...: for facts; never renamed. */
const char *jwt_check_name(enum jwt_check check);

/* Header and claims (new objects) of a compact JWT.  REASON_UNSUPPORTED when it is no JWT (an opaque token). */
int jwt_read(const char *token, json_t **header, json_t **claims, struct error *err)
        __attribute__((warn_unused_result));

/* The signature against a JWK set ({"keys": [...]}).  RS, PS and ES 256 to 512 and EdDSA (Ed25519). */
enum jwt_check jwt_verify(const char *token, const json_t *keys);

#endif
