/* Every certificate of a cluster, where it lies, what serves it: as facts. */
#ifndef ROUNDS_CLUSTER_CERTIFICATES_FACTS_H
#define ROUNDS_CLUSTER_CERTIFICATES_FACTS_H

#include <jansson.h>

#include "session.h"

/* Fills `facts`:
 * {
 *   "certificates": [{x509_facts()..., owner, managed, places []}],
 *   "secrets": [{path, namespace, object (its name), leaf, chain [], authorities [], bundle (nothing but authorities,
 *       many of them), used (something serves it), name_ok, name (the host that is not named), trusted, trust, public,
 * tls (who serves it), swept, error}], "bundles": [{path, kind, name, certificates [], bundle, error}], "own": [{path,
 * certificates [], bundle, error}], "hosts": [{kind, namespace, name, host, secret, state}]: hosts whose Secret cannot
 * be looked at: "missing" (there is no such Secret), "unread", "default" (of its controller), "plain" (none at all),
 * "elsewhere" (a load balancer), "endpoints": [as in tls_sweep.h, with secret and secret_leaf]: with the target's
 * `sweep`, "sources": [as in cluster_tls.h], "no_trust"
 * } */
int cluster_certificates_read(struct session *session, json_t *facts, struct error *err)
        __attribute__((warn_unused_result));

#endif
