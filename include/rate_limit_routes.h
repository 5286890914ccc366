/* Routes of a cluster that serve an endpoint, and how they limit its requests: ingress-nginx annotations, Traefik
 * middlewares, Envoy Gateway policies.
 *
 * Sources: ingress-nginx "Annotations" (limit-rpm, limit-rps, limit-burst-multiplier), Traefik "RateLimit" and
 * "Kubernetes CRD", Envoy Gateway API (BackendTrafficPolicy rateLimit), Gateway API HTTPRoute. */
#ifndef ROUNDS_RATE_LIMIT_ROUTES_H
#define ROUNDS_RATE_LIMIT_ROUTES_H

#include <jansson.h>

#include "session.h"

/* Appends to `routes` an object per route and path that it serves, of the form of nginx_limits() with kind "Ingress",
 * "IngressRoute" or "HTTPRoute" and a "namespace".  `paths`: array of paths.  What cannot be read becomes gaps for
 * ATH-1. -1 when nothing can be read. */
int rate_limit_routes(struct session *session, const json_t *paths, json_t *facts, json_t *routes, struct error *err)
        __attribute__((warn_unused_result));

/* Whether a path lies under a beginning, segment by segment ("/api" serves "/api/auth", not "/apix"). */
bool path_is_under(const char *path, const char *beginning);

/* Whether Traefik's rule may match the path: true when one of its Path, PathPrefix or PathRegexp does, or it has none.
 */
bool traefik_rule_fits(const char *rule, const char *path);

#endif
